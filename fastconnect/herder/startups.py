"""How often connectors and tasks were started on this worker, and how that went; for metrics."""

from __future__ import annotations

from fastconnect.states import State, TaskId
from fastconnect.supervisor.control import TaskStatus


class Startups:
    """Counts how often connectors and tasks were started on this worker, and how that went."""

    def __init__(self) -> None:
        self.counts = {(what, how): 0 for what in ("connector", "task") for how in ("attempts", "success", "failure")}
        self._started: dict[TaskId, int] = {}
        self._open: dict[TaskId, int] = {}  # started, and neither running nor failed yet

    def adopt_task(self, status: TaskStatus) -> None:
        """A task was started before this herder was: that was counted by the one before."""
        self._started[status.id] = status.started_count

    def note_task(self, status: TaskStatus) -> None:
        """A task's status has changed."""
        task = status.id
        new = status.started_count - self._started.get(task, 0)
        if new < 0:  # it was forgotten meanwhile, and given to this worker anew
            new = status.started_count
        self._started[task] = status.started_count
        self.counts["task", "attempts"] += new
        self._open[task] = self._open.get(task, 0) + new
        if not self._open[task]:
            return
        if status.state in (State.RUNNING, State.PAUSED) and status.pid is not None:
            self.counts["task", "success"] += 1
            self.counts["task", "failure"] += self._open[task] - 1  # of which we have heard nothing
            self._open[task] = 0
        elif status.pid is None and status.state in (State.FAILED, State.RESTARTING):
            self.counts["task", "failure"] += self._open[task]
            self._open[task] = 0

    def forget_task(self, task: TaskId) -> None:
        """A task is no longer here."""
        self._started.pop(task, None)
        self._open.pop(task, None)

    def note_connector(self, *, failed: bool) -> None:
        """A connector was asked for its tasks, and has answered or failed."""
        self.counts["connector", "attempts"] += 1
        self.counts["connector", "failure" if failed else "success"] += 1
