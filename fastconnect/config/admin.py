"""The settings of the admin clients with which tasks create topics.

As in Kafka Connect they are the worker's own, its `admin.*` and the connector's `admin.override.*`. Where only the producers
have servers of their own, topics are created there, since that is where the records go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fastconnect.config.client import ClientSettings, Setting, to_librdkafka
from fastconnect.config.connector import producer_settings
from fastconnect.config.override_policy import refusal
from fastconnect.config.worker import WorkerConfig, under
from fastconnect.errors import ConfigError, Fault

_CONNECTION = ("bootstrap.servers", "security.protocol", "sasl.", "ssl.", "client.dns.lookup")
_ADMINS = ("client.id", *_CONNECTION, "socket.", "reconnect.", "retry.backoff.", "metadata.")
"""What of the settings an admin client may have; librdkafka warns of the others, which are for producers."""


def connection_properties(properties: Mapping[str, str]) -> dict[str, str]:
    """Of a client's librdkafka properties those by which an admin client reaches the same cluster."""
    return {name: value for name, value in properties.items() if name.startswith(_ADMINS)}


def admin_settings(worker: WorkerConfig, config: Mapping[str, str | None], client_id: str) -> ClientSettings:
    """Find the librdkafka properties of a task's admin client, and everything wrong with what the configs say about it."""
    overrides: list[Setting] = []
    refused: list[Fault] = []
    for name, value in under("admin.override.", config).items():
        key = f"admin.override.{name}"
        why = refusal(name, worker.connector_client_config_override_policy, worker.connector_client_config_override_allowlist)
        if why:
            refused.append(Fault(key, why))
        else:
            overrides.append(Setting(key, name, value))
    settings = [*worker.admin_settings(), *overrides]
    servers = {setting.key for setting in settings if setting.name == "bootstrap.servers"}
    producers_have_own = "producer.bootstrap.servers" in worker.originals or "producer.override.bootstrap.servers" in config
    found = to_librdkafka(settings, {"client.id": client_id})
    properties = {name: value for name, value in found.properties.items() if name.startswith(_ADMINS)}
    if producers_have_own and not any(key.startswith("admin.") for key in servers):
        producer = producer_settings(worker, config, "any", 0).properties
        properties = {
            **{name: value for name, value in properties.items() if not name.startswith(_CONNECTION)},
            **{name: value for name, value in producer.items() if name.startswith(_CONNECTION)},
        }
    return ClientSettings(properties, [*refused, *found.faults], found.warnings)


def admin_properties(worker: WorkerConfig, config: Mapping[str, str | None], client_id: str) -> dict[str, str]:
    """Return the librdkafka properties of a task's admin client; they may hold passwords.

    Raises:
        ConfigError: with everything that is wrong with the settings.
    """
    found = admin_settings(worker, config, client_id)
    if found.faults:
        raise ConfigError("the admin client's settings are not usable", faults=found.faults)
    return found.properties


def admin_override_faults(worker: WorkerConfig, config: Mapping[str, str | None]) -> tuple[Iterable[Fault], Iterable[str]]:
    """Return the faults and warnings of a connector's own `admin.override.*` settings."""
    found = admin_settings(worker, config, "any")
    return (
        [fault for fault in found.faults if fault.key.startswith("admin.override.")],
        [warning for warning in found.warnings if warning.startswith("admin.override.")],
    )
