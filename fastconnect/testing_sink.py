"""The harness of sinks, which `fastconnect.testing` has too: runs a sink connector in memory, for the tests of its author.

    def test_the_archive_keeps_what_it_was_given(tmp_path):
        with SinkHarness(ArchiveSink, {"topics": "orders", "path": str(tmp_path / "orders")}) as archive:
            archive.put([{"order": 1}, {"order": 2}])
            archive.restart()                    # as after a crash: what was not committed is put again

Values are given as a sink sees them, behind converters and transforms. Their bytes (`raw`, `lines()`) are their JSON, or they
themselves where they are bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, NoReturn, Self

import msgspec

from fastconnect.api.config import Config
from fastconnect.api.connector import SinkConnector
from fastconnect.api.sink_records import SinkRecord, SinkRecords, TopicPartition
from fastconnect.api.task import SinkTask
from fastconnect.api.transform import Record, Records
from fastconnect.errors import ConnectError

Put = tuple[TopicPartition, int, Record]
"""A record that was put: where it is in Kafka, and what it is."""


class Reported:
    """What reporting an errant record returns: it is safe at once."""

    def done(self) -> bool:
        """Whether the report is safe."""
        return True

    def result(self, timeout: float | None = None) -> None:
        """Wait until the report is safe."""


class MemoryReporter:
    """Takes the records that a sink reports as errant into `reported`."""

    def __init__(self) -> None:
        self.reported: list[tuple[SinkRecord, BaseException]] = []

    def report(self, record: SinkRecord, error: BaseException) -> Reported:
        """Keep the record and its error."""
        self.reported.append((record, error))
        return Reported()


class MemorySinkContext:
    """The context of a sink's task in a harness; what the task asks for is kept, for the test to look at."""

    def __init__(self, connector: str, task: int, configs: Mapping[str, str], partitions: Iterable[TopicPartition]) -> None:
        self.connector = connector
        self.task = task
        self.configs = configs
        self.assignment = frozenset(partitions)
        self.stopping = False
        self.finishing: frozenset[TopicPartition] = frozenset()
        self.positions: dict[TopicPartition, int] = {}
        self.paused: set[TopicPartition] = set()
        self.timeout_ms: int | None = None
        self.commit_requested = False
        self.errant_record_reporter: MemoryReporter | None = MemoryReporter()

    def position(self, partition: TopicPartition) -> int | None:
        """The offset of the next record of a partition."""
        return self.positions.get(partition, 0)

    def offset(self, partition: TopicPartition, offset: int) -> None:
        """Go on at this offset of a partition with the next `put`."""
        self.positions[partition] = offset

    def offsets(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Do as `offset` for several partitions."""
        self.positions.update(offsets)

    def timeout(self, timeout_ms: int) -> None:
        """Keep in `timeout_ms` how long to wait before the next try."""
        self.timeout_ms = timeout_ms

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Keep them in `paused`."""
        self.paused.update(partitions)

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        """Take them out of `paused`."""
        self.paused.difference_update(partitions)

    def request_commit(self) -> None:
        """Keep it in `commit_requested`."""
        self.commit_requested = True


class SinkHarness:
    """A sink connector with one task that has all partitions, started in this process.

    Args:
        connector_class: the connector.
        config: its settings as Kafka Connect's strings; checked as the runtime checks them.
        partitions: the partitions that the task has; by default number 0 of each of its `topics`.
    Raises:
        ConfigError: from `start`, with everything that is wrong with the config.
    """

    task: SinkTask[Any]
    context: MemorySinkContext

    def __init__(
        self,
        connector_class: type[SinkConnector[Any]],
        config: Mapping[str, str | None],
        *,
        partitions: Iterable[TopicPartition] | None = None,
        name: str = "under-test",
    ) -> None:
        topics = [topic.strip() for topic in (config.get("topics") or "topic").split(",")]
        self.connector_class = connector_class
        self.config = config
        self.name = name
        self.partitions = [TopicPartition(topic, 0) for topic in topics] if partitions is None else list(partitions)
        self.committed: dict[TopicPartition, int] = {}
        """For each partition the offset behind the last record that the task let be committed."""
        self._log: list[Put] = []
        self._running = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._running:
            self.stop() if error is None else self.crash()

    def start(self) -> None:
        """Start the connector, ask it for a task's config, start the task and give it its partitions."""
        connector = self.connector_class()
        connector.context = _ConnectorContext(self.name)
        connector.start(self.connector_class.config_class.parse(self.config))
        try:
            configs = connector.task_configs(1)
        finally:
            connector.stop()
        if len(configs) != 1:
            raise ConnectError(f"the connector gave {len(configs)} task configs, but tasks.max is 1")
        properties = configs[0].to_properties() if isinstance(configs[0], Config) else dict(configs[0])
        self.task = self.connector_class.task_class()
        self.context = self.task.context = MemorySinkContext(self.name, 0, properties, self.partitions)
        self.context.positions = dict(self.committed)
        self.task.start(self.task.config_class.parse(properties))
        self._running = True
        self.task.open(self.partitions)

    def put(
        self,
        values: Sequence[Any],
        *,
        keys: Sequence[Any] | None = None,
        topic: str | None = None,
        partition: int | None = None,
        timestamps: Sequence[int] | None = None,
    ) -> None:
        """Put a batch of values, as records behind those that were put before.

        Args:
            values, keys: one for each record.
            topic, partition: where they are in Kafka; by default in the task's first partition.
            timestamps: milliseconds since 1970.
        Raises:
            Exception: whatever the task's `put` raises; the records come again after `restart`.
        """
        first = self.partitions[0]
        where = TopicPartition(topic or first.topic, first.partition if partition is None else partition)
        offset = sum(each[0] == where for each in self._log)
        batch = [
            (where, offset + i, _record(where, value, keys[i] if keys else None, timestamps[i] if timestamps else None))
            for i, value in enumerate(values)
        ]
        self._log += batch
        self._put(batch)

    def commit(self) -> dict[TopicPartition, int]:
        """Have the task flush, and commit what it lets be committed; return what is committed now, over all."""
        self.committed.update(self.task.pre_commit(dict(self.context.positions)))
        return self.committed

    def restart(self) -> None:
        """End as by a crash and start again: what was not committed is put once more."""
        self.crash()
        self.start()
        again = [each for each in self._log if each[1] >= (self.context.position(each[0]) or 0)]
        if again:
            self._put(again)

    def crash(self) -> None:
        """End the task without a last commit."""
        self._running = False
        self.task.stop()

    def stop(self) -> None:
        """End the task as the runtime does: a last commit, its partitions are closed, it is stopped."""
        self._running = False
        try:
            self.commit()
            self.task.close(self.partitions)
        finally:
            self.task.stop()

    def _put(self, batch: Sequence[Put]) -> None:
        self.task.put(sink_records(batch))
        for partition, offset, _ in batch:
            self.context.positions[partition] = offset + 1


class _ConnectorContext:
    def __init__(self, connector: str) -> None:
        self.connector = connector


def sink_records(batch: Sequence[Put]) -> SinkRecords:
    """Make the batch that a sink gets of decoded records and their places in Kafka."""
    records = Records.of([msgspec.structs.replace(record, offset=offset) for _, offset, record in batch])
    return SinkRecords(_MemoryMessages(batch), _NoDecoder(), records)


def _record(where: TopicPartition, value: Any, key: Any, timestamp: int | None) -> Record:
    return Record(where.topic, value, key=key, timestamp=timestamp, partition=where.partition)


class _NoDecoder:
    def decode(self, messages: Any) -> NoReturn:
        raise AssertionError("the records are decoded already")

    decode_values = decode


class _MemoryMessages:
    """The records as messages, for what a sink asks of their bytes."""

    def __init__(self, batch: Sequence[Put]) -> None:
        self._batch = batch

    def __len__(self) -> int:
        return len(self._batch)

    def values(self) -> list[bytes | None]:
        return [_as_bytes(record.value) for _, _, record in self._batch]

    def keys(self) -> list[bytes | None] | None:
        return [_as_bytes(record.key) for _, _, record in self._batch]

    def topics(self) -> list[str]:
        return [partition.topic for partition, _, _ in self._batch]

    def partitions(self) -> list[int]:
        return [partition.partition for partition, _, _ in self._batch]

    def offsets(self) -> list[int]:
        return [offset for _, offset, _ in self._batch]

    def timestamps(self) -> list[int | None]:
        return [record.timestamp for _, _, record in self._batch]

    def timestamp_type(self, i: int) -> int:
        return 1 if self._batch[i][2].timestamp is not None else 0

    def lines(self) -> None:
        return None  # the batch joins its values itself then

    def packed(self) -> tuple[bytes, bytes, bytes]:
        ends, valid = [0], 0
        texts = self.values()
        for i, text in enumerate(texts):
            ends.append(ends[-1] + len(text or b""))
            valid |= (text is not None) << i
        return (
            b"".join(end.to_bytes(8, "little") for end in ends),
            b"".join(text or b"" for text in texts),
            valid.to_bytes(len(texts) // 8 + 1, "little"),
        )


def _as_bytes(value: Any) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    return msgspec.json.encode(value)
