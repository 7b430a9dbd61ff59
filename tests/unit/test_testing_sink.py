from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from fastconnect import (
    Config,
    ConfigError,
    ConnectError,
    RetriableError,
    SinkConnector,
    SinkRecord,
    SinkRecords,
    SinkTask,
    TopicPartition,
)
from fastconnect.testing import SinkHarness

ORDERS = TopicPartition("orders", 0)
STORE: list[tuple[int, Any]] = []


class StoreConfig(Config):
    batch_size: int = 2


class StoreTask(SinkTask[StoreConfig]):
    """Keeps records in memory until it has a batch, and lets only those be committed that are in the store."""

    def start(self, config: StoreConfig) -> None:
        self.config = config
        self.calls: list[str] = ["start"]
        self.waiting: list[SinkRecord] = []

    def open(self, partitions: Sequence[TopicPartition]) -> None:
        self.calls.append(f"open {', '.join(map(str, partitions))}")

    def put(self, records: SinkRecords) -> None:
        for record in records:
            if record.value == "poison":
                assert self.context.errant_record_reporter is not None
                self.context.errant_record_reporter.report(record, ValueError("it is poison"))
            elif record.value == "later":
                self.context.timeout(50)
                raise RetriableError("not now")
            else:
                self.waiting.append(record)
        while len(self.waiting) >= self.config.batch_size:
            STORE.extend((record.offset, record.value) for record in self.waiting[: self.config.batch_size])
            del self.waiting[: self.config.batch_size]

    def pre_commit(self, offsets: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, int]:
        return {ORDERS: self.waiting[0].offset} if self.waiting else offsets

    def close(self, partitions: Sequence[TopicPartition]) -> None:
        self.calls.append("close")

    def stop(self) -> None:
        self.calls.append("stop")


class Store(SinkConnector[StoreConfig]):
    task_class = StoreTask


@pytest.fixture(autouse=True)
def store() -> list[tuple[int, Any]]:
    STORE.clear()
    return STORE


def test_a_task_lives_through_its_calls_in_order(store: list[tuple[int, Any]]) -> None:
    with SinkHarness(Store, {"topics": "orders, returns"}) as harness:
        task = harness.task
        harness.put(["a", "b"])
    assert task.calls == ["start", "open orders-0, returns-0", "close", "stop"]  # type: ignore[attr-defined]
    assert store == [(0, "a"), (1, "b")]
    assert harness.committed[ORDERS] == 2


def test_after_a_restart_what_was_not_committed_is_put_again(store: list[tuple[int, Any]]) -> None:
    with SinkHarness(Store, {"topics": "orders"}) as harness:
        harness.put(["a", "b", "c"])
        assert harness.commit() == {ORDERS: 2}
        harness.put(["d", "e"])
        harness.restart()
        assert store == [(0, "a"), (1, "b"), (2, "c"), (3, "d"), (2, "c"), (3, "d")]


def test_a_sink_that_sets_its_own_offset_is_put_what_lies_behind_it(store: list[tuple[int, Any]]) -> None:
    class Knowing(StoreTask):
        def open(self, partitions: Sequence[TopicPartition]) -> None:
            self.context.offset(ORDERS, len(STORE))

    class KnowingStore(Store):
        task_class = Knowing

    with SinkHarness(KnowingStore, {"topics": "orders", "batch.size": "1"}) as harness:
        harness.put(["a", "b"])
        harness.restart()
        assert store == [(0, "a"), (1, "b")]


def test_errant_records_and_tries_can_be_looked_at() -> None:
    with SinkHarness(Store, {"topics": "orders"}, put_again=3) as harness:
        harness.put(["a", "poison"])
        assert [(errant.record.value, str(errant.error)) for errant in harness.errant] == [("poison", "it is poison")]
        with pytest.raises(RetriableError):
            harness.put(["later"])
        assert harness.retries == 4
        assert harness.context.timeouts_ms == [50] * 4
        harness.stop(commit=False)


def test_records_have_keys_timestamps_places_and_bytes() -> None:
    seen: list[SinkRecords] = []

    class Looking(SinkTask[Config]):
        def put(self, records: SinkRecords) -> None:
            seen.append(records)

    class Look(SinkConnector[Config]):
        task_class = Looking

    with SinkHarness(Look, {"topics": "t"}, partitions=5) as harness:
        harness.put([{"a": 1}, None, b"x"], keys=["k", None, "m"], timestamps=[1, 2, 3], partition=4)
        harness.put(["more"], partition=4)
    first, second = seen[:2]
    assert (first[0].topic, first[0].partition, first[0].offset, first[0].key, first[0].timestamp) == ("t", 4, 0, "k", 1)
    assert first[0].topic_partition == TopicPartition("t", 4)
    assert (first.values, first.keys, first.raw) == ([{"a": 1}, None, b"x"], ["k", None, "m"], [b'{"a":1}', None, b"x"])
    assert first.lines() == b'{"a":1}\nnull\nx\n'
    assert first.arrow().column("value").to_pylist() == [b'{"a":1}', None, b"x"]
    assert second.offsets == [3]


def test_a_config_is_checked_as_the_runtime_checks_it() -> None:
    with pytest.raises(ConfigError, match=r"batch\.size"):
        SinkHarness(Store, {"topics": "t", "batch.size": "many"}).start()


A, B = TopicPartition("t", 0), TopicPartition("t", 1)
WRITTEN: list[Any] = []


class BufferConfig(Config):
    busy: int = 0
    own_offsets: bool = False


class BufferTask(SinkTask[BufferConfig]):
    def start(self, config: BufferConfig) -> None:
        self.config = config
        self.busy = config.busy
        self.buffer: list[Any] = []

    def open(self, partitions: Sequence[TopicPartition]) -> None:
        if self.config.own_offsets:
            self.context.offset(A, len(WRITTEN))

    def put(self, records: SinkRecords) -> None:
        if len(records) and self.busy:
            self.busy -= 1
            self.context.timeout(10)
            raise RetriableError("busy")
        for record in records:
            if record.value == "bad" and self.context.errant_record_reporter is not None:
                self.context.errant_record_reporter.report(record, ValueError("bad"))
            elif record.value == "commit":
                self.context.request_commit()
            else:
                self.buffer.append(record.value)

    def flush(self, offsets: Mapping[TopicPartition, int]) -> None:
        if "boom" in self.buffer:
            raise OSError("disk")
        WRITTEN.extend(self.buffer)
        self.buffer.clear()


class BufferSink(SinkConnector[BufferConfig]):
    task_class = BufferTask


@pytest.fixture(autouse=True)
def empty() -> None:
    WRITTEN.clear()


def test_what_is_put_is_in_the_sink_when_it_is_committed() -> None:
    with SinkHarness(BufferSink, {"topics": "t"}) as sink:
        sink.put([1, 2])
        assert WRITTEN == []
        assert sink.commit() == {A: 2}
        assert WRITTEN == [1, 2]
        sink.put([3])
    assert WRITTEN == [1, 2, 3]


def test_a_busy_sink_gets_the_same_records_again() -> None:
    with SinkHarness(BufferSink, {"topics": "t", "busy": "3"}) as sink:
        sink.put([1])
        assert (sink.retries, sink.context.timeouts_ms) == (3, [10, 10, 10])
    assert WRITTEN == [1]


def test_a_sink_that_is_busy_for_ever_fails_the_test() -> None:
    sink = SinkHarness(BufferSink, {"topics": "t", "busy": "9"}, put_again=2)
    sink.start()
    with pytest.raises(RetriableError):
        sink.put([1])


def test_a_failed_flush_has_everything_put_again() -> None:
    with SinkHarness(BufferSink, {"topics": "t"}) as sink:
        sink.put([1])
        sink.commit()
        sink.put(["boom"])
        with pytest.raises(OSError, match="disk"):
            sink.commit()
        assert sink.context.positions == {A: 1}
        sink.task.buffer.clear()  # type: ignore[attr-defined]
        sink.log[A][1].value = 2
        sink.deliver()
    assert WRITTEN == [1, 2]


def test_a_task_may_ask_for_a_commit() -> None:
    with SinkHarness(BufferSink, {"topics": "t"}) as sink:
        sink.put([1, "commit"])
        assert sink.committed == {A: 2}


def test_partitions_come_and_go() -> None:
    with SinkHarness(BufferSink, {"topics": "t"}, partitions=2) as sink:
        sink.put([1], partition=0)
        sink.put([2], partition=1)
        sink.revoke([B], commit=False)
        assert sink.context.assignment == {A}
        sink.assign([B])
        sink.deliver()
        sink.context.pause([A])
        sink.put([3], partition=0)
        sink.context.resume([A])
        with pytest.raises(ConnectError, match="t-7 is not among the partitions of this task"):
            sink.context.pause([TopicPartition("t", 7)])
        sink.deliver()
    assert sorted(WRITTEN) == [1, 2, 2, 3]
