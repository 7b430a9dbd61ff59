"""A sink task's membership in its consumer group: what it subscribes to, where it begins in a partition, how it leaves."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from fastconnect._core import FetchLoop, StatusPage
from fastconnect.api.sink_records import TopicPartition
from fastconnect.errors import RetriableError, SendError
from fastconnect.logs import facts
from fastconnect.states import TargetState
from fastconnect.task.waiting import Orders

logger = logging.getLogger(__name__)

T = TypeVar("T")

ANSWER_WITHIN_S = 30.0
"""How long the cluster is asked again before an assignment or a rewind fails the task."""

ASK_AGAIN_MS = 20

LEAVE_WITHIN_S = 2.0

MISSING_WAITS_S = (0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 5.0)
"""After so long, longer each time, a topic that is to be read and does not exist is looked for again.

librdkafka itself looks every `topic.metadata.refresh.interval.ms`, also for a topic that its own subscription has had created:
half a minute without a record. The Java client asks every 0.1 to 1 s. We ask for all topics, as only such an answer is held
against the subscription, and therefore more seldom in the long run.
"""

SAY_MISSING_AFTER = 4  # looks: that is 1.5 s, and whatever the subscription has created is there by then


class Membership:
    """Subscribes, finds positions, and leaves.

    Args:
        topics: what to read, or the pattern for the whole names of topics.
        reset: where to begin in a partition without a committed offset: `earliest`, `latest`, or `error`.
        topics_again_ms: how often a pattern is held against the topics that there are.
    """

    def __init__(
        self,
        fetch_loop: FetchLoop,
        page: StatusPage,
        orders: Orders,
        *,
        topics: Sequence[str] | re.Pattern[str],
        reset: str,
        topics_again_ms: int,
    ) -> None:
        self._fetch_loop = fetch_loop
        self._page = page
        self._orders = orders
        self._topics = [] if isinstance(topics, re.Pattern) else list(topics)
        self._reset = reset
        self._again_s = topics_again_ms / 1000
        self._pattern = topics if isinstance(topics, re.Pattern) else None
        self._subscribed: list[str] | None = None
        self._misses = 0
        self._unknown = False
        self.look_at = 0.0
        """When `subscribe_if_due` has something to do again (time.monotonic)."""

    def subscribe_if_due(self, before: Callable[[list[str]], None]) -> None:
        """Subscribe to the topics; to those of a pattern again and again, since they come and go.

        Args:
            before: is told what will be subscribed to, whenever that changes.
        """
        if time.monotonic() < self.look_at:
            return
        if self._pattern is None and self._subscribed is None:
            self._subscribe(self._topics, before)
            self.look_at = time.monotonic() + MISSING_WAITS_S[0]
            return
        try:
            existing = self._fetch_loop.existing_topics()
        except RetriableError as error:
            if not self._unknown:
                logger.warning("The topics are not known yet; they are asked for again and again. %s", error)
            self._unknown = True
            self.look_at = time.monotonic() + 1
            return
        self._unknown = False
        if self._pattern is None:
            missing = [topic for topic in self._topics if topic not in existing]
        else:
            wanted = sorted(name for name in existing if _is_read(self._pattern, name))
            if wanted != self._subscribed:
                self._subscribe(wanted, before)
            missing = [] if wanted else [f"any that matches {self._pattern.pattern}"]
        self.look_at = self._after_look(missing)

    def _subscribe(self, wanted: list[str], before: Callable[[list[str]], None]) -> None:
        logger.info("Reading topics.", extra=facts(topics=",".join(wanted)))
        before(wanted)
        if wanted:
            self._fetch_loop.subscribe(wanted)
        elif self._subscribed:
            self._fetch_loop.unsubscribe()
        self._subscribed = wanted

    def _after_look(self, missing: Sequence[str]) -> float:
        """When to look again at the topics, now that these of what is to be read were not found."""
        now = time.monotonic()
        if not missing:
            if self._misses >= SAY_MISSING_AFTER:
                logger.info("What is to be read exists now.")
            self._misses = 0
            return now + self._again_s if self._pattern is not None else float("inf")
        self._misses += 1
        if self._misses == SAY_MISSING_AFTER:
            logger.warning(
                "A topic to read does not exist, or may not be seen; it is read as soon as it does.",
                extra=facts(topics=",".join(missing)),
            )
        wait_s = MISSING_WAITS_S[min(self._misses, len(MISSING_WAITS_S) - 1)]
        return now + (wait_s if self._pattern is None else min(wait_s, self._again_s))

    def positions(self, some: Sequence[TopicPartition]) -> dict[TopicPartition, int | None]:
        """Where to begin: at the committed offset, else where `auto.offset.reset` says.

        Raises:
            SendError: the cluster does not answer.
        """
        positions: dict[TopicPartition, int | None] = {}
        if not some:
            return positions
        for topic, number, offset in self.insist(lambda: self._fetch_loop.committed(some)):
            where = TopicPartition(topic, number)
            positions[where] = self._first(where) if offset is None and self._reset != "error" else offset
        return positions

    def _first(self, where: TopicPartition) -> int:
        first, end = self.insist(lambda: self._fetch_loop.watermarks(*where))
        return first if self._reset == "earliest" else end

    def seek(self, offsets: dict[TopicPartition, int]) -> None:
        """Go on at these offsets.

        Raises:
            SendError: the cluster does not answer.
        """
        if offsets:
            self.insist(lambda: self._fetch_loop.seek([(*where, offset) for where, offset in offsets.items()]))

    def insist(self, ask: Callable[[], T]) -> T:
        """Ask the cluster again while it has no answer yet.

        Raises:
            SendError: it has none for too long, or the task is to stop.
        """
        until = time.monotonic() + ANSWER_WITHIN_S
        while True:
            try:
                return ask()
            except RetriableError as error:
                if time.monotonic() > until or self._orders.target is TargetState.STOPPED:
                    raise SendError(error.message) from error
                self._page.beat()
                self._orders.wait(ASK_AGAIN_MS)

    def leave(self) -> None:
        """Leave the group, so that the partitions go to others at once and not when the session has ended."""
        until = time.monotonic() + LEAVE_WITHIN_S
        try:
            self._fetch_loop.unsubscribe()
            while self._fetch_loop.member_id and time.monotonic() < until:
                self._fetch_loop.fetch(5)
                for what, pairs in self._fetch_loop.take_rebalance():
                    if what == "assign":
                        self._fetch_loop.assign([(*pair, None) for pair in pairs])
                    else:
                        self._fetch_loop.unassign(pairs)
        except Exception as error:
            logger.warning("The group could not be left: it waits for this task until its session ends. %s", error)


def _is_read(pattern: re.Pattern[str], topic: str) -> bool:
    # As Kafka's clients with exclude.internal.topics, which is on by default.
    return topic not in ("__consumer_offsets", "__transaction_state") and pattern.fullmatch(topic) is not None
