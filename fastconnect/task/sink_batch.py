"""What a sink's loop holds between a fetch and its put: records, and up to where each partition is put with them."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from typing import Protocol

from fastconnect._core import Fetched
from fastconnect.api.sink_records import Decoder, SinkRecords, TopicPartition
from fastconnect.task.partitions import Partitions

FEWEST_IN_A_BATCH = 500
"""A put gets at most so many records at first (Kafka Connect's max.poll.records), and never is held to fewer ..."""

MOST_IN_A_BATCH = 5_000
"""... but to twice as many each time that it was quick, up to these: more would no longer fit into the processor's caches."""

QUICK_PUT_NS = 100_000_000
SLOW_PUT_NS = 1_000_000_000
"""A put that takes longer is given half as much next time: stops, pauses and rebalances wait for it."""


class Conversion(Decoder, Protocol):
    """What the loop needs of the converters and the chain: see conversion.SinkConversion."""

    @property
    def passes_raw(self) -> bool:
        """Whether the records may be decoded when the task looks at them."""
        ...


class Batch:
    """Records for a put, and up to where each partition is put with them."""

    def __init__(self, records: SinkRecords, ends: dict[TopicPartition, int], size: int) -> None:
        self.records = records
        self.ends = ends
        self.size = size
        self.handed_over = False

    @classmethod
    def of(cls, fetched: Fetched, conversion: Conversion, partitions: Partitions) -> Batch | None:
        """What was fetched of partitions that are the task's, converted if it has to be; None if nothing was."""
        ends = {TopicPartition(topic, number): end for topic, number, end, _ in fetched.ends()}
        strange = [where for where in ends if where not in partitions]  # revoked meanwhile: another task's now
        if len(strange) == len(ends):
            return None
        decoded = None if conversion.passes_raw else conversion.decode(fetched)
        return cls(SinkRecords(fetched, conversion, decoded), ends, fetched.size()).without(strange)

    def without(self, gone: Collection[TopicPartition]) -> Batch | None:
        """The batch without the records of these partitions; None if there are no others."""
        ends = {where: end for where, end in self.ends.items() if where not in gone}
        if len(ends) == len(self.ends):
            return self
        if not ends:
            return None
        kept = [i for i, where in enumerate(self.records.topic_partitions) if where not in gone]
        batch = Batch(self.records.select(kept), ends, self.size * len(kept) // max(1, len(self.records)))
        batch.handed_over = self.handed_over
        return batch


class Batches:
    """Those that wait for their put: one, or more only while the first one's put is tried again.

    Args:
        most: a put never gets more records; None for as many as go well.
    """

    def __init__(self, most: int | None) -> None:
        self._waiting: deque[Batch] = deque()
        self._most = most or MOST_IN_A_BATCH
        self._fewest = min(FEWEST_IN_A_BATCH, self._most)
        self.size = self._fewest
        """How many records are to be fetched for the next one."""

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def first(self) -> Batch | None:
        """The next to be put."""
        return self._waiting[0] if self._waiting else None

    def add(self, batch: Batch | None) -> None:
        """Put one behind the others."""
        if batch is not None:
            self._waiting.append(batch)

    def put(self, took_ns: int) -> None:
        """The first one was put, within this time: the next ones are made to fit."""
        count = len(self._waiting.popleft().records)
        if took_ns > SLOW_PUT_NS:
            self.size = max(self._fewest, self.size // 2)
        elif took_ns < QUICK_PUT_NS and count >= self.size:
            self.size = min(self._most, self.size * 2)

    def forget(self, partitions: Collection[TopicPartition]) -> None:
        """Drop the records of these partitions."""
        kept = [batch.without(partitions) for batch in self._waiting]
        self._waiting = deque(batch for batch in kept if batch is not None)
