"""What a connector or a task may ask the runtime."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from fastconnect.api.record import Offset, Partition, SourceRecord
from fastconnect.api.sink_records import SinkRecord, TopicPartition


class SourceTaskContext(Protocol):
    """Handed to a source task before `start`, as `self.context`."""

    @property
    def connector(self) -> str:
        """The connector's name."""
        ...

    @property
    def task(self) -> int:
        """Which of the connector's tasks this is, from 0."""
        ...

    @property
    def configs(self) -> Mapping[str, str]:
        """The task's configuration as it is now, as Kafka Connect's strings."""
        ...

    def source_offset(self, partition: Partition, default: Any = None) -> Any:
        """The offset last flushed for a source partition, as a dict; `default` if there is none."""
        ...

    def source_offsets(self, partitions: Iterable[Partition]) -> list[Offset | None]:
        """The offsets last flushed for many source partitions, in their order."""
        ...

    @property
    def stopping(self) -> bool:
        """Whether `poll` should return soon because the task is to stop or pause."""
        ...

    def wait(self, wait_ms: int) -> bool:
        """Wait, but return True at once when the task is to stop or pause; delivery goes on meanwhile."""
        ...

    def progress(self, position: int, end: int | None) -> None:
        """Tell how far the task has read and, if known, where it ends; in the source's own unit (bytes, rows)."""
        ...

    @property
    def transaction_context(self) -> TransactionContext | None:
        """Where a task says its transactions' ends; None unless exactly-once delivery is on and the connector defines them.

        Records are delivered at least once so far, so it is always None.
        """
        ...


class SourceConnectorContext(Protocol):
    """Handed to a source connector before `start`, as `self.context`."""

    @property
    def connector(self) -> str:
        """The connector's name."""
        ...

    def source_offset(self, partition: Partition, default: Any = None) -> Any:
        """The offset last flushed for a source partition, as a dict; `default` if there is none."""
        ...

    def source_offsets(self, partitions: Iterable[Partition]) -> list[Offset | None]:
        """The offsets last flushed for many source partitions, in their order."""
        ...

    @property
    def stopping(self) -> bool:
        """Whether `watch` should return."""
        ...

    def wait(self, wait_ms: int) -> bool:
        """Wait in `watch`; True at once when it should return."""
        ...

    def request_task_reconfiguration(self) -> None:
        """Have `task_configs` called again: the source has changed. The tasks are started anew if their configs differ.

        May be called at any time, from any thread; meant for `SourceConnector.watch`.
        """
        ...

    def raise_error(self, error: BaseException) -> None:
        """Have the connector FAILED with this error; its tasks go on."""
        ...


class TransactionContext(Protocol):
    """Lets a task say where its transactions end. Source: Kafka Connect's TransactionContext."""

    def commit_transaction(self, record: SourceRecord | None = None) -> None:
        """Commit after the current batch, or behind a record of it."""
        ...

    def abort_transaction(self, record: SourceRecord | None = None) -> None:
        """Throw away what is in the transaction, after the current batch or behind a record of it."""
        ...


class ErrantRecordReporter(Protocol):
    """Takes records that a sink could not write, so that the others go on: to the dead letter topic, or into the log."""

    def report(self, record: SinkRecord, error: BaseException) -> Any:
        """Report a record; its offset is not committed before the report is safe.

        Returns:
            What knows when that is so (`done()`, `result(timeout)`), for those who want to wait.
        Raises:
            ConnectError: errors.tolerance is `none`: the task is to fail.
        """
        ...


class SinkTaskContext(Protocol):
    """Handed to a sink task before `start`, as `self.context`."""

    @property
    def connector(self) -> str:
        """The connector's name."""
        ...

    @property
    def task(self) -> int:
        """Which of the connector's tasks this is, from 0."""
        ...

    @property
    def configs(self) -> Mapping[str, str]:
        """The task's configuration as it is now, as Kafka Connect's strings."""
        ...

    @property
    def assignment(self) -> frozenset[TopicPartition]:
        """The partitions that this task has now."""
        ...

    def position(self, partition: TopicPartition) -> int | None:
        """The offset of the next record that `put` gets of a partition of this task; None where Kafka does not tell yet."""
        ...

    def offset(self, partition: TopicPartition, offset: int) -> None:
        """Go on at this offset with the next `put`, forwards or backwards."""
        ...

    def offsets(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Do as `offset` for several partitions."""
        ...

    def timeout(self, timeout_ms: int) -> None:
        """Before a `RetriableError` from `put`: how long to wait before it is called again. Counts once."""
        ...

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Get no records of these partitions until `resume`.

        Raises:
            ConnectError: one of them is not this task's.
        """
        ...

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        """Get records of these partitions again.

        Raises:
            ConnectError: one of them is not this task's.
        """
        ...

    def request_commit(self) -> None:
        """Ask for a commit (`pre_commit`, then the group's offsets) before the next `put`."""
        ...

    @property
    def errant_record_reporter(self) -> ErrantRecordReporter | None:
        """Where to report records that cannot be written; None if the connector's config has no place for them."""
        ...

    @property
    def stopping(self) -> bool:
        """Whether `put` should return soon because the task is to stop or pause."""
        ...

    @property
    def finishing(self) -> frozenset[TopicPartition]:
        """Partitions of which nothing more comes for now: about to be closed, or at the end of a job that has one.

        `pre_commit` is called for them: what waits for more records (a half-filled file) is best finished there.
        """
        ...


class SinkConnectorContext(Protocol):
    """Handed to a sink connector before `start`, as `self.context`."""

    @property
    def connector(self) -> str:
        """The connector's name."""
        ...
