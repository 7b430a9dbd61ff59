"""Which topics a sink task has read from: told once each, and again when the supervisor asks."""

from __future__ import annotations

from collections.abc import Iterable

from fastconnect.reports import TaskChannel


class TopicsUsed:
    """Tells the supervisor of each topic at its first record. Source: Kafka Connect's WorkerTask.recordActiveTopic."""

    def __init__(self, channel: TaskChannel) -> None:
        self._channel = channel
        self._told: set[str] = set()
        self._round = channel.page.topic_round

    def tell(self, topics: Iterable[str]) -> None:
        """Records of these topics were read."""
        now = self._channel.page.topic_round
        if now != self._round:
            self._round = now
            self._told.clear()
        for topic in topics:
            if topic not in self._told and self._channel.tell_topic(topic):
                self._told.add(topic)
