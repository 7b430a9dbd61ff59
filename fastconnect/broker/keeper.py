"""The process that keeps one embedded broker: `python -m fastconnect.broker.keeper`, started by embedded.py.

It starts Kafka as its child, says when Kafka answers, and ends it when nobody uses it any more. It belongs to no command, so
a command may be killed at any moment; when the keeper itself is killed, the kernel ends Kafka (PR_SET_PDEATHSIG). What to
start comes as JSON on standard input; standard output is for one line, `ready` or what went wrong.

Signals: SIGTERM ends the broker, SIGUSR1 makes it stay without users until then (as if it had been started by hand).
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from fastconnect.broker import probe
from fastconnect.broker.files import BrokerFiles, Lock, ProcessId, State, die_with_parent
from fastconnect.broker.kafka import FormatError, environment, format_data, reason

_LOOK_S = 0.1  # how often it looks whether users are left: how long a broker outlives the last of them
_START_LOOK_S = 0.02
_LOCK_WAIT_S = 5.0
_GRACEFUL_S = 30.0  # Kafka writes out its logs and closes them; what is left after that is cut off


@dataclass(frozen=True)
class Orders:
    """What to start; sent by embedded.py."""

    folder: str
    command: list[str]
    format_command: list[str]
    port: int
    cluster_id: str
    kafka_version: str
    by_hand: bool
    ready_within_s: float


class StartError(Exception):
    """Kafka did not come up; the text says why."""


class Keeper:
    """Starts Kafka, watches it and its users, ends it."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.files = BrokerFiles(Path(orders.folder))
        self.state = State(
            phase="starting",
            bootstrap_servers=f"127.0.0.1:{orders.port}",
            cluster_id=orders.cluster_id,
            by_hand=orders.by_hand,
            kafka_version=orders.kafka_version,
            started_at=time.time(),
            keeper_pid=os.getpid(),
        )
        self._stop_asked = False
        self._lock = Lock(self.files.keeper_lock)
        self._users = Lock(self.files.users_lock)
        self._wakeup = _signals_to_pipe()

    def run(self, report: Report) -> int:
        """Everything, from the first lock to the last; returns the exit code."""
        if not self._lock.wait_exclusive(_LOCK_WAIT_S):
            report.send("another keeper runs in this folder")
            return 1
        own = ProcessId.of(os.getpid())
        assert own is not None
        own.write(self._lock.fileno())
        self._tell(phase="starting")
        java = None
        try:
            self._format()
            java = self._start_java()
            self._wait_until_ready(java)
            self._tell(phase="running")
            report.send("ready")
            self._wait_until_unused(java)
            problem = None
        except StartError as error:
            problem = str(error)
        finally:
            self._tell(phase="stopping")
            if java:
                _end(java)
            with suppress(OSError):
                self.files.state.unlink(missing_ok=True)
        if problem:
            report.send(problem)
        return 1 if problem else 0

    def _format(self) -> None:
        try:
            format_data(self.files.folder, self.orders.format_command, self.orders.cluster_id)
        except (OSError, FormatError) as error:
            raise StartError(f"its data folder could not be set up: {error}") from error

    def _start_java(self) -> subprocess.Popen[bytes]:
        lock = Lock(self.files.java_lock)
        if not lock.wait_exclusive(_LOCK_WAIT_S):
            raise StartError("a Kafka that was left behind does not end")
        java = subprocess.Popen(
            self.orders.command,
            cwd=self.files.folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            pass_fds=[lock.fileno()],
            preexec_fn=partial(_become_java, lock, os.getpid()),  # noqa: PLW1509 - the keeper has one thread
        )
        lock.release()  # from here on held by Kafka only: held means alive
        return java

    def _wait_until_ready(self, java: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + self.orders.ready_within_s
        while probe.cluster_id(self.orders.port, timeout_s=1.0) != self.orders.cluster_id:
            if java.poll() is not None:
                raise StartError(f"Kafka ended while starting, with exit code {java.returncode}{self._last_words()}")
            if time.monotonic() > deadline:
                raise StartError(f"Kafka did not answer within {self.orders.ready_within_s:g} s")
            if self._is_over(_START_LOOK_S):
                raise StartError("it was stopped while starting")

    def _wait_until_unused(self, java: subprocess.Popen[bytes]) -> None:
        while not self._is_over(_LOOK_S):
            if java.poll() is not None:
                _log(f"Kafka ended by itself. exit_code={java.returncode}")
                return

    def _last_words(self) -> str:
        try:
            told = reason(self.files.log.read_text(errors="replace"))
        except OSError:
            return ""
        return f": {told}" if told else ""

    def _is_over(self, wait_s: float) -> bool:
        """Wait for a signal; whether the broker is to end now, because that was asked or its last user has gone."""
        if select.select([self._wakeup], [], [], wait_s)[0]:
            for number in os.read(self._wakeup, 4096):
                if number == signal.SIGTERM:
                    self._stop_asked = True
                elif number == signal.SIGUSR1:
                    self._tell(by_hand=True)
        # Once held alone, the users' lock is kept until this process has ended: a command that comes now waits for that,
        # instead of being given a broker that is about to go.
        return self._stop_asked or (not self.state.by_hand and self._users.try_exclusive())

    def _tell(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)
        try:
            self.state.write(self.files.state)
        except OSError as error:  # a full disk: the broker itself may still be of use
            _log(f"The broker's state could not be written. error={error}")


def _become_java(lock: Lock, keeper: int) -> None:
    """Between fork and exec: name this process in the lock it holds, and end with the keeper."""
    die_with_parent(signal.SIGTERM, keeper)
    own = ProcessId.of(os.getpid())
    if own is not None:
        own.write(lock.fileno())


def _end(java: subprocess.Popen[bytes]) -> None:
    java.terminate()
    try:
        java.wait(_GRACEFUL_S)
    except subprocess.TimeoutExpired:
        _log(f"Kafka did not end when asked and is killed. wait_s={_GRACEFUL_S:g}")
        java.kill()
        java.wait()


def _signals_to_pipe() -> int:
    """Have signals only put their number into a pipe; the loop acts on them."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    for number in (signal.SIGINT, signal.SIGHUP):  # meant for the command at the terminal
        signal.signal(number, signal.SIG_IGN)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    return reader


class Report:
    """The line that the starting command waits for; only the first one is sent."""

    def __init__(self, file_descriptor: int) -> None:
        self._file_descriptor = file_descriptor

    def send(self, text: str) -> None:
        """Send the line and close the pipe. The command may be gone: that is no matter here."""
        if self._file_descriptor >= 0:
            with suppress(OSError):
                os.write(self._file_descriptor, f"{text}\n".encode())
            os.close(self._file_descriptor)
            self._file_descriptor = -1


def _log(text: str) -> None:
    print(time.strftime("%Y-%m-%dT%H:%M:%S%z"), "[keeper]", text, file=sys.stderr, flush=True)


def _log_to(files: BrokerFiles) -> None:
    """Make the broker's log what this process, and Kafka after it, write to; keep the previous one."""
    if files.log.exists():
        files.log.replace(files.previous_log)
    log = os.open(files.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())


def main() -> int:
    """Leave the command that started this process, then keep the broker."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    orders = Orders(**json.loads(sys.stdin.buffer.read()))
    if os.fork():
        os._exit(0)  # the command reaps this one at once; the keeper is the system's child, not the command's
    report = Report(os.dup(sys.stdout.fileno()))
    try:
        _log_to(BrokerFiles(Path(orders.folder)))
        return Keeper(orders).run(report)
    except Exception as error:
        report.send(f"{type(error).__name__}: {error}")
        raise


if __name__ == "__main__":
    sys.exit(main())
