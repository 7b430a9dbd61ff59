from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastconnect.api.java_text import as_hash_maps, double_text, float_text, java_string, round_to_float32
from fastconnect.api.schema import Schema, Struct


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1.0"),
        (0.001, "0.001"),
        (0.0001, "1.0E-4"),
        (1e7, "1.0E7"),
        (9999999.0, "9999999.0"),
        (-1.5e300, "-1.5E300"),
        (5e-324, "4.9E-324"),
    ],
)
def test_doubles_get_an_exponent_where_java_gives_them_one(value: float, text: str) -> None:
    assert double_text(value) == text


@given(st.floats(allow_nan=False))
def test_the_text_of_a_double_reads_back_as_the_same_double(value: float) -> None:
    assert float(double_text(value)) == value


@given(st.floats(width=32, allow_nan=False))
def test_the_text_of_a_float_reads_back_as_the_same_float(value: float) -> None:
    assert round_to_float32(float(float_text(value))) == value


def test_floats_have_no_more_digits_than_32_bits_need() -> None:
    assert float_text(0.1) == float_text(round_to_float32(0.1)) == "0.1"
    assert float_text(1e39) == "Infinity"


def test_values_are_written_as_javas_to_string_writes_them() -> None:
    schema = Schema.struct({"a": Schema.float32(), "b": Schema.string().optional(), "c": Schema.array(Schema.boolean())})
    assert java_string(Struct(schema, a=0.1, c=[True])) == "Struct{a=0.1,c=[true]}"
    assert java_string({"a": None, 1: [1e10, "x"], "d": Decimal("1E+3")}) == "{a=null, 1=[1.0E10, x], d=1E+3}"
    assert java_string(datetime.datetime(2024, 2, 29, 12, 34, 56, tzinfo=datetime.UTC)) == "Thu Feb 29 12:34:56 UTC 2024"
    assert java_string(datetime.date(2024, 3, 1)) == "Fri Mar 01 00:00:00 UTC 2024"


# Input and output of `new HashMap<String, ...>()` of OpenJDK 17: keys in the order of their `put`, and in that of `keySet()`.
HASH_MAPS = [
    (
        "dki,nm,uahb,cxjkqjb,dscvxv,x,iwshmvdn,zysuxsys,dotmnmx,yjtj,zqkkmjh,mj,iirjaoah,zo,fcofobplé😀,xc,sqppa",
        "dki,cxjkqjb,dscvxv,sqppa,xc,uahb,zysuxsys,zqkkmjh,zo,x,iirjaoah,dotmnmx,fcofobplé😀,iwshmvdn,mj,nm,yjtj",
    ),
    ("id,name,email,n,ok", "name,id,ok,email,n"),
]


@pytest.mark.parametrize(("put", "keys"), HASH_MAPS)
def test_maps_have_the_order_of_javas_hash_maps(put: str, keys: str) -> None:
    made = as_hash_maps({key: [{"b": 1, "a": 2}] for key in put.split(",")})
    assert list(made) == keys.split(",")
    assert list(made[keys.partition(",")[0]][0]) == ["a", "b"]
