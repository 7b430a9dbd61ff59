"""TopicNameMatches: holds for records of topics whose whole name matches. Source: Kafka Connect's TopicNameMatches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastconnect.api.config import Check, Config, Meta
from fastconnect.api.java_regex import compile_java, fault_of_java_regex
from fastconnect.api.transform import Predicate, Records


class TopicNameMatchesConfig(Config):
    """Which topics."""

    pattern: Annotated[
        str,
        Check(lambda pattern: None if pattern else "String must be non-empty"),
        Check(fault_of_java_regex),
        Meta(
            description="The regular expression (Java's) that the whole name of a topic must match.",
            extra_json_schema={"importance": "MEDIUM"},
        ),
    ]


class TopicNameMatches(Predicate[TopicNameMatchesConfig]):
    """Whether the name of a record's topic matches."""

    def configure(self, configs: Mapping[str, str | None]) -> None:
        """Take the settings and check them."""
        super().configure(configs)
        self._regex = compile_java(self.config.pattern)

    def test_batch(self, records: Records) -> Sequence[bool]:
        """Whether it holds, for each of many records."""
        if isinstance(records.topics, str):
            return [self._regex.fullmatch(records.topics) is not None] * len(records)
        matching = {topic for topic in set(records.topics) if self._regex.fullmatch(topic)}
        return [topic in matching for topic in records.topics]
