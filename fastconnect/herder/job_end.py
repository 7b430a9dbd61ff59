"""Knows when a job that shall end (`--until-done`, `ingest`) has ended, and how."""

from __future__ import annotations

from collections.abc import Callable

from fastconnect.herder.observed import Observed
from fastconnect.herder.work import Work
from fastconnect.states import State, TaskId
from fastconnect.supervisor.control import TaskStatus

TURN_S = 0.02
"""How often the status pages are looked at for ended tasks: so long a command waits at most after its last record."""

FAILED_FOR_GOOD_S = 0.2
"""A task says that it has failed before its process ends and the supervisor decides whether it may come back."""


class JobEnd:
    """Looks whether every source has reached its end, or has failed for good.

    Args:
        work: what runs here.
        observed: what its tasks have counted.
        clock: seconds, growing evenly.
    """

    def __init__(self, work: Work, observed: Observed, clock: Callable[[], float]) -> None:
        self._work = work
        self._observed = observed
        self._clock = clock
        self._failed_since: dict[TaskId, float] = {}

    def look(self) -> tuple[int, str] | None:
        """The command's exit code and why, if all is over: 0, or 1 if something failed for good."""
        failed: list[str] = []
        count = 0
        failed_for_good = {task for task, status in self._work.tasks.items() if self._has_failed(status)}
        for connector in self._work.connectors.values():
            if connector.undecided:
                return None
            if connector.state is State.FAILED and connector.failure is not None:
                count += 1  # it would have had one task at least
                failed.append(f"{connector.name}: {connector.failure.reason}")
        for task, status in sorted(self._work.tasks.items()):
            count += 1
            if task in failed_for_good:
                failed.append(f"{task}: {status.reason or 'no reason is known'}")
            elif task in self._failed_since or not self._observed.has_ended(status):
                return None
        if failed:
            return 1, f"{len(failed)} of {count} failed:\n" + "\n".join(f"  - {text}" for text in failed)
        return 0, "done"

    def _has_failed(self, status: TaskStatus) -> bool:
        if status.state != State.FAILED or status.pid is not None:
            self._failed_since.pop(status.id, None)
            return False
        return self._clock() - self._failed_since.setdefault(status.id, self._clock()) >= FAILED_FOR_GOOD_S
