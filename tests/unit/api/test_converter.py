from __future__ import annotations

from typing import Any

import pytest

from fastconnect.api.config import Config
from fastconnect.api.converter import ConversionError, Converter, ConverterConfig, HeaderConverter
from fastconnect.api.schema import Schema, SchemaAndValue
from fastconnect.errors import ConfigError, DataError


class ShoutConfig(ConverterConfig):
    mark: str = "!"
    times: int


class Shout(Converter[ShoutConfig]):
    def from_connect_data(self, topic: str, schema: Schema | None, value: Any) -> bytes | None:
        if value == "":
            raise DataError("nothing to shout")
        return None if value is None else (value.upper() + self.config.mark * self.config.times).encode()

    def to_connect_data(self, topic: str, data: bytes | None) -> SchemaAndValue:
        if data == b"":
            raise DataError("nothing was shouted")
        return SchemaAndValue(None, None if data is None else data.decode().lower())


def shout() -> Shout:
    made = Shout()
    made.configure({"times": "2"}, is_key=True)
    return made


def test_a_converter_has_the_settings_of_its_config_class() -> None:
    assert Shout.config_class is ShoutConfig
    assert shout().config == ShoutConfig(converter_type="key", times=2)


def test_wrong_settings_are_told_all_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        Shout().configure({"times": "x", "converter.type": "nope"})
    assert {fault.key for fault in caught.value.faults} == {"times", "converter.type"}


def test_what_is_converted_is_headers_unless_said_otherwise() -> None:
    made = HeaderConverter[ConverterConfig]()
    made.configure({})
    assert made.config.converter_type == "header"


def test_a_batch_is_converted_one_by_one_where_the_converter_knows_no_better() -> None:
    assert shout().encode_batch("t", ["a", None]) == [b"A!!", None]
    assert shout().encode_raw("t", [b"a", None], "string") == [b"A!!", None]
    assert shout().decode_batch("t", [b"A", None]) == [(None, "a"), (None, None)]
    assert not shout().raw_is_encoded("json")


def test_the_error_of_a_batch_says_which_value_it_was() -> None:
    with pytest.raises(ConversionError, match="key of topic t: nothing to shout") as caught:
        shout().encode_batch("t", ["a", "b", "", ""])
    assert caught.value.index == 2
    with pytest.raises(ConversionError, match="nothing was shouted") as caught:
        shout().decode_batch("t", [b"a", b""])
    assert caught.value.index == 1


def test_a_converter_that_lacks_a_direction_says_so() -> None:
    with pytest.raises(TypeError, match="HeaderConverter does not write headers"):
        HeaderConverter[Config]().from_connect_header("t", "n", None, 1)
