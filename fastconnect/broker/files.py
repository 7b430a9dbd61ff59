"""The files by which the commands that use an embedded broker and its keeper know of each other.

What is true is decided by locks that the kernel holds, not by what a file says: a lock goes with its process, however that
ended, so no file has to be cleaned up after a kill. The four locks, in the broker's folder:

    start.lock   exclusive: a command that starts, stops or resets the broker; one at a time
    users.lock   shared: every command that uses the broker. Exclusive: the keeper, once nobody uses it; the broker is ending
    keeper.lock  exclusive: the keeper. Its content names the keeper's process
    java.lock    exclusive: the broker itself, which inherits it. Its content names the java process

Lock files are never deleted: two processes could then hold locks on two files of the same name.

The keeper imports this file, so it needs the standard library only.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

POLL_S = 0.01


class Lock:
    """A lock on a file; held until `release` or until every process that inherited it has ended."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file_descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def fileno(self) -> int:
        """The descriptor that holds the lock."""
        return self._file_descriptor

    def try_exclusive(self) -> bool:
        """Take the lock alone, or change a shared one into that; False if others hold it."""
        return self._try(fcntl.LOCK_EX)

    def try_shared(self) -> bool:
        """Take the lock together with others; False if one holds it alone."""
        return self._try(fcntl.LOCK_SH)

    def wait_exclusive(self, timeout_s: float) -> bool:
        """Take the lock alone, waiting for others to let go; False if they did not."""
        return wait_until(self.try_exclusive, timeout_s)

    def wait_shared(self, timeout_s: float) -> bool:
        """Take the lock together with others, waiting for one who holds it alone; False if it did not let go."""
        return wait_until(self.try_shared, timeout_s)

    def release(self) -> None:
        """Let go in this process. Does nothing the second time."""
        if self._file_descriptor >= 0:
            os.close(self._file_descriptor)
            self._file_descriptor = -1

    def _try(self, kind: int) -> bool:
        try:
            fcntl.flock(self._file_descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def is_held(path: Path) -> bool:
    """Whether a process holds this lock alone. Asking takes a shared lock for a moment, so askers don't see each other."""
    if not path.exists():
        return False
    lock = Lock(path)
    try:
        return not lock.try_shared()
    finally:
        lock.release()


def is_shared(path: Path) -> bool:
    """Whether any process holds this lock, alone or with others."""
    if not path.exists():
        return False
    lock = Lock(path)
    try:
        return not lock.try_exclusive()
    finally:
        lock.release()


@dataclass(frozen=True)
class ProcessId:
    """A process, told apart from a later one that was given the same pid."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """The process that has this pid now; None if there is none."""
        started = _start_time(pid)
        return cls(pid, started) if started else None

    @classmethod
    def read(cls, path: Path) -> ProcessId | None:
        """The process that a lock file names; None if it names none (yet)."""
        try:
            pid, started = path.read_text().split(maxsplit=1)
            return cls(int(pid), started.strip())
        except (OSError, ValueError):
            return None

    def write(self, file_descriptor: int) -> None:
        """Name this process in the lock file that it holds."""
        os.ftruncate(file_descriptor, 0)
        os.pwrite(file_descriptor, f"{self.pid} {self.started}\n".encode(), 0)

    def is_alive(self) -> bool:
        """Whether this very process still runs."""
        return _start_time(self.pid) == self.started

    def send(self, signal_number: int) -> bool:
        """Send it a signal; False if it is gone. Another process that has its pid by now is never hit."""
        if sys.platform != "linux":
            return self._send_by_pid(signal_number)
        try:
            pidfd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            # The pidfd stands for one process: checked after it was opened, it cannot become another one's.
            if not self.is_alive():
                return False
            signal.pidfd_send_signal(pidfd, signal_number)
        except ProcessLookupError:
            return False
        finally:
            os.close(pidfd)
        return True

    def _send_by_pid(self, signal_number: int) -> bool:
        if not self.is_alive():
            return False
        try:
            os.kill(self.pid, signal_number)
        except ProcessLookupError:
            return False
        return True


def _start_time(pid: int) -> str | None:
    """When the process started, as the system writes it; None if it does not run (a zombie runs no more)."""
    if sys.platform != "linux":
        found = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return found.stdout.strip() or None
    try:
        with open(f"/proc/{pid}/stat") as stat:
            # The name in parentheses may hold anything; behind it come the state (field 3) and, as field 22, the start.
            fields = stat.read().rpartition(")")[2].split()
        with open("/proc/sys/kernel/random/boot_id") as boot:
            return None if fields[0] in "ZX" else f"{fields[19]}@{boot.read().strip()}"
    except (OSError, IndexError):
        return None


_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent(signal_number: int, parent: int) -> None:
    """Have the kernel send this process a signal when `parent`, which has just forked it, dies. Linux only.

    Called between fork and exec. The parent may have died before the call: then it is too late for the kernel, not for us.
    """
    if sys.platform != "linux":
        return
    _libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


_libc = ctypes.CDLL(None)  # loaded here: a child between fork and exec should load nothing


@dataclass(frozen=True)
class State:
    """What the keeper tells of the broker; true only while `keeper.lock` is held."""

    phase: str  # starting, running, stopping
    bootstrap_servers: str
    cluster_id: str
    by_hand: bool
    kafka_version: str
    started_at: float  # seconds since 1970
    keeper_pid: int  # whose word this is: a killed keeper leaves its last one behind

    def write(self, path: Path) -> None:
        """Replace the state file at one blow: a reader sees the old state or the new one."""
        new = path.with_name(path.name + ".new")
        new.write_text(json.dumps(asdict(self)))
        new.replace(path)

    @classmethod
    def read(cls, path: Path) -> State | None:
        """The state last written; None if there is none."""
        try:
            return cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            return None


@dataclass(frozen=True)
class BrokerFiles:
    """The names of the files in the broker's folder."""

    folder: Path

    @property
    def start_lock(self) -> Path:
        """Held alone by a command that starts, stops or resets."""
        return self.folder / "start.lock"

    @property
    def users_lock(self) -> Path:
        """Held together by all that use the broker."""
        return self.folder / "users.lock"

    @property
    def keeper_lock(self) -> Path:
        """Held by the keeper; names it."""
        return self.folder / "keeper.lock"

    @property
    def java_lock(self) -> Path:
        """Held by the broker's java process; names it."""
        return self.folder / "java.lock"

    @property
    def state(self) -> Path:
        """What the keeper tells of the broker."""
        return self.folder / "state.json"

    @property
    def ports(self) -> Path:
        """The ports chosen when the broker was first started."""
        return self.folder / "ports.json"

    @property
    def settings(self) -> Path:
        """Apache Kafka's own settings, written at each start."""
        return self.folder / "server.properties"

    @property
    def data(self) -> Path:
        """The topics."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """What Apache Kafka and the keeper say; the previous run's is kept beside it."""
        return self.folder / "broker.log"

    @property
    def previous_log(self) -> Path:
        """The log of the run before."""
        return self.folder / "broker.log.1"


def wait_until(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Ask until the condition holds; False if it does not within the time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_S)
    return True
