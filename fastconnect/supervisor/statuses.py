"""Reads what tasks tell in their status rings, and what is in their status pages.

What comes from there is a task's word: it may be wrong or rubbish, so it is checked here and never believed in numbers.
"""

from __future__ import annotations

import logging

import msgspec

from fastconnect import logs, reports
from fastconnect._core import StatusPage, StatusRing, boottime_ns
from fastconnect.reports import StateChange, TaskEvent, Told, TopicUsed
from fastconnect.states import State, TaskId

logger = logging.getLogger(__name__)

_STATES = frozenset(int(state) for state in State)
_MOST = 1 << 60  # more than any counter can come to: nanoseconds of 36 years, an exabyte
_LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)


class PageState(msgspec.Struct, frozen=True):
    """The state that a task's page shows."""

    state: State
    reason: str | None


class TaskReader:
    """Reads one task's page and ring.

    Args:
        task: whose they are, for the log.
        page: its status page.
        ring: its status ring; nobody else may read it.
    """

    def __init__(self, task: TaskId, page: StatusPage, ring: StatusRing) -> None:
        self.page = page
        self.ring = ring
        self._task = task
        self._lost_before = 0

    def begin(self, epoch: int) -> None:
        """Make page and ring ready for a new process of the task; the one before it must have been reaped."""
        self.page.reset(epoch)
        self.ring.reset()
        self._lost_before = 0

    def news(self) -> list[Told]:
        """What the task has told since the last call; rubbish in it is logged and left out."""
        news: list[Told] = []
        unreadable = 0
        for kind, payload in self.ring.read():
            told = reports.decode(kind, payload)
            if isinstance(told, TaskEvent | TopicUsed) or (isinstance(told, StateChange) and told.state in _STATES):
                news.append(told)
            else:
                unreadable += 1
        lost = self.ring.dropped + self.ring.corrupt + unreadable
        if unreadable or lost > self._lost_before:
            logger.warning(
                "Some of what the task told its supervisor is lost.",
                extra=logs.about(self._task, dropped=self.ring.dropped, corrupt=self.ring.corrupt, unreadable=unreadable),
            )
        self._lost_before = lost - unreadable
        return news

    def state(self) -> PageState | None:
        """The state in the page; None if there is none yet, or only rubbish."""
        found = self.page.read_state()
        if found is None or found[0] not in _STATES:
            return None
        return PageState(State(found[0]), found[1] or None)

    def counters(self) -> dict[str, int]:
        """The numbers in the page; none if they are rubbish."""
        counters = self.page.counters()
        return counters if all(-1 <= value < _MOST for value in counters.values()) else {}

    def silent_ms(self) -> float | None:
        """How long the task's loop has made no turn; None before its first one."""
        heartbeat_ns = self.page.heartbeat_ns
        return (boottime_ns() - heartbeat_ns) / 1e6 if heartbeat_ns > 0 else None


def log_event(task: TaskId, event: TaskEvent) -> None:
    """Log what a task wants logged, under its prefix."""
    level = event.level if event.level in _LEVELS else logging.INFO
    logger.log(level, "%s", event.sentence, extra={"facts": dict(event.facts), "context": logs.task_context(task)})
