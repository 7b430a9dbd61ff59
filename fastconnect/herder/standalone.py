"""The herder of a single machine: it decides alone what runs, and keeps it in memory.

It lives in a process of its own. If that dies, the supervisor starts it again: it then learns from the `Inventory` what runs
and what an earlier herder has left to be remembered, and goes on from there without a task noticing. So whatever it decides
is given to the supervisor to be remembered before anything follows from it.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, TypeAlias

import msgspec

from fastconnect.config.worker import WorkerConfig
from fastconnect.errors import ConnectError
from fastconnect.herder.answers import (
    ConnectorDescription,
    ConnectorStatus,
    RestartInfo,
    RestartRequest,
    Signature,
)
from fastconnect.herder.connector_report import ConnectorReport
from fastconnect.herder.first_connectors import FirstConnectors
from fastconnect.herder.job_end import TURN_S, JobEnd
from fastconnect.herder.loop import HerderLoop, result_of
from fastconnect.herder.observed import Observed, Pages
from fastconnect.herder.offsets import NOTHING_GIVEN
from fastconnect.herder.refusals import ConflictError, RequestRefusedError, TaskNotFoundError
from fastconnect.herder.restart_plan import restart_plan
from fastconnect.herder.snapshot import ConnectorSpec, Snapshot
from fastconnect.herder.stored_herder import StoredHerder
from fastconnect.herder.work import Work, about_connector
from fastconnect.logs import about
from fastconnect.states import State, TargetState, TaskId
from fastconnect.storage.memory_configs import MemoryConfigStore
from fastconnect.storage.memory_statuses import MemoryStatusStore
from fastconnect.storage.status_store import StoredStatus, StoredTopic
from fastconnect.supervisor.control import Inventory, TaskStatus
from fastconnect.supervisor.restarts import RestartPolicy

logger = logging.getLogger(__name__)

Properties: TypeAlias = Mapping[str, str | None]

STARTED_WITHIN_S = 5.0
"""How long an answer to a new configuration waits for the connector to say what its tasks are."""


class _Kept(msgspec.Struct, frozen=True):
    """What of a connector must survive the herder."""

    name: str
    config: dict[str, str | None]
    target: TargetState
    task_configs: list[dict[str, str | None]] | None
    divided_config: dict[str, str | None] | None = None
    """For which configuration the tasks' were given, if for an earlier one."""


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
        work.listener = self
        self.observed = Observed(work, pages)
        self.pages = pages
        self._specs = specs
        self._first: FirstConnectors | None = FirstConnectors(specs)
        self._started: Future[None] = Future()
        self._job_end = JobEnd(work, self.observed, loop.clock) if until_done else None
        self._awaited: dict[str, list[Future[None]]] = {}
        self._changing_offsets: set[str] = set()

    @property
    def has_started(self) -> bool:
        """See StoredHerder."""
        return self._started.done()

    def snapshot(self) -> Snapshot:
        """How everything is now; for the herder's thread."""
        return self.observed.snapshot()

    # What is heard of the work

    def on_begin(self, inventory: Inventory) -> None:
        """See WorkListener."""
        if inventory.remembered is not None and not inventory.stopping:
            self._first = None
            self._go_on(msgspec.msgpack.decode(inventory.remembered, type=list[_Kept]))
            self._started.set_result(None)
        elif not inventory.stopping:
            self._forget_unwanted()
            self._begin()
        for status in inventory.tasks:
            if status.id in self.work.tasks:
                self.on_task_status(status)
        if self._job_end is not None:
            self._look_for_end(self._job_end)

    def _begin(self) -> None:
        assert self._first is not None
        for spec in self._specs:
            self.configs.put_connector(spec.name, spec.config, spec.target)
        for spec in self._specs:
            if spec.target is TargetState.STARTED:
                self.work.start_connector(spec.name, spec.config)
            else:
                asked = self.work.questions.validate(spec.config)
                asked.add_done_callback(lambda report, name=spec.name: self._take_validation(name, report))  # type: ignore[misc]
        self._start_if_all_are_good()

    def _go_on(self, kept: list[_Kept]) -> None:
        """Take over from an earlier herder."""
        for each in kept:
            self.configs.put_connector(each.name, each.divided_config or each.config, each.target)
            if each.task_configs is not None:
                self.configs.put_task_configs(each.name, each.task_configs)
            if each.divided_config is not None:
                self.configs.put_connector(each.name, each.config)
        self._forget_unwanted()
        for each in kept:
            to_be_divided = each.task_configs is None or each.divided_config is not None
            if to_be_divided and each.target is TargetState.STARTED:
                self.work.start_connector(each.name, each.config)
                continue
            configs = each.task_configs or []
            found = len(self.work.tasks_of(each.name))
            logger.info("Found the connector's tasks running.", extra=about_connector(each.name, tasks=found))
            for number, config in enumerate(configs):  # of those that run already, none notices it
                self.work.start_task(TaskId(each.name, number), each.config, config, each.target)
            self.work.adopt_connector(each.name, each.config, each.target)

    def _forget_unwanted(self) -> None:
        connectors = self.configs.snapshot().connectors
        for task in list(self.work.tasks):
            connector = connectors.get(task.connector)
            if connector is None or task.task >= len(connector.task_configs or ()):
                logger.warning("A task that is not wanted is stopped.", extra=about(task))
                self.work.stop_task(task)

    def on_connector_state(
        self, name: str, state: State, trace: str | None, version: str | None, restart: RestartInfo | None
    ) -> None:
        """See WorkListener."""
        version = version or self.work.questions.version_of(self.work.connectors[name].config)
        self.statuses.put(name, StoredStatus(state=state.name, worker_id=self.worker_id, trace=trace, version=version))
        has_failed = state is State.FAILED or (state is State.RESTARTING and restart is not None)
        if self._first is not None and has_failed:
            self._first.answered(name, self.work.connectors[name].faults)
            self._start_if_all_are_good()
        if has_failed or state in (State.PAUSED, State.STOPPED):
            self._decided(name)

    def on_task_configs(self, name: str, configs: list[dict[str, str]]) -> None:
        """See WorkListener."""
        if self._first is not None:
            self._first.answered(name, task_configs=configs)
            self._start_if_all_are_good()
        else:
            self._divide(name, configs)
        self._decided(name)

    def on_task_status(self, status: TaskStatus) -> None:
        """See WorkListener."""
        connector = self.work.connectors.get(status.id.connector)
        version = connector.version if connector is not None else None
        failed = status.state in (State.FAILED, State.RESTARTING)
        trace = (status.trace or status.reason) if failed else None
        stored = StoredStatus(state=State(status.state).name, worker_id=self.worker_id, trace=trace, version=version)
        self.statuses.put(status.id, stored)

    def on_topic(self, task: TaskId, topic: str) -> None:
        """See WorkListener."""
        self.statuses.put_topic(StoredTopic(topic, task.connector, task.task, int(time.time() * 1000)))

    def on_stopping(self, reason: str) -> None:
        """See WorkListener."""

    def _take_validation(self, name: str, asked: Future[ConnectorReport]) -> None:
        """What is wrong with a connector that is not to be started yet."""
        if self._first is None:
            return
        try:
            report = asked.result()
        except ConnectError as error:
            self._first.answered(name, [str(error)])
        else:
            for warning in report.warnings:
                logger.warning(warning, extra=about_connector(name))
            self._first.answered(name, [str(fault) for fault in report.faults])
        self._start_if_all_are_good()

    def _start_if_all_are_good(self) -> None:
        first = self._first
        if first is None or not first.all_have_answered:
            return
        self._first = None
        if (wrong := first.everything_wrong()) is not None:
            self.work.finish(2, wrong)
            return
        for spec in self._specs:
            if spec.target is not TargetState.STARTED:
                self.work.start_connector(spec.name, spec.config, spec.target)
        for name, configs in first.task_configs.items():
            self._divide(name, configs)
        self._remember()
        self._started.set_result(None)

    # Tasks

    def _divide(self, name: str, configs: list[dict[str, str]]) -> None:
        """Run the tasks that a connector wants, and only those. What is the same as before goes on undisturbed."""
        connector = self.configs.snapshot().connectors.get(name)
        if connector is None or connector.target is TargetState.STOPPED:
            return
        new = [dict[str, str | None](config) for config in configs]
        if new == connector.task_configs and connector.applied_config == connector.config:
            return
        if connector.task_configs:
            logger.info("The connector's tasks are divided anew.", extra=about_connector(name, tasks=len(new)))
        elif not new:
            logger.warning("Connector has no work: it gave no task configurations.", extra=about_connector(name))
        self.configs.put_task_configs(name, new)
        self._remember()
        for number in self.work.tasks_of(name):
            if number >= len(new):
                self._stop_task(TaskId(name, number))
        for number, config in enumerate(new):
            self.work.start_task(TaskId(name, number), connector.config, config, connector.target)

    def _stop_task(self, task: TaskId) -> Future[None]:
        self.statuses.delete(task)
        return self.work.stop_task(task)

    def _stop_tasks(self, name: str) -> list[Future[None]]:
        for number in self.statuses.tasks(name):
            self.statuses.delete(TaskId(name, number))
        return [self._stop_task(TaskId(name, number)) for number in self.work.tasks_of(name)]

    def _remember(self) -> None:
        if self._first is not None:
            return  # nothing is decided yet: a new herder shall begin from the beginning
        kept = []
        for each in self.configs.snapshot().connectors.values():
            divided = each.applied_config if each.applied_config != each.config else None
            kept.append(_Kept(each.name, each.config, each.target, each.task_configs, divided))
        self.work.remember(msgspec.msgpack.encode(kept))

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

    async def _run(self, name: str, config: Properties, initial_state: TargetState | None = None) -> ConnectorDescription:
        """Run a connector with a new configuration, and wait until it has said what its tasks are."""
        self._refuse_if_stopping()
        self.configs.put_connector(name, config, initial_state)
        self._remember()
        decided = self._decision(name)
        self.work.start_connector(name, config, self.stored(name).target)
        with self.loop.doing(f"starting the connector {name}"):
            await result_of(decided)
        return self.description(name)

    def _decision(self, name: str) -> Future[None]:
        """Done when a connector has said what its tasks are, has failed, or takes too long for anybody to wait."""
        decided: Future[None] = Future()
        self._awaited.setdefault(name, []).append(decided)
        timer = self.loop.call_later(STARTED_WITHIN_S, lambda: None if decided.done() else decided.set_result(None))
        decided.add_done_callback(lambda _: timer.cancel())
        return decided

    def _decided(self, name: str) -> None:
        for future in self._awaited.pop(name, []):
            if not future.done():
                future.set_result(None)

    def delete_connector(self, name: str) -> Future[None]:
        """See Herder."""

        async def delete() -> None:
            await result_of(self._started)
            self.stored(name)
            self._refuse_if_stopping()
            self._refuse_while_offsets_change(name)
            self.configs.remove_connector(name)
            self._remember()
            self.work.stop_connector(name)
            ended = self._stop_tasks(name)
            self.statuses.delete(name)
            self.statuses.delete_topics(name)
            self._decided(name)
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
            if target is TargetState.STOPPED:
                self.configs.put_task_configs(name, [])
            self.configs.put_target(name, target)
            self._remember()
            ended = self._stop_tasks(name) if target is TargetState.STOPPED else []
            self.work.set_target(name, target)
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
                self._restart_task(TaskId(name, number))
            return plan.status

        return self.loop.submit(restart)

    def restart_task(self, task: TaskId) -> Future[None]:
        """See Herder."""

        async def restart() -> None:
            await result_of(self._started)
            self.stored(task.connector, f"Unknown connector: {task.connector}")
            if task not in self.work.tasks:
                raise TaskNotFoundError(task, f"Task {task} not found")
            self._restart_task(task)

        return self.loop.submit(restart)

    def _restart_task(self, task: TaskId) -> None:
        if (known := self.statuses.get(task)) is not None:
            self.statuses.put(task, msgspec.structs.replace(known, state=State.RESTARTING.name))
        self.work.restart_task(task)

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
        if self._started.done() and (end := job_end.look()) is not None:
            self.work.finish(*end)
            return
        self.loop.call_later(TURN_S, lambda: self._look_for_end(job_end))


def _refused(message: str) -> Future[None]:
    refused: Future[None] = Future()
    refused.set_exception(RequestRefusedError(400, message))
    return refused
