"""Our converters against what Kafka Connect's own were recorded to do.

The recordings are vectors/converters.json, made by record_converters.py; no Java is needed here.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fastconnect import plugins
from fastconnect.api.java_text import double_text, float_text
from fastconnect.api.logical import EPOCH, date_from_days, instant_ms, time_from_ms
from fastconnect.api.schema import Schema, Struct, Type
from fastconnect.converters.json_reading import JsonReaders
from fastconnect.converters.json_schemas import schema_from_json
from fastconnect.errors import DataError

CASES = json.loads((Path(__file__).parent / "vectors" / "converters.json").read_text())["cases"]
READERS = JsonReaders(replace_nulls=True, cache_size=1000)
JSON_ = "org.apache.kafka.connect.json.JsonConverter"


def schema_of(said: Any) -> Schema | None:
    """The schema that a case describes, as JSON; unlike in an envelope, what a list or a map holds may be left open."""
    if said is not None and said["type"].lower() in ("array", "map") and said["type"].isupper():
        parts = {"value_schema": schema_of(said.get("items", said.get("values"))), "key_schema": schema_of(said.get("keys"))}
        return Schema(Type(said["type"].upper()), optional=said["optional"], name=said.get("name"), **parts)
    return schema_from_json(said, lambda schema, node: READERS.reader(schema)(node))


def described(schema: Schema | None) -> Any:
    """A schema as the recorder describes it: everything but what is inside of a list or a map may be left open."""
    if schema is None:
        return None
    if schema.type in (Type.ARRAY, Type.MAP):
        name = schema.type.lower()
        said: dict[str, Any] = {"type": name, "optional": schema.is_optional}
        if schema.type is Type.MAP:
            said["keys"] = described(schema.key_schema)
        said["values" if schema.type is Type.MAP else "items"] = described(schema.value_schema)
        return said if schema.name is None else {**said, "name": schema.name}
    return schema


def expected_schema(said: Any) -> Any:
    if said is None:
        return None
    if said["type"] in ("array", "map"):
        inner = {key: expected_schema(said[key]) for key in ("keys", "values", "items") if key in said}
        return {**{key: said[key] for key in ("type", "optional", "name") if key in said}, **inner}
    return schema_of(said)


def build(tagged: Any) -> Any:
    """The Python value that stands for a tagged Java one."""
    if not isinstance(tagged, dict):
        return tagged
    ((tag, said),) = tagged.items()
    match tag:
        case "i8" | "i16" | "i32" | "i64" | "big":
            return int(said)
        case "f32" | "f64":
            return float(said)
        case "bytes":
            return base64.b64decode(said)
        case "dec":
            return decimal.Decimal(said)
        case "date":
            return date_from_days(said)
        case "time":
            return time_from_ms(said)
        case "ts":
            return EPOCH + datetime.timedelta(milliseconds=said)
        case "list":
            return [build(element) for element in said]
        case "map":
            return {build(key): build(value) for key, value in said}
        case "struct":
            schema = schema_of(said["schema"])
            assert schema is not None
            return Struct(schema, {name: build(value) for name, value in said["fields"].items()})
    raise AssertionError(tag)


def seen(value: Any, schema: Schema | None = None) -> Any:
    """A Python value with its types made visible, so that 1, 1.0 and true are not the same."""
    if isinstance(value, bool) or value is None or isinstance(value, (str, bytes)):
        return value
    if isinstance(value, int):
        return ("int", value)
    if isinstance(value, float):
        value = value or 0.0  # Kafka Connect's parser loses the sign of a zero, ours does not
        return ("float", float_text(value) if schema is not None and schema.type is Type.FLOAT32 else double_text(value))
    if isinstance(value, decimal.Decimal):
        return ("decimal", str(value))
    if isinstance(value, (datetime.date, datetime.time)):
        return ("ms", instant_ms(value))
    inner = schema.value_schema if schema is not None else None
    if isinstance(value, (list, tuple)):
        return ("list", [seen(element, inner) for element in value])
    if isinstance(value, dict):
        keys = schema.key_schema if schema is not None else None
        return ("map", sorted((repr(seen(k, keys)), repr(seen(v, inner))) for k, v in value.items()))
    assert isinstance(value, Struct)
    fields = {f.name: seen(value.get_without_default(f.name), f.schema) for f in value.schema.fields}
    return ("struct", described(value.schema), fields)


def seen_in_java(tagged: Any) -> Any:
    """The same of a tagged Java value."""
    if not isinstance(tagged, dict):
        return tagged
    ((tag, said),) = tagged.items()
    match tag:
        case "i8" | "i16" | "i32" | "i64" | "big":
            return ("int", int(said))
        case "f32" | "f64":
            return ("float", said.replace("-0.0", "0.0") if float(said) == 0 else said)
        case "dec":
            return ("decimal", said)
        case "ms":
            return ("ms", said)
        case "list":
            return ("list", [seen_in_java(element) for element in said])
        case "map":
            return ("map", sorted((repr(seen_in_java(key)), repr(seen_in_java(value))) for key, value in said))
        case "struct":
            return ("struct", expected_schema(said["schema"]), {k: seen_in_java(v) for k, v in said["fields"].items()})
    return build(tagged)


@cache
def converter(name: str, config: str, header: bool) -> Any:
    made = plugins.find("header_converter" if header else "converter", name)()
    made.configure(json.loads(config), None if header else False)
    return made


def converter_of(case: dict[str, Any]) -> Any:
    return converter(case["converter"], json.dumps(case["config"]), case.get("header", False))


JAVA_CLASSES = {
    "java.lang.String": "str", "java.lang.Boolean": "bool", "java.lang.Byte": "int", "java.lang.Short": "int",
    "java.lang.Integer": "int", "java.lang.Long": "int", "java.lang.Float": "float", "java.lang.Double": "float", "[B": "bytes",
    "java.math.BigDecimal": "decimal.Decimal", "java.util.ArrayList": "list", "java.util.LinkedHashMap": "dict",
    "org.apache.kafka.connect.data.Struct": "fastconnect.api.schema.Struct",
}  # fmt: skip


def in_python(message: str) -> str:
    """Kafka Connect's message with Python's names of the classes; what Java's own classes say after a colon is left off."""
    for java, python in JAVA_CLASSES.items():
        message = message.replace(f"class {java}", f"class {python}")
    classes = {"Decimal": "Decimal", "Date": "date", "Time": "time", "Timestamp": "datetime"}
    return re.sub(
        r"Invalid type for (\w+), expected \w+", lambda m: f"Invalid type for {m[1]}, expected {classes[m[1]]}", message
    )


def id_of(case: dict[str, Any]) -> str:
    what = case.get("bytes", json.dumps(case.get("value")))
    return f"{case['converter'].rpartition('.')[2]}-{'read' if 'bytes' in case else 'write'}-{str(what)[:40]}"


WRITTEN = [case for case in CASES if "bytes" not in case]
READ = [case for case in CASES if "bytes" in case]


def written(case: dict[str, Any]) -> bytes | None:
    schema, value = schema_of(case.get("schema")), build(case["value"])
    if case.get("header"):
        return converter_of(case).from_connect_header("topic", "name", schema, value)
    return converter_of(case).from_connect_data("topic", schema, value)


@pytest.mark.parametrize("case", WRITTEN, ids=id_of)
def test_the_same_bytes_or_the_same_error_come_of_a_value(case: dict[str, Any]) -> None:
    expected = case.get("ours", case["answer"])
    if "error" in expected:
        with pytest.raises(DataError) as caught:
            written(case)
        if "why" not in case and "BigInteger" not in expected["error"]:
            assert caught.value.message.startswith(in_python(expected["error"]))
    else:
        data = written(case)
        assert data == (None if expected["bytes"] is None else base64.b64decode(expected["bytes"]))


@pytest.mark.parametrize("case", READ, ids=id_of)
def test_the_same_value_or_the_same_error_comes_of_bytes(case: dict[str, Any]) -> None:
    data = None if case["bytes"] is None else base64.b64decode(case["bytes"])
    expected = {**case["answer"], **case.get("ours", {})}

    def read() -> Any:
        if case.get("header"):
            return converter_of(case).to_connect_header("topic", "name", data)
        return converter_of(case).to_connect_data("topic", data)

    if "error" in expected:
        with pytest.raises(DataError, match=re.escape(in_python(expected["error"]).rstrip(": "))):
            read()
    else:
        schema, value = read()
        assert described(schema) == expected_schema(expected["schema"])
        assert seen(value, schema) == seen_in_java(expected["value"])


def good_batches() -> list[Any]:
    """All values that one converter writes with one schema, together."""
    batches: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for case in WRITTEN:
        if "error" not in case["answer"] and not case.get("header") and "ours" not in case:
            batches[json.dumps([case["converter"], case["config"], case.get("schema")])].append(case)
    return [pytest.param(cases, id=f"{id_of(cases[0])}-{len(cases)}") for cases in batches.values()]


@pytest.mark.parametrize("cases", good_batches())
def test_a_batch_becomes_what_its_values_become_one_by_one(cases: list[dict[str, Any]]) -> None:
    by, schema = converter_of(cases[0]), schema_of(cases[0].get("schema"))
    values = [build(case["value"]) for case in cases]
    encoded = by.encode_batch("topic", values, None if schema is None else [schema] * len(values))
    if isinstance(encoded, bytes):
        assert encoded.endswith(b"\n")
        encoded = [None if line == b"null" and schema is None else line for line in encoded.split(b"\n")[:-1]]
    assert encoded == [None if case["answer"]["bytes"] is None else base64.b64decode(case["answer"]["bytes"]) for case in cases]
