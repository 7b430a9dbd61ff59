"""Keeps the wanted tasks running: forks them, hears them, restarts them. And the herder, which says what is wanted.

One loop, one thread, and nothing in it that may block: no Kafka, no name look-up, no plugin's code, no log that waits. What is
wanted is decided in herder/; what one task makes of an order or a death is in task.py; this file brings the news to them.
"""

from __future__ import annotations

import gc
import itertools
import logging
import os
import resource
import selectors
import signal
import sys
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec
from setproctitle import setproctitle

from fastconnect import logs, metrics
from fastconnect._core import StatusRegion, fill_heap_holes
from fastconnect.log_levels import SharedLevels
from fastconnect.states import Exit, State, TaskId
from fastconnect.supervisor.connector_runs import ConnectorRuns
from fastconnect.supervisor.control import (
    Command,
    ConnectorAnswer,
    Finish,
    Inventory,
    LevelSet,
    Pong,
    Remember,
    Report,
    ResetTopics,
    RestartTask,
    RunConnector,
    SetLogLevel,
    SetTarget,
    StartTask,
    StopConnector,
    Stopping,
    StopTask,
    TaskStatus,
)
from fastconnect.supervisor.deaths import OutOfMemoryCounter, signal_name
from fastconnect.supervisor.entrypoints import Entrypoints, WorkerSettings
from fastconnect.supervisor.herder_process import HerderProcess
from fastconnect.supervisor.restarts import RestartPolicy
from fastconnect.supervisor.signals import LOOK_AGAIN, SignalQueue
from fastconnect.supervisor.task import Task
from fastconnect.supervisor.task_process import Children, adopt_orphans

logger = logging.getLogger(__name__)

W = TypeVar("W", bound=WorkerSettings)

EXIT_CLEAN = 0
EXIT_FAILED = 1
EXIT_KILLED = 3
"""Exit codes of a command: all was drained and flushed; a task FAILED; a task could not deliver and flush all in time, or had
to be killed, and will send a part again."""

MOST_LEVELS = 10_000
"""So many loggers whose levels were set are remembered for a new herder."""

TURN_S = 1.0
"""How often pages, health and stuck tasks are looked at when nothing else happens."""


class TaskOutcome(msgspec.Struct, frozen=True):
    """How a task was at the end, and what all its processes have counted."""

    status: TaskStatus
    counters: dict[str, int]


class Outcome(msgspec.Struct, frozen=True):
    """How it all ended."""

    exit_code: int
    reason: str
    drained: bool  # every task ended by itself, with all it had sent delivered and flushed
    tasks: list[TaskOutcome]
    forgotten: dict[str, int] = {}
    """What those tasks have counted that were stopped and forgotten before the end."""


class Supervisor(Generic[W]):
    """Runs the herder and the tasks that it wants, until it is told to stop by a signal or by the herder.

    SIGTERM, SIGINT or SIGHUP stop gracefully; a second one ends everything at once.

    Args:
        worker: the worker's settings, handed on to connector processes.
        entrypoints: what the processes do.
        region: the shared mapping; made here if none is given, for `slots.max` tasks.
    """

    def __init__(self, worker: W, entrypoints: Entrypoints[W], region: StatusRegion | None = None) -> None:
        self._worker = worker
        self._entrypoints = entrypoints
        self._region = region or StatusRegion(worker.slots_max)
        self._tasks: dict[TaskId, Task] = {}
        self._free_slots = list(range(self._region.slots - 1, -1, -1))
        self._epochs = itertools.count(1)
        self._grace_s = worker.task_shutdown_graceful_timeout_ms / 1000
        self._stop_signals = 0
        self._stop_reason: str | None = None
        self._finish: Finish | None = None
        self._remembered: bytes | None = None
        self._forgotten: dict[str, int] = {}
        self._next_turn = 0.0

    def run(self) -> Outcome:
        """Fork the herder and do what it says; return when all processes have ended.

        Raises:
            RuntimeError: this process has more than one thread, so nothing may be forked.
        """
        sys.stdout.flush()  # what is in the buffer would be in every child's as well
        sys.stderr.flush()
        logs.begin_process(None, may_block=False)
        setproctitle("fastconnect supervisor")
        _raise_file_limit()
        adopt_orphans()
        # What is there now stays: the collector shall not touch it, so that its memory remains shared with the children.
        gc.collect()
        fill_heap_holes()
        gc.freeze()
        with SignalQueue() as self._signals, selectors.DefaultSelector() as self._selector:
            self._open()
            try:
                self._loop()
                return self._outcome()
            finally:
                self._children.kill_all()
                self._close()
                logs.begin_process(None)

    # The loop

    def _open(self) -> None:
        # Children hold the pipe's reading end: they see its end of file when this process is gone, whatever it died of.
        self._lifeline, self._lifeline_writer = os.pipe()
        self._doorbell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._levels = SharedLevels()
        self._levels_set: dict[str, LevelSet] = {}  # for the next herder to tell
        self._children = Children(OutOfMemoryCounter().moved, self._levels)
        self._connectors = ConnectorRuns(
            self._children,
            lambda request, tell: self._entrypoints.connector(request, self._worker, tell),
            self._report,
            self._lifeline,
            self._doorbell,
        )
        self._herder = HerderProcess(
            self._children, self._entrypoints.herder, self._region, self._lifeline, self._restart_policy(max_failures=-1)
        )
        self._selector.register(self._signals, selectors.EVENT_READ, self._take_signals)
        self._selector.register(self._doorbell, selectors.EVENT_READ, self._answer_doorbell)

    def _close(self) -> None:
        self._herder.close()
        self._levels.close()
        for fd in (self._lifeline, self._lifeline_writer, self._doorbell):
            os.close(fd)

    def _loop(self) -> None:
        while not self._is_over():
            self._do_what_is_due()
            self._watch_herder()
            for key, _ in self._selector.select(self._wait_s()):
                action: Callable[[], None] = key.data
                action()

    def _is_over(self) -> bool:
        return self._stop_reason is not None and not self._has_tasks_running() and self._herder.has_ended

    def _has_tasks_running(self) -> bool:
        return any(task.process is not None and not task.process.lost for task in self._tasks.values())

    def _do_what_is_due(self) -> None:
        now = time.monotonic()
        for task in list(self._tasks.values()):
            if task.process is not None:
                task.process.turn(now)
            if task.next_start is not None and now >= task.next_start and self._stop_reason is None:
                task.start(next(self._epochs))
        if now >= self._next_turn:
            self._next_turn = now + TURN_S
            self._children.reap()  # should a SIGCHLD ever be lost
            for task in self._tasks.values():
                task.turn(now)
            self._herder.look()
        self._connectors.turn()
        if self._stop_reason is not None and not self._has_tasks_running() and not self._connectors.busy:
            self._herder.end()
        self._herder.turn(now)
        if self._herder.wants_start(now) and self._stop_reason is None:
            tasks = self._tasks.values()
            topics = [topic for task in tasks for topic in task.topics]
            status = [task.status() for task in tasks]
            levels = list(self._levels_set.values())
            self._herder.start(Inventory(status, topics=topics, remembered=self._remembered, levels=levels))

    def _wait_s(self) -> float:
        dues = [self._next_turn, self._connectors.due(), self._herder.due()]
        for task in self._tasks.values():
            dues.append(task.next_start)
            dues.append(task.process.due if task.process is not None else None)
        return max(0.0, min(due for due in dues if due is not None) - time.monotonic())

    # Signals and deaths

    def _take_signals(self) -> None:
        for number in self._signals.read():
            if number == signal.SIGCHLD:
                continue  # one look for all of them, below
            self._stop_signals += 1
            if self._stop_signals == 1:
                if self._stop_reason is None:
                    self._stop(f"stopped by {signal_name(number)}")
            elif number != signal.SIGHUP or self._stop_signals > 2:  # a terminal that closes sends SIGHUP after the first
                self._end_at_once(signal_name(number))
        self._reap()

    def _reap(self) -> None:
        self._children.reap()
        self._forget_stopped()
        if self._herder.died is None:
            return
        death, self._herder.died = self._herder.died, None
        self._connectors.cancel(None)  # who asked is gone
        limit = self._worker.restart_max_failures
        if self._stop_reason is not None:
            self._herder.end()  # no other one is needed any more
        elif death.exit_code == Exit.UNUSABLE:
            self._stop("the herder can't be started; its log says why", exit_code=EXIT_FAILED)
        elif 0 <= limit <= self._herder.failures and not self._tasks:
            self._stop(f"the herder failed {self._herder.failures} times in a row", exit_code=EXIT_FAILED)

    def _forget_stopped(self) -> None:
        for task in [task for task in self._tasks.values() if task.forgotten]:
            del self._tasks[task.id]
            self._forgotten = metrics.added(self._forgotten, task.counters())
            self._free_slots.append(task.slot)

    # The herder

    def _watch_herder(self) -> None:
        """Have the selector wait for what the herder's socket is ready for."""
        wanted = self._herder.socket
        watched = self._selector.get_map()
        known = [key for key in watched.values() if key.data == self._hear_herder]
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._herder.has_unsent else 0)
        for key in known:
            if key.fileobj is not wanted:
                self._selector.unregister(key.fileobj)
            elif key.events != events:
                self._selector.modify(key.fileobj, events, self._hear_herder)
        if wanted is not None and not any(key.fileobj is wanted for key in known):
            self._selector.register(wanted, events, self._hear_herder)

    def _hear_herder(self) -> None:
        for command in self._herder.exchange():
            self._obey(command)

    def _report(self, report: Report) -> None:
        self._herder.send(report)

    def _obey(self, command: Command) -> None:
        if self._stop_reason is not None:
            self._obey_while_stopping(command)
            return
        deadline = time.monotonic() + self._grace_s
        match command:
            case StartTask():
                self._start_task(command, deadline)
            case StopTask():
                if (task := self._tasks.get(command.id)) is not None:
                    task.stop(deadline, "forget")
                    self._forget_stopped()
                else:  # whoever waits for its end shall not wait for ever
                    self._report(TaskStatus(command.id, slot=0, epoch=0, state=State.STOPPED))
            case RestartTask():
                if (task := self._tasks.get(command.id)) is not None:
                    task.restart(deadline)
                else:  # whoever asked shall not wait for ever
                    reason = "no such task is running"
                    self._report(TaskStatus(command.id, slot=0, epoch=0, state=State.UNASSIGNED, reason=reason))
            case SetTarget():
                for task in self._tasks.values():
                    if task.id.connector == command.connector:
                        task.set_target(command.target, deadline)
            case ResetTopics():
                for task in self._tasks.values():
                    if task.id.connector == command.connector:
                        task.reset_topics()
            case RunConnector():
                self._connectors.ask(command)
            case StopConnector():
                self._connectors.stop_watching(command.name)
            case SetLogLevel():
                self._levels.set(command.logger, command.level)
                self._note_level(command)
                self._children.send(LOOK_AGAIN)
            case Pong():
                pass  # that it came is what counts
            case Remember():
                self._remembered = command.blob
            case Finish():
                self._finish = command
                self._stop(command.reason)

    def _note_level(self, command: SetLogLevel) -> None:
        name = command.logger if command.given is None else command.given
        self._levels_set.pop(name, None)  # it is the latest now
        if len(self._levels_set) < MOST_LEVELS:
            self._levels_set[name] = LevelSet(name, command.level, int(time.time() * 1000))

    def _obey_while_stopping(self, command: Command) -> None:
        if isinstance(command, RunConnector):
            self._report(ConnectorAnswer(command.request, error="the worker is being stopped"))
        elif isinstance(command, Finish) and self._finish is None:
            self._finish = command

    def _start_task(self, order: StartTask, deadline: float) -> None:
        task = self._tasks.get(order.id)
        if task is not None:
            task.change(order, deadline)
            return
        if not self._free_slots:
            reason = f"all {self._region.slots} slots of this worker are taken; slots.max sets how many there are"
            logger.error("Task can't be started: %s.", reason, extra=logs.about(order.id))
            self._report(TaskStatus(order.id, slot=0, epoch=0, state=State.FAILED, reason=reason))
            return
        task = self._tasks[order.id] = Task(
            order,
            self._free_slots.pop(),
            self._region,
            self._children,
            body=self._entrypoints.task,
            restarts=self._restart_policy(self._worker.restart_max_failures),
            fds=(self._lifeline, self._doorbell),
            tell=self._report,
        )
        task.set_target(order.target, deadline)

    def _restart_policy(self, max_failures: int) -> RestartPolicy:
        worker = self._worker
        return RestartPolicy(
            worker.restart_backoff_initial_ms, worker.restart_backoff_max_ms, worker.restart_healthy_after_ms, max_failures
        )

    # Tasks

    def _answer_doorbell(self) -> None:
        try:
            os.eventfd_read(self._doorbell)
        except BlockingIOError:
            return
        for task in self._tasks.values():
            if task.process is not None:
                task.listen()
        self._connectors.listen()

    # The end

    def _stop(self, reason: str, exit_code: int | None = None) -> None:
        """Stop all gracefully: the herder is told first, and ends last, since it shows how it goes."""
        self._stop_reason = reason
        if exit_code is not None:
            self._finish = Finish(exit_code, reason)
        logger.info("Stopping: %s.", reason.partition("\n")[0].rstrip(":"), extra=logs.facts(tasks=len(self._tasks)))
        self._report(Stopping(reason))
        self._connectors.cancel("the worker is being stopped")
        deadline = time.monotonic() + self._grace_s
        for task in self._tasks.values():
            task.stop(deadline, "rest")

    def _end_at_once(self, why: str) -> None:
        logger.warning("Ending all at once.", extra=logs.facts(signal=why))
        for task in self._tasks.values():
            if task.process is not None:
                task.process.kill()
        self._connectors.cancel(None, at_once=True)
        if self._stop_signals > 2:
            self._herder.kill()

    def _outcome(self) -> Outcome:
        in_order = [task for _, task in sorted(self._tasks.items())]
        tasks = [TaskOutcome(task.status(), task.counters()) for task in in_order]
        killed = [str(task.id) for task in in_order if task.was_killed or task.process is not None]
        failed = [str(task.id) for task in in_order if task.state is State.FAILED]
        undrained = [str(task.id) for task in in_order if task.was_undrained]
        reason = self._stop_reason or ""
        exit_code = EXIT_CLEAN
        if self._finish is not None and self._finish.exit_code:
            exit_code = self._finish.exit_code
        elif failed:
            exit_code = EXIT_FAILED
        elif killed or undrained:
            exit_code = EXIT_KILLED
        if killed:
            reason += f"; did not end in time and had to be killed: {', '.join(killed)}"
        if undrained:
            reason += f"; could not deliver and flush all in time: {', '.join(undrained)}"
        return Outcome(exit_code, reason, not killed and not failed and not undrained, tasks, self._forgotten)


def _raise_file_limit() -> None:
    """Allow as many open files as may be had: every child costs two here."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except (OSError, ValueError):
        logger.debug("The limit of open files stays as it is.")
