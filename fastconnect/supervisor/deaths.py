"""How a process has ended, in words for its status and the log."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import msgspec

from fastconnect.states import Exit

_EXIT_MEANINGS: dict[int, str] = {
    Exit.OK: "ended with exit code 0 though it was not told to stop",
    Exit.FAILED: "failed",
    Exit.UNDRAINED: "could not deliver and flush all in time",
    Exit.FATAL_CLIENT: "ended because its Kafka client is beyond use",
    Exit.LEASE_LOST: "ended because its lease was over: another worker may own it now",
    Exit.UNUSABLE: "failed with an error that a restart would meet again",
}

_SIGNAL_MEANINGS: dict[int, str] = {
    signal.SIGSEGV: "a crash in native code",
    signal.SIGBUS: "a crash in native code, or a file that became shorter while it was mapped",
    signal.SIGABRT: "native code gave up",
    signal.SIGILL: "native code that this processor does not have",
    signal.SIGFPE: "a crash in native code",
    signal.SIGXCPU: "its limit of processor time",
    signal.SIGSYS: "a forbidden system call",
}


class Death(msgspec.Struct, frozen=True):
    """How a process has ended."""

    exit_code: int | None = None
    signal: int | None = None
    killed_by_us: bool = False
    out_of_memory: bool | None = None  # None: not known
    trace: str | None = None  # what its threads were doing

    @classmethod
    def from_wait_status(
        cls, status: int, *, killed_by_us: bool = False, out_of_memory: bool | None = None, trace: str | None = None
    ) -> Death:
        """Read what waitpid gave."""
        code = os.waitstatus_to_exitcode(status)
        if code >= 0:
            return cls(exit_code=code, trace=trace)
        return cls(
            signal=-code,
            killed_by_us=killed_by_us and -code == signal.SIGKILL,
            out_of_memory=out_of_memory if -code == signal.SIGKILL else None,
            trace=trace,
        )

    @property
    def how(self) -> str:
        """The exit code or the signal's name, for the facts of a log line."""
        return signal_name(self.signal) if self.signal is not None else f"exit {self.exit_code}"

    def words(self) -> str:
        """One sentence without a subject: `killed by SIGSEGV (a crash in native code)`."""
        if self.signal is None:
            code = self.exit_code or 0
            meaning = _EXIT_MEANINGS.get(code, "ended")
            return f"{meaning} (exit code {code})" if code else meaning
        name = signal_name(self.signal)
        if self.killed_by_us:
            return f"did not stop in time and was killed by {name}"
        if self.signal == signal.SIGKILL:
            if self.out_of_memory:
                return f"killed by {name} (out of memory)"
            if self.out_of_memory is None:
                return f"killed by {name} (out of memory? or by someone's kill -9)"
            return f"killed by {name} (not by its supervisor)"
        return f"killed by {name} ({_SIGNAL_MEANINGS[self.signal]})" if self.signal in _SIGNAL_MEANINGS else f"killed by {name}"


def signal_name(number: int) -> str:
    """`SIGSEGV` for 11; `signal 35` for one without a name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class OutOfMemoryCounter:
    """Whether the kernel has killed a process for want of memory since it was last asked, as far as that can be known.

    Source: `oom_kill` in memory.events of our control group (version 2), else in /proc/vmstat, for the whole machine.
    """

    def __init__(self, files: list[Path] | None = None) -> None:
        self._file = next((file for file in files or _counter_files() if _oom_kills(file) is not None), None)
        self._last = self._count()

    def moved(self) -> bool | None:
        """Whether the counter has moved since the last call; None if there is none to read."""
        before, self._last = self._last, self._count()
        return None if before is None or self._last is None else self._last > before

    def _count(self) -> int | None:
        return _oom_kills(self._file) if self._file is not None else None


def _counter_files() -> list[Path]:
    files = []
    try:
        groups = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        groups = []
    for group in groups:
        if group.startswith("0::"):
            files.append(Path("/sys/fs/cgroup" + group[3:].rstrip("/")) / "memory.events")
    return [*files, Path("/proc/vmstat")]


def _oom_kills(file: Path) -> int | None:
    try:
        with file.open() as lines:
            for line in lines:
                name, _, value = line.partition(" ")
                if name == "oom_kill":
                    return int(value)
    except (OSError, ValueError):
        pass
    return None
