"""Counts upwards, one number a record. Copy this file to begin a connector of classes.

fastconnect run examples/counter_source.py --set topic=numbers --set last=100 --until-done
"""

from __future__ import annotations

from typing import Annotated

from fastconnect import END, Config, Meta, Polled, SourceConnector, SourceRecord, SourceTask, Topic

COUNTER = {"counter": 0}
"""The source partition: what is read, of which there is only one here."""


class CounterConfig(Config):
    """What can be set."""

    topic: Topic
    last: Annotated[int | None, Meta(ge=0, description="The last number; unset: it never ends.")] = None
    poll_size: Annotated[int, Meta(ge=1, description="Records in one poll.")] = 500


class CounterTask(SourceTask[CounterConfig]):
    """Hands over the numbers."""

    def start(self, config: CounterConfig) -> None:
        """Go on behind the last number that was delivered."""
        self.config = config
        self.next: int = self.context.source_offset(COUNTER, default={"next": 0})["next"]

    def poll(self) -> Polled:
        """Hand over the next numbers."""
        end = self.next + self.config.poll_size
        if self.config.last is not None:
            end = min(end, self.config.last + 1)
        if self.next >= end:
            return END
        numbers = range(self.next, end)
        self.next = end
        return [SourceRecord(self.config.topic, n, source_partition=COUNTER, source_offset={"next": n + 1}) for n in numbers]


class CounterSource(SourceConnector[CounterConfig]):
    """Counts upwards."""

    task_class = CounterTask
