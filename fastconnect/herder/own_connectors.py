"""The connectors of a standalone worker and their tasks: what each is to run, and that the next herder knows it, too.

What is asked about them over REST is in standalone.py. Whatever is decided here is given to the supervisor to be remembered
before anything follows from it: so a herder that dies at any moment leaves nothing half done.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from concurrent.futures import Future

import msgspec

from fastconnect.errors import ConnectError
from fastconnect.herder.answers import RestartInfo
from fastconnect.herder.connector_report import ConnectorReport
from fastconnect.herder.first_connectors import FirstConnectors
from fastconnect.herder.loop import HerderLoop
from fastconnect.herder.snapshot import ConnectorSpec
from fastconnect.herder.work import Work, about_connector
from fastconnect.logs import about
from fastconnect.states import State, TargetState, TaskId
from fastconnect.storage.config_store import ConfigStore, Properties
from fastconnect.storage.status_store import StatusStore, StoredStatus, StoredTopic
from fastconnect.supervisor.control import Inventory, TaskStatus

logger = logging.getLogger(__name__)

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


class OwnConnectors:
    """Has the connectors run as the config store says. It is the listener of the work, on the herder's thread.

    Args:
        specs: the connectors that are wanted from the beginning.
        worker_id: this worker's name in statuses.
    """

    def __init__(
        self,
        loop: HerderLoop,
        work: Work,
        configs: ConfigStore,
        statuses: StatusStore,
        specs: Sequence[ConnectorSpec],
        worker_id: str,
    ) -> None:
        self.started: Future[None] = Future()
        """Done when the first connectors were found good, or those of an earlier herder are known."""
        self._loop = loop
        self._work = work
        self._configs = configs
        self._statuses = statuses
        self._specs = specs
        self._worker_id = worker_id
        self._first: FirstConnectors | None = FirstConnectors(specs)
        self._awaited: dict[str, list[Future[None]]] = {}

    # What is decided

    def run(self, name: str, config: Properties, target: TargetState | None = None) -> Future[None]:
        """Run a connector with a new configuration, and in a new target state if one is given.

        Returns:
            Done when it has said what its tasks are, has failed, or takes too long for anybody to wait.
        """
        self._configs.put_connector(name, config, target)
        self._remember()
        decided = self._decision(name)
        self._work.start_connector(name, config, self._configs.snapshot().connectors[name].target)
        return decided

    def set_target(self, name: str, target: TargetState) -> list[Future[None]]:
        """Have a connector and its tasks run, pause or stop; done when the tasks that are to stop have ended."""
        if target is TargetState.STOPPED:
            self._configs.put_task_configs(name, [])
        self._configs.put_target(name, target)
        self._remember()
        ended = self._stop_tasks(name) if target is TargetState.STOPPED else []
        self._work.set_target(name, target)
        return ended

    def delete(self, name: str) -> list[Future[None]]:
        """Stop a connector and forget it; done when its tasks have ended."""
        self._configs.remove_connector(name)
        self._remember()
        self._work.stop_connector(name)
        ended = self._stop_tasks(name)
        self._statuses.delete(name)
        self._statuses.delete_topics(name)
        self._decided(name)
        return ended

    def restart_task(self, task: TaskId) -> None:
        """Stop a task if it runs, and start it anew."""
        if (known := self._statuses.get(task)) is not None:
            self._statuses.put(task, msgspec.structs.replace(known, state=State.RESTARTING.name))
        self._work.restart_task(task)

    # What is heard of the work

    def on_begin(self, inventory: Inventory) -> None:
        """See WorkListener."""
        if inventory.remembered is not None and not inventory.stopping:
            self._first = None
            self._go_on(msgspec.msgpack.decode(inventory.remembered, type=list[_Kept]))
            self.started.set_result(None)
        elif not inventory.stopping:
            self._forget_unwanted()
            self._begin()
        for status in inventory.tasks:
            if status.id in self._work.tasks:
                self.on_task_status(status)

    def _begin(self) -> None:
        assert self._first is not None
        for spec in self._specs:
            self._configs.put_connector(spec.name, spec.config, spec.target)
        for spec in self._specs:
            if spec.target is TargetState.STARTED:
                self._work.start_connector(spec.name, spec.config)
            else:
                asked = self._work.questions.validate(spec.config)
                asked.add_done_callback(lambda report, name=spec.name: self._take_validation(name, report))  # type: ignore[misc]
        self._start_if_all_are_good()

    def _go_on(self, kept: list[_Kept]) -> None:
        """Take over from an earlier herder."""
        for each in kept:
            self._configs.put_connector(each.name, each.divided_config or each.config, each.target)
            if each.task_configs is not None:
                self._configs.put_task_configs(each.name, each.task_configs)
            if each.divided_config is not None:
                self._configs.put_connector(each.name, each.config)
        self._forget_unwanted()
        for each in kept:
            to_be_divided = each.task_configs is None or each.divided_config is not None
            if to_be_divided and each.target is TargetState.STARTED:
                self._work.start_connector(each.name, each.config)
                continue
            configs = each.task_configs or []
            found = len(self._work.tasks_of(each.name))
            logger.info("Found the connector's tasks running.", extra=about_connector(each.name, tasks=found))
            for number, config in enumerate(configs):  # of those that run already, none notices it
                self._work.start_task(TaskId(each.name, number), each.divided_config or each.config, config, each.target)
            self._work.adopt_connector(each.name, each.config, each.target)

    def _forget_unwanted(self) -> None:
        connectors = self._configs.snapshot().connectors
        for task in list(self._work.tasks):
            connector = connectors.get(task.connector)
            if connector is None or task.task >= len(connector.task_configs or ()):
                logger.warning("A task that is not wanted is stopped.", extra=about(task))
                self._work.stop_task(task)

    def on_connector_state(
        self, name: str, state: State, trace: str | None, version: str | None, restart: RestartInfo | None
    ) -> None:
        """See WorkListener."""
        version = version or self._work.questions.version_of(self._work.connectors[name].config)
        self._statuses.put(name, StoredStatus(state=state.name, worker_id=self._worker_id, trace=trace, version=version))
        has_failed = state is State.FAILED or (state is State.RESTARTING and restart is not None)
        if self._first is not None and has_failed:
            self._first.answered(name, self._work.connectors[name].faults)
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
        connector = self._work.connectors.get(status.id.connector)
        version = connector.version if connector is not None else None
        failed = status.state in (State.FAILED, State.RESTARTING)
        trace = (status.trace or status.reason) if failed else None
        stored = StoredStatus(state=State(status.state).name, worker_id=self._worker_id, trace=trace, version=version)
        self._statuses.put(status.id, stored)

    def on_topic(self, task: TaskId, topic: str) -> None:
        """See WorkListener."""
        self._statuses.put_topic(StoredTopic(topic, task.connector, task.task, int(time.time() * 1000)))

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
            self._work.finish(2, wrong)
            return
        for spec in self._specs:
            if spec.target is not TargetState.STARTED:
                self._work.start_connector(spec.name, spec.config, spec.target)
        names = [name for name, configs in first.task_configs.items() if self._takes_over(name, configs)]
        self._remember()
        for name in names:
            self._run_tasks(name)
        self.started.set_result(None)

    # Tasks

    def _divide(self, name: str, configs: list[dict[str, str]]) -> None:
        """Run the tasks that a connector wants, and only those. What is the same as before goes on undisturbed."""
        if self._takes_over(name, configs):
            self._remember()
            self._run_tasks(name)

    def _takes_over(self, name: str, configs: list[dict[str, str]]) -> bool:
        """Note the configurations of a connector's tasks; whether anything is to be done for them."""
        connector = self._configs.snapshot().connectors.get(name)
        if connector is None or connector.target is TargetState.STOPPED:
            return False
        new = [dict[str, str | None](config) for config in configs]
        if new == connector.task_configs and connector.applied_config == connector.config:
            return False
        if connector.task_configs:
            logger.info("The connector's tasks are divided anew.", extra=about_connector(name, tasks=len(new)))
        elif not new:
            logger.warning("Connector has no work: it gave no task configurations.", extra=about_connector(name))
        self._configs.put_task_configs(name, new)
        return True

    def _run_tasks(self, name: str) -> None:
        connector = self._configs.snapshot().connectors[name]
        configs = connector.task_configs or []
        for number in self._work.tasks_of(name):
            if number >= len(configs):
                self._stop_task(TaskId(name, number))
        for number, config in enumerate(configs):  # of those that run already with the same, none notices it
            self._work.start_task(TaskId(name, number), connector.config, config, connector.target)

    def _stop_task(self, task: TaskId) -> Future[None]:
        self._statuses.delete(task)
        return self._work.stop_task(task)

    def _stop_tasks(self, name: str) -> list[Future[None]]:
        for number in self._statuses.tasks(name):
            self._statuses.delete(TaskId(name, number))
        return [self._stop_task(TaskId(name, number)) for number in self._work.tasks_of(name)]

    def _remember(self) -> None:
        if self._first is not None:
            return  # nothing is decided yet: a new herder shall begin from the beginning
        kept = []
        for each in self._configs.snapshot().connectors.values():
            divided = each.applied_config if each.applied_config != each.config else None
            kept.append(_Kept(each.name, each.config, each.target, each.task_configs, divided))
        self._work.remember(msgspec.msgpack.encode(kept))

    def _decision(self, name: str) -> Future[None]:
        """Done when a connector has said what its tasks are, has failed, or takes too long for anybody to wait."""
        decided: Future[None] = Future()
        self._awaited.setdefault(name, []).append(decided)
        timer = self._loop.call_later(STARTED_WITHIN_S, lambda: None if decided.done() else decided.set_result(None))
        decided.add_done_callback(lambda _: timer.cancel())
        return decided

    def _decided(self, name: str) -> None:
        for future in self._awaited.pop(name, []):
            if not future.done():
                future.set_result(None)
