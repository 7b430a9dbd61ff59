"""Where the records of a batch come from, and what they were before anything was done to them: for errors and dead letters.

Nothing here is looked at unless a record has failed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import msgspec

from fastconnect._core import Fetched
from fastconnect.api.java_text import java_string
from fastconnect.api.record import ByteOffsets, CountOffsets, Offset, RecordBatch, SourceRecord

RawHeader = tuple[str, bytes | None]

_TIMESTAMP_TYPES = {1: "CreateTime", 2: "LogAppendTime"}


class DeadLetter(msgspec.Struct):
    """What is kept of a failed record: its bytes, and where it is from as (name, text) pairs for the headers."""

    key: bytes | None
    value: bytes | None
    timestamp: int | None
    headers: Sequence[RawHeader]
    place: list[tuple[str, str]]


class Origin(ABC):
    """A batch as it came; `row` counts its records from 0."""

    @abstractmethod
    def where(self, row: int) -> str:
        """Name the record in an error text."""

    @abstractmethod
    def in_log(self, row: int) -> str:
        """Show the record as Kafka Connect does in the log where errors.log.include.messages is on."""

    @abstractmethod
    def dead_letter(self, row: int) -> DeadLetter:
        """What the dead letter topic gets of the record."""


class FetchedOrigin(Origin):
    """Messages of Kafka, on their way to a sink."""

    def __init__(self, fetched: Fetched) -> None:
        self._fetched = fetched

    def _place(self, row: int) -> tuple[str, int, int]:
        topics = self._fetched.topics()
        topic = topics if isinstance(topics, str) else topics[row]
        return topic, self._fetched.partitions()[row], self._fetched.offsets()[row]

    def where(self, row: int) -> str:
        """Name the record by topic, partition and offset."""
        topic, partition, offset = self._place(row)
        return f"the record of topic {topic}, partition {partition}, offset {offset}"

    def in_log(self, row: int) -> str:
        """Topic, partition, offset and timestamp; never the content."""
        topic, partition, offset = self._place(row)
        timestamp = self._fetched.timestamps()[row]
        kind = _TIMESTAMP_TYPES.get(self._fetched.timestamp_type(row))
        when = f", timestamp={timestamp}, timestampType={kind}" if kind else ""
        return f"where consumed record is {{topic='{topic}', partition={partition}, offset={offset}{when}}}"

    def dead_letter(self, row: int) -> DeadLetter:
        """The message as it is."""
        topic, partition, offset = self._place(row)
        keys, headers = self._fetched.keys(), self._fetched.headers()
        return DeadLetter(
            None if keys is None else keys[row],
            self._fetched.values()[row],
            self._fetched.timestamps()[row],
            (headers[row] or ()) if headers is not None else (),
            [("topic", topic), ("partition", str(partition)), ("offset", str(offset))],
        )


class PolledOrigin(Origin):
    """What a source task's poll has returned."""

    def __init__(self, polled: RecordBatch | list[SourceRecord]) -> None:
        self._polled = polled

    def record(self, row: int) -> SourceRecord:
        """The record as an object, also of a batch."""
        if isinstance(self._polled, RecordBatch):
            return record_of(self._polled, row)
        return self._polled[row]

    def where(self, row: int) -> str:
        """Name the record by its place in the source."""
        record = self.record(row)
        partition, offset = _plain(record.source_partition), _plain(record.source_offset)
        return f"the record of source partition {partition} with source offset {offset}"

    def in_log(self, row: int) -> str:
        """The whole record, as Java prints a SourceRecord."""
        record = self.record(row)
        headers = ", ".join(
            f"ConnectHeader(key={pair[0]}, value={_java(pair[1])}, schema=null)" for pair in record.headers or ()
        )
        key_schema, value_schema = _java(record.key_schema), _java(record.value_schema)
        return (
            f"where source record is = SourceRecord{{sourcePartition={_java(record.source_partition)}, "
            f"sourceOffset={_java(record.source_offset)}}} ConnectRecord{{topic='{record.topic}', "
            f"kafkaPartition={_java(record.partition)}, key={_java(record.key)}, keySchema={key_schema}, "
            f"value={_java(record.value)}, valueSchema={value_schema}, timestamp={_java(record.timestamp)}, "
            f"headers=ConnectHeaders(headers={headers})}}"
        )

    def dead_letter(self, row: int) -> DeadLetter:
        """Bytes and texts as they are, other values as JSON (best effort: they are what could not be converted)."""
        record = self.record(row)
        place = [("topic", record.topic)]
        if record.partition is not None:
            place.append(("partition", str(record.partition)))
        place += [
            ("source.partition", _plain(record.source_partition)),
            ("source.offset", _plain(record.source_offset)),
        ]
        return DeadLetter(
            raw_of(record.key),
            raw_of(record.value),
            record.timestamp,
            [(pair[0], raw_of(pair[1])) for pair in record.headers or ()],
            place,
        )


def record_of(batch: RecordBatch, row: int) -> SourceRecord:
    """One record of a batch as an object; its key and value as the batch has them (bytes where they are raw)."""
    return SourceRecord(
        batch.topic if batch.topics is None else batch.topics[row],
        _item(batch.values, batch.form == "lines", row),
        None if batch.keys is None else _item(batch.keys, False, row),
        batch.source_partition,
        offset_of(batch, row),
        None if batch.partitions is None or batch.partitions[row] in (None, -1) else batch.partitions[row],
        batch.timestamps if batch.timestamps is None or isinstance(batch.timestamps, int) else batch.timestamps[row],
        None if batch.headers is None else batch.headers[row],
        None,
        batch.value_schema,
    )


def offset_of(batch: RecordBatch, row: int) -> Offset | None:
    """The source offset of one record of a batch."""
    offsets = batch.offsets
    if offsets is None:
        return None
    if isinstance(offsets, ByteOffsets):
        end = -1
        data = bytes(batch.values)
        for _ in range(row + 1):
            end = data.find(b"\n", end + 1)
            if end < 0:
                end = len(data) - 1
                break
        return {**offsets.fixed, offsets.key: offsets.base + end + 1}
    if isinstance(offsets, CountOffsets):
        return {**offsets.fixed, offsets.key: offsets.first + row}
    return offsets(row) if callable(offsets) else offsets[row]


def _item(values: Any, lines: bool, row: int) -> Any:
    if lines:
        return bytes(values).split(b"\n", row + 1)[row]
    if hasattr(values, "__arrow_c_array__"):
        return values[row].as_py()
    return values[row]


def raw_of(value: Any) -> bytes | None:
    """The bytes of a value for a dead letter."""
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace")
    try:
        return msgspec.json.encode(value, enc_hook=repr)
    except Exception:  # a value that contains itself, a lone surrogate: whatever it was that could not be converted
        return repr(value).encode("utf-8", "backslashreplace")


def _plain(place: Any) -> str:
    try:
        return msgspec.json.encode(place).decode()
    except (TypeError, ValueError):
        return repr(place)


def _java(value: Any) -> str:
    if value is None:
        return "null"
    try:
        return value if isinstance(value, str) else java_string(value, None)
    except Exception:  # it is the log of a failure: what can be shown is shown
        return repr(value)
