"""The herder of a single machine: it decides alone what runs, and keeps it in memory.

It lives in a process of its own. If that dies, the supervisor starts it again: it then learns from the `Inventory` what runs
and what an earlier herder has left to be remembered, and goes on from there without a task noticing (own_connectors.py).
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, TypeAlias

from fastconnect.config.worker import WorkerConfig
from fastconnect.herder.answers import (
    ConnectorDescription,
    ConnectorStatus,
    RestartRequest,
    Signature,
)
from fastconnect.herder.job_end import TURN_S, JobEnd
from fastconnect.herder.loop import HerderLoop, result_of
from fastconnect.herder.observed import Observed, Pages
from fastconnect.herder.offsets import NOTHING_GIVEN
from fastconnect.herder.own_connectors import OwnConnectors
from fastconnect.herder.refusals import ConflictError, RequestRefusedError, TaskNotFoundError
from fastconnect.herder.restart_plan import restart_plan
from fastconnect.herder.snapshot import ConnectorSpec, Snapshot
from fastconnect.herder.stored_herder import StoredHerder
from fastconnect.herder.work import Work
from fastconnect.states import TargetState, TaskId
from fastconnect.storage.memory_configs import MemoryConfigStore
from fastconnect.storage.memory_statuses import MemoryStatusStore
from fastconnect.supervisor.restarts import RestartPolicy

logger = logging.getLogger(__name__)

Properties: TypeAlias = Mapping[str, str | None]


class StandaloneHerder(StoredHerder):
    """Runs the connectors it was given when it was made, and those that it is asked to run.

    Args:
        loop: its thread.
        specs: the connectors that are wanted from the beginning.
        worker: the worker's configuration.
        worker_id: this worker's name in statuses.
        pages: the shared mapping with the tasks' status pages.
        make_retries: makes the policy by which a failed connector is asked again, one for each.
        until_done: finish when every source has reached its end, with exit code 0; or 1 if a task failed for good.
    """

    def __init__(
        self,
        loop: HerderLoop,
        specs: Sequence[ConnectorSpec],
        worker: WorkerConfig,
        worker_id: str,
        pages: Pages,
        make_retries: Callable[[], RestartPolicy],
        *,
        until_done: bool = False,
    ) -> None:
        work = Work(loop, make_retries, worker.connector_timeout_ms)
        super().__init__(loop, worker, worker_id, work, MemoryConfigStore(), MemoryStatusStore())
        self._own = work.listener = OwnConnectors(loop, work, self.configs, self.statuses, specs, worker_id)
        self._started = self._own.started
        self.observed = Observed(work, pages)
        self.pages = pages
        self._changing_offsets: set[str] = set()
        if until_done:
            job_end = JobEnd(work, self.observed, loop.clock)
            self._started.add_done_callback(lambda _: self._look_for_end(job_end))

    @property
    def has_started(self) -> bool:
        """See StoredHerder."""
        return self._started.done()

    def snapshot(self) -> Snapshot:
        """How everything is now; for the herder's thread."""
        return self.observed.snapshot()

    # Changes

    def put_connector(
        self, name: str, config: Properties, *, initial_state: TargetState | None = None, replace: bool
    ) -> Future[tuple[bool, ConnectorDescription]]:
        """See Herder."""

        async def put() -> tuple[bool, ConnectorDescription]:
            await result_of(self._started)
            checked = await self.checked(name, config)
            known = self.configs.snapshot().connectors.get(name)
            if known is not None and not replace:
                raise RequestRefusedError(409, f"Connector {name} already exists")
            return known is None, await self._run(name, checked, initial_state)

        return self.loop.submit(put)

    def patch_connector(self, name: str, patch: Properties) -> Future[ConnectorDescription]:
        """See Herder."""

        async def change() -> ConnectorDescription:
            await result_of(self._started)
            if patch.get("name", name) != name:
                raise RequestRefusedError(400, f"The name of a connector cannot be changed: {name} is not {patch['name']}")
            while True:
                known = self.stored(name).config
                merged = {key: value for key, value in {**known, **patch}.items() if value is not None or key not in patch}
                checked = await self.checked(name, merged)
                if self.stored(name).config == known:  # else somebody else has changed it meanwhile
                    return await self._run(name, checked)

        return self.loop.submit(change)

    async def _run(self, name: str, config: Properties, target: TargetState | None = None) -> ConnectorDescription:
        """Run a connector with a new configuration, and wait until it has said what its tasks are."""
        self._refuse_if_stopping()
        with self.loop.doing(f"starting the connector {name}"):
            await result_of(self._own.run(name, config, target))
        return self.description(name)

    def delete_connector(self, name: str) -> Future[None]:
        """See Herder."""

        async def delete() -> None:
            await result_of(self._started)
            self.stored(name)
            self._refuse_if_stopping()
            self._refuse_while_offsets_change(name)
            ended = self._own.delete(name)
            for task in ended:
                await result_of(task)

        return self.loop.submit(delete)

    def set_target(self, name: str, target: TargetState) -> Future[None]:
        """See Herder."""

        async def change() -> None:
            await result_of(self._started)
            self.stored(name, f"Unknown connector {name}")
            self._refuse_if_stopping()
            self._refuse_while_offsets_change(name)
            ended = self._own.set_target(name, target)
            with self.loop.doing(f"stopping the tasks of connector {name}"):
                for task in ended:
                    await result_of(task)

        return self.loop.submit(change)

    # Restarts

    def restart_connector(self, name: str) -> Future[None]:
        """See Herder."""

        async def restart() -> None:
            await result_of(self._started)
            self.stored(name, f"Unknown connector: {name}")
            with self.loop.doing(f"restarting the connector {name}"):
                await result_of(self.work.restart_connector(name))

        return self.loop.submit(restart)

    def restart_connector_and_tasks(self, request: RestartRequest) -> Future[ConnectorStatus]:
        """See Herder."""

        async def restart() -> ConnectorStatus:
            name = request.connector
            await result_of(self._started)
            await self.know_plugins(self.stored(name, f"Unknown connector: {name}").config)
            plan = restart_plan(request, self.status(name))
            if plan.connector:
                self.work.restart_connector(name)
            for number in plan.tasks:
                self._own.restart_task(TaskId(name, number))
            return plan.status

        return self.loop.submit(restart)

    def restart_task(self, task: TaskId) -> Future[None]:
        """See Herder."""

        async def restart() -> None:
            await result_of(self._started)
            self.stored(task.connector, f"Unknown connector: {task.connector}")
            if task not in self.work.tasks:
                raise TaskNotFoundError(task, f"Task {task} not found")
            self._own.restart_task(task)

        return self.loop.submit(restart)

    # Offsets

    def alter_offsets(self, name: str, offsets: Sequence[tuple[Any, Any]]) -> Future[str]:
        """See Herder."""

        async def alter() -> str:
            if not offsets:
                raise RequestRefusedError(400, NOTHING_GIVEN)
            config = await self._stopped(name)
            with self._changing_offsets_of(name):
                return await self.connector_offsets.alter(name, config, offsets)

        return self.loop.submit(alter)

    def reset_offsets(self, name: str) -> Future[str]:
        """See Herder."""

        async def reset() -> str:
            config = await self._stopped(name)
            with self._changing_offsets_of(name):
                return await self.connector_offsets.reset(name, config)

        return self.loop.submit(reset)

    async def _stopped(self, name: str) -> Properties:
        """The configuration of a connector that is stopped, as is every task of it."""
        await result_of(self._started)
        connector = self.stored(name)
        if connector.target is not TargetState.STOPPED or self.work.tasks_of(name):
            raise RequestRefusedError(
                400,
                "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the "
                f"specified connector by issuing a 'PUT' request to the '/connectors/{name}/stop' endpoint",
            )
        for ended in self.work.ending(name):
            await result_of(ended)
        return connector.config

    @contextlib.contextmanager
    def _changing_offsets_of(self, name: str) -> Iterator[None]:
        """No task may begin with the old offsets meanwhile."""
        self._refuse_while_offsets_change(name)
        self._changing_offsets.add(name)
        try:
            with self.loop.doing(f"modifying offsets for connector {name}"):
                yield
        finally:
            self._changing_offsets.discard(name)

    def _refuse_while_offsets_change(self, name: str) -> None:
        if name in self._changing_offsets:
            raise ConflictError("Cannot complete request because of a conflicting operation: the offsets are being changed")

    def _refuse_if_stopping(self) -> None:
        if self.work.stopping is not None:
            raise RequestRefusedError(503, "The worker is being stopped")

    # Loggers, and what only a group of workers has

    def set_logger_level(self, logger: str, level: str, *, cluster: bool) -> Future[list[str]]:
        """See Herder."""

        def change() -> list[str]:
            changed = self.set_level_here(logger, level)
            return [] if cluster else changed

        return self.loop.submit(change)

    def put_task_configs(self, name: str, configs: Sequence[Properties], signature: Signature) -> Future[None]:
        """See Herder."""
        return _refused("Kafka Connect in standalone mode does not support externally setting task configurations.")

    def fence(self, name: str, signature: Signature) -> Future[None]:
        """See Herder."""
        return _refused("Kafka Connect in standalone mode does not support exactly-once source connectors.")

    # The end

    def _look_for_end(self, job_end: JobEnd) -> None:
        if self.work.stopping is not None:
            return
        if (end := job_end.look()) is not None:
            self.work.finish(*end)
            return
        self.loop.call_later(TURN_S, lambda: self._look_for_end(job_end))


def _refused(message: str) -> Future[None]:
    refused: Future[None] = Future()
    refused.set_exception(RequestRefusedError(400, message))
    return refused
