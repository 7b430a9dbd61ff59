"""RegexRouter: records of topics that match a regular expression go to another topic, made of parts of the first.

Source: Kafka Connect's RegexRouter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

from fastconnect.api.config import Check, Config, Fault, Meta
from fastconnect.api.java_regex import compile_java, fault_of_java_regex, java_replacement
from fastconnect.api.transform import Records, Transform


class RegexRouterConfig(Config):
    """Which topics become which."""

    regex: Annotated[
        str,
        Check(fault_of_java_regex),
        Meta(description="The regular expression (Java's) that the whole name of a topic must match."),
    ]
    replacement: Annotated[
        str, Meta(description="The name of the new topic; `$1` and `${name}` stand for groups of the regular expression.")
    ]

    def check(self) -> Iterable[Fault]:
        """The replacement may only name groups that there are."""
        try:
            java_replacement(compile_java(self.regex), self.replacement)
        except ValueError as error:
            yield Fault("replacement", f"Invalid value {self.replacement} for configuration replacement: {error}")


class RegexRouter(Transform[RegexRouterConfig]):
    """Gives records another topic."""

    def configure(self, configs: Mapping[str, str | None]) -> None:
        """Take the settings and check them."""
        super().configure(configs)
        self._regex = compile_java(self.config.regex)
        self._replacement = java_replacement(self._regex, self.config.replacement)

    def apply_batch(self, records: Records) -> Records:
        """Return the records with their new topics."""
        if isinstance(records.topics, str):
            return records.replace(topics=self._routed(records.topics))
        routed = {topic: self._routed(topic) for topic in set(records.topics)}
        return records.replace(topics=[routed[topic] for topic in records.topics])

    def _routed(self, topic: str) -> str:
        # What is replaced is the first match in the name, which may be less than all of it, though all of it matches.
        return self._regex.sub(self._replacement, topic, count=1) if self._regex.fullmatch(topic) else topic
