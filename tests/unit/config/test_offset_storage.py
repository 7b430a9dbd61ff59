"""Which store the configs ask for, and by which clients."""

from __future__ import annotations

from fastconnect.config.offset_storage import OffsetStorage
from fastconnect.config.worker import WorkerConfig

GROUP = {
    "bootstrap.servers": "here:9092",
    "group.id": "workers",
    "config.storage.topic": "configs",
    "offset.storage.topic": "offsets",
    "status.storage.topic": "status",
    "offset.storage.partitions": "7",
    "offset.storage.segment.ms": "1000",
    "security.protocol": "SASL_SSL",
    "sasl.mechanism": "PLAIN",
    "sasl.jaas.config": 'org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="p";',
    "offset.storage.file.filename": "/x/offsets",
    "offset.flush.timeout.ms": "1234",
}


def of(config: dict[str, str | None] | None = None, **changes: str) -> OffsetStorage:
    worker = WorkerConfig.parse({**GROUP, **{key.replace("_", "."): value for key, value in changes.items()}})
    return OffsetStorage.of(worker.as_distributed(), config, client_id="task")


def test_a_standalone_worker_has_a_file_whatever_a_connector_says() -> None:
    storage = OffsetStorage.of(WorkerConfig.parse(GROUP), {"offsets.storage.topic": "own"})
    assert (storage.topic, storage.own_topic, storage.file) == (None, None, "/x/offsets")


def test_a_member_of_a_group_has_its_topic_by_the_workers_own_client() -> None:
    storage = of({"name": "c"})
    assert (storage.topic, storage.own_topic, storage.write_timeout_ms) == ("offsets", None, 1234)
    assert storage.client["bootstrap.servers"] == "here:9092"
    assert storage.client["group.id"] == "workers"
    assert (storage.client["sasl.username"], storage.client["sasl.password"]) == ("u", "p")
    assert storage.client["client.id"] == "task-offsets"


def test_a_connectors_own_topic_is_made_like_the_workers_on_the_cluster_of_its_producer() -> None:
    config = {"name": "c", "offsets.storage.topic": "own", "producer.override.bootstrap.servers": "there:9092"}
    storage = of(config, connector_client_config_override_policy="All")
    assert (storage.topic, storage.own_topic) == ("offsets", "own")
    assert storage.own_client["bootstrap.servers"] == "there:9092"
    assert "sasl.password" not in storage.own_client  # the worker's password is none of that cluster's business
    assert (storage.own_partitions, storage.own_replicas, storage.own_settings) == (
        7,
        3,
        {"segment.bytes": "1048576", "segment.ms": "1000"},
    )


def test_the_workers_topic_named_as_a_connectors_own_is_one_topic() -> None:
    assert of({"offsets.storage.topic": "offsets"}).own_topic is None
