"""The herder of a single machine: asks each connector for its tasks, has the supervisor run them, and knows when all is done.

It lives in a process of its own. If that dies, the supervisor starts it again: it then learns from the `Inventory` what
runs and goes on from there, without a task noticing. So nothing that matters is kept here alone.
"""

from __future__ import annotations

import logging
import select
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, cast

import msgspec

from fastconnect import metrics
from fastconnect.errors import Fault
from fastconnect.herder.connector_report import ConnectorReport, Failure
from fastconnect.herder.refusals import ConnectorNotFoundError, TaskNotFoundError
from fastconnect.herder.snapshot import (
    ConnectorInfo,
    ConnectorSpec,
    Snapshot,
    TaskInfo,
    View,
)
from fastconnect.logs import about, facts
from fastconnect.states import State, TargetState, TaskId
from fastconnect.supervisor.control import (
    Command,
    ConnectorAnswer,
    Finish,
    FrameReader,
    Inventory,
    Report,
    RestartTask,
    RunConnector,
    SetTarget,
    StartTask,
    StopConnector,
    Stopping,
    StopTask,
    TaskStatus,
    frame,
)
from fastconnect.supervisor.restarts import RestartPolicy

logger = logging.getLogger(__name__)

UNTIL_DONE_TURN_MS = 20
"""How often the status pages are looked at for ended tasks: so long a command waits at most after its last record."""

TURN_MS = 200
"""The same where no end is awaited: how late a failed connector may be asked again."""

FAILED_FOR_GOOD_S = 0.2
"""A task says that it has failed before its process ends and the supervisor decides whether it may come back."""

RECEIVE_BYTES = 1 << 18


class Page(Protocol):
    """What the herder reads of a task's status page."""

    @property
    def epoch(self) -> int:
        """Which of the slot's processes the page is about."""
        ...

    def counters(self) -> dict[str, int]:
        """All numbers of the page by name."""
        ...


class Pages(Protocol):
    """The shared mapping, as far as the herder reads it."""

    def page(self, slot: int, /) -> Page:
        """The status page of a slot."""
        ...


class _Task:
    """A task that the supervisor was told to run, and what its processes have counted."""

    def __init__(self, status: TaskStatus) -> None:
        self.status = status
        self.ended = False
        self.failed_since: float | None = None
        self._counters: dict[str, int] = {}

    def look(self, pages: Pages) -> None:
        """Read the task's page, if it is that of the process the status is about."""
        self.ended = False
        epoch = self.status.epoch
        page = pages.page(self.status.slot)
        if epoch == 0 or page.epoch != epoch:
            return
        counters = page.counters()
        if page.epoch != epoch:  # the next process took the page over meanwhile
            return
        self._counters = metrics.added(self.status.earlier, counters)
        self.ended = counters["at_end"] == 1

    def info(self) -> TaskInfo:
        status = self.status
        return TaskInfo(
            id=status.id,
            state=State(status.state),
            reason=status.reason,
            trace=status.trace,
            pid=status.pid,
            restarts=max(0, status.started_count - 1),
            next_start_ms=status.next_start_ms,
            counters=self._counters,
        )


class _Connector:
    """A connector, how far it was asked, and its tasks."""

    def __init__(self, spec: ConnectorSpec, retries: RestartPolicy) -> None:
        self.spec = spec
        self.retries = retries
        self.target = spec.target
        self.report: ConnectorReport | None = None
        self.request: int | None = None
        self.watching: int | None = None
        """The request whose process watches the source, and may answer again."""
        self.started: list[dict[str, str]] | None = None
        """The configurations with which the tasks were started; None where an earlier herder has started them."""
        self.ask_at: float | None = None
        self.adopted = False
        self.tasks: dict[int, _Task] = {}

    @property
    def undecided(self) -> bool:
        """Whether its tasks are still to come."""
        return self.request is not None or self.ask_at is not None

    @property
    def failure(self) -> Failure | None:
        if self.report is not None and self.report.faults:
            return Failure("\n".join(str(fault) for fault in self.report.faults), "", retry_helps=False)
        return self.report.failure if self.report is not None else None

    def info(self) -> ConnectorInfo:
        failure = self.failure
        if failure is not None:
            state = State.FAILED
        elif self.undecided and not self.adopted:
            state = State.UNASSIGNED
        else:
            state = (State.RUNNING, State.PAUSED, State.STOPPED)[self.target]
        return ConnectorInfo(
            name=self.spec.name,
            state=state,
            reason=failure.reason if failure else None,
            trace=failure.trace if failure else None,
            tasks=[task.info() for _, task in sorted(self.tasks.items())],
        )


class StandaloneHerder:
    """Runs the connectors it was given when it was made.

    Args:
        specs: the connectors that are wanted.
        send: takes a command for the supervisor.
        pages: the shared mapping with the tasks' status pages.
        make_retries: makes the policy by which a failed connector is asked again, one for each.
        until_done: finish when every source has reached its end, with exit code 0; or 1 if a task failed for good.
        clock: seconds, growing evenly.
    """

    def __init__(
        self,
        specs: Iterable[ConnectorSpec],
        send: Callable[[Command], None],
        pages: Pages,
        make_retries: Callable[[], RestartPolicy],
        *,
        until_done: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connectors = {spec.name: _Connector(spec, make_retries()) for spec in specs}
        self._send = send
        self._pages = pages
        self._until_done = until_done
        self._clock = clock
        self._last_request = 0
        self._stopping: str | None = None
        self._begun = False  # nothing is known, and so nothing done, before the Inventory

    @property
    def turn_ms(self) -> int:
        """How long may pass between two turns."""
        return UNTIL_DONE_TURN_MS if self._until_done else TURN_MS

    # What is heard from the supervisor

    def hear(self, report: Report) -> None:
        """Take in what the supervisor reports."""
        match report:
            case Inventory():
                self._begin(report)
            case ConnectorAnswer():
                self._take_answer(report)
            case TaskStatus():
                self._take_status(report)
            case Stopping():
                self._stopping = report.reason

    def _begin(self, inventory: Inventory) -> None:
        self._begun = True
        for status in inventory.tasks:
            self._take_status(status)
        if inventory.stopping:
            self._stopping = "the worker is being stopped"
            return
        for connector in self._connectors.values():
            # Task 0 is the last one that an earlier herder started (see _start_tasks): with it there, all are there.
            if 0 in connector.tasks:
                connector.adopted = True
                logger.info(
                    "Found the connector's tasks running. connector=%s tasks=%d", connector.spec.name, len(connector.tasks)
                )
                self._watch(connector)
            elif connector.target is not TargetState.STOPPED:
                self._ask(connector)

    def _ask(self, connector: _Connector) -> None:
        self._last_request += 1
        connector.request, connector.ask_at = self._last_request, None
        self._send(RunConnector(self._last_request, "task_configs", connector.spec.name, connector.spec.config))

    def _watch(self, connector: _Connector) -> None:
        """Have a connector whose tasks run go on watching its source, if it is one that does."""
        if connector.target is not TargetState.STOPPED:
            self._last_request += 1
            connector.watching = self._last_request
            self._send(RunConnector(self._last_request, "watch", connector.spec.name, connector.spec.config))

    def _take_status(self, status: TaskStatus) -> None:
        connector = self._connectors.get(status.id.connector)
        if connector is None:
            logger.warning("A task of a connector that is not wanted is stopped.", extra=about(status.id))
            self._send(StopTask(status.id))
            return
        task = connector.tasks.get(status.id.task)
        if task is None:
            connector.tasks[status.id.task] = _Task(status)
        else:
            task.status = status
        self._note_failure(connector.tasks[status.id.task])

    def _note_failure(self, task: _Task) -> None:
        if task.status.state != State.FAILED or task.status.pid is not None:
            task.failed_since = None
        elif task.failed_since is None:
            task.failed_since = self._clock()

    def _take_answer(self, answer: ConnectorAnswer) -> None:
        asked = (each for each in self._connectors.values() if answer.request in (each.request, each.watching))
        connector = next(asked, None)
        if connector is None or self._stopping is not None:
            return
        if answer.request == connector.watching:
            self._hear_watcher(connector, answer)
            return
        connector.request = None
        connector.watching = answer.request if answer.goes_on else None
        connector.report = _read_answer(answer)
        for warning in connector.report.warnings if connector.retries.failures == 0 else ():
            logger.warning(warning, extra=_about(connector))
        failure = connector.report.failure
        if failure is not None:
            self._take_failure(connector, failure)
        # No task starts before every connector was found good: all that is wrong is said at once.
        all_have_answered = all(not each.undecided or each.retries.failures for each in self._connectors.values())
        if all_have_answered and not self._finish_if_faulty():
            self._start_all()

    def _hear_watcher(self, connector: _Connector, answer: ConnectorAnswer) -> None:
        """A connector that watches its source has something new to say, or has ended."""
        if not answer.goes_on:
            connector.watching = None
        if answer.body == b"" or (answer.body is None and answer.error is None):
            return
        report = _read_answer(answer)
        wrong = report.failure or (Failure(_first_fault(report), "", retry_helps=True) if report.faults else None)
        if wrong is not None:
            known = connector.report or ConnectorReport()
            connector.report = msgspec.structs.replace(known, failure=wrong)
            self._take_failure(connector, wrong)
        elif answer.goes_on:  # a last answer only says how it ended
            connector.report = report
            self._start_all()

    def _take_failure(self, connector: _Connector, failure: Failure) -> None:
        wait_ms = connector.retries.next_wait_ms()
        if not failure.retry_helps or wait_ms is None:
            trace = {"trace": failure.trace}
            logger.error("Connector failed and is left FAILED. %s", failure.reason, extra={**_about(connector), **trace})
            return
        connector.ask_at = self._clock() + wait_ms / 1000
        logger.warning("Connector failed and is asked again. %s", failure.reason, extra=_about(connector, wait_ms=wait_ms))

    def _finish_if_faulty(self) -> bool:
        faulty = [each for each in self._connectors.values() if each.report is not None and each.report.faults]
        if not faulty or any(each.tasks for each in self._connectors.values()):
            return False
        count = sum(len(each.report.faults) for each in faulty if each.report is not None)
        what = f"the configuration has {'one fault' if count == 1 else f'{count} faults'}, so nothing was started"
        self._finish(2, "\n".join([what, *(_fault_text(each.spec, each.report.faults) for each in faulty if each.report)]))
        return True

    def _start_all(self) -> None:
        for connector in self._connectors.values():
            report = connector.report
            if connector.undecided or report is None or report.faults or report.failure:
                continue
            if connector.started == report.task_configs:
                continue
            if connector.adopted:
                logger.info("The connector's tasks are divided anew.", extra=_about(connector, tasks=len(report.task_configs)))
            connector.adopted = True
            connector.started = report.task_configs
            self._start_tasks(connector, report.task_configs)

    def _start_tasks(self, connector: _Connector, configs: Sequence[dict[str, str]]) -> None:
        if not configs:
            logger.warning("Connector has no work: it gave no task configurations.", extra=_about(connector))
        for number in [number for number in connector.tasks if number >= len(configs)]:
            self._send(StopTask(TaskId(connector.spec.name, number)))
            del connector.tasks[number]
        # Downwards, so that task 0 proves to a later herder that all were started, wherever this one was killed.
        for number in reversed(range(len(configs))):
            task_id = TaskId(connector.spec.name, number)
            config = cast("dict[str, str | None]", configs[number])
            self._send(StartTask(task_id, connector.spec.config, config, connector.target))
            if number not in connector.tasks:
                connector.tasks[number] = _Task(TaskStatus(task_id, slot=0, epoch=0, state=State.UNASSIGNED))

    # What time brings

    def turn(self) -> None:
        """Do what is due: ask failed connectors again, finish when all is done."""
        if not self._begun or self._stopping is not None:
            return
        for connector in self._connectors.values():
            if connector.ask_at is not None and self._clock() >= connector.ask_at:
                self._ask(connector)
        if self._until_done:
            self._look_at_pages()
            self._finish_if_done()

    def _look_at_pages(self) -> None:
        for connector in self._connectors.values():
            for task in connector.tasks.values():
                task.look(self._pages)

    def _finish_if_done(self) -> None:
        failed: list[str] = []
        tasks = 0
        for connector in self._connectors.values():
            if connector.undecided:
                return
            if connector.failure is not None:
                tasks += 1  # it would have had one at least
                failed.append(f"{connector.spec.name}: {connector.failure.reason}")
            for task in connector.tasks.values():
                tasks += 1
                if task.failed_since is not None:
                    if self._clock() - task.failed_since < FAILED_FOR_GOOD_S:
                        return
                    failed.append(f"{task.status.id}: {task.status.reason or 'no reason is known'}")
                elif not task.ended:
                    return
        if failed:
            self._finish(1, f"{len(failed)} of {tasks} failed:\n" + "\n".join(f"  - {text}" for text in failed))
        else:
            self._finish(0, "done")

    def _finish(self, exit_code: int, reason: str) -> None:
        self._stopping = reason
        self._send(Finish(exit_code, reason))

    # What may be asked

    def snapshot(self) -> Snapshot:
        """How everything is now."""
        self._look_at_pages()
        return Snapshot(connectors=[each.info() for each in self._connectors.values()], stopping=self._stopping)

    def connectors(self) -> list[str]:
        """The names of all connectors, in the order in which they were given."""
        return list(self._connectors)

    def config(self, name: str) -> dict[str, str | None]:
        """A connector's configuration, as it was given."""
        return self._find(name).spec.config

    def task_configs(self, name: str) -> dict[TaskId, dict[str, str | None]]:
        """The configurations that the connector gave its tasks; empty until it was asked."""
        report = self._find(name).report
        configs = report.task_configs if report is not None else []
        return {TaskId(name, number): dict(config) for number, config in enumerate(configs)}

    def status(self, name: str) -> ConnectorInfo:
        """How the connector and its tasks are."""
        self._look_at_pages()
        return self._find(name).info()

    def set_target(self, name: str, target: TargetState) -> None:
        """Have the connector's tasks run, pause or stop."""
        connector = self._find(name)
        before, connector.target = connector.target, target
        self._send(SetTarget(name, target))
        if target is TargetState.STOPPED:
            connector.watching = None
            self._send(StopConnector(name))
        elif before is TargetState.STOPPED and connector.adopted:
            self._watch(connector)

    def restart_task(self, task: TaskId) -> None:
        """Stop a task if it runs and start it anew, with a clean count of failures."""
        if task.task not in self._find(task.connector).tasks:
            raise TaskNotFoundError(task)
        self._send(RestartTask(task))

    def _find(self, name: str) -> _Connector:
        connector = self._connectors.get(name)
        if connector is None:
            raise ConnectorNotFoundError(name)
        return connector


def _about(connector: _Connector, **values: object) -> dict[str, Any]:
    """The facts of a log line about a connector: it gets the connector's name as its prefix."""
    return {**facts(**values), "context": connector.spec.name}


def _read_answer(answer: ConnectorAnswer) -> ConnectorReport:
    if answer.body is not None:
        try:
            return msgspec.msgpack.decode(answer.body, type=ConnectorReport)
        except msgspec.MsgspecError as error:
            return ConnectorReport(
                failure=Failure(f"the connector's process gave no readable answer: {error}", "", retry_helps=True)
            )
    reason, _, trace = (answer.error or "the connector's process ended without an answer").partition("\n")
    return ConnectorReport(failure=Failure(reason, trace, retry_helps=True))


def _first_fault(report: ConnectorReport) -> str:
    return str(report.faults[0])


def _fault_text(spec: ConnectorSpec, faults: Iterable[Fault]) -> str:
    return "\n".join([f"connector {spec.name} ({spec.origin}):", *(f"  - {fault}" for fault in faults)])


def serve(
    control: socket.socket, make_herder: Callable[[Callable[[Command], None]], StandaloneHerder], view: View | None
) -> None:
    """Run a herder over the control socket until the supervisor closes it; the body of the herder process.

    Args:
        control: the socket to the supervisor.
        make_herder: makes the herder, given how to send commands.
        view: shown a snapshot from time to time, if there is one.
    """
    control.setblocking(True)
    herder = make_herder(lambda command: control.sendall(frame(command)))
    reader = FrameReader(Report)
    ready = select.poll()
    ready.register(control, select.POLLIN)
    show_at = time.monotonic()
    try:
        while True:
            wait_ms = herder.turn_ms
            if view is not None:
                wait_ms = min(wait_ms, max(0, round((show_at - time.monotonic()) * 1000)))
            if ready.poll(wait_ms):
                data = control.recv(RECEIVE_BYTES)
                if not data:
                    return
                for message in reader.feed(data):
                    herder.hear(cast("Report", message))
            herder.turn()
            if view is not None and time.monotonic() >= show_at:
                view = _show(view, herder.snapshot())
                show_at = time.monotonic() + (view.interval_ms / 1000 if view is not None else 0)
    except (BrokenPipeError, ConnectionResetError):
        return  # the supervisor is gone, and this process with it
    finally:
        if view is not None:
            view.close()


def _show(view: View, snapshot: Snapshot) -> View | None:
    try:
        view.show(snapshot)
    except OSError as error:
        logger.warning("The display is given up: it could not be written to.", extra=facts(reason=error))
        return None
    return view
