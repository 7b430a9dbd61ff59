"""What runs on this worker: connectors and tasks, as the supervisor is told and as it tells.

What should run here is decided by standalone.py or distributed.py; this file only carries it out, and knows how it is.
For the herder's thread only.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Protocol, TypeAlias

import msgspec

from fastconnect.errors import ConnectError
from fastconnect.herder.answers import RestartInfo
from fastconnect.herder.connector_report import ConnectorReport, Failure
from fastconnect.herder.loop import HerderLoop, Timer
from fastconnect.herder.questions import Questions
from fastconnect.herder.startups import Startups
from fastconnect.logs import facts
from fastconnect.states import State, TargetState, TaskId
from fastconnect.supervisor.control import (
    ConnectorAnswer,
    Finish,
    Inventory,
    LevelSet,
    Remember,
    Report,
    ResetTopics,
    RestartTask,
    SetLogLevel,
    SetTarget,
    StartTask,
    StopConnector,
    Stopping,
    StopTask,
    TaskStatus,
    TaskTopic,
)
from fastconnect.supervisor.restarts import RestartPolicy

logger = logging.getLogger(__name__)

Properties: TypeAlias = Mapping[str, str | None]

_STATES = {TargetState.STARTED: State.RUNNING, TargetState.PAUSED: State.PAUSED, TargetState.STOPPED: State.STOPPED}


class WorkListener(Protocol):
    """Who wants to know how it is; called on the herder's thread."""

    def on_begin(self, inventory: Inventory) -> None:
        """The supervisor has said what runs, maybe since an earlier herder: from now on things may be started."""

    def on_connector_state(
        self, name: str, state: State, trace: str | None, version: str | None, restart: RestartInfo | None
    ) -> None:
        """How a connector's own code is. FAILED: it stays so; RESTARTING: it is tried again, as `restart` says."""

    def on_task_configs(self, name: str, configs: list[dict[str, str]]) -> None:
        """A connector has said how its work is divided, the same as before or not. Nothing was started."""

    def on_task_status(self, status: TaskStatus) -> None:
        """How a task is that was started here; not told of one that was stopped since."""

    def on_topic(self, task: TaskId, topic: str) -> None:
        """A task uses this topic."""

    def on_stopping(self, reason: str) -> None:
        """The worker is being stopped."""


class RunningConnector:
    """A connector that runs here, or is to: how far it was asked, and how it is."""

    def __init__(self, name: str, config: Properties, target: TargetState, retries: RestartPolicy) -> None:
        self.name = name
        self.config = dict(config)
        self.target = target
        self.state = State.UNASSIGNED
        self.failure: Failure | None = None
        self.faults: list[str] = []
        self.version: str | None = None
        self.retries = retries
        self.request: int | None = None
        """The question that is not answered yet."""
        self.watching: int | None = None
        """The question whose process watches the source, and may answer again."""
        self.next_try: Timer | None = None
        self.restarted: list[Future[None]] = []

    @property
    def undecided(self) -> bool:
        """Whether it was asked for its tasks, or will be again, and has not answered."""
        return self.request is not None or self.next_try is not None


class Work:
    """The connectors and tasks of this worker.

    Args:
        loop: the herder's.
        make_retries: makes the policy by which a failed connector is asked again, one for each.
        timeout_ms: how long a connector's code may take for an answer.
    """

    def __init__(
        self,
        loop: HerderLoop,
        make_retries: Callable[[], RestartPolicy] = RestartPolicy,
        timeout_ms: int = 60_000,
    ) -> None:
        self.questions = Questions(loop.send, timeout_ms)
        self.connectors: dict[str, RunningConnector] = {}
        self.tasks: dict[TaskId, TaskStatus] = {}
        """Those that were started here, and how each is."""
        self.restarts: dict[str | TaskId, RestartInfo] = {}
        """What is done about the failures of connectors (by name) and tasks; only of those that have failed lately."""
        self.stopping: str | None = None
        """Why the worker is being stopped."""
        self.lease_until_ns = 0
        """Until when a task that is started may send, by CLOCK_BOOTTIME; 0: there are no leases here."""
        self.startups = Startups()
        """How often what was started, since this herder was."""
        self.begun = False
        """Whether the supervisor has said what runs."""
        self.listener: WorkListener
        """Told how they are; to be set before the first report is heard."""
        self._levels: list[LevelSet] = []
        self._ending: dict[TaskId, list[Future[None]]] = {}
        self._loop = loop
        self._make_retries = make_retries

    # Connectors

    def start_connector(self, name: str, config: Properties, target: TargetState = TargetState.STARTED) -> None:
        """Run a connector with this configuration: ask for its tasks' configurations, unless it is not to be started.

        One that runs with another configuration is stopped first. The answers come by `on_connector_state` and then
        `on_task_configs`; if its code fails it is asked again, with a growing wait.
        """
        self._forget(name)
        connector = RunningConnector(name, config, target, self._make_retries())
        self.connectors[name] = connector
        self._begin(connector)

    def adopt_connector(
        self, name: str, config: Properties, target: TargetState = TargetState.STARTED, version: str | None = None
    ) -> None:
        """Take over a connector whose tasks were started by an earlier herder: it is not asked for them anew."""
        self._forget(name)
        connector = RunningConnector(name, config, target, self._make_retries())
        connector.version = version
        self.connectors[name] = connector
        if target is TargetState.STARTED:
            connector.watching = self.questions.ask(
                "watch", name, connector.config, lambda report, goes_on: self._hear_watcher(connector, report, goes_on)
            )
        self._settle(connector, _STATES[target])

    def stop_connector(self, name: str) -> None:
        """Stop a connector and forget it; not its tasks."""
        self._forget(name)
        self.connectors.pop(name, None)
        self.restarts.pop(name, None)

    def restart_connector(self, name: str) -> Future[None]:
        """Stop a connector's own code and start it anew, with a clean count of failures; nothing if it is not to run.

        Returns:
            Done when it was started, failed if that has failed.
        """
        connector = self.connectors[name]
        done: Future[None] = Future()
        if connector.target is not TargetState.STARTED:
            done.set_result(None)
            return done
        connector.retries.healthy()
        self._drop_questions(connector)
        connector.restarted.append(done)
        self._settle(connector, State.RESTARTING)
        self._ask(connector)
        return done

    def set_target(self, name: str, target: TargetState) -> None:
        """Have a connector, and those of its tasks that are here, run, pause or stop. It need not run here itself."""
        if any(task.connector == name for task in self.tasks):
            self._loop.send(SetTarget(name, target))
        connector = self.connectors.get(name)
        if connector is None or connector.target is target:
            return
        connector.target = target
        if target is TargetState.STARTED:
            connector.retries.healthy()
        else:
            self._drop_questions(connector)
        self._begin(connector)

    def _begin(self, connector: RunningConnector) -> None:
        if connector.target is TargetState.STARTED:
            self._ask(connector)
        else:
            self._settle(connector, _STATES[connector.target])

    def _ask(self, connector: RunningConnector) -> None:
        connector.next_try = connector.watching = None
        connector.request = self.questions.ask(
            "task_configs", connector.name, connector.config, lambda report, goes_on: self._take(connector, report, goes_on)
        )

    def _forget(self, name: str) -> None:
        if (connector := self.connectors.get(name)) is not None:
            self._drop_questions(connector)

    def _drop_questions(self, connector: RunningConnector) -> None:
        """Hear no answer to what was asked before, and have its process end if it watches its source."""
        self.questions.drop(connector.request)
        self.questions.drop(connector.watching)
        if connector.next_try is not None:
            connector.next_try.cancel()
        if connector.watching is not None:
            self._loop.send(StopConnector(connector.name))
        connector.request = connector.watching = connector.next_try = None
        restarted, connector.restarted = connector.restarted, []
        for future in restarted:
            future.set_result(None)  # something newer has taken the restart's place

    def _take(self, connector: RunningConnector, report: ConnectorReport | None, goes_on: bool) -> None:
        """The answer of a connector to what its tasks are, and those it gives behind it when it watches its source."""
        if connector.request is None:
            self._hear_watcher(connector, report, goes_on)
            return
        if self.stopping is not None:
            return
        connector.watching = connector.request if goes_on else None
        connector.request = None
        report = report or ConnectorReport(failure=Failure("its process ended without an answer", "", retry_helps=True))
        if connector.retries.failures == 0:
            for warning in report.warnings:
                logger.warning(warning, extra=about_connector(connector.name))
        connector.version = report.version or connector.version
        connector.faults = [str(fault) for fault in report.faults]
        failure = report.failure
        if report.faults:
            failure = Failure("\n".join(connector.faults), "", retry_helps=False)
        self.startups.note_connector(failed=failure is not None)
        if failure is not None:
            self._fail(connector, failure)
        else:
            connector.failure = None
            self._settle(connector, State.RUNNING)
        restarted, connector.restarted = connector.restarted, []
        for future in restarted:
            if failure is None:
                future.set_result(None)
            else:
                future.set_exception(ConnectError(f"Failed to start connector {connector.name}: {failure.reason}"))
        if failure is None:
            self.listener.on_task_configs(connector.name, report.task_configs)

    def _hear_watcher(self, connector: RunningConnector, report: ConnectorReport | None, goes_on: bool) -> None:
        """A connector that watches its source has something new to say, or has ended."""
        if not goes_on:
            connector.watching = None
        if report is None or self.stopping is not None:
            return
        failure = report.failure
        if report.faults:
            failure = Failure(str(report.faults[0]), "", retry_helps=True)
        if failure is not None:
            self._fail(connector, failure)
        elif goes_on:  # a last answer only says how it ended
            self.listener.on_task_configs(connector.name, report.task_configs)

    def _fail(self, connector: RunningConnector, failure: Failure) -> None:
        connector.failure = failure
        wait_ms = connector.retries.next_wait_ms()
        if not failure.retry_helps or wait_ms is None:
            extra = {**about_connector(connector.name), "trace": failure.trace}
            logger.error("Connector failed and is left FAILED. %s", failure.reason, extra=extra)
            self._settle(connector, State.FAILED)
            return
        extra = about_connector(connector.name, wait_ms=wait_ms)
        logger.warning("Connector failed and is asked again. %s", failure.reason, extra=extra)
        connector.next_try = self._loop.call_later(wait_ms / 1000, lambda: self._ask(connector))
        self._settle(connector, State.RESTARTING, wait_ms)

    def _settle(self, connector: RunningConnector, state: State, wait_ms: int | None = None) -> None:
        connector.state = state
        if state is not State.FAILED and wait_ms is None:
            connector.failure = None
        failure = connector.failure
        trace = (failure.trace or failure.reason) if failure is not None else None
        restart = self._note_restart(connector.name, connector.retries.failures, wait_ms)
        self.listener.on_connector_state(connector.name, state, trace, connector.version, restart)

    # Tasks

    def start_task(
        self, task: TaskId, connector_config: Properties, task_config: Properties, target: TargetState = TargetState.STARTED
    ) -> None:
        """Keep a task running with these configurations (unresolved). One that runs with the same ones goes on undisturbed."""
        self._end_waiting(task)
        if task not in self.tasks:
            self.tasks[task] = TaskStatus(task, slot=0, epoch=0, state=State.UNASSIGNED)
        self._loop.send(StartTask(task, dict(connector_config), dict(task_config), target, self.lease_until_ns))

    def stop_task(self, task: TaskId) -> Future[None]:
        """Stop a task and forget it; done when its process has ended."""
        done: Future[None] = Future()
        self.restarts.pop(task, None)
        self.startups.forget_task(task)
        if self.tasks.pop(task, None) is None and task not in self._ending:
            done.set_result(None)
            return done
        self._ending.setdefault(task, []).append(done)
        self._loop.send(StopTask(task))
        return done

    def ending(self, connector: str) -> list[Future[None]]:
        """For each task of a connector that was stopped and whose process is still there: done when that has ended."""
        futures: list[Future[None]] = []
        for task, waiting in self._ending.items():
            if task.connector == connector:
                futures.append(Future())
                waiting.append(futures[-1])
        return futures

    def restart_task(self, task: TaskId) -> None:
        """Stop a task if it runs and start it anew, with a clean count of failures."""
        self._loop.send(RestartTask(task))

    def tasks_of(self, connector: str) -> dict[int, TaskStatus]:
        """The tasks of a connector that were started here, by number."""
        return {task.task: status for task, status in sorted(self.tasks.items()) if task.connector == connector}

    def reset_topics(self, connector: str) -> None:
        """Forget which topics a connector's tasks have used: they are told again with the next record."""
        self._loop.send(ResetTopics(connector))

    def _end_waiting(self, task: TaskId) -> None:
        for future in self._ending.pop(task, []):
            future.set_result(None)

    # The supervisor

    def hear(self, report: Report) -> None:
        """Take in what the supervisor reports."""
        match report:
            case Inventory():
                self.begun = True
                self._levels = report.levels
                self.tasks = {status.id: status for status in report.tasks}
                for status in report.tasks:
                    self.startups.adopt_task(status)
                    self._note_restart(status.id, status.failures, status.next_start_ms)
                if report.stopping:
                    self.stopping = "the worker is being stopped"
                self.listener.on_begin(report)
                for topic in report.topics:
                    self.listener.on_topic(topic.id, topic.topic)
            case ConnectorAnswer():
                self.questions.hear(report)
            case TaskStatus():
                self._take_status(report)
            case TaskTopic():
                self.listener.on_topic(report.id, report.topic)
            case Stopping():
                self.stopping = report.reason
                self.listener.on_stopping(report.reason)

    def _take_status(self, status: TaskStatus) -> None:
        # RESTARTING was told before the order to stop came: a process of it may still be started.
        if status.id in self._ending and status.pid is None and status.state != State.RESTARTING:
            self._end_waiting(status.id)
        if status.id in self.tasks:
            self.tasks[status.id] = status
            self.startups.note_task(status)
            self._note_restart(status.id, status.failures, status.next_start_ms)
            self.listener.on_task_status(status)

    def _note_restart(self, of: str | TaskId, failures: int, wait_ms: int | None) -> RestartInfo | None:
        if not failures:
            self.restarts.pop(of, None)
            return None
        next_start = msgspec.UNSET if wait_ms is None else int(time.time() * 1000) + wait_ms
        self.restarts[of] = RestartInfo(failures, next_start)
        return self.restarts[of]

    def set_logger_level(self, logger: str, level: int, given: str) -> None:
        """Set the level of a logger, in Python's name and number, and of all below it, in every process of this worker.

        Args:
            given: what whoever wants it has called the logger.
        """
        self._loop.send(SetLogLevel(logger, level, None if given == logger else given))

    def take_levels(self) -> list[LevelSet]:
        """The levels that were set through earlier herders of this worker; told once."""
        levels, self._levels = self._levels, []
        return levels

    def remember(self, blob: bytes) -> None:
        """Keep this with the supervisor; a new herder finds it in `Inventory.remembered`."""
        self._loop.send(Remember(blob))

    def finish(self, exit_code: int, reason: str) -> None:
        """Stop the worker; the command ends with this exit code."""
        self.stopping = reason
        self._loop.send(Finish(exit_code, reason))


def about_connector(name: str, **values: object) -> dict[str, Any]:
    """The facts of a log line about a connector: it gets the connector's name as its prefix."""
    return {**facts(**values), "context": name}
