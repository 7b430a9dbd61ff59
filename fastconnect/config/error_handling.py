"""The keys of a connector's config that say what happens to bad records.

Sinks have them all in Kafka Connect; that sources may have a dead letter topic too is fastconnect's own. How they are shown is
in connector.py and sink_connector.py; what they do is in task/tolerance.py and task/dead_letters.py.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastconnect.api.config import Config, Long, Meta

DEAD_LETTERS = "errors.deadletterqueue."


class ErrorSettings(Config):
    """The keys of a connector's config that say what happens to bad records; for sources and sinks alike."""

    errors_retry_timeout: Long = 0
    errors_retry_delay_max_ms: Long = 60_000
    errors_tolerance: Literal["none", "all"] = "none"
    errors_log_enable: bool = False
    errors_log_include_messages: bool = False
    errors_deadletterqueue_topic_name: str = ""
    errors_deadletterqueue_topic_replication_factor: Annotated[int, Meta(ge=-1)] = 3
    errors_deadletterqueue_context_headers_enable: bool = False

    @property
    def untouched(self) -> bool:
        """Whether a bad record just fails the task, unreported: nothing need be known before its first use."""
        return (
            self.errors_tolerance == "none"
            and self.errors_retry_timeout == 0
            and not self.errors_log_enable
            and not self.errors_deadletterqueue_topic_name
        )
