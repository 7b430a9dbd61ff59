from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from confluent_kafka import Consumer, Message, TopicPartition
from fakes.fetched import FakeFetched
from fakes.fetched import Message as Raw
from fakes.mock_cluster import MockCluster

from fastconnect import SourceRecord
from fastconnect._core import Fetched, LeaseLost, StatusPage, StatusRegion, boottime_ns
from fastconnect.api.sink_records import SinkRecord
from fastconnect.api.transform import Header
from fastconnect.config.worker import WorkerConfig
from fastconnect.errors import ConnectError, DataError, SendError
from fastconnect.states import TaskId
from fastconnect.task.dead_letters import DeadLetters, ErrantRecords, Reporters
from fastconnect.task.origin import FetchedOrigin, PolledOrigin
from fastconnect.task.sink_conversion import SinkConversion
from fastconnect.task.tolerance import Failure, Stage, ToleranceExceeded

TASK = TaskId("dlq-sink", 0)
JSON = "org.apache.kafka.connect.json.JsonConverter"
TOPIC = {"errors.deadletterqueue.topic.name": "dead", "errors.deadletterqueue.context.headers.enable": "true"}
ALL = {"errors.tolerance": "all"}


@pytest.fixture
def page() -> StatusPage:
    page = StatusRegion(1).page(0)
    page.reset(1)
    return page


@pytest.fixture
def letters(cluster: MockCluster, page: StatusPage) -> Iterator[Callable[..., DeadLetters]]:
    cluster.create_topic("dead", 1)
    made: list[DeadLetters] = []

    def make(*, with_context: bool = True, **settings: str) -> DeadLetters:
        client = {"bootstrap.servers": cluster.bootstrap_servers, **{k.replace("_", "."): v for k, v in settings.items()}}
        made.append(DeadLetters(client, "dead", TASK, page, with_context=with_context))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def read(cluster: MockCluster) -> Callable[[int], list[Message]]:
    def read(count: int) -> list[Message]:
        consumer = Consumer({"bootstrap.servers": cluster.bootstrap_servers, "group.id": "t"})
        try:
            consumer.assign([TopicPartition("dead", 0, 0)])
            messages: list[Message] = []
            while len(messages) < count:
                more = consumer.consume(count - len(messages), timeout=10)
                assert more, f"{len(messages)} of {count} came"
                messages += more
            return messages
        finally:
            consumer.close()

    return read


def fetched(*messages: Raw) -> Fetched:
    return cast("Fetched", FakeFetched(messages))


def failed(message: Raw, error: Exception) -> Failure:
    return Failure(Stage.VALUE_CONVERTER, JSON, error, FetchedOrigin(fetched(message)), 0)


def test_a_dead_letter_is_the_message_as_it_was_with_kafka_connects_headers(letters: Any, read: Any) -> None:
    under_test = letters()
    message = Raw(b"not json", b"k", "golden.bad", 0, 1, 1795557083131, [("h", None), ("__connect.errors.topic", b"before")])
    under_test.report(failed(message, DataError("Converting byte[] to Kafka Connect data failed")))
    assert under_test.flush(10_000)
    (letter,) = read(1)
    assert (letter.key(), letter.value(), letter.timestamp()[1]) == (b"k", b"not json", 1795557083131)
    assert letter.headers()[:-1] == [
        ("h", None),
        ("__connect.errors.topic", b"before"),
        ("__connect.errors.topic", b"golden.bad"),
        ("__connect.errors.partition", b"0"),
        ("__connect.errors.offset", b"1"),
        ("__connect.errors.connector.name", b"dlq-sink"),
        ("__connect.errors.task.id", b"0"),
        ("__connect.errors.stage", b"VALUE_CONVERTER"),
        ("__connect.errors.class.name", JSON.encode()),
        ("__connect.errors.exception.class.name", b"org.apache.kafka.connect.errors.DataException"),
        ("__connect.errors.exception.message", b"Converting byte[] to Kafka Connect data failed"),
    ]
    name, trace = letter.headers()[-1]
    assert name == "__connect.errors.exception.stacktrace"
    assert trace.startswith(b"org.apache.kafka.connect.errors.DataException: Converting byte[] to Kafka Connect data failed\n")


def test_an_error_without_a_message_has_no_value_in_its_header(letters: Any, read: Any) -> None:
    under_test = letters()
    under_test.report(failed(Raw(None, timestamp=None), ValueError()))
    assert under_test.flush(10_000)
    (letter,) = read(1)
    assert ("__connect.errors.exception.message", None) in letter.headers()
    assert letter.value() is None


def test_without_context_headers_there_are_only_the_messages_own(letters: Any, read: Any) -> None:
    under_test = letters(with_context=False)
    under_test.report(failed(Raw(b"1", headers=[("h", b"x")]), ValueError("x")))
    under_test.report(failed(Raw(b"2"), ValueError("x")))
    assert under_test.flush(10_000)
    assert [letter.headers() for letter in read(2)] == [[("h", b"x")], None]


def test_a_sources_dead_letter_tells_its_place_in_the_source(letters: Any, read: Any) -> None:
    under_test = letters()
    record = SourceRecord("orders", {"a": 1}, "k", {"file": "a"}, {"line": 3}, timestamp=5000, headers=[("h", 1)])
    under_test.report(Failure(Stage.TRANSFORMATION, "a.B", ValueError("x"), PolledOrigin([record]), 0))
    assert under_test.flush(10_000)
    (letter,) = read(1)
    assert (letter.key(), letter.value(), letter.timestamp()[1]) == (b"k", b'{"a":1}', 5000)
    assert letter.headers()[:5] == [
        ("h", b"1"),
        ("__connect.errors.topic", b"orders"),
        ("__connect.errors.source.partition", b'{"file":"a"}'),
        ("__connect.errors.source.offset", b'{"line":3}'),
        ("__connect.errors.connector.name", b"dlq-sink"),
    ]


def test_a_flush_says_that_letters_are_not_safe_while_the_broker_is_silent(letters: Any, cluster: MockCluster) -> None:
    under_test = letters()
    under_test.open(lambda: None)
    cluster.answer_after(2000)
    under_test.report(failed(Raw(b"1"), ValueError("x")))
    assert not under_test.flush(50)
    assert not under_test.is_acked(1)
    cluster.answer_after(0)
    assert under_test.flush(10_000)
    assert under_test.is_acked(1)


def test_a_letter_that_is_too_large_is_told_in_the_log_and_holds_nothing_back(
    letters: Any, caplog: pytest.LogCaptureFixture
) -> None:
    under_test = letters(message_max_bytes="1000")
    under_test.report(failed(Raw(b"x" * 5000), ValueError("x")))
    assert under_test.flush(10_000)
    assert "could not be written to the dead letter topic" in caplog.text


def test_a_topic_that_may_not_be_written_to_is_an_error_with_its_name(letters: Any, cluster: MockCluster) -> None:
    under_test = letters()
    cluster.set_topic_error("dead", 29)  # TOPIC_AUTHORIZATION_FAILED
    with pytest.raises(ConnectError, match=r"Could not initialize dead letter queue with topic=dead: .*AUTHORIZATION_FAILED"):
        under_test.open(lambda: None)


def test_a_refusal_of_all_letters_is_an_error(letters: Any, cluster: MockCluster) -> None:
    under_test = letters()
    under_test.open(lambda: None)
    cluster.answer_with(29)
    under_test.report(failed(Raw(b"1"), ValueError("x")))
    with pytest.raises(SendError, match=r"the dead letter topic dead cannot be written to: .*TOPIC_AUTHORIZATION_FAILED"):
        under_test.flush(10_000)


def test_letters_are_counted_and_end_with_the_lease_of_the_task(letters: Any, page: StatusPage) -> None:
    under_test = letters()
    under_test.open(lambda: None)
    page.order(lease_until_ns=boottime_ns() + 60 * 10**9)
    under_test.report(failed(Raw(b"1"), ValueError("x")))
    assert under_test.flush(10_000)
    assert (page.counters()["dead_letters"], page.counters()["dead_letter_failures"]) == (1, 0)
    page.order(lease_until_ns=boottime_ns() - 1)
    with pytest.raises(LeaseLost):
        under_test.report(failed(Raw(b"2"), ValueError("x")))


def reporters(cluster: MockCluster, *configs: dict[str, str]) -> Reporters:
    worker = WorkerConfig.parse({"bootstrap.servers": cluster.bootstrap_servers})
    return Reporters(worker, {key: value for each in configs for key, value in each.items()}, TASK, StatusRegion(1).page(0))


def test_reporters_are_made_as_the_config_asks(cluster: MockCluster) -> None:
    cluster.create_topic("dead", 1)
    none = reporters(cluster)
    none.open()
    assert not none.wanted
    assert none.all == []
    assert none.flush(0)
    both = reporters(cluster, TOPIC, {"errors.log.enable": "true"})
    assert both.wanted
    both.open()
    assert [type(each).__name__ for each in both.all] == ["DeadLetters", "LogReporter"]
    both.close()


def errant(reporters: Reporters) -> ErrantRecords:
    config = {"value.converter": "JsonConverter", "value.converter.schemas.enable": "false", **reporters._config}
    conversion = SinkConversion.of(WorkerConfig.parse({}), config, reporters=reporters.all)
    return ErrantRecords(reporters, conversion, "my.Task")


def test_an_errant_record_is_reported_as_it_is_in_kafka_or_made_anew(cluster: MockCluster, read: Any) -> None:
    cluster.create_topic("dead", 1)
    told = reporters(cluster, TOPIC, ALL)
    told.open()
    under_test = errant(told)
    under_test.put(fetched(Raw(b"{ }", offset=7), Raw(b"[ ]", b"k", offset=8, headers=[("h", b"raw")])))
    known = SinkRecord("renamed", 0, 8, {}, original_topic="t", original_partition=0)
    first = under_test.report(known, ValueError("cannot be written"))
    gone = SinkRecord("t", 0, 3, {"a": 1}, timestamp=9, headers=[Header("h", 1)], original_topic="t", original_partition=0)
    second = under_test.report(gone, ValueError("cannot be written"))
    second.result(10)
    assert first.done()
    one, two = read(2)
    assert (one.key(), one.value(), one.headers()[:4]) == (
        b"k",
        b"[ ]",
        [
            ("h", b"raw"),
            ("__connect.errors.topic", b"t"),
            ("__connect.errors.partition", b"0"),
            ("__connect.errors.offset", b"8"),
        ],
    )
    assert dict(one.headers())["__connect.errors.stage"] == b"TASK_PUT"
    assert dict(one.headers())["__connect.errors.class.name"] == b"my.Task"
    assert (two.value(), two.headers()[0], two.timestamp()[1]) == (b'{"a":1}', ("h", b"1"), 9)
    told.close()


def test_without_tolerance_a_reported_record_fails_the_task_and_is_in_the_topic_all_the_same(
    cluster: MockCluster, read: Any
) -> None:
    cluster.create_topic("dead", 1)
    told = reporters(cluster, TOPIC)
    told.open()
    record = SinkRecord("t", 0, 3, {"a": 1}, original_topic="t", original_partition=0)
    under_test = errant(told)
    with pytest.raises(ToleranceExceeded, match=r"TASK_PUT with class my.Task, the record of topic t, partition 0, offset 3"):
        under_test.report(record, ValueError("x"))
    assert isinstance(under_test.failure, ToleranceExceeded)  # the loop fails for it, should the sink swallow the error
    assert told.flush(10_000)
    assert len(read(1)) == 1
    told.close()
