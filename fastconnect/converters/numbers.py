"""ShortConverter, IntegerConverter, LongConverter, FloatConverter, DoubleConverter and BooleanConverter: numbers as few bytes.

Big-endian, of 2, 4, 8, 4 and 8 bytes; a boolean is one byte, 0 or 1.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, ClassVar

from fastconnect.api.converter import ConverterConfig, Encoded, ValueAndHeaderConverter
from fastconnect.api.schema import Schema, SchemaAndValue, Type, class_text
from fastconnect.errors import DataError


class _NumberConverter(ValueAndHeaderConverter[ConverterConfig]):
    name: ClassVar[str]
    schema: ClassVar[Schema]
    layout: ClassVar[struct.Struct]
    classes: ClassVar[tuple[type, ...]] = (int,)

    def from_connect_data(self, topic: str, schema: Schema | None, value: Any) -> bytes | None:
        """Make the bytes of a number, whatever its schema; None is a tombstone.

        Raises:
            DataError: it is no such number, or too large for its bytes.
        """
        if value is None:
            return None
        where = f"{self.what} of topic {topic}"
        if not isinstance(value, self.classes) or isinstance(value, bool):
            raise DataError(f"Failed to serialize to {self.name} (was {class_text(value)}): ", where=where)
        try:
            return self.layout.pack(value)
        except (struct.error, OverflowError) as error:
            raise DataError(f"Failed to serialize to {self.name}: {value} does not fit", where=where) from error

    def to_connect_data(self, topic: str, data: bytes | None) -> SchemaAndValue:
        """Read a number.

        Raises:
            DataError: there are too few or too many bytes.
        """
        if data is None:
            return SchemaAndValue(self.schema, None)
        if len(data) != self.layout.size:
            raise DataError(
                f"Failed to deserialize {self.name}: the size of the data is not {self.layout.size} but {len(data)}",
                where=f"{self.what} of topic {topic}",
            )
        return SchemaAndValue(self.schema, self.layout.unpack(data)[0])

    def encode_batch(self, topic: str, values: list[Any], schemas: Sequence[Schema | None] | None = None) -> Encoded:
        """Make the bytes of many numbers at once."""
        if set(map(type, values)) <= {*self.classes}:
            try:
                return list(map(self.layout.pack, values))
            except (struct.error, OverflowError):
                pass  # the careful way finds out which
        return super().encode_batch(topic, values, schemas)


class ShortConverter(_NumberConverter):
    """INT16 as 2 bytes."""

    name = "short"
    schema = Schema.int16(optional=True)
    layout = struct.Struct(">h")


class IntegerConverter(_NumberConverter):
    """INT32 as 4 bytes."""

    name = "integer"
    schema = Schema.int32(optional=True)
    layout = struct.Struct(">i")


class LongConverter(_NumberConverter):
    """INT64 as 8 bytes."""

    name = "long"
    schema = Schema.int64(optional=True)
    layout = struct.Struct(">q")


class FloatConverter(_NumberConverter):
    """FLOAT32 as 4 bytes."""

    name = "float"
    schema = Schema.float32(optional=True)
    layout = struct.Struct(">f")
    classes = (float, int)


class DoubleConverter(_NumberConverter):
    """FLOAT64 as 8 bytes."""

    name = "double"
    schema = Schema.float64(optional=True)
    layout = struct.Struct(">d")
    classes = (float, int)


_BOOLEAN = Schema.boolean(optional=True)
_BYTES_OF = {True: b"\x01", False: b"\x00", None: None}


class BooleanConverter(ValueAndHeaderConverter[ConverterConfig]):
    """BOOLEAN as one byte."""

    def from_connect_data(self, topic: str, schema: Schema | None, value: Any) -> bytes | None:
        """Make the byte of a boolean; None is a tombstone.

        Raises:
            DataError: the schema or the value is something else.
        """
        where = f"{self.what} of topic {topic}"
        if schema is not None and schema.type is not Type.BOOLEAN:
            raise DataError(f"Invalid schema type for BooleanConverter: {schema.type}", where=where)
        if value is None or value is True or value is False:
            return _BYTES_OF[value]
        raise DataError(f"BooleanConverter is not compatible with objects of type {class_text(value)}", where=where)

    def to_connect_data(self, topic: str, data: bytes | None) -> SchemaAndValue:
        """Read a boolean.

        Raises:
            DataError: it is not one byte, or neither 0 nor 1.
        """
        if data is None:
            return SchemaAndValue(_BOOLEAN, None)
        if data not in (b"\x00", b"\x01"):
            raise DataError(
                f"Failed to deserialize boolean: the data is not one byte of 0 or 1 but {data[:8]!r}",
                where=f"{self.what} of topic {topic}",
            )
        return SchemaAndValue(_BOOLEAN, data == b"\x01")
