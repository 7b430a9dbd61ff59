"""The group's offset commits of a sink task: one at a time, told apart by numbers, so that a late answer does no harm.

Which offsets are committed, and when, is decided in sink.py. Source of the rules: Kafka Connect's WorkerSinkTask.
"""

from __future__ import annotations

import logging
import time

from fastconnect._core import FetchLoop, StatusPage, boottime_ns
from fastconnect.api.sink_records import TopicPartition
from fastconnect.logs import facts
from fastconnect.task.partitions import Partitions
from fastconnect.task.waiting import Orders

logger = logging.getLogger(__name__)

TRY_AGAIN = ("REBALANCE_IN_PROGRESS", "_WAIT_COORD", "COORDINATOR_", "NOT_COORDINATOR", "_TRANSPORT")
"""Errors of a commit that are over when the group has settled."""

TRY_AGAIN_MS = 50

BEAT_MS = 500


class Commits:
    """Commits offsets for the group, and notes in the partitions how far they are committed.

    Args:
        timeout_ms: a commit that takes longer is given up; the next one has its offsets, too.
    """

    def __init__(
        self, fetch_loop: FetchLoop, partitions: Partitions, page: StatusPage, orders: Orders, timeout_ms: int
    ) -> None:
        self._fetch_loop = fetch_loop
        self._partitions = partitions
        self._page = page
        self._orders = orders
        self.timeout_ms = timeout_ms
        self._number = 0
        self._open: dict[TopicPartition, int] | None = None
        self._began = 0.0
        self._began_ns = 0
        self._failed = False

    @property
    def busy(self) -> bool:
        """Whether a commit is on its way."""
        return self._open is not None

    def begin(self, offsets: dict[TopicPartition, int]) -> None:
        """Begin to commit; `hear` takes the answer.

        Raises:
            LeaseLost: the offsets are another worker's to commit now.
        """
        self._number += 1
        self._open = offsets
        self._began = time.monotonic()
        self._began_ns = boottime_ns()
        self._page.put("commit_number", self._number)
        self._fetch_loop.commit([(*where, offset) for where, offset in offsets.items()], self._number)

    def hear(self) -> None:
        """Take the answers that have come, and give up a commit that takes too long."""
        for number, failure in self._fetch_loop.take_commits():
            if number == self._number:
                self._end(failure)
        if self._open is not None and (time.monotonic() - self._began) * 1000 > self.timeout_ms:
            self._fail("no answer in time")
            self._open = None
            self._number += 1  # should the answer still come, it is an answer to nothing

    def commit_and_wait(self, offsets: dict[TopicPartition, int], within_ms: int) -> bool:
        """Commit, and again while the group changes; False if it could not be done within the time."""
        until = time.monotonic() + within_ms / 1000
        while offsets:
            self.begin(offsets)
            failure = self._answer(until)
            if failure is None or time.monotonic() > until or not failure.startswith(TRY_AGAIN):
                return self._end(failure)
            self._page.beat()
            self._orders.wait(TRY_AGAIN_MS)
        return True

    def _answer(self, until: float) -> str | None:
        while (left_ms := round((until - time.monotonic()) * 1000)) > 0:
            for number, failure in self._fetch_loop.take_commits(min(left_ms, BEAT_MS)):
                if number == self._number:
                    return failure
            self._page.beat()
        return "no answer in time"

    def _end(self, failure: str | None) -> bool:
        offsets, self._open = self._open, None
        if offsets is None:
            return False
        if failure is not None:
            self._fail(failure)
            return False
        if self._failed:
            self._failed = False
            logger.info("Offsets are committed again.")
        self._page.records_flushed += self._partitions.committed(offsets)
        self._page.count_flush(self._began_ns)
        return True

    def _fail(self, reason: str) -> None:
        """Count it, and say it the first time: while brokers are away, all commits fail."""
        self._page.offset_flush_failures += 1
        level = logging.DEBUG if self._failed else logging.ERROR
        logger.log(level, "Offsets could not be committed; the next commit has them too.", extra=facts(reason=reason))
        self._failed = True
