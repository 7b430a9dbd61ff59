"""DropHeaders, InsertHeader and HeaderFrom, many records at once."""

from __future__ import annotations

from fakes.transforms import configured

from fastconnect.api.schema import Schema
from fastconnect.api.transform import Header, Records
from fastconnect.transforms.drop_headers import DropHeaders
from fastconnect.transforms.header_from import HeaderFromValue
from fastconnect.transforms.insert_header import InsertHeader

A, B = Header("a", 1), Header("b", "x")


def test_headers_are_dropped_by_their_names() -> None:
    transform = configured(DropHeaders, {"headers": "a"})

    assert transform.apply_batch(Records("t", [1, 2, 3], headers=[[A, B, A], None, []])).headers == [[B], None, []]
    assert transform.apply_batch(Records("t", [1])).headers is None


def test_a_header_goes_behind_those_that_are_there() -> None:
    transform = configured(InsertHeader, {"header": "n", "value.literal": "7"})
    new = Header("n", 7, Schema.int8())

    assert [list(headers) for headers in transform.apply_batch(Records("t", [1, 2], headers=[[A], None])).headers] == [
        [A, new],
        [new],
    ]
    assert [list(headers) for headers in transform.apply_batch(Records("t", [1])).headers] == [[new]]


def test_fields_move_into_headers() -> None:
    transform = configured(HeaderFromValue, {"fields": "x,y", "headers": "hx,hy", "operation": "move"})

    after = transform.apply_batch(Records("t", [{"x": 1, "z": 2}, {"y": 3}], headers=[[A], None]))

    assert after.values == [{"z": 2}, {}]
    assert after.headers == [[A, Header("hx", 1), Header("hy", None)], [Header("hx", None), Header("hy", 3)]]
