"""How everything on this worker is, with what its tasks have counted: for the table on a terminal, and for metrics."""

from __future__ import annotations

import logging
from typing import Protocol

from fastconnect import metrics
from fastconnect.herder.loop import HerderLoop
from fastconnect.herder.snapshot import ConnectorInfo, Snapshot, TaskInfo, View
from fastconnect.herder.work import RunningConnector, Work
from fastconnect.logs import facts
from fastconnect.states import State, TaskId
from fastconnect.supervisor.control import TaskStatus

logger = logging.getLogger(__name__)


class Page(Protocol):
    """What the herder reads of a task's status page."""

    @property
    def epoch(self) -> int:
        """Which of the slot's processes the page is about."""
        ...

    def counters(self) -> dict[str, int]:
        """All numbers of the page by name."""
        ...

    def latency(self) -> list[int]:
        """How many acks took how long: metrics.LATENCY_BUCKETS."""
        ...


class Pages(Protocol):
    """The shared mapping, as far as the herder reads it."""

    def page(self, slot: int, /) -> Page:
        """The status page of a slot."""
        ...


class Observed:
    """Looks at the status pages of the tasks that run here. For the herder's thread only.

    Args:
        work: what runs here.
        pages: the shared mapping with the tasks' status pages.
    """

    def __init__(self, work: Work, pages: Pages) -> None:
        self._work = work
        self._pages = pages
        self._counters: dict[TaskId, dict[str, int]] = {}  # as last seen: a page may belong to the next process for a moment

    def snapshot(self) -> Snapshot:
        """Everything, as it is now."""
        tasks: dict[str, list[TaskInfo]] = {}
        for task, status in sorted(self._work.tasks.items()):
            tasks.setdefault(task.connector, []).append(self._task(status))
        self._counters = {task: counters for task, counters in self._counters.items() if task in self._work.tasks}
        return Snapshot(
            connectors=[_info(each, tasks.get(name, [])) for name, each in self._work.connectors.items()],
            stopping=self._work.stopping,
        )

    def has_ended(self, status: TaskStatus) -> bool:
        """Whether a task has come to the end of its source, with all of it delivered and flushed."""
        counters = self._look(status)
        return counters is not None and counters["at_end"] == 1

    def _task(self, status: TaskStatus) -> TaskInfo:
        self._look(status)
        return TaskInfo(
            id=status.id,
            state=State(status.state),
            reason=status.reason,
            trace=status.trace,
            pid=status.pid,
            restarts=max(0, status.started_count - 1),
            next_start_ms=status.next_start_ms,
            counters=self._counters.get(status.id, {}),
        )

    def _look(self, status: TaskStatus) -> dict[str, int] | None:
        """What the page says of the process that the status is about; None if it is about another one."""
        if status.epoch == 0:
            return None
        page = self._pages.page(status.slot)
        if page.epoch != status.epoch:
            return None
        counters = page.counters()
        if page.epoch != status.epoch:  # the next process took the page over meanwhile
            return None
        self._counters[status.id] = metrics.added(status.earlier, counters)
        return counters


class Showing:
    """Shows a view how everything is, from time to time. A view that cannot be written to any more is given up.

    Args:
        loop: the herder's, which runs the view.
    """

    def __init__(self, loop: HerderLoop, observed: Observed, view: View) -> None:
        self._loop = loop
        self._observed = observed
        self._view: View | None = view
        loop.call_later(0, self._turn)

    def close(self) -> None:
        """Leave the terminal as it was found."""
        if self._view is not None:
            self._view.close()
            self._view = None

    def _turn(self) -> None:
        if self._view is None:
            return
        try:
            self._view.show(self._observed.snapshot())
        except OSError as error:
            logger.warning("The display is given up: it could not be written to.", extra=facts(reason=error))
            self._view = None
            return
        self._loop.call_later(self._view.interval_ms / 1000, self._turn)


def _info(connector: RunningConnector, tasks: list[TaskInfo]) -> ConnectorInfo:
    failure = connector.failure
    return ConnectorInfo(
        name=connector.name,
        state=State.FAILED if failure is not None else connector.state,
        reason=failure.reason if failure is not None else None,
        trace=(failure.trace or None) if failure is not None else None,
        tasks=tasks,
    )
