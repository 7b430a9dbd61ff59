"""Runs connectors' code, one question in one process: it may crash, hang or exit, and only its answer is lost.

Most processes live as long as their answer takes. That of a connector which watches its source goes on after its first answer,
and answers again whenever the source has changed.
"""

from __future__ import annotations

import logging
import os
import signal
import struct
import time
from collections import deque
from collections.abc import Callable

from fastconnect import logs
from fastconnect.errors import ConnectError
from fastconnect.states import Exit
from fastconnect.supervisor.control import FRAME_LIMIT_BYTES, ConnectorAnswer, RunConnector
from fastconnect.supervisor.deaths import Death
from fastconnect.supervisor.task_process import PLUGIN_OOM_SCORE, Children

logger = logging.getLogger(__name__)

MOST_AT_A_TIME = 4
"""More questions wait for their turn: each process may import a lot."""

ANSWER_LIMIT_BYTES = FRAME_LIMIT_BYTES - 1024

STOP_WATCHING_S = 2.0
"""So long a connector's stop() may take."""

_ACTIONS = {
    "validate": "validating its config",
    "task_configs": "dividing its work into tasks",
    "watch": "watching its source",
    "config_def": "telling what can be configured",
    "alter_offsets": "altering its offsets",
}

# What a process writes: a length, a kind, and a body of that length.
_HEAD = struct.Struct(">IB")
_ANSWER, _ERROR, _GOES_ON = 0, 1, 2


class ConnectorRuns:
    """The questions to connectors' code that wait or are being answered.

    Args:
        children: forks and reaps the processes.
        answer: answers one question; called in a process of its own.
        tell: takes the answers.
        lifeline_fd: the pipe that ends with the supervisor.
        doorbell_fd: the eventfd by which a process says that it has answered and goes on.
    """

    def __init__(
        self,
        children: Children,
        answer: Callable[[RunConnector, Callable[[bytes], None]], bytes],
        tell: Callable[[ConnectorAnswer], None],
        lifeline_fd: int,
        doorbell_fd: int,
    ) -> None:
        self._children = children
        self._answer = answer
        self._tell = tell
        self._fds = (lifeline_fd, doorbell_fd)
        self._waiting: deque[RunConnector] = deque()
        self._running: list[_Run] = []

    @property
    def busy(self) -> bool:
        """Whether a process is running."""
        return bool(self._running)

    def ask(self, request: RunConnector) -> None:
        """Begin with a question, or let it wait for its turn. A process that watches for the same connector is to end."""
        if request.action in ("task_configs", "watch"):
            self.stop_watching(request.name)
        self._waiting.append(request)
        self._begin()

    def stop_watching(self, name: str) -> None:
        """Have a connector's process that watches its source end; it is not heard any more."""
        for run in self._running:
            if run.goes_on and run.request.name == name:
                run.wanted = False
                run.end_soon()

    def cancel(self, error: str | None, *, at_once: bool = False) -> None:
        """End all; answer them with this error, or not at all (who asked is gone).

        Args:
            at_once: let not even a connector that watches come to its stop().
        """
        unanswered = [*self._waiting, *(run.request for run in self._running if run.wanted and not run.goes_on)]
        self._waiting.clear()
        for run in self._running:
            run.wanted = False
            if run.goes_on and not at_once:
                run.end_soon()
            else:
                run.process.kill()
        for request in unanswered if error is not None else ():
            self._tell(ConnectorAnswer(request.request, error=error))

    def listen(self) -> None:
        """Take the answers of processes that go on."""
        for run in list(self._running):
            run.listen()
        self._begin()

    def turn(self) -> None:
        """End what takes too long."""
        now = time.monotonic()
        for run in self._running:
            if run.deadline is not None and now >= run.deadline and not run.process.killed_by_us:
                run.process.kill()

    def due(self) -> float | None:
        """When `turn` has something to do (time.monotonic)."""
        return min(
            (run.deadline for run in self._running if run.deadline is not None and not run.process.killed_by_us), default=None
        )

    def _begin(self) -> None:
        while self._waiting and sum(not run.goes_on for run in self._running) < MOST_AT_A_TIME:
            request = self._waiting.popleft()
            try:
                run = _Run(request, self._children, self._answer, self._said, self._ended, self._fds)
                self._running.append(run)
            except OSError as error:
                self._tell(ConnectorAnswer(request.request, error=f"{_what(request)}: no process is to be had: {error}"))

    def _said(self, run: _Run, answer: ConnectorAnswer) -> None:
        if run.wanted:
            self._tell(answer)

    def _ended(self, run: _Run, answer: ConnectorAnswer) -> None:
        self._running.remove(run)
        if run.wanted:
            if answer.error is not None:
                logger.debug("Connector process gave no answer.", extra=logs.facts(reason=answer.error))
            self._tell(answer)
        self._begin()


class _Run:
    """One question and the process that answers it, into a memory file: so nobody need read while it writes."""

    def __init__(
        self,
        request: RunConnector,
        children: Children,
        answer: Callable[[RunConnector, Callable[[bytes], None]], bytes],
        said: Callable[[_Run, ConnectorAnswer], None],
        ended: Callable[[_Run, ConnectorAnswer], None],
        fds: tuple[int, int],
    ) -> None:
        self.request = request
        self.wanted = True
        self.goes_on = False
        self.deadline: float | None = time.monotonic() + request.timeout_ms / 1000
        self._said = said
        self._ended = ended
        self._read_to = 0
        self._last: tuple[int, bytes] | None = None
        self._too_long = 0
        self._fd = os.memfd_create("fastconnect-answer", os.MFD_CLOEXEC)
        try:
            self.process = children.spawn(
                f"fastconnect connector {request.name}",
                lambda: _write_answers(request, answer, self._fd, fds[1]),
                self._died,
                keep=(self._fd, *fds),
                context=request.name,
                oom_score=PLUGIN_OOM_SCORE,
            )
        except OSError:
            os.close(self._fd)
            raise

    def end_soon(self) -> None:
        """Ask the process to end; it is killed if it takes too long."""
        self.process.send(signal.SIGTERM)
        self.deadline = time.monotonic() + STOP_WATCHING_S

    def listen(self) -> None:
        """Take what the process has written, and pass on the answers after which it goes on."""
        while True:
            head = os.pread(self._fd, _HEAD.size, self._read_to)
            if len(head) < _HEAD.size:
                return
            length, kind = _HEAD.unpack(head)
            if length > ANSWER_LIMIT_BYTES:
                self._too_long = length
                return
            body = os.pread(self._fd, length, self._read_to + _HEAD.size)
            if len(body) < length:
                return
            self._read_to += _HEAD.size + length
            if kind != _GOES_ON:
                self._last = kind, body
                continue
            if not self.goes_on:
                self.goes_on, self.deadline = True, None
            self._said(self, ConnectorAnswer(self.request.request, body=body, goes_on=True))

    def _died(self, death: Death) -> None:
        self.listen()
        os.close(self._fd)
        kind, body = self._last or (_ERROR, b"")
        may_be_silent = self.goes_on or self.request.action == "watch"
        if death.exit_code == Exit.OK and kind == _ANSWER and (body or may_be_silent) and not self._too_long:
            answer = ConnectorAnswer(self.request.request, body=body or None)
        else:
            why = self._why(death, body if kind == _ERROR else b"")
            answer = ConnectorAnswer(self.request.request, error=f"{_what(self.request)}: {why}")
        self._ended(self, answer)

    def _why(self, death: Death, content: bytes) -> str:
        if self._too_long:
            return f"its answer of {self._too_long} bytes is over the limit of {ANSWER_LIMIT_BYTES}"
        if death.killed_by_us:
            return f"it did not end within {self.request.timeout_ms} ms and was killed"
        if death.exit_code == Exit.OK:
            return "its process ended without an answer"
        if death.exit_code == Exit.FAILED and content:
            return content.decode("utf-8", "replace")
        how = f"was {death.words()}" if death.signal is not None else death.words()
        return f"its process {how}" + (f"\n{death.trace}" if death.trace else "")


def _write_answers(
    request: RunConnector, answer: Callable[[RunConnector, Callable[[bytes], None]], bytes], fd: int, doorbell_fd: int
) -> int:
    """The body of a connector process."""

    def write(kind: int, body: bytes) -> None:
        rest = memoryview(_HEAD.pack(len(body), kind) + body)
        while rest:
            rest = rest[os.write(fd, rest) :]

    def tell(body: bytes) -> None:
        write(_GOES_ON, body)
        os.eventfd_write(doorbell_fd, 1)

    try:
        write(_ANSWER, answer(request, tell))
    except Exception as error:
        logger.exception("Connector failed.")
        text = str(error) if isinstance(error, ConnectError) else f"{type(error).__name__}: {error}"
        write(_ERROR, text.encode("utf-8", "replace"))
        return Exit.FAILED
    return Exit.OK


def _what(request: RunConnector) -> str:
    if request.action == "plugins":
        return "listing the installed plugins"
    return f"connector {request.name}, {_ACTIONS[request.action]}"
