"""What a sink task gets: a batch of records that is decoded when it is looked at, and only as far as that needs.

A simple sink iterates: `for record in records`. A bulk sink asks the batch for a whole column (`values`, `keys`, `offsets`),
for lines (`json_lines()`), for the bytes as they are in Kafka (`raw`, `lines()`), or for Arrow (`arrow()`); then no object is
made for a record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar, overload

import msgspec

from fastconnect.api.schema import Schema, Struct
from fastconnect.api.transform import Header, Records
from fastconnect.errors import ConnectError, DataError

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

    def lines(self, start: int = 0, stop: int | None = None) -> bytes | None:
        """Values, one a line, of all messages or of those from start to stop; None if one of them has a newline."""
        ...

    def runs(self) -> list[tuple[str, int, int, int]]:
        """(topic, partition, start, stop) of each run of messages of one partition."""
        ...

    def packed(self) -> tuple[bytes, bytes, bytes]:
        """The values as the buffers of an Arrow array: ends, bytes, validity."""
        ...


class Decoder(Protocol):
    """The converters and transforms between messages and what a sink sees."""

    @property
    def raw_is_json(self) -> bool:
        """Whether the values' bytes are the JSON of what they are decoded to, if they are JSON at all."""
        ...

    def decode(self, messages: Any) -> Records:
        """Everything of all messages, or of those that are left."""
        ...

    def decode_values(self, messages: Any) -> list[Any]:
        """The values alone, of all messages."""
        ...


class _Source:
    """What the parts of a batch have in common: its messages, and what was decoded of them so far."""

    def __init__(self, messages: Messages, decoder: Decoder, records: Records | None) -> None:
        self.messages = messages
        self.decoder = decoder
        self.decoded = records
        self.dropped = records is not None and len(records) != len(messages)
        self.rows: Sequence[int] = range(len(messages)) if records is None else records.rows
        self._values: list[Any] | None = None
        self._place: tuple[str | list[str], list[int], list[int]] | None = None

    def values(self) -> list[Any]:
        if self.decoded is not None:
            return self.decoded.values
        if self._values is None:
            self._values = self._decode(self.decoder.decode_values)
        return self._values

    def records(self) -> Records:
        if self.decoded is None:
            self.decoded = self._decode(self.decoder.decode)
        return self.decoded

    def place(self) -> tuple[str | list[str], list[int], list[int]]:
        """Topics, partitions and offsets of all messages."""
        if self._place is None:
            self._place = (self.messages.topics(), self.messages.partitions(), self.messages.offsets())
        return self._place

    def topic_partition(self, row: int) -> TopicPartition:
        topics, partitions, _ = self.place()
        return TopicPartition(topics if isinstance(topics, str) else topics[row], partitions[row])

    def _decode(self, decode: Callable[[Any], T]) -> T:
        try:
            return decode(self.messages)
        except DataError as error:
            index = getattr(error, "index", None)
            if index is None:
                raise
            where = f"{self.topic_partition(index)} at offset {self.place()[2][index]}"
            raise DataError(error.message, where=f"{where}, {error.where or 'its value'}", hint=error.hint) from error


class SinkRecords(Sequence[SinkRecord]):
    """A batch of records for `SinkTask.put`; a sequence of SinkRecord, made when looked at.

    It reads from librdkafka's own memory, which is given back when the batch goes: a sink that buffers keeps what it takes
    out of the batch (`values`, `raw`, ...), not the batch.

    Args:
        messages: the messages as they came.
        decoder: decodes them when that is needed.
        records: what they are already decoded to.
    """

    __slots__ = ("_items", "_source")

    def __init__(self, messages: Messages, decoder: Decoder, records: Records | None = None) -> None:
        self._source = _Source(messages, decoder, records)
        self._items: Sequence[int] = range(len(self._source.rows))

    @classmethod
    def none(cls) -> SinkRecords:
        """A batch of no records."""
        return cls(_NO_MESSAGES, _NO_MESSAGES)

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[SinkRecord]:
        return map(self._record, self._items)

    @overload
    def __getitem__(self, index: int) -> SinkRecord: ...

    @overload
    def __getitem__(self, index: slice) -> SinkRecords: ...

    def __getitem__(self, index: int | slice) -> SinkRecord | SinkRecords:
        if isinstance(index, slice):
            return self._part(self._items[index])
        return self._record(self._items[index])

    def __repr__(self) -> str:
        return f"<SinkRecords: {len(self)}>"

    def select(self, indexes: Sequence[int]) -> SinkRecords:
        """The records at these indexes, in this order, as a batch of their own."""
        return self._part([self._items[i] for i in indexes])

    def by_partition(self) -> list[tuple[TopicPartition, SinkRecords]]:
        """The batch in parts of one partition each; a partition may come several times, in the order of its offsets."""
        parts: list[tuple[TopicPartition, SinkRecords]] = []
        if self._is_whole:
            for topic, partition, start, stop in self._source.messages.runs():
                parts.append((TopicPartition(topic, partition), self._part(range(start, stop))))
            return parts
        start = 0
        places = self.topic_partitions
        for i in range(1, len(places) + 1):
            if i == len(places) or places[i] != places[start]:
                parts.append((places[start], self._part(self._items[start:i])))
                start = i
        return parts

    # ---- columns, an item for each record ----

    @property
    def values(self) -> list[Any]:
        """The values, decoded by the value converter.

        Raises:
            ConnectError: one of them cannot be decoded, and is not to be skipped.
        """
        return self._pick(self._source.values())

    @property
    def keys(self) -> list[Any]:
        """The keys, decoded; None for a record without one."""
        return self._column(self._source.records().keys)

    @property
    def value_schemas(self) -> list[Schema | None]:
        """The values' schemas; None for a value without one."""
        return self._column(self._source.records().value_schemas)

    @property
    def key_schemas(self) -> list[Schema | None]:
        """The keys' schemas; None for a key without one."""
        return self._column(self._source.records().key_schemas)

    @property
    def headers(self) -> list[Sequence[Header]]:
        """The headers of each record, decoded, in their order."""
        return [() if each is None else each for each in self._column(self._source.records().headers)]

    @property
    def topics(self) -> list[str]:
        """The topics; a transform may have changed them."""
        decoded = self._source.decoded
        topics = self._source.place()[0] if decoded is None else decoded.topics
        return [topics] * len(self) if isinstance(topics, str) else self._pick(topics)

    @property
    def partitions(self) -> list[int | None]:
        """The partitions; a transform may have changed them."""
        if self._source.decoded is None:
            partitions = self._pick_rows(self._source.place()[1])
            return list(partitions)
        return self._column(self._source.decoded.partitions)

    @property
    def offsets(self) -> list[int]:
        """The offsets in Kafka."""
        return self._pick_rows(self._source.place()[2])

    @property
    def timestamps(self) -> list[int | None]:
        """Milliseconds since 1970, or None."""
        if self._source.decoded is None:
            return self._pick_rows(self._source.messages.timestamps())
        return self._column(self._source.decoded.timestamps)

    @property
    def topic_partitions(self) -> list[TopicPartition]:
        """Where each record is in Kafka, whatever a transform has made of its topic."""
        topics, all_partitions, _ = self._source.place()
        partitions = self._pick_rows(all_partitions)
        made: dict[Any, TopicPartition] = {}
        if isinstance(topics, str):
            return [made.get(each) or made.setdefault(each, TopicPartition(topics, each)) for each in partitions]
        both = zip(self._pick_rows(topics), partitions, strict=True)
        return [made.get(each) or made.setdefault(each, TopicPartition(*each)) for each in both]

    # ---- in bulk ----

    @property
    def messages(self) -> Messages:
        """The whole batch of messages that these records are from, or are a part of."""
        return self._source.messages

    @property
    def raw(self) -> list[bytes | None]:
        """The values' bytes as they are in Kafka, untouched by converters and transforms; None for a tombstone."""
        return self._pick_rows(self._source.messages.values())

    @property
    def raw_keys(self) -> list[bytes | None]:
        """The keys' bytes as they are in Kafka; None for a record without a key."""
        keys = self._source.messages.keys()
        return [None] * len(self) if keys is None else self._pick_rows(keys)

    def lines(self) -> bytes:
        """The values' bytes as they are in Kafka, in one buffer, each ended by a newline; a tombstone is the line `null`.

        Raises:
            DataError: a value has a newline itself.
        """
        span = self._span
        lines = None if span is None else self._source.messages.lines(span.start, span.stop)
        if lines is not None:
            return lines
        raw = [b"null" if value is None else value for value in self.raw]
        for index, value in enumerate(raw):
            if b"\n" in value:
                raise DataError("the value has more than one line", where=self.where(index))
        return b"".join([value + b"\n" for value in raw])

    def json_lines(self) -> bytes:
        """The decoded values as JSON, one a line; a tombstone is `null`.

        Where the values are plain JSON in Kafka already, they are only looked through for faults, not made anew.

        Raises:
            ConnectError: one of them cannot be decoded, or is nothing that JSON has.
        """
        span = self._span
        if span is not None and self._source.decoded is None and self._source.decoder.raw_is_json:
            lines = self._source.messages.lines(span.start, span.stop)
            if lines is not None and _is_json(lines, len(self)):
                return lines
        try:
            return _json_encoder.encode_lines(self.values)
        except (TypeError, ValueError) as error:
            raise DataError(f"a value cannot be written as JSON: {error}", where=f"after {self.where(0)}") from error

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
            if self._is_whole:
                ends, text, valid = self._source.messages.packed()
                buffers = [pyarrow.py_buffer(part) for part in (valid, ends, text)]
                values = pyarrow.LargeBinaryArray.from_buffers(pyarrow.large_binary(), len(self), buffers)
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
        row = self._source.rows[self._items[index]]
        return f"{self._source.topic_partition(row)} at offset {self._source.place()[2][row]}"

    # ---- how ----

    def _part(self, items: Sequence[int]) -> SinkRecords:
        part = SinkRecords.__new__(SinkRecords)
        part._source = self._source
        part._items = items
        return part

    @property
    def _span(self) -> range | None:
        """The messages of this part, where they follow one another."""
        items = self._items
        return items if isinstance(items, range) and items.step == 1 and not self._source.dropped else None

    @property
    def _is_whole(self) -> bool:
        span = self._span
        return span is not None and len(span) == len(self._source.messages)

    def _pick(self, column: list[T]) -> list[T]:
        """This part's items of a column of the records."""
        items = self._items
        if isinstance(items, range) and items.step == 1:
            return column if len(items) == len(column) else column[items.start : items.stop]
        return [column[i] for i in items]

    def _pick_rows(self, column: list[T]) -> list[T]:
        """This part's items of a column of the messages."""
        if not self._source.dropped:
            return self._pick(column)
        rows = self._source.rows
        return [column[rows[i]] for i in self._items]

    def _column(self, column: list[Any] | None) -> list[Any]:
        return [None] * len(self) if column is None else self._pick(column)

    def _record(self, item: int) -> SinkRecord:
        source = self._source
        record = source.records().record(item)
        row = source.rows[item]
        topics, partitions, offsets = source.place()
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
            TIMESTAMP_TYPES[source.messages.timestamp_type(row)],
            topics if isinstance(topics, str) else topics[row],
            partitions[row],
        )


def _for_json(value: Any) -> Any:
    if isinstance(value, Struct):
        return {field.name: value[field.name] for field in value.schema.fields}
    raise TypeError(f"{type(value).__name__} is nothing that JSON has")


_json_encoder = msgspec.json.Encoder(enc_hook=_for_json)
_json_checker = msgspec.json.Decoder(msgspec.Raw)


def _is_json(lines: bytes, count: int) -> bool:
    """Whether each line is one JSON text."""
    try:
        return len(_json_checker.decode_lines(lines)) == count  # an empty line is none
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


class _NoMessages:
    raw_is_json = False

    def __len__(self) -> int:
        return 0

    def _nothing(self, *_: Any) -> Any:
        return []

    values = topics = partitions = offsets = timestamps = decode_values = runs = _nothing

    def keys(self) -> None:
        return None

    def timestamp_type(self, i: int) -> int:
        raise IndexError(i)

    def lines(self, start: int = 0, stop: int | None = None) -> bytes:
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
        raise ConnectError("pyarrow is not installed", hint="pip install 'fastconnect-kafka[arrow]'") from error
    return pyarrow
