"""Real `fastconnect` commands for tests: started, signalled, looked at from outside, and ended for good."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FASTCONNECT = str(Path(sys.executable).with_name("fastconnect"))
"""The command of the interpreter that runs the tests, whatever PATH says."""

END_WITHIN_S = 90.0
"""Far more than any of these commands takes; a machine under load shall not fail a test."""


def until(condition: Callable[[], object], what: str, timeout_s: float = 60) -> None:
    """Ask until the condition holds; an AssertionError says what did not come true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"within {timeout_s} s it did not come true that {what}"
        time.sleep(0.01)


@dataclass(frozen=True)
class Ended:
    """How a command has ended, and what it said."""

    code: int
    out: str
    err: str

    def __str__(self) -> str:
        return f"exit code {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


@dataclass(frozen=True)
class Process:
    """A process; its start time tells it from a later one of the same number."""

    pid: int
    started: str

    @property
    def is_alive(self) -> bool:
        """Whether it still runs: one that has ended and was not reaped does not."""
        fields = _stat(self.pid)
        return fields is not None and fields[19] == self.started and fields[0] not in "ZX"

    @property
    def title(self) -> str:
        """What `ps` shows of it; empty when it is gone."""
        try:
            return Path(f"/proc/{self.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            return ""

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.is_alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


class Command:
    """A running command with its output in files."""

    def __init__(self, words: list[str], folder: Path, environment: Mapping[str, str], wrapper: Sequence[str] = ()) -> None:
        self.words = words
        self._out, self._err = folder / "stdout", folder / "stderr"
        with self._out.open("wb") as out, self._err.open("wb") as err, _signals_as_in_a_shell():
            # A session of its own: what is sent to the tests' terminal is not for it.
            self._process = subprocess.Popen(
                [*wrapper, FASTCONNECT, *words],
                cwd=folder.parent,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        self.pid = self._process.pid

    @property
    def out(self) -> str:
        """What it has written to its standard output so far."""
        return self._out.read_text(errors="replace")

    @property
    def err(self) -> str:
        """What it has written to its standard error so far: messages and log lines."""
        return self._err.read_text(errors="replace")

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def wait(self, timeout_s: float = END_WITHIN_S) -> Ended:
        """Wait for its end."""
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"fastconnect {' '.join(self.words)} did not end in {timeout_s} s:\n{self.err}") from None
        return Ended(code, self.out, self.err)

    def send(self, number: signal.Signals) -> None:
        """Send the command itself a signal, as a shell's Ctrl-C or a service manager does."""
        if self.is_running:
            os.kill(self.pid, number)

    def until_says(self, text: str, timeout_s: float = 60) -> None:
        """Wait until its standard error has this text."""
        until(lambda: text in self.err or not self.is_running, f"the command says {text!r}", timeout_s)
        assert text in self.err, f"it ended without saying {text!r}:\n{self.err}"

    def processes(self, role: str = "") -> list[Process]:
        """Its living descendants; of one role (`task`, `herder`, `connector`) if it is given, by their titles in `ps`."""
        title = f"fastconnect {role}".strip()
        return [each for each in self.descendants() if each.title.startswith(title)]

    def descendants(self) -> list[Process]:
        """All living processes below it, whatever they are called."""
        return [each for each in descendants(self.pid) if each.is_alive]

    def tasks(self) -> list[Process]:
        """Its task processes."""
        return self.processes("task")

    def kill(self) -> None:
        """End it and all below it."""
        below = descendants(self.pid)
        if self.is_running:
            self._process.kill()
        self._process.wait()
        for process in below:
            process.send(signal.SIGKILL)


class Shell:
    """Runs commands in one folder with a user-data folder of its own.

    Args:
        folder: the working folder of the commands.
        environment: set beside the tests' own.
    """

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.environment = {**os.environ, "FASTCONNECT_HOME": str(self.home), **environment}
        self.commands: list[Command] = []

    def start(self, *words: object, wrapper: Sequence[str] = ()) -> Command:
        """Start `fastconnect` with these arguments, by way of another program if one is given."""
        folder = self.folder / f"command-{len(self.commands)}"
        folder.mkdir()
        command = Command([str(word) for word in words], folder, self.environment, wrapper)
        self.commands.append(command)
        return command

    def run(self, *words: object, timeout_s: float = END_WITHIN_S) -> Ended:
        """Run `fastconnect` with these arguments to its end."""
        return self.start(*words).wait(timeout_s)

    def close(self) -> None:
        """End what a failed test has left."""
        for command in self.commands:
            command.kill()


@contextlib.contextmanager
def shell(folder: Path, **environment: str) -> Iterator[Shell]:
    """A Shell for a `with`; whatever still runs at its end is ended."""
    of_test = Shell(folder, **environment)
    try:
        yield of_test
    finally:
        of_test.close()


def descendants(root: int) -> list[Process]:
    """All processes below one, parents first."""
    children: dict[int, list[Process]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := _stat(int(name))) is not None:
            children.setdefault(int(fields[1]), []).append(Process(int(name), fields[19]))
    found = list(children.get(root, []))
    for process in found:
        found += children.get(process.pid, [])
    return found


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat behind the name: state, parent, ...; the name in brackets may hold anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None


@contextlib.contextmanager
def _signals_as_in_a_shell() -> Iterator[None]:
    """What runs the tests may ignore SIGINT (a background job does), and commands started meanwhile would ignore it too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
