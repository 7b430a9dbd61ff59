"""A poll of Python values to JSON: what a converter has to choose from. Times are for 2,000 records."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import orjson
from pytest_benchmark.fixture import BenchmarkFixture

Values = list[dict[str, Any]]


def test_msgspec_encodes_all_dicts_as_lines_in_one_call(benchmark: BenchmarkFixture, values: Values) -> None:
    lines = benchmark(msgspec.json.Encoder().encode_lines, values)

    assert lines.count(b"\n") == len(values)


def test_msgspec_encodes_one_dict_a_call(benchmark: BenchmarkFixture, values: Values) -> None:
    encode = msgspec.json.Encoder().encode

    assert len(benchmark(lambda: [encode(value) for value in values])) == len(values)


def test_orjson_encodes_one_dict_a_call(benchmark: BenchmarkFixture, values: Values) -> None:
    assert len(benchmark(lambda: [orjson.dumps(value) for value in values])) == len(values)


def test_the_standard_library_encodes_one_dict_a_call(benchmark: BenchmarkFixture, values: Values) -> None:
    encode = json.JSONEncoder(separators=(",", ":")).encode

    assert len(benchmark(lambda: [encode(value).encode() for value in values])) == len(values)


def test_msgspec_encodes_structs_as_lines_in_one_call(benchmark: BenchmarkFixture, values: Values) -> None:
    structs = msgspec.convert(values, list[_Order])

    assert benchmark(msgspec.json.Encoder().encode_lines, structs) == msgspec.json.Encoder().encode_lines(values)


class _Order(msgspec.Struct, gc=False):
    id: int
    user: str
    city: str
    amount: float
    active: bool
