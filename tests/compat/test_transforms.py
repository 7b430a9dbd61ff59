"""Our transforms and predicates against what Kafka Connect's own were recorded to do.

The recordings are vectors/transforms.json, made by record_transforms.py; no Java is needed here.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from compat.test_converters import build, described, expected_schema, in_python, schema_of, seen, seen_in_java

from fastconnect import plugins
from fastconnect.api.schema import Schema
from fastconnect.api.transform import Header, Record, Records, Transform
from fastconnect.errors import ConfigError, DataError

RECORDED = json.loads((Path(__file__).parent / "vectors" / "transforms.json").read_text())
PACKAGE = "org.apache.kafka.connect.transforms."

Case = dict[str, Any]


def unpacked(node: Any) -> Any:
    if isinstance(node, list):
        return [unpacked(inner) for inner in node]
    if not isinstance(node, dict):
        return node
    return RECORDED["schemas"][node["#"]] if "#" in node else {key: unpacked(inner) for key, inner in node.items()}


CASES: list[Case] = [unpacked(case) for case in RECORDED["cases"]]
TRANSFORMS = [case for case in CASES if not case["plugin"].startswith("predicates.")]
PREDICATES = [case for case in CASES if case["plugin"].startswith("predicates.")]


@cache
def made(plugin: str, config: str) -> Any:
    """A configured plugin; kept, so that the plans for schemas are used more than once, as in a task."""
    kind: plugins.Kind = "predicate" if plugin.startswith("predicates.") else "transform"
    found = plugins.find(kind, PACKAGE + plugin)()
    found.configure(json.loads(config))
    return found


@cache
def schema(text: str) -> Schema | None:
    return schema_of(json.loads(text))


def record_of(said: Any) -> Record:
    def known(name: str) -> Schema | None:
        return schema(json.dumps(said.get(name)))

    return Record(
        said.get("topic", "topic"),
        build(said.get("value")),
        known("value_schema"),
        build(said.get("key")),
        known("key_schema"),
        said.get("timestamp"),
        [Header(name, build(value), schema_of(kind)) for name, value, kind in said.get("headers", ())],
        said.get("partition", 0 if "offset" in said else None),
        said.get("offset"),
    )


def seen_record(record: Record) -> dict[str, Any]:
    """A record with the types of its values made visible."""
    return {
        "topic": record.topic,
        "partition": record.partition,
        "timestamp": record.timestamp,
        "key_schema": described(record.key_schema),
        "key": seen(record.key, record.key_schema),
        "value_schema": described(record.value_schema),
        "value": seen(record.value, record.value_schema),
        "headers": [(name, seen(value, kind), described(kind)) for name, value, kind in record.headers],
    }


def expected_record(said: Any, topic: str) -> dict[str, Any]:
    return {
        "topic": said.get("topic", topic),
        "partition": said.get("partition"),
        "timestamp": said.get("timestamp"),
        "key_schema": expected_schema(said.get("key_schema")),
        "key": seen_in_java(said.get("key")),
        "value_schema": expected_schema(said.get("value_schema")),
        "value": seen_in_java(said.get("value")),
        "headers": [(name, seen_in_java(value), expected_schema(kind)) for name, value, kind in said.get("headers", ())],
    }


JAVA_NAMES = {
    "java.lang.String": "str", "java.lang.Boolean": "bool", "java.lang.Long": "int", "java.lang.Integer": "int",
    "java.util.Date": "datetime.datetime",
    "java.lang.Double": "float", "java.math.BigDecimal": "decimal.Decimal", "java.util.ArrayList": "list",
    "java.util.LinkedHashMap": "dict",
    "org.apache.kafka.connect.data.Struct": "fastconnect.api.schema.Struct", "[B": "bytes",
}  # fmt: skip


def message_of(error: str) -> str:
    """Kafka Connect's message with Python's names of the classes; what only Java can say is left off."""
    if error.startswith("Only SinkRecord supported"):
        return "Only SinkRecord supported for [field insertion], found: "
    if error.startswith("Timestamp missing on record"):
        return "Timestamp missing on record"
    if error.startswith("Expected ") and "java.util.Date" in error:
        return error.partition(" to be ")[0]
    if error.startswith("Cannot mask value of type class java.util.Date"):
        return "Cannot mask value of type class datetime."
    for java, python in JAVA_NAMES.items():
        error = error.replace(f"found: {java}", f"found: {python}").replace(f"class {java}", f"class {python}")
    return in_python(error)


JAVA_FAILS = {"NullPointerException", "ClassCastException", "IndexOutOfBoundsException", "ArrayIndexOutOfBoundsException"}
"""Where Kafka Connect runs into a mistake of its own, we say what is wrong in our words."""


def id_of(case: Case) -> str:
    return f"{case['plugin']}-{json.dumps(case['config'])}-{json.dumps(case['record'])}"[:90]


def applied(case: Case) -> Record | None:
    transform: Transform[Any] = made(case["plugin"], json.dumps(case["config"]))
    after = transform.apply_batch(Records.of([record_of(case["record"])]))
    return after.record(0) if len(after) else None


def check_config_error(case: Case, expected: Case) -> None:
    with pytest.raises(ConfigError) as caught:
        made(case["plugin"], json.dumps(case["config"]))
    message = expected["config_error"]
    if message.startswith("Invalid value java.lang."):  # Kafka Connect takes an exception for the value
        return
    message = re.sub(
        r"(Invalid regex): .*", r"\1", message, flags=re.DOTALL
    )  # what is wrong with it is said by each in its way
    message = re.sub(r"InsertionSpec.*|org\.apache.*", "", message).replace(" to compile", "")
    assert any(fault.message.startswith(message) for fault in caught.value.faults), caught.value.faults


@pytest.mark.parametrize("case", TRANSFORMS, ids=id_of)
def test_the_same_record_or_the_same_error_comes_of_a_record(case: Case) -> None:
    expected = case.get("ours", case["answer"])
    if "config_error" in expected:
        check_config_error(case, expected)
    elif "error" in expected:
        with pytest.raises(DataError) as caught:
            applied(case)
        if expected.get("class") not in JAVA_FAILS:
            assert caught.value.message.startswith(message_of(expected["error"]))
    else:
        after = applied(case)
        if expected["record"] is None:
            assert after is None
        else:
            assert after is not None
            assert seen_record(after) == expected_record(expected["record"], case["record"].get("topic", "topic"))


@pytest.mark.parametrize("case", PREDICATES, ids=id_of)
def test_a_predicate_holds_for_the_same_records(case: Case) -> None:
    expected = case.get("ours", case["answer"])
    if "config_error" in expected:
        check_config_error(case, expected)
    else:
        predicate = made(case["plugin"], json.dumps(case["config"]))
        assert list(predicate.test_batch(Records.of([record_of(case["record"])]))) == [expected["test"]]


def good_batches() -> Iterable[Any]:
    """All records that one transform takes, together."""
    batches: dict[str, list[Case]] = defaultdict(list)
    for case in TRANSFORMS:
        if case.get("ours", case["answer"]).get("record") and ("offset" in case["record"]) is False:
            batches[json.dumps([case["plugin"], case["config"]])].append(case)
    return [pytest.param(cases, id=f"{cases[0]['plugin']}-{len(cases)}") for cases in batches.values() if len(cases) > 1]


@pytest.mark.parametrize("cases", good_batches())
def test_a_batch_becomes_what_its_records_become_one_by_one(cases: list[Case]) -> None:
    transform = made(cases[0]["plugin"], json.dumps(cases[0]["config"]))
    before = Records.of([record_of(case["record"]) for case in cases])
    copies = [seen_record(record) for record in before]

    after = transform.apply_batch(before)

    expected = [
        expected_record(case.get("ours", case["answer"])["record"], case["record"].get("topic", "topic")) for case in cases
    ]
    assert [seen_record(record) for record in after] == expected
    assert [seen_record(record) for record in before] == copies, "a transform has changed what it was given"


def test_nothing_is_answered_differently_without_a_reason() -> None:
    assert all(case.get("why") for case in CASES if "ours" in case)
