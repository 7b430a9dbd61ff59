"""Writes to a compacted topic, so that it is known what the brokers have."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from fastconnect.errors import StoreError
from fastconnect.storage.topic_client import COMMON, Client, Complaints, place, refused, without_group


class TopicWriter:
    """Writes to a topic. A record counts when all replicas in sync have it.

    Keys go to the partitions where Kafka Connect puts them. For any thread; records of a key arrive in the order of the calls.

    Args:
        error: what is raised if the topic cannot be written.
        timeout_ms: how long a record may take; 0: as long as it takes.
    """

    def __init__(self, topic: str, client: Client, *, error: type[StoreError], timeout_ms: int = 30_000) -> None:
        self.topic = topic
        self._error = error
        self._complaints = Complaints()
        # One request at a time and no idempotence, as Kafka Connect has it here: in order all the same, and a new producer's
        # first record arrives half a second sooner.
        self._producer = Producer(
            {
                **COMMON,
                **without_group(client),
                "acks": "all",
                "enable.idempotence": "false",
                "max.in.flight": "1",
                "linger.ms": "0",
                "partitioner": "murmur2_random",
                "allow.auto.create.topics": "false",
                "message.timeout.ms": str(timeout_ms),
                "error_cb": self._complaints,
            }
        )

    def put(self, records: Sequence[tuple[bytes, bytes | None]]) -> list[tuple[int, int]]:
        """Write records and wait for all of them; return partition and offset of each.

        Raises:
            StoreError: one of them could not be written; the others may have been.
        """
        arrived: list[tuple[int, int]] = []
        failed: list[KafkaError] = []

        def done(error: KafkaError | None, message: Message) -> None:
            if error is None:
                arrived.append(place(message))
            else:
                failed.append(error)

        for key, value in records:
            self.send(key, value, done)
        while len(arrived) + len(failed) < len(records):
            self._producer.poll(0.05)
        if failed:
            raise refused(self._error, "written", self.topic, failed[0], self._complaints)
        return arrived

    def send(self, key: bytes, value: bytes | None, done: Callable[[KafkaError | None, Message], None]) -> None:
        """Write a record; `done` is called by `poll` or `put`, whoever calls it.

        Raises:
            StoreError: librdkafka does not take it.
        """
        while True:
            try:
                self._producer.produce(self.topic, value, key, on_delivery=done)
            except BufferError:
                self._producer.poll(0.05)
            except KafkaException as error:
                raise refused(self._error, "written", self.topic, error.args[0], self._complaints) from error
            else:
                return

    def poll(self, wait_ms: int) -> None:
        """Have what is done told."""
        self._producer.poll(wait_ms / 1000)

    def close(self, timeout_ms: int) -> int:
        """Wait for what is on its way, at most so long; return how many records have not arrived."""
        return int(self._producer.flush(timeout_ms / 1000))
