"""ByteArrayConverter: bytes as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconnect.api.converter import ConverterConfig, Encoded, ValueAndHeaderConverter
from fastconnect.api.record import ValueFormat
from fastconnect.api.schema import Schema, SchemaAndValue, Type, class_text
from fastconnect.errors import DataError

_BYTES = Schema.bytes(optional=True)


class ByteArrayConverter(ValueAndHeaderConverter[ConverterConfig]):
    """Bytes, as Kafka Connect's org.apache.kafka.connect.converters.ByteArrayConverter passes them on."""

    def from_connect_data(self, topic: str, schema: Schema | None, value: Any) -> bytes | None:
        """Pass bytes on; None is a tombstone.

        Raises:
            DataError: the schema or the value is something else.
        """
        where = f"{self.what} of topic {topic}"
        if schema is not None and schema.type is not Type.BYTES:
            raise DataError(f"Invalid schema type for ByteArrayConverter: {schema.type}", where=where)
        if value is None or type(value) is bytes:
            return value
        if isinstance(value, (bytes, bytearray, memoryview)):
            return bytes(value)
        raise DataError(f"ByteArrayConverter is not compatible with objects of type {class_text(value)}", where=where)

    def to_connect_data(self, topic: str, data: bytes | None) -> SchemaAndValue:
        """Pass bytes on."""
        return SchemaAndValue(_BYTES, data)

    def decode_columns(self, topic: str, data: Sequence[bytes | None]) -> tuple[list[Any], list[Schema | None] | None]:
        """Pass many bytes on."""
        return list(data), [_BYTES] * len(data)

    def encode_batch(self, topic: str, values: list[Any], schemas: Sequence[Schema | None] | None = None) -> Encoded:
        """Pass many bytes on, as the list they are."""
        if schemas is None and set(map(type, values)) <= _PASSED:
            return values
        return super().encode_batch(topic, values, schemas)

    def raw_is_encoded(self, format: ValueFormat) -> bool:
        """Whatever the bytes are, they go out as they are."""
        return True


_PASSED = {bytes, type(None)}
