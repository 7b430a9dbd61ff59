from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
from typing import Any

import pytest

from fastconnect.api.schema import Schema, Struct
from fastconnect.converters.registry.inference import Inferred, fitting
from fastconnect.errors import DataError


def inferred(*values: Any) -> Inferred:
    seen = Inferred()
    for value in values:
        seen.see(value)
    return seen


def test_a_dict_becomes_a_struct_of_optional_fields() -> None:
    value = {
        "i": 1,
        "f": 1.5,
        "b": True,
        "s": "x",
        "y": b"z",
        "d": decimal.Decimal("1.50"),
        "day": datetime.date(2020, 1, 1),
        "time": datetime.time(1),
        "at": datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
        "l": [1],
        "r": {"x": 1},
    }
    seen = inferred(value)
    types = [Schema.int64(), Schema.float64(), Schema.boolean(), Schema.string(), Schema.bytes(), Schema.decimal(2)]
    types += [Schema.date(), Schema.time(), Schema.timestamp(), Schema.array(Schema.int64().optional())]
    types += [Schema.struct({"x": Schema.int64().optional()})]
    assert seen.schema() == Schema.struct({name: each.optional() for name, each in zip(value, types, strict=True)})
    fitted = seen.fit(value)
    fitted.validate()
    assert fitted["r"]["x"] == 1


def test_the_schema_grows_with_what_comes() -> None:
    seen = inferred({"a": 1, "b": None, "c": []})
    assert [field.name for field in seen.schema().fields] == ["a"]
    seen.see({"b": 2.5, "c": ["x"]})
    seen.see({"a": 0.5, "b": 1})
    schema = seen.schema()
    assert [(f.name, f.schema) for f in schema.fields] == [
        ("a", Schema.float64().optional()),
        ("b", Schema.float64().optional()),
        ("c", Schema.array(Schema.string().optional()).optional()),
    ]
    assert seen.schema() is schema


def test_decimals_get_the_most_digits_that_came() -> None:
    seen = inferred(decimal.Decimal("1.5"), decimal.Decimal("0.125"))
    assert seen.schema() == Schema.decimal(3)
    assert str(seen.fit(decimal.Decimal("1.5"))) == "1.500"


def test_classes_that_hold_plain_values_are_taken_as_those() -> None:
    class Colour(enum.Enum):
        RED = "red"

    @dataclasses.dataclass
    class Point:
        x: int
        colour: Colour

    seen = inferred(Point(1, Colour.RED))
    fitted = seen.fit(Point(1, Colour.RED))
    assert (fitted["x"], fitted["colour"]) == (1, "red")


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([{"a": {"b": 1}}, {"a": {"b": "x"}}], r"a\.b is a text here and was a whole number before"),
        ([{1: "x"}], "has the key 1: only texts"),
        ([{"a": object()}], "No schema can be told from class object at a"),
        ([{"a": True}, {"a": 1}], "was true or false before"),
        ([decimal.Decimal("NaN")], "NaN, which is no number"),
    ],
)
def test_values_that_no_schema_fits_are_refused(values: list[Any], why: str) -> None:
    with pytest.raises(DataError, match=why):
        inferred(*values)


def test_an_empty_list_alone_tells_no_schema() -> None:
    with pytest.raises(DataError, match="No schema can be told"):
        inferred([]).schema()


def test_values_are_made_to_fit_a_schema_that_is_given() -> None:
    schema = Schema.struct({"a": Schema.int32(), "b": Schema.string().with_default("x")})
    fit = fitting(schema)
    assert fit({"a": 1})["b"] == "x"
    other = Schema.struct({"a": Schema.int32()})
    assert fit(Struct(other, a=2))["a"] == 2
    with pytest.raises(DataError, match="has no field c"):
        fit({"a": 1, "c": 2})
    with pytest.raises(DataError, match="class str"):
        fit({"a": "1"})
    with pytest.raises(DataError, match="null used for required"):
        fit({})
    assert fitting(schema, strictly=False)({"a": 1, "c": 2})["a"] == 1
