"""One task that is wanted: its process, if it has one now, and what follows when that ends.

It decides for this task alone, from what its process told and how it died. The loop in supervisor.py says when.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable
from typing import Literal

import msgspec

from fastconnect import logs, metrics
from fastconnect._core import StatusRegion
from fastconnect.reports import StateChange, TaskChannel, TaskEvent, TaskSpec, TopicUsed
from fastconnect.states import Exit, State, TargetState, TaskId
from fastconnect.supervisor.control import StartTask, TaskStatus, TaskTopic
from fastconnect.supervisor.deaths import Death
from fastconnect.supervisor.restarts import RestartPolicy
from fastconnect.supervisor.signals import LOOK_AGAIN, STOP
from fastconnect.supervisor.statuses import TaskReader, log_event
from fastconnect.supervisor.task_process import PLUGIN_OOM_SCORE, Children, StopSteps

logger = logging.getLogger(__name__)

STUCK_AFTER_MS = 10_000
"""A RUNNING task whose loop makes no turn for so long is called stuck. It is not killed: its poll may rightly block."""

LOOK_AT_LEASE_S = 0.25
"""How often a task that waits for its lease looks for it."""

MOST_TOPICS = 10_000
"""So many topics of a task are remembered; of a task that makes up names without end the rest is left out."""

Afterwards = Literal["rest", "start", "forget"]
"""What follows when a task that was told to stop has stopped."""


class Task:
    """A task that is wanted, in a slot of its own of the shared mapping.

    Args:
        order: its configs and target.
        slot: its slot, which stays its own until it is forgotten.
        region: the shared mapping.
        children: forks and reaps its processes.
        body: what its processes do.
        restarts: may it come back, and when.
        fds: lifeline and doorbell, for the channel.
        tell: takes its status whenever that changes, and each topic that it begins to use.
    """

    def __init__(
        self,
        order: StartTask,
        slot: int,
        region: StatusRegion,
        children: Children,
        *,
        body: Callable[[TaskSpec, TaskChannel], int | None],
        restarts: RestartPolicy,
        fds: tuple[int, int],
        tell: Callable[[TaskStatus | TaskTopic], None],
    ) -> None:
        self.id: TaskId = order.id
        self.order = order
        self.slot = slot
        self.state = State.UNASSIGNED
        self.reason: str | None = None
        self.trace: str | None = None
        self.process: StopSteps | None = None
        self.next_start: float | None = None  # time.monotonic
        self.was_killed = False  # it did not end by itself when it was told to
        self.was_undrained = False  # it did, but not with all delivered and flushed
        self.topics: dict[TaskTopic, None] = {}  # those that it uses, in the order in which it began to
        self.forgotten = False
        self._epoch = 0
        self._started_count = 0
        self._earlier: dict[str, int] = {}
        self._afterwards: Afterwards = "rest"
        self._failure: StateChange | None = None  # what this process said of its failure
        self._finished = False
        self._running_since: float | None = None
        self._stuck = False
        self._lease_lost = False  # its process has ended for that; only a new StartTask brings it back
        self._reader = TaskReader(order.id, region.page(slot), region.ring(slot))
        self._children = children
        self._body = body
        self._restarts = restarts
        self._fds = fds
        self._tell = tell
        self._reader.page.order(lease_until_ns=order.lease_until_ns)

    # Orders

    def start(self, epoch: int) -> None:
        """Fork its process. That none is to be had counts as a death."""
        self.next_start = None
        if not self.order.lease_until_ns:
            self._reader.page.order(lease_until_ns=0)  # whatever the process before may have written there
        elif self._reader.page.lease_is_over:
            # The herder prolongs it soon, or has the task stopped.
            self.next_start = time.monotonic() + LOOK_AT_LEASE_S
            return
        self._failure, self._finished, self._running_since, self._stuck = None, False, None, False
        self.was_killed = self.was_undrained = False
        if self._started_count:
            self._earlier = self.counters()
            self.state = State.RESTARTING
        self._reader.begin(epoch)  # the slot's former process was reaped: nobody else writes there now
        self._reader.page.order(self.order.target)
        self._epoch = epoch
        self._started_count += 1
        spec = TaskSpec(
            self.id, epoch, self.slot, self.order.connector_config, self.order.task_config, self._restarts.has_last_try
        )
        channel = TaskChannel(self._reader.page, self._reader.ring, *self._fds)
        try:
            process = self._children.spawn(
                f"fastconnect task {self.id}",
                lambda: self._body(spec, channel),
                self._died,
                keep=self._fds,
                context=logs.task_context(self.id),
                oom_score=PLUGIN_OOM_SCORE,
            )
        except OSError as error:
            self._fail(f"no process is to be had: {error}", None, at_once=False)
            return
        self.process = StopSteps(process)
        logger.info("Task process started.", extra=logs.about(self.id, pid=process.pid, start=self._started_count))
        self._tell(self.status())

    def stop(self, deadline: float, afterwards: Afterwards) -> None:
        """Have its process drain, flush and end by `deadline` (time.monotonic); what follows then is `afterwards`."""
        self._afterwards = afterwards
        if self.process is None:
            self.next_start = None
            self._after_stop()
            return
        self._reader.page.order(TargetState.STOPPED)
        self.process.ask(STOP, deadline)

    def restart(self, deadline: float) -> None:
        """Stop it if it runs, and have it started anew with a clean count of failures; unless it is to be stopped."""
        if self.order.target == TargetState.STOPPED:
            return
        self._restarts.healthy()
        self.stop(deadline, "start")

    def change(self, order: StartTask, deadline: float) -> None:
        """Take over new configs and target; a process that runs with other configs is stopped and started anew."""
        if order.lease_until_ns:
            self._reader.page.order(lease_until_ns=order.lease_until_ns)
        self._lease_lost = False
        before, self.order = self.order, order
        same = all(
            _of_tasks(old) == _of_tasks(new)
            for old, new in ((before.connector_config, order.connector_config), (before.task_config, order.task_config))
        )
        if not same:
            self._restarts.healthy()
            self.stop(deadline, "rest" if order.target == TargetState.STOPPED else "start")
        else:
            self.order = msgspec.structs.replace(order, target=before.target)
            self.set_target(order.target, deadline)

    def set_target(self, target: int, deadline: float) -> None:
        """Have it run, pause or stop."""
        was_stopped = self.order.target == TargetState.STOPPED
        self.order = msgspec.structs.replace(self.order, target=target)
        if target == TargetState.STOPPED:
            self.stop(deadline, "rest")
        elif self.process is None:
            # Not one that waits for its restart, has FAILED, or has reached the end of its source: that is not an order.
            if self._lease_lost:
                return
            if self.state is State.UNASSIGNED or (self.state is State.STOPPED and was_stopped):
                self.next_start = time.monotonic()
        elif self.process.asked:
            self._afterwards = "start"  # it can't be called back: it ends, and is started anew
        else:
            self._reader.page.order(target)
            self.process.child.send(LOOK_AGAIN)

    def reset_topics(self) -> None:
        """Forget which topics it uses, and have its process tell each anew."""
        self.listen()
        self.topics.clear()
        self._reader.page.ask_topics()

    # What is heard of it

    def listen(self) -> None:
        """Take in what it has told."""
        for told in self._reader.news():
            if isinstance(told, TaskEvent):
                log_event(self.id, told)
            elif isinstance(told, TopicUsed):
                self._take_topic(told.topic)
            else:
                self._take_state(told)

    def turn(self, now: float) -> None:
        """Look after it, once a second: at its page if its ring was full, at its health, and whether it is stuck."""
        if self.process is None:
            return
        self.listen()
        page = self._reader.state()
        if page is not None and page.state != self.state:
            self._take_state(StateChange(int(page.state), page.reason))
        self._look_if_healthy(now)
        self._look_if_stuck()

    def _take_topic(self, topic: str) -> None:
        used = TaskTopic(self.id, topic)
        if used not in self.topics and len(self.topics) < MOST_TOPICS:
            self.topics[used] = None
            self._tell(used)

    def _take_state(self, change: StateChange) -> None:
        self.state, self.reason, self.trace = State(change.state), change.reason, change.trace
        if change.state == State.FAILED:
            self._failure = change
        self._finished = change.state == State.STOPPED
        runs = change.state in (State.RUNNING, State.PAUSED)
        if runs and self._running_since is None:
            self._running_since = time.monotonic()
        elif not runs:
            self._running_since = None
        self._stuck = False
        self._tell(self.status())

    def _look_if_healthy(self, now: float) -> None:
        long_enough = self._running_since is not None and now - self._running_since >= self._restarts.healthy_after_s
        if long_enough and self._restarts.failures:
            self._restarts.healthy()
            self._tell(self.status())

    def _look_if_stuck(self) -> None:
        silent_ms = self._reader.silent_ms() if self.state is State.RUNNING else None
        stuck = silent_ms is not None and silent_ms > STUCK_AFTER_MS
        if stuck == self._stuck:
            return
        self._stuck = stuck
        if stuck:
            self.reason = "its loop makes no turn: its poll or put may be blocked"
            logger.warning("Task is stuck: %s.", self.reason, extra=logs.about(self.id, silent_ms=int(silent_ms or 0)))
        else:
            self.reason = None
            logger.info("Task is not stuck any more.", extra=logs.about(self.id))
        self._tell(self.status())

    # Its end

    def _died(self, death: Death) -> None:
        assert self.process is not None
        asked = self.process.asked
        pid = self.process.child.pid
        self._look_if_healthy(time.monotonic())  # it may have become so since the last turn
        self.process = None
        self.listen()  # its last words
        ended = self._reader.counters().get("at_end") == 1 or self._finished
        how = logs.about(self.id, pid=pid, how=death.how)
        if death.exit_code == Exit.OK and (asked or ended):
            logger.info("Task process ended." if asked else "Task has reached its end.", extra=how)
            self._settle(State.STOPPED, None if asked else "it has reached the end of its source", None)
        elif death.exit_code == Exit.UNDRAINED and asked:
            self.was_undrained = True
            logger.warning("Task process ended: %s.", death.words(), extra=how)
            self._settle(State.STOPPED, "it could not deliver and flush all in time: a part will be sent again", None)
        elif death.exit_code == Exit.LEASE_LOST or self._was_killed_by_lease(death):
            logger.info("Task process ended with its lease.", extra=how)
            self._lease_lost = True
            self._settle(State.UNASSIGNED, Death(exit_code=Exit.LEASE_LOST).words(), None)
        elif asked:
            self.was_killed = death.killed_by_us
            reason, trace = self._why(death)
            logger.error("Task process did not end well: %s.", reason, extra={**how, "trace": trace})
            self._settle(State.STOPPED if death.killed_by_us else State.FAILED, reason, trace)
        else:
            self._crashed(death)
        if asked:
            self._after_stop()

    def _was_killed_by_lease(self, death: Death) -> bool:
        leased = self.order.lease_until_ns != 0 and self._reader.page.was_killed_by_lease
        return leased and death.signal == signal.SIGKILL and not death.killed_by_us

    def _crashed(self, death: Death) -> None:
        reason, trace = self._why(death)
        if death.exit_code == Exit.UNUSABLE:
            extra = {**logs.about(self.id), "trace": self._for_log(trace)}
            logger.error("Task failed and is left FAILED: %s.", reason, extra=extra)
            self._settle(State.FAILED, reason, trace)
        else:
            self._fail(reason, trace, at_once=death.signal is not None or death.exit_code == Exit.FATAL_CLIENT)

    def _fail(self, reason: str, trace: str | None, *, at_once: bool) -> None:
        wait_ms = self._restarts.next_wait_ms(at_once=at_once)
        failures = self._restarts.failures
        if wait_ms is None:
            reason = f"failed {failures} times in a row, at last: {reason}" if failures > 1 else f"failed: {reason}"
            logger.error("Task %s. It is left FAILED.", reason, extra={**logs.about(self.id), "trace": self._for_log(trace)})
            self._settle(State.FAILED, reason, trace)
            return
        self.next_start = time.monotonic() + wait_ms / 1000
        logger.warning(
            "Task process died and will be restarted: %s.",
            reason,
            extra={**logs.about(self.id, wait_ms=wait_ms, failures=failures), "trace": self._for_log(trace)},
        )
        self._settle(State.RESTARTING, reason, trace)

    def _why(self, death: Death) -> tuple[str, str | None]:
        """What the task itself said of its failure, if it could; else how its process died."""
        if self._failure is not None and death.signal is None and self._failure.reason:
            return self._failure.reason, self._failure.trace or death.trace
        return death.words(), death.trace

    def _for_log(self, trace: str | None) -> str | None:
        """The trace, unless the reason says all there is to say to a user."""
        explained = self._failure is not None and self._failure.explained and trace == self._failure.trace
        return None if explained and not logger.isEnabledFor(logging.DEBUG) else trace

    def _settle(self, state: State, reason: str | None, trace: str | None) -> None:
        self.state, self.reason, self.trace = state, reason, trace
        self._tell(self.status())

    def _after_stop(self) -> None:
        afterwards, self._afterwards = self._afterwards, "rest"
        if afterwards == "start":
            self.next_start = time.monotonic()
            self._settle(State.RESTARTING, self.reason, self.trace)
            return
        self.forgotten = afterwards == "forget"
        if self.state is State.FAILED or self.was_killed or self.was_undrained:
            self._tell(self.status())
        else:
            self._settle(State.STOPPED, None, None)

    # How it is

    def status(self) -> TaskStatus:
        """How it is now."""
        wait = None if self.next_start is None else max(0, round((self.next_start - time.monotonic()) * 1000))
        return TaskStatus(
            id=self.id,
            slot=self.slot,
            epoch=self._epoch,
            state=int(self.state),
            pid=self.process.child.pid if self.process is not None else None,
            reason=self.reason,
            trace=self.trace,
            failures=self._restarts.failures,
            next_start_ms=wait,
            started_count=self._started_count,
            earlier=self._earlier,
        )

    def counters(self) -> dict[str, int]:
        """What all its processes have counted."""
        return metrics.added(self._earlier, self._reader.counters())


def _of_tasks(config: dict[str, str | None]) -> dict[str, str | None]:
    """A configuration without what only says how many tasks there are: no task need start anew for that."""
    return {key: value for key, value in config.items() if key not in ("tasks.max", "tasks.max.enforce")}
