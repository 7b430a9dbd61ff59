from __future__ import annotations

import base64
from typing import Any

import pytest

from fastconnect.api.schema import Schema
from fastconnect.converters.registry.proto_mapping import ProtoSettings, message_descriptor, message_name, to_connect, to_proto
from fastconnect.converters.registry.proto_text import read_proto, write_proto
from fastconnect.errors import DataError

UNION = "io.confluent.connect.protobuf.Union."
ENUM = "io.confluent.connect.protobuf.Enum"
TAG = "io.confluent.connect.protobuf.Tag"
SUIT = {ENUM: "Suit", f"{ENUM}.HEARTS": "0", f"{ENUM}.SPADES": "1"}

INNER = Schema.struct({"a": Schema.int8(), "b": Schema.string().optional()}, name="com.example.Inner")
ORDER = Schema.struct(
    {
        "id": Schema.int64(),
        "price": Schema.decimal(2),
        "day": Schema.date(),
        "time": Schema.time(),
        "at": Schema.timestamp(),
        "tags": Schema.array(Schema.string()),
        "counts": Schema.map(Schema.string(), Schema.int32()),
        "odd": Schema.map(Schema.float64(), INNER),
        "inner": INNER,
        "again": INNER.optional(),
        "suit": Schema.string(name="Suit", parameters=SUIT),
        "choice_0": Schema.struct({"x": Schema.string(), "y": INNER}, name=f"{UNION}choice").optional(),
        "note": Schema.string().optional(),
    },
    name="com.example.Order",
)

BY_HAND = """
// a comment; with = signs
syntax = "proto3";
package com.example;
import "google/protobuf/timestamp.proto";
import public "other.proto";
option java_package = "com.example { }";

message First { string x = 1; }
message Order {
  reserved 2, 15, 9 to 11;
  option deprecated = false;
  message Line { uint32 count = 1; optional bool open = 2; }
  enum Suit { option allow_alias = true; HEARTS = 0; SPADES = 1 [deprecated = true]; PIKES = 1; }
  uint64 id = 1 [json_name = "ID", (confluent.field_meta) = { doc: "the id" }];
  repeated Line lines = 3 [packed = false];
  map<string, Line> by_name = 4;
  Suit suit = 5; /* of cards */
  oneof choice { string text = 6; Other other = 7; }
  google.protobuf.Timestamp at = 8;
  int32 small = 12 [(confluent.field_meta).params = {key: "connect.type", value: "int16"}];
}
service Orders { rpc Get (First) returns (Order) { option idempotency_level = IDEMPOTENT; } }
"""
OTHER = 'syntax = "proto3"; package com.example; message Other { double d = 1; }'


def connect(text: str, path: tuple[int, ...] = (0,), references: Any = None, **settings: bool) -> Schema:
    descriptor = message_descriptor(read_proto(text, "a.proto"), references or {}, path)
    return to_connect(descriptor, ProtoSettings(**settings))


def test_a_schema_has_the_same_messages_after_the_way_through_text() -> None:
    file = to_proto(ORDER, ProtoSettings())
    text = write_proto(file)
    assert 'int32 a = 1 [(confluent.field_meta) = {params: [{key: "connect.type", value: "int8"}]}];' in text
    assert "map<string, int32> counts = 7;" in text
    again = connect(text, enhanced_protobuf_schema_support=True)
    assert connect(base64.b64encode(file.SerializeToString()).decode(), enhanced_protobuf_schema_support=True) == again
    fields = {field.name: field.schema.with_parameters(None) for field in again.fields}
    assert again.name == "com.example.Order"
    assert fields["id"] == Schema.int64().optional()
    assert again.field("price").schema.parameters == {"scale": "2", TAG: "2"}  # type: ignore[union-attr]
    assert fields["at"] == Schema.timestamp().optional()
    assert fields["counts"].name == "counts"
    assert fields["odd"].key_schema == Schema.float64().optional()
    assert [f.name for f in fields["choice_0"].fields] == ["x", "y"]
    assert fields["inner"].fields[0].schema == Schema.int8(parameters={TAG: "1"}).optional()
    assert fields["inner"] == fields["again"]
    # from now on it stays as it is: numbers of fields are in the schema
    assert write_proto(to_proto(again, ProtoSettings())).count("\n") == text.count("\n")
    assert connect(write_proto(to_proto(again, ProtoSettings())), enhanced_protobuf_schema_support=True) == again


def test_a_file_written_by_hand_is_read() -> None:
    schema = connect(BY_HAND, (1,), {"other.proto": OTHER})
    assert [field.name for field in schema.fields] == ["choice_0", "id", "lines", "by_name", "suit", "at", "small"]
    fields = {field.name: field.schema for field in schema.fields}
    assert fields["id"] == Schema.int64(parameters={TAG: "1"}).optional()
    lines = fields["lines"].value_schema
    assert lines is not None
    assert [(field.name, field.schema.type) for field in lines.fields] == [("count", "INT64"), ("open", "BOOLEAN")]
    assert fields["suit"].parameters == {
        ENUM: "Suit",
        f"{ENUM}.HEARTS": "0",
        f"{ENUM}.SPADES": "1",
        f"{ENUM}.PIKES": "1",
        TAG: "5",
    }
    assert fields["small"].type == "INT16"
    assert connect(BY_HAND, (1, 0), {"other.proto": OTHER}).name == "Line"


def test_nulls_are_told_from_nothing_if_asked_for() -> None:
    schema = Schema.struct({"a": Schema.int32().optional(), "b": Schema.int32()}, name="M")
    assert "  optional int32 a = 1;\n  int32 b = 2;" in write_proto(
        to_proto(schema, ProtoSettings(optional_for_nullables=True))
    )
    wrapped = write_proto(to_proto(schema, ProtoSettings(wrapper_for_nullables=True)))
    assert "  .google.protobuf.Int32Value a = 1;\n  int32 b = 2;" in wrapped
    again = connect(wrapped, wrapper_for_nullables=True)
    assert [field.schema.is_optional for field in again.fields] == [True, False]


def test_numbers_of_fields_are_kept_and_never_given_twice() -> None:
    schema = Schema.struct({"a": Schema.int32(), "b": Schema.int32(parameters={TAG: "1"}), "c": Schema.int32()}, name="M")
    assert [field.number for field in to_proto(schema, ProtoSettings()).message_type[0].field] == [2, 1, 3]


def test_names_are_made_for_structs_that_have_none() -> None:
    schema = Schema.struct({"a": Schema.struct({"x": Schema.int32()}), "b": Schema.struct({"y": Schema.int32()})})
    file = to_proto(schema, ProtoSettings())
    assert message_name(schema, ProtoSettings()) == file.message_type[0].name == "ConnectDefault1"
    assert [nested.name for nested in file.message_type[0].nested_type] == ["ConnectDefault2", "ConnectDefault3"]


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (Schema.string(), "cannot be made of a STRING"),
        (Schema.struct({"a": Schema.array(Schema.array(Schema.int32()))}), "no arrays of arrays"),
        (Schema.struct({"a": Schema.map(Schema.string(), Schema.array(Schema.int32()))}), "no maps of arrays"),
        (Schema.struct({"a-b": Schema.int32()}), r"a-b cannot be one of a Protobuf schema.*scrub.invalid.names=true"),
    ],
)
def test_schemas_that_protobuf_does_not_have_are_refused(schema: Schema, why: str) -> None:
    with pytest.raises(DataError, match=why):
        to_proto(schema, ProtoSettings())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("message M { int32 a = x; }", "x stands where a number belongs"),
        ('syntax = "proto3";\nmessage M {\n  int32 a 1;\n}', "= was expected at line 3, not 1"),
        ("message M {", "more was expected at line the end, not nothing"),
        ("hello", "hello begins no statement"),
        ('syntax = "proto3"; import "gone.proto"; message M {}', "imports gone.proto, which it does not reference"),
        ('syntax = "proto3"; message M { M m = 1; }', "The Protobuf message M contains itself"),
        ('syntax = "proto3"; message M { Gone g = 1; }', "The Protobuf schema cannot be used"),
        ('syntax = "proto2"; message M { repeated group G = 1 { optional int32 a = 1; } }', "has a group"),
        ('edition = "2023";', "is of an edition"),
    ],
)
def test_files_that_cannot_be_used_are_told_clearly(text: str, why: str) -> None:
    with pytest.raises(DataError, match=why):
        connect(text)
