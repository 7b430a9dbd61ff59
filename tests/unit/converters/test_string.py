from __future__ import annotations

from typing import Any

import pytest

from fastconnect.api.schema import Schema
from fastconnect.converters.string import StringConverter
from fastconnect.errors import ConfigError


def converter(encoding: str = "UTF-8") -> StringConverter:
    made = StringConverter()
    made.configure({"converter.encoding": encoding}, is_key=False)
    return made


@pytest.mark.parametrize(
    ("value", "data"),
    [
        ("x", b"x"),
        (None, None),
        (True, b"true"),
        (1e10, b"1.0E10"),
        ([1, None], b"[1, null]"),
        (b"\xff", b"\xff"),
        ("a\ud800", b"a?"),
    ],
)
def test_a_value_becomes_its_text(value: Any, data: bytes | None) -> None:
    assert converter().from_connect_data("t", None, value) == data


@pytest.mark.parametrize(
    "values", [["a", "b"], ["a", ""], ["a\nb", "c"], ["null"], ["x", "null", None], [1, "x"], [], ["\ud800"]]
)
def test_a_batch_becomes_what_its_values_become_one_by_one(values: list[Any]) -> None:
    encoded = converter().encode_batch("t", values)
    if isinstance(encoded, bytes):
        assert b"null" not in encoded.split(b"\n")  # that would be a tombstone
        encoded = list(encoded.split(b"\n")[:-1])
    assert encoded == [converter().from_connect_data("t", None, value) for value in values]


def test_many_texts_become_lines_at_once() -> None:
    assert converter().encode_batch("t", ["a", "é"]) == "a\né\n".encode()


def test_the_schema_tells_a_float_of_32_bits() -> None:
    assert converter().encode_batch("t", [0.10000000149011612], [Schema.float32()]) == [b"0.1"]


def test_text_is_read_as_an_optional_string() -> None:
    assert converter().to_connect_data("t", b"a\xff") == (Schema.string().optional(), "a\ufffd")
    assert converter().to_connect_data("t", None) == (Schema.string().optional(), None)


def test_another_character_set_is_used_both_ways() -> None:
    latin = converter("ISO-8859-1")
    assert latin.encode_batch("t", ["é€"]) == [b"\xe9?"]
    assert latin.to_connect_data("t", b"\xe9").value == "é"
    assert latin.encode_raw("t", ["é".encode()], "string") == [b"\xe9"]
    assert not latin.raw_is_encoded("string")


def test_raw_text_goes_out_as_it_is() -> None:
    assert all(converter().raw_is_encoded(kind) for kind in ("string", "json", "bytes"))


@pytest.mark.parametrize("encoding", ["nope", "base64"])
def test_an_unknown_character_set_is_a_config_error(encoding: str) -> None:
    with pytest.raises(ConfigError, match="there is no such character set"):
        converter(encoding)
