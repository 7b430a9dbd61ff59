from __future__ import annotations

import pytest

from fastconnect.config.distributed import DistributedConfig
from fastconnect.config.worker import WorkerConfig
from fastconnect.errors import ConfigError, StoreError
from fastconnect.herder.connections import _topics, kafka_connections

SETTINGS = {
    "bootstrap.servers": "127.0.0.1:1",
    "group.id": "g",
    "config.storage.topic": "configs",
    "offset.storage.topic": "offsets",
    "offset.storage.partitions": "7",
    "offset.storage.retention.ms": "5",
    "status.storage.topic": "statuses",
    "status.storage.replication.factor": "-1",
}


def of(**more: str) -> tuple[WorkerConfig, DistributedConfig]:
    worker = WorkerConfig.parse({**SETTINGS, **{key.replace("_", "."): value for key, value in more.items()}}).as_distributed()
    return worker, DistributedConfig.of(worker)


def test_the_three_topics_are_made_as_the_worker_file_says():
    configs, offsets, statuses = _topics(*of())

    assert (configs.name, configs.partitions, configs.replicas, configs.one_partition) == ("configs", 1, 3, True)
    assert (offsets.name, offsets.partitions, offsets.settings) == (
        "offsets",
        7,
        {"segment.bytes": "1048576", "retention.ms": "5"},
    )
    assert (statuses.name, statuses.partitions, statuses.replicas) == ("statuses", 5, -1)


def test_settings_by_which_no_member_can_connect_are_refused_before_anything_is_begun():
    with pytest.raises(ConfigError):
        kafka_connections(*of(security_protocol="SASL_PLAINTEXT", sasl_mechanism="OAUTHBEARER"), "http://here:1", lambda: None)


def test_without_a_broker_the_stores_say_so_and_can_be_tried_again():
    connections = kafka_connections(*of(), "http://here:1", lambda: None)
    connections.configs._start_timeout_ms = 200  # type: ignore[attr-defined]
    for _ in range(2):
        with pytest.raises(StoreError):
            connections.configs.start(None)  # type: ignore[arg-type]
    connections.configs.stop()
