from __future__ import annotations

import logging
from typing import Any

import pytest
from fakes.mock_cluster import MockCluster

from fastconnect import Config, CountOffsets, RecordBatch, RecordMetadata, SourceRecord, SourceTask
from fastconnect._core import SendLoop
from fastconnect.api.transform import Records
from fastconnect.config.error_handling import ErrorSettings
from fastconnect.reports import TaskChannel
from fastconnect.task.delivered import Delivered, has_commit_record
from fastconnect.task.source_conversion import Converted
from fastconnect.task.tolerance import Failure, Tolerance

HERE = {"p": 1}


class Plain(SourceTask[Config]):
    """Does not ask."""


class Asking(SourceTask[Config]):
    def __init__(self) -> None:
        self.told: list[tuple[SourceRecord, RecordMetadata | None]] = []

    def commit_record(self, record: SourceRecord, metadata: RecordMetadata | None) -> None:
        self.told.append((record, metadata))
        if record.value == b"raise":
            raise ValueError("commit_record is broken")


class Kept:
    def __init__(self) -> None:
        self.failures: list[Failure] = []

    def report(self, failure: Failure) -> None:
        self.failures.append(failure)


@pytest.fixture
def loop(cluster: MockCluster, channel: TaskChannel) -> Any:
    conf = {"bootstrap.servers": cluster.bootstrap_servers, "linger.ms": "1", "message.max.bytes": "1000"}
    loop = SendLoop(conf, channel.page, skip_failed_records=True, report_acks=True, report_skipped=True)
    yield loop
    loop.close()


def send(loop: SendLoop, batch: RecordBatch) -> None:
    loop.queue_batch(batch, batch.values)
    assert loop.push(1000)
    assert loop.flush(10_000)


def test_only_a_task_that_defines_it_is_told() -> None:
    assert has_commit_record(Asking())
    assert not has_commit_record(Plain())


def test_a_task_is_told_where_each_record_is(loop: SendLoop, caplog: pytest.LogCaptureFixture) -> None:
    task = Asking()
    delivered = Delivered(loop, task, Tolerance(ErrorSettings()))
    send(loop, RecordBatch.raw("t", [b"a", b"raise"], partitions=[1, 1], source_partition=HERE, offsets=CountOffsets(5)))
    delivered.tell()
    assert [(record.topic, record.source_partition, record.source_offset) for record, _ in task.told] == [
        ("t", HERE, {"seq": 5}),
        ("t", HERE, {"seq": 6}),
    ]
    assert [metadata and metadata[:3] for _, metadata in task.told] == [("t", 1, 0), ("t", 1, 1)]
    delivered.tell()
    assert len(task.told) == 2


def test_what_commit_record_raises_is_logged_and_no_more(loop: SendLoop, caplog: pytest.LogCaptureFixture) -> None:
    from fastconnect._core import record_columns

    task = Asking()
    columns = record_columns([SourceRecord("t", b"raise"), SourceRecord("t", b"b")])
    loop.queue_records(columns, columns.values)
    assert loop.push(1000)
    assert loop.flush(10_000)
    with caplog.at_level(logging.ERROR):
        Delivered(loop, task, Tolerance(ErrorSettings())).tell()
    assert len(task.told) == 2
    assert "commit_record() failed" in caplog.text


def test_a_record_that_was_refused_is_reported_with_the_bytes_that_were_sent(loop: SendLoop) -> None:
    kept, task = Kept(), Asking()
    send(loop, RecordBatch.raw("t", [b"x" * 2000], source_partition=HERE, offsets=CountOffsets(5)))
    Delivered(loop, task, Tolerance(ErrorSettings(), reporters=[kept])).tell()
    (failure,) = kept.failures
    assert (failure.stage, failure.by) == ("KAFKA_PRODUCE", "org.apache.kafka.connect.runtime.WorkerSourceTask")
    letter = failure.origin.dead_letter(failure.row)
    assert letter.value == b"x" * 2000
    assert letter.place == [("topic", "t"), ("source.partition", '{"p":1}'), ("source.offset", '{"seq":5}')]
    assert "MSG_SIZE_TOO_LARGE" in str(failure.error)
    assert [metadata for _, metadata in task.told] == [None]


def test_records_that_were_dropped_are_told_without_a_place(loop: SendLoop) -> None:
    task = Asking()
    batch = RecordBatch.raw("t", [b"a", b"b", b"c"], source_partition=HERE, offsets=CountOffsets(5))
    converted = Converted(batch, [b"b"], None, None, records=Records("t", [b"b"], rows=[1]))
    converted.polled = 3
    Delivered(loop, task, Tolerance(ErrorSettings())).tell_dropped(batch, converted)
    assert [(record.value, record.source_offset, metadata) for record, metadata in task.told] == [
        (b"a", {"seq": 5}, None),
        (b"c", {"seq": 7}, None),
    ]


def test_a_dead_letter_of_a_refused_record_has_the_headers_that_were_sent(loop: SendLoop) -> None:
    from fastconnect._core import record_columns

    kept = Kept()
    columns = record_columns([SourceRecord("t", b"x" * 2000, source_partition=HERE, source_offset={"seq": 1})])
    loop.queue_records(columns, columns.values, headers=[[("as-sent", b'"\x00"'), ("none", None)]])
    assert loop.push(1000)
    assert loop.flush(10_000)
    Delivered(loop, Plain(), Tolerance(ErrorSettings(), reporters=[kept])).tell()
    (failure,) = kept.failures
    assert failure.origin.dead_letter(failure.row).headers == [("as-sent", b'"\x00"'), ("none", None)]
