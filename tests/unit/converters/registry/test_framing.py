from __future__ import annotations

import pytest

from fastconnect.converters.registry.framing import header, read_indexes, schema_id_of, write_indexes
from fastconnect.errors import DataError


def test_the_id_is_big_end_first_behind_a_zero() -> None:
    assert header(258) == b"\0\0\0\1\2"
    assert schema_id_of(b"\0\0\0\1\2payload") == 258


@pytest.mark.parametrize(
    ("data", "why"), [(b"", "is empty"), (b'{"a":1}', "begins with the byte 123"), (b"\0\0\0", "has only 3 bytes")]
)
def test_other_messages_are_told_from_those_with_an_id(data: bytes, why: str) -> None:
    with pytest.raises(DataError, match=why):
        schema_id_of(data)


@pytest.mark.parametrize(("indexes", "data"), [((0,), b"\0"), ((1,), b"\2\2"), ((1, 0), b"\4\2\0"), ((0, 100), b"\4\0\xc8\1")])
def test_message_indexes_are_zigzag_varints_behind_their_count(indexes: tuple[int, ...], data: bytes) -> None:
    assert write_indexes(indexes) == data
    assert read_indexes(b"\0\0\0\0\1" + data + b"x") == (indexes, 5 + len(data))


def test_message_indexes_that_are_cut_off_are_an_error() -> None:
    with pytest.raises(DataError, match="cut off before its payload"):
        read_indexes(b"\0\0\0\0\1\4\2")
