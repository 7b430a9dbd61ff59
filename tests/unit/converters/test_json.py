from __future__ import annotations

import dataclasses
import datetime
import enum
import json
import uuid
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastconnect.api.converter import ConversionError
from fastconnect.api.schema import Schema, Struct
from fastconnect.converters.json import JsonConverter
from fastconnect.errors import ConfigError


def converter(**settings: str) -> JsonConverter:
    made = JsonConverter()
    made.configure({key.replace("_", "."): value for key, value in settings.items()}, is_key=False)
    return made


PLAIN = converter(schemas_enable="false")
ENVELOPED = converter()

ORDER = Schema.struct(
    {"id": Schema.int64(), "price": Schema.decimal(2), "note": Schema.string().optional()}, name="Order", version=2
)
AN_ORDER = Struct(ORDER, id=1, price=Decimal("1.50"))

texts = st.text(st.characters(), max_size=6)
plain_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | texts | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts | st.integers(-5, 5), inner, max_size=3),
    max_leaves=8,
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(plain_values, min_size=1, max_size=8))
def test_a_batch_becomes_what_its_values_become_one_by_one(values: list[Any]) -> None:
    for by in (PLAIN, ENVELOPED):
        lines = by.encode_batch("t", values)
        assert isinstance(lines, bytes)
        assert lines.split(b"\n")[:-1] == [by.from_connect_data("t", None, value) or b"null" for value in values]


@given(st.lists(plain_values, min_size=1, max_size=8))
def test_lines_are_json_without_newlines_inside(values: list[Any]) -> None:
    lines = PLAIN.encode_batch("t", values)
    assert isinstance(lines, bytes)
    assert lines.count(b"\n") == len(values)
    for line in lines.split(b"\n")[:-1]:
        json.loads(line, parse_constant=pytest.fail)


@given(json_values)
def test_plain_values_are_read_back_as_they_were(value: Any) -> None:
    for by in (PLAIN, ENVELOPED):
        assert by.to_connect_data("t", by.from_connect_data("t", None, value)) == (None, value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": 1, "b": [True, None, 0.5]}, '{"a":1,"b":[true,null,0.5]}'),
        (1764000000.25, "1.76400000025E9"),
        ([float("nan"), float("-inf")], '["NaN","-Infinity"]'),
        ({1: "x", None: 2}, '[[1,"x"],[null,2]]'),
        ("\x1f\n😀\ud800", '"\\u001F\\n\\uD83D\\uDE00\\uD800"'),
        (b"\0\xff", '"AP8="'),
        ((1, 2), "[1,2]"),
    ],
)
def test_values_are_written_as_kafka_connect_writes_them(value: Any, text: str) -> None:
    assert PLAIN.from_connect_data("t", None, value) == text.encode()
    assert PLAIN.encode_batch("t", [value]) == text.encode() + b"\n"


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    y: float


class Click(msgspec.Struct, rename="camel"):
    user_id: int
    at: float


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Colour.RED, '"red"'),
        (Point(1, float("nan")), '{"x":1,"y":"NaN"}'),
        (Click(1, 2.5), '{"userId":1,"at":2.5}'),
        (Click(1, float("inf")), '{"userId":1,"at":"Infinity"}'),
        (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.UTC), '"2024-02-29T12:00:00Z"'),
        (Decimal("1.50"), '"1.50"'),
        ({Decimal("1.50")}, '["1.50"]'),
        (msgspec.Raw(b'{"a" :\n1}'), '{"a":1}'),
    ],
)
def test_values_that_only_python_has_are_written_too(value: Any, text: str) -> None:
    assert PLAIN.encode_batch("t", [[value], value]) == f"[{text}]\n{text}\n".encode()


def test_decimals_without_a_schema_are_numbers_if_decimals_are_to_be_numbers() -> None:
    numeric = converter(schemas_enable="false", decimal_format="Numeric")
    assert numeric.encode_batch("t", [Decimal("12345678.90"), 1e10]) == b"12345678.90\n1.0E10\n"


def test_no_value_is_a_tombstone() -> None:
    assert PLAIN.from_connect_data("t", None, None) is None
    assert ENVELOPED.from_connect_data("t", None, None) is None
    assert ENVELOPED.encode_batch("t", [None, 1, None]) == b'null\n{"schema":null,"payload":1}\nnull\n'
    nested = {"schema": None, "payload": None}
    assert ENVELOPED.encode_batch("t", [nested]) == b'{"schema":null,"payload":{"schema":null,"payload":null}}\n'
    assert ENVELOPED.to_connect_data("t", None) == (None, None)


def test_a_null_with_a_schema_is_a_text_and_no_tombstone() -> None:
    optional = Schema.string().optional()
    assert PLAIN.encode_batch("t", ["a", None], [optional, optional]) == [b'"a"', b"null"]
    assert ENVELOPED.encode_batch("t", [None], [optional]) == b'{"schema":{"type":"string","optional":true},"payload":null}\n'


ENVELOPE = (
    b'{"schema":{"type":"struct","fields":[{"type":"int64","optional":false,"field":"id"},{"type":"bytes","optional":false,'
    b'"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"},"field":"price"},'
    b'{"type":"string","optional":true,"field":"note"}],"optional":false,"name":"Order","version":2},'
    b'"payload":{"id":1,"price":"AJY=","note":null}}'
)


def test_a_struct_brings_its_schema_along() -> None:
    assert ENVELOPED.from_connect_data("t", ORDER, AN_ORDER) == ENVELOPE
    assert ENVELOPED.from_connect_data("t", None, AN_ORDER) == ENVELOPE
    assert ENVELOPED.encode_batch("t", [AN_ORDER] * 2, [ORDER] * 2) == (ENVELOPE + b"\n") * 2
    assert ENVELOPED.encode_batch("t", [AN_ORDER, None]) == [ENVELOPE, None]
    assert ENVELOPED.to_connect_data("t", ENVELOPE) == (ORDER, AN_ORDER)


def test_values_of_several_schemas_share_a_batch() -> None:
    encoded = PLAIN.encode_batch("t", [AN_ORDER, "x", None], [ORDER, Schema.string(), None])
    assert encoded == [b'{"id":1,"price":"AJY=","note":null}', b'"x"', None]


def test_the_error_names_the_topic_and_the_value() -> None:
    for values in ([1, {"a": 2**63}], [float("nan"), object()]):
        with pytest.raises(ConversionError, match=r"value of topic t: .* does not have corresponding schema type") as caught:
            PLAIN.encode_batch("t", values)
        assert caught.value.index == 1
    with pytest.raises(ConversionError, match="Invalid type for INT8: class str") as caught:
        PLAIN.encode_batch("t", [1, 2, "x"], [Schema.int8()] * 3)
    assert caught.value.index == 2


def test_a_value_that_contains_itself_is_an_error() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ConversionError, match="nested too deeply, or contains itself") as caught:
        PLAIN.encode_batch("t", [1, endless])
    assert caught.value.index == 1
    with pytest.raises(ConversionError, match="nested too deeply, or contains itself"):
        PLAIN.from_connect_data("t", None, endless)


def test_the_values_of_a_batch_are_left_as_they_were() -> None:
    values = [{"a": float("nan")}, 1]
    PLAIN.encode_batch("t", values)
    assert list(values[0]) == ["a"]  # type: ignore[call-overload]
    assert values[0]["a"] != values[0]["a"]  # type: ignore[index]


def test_raw_json_goes_out_as_it_is_or_into_the_envelope() -> None:
    assert PLAIN.raw_is_encoded("json")
    assert not ENVELOPED.raw_is_encoded("json")
    assert ENVELOPED.encode_raw("t", [b'{"a": 1}', None], "json") == [b'{"schema":null,"payload":{"a": 1}}', None]


def test_raw_text_becomes_json_texts_and_raw_bytes_base64() -> None:
    assert PLAIN.encode_raw("t", [b'say "x"', "é".encode(), None], "string") == '"say \\"x\\""\n"é"\nnull\n'.encode()
    assert PLAIN.encode_raw("t", [b"\0\xff"], "bytes") == b'"AP8="\n'


def test_schemas_are_remembered_only_so_many() -> None:
    small = converter(schemas_cache_size="1")
    for _ in range(2):
        for schema in (Schema.string(), Schema.string(name="n"), Schema.string(name="m")):
            encoded = small.from_connect_data("t", schema, "x")
            assert small.to_connect_data("t", encoded) == (schema, "x")


def test_a_fixed_schema_reads_payloads_without_envelope() -> None:
    fixed = converter(schema_content='{"type":"struct","fields":[{"type":"int8","field":"a"}]}')
    schema, value = fixed.to_connect_data("t", b'{"a":5}')
    assert value == Struct(Schema.struct({"a": Schema.int8()}), a=5)
    assert schema == value.schema


def test_wrong_settings_are_config_errors() -> None:
    with pytest.raises(ConfigError, match=r"schema\.content: Failed to parse schema: Unknown schema type: nope"):
        converter(schema_content='{"type":"nope"}')
    with pytest.raises(ConfigError, match=r"String must be one of \(case insensitive\): BASE64, NUMERIC"):
        converter(decimal_format="hex")


def test_numpy_values_are_written_as_numbers_and_lists() -> None:
    class Array:  # numpy is not needed for its one method
        def tolist(self) -> list[Any]:
            return [1, 2.5]

    assert PLAIN.encode_batch("t", [{"a": Array()}]) == b'{"a":[1,2.5]}\n'
