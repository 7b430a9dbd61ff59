"""A distributed herder whose supervisor, group, other workers and time are in the test's hands; what it stores is in memory."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar

import msgspec
from fakes.herder import Clock, retries

from fastconnect._core import StatusRegion
from fastconnect.config.distributed import DistributedConfig
from fastconnect.config.worker import WorkerConfig
from fastconnect.herder.connect_protocol import NOTHING, Allocation, Protocol
from fastconnect.herder.connections import Connections
from fastconnect.herder.connector_report import ConnectorReport
from fastconnect.herder.distributed import DistributedHerder
from fastconnect.herder.loop import HerderLoop
from fastconnect.herder.membership import MemberListener, Membership
from fastconnect.states import State, TaskId
from fastconnect.storage.memory_configs import MemoryConfigStore
from fastconnect.storage.memory_statuses import MemoryStatusStore
from fastconnect.supervisor.control import (
    Command,
    ConnectorAnswer,
    FrameReader,
    Inventory,
    Remember,
    Report,
    RunConnector,
    TaskStatus,
)

T = TypeVar("T")

HERE, THERE = "http://here:8083", "http://there:8083"

SETTINGS = {
    "group.id": "g",
    "config.storage.topic": "configs",
    "offset.storage.topic": "offsets",
    "status.storage.topic": "statuses",
}


class FakeMember:
    """A member that is what the test says, and notes what it is told."""

    def __init__(self, listener: MemberListener) -> None:
        self.listener = listener
        self.generation = -1
        self.is_leader = False
        self.leader_url: str | None = None
        self.lease_until_ns = 0
        self.protocol: Protocol | None = Protocol.SESSIONED
        self.member_urls: list[str] = []
        self.owners: dict[str | TaskId, str] = {}
        self.started = self.left = False
        self.rejoins = 0
        self.restored: bytes | None = None

    def owner_url(self, what: str | TaskId) -> str | None:
        return self.owners.get(what)

    def request_rejoin(self) -> None:
        self.rejoins += 1

    def start(self) -> None:
        self.started = True

    def leave(self) -> None:
        self.left = True

    def state(self) -> bytes | None:
        return b"who it is" if self.generation >= 0 else None

    def restore(self, state: bytes) -> None:
        self.restored = state


class GroupWorker:
    """A worker at http://here:8083.

    Args:
        inventory: the supervisor's first report.
        prepare: stands for the making of the topics.
        settings: of the worker, beside the necessary ones.
    """

    def __init__(
        self,
        inventory: Inventory | None = None,
        *,
        prepare: Callable[[], object] = lambda: None,
        configs: MemoryConfigStore | None = None,
        **settings: str,
    ) -> None:
        self.clock = Clock()
        self.region = StatusRegion(16, 4096)
        self.configs = configs or MemoryConfigStore()
        self.statuses = MemoryStatusStore()
        self.posted: list[tuple[str, bytes, dict[str, str]]] = []
        self.post_error: Exception | None = None
        self.remembered: bytes | None = None
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._reader = FrameReader(Command)
        self._commands: list[Command] = []
        self.loop = HerderLoop(self._theirs, self.clock)
        worker = WorkerConfig.parse({**SETTINGS, **{key.replace("_", "."): value for key, value in settings.items()}})
        connections = Connections(self.configs, self.statuses, self._make_member, prepare, self._post)
        self.herder = DistributedHerder(
            self.loop, worker.as_distributed(), DistributedConfig.of(worker), HERE, self.region, retries, connections
        )
        self.hear(inventory or Inventory([]))

    def _make_member(self, listener: MemberListener) -> FakeMember:
        self.member = FakeMember(listener)
        return self.member

    def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        self.posted.append((url, body, dict(headers)))
        if self.post_error is not None:
            raise self.post_error

    def close(self) -> None:
        """Close the sockets."""
        self._ours.close()
        self._theirs.close()

    # The supervisor

    def hear(self, report: Report) -> None:
        """The supervisor reports."""
        self.herder.hear(report)
        self.turn()

    def turn(self) -> None:
        """Let the herder do all that is due now."""
        for _ in range(20):
            self.loop.turn()

    def until(self, condition: Callable[[], object]) -> None:
        """Let it do so until this holds: some of it is done in other threads."""
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, "it did not come true"
            self.turn()
            time.sleep(0.001)
        self.turn()

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.seconds += seconds
        self.turn()

    def of(self, future: Future[T]) -> T:
        """The answer to what the herder was asked; connectors' processes find every configuration good."""

        def answered() -> bool:
            for asked in self.taken(RunConnector, lambda each: each.action == "validate"):
                self.says(asked.request)
            return future.done()

        self.until(answered)
        return future.result(0)

    def taken(self, kind: type[T], condition: Callable[[Any], bool] = lambda _: True) -> list[T]:
        """The commands of this kind that came since the last time."""
        with contextlib.suppress(BlockingIOError):
            while data := self._ours.recv(1 << 16):
                for command in self._reader.feed(data):
                    if isinstance(command, Remember):
                        self.remembered = command.blob
                    else:
                        self._commands.append(command)  # type: ignore[arg-type]
        taken = [command for command in self._commands if isinstance(command, kind) and condition(command)]
        self._commands[:] = [command for command in self._commands if not any(command is each for each in taken)]
        return taken

    def says(self, request: int, *, goes_on: bool = False, **report: Any) -> None:
        """A connector's process answers."""
        self.hear(ConnectorAnswer(request, msgspec.msgpack.encode(ConnectorReport(**report)), goes_on=goes_on))

    def divides(self, *tasks: dict[str, str]) -> list[RunConnector]:
        """Every connector that is asked for its tasks says that they are these."""
        asked = self.taken(RunConnector, lambda each: each.action == "task_configs")
        for each in asked:
            self.says(each.request, kind="source", version="1", task_configs=list(tasks))
        return asked

    def runs(self, connector: str, task: int, slot: int, epoch: int = 1, state: State = State.RUNNING) -> None:
        """A task has this state, in this slot."""
        self.hear(TaskStatus(TaskId(connector, task), slot, epoch, state, pid=100 + slot, started_count=epoch))

    def ended(self, connector: str, task: int, slot: int = 0, state: State = State.STOPPED) -> None:
        """The process of a task has ended."""
        self.hear(TaskStatus(TaskId(connector, task), slot, 1, state, started_count=1))

    # The group

    def until_joining(self) -> None:
        """Let it begin, up to where it joins the group; its plugins are the source A and the sink B."""

        def joining() -> bool:
            for asked in self.taken(RunConnector, lambda each: each.action == "plugins"):
                self.says(asked.request, body=b"[]", connectors={"A": ("source", "1"), "B": ("sink", "1")})
            return self.member.started

        self.until(joining)

    def joins(self, *work: str | TaskId, leads: bool = True, offset: int | None = None, lease_s: float = 8.0) -> None:
        """The group has decided that this worker runs this, knowing all that is stored (or what was at this offset)."""
        member = self.member
        self.until_joining()
        member.generation += 1
        member.is_leader = leads
        member.leader_url = HERE if leads else THERE
        member.member_urls = [HERE, THERE] if leads else []
        self.lease(lease_s)
        membership = Membership(
            generation=member.generation,
            member_id="me",
            leader="me" if leads else "other",
            leader_url=member.leader_url,
            config_offset=self.configs.snapshot().offset if offset is None else offset,
            work=Allocation.of(
                [each for each in work if isinstance(each, str)], [each for each in work if isinstance(each, TaskId)]
            ),
        )
        member.listener.on_assigned(membership)
        self.turn()

    def lease(self, seconds: float) -> None:
        """The session lasts so long from now."""
        self.member.lease_until_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) + int(seconds * 1e9)

    def revokes(self, *work: str | TaskId) -> list[bool]:
        """The group takes this away; the list is filled when this worker says that it has stopped it."""
        done: list[bool] = []
        taken = Allocation.of(
            [each for each in work if isinstance(each, str)], [each for each in work if isinstance(each, TaskId)]
        )
        self.member.listener.on_revoked(taken, lambda: done.append(True))
        self.turn()
        return done

    def loses(self) -> list[bool]:
        """This worker is no member any more."""
        done: list[bool] = []
        self.member.generation, self.member.is_leader, self.member.leader_url, self.member.lease_until_ns = -1, False, None, 0
        self.member.listener.on_lost(lambda: done.append(True))
        self.turn()
        return done

    @property
    def held(self) -> Allocation:
        """What it believes to be its own."""
        return self.herder.group.held if self.herder.group.membership is not None else NOTHING
