from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from confluent_kafka import Message
from fakes.mock_cluster import MockCluster

from fastconnect import _core
from fastconnect.api.record import ByteOffsets, CountOffsets, RecordBatch, SourceRecord
from fastconnect.errors import ConfigError, DataError, FatalClientError, RetriableError, SendError

MakeLoop = Callable[..., _core.SendLoop]
Read = Callable[..., list[Message]]
HERE = {"file": "a"}


def send(loop: _core.SendLoop, batch: RecordBatch, values: Any = None, **columns: Any) -> None:
    loop.queue_batch(batch, batch.values if values is None else values, **columns)
    hand_over(loop)


def hand_over(loop: _core.SendLoop) -> None:
    while not loop.push(100):
        pass


def delivered(loop: _core.SendLoop) -> list[Any]:
    assert loop.flush(10_000)
    loop.check()
    return loop.take_committable()


def values_of(messages: Sequence[Message]) -> list[bytes | None]:
    return sorted((message.value() for message in messages), key=lambda value: (value is None, value))


def test_each_line_of_a_buffer_is_one_message(send_loop: MakeLoop, read: Read) -> None:
    loop = send_loop()
    send(loop, RecordBatch.lines("t", b"one\n\nthree\nlast", source_partition=HERE, offsets=ByteOffsets(100)))

    assert delivered(loop) == [(HERE, {"position": 100 + len(b"one\n\nthree\nlast")})]
    assert values_of(read(4)) == [b"", b"last", b"one", b"three"]


@pytest.mark.parametrize("lines", [[b""] * 1000, [b"x" * n for n in range(300)], [b"y" * 191, b"z" * 192, b"", b"w" * 500]])
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_lines_of_any_length_are_counted(send_loop: MakeLoop, lines: list[bytes], end: bytes) -> None:
    buffer = b"\n".join([*lines, b"last"]) + end
    batch = RecordBatch.lines("t", buffer, source_partition=HERE, offsets=CountOffsets(0))
    assert send_loop().queue_batch(batch, buffer) == len(lines) + 1


def test_raw_values_and_their_keys_arrive_as_they_are_and_none_is_a_tombstone(send_loop: MakeLoop, read: Read) -> None:
    loop = send_loop()
    batch = RecordBatch.raw("t", [b"\x00\n", None, b""], keys=[b"k1", b"k2", None], source_partition=HERE)
    send(loop, batch, keys=batch.keys)
    delivered(loop)

    assert {(message.key(), message.value()) for message in read(3)} == {(b"k1", b"\x00\n"), (b"k2", None), (None, b"")}


def test_lines_made_of_values_are_split_again_and_a_none_among_them_is_a_tombstone(send_loop: MakeLoop, read: Read) -> None:
    loop = send_loop()
    values = [{"a": "x\ny"}, None, "null", 7]
    send(loop, RecordBatch.of("t", values), msgspec.json.Encoder().encode_lines(values), values_of_lines=values)
    delivered(loop)

    assert values_of(read(4)) == [b'"null"', b"7", b'{"a":"x\\ny"}', None]


@pytest.mark.parametrize("type_", [pa.string(), pa.binary(), pa.large_string(), pa.large_binary()], ids=str)
def test_an_arrow_array_is_sent_from_its_own_buffers(send_loop: MakeLoop, read: Read, type_: pa.DataType) -> None:
    loop = send_loop()
    array = pa.array(["left out", "one", None, "", "four"], type_).slice(1)
    send(loop, RecordBatch.arrow("t", array, source_partition=HERE, offsets=CountOffsets(10, "row")))

    assert delivered(loop) == [(HERE, {"row": 13})]
    assert values_of(read(4)) == [b"", b"four", b"one", None]


def test_an_arrow_array_of_numbers_is_refused(send_loop: MakeLoop) -> None:
    with pytest.raises(TypeError, match="binary or string array"):
        send(send_loop(), RecordBatch.arrow("t", pa.array([1, 2])))


def test_headers_timestamps_partitions_and_topics_of_each_record_arrive(send_loop: MakeLoop, read: Read) -> None:
    loop = send_loop()
    batch = RecordBatch.raw(
        "unused", [b"a", b"b", b"c"], topics=["t", "other", "t"], partitions=[3, 2, -1], timestamps=[1000, 2000, 3000]
    )
    send(loop, batch, headers=[[("h", b"1"), ("h", None), ("empty", b"")], None, []])
    delivered(loop)

    (other,) = read(1, "other")
    first, second = sorted(read(2), key=lambda message: message.value() or b"")
    assert (other.partition(), other.timestamp()[1], other.value(), other.headers()) == (2, 2000, b"b", None)
    assert (first.partition(), first.timestamp()[1], first.headers()) == (3, 1000, [("h", b"1"), ("h", None), ("empty", b"")])
    assert (second.timestamp()[1], second.headers()) == (3000, None)


def test_keys_go_to_the_partition_that_kafkas_java_client_chooses(send_loop: MakeLoop, read: Read) -> None:
    # murmur2 of the key, as org.apache.kafka.clients.producer's default partitioner; the hashes are facts of that function.
    hashes = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}
    loop = send_loop()
    send(loop, RecordBatch.raw("t", [b"v"] * 3, keys=list(hashes)), keys=list(hashes))
    delivered(loop)

    assert {message.key(): message.partition() for message in read(3)} == {
        key: (hash_ & 0x7FFFFFFF) % 4 for key, hash_ in hashes.items()
    }


def test_the_order_within_a_partition_holds_though_few_records_fit_into_the_queue(send_loop: MakeLoop, read: Read) -> None:
    loop = send_loop(most_in_flight=7)
    send(loop, RecordBatch.raw("t", [b"%04d" % i for i in range(500)], partitions=[1] * 500))
    delivered(loop)

    assert [message.value() for message in read(500)] == [b"%04d" % i for i in range(500)]


def test_never_more_is_in_flight_than_allowed(send_loop: MakeLoop, cluster: MockCluster) -> None:
    cluster.answer_after(20)
    loop = send_loop(most_in_flight=10)
    loop.queue_batch(batch := RecordBatch.raw("t", [b"v"] * 35), batch.values)
    seen = set()
    while not loop.push(1):
        seen.add(loop.in_flight)
    delivered(loop)

    assert 0 < max(seen) <= 10


def test_the_bytes_in_flight_are_limited_too(send_loop: MakeLoop, cluster: MockCluster) -> None:
    cluster.answer_after(20)
    loop = send_loop(most_bytes_in_flight=10_000)
    loop.queue_batch(batch := RecordBatch.raw("t", [b"v" * 1000] * 100), batch.values)
    seen = set()
    while not loop.push(1):
        seen.add(loop.in_flight)
    delivered(loop)

    assert 8 < max(seen) <= 11


def test_the_counters_and_the_latencies_tell_what_was_done(send_loop: MakeLoop, page: _core.StatusPage) -> None:
    loop = send_loop()
    send(loop, RecordBatch.raw("t", [b"four", b"five!"], keys=[b"k", b"k"]), keys=[b"k", b"k"])
    delivered(loop)

    counters = page.counters()
    assert (counters["records_sent"], counters["records_acked"], counters["records_failed"]) == (2, 2, 0)
    assert (counters["bytes_sent"], counters["bytes_acked"]) == (11, 11)
    assert 0 < counters["first_ack_ns"] <= counters["last_ack_ns"] <= _core.boottime_ns()
    assert sum(page.latency()) == 2


def test_the_offset_of_a_partition_stops_before_its_first_undelivered_record(send_loop: MakeLoop, cluster: MockCluster) -> None:
    loop = send_loop({"max.in.flight": "1", "enable.idempotence": "false", "retries": "0"})
    records = [
        SourceRecord("t", b"v", source_partition={"p": i % 2}, source_offset={"n": i}, partition=i % 2) for i in range(6)
    ]
    cluster.answer_with(87)  # INVALID_RECORD for the first request: all records of one of the two partitions
    columns = _core.record_columns(records)
    loop.queue_records(columns, columns.values)
    hand_over(loop)
    loop.flush(10_000)

    committable = loop.take_committable()
    assert len(committable) == 1
    ((partition, offset),) = committable
    assert offset == {"n": 4 + partition["p"]}
    with pytest.raises(DataError, match=f"source partition {{'p': {1 - partition['p']}}}"):
        loop.check()


def test_records_of_mixed_source_partitions_each_move_their_own_offset(send_loop: MakeLoop) -> None:
    loop = send_loop()
    records = [SourceRecord("t", b"v", source_partition={"p": i % 3}, source_offset={"n": i}) for i in range(100)]
    columns = _core.record_columns(records)
    loop.queue_records(columns, columns.values)
    hand_over(loop)

    assert sorted(offset["n"] for _, offset in delivered(loop)) == [97, 98, 99]
    assert delivered(loop) == []


def test_a_broker_that_never_answers_makes_nothing_committable(send_loop: MakeLoop, cluster: MockCluster) -> None:
    loop = send_loop()
    loop.learn("t")
    with cluster.down():
        send(loop, RecordBatch.raw("t", [b"v"] * 3, source_partition=HERE, offsets=CountOffsets(0)))
        assert not loop.flush(100)
        assert loop.take_committable() == []
        assert loop.in_flight == 3
    assert delivered(loop) == [(HERE, {"seq": 2})]


def test_offsets_are_listed_counted_computed_or_absent(send_loop: MakeLoop) -> None:
    loop = send_loop()
    for i, offsets in enumerate(([{"a": 1}, {"a": 2}], CountOffsets(5, "n", {"v": 1}), lambda index: {"at": index}, None)):
        send(loop, RecordBatch.raw("t", [b"v", b"w"], source_partition={"p": i}, offsets=offsets))

    assert [offset for _, offset in delivered(loop)] == [{"a": 2}, {"v": 1, "n": 6}, {"at": 1}, None]


ONE, TABLE = 2**40, "orders"
OFFSETS: dict[str, list[Any]] = {
    "numbers": [{"n": n} for n in (ONE, ONE, ONE + 1, -1, 0, 2**63 - 1, -(2**63))],
    "a number that stays the same and one that does not": [{"file": TABLE, "size": ONE, "at": ONE + n} for n in range(4)],
    "too large for 64 bits": [{"n": 1}, {"n": 2**63}, {"n": 3}],
    "too large from the first": [{"n": 2**63}, {"n": 2**63 + 1}],
    "a bool is no number": [{"n": True}, {"n": False}, {"n": 1}, {"n": 2}],
    "a number, then something else": [{"n": 1}, {"n": 2}, {"n": 2.5}, {"n": None}, {"n": "2"}, {"n": [1]}],
    "texts": [{"n": "a"}, {"n": "b"}],
    "another order of keys": [{"a": 1, "b": 2}, {"b": 3, "a": 4}],
    "more keys, and fewer": [{"a": 1}, {"a": 2, "b": 3}, {}],
    "none here and there": [{"a": 1}, None, {"a": 2}],
    "none at first": [None, {"a": 2}],
    "none at all": [None, None],
    "nothing in them": [{}, {}],
    "ten keys": [{f"k{k}": k * n for k in range(10)} for n in range(3)],
    "equal keys that are not the same object": [{"".join(["k", "ey"]): n} for n in range(3)],
}


@pytest.mark.parametrize("offsets", OFFSETS.values(), ids=OFFSETS)
def test_each_record_of_a_list_has_its_own_offset_whatever_it_looks_like(send_loop: MakeLoop, offsets: list[Any]) -> None:
    """The kinds of them are in the value's text as well: 1 is not True, and the order of keys is that of the topic's record."""
    loop = send_loop()
    count = len(offsets)
    apart = [SourceRecord("t", b"v", source_partition={"row": row}, source_offset=offsets[row]) for row in range(count)]
    together = [
        SourceRecord("t", b"v", source_partition={"first": most}, source_offset=offsets[row])
        for most in range(1, count + 1)
        for row in range(most)
    ]
    for records in (apart, *([each for each in together if each.source_partition == {"first": n + 1}] for n in range(count))):
        columns = _core.record_columns(records)
        loop.queue_records(columns, columns.values)
        hand_over(loop)
        del records, columns

    found = {repr(partition): repr(offset) for partition, offset in delivered(loop)}
    wanted = {f"{{'row': {row}}}": repr(offset) for row, offset in enumerate(offsets)}
    wanted |= {f"{{'first': {row + 1}}}": repr(offset) for row, offset in enumerate(offsets)}
    assert found == wanted


def test_a_record_that_is_too_large_is_named_and_stops_the_loop(send_loop: MakeLoop) -> None:
    loop = send_loop({"message.max.bytes": "1000"})
    send(loop, RecordBatch.lines("t", b"ok\n" + b"x" * 2000 + b"\nnext\n", source_partition=HERE, offsets=ByteOffsets(0)))
    loop.flush(10_000)

    assert loop.take_committable() == [(HERE, {"position": 3})]
    with pytest.raises(
        DataError, match=r"the record before source offset .*2004.*: the record is too large: 2000 bytes \(_?MSG_SIZE_TOO_LARGE"
    ):
        loop.check()


def test_such_a_record_is_skipped_when_that_is_wanted(send_loop: MakeLoop, page: _core.StatusPage) -> None:
    loop = send_loop({"message.max.bytes": "1000"}, skip_failed_records=True)
    send(loop, RecordBatch.lines("t", b"ok\n" + b"x" * 2000 + b"\nnext\n", source_partition=HERE, offsets=ByteOffsets(0)))

    assert delivered(loop) == [(HERE, {"position": 2009})]
    assert (page.records_skipped, page.counters()["records_failed"], page.counters()["records_acked"]) == (1, 1, 2)


@pytest.mark.parametrize(
    ("code", "error"),
    [(10, DataError), (87, DataError), (29, SendError), (17, SendError), (90, FatalClientError)],
    ids=["MSG_SIZE_TOO_LARGE", "INVALID_RECORD", "TOPIC_AUTHORIZATION_FAILED", "TOPIC_EXCEPTION", "PRODUCER_FENCED"],
)
def test_an_error_of_the_broker_becomes_what_the_table_says(
    send_loop: MakeLoop, cluster: MockCluster, code: int, error: type[Exception]
) -> None:
    loop = send_loop({"enable.idempotence": "false"})
    loop.learn("t")
    cluster.answer_with(code)
    send(loop, RecordBatch.raw("t", [b"v"], source_partition=HERE, offsets=CountOffsets(0)))
    loop.flush(10_000)

    with pytest.raises(error):
        loop.check()
    assert loop.take_committable() == []
    assert loop.broken


def test_a_batch_that_is_too_large_says_nothing_against_its_records(
    send_loop: MakeLoop, cluster: MockCluster, page: _core.StatusPage
) -> None:
    loop = send_loop({"enable.idempotence": "false", "linger.ms": "50"}, skip_failed_records=True)
    loop.learn("t")
    cluster.answer_with(10)  # MSG_SIZE_TOO_LARGE
    send(loop, RecordBatch.raw("t", [b"a", b"b", b"c"], source_partition=HERE, offsets=CountOffsets(0)))
    loop.flush(10_000)

    with pytest.raises(_core.BatchTooLarge, match="the broker takes no batches of 1000000 bytes") as refused:
        loop.check()
    assert refused.value.batch_bytes == 1_000_000
    assert loop.take_committable() == []
    assert (page.counters()["records_failed"], page.records_skipped) == (0, 0)


def test_errors_that_pass_are_tried_again_until_they_have_passed(send_loop: MakeLoop, cluster: MockCluster) -> None:
    loop = send_loop({"retry.backoff.ms": "1"})
    loop.learn("t")
    cluster.answer_with(19, 6, 7)  # NOT_ENOUGH_REPLICAS, NOT_LEADER_FOR_PARTITION, REQUEST_TIMED_OUT
    send(loop, RecordBatch.raw("t", [b"v"], source_partition=HERE, offsets=CountOffsets(0)))

    assert delivered(loop) == [(HERE, {"seq": 0})]


def test_every_decision_is_one_of_four_and_has_librdkafkas_name() -> None:
    table = _core.error_decisions()
    assert set(table.values()) == {"retry", "record", "task", "fatal"}
    assert table["_QUEUE_FULL"] == "retry"
    assert table["MSG_SIZE_TOO_LARGE"] == "record"
    assert table["_MSG_TIMED_OUT"] == "task"
    assert table["PRODUCER_FENCED"] == "fatal"
    assert not [name for name in table if not name or "ERR_" in name]


def test_nothing_is_sent_or_flushed_after_the_lease(send_loop: MakeLoop, page: _core.StatusPage) -> None:
    loop = send_loop()
    page.order(lease_until_ns=_core.boottime_ns() + 60 * 10**9)
    send(loop, RecordBatch.raw("t", [b"v"], source_partition=HERE, offsets=CountOffsets(0)))
    assert loop.flush(10_000)

    page.order(lease_until_ns=_core.boottime_ns() - 1)
    with pytest.raises(_core.LeaseLost):
        loop.take_committable()
    send(loop, RecordBatch.raw("t", [b"v"]))
    with pytest.raises(_core.LeaseLost):
        loop.check()
    assert page.counters()["records_sent"] == 1


def test_a_task_told_to_stop_does_not_wait_for_room(send_loop: MakeLoop, cluster: MockCluster, page: _core.StatusPage) -> None:
    loop = send_loop(most_in_flight=1)
    loop.learn("t")
    with cluster.down():
        loop.queue_batch(batch := RecordBatch.raw("t", [b"v"] * 3), batch.values)
        page.order(target=2)
        assert loop.push(60_000) is False


def test_columns_of_different_lengths_are_refused(send_loop: MakeLoop) -> None:
    loop = send_loop()
    with pytest.raises(DataError, match="1 keys for 2 values"):
        loop.queue_batch(batch := RecordBatch.raw("t", [b"a", b"b"]), batch.values, [b"k"])
    with pytest.raises(DataError, match="1 partitions for 2 values"):
        loop.queue_batch(batch := RecordBatch.raw("t", [b"a", b"b"], partitions=[0]), batch.values)
    with pytest.raises(DataError, match="no topic"):
        loop.queue_batch(batch := RecordBatch.raw("", [b"a"]), batch.values)
    with pytest.raises(TypeError, match="bytes or None, got str"):
        loop.queue_batch(batch := RecordBatch.raw("t", ["a"]), batch.values)  # type: ignore[list-item]
    send(loop, RecordBatch.raw("t", [b"still of use"], source_partition=HERE, offsets=CountOffsets(0)))
    assert delivered(loop) == [(HERE, {"seq": 0})]


def test_an_empty_batch_is_nothing(send_loop: MakeLoop) -> None:
    loop = send_loop()
    send(loop, RecordBatch.lines("t", b""))
    send(loop, RecordBatch.raw("t", []))
    assert delivered(loop) == []


def test_a_setting_that_librdkafka_does_not_know_is_named(send_loop: MakeLoop) -> None:
    with pytest.raises(ConfigError, match=r"client setting lingr\.ms"):
        send_loop({"lingr.ms": "5"})


def test_a_broker_that_cannot_be_reached_is_told_with_its_reason(page: _core.StatusPage) -> None:
    loop = _core.SendLoop({"bootstrap.servers": "127.0.0.1:1"}, page)
    with pytest.raises(RetriableError):
        loop.reach(300)
    loop.poll(100)
    assert "127.0.0.1:1" in loop.last_error
    loop.close()


def test_many_units_in_flight_are_told_apart(send_loop: MakeLoop) -> None:
    loop = send_loop({"linger.ms": "200"})
    for i in range(5000):  # far more than the table of units has room for at first
        loop.queue_batch(batch := RecordBatch.raw("t", [b"v"], source_partition=HERE, offsets=CountOffsets(i)), batch.values)
        hand_over(loop)
    assert delivered(loop) == [(HERE, {"seq": 4999})]


def test_acknowledged_records_are_told_one_by_one_and_settled_only_then(send_loop: MakeLoop) -> None:
    loop = send_loop(report_acks=True)
    records = [
        SourceRecord("t", b"a", None, HERE, {"n": 1}, partition=2, timestamp=1234),
        SourceRecord("other", b"b", None, {"p": 9}, {"n": 7}, partition=0),
    ]
    columns = _core.record_columns(records)
    loop.queue_records(columns, columns.values)
    assert loop.push(1000)
    assert loop.flush(10_000)
    assert loop.take_committable() == []
    reports = sorted(loop.take_reports(), key=lambda report: report.topic, reverse=True)
    assert [report.record for report in reports] == records
    first = reports[0]
    assert (first.topic, first.partition, first.offset, first.timestamp) == ("t", 2, 0, 1234)
    assert (first.source_partition, first.source_offset, first.error) == (HERE, {"n": 1}, None)
    assert sorted(offset["n"] for _, offset in loop.take_committable() if offset) == [1, 7]
    assert loop.take_reports() == []


def test_skipped_records_are_told_with_their_bytes_and_hold_their_offset_until_then(send_loop: MakeLoop) -> None:
    loop = send_loop({"message.max.bytes": "1000"}, skip_failed_records=True, report_skipped=True)
    values = [b"small", b"x" * 5000, b"small again"]
    batch = RecordBatch.raw("t", values, keys=[b"1", b"2", None], source_partition=HERE, offsets=CountOffsets(0))
    loop.queue_batch(batch, values, batch.keys)
    assert loop.push(1000)
    assert loop.flush(10_000)
    assert [offset for _, offset in loop.take_committable()] == [{"seq": 0}]
    (report,) = loop.take_reports()
    assert report.error is not None
    assert report.error.startswith("MSG_SIZE_TOO_LARGE")
    assert (report.value, report.key, report.source_offset) == (values[1], b"2", {"seq": 1})
    assert (report.topic, report.record) == ("t", None)
    assert [offset for _, offset in loop.take_committable()] == [{"seq": 2}]


def test_a_loop_that_is_closed_with_untold_reports_lets_them_go(send_loop: MakeLoop) -> None:
    loop = send_loop({"message.max.bytes": "1000"}, skip_failed_records=True, report_skipped=True, report_acks=True)
    values = [b"small", b"x" * 5000]
    loop.queue_batch(RecordBatch.raw("t", values), values, [b"k", b"k"])
    assert loop.push(1000)
    assert loop.flush(10_000)
    loop.close()


def test_a_topic_is_told_once_it_has_acknowledged_a_record_and_again_when_the_page_asks(
    send_loop: MakeLoop, page: _core.StatusPage
) -> None:
    loop = send_loop()
    send(loop, RecordBatch.raw("t", [b"v"], source_partition=HERE))
    told = []
    while not told:
        told = loop.take_topics()
        loop.poll(10)
    assert told == ["t"]
    send(loop, RecordBatch.raw("t", [b"v"], source_partition=HERE))
    delivered(loop)
    assert loop.take_topics() == []

    page.ask_topics()
    assert loop.take_topics() == []
    send(loop, RecordBatch.raw("t", [b"v"], source_partition=HERE))
    delivered(loop)
    assert loop.take_topics() == ["t"]
