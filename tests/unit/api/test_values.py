from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastconnect.api.schema import Schema, Struct, Type
from fastconnect.api.values import infer_schema, parse, to_text
from fastconnect.errors import DataError

INT8, STRING = Schema.int8(), Schema.string()


@pytest.mark.parametrize(
    ("text", "schema", "value"),
    [
        ("42", INT8, 42),
        ("3.0", INT8, 3),
        ("-129", Schema.int16(), -129),
        ("9223372036854775808", Schema.decimal(0), Decimal("9223372036854775808")),
        ("1.5", Schema.float32(), 1.5),
        ("1e300", Schema.float64(), 1e300),
        ("true", Schema.boolean(), True),
        ("true}", STRING, "true}"),
        ("[1, 300]", Schema.array(Schema.int16()), [1, 300]),
        ("[1,2.5]", Schema.array(Schema.float32()), [1.0, 2.5]),
        ('{"a":{"b":1}}', Schema.map(STRING, Schema.map(STRING, INT8)), {"a": {"b": 1}}),
        ("[1,null]", STRING, "[1,null]"),
        ("[1", STRING, "[1"),
        ("2024-02-29", Schema.date(), datetime.date(2024, 2, 29)),
        ("2024-13-01", Schema.date(), datetime.date(2025, 1, 1)),
        ("12:34:56.789Z", Schema.time(), datetime.time(12, 34, 56, 789000)),
        ("2024-02-29T12:34:56.789Z", Schema.timestamp(), datetime.datetime(2024, 2, 29, 12, 34, 56, 789000, datetime.UTC)),
        ("25:00:00.000Z", STRING, "25:00:00.000Z"),
        ("", STRING, ""),
        ("null", None, None),
    ],
)
def test_a_text_is_what_it_looks_like(text: str, schema: Schema | None, value: Any) -> None:
    assert parse(text) == (schema, value)


def test_elements_of_several_types_leave_the_schema_open() -> None:
    schema, value = parse('[1,"a"]')
    assert schema == Schema(Type.ARRAY)
    assert value == [1, "a"]


@given(st.text())
def test_no_text_is_too_strange_to_be_read(text: str) -> None:
    parse(text)


@given(st.recursive(st.booleans() | st.integers(-(2**63), 2**63 - 1), lambda inner: st.lists(inner, min_size=1, max_size=1)))
def test_what_was_written_is_read_again(value: Any) -> None:
    assert parse(to_text(value)).value == value


def test_texts_inside_of_lists_and_maps_are_quoted() -> None:
    assert to_text({"a": ['b"\\', b"\0\xff", None]}) == '{"a":["b\\"\\\\","AP8=",null]}'
    assert to_text('b"') == 'b"'


def test_a_struct_is_written_like_a_map_with_its_defaults() -> None:
    schema = Schema.struct({"a": Schema.float32(), "b": Schema.int8().with_default(5)})
    assert to_text(Struct(schema, a=0.1)) == '{"a":0.1,"b":5}'


def test_moments_are_written_as_what_they_look_like() -> None:
    assert to_text(datetime.date(2024, 2, 29)) == "2024-02-29"
    assert to_text(datetime.datetime(1969, 12, 31, 23, 59, 59)) == "23:59:59.000Z"
    assert to_text(datetime.datetime(2024, 2, 29, 1, 2, 3, 4000)) == "2024-02-29T01:02:03.004Z"


def test_what_kafka_connect_does_not_know_is_refused() -> None:
    with pytest.raises(DataError, match="Failed to serialize unexpected value type object"):
        to_text(object())


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        ("x", STRING),
        (True, Schema.boolean()),
        (1, Schema.int64()),
        (1.5, Schema.float64()),
        (b"", Schema.bytes()),
        ([1, None], Schema.array(Schema.int64().optional())),
        ({"a": 1.5}, Schema.map(STRING, Schema.float64())),
        ([1, "x"], None),
        ([], None),
        (None, None),
        (object(), None),
    ],
)
def test_the_schema_of_a_value_is_inferred_as_kafka_connect_does(value: Any, schema: Schema | None) -> None:
    assert infer_schema(value) == schema
