"""A compacted topic, read from its beginning and on, and written: what the stores in Kafka's topics are built on.

What the records mean is the stores' business: they keep what they want of them. Nothing that is found in a topic ends the
reading: a record that makes no sense is counted and left out. A broker that is away is waited for.

`TopicReader` reads to the end and closes its client; asked again it goes on from there. `TopicTable` goes on reading on a
thread of its own. `TopicWriter` writes, and knows when the broker has it. None of them joins a group: `group.id` is only
asked for, so that of the worker will do, which it has the right to use.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from fastconnect.errors import StoreError

logger = logging.getLogger(__name__)

Client = Mapping[str, str]
"""librdkafka's properties that all clients have: servers, security, timeouts; they may hold passwords."""


class TopicRecord(msgspec.Struct, frozen=True):
    """A record of the topic; without a value it is a tombstone."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None


class MeaninglessError(ValueError):
    """A record is not what its topic is for; raised by who is told of it, to have it counted."""


OnRecord = Callable[[TopicRecord], None]

_READS = {
    "enable.auto.commit": "false",
    "enable.auto.offset.store": "false",
    "enable.partition.eof": "true",
    "auto.offset.reset": "earliest",
    "check.crcs": "true",
    "fetch.error.backoff.ms": "100",
    # A task reads the offsets of a whole group: by default up to 64 MB of them would wait in its memory (measured with
    # 500,000 offsets: 51 MB at most instead of 118, and hardly slower).
    "fetch.max.bytes": "2097152",
    "queued.max.messages.kbytes": "4096",
    # Kafka Connect waits this long at most before it tries a broker again; librdkafka would wait ten times as long.
    "reconnect.backoff.max.ms": "1000",
    "log_level": "2",
}
_TAIL_WAIT_MS = "500"
_END_WAIT_MS = "20"  # how long a broker waits before it says that there is nothing more: asked once, at the end
_TURN_S = 0.1  # how late the reading thread may see that it is to stop
_MOST_AT_ONCE = 1000


class TopicReader:
    """Reads a topic to its end whenever it is asked, each time from where it was; for one thread at a time.

    Args:
        on_record: is told every record, in the order of its partition.
        error: what is raised if the topic cannot be read.
        read_committed: leave out what belongs to transactions that are open or given up.
        wants: tells by a record's key whether it is told at all; seeing that early halves the time of reading past it.
    """

    def __init__(
        self,
        topic: str,
        client: Client,
        on_record: OnRecord,
        *,
        error: type[StoreError],
        read_committed: bool = False,
        wants: Callable[[bytes | None], bool] | None = None,
    ) -> None:
        self.topic = topic
        self._wants = wants
        self.skipped = 0
        """How many records made no sense."""
        self.next: dict[int, int] = {}
        """Partition -> the offset behind the last record that was read."""
        self._client = _READS | {"group.id": "fastconnect"} | dict(client)
        self._client["isolation.level"] = "read_committed" if read_committed else "read_uncommitted"
        self._on_record = on_record
        self._error = error

    def read_to_end(self, timeout_ms: int) -> None:
        """Read what is in the topic at this moment.

        Args:
            timeout_ms: how long to wait at most while nothing comes.
        Raises:
            StoreError: the topic does not exist, may not be read, or no broker answers. What was read was told all the same.
        """
        deadline = time.monotonic() + timeout_ms / 1000
        consumer = self.consumer(_END_WAIT_MS)
        try:
            self._assign(consumer, deadline)
            unread = set(self.next)
            last_error: KafkaError | None = None
            while unread:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise self.refused(last_error, timeout_ms)
                came = False
                for message in _some(consumer, min(left, 1.0)):
                    if error := self.take(message):
                        last_error = error
                        if _is_final(error):
                            raise self.refused(error, timeout_ms)
                        continue
                    came = True
                    if message.error() is not None:  # the end
                        unread.discard(place(message)[0])
                if came:
                    deadline = time.monotonic() + timeout_ms / 1000
        finally:
            consumer.close()

    def consumer(self, fetch_wait_ms: str, **more: Any) -> Consumer:
        """A client to read with, which has joined nothing and reads nothing yet."""
        return Consumer({**self._client, "fetch.wait.max.ms": fetch_wait_ms, **more})

    def take(self, message: Message) -> KafkaError | None:
        """Tell a record and go on behind it; return the error if it is one (the end of a partition is none)."""
        error: KafkaError | None = message.error()
        if error is None and self._wants is not None and not self._wants(message.key()):
            partition, offset = place(message)
            self.next[partition] = offset + 1
            return None
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            return error
        partition, offset = place(message)
        if error is not None:
            # Behind the last record there may be others that are never given: marks of transactions, or compacted ones.
            self.next[partition] = max(self.next[partition], offset)
            return None
        if offset < self.next[partition]:
            # Not what Kafka does to a topic by itself: somebody has deleted it, and somebody made it anew.
            logger.error(
                "Topic %s begins anew: it was deleted or emptied. What was known before stays in force until the worker ends.",
                self.topic,
                extra={"facts": {"partition": partition, "offset": offset, "expected_offset": self.next[partition]}},
            )
        record = TopicRecord(partition, offset, max(0, message.timestamp()[1]), message.key(), message.value())
        try:
            self._on_record(record)
        except MeaninglessError as why:
            self._skip(record, str(why))
        except Exception:
            logger.exception("A record of topic %s met an error in fastconnect itself.", self.topic)
            self._skip(record, "see the error above")
        self.next[partition] = offset + 1
        return None

    def ends(self, timeout_ms: int) -> dict[int, int]:
        """Where each partition ends at this moment, by a client of its own: another's may be waiting for records.

        Raises:
            StoreError: no broker answers.
        """
        deadline = time.monotonic() + timeout_ms / 1000
        consumer = self.consumer(_END_WAIT_MS)
        try:
            ends = {}
            for partition in sorted(self.next):
                left = max(0.1, deadline - time.monotonic())
                ends[partition] = consumer.get_watermark_offsets(TopicPartition(self.topic, partition), timeout=left)[1]
            return ends
        except KafkaException as error:
            raise self.refused(error.args[0], timeout_ms) from error
        finally:
            consumer.close()

    def refused(self, error: KafkaError | None, timeout_ms: int) -> StoreError:
        """The error to raise."""
        return _refused(self._error, "read", self.topic, error, timeout_ms)

    def _assign(self, consumer: Consumer, deadline: float) -> None:
        """Read from where this was; in all partitions that the topic has now."""
        # To ask for the partitions waits for 50 ms turns of librdkafka's, unless it is in touch with a broker already.
        consumer.assign([TopicPartition(self.topic, 0, self.next.get(0, 0))])
        consumer.poll(0.05)  # whatever this is, it comes again below
        while True:
            try:
                # Asked in short turns: librdkafka fails at once while it has no broker yet.
                found = consumer.list_topics(self.topic, timeout=max(0.1, min(5.0, deadline - time.monotonic())))
                error = found.topics[self.topic].error
                if error is None and found.topics[self.topic].partitions:
                    break
            except KafkaException as failed:
                error = failed.args[0]
            if time.monotonic() > deadline or (error is not None and _is_final(error)):
                raise self.refused(error, 0)
            time.sleep(0.05)
        for partition in found.topics[self.topic].partitions:
            self.next.setdefault(partition, 0)
        consumer.assign([TopicPartition(self.topic, partition, at) for partition, at in self.next.items()])

    def _skip(self, record: TopicRecord, why: str) -> None:
        self.skipped += 1
        if self.skipped == 1:
            logger.warning(
                "A record of topic %s makes no sense and is left out, as will be others like it (%s).",
                self.topic,
                why,
                extra={"facts": {"partition": record.partition, "offset": record.offset, "key": _shown(record.key)}},
            )


class TopicTable:
    """Goes on reading a topic, on a thread of its own.

    Args:
        on_record: is told every record: by the caller of `load` what is there by then, afterwards by the thread.
    """

    def __init__(
        self, topic: str, client: Client, on_record: OnRecord, *, error: type[StoreError], read_committed: bool = False
    ) -> None:
        self.topic = topic
        self.failure: str | None = None
        """Why nothing can be read at the moment, as far as that is known."""
        self._reader = TopicReader(topic, client, on_record, error=error, read_committed=read_committed)
        self._moved = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None

    @property
    def trouble(self) -> str | None:
        """A sentence about what is wrong with the topic at the moment, or with what is in it."""
        if self.failure is not None:
            return f"Topic {self.topic} cannot be read: {self.failure}."
        if skipped := self._reader.skipped:
            return f"Topic {self.topic} has records that make no sense and are left out: {skipped} so far."
        return None

    def load(self, timeout_ms: int) -> None:
        """Read all that is there.

        Args:
            timeout_ms: how long to wait at most while nothing comes.
        Raises:
            StoreError: the topic cannot be read; the same call may succeed later.
        """
        self._reader.read_to_end(timeout_ms)

    def follow(self) -> None:
        """Go on reading, from now until `stop`."""
        self._thread = threading.Thread(target=self._run, name=f"reads {self.topic}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the reading."""
        with self._moved:
            self._stopping = True
            self._moved.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
            self._thread = None

    def read_to_end(self, timeout_ms: int) -> None:
        """Wait until all is read that is in the topic at this moment.

        Raises:
            StoreError: not within this time.
        """
        deadline = time.monotonic() + timeout_ms / 1000
        ends = self._reader.ends(timeout_ms)
        self._wait(ends, deadline, timeout_ms)
        self._works()

    def wait_for(self, positions: Iterable[tuple[int, int]], timeout_ms: int) -> None:
        """Wait until these records, each a partition and an offset, are read.

        Raises:
            StoreError: not within this time.
        """
        self._wait({partition: offset + 1 for partition, offset in positions}, time.monotonic() + timeout_ms / 1000, timeout_ms)

    def _wait(self, ends: Mapping[int, int], deadline: float, timeout_ms: int) -> None:
        following = self._reader.next
        with self._moved:
            while not all(following.get(partition, end) >= end for partition, end in ends.items()):
                left = deadline - time.monotonic()
                if left <= 0 or self._stopping:
                    raise self._reader.refused(None, timeout_ms)
                self._moved.wait(left)

    def _run(self) -> None:
        consumer = self._reader.consumer(_TAIL_WAIT_MS, error_cb=self._hear)
        try:
            positions = self._reader.next.items()
            consumer.assign([TopicPartition(self.topic, partition, at) for partition, at in positions])
            while not self._stopping:
                try:
                    messages = _some(consumer, _TURN_S)
                except KafkaException as error:
                    self._fail(error.args[0])
                    time.sleep(_TURN_S)
                    continue
                for message in messages:
                    if failed := self._reader.take(message):
                        self._fail(failed)
                    else:
                        self._works()
                if messages:
                    with self._moved:
                        self._moved.notify_all()
        except Exception:
            # Must not happen; if it does, the worker's view is frozen, which everybody must get to know.
            self.failure = "its thread has ended"
            logger.exception("Topic %s is read no more: restart this worker.", self.topic)
        finally:
            consumer.close()

    def _works(self) -> None:
        if self.failure is not None:
            self.failure = None
            logger.info("Topic %s is read again.", self.topic)

    def _hear(self, error: KafkaError) -> None:
        if error.code() in (KafkaError._ALL_BROKERS_DOWN, KafkaError._AUTHENTICATION):
            self._fail(error)

    def _fail(self, error: KafkaError) -> None:
        failure = error.str()
        if failure != self.failure:
            self.failure = failure
            logger.warning("Topic %s cannot be read; trying on. %s", self.topic, failure)


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
        self._timeout_ms = timeout_ms
        # One request at a time and no idempotence, as Kafka Connect has it here: in order all the same, and a new producer's
        # first record arrives half a second sooner.
        self._producer = Producer(
            {
                "reconnect.backoff.max.ms": "1000",
                "log_level": "2",
                **without_group(client),
                "acks": "all",
                "enable.idempotence": "false",
                "max.in.flight": "1",
                "linger.ms": "0",
                "partitioner": "murmur2_random",
                "allow.auto.create.topics": "false",
                "message.timeout.ms": str(timeout_ms),
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
            raise _refused(self._error, "written", self.topic, failed[0], self._timeout_ms)
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
                raise _refused(self._error, "written", self.topic, error.args[0], self._timeout_ms) from error
            else:
                return

    def poll(self, wait_ms: int) -> None:
        """Have what is done told."""
        self._producer.poll(wait_ms / 1000)

    def close(self, timeout_ms: int) -> int:
        """Wait for what is on its way, at most so long; return how many records have not arrived."""
        return int(self._producer.flush(timeout_ms / 1000))


def without_group(client: Client) -> dict[str, str]:
    """The same properties for a client that reads nothing."""
    return {name: value for name, value in client.items() if name != "group.id"}


def place(message: Message) -> tuple[int, int]:
    """Partition and offset of a message that is in the topic."""
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    return partition, offset


def _some(consumer: Consumer, wait_s: float) -> list[Message]:
    """What has come: at once if there is something, else when there is."""
    first = consumer.poll(wait_s)
    return [] if first is None else [first, *consumer.consume(_MOST_AT_ONCE, 0)]


_FINAL = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "give this worker's user the right to read and write it",
    KafkaError.UNKNOWN_TOPIC_OR_PART: "create it, compacted, or let a worker create it at its start",
    KafkaError._UNKNOWN_TOPIC: "create it, compacted, or let a worker create it at its start",
    KafkaError._AUTHENTICATION: "look at the worker's sasl.* settings",
    KafkaError._SSL: "look at the worker's ssl.* settings",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: None,
}
_HINTS = {
    **_FINAL,
    KafkaError._MSG_TIMED_OUT: "look at bootstrap.servers, and whether enough replicas are in sync",
    KafkaError._ALL_BROKERS_DOWN: "look at bootstrap.servers, and whether the broker is up",
    KafkaError._TRANSPORT: "look at bootstrap.servers, and whether the broker is up",
    KafkaError.MSG_SIZE_TOO_LARGE: "raise the topic's max.message.bytes, and this client's message.max.bytes",
}


def _is_final(error: KafkaError) -> bool:
    return error.code() in _FINAL


def _refused(kind: type[StoreError], what: str, topic: str, error: KafkaError | None, timeout_ms: int) -> StoreError:
    why = "no broker answers" if error is None else error.str()
    if error is None and timeout_ms:
        why = f"not within {timeout_ms} ms"
    return kind(f"it cannot be {what}: {why}", where=f"topic {topic}", hint=None if error is None else _HINTS.get(error.code()))


def _shown(key: bytes | None) -> str:
    return repr(key)[:100]
