"""A FetchLoop whose group and topics are in memory: the test says what the group decides, and how commits end.

What the real one does is tested in tests/unit/native/test_fetch_loop.py and tests/integration/test_sinks.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from fastconnect.api.sink_records import TopicPartition
from fastconnect.testing_sink import MemoryMessage, MemoryMessages

Place = tuple[str, int]


class FakeFetched(MemoryMessages):
    """A batch of messages, with what the loop reads of a `Fetched`."""

    def ends(self) -> list[tuple[str, int, int, int]]:
        found: dict[TopicPartition, tuple[int, int]] = {}
        for message in self._messages:
            found[message.place] = (message.offset + 1, found.get(message.place, (0, 0))[1] + 1)
        return [(*place, end, count) for place, (end, count) in found.items()]

    def size(self) -> int:
        return sum(len(value or b"") for value in self.values())


class FakeFetchLoop:
    """One member of a group.

    Attributes:
        log: the messages of each partition.
        group: the group's committed offsets.
        turns: functions of which one is called in each of the loop's turns, behind its fetch; with none left, `at_end` is.
        calls: what was asked of it, in order.
        commits_end: "at once", or "never": until the test calls `end_commit`.
    """

    def __init__(self, log: dict[TopicPartition, list[MemoryMessage]]) -> None:
        self.log = log
        self.group: dict[TopicPartition, int] = {}
        self.turns: deque[Callable[[], Any]] = deque()
        self.at_end: Callable[[], Any] = lambda: None
        self.calls: list[tuple[Any, ...]] = []
        self.commits_end = "at once"
        self.commit_failures: deque[str | None] = deque()
        self.positions: dict[TopicPartition, int] = {}
        self.paused: set[TopicPartition] = set()
        self.subscribed: list[str] = []
        self._decided: deque[tuple[str, list[Place]]] = deque()
        self._answers: list[tuple[int, str | None]] = []
        self._open_commits: dict[int, list[tuple[str, int, int]]] = {}
        self._ends: list[tuple[str, int, int]] = []

    # ---- what the test does ----

    def append(self, partition: TopicPartition, *values: Any) -> None:
        log = self.log.setdefault(partition, [])
        for value in values:
            log.append(MemoryMessage(partition, len(log), value))

    def decide(self, what: str, *partitions: TopicPartition) -> None:
        """Have the group assign, revoke or lose partitions with the next fetch."""
        self._decided.append((what, list(partitions)))

    def end_commit(self, number: int, failure: str | None = None) -> None:
        """Answer a commit that is open."""
        offsets = self._open_commits.pop(number)
        if failure is None:
            self.group |= {TopicPartition(topic, partition): offset for topic, partition, offset in offsets}
        self._answers.append((number, failure))

    def meet_end(self, partition: TopicPartition, offset: int) -> None:
        self._ends.append((*partition, offset))

    def asked(self, what: str) -> list[Any]:
        """The arguments of all calls of one kind."""
        return [call[1] for call in self.calls if call[0] == what]

    # ---- what the loop asks ----

    def subscribe(self, topics: Sequence[str]) -> None:
        self.calls.append(("subscribe", list(topics)))
        self.subscribed = list(topics)

    def unsubscribe(self) -> None:
        self.calls.append(("unsubscribe", None))
        self.decide("revoke", *self.positions)

    @property
    def member_id(self) -> str:
        return "me" if self.positions else ""

    def existing_topics(self, timeout_ms: int = 1000) -> dict[str, int]:
        counts: dict[str, int] = {}
        for topic, _ in self.log:
            counts[topic] = counts.get(topic, 0) + 1
        return counts

    def fetch(self, wait_ms: int, most: int = 0) -> FakeFetched | None:
        messages = [
            message
            for partition, position in self.positions.items()
            if partition not in self.paused
            for message in self.log.get(partition, [])[position : position + (most or 10_000)]
        ]
        for message in messages:
            self.positions[message.place] = message.offset + 1
        return FakeFetched(messages) if messages else None

    def take_rebalance(self) -> list[tuple[str, list[Place]]]:
        (self.turns.popleft() if self.turns else self.at_end)()
        decided = list(self._decided)
        self._decided.clear()
        return decided

    def assign(self, partitions: Sequence[tuple[str, int, int | None]]) -> None:
        self.calls.append(("assign", list(partitions)))
        self.positions |= {TopicPartition(topic, number): offset or 0 for topic, number, offset in partitions}

    def unassign(self, partitions: Sequence[Place]) -> None:
        self.calls.append(("unassign", list(partitions)))
        for place in partitions:
            self.positions.pop(TopicPartition(*place), None)
            self.paused.discard(TopicPartition(*place))

    def pause(self, partitions: Sequence[Place]) -> None:
        self.calls.append(("pause", list(partitions)))
        self.paused |= {TopicPartition(*place) for place in partitions}

    def resume(self, partitions: Sequence[Place]) -> None:
        self.calls.append(("resume", list(partitions)))
        self.paused -= {TopicPartition(*place) for place in partitions}

    def seek(self, partitions: Sequence[tuple[str, int, int]], timeout_ms: int = 5000) -> None:
        self.calls.append(("seek", list(partitions)))
        self.positions |= {TopicPartition(topic, number): offset for topic, number, offset in partitions}

    def committed(self, partitions: Sequence[Place], timeout_ms: int = 5000) -> list[tuple[str, int, int | None]]:
        return [(*place, self.group.get(TopicPartition(*place))) for place in partitions]

    def watermarks(self, topic: str, partition: int, timeout_ms: int = 5000) -> tuple[int, int]:
        return 0, len(self.log.get(TopicPartition(topic, partition), []))

    def known_ends(self, partitions: Sequence[Place]) -> list[int | None]:
        return [len(self.log.get(TopicPartition(*place), [])) for place in partitions]

    def commit(self, offsets: Sequence[tuple[str, int, int]], number: int = 0) -> None:
        self.calls.append(("commit", {TopicPartition(topic, partition): offset for topic, partition, offset in offsets}))
        self._open_commits[number] = list(offsets)
        if self.commits_end == "at once":
            self.end_commit(number, self.commit_failures.popleft() if self.commit_failures else None)

    def take_commits(self, wait_ms: int = 0) -> list[tuple[int, str | None]]:
        answers, self._answers = self._answers, []
        return answers

    def take_ends(self) -> list[tuple[str, int, int]]:
        ends, self._ends = self._ends, []
        return ends

    def pass_on_logs(self) -> None:
        pass
