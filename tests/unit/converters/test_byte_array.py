from __future__ import annotations

import pytest

from fastconnect.api.converter import ConversionError
from fastconnect.api.schema import Schema
from fastconnect.converters.byte_array import ByteArrayConverter
from fastconnect.errors import DataError


def converter() -> ByteArrayConverter:
    made = ByteArrayConverter()
    made.configure({}, is_key=False)
    return made


def test_bytes_are_passed_on_as_they_are() -> None:
    values = [b"a", None, b"\n"]
    assert converter().encode_batch("t", values) is values
    assert converter().encode_batch("t", [bytearray(b"a"), memoryview(b"b")]) == [b"a", b"b"]
    assert converter().to_connect_data("t", b"a") == (Schema.bytes().optional(), b"a")
    assert converter().raw_is_encoded("string")


def test_what_is_not_bytes_is_refused() -> None:
    with pytest.raises(ConversionError, match="ByteArrayConverter is not compatible with objects of type class str") as caught:
        converter().encode_batch("t", [b"", "x"])
    assert caught.value.index == 1
    with pytest.raises(DataError, match="Invalid schema type for ByteArrayConverter: STRING"):
        converter().from_connect_data("t", Schema.string(), b"x")
