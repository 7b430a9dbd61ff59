from __future__ import annotations

import pytest

from fastconnect.config.topic_creation import TopicCreation
from fastconnect.config.worker import WorkerConfig
from fastconnect.errors import ConfigError

WORKER = WorkerConfig.parse({})
DEFAULT = {"topic.creation.default.partitions": "3", "topic.creation.default.replication.factor": "-1"}


def creation(**keys: str) -> TopicCreation:
    config = {**DEFAULT, **{f"topic.creation.{key.replace('_', '.')}": value for key, value in keys.items()}}
    found = TopicCreation.of(WORKER, config)
    assert found is not None
    return found


def test_without_its_keys_or_where_the_worker_forbids_it_topics_are_left_to_the_broker():
    assert TopicCreation.of(WORKER, {"topic": "t"}) is None
    assert TopicCreation.of(WorkerConfig.parse({"topic.creation.enable": "false"}), DEFAULT) is None


def test_the_first_group_whose_include_matches_and_whose_exclude_does_not_counts():
    found = creation(
        groups="logs, all",
        logs_include="log-.*,audit",
        logs_exclude="log-secret.*",
        logs_partitions="12",
        logs_cleanup_policy="compact",
        all_include=".*",
        all_exclude="plain",
        all_retention_ms="1000",
    )
    logs = found.group_of("log-a")
    assert (logs.name, logs.partitions, logs.replication_factor, logs.settings) == (
        "logs",
        12,
        -1,
        {"cleanup.policy": "compact"},
    )
    assert found.group_of("audit").name == "logs"
    assert found.group_of("my-log-a").name == "all", "a pattern matches the whole name"
    assert found.group_of("log-secret-1").name == "all"
    assert (found.group_of("x").partitions, found.group_of("x").settings) == (3, {"retention.ms": "1000"})
    assert found.group_of("plain").name == "default"


def test_all_that_is_wrong_is_said_at_once_in_kafka_connects_words():
    config = {
        "topic.creation.groups": "a,b",
        "topic.creation.default.partitions": "0",
        "topic.creation.a.include": "(",
        "topic.creation.a.replication.factor": "many",
    }
    with pytest.raises(ConfigError) as caught:
        TopicCreation.of(WORKER, config)
    assert [fault.key for fault in caught.value.faults] == [
        "topic.creation.default.partitions",
        "topic.creation.default.replication.factor",
        "topic.creation.a.replication.factor",
        "topic.creation.a.include",
        "topic.creation.b.include",
    ]
    messages = [fault.message for fault in caught.value.faults]
    assert messages[0] == (
        "Invalid value 0 for configuration topic.creation.default.partitions: "
        "Number of partitions must be positive, or -1 to use the broker's default"
    )
    assert messages[2].endswith("Not a number of type SHORT")
    assert messages[3].startswith("Invalid value ( for configuration topic.creation.a.include: ")
    assert messages[4] == 'Missing required configuration "topic.creation.b.include" which has no default value.'
