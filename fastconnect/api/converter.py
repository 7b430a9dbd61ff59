"""Converters: between values and the bytes of a Kafka message, one at a time or a whole batch at once.

`from_connect_data` and `to_connect_data` are for one value, `encode_batch` and `decode_batch` for many. The batch forms are
what the runtime calls; by default they go through the single ones. Nothing here knows of records or offsets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeAlias, TypeVar

from fastconnect.api.config import Config, Meta, config_class_of
from fastconnect.api.record import ValueFormat
from fastconnect.api.schema import Schema, SchemaAndValue
from fastconnect.errors import DataError

C = TypeVar("C", bound=Config)

Encoded: TypeAlias = bytes | list[bytes | None]
"""What a batch becomes: one line for each value (each ended by a newline, with none inside), or one item for each.

In lines, a value that is no value (None without a schema) is the line `null`, which the runtime sends as a tombstone.
"""


class ConversionError(DataError):
    """A value could not be converted; `index` says which one of a batch it was."""

    def __init__(self, message: str, *, index: int | None = None, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, where=where, hint=hint)
        self.index = index


class ConverterConfig(Config):
    """What every converter may be told; a converter's own class adds its keys."""

    converter_type: Annotated[
        Literal["key", "value", "header"],
        Meta(
            description="What it converts: keys, values or headers; the runtime says so.",
            extra_json_schema={"importance": "LOW"},
        ),
    ]


class _Configurable(Generic[C]):
    config_class: ClassVar[type[Config]] = ConverterConfig
    version: ClassVar[str] = "0.1.0"
    config: C
    what: str = "value"
    """What is converted, as error texts name it: `key`, `value` or `header`."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.config_class = config_class_of(cls, cls.config_class)

    def configure(self, configs: Mapping[str, Any], is_key: bool | None = None) -> None:
        """Take the settings (without the prefix that led to this converter) and check them.

        What is converted is said by `is_key`, else by the setting `converter.type`, else it is headers.

        Raises:
            ConfigError: with all that is wrong.
        """
        props = {"converter.type": "header", **configs}
        if is_key is not None:
            props["converter.type"] = "key" if is_key else "value"
        self.config = self.config_class.parse(props)  # type: ignore[assignment]
        self.what = props["converter.type"] or "value"


class Converter(_Configurable[C]):
    """Makes bytes of keys or values, and values of bytes. Write it as `class MyConverter(Converter[MyConfig])`."""

    def from_connect_data(self, topic: str, schema: Schema | None, value: Any) -> bytes | None:
        """Make the bytes of one value; None for a tombstone.

        Raises:
            DataError: the value cannot be written.
        """
        raise TypeError(f"{type(self).__name__} does not write")

    def to_connect_data(self, topic: str, data: bytes | None) -> SchemaAndValue:
        """Make a value of bytes, and say what it is; the schema is None where the bytes do not tell.

        Raises:
            DataError: the bytes are not this converter's.
        """
        raise TypeError(f"{type(self).__name__} does not read")

    def encode_batch(self, topic: str, values: list[Any], schemas: Sequence[Schema | None] | None = None) -> Encoded:
        """Make the bytes of many values; `schemas` are theirs, None if none has one.

        Raises:
            ConversionError: with the `index` of the first value that cannot be written. Nothing of the batch is returned then.
        """
        encoded: list[bytes | None] = []
        for index, value in enumerate(values):
            try:
                encoded.append(self.from_connect_data(topic, schemas[index] if schemas is not None else None, value))
            except DataError as error:
                raise located(error, f"{self.what} of topic {topic}", index) from error
        return encoded

    def decode_batch(self, topic: str, data: Sequence[bytes | None]) -> list[SchemaAndValue]:
        """Make values of the bytes of many messages.

        Raises:
            ConversionError: with the `index` of the first that cannot be read.
        """
        decoded: list[SchemaAndValue] = []
        for index, item in enumerate(data):
            try:
                decoded.append(self.to_connect_data(topic, item))
            except DataError as error:
                raise located(error, f"{self.what} of topic {topic}", index) from error
        return decoded

    def decode_columns(self, topic: str, data: Sequence[bytes | None]) -> tuple[list[Any], list[Schema | None] | None]:
        """Make values of the bytes of many messages, and list their schemas apart (None if none has one); as `decode_batch`."""
        decoded = self.decode_batch(topic, data)
        schemas = [each.schema for each in decoded]
        return [each.value for each in decoded], None if all(schema is None for schema in schemas) else schemas

    def decode_lines(self, topic: str, lines: bytes, count: int) -> list[Any] | None:
        """Make values of `count` messages that stand one a line, a tombstone as `null`; for values that have no schema.

        Returns:
            None where this converter reads no lines, or not these: the messages are then read one by one.
        """
        return None

    def raw_is_encoded(self, format: ValueFormat) -> bool:
        """Whether bytes that a source hands over in this format are what this converter would make of them, as they are."""
        return False

    def encode_raw(self, topic: str, values: list[bytes | None], format: ValueFormat) -> Encoded:
        """Make the bytes of values that a source hands over as bytes in this format."""
        if self.raw_is_encoded(format):
            return values
        if format == "bytes":
            return self.encode_batch(topic, values)
        return self.encode_batch(topic, [None if value is None else value.decode(errors="replace") for value in values])


class HeaderConverter(_Configurable[C]):
    """Makes bytes of header values, and values of bytes."""

    def from_connect_header(self, topic: str, name: str, schema: Schema | None, value: Any) -> bytes | None:
        """Make the bytes of one header's value.

        Raises:
            DataError: the value cannot be written.
        """
        raise TypeError(f"{type(self).__name__} does not write headers")

    def to_connect_header(self, topic: str, name: str, data: bytes | None) -> SchemaAndValue:
        """Make a header's value of bytes, and say what it is.

        Raises:
            DataError: the bytes are not this converter's.
        """
        raise TypeError(f"{type(self).__name__} does not read headers")


class ValueAndHeaderConverter(Converter[C], HeaderConverter[C]):
    """A converter that treats header values like any others, as most do."""

    def from_connect_header(self, topic: str, name: str, schema: Schema | None, value: Any) -> bytes | None:
        """Make the bytes of one header's value."""
        return self.from_connect_data(topic, schema, value)

    def to_connect_header(self, topic: str, name: str, data: bytes | None) -> SchemaAndValue:
        """Make a header's value of bytes."""
        return self.to_connect_data(topic, data)


def located(error: DataError, where: str, index: int | None = None) -> ConversionError:
    """The same error, saying where it was met and which value of a batch it is about."""
    return ConversionError(error.message, index=index, where=error.where or where, hint=error.hint)
