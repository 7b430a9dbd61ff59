"""How everything on this worker is, with what its tasks have counted: for the table on a terminal, and for metrics."""

from __future__ import annotations

from typing import Protocol

from fastconnect import metrics
from fastconnect.herder.snapshot import ConnectorInfo, Snapshot, TaskInfo
from fastconnect.herder.work import RunningConnector, Work
from fastconnect.states import State, TaskId
from fastconnect.supervisor.control import TaskStatus


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


def _info(connector: RunningConnector, tasks: list[TaskInfo]) -> ConnectorInfo:
    failure = connector.failure
    return ConnectorInfo(
        name=connector.name,
        state=State.FAILED if failure is not None else connector.state,
        reason=failure.reason if failure is not None else None,
        trace=(failure.trace or None) if failure is not None else None,
        tasks=tasks,
    )
