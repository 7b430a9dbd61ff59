"""The compiled part of the JsonConverter, held to the plain rules it speeds up."""

from __future__ import annotations

import json
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastconnect.api.java_text import double_text
from fastconnect.converters._plain import look, mend


class Point(msgspec.Struct):
    x: float


@pytest.mark.parametrize(
    ("value", "far", "other"),
    [
        ({"a": [1, "x", None, True, 1.5, (b"",)]}, False, False),
        (Point(1.5), False, False),
        ([1e10], True, False),
        (Point(1e-5), True, False),
        (2**63, False, True),
        (-(2**63), False, False),
        (float("nan"), False, True),
        (float("inf"), False, True),
        (5e-324, False, True),
        ({1: 2}, False, True),
        ({"a": {"b": object()}}, False, True),
        ([[[{1}]]], False, True),
        (Point, False, True),
    ],
)
def test_values_are_sorted_into_plain_far_and_other(value: object, far: bool, other: bool) -> None:
    assert look(["x", value]) == (far, [1] if other else [])


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: x == 0 or abs(x) >= 1e-300), min_size=1))
def test_floats_are_mended_to_what_java_writes(values: list[float]) -> None:
    mended = mend(msgspec.json.encode(values), True)
    assert mended == f"[{','.join(map(double_text, values))}]".encode()


@given(st.dictionaries(st.text(), st.text() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63)))
def test_mending_changes_no_meaning(value: dict[str, object]) -> None:
    mended = mend(msgspec.json.encode(value), True)
    assert json.loads(mended) == value
    assert max(mended, default=0) < 0xF0


@given(st.text())
def test_texts_are_mended_to_what_java_writes(text: str) -> None:
    expected = "".join(
        f"\\u{ord(c):04X}" if ord(c) < 32 and c not in "\b\t\n\f\r" else
        "\\u{:04X}\\u{:04X}".format(*divmod_surrogates(ord(c))) if ord(c) > 0xFFFF else json.dumps(c, ensure_ascii=False)[1:-1]
        for c in text
    )  # fmt: skip
    assert mend(msgspec.json.encode(text), False) == f'"{expected}"'.encode()


def divmod_surrogates(point: int) -> tuple[int, int]:
    high, low = divmod(point - 0x10000, 0x400)
    return 0xD800 + high, 0xDC00 + low


def test_numbers_are_left_alone_unless_asked_for() -> None:
    assert mend(b'[1e20,"1e20"]', False) == b'[1e20,"1e20"]'
    assert mend(b'[1e20,"1e20",-1e-7,12345678]', True) == b'[1.0E20,"1e20",-1.0E-7,12345678]'


def test_the_edges_of_the_plain_floats_are_where_java_has_them() -> None:
    for edge, below_is_far in ((1e-3, True), (1e7, False)):
        assert look([math.nextafter(edge, 0)])[0] is below_is_far
        assert look([edge])[0] is not below_is_far
