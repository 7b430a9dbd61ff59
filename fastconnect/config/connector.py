"""The configuration of a connector: the keys that the runtime reads, whatever the connector.

What only sinks have is in sink_connector.py, the Kafka clients of its tasks are in task_clients.py. The connector's own keys
are in its own Config class; `validation.py` looks at both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastconnect.api.config import Check, ClassName, Config, Long, Meta, field
from fastconnect.config.error_handling import DEAD_LETTERS
from fastconnect.config.worker import CONVERTER_KEYS, ConverterKind, WorkerConfig, under


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
