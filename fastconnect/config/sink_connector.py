"""The configuration of a sink connector: the keys that the runtime reads, whatever the connector.

What all connectors have is in connector.py, the consumers of its tasks are in task_clients.py. The connector's own keys are in
its own Config class; `validation.py` looks at both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

from fastconnect.api.config import Check, Fault, Short, field
from fastconnect.api.java_regex import compile_java, fault_of_java_regex
from fastconnect.config.connector import ConnectorConfig, shown


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
