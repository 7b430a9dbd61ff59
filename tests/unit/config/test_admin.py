from __future__ import annotations

import pytest

from fastconnect.config.admin import admin_override_faults, admin_properties
from fastconnect.config.worker import WorkerConfig
from fastconnect.errors import ConfigError


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
    faults, _ = admin_override_faults(worker, config)
    assert [fault.key for fault in faults] == ["admin.override.plugin.library.paths"]
    with pytest.raises(ConfigError, match=r"plugin\.library\.paths"):
        admin_properties(worker, config, "me")
