from __future__ import annotations

from typing import Any

import pytest

from fastconnect.api.converter import ConversionError
from fastconnect.converters.numbers import (
    BooleanConverter,
    DoubleConverter,
    FloatConverter,
    IntegerConverter,
    LongConverter,
    ShortConverter,
)


def converter(cls: Any) -> Any:
    made = cls()
    made.configure({}, is_key=False)
    return made


@pytest.mark.parametrize(
    ("cls", "value", "data"),
    [
        (ShortConverter, -2, b"\xff\xfe"),
        (IntegerConverter, 258, b"\0\0\1\2"),
        (LongConverter, 1, b"\0\0\0\0\0\0\0\1"),
        (FloatConverter, 1.0, b"\x3f\x80\0\0"),
        (DoubleConverter, 1.0, b"\x3f\xf0\0\0\0\0\0\0"),
        (BooleanConverter, True, b"\1"),
    ],
)
def test_a_number_is_written_big_end_first_and_read_back(cls: Any, value: Any, data: bytes) -> None:
    by = converter(cls)
    assert by.encode_batch("t", [value, value]) == [data, data]
    assert by.encode_batch("t", [value, None]) == [data, None]
    schema, read = by.to_connect_data("t", data)
    assert (type(read), read, schema.is_optional) == (type(value), value, True)


@pytest.mark.parametrize(
    ("cls", "value", "message"),
    [
        (ShortConverter, 40000, "Failed to serialize to short: 40000 does not fit"),
        (LongConverter, "x", r"Failed to serialize to long \(was class str\): "),
        (IntegerConverter, True, r"Failed to serialize to integer \(was class bool\): "),
        (FloatConverter, 1e39, "Failed to serialize to float: 1e\\+39 does not fit"),
        (BooleanConverter, 1, "BooleanConverter is not compatible with objects of type class int"),
    ],
)
def test_what_is_no_such_number_is_refused(cls: Any, value: Any, message: str) -> None:
    with pytest.raises(ConversionError, match=message) as caught:
        converter(cls).encode_batch("t", [0 if cls is not BooleanConverter else True, value])
    assert caught.value.index == 1


@pytest.mark.parametrize(
    "cls", [ShortConverter, IntegerConverter, LongConverter, FloatConverter, DoubleConverter, BooleanConverter]
)
def test_the_wrong_number_of_bytes_is_refused(cls: Any) -> None:
    with pytest.raises(ConversionError, match="Failed to deserialize") as caught:
        converter(cls).decode_batch("t", [None, b"\0\0\0"])
    assert caught.value.index == 1
