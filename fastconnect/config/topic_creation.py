"""How a source's missing topics are created: the keys `topic.creation.*` of its config.

A group has patterns (`include`, `exclude`: regular expressions that match whole names) and what topics of such names are to be:
partitions, replication factor, and any setting a topic has. The first group of `topic.creation.groups` whose patterns match a
name counts; `default`, which matches all, is the last.

Source: Kafka Connect's SourceConnectorConfig and TopicCreationConfig (KIP-158).
"""

from __future__ import annotations

from collections.abc import Mapping
from re import Pattern

import msgspec

from fastconnect.api.java_regex import compile_java, fault_of_java_regex
from fastconnect.config.worker import WorkerConfig, under
from fastconnect.errors import ConfigError, Fault

PREFIX = "topic.creation."
DEFAULT = "default"

_OWN = ("include", "exclude", "partitions", "replication.factor")
_WHY_PARTITIONS = "Number of partitions must be positive, or -1 to use the broker's default"
_WHY_REPLICAS = (
    "Replication factor must be positive and not larger than the number of brokers in the Kafka cluster, "
    "or -1 to use the broker's default"
)


class Group(msgspec.Struct, frozen=True):
    """What topics of some names are to be; -1 stands for the broker's default."""

    name: str
    partitions: int
    replication_factor: int
    settings: dict[str, str]
    include: tuple[Pattern[str], ...] = ()
    exclude: tuple[Pattern[str], ...] = ()

    def matches(self, topic: str) -> bool:
        """Whether this is a topic of the group."""
        return any(each.fullmatch(topic) for each in self.include) and not any(each.fullmatch(topic) for each in self.exclude)


class TopicCreation:
    """The groups of a connector."""

    def __init__(self, groups: list[Group], default: Group) -> None:
        self.groups = groups
        self.default = default

    @classmethod
    def of(cls, worker: WorkerConfig, config: Mapping[str, str | None]) -> TopicCreation | None:
        """Read a connector's keys; None where it has none, or the worker's topic.creation.enable is false.

        Raises:
            ConfigError: with everything that is wrong with them.
        """
        keys = under(PREFIX, config)
        if not keys or not worker.topic_creation_enable:
            return None
        faults: list[Fault] = []
        default = _group(DEFAULT, keys, None, faults)
        names = [name for part in keys.get("groups", "").split(",") if (name := part.strip())]
        groups = [_group(name, keys, default, faults) for name in dict.fromkeys(names) if name != DEFAULT]
        if faults:
            raise ConfigError("missing topics cannot be created", faults=faults)
        return cls(groups, default)

    def group_of(self, topic: str) -> Group:
        """The group that says how this topic is to be created."""
        return next((group for group in self.groups if group.matches(topic)), self.default)


def _group(name: str, keys: Mapping[str, str], default: Group | None, faults: list[Fault]) -> Group:
    own = under(f"{name}.", keys)
    settings = {key: value.strip() for key, value in own.items() if key not in _OWN}
    return Group(
        name,
        _number(name, "partitions", own, None if default is None else default.partitions, _WHY_PARTITIONS, "INT", faults),
        _number(
            name,
            "replication.factor",
            own,
            None if default is None else default.replication_factor,
            _WHY_REPLICAS,
            "SHORT",
            faults,
        ),
        settings,
        _patterns(name, "include", own, default is not None, faults),
        _patterns(name, "exclude", own, False, faults),
    )


def _number(group: str, key: str, own: Mapping[str, str], default: int | None, why: str, kind: str, faults: list[Fault]) -> int:
    full = f"{PREFIX}{group}.{key}"
    text = own.get(key)
    if text is None:
        if default is None:
            faults.append(Fault(full, f'Missing required configuration "{full}" which has no default value.'))
        return -1 if default is None else default
    try:
        number = int(text.strip())
    except ValueError:
        faults.append(Fault(full, f"Invalid value {text} for configuration {full}: Not a number of type {kind}"))
        return -1
    if number != -1 and not 1 <= number < (2**31 if kind == "INT" else 2**15):
        faults.append(Fault(full, f"Invalid value {number} for configuration {full}: {why}"))
    return number


def _patterns(group: str, key: str, own: Mapping[str, str], required: bool, faults: list[Fault]) -> tuple[Pattern[str], ...]:
    full = f"{PREFIX}{group}.{key}"
    texts = [text for part in own.get(key, "").split(",") if (text := part.strip())]
    if required and key not in own:
        faults.append(Fault(full, f'Missing required configuration "{full}" which has no default value.'))
    patterns: list[Pattern[str]] = []
    for text in texts:
        why = fault_of_java_regex(text)
        if why is not None:
            faults.append(Fault(full, f"Invalid value {text} for configuration {full}: {why}"))
        else:
            patterns.append(compile_java(text))
    return tuple(patterns)
