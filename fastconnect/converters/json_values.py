"""Values made ready for msgspec, so that what it writes is what Kafka Connect writes.

msgspec writes texts, numbers, lists and dicts faster than anything else, so no JSON text is made here: a value is turned into
one of those, and only where Java's text differs into a `msgspec.Raw` with that text. `plain` does so for values without a
schema, `writer` makes a function that does it for one schema.
"""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, TypeAlias

import msgspec

from fastconnect.api.java_text import decimal_text, double_text, float_text
from fastconnect.api.logical import date_to_days, decimal_to_bytes, time_to_ms, timestamp_to_ms
from fastconnect.api.schema import DATE, DECIMAL, INTEGER_BITS, TIME, TIMESTAMP, Schema, Struct, Type, class_text
from fastconnect.converters.json_schemas import remember
from fastconnect.errors import DataError

Write: TypeAlias = Callable[[Any], Any]

_INT64 = range(-(1 << 63), 1 << 63)


class JsonWriters:
    """The writers of schemas, made once for each.

    Args:
        numeric_decimals: Decimals are written as numbers, not as the base64 of their bytes (decimal.format=NUMERIC).
        replace_nulls: a null is written as the default, if there is one (replace.null.with.default).
        cache_size: how many schemas are remembered.
    """

    def __init__(self, *, numeric_decimals: bool, replace_nulls: bool, cache_size: int) -> None:
        self.numeric_decimals = numeric_decimals
        self.replace_nulls = replace_nulls
        self.cache_size = cache_size
        self._writers: dict[Schema, Write] = {}

    def writer(self, schema: Schema) -> Write:
        """Return the function that makes a value of this schema ready for msgspec; it raises `DataError`."""
        write = self._writers.get(schema)
        if write is None:
            write = self._nullable(schema, self._logical(schema) or self._typed(schema))
            remember(self._writers, self.cache_size, schema, write)
        return write

    def plain(self, value: Any) -> Any:
        """Make a value without a schema ready for msgspec.

        Beyond Kafka Connect, which refuses them: datetimes, dates and times (ISO text), Decimals (a number or a text, as
        decimal.format says), UUIDs, enums, dataclasses, msgspec and attrs classes, numpy's numbers and arrays, sets.

        Raises:
            DataError: nothing in JSON stands for it, or an int does not fit into 64 bits.
        """
        if value is None or value is True or value is False:
            return value
        kind = type(value)
        if kind is str:
            return value
        if kind is int:
            if value not in _INT64:
                raise DataError(f"The number {value} does not fit into 64 bits, so it does not have corresponding schema type.")
            return value
        if kind is float:
            return _double(value)
        if kind is dict:
            return self._plain_map(value)
        if kind is list or kind is tuple:
            return [self.plain(element) for element in value]
        if isinstance(value, Struct):
            return self.writer(value.schema)(value)
        return self._rare(value)

    def _plain_map(self, value: Mapping[Any, Any]) -> Any:
        if all(isinstance(key, str) for key in value):
            return {str(key): self.plain(element) for key, element in value.items()}
        return [[self.plain(key), self.plain(element)] for key, element in value.items()]

    def _rare(self, value: Any) -> Any:
        if isinstance(value, Enum):
            return self.plain(value.value)
        for kind in (str, int, float):
            if isinstance(value, kind):
                return self.plain(kind(value))
        if isinstance(value, (bytes, bytearray, memoryview)):
            return bytes(value)
        if isinstance(value, msgspec.Raw):
            return msgspec.Raw(msgspec.json.format(bytes(value), indent=-1))  # on one line
        if isinstance(value, (datetime.date, datetime.time)):
            return value
        if isinstance(value, decimal.Decimal):
            return msgspec.Raw(decimal_text(value).encode()) if self.numeric_decimals else decimal_text(value)
        if isinstance(value, Mapping):
            return self._plain_map(value)
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.plain(element) for element in value]
        if hasattr(value, "tolist"):  # numpy's numbers and arrays
            return self.plain(value.tolist())
        try:
            built = msgspec.to_builtins(value, builtin_types=_KEPT, enc_hook=_unknown)
        except (TypeError, msgspec.ValidationError):
            built = value
        if type(built) is type(value):
            raise DataError(f"Python {class_text(value)} does not have corresponding schema type.")
        return self.plain(built)

    # ---- with a schema ----

    def _nullable(self, schema: Schema, write: Write) -> Write:
        default = schema.default if self.replace_nulls else None

        def of_null() -> Any:
            if default is not None:
                return write(default)
            if schema.is_optional:
                return None
            raise DataError("Conversion error: null value for field that is required and has no default value")

        return lambda value: of_null() if value is None else write(value)

    def _logical(self, schema: Schema) -> Write | None:
        if schema.name == DECIMAL:
            return self._decimal(schema)
        if schema.name == DATE:
            return _checked("Date", datetime.date, date_to_days)
        if schema.name == TIME:
            return _checked("Time", datetime.time, time_to_ms)
        if schema.name == TIMESTAMP:
            return _checked("Timestamp", datetime.datetime, timestamp_to_ms)
        return None

    def _decimal(self, schema: Schema) -> Write:
        if self.numeric_decimals:
            return _checked("Decimal", decimal.Decimal, lambda value: msgspec.Raw(decimal_text(value).encode()))
        return _checked("Decimal", decimal.Decimal, lambda value: decimal_to_bytes(schema, value))

    def _typed(self, schema: Schema) -> Write:
        kind = schema.type
        if kind in INTEGER_BITS:
            return _integer(kind)
        if kind is Type.FLOAT64:
            return _number(kind, _double)
        if kind is Type.FLOAT32:
            return _number(kind, _single)
        if kind is Type.BOOLEAN:
            return _exactly(kind, bool)
        if kind is Type.STRING:
            return _exactly(kind, str)
        if kind is Type.BYTES:
            return _bytes
        if kind is Type.ARRAY:
            return self._array(schema)
        return self._map(schema) if kind is Type.MAP else self._struct(schema)

    def _inner(self, schema: Schema | None) -> Write:
        return self.plain if schema is None else self.writer(schema)

    def _array(self, schema: Schema) -> Write:
        write_element = self._inner(schema.value_schema)

        def write(value: Any) -> Any:
            if not isinstance(value, (list, tuple, set, frozenset)):
                raise _wrong(Type.ARRAY, value)
            return [write_element(element) for element in value]

        return write

    def _map(self, schema: Schema) -> Write:
        write_key, write_value = self._inner(schema.key_schema), self._inner(schema.value_schema)
        as_object = schema.key_schema is not None and schema.key_schema.type is Type.STRING

        def write(value: Any) -> Any:
            if not isinstance(value, Mapping):
                raise _wrong(Type.MAP, value)
            if not as_object:
                return [[write_key(key), write_value(element)] for key, element in value.items()]
            return {"null" if key is None else write_key(key): write_value(element) for key, element in value.items()}

        return write

    def _struct(self, schema: Schema) -> Write:
        fields = [(field.name, self.writer(field.schema)) for field in schema.fields]

        def write(value: Any) -> Any:
            if not isinstance(value, Struct):
                raise _wrong(Type.STRUCT, value)
            if value.schema is not schema and value.schema != schema:
                raise DataError("Mismatching schema.")
            values = value.values_without_defaults()
            return {name: write_field(element) for (name, write_field), element in zip(fields, values, strict=True)}

        return write


_KEPT = (bytes, bytearray, datetime.datetime, datetime.date, datetime.time, decimal.Decimal)


def _unknown(value: Any) -> Any:
    if isinstance(value, Struct):
        return {name: value.get(name) for name in value}
    if hasattr(value, "tolist"):
        return value.tolist()
    raise DataError(f"Python {class_text(value)} does not have corresponding schema type.")


def _double(value: float) -> Any:
    if 1e-3 <= abs(value) < 1e7 or value == 0:
        return value
    return _written(double_text(value))


def _single(value: float) -> Any:
    return _written(float_text(value))


def _written(text: str) -> Any:
    return text if text.endswith(("N", "y")) else msgspec.Raw(text.encode())  # NaN and Infinity are texts in JSON


def _wrong(kind: Type, value: Any) -> DataError:
    return DataError(f"Invalid type for {kind}: {class_text(value)}")


def _integer(kind: Type) -> Write:
    bits = INTEGER_BITS[kind]
    span = range(-(1 << (bits - 1)), 1 << (bits - 1))

    def write(value: Any) -> Any:
        if type(value) is not int:
            if not isinstance(value, int) or isinstance(value, bool):
                raise _wrong(kind, value)
            value = int(value)
        if value not in span:
            raise DataError(f"Invalid value for {kind}: {value} does not fit into {bits} bits")
        return value

    return write


def _number(kind: Type, write_float: Callable[[float], Any]) -> Write:
    def write(value: Any) -> Any:
        if not isinstance(value, (float, int)) or isinstance(value, bool):
            raise _wrong(kind, value)
        try:
            return write_float(float(value))
        except OverflowError:
            raise DataError(f"Invalid value for {kind}: {value} is too large") from None

    return write


def _exactly(kind: Type, cls: type) -> Write:
    def write(value: Any) -> Any:
        if type(value) is not cls:
            if not isinstance(value, cls):
                raise _wrong(kind, value)
            return cls(value)
        return value

    return write


def _bytes(value: Any) -> Any:
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise DataError(f"Invalid type for bytes type: {class_text(value)}")
    return bytes(value)


def _checked(name: str, cls: type, convert: Callable[[Any], Any]) -> Write:
    def write(value: Any) -> Any:
        if not isinstance(value, cls):
            raise DataError(f"Invalid type for {name}, expected {cls.__name__} but was {class_text(value)}")
        return convert(value)

    return write
