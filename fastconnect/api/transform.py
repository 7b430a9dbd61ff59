"""Transforms and predicates: what happens to records between a source and its converters, or a sink and its task.

The unit is `Records`, many of them column by column, so that a transform costs its work and not a call a record. Who writes one
may leave that alone and say what happens to a single `Record`:

    class Shout(Transform[ShoutConfig]):
        def apply(self, record: Record) -> Record | None:
            return record.replace(value=record.value.upper())       # None drops the record
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, NamedTuple, Self, TypeVar

import msgspec

from fastconnect.api.config import Config, config_class_of
from fastconnect.api.schema import Schema

C = TypeVar("C", bound=Config)


class Header(NamedTuple):
    """A header of a record, and what its value is (None: a plain Python value)."""

    name: str
    value: Any
    schema: Schema | None = None


class Record(msgspec.Struct):
    """One record on its way: a source's before its converters, or a sink's behind them.

    `timestamp` is in milliseconds since 1970. `offset` is Kafka's, and only a sink's record has one. Values belong to whoever
    made them: a transform makes new ones and changes none.
    """

    topic: str
    value: Any = None
    value_schema: Schema | None = None
    key: Any = None
    key_schema: Schema | None = None
    timestamp: int | None = None
    headers: Sequence[Header] = ()
    partition: int | None = None
    offset: int | None = None

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        return msgspec.structs.replace(self, **changes)


class Records:
    """Many records, column by column; what a transform gets and gives back, never changed once made.

    A column is a list with an item for each record, or None where no record has anything there; `topics` may also be one topic
    for all of them. Lists may be shared between Records: a transform that changes a column makes a new list (and new values in
    it), and takes the others over with `replace`.

    Attributes:
        values, value_schemas, keys, key_schemas: as in `Record`; a schemas column of None says that all are without schema.
        timestamps: milliseconds since 1970, or None.
        headers: for each record a sequence of `Header`, or None.
        partitions: Kafka's partition, or None.
        offsets: Kafka's offset, for records of a sink; None for those of a source.
        rows: for each record, which one it was of the batch that was polled; a record that is dropped leaves a gap.
    """

    __slots__ = (
        "headers",
        "key_schemas",
        "keys",
        "offsets",
        "partitions",
        "rows",
        "timestamps",
        "topics",
        "value_schemas",
        "values",
    )

    def __init__(
        self,
        topics: str | list[str],
        values: list[Any],
        *,
        value_schemas: list[Schema | None] | None = None,
        keys: list[Any] | None = None,
        key_schemas: list[Schema | None] | None = None,
        timestamps: list[int | None] | None = None,
        headers: list[Sequence[Header] | None] | None = None,
        partitions: list[int | None] | None = None,
        offsets: list[int] | None = None,
        rows: Sequence[int] | None = None,
    ) -> None:
        self.topics = topics
        self.values = values
        self.value_schemas = value_schemas
        self.keys = keys
        self.key_schemas = key_schemas
        self.timestamps = timestamps
        self.headers = headers
        self.partitions = partitions
        self.offsets = offsets
        self.rows: Sequence[int] = range(len(values)) if rows is None else rows

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Record]:
        return (self.record(i) for i in range(len(self.values)))

    def record(self, i: int) -> Record:
        """The i-th record as an object."""
        return Record(
            self.topics if isinstance(self.topics, str) else self.topics[i],
            self.values[i],
            None if self.value_schemas is None else self.value_schemas[i],
            None if self.keys is None else self.keys[i],
            None if self.key_schemas is None else self.key_schemas[i],
            None if self.timestamps is None else self.timestamps[i],
            () if self.headers is None else self.headers[i] or (),
            None if self.partitions is None else self.partitions[i],
            None if self.offsets is None else self.offsets[i],
        )

    def replace(self, **columns: Any) -> Records:
        """The same records with some columns changed."""
        copy = Records.__new__(Records)
        for name in Records.__slots__:
            setattr(copy, name, columns[name] if name in columns else getattr(self, name))
        return copy

    def select(self, indexes: Sequence[int]) -> Records:
        """The records at these indexes, in this order."""

        def picked(column: Any) -> Any:
            return None if column is None else [column[i] for i in indexes]

        return Records(
            self.topics if isinstance(self.topics, str) else [self.topics[i] for i in indexes],
            [self.values[i] for i in indexes],
            value_schemas=picked(self.value_schemas),
            keys=picked(self.keys),
            key_schemas=picked(self.key_schemas),
            timestamps=picked(self.timestamps),
            headers=picked(self.headers),
            partitions=picked(self.partitions),
            offsets=picked(self.offsets),
            rows=[self.rows[i] for i in indexes],
        )

    @classmethod
    def of(cls, records: Iterable[Record], rows: Sequence[int] | None = None) -> Records:
        """Columns of single records."""
        every = list(records)

        def column(name: str, nothing: Any = None) -> Any:
            items = [getattr(record, name) for record in every]
            return items if any(item is not nothing and item != nothing for item in items) else None

        topics = [record.topic for record in every]
        return cls(
            topics[0] if topics and len(set(topics)) == 1 else topics,
            [record.value for record in every],
            value_schemas=column("value_schema"),
            keys=column("key"),
            key_schemas=column("key_schema"),
            timestamps=column("timestamp"),
            headers=column("headers", ()),
            partitions=column("partition"),
            offsets=column("offset"),
            rows=rows,
        )

    @classmethod
    def joined(cls, parts: Sequence[Records]) -> Records:
        """The records of several Records, in the order of their rows."""
        parts = [part for part in parts if len(part)]
        if len(parts) == 1:
            return parts[0]
        rows = [row for part in parts for row in part.rows]
        first = parts[0].topics if parts else ""
        one_topic = isinstance(first, str) and all(part.topics == first for part in parts)

        def column(name: str, whole: bool = False) -> Any:
            columns = [getattr(part, name) for part in parts]
            if not whole and all(items is None for items in columns):
                return None
            joined: list[Any] = []
            for part, items in zip(parts, columns, strict=True):
                joined += [items] * len(part) if items is None or isinstance(items, str) else items
            return joined

        together = cls(
            first if one_topic else column("topics"),
            column("values", whole=True),
            value_schemas=column("value_schemas"),
            keys=column("keys"),
            key_schemas=column("key_schemas"),
            timestamps=column("timestamps"),
            headers=column("headers"),
            partitions=column("partitions"),
            offsets=column("offsets"),
            rows=rows,
        )
        order = sorted(range(len(rows)), key=rows.__getitem__)
        return together if order == list(range(len(rows))) else together.select(order)


class _Configured(Generic[C]):
    config_class: ClassVar[type[Config]] = Config
    version: ClassVar[str] = "0.1.0"
    config: C

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.config_class = config_class_of(cls, cls.config_class)

    def configure(self, configs: Mapping[str, str | None]) -> None:
        """Take the settings, without the prefix that led here, and check them.

        Raises:
            ConfigError: with all that is wrong.
        """
        self.config = self.config_class.parse(configs)  # type: ignore[assignment]

    def close(self) -> None:
        """Let go of what `configure` took; called once, at the end."""


class Transform(_Configured[C]):
    """Changes, drops or re-routes records. Write it as `class Shout(Transform[ShoutConfig])`, with `apply` or `apply_batch`."""

    def apply(self, record: Record) -> Record | None:
        """Return what becomes of one record; None drops it.

        Raises:
            DataError: the record cannot be transformed: errors.tolerance says what then.
            RetriableError: trying again may succeed: errors.retry.timeout says for how long.
        """
        raise TypeError(f"{type(self).__name__} has neither an apply nor an apply_batch method")

    def apply_batch(self, records: Records) -> Records:
        """Return what becomes of many records, in the same order, those dropped left out (and their `rows` with them).

        A failure of one record is raised for all; the runtime then goes through them one by one, so `records` stays unchanged.
        """
        kept: list[Record] = []
        rows: list[int] = []
        for i in range(len(records)):
            changed = self.apply(records.record(i))
            if changed is not None:
                kept.append(changed)
                rows.append(records.rows[i])
        return Records.of(kept, rows)


class Predicate(_Configured[C]):
    """Says for which records a transform is to be applied. Write `test` or `test_batch`."""

    def test(self, record: Record) -> bool:
        """Whether it holds for one record."""
        raise TypeError(f"{type(self).__name__} has neither a test nor a test_batch method")

    def test_batch(self, records: Records) -> Sequence[bool]:
        """Whether it holds, for each of many records."""
        return [self.test(record) for record in records]
