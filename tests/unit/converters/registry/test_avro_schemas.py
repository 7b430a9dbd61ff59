from __future__ import annotations

import datetime
import decimal
import json
from typing import Any

import pytest

from fastconnect.api.schema import Schema, Struct
from fastconnect.converters.registry.avro_schemas import AvroSettings, AvroTree, to_avro, to_connect
from fastconnect.errors import DataError


def avro(schema: Schema, **settings: bool) -> Any:
    return to_avro(schema, AvroSettings(**settings))


def connect(tree: Any, **settings: bool) -> Schema:
    return to_connect(AvroTree(tree, {}), AvroSettings(**settings))


INNER = Schema.struct({"a": Schema.int8(), "b": Schema.string().optional()}, name="com.example.Inner")

SCHEMAS = {
    "int8": Schema.int8(),
    "int16": Schema.int16(),
    "int32": Schema.int32(),
    "int64": Schema.int64(),
    "float32": Schema.float32(),
    "float64": Schema.float64(),
    "boolean": Schema.boolean(),
    "string": Schema.string(),
    "bytes": Schema.bytes(),
    "decimal": Schema.decimal(3),
    "decimal with a precision": Schema.decimal(3).with_parameters({"scale": "3", "connect.decimal.precision": "10"}),
    "date": Schema.date(),
    "time": Schema.time(),
    "timestamp": Schema.timestamp(),
    "optional": Schema.int64().optional(),
    "array": Schema.array(Schema.int32().optional()),
    "map": Schema.map(Schema.string(), INNER),
    "map with numbers as keys": Schema.map(Schema.int32(), Schema.string()),
    "named map with optional keys": Schema.map(Schema.string().optional(), Schema.int64(), name="com.example.Pairs"),
    "struct": INNER.with_doc("what it is"),
    "struct with a version": INNER.but(version=4, parameters={"a": "b"}),
    "struct twice": Schema.struct({"x": INNER, "y": INNER.optional(), "z": Schema.array(INNER)}, name="com.example.Outer"),
    "struct without a name": Schema.struct({"x": Schema.struct({"y": Schema.int64()})}),
    "defaults": Schema.struct(
        {
            "i": Schema.int32().with_default(7),
            "o": Schema.string().optional().with_default("none"),
            "b": Schema.bytes().with_default(b"\x00\xff"),
            "d": Schema.decimal(2).with_default(decimal.Decimal("1.25")),
            "day": Schema.date().with_default(datetime.date(2020, 1, 2)),
            "t": Schema.time().with_default(datetime.time(1, 2, 3)),
            "ts": Schema.timestamp().with_default(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)),
            "l": Schema.array(Schema.int64()).with_default([1, 2]),
            "m": Schema.map(Schema.string(), Schema.float64()).with_default({"a": 1.5}),
            "s": INNER.with_default(Struct(INNER, a=1)),
        },
        name="com.example.Defaults",
    ),
    "union": Schema.struct(
        {"int": Schema.int32().optional(), "string": Schema.string().optional()}, name="io.confluent.connect.avro.Union"
    ),
}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS.keys())
def test_a_schema_is_the_same_after_the_way_through_avro(schema: Schema) -> None:
    # a union of null and something else is an optional schema again
    assert connect(json.loads(json.dumps(avro(schema)))) == schema


def test_avro_has_the_properties_in_the_order_of_confluents_converter() -> None:
    assert json.dumps(avro(Schema.decimal(2).optional()), separators=(",", ":")) == (
        '["null",{"type":"bytes","scale":2,"precision":64,"connect.version":1,"connect.parameters":{"scale":"2"},'
        '"connect.name":"org.apache.kafka.connect.data.Decimal","logicalType":"decimal"}]'
    )
    assert json.dumps(avro(INNER), separators=(",", ":")) == (
        '{"type":"record","name":"Inner","namespace":"com.example","fields":['
        '{"name":"a","type":{"type":"int","connect.type":"int8"}},'
        '{"name":"b","type":["null","string"],"default":null}],"connect.name":"com.example.Inner"}'
    )


def test_without_meta_data_there_are_no_connect_properties() -> None:
    text = json.dumps(avro(SCHEMAS["defaults"], connect_meta_data=False))
    assert "connect." not in text
    assert '"logicalType": "timestamp-millis"' in text


def test_a_record_that_is_there_already_is_named() -> None:
    fields = avro(SCHEMAS["struct twice"])["fields"]
    assert [field["type"] for field in fields[1:]] == [["null", "Inner"], {"type": "array", "items": "Inner"}]


def test_records_without_names_are_numbered() -> None:
    outer = avro(SCHEMAS["struct without a name"])
    assert (outer["namespace"], outer["name"]) == ("io.confluent.connect.avro", "ConnectDefault")
    assert outer["fields"][0]["type"]["name"] == "ConnectDefault2"


def test_an_enum_is_kept_if_asked_for() -> None:
    tree = {"type": "enum", "name": "Suit", "namespace": "com.example", "symbols": ["HEARTS", "SPADES"]}
    schema = connect(tree)
    assert schema.parameters == {
        "io.confluent.connect.avro.Enum": "com.example.Suit",
        "io.confluent.connect.avro.Enum.HEARTS": "HEARTS",
        "io.confluent.connect.avro.Enum.SPADES": "SPADES",
    }
    assert avro(schema)["type"] == "string"
    written = avro(schema, enhanced_avro_schema_support=True)
    assert {key: written[key] for key in tree} == tree


def test_a_union_of_several_is_a_struct_of_them() -> None:
    record = {"type": "record", "name": "com.example.R", "fields": [{"name": "x", "type": "int"}]}
    schema = connect(["null", "string", record])
    assert schema.is_optional
    assert [field.name for field in schema.fields] == ["string", "R"]
    assert [field.name for field in connect(["string", record], enhanced_avro_schema_support=True).fields] == [
        "string",
        "com.example.R",
    ]


def test_docs_and_defaults_of_avro_itself_are_kept_as_parameters() -> None:
    tree = {
        "type": "record",
        "name": "R",
        "doc": "a record",
        "fields": [{"name": "x", "type": "int", "doc": "a field", "default": 3}],
    }
    schema = connect(tree)
    assert schema.parameters == {
        "io.confluent.connect.avro.record.doc": "a record",
        "io.confluent.connect.avro.field.doc.x": "a field",
    }
    assert (schema.fields[0].schema.default, schema.fields[0].schema.parameters) == (
        3,
        {"io.confluent.connect.avro.field.default": "true"},
    )


def test_names_of_other_namespaces_are_found() -> None:
    tree = {
        "type": "record",
        "name": "a.Outer",
        "fields": [
            {"name": "x", "type": {"type": "fixed", "name": "b.Id", "size": 2}},
            {"name": "y", "type": "b.Id"},
            {"name": "z", "type": {"type": "record", "name": "Inner", "fields": [{"name": "id", "type": ["null", "b.Id"]}]}},
            {"name": "w", "type": "Inner"},
        ],
    }
    schema = connect(tree)
    assert schema.fields[1].schema == Schema.bytes()
    assert schema.fields[3].schema.name == "a.Inner"


def test_invalid_names_are_refused_or_scrubbed() -> None:
    schema = Schema.struct({"a b": Schema.int64()}, name="my-topic.Value")
    with pytest.raises(DataError, match=r"my-topic.Value cannot be one of an Avro schema.*scrub.invalid.names=true"):
        avro(schema)
    scrubbed = avro(schema, scrub_invalid_names=True)
    assert (scrubbed["namespace"], scrubbed["name"], scrubbed["fields"][0]["name"]) == ("my_topic", "Value", "a_b")


def test_what_avro_or_connect_does_not_have_is_refused() -> None:
    other = Schema.struct({"x": Schema.int64()}, name="com.example.Inner")
    with pytest.raises(DataError, match=r"Two different schemas are called com.example.Inner"):
        avro(Schema.struct({"a": INNER, "b": other}))
    tree = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}
    with pytest.raises(DataError, match="The Avro record Node contains itself"):
        connect(tree)
    with pytest.raises(DataError, match="names the type Missing, which it does not have"):
        connect({"type": "record", "name": "R", "fields": [{"name": "x", "type": "Missing"}]})
    with pytest.raises(DataError, match="Standalone null"):
        connect("null")
