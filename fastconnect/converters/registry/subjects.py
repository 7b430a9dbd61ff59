"""Where in the registry a schema is kept: the subject, by one of Confluent's three naming strategies.

A subject's schemas are versions of one another, and the registry refuses one that is not compatible with those before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from fastconnect.errors import DataError

Strategy: TypeAlias = Callable[[str, bool, str | None], str]
"""Topic, whether it is of keys, and the record's full name (None if it has none) -> subject."""

_PACKAGE = "io.confluent.kafka.serializers.subject."


def topic_name(topic: str, is_key: bool, record: str | None) -> str:
    """One kind of record a topic: `orders-value`."""
    return f"{topic}-{'key' if is_key else 'value'}"


def record_name(topic: str, is_key: bool, record: str | None) -> str:
    """One history a record's name, in whatever topics: `com.example.Order`."""
    return _named(record, is_key, "RecordNameStrategy")


def topic_record_name(topic: str, is_key: bool, record: str | None) -> str:
    """Many kinds of record a topic, each with a history there: `orders-com.example.Order`."""
    return f"{topic}-{_named(record, is_key, 'TopicRecordNameStrategy')}"


STRATEGIES: dict[str, Strategy] = {
    "TopicNameStrategy": topic_name,
    "RecordNameStrategy": record_name,
    "TopicRecordNameStrategy": topic_record_name,
}


def strategy(name: str) -> Strategy | None:
    """Find a strategy by its Java class name, or by the last part of that; None if there is none."""
    return STRATEGIES.get(name.removeprefix(_PACKAGE))


def _named(record: str | None, is_key: bool, by: str) -> str:
    if not record:
        raise DataError(
            f"{by} names subjects after records, but this {'key' if is_key else 'value'} is no record with a name",
            hint="give its struct schema a name (the transform SetSchemaMetadata can), or use TopicNameStrategy",
        )
    return record
