from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from fastconnect import Config, ConfigError, ConnectError, RetriableError, SinkConnector, SinkRecords, SinkTask, TopicPartition
from fastconnect.testing import SinkHarness

A, B = TopicPartition("t", 0), TopicPartition("t", 1)
STORE: list[Any] = []


class StoreConfig(Config):
    busy: int = 0
    own_offsets: bool = False


class StoreTask(SinkTask[StoreConfig]):
    def start(self, config: StoreConfig) -> None:
        self.config = config
        self.busy = config.busy
        self.buffer: list[Any] = []

    def open(self, partitions: Sequence[TopicPartition]) -> None:
        if self.config.own_offsets:
            self.context.offset(A, len(STORE))

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
        STORE.extend(self.buffer)
        self.buffer.clear()


class StoreSink(SinkConnector[StoreConfig]):
    task_class = StoreTask


@pytest.fixture(autouse=True)
def empty() -> None:
    STORE.clear()


def test_what_is_put_is_in_the_sink_when_it_is_committed() -> None:
    with SinkHarness(StoreSink, {"topics": "t"}) as sink:
        sink.put([1, 2])
        assert STORE == []
        assert sink.commit() == {A: 2}
        assert STORE == [1, 2]
        sink.put([3])
    assert STORE == [1, 2, 3]


def test_after_a_restart_all_behind_the_last_commit_is_put_again() -> None:
    with SinkHarness(StoreSink, {"topics": "t"}) as sink:
        sink.put([1])
        sink.commit()
        sink.put([2])
        sink.restart()
        sink.commit()
    assert STORE == [1, 2]


def test_a_sink_with_offsets_of_its_own_begins_where_it_says() -> None:
    STORE.extend([1, 2])
    sink = SinkHarness(StoreSink, {"topics": "t", "own.offsets": "true"})
    sink.log[A] = []
    with sink:
        sink.put([1, 2, 3])
    assert STORE == [1, 2, 3]


def test_a_busy_sink_gets_the_same_records_again() -> None:
    with SinkHarness(StoreSink, {"topics": "t", "busy": "3"}) as sink:
        sink.put([1])
        assert (sink.retries, sink.context.timeouts_ms) == (3, [10, 10, 10])
    assert STORE == [1]


def test_a_sink_that_is_busy_for_ever_fails_the_test() -> None:
    sink = SinkHarness(StoreSink, {"topics": "t", "busy": "9"}, put_again=2)
    sink.start()
    with pytest.raises(RetriableError):
        sink.put([1])


def test_a_failed_flush_has_everything_put_again() -> None:
    with SinkHarness(StoreSink, {"topics": "t"}) as sink:
        sink.put([1])
        sink.commit()
        sink.put(["boom"])
        with pytest.raises(OSError, match="disk"):
            sink.commit()
        assert sink.context.positions == {A: 1}
        sink.task.buffer.clear()  # type: ignore[attr-defined]
        sink.log[A][1].value = 2
        sink.deliver()
    assert STORE == [1, 2]


def test_errant_records_are_kept_for_the_test() -> None:
    with SinkHarness(StoreSink, {"topics": "t"}) as sink:
        sink.put(["bad", 1])
        assert [(each.record.offset, str(each.error)) for each in sink.errant] == [(0, "bad")]
    assert STORE == [1]


def test_a_task_may_ask_for_a_commit() -> None:
    with SinkHarness(StoreSink, {"topics": "t"}) as sink:
        sink.put([1, "commit"])
        assert sink.committed == {A: 2}


def test_partitions_come_and_go() -> None:
    with SinkHarness(StoreSink, {"topics": "t"}, partitions=2) as sink:
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
    assert sorted(STORE) == [1, 2, 2, 3]


def test_a_wrong_config_is_refused() -> None:
    with pytest.raises(ConfigError, match="busy"):
        SinkHarness(StoreSink, {"topics": "t", "busy": "very"}).start()
