"""What moves: one record, or a batch of them.

A task may hand over `SourceRecord`s, one object each, or a `RecordBatch`, whose records never become Python objects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from fastconnect.errors import DataError

Partition: TypeAlias = Mapping[str, Any]
"""A source partition: names one ordered stream of the source, such as `{"filename": "/var/log/a.log"}`."""

Offset: TypeAlias = Mapping[str, Any]
"""A source offset: a place in a source partition; handed back when the task is started again."""

Headers: TypeAlias = Sequence[tuple[str, Any]]
"""Header name and value, in order; a name may come more than once."""

ValueFormat: TypeAlias = Literal["bytes", "string", "json"]
"""What raw values are: opaque bytes, UTF-8 text, or UTF-8 JSON texts that are already what they stand for."""


class SourceRecord(msgspec.Struct, gc=False):
    """One record on its way to Kafka.

    `value` and `key` are what the value and the key converter make bytes of; None is a tombstone, or no key.
    `timestamp` is in milliseconds since 1970; without one the producer sets it. `partition` is Kafka's; without one
    the partitioner chooses. `source_offset` is the place *after which* reading goes on when this record is delivered.
    """

    topic: str
    value: Any = None
    key: Any = None
    source_partition: Partition | None = None
    source_offset: Offset | None = None
    partition: int | None = None
    timestamp: int | None = None
    headers: Headers | None = None
    key_schema: Any = None
    value_schema: Any = None


class RecordMetadata(NamedTuple):
    """Where in Kafka a record is, told by `SourceTask.commit_record`; `timestamp` is in milliseconds since 1970."""

    topic: str
    partition: int
    offset: int
    timestamp: int | None


class ByteOffsets(msgspec.Struct, frozen=True):
    """Offsets of the lines of a buffer: record i's is `{**fixed, key: base + the byte behind its newline}`."""

    base: int
    key: str = "position"
    fixed: Mapping[str, Any] = {}


class CountOffsets(msgspec.Struct, frozen=True):
    """Offsets that count: record i's is `{**fixed, key: first + i}`."""

    first: int
    key: str = "seq"
    fixed: Mapping[str, Any] = {}


Offsets: TypeAlias = ByteOffsets | CountOffsets | Sequence[Offset] | Callable[[int], Offset] | None
"""How the offset of the i-th record of a batch is found: derived, listed, or computed when it is flushed."""


class RecordBatch:
    """Many records of one source partition: the bulk form of what `poll` returns.

    Made by `lines`, `raw`, `values` or `arrow`. Nothing is copied and nothing is made a Python object; what is handed over
    must not be changed afterwards (it is read until its last record is acknowledged).

    Args (of all four):
        topic: where the records go, if `topics` does not say it for each.
        source_partition, offsets: where they come from, and where to go on after each of them.
        keys: one for each record, in the same form as `values` (bytes where they are raw).
        key_format: what raw keys are, if they are something else than the values.
        timestamps: milliseconds since 1970; one for all, or one for each.
        headers: one sequence of (name, value) for each record, or None.
        partitions: Kafka partitions, one for each record; -1 lets the partitioner choose.
        topics: one topic for each record.
        value_schema: the Schema of all values, where they have one: converters and transforms then know it.
        faults: what is wrong with a record, by its index, where the task knows that it is bad: errors.tolerance says what
            becomes of it. What raises in `poll` instead fails the task.
    """

    __slots__ = (
        "faults",
        "form",
        "format",
        "headers",
        "key_format",
        "keys",
        "offsets",
        "partitions",
        "source_partition",
        "timestamps",
        "topic",
        "topics",
        "value_schema",
        "values",
    )

    form: Literal["lines", "raw", "values", "arrow"]
    format: ValueFormat
    key_format: ValueFormat

    def __init__(
        self,
        topic: str,
        values: Any,
        *,
        form: Literal["lines", "raw", "values", "arrow"],
        format: ValueFormat = "bytes",
        source_partition: Partition | None = None,
        offsets: Offsets = None,
        keys: Any = None,
        key_format: ValueFormat | None = None,
        timestamps: Sequence[int] | int | None = None,
        headers: Sequence[Headers | None] | None = None,
        partitions: Sequence[int] | None = None,
        topics: Sequence[str] | None = None,
        value_schema: Any = None,
        faults: Mapping[int, DataError] | None = None,
    ) -> None:
        self.topic = topic
        self.values = values
        self.form = form
        self.format = format
        self.source_partition = source_partition
        self.offsets = offsets
        self.keys = keys
        self.key_format: ValueFormat = key_format or format
        self.timestamps = timestamps
        self.headers = headers
        self.partitions = partitions
        self.topics = topics
        self.value_schema = value_schema
        self.faults = faults

    @classmethod
    def lines(
        cls, topic: str, buffer: bytes | bytearray | memoryview, *, format: ValueFormat = "string", **rest: Any
    ) -> RecordBatch:
        r"""Take each line of a buffer as one value, without its `\n`; a last line without `\n` counts too."""
        return cls(topic, buffer, form="lines", format=format, **rest)

    @classmethod
    def raw(cls, topic: str, values: Sequence[bytes | None], *, format: ValueFormat = "bytes", **rest: Any) -> RecordBatch:
        """Take a list of bytes, one value each; None is a tombstone."""
        return cls(topic, values, form="raw", format=format, **rest)

    @classmethod
    def of(cls, topic: str, values: Sequence[Any], **rest: Any) -> RecordBatch:
        """Take a list of Python values, for the value converter to make bytes of."""
        return cls(topic, values, form="values", **rest)

    @classmethod
    def arrow(cls, topic: str, values: Any, *, format: ValueFormat = "bytes", **rest: Any) -> RecordBatch:
        """Take an Arrow binary or string array (anything with `__arrow_c_array__`), one value an element."""
        return cls(topic, values, form="arrow", format=format, **rest)


class EndOfData:
    """What `poll` returns when the source has reached its end for good; say it as `fastconnect.END`."""

    def __repr__(self) -> str:
        return "END"


END = EndOfData()

Polled: TypeAlias = list[SourceRecord] | RecordBatch | EndOfData | None
"""What `poll` may return: records, a batch, None (nothing now), or END (nothing ever again)."""
