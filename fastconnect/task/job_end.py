"""When a sink has come to the end of a job that has one: all that was in its topics at the start is put and committed.

Which task has which partition changes while tasks come and go, so the group's committed offsets are what counts: they say the
same to every task.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from fastconnect._core import FetchLoop
from fastconnect.api.sink_records import TopicPartition
from fastconnect.errors import RetriableError
from fastconnect.task.partitions import Partitions

ASK_AGAIN_S = 0.1
"""How often the group is asked for its offsets once the task's own partitions are done."""

SETTLED_AFTER_S = 3.0
"""A sink that keeps its offsets itself commits none. Its group has settled when nothing has changed hands for so long."""


class JobEnd:
    """The end offsets that were there at the start, and how far the group is from them."""

    def __init__(self, fetch_loop: FetchLoop) -> None:
        self._fetch_loop = fetch_loop
        self._ends: dict[TopicPartition, int] | None = None
        self._ask_at = 0.0
        self._changed_at = time.monotonic()

    def begin(self, topics: Iterable[str]) -> None:
        """Find the ends of all partitions of these topics.

        Raises:
            RetriableError: a broker did not answer.
        """
        existing = self._fetch_loop.existing_topics()
        ends: dict[TopicPartition, int] = {}
        for topic in topics:
            for number in range(existing.get(topic, 0)):
                first, end = self._fetch_loop.watermarks(topic, number)
                if end > first:
                    ends[TopicPartition(topic, number)] = end
        self._ends = ends

    @property
    def begun(self) -> bool:
        """Whether the ends are known."""
        return self._ends is not None

    def changed(self) -> None:
        """Partitions have changed hands."""
        self._changed_at = time.monotonic()

    def own_are_put(self, partitions: Partitions) -> bool:
        """Whether all of the task's own partitions were put up to their ends."""
        if self._ends is None:
            return False
        for where in partitions.all:
            end = self._ends.get(where)
            delivered = partitions[where].delivered
            if end is not None and (delivered is None or delivered < end):
                return False
        return True

    def all_is_committed(self, *, commits: bool) -> bool:
        """Whether the whole group has committed up to the ends; asks it, but not more often than is sensible.

        Args:
            commits: whether the task's pre_commit gives offsets to commit at all.
        """
        if self._ends is None or time.monotonic() < self._ask_at:
            return False
        self._ask_at = time.monotonic() + ASK_AGAIN_S
        if not commits:
            return time.monotonic() - self._changed_at > SETTLED_AFTER_S
        try:
            committed = self._fetch_loop.committed(list(self._ends), 1000) if self._ends else []
        except RetriableError:
            return False
        return _all_reached(self._ends, {TopicPartition(topic, number): offset for topic, number, offset in committed})


def _all_reached(ends: Mapping[TopicPartition, int], committed: Mapping[TopicPartition, int | None]) -> bool:
    return all((committed.get(where) or 0) >= end for where, end in ends.items())
