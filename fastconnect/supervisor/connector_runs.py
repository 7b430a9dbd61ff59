"""Runs connectors' code, one question in one short-lived process: it may crash, hang or exit, and only its answer is lost."""

from __future__ import annotations

import logging
import os
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

_ACTIONS = {"validate": "validating its config", "task_configs": "dividing its work into tasks"}


class ConnectorRuns:
    """The questions to connectors' code that wait or are being answered.

    Args:
        children: forks and reaps the processes.
        answer: answers one question; called in a process of its own.
        tell: takes the answers.
        lifeline_fd: the pipe that ends with the supervisor.
    """

    def __init__(
        self,
        children: Children,
        answer: Callable[[RunConnector], bytes],
        tell: Callable[[ConnectorAnswer], None],
        lifeline_fd: int,
    ) -> None:
        self._children = children
        self._answer = answer
        self._tell = tell
        self._lifeline_fd = lifeline_fd
        self._waiting: deque[RunConnector] = deque()
        self._running: list[_Run] = []

    @property
    def busy(self) -> bool:
        """Whether a process is running."""
        return bool(self._running)

    def ask(self, request: RunConnector) -> None:
        """Begin with a question, or let it wait for its turn."""
        self._waiting.append(request)
        self._begin()

    def cancel(self, error: str | None) -> None:
        """End all at once; answer them with this error, or not at all (who asked is gone)."""
        unanswered = [*self._waiting, *(run.request for run in self._running if run.wanted)]
        self._waiting.clear()
        for run in self._running:
            run.wanted = False
            run.process.kill()
        for request in unanswered if error is not None else ():
            self._tell(ConnectorAnswer(request.request, error=error))

    def turn(self) -> None:
        """End what takes too long."""
        now = time.monotonic()
        for run in self._running:
            if now >= run.deadline and not run.process.killed_by_us:
                run.process.kill()

    def due(self) -> float | None:
        """When `turn` has something to do (time.monotonic)."""
        return min((run.deadline for run in self._running if not run.process.killed_by_us), default=None)

    def _begin(self) -> None:
        while self._waiting and len(self._running) < MOST_AT_A_TIME:
            request = self._waiting.popleft()
            try:
                self._running.append(_Run(request, self._children, self._answer, self._ended, self._lifeline_fd))
            except OSError as error:
                self._tell(ConnectorAnswer(request.request, error=f"{_what(request)}: no process is to be had: {error}"))

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
        answer: Callable[[RunConnector], bytes],
        ended: Callable[[_Run, ConnectorAnswer], None],
        lifeline_fd: int,
    ) -> None:
        self.request = request
        self.wanted = True
        self.deadline = time.monotonic() + request.timeout_ms / 1000
        self._ended = ended
        self._fd = os.memfd_create("fastconnect-answer", os.MFD_CLOEXEC)
        try:
            self.process = children.spawn(
                f"fastconnect connector {request.name}",
                lambda: _write_answer(request, answer, self._fd),
                self._died,
                keep=(self._fd, lifeline_fd),
                context=request.name,
                oom_score=PLUGIN_OOM_SCORE,
            )
        except OSError:
            os.close(self._fd)
            raise

    def _died(self, death: Death) -> None:
        size = os.fstat(self._fd).st_size
        content = os.pread(self._fd, min(size, ANSWER_LIMIT_BYTES), 0)
        os.close(self._fd)
        if death.exit_code == Exit.OK and 0 < size <= ANSWER_LIMIT_BYTES:
            answer = ConnectorAnswer(self.request.request, body=content)
        else:
            answer = ConnectorAnswer(self.request.request, error=f"{_what(self.request)}: {self._why(death, size, content)}")
        self._ended(self, answer)

    def _why(self, death: Death, size: int, content: bytes) -> str:
        if size > ANSWER_LIMIT_BYTES:
            return f"its answer of {size} bytes is over the limit of {ANSWER_LIMIT_BYTES}"
        if death.killed_by_us:
            return f"it did not end within {self.request.timeout_ms} ms and was killed"
        if death.exit_code == Exit.OK:
            return "its process ended without an answer"
        if death.exit_code == Exit.FAILED and content:
            return content.decode("utf-8", "replace")
        how = f"was {death.words()}" if death.signal is not None else death.words()
        return f"its process {how}" + (f"\n{death.trace}" if death.trace else "")


def _write_answer(request: RunConnector, answer: Callable[[RunConnector], bytes], fd: int) -> int:
    """The body of a connector process."""
    try:
        body, code = answer(request), Exit.OK
    except Exception as error:
        logger.exception("Connector failed.")
        text = str(error) if isinstance(error, ConnectError) else f"{type(error).__name__}: {error}"
        body, code = text.encode("utf-8", "replace"), Exit.FAILED
    rest = memoryview(body)
    while rest:
        rest = rest[os.write(fd, rest) :]
    return code


def _what(request: RunConnector) -> str:
    return f"connector {request.name}, {_ACTIONS[request.action]}"
