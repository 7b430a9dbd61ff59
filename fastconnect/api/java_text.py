"""How Java writes values as text, so that what is written here and by Kafka Connect is the same to the byte.

Source: the documentation of Java's Double.toString, Float.toString (JDK 19 and later: the shortest digits that read back as
the same number), BigDecimal.toString, java.util.Date.toString and of the collections' toString.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import functools
import math
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from fastconnect.api.logical import instant_ms, timestamp_from_ms
from fastconnect.api.schema import Schema, Struct, Type
from fastconnect.errors import DataError

_FLOAT = struct.Struct(">f")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def double_text(value: float) -> str:
    """A FLOAT64 as Java writes it: `1.0`, `1.0E10`, `1.0E-5`, `NaN`, `-Infinity`."""
    size = abs(value)
    if 1e-3 <= size < 1e7 or size == 0:
        return repr(value)
    if math.isnan(size):
        return "NaN"
    if size == float("inf"):
        return "Infinity" if value > 0 else "-Infinity"
    # Java chooses among two digits even where one would do: 4.9E-324, not 5E-324.
    two = f"{size:.1e}"
    return ("-" if value < 0 else "") + _scientific(two if float(two) == size else repr(size))


def float_text(value: float) -> str:
    """A FLOAT32 as Java writes it; the value is rounded to 32 bits first."""
    value = round_to_float32(value)
    size = abs(value)
    if size == 0 or not math.isfinite(size):
        return double_text(value)
    for digits in range(1, 9):
        text = f"{size:.{digits}e}"
        if round_to_float32(float(text)) == size:
            break
        if math.frexp(size)[0] == 0.5:  # more decimals round to a power of two from above it than from below
            above = decimal.Decimal(text) + decimal.Decimal((0, (1,), decimal.Decimal(text).adjusted() - digits))
            if round_to_float32(float(above)) == size:
                text = str(above)
                break
    if 1e-3 <= size < 1e7:
        return ("-" if value < 0 else "") + repr(float(text))
    return ("-" if value < 0 else "") + _scientific(text)


def round_to_float32(value: float) -> float:
    """The 32-bit float next to a number, as Java's cast: too large a number becomes infinite."""
    try:
        return float(_FLOAT.unpack(_FLOAT.pack(value))[0])
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _scientific(text: str) -> str:
    mantissa, _, exponent = f"{decimal.Decimal(text):e}".partition("e")
    mantissa = mantissa.rstrip("0") if "." in mantissa else mantissa
    return f"{mantissa}{'0' if mantissa.endswith('.') else '' if '.' in mantissa else '.0'}E{int(exponent)}"


def decimal_text(value: decimal.Decimal) -> str:
    """A Decimal as Java writes it; there is no negative zero."""
    if not value.is_finite():
        raise DataError(f"{value} is not a number")
    return str(value.copy_abs() if value.is_zero() else value)


def date_text(value: datetime.date | datetime.time) -> str:
    """A date, time or datetime as Java's Date writes itself, in UTC: `Thu Feb 29 12:34:56 UTC 2024`."""
    moment = timestamp_from_ms(instant_ms(value))
    return (
        f"{_DAYS[moment.weekday()]} {_MONTHS[moment.month - 1]} {moment.day:02d} "
        f"{moment.hour:02d}:{moment.minute:02d}:{moment.second:02d} UTC {moment.year:04d}"
    )


def java_string(value: Any, schema: Schema | None = None) -> str:
    """What Java's `toString()` gives for a value; the schema only tells 32-bit floats from others.

    Bytes, which Java writes as an address in memory, are written as base64.
    """
    if value is None:
        return "null"
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return float_text(value) if schema is not None and schema.type is Type.FLOAT32 else double_text(value)
    if isinstance(value, int):
        if schema is not None and schema.type in (Type.FLOAT32, Type.FLOAT64):
            return java_string(float(value), schema)
        return str(value)
    if isinstance(value, Struct):
        return f"Struct{{{','.join(_struct_parts(value))}}}"
    if isinstance(value, Mapping):
        key_schema, value_schema = (schema.key_schema, schema.value_schema) if schema is not None else (None, None)
        return f"{{{', '.join(f'{java_string(k, key_schema)}={java_string(v, value_schema)}' for k, v in value.items())}}}"
    if isinstance(value, (list, tuple)):
        value_schema = schema.value_schema if schema is not None else None
        return f"[{', '.join(java_string(element, value_schema) for element in value)}]"
    if isinstance(value, decimal.Decimal):
        return decimal_text(value)
    if isinstance(value, (datetime.date, datetime.time)):
        return date_text(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    return str(value)


def as_hash_maps(value: Any) -> Any:
    """The value with the entries of all maps in it in the order that Java's HashMap has them: converters there make such maps.

    Only maps whose keys are texts are put in order, as all maps out of plain JSON. Source: the documentation of
    String.hashCode, and java.util.HashMap: 16 buckets at first, twice as many whenever three in four are taken.
    """
    if isinstance(value, dict):
        value = {key: as_hash_maps(element) for key, element in value.items()}
        if len(value) < 2 or not all(isinstance(key, str) for key in value):
            return value
        buckets = 16
        while len(value) > buckets * 3 // 4:
            buckets *= 2
        return {key: value[key] for key in sorted(value, key=lambda key: _bucket(key) & (buckets - 1))}
    if isinstance(value, list):
        return [as_hash_maps(element) for element in value]
    return value


@functools.lru_cache(4096)
def _bucket(key: str) -> int:
    code = 0
    units = key.encode("utf-16-be", "surrogatepass")
    for high, low in zip(units[::2], units[1::2], strict=True):
        code = (31 * code + (high << 8 | low)) & 0xFFFFFFFF
    return code ^ (code >> 16)


def _struct_parts(value: Struct) -> Iterator[str]:
    for field, element in zip(value.schema.fields, value.values_without_defaults(), strict=True):
        if element is not None:
            yield f"{field.name}={java_string(element, field.schema)}"
