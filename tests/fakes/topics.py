"""What is in a topic, and whether it is what it should be."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType

from fastconnect.connectors.sequence_source import verify

WAIT_S = 60.0


@dataclass(frozen=True)
class Record:
    """A record of a topic."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = field(default=(), compare=False)
    timestamp_ms: int = field(default=0, compare=False)


class Topics:
    """The topics of one broker.

    Args:
        bootstrap: its address.
    """

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})

    def create(self, name: str, partitions: int = 8, **config: str) -> str:
        """Create a topic; return its name once it can be written to. Keys of `config` have `_` for `.`."""
        settings = {key.replace("_", "."): value for key, value in config.items()}
        self._admin.create_topics([NewTopic(name, partitions, 1, config=settings)])[name].result()
        deadline = time.monotonic() + WAIT_S
        while len([each for each in self._partitions(name).values() if each.leader >= 0]) < partitions:
            assert time.monotonic() < deadline, f"topic {name} did not get its leaders"
        return name

    def alter(self, name: str, **config: str) -> None:
        """Set a topic's settings; keys have `_` for `.`."""
        entries = [
            ConfigEntry(key.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
            for key, value in config.items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
        self._admin.incremental_alter_configs([resource])[resource].result()

    def delete(self, name: str) -> None:
        """Delete a topic; returns when it is gone."""
        self._admin.delete_topics([name])[name].result()
        deadline = time.monotonic() + WAIT_S
        while self.exists(name):
            assert time.monotonic() < deadline, f"topic {name} does not go"

    def settings(self, name: str) -> dict[str, str]:
        """The topic's settings, with the broker's defaults."""
        resource = ConfigResource(ResourceType.TOPIC, name)
        return {key: entry.value for key, entry in self._admin.describe_configs([resource])[resource].result().items()}

    def partitions(self, name: str) -> int:
        """How many partitions the topic has."""
        return len(self._partitions(name))

    def write(self, name: str, *values: bytes | None, **message: Any) -> None:
        """Write messages to the topic; `message` is what Producer.produce takes besides."""
        producer = Producer({"bootstrap.servers": self.bootstrap})
        for value in values:
            producer.produce(name, value, **message)
        assert producer.flush(WAIT_S) == 0

    def exists(self, name: str) -> bool:
        """Whether there is such a topic (asking for all of them creates none)."""
        return name in self._admin.list_topics(timeout=WAIT_S).topics

    def read(self, name: str) -> list[Record]:
        """All the records that are in the topic now; none if there is no such topic."""
        with self.reader(name) as reader:
            reader.read_on()
            return reader.records

    def values(self, name: str) -> list[bytes | None]:
        """Their values."""
        return [record.value for record in self.read(name)]

    def count(self, name: str) -> int:
        """How many records are in the topic now."""
        with self.reader(name) as reader:
            return sum(reader.ends().values())

    def reader(self, name: str) -> Reader:
        """Something that reads the topic from its beginning, and on when it is asked again."""
        return Reader(self, name)

    def _partitions(self, name: str) -> Mapping[int, object]:
        if not self.exists(name):
            return {}
        return self._admin.list_topics(name, timeout=WAIT_S).topics[name].partitions


class Reader:
    """Reads a topic from its beginning; each `read_on` reads what has come meanwhile."""

    def __init__(self, topics: Topics, name: str) -> None:
        self.records: list[Record] = []
        self._topics = topics
        self._name = name
        self._consumer = Consumer(
            {
                "bootstrap.servers": topics.bootstrap,
                "group.id": "tests",
                "enable.auto.commit": False,
                "check.crcs": True,
                "fetch.wait.max.ms": 20,
                "log_level": 2,
            }
        )
        self._next: dict[int, int] = {}

    def ends(self) -> dict[int, int]:
        """The end offset of every partition."""
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                return {
                    partition: self._consumer.get_watermark_offsets(TopicPartition(self._name, partition), timeout=10)[1]
                    for partition in self._topics._partitions(self._name)
                }
            except KafkaException:  # a new topic's leader is not there at once
                if time.monotonic() > deadline:
                    raise

    def read_on(self) -> list[Record]:
        """Read up to where the topic ends now; return what is new."""
        ends = self.ends()
        new = set(ends) - set(self._next)
        self._next.update(dict.fromkeys(new, 0))
        if new:
            self._consumer.assign([TopicPartition(self._name, partition, at) for partition, at in self._next.items()])
        before = len(self.records)
        deadline = time.monotonic() + WAIT_S
        while any(self._next[partition] < end for partition, end in ends.items()):
            assert time.monotonic() < deadline, f"topic {self._name} has more records, but they do not come"
            for message in self._consumer.consume(10_000, timeout=0.1):
                if message.error() is not None:
                    raise KafkaException(message.error())
                self._next[message.partition()] = message.offset() + 1
                headers = tuple(message.headers() or ())
                at = (message.partition(), message.offset())
                self.records.append(Record(*at, message.key(), message.value(), headers, message.timestamp()[1]))
        return self.records[before:]

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()


def spans(records: Iterable[Record]) -> str:
    """Which offsets of each partition these are, for the message of a check that misses some: `0: 0-11 (12), 3: 2-5 (4)`."""
    offsets: dict[int, list[int]] = {}
    for record in records:
        offsets.setdefault(record.partition, []).append(record.offset)
    return ", ".join(f"{partition}: {min(at)}-{max(at)} ({len(at)})" for partition, at in sorted(offsets.items()))


@dataclass
class Audit:
    """The records of SequenceSource in a topic: which are there, how often, and in which order.

    A record that is not what SequenceSource makes, or whose checksum is wrong, is a ValueError.
    """

    times: dict[int, Counter[int]] = field(default_factory=dict)
    """Task -> number -> how often it is there."""
    disorder: int = 0
    """Records that stand behind a later one of their task in their partition: none, unless a task was started again."""
    _last: dict[tuple[int, int], int] = field(default_factory=dict)
    _contiguous: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, records: Iterable[Record]) -> Audit:
        """Look at all of these records."""
        audit = cls()
        audit.add(records)
        return audit

    def add(self, records: Iterable[Record]) -> None:
        """Look at further records."""
        for record in records:
            task, number = verify(record.value or b"")
            self.times.setdefault(task, Counter())[number] += 1
            last = self._last.get((record.partition, task), -1)
            self.disorder += number < last
            self._last[record.partition, task] = max(last, number)

    def missing(self, tasks: int, count: int) -> list[tuple[int, int]]:
        """Those of `count` records of each task that are not there, as (task, number)."""
        return list(self._missing(tasks, count))

    def _missing(self, tasks: int, count: int) -> Iterator[tuple[int, int]]:
        for task in range(tasks):
            there = self.times.get(task, {})
            yield from ((task, number) for number in range(count) if number not in there)

    @property
    def duplicates(self) -> int:
        """How many records are there once more than they should be."""
        return sum(sum(times.values()) - len(times) for times in self.times.values())

    def contiguous(self, task: int) -> int:
        """The highest number up to which all records of a task are there; -1 if the first one is not."""
        there = self.times.get(task, {})
        last = self._contiguous.get(task, -1)
        while last + 1 in there:
            last += 1
        self._contiguous[task] = last
        return last
