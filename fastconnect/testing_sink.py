"""Runs a sink connector in memory: SinkHarness, which is used as `fastconnect.testing.SinkHarness`.

def test_the_sink_writes_orders(tmp_path):
    with SinkHarness(OrdersSink, {"topics": "orders", "path": str(tmp_path)}) as sink:
        sink.put([{"id": 1}, {"id": 2}])
        assert sink.commit() == {TopicPartition("orders", 0): 2}
        sink.restart()                                          # as after a crash: what was not committed is put again
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import msgspec

from fastconnect.api.config import Config
from fastconnect.api.connector import SinkConnector
from fastconnect.api.sink_records import SinkRecord, SinkRecords, TopicPartition
from fastconnect.api.task import SinkTask
from fastconnect.api.transform import Header, Records
from fastconnect.errors import ConnectError, RetriableError


class MemoryMessage(msgspec.Struct):
    """A message in a harness' topics; `value` is what the sink sees."""

    place: TopicPartition
    offset: int
    value: Any
    key: Any = None
    timestamp: int | None = None
    headers: Sequence[Header] = ()
    value_schema: Any = None
    key_schema: Any = None


class MemoryMessages:
    """A batch of such messages, and at the same time their converters: values are seen as they were given.

    Raw bytes are the value itself where it is bytes, its UTF-8 where it is text, else its JSON.
    """

    raw_is_json = False

    def __init__(self, messages: Sequence[MemoryMessage]) -> None:
        self._messages = messages

    def __len__(self) -> int:
        return len(self._messages)

    def values(self) -> list[bytes | None]:
        """See `Messages`."""
        return [_raw(each.value) for each in self._messages]

    def keys(self) -> list[bytes | None] | None:
        """See `Messages`."""
        keys = [_raw(each.key) for each in self._messages]
        return None if all(key is None for key in keys) else keys

    def topics(self) -> str | list[str]:
        """See `Messages`."""
        return [each.place.topic for each in self._messages]

    def partitions(self) -> list[int]:
        """See `Messages`."""
        return [each.place.partition for each in self._messages]

    def offsets(self) -> list[int]:
        """See `Messages`."""
        return [each.offset for each in self._messages]

    def timestamps(self) -> list[int | None]:
        """See `Messages`."""
        return [each.timestamp for each in self._messages]

    def timestamp_type(self, i: int) -> int:
        """See `Messages`."""
        return 0 if self._messages[i].timestamp is None else 1

    def lines(self, start: int = 0, stop: int | None = None) -> bytes | None:
        """See `Messages`."""
        raw = [b"null" if value is None else value for value in self.values()[start:stop]]
        return None if any(b"\n" in value for value in raw) else b"".join(value + b"\n" for value in raw)

    def runs(self) -> list[tuple[str, int, int, int]]:
        """See `Messages`."""
        starts = [i for i, each in enumerate(self._messages) if i == 0 or self._messages[i - 1].place != each.place]
        stops = [*starts, len(self._messages)][1:]
        return [(*self._messages[start].place, start, stop) for start, stop in zip(starts, stops, strict=True)]

    def packed(self) -> tuple[bytes, bytes, bytes]:
        """See `Messages`."""
        ends, valid = [0], bytearray((len(self) + 7) // 8)
        for i, value in enumerate(self.values()):
            ends.append(ends[-1] + len(value or b""))
            valid[i // 8] |= (value is not None) << (i % 8)
        return (
            b"".join(end.to_bytes(8, "little") for end in ends),
            b"".join(value or b"" for value in self.values()),
            bytes(valid),
        )

    def decode(self, messages: Any) -> Records:
        """See `Decoder`."""
        every = self._messages
        return Records(
            [each.place.topic for each in every],
            [each.value for each in every],
            value_schemas=[each.value_schema for each in every],
            keys=[each.key for each in every],
            key_schemas=[each.key_schema for each in every],
            timestamps=[each.timestamp for each in every],
            headers=[each.headers for each in every],
            partitions=[each.place.partition for each in every],
            offsets=[each.offset for each in every],
        )

    def decode_values(self, messages: Any) -> list[Any]:
        """See `Decoder`."""
        return [each.value for each in self._messages]


def _raw(value: Any) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    return value.encode() if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str)


class Reported(msgspec.Struct):
    """An errant record; what `report` gives the sink."""

    record: SinkRecord
    error: BaseException

    def done(self) -> bool:
        """In memory a report is safe at once."""
        return True

    def result(self, timeout: float | None = None) -> None:
        """Nothing is waited for."""


class MemorySinkContext:
    """The context of a sink task in a harness; what the task asks for is kept for the test to look at."""

    def __init__(self, connector: str, configs: Mapping[str, str], *, reports: bool) -> None:
        self.connector = connector
        self.task = 0
        self.configs = configs
        self.stopping = False
        self.finishing: frozenset[TopicPartition] = frozenset()
        self.positions: dict[TopicPartition, int] = {}
        self.paused: set[TopicPartition] = set()
        self.rewinds: dict[TopicPartition, int] = {}
        self.timeouts_ms: list[int] = []
        self.commit_requested = False
        self.errant: list[Reported] = []
        self._reports = reports

    @property
    def assignment(self) -> frozenset[TopicPartition]:
        """The partitions that the task has."""
        return frozenset(self.positions)

    def position(self, partition: TopicPartition) -> int | None:
        """The offset of the next record of a partition."""
        return self.rewinds.get(partition, self.positions.get(partition))

    def offset(self, partition: TopicPartition, offset: int) -> None:
        """Go on at this offset with the next put."""
        self.rewinds[TopicPartition(*partition)] = offset

    def offsets(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Do so for several partitions."""
        for partition, offset in offsets.items():
            self.offset(partition, offset)

    def timeout(self, timeout_ms: int) -> None:
        """Note how long the task wants to wait before the next try; nothing waits."""
        self.timeouts_ms.append(timeout_ms)

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Hold records of these partitions back."""
        self.paused |= {self._own(partition) for partition in partitions}

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        """Give records of these partitions again."""
        self.paused -= {self._own(partition) for partition in partitions}

    def request_commit(self) -> None:
        """Have the harness commit after this put."""
        self.commit_requested = True

    @property
    def errant_record_reporter(self) -> MemorySinkContext | None:
        """The context itself, unless the harness is without one."""
        return self if self._reports else None

    def report(self, record: SinkRecord, error: BaseException) -> Reported:
        """Keep an errant record in `errant`."""
        self.errant.append(Reported(record, error))
        return self.errant[-1]

    def _own(self, partition: TopicPartition) -> TopicPartition:
        partition = TopicPartition(*partition)
        if partition not in self.positions:
            raise ConnectError(f"{partition} is not among the partitions of this task")
        return partition


class SinkHarness:
    """A sink connector with one task, started in this process, and topics in memory.

    Args:
        connector_class: the connector.
        config: its settings as Kafka Connect's strings, checked as the runtime checks them; `topics` says what it reads, `t` if
            it is not there.
        partitions: how many partitions each topic has.
        reports: whether the task has an errant record reporter.
        put_again: how often a put that raises RetriableError is tried again before the test fails with it.
    Raises:
        ConfigError: from `start`, with everything that is wrong with the config.
    """

    def __init__(
        self,
        connector_class: type[SinkConnector[Any]],
        config: Mapping[str, str | None],
        *,
        partitions: int = 1,
        reports: bool = True,
        put_again: int = 100,
        name: str = "under-test",
    ) -> None:
        self.connector_class = connector_class
        self.config = config
        self.name = name
        self.put_again = put_again
        self.retries = 0
        topics = [topic.strip() for topic in (config.get("topics") or "t").split(",")]
        self.log: dict[TopicPartition, list[MemoryMessage]] = {
            TopicPartition(topic, number): [] for topic in topics for number in range(partitions)
        }
        self.committed: dict[TopicPartition, int] = {}
        self._reports = reports
        self.task: SinkTask[Any]
        self.context: MemorySinkContext

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop(commit=error is None)

    def start(self) -> None:
        """Start the connector, then a task with its first config, which gets all partitions."""
        connector = self.connector_class()
        connector.context = MemorySinkContext(self.name, {}, reports=False)
        connector.start(self.connector_class.config_class.parse(self.config))
        try:
            first = connector.task_configs(1)[0]
        finally:
            connector.stop()
        properties = first.to_properties() if isinstance(first, Config) else dict(first)
        self.context = MemorySinkContext(self.name, properties, reports=self._reports)
        self.task = self.connector_class.task_class()
        self.task.context = self.context
        self.task.start(self.task.config_class.parse(properties))
        self.assign(self.log)

    def stop(self, *, commit: bool = True) -> None:
        """Stop the task as the runtime does: a last commit, then `close` and `stop`."""
        self.context.stopping = True
        self.revoke(list(self.context.positions), commit=commit)
        self.task.stop()

    def restart(self) -> None:
        """Kill the task (nothing of it is called any more) and start another: it goes on behind the last commit."""
        self.start()
        self.deliver()

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        """Give the task partitions, each at its last committed offset."""
        new = [TopicPartition(*partition) for partition in partitions]
        for partition in new:
            self.context.positions[partition] = self.committed.get(partition, 0)
        self.task.open(new)
        self._rewind()

    def revoke(self, partitions: Iterable[TopicPartition], *, commit: bool = True) -> None:
        """Take partitions from the task: with a commit before, or (as after a lost session) without."""
        gone = [TopicPartition(*partition) for partition in partitions]
        if not gone:
            return
        if commit:
            self.context.finishing = frozenset(gone)
            self.commit(gone)
            self.context.finishing = frozenset()
        self.task.close(gone)
        for partition in gone:
            self.context.positions.pop(partition, None)
            self.context.paused.discard(partition)

    def put(
        self,
        values: Sequence[Any],
        *,
        topic: str | None = None,
        partition: int = 0,
        keys: Sequence[Any] | None = None,
        timestamps: Sequence[int] | None = None,
        headers: Sequence[Sequence[Header]] | None = None,
    ) -> None:
        """Append values to a partition (of the first topic, if none is named) and have the task put them."""
        place = TopicPartition(topic or next(iter(self.log)).topic, partition)
        log = self.log.setdefault(place, [])
        for i, value in enumerate(values):
            log.append(
                MemoryMessage(
                    place,
                    len(log),
                    value,
                    None if keys is None else keys[i],
                    time.time_ns() // 1_000_000 if timestamps is None else timestamps[i],
                    () if headers is None else headers[i],
                )
            )
        self.deliver()

    def deliver(self) -> None:
        """Have the task put all that it has not been given yet; once with no records if there is nothing."""
        self._rewind()
        messages = [
            message
            for partition, position in self.context.positions.items()
            if partition not in self.context.paused
            for message in self.log[partition][position:]
        ]
        self._put(messages)
        for message in messages:
            self.context.positions[message.place] = message.offset + 1
        self._rewind()
        if self.context.commit_requested:
            self.commit()

    def commit(self, partitions: Iterable[TopicPartition] | None = None) -> dict[TopicPartition, int]:
        """Do as the runtime does every now and then; return all committed offsets.

        A flush that fails puts everything behind the last commit again, with the next `deliver`.
        """
        self.context.commit_requested = False
        asked = self.context.positions if partitions is None else list(partitions)
        offsets = {partition: self.context.positions[partition] for partition in asked}
        try:
            wanted = self.task.pre_commit(dict(offsets))
        except Exception:
            for partition in offsets:
                self.context.positions[partition] = self.committed.get(partition, 0)
            raise
        for partition, offset in wanted.items():
            if offset > offsets.get(partition, -1):
                raise AssertionError(f"pre_commit wants {offset} of {partition}, but only {offsets.get(partition)} was put")
            self.committed[partition] = max(offset, self.committed.get(partition, 0))
        return dict(self.committed)

    @property
    def errant(self) -> list[Reported]:
        """The records that the task has reported as errant."""
        return self.context.errant

    def _put(self, messages: Sequence[MemoryMessage]) -> None:
        batch = MemoryMessages(messages)
        for attempt in range(self.put_again + 1):
            try:
                self.task.put(SinkRecords(batch, batch))
                return
            except RetriableError:
                self.retries += 1
                if attempt == self.put_again:
                    raise

    def _rewind(self) -> None:
        for partition, offset in self.context.rewinds.items():
            if partition in self.context.positions:
                self.context.positions[partition] = offset
        self.context.rewinds.clear()
