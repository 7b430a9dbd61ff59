"""Values out of JSON: parsing as Kafka Connect parses, and what a schema makes of it.

Where the schema wants a number or a boolean, and a text, a list or the like is there, Kafka Connect reads 0 or false. That is
an error here, but for "NaN" and "Infinity" where a float is wanted: they are read as they were written.
"""

from __future__ import annotations

import base64
import binascii
import decimal
import json
import re
from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias

import msgspec

from fastconnect.api.java_text import round_to_float32
from fastconnect.api.logical import date_from_days, decimal_from_bytes, time_from_ms, timestamp_from_ms
from fastconnect.api.schema import DATE, DECIMAL, INTEGER_BITS, TIME, TIMESTAMP, Schema, Struct, Type
from fastconnect.converters.json_schemas import remember
from fastconnect.errors import DataError

Read: TypeAlias = Callable[[Any], Any]

_BROKEN = "Converting byte[] to Kafka Connect data failed due to serialization error: "
_exact = msgspec.json.Decoder(float_hook=decimal.Decimal)


def parse_json(data: bytes) -> Any:
    """Parse one JSON text; floats are 64-bit floats, and no text at all is None.

    Raises:
        DataError: it is broken; the message says where.
    """
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _parse_leniently(data, float, error)


def parse_json_exactly(data: bytes) -> Any:
    """Parse one JSON text; numbers with a fraction or an exponent become Decimals with all their digits."""
    try:
        return _exact.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _parse_leniently(data, decimal.Decimal, error)


_LEADING_ZEROS = re.compile(r'("(?:[^"\\]|\\.)*")|(?<![\d.eE+-])(-?)0+(?=\d)', re.DOTALL)


def _parse_leniently(data: bytes, parse_float: Callable[[str], Any], error: Exception) -> Any:
    """Take what Kafka Connect's parser takes besides JSON: leading zeros, anything behind the value, nothing at all."""
    try:
        text = data.removeprefix(b"\xef\xbb\xbf").decode().strip(" \t\r\n")
        if not text:
            return None
        text = _LEADING_ZEROS.sub(lambda found: found[1] or found[2], text)
        value, end = json.JSONDecoder(parse_float=parse_float, parse_constant=_refuse).raw_decode(text)
        follows = text[end : end + 1]
        if (isinstance(value, bool) or value is None) and (follows.isalnum() or (follows and follows in "_$")):
            raise ValueError(text)  # truex is not true, though true] is
        if _kind(value) == "NUMBER" and follows.strip():
            raise ValueError(text)  # nor is 1] a number
        return value
    except (ValueError, RecursionError):
        raise DataError(f"{_BROKEN}{error}") from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


class JsonReaders:
    """The readers of schemas, made once for each.

    Args:
        replace_nulls: a null is read as the default, if there is one (replace.null.with.default).
        cache_size: how many schemas are remembered.
    """

    def __init__(self, *, replace_nulls: bool, cache_size: int) -> None:
        self.replace_nulls = replace_nulls
        self.cache_size = cache_size
        self._readers: dict[Schema, Read] = {}

    def reader(self, schema: Schema) -> Read:
        """Return the function that makes a value of this schema out of parsed JSON; it raises `DataError`."""
        read = self._readers.get(schema)
        if read is None:
            read = self._nullable(schema, _logical(schema) or self._typed(schema))
            remember(self._readers, self.cache_size, schema, read)
        return read

    def _nullable(self, schema: Schema, read: Read) -> Read:
        default = schema.default if self.replace_nulls else None

        def of_null() -> Any:
            if default is None and not schema.is_optional:
                raise DataError(f"Invalid null value for required {schema.type} field")
            return default

        return lambda node: of_null() if node is None else read(node)

    def _typed(self, schema: Schema) -> Read:
        kind = schema.type
        if kind is Type.ARRAY:
            return self._array(schema)
        if kind is Type.MAP:
            return self._map(schema)
        return self._struct(schema) if kind is Type.STRUCT else _SIMPLE[kind]

    def _array(self, schema: Schema) -> Read:
        assert schema.value_schema is not None
        read_element = self.reader(schema.value_schema)

        def read(node: Any) -> Any:
            if not isinstance(node, list):
                raise _wrong(Type.ARRAY, "an array", node)
            return [read_element(element) for element in node]

        return read

    def _map(self, schema: Schema) -> Read:
        assert schema.key_schema is not None
        assert schema.value_schema is not None
        read_key, read_value = self.reader(schema.key_schema), self.reader(schema.value_schema)

        def read_object(node: Any) -> Any:
            if not isinstance(node, dict):
                raise DataError(f"Maps with string fields should be encoded as JSON objects, but found {_kind(node)}")
            return {key: read_value(element) for key, element in node.items()}

        def read_pairs(node: Any) -> Any:
            if not isinstance(node, list):
                raise DataError(
                    f"Maps with non-string fields should be encoded as JSON array of tuples, but found {_kind(node)}"
                )
            entries: dict[Any, Any] = {}
            for entry in node:
                if not isinstance(entry, list):
                    raise DataError(f"Found invalid map entry instead of array tuple: {_kind(entry)}")
                if len(entry) != 2:
                    raise DataError(f"Found invalid map entry, expected length 2 but found :{len(entry)}")
                key = read_key(entry[0])
                entries[tuple(key) if isinstance(key, list) else key] = read_value(entry[1])
            return entries

        return read_object if schema.key_schema.type is Type.STRING else read_pairs

    def _struct(self, schema: Schema) -> Read:
        fields = [(field.name, self.reader(field.schema)) for field in schema.fields]

        def read(node: Any) -> Any:
            if not isinstance(node, dict):
                raise DataError(f"Structs should be encoded as JSON objects, but found {_kind(node)}")
            struct = Struct(schema)
            struct._values = [read_field(node.get(name)) for name, read_field in fields]  # of the right types, being read
            return struct

        return read


def _kind(node: Any) -> str:
    """What Kafka Connect's texts call a piece of JSON."""
    if node is None:
        return "NULL"
    if isinstance(node, bool):
        return "BOOLEAN"
    if isinstance(node, str):
        return "STRING"
    if isinstance(node, dict):
        return "OBJECT"
    return "ARRAY" if isinstance(node, list) else "NUMBER"


def _wrong(kind: Type, wanted: str, node: Any) -> DataError:
    return DataError(f"Invalid type for {kind}, underlying representation should be {wanted} but was {_kind(node)}")


def _integer(kind: Type) -> Read:
    """Numbers beyond the type's bits are cut to them and fractions are cut off, as Java's casts do."""
    half = 1 << (INTEGER_BITS[kind] - 1)

    def read(node: Any) -> Any:
        if type(node) is not int:
            if _kind(node) != "NUMBER":
                raise _wrong(kind, "numeric", node)
            node = int(node)
        return node if -half <= node < half else (node + half) % (2 * half) - half

    return read


_NO_NUMBERS = ("NaN", "Infinity", "-Infinity")  # as they are written


def _float(kind: Type) -> Read:
    def read(node: Any) -> Any:
        if node in _NO_NUMBERS:
            return float(node)
        if _kind(node) != "NUMBER":
            raise _wrong(kind, "numeric", node)
        try:
            number = float(node)
        except OverflowError:
            number = float("inf") if node > 0 else float("-inf")
        return round_to_float32(number) if kind is Type.FLOAT32 else number

    return read


def _boolean(node: Any) -> Any:
    if not isinstance(node, bool):
        raise _wrong(Type.BOOLEAN, "boolean", node)
    return node


def _string(node: Any) -> Any:
    if not isinstance(node, str):
        raise _wrong(Type.STRING, "a string", node)
    return node


def _bytes(node: Any) -> Any:
    if not isinstance(node, str):
        raise _wrong(Type.BYTES, "a string", node)
    try:
        return base64.b64decode(node, validate=True)
    except binascii.Error as error:
        raise DataError("Invalid bytes field") from error


_SIMPLE: dict[Type, Read] = {
    **{kind: _integer(kind) for kind in INTEGER_BITS},
    Type.FLOAT32: _float(Type.FLOAT32),
    Type.FLOAT64: _float(Type.FLOAT64),
    Type.BOOLEAN: _boolean,
    Type.STRING: _string,
    Type.BYTES: _bytes,
}


def _logical(schema: Schema) -> Read | None:
    if schema.name == DECIMAL:
        return lambda node: _decimal(schema, node)
    if schema.name == DATE:
        return lambda node: date_from_days(_whole("Date", "integer", 32, node))
    if schema.name == TIME:
        return lambda node: time_from_ms(_whole("Time", "integer", 32, node))
    if schema.name == TIMESTAMP:
        return lambda node: timestamp_from_ms(_whole("Timestamp", "integral", 64, node))
    return None


def _whole(name: str, wanted: str, bits: int, node: Any) -> int:
    if isinstance(node, bool) or not isinstance(node, int) or not -(1 << (bits - 1)) <= node < 1 << (bits - 1):
        raise DataError(f"Invalid type for {name}, underlying representation should be {wanted} but was {_kind(node)}")
    return node


def _decimal(schema: Schema, node: Any) -> decimal.Decimal:
    kind = _kind(node)
    if kind == "NUMBER":
        return decimal.Decimal(node)
    if kind != "STRING":
        raise DataError(f"Invalid type for Decimal, underlying representation should be numeric or bytes but was {kind}")
    try:
        return decimal_from_bytes(schema, base64.b64decode(node, validate=True))
    except (binascii.Error, DataError) as error:
        raise DataError("Invalid bytes for Decimal field") from error
