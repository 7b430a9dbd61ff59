"""A block of a file to its lines, in Python: what _core's own splitting saves. Times are for one megabyte, 12,000 lines."""

from __future__ import annotations

import io

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.data import line

LINES = 12_000


@pytest.fixture(scope="module")
def block() -> bytes:
    """A megabyte of the data set."""
    return "".join(map(line, range(LINES))).encode()


def test_bytes_split_makes_an_object_a_line(benchmark: BenchmarkFixture, block: bytes) -> None:
    assert len(benchmark(block.split, b"\n")) == LINES + 1


def test_iterating_a_file_makes_an_object_a_line(benchmark: BenchmarkFixture, block: bytes) -> None:
    assert len(benchmark(lambda: list(io.BytesIO(block)))) == LINES


def test_counting_newlines_is_as_fast_as_memory(benchmark: BenchmarkFixture, block: bytes) -> None:
    assert benchmark(block.count, b"\n") == LINES
