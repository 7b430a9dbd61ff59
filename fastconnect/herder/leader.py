"""What only the leader of a group does: it alone writes what the group is to do, so that all read one order of things.

Who leads is membership.py's; who may ask for something, and what is answered, is distributed.py's.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import TypeVar

from fastconnect.config.distributed import DistributedConfig
from fastconnect.errors import ConnectError
from fastconnect.herder import session_keys
from fastconnect.herder.loop import HerderLoop, result_of
from fastconnect.herder.own_statuses import OwnStatuses
from fastconnect.herder.refusals import ConflictError, ConnectorNotFoundError, RequestRefusedError
from fastconnect.logs import facts
from fastconnect.states import State, TargetState, TaskId
from fastconnect.storage.config_store import ConfigStore, Properties
from fastconnect.storage.status_store import StatusStore, StoredStatus

logger = logging.getLogger(__name__)

T = TypeVar("T")

KEY_AGAIN_S = 5.0
"""After so long it is tried again to store a session key."""


def may_have_process(status: StoredStatus) -> bool:
    """Whether a task with this status may still send and flush."""
    return status.state in (State.RUNNING.name, State.PAUSED.name, State.RESTARTING.name)


class InOrder:
    """Lets the herder's coroutines do something one after the other: `async with in_order.turn():`."""

    def __init__(self) -> None:
        self.last: Future[None] | None = None

    def turn(self) -> _Turn:
        """Wait until all before are done."""
        return _Turn(self)


class _Turn:
    def __init__(self, order: InOrder) -> None:
        self._order = order
        self._done: Future[None] = Future()

    async def __aenter__(self) -> None:
        before, self._order.last = self._order.last, self._done
        if before is not None:
            await result_of(before)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._done.set_result(None)


class Leader:
    """Writes into the stores what the group is to do. For the herder's thread; each write waits in the pool.

    Args:
        check: raises if this worker does not lead, or not surely.
    """

    def __init__(
        self,
        loop: HerderLoop,
        config: DistributedConfig,
        configs: ConfigStore,
        statuses: StatusStore,
        own_statuses: OwnStatuses,
        check: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._config = config
        self._configs = configs
        self._statuses = statuses
        self._own = own_statuses
        self._check = check
        self._in_order = InOrder()
        self._key_is_on_its_way = False

    async def put_connector(self, name: str, config: Properties, target: TargetState | None, *, replace: bool) -> bool:
        """Store a connector's configuration; whether the connector is new.

        Raises:
            ConflictError: there is one of this name, and it is not to be replaced.
        """
        async with self._in_order.turn():
            self._check()
            is_new = name not in self._configs.snapshot().connectors
            if not is_new and not replace:
                raise ConflictError(f"Connector {name} already exists")
            await self._write(
                f"writing a config for connector {name} to the config topic",
                lambda: self._configs.put_connector(name, config, target),
            )
            return is_new

    async def remove_connector(self, name: str) -> None:
        """Delete a connector."""
        async with self._in_order.turn():
            self._check()
            if name not in self._configs.snapshot().connectors:
                raise ConnectorNotFoundError(name)
            what = f"removing the config for connector {name} from the config topic"
            await self._write(what, lambda: self._configs.remove_connector(name))

    async def stop_connector(self, name: str) -> None:
        """Have a connector stopped, which then has no tasks."""
        async with self._in_order.turn():
            self._check()
            if name not in self._configs.snapshot().connectors:
                raise ConnectorNotFoundError(name, f"Unknown connector {name}")

            def stop() -> None:
                self._configs.put_task_configs(name, [])
                self._configs.put_target(name, TargetState.STOPPED)

            await self._write(f"writing that connector {name} is to stop to the config topic", stop)

    async def put_restart(self, name: str, *, only_failed: bool, include_tasks: bool) -> None:
        """Have every worker restart what it runs of a connector."""
        self._check()
        await self._write(
            f"writing a restart request for connector {name} to the config topic",
            lambda: self._configs.put_restart(name, only_failed=only_failed, include_tasks=include_tasks),
        )

    async def put_task_configs(self, name: str, configs: Sequence[Properties]) -> None:
        """Store how a connector's work is divided, as its owner has sent it."""
        async with self._in_order.turn():
            self._check()
            stored = self._configs.snapshot().connectors.get(name)
            if stored is None:
                raise ConnectorNotFoundError(name)
            if stored.target is TargetState.STOPPED and configs:
                # It was stopped since its owner asked it. Written now, its tasks would run.
                raise ConflictError(f"Connector {name} is stopped, so it has no tasks")
            await self._write(
                f"writing {len(configs)} task configs for connector {name} to the config topic",
                lambda: self._configs.put_task_configs(name, configs),
            )

    async def in_turn(self, change: Callable[[], Awaitable[T]]) -> T:
        """Do something else that only the leader may, between what it writes."""
        async with self._in_order.turn():
            self._check()
            return await change()

    async def fence(self, name: str, fence: Callable[[int], None], kind: str) -> None:
        """Shut out the producers of earlier tasks of an exactly-once source, before new ones are started.

        Args:
            fence: shuts out the producers of so many tasks; it blocks.
            kind: what the connector is.
        Source: KIP-618.
        """
        async with self._in_order.turn():
            self._check()
            stored = self._configs.snapshot().connectors.get(name)
            if stored is None:
                raise ConnectorNotFoundError(name)
            if kind == "sink":
                raise RequestRefusedError(400, f"Connector {name} is not a source connector")
            before, now = stored.fenced_task_count, stored.task_count
            if before == now and not stored.pending_fencing:
                return
            if before is not None and stored.pending_fencing and not before == now == 1:
                what = f"fencing the producers of {before} tasks of connector {name}"
                await self._write(what, lambda: fence(before))
            what = f"writing the task count of connector {name} to the config topic"
            await self._write(what, lambda: self._configs.put_task_count(name, now))

    async def _write(self, what: str, write: Callable[[], T]) -> T:
        with self._loop.doing(what):
            return await result_of(self._loop.run_in_pool(write))

    # What nobody asks for

    def tidy(self, name: str, workers: Collection[str]) -> None:
        """Forget the statuses of tasks that a connector has no more; and all of it, if there is no such connector.

        A task that still has a process is not forgotten: its worker does that when the process has ended, for only then has
        the task flushed its last offsets.

        Args:
            workers: the ids of all that are members now.
        """
        stored = self._configs.snapshot().connectors.get(name)
        count = 0 if stored is None else stored.task_count
        for number, status in self._statuses.tasks(name).items():
            if number >= count and not (may_have_process(status) and status.worker_id in workers):
                self._own.forget(TaskId(name, number))
        if stored is None:
            self._own.forget(name)
            self._statuses.delete_topics(name)

    def tidy_all(self, workers: Collection[str]) -> None:
        """Do so for every connector of which a status is known: another leader may have died before it could."""
        for name in self._statuses.connectors():
            self.tidy(name, workers)

    def renew_key_if_due(self) -> None:
        """Store a new session key, if there is none or it is too old."""
        config = self._config
        now_ms = int(time.time() * 1000)
        algorithm = config.inter_worker_key_generation_algorithm
        if self._key_is_on_its_way or not session_keys.is_due(
            self._configs.snapshot().session_key, algorithm, config.inter_worker_key_ttl_ms, now_ms
        ):
            return
        self._key_is_on_its_way = True
        key = session_keys.new_key(algorithm, config.inter_worker_key_size, now_ms)
        self._loop.run_in_pool(lambda: self._configs.put_session_key(key), self._key_stored)

    def _key_stored(self, done: Future[None]) -> None:
        error = done.exception()
        if error is None:
            self._key_is_on_its_way = False
            logger.info(
                "There is a new session key.", extra=facts(algorithm=self._config.inter_worker_key_generation_algorithm)
            )
        elif isinstance(error, ConnectError):
            logger.warning("A new session key could not be stored yet; trying again: %s", error)

            def again() -> None:
                self._key_is_on_its_way = False

            self._loop.call_later(KEY_AGAIN_S, again)
        else:
            raise error
