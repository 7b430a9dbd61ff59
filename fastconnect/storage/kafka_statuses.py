"""Statuses and active topics in Kafka Connect's status topic: each worker writes those of what it runs, all read all.

What is put is known here at once, and written in the background by a thread: of each key one record at a time, and of what is
put meanwhile the last alone. So a broker that is away costs no memory, and what arrives in the end is how things are. A
process that is killed before its status is written leaves an older one until the next owner writes, as with Kafka Connect.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TypeAlias

import msgspec
from confluent_kafka import KafkaError, Message

from fastconnect.errors import StatusStoreError
from fastconnect.states import TaskId
from fastconnect.storage import wire
from fastconnect.storage.memory_statuses import StatusTable, may_replace
from fastconnect.storage.status_store import StatusStore, StoredStatus, StoredTopic
from fastconnect.storage.topic_client import Client, place
from fastconnect.storage.topic_table import MeaninglessError, TopicRecord, TopicTable
from fastconnect.storage.topic_writer import TopicWriter

logger = logging.getLogger(__name__)

Of: TypeAlias = str | TaskId | tuple[str, str]
"""A connector, a task, or (connector, topic)."""

_STOP_MS = 5_000
_SEND_MS = 120_000  # then what is the newest by then is sent anew
_WAIT_AFTER_ERROR_S = 1.0
_MOST_TRACE = 100_000  # characters; a record may have a million bytes


class _Write(msgspec.Struct):
    """What is to be known of a thing, until it is read from the topic."""

    of: Of
    status: StoredStatus | StoredTopic | None
    safe: bool
    in_flight: bool = False
    newer: bool = False
    """It has changed since it was sent."""
    due: float = 0.0
    arrived: tuple[int, int] | None = None
    """Where it is in the topic; what is read before that is older."""


class KafkaStatusStore(StatusStore):
    """Keeps everything in a topic, which must exist and be compacted (see internal_topics.py).

    Args:
        client: librdkafka's properties for all clients of this store.
        start_timeout_ms: how long `start` waits at most while nothing comes.
    """

    def __init__(self, topic: str, client: Client, *, start_timeout_ms: int = 30_000) -> None:
        self._table = TopicTable(topic, client, self._take, error=StatusStoreError)
        self._writer = TopicWriter(topic, client, error=StatusStoreError, timeout_ms=_SEND_MS)
        self._start_timeout_ms = start_timeout_ms
        self._read = StatusTable()
        self._known = StatusTable()  # what was read, and over it what is on its way
        self._writes: dict[Of, _Write] = {}
        self._last_read: dict[int, int] = {}
        self._changed = threading.Condition()  # guards all of these
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._failing = False

    @property
    def trouble(self) -> str | None:
        """See StatusStore."""
        return self._table.trouble

    def start(self) -> None:
        """See StatusStore."""
        self._table.load(self._start_timeout_ms)
        self._table.follow()
        self._thread = threading.Thread(target=self._run, name="writes statuses", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """See StatusStore. Waits 5 s for the broker at most."""
        deadline = time.monotonic() + _STOP_MS / 1000
        with self._changed:
            while any(write.arrived is None for write in self._writes.values()) and self._thread is not None:
                if not self._changed.wait(deadline - time.monotonic()):
                    logger.warning("Statuses could not be written before the end; others see older ones.")
                    break
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._table.stop()
        self._writer.close(0)

    def refresh(self, timeout_ms: int) -> None:
        """See StatusStore."""
        self._table.read_to_end(timeout_ms)

    def put(self, of: str | TaskId, status: StoredStatus, *, safe: bool = False) -> None:
        """See StatusStore."""
        if status.trace is not None and len(status.trace) > _MOST_TRACE:
            status = msgspec.structs.replace(status, trace=status.trace[:_MOST_TRACE] + "\n... (shortened)")
        self._put(of, status, safe=safe)

    def delete(self, of: str | TaskId) -> None:
        """See StatusStore."""
        self._put(of, None)

    def get(self, of: str | TaskId) -> StoredStatus | None:
        """See StatusStore."""
        return self._known.get(of)

    def tasks(self, connector: str) -> dict[int, StoredStatus]:
        """See StatusStore."""
        return self._known.tasks(connector)

    def connectors(self) -> set[str]:
        """See StatusStore."""
        return self._known.connectors()

    def put_topic(self, topic: StoredTopic) -> None:
        """See StatusStore."""
        if self._known.topic(topic.connector, topic.name) is None:
            self._put((topic.connector, topic.name), topic)

    def topics(self, connector: str) -> list[StoredTopic]:
        """See StatusStore."""
        return self._known.topics(connector)

    def delete_topics(self, connector: str) -> None:
        """See StatusStore."""
        for topic in self._known.topics(connector):
            self._put((connector, topic.name), None)

    # ---- writing ----

    def _put(self, of: Of, status: StoredStatus | StoredTopic | None, *, safe: bool = False) -> None:
        with self._changed:
            if safe and not (self._may_write(self._read, of, status) and self._may_write(self._known, of, status)):
                return
            _set(self._known, of, status)
            write = self._writes.get(of)
            if write is None:
                self._writes[of] = _Write(of, status, safe)
            else:
                write.status, write.safe, write.arrived, write.newer = status, safe, None, write.in_flight
            self._changed.notify_all()

    @staticmethod
    def _may_write(table: StatusTable, of: Of, status: StoredStatus | StoredTopic | None) -> bool:
        """Whether no other worker has said something later."""
        if isinstance(of, tuple) or not isinstance(status, StoredStatus):
            return True
        return may_replace(table.get(of), status)

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._stopping:
                    return
                now = time.monotonic()
                waiting = [each for each in self._writes.values() if each.arrived is None and not each.in_flight]
                due = [each for each in waiting if each.due <= now]
                busy = any(each.in_flight for each in self._writes.values())
                if not due and not busy:
                    self._changed.wait(min((each.due for each in waiting), default=now + 3600.0) - now)
                    continue
                for write in due:
                    self._send(write)
            # Without the lock: what is done is told by the call below.
            self._writer.poll(100)

    def _send(self, write: _Write) -> None:
        if write.safe and not self._may_write(self._read, write.of, write.status):
            self._done(write)
            return
        key = wire.topic_key(write.of[1], write.of[0]) if isinstance(write.of, tuple) else wire.status_key(write.of)
        value = None
        if isinstance(write.status, StoredStatus):
            value = wire.status(write.status)
        elif write.status is not None:
            value = wire.used_topic(write.status)
        write.in_flight, write.newer = True, False
        try:
            self._writer.send(key, value, lambda error, message: self._sent(write, error, message))
        except StatusStoreError as error:
            self._failed(write, str(error))

    def _sent(self, write: _Write, error: KafkaError | None, message: Message) -> None:
        with self._changed:
            if error is not None:
                self._failed(write, error.str())
                return
            write.in_flight = False
            self._failing = False
            if not write.newer:
                partition, offset = write.arrived = place(message)
                if self._last_read.get(partition, -1) >= offset:
                    self._done(write)
            self._changed.notify_all()

    def _failed(self, write: _Write, why: str) -> None:
        write.in_flight = False
        write.due = time.monotonic() + _WAIT_AFTER_ERROR_S
        if not self._failing:
            self._failing = True
            logger.error("Statuses cannot be written to topic %s; trying on. %s", self._table.topic, why)

    def _done(self, write: _Write) -> None:
        """From now on what is read counts."""
        del self._writes[write.of]
        _set(self._known, write.of, _get(self._read, write.of))
        self._changed.notify_all()

    # ---- reading: by `start`, then by the table's thread ----

    def _take(self, record: TopicRecord) -> None:
        try:
            of = wire.read_status_key((record.key or b"").decode())
        except UnicodeDecodeError:
            of = None
        if of is None:
            raise MeaninglessError("its key names no status")
        value = wire.read_json(record.value)
        status: StoredStatus | StoredTopic | None = None
        if value is not None:
            status = wire.read_used_topic(value) if isinstance(of, tuple) else wire.read_status(value)
        with self._changed:
            self._last_read[record.partition] = record.offset
            _set(self._read, of, status)
            write = self._writes.get(of)
            if write is None:
                _set(self._known, of, status)
            elif write.arrived is not None and record.offset >= write.arrived[1]:  # one key is always in one partition
                self._done(write)


def _set(table: StatusTable, of: Of, status: StoredStatus | StoredTopic | None) -> None:
    if isinstance(of, tuple):
        assert not isinstance(status, StoredStatus)
        table.set_topic(of[0], of[1], status)
    else:
        assert not isinstance(status, StoredTopic)
        table.set(of, status)


def _get(table: StatusTable, of: Of) -> StoredStatus | StoredTopic | None:
    if isinstance(of, tuple):
        return table.topic(*of)
    return table.get(of)
