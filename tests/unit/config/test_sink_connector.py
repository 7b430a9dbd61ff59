"""The runtime's keys of a sink connector, and its consumers' properties."""

from __future__ import annotations

import re

import pytest

from fastconnect._core import FetchLoop, StatusRegion
from fastconnect.api.config_def import config_keys
from fastconnect.config.connector import ConnectorConfig
from fastconnect.config.sink_connector import SinkConnectorConfig
from fastconnect.config.task_clients import (
    consumer_properties,
    consumer_settings,
    group_of,
    instance_id,
)
from fastconnect.config.validation import validate
from fastconnect.config.worker import WorkerConfig
from fastconnect.errors import ConfigError, Fault

MINIMAL = {"name": "out", "connector.class": "FileStreamSink", "topics": "t"}

# key: type, required, default, importance, group, order, width, display name; as Kafka Connect 4.3.1 answers.
KAFKA_CONNECT_SAYS = """
topics|LIST|False||HIGH|Common|4|LONG|Topics
topics.regex|STRING|False||HIGH|Common|4|LONG|Topics regex
errors.deadletterqueue.topic.name|STRING|False||MEDIUM|Error Handling|6|MEDIUM|Dead Letter Queue Topic Name
errors.deadletterqueue.topic.replication.factor|SHORT|False|3|MEDIUM|Error Handling|7|MEDIUM|Dead Letter Queue Topic Replication Factor
errors.deadletterqueue.context.headers.enable|BOOLEAN|False|false|MEDIUM|Error Handling|8|MEDIUM|Enable Error Context Headers
"""  # noqa: E501


def worker(**settings: str) -> WorkerConfig:
    fixed = {"bootstrap.servers": "localhost:9092", "connector.client.config.override.policy": "All"}
    return WorkerConfig.parse({**fixed, **{k.replace("_", "."): v for k, v in settings.items()}})


def settings_of(config: dict[str, str], **of_worker: str) -> dict[str, str]:
    found = consumer_settings(worker(**of_worker), {f"consumer.override.{key}": value for key, value in config.items()}, "c", 0)
    assert found.faults == []
    return found.properties


def faults_of(config: dict[str, str]) -> list[str]:
    found = consumer_settings(worker(), {f"consumer.override.{key}": value for key, value in config.items()}, "c", 0)
    return [str(fault) for fault in found.faults]


def test_the_keys_are_defined_as_kafka_connects() -> None:
    common = len(ConnectorConfig.fields())
    definitions = [
        "|".join(
            str(part)
            for part in (
                key.name,
                key.type,
                key.required,
                key.default_value,
                key.importance,
                key.group,
                key.order_in_group,
                key.width,
                key.display_name,
            )
        )
        for key in config_keys(SinkConnectorConfig)[common:]
    ]
    assert definitions == KAFKA_CONNECT_SAYS.strip().splitlines()


# The texts are those of Kafka Connect's answers to the same configs.
@pytest.mark.parametrize(
    ("config", "errors"),
    [
        ({}, dict.fromkeys(("topics", "topics.regex"), "Must configure one of topics or topics.regex")),
        (
            {"topics": "a", "topics.regex": "b"},
            dict.fromkeys(
                ("topics", "topics.regex"), "topics and topics.regex are mutually exclusive options, but both are set."
            ),
        ),
        (
            {"topics": "golden.val", "errors.deadletterqueue.topic.name": "golden.val"},
            {
                "topics": "The DLQ topic 'golden.val' may not be included in the list of topics ('topics=[golden.val]') "
                "consumed by the connector"
            },
        ),
        (
            {"topics.regex": "g.*", "errors.deadletterqueue.topic.name": "golden.dlq"},
            {
                "topics.regex": "The DLQ topic 'golden.dlq' may not be matched by the regex for the topics "
                "('topics.regex=g.*') consumed by the connector"
            },
        ),
        (
            {"topics": "t", "errors.deadletterqueue.topic.replication.factor": "40000"},
            {
                "errors.deadletterqueue.topic.replication.factor": "Invalid value 40000 for configuration "
                "errors.deadletterqueue.topic.replication.factor: Not a number of type SHORT"
            },
        ),
    ],
)
def test_what_is_wrong_is_told_in_kafka_connects_words(config: dict[str, str], errors: dict[str, str]) -> None:
    answer = validate({"name": "val", "connector.class": "FileStreamSink", **config})
    assert {value.definition.name: value.errors[0] for value in answer.values if value.errors} == errors


def test_a_pattern_that_is_none_is_a_fault() -> None:
    (fault,) = validate({"name": "val", "connector.class": "FileStreamSink", "topics.regex": "(["}).faults
    assert fault.key == "topics.regex"
    assert fault.message.startswith("Invalid value ([ for configuration topics.regex: Invalid regex: Unclosed character class")


def test_a_right_sink_has_no_fault_and_its_keys_in_kafka_connects_order() -> None:
    answer = validate(MINIMAL)
    names = [value.definition.name for value in answer.values]
    assert answer.faults == []
    assert answer.warnings == []
    assert names[-6:] == [
        "topics",
        "topics.regex",
        "errors.deadletterqueue.topic.name",
        "errors.deadletterqueue.topic.replication.factor",
        "errors.deadletterqueue.context.headers.enable",
        "file",
    ]


def test_a_group_that_is_the_workers_is_a_fault_on_the_name() -> None:
    of_worker = WorkerConfig.parse({"bootstrap.servers": "localhost:9092", "group.id": "connect-out"})
    assert validate(MINIMAL, of_worker).faults == [
        Fault("name", "Consumer group for sink connector named out conflicts with Connect worker group connect-out")
    ]
    assert validate({**MINIMAL, "consumer.override.group.id": "other"}, of_worker).faults == []


def test_overrides_are_checked_for_the_clients_that_a_sink_has() -> None:
    wrong = {"consumer.override.fetch.min.bytes": "many", "producer.override.acks": "some"}
    without, with_dead_letters = (
        [fault.key for fault in validate({**MINIMAL, **wrong, **more}).faults]
        for more in ({}, {"errors.deadletterqueue.topic.name": "dlq"})
    )
    assert without == ["consumer.override.fetch.min.bytes"]
    assert with_dead_letters == ["consumer.override.fetch.min.bytes", "producer.override.acks"]


def test_a_pattern_holds_for_whole_names() -> None:
    pattern = SinkConnectorConfig.parse({"name": "o", "connector.class": "x", "topics.regex": r"logs-\d+"}).pattern
    assert pattern is not None
    assert [name for name in ("logs-1", "logs-1x", "my-logs-1") if pattern.fullmatch(name)] == ["logs-1"]
    assert SinkConnectorConfig.parse(MINIMAL).pattern is None


def test_the_group_is_named_as_kafka_connect_names_it() -> None:
    assert group_of("out", {}) == "connect-out"
    assert group_of("out", {"consumer.override.group.id": "mine"}) == "mine"
    assert settings_of({})["group.id"] == "connect-c"
    assert settings_of({"group.id": "mine"})["group.id"] == "mine"


TOPICS = {"topics": "a,b"}


def test_a_sink_of_other_topics_is_another_member() -> None:
    here = worker()
    others = ({"topics": "a"}, {"topics.regex": "a|b"}, {"topics.regex": "a,b"}, {})
    names = {instance_id(here, config, "c", 0) for config in (TOPICS, *others)}
    assert len(names) == 5
    assert instance_id(here, {"topics": " b, a"}, "c", 0) == instance_id(here, TOPICS, "c", 0)


def test_each_task_has_a_static_name_of_its_own_that_stays_the_same() -> None:
    here, there = worker(offset_storage_file_filename="/a"), worker(offset_storage_file_filename="/b")
    assert instance_id(here, TOPICS, "c", 0) == instance_id(here, TOPICS, "c", 0)
    assert len({instance_id(here, TOPICS, "c", 0), instance_id(here, TOPICS, "c", 1), instance_id(there, TOPICS, "c", 0)}) == 3
    assert re.fullmatch(r"connect-c-0-[0-9a-f]{8}", instance_id(here, TOPICS, "c", 0))


def test_a_task_of_a_group_of_workers_has_the_same_instance_id_on_all_of_them_and_another_in_another_group():
    one, two, other = (
        WorkerConfig.parse({"group.id": group, "offset.storage.file.filename": file}).as_distributed()
        for group, file in (("g", "/here"), ("g", "/there"), ("h", "/here"))
    )

    assert instance_id(one, TOPICS, "c", 0) == instance_id(two, TOPICS, "c", 0)
    assert len({instance_id(one, TOPICS, "c", 0), instance_id(one, TOPICS, "c", 1), instance_id(other, TOPICS, "c", 0)}) == 3


def test_defaults_are_those_of_kafka_connect_where_they_change_what_is_read() -> None:
    properties = settings_of({})
    wanted = {
        "auto.offset.reset": "earliest",
        "isolation.level": "read_uncommitted",
        "enable.auto.commit": "false",
        "allow.auto.create.topics": "true",
        "client.id": "connector-consumer-c-0",
    }
    assert {key: properties[key] for key in wanted} == wanted


def test_what_is_fetched_ahead_is_bounded() -> None:
    properties = settings_of({})
    assert int(properties["queued.max.messages.kbytes"]) * 1024 + int(properties["fetch.max.bytes"]) <= 32 * 2**20


@pytest.mark.parametrize(
    ("settings", "properties"),
    [
        ({"fetch.max.wait.ms": "50"}, {"fetch.wait.max.ms": "50"}),
        ({"max.partition.fetch.bytes": "2097152"}, {"fetch.message.max.bytes": "2097152"}),
        ({"max.poll.records": "10"}, {"max.poll.records": "10"}),
        ({"auto.offset.reset": "none"}, {"auto.offset.reset": "error"}),
        ({"auto.offset.reset": "Latest"}, {"auto.offset.reset": "latest"}),
        ({"receive.buffer.bytes": "65536"}, {"socket.receive.buffer.bytes": "65536"}),
        (
            {"partition.assignment.strategy": "org.apache.kafka.clients.consumer.RangeAssignor"},
            {"partition.assignment.strategy": "range"},
        ),
        (
            {
                "partition.assignment.strategy": "org.apache.kafka.clients.consumer.RangeAssignor,"
                "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"
            },
            {"partition.assignment.strategy": "cooperative-sticky"},
        ),
        ({"group.protocol": "classic"}, {}),
        ({"key.deserializer": "x", "default.api.timeout.ms": "5"}, {}),
        ({"client.rack": "a", "session.timeout.ms": "9000"}, {"client.rack": "a", "session.timeout.ms": "9000"}),
    ],
)
def test_a_java_setting_becomes_librdkafkas(settings: dict[str, str], properties: dict[str, str]) -> None:
    before, after = settings_of({}), settings_of(settings)
    assert {**before, **properties} == after


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"enable.auto.commit": "true"}, "enable.auto.commit cannot be set: the runtime commits offsets"),
        ({"group.protocol": "consumer"}, "group.protocol cannot be set"),
        ({"auto.offset.reset": "by_duration:P1D"}, "String must be one of: earliest, latest, none"),
        ({"partition.assignment.strategy": "com.example.Mine"}, "Mine cannot be used here"),
        ({"linger.ms": "5"}, "linger.ms is no setting of a Kafka consumer"),
        ({"fetch.min.byte": "5"}, "did you mean fetch.min.bytes"),
        ({"fetch.min.bytes": "-1"}, "Value must be at least 0"),
        ({"plugin.library.paths": "/x"}, "a connector may not override plugin.library.paths"),
    ],
)
def test_a_setting_that_cannot_be_honoured_is_a_fault(settings: dict[str, str], problem: str) -> None:
    (fault,) = faults_of(settings)
    assert problem.lower() in fault.lower()


def test_the_workers_consumer_settings_are_below_the_connectors() -> None:
    assert settings_of({}, consumer_client_rack="w")["client.rack"] == "w"
    assert settings_of({"client.rack": "c"}, consumer_client_rack="w")["client.rack"] == "c"


def test_a_connector_that_reads_another_cluster_takes_no_password_there() -> None:
    of_worker = worker(sasl_password="secret")
    properties = consumer_settings(of_worker, {"consumer.override.bootstrap.servers": "evil:1"}, "c", 0).properties
    assert "sasl.password" not in properties
    assert consumer_settings(of_worker, {}, "c", 0).properties["sasl.password"] == "secret"


def test_bad_consumer_settings_of_the_worker_are_found_when_it_is_read() -> None:
    with pytest.raises(ConfigError, match=r"consumer\.fetch\.min\.bytes"):
        worker(consumer_fetch_min_bytes="many")


def test_a_consumer_without_servers_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"Missing required configuration \"bootstrap\.servers\""):
        consumer_properties(WorkerConfig.parse({}), {}, "c", 0)


def test_librdkafka_takes_the_properties() -> None:
    properties = consumer_properties(worker(), {"consumer.override.max.poll.records": "7"}, "c", 0)
    assert properties.pop("max.poll.records") == "7"
    FetchLoop({**properties, "bootstrap.servers": "127.0.0.1:1", "log_level": "0"}, StatusRegion(1).page(0)).close()
