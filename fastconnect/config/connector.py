"""The configuration of a connector: the keys that the runtime reads, whatever the connector; and its tasks' producers.

What only sinks have is in sink_connector.py. The connector's own keys are in its own Config class; `validation.py` looks at
both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from fastconnect.api.config import Check, ClassName, Config, Fault, Long, Meta, field
from fastconnect.config.client import ClientSettings, Setting, to_librdkafka
from fastconnect.config.error_handling import DEAD_LETTERS
from fastconnect.config.override_policy import refusal
from fastconnect.config.worker import CONVERTER_KEYS, ConverterKind, WorkerConfig, under
from fastconnect.errors import ConfigError


def shown(how: str, description: str, **more: Any) -> Meta:
    """Say how a user interface shows a key (group, order, width, importance, name: as Kafka Connect) and what it is for."""
    group, order, width, importance, display_name = how.split(", ")
    looks = {"group": group, "order": int(order), "width": width, "importance": importance, "display_name": display_name}
    return Meta(description=description, extra_json_schema={**looks, **more})


def _bad_name(name: str) -> str | None:
    """Source: Kafka's ConfigDef.NonEmptyStringWithoutControlChars."""
    codes = [str(ord(char)) for char in name if ord(char) < 0x20 or ord(char) == 0x7F]
    if codes:
        return f"String may not contain control sequences but had the following ASCII chars: {', '.join(codes)}"
    return None if name else "String may not be empty"


def _twice(aliases: list[str]) -> str | None:
    return "Duplicate alias provided." if len(set(aliases)) < len(aliases) else None


class ConnectorConfig(Config):
    """What the runtime reads of any connector's configuration."""

    name: Annotated[
        str,
        shown(
            "Common, 1, MEDIUM, HIGH, Connector name",
            "The connector's name: no two connectors of a worker may have the same. Offsets belong to it.",
        ),
        Check(_bad_name),
    ]
    connector_class: Annotated[
        str,
        shown(
            "Common, 2, LONG, HIGH, Connector class",
            "Which connector to run: its full class name, or the last part of it, with or without `Connector`.",
        ),
    ]
    connector_plugin_version: Annotated[
        str | None,
        shown(
            "Common, 3, MEDIUM, MEDIUM, Connector version",
            "Which version of it: nothing or `latest` for the installed one, `1.2.3`, or a range such as [1.0,2.0).",
        ),
    ] = None
    tasks_max: Annotated[
        int,
        Meta(ge=1),
        shown("Common, 4, SHORT, HIGH, Tasks max", "How many tasks the connector may divide its work among."),
    ] = 1
    tasks_max_enforce: Annotated[
        bool,
        shown(
            "Common, 5, SHORT, LOW, Enforce tasks max",
            "Whether a connector that wants more tasks than tasks.max fails. Deprecated in Kafka Connect.",
        ),
    ] = True
    key_converter: Annotated[
        ClassName | None,
        shown(
            "Common, 6, SHORT, LOW, Key converter class",
            "Makes the bytes of keys; the worker's if not set. Settings below `key.converter.` count only with it.",
        ),
    ] = None
    key_converter_plugin_version: Annotated[
        str | None, shown("Common, 7, SHORT, LOW, Key converter version", "Which version of the key converter.")
    ] = None
    value_converter: Annotated[
        ClassName | None,
        shown(
            "Common, 8, SHORT, LOW, Value converter class",
            "Makes the bytes of values; the worker's if not set. Settings below `value.converter.` count only with it.",
        ),
    ] = None
    value_converter_plugin_version: Annotated[
        str | None, shown("Common, 9, SHORT, LOW, Value converter version", "Which version of the value converter.")
    ] = None
    header_converter: Annotated[
        ClassName | None,
        shown("Common, 10, SHORT, LOW, Header converter class", "Makes the bytes of header values; the worker's if not set."),
    ] = None
    header_converter_plugin_version: Annotated[
        str | None, shown("Common, 11, SHORT, LOW, Header converter version", "Which version of the header converter.")
    ] = None
    transforms: Annotated[
        list[str],
        shown(
            "Transforms, 12, LONG, LOW, Transforms",
            "Names for the transforms that records pass through, in this order; each has its keys below `transforms.<name>.`.",
        ),
        Check(_twice),
    ] = field(default_factory=list)
    predicates: Annotated[
        list[str],
        shown(
            "Predicates, 13, LONG, LOW, Predicates",
            "Names for the predicates that transforms may ask; each has its keys below `predicates.<name>.`.",
        ),
        Check(_twice),
    ] = field(default_factory=list)
    config_action_reload: Annotated[
        Literal["none", "restart"],
        shown(
            "Common, 14, MEDIUM, LOW, Reload Action",
            "What happens when a value that came from a config provider expires: `restart` the connector, or `none`.",
        ),
    ] = "restart"
    errors_retry_timeout: Annotated[
        Long,
        shown(
            "Error Handling, 1, MEDIUM, MEDIUM, Retry Timeout for Errors",
            "For how many milliseconds a failed conversion or transform is tried again; 0: not at all, -1: for ever.",
        ),
    ] = 0
    errors_retry_delay_max_ms: Annotated[
        Long,
        shown(
            "Error Handling, 2, MEDIUM, MEDIUM, Maximum Delay Between Retries for Errors",
            "The longest wait between two such tries, in milliseconds; from there on the waits vary at random.",
        ),
    ] = 60_000
    errors_tolerance: Annotated[
        Literal["none", "all"],
        shown(
            "Error Handling, 3, SHORT, MEDIUM, Error Tolerance",
            "What a record does that cannot be converted or transformed: it fails the task (`none`) or is skipped (`all`).",
        ),
    ] = "none"
    errors_log_enable: Annotated[
        bool,
        shown("Error Handling, 4, SHORT, MEDIUM, Log Errors", "Whether each such error is logged, also where it is tolerated."),
    ] = False
    errors_log_include_messages: Annotated[
        bool,
        shown(
            "Error Handling, 5, SHORT, MEDIUM, Log Error Details",
            "Whether the log of an error holds the record too, which may be private.",
        ),
    ] = False


class SourceConnectorConfig(ConnectorConfig):
    """What the runtime reads of any source connector's configuration."""

    topic_creation_groups: Annotated[
        list[str],
        shown(
            "Topic Creation, 1, LONG, LOW, Topic Creation Groups",
            "Names for groups of topics, each with settings of its own for topics that have to be created.",
        ),
        Check(_twice),
    ] = field(default_factory=list)
    exactly_once_support: Annotated[
        Literal["required", "requested"],
        shown(
            "Exactly Once Support, 2, SHORT, MEDIUM, Exactly once support",
            "`required`: refuse the connector if it cannot promise each record exactly once; `requested`: run it anyway.",
            ignore_case=True,
        ),
    ] = "requested"
    transaction_boundary: Annotated[
        Literal["interval", "poll", "connector"],
        shown(
            "Exactly Once Support, 3, SHORT, MEDIUM, Transaction Boundary",
            "Where exactly-once transactions end: after every `poll`, after an `interval`, or where the `connector` says.",
            ignore_case=True,
        ),
    ] = "poll"
    transaction_boundary_interval_ms: Annotated[
        Long | None,
        shown(
            "Exactly Once Support, 4, SHORT, LOW, Transaction boundary interval",
            "The length of a transaction where transaction.boundary is `interval`; by default the time between two flushes.",
        ),
    ] = None
    offsets_storage_topic: Annotated[
        str | None,
        shown(
            "offsets.topic, 1, LONG, LOW, Offsets topic",
            "A topic for this connector's own offsets; of no effect in standalone mode.",
        ),
    ] = None


FREE_PREFIXES = (
    "transforms.",
    "predicates.",
    "topic.creation.",
    DEAD_LETTERS,
    "producer.override.",
    "consumer.override.",
    "admin.override.",
    *(f"{key}." for key in CONVERTER_KEYS.values()),
)
"""Under these, keys are named by their user or by another plugin."""


def converter(worker: WorkerConfig, config: Mapping[str, str | None], kind: ConverterKind) -> tuple[str, dict[str, str]]:
    """Return the class name and the settings of the converter that a connector's records pass through.

    Its own, with its own settings only, if its config names one; else the worker's. Source: Kafka Connect's Worker.
    """
    key = CONVERTER_KEYS[kind]
    named = config.get(key)
    if not named or not named.strip():
        return worker.converter(kind)
    return named.strip(), under(f"{key}.", config)


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


def producer_settings(worker: WorkerConfig, config: Mapping[str, str | None], connector: str, task: int) -> ClientSettings:
    """Find the librdkafka properties of a task's producer, and everything wrong with what the configs say about it.

    In the order of growing weight: our defaults, the worker's security and `producer.*` settings, `producer.override.*`.
    """
    overrides: list[Setting] = []
    refused: list[Fault] = []
    for name, value in under("producer.override.", config).items():
        key = f"producer.override.{name}"
        why = refusal(name, worker.connector_client_config_override_policy, worker.connector_client_config_override_allowlist)
        if why:
            refused.append(Fault(key, why))
        else:
            overrides.append(Setting(key, name, value))
    defaults = {"client.id": f"connector-producer-{connector}-{task}", **_PRODUCER_DEFAULTS}
    settings = worker.producer_settings()
    if any(setting.name == "bootstrap.servers" for setting in overrides):
        # Another cluster: the worker's passwords are none of its business.
        settings = [setting for setting in settings if setting.key.startswith("producer.")]
    found = to_librdkafka([*settings, *overrides], defaults)
    return ClientSettings(found.properties, [*refused, *found.faults], found.warnings)


def client_properties(
    worker: WorkerConfig, connector_config: Mapping[str, str | None], connector_name: str, task: int
) -> dict[str, str]:
    """Return the librdkafka properties of a task's producer; they may hold passwords (`client.hide_secrets` before logging).

    Raises:
        ConfigError: with everything that is wrong with the settings, or if no servers are known.
    """
    found = producer_settings(worker, connector_config, connector_name, task)
    faults = list(found.faults)
    if not found.properties.get("bootstrap.servers"):
        faults.append(
            Fault("bootstrap.servers", 'Missing required configuration "bootstrap.servers" which has no default value.')
        )
    if faults:
        raise ConfigError("the producer's settings are not usable", faults=faults, where=f"connector {connector_name}")
    return found.properties


def override_faults(worker: WorkerConfig, config: Mapping[str, str | None]) -> tuple[Iterable[Fault], Iterable[str]]:
    """Return the faults and warnings of a connector's own `producer.override.*` settings."""
    found = producer_settings(worker, config, "any", 0)
    return (
        [fault for fault in found.faults if fault.key.startswith("producer.override.")],
        [warning for warning in found.warnings if warning.startswith("producer.override.")],
    )
