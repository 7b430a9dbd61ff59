"""The supervisor's end of the socket to the herder. It never waits: a herder that reads slowly holds up no task."""

from __future__ import annotations

import logging
import socket
from typing import cast

import msgspec

from fastconnect import logs
from fastconnect.supervisor.control import Command, FrameReader, Inventory, Report, TaskStatus, TaskTopic, frame

logger = logging.getLogger(__name__)

RECEIVE_BYTES = 1 << 18

PENDING_LIMIT = 10_000
"""So many unread answers only a herder leaves that does not read at all."""


class BrokenLinkError(Exception):
    """The herder at the other end sends rubbish, or reads nothing: it is of no more use."""


class HerderLink:
    """Frames to and from one herder process.

    Statuses of the same task that were not sent yet become one, the latest: so what waits is bounded by the number of tasks.
    """

    def __init__(self, control: socket.socket) -> None:
        control.setblocking(False)
        self.socket = control
        self._pending: dict[object, Report] = {}
        self._sending = b""
        self._reader = FrameReader(Command)
        self._ending = False

    @property
    def has_unsent(self) -> bool:
        """Whether `flush` has something to do once the socket takes bytes again."""
        return bool(self._sending or self._pending)

    def send(self, report: Report) -> None:
        """Queue a report; `flush` sends it.

        Raises:
            BrokenLinkError: the herder has not read for very long.
        """
        if isinstance(report, TaskStatus):
            self._pending[report.id] = report
            return
        if isinstance(report, TaskTopic):
            self._pending[report] = report
            return
        if len(self._pending) > PENDING_LIMIT and sum(type(key) is object for key in self._pending) > PENDING_LIMIT:
            raise BrokenLinkError(f"it has left {PENDING_LIMIT} answers unread")
        self._pending[object()] = report

    def end(self) -> None:
        """Nothing more will be sent: once all is, the herder sees the end of the socket."""
        self._ending = True

    def flush(self) -> None:
        """Send as much as the socket takes now.

        Raises:
            BrokenLinkError: the herder has closed its end.
        """
        try:
            while self.has_unsent:
                if not self._sending:
                    self._sending = _frame(self._pending.pop(next(iter(self._pending))))
                self._sending = self._sending[self.socket.send(self._sending) :]
            if self._ending:
                self.socket.shutdown(socket.SHUT_WR)
                self._ending = False
        except BlockingIOError:
            return
        except OSError as error:
            raise BrokenLinkError(f"the socket to it is broken: {error}") from None

    def receive(self) -> list[Command]:
        """The commands that have come.

        Raises:
            BrokenLinkError: the herder has closed its end, or has sent what is no command.
        """
        try:
            data = self.socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return []
        except OSError as error:
            raise BrokenLinkError(f"the socket to it is broken: {error}") from None
        if not data:
            raise BrokenLinkError("it has closed the socket")
        try:
            return cast("list[Command]", list(self._reader.feed(data)))
        except ValueError as error:
            raise BrokenLinkError(f"it has sent what is no command: {error}") from None

    def close(self) -> None:
        """Close the socket; what was not sent is gone."""
        self.socket.close()


def _frame(report: Report) -> bytes:
    """The report as a frame; without the traces if it is too long with them, and nothing if even that does not help."""
    try:
        return frame(report)
    except (ValueError, OverflowError) as error:
        if isinstance(report, Inventory) and any(task.trace for task in report.tasks):
            return _frame(msgspec.structs.replace(report, tasks=[_without_trace(task) for task in report.tasks]))
        logger.error("A report can't be sent to the herder.", extra=logs.facts(kind=type(report).__name__, reason=error))
        return b""


def _without_trace(status: TaskStatus) -> TaskStatus:
    return msgspec.structs.replace(status, trace=None)
