"""The configuration of a sink connector: the keys that the runtime reads, whatever the connector; and its tasks' consumers.

What all connectors have is in connector.py. The connector's own keys are in its own Config class; `validation.py` looks at
both.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterable, Mapping
from typing import Annotated

from fastconnect.api.config import Check, Fault, Short, field
from fastconnect.api.java_regex import compile_java, fault_of_java_regex
from fastconnect.config.client import ClientSettings, Setting, to_consumer
from fastconnect.config.connector import ConnectorConfig, shown
from fastconnect.config.override_policy import refusal
from fastconnect.config.worker import WorkerConfig, under
from fastconnect.errors import ConfigError


class SinkConnectorConfig(ConnectorConfig):
    """What the runtime reads of any sink connector's configuration."""

    topics: Annotated[
        list[str], shown("Common, 4, LONG, HIGH, Topics", "The topics to read, separated by commas; or set topics.regex.")
    ] = field(default_factory=list)
    topics_regex: Annotated[
        str,
        shown(
            "Common, 4, LONG, HIGH, Topics regex",
            "A regular expression: topics whose whole name matches are read, also those that come later; or set topics.",
        ),
        Check(fault_of_java_regex),
    ] = ""
    errors_deadletterqueue_topic_name: Annotated[
        str,
        shown(
            "Error Handling, 6, MEDIUM, MEDIUM, Dead Letter Queue Topic Name",
            "The topic that gets the records which could not be converted, transformed or put; empty: none.",
        ),
    ] = ""
    errors_deadletterqueue_topic_replication_factor: Annotated[
        Short,
        shown(
            "Error Handling, 7, MEDIUM, MEDIUM, Dead Letter Queue Topic Replication Factor",
            "The replication factor of that topic where it has to be created.",
        ),
    ] = 3
    errors_deadletterqueue_context_headers_enable: Annotated[
        bool,
        shown(
            "Error Handling, 8, MEDIUM, MEDIUM, Enable Error Context Headers",
            "Whether such a record gets headers that say where it is from and what was wrong with it.",
        ),
    ] = False

    def check(self) -> Iterable[Fault]:
        """Exactly one of topics and topics.regex, and no dead letter topic among them; in Kafka Connect's words."""
        if not self.topics and not self.topics_regex:
            why = "Must configure one of topics or topics.regex"
        elif self.topics and self.topics_regex:
            why = "topics and topics.regex are mutually exclusive options, but both are set."
        else:
            yield from self._dead_letters_among_topics()
            return
        yield Fault("topics", why)
        yield Fault("topics.regex", why)

    def _dead_letters_among_topics(self) -> Iterable[Fault]:
        dead = self.errors_deadletterqueue_topic_name.strip()
        if not dead:
            return
        if dead in self.topics:
            listed = ", ".join(self.topics)
            yield Fault(
                "topics",
                f"The DLQ topic '{dead}' may not be included in the list of topics ('topics=[{listed}]') consumed by the "
                "connector",
            )
        elif self.topics_regex and compile_java(self.topics_regex).fullmatch(dead):
            yield Fault(
                "topics.regex",
                f"The DLQ topic '{dead}' may not be matched by the regex for the topics ('topics.regex={self.topics_regex}') "
                "consumed by the connector",
            )

    @property
    def pattern(self) -> re.Pattern[str] | None:
        """The pattern of topics.regex, to be held against whole names; None where topics are listed."""
        return compile_java(self.topics_regex) if self.topics_regex else None


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


def group_of(connector: str, config: Mapping[str, str | None]) -> str:
    """The consumer group of a sink connector."""
    return (config.get("consumer.override.group.id") or "").strip() or f"connect-{connector}"


def instance_id(worker: WorkerConfig, config: Mapping[str, str | None], connector: str, task: int) -> str:
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


def consumer_settings(worker: WorkerConfig, config: Mapping[str, str | None], connector: str, task: int) -> ClientSettings:
    """Find the librdkafka properties of a task's consumer, and everything wrong with what the configs say about it.

    In the order of growing weight: our defaults, the worker's security and `consumer.*` settings, `consumer.override.*`.
    """
    overrides: list[Setting] = []
    refused: list[Fault] = []
    for name, value in under("consumer.override.", config).items():
        key = f"consumer.override.{name}"
        why = refusal(name, worker.connector_client_config_override_policy, worker.connector_client_config_override_allowlist)
        if why:
            refused.append(Fault(key, why))
        else:
            overrides.append(Setting(key, name, value))
    defaults = {
        "client.id": f"connector-consumer-{connector}-{task}",
        "group.id": f"connect-{connector}",
        "group.instance.id": instance_id(worker, config, connector, task),
        **_CONSUMER_DEFAULTS,
    }
    settings = worker.consumer_settings()
    if any(setting.name == "bootstrap.servers" for setting in overrides):
        # Another cluster: the worker's passwords are none of its business.
        settings = [setting for setting in settings if setting.key.startswith("consumer.")]
    found = to_consumer([*settings, *overrides], defaults)
    return ClientSettings(found.properties, [*refused, *found.faults], found.warnings)


def consumer_properties(worker: WorkerConfig, config: Mapping[str, str | None], connector: str, task: int) -> dict[str, str]:
    """Return the librdkafka properties of a task's consumer, and `max.poll.records` where it was set; may hold passwords.

    Raises:
        ConfigError: with everything that is wrong with the settings, or if no servers are known.
    """
    found = consumer_settings(worker, config, connector, task)
    faults = list(found.faults)
    if not found.properties.get("bootstrap.servers"):
        faults.append(
            Fault("bootstrap.servers", 'Missing required configuration "bootstrap.servers" which has no default value.')
        )
    if faults:
        raise ConfigError("the consumer's settings are not usable", faults=faults, where=f"connector {connector}")
    return found.properties


def consumer_override_faults(worker: WorkerConfig, config: Mapping[str, str | None]) -> tuple[Iterable[Fault], Iterable[str]]:
    """Return the faults and warnings of a connector's own `consumer.override.*` settings."""
    found = consumer_settings(worker, config, "any", 0)
    return (
        [fault for fault in found.faults if fault.key.startswith("consumer.override.")],
        [warning for warning in found.warnings if warning.startswith("consumer.override.")],
    )
