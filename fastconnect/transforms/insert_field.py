"""InsertField: adds the record's topic, partition, offset or timestamp, or a fixed text, to its key or value as fields.

Source: Kafka Connect's InsertField.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

from fastconnect.api.config import Config, Fault, Meta
from fastconnect.api.logical import timestamp_from_ms
from fastconnect.api.schema import Schema, Type
from fastconnect.api.transform import Records
from fastconnect.errors import DataError
from fastconnect.transforms.part import (
    PartTransform,
    Plan,
    ReplaceNull,
    check_nulls,
    like,
    no_struct,
    part_of,
    reader,
    require_map,
    require_struct,
    unchecked_struct,
    with_part,
)

_PURPOSE = "field insertion"
_REQUIRED = "A `!` behind the name makes the field a required one; it is optional otherwise, as with a `?`."


class InsertFieldConfig(Config):
    """What is inserted, and under which names."""

    topic_field: Annotated[str | None, Meta(description=f"The field for the record's topic. {_REQUIRED}")] = None
    partition_field: Annotated[str | None, Meta(description=f"The field for the record's Kafka partition. {_REQUIRED}")] = None
    offset_field: Annotated[
        str | None, Meta(description=f"The field for the record's Kafka offset, which only a sink's record has. {_REQUIRED}")
    ] = None
    timestamp_field: Annotated[str | None, Meta(description=f"The field for the record's timestamp. {_REQUIRED}")] = None
    static_field: Annotated[str | None, Meta(description=f"The field for a fixed text. {_REQUIRED}")] = None
    static_value: Annotated[str | None, Meta(description="The fixed text.")] = None
    replace_null_with_default: ReplaceNull = True

    def check(self) -> Iterable[Fault]:
        """Something must be inserted, and the fixed field needs its text."""
        if all(name is None for name in self.names()):
            yield Fault("", "No field insertion configured")
        if self.static_field is not None and self.static_value is None:
            why = f"No value specified for static field: {self.static_field}"
            yield Fault("static.value", f"Invalid value null for configuration static.value: {why}")

    def names(self) -> tuple[str | None, ...]:
        """The names as given, in the order in which fields are inserted."""
        return (self.topic_field, self.partition_field, self.offset_field, self.timestamp_field, self.static_field)


_TYPES = (Schema.string(), Schema.int32(), Schema.int64(), Schema.timestamp(), Schema.string())


class InsertField(PartTransform[InsertFieldConfig]):
    """Adds fields to a key or value."""

    def configure(self, configs: Mapping[str, str | None]) -> None:
        """Take the settings and check them."""
        super().configure(configs)
        self._names = [name[:-1] if name and name.endswith(("!", "?")) else name for name in self.config.names()]
        self._schemas = [
            schema if name is not None and name.endswith("!") else schema.optional()
            for name, schema in zip(self.config.names(), _TYPES, strict=True)
        ]

    def _columns(self, records: Records) -> list[tuple[str, Any]]:
        """The fields that are inserted: a name, and a list with one for each record, or one for all."""
        found = (records.topics, records.partitions, records.offsets, records.timestamps, self.config.static_value)
        return [(name, column) for name, column in zip(self._names, found, strict=True) if name is not None]

    def bare_batch(self, values: list[Any], records: Records) -> list[Any]:
        """Return maps with the fields added."""
        columns = self._columns(records) if any(value is not None for value in values) else []
        added = {name: column for name, column in columns if isinstance(column, str)}
        try:
            made = [value | added for value in values]
        except TypeError:  # a null, or no dict
            made = [None if value is None else {**require_map(value, _PURPOSE), **added} for value in values]
        for name, column in columns:
            if name == self._names[2] and column is None:
                raise _no_offset()
            if column is not None and not isinstance(column, str):
                for value, inserted in zip(made, column, strict=True):
                    if inserted is not None and value is not None:  # without a partition or timestamp there is no field for it
                        value[name] = inserted
        return made

    def apply_batch(self, records: Records) -> Records:
        """Return the records with the fields added."""
        values, schemas = part_of(records, self.part)
        if schemas is None:
            return with_part(records, self.part, self.bare_batch(values, records), None)
        columns = self._columns(records) if any(value is not None for value in values) else []
        names = [name for name, _ in columns]
        changed: list[Any] = []
        new_schemas: list[Schema | None] = []
        last: Schema | None = None
        for value, schema, row in zip(values, schemas, _rows([column for _, column in columns], len(values)), strict=True):
            if value is None:
                changed.append(None)
                new_schemas.append(schema)
            elif schema is None:
                if self._names[2] is not None and records.offsets is None:
                    require_map(value, _PURPOSE)
                    raise _no_offset()
                said = {name: inserted for name, inserted in zip(names, row, strict=True) if inserted is not None}
                changed.append({**require_map(value, _PURPOSE), **said})
                new_schemas.append(None)
            else:
                if schema is not last:
                    plan = self.plan_of(schema)
                    last = schema
                changed.append(plan.change((value, row)))
                new_schemas.append(plan.schema)
        return with_part(records, self.part, changed, new_schemas)

    def plan(self, schema: Schema) -> Plan:
        """Add the fields to a schema; what is changed then is a pair of a value and the fields for it."""
        if schema.type is not Type.STRUCT:
            refuse = no_struct(schema, _PURPOSE).change
            return Plan(None, lambda pair: refuse(pair[0]))
        added = [(name, field) for name, field in zip(self._names, self._schemas, strict=True) if name is not None]
        new = like(schema, [*((field.name, field.schema) for field in schema.fields), *added])
        names = [name for name, _ in added]
        offset = names.index(self._names[2]) if self._names[2] is not None else None
        moment = next((i for i, (_, kind) in enumerate(added) if kind.name is not None), None)
        read = reader(schema, replace_null=self.config.replace_null_with_default)

        def change(pair: tuple[Any, Sequence[Any]]) -> Any:
            value, row = pair
            values = read(require_struct(value, schema, _PURPOSE))
            check_nulls(schema, values)
            inserted = list(row)
            if offset is not None and inserted[offset] is None:
                raise _no_offset()
            if moment is not None and inserted[moment] is not None:
                inserted[moment] = timestamp_from_ms(inserted[moment])
            return unchecked_struct(new, values + inserted)  # a partition or timestamp that is missing shows later

        return Plan(new, change)


def _no_offset() -> DataError:
    return DataError(
        f"Only SinkRecord supported for [{_PURPOSE}], found: a record of a source", hint="offset.field is for sink connectors"
    )


def _rows(columns: Sequence[Any], count: int) -> Iterator[tuple[Any, ...]]:
    """What is inserted into each record."""
    lists = [[column] * count if column is None or isinstance(column, str) else column for column in columns]
    return zip(*lists, strict=True) if lists else iter([()] * count)


class InsertFieldKey(InsertField):
    """Adds fields to the key."""

    part = "key"


class InsertFieldValue(InsertField):
    """Adds fields to the value."""
