"""The properties of the clients of a connector's tasks; those of sinks' consumers are in test_sink_connector.py."""

from __future__ import annotations

import pytest

from fastconnect.config.task_clients import (
    _PRODUCER_DEFAULTS,
    admin_properties,
    override_faults,
    producer_properties,
    producer_settings,
)
from fastconnect.config.worker import WorkerConfig
from fastconnect.errors import ConfigError


@pytest.fixture
def worker():
    return WorkerConfig.parse(
        {"bootstrap.servers": "k1:9092, k2:9092", "producer.linger.ms": "7", "producer.max.request.size": "5000"}
    )


def test_a_producer_has_our_defaults_then_the_workers_then_the_connectors_settings(worker):
    properties = producer_properties(worker, {"producer.override.max.request.size": "6000"}, "orders", 3)
    assert properties == {
        **_PRODUCER_DEFAULTS,
        "bootstrap.servers": "k1:9092,k2:9092",
        "client.id": "connector-producer-orders-3",
        "linger.ms": "7",
        "message.max.bytes": "6000",
    }


def test_the_defaults_that_keep_the_promises_are_not_for_tuning(worker):
    """No record is lost, doubled by a retry, or sent to another partition than the Java client would send it to."""
    properties = producer_properties(worker, {}, "orders", 0)
    promises = {"acks": "all", "enable.idempotence": "true", "message.timeout.ms": "0", "partitioner": "murmur2_random"}
    assert properties.items() >= promises.items()


def test_a_producer_without_servers_is_refused():
    with pytest.raises(ConfigError, match=r'connector orders: .*\n.*configuration "bootstrap\.servers" which'):
        producer_properties(WorkerConfig.parse({}), {}, "orders", 0)


def test_all_that_is_wrong_with_overrides_comes_at_once(worker):
    with pytest.raises(ConfigError) as refusal:
        producer_properties(
            worker,
            {
                "producer.override.linger.ms": "x",
                "producer.override.plugin.library.paths": "/x.so",
                "producer.override.akcs": "1",
            },
            "orders",
            0,
        )
    assert {fault.key: fault.message for fault in refusal.value.faults} == {
        "producer.override.plugin.library.paths": "a connector may not override plugin.library.paths: it loads code into the "
        "process (the worker's own config may set it)",
        "producer.override.linger.ms": "Invalid value x for configuration linger.ms: Not a number of type DOUBLE",
        "producer.override.akcs": "akcs is no setting of a Kafka producer; did you mean acks?",
    }


def test_a_connector_that_goes_to_another_cluster_takes_no_password_there():
    all_of_them = {"connector.client.config.override.policy": "All"}
    mine = {"bootstrap.servers": "k:1", "security.protocol": "SSL", "ssl.key.password": "hunter2"}
    worker = WorkerConfig.parse({**mine, **all_of_them})
    found = producer_settings(worker, {"producer.override.bootstrap.servers": "evil:1"}, "orders", 0)
    assert found.properties["bootstrap.servers"] == "evil:1"
    assert "hunter2" not in str(found)


def test_the_workers_policy_holds_for_a_connectors_overrides():
    worker = WorkerConfig.parse({"bootstrap.servers": "k:1", "connector.client.config.override.policy": "None"})
    (fault,) = producer_settings(worker, {"producer.override.acks": "all"}, "orders", 0).faults
    assert str(fault) == "producer.override.acks: the worker's override policy None does not let a connector set acks"


def admin(worker: dict[str, str], config: dict[str, str] | None = None) -> dict[str, str]:
    policy = {"connector.client.config.override.policy": "All"}
    return admin_properties(WorkerConfig.parse({"bootstrap.servers": "w:1", **policy, **worker}), config or {}, "me")


def test_the_workers_own_settings_count_then_admins_then_the_connectors():
    found = admin(
        {"security.protocol": "SASL_PLAINTEXT", "sasl.username": "w", "admin.sasl.username": "a", "admin.linger.ms": "7"},
        {"admin.override.client.id": "mine"},
    )
    assert found == {
        "bootstrap.servers": "w:1",
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.username": "a",
        "client.id": "mine",
    }


def test_topics_are_created_where_the_records_go():
    found = admin({"sasl.username": "w"}, {"producer.override.bootstrap.servers": "p:2"})
    assert (found["bootstrap.servers"], found.get("sasl.username")) == ("p:2", None)
    found = admin({"producer.bootstrap.servers": "p:2", "producer.sasl.username": "p", "sasl.username": "w"})
    assert (found["bootstrap.servers"], found["sasl.username"]) == ("p:2", "p")
    found = admin({"producer.bootstrap.servers": "p:2", "admin.bootstrap.servers": "a:3"})
    assert found["bootstrap.servers"] == "a:3"


def test_what_a_connector_may_not_override_is_a_fault():
    worker = WorkerConfig.parse({"connector.client.config.override.policy": "All"})
    config = {"admin.override.plugin.library.paths": "/tmp/x.so", "admin.override.client.id": "ok"}
    faults, _ = override_faults("admin", worker, config)
    assert [fault.key for fault in faults] == ["admin.override.plugin.library.paths"]
    with pytest.raises(ConfigError, match=r"plugin\.library\.paths"):
        admin_properties(worker, config, "me")


def test_an_admin_client_that_goes_to_another_cluster_takes_no_password_there():
    found = admin({"sasl.username": "w", "sasl.password": "hunter2"}, {"admin.override.bootstrap.servers": "evil:1"})
    assert found["bootstrap.servers"] == "evil:1"
    assert "hunter2" not in str(found)
