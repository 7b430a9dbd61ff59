"""A compacted topic, read from its beginning and on: what the stores in Kafka's topics are built on.

What the records mean is the stores' business: they keep what they want of them. Nothing that is found in a topic ends the
reading: a record that makes no sense is counted and left out. A broker that is away is waited for.

`TopicReader` reads to the end and closes its client; asked again it goes on from there. `TopicTable` goes on reading on a
thread of its own. Neither joins a group: `group.id` is only asked for, so that of the worker will do, which it has the right
to use. Writing is in topic_writer.py.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from fastconnect.errors import StoreError
from fastconnect.storage.topic_client import COMMON, Client, Complaints, is_final, place, refused, words_of

logger = logging.getLogger(__name__)


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
        self._client = COMMON | _READS | {"group.id": "fastconnect"} | dict(client)
        self._client["isolation.level"] = "read_committed" if read_committed else "read_uncommitted"
        self._on_record = on_record
        self._error = error
        self.complaints = Complaints()

    def read_to_end(self, timeout_ms: int) -> None:
        """Read what is in the topic at this moment.

        Args:
            timeout_ms: how long to wait at most while nothing comes.
        Raises:
            StoreError: the topic does not exist, may not be read, or no broker answers. What was read was told all the same.
        """
        deadline = time.monotonic() + timeout_ms / 1000
        self.complaints = Complaints()
        consumer = self.consumer(_END_WAIT_MS)
        try:
            self._assign(consumer, deadline)
            unread = set(self.next)
            last_error: KafkaError | None = None
            while unread:
                left = deadline - time.monotonic()
                if left <= 0 or self.complaints.refusal is not None:
                    raise self.refused(self.complaints.refusal or last_error)
                came = False
                for message in _some(consumer, min(left, 1.0)):
                    if error := self.take(message):
                        last_error = error
                        if is_final(error):
                            raise self.refused(error)
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
        return Consumer({**self._client, "fetch.wait.max.ms": fetch_wait_ms, "error_cb": self.complaints, **more})

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
            raise self.refused(error.args[0]) from error
        finally:
            consumer.close()

    def refused(self, error: KafkaError | None) -> StoreError:
        """The error to raise; None: it took too long."""
        return refused(self._error, "read", self.topic, error, self.complaints)

    def _assign(self, consumer: Consumer, deadline: float) -> None:
        """Read from where this was; in all partitions that the topic has now."""
        # To ask for the partitions waits for 50 ms turns of librdkafka's, unless it is in touch with a broker already.
        consumer.assign([TopicPartition(self.topic, 0, self.next.get(0, 0))])
        consumer.poll(0.05)  # whatever this is, it comes again below
        while True:
            try:
                # Asked in short turns: librdkafka fails at once while it has no broker yet.
                found = consumer.list_topics(self.topic, timeout=max(0.1, min(1.0, deadline - time.monotonic())))
                error = found.topics[self.topic].error
                if error is None and found.topics[self.topic].partitions:
                    break
            except KafkaException as failed:
                error = failed.args[0]
            consumer.poll(0)  # has the complaints told
            error = self.complaints.refusal or error
            if time.monotonic() > deadline or (error is not None and is_final(error)):
                raise self.refused(error)
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
        self._wait(ends, deadline)
        self._works()

    def wait_for(self, positions: Iterable[tuple[int, int]], timeout_ms: int) -> None:
        """Wait until these records, each a partition and an offset, are read.

        Raises:
            StoreError: not within this time.
        """
        self._wait({partition: offset + 1 for partition, offset in positions}, time.monotonic() + timeout_ms / 1000)

    def _wait(self, ends: Mapping[int, int], deadline: float) -> None:
        following = self._reader.next
        with self._moved:
            while not all(following.get(partition, end) >= end for partition, end in ends.items()):
                left = deadline - time.monotonic()
                if left <= 0 or self._stopping:
                    raise self._reader.refused(None)
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
        self._reader.complaints(error)
        if error.code() == KafkaError._ALL_BROKERS_DOWN or is_final(error):
            self._fail(error)

    def _fail(self, error: KafkaError) -> None:
        failure, _ = words_of(error, self._reader.complaints)
        if self.failure is None:  # then again when it was read in between: the words change with every try
            logger.warning("Topic %s cannot be read; trying on. %s", self.topic, failure)
        self.failure = failure


def _some(consumer: Consumer, wait_s: float) -> list[Message]:
    """What has come: at once if there is something, else when there is."""
    first = consumer.poll(wait_s)
    return [] if first is None else [first, *consumer.consume(_MOST_AT_ONCE, 0)]


def _shown(key: bytes | None) -> str:
    return repr(key)[:100]
