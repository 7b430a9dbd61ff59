"""Topics of the benchmarks: made fresh for a run, counted by their end offsets, deleted afterwards."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec  # type: ignore[attr-defined]

from bench.settings import PARTITIONS

WAIT_S = 60


class Topics:
    """One admin client for a whole run of benchmarks."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self._numbers = itertools.count()
        self._admin = AdminClient({"bootstrap.servers": bootstrap})

    @contextmanager
    def fresh(self, name: str, **config: str) -> Iterator[str]:
        """A new topic with 8 partitions that can be written to; deleted when the block ends.

        Its name gets a suffix: what clients and broker remember of an earlier topic never stands in for this one.
        """
        name = f"{name}-{os.getpid()}-{next(self._numbers)}"
        self._admin.create_topics([NewTopic(name, PARTITIONS, 1, config=config)])[name].result()
        wait_until(lambda: self.count(name) == 0, f"topic {name} can be read and written")
        try:
            yield name
        finally:
            self.delete(name)

    def delete(self, name: str) -> None:
        """Delete a topic if it is there; return when it is gone: its deletion shall not run beside the next contestant."""
        if name not in self._admin.list_topics(timeout=WAIT_S).topics:
            return
        self._admin.delete_topics([name])[name].result()
        wait_until(lambda: name not in self._admin.list_topics(timeout=WAIT_S).topics, f"topic {name} is deleted")

    def end_offsets(self, name: str) -> list[int]:
        """The end offset of every partition, in one request: how many records have been written to it."""
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        asked = {TopicPartition(name, p): latest for p in range(PARTITIONS)}
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                return [future.result().offset for future in self._admin.list_offsets(asked).values()]
            except KafkaException:  # in the first moments of a topic: not leader, unknown topic, unknown leader epoch ...
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def count(self, name: str) -> int:
        """Records written to a topic so far (a fresh topic begins at 0 and nothing is compacted here)."""
        return sum(self.end_offsets(name))

    def read(self, name: str) -> Iterator[Message]:
        """All the messages that are in the topic now, partition by partition mixed."""
        ends = dict(enumerate(self.end_offsets(name)))
        left = {p for p, end in ends.items() if end > 0}
        consumer = Consumer(
            {"bootstrap.servers": self.bootstrap, "group.id": "bench", "enable.auto.commit": False, "check.crcs": True}
        )
        try:
            consumer.assign([TopicPartition(name, p, 0) for p in left])
            deadline = time.monotonic() + WAIT_S
            while left:
                for message in consumer.consume(10_000, timeout=1):
                    _raise_error(message)
                    yield message
                    deadline = time.monotonic() + WAIT_S
                    partition, offset = message.partition(), message.offset()
                    if partition is not None and offset is not None and offset >= ends[partition] - 1:
                        left.discard(partition)
                if time.monotonic() > deadline:
                    raise TimeoutError(
                        f"Topic {name}: nothing more came for {WAIT_S} s; partitions {sorted(left)} are not read to their end"
                    )
        finally:
            consumer.close()


def wait_until(reached: Callable[[], Any], what: str, timeout_s: float = WAIT_S, every_s: float = 0.02) -> None:
    """Ask again and again until it is so.

    Raises:
        TimeoutError: it is not so after `timeout_s`; the text is `what`.
    """
    deadline = time.monotonic() + timeout_s
    while not reached():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Waited {timeout_s:.0f} s in vain until {what}")
        time.sleep(every_s)


def _raise_error(message: Message) -> None:
    error: KafkaError | None = message.error()
    if error is not None:
        raise RuntimeError(f"Reading back failed: {error.str()}")
