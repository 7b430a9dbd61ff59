from __future__ import annotations

import logging

import pytest

from fastconnect.api.schema import Schema
from fastconnect.converters.simple_header import SimpleHeaderConverter


def converter() -> SimpleHeaderConverter:
    made = SimpleHeaderConverter()
    made.configure({})
    return made


def test_a_header_is_written_as_text_and_read_as_what_it_looks_like() -> None:
    assert converter().from_connect_header("t", "n", None, {"a": [1, True]}) == b'{"a":[1,true]}'
    assert converter().from_connect_header("t", "n", None, None) is None
    assert converter().to_connect_header("t", "n", b"42") == (Schema.int8(), 42)
    assert converter().to_connect_header("t", "n", None) == (None, None)


def test_a_header_that_cannot_be_read_stays_bytes_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    endless = b"[" * 100_000
    with caplog.at_level(logging.WARNING):
        assert converter().to_connect_header("clicks", "trace", endless) == (Schema.bytes(), endless)
    assert "header=trace topic=clicks" in caplog.text
