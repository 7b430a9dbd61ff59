"""The Kafka clients of a connector's tasks: producer, consumer and admin client, each by librdkafka's properties.

A client's settings come, in the order of growing weight, from our defaults, the worker's security and `<client>.*` settings,
and the connector's `<client>.override.*`, as far as the worker's policy (override_policy.py) lets it. How Kafka's names become
librdkafka's is in client.py.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from fastconnect.config.client import ClientSettings, Setting, to_consumer, to_librdkafka
from fastconnect.config.override_policy import refusal
from fastconnect.config.worker import WorkerConfig, under
from fastconnect.errors import ConfigError, Fault

Client = Literal["producer", "consumer", "admin"]
_Properties = Mapping[str, str | None]

_PRODUCER_DEFAULTS = {
    "acks": "all",  # as Kafka Connect: a record counts as delivered when all in-sync replicas have it
    "enable.idempotence": "true",  # a retry inside librdkafka neither doubles nor reorders; Kafka Connect has it off
    "message.timeout.ms": "0",  # never give a record up: a lost one in the middle would be a hole that nobody sees
    "partitioner": "murmur2_random",  # the Java client's: the same key goes to the same partition from either
    # A record waits this long for company unless its batch is full before: as Kafka 4's own client. At full speed batches
    # fill before that, so a longer wait gains nothing there (measured with 2 to 50 ms).
    "linger.ms": "5",
    "batch.size": "1000000",  # what brokers take by default (message.max.bytes, 1 MiB) less their own overhead
    "batch.num.messages": "100000",  # librdkafka's 10,000 would end batches of small records long before batch.size
    # What may be in flight. More is slower on one machine (measured with 30,000 to 400,000): it no longer fits into caches.
    # A cluster that is far away may want more.
    "queue.buffering.max.messages": "100000",
    "queue.buffering.max.kbytes": "65536",
    "socket.keepalive.enable": "true",  # else a broker that vanished without a word is noticed after a minute
    # A fresh client makes its first connection after half of this (librdkafka spaces connections out so): 11 ms, not 50.
    "reconnect.backoff.ms": "20",
    "reconnect.backoff.max.ms": "1000",  # the broker's return is noticed within a second, not ten
    "enable.metrics.push": "false",  # the cluster's admins have not asked for it, and early versions could crash by it
}

_CONSUMER_DEFAULTS = {
    # As Kafka Connect and the Java client have them.
    "auto.offset.reset": "earliest",
    "isolation.level": "read_uncommitted",
    "allow.auto.create.topics": "true",
    "check.crcs": "true",
    "max.poll.interval.ms": "300000",
    # Offsets are committed by the runtime, when the sink has them.
    "enable.auto.commit": "false",
    "enable.auto.offset.store": "false",
    "heartbeat.interval.ms": "1000",  # how soon a member hears that the group changes; Kafka's 3,000 are felt at each start
    # Tasks that keep their partitions go on while others come or go.
    "partition.assignment.strategy": "cooperative-sticky",
    # What is fetched ahead: bounded in bytes, whatever the records' size and the number of partitions.
    "queued.min.messages": "10000000",
    "queued.max.messages.kbytes": "16384",
    "fetch.max.bytes": "8388608",
    "fetch.queue.backoff.ms": "5",  # how soon a full queue is looked at again; librdkafka's 1,000 leaves it empty for long
    "topic.metadata.refresh.interval.ms": "30000",  # how soon new partitions and new topics of a regex are seen
    "socket.keepalive.enable": "true",  # else a broker that vanished without a word is noticed after a minute
    "reconnect.backoff.ms": "20",
    "reconnect.backoff.max.ms": "1000",  # the broker's return is noticed within a second, not ten
    "enable.metrics.push": "false",  # the cluster's admins have not asked for it
}

_CONNECTION = ("bootstrap.servers", "security.protocol", "sasl.", "ssl.", "client.dns.lookup")
_ADMINS = ("client.id", *_CONNECTION, "socket.", "reconnect.", "retry.backoff.", "metadata.")
"""What of the settings an admin client may have; librdkafka warns of the others, which are for producers."""


def group_of(connector: str, config: _Properties) -> str:
    """The consumer group of a sink connector."""
    return (config.get("consumer.override.group.id") or "").strip() or f"connect-{connector}"


def instance_id(worker: WorkerConfig, config: _Properties, connector: str, task: int) -> str:
    """The name under which a task is known to its group, so that a restarted one has its partitions back at once.

    Two workers that run the same connector, as they may in standalone mode, must not have the same names, for then each would
    throw the other's tasks out of the group: so the machine and the worker's offset file are part of it. In a group of workers
    a task has one name wherever it runs: one that moves, or whose worker is lost, takes its partitions over without waiting for
    the end of a session.

    The topics are part of it too. A coordinator gives a static member that comes back what it had before, without asking what
    it subscribes to now: it would be given partitions of topics that it is no longer to read, and none of the new ones.
    """
    if worker.distributed:
        place = f"group {worker.originals.get('group.id', '')}"
    else:
        place = f"{os.uname().nodename} {worker.offset_storage_file_filename}"
    topics = ",".join(sorted({topic.strip() for topic in (config.get("topics") or "").split(",")}))
    mark = zlib.crc32(f"{place} {topics} {config.get('topics.regex') or ''}".encode())
    return f"connect-{connector}-{task}-{mark:08x}"


def producer_settings(worker: WorkerConfig, config: _Properties, connector: str, task: int) -> ClientSettings:
    """Find the librdkafka properties of a task's producer, and everything wrong with what the configs say about it."""
    defaults = {"client.id": f"connector-producer-{connector}-{task}", **_PRODUCER_DEFAULTS}
    return _settings("producer", worker, config, worker.producer_settings(), defaults, to_librdkafka)


def producer_properties(worker: WorkerConfig, config: _Properties, connector: str, task: int) -> dict[str, str]:
    """Return the librdkafka properties of a task's producer; they may hold passwords (`client.hide_secrets` before logging).

    Raises:
        ConfigError: with everything that is wrong with the settings, or if no servers are known.
    """
    return _usable("producer", producer_settings(worker, config, connector, task), connector)


def consumer_settings(worker: WorkerConfig, config: _Properties, connector: str, task: int) -> ClientSettings:
    """Find the librdkafka properties of a task's consumer, and everything wrong with what the configs say about it."""
    defaults = {
        "client.id": f"connector-consumer-{connector}-{task}",
        "group.id": f"connect-{connector}",
        "group.instance.id": instance_id(worker, config, connector, task),
        **_CONSUMER_DEFAULTS,
    }
    return _settings("consumer", worker, config, worker.consumer_settings(), defaults, to_consumer)


def consumer_properties(worker: WorkerConfig, config: _Properties, connector: str, task: int) -> dict[str, str]:
    """Return the librdkafka properties of a task's consumer, and `max.poll.records` where it was set; may hold passwords.

    Raises:
        ConfigError: with everything that is wrong with the settings, or if no servers are known.
    """
    return _usable("consumer", consumer_settings(worker, config, connector, task), connector)


def admin_settings(worker: WorkerConfig, config: _Properties, client_id: str) -> ClientSettings:
    """Find the librdkafka properties of the admin client that creates topics, and everything wrong with what is said about it.

    Where only the producers have servers of their own, topics are created there, since that is where the records go.
    """
    found = _settings("admin", worker, config, worker.admin_settings(), {"client.id": client_id}, to_librdkafka)
    properties = connection_properties(found.properties)
    if _own_servers("producer", worker, config) and not _own_servers("admin", worker, config):
        producer = producer_settings(worker, config, "any", 0).properties
        properties = {
            **{name: value for name, value in properties.items() if not name.startswith(_CONNECTION)},
            **{name: value for name, value in producer.items() if name.startswith(_CONNECTION)},
        }
    return ClientSettings(properties, found.faults, found.warnings)


def admin_properties(worker: WorkerConfig, config: _Properties, client_id: str) -> dict[str, str]:
    """Return the librdkafka properties of a task's admin client; they may hold passwords.

    Raises:
        ConfigError: with everything that is wrong with the settings.
    """
    found = admin_settings(worker, config, client_id)
    if found.faults:
        raise ConfigError("the admin client's settings are not usable", faults=found.faults)
    return found.properties


def connection_properties(properties: Mapping[str, str]) -> dict[str, str]:
    """Of a client's librdkafka properties those by which an admin client reaches the same cluster."""
    return {name: value for name, value in properties.items() if name.startswith(_ADMINS)}


def override_faults(client: Client, worker: WorkerConfig, config: _Properties) -> tuple[Iterable[Fault], Iterable[str]]:
    """Return the faults and warnings of a connector's own `<client>.override.*` settings."""
    if client == "admin":
        found = admin_settings(worker, config, "any")
    elif client == "consumer":
        found = consumer_settings(worker, config, "any", 0)
    else:
        found = producer_settings(worker, config, "any", 0)
    own = f"{client}.override."
    return (
        [fault for fault in found.faults if fault.key.startswith(own)],
        [warning for warning in found.warnings if warning.startswith(own)],
    )


def _settings(
    client: Client,
    worker: WorkerConfig,
    config: _Properties,
    settings: list[Setting],
    defaults: Mapping[str, str],
    translate: Callable[[Iterable[Setting], Mapping[str, str]], ClientSettings],
) -> ClientSettings:
    overrides: list[Setting] = []
    refused: list[Fault] = []
    for name, value in under(f"{client}.override.", config).items():
        key = f"{client}.override.{name}"
        why = refusal(name, worker.connector_client_config_override_policy, worker.connector_client_config_override_allowlist)
        if why:
            refused.append(Fault(key, why))
        else:
            overrides.append(Setting(key, name, value))
    if any(setting.name == "bootstrap.servers" for setting in overrides):
        # Another cluster: the worker's passwords are none of its business.
        settings = [setting for setting in settings if setting.key.startswith(f"{client}.")]
    found = translate([*settings, *overrides], defaults)
    return ClientSettings(found.properties, [*refused, *found.faults], found.warnings)


def _own_servers(client: Client, worker: WorkerConfig, config: _Properties) -> bool:
    return f"{client}.bootstrap.servers" in worker.originals or f"{client}.override.bootstrap.servers" in config


def _usable(client: Client, found: ClientSettings, connector: str) -> dict[str, str]:
    faults = list(found.faults)
    if not found.properties.get("bootstrap.servers"):
        faults.append(
            Fault("bootstrap.servers", 'Missing required configuration "bootstrap.servers" which has no default value.')
        )
    if faults:
        raise ConfigError(f"the {client}'s settings are not usable", faults=faults, where=f"connector {connector}")
    return found.properties
