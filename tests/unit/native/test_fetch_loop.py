from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import Producer
from fakes.mock_cluster import MockCluster

from fastconnect._core import Fetched, FetchLoop, LeaseLost, StatusPage, boottime_ns
from fastconnect.errors import ConfigError, RetriableError, SendError

PARTITIONS = 4
MakeLoop = Callable[..., FetchLoop]


@pytest.fixture
def produce(cluster: MockCluster) -> Callable[..., None]:
    producer = Producer({"bootstrap.servers": cluster.bootstrap_servers})

    def produce(*messages: Any, topic: str = "t", partition: int = 0) -> None:
        for message in messages:
            more = message if isinstance(message, dict) else {"value": message}
            producer.produce(topic, partition=partition, **more)
        assert producer.flush(10) == 0

    return produce


@pytest.fixture
def fetch_loop(cluster: MockCluster, page: StatusPage) -> Iterator[MakeLoop]:
    made: list[FetchLoop] = []

    def make(most: int = 10_000, **settings: str) -> FetchLoop:
        conf = {
            "bootstrap.servers": cluster.bootstrap_servers,
            "group.id": "g",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": "false",
            "enable.auto.offset.store": "false",
            "partition.assignment.strategy": "cooperative-sticky",
            "heartbeat.interval.ms": "50",
            "session.timeout.ms": "1000",
            "fetch.wait.max.ms": "20",
            **{key.replace("_", "."): value for key, value in settings.items()},
        }
        made.append(FetchLoop(conf, page, most))
        return made[-1]

    yield make
    for loop in made:
        loop.close()


def turn(loop: FetchLoop, wait_ms: int = 20, most: int = 0) -> Fetched | None:
    """Fetch once, and answer the group as it wishes."""
    fetched = loop.fetch(wait_ms, most)
    for what, pairs in loop.take_rebalance():
        if what == "assign":
            loop.assign([(*pair, None) for pair in pairs])
        else:
            loop.unassign(pairs)
    return fetched


def values(loop: FetchLoop, count: int) -> list[bytes | None]:
    found: list[bytes | None] = []
    deadline = time.monotonic() + 20
    while len(found) < count:
        assert time.monotonic() < deadline, f"{len(found)} of {count} messages came"
        fetched = turn(loop)
        found += fetched.values() if fetched is not None else []
    return found


def batch(loop: FetchLoop, count: int) -> Fetched:
    """A batch of the so many messages that are in partition 0, all at once; one that came in parts is read again."""
    deadline = time.monotonic() + 60
    while (fetched := turn(loop, most=count)) is None or len(fetched) < count:
        assert time.monotonic() < deadline
        if fetched is not None:
            loop.seek([("t", 0, 0)])
    return fetched


def test_messages_come_in_the_order_of_their_partition(fetch_loop: MakeLoop, produce: Callable[..., None]) -> None:
    produce(*(b"%d" % n for n in range(100)))
    loop = fetch_loop()
    loop.subscribe(["t"])
    assert values(loop, 100) == [b"%d" % n for n in range(100)]


def test_each_column_of_a_batch_can_be_had(fetch_loop: MakeLoop, produce: Callable[..., None]) -> None:
    loop = fetch_loop()
    loop.subscribe(["t"])
    produce(
        {"value": b"one", "key": b"k", "timestamp": 1_700_000_000_000, "headers": [("h", b"x"), ("h", None)]},
        {"value": None, "key": b""},
    )
    fetched = batch(loop, 2)
    assert fetched.values() == [b"one", None]
    assert fetched.keys() == [b"k", b""]
    assert fetched.topics() == "t"
    assert fetched.partitions() == [0, 0]
    assert fetched.offsets() == [0, 1]
    assert fetched.timestamps()[0] == 1_700_000_000_000
    assert fetched.timestamp_type(0) == 1
    assert fetched.headers() == [[("h", b"x"), ("h", None)], None]
    assert fetched.ends() == [("t", 0, 2, 2)]
    assert fetched.runs() == [("t", 0, 0, 2)]
    assert fetched.size() == 4
    assert fetched.lines() == b"one\nnull\n"
    assert fetched.lines(1) == b"null\n"
    assert fetched.lines(0, 1) == b"one\n"
    ends, text, valid = fetched.packed()
    assert (memoryview(ends).cast("q").tolist(), text, valid) == ([0, 3, 3], b"one", b"\x01")


def test_messages_that_nobody_needs_are_freed_with_the_next_answer_to_a_fetch(
    fetch_loop: MakeLoop, produce: Callable[..., None], until: Callable[..., None]
) -> None:
    produce(*(b"%d" % n for n in range(100)))
    loop = fetch_loop()
    loop.subscribe(["t"])
    fetched = batch(loop, 100)
    assert loop.given_back == 0
    del fetched
    until(lambda: turn(loop) is None and loop.given_back == 0, what="the broker's thread frees the messages")


def test_messages_given_back_right_before_the_end_are_freed_by_it(fetch_loop: MakeLoop, produce: Callable[..., None]) -> None:
    produce(*(b"%d" % n for n in range(100)))
    loop = fetch_loop()
    loop.subscribe(["t"])
    fetched = batch(loop, 100)
    loop.pause([("t", number) for number in range(PARTITIONS)])  # no answer to a fetch comes any more
    assert turn(loop, wait_ms=100) is None
    del fetched
    assert loop.given_back == 100
    loop.close()
    assert loop.given_back == 0


def test_a_batch_of_several_partitions_tells_how_far_it_goes_in_each(
    fetch_loop: MakeLoop, produce: Callable[..., None]
) -> None:
    for number in range(3):
        produce(*(b"%d" % n for n in range(20 + number)), partition=number)
    loop = fetch_loop()
    loop.subscribe(["t"])
    ends: dict[int, int] = {}
    seen = 0
    while seen < 63:
        fetched = turn(loop)
        if fetched is None:
            continue
        seen += len(fetched)
        places = list(zip(fetched.partitions(), fetched.offsets(), strict=True))
        for topic, number, end, count in fetched.ends():
            own = [offset for partition, offset in places if partition == number]
            assert (topic, end, count) == ("t", own[-1] + 1, len(own))
            ends[number] = end
        for topic, number, start, stop in fetched.runs():
            assert (topic, {partition for partition, _ in places[start:stop]}) == ("t", {number})
        assert [row for *_, start, stop in fetched.runs() for row in range(start, stop)] == list(range(len(fetched)))
    assert ends == {0: 20, 1: 21, 2: 22}


def test_values_of_several_lines_are_no_lines(fetch_loop: MakeLoop, produce: Callable[..., None]) -> None:
    loop = fetch_loop()
    loop.subscribe(["t"])
    produce(b"one\ntwo", b"three")
    fetched = batch(loop, 2)
    assert fetched.lines() is None
    assert fetched.lines(1) == b"three\n"


def test_a_batch_is_no_larger_than_wanted(fetch_loop: MakeLoop, produce: Callable[..., None]) -> None:
    produce(*[b"x"] * 50)
    loop = fetch_loop(most=20)
    loop.subscribe(["t"])
    sizes = []
    while sum(sizes) < 50:
        fetched = turn(loop, most=7 if not sizes else 0)
        if fetched is not None:
            sizes.append(len(fetched))
    assert sizes[0] <= 7
    assert max(sizes) <= 20


def test_the_messages_of_a_batch_are_gone_when_the_loop_is_closed(fetch_loop: MakeLoop, produce: Callable[..., None]) -> None:
    produce(b"x")
    loop = fetch_loop()
    loop.subscribe(["t"])
    fetched = batch(loop, 1)
    loop.close()
    assert (len(fetched), fetched.values()) == (0, [])


def test_committed_offsets_are_where_a_member_goes_on(fetch_loop: MakeLoop, produce: Callable[..., None]) -> None:
    produce(b"a", b"b", b"c")
    loop = fetch_loop()
    loop.subscribe(["t"])
    values(loop, 3)
    loop.commit([("t", 0, 2)], 7)
    assert loop.take_commits(10_000) == [(7, None)]
    assert loop.committed([("t", 0), ("t", 1)]) == [("t", 0, 2), ("t", 1, None)]
    loop.close()
    again = fetch_loop()
    again.subscribe(["t"])
    assert values(again, 1) == [b"c"]


def test_a_commit_after_the_lease_is_refused(fetch_loop: MakeLoop, page: StatusPage) -> None:
    loop = fetch_loop()
    page.order(lease_until_ns=boottime_ns() - 1)
    with pytest.raises(LeaseLost):
        loop.commit([("t", 0, 1)], 1)


def test_paused_partitions_give_nothing_until_they_are_resumed(fetch_loop: MakeLoop, produce: Callable[..., None]) -> None:
    loop = fetch_loop()
    loop.subscribe(["t"])
    produce(b"a")
    assert values(loop, 1) == [b"a"]
    loop.pause([("t", 0)])
    produce(b"b")
    until = time.monotonic() + 0.2
    while time.monotonic() < until:
        assert turn(loop) is None
    loop.resume([("t", 0)])
    assert values(loop, 1) == [b"b"]


def test_a_seek_goes_back_and_forth(fetch_loop: MakeLoop, produce: Callable[..., None]) -> None:
    produce(*(b"%d" % n for n in range(5)))
    loop = fetch_loop()
    loop.subscribe(["t"])
    values(loop, 5)
    loop.seek([("t", 0, 1)])
    assert values(loop, 4) == [b"1", b"2", b"3", b"4"]
    loop.seek([("t", 0, 3)])
    assert values(loop, 2) == [b"3", b"4"]


def test_the_ends_of_partitions_are_told_where_that_is_wanted(fetch_loop: MakeLoop, produce: Callable[..., None]) -> None:
    produce(b"a", b"b")
    loop = fetch_loop(enable_partition_eof="true")
    loop.subscribe(["t"])
    ends: set[tuple[str, int, int]] = set()
    while len(ends) < PARTITIONS:
        turn(loop)
        ends.update(loop.take_ends())
    assert ends == {("t", 0, 2), *(("t", number, 0) for number in range(1, PARTITIONS))}
    assert loop.take_ends() == []
    assert loop.known_ends([("t", 0)]) == [2]


def test_watermarks_and_topics_are_asked_of_the_broker(fetch_loop: MakeLoop, produce: Callable[..., None]) -> None:
    produce(b"a", b"b")
    loop = fetch_loop()
    assert loop.watermarks("t", 0) == (0, 2)
    assert loop.existing_topics() == {"t": PARTITIONS, "other": PARTITIONS}
    assert loop.known_ends([("t", 0)]) == [None]


def test_a_static_member_that_unsubscribes_leaves_its_group(fetch_loop: MakeLoop) -> None:
    loop = fetch_loop(group_instance_id="one")
    loop.subscribe(["t"])
    deadline = time.monotonic() + 20
    while not loop.member_id:
        assert time.monotonic() < deadline
        turn(loop)
    loop.unsubscribe()
    while loop.member_id:
        assert time.monotonic() < deadline
        turn(loop)
    loop.close()


def test_a_loop_can_be_closed_while_the_group_waits_for_its_answer(fetch_loop: MakeLoop) -> None:
    for taken in (False, True):
        loop = fetch_loop(group_id=f"closing-{taken}")
        loop.subscribe(["t"])
        deadline = time.monotonic() + 20
        if taken:
            while not loop.take_rebalance():
                assert time.monotonic() < deadline
                loop.fetch(10)
        else:
            for _ in range(50):
                loop.fetch(10)
        began = time.monotonic()
        loop.close()
        assert time.monotonic() - began < 5


def test_a_topic_that_may_not_be_read_is_an_error(fetch_loop: MakeLoop, cluster: MockCluster) -> None:
    loop = fetch_loop(allow_auto_create_topics="false")
    cluster.set_topic_error("t", 29)
    loop.subscribe(["t"])

    def read() -> None:
        for _ in range(500):
            turn(loop)

    with pytest.raises(SendError, match="TOPIC_AUTHORIZATION_FAILED"):
        read()


def test_settings_that_librdkafka_does_not_take_are_named(page: StatusPage) -> None:
    with pytest.raises(ConfigError, match=r"client setting session\.timeout\.ms"):
        FetchLoop({"session.timeout.ms": "soon"}, page)


def test_a_broker_that_is_away_is_an_error_that_may_pass(page: StatusPage) -> None:
    loop = FetchLoop({"bootstrap.servers": "127.0.0.1:1", "group.id": "g", "log_level": "0"}, page)
    try:
        with pytest.raises(RetriableError):
            loop.reach(100)
        with pytest.raises(RetriableError):
            loop.existing_topics(100)
    finally:
        loop.close()


def test_what_a_sink_took_is_counted_with_its_time(page: StatusPage) -> None:
    page.hand_over(10, 1000)
    page.take_over(4, 400, boottime_ns() - 3_000_000)
    counters = page.counters()
    assert [counters[name] for name in ("records_sent", "bytes_sent", "records_acked", "bytes_acked")] == [10, 1000, 4, 400]
    assert counters["first_ack_ns"] == counters["last_ack_ns"] > 0
    (bucket,) = [index for index, count in enumerate(page.latency()) if count]
    assert 2 ** ((bucket + 1) / 2) > 3000  # microseconds; a busy machine may have taken longer
