"""The topics that a group keeps its state in: made, refused, compacted, full of rubbish, and with their broker away."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer
from fakes.commands import until
from fakes.config_listener import Heard
from fakes.own_broker import OwnBroker
from fakes.topics import Topics

from fastconnect.errors import ConfigError, ConfigStoreError, OffsetStoreError, StatusStoreError, StoreError
from fastconnect.states import TargetState, TaskId
from fastconnect.storage import wire
from fastconnect.storage.internal_topics import InternalTopic, prepare
from fastconnect.storage.kafka_configs import KafkaConfigStore
from fastconnect.storage.kafka_offsets import KafkaOffsetStore, OffsetTopic
from fastconnect.storage.kafka_statuses import KafkaStatusStore
from fastconnect.storage.status_store import StoredStatus
from fastconnect.storage.topic_table import TopicReader, TopicRecord, TopicTable
from fastconnect.storage.topic_writer import TopicWriter

CONFIG = {"connector.class": "FileStreamSource"}


@pytest.fixture
def client(kafka: str) -> dict[str, str]:
    return {"bootstrap.servers": kafka}


def compacted(topics: Topics, name: str, partitions: int = 1) -> str:
    return topics.create(name, partitions, cleanup_policy="compact")


# ---- made or refused (I1 to I5 of Kafka Connect's InternalTopicsIntegrationTest) ----


def test_missing_topics_are_made_compacted_with_the_settings_given(
    topics: Topics, client: dict[str, str], fresh_topic: str
) -> None:
    wanted = InternalTopic(
        name=fresh_topic, key="offset.storage.topic", partitions=3, replicas=1, settings={"segment.ms": "123456"}
    )
    assert prepare([wanted], client) == [fresh_topic]
    made = topics.settings(fresh_topic)
    assert topics.partitions(fresh_topic) == 3
    assert (made["cleanup.policy"], made["segment.ms"]) == ("compact", "123456")
    assert prepare([wanted], client) == []


def test_the_brokers_defaults_can_be_asked_for(topics: Topics, client: dict[str, str], fresh_topic: str) -> None:
    prepare([InternalTopic(name=fresh_topic, key="offset.storage.topic", partitions=-1, replicas=-1)], client)
    assert topics.partitions(fresh_topic) == 8  # the shared broker's


def test_more_replicas_than_brokers_are_refused_with_both_numbers(
    topics: Topics, client: dict[str, str], fresh_topic: str
) -> None:
    with pytest.raises(ConfigError, match=r"3 replicas, and the cluster has 1 broker.*config\.storage\.replication\.factor"):
        prepare([InternalTopic(name=fresh_topic, key="config.storage.topic")], client)
    assert not topics.exists(fresh_topic)


@pytest.mark.parametrize("policy", ["delete", "compact,delete"])
def test_a_topic_that_forgets_by_age_is_refused(topics: Topics, client: dict[str, str], fresh_topic: str, policy: str) -> None:
    topics.create(fresh_topic, 1, cleanup_policy=policy)
    with pytest.raises(ConfigError, match=rf"status\.storage\.topic: .*cleanup.policy={policy}, but must"):
        prepare([InternalTopic(name=fresh_topic, key="status.storage.topic")], client)


def test_a_config_topic_with_several_partitions_is_refused(topics: Topics, client: dict[str, str], fresh_topic: str) -> None:
    compacted(topics, fresh_topic, 2)
    with pytest.raises(ConfigError, match="has 2 partitions, but must have one"):
        prepare([InternalTopic(name=fresh_topic, key="config.storage.topic", one_partition=True)], client)


def test_settings_that_the_broker_does_not_know_are_refused(client: dict[str, str], fresh_topic: str) -> None:
    wanted = InternalTopic(name=fresh_topic, key="status.storage.topic", replicas=1, settings={"no.such.setting": "1"})
    with pytest.raises(ConfigError, match=r"no\.such\.setting"):
        prepare([wanted], client)


def test_without_a_broker_preparing_ends_in_time(fresh_topic: str) -> None:
    began = time.monotonic()
    with pytest.raises(StoreError, match="prepared"):
        prepare([InternalTopic(name=fresh_topic, key="x")], {"bootstrap.servers": "127.0.0.1:1"}, timeout_ms=300)
    assert time.monotonic() - began < 10


def test_whom_the_broker_does_not_let_in_is_told_so_long_before_the_time_is_up(kafka: str, fresh_topic: str) -> None:
    login = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "u", "sasl.password": "secret"}
    client = {"bootstrap.servers": kafka, **login}
    for ask in (
        lambda: prepare([InternalTopic(name=fresh_topic, key="x")], client),
        lambda: KafkaOffsetStore(OffsetTopic(fresh_topic, client)).all("c"),
    ):
        began = time.monotonic()
        with pytest.raises(StoreError, match=r"SASL PLAIN.*look at the worker's sasl\.\* settings") as refused:
            ask()
        assert time.monotonic() - began < 20
        assert "secret" not in str(refused.value)


def test_why_no_broker_is_reached_is_said(fresh_topic: str) -> None:
    topic = OffsetTopic(fresh_topic, {"bootstrap.servers": "127.0.0.1:1"}, write_timeout_ms=300, read_timeout_ms=300)
    with pytest.raises(OffsetStoreError, match=r"127\.0\.0\.1:1.* failed: Connection refused.*bootstrap\.servers"):
        KafkaOffsetStore(topic).all("c")
    with pytest.raises(OffsetStoreError, match=r"127\.0\.0\.1:1.* failed: Connection refused.*bootstrap\.servers"):
        KafkaOffsetStore(topic).put("c", [({"p": 1}, {"at": 1})])


# ---- a table ----


def test_a_topic_that_is_not_there_is_named_at_once(client: dict[str, str], fresh_topic: str) -> None:
    store = KafkaOffsetStore(OffsetTopic(fresh_topic, client))
    with pytest.raises(OffsetStoreError, match=rf"topic {fresh_topic}: it cannot be read: .*create it"):
        store.all("c")


def test_keys_go_where_kafka_connect_puts_them(topics: Topics, client: dict[str, str], fresh_topic: str) -> None:
    import json

    vectors = json.loads((Path(__file__).parents[1] / "compat" / "vectors" / "internal_topics.json").read_text())
    for kind, partitions in (("status", 2), ("offsets", 5)):
        topic = compacted(topics, f"{fresh_topic}-{kind}", partitions)
        recorded = {each["key"].encode(): each["partition"] for each in vectors[kind]}
        writer = TopicWriter(topic, client, error=StatusStoreError)
        writer.put([(key, b"{}") for key in recorded])
        writer.close(1_000)
        assert {each.key: each.partition for each in topics.read(topic)} == recorded


def test_what_transactions_have_given_up_is_left_out_and_their_marks_do_not_hold_up_the_end(
    topics: Topics, kafka: str, client: dict[str, str], fresh_topic: str
) -> None:
    compacted(topics, fresh_topic)
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": fresh_topic})
    producer.init_transactions(30)
    for value, commit in ((b"a", True), (b"b", False), (b"c", True)):
        producer.begin_transaction()
        producer.produce(fresh_topic, value, b"key")
        producer.commit_transaction(30) if commit else producer.abort_transaction(30)
    found: list[TopicRecord] = []
    reader = TopicReader(fresh_topic, client, found.append, error=StoreError, read_committed=True)
    reader.read_to_end(20_000)
    assert [record.value for record in found] == [b"a", b"c"]
    reader.read_to_end(20_000)
    assert len(found) == 2
    table = TopicTable(fresh_topic, client, found.append, error=StoreError, read_committed=True)
    table.load(20_000)
    table.follow()
    table.read_to_end(20_000)  # the topic's last offset is a mark, which no reader is ever given
    table.stop()
    producer.begin_transaction()
    producer.produce(fresh_topic, b"open", b"key")
    producer.flush(10)
    reader.read_to_end(20_000)
    assert len(found) == 4
    producer.abort_transaction(30)


RUBBISH = [  # but no record without a key: a broker takes none into a compacted topic
    (b"", b"{}"),
    (b"\xff\xfe", b"{}"),
    (b"connector-bad", b"{"),
    (b"connector-bad", b"\x00\xff"),
    (b"connector-bad", b"[]"),
    (b"connector-bad", b'{"properties":{"x":{}}}'),
    (b"task-bad", b'{"properties":{}}'),
    (b"task-orders-0", b'"text"'),
    (b"commit-orders", b'{"tasks":"many"}'),
    (b"target-state-orders", b'{"state":"DANCING"}'),
    (b"session-key", b'{"key":"no base64"}'),
    (b"restart-connector-orders", b"7"),
    (b"logger-cluster-x", b"{}"),
    (b"tasks-fencing-orders", b"{}"),
]


def test_rubbish_in_the_config_topic_is_counted_and_what_is_good_is_read(
    topics: Topics, client: dict[str, str], fresh_topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    compacted(topics, fresh_topic)
    writer = Producer(dict(client))
    for key, value in (*RUBBISH, (b"unknown-key", b"{}"), (wire.connector_key("orders"), wire.properties(CONFIG)), *RUBBISH):
        writer.produce(fresh_topic, value, key)
    writer.flush(10)
    store = KafkaConfigStore(fresh_topic, client)
    heard = Heard()
    store.start(heard)
    assert list(store.snapshot().connectors) == ["orders"]
    assert f"left out: {2 * (len(RUBBISH) - 1)} so far" in (store.trouble or "")  # an empty key is merely unknown
    assert caplog.text.count("makes no sense") == 1
    for key, value in RUBBISH:
        writer.produce(fresh_topic, value, key)
    writer.flush(10)
    store.put_connector("clicks", CONFIG)
    assert sorted(store.snapshot().connectors) == ["clicks", "orders"]
    assert heard.all == ["config clicks"]
    store.stop()


def test_a_record_that_is_no_json_does_not_move_the_config_offset_as_in_kafka_connect(
    topics: Topics, client: dict[str, str], fresh_topic: str
) -> None:
    compacted(topics, fresh_topic)
    store = KafkaConfigStore(fresh_topic, client)
    store.start(Heard())
    assert store.snapshot().offset == -1
    store.put_connector("orders", CONFIG)
    assert store.snapshot().offset == 1
    topics.write(fresh_topic, b"{", key=b"connector-orders")
    store.refresh(20_000)
    assert store.snapshot().offset == 1
    topics.write(fresh_topic, b"{}", key=b"anything")
    store.refresh(20_000)
    assert store.snapshot().offset == 3
    store.stop()


def test_rubbish_in_the_other_topics_is_left_out(topics: Topics, client: dict[str, str], fresh_topic: str) -> None:
    compacted(topics, fresh_topic)
    bad = [(b"\xff", b"{}"), (b"status-task-x-0", b"{}"), (b'["c"]', b"{}"), (b'["c",{"p":1}]', b"7")]
    writer = Producer(dict(client))
    for key, value in (*bad, (b'["c",{"p":2}]', b'{"at":2}'), (b"status-connector-c", wire.status(status("RUNNING")))):
        writer.produce(fresh_topic, value, key)
    writer.flush(10)
    offsets = KafkaOffsetStore(OffsetTopic(fresh_topic, client))
    assert offsets.all("c") == [({"p": 2}, {"at": 2})]
    statuses = KafkaStatusStore(fresh_topic, client)
    statuses.start()
    assert statuses.get("c") == status("RUNNING")
    assert "left out: 5 so far" in (statuses.trouble or "")  # the offset is none of its business either
    statuses.stop()


def status(state: str) -> StoredStatus:
    return StoredStatus(state=state, worker_id="one:8083", generation=1)


def test_restarts_and_levels_of_before_the_start_are_not_told_again(
    topics: Topics, client: dict[str, str], fresh_topic: str
) -> None:
    compacted(topics, fresh_topic)
    first = KafkaConfigStore(fresh_topic, client)
    first.start(Heard())
    first.put_connector("orders", CONFIG)
    first.put_restart("orders", only_failed=False, include_tasks=True)
    first.put_logger_level("x", "DEBUG")
    heard = Heard()
    second = KafkaConfigStore(fresh_topic, client)
    second.start(heard)
    assert second.snapshot() == first.snapshot()
    assert heard.all == []
    first.put_target("orders", TargetState.PAUSED)
    until(lambda: heard.all == ["target orders"], "the other worker hears of the change")
    first.stop()
    second.stop()


def test_two_workers_see_each_others_statuses_and_a_safe_write_gives_way_to_the_later_one(
    topics: Topics, client: dict[str, str], fresh_topic: str
) -> None:
    compacted(topics, fresh_topic, 2)
    one, two = KafkaStatusStore(fresh_topic, client), KafkaStatusStore(fresh_topic, client)
    one.start()
    two.start()
    task = TaskId("orders", 0)
    one.put(task, StoredStatus(state="RUNNING", worker_id="one", generation=3))
    until(lambda: two.get(task) is not None, "the other worker reads it")
    two.put(task, StoredStatus(state="RUNNING", worker_id="two", generation=4))
    until(lambda: one.get(task) == two.get(task), "both see the new owner's")
    one.put(task, StoredStatus(state="UNASSIGNED", worker_id="one", generation=3), safe=True)
    one.refresh(20_000)
    found = one.get(task)
    assert found is not None
    assert found.worker_id == "two"
    one.put("orders", status("RUNNING"))
    one.stop()  # what was put is written before the end
    two.refresh(20_000)
    assert two.get("orders") == status("RUNNING")
    two.stop()


def test_a_topic_that_is_made_anew_is_told_and_read_from_its_beginning(
    topics: Topics, client: dict[str, str], fresh_topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    compacted(topics, fresh_topic)
    store = KafkaConfigStore(fresh_topic, client)
    store.start(Heard())
    for number in range(5):
        store.put_connector(f"old-{number}", CONFIG)
    topics.delete(fresh_topic)
    compacted(topics, fresh_topic)
    topics.write(fresh_topic, wire.properties(CONFIG), key=wire.connector_key("new"))
    until(lambda: "new" in store.snapshot().connectors, "the new topic is read")
    assert "old-4" in store.snapshot().connectors
    assert f"Topic {fresh_topic} begins anew" in caplog.text
    store.stop()


# ---- offsets ----


def test_an_offset_is_written_with_the_bytes_of_the_key_that_is_there(
    topics: Topics, client: dict[str, str], fresh_topic: str
) -> None:
    compacted(topics, fresh_topic)
    topics.write(fresh_topic, b'{"id":7}', key=b'["c",{"z":1,"a":2}]')
    store = KafkaOffsetStore(OffsetTopic(fresh_topic, client, only="c"))
    store.put("c", [({"a": 2, "z": 1}, {"id": 8}), ({"y": 1, "b": 2}, {"id": 1})])
    assert [(each.key, each.value) for each in topics.read(fresh_topic)[1:]] == [
        (b'["c",{"z":1,"a":2}]', b'{"id":8}'),
        (b'["c",{"y":1,"b":2}]', b'{"id":1}'),
    ]
    store.close()


def test_of_two_spellings_of_a_partition_the_newer_counts_and_the_other_is_forgotten(
    topics: Topics, client: dict[str, str], fresh_topic: str
) -> None:
    compacted(topics, fresh_topic)
    topics.write(fresh_topic, b'{"id":7}', key=b'["c",{"z":1,"a":2}]', timestamp=1_000)
    topics.write(fresh_topic, b'{"id":8}', key=b'["c", {"a": 2, "z": 1}]', timestamp=2_000)
    store = KafkaOffsetStore(OffsetTopic(fresh_topic, client, only="c"))
    assert store.all("c") == [({"a": 2, "z": 1}, {"id": 8})]
    store.put("c", [({"a": 2, "z": 1}, {"id": 9})])
    last = {each.key: each.value for each in topics.read(fresh_topic)}
    assert last == {b'["c",{"z":1,"a":2}]': None, b'["c", {"a": 2, "z": 1}]': b'{"id":9}'}
    again = KafkaOffsetStore(OffsetTopic(fresh_topic, client))
    assert again.get("c", [{"z": 1, "a": 2}]) == [{"id": 9}]
    store.close()


def test_a_task_keeps_its_own_connectors_offsets_only(topics: Topics, client: dict[str, str], fresh_topic: str) -> None:
    compacted(topics, fresh_topic, 5)
    store = KafkaOffsetStore(OffsetTopic(fresh_topic, client))
    for name in ("c", "c2", 'c"', "ü😀"):
        store.put(name, [({"p": 1}, {"of": name})])
    store.close()
    for name in ("c", "c2", 'c"', "ü😀"):
        mine = KafkaOffsetStore(OffsetTopic(fresh_topic, client, only=name))
        assert mine.get(name, [{"p": 1}]) == [{"of": name}]
        assert mine.connectors() == [name]


def two_topics(topics: Topics, client: dict[str, str], name: str) -> KafkaOffsetStore:
    return KafkaOffsetStore(
        OffsetTopic(compacted(topics, name, 2), client), OffsetTopic(compacted(topics, f"{name}-own", 2), client)
    )


def test_a_connectors_own_topic_goes_before_that_of_the_workers(
    topics: Topics, client: dict[str, str], fresh_topic: str
) -> None:
    store = two_topics(topics, client, fresh_topic)
    topics.write(fresh_topic, b'{"at":1}', key=b'["c",{"p":1}]')
    topics.write(fresh_topic, b'{"at":1}', key=b'["c",{"p":2}]')
    topics.write(f"{fresh_topic}-own", b'{"at":5}', key=b'["c",{"p":1}]')
    assert store.all("c") == [({"p": 1}, {"at": 5}), ({"p": 2}, {"at": 1})]
    store.put("c", [({"p": 2}, {"at": 6})])
    for topic in (fresh_topic, f"{fresh_topic}-own"):
        assert (b'["c",{"p":2}]', b'{"at":6}') in [(each.key, each.value) for each in topics.read(topic)]
    store.close()


def test_an_offset_is_forgotten_in_the_workers_topic_first(topics: Topics, client: dict[str, str], fresh_topic: str) -> None:
    # KAFKA-15018: forgotten in the connector's topic first, an older offset of the other would come up for a while.
    store = two_topics(topics, client, fresh_topic)
    store.put("c", [({"p": 1}, {"at": 1})])
    store.put("c", [({"p": 1}, None), ({"p": 2}, {"at": 2})])
    written = {
        topic: {(each.key, each.value): each.timestamp_ms for each in topics.read(topic)}
        for topic in (fresh_topic, f"{fresh_topic}-own")
    }
    forgotten, kept = (b'["c",{"p":1}]', None), (b'["c",{"p":2}]', b'{"at":2}')
    first, own = written.values()
    assert first[forgotten] <= own[forgotten] <= own[kept] <= first[kept]
    assert store.get("c", [{"p": 1}, {"p": 2}]) == [None, {"at": 2}]
    store.close()


# ---- compaction ----


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnBroker]:
    broker = OwnBroker(tmp_path_factory.mktemp("own") / "broker", log_cleaner_backoff_ms="100")
    broker.start()
    yield broker
    broker.close()


def compact(own: OwnBroker, topic: str, until_gone: Callable[[bytes | None], bool]) -> None:
    """Have the broker compact the topic's records until those of these keys are gone."""
    topics = Topics(own.bootstrap_servers)

    def gone() -> bool:
        topics.write(topic, b"{}", key=b"roll")  # a segment is only compacted when there is a newer one
        return not any(until_gone(each.key) for each in topics.read(topic))

    until(gone, "the topic is compacted", 60)


def test_a_deleted_connectors_tasks_stay_dead_when_its_deletion_is_compacted_away(own: OwnBroker, fresh_topic: str) -> None:
    topics, client = Topics(own.bootstrap_servers), {"bootstrap.servers": own.bootstrap_servers}
    topics.create(
        fresh_topic,
        1,
        cleanup_policy="compact",
        segment_ms="50",
        delete_retention_ms="0",
        min_cleanable_dirty_ratio="0.01",
        max_compaction_lag_ms="100",
    )
    first = KafkaConfigStore(fresh_topic, client)
    first.start(Heard())
    first.put_connector("c", {"topic": "old", "password": "x"})
    first.put_task_configs("c", [{"topic": "old"}, {"topic": "old"}])
    first.put_target("c", TargetState.PAUSED)
    first.remove_connector("c")
    compact(own, fresh_topic, lambda key: key in (b"connector-c", b"task-c-0", b"task-c-1", b"target-state-c"))
    assert b"commit-c" in {each.key for each in topics.read(fresh_topic)}  # without this the test would be about nothing
    first.put_connector("c", {"topic": "new"})
    heard = Heard()
    second = KafkaConfigStore(fresh_topic, client)
    second.start(heard)
    for store in (first, second):
        connector = store.snapshot().connectors["c"]
        assert (connector.config, connector.target) == ({"topic": "new"}, TargetState.STARTED)
        assert (connector.task_configs, connector.inconsistent) == (None, False)
    assert first.snapshot().offset == second.snapshot().offset
    first.put_task_configs("c", [{"topic": "new"}])
    until(lambda: heard.all == ["tasks c"], "the other worker hears of the tasks")
    assert second.snapshot().connectors["c"].task_configs == [{"topic": "new"}]
    first.stop()
    second.stop()


def test_a_compaction_between_tasks_and_commit_makes_a_connector_inconsistent(own: OwnBroker, fresh_topic: str) -> None:
    topics, client = Topics(own.bootstrap_servers), {"bootstrap.servers": own.bootstrap_servers}
    topics.create(fresh_topic, 1, cleanup_policy="compact", segment_ms="50", min_cleanable_dirty_ratio="0.01")
    first = KafkaConfigStore(fresh_topic, client)
    first.start(Heard())
    first.put_connector("c", {"v": "1"})
    first.put_task_configs("c", [{"n": "0"}, {"n": "1"}])
    # A leader dies behind the first task's record of the next round: then the old one is compacted away.
    topics.write(fresh_topic, wire.properties({"n": "new 0"}), key=wire.task_key("c", 0))
    until(
        lambda: (
            topics.write(fresh_topic, b"{}", key=b"roll") is None
            and [each.key for each in topics.read(fresh_topic)].count(b"task-c-0") == 1
        ),
        "the topic is compacted",
    )
    second = KafkaConfigStore(fresh_topic, client)
    second.start(Heard())
    connector = second.snapshot().connectors["c"]
    assert (connector.task_configs, connector.inconsistent, connector.task_count) == (None, True, 2)
    first.put_task_configs("c", [{"n": "new 0"}, {"n": "new 1"}])
    second.refresh(20_000)
    assert second.snapshot().connectors["c"].task_configs == [{"n": "new 0"}, {"n": "new 1"}]
    first.stop()
    second.stop()


def test_offsets_that_are_compacted_meanwhile_are_always_the_last_or_newer(own: OwnBroker, fresh_topic: str) -> None:
    topics, client = Topics(own.bootstrap_servers), {"bootstrap.servers": own.bootstrap_servers}
    topics.create(fresh_topic, 1, cleanup_policy="compact", segment_ms="50", min_cleanable_dirty_ratio="0.01")
    store = KafkaOffsetStore(OffsetTopic(fresh_topic, client, only="c", write_timeout_ms=30_000))
    written = 0

    def read_again_is_the_last() -> bool:
        nonlocal written
        for _ in range(10):
            written += 1
            store.put("c", [({"p": 1}, {"at": written}), ({"p": 2}, {"at": written})])
        restarted = KafkaOffsetStore(OffsetTopic(fresh_topic, client, only="c"))
        assert restarted.get("c", [{"p": 1}, {"p": 2}]) == [{"at": written}] * 2
        return topics.read(fresh_topic)[0].offset > 0  # the first records are compacted away

    until(read_again_is_the_last, "the topic is compacted")
    store.close()


# ---- the broker away ----


def test_with_the_broker_away_reads_go_on_by_themselves_and_writes_say_so(
    own: OwnBroker, fresh_topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    topics, client = Topics(own.bootstrap_servers), {"bootstrap.servers": own.bootstrap_servers}
    compacted(topics, fresh_topic)
    compacted(topics, f"{fresh_topic}-status", 2)
    compacted(topics, f"{fresh_topic}-offsets", 2)
    configs, statuses = KafkaConfigStore(fresh_topic, client), KafkaStatusStore(f"{fresh_topic}-status", client)
    offsets = KafkaOffsetStore(OffsetTopic(f"{fresh_topic}-offsets", client, write_timeout_ms=500, read_timeout_ms=500))
    configs.start(Heard())
    statuses.start()
    offsets.put("c", [({"p": 1}, {"at": 1})])
    own.relay.cut()
    with pytest.raises(ConfigStoreError, match="cannot be read"):
        configs.refresh(500)
    with pytest.raises(OffsetStoreError, match="cannot be written"):
        offsets.put("c", [({"p": 1}, {"at": 2})])
    began = time.monotonic()
    for number in range(1000):
        statuses.put(TaskId("c", 0), StoredStatus(state="FAILED", worker_id="one", generation=number))
    assert time.monotonic() - began < 30  # were each to wait for the broker: 500 s
    until(lambda: configs.trouble is not None, "it is noticed that the broker is away")
    own.relay.mend()
    configs.put_connector("c", CONFIG)
    assert configs.trouble is None
    assert "c" in configs.snapshot().connectors
    statuses.stop()
    written = [each.value for each in topics.read(f"{fresh_topic}-status")]
    assert b'"generation":999' in (written[-1] or b"")
    assert len(written) <= 3

    def put() -> bool:
        with contextlib.suppress(OffsetStoreError):  # its clients wait up to a second before they try the broker again
            offsets.put("c", [({"p": 1}, {"at": 3})])
            return offsets.get("c", [{"p": 1}]) == [{"at": 3}]
        return False

    until(put, "offsets are written again")
    configs.stop()
    offsets.close()
    assert any(record.levelno == logging.WARNING and "cannot be read" in record.message for record in caplog.records)
