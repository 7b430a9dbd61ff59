"""Starts a program, and says what it cost: wall time, CPU time, memory of its whole tree. Linux only (/proc)."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# Where PYTHONDONTWRITEBYTECODE is set, as in many containers, every start would compile all sources anew, which takes 0.15 s
# of ours. What pip installs is compiled.
COMPILED = {"PYTHONDONTWRITEBYTECODE": ""}
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Finished:
    """A program that has ended well."""

    seconds: float  # from just before fork to its end
    cpu_seconds: float  # user + system, of it and of all its children that it reaped
    stdout: str
    stderr: str


class ProgramFailedError(RuntimeError):
    """A contestant ended badly: a run without its figure is no run."""


class Program:
    """A running program with its output in files; ended for good at the end of the `with` block."""

    def __init__(self, argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        self.argv = [str(part) for part in argv]
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as err, log.with_suffix(".out").open("wb") as out:
            self.started_at_ms = time.time() * 1000
            self._started = time.monotonic()
            # A session of its own: Ctrl-C at the terminal is for us to hear, and what it leaves behind can be found.
            self._process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**os.environ, **COMPILED, **(env or {})},
                start_new_session=True,
            )
        self.pid = self._process.pid
        self.status: int | None = None
        self.cpu_seconds = 0.0
        self.seconds = 0.0

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        if self.status is None:
            self.stop(timeout_s=15)

    def poll(self) -> bool:
        """Whether it has ended. Its CPU time is only known when it has been reaped, so nobody else may reap it."""
        return self.status is not None or self._reap(os.WNOHANG)

    def wait(self, timeout_s: float) -> Finished:
        """Wait for its end by itself; a status other than 0, or no end in time, is a ProgramFailedError with its last words."""
        deadline = time.monotonic() + timeout_s
        # wait4 has no timeout; a pidfd becomes readable at the very end, so that nothing is lost by sleeping.
        pidfd = os.pidfd_open(self.pid)
        try:
            if not select.select([pidfd], [], [], max(0.0, deadline - time.monotonic()))[0]:
                self.stop(timeout_s=5)
                raise ProgramFailedError(
                    f"{self.argv[0]} did not end within {timeout_s:.0f} s; its log is {self.log}\n{self.last_words()}"
                )
        finally:
            os.close(pidfd)
        self._reap(0)
        if self.status != 0:
            raise ProgramFailedError(f"{' '.join(self.argv)} ended with status {self.status}\n{self.last_words()}")
        return Finished(
            self.seconds, self.cpu_seconds, self.log.with_suffix(".out").read_text(), self.log.read_text(errors="replace")
        )

    def stop(self, timeout_s: float) -> None:
        """SIGTERM, then SIGKILL to all that is left of its session."""
        os.kill(self.pid, signal.SIGTERM)
        deadline = time.monotonic() + timeout_s
        while not self.poll() and time.monotonic() < deadline:
            time.sleep(0.02)
        for pid in session_of(self.pid):
            os.kill(pid, signal.SIGKILL)
        if self.status is None:
            self._reap(0)

    def cpu_seconds_since(self, processes: Sequence[int], before: float) -> float:
        """CPU time of a part of its life: of these, its processes when that part began and had used `before`, until now.

        Once it has ended, that is until its end: what the kernel has then added up is all that there is.
        """
        return (self.cpu_seconds if self.poll() else cpu_seconds_of(processes)) - before

    def last_words(self) -> str:
        """The end of what it wrote."""
        return "\n".join(path.read_text(errors="replace")[-3000:] for path in (self.log.with_suffix(".out"), self.log))

    def _reap(self, options: int) -> bool:
        pid, status, usage = os.wait4(self.pid, options)
        if pid == 0:
            return False
        self.seconds = time.monotonic() - self._started
        self.status = self._process.returncode = os.waitstatus_to_exitcode(status)
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        return True


def run(argv: Sequence[str], log: Path, timeout_s: float = 600, env: Mapping[str, str] | None = None) -> Finished:
    """Run a program to its end."""
    with Program(argv, log, env) as program:
        return program.wait(timeout_s)


def tree_of(root: int) -> list[int]:
    """A process and all its descendants, parents first."""
    children: dict[int, list[int]] = {}
    for pid in _all_pids():
        parent = _stat(pid, 4)
        if parent is not None:
            children.setdefault(int(parent), []).append(pid)
    found = [root] if Path(f"/proc/{root}").exists() else []
    for pid in found:
        found += children.get(pid, [])
    return found


def session_of(leader: int) -> list[int]:
    """All the processes of a session, whoever their parent has become; zombies left out."""
    return [pid for pid in _all_pids() if _stat(pid, 6) == str(leader) and _stat(pid, 3) not in {"Z", None}]


def cpu_seconds_of(pids: Sequence[int]) -> float:
    """User and system time so far of living processes, with that of the children they have reaped."""
    return sum(float(_stat(pid, field) or 0) for pid in pids for field in (14, 15, 16, 17)) / TICKS_A_SECOND


def pss_mb_of(pids: Sequence[int]) -> float:
    """Proportional set size together, in 10^6 bytes: a page shared by n processes counts 1/n in each."""
    total_kb = 0
    for pid in pids:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        total_kb += int(re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)[1])  # type: ignore[index]
    return total_kb * 1024 / 1e6


def title_of(pid: int) -> str:
    """What `ps` shows of it; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def _all_pids() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def _stat(pid: int, field: int) -> str | None:
    """Field of /proc/PID/stat, numbered from 1 as in proc(5). The name in brackets (2) may hold anything: count behind it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[field - 3]
    except OSError:
        return None
