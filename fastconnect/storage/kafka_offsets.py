"""Source offsets in Kafka Connect's offset topic, and beside it in a topic of the connector's own, if it has one.

A task writes the offsets of its connector, and reads them when it starts: the topic is read to its end by a client that is
closed again, so that a running task has but a producer. Kafka Connect finds an offset by the bytes of its partition, whose keys
stand in whatever order the connector's map had: here they are found by what they mean, and written with the bytes that are in
the topic already, so that workers of both kinds go on with each other's offsets.

The offsets of one `put` are records of their own: where it fails, some may have been written. Each of them is right by itself.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from fastconnect.api.record import Offset, Partition
from fastconnect.errors import OffsetStoreError
from fastconnect.storage import wire
from fastconnect.storage.stores import OffsetStore, to_json
from fastconnect.storage.topic_client import Client
from fastconnect.storage.topic_table import TopicReader, TopicRecord
from fastconnect.storage.topic_writer import TopicWriter

logger = logging.getLogger(__name__)

_FRESH_S = 1.0
"""What was read so short ago is not read again: a task may ask for thousands of partitions one by one."""


class _Held(msgspec.Struct):
    """The offset of a partition in a topic."""

    key: bytes | None
    """The bytes of its record's key, if they are not those of the partition with sorted keys."""
    value: bytes
    timestamp_ms: int
    others: dict[bytes, tuple[bytes, int]] | None = None
    """Records whose keys mean the same in other bytes, and are older: value and timestamp."""


class OffsetTopic:
    """The offsets in one topic.

    Args:
        client: librdkafka's properties for all its clients.
        only: the connector whose offsets are wanted; None for those of all.
        write_timeout_ms: how long a `put` may take.
        read_timeout_ms: how long to wait at most, in reading, while nothing comes.
    """

    def __init__(
        self,
        name: str,
        client: Client,
        *,
        only: str | None = None,
        write_timeout_ms: int = 5_000,
        read_timeout_ms: int = 30_000,
        read_committed: bool = False,
    ) -> None:
        self.name = name
        self._client = client
        self._only = only
        self._prefix = b"" if only is None else wire.encode([only])[:-1] + b","
        self._write_timeout_ms = write_timeout_ms
        self._read_timeout_ms = read_timeout_ms
        self._held: dict[str, dict[str, _Held]] = {}  # connector -> partition's canonical JSON
        self._reader = TopicReader(
            name,
            client,
            self._take,
            error=OffsetStoreError,
            read_committed=read_committed,
            wants=None if only is None else self._may_be_wanted,
        )
        self._writer: TopicWriter | None = None
        self._read_at: float | None = None

    def read(self, *, again: bool = True) -> None:
        """Know what is in the topic at this moment; unless `again`, what was in it once will do."""
        now = time.monotonic()
        if self._read_at is None or (again and now - self._read_at > _FRESH_S):
            self._reader.read_to_end(self._read_timeout_ms)
            self._read_at = now

    def connectors(self) -> list[str]:
        """Which have offsets here, as far as was read."""
        return sorted(self._held)

    def offset(self, connector: str, partition: str) -> dict[str, Any] | None:
        """The offset of the partition with this canonical JSON, as far as was read."""
        held = self._held.get(connector, {}).get(partition)
        return None if held is None else wire.read_offset(held.value)

    def all(self, connector: str) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
        """All partitions of a connector, as far as was read: canonical JSON, partition, offset."""
        for name, held in self._held.get(connector, {}).items():
            partition = msgspec.json.decode(name) if held.key is None else wire.read_offset_key(held.key)[1]
            yield name, partition, wire.read_offset(held.value)

    def put(self, connector: str, changes: Mapping[str, tuple[Partition, bytes | None]]) -> None:
        """Write offsets (None: forgotten), by their partition's canonical JSON; return when the brokers have them."""
        if not changes:
            return
        if self._read_at is None and any(_has_an_order(partition) for partition, _ in changes.values()):
            self.read()
        records: list[tuple[bytes, bytes | None]] = []
        for name, (partition, value) in changes.items():
            held = self._held.get(connector, {}).get(name)
            key = wire.offset_key(connector, partition)
            if held is not None:
                key = held.key or _plain_key(connector, name)
                records += [(other, None) for other in held.others or ()]
            records.append((key, value))
        if self._writer is None:
            self._writer = TopicWriter(self.name, self._client, error=OffsetStoreError, timeout_ms=self._write_timeout_ms)
        self._writer.put(records)
        now_ms = time.time_ns() // 1_000_000
        for key, value in records:
            self._keep(key, value, now_ms)

    def close(self) -> None:
        """Let go of the producer."""
        if self._writer is not None:
            self._writer.close(0)
            self._writer = None

    def _may_be_wanted(self, key: bytes | None) -> bool:
        """Most records are other connectors': that is seen without parsing, unless a key is written in an unusual way."""
        return key is None or key.startswith(self._prefix) or not key.startswith(b'["') or b"\\" in key

    def _take(self, record: TopicRecord) -> None:
        self._keep(record.key, record.value, record.timestamp_ms)

    def _keep(self, key: bytes | None, value: bytes | None, timestamp_ms: int) -> None:
        connector, partition = wire.read_offset_key(key)
        assert key is not None
        if self._only is not None and connector != self._only:
            return
        if value is not None:
            wire.read_offset(value)
        name = to_json("source partition", partition)
        held = self._held.setdefault(connector, {})
        _set(held, name, None if key == _plain_key(connector, name) else key, connector, value, timestamp_ms)
        if not held:
            del self._held[connector]


def _set(table: dict[str, _Held], name: str, key: bytes | None, connector: str, value: bytes | None, timestamp_ms: int) -> None:
    held = table.get(name)
    if held is None or (held.key == key and not held.others):
        if value is not None:
            table[name] = _Held(key, value, timestamp_ms)
        else:
            table.pop(name, None)
        return
    # The same partition in several spellings; the newest counts.
    spellings: dict[bytes | None, tuple[bytes, int]] = {held.key: (held.value, held.timestamp_ms)}
    for other, of in (held.others or {}).items():
        spellings[other] = of
    spellings.pop(key, None)
    if value is not None:
        spellings[key] = (value, timestamp_ms)
    if not spellings:
        del table[name]
        return
    newest = max(spellings, key=lambda each: spellings[each][1])
    value, timestamp_ms = spellings.pop(newest)
    others = {each or _plain_key(connector, name): of for each, of in spellings.items()}
    table[name] = _Held(newest, value, timestamp_ms, others or None)


def _plain_key(connector: str, name: str) -> bytes:
    return wire.encode([connector, msgspec.Raw(name.encode())])


def _has_an_order(partition: Partition) -> bool:
    return len(partition) > 1 or any(isinstance(value, (Mapping, list, tuple)) for value in partition.values())


class KafkaOffsetStore(OffsetStore):
    """Keeps the offsets in the workers' topic, and, if a connector has a topic of its own, in both.

    Args:
        topic: the workers' own, which exists.
        own: the connector's, which exists too. What is in it counts; what it lacks is looked for in the workers' topic.
    """

    def __init__(self, topic: OffsetTopic, own: OffsetTopic | None = None) -> None:
        self._topic = topic
        self._own = own

    def get(self, connector: str, partitions: Sequence[Partition]) -> list[Offset | None]:
        """See OffsetStore."""
        names = [to_json("source partition", partition) for partition in partitions]
        if not names:
            return []
        self._read()
        return [self._offset(connector, name) for name in names]

    def put(self, connector: str, offsets: Iterable[tuple[Partition, Offset | None]]) -> None:
        """See OffsetStore, but for what this module says of an error."""
        changes: dict[str, tuple[Partition, bytes | None]] = {}
        for partition, offset in offsets:
            name = to_json("source partition", partition)
            if offset is not None:
                to_json("source offset", offset)
            changes[name] = (partition, None if offset is None else wire.encode(offset))
        self._put(connector, changes)

    def all(self, connector: str) -> list[tuple[Partition, Offset]]:
        """See OffsetStore."""
        self._read()
        return [(partition, offset) for _, (partition, offset) in sorted(self._all(connector).items())]

    def connectors(self) -> list[str]:
        """See OffsetStore."""
        self._read()
        return sorted({name for topic in self._topics for name in topic.connectors()})

    def delete(self, connector: str, partitions: Sequence[Partition] | None = None) -> int:
        """See OffsetStore."""
        names = None if partitions is None else {to_json("source partition", partition) for partition in partitions}
        self._read()
        gone = {
            name: (partition, None) for name, (partition, _) in self._all(connector).items() if names is None or name in names
        }
        self._put(connector, gone)
        return len(gone)

    def close(self) -> None:
        """See OffsetStore."""
        for topic in self._topics:
            topic.close()

    @property
    def _topics(self) -> list[OffsetTopic]:
        return [self._topic] if self._own is None else [self._topic, self._own]

    def _read(self) -> None:
        for topic in self._topics:
            topic.read()

    def _offset(self, connector: str, name: str) -> dict[str, Any] | None:
        found = None if self._own is None else self._own.offset(connector, name)
        return self._topic.offset(connector, name) if found is None else found

    def _all(self, connector: str) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
        return {name: (partition, offset) for topic in self._topics for name, partition, offset in topic.all(connector)}

    def _put(self, connector: str, changes: Mapping[str, tuple[Partition, bytes | None]]) -> None:
        if self._own is None:
            self._topic.put(connector, changes)
            return
        # What is to be forgotten is forgotten first where one falls back to: killed in between, a task finds the old offset in
        # the connector's topic, never an older one behind it (KAFKA-15018).
        self._topic.put(connector, {name: change for name, change in changes.items() if change[1] is None})
        self._own.put(connector, changes)
        try:
            self._topic.put(connector, {name: change for name, change in changes.items() if change[1] is not None})
        except OffsetStoreError as error:
            # The connector's own topic has them; this copy only serves to take that topic away again.
            logger.warning("Offsets are in the connector's topic, but not in that of the workers: %s", error)
