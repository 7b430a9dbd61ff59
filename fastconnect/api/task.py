"""A task: the part of a connector that moves records, alone in its own process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Generic, TypeVar

from fastconnect.api.config import Config, config_class_of
from fastconnect.api.context import SinkTaskContext, SourceTaskContext
from fastconnect.api.record import Polled, RecordMetadata, SourceRecord
from fastconnect.api.sink_records import SinkRecords, TopicPartition

C = TypeVar("C", bound=Config)


class SourceTask(Generic[C]):
    """Reads a source: `start`, then `poll` again and again, at last `stop`; all on one thread, in one process.

    Write it as `class ClicksTask(SourceTask[ClicksConfig])`: `start` then gets its settings as a `ClicksConfig`.
    Source of the contract: Kafka Connect's SourceTask.
    """

    config_class: ClassVar[type[Config]] = Config
    context: SourceTaskContext

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.config_class = config_class_of(cls, cls.config_class)

    def start(self, config: C) -> None:
        """Open what is to be read, at the offset that `self.context.source_offset(...)` gives."""

    def poll(self) -> Polled:
        """Return the next records, None if there are none now, or END if there will never be one again.

        May block for a while; it should return when `self.context.stopping` turns true. A `RetriableError` means: call again.
        """
        raise TypeError(f"{type(self).__name__} has no poll method")

    def commit(self) -> None:
        """The offsets of what was delivered are flushed; called after each flush, also when there was nothing new.

        For sources that are told themselves how far they were read. It says nothing about which records: see `commit_record`.
        What is raised here is logged, no more.
        """

    def commit_record(self, record: SourceRecord, metadata: RecordMetadata | None) -> None:
        """Kafka has a record; where, is said by `metadata`, which is None for one that was filtered, or skipped as bad.

        Called on the task's own thread, between two polls, for every record and in no certain order; only if the task defines
        it. Of a RecordBatch's record only the topic and the place in the source are known. What is raised here is logged.
        """

    def stop(self) -> None:
        """Close what `start` opened; called once, also after a failure."""


class SinkTask(Generic[C]):
    """Writes to a sink: `start`, `open`, then `put` again and again, `close`, at last `stop`; all on one thread.

    Write it as `class OrdersTask(SinkTask[OrdersConfig])`: `start` then gets its settings as an `OrdersConfig`. What `put` has
    taken is committed for its consumer group every now and then, after `flush`; after a crash the records behind the last
    commit come again. A sink that can write its offsets together with the records has each record once: see `open`.

    Source of the contract: Kafka Connect's SinkTask.
    """

    config_class: ClassVar[type[Config]] = Config
    context: SinkTaskContext

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.config_class = config_class_of(cls, cls.config_class)

    def start(self, config: C) -> None:
        """Open what is to be written to."""

    def open(self, partitions: Sequence[TopicPartition]) -> None:
        """These partitions are this task's from now on, beside those it has.

        A sink that keeps the offsets itself sets where to go on: `self.context.offset(partition, offset)`.
        """

    def put(self, records: SinkRecords) -> None:
        """Write the records, or keep them for `flush`. May be called with no records at all, about every second.

        A `RetriableError` means: call again with the same records, after a while (`self.context.timeout`). Any other error
        fails the task.
        """
        raise TypeError(f"{type(self).__name__} has no put method")

    def flush(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Make sure that all that `put` has taken will survive a crash; `offsets` will be committed then.

        Args:
            offsets: for each partition the offset behind the last record that was put.
        Raises:
            Exception: it cannot be made sure: nothing is committed, and all since the last commit is put again.
        """

    def pre_commit(self, offsets: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, int]:
        """Return the offsets to commit: those given, after `flush`, unless this method is replaced.

        A sink that knows better what is safe returns less; nothing at all if it keeps the offsets itself.
        """
        self.flush(offsets)
        return offsets

    def close(self, partitions: Sequence[TopicPartition]) -> None:
        """These partitions are no longer this task's; what was put of them and not committed will go to another one."""

    def stop(self) -> None:
        """Close what `start` opened; called once, also after a failure."""
