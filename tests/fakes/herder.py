"""A standalone herder with the supervisor's end of the conversation in the test's hands, and time too."""

from __future__ import annotations

import contextlib
import socket
from concurrent.futures import Future
from typing import Any, TypeVar

import msgspec

from fastconnect._core import StatusRegion
from fastconnect.config.worker import WorkerConfig
from fastconnect.herder.connector_report import ConnectorReport
from fastconnect.herder.loop import HerderLoop
from fastconnect.herder.snapshot import ConnectorInfo, ConnectorSpec
from fastconnect.herder.standalone import StandaloneHerder
from fastconnect.states import State, TaskId
from fastconnect.supervisor.control import (
    Command,
    ConnectorAnswer,
    Finish,
    FrameReader,
    Inventory,
    Remember,
    Report,
    RunConnector,
    TaskStatus,
)
from fastconnect.supervisor.restarts import RestartPolicy

T = TypeVar("T")

MAX_FAILURES = 3


def retries() -> RestartPolicy:
    return RestartPolicy(first_wait_ms=100, limit_ms=1000, max_failures=MAX_FAILURES, jitter=lambda: 1.0)


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Worker:
    """What the herder has told the supervisor, and what the supervisor reports.

    Args:
        names: the connectors that the herder is given.
        inventory: the first report.
    """

    def __init__(
        self, *names: str, until_done: bool = False, inventory: Inventory | None = None, offsets: str = "/nowhere", **spec: Any
    ) -> None:
        self.clock = Clock()
        self.region = StatusRegion(16, 4096)
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._reader = FrameReader(Command)
        self._commands: list[Command] = []
        self.loop = HerderLoop(self._theirs, self.clock)
        self.herder = StandaloneHerder(
            self.loop,
            [ConnectorSpec(name=name, config={"name": name, "connector.class": name}, **spec) for name in names],
            WorkerConfig.parse({"offset.storage.file.filename": offsets}),
            "here:8083",
            self.region,
            retries,
            until_done=until_done,
        )
        self.remembered: bytes | None = None
        self.hear(inventory or Inventory([]))

    def close(self) -> None:
        """Close the sockets."""
        self._ours.close()
        self._theirs.close()

    def hear(self, report: Report) -> None:
        """The supervisor reports."""
        self.herder.work.hear(report)
        self.turn()

    def turn(self) -> None:
        """Let the herder do all that is due now."""
        for _ in range(20):  # as many steps as the longest of its coroutines has
            self.loop.turn()

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.seconds += seconds
        self.turn()

    @property
    def commands(self) -> list[Command]:
        """What it has told since it was last taken, but for what is to be remembered."""
        with contextlib.suppress(BlockingIOError):
            while data := self._ours.recv(1 << 16):
                for command in self._reader.feed(data):
                    if isinstance(command, Remember):
                        self.remembered = command.blob
                    else:
                        self._commands.append(command)
        return self._commands

    def taken(self, kind: type[T]) -> list[T]:
        """The commands of this kind that came since the last time."""
        taken = [command for command in self.commands if isinstance(command, kind)]
        self._commands[:] = [command for command in self._commands if not isinstance(command, kind)]
        return taken

    def answer(self, **report: Any) -> list[RunConnector]:
        """Answer everything that plugins' code was asked."""
        asked = self.taken(RunConnector)
        for request in asked:
            self.says(request.request, goes_on=False, **report)
        return asked

    def says(self, request: int, *, goes_on: bool = True, **report: Any) -> None:
        """A connector's process answers."""
        self.hear(ConnectorAnswer(request, msgspec.msgpack.encode(ConnectorReport(**report)), goes_on=goes_on))

    def runs(
        self, connector: str, task: int, slot: int, epoch: int = 1, *, earlier: dict[str, int] | None = None, **counters: int
    ) -> None:
        """A process of the task runs in this slot and has counted this, after earlier ones had counted that."""
        self.region.page(slot).reset(epoch)
        self.counts(slot, **counters)
        status = TaskStatus(TaskId(connector, task), slot, epoch, State.RUNNING, pid=100 + slot, started_count=epoch)
        status.earlier = earlier or {}
        self.hear(status)

    def counts(self, slot: int, **counters: int) -> None:
        """A task has counted this."""
        for name, value in counters.items():
            setattr(self.region.page(slot), name, value)

    def fails(self, connector: str, task: int, slot: int, epoch: int = 1, reason: str = "bad luck") -> None:
        """A task has failed for good."""
        self.hear(TaskStatus(TaskId(connector, task), slot, epoch, State.FAILED, reason=reason))

    def finished(self) -> tuple[int, str] | None:
        """The exit code and the reason with which the herder has the worker end, if it does by now."""
        self.wait(0.02)
        finish = self.taken(Finish)
        return (finish[0].exit_code, finish[0].reason) if finish else None

    def of(self, future: Future[T]) -> T:
        """The answer to what the herder was asked."""
        self.turn()
        return future.result(timeout=60)

    def shown(self, connector: str) -> ConnectorInfo:
        """How a connector is shown."""
        return next(each for each in self.herder.snapshot().connectors if each.name == connector)
