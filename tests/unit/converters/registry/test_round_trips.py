"""Schemas and values of every kind go through each format and come back; no registry is asked."""

from __future__ import annotations

import datetime
import decimal
import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastconnect.api.schema import Schema, Struct, Type
from fastconnect.converters.registry.avro import AvroConverter
from fastconnect.converters.registry.client import Registered
from fastconnect.converters.registry.framing import header
from fastconnect.converters.registry.json_schema import JsonSchemaConverter
from fastconnect.converters.registry.protobuf import ProtobufConverter

NUMBER = itertools.count(1)
LEAVES: dict[Schema, st.SearchStrategy[Any]] = {
    Schema.int8(): st.integers(-128, 127),
    Schema.int16(): st.integers(-(2**15), 2**15 - 1),
    Schema.int32(): st.integers(-(2**31), 2**31 - 1),
    Schema.int64(): st.integers(-(2**63), 2**63 - 1),
    Schema.float32(): st.floats(width=32, allow_nan=False, allow_infinity=False),
    Schema.float64(): st.floats(allow_nan=False, allow_infinity=False),
    Schema.boolean(): st.booleans(),
    Schema.string(): st.text(st.characters(exclude_categories=["Cs"])),
    Schema.bytes(): st.binary(),
    Schema.decimal(2): st.integers(-(10**30), 10**30).map(lambda unscaled: decimal.Decimal(f"{unscaled}E-2")),
    Schema.date(): st.dates(),
    Schema.time(): st.times().map(lambda time: time.replace(microsecond=time.microsecond // 1000 * 1000)),
    Schema.timestamp(): st.datetimes().map(
        lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000, tzinfo=datetime.UTC)
    ),
}


@st.composite
def typed(draw: Any, depth: int, within: str = "struct") -> tuple[Schema, st.SearchStrategy[Any]]:
    """A schema and what makes its values."""
    kinds = ["leaf", "struct"] if depth else ["leaf"]
    if depth and within != "collection":
        kinds += ["array", "map", "pairs"]
    kind = draw(st.sampled_from(kinds))
    if kind == "leaf":
        return draw(st.sampled_from([*LEAVES.items()]))
    if kind == "struct":
        fields = draw(st.lists(typed(depth - 1), min_size=1, max_size=4))
        optional = draw(st.lists(st.booleans(), min_size=len(fields), max_size=len(fields)))
        schema = Schema.struct(
            {
                f"f{i}": each.optional() if opt else each
                for i, ((each, _), opt) in enumerate(zip(fields, optional, strict=True))
            },
            name=f"com.example.S{next(NUMBER)}",
        )
        makers = {
            f"f{i}": st.none() | make if opt else make for i, ((_, make), opt) in enumerate(zip(fields, optional, strict=True))
        }
        return schema, st.fixed_dictionaries(makers).map(lambda values: (schema, values))
    element, make = draw(typed(depth - 1, "collection"))
    if kind == "array":
        return Schema.array(element), st.lists(make, max_size=3)
    key = Schema.string() if kind == "map" else Schema.int32()
    # Maps with other keys are records in Avro, so they have names.
    schema = Schema.map(key, element, name=None if kind == "map" else f"com.example.M{next(NUMBER)}")
    return schema, st.dictionaries(LEAVES[key], make, max_size=3)


def as_value(schema: Schema, drawn: Any) -> Any:
    """What was drawn, with structs of exactly the schema that its place has."""
    if drawn is None:
        return None
    if schema.type is Type.STRUCT:
        return Struct(schema, {field.name: as_value(field.schema, drawn[1][field.name]) for field in schema.fields})
    if schema.type is Type.ARRAY:
        assert schema.value_schema is not None
        return [as_value(schema.value_schema, each) for each in drawn]
    if schema.type is Type.MAP:
        assert schema.value_schema is not None
        return {key: as_value(schema.value_schema, each) for key, each in drawn.items()}
    return drawn


def plain(value: Any) -> Any:
    if isinstance(value, Struct):
        return {name: plain(value.get(name)) for name in value}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return {key: plain(each) for key, each in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize("cls", [AvroConverter, JsonSchemaConverter, ProtobufConverter])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_every_value_comes_back_as_it_was(cls: Any, data: Any) -> None:
    converter = cls()
    converter.configure({"schema.registry.url": "http://127.0.0.1:1", "optional.for.nullables": "true"}, is_key=False)
    inner, maker = data.draw(typed(3))
    schema = Schema.struct({"top": inner, "other": Schema.int64().optional()}, name=f"com.example.Top{next(NUMBER)}")
    value = as_value(schema, (schema, {"top": data.draw(maker), "other": data.draw(st.none() | st.integers(0, 9))}))
    text = converter.schema_text(schema)
    message = converter.writing(schema, text, None, header(7))(value)
    registered = Registered(7, text, cls.schema_type, {})
    path = converter.path_of(message)
    read_schema = converter.schema_read(registered, None, path)
    read = converter.reading(registered, read_schema, path)(message)
    assert plain(_without_empty(read) if cls is ProtobufConverter else read) == plain(
        _without_empty(value) if cls is ProtobufConverter else value
    )
    read.validate()
    if cls is not ProtobufConverter:  # which keeps the numbers of fields, and has all of them optional
        assert read_schema == schema


def _without_empty(value: Any) -> Any:
    """Values in which an empty list or map is none: Protobuf cannot tell them from each other."""
    if isinstance(value, Struct):
        return {name: _without_empty(value.get(name)) for name in value}
    if isinstance(value, list):
        return [_without_empty(each) for each in value] or None
    if isinstance(value, dict):
        return {key: _without_empty(each) for key, each in value.items()} or None
    return value
