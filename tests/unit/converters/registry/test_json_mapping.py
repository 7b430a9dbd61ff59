from __future__ import annotations

import datetime
import decimal
import json
from typing import Any

import msgspec
import pytest

from fastconnect.api.schema import Schema, Struct
from fastconnect.converters.registry.json_mapping import SchemaReaders, SchemaWriters, to_connect, to_json_schema
from fastconnect.errors import DataError

WRITERS = SchemaWriters(numeric_decimals=False, replace_nulls=True, cache_size=100)
READERS = SchemaReaders(replace_nulls=True, cache_size=100)


def written(schema: Schema) -> Any:
    tree = to_json_schema(schema, lambda of, value: WRITERS.writer(getattr(value, "schema", of))(value))
    return json.loads(msgspec.json.encode(tree))


def read(tree: Any, **more: Any) -> Schema:
    return to_connect(tree, lambda of, node: READERS.reader(of)(node), references=more.pop("references", {}), **more)


INNER = Schema.struct({"a": Schema.int8(), "b": Schema.string().optional()}, name="com.example.Inner")

SCHEMAS = {
    "int8": Schema.int8(),
    "int64": Schema.int64(),
    "float32": Schema.float32(),
    "boolean": Schema.boolean(),
    "string": Schema.string(doc="a text"),
    "bytes": Schema.bytes(),
    "decimal": Schema.decimal(3),
    "date": Schema.date().optional(),
    "time": Schema.time(),
    "timestamp": Schema.timestamp(),
    "array": Schema.array(Schema.int32().optional()),
    "map": Schema.map(Schema.string(), INNER),
    "map with numbers as keys": Schema.map(Schema.int32(), Schema.string()),
    "struct": Schema.struct({"z": INNER, "y": INNER.optional(), "x": Schema.array(INNER)}, name="Outer", version=3),
    "one of": Schema.struct(
        {
            "io.confluent.connect.json.OneOf.field.0": Schema.int64().optional(),
            "io.confluent.connect.json.OneOf.field.1": Schema.string().optional(),
        },
        name="io.confluent.connect.json.OneOf",
        optional=True,
    ),
    "defaults": Schema.struct(
        {
            "i": Schema.int32().with_default(7),
            "o": Schema.string().optional().with_default("none"),
            "d": Schema.decimal(2).with_default(decimal.Decimal("1.25")),
            "day": Schema.date().with_default(datetime.date(2020, 1, 2)),
            "s": INNER.with_default(Struct(INNER, a=1)),
        }
    ),
    "parameters": Schema.string(parameters={"a": "b"}),
}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS.keys())
def test_a_schema_is_the_same_after_the_way_through_json_schema(schema: Schema) -> None:
    assert read(written(schema)) == schema


def test_json_schema_has_confluents_keys() -> None:
    assert written(INNER) == {
        "title": "com.example.Inner",
        "type": "object",
        "properties": {
            "a": {"type": "integer", "connect.type": "int8", "connect.index": 0},
            "b": {"oneOf": [{"type": "null"}, {"type": "string"}], "connect.index": 1},
        },
    }


def test_a_schema_written_by_hand_is_read() -> None:
    tree = {
        "type": "object",
        "properties": {
            "id": {"type": "integer"},
            "price": {"type": ["null", "number"]},
            "suit": {"enum": ["HEARTS", "SPADES"]},
            "address": {"$ref": "#/$defs/address"},
            "tags": {"type": "object", "additionalProperties": {"type": "string"}},
            "other": {"$ref": "other.json"},
        },
        "required": ["id"],
        "$defs": {"address": {"type": "object", "properties": {"street": {"type": "string"}}}},
    }
    schema = read(tree, references={"other.json": {"type": "boolean"}}, nonrequired_optional=True)
    street = Schema.struct({"street": Schema.string().optional()}).optional()
    assert [(field.name, field.schema) for field in schema.fields] == [
        ("id", Schema.int64()),
        ("price", Schema.float64().optional()),
        (
            "suit",
            Schema.string(
                optional=True,
                parameters={
                    "io.confluent.connect.json.Enum": "",
                    "io.confluent.connect.json.Enum.HEARTS": "HEARTS",
                    "io.confluent.connect.json.Enum.SPADES": "SPADES",
                },
            ),
        ),
        ("address", street),
        ("tags", Schema.map(Schema.string(), Schema.string()).optional()),
        ("other", Schema.boolean().optional()),
    ]


def test_values_of_maps_and_of_one_of_go_both_ways() -> None:
    pairs = Schema.map(Schema.int32(), Schema.string())
    assert WRITERS.writer(pairs)({1: "x"}) == [{"key": 1, "value": "x"}]
    assert READERS.reader(pairs)([{"key": 1, "value": "x"}]) == {1: "x"}
    one_of = SCHEMAS["one of"]
    for node, field in ((5, 0), ("x", 1)):
        value = READERS.reader(one_of)(node)
        assert value.get(one_of.fields[field].name) == node
        assert WRITERS.writer(one_of)(value) == node


@pytest.mark.parametrize(
    ("tree", "why"),
    [
        ({"$ref": "#/definitions/x", "definitions": {"x": {"$ref": "#/definitions/x"}}}, "contains itself"),
        ({"$ref": "missing.json"}, "does not reference in the registry"),
        ({"type": "array"}, "did not specify the items type"),
        ({"allOf": [{"properties": {}}]}, "allOf of objects"),
        ({}, "Connect has no type for"),
        (True, "where a schema belongs"),
    ],
)
def test_what_connect_does_not_have_is_refused(tree: Any, why: str) -> None:
    with pytest.raises(DataError, match=why):
        read(tree)
