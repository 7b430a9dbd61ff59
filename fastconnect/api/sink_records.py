"""What a sink task gets: a batch of records that is decoded when it is looked at, and only as far as that needs.

A simple sink iterates: `for record in records`. A bulk sink asks the batch for a whole column (`values`, `keys`, `offsets`),
for the bytes as they are in Kafka (`raw`, `lines()`), or for Arrow (`arrow()`); then no object is made for a record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar, overload

import msgspec

from fastconnect.api.schema import Schema
from fastconnect.api.transform import Header, Records
from fastconnect.errors import DataError

T = TypeVar("T")


class TopicPartition(NamedTuple):
    """One partition of a Kafka topic; written `orders-3`."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}"


class SinkRecord(msgspec.Struct, frozen=True):
    """One record out of Kafka, behind its converters and transforms.

    `topic` and `partition` may have been changed by a transform; `original_topic` and `original_partition` say where the record
    is in Kafka, at `offset`. `timestamp` is in milliseconds since 1970, or None; `timestamp_type` says whose it is.
    """

    topic: str
    partition: int | None
    offset: int
    value: Any = None
    key: Any = None
    timestamp: int | None = None
    headers: Sequence[Header] = ()
    value_schema: Schema | None = None
    key_schema: Schema | None = None
    timestamp_type: str = "NO_TIMESTAMP_TYPE"
    original_topic: str = ""
    original_partition: int = -1

    @property
    def topic_partition(self) -> TopicPartition:
        """Where the record is in Kafka."""
        return TopicPartition(self.original_topic or self.topic, self.original_partition)


TIMESTAMP_TYPES = ("NO_TIMESTAMP_TYPE", "CREATE_TIME", "LOG_APPEND_TIME")
"""Kafka's names, by the number that `Messages.timestamp_type` gives."""


class Messages(Protocol):
    """A batch of messages as they came from Kafka; each column is made when it is asked for."""

    def __len__(self) -> int: ...

    def values(self) -> list[bytes | None]:
        """The values' bytes."""
        ...

    def keys(self) -> list[bytes | None] | None:
        """The keys' bytes; None if no message has a key."""
        ...

    def topics(self) -> str | list[str]:
        """The topic of all of them, or one for each."""
        ...

    def partitions(self) -> list[int]:
        """Kafka's partitions."""
        ...

    def offsets(self) -> list[int]:
        """Kafka's offsets."""
        ...

    def timestamps(self) -> list[int | None]:
        """Milliseconds since 1970."""
        ...

    def timestamp_type(self, i: int) -> int:
        """Index into TIMESTAMP_TYPES."""
        ...

    def lines(self) -> bytes | None:
        """All values, one a line; None if one of them has a newline."""
        ...

    def packed(self) -> tuple[bytes, bytes, bytes]:
        """The values as the buffers of an Arrow array: ends, bytes, validity."""
        ...


class Decoder(Protocol):
    """The converters and transforms between messages and what a sink sees."""

    def decode(self, messages: Any) -> Records:
        """Everything of all messages, or of those that are left."""
        ...

    def decode_values(self, messages: Any) -> list[Any]:
        """The values alone."""
        ...


class SinkRecords(Sequence[SinkRecord]):
    """A batch of records for `SinkTask.put`; a sequence of SinkRecord, made when looked at.

    It reads from librdkafka's own memory, which is given back when the batch goes: a sink that buffers keeps what it takes
    out of the batch (`values`, `raw`, ...), not the batch.

    Args:
        messages: the messages as they came.
        decoder: decodes them when that is needed.
        records: what they are already decoded to.
        rows: which of the messages count; all of them by default.
    """

    def __init__(
        self, messages: Messages, decoder: Decoder, records: Records | None = None, rows: Sequence[int] | None = None
    ) -> None:
        self._messages = messages
        self._decoder = decoder
        self._records = records
        self._rows = records.rows if records is not None else rows
        self._all = self._rows is None or (isinstance(self._rows, range) and len(self._rows) == len(messages))
        self._count = len(messages) if self._rows is None else len(self._rows)
        self._values: list[Any] | None = None
        self._origin: tuple[str | list[str], list[int], list[int]] | None = None

    @classmethod
    def none(cls) -> SinkRecords:
        """A batch of no records."""
        return cls(_NO_MESSAGES, _NO_MESSAGES, Records("", []))

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[SinkRecord]:
        return map(self._record, range(self._count))

    @overload
    def __getitem__(self, index: int) -> SinkRecord: ...

    @overload
    def __getitem__(self, index: slice) -> SinkRecords: ...

    def __getitem__(self, index: int | slice) -> SinkRecord | SinkRecords:
        if isinstance(index, slice):
            return self.select(range(*index.indices(self._count)))
        if not -self._count <= index < self._count:
            raise IndexError(f"record {index} of {self._count}")
        return self._record(index % self._count)

    def __repr__(self) -> str:
        return f"<SinkRecords: {self._count}>"

    def select(self, indexes: Sequence[int]) -> SinkRecords:
        """The records at these indexes, in this order, as a batch of their own."""
        if self._records is not None:
            return SinkRecords(self._messages, self._decoder, self._records.select(indexes))
        rows = list(indexes) if self._rows is None else [self._rows[i] for i in indexes]
        return SinkRecords(self._messages, self._decoder, rows=rows)

    # ---- columns, an item for each record ----

    @property
    def values(self) -> list[Any]:
        """The values, decoded by the value converter.

        Raises:
            DataError: one of them cannot be decoded (where errors.tolerance is `none`; else such a record is not in the batch).
        """
        if self._values is None:
            if self._records is not None:
                self._values = self._records.values
            else:
                self._values = self._picked(self._decoded(self._decoder.decode_values))
        return self._values

    @property
    def keys(self) -> list[Any]:
        """The keys, decoded; None for a record without one."""
        return self._column(self._full().keys, None)

    @property
    def value_schemas(self) -> list[Schema | None]:
        """The values' schemas; None for a value without one."""
        return self._column(self._full().value_schemas, None)

    @property
    def key_schemas(self) -> list[Schema | None]:
        """The keys' schemas; None for a key without one."""
        return self._column(self._full().key_schemas, None)

    @property
    def headers(self) -> list[Sequence[Header]]:
        """The headers of each record, decoded, in their order."""
        headers = self._full().headers
        return [() if each is None else each for each in self._column(headers, None)]

    @property
    def topics(self) -> list[str]:
        """The topics; a transform may have changed them."""
        topics = self._messages.topics() if self._records is None else self._records.topics
        if isinstance(topics, str):
            return [topics] * self._count
        return self._picked(topics) if self._records is None else topics

    @property
    def partitions(self) -> list[int | None]:
        """The partitions; a transform may have changed them."""
        if self._records is None:
            partitions = self._picked(self._messages.partitions())
            return list(partitions)
        return self._column(self._records.partitions, None)

    @property
    def offsets(self) -> list[int]:
        """The offsets in Kafka."""
        return self._picked(self._messages.offsets())

    @property
    def timestamps(self) -> list[int | None]:
        """Milliseconds since 1970, or None."""
        if self._records is None:
            return self._picked(self._messages.timestamps())
        return self._column(self._records.timestamps, None)

    @property
    def topic_partitions(self) -> list[TopicPartition]:
        """Where each record is in Kafka, whatever a transform has made of its topic."""
        topics = self._messages.topics()
        partitions = self._picked(self._messages.partitions())
        made: dict[Any, TopicPartition] = {}
        if isinstance(topics, str):
            return [made.get(each) or made.setdefault(each, TopicPartition(topics, each)) for each in partitions]
        both = zip(self._picked(topics), partitions, strict=True)
        return [made.get(each) or made.setdefault(each, TopicPartition(*each)) for each in both]

    # ---- as they are in Kafka ----

    @property
    def raw(self) -> list[bytes | None]:
        """The values' bytes as they are in Kafka, untouched by converters and transforms; None for a tombstone."""
        return self._picked(self._messages.values())

    @property
    def raw_keys(self) -> list[bytes | None]:
        """The keys' bytes as they are in Kafka; None for a record without a key."""
        keys = self._messages.keys()
        return [None] * self._count if keys is None else self._picked(keys)

    def lines(self) -> bytes:
        """The values' bytes as they are in Kafka, in one buffer, each ended by a newline; a tombstone is the line `null`.

        Raises:
            DataError: a value has a newline itself.
        """
        lines = self._messages.lines() if self._all else None
        if lines is not None:
            return lines
        raw = [b"null" if value is None else value for value in self.raw]
        for index, value in enumerate(raw):
            if b"\n" in value:
                raise DataError("the value has more than one line", where=self.where(index))
        return b"".join([value + b"\n" for value in raw])

    def arrow(self, *, decode: bool = False) -> Any:
        """A pyarrow.RecordBatch with the columns topic, partition, offset, timestamp, key and value.

        Args:
            decode: have the values (and keys) as Arrow makes them of the decoded Python values: a struct of the fields where
                they are dicts. By default they are the bytes as they are in Kafka, and nothing is decoded.
        Raises:
            ConnectError: pyarrow is not installed (`pip install 'fastconnect-kafka[arrow]'`).
        """
        pyarrow = _pyarrow()
        if decode:
            keys, values = pyarrow.array(self.keys), pyarrow.array(self.values)
        else:
            keys = pyarrow.array(self.raw_keys, pyarrow.large_binary())
            if self._all:
                ends, text, valid = self._messages.packed()
                buffers = [pyarrow.py_buffer(part) for part in (valid, ends, text)]
                values = pyarrow.LargeBinaryArray.from_buffers(pyarrow.large_binary(), self._count, buffers)
            else:
                values = pyarrow.array(self.raw, pyarrow.large_binary())
        return pyarrow.RecordBatch.from_arrays(
            [
                pyarrow.array(self.topics, pyarrow.string()),
                pyarrow.array(self.partitions, pyarrow.int32()),
                pyarrow.array(self.offsets, pyarrow.int64()),
                pyarrow.array(self.timestamps, pyarrow.timestamp("ms", "UTC")),
                keys,
                values,
            ],
            names=["topic", "partition", "offset", "timestamp", "key", "value"],
        )

    def where(self, index: int) -> str:
        """Name a record for an error: `orders-3 at offset 17`."""
        return f"{self.topic_partitions[index]} at offset {self.offsets[index]}"

    # ---- how ----

    def _picked(self, column: list[T]) -> list[T]:
        """The items of a column of all messages that belong to records of this batch."""
        if self._all or self._rows is None:
            return column
        return [column[row] for row in self._rows]

    def _column(self, column: list[T] | None, nothing: T) -> list[T]:
        return [nothing] * self._count if column is None else column

    def _full(self) -> Records:
        if self._records is None:
            records = self._decoded(self._decoder.decode)
            if not self._all and self._rows is not None:
                at = {row: i for i, row in enumerate(records.rows)}
                records = records.select([at[row] for row in self._rows])
            self._records = records
        return self._records

    def _decoded(self, decode: Callable[[Any], T]) -> T:
        try:
            return decode(self._messages)
        except DataError as error:
            index = getattr(error, "index", None)
            if index is None:
                raise
            every = SinkRecords(self._messages, self._decoder)
            raise DataError(
                error.message, where=f"{every.where(index)}, {error.where or 'its value'}", hint=error.hint
            ) from error

    def _record(self, i: int) -> SinkRecord:
        records = self._full()
        row = records.rows[i]
        record = records.record(i)
        if self._origin is None:
            self._origin = (self._messages.topics(), self._messages.partitions(), self._messages.offsets())
        topics, partitions, offsets = self._origin
        return SinkRecord(
            record.topic,
            record.partition,
            offsets[row],
            record.value,
            record.key,
            record.timestamp,
            record.headers,
            record.value_schema,
            record.key_schema,
            TIMESTAMP_TYPES[self._messages.timestamp_type(row)],
            topics if isinstance(topics, str) else topics[row],
            partitions[row],
        )


class _NoMessages:
    def __len__(self) -> int:
        return 0

    def _nothing(self, *_: Any) -> Any:
        return []

    values = topics = partitions = offsets = timestamps = decode_values = _nothing

    def keys(self) -> None:
        return None

    def timestamp_type(self, i: int) -> int:
        raise IndexError(i)

    def lines(self) -> bytes:
        return b""

    def packed(self) -> tuple[bytes, bytes, bytes]:
        return bytes(8), b"", b""

    def decode(self, messages: Any) -> Records:
        return Records("", [])


_NO_MESSAGES = _NoMessages()


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError as error:
        from fastconnect.errors import ConnectError

        raise ConnectError("pyarrow is not installed", hint="pip install 'fastconnect-kafka[arrow]'") from error
    return pyarrow
