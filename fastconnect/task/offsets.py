"""What is delivered -> what may be flushed: the source offsets of one task, on their way to the offset store."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from fastconnect._core import SendLoop, StatusPage, boottime_ns
from fastconnect.api.record import Offset, Partition
from fastconnect.errors import OffsetStoreError
from fastconnect.logs import facts
from fastconnect.storage.stores import OffsetStore

logger = logging.getLogger(__name__)

_identity = msgspec.json.Encoder(order="sorted").encode


class Reports(Protocol):
    """Dead letters on their way."""

    def flush(self, timeout_ms: int) -> bool:
        """Wait until all are safe, at most so long."""
        ...


class OffsetFlusher:
    """Writes the offsets of delivered records to the store, every so often and at the end.

    An offset whose write failed is kept and goes out with the next flush, unless a newer one of its source partition takes
    its place. As long as writes fail, `behind` is true: the task then stops polling, so that what a crash would send twice
    stays bounded.

    Args:
        interval_ms: time between two flushes, in milliseconds.
        reports: dead letters on their way; no offset is passed before those in front of it are safe.
        reports_within_ms: how long a flush waits for them.
        before: called before the delivered records are asked for.
        after: called after every flush that did not fail, also when there was nothing to write.
        clock: monotonic time in seconds.
    """

    def __init__(
        self,
        store: OffsetStore,
        connector: str,
        send_loop: SendLoop,
        page: StatusPage,
        interval_ms: int,
        clock: Callable[[], float] = time.monotonic,
        *,
        reports: Reports | None = None,
        reports_within_ms: int = 5_000,
        before: Callable[[], None] | None = None,
        after: Callable[[], None] | None = None,
    ) -> None:
        self.store = store
        self.connector = connector
        self.send_loop = send_loop
        self.page = page
        self.interval = interval_ms / 1000
        self.clock = clock
        self.failure: OffsetStoreError | None = None
        self._reports = reports
        self._reports_within_ms = reports_within_ms
        self._before = before
        self._after = after
        self._pending: dict[bytes, tuple[Partition, Offset]] = {}
        self._next = clock() + self.interval

    @property
    def behind(self) -> bool:
        """Whether the last flush failed."""
        return self.failure is not None

    def due_in_ms(self) -> int:
        """How long until the next flush is due."""
        return max(0, int((self._next - self.clock()) * 1000))

    def flush_if_due(self) -> bool:
        """Flush when the interval has passed, and say whether it had; a failure is logged and kept in `failure`."""
        if self.clock() < self._next:
            return False
        self.flush()
        return True

    def flush(self) -> bool:
        """Write the source offsets of all records delivered since the last flush to the store.

        A record still in flight holds back those after it in its source partition.

        Returns:
            False if the store refused; the same offsets go out with the next flush.
        Raises:
            LeaseLost: the offsets belong to another worker now.
            SendError: dead letters before them cannot be written.
        """
        self._next = self.clock() + self.interval
        began_ns = boottime_ns()
        try:
            if self._before is not None:
                self._before()
            acked = self.page.counters()["records_acked"]
            self._take()
            if self._reports is not None and not self._reports.flush(self._reports_within_ms):
                raise OffsetStoreError("the dead letters before them are not acknowledged yet")
            if self._pending:
                self.store.put(self.connector, list(self._pending.values()))
        except OffsetStoreError as error:
            if self.failure is None:
                logger.error("Offsets cannot be flushed; the task waits and tries again. %s", error)
            self.failure = error
            self.page.offset_flush_failures += 1
            return False
        if self._pending:
            self._pending.clear()
            self.page.count_flush(began_ns)
        if self.failure is not None:
            logger.info("Offsets are flushed again.", extra=facts(store=type(self.store).__name__))
            self.failure = None
        self.page.records_flushed = acked
        if self._after is not None:
            self._after()
        return True

    def _take(self) -> None:
        for partition, offset in self.send_loop.take_committable():
            if partition is None or offset is None:
                continue  # a record without a place in its source: nothing to remember
            self._pending[_identity(partition)] = (partition, offset)

    def stored(self, partitions: list[Partition]) -> list[dict[str, Any] | None]:
        """Read the offsets that were last flushed for these source partitions."""
        return [None if offset is None else dict(offset) for offset in self.store.get(self.connector, partitions)]
