"""Runs a connector in memory, without a broker and without another process: for the tests of its author.

    def test_the_counter_counts():
        with SourceHarness(CounterSource, {"topic": "numbers"}) as counter:
            assert [record.value for record in counter.take(3)] == [0, 1, 2]
            counter.restart()                                   # as after a crash: from the offset of the last record taken
            assert counter.take(1)[0].value == 3

A poll's records are handed out one by one, whichever form they came in; what is taken counts as delivered. `SinkHarness`,
for sinks, is in testing_sink.py.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import msgspec

from fastconnect.api.config import Config
from fastconnect.api.connector import SourceConnector
from fastconnect.api.record import ByteOffsets, CountOffsets, EndOfData, Offset, Partition, RecordBatch, SourceRecord
from fastconnect.api.task import SourceTask
from fastconnect.errors import ConnectError, RetriableError
from fastconnect.testing_sink import SinkHarness

__all__ = ["MemoryContext", "SinkHarness", "SourceHarness", "records_of"]

_identity = msgspec.json.Encoder(order="sorted").encode


class MemoryContext:
    """The context of a connector or task in a harness: offsets in memory, waiting that does not wait."""

    def __init__(self, connector: str, task: int, configs: Mapping[str, str], offsets: dict[bytes, Offset]) -> None:
        self.connector = connector
        self.task = task
        self.configs = configs
        self.stopping = False
        self.position = 0
        self.end: int | None = None
        self.waited_ms = 0
        self.transaction_context = None
        self.reconfigurations = 0
        self.errors: list[BaseException] = []
        self._offsets = offsets

    def source_offset(self, partition: Partition, default: Any = None) -> Any:
        """The offset of the last record taken of a source partition; `default` if there is none."""
        offset = self._offsets.get(_identity(partition))
        return default if offset is None else dict(offset)

    def source_offsets(self, partitions: Iterable[Partition]) -> list[Offset | None]:
        """The offsets of the last records taken of many source partitions, in their order."""
        return [self.source_offset(partition) for partition in partitions]

    def wait(self, wait_ms: int) -> bool:
        """Note how long the task wanted to wait (`waited_ms`), and return at once."""
        self.waited_ms += wait_ms
        return self.stopping

    def request_task_reconfiguration(self) -> None:
        """Count it in `reconfigurations`."""
        self.reconfigurations += 1

    def raise_error(self, error: BaseException) -> None:
        """Keep the error in `errors`."""
        self.errors.append(error)

    def progress(self, position: int, end: int | None) -> None:
        """Keep what the task told in `position` and `end`."""
        self.position, self.end = position, end


class SourceHarness:
    """A source connector with its tasks, started in this process.

    Args:
        connector_class: the connector.
        config: its settings as Kafka Connect's strings; checked as the runtime checks them.
        tasks_max: how many tasks it may have.
        offsets: where to begin: (source partition, source offset) pairs, as if they had been flushed.
    Raises:
        ConfigError: from `start`, with everything that is wrong with the config.
    """

    def __init__(
        self,
        connector_class: type[SourceConnector[Any]],
        config: Mapping[str, str | None],
        *,
        tasks_max: int = 1,
        offsets: Iterable[tuple[Partition, Offset]] = (),
        name: str = "under-test",
    ) -> None:
        self.connector_class = connector_class
        self.config = config
        self.tasks_max = tasks_max
        self.name = name
        self.task_configs: list[dict[str, str]] = []
        self.tasks: list[SourceTask[Any]] = []
        self.contexts: list[MemoryContext] = []
        self._offsets: dict[bytes, Offset] = {_identity(partition): offset for partition, offset in offsets}
        self._partitions: dict[bytes, Partition] = {_identity(partition): partition for partition, _ in offsets}
        self._polled: list[Iterator[SourceRecord]] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Start the connector, ask it for its tasks' configs, and start the tasks."""
        connector = self.connector_class()
        connector.context = MemoryContext(self.name, -1, {}, self._offsets)
        connector.start(self.connector_class.config_class.parse(self.config))
        try:
            configs = connector.task_configs(self.tasks_max)
        finally:
            connector.stop()
        if len(configs) > self.tasks_max:
            raise ConnectError(f"the connector gave {len(configs)} task configs, but tasks.max is {self.tasks_max}")
        self.task_configs = [one.to_properties() if isinstance(one, Config) else dict(one) for one in configs]
        for number, properties in enumerate(self.task_configs):
            task = self.connector_class.task_class()
            context = MemoryContext(self.name, number, properties, self._offsets)
            task.context = context
            task.start(task.config_class.parse(properties))
            self.tasks.append(task)
            self.contexts.append(context)
            self._polled.append(iter(()))

    def stop(self) -> None:
        """Stop the tasks."""
        for task in self.tasks:
            task.stop()
        self.tasks, self.contexts, self._polled = [], [], []

    def restart(self) -> None:
        """Stop everything and start it again: each source partition goes on behind the last record that was taken."""
        self.stop()
        self.start()

    def poll(self, task: int = 0) -> list[SourceRecord] | EndOfData | None:
        """Call a task's poll once; a batch comes as the list of its records. What it returns counts as delivered."""
        polled = self.tasks[task].poll()
        if polled is None or isinstance(polled, EndOfData):
            return polled
        records: list[SourceRecord] = []
        for record in records_of(polled) if isinstance(polled, RecordBatch) else polled:
            self._deliver(record)
            records.append(record)
        return records

    def take(self, count: int, task: int = 0, *, within_s: float = 10.0) -> list[SourceRecord]:
        """The next `count` records of a task, fewer only at the end of its data.

        Raises:
            TimeoutError: the task had too few within the time.
        """
        records: list[SourceRecord] = []
        deadline = time.monotonic() + within_s
        while len(records) < count:
            record = next(self._polled[task], None)
            if record is not None:
                self._deliver(record)
                records.append(record)
                continue
            try:
                polled = self.tasks[task].poll()
            except RetriableError:
                polled = None
            if isinstance(polled, EndOfData):
                break
            if polled is not None:
                self._polled[task] = iter(records_of(polled) if isinstance(polled, RecordBatch) else polled)
            elif time.monotonic() > deadline:
                raise TimeoutError(f"{len(records)} of {count} records came within {within_s} s")
        return records

    def read_all(self, task: int | None = None, *, within_s: float = 10.0) -> list[SourceRecord]:
        """All records up to the end of the data: of one task, or of all of them, one task after the other."""
        numbers = range(len(self.tasks)) if task is None else [task]
        return [record for number in numbers for record in self.take(2**62, number, within_s=within_s)]

    def offset(self, partition: Partition) -> Offset | None:
        """The offset of the last record taken of a source partition."""
        return self._offsets.get(_identity(partition))

    @property
    def offsets(self) -> list[tuple[Partition, Offset]]:
        """Source partition and offset of the last record taken, for each source partition."""
        return [(self._partitions[key], offset) for key, offset in self._offsets.items()]

    def _deliver(self, record: SourceRecord) -> None:
        if record.source_partition is not None and record.source_offset is not None:
            key = _identity(record.source_partition)
            self._offsets[key] = record.source_offset
            self._partitions[key] = record.source_partition


def records_of(batch: RecordBatch) -> Iterator[SourceRecord]:
    """Take a batch apart into its records; raw values are bytes, whatever their format.

    Raises:
        DataError: the next record is one of which the batch says that it is bad.
    """
    values = _values_of(batch)
    ends = _line_ends(batch) if isinstance(batch.offsets, ByteOffsets) else []
    for i, value in enumerate(values):
        if batch.faults is not None and i in batch.faults:
            raise batch.faults[i]
        yield SourceRecord(
            batch.topic if batch.topics is None else batch.topics[i],
            value,
            None if batch.keys is None else batch.keys[i],
            batch.source_partition,
            _offset_of(batch, i, ends),
            None if batch.partitions is None else batch.partitions[i],
            batch.timestamps if batch.timestamps is None or isinstance(batch.timestamps, int) else batch.timestamps[i],
            None if batch.headers is None else batch.headers[i],
            value_schema=batch.value_schema,
        )


def _values_of(batch: RecordBatch) -> list[Any]:
    if batch.form == "lines":
        lines = bytes(batch.values).split(b"\n")
        return lines if lines[-1] else lines[:-1]
    if batch.form == "arrow":
        return [item.encode() if isinstance(item, str) else item for item in batch.values.to_pylist()]
    return list(batch.values)


def _line_ends(batch: RecordBatch) -> list[int]:
    data = bytes(batch.values)
    ends = [position + 1 for position, byte in enumerate(data) if byte == 10]
    return ends if not data or data.endswith(b"\n") else [*ends, len(data)]


def _offset_of(batch: RecordBatch, i: int, ends: list[int]) -> Offset | None:
    offsets = batch.offsets
    if offsets is None:
        return None
    if isinstance(offsets, ByteOffsets):
        return {**offsets.fixed, offsets.key: offsets.base + ends[i]}
    if isinstance(offsets, CountOffsets):
        return {**offsets.fixed, offsets.key: offsets.first + i}
    return offsets(i) if callable(offsets) else offsets[i]
