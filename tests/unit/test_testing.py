from __future__ import annotations

import pytest

from fastconnect import (
    END,
    ByteOffsets,
    Config,
    ConfigError,
    ConnectError,
    CountOffsets,
    RecordBatch,
    SourceConnector,
    SourceRecord,
    SourceTask,
    Topic,
)
from fastconnect.api.record import Polled
from fastconnect.testing import SourceHarness, records_of


class CounterConfig(Config):
    topic: Topic
    last: int = 5


class CounterTask(SourceTask[CounterConfig]):
    def start(self, config: CounterConfig) -> None:
        self.config = config
        self.next = self.context.source_offset({"c": 0}, default={"next": 0})["next"]

    def poll(self) -> Polled:
        if self.next > self.config.last:
            return END
        self.next += 1
        return [SourceRecord(self.config.topic, self.next - 1, None, {"c": 0}, {"next": self.next})]


class Counter(SourceConnector[CounterConfig]):
    task_class = CounterTask


class Greedy(Counter):
    def task_configs(self, max_tasks: int) -> list[Config]:
        return [self.config] * (max_tasks + 1)


def test_a_connector_runs_in_memory_and_resumes_behind_the_last_record_taken() -> None:
    with SourceHarness(Counter, {"topic": "t"}) as counter:
        assert [record.value for record in counter.take(2)] == [0, 1]
        assert counter.offset({"c": 0}) == {"next": 2}
        counter.restart()
        assert [record.value for record in counter.read_all()] == [2, 3, 4, 5]
        assert counter.offsets == [({"c": 0}, {"next": 6})]


def test_it_begins_at_the_offsets_it_is_given() -> None:
    with SourceHarness(Counter, {"topic": "t"}, offsets=[({"c": 0}, {"next": 5})]) as counter:
        assert [record.value for record in counter.read_all()] == [5]


def test_a_config_is_checked_as_the_runtime_checks_it() -> None:
    with pytest.raises(ConfigError, match=r"topic.*no default value"):
        SourceHarness(Counter, {}).start()


def test_more_task_configs_than_allowed_are_refused() -> None:
    with pytest.raises(ConnectError, match=r"3 task configs, but tasks\.max is 2"):
        SourceHarness(Greedy, {"topic": "t"}, tasks_max=2).start()


def test_a_batch_is_taken_apart_into_records_with_their_own_offsets() -> None:
    lines = RecordBatch.lines("t", b"ab\n\nc", source_partition={"f": 1}, offsets=ByteOffsets(10), keys=[b"1", None, b"3"])
    assert [(r.value, r.key, r.source_offset) for r in records_of(lines)] == [
        (b"ab", b"1", {"position": 13}),
        (b"", None, {"position": 14}),
        (b"c", b"3", {"position": 15}),
    ]
    counted = RecordBatch.of("t", [1, None], offsets=CountOffsets(7), timestamps=[1, 2], topics=["x", "y"])
    assert [(r.topic, r.value, r.timestamp, r.source_offset) for r in records_of(counted)] == [
        ("x", 1, 1, {"seq": 7}),
        ("y", None, 2, {"seq": 8}),
    ]
