"""Values as short texts, and back: what header values and the literals in transforms' settings are.

`to_text` writes `[1,{"a":2.5}]`; `parse` finds out what such a text is. `infer_schema` says what a Python value is.

Source: Kafka Connect's class Values (convertToString, parseString, inferSchema) and what its parser was seen to do. Not the
same: an int is always INT64 and a float FLOAT64 when their schema is inferred, since Python has one class of each; times of day
of 24 hours and more (`25:00:00.000Z`), which Java takes, stay texts.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fastconnect.api.java_text import decimal_text, double_text, float_text, round_to_float32
from fastconnect.api.logical import DAY_MS, date_from_days, instant_ms, time_from_ms, timestamp_from_ms
from fastconnect.api.schema import (
    DATE,
    INTEGER_BITS,
    LOGICAL_NAMES,
    TIME,
    TIMESTAMP,
    Schema,
    SchemaAndValue,
    Struct,
    Type,
    class_text,
)
from fastconnect.errors import DataError

STRING = Schema.string()
BOOLEAN = Schema.boolean()
_INTEGERS = (Schema.int8(), Schema.int16(), Schema.int32(), Schema.int64())
_FLOAT32 = Schema.float32()
_FLOAT64 = Schema.float64()
_BYTES = Schema.bytes()
_DATE, _TIME, _TIMESTAMP = Schema.date(), Schema.time(), Schema.timestamp()

# Each numeric type takes in those before it.
_WIDENING = (Type.INT8, Type.INT16, Type.INT32, Type.INT64, Type.FLOAT32, Type.FLOAT64)


def infer_schema(value: Any) -> Schema | None:
    """What a Python value is, or None where that cannot be said (None, an empty list, elements of several types)."""
    if isinstance(value, str):
        return STRING
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, int):
        return _INTEGERS[3]
    if isinstance(value, float):
        return _FLOAT64
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _BYTES
    if isinstance(value, Struct):
        return value.schema
    if isinstance(value, (list, tuple)):
        element = _common_schema(value)
        return Schema.array(element) if element is not None else None
    if isinstance(value, Mapping):
        key, element = _common_schema(value), _common_schema(value.values())
        return Schema.map(key, element) if key is not None and element is not None else None
    return None


def _common_schema(values: Iterable[Any]) -> Schema | None:
    """The type that all values have (only the type, as Kafka Connect does it), optional if one is None."""
    known: Type | None = None
    optional = False
    for value in values:
        if value is None:
            optional = True
            continue
        schema = infer_schema(value)
        if schema is None or (known is not None and schema.type is not known):
            return None
        known = schema.type
    return Schema(known, optional=optional) if known is not None else None


def to_text(value: Any, schema: Schema | None = None, *, embedded: bool = False) -> str:
    """Write a value as text; strings inside lists and maps (`embedded`) in quotes.

    The schema only tells 32-bit floats from others. Moments before 1970-01-02 are written as a time of day, whole days as
    a date, others as a timestamp, whatever their schema says.

    Raises:
        DataError: the value is nothing Kafka Connect knows.
    """
    if value is None:
        return "null"
    if isinstance(value, str):
        return _quoted(value) if embedded else value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        kind = schema.type if schema is not None else None
        if kind is Type.FLOAT32:
            return float_text(value)
        return double_text(value) if isinstance(value, float) or kind is Type.FLOAT64 else str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        text = base64.b64encode(value).decode()
        return f'"{text}"' if embedded else text
    if isinstance(value, Struct):
        pairs = (f"{_quoted(f.name)}:{to_text(value.get(f.name), f.schema, embedded=True)}" for f in value.schema.fields)
        return f"{{{','.join(pairs)}}}"
    if isinstance(value, Mapping):
        key_schema, inner = (schema.key_schema, schema.value_schema) if schema is not None else (None, None)
        pairs = (f"{to_text(k, key_schema, embedded=True)}:{to_text(v, inner, embedded=True)}" for k, v in value.items())
        return f"{{{','.join(pairs)}}}"
    if isinstance(value, (list, tuple)):
        inner = schema.value_schema if schema is not None else None
        return f"[{','.join(to_text(element, inner, embedded=True) for element in value)}]"
    if isinstance(value, decimal.Decimal):
        return decimal_text(value)
    if isinstance(value, (datetime.date, datetime.time)):
        return instant_text(instant_ms(value))
    raise DataError(f"Failed to serialize unexpected value type {class_text(value).removeprefix('class ')}: {value}")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def instant_text(ms: int) -> str:
    """Milliseconds since 1970 as a time of day, a date or a timestamp, whichever the number looks like."""
    moment = timestamp_from_ms(ms)
    time = f"{moment.hour:02d}:{moment.minute:02d}:{moment.second:02d}.{ms % 1000:03d}Z"
    if ms < DAY_MS:
        return time
    date = f"{moment.year:04d}-{moment.month:02d}-{moment.day:02d}"
    return date if ms % DAY_MS == 0 else f"{date}T{time}"


def parse(text: str | None) -> SchemaAndValue:
    """Find out what a text is: a number, a list, a map, a date ...; anything else is the text itself.

    Whole numbers get the smallest type that holds them. `null` gives (None, None).
    """
    if text is None:
        return SchemaAndValue(None, None)
    if not text:
        return SchemaAndValue(STRING, text)
    return _Parser(text).parse(embedded=False) or SchemaAndValue(None, None)


# ---- the parser ----

_SPACE = "".join(map(chr, range(33)))  # what Java's trim() cuts off
_TOKEN = re.compile(r'(?:[^\\:,{}\[\]"]|\\[\s\S]|\\$)+|[:,{}\[\]"]')


class _Parser:
    """Reads a text as tokens, which end at an unescaped `:`, `,`, `{`, `}`, `[`, `]` or `"`; `at` is the next one."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[str] = _TOKEN.findall(text)
        self.at = 0

    def parse(self, *, embedded: bool) -> SchemaAndValue | None:
        """Read one value; None for `null`, and where there is nothing."""
        if self.at == len(self.tokens):
            return None
        if embedded and self.take('"'):
            return self.quoted()
        for literal, value in (("null", None), ("true", True), ("false", False)):
            if self.take_alone(literal, embedded=embedded):
                return None if value is None else SchemaAndValue(BOOLEAN, value)
        start = self.at
        try:
            if self.take("["):
                return self.array()
            if self.take("{"):
                return self.map()
        except DataError:
            self.at = start  # not a whole list or map after all: a text
        token = self.next()
        if not token.strip():
            return SchemaAndValue(STRING, token)
        token = token.strip(_SPACE)
        found: SchemaAndValue | None = None
        if token[:1].isdigit():
            found = self.temporal(token)
        if found is None and (token[:1].isdigit() or token[:1] in ("+", "-")):
            found = _number(token)
        if found is not None:
            return found
        if embedded:
            raise DataError("Failed to parse embedded value")
        return SchemaAndValue(STRING, self.text)

    def next(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1]

    def take(self, wanted: str) -> bool:
        """Go past the next token if it is this one; blank tokens before it are passed in any case."""
        if self.at == len(self.tokens):
            return False
        while not self.tokens[self.at].strip() and self.at + 1 < len(self.tokens):
            self.at += 1
        if self.tokens[self.at].strip(_SPACE) != wanted:
            return False
        self.at += 1
        return True

    def take_alone(self, wanted: str, *, embedded: bool) -> bool:
        """Go past the next token if it is this one, and, outside of lists and maps, the last."""
        start = self.at
        if self.take(wanted) and (embedded or self.at == len(self.tokens)):
            return True
        self.at = start
        return False

    def quoted(self) -> SchemaAndValue:
        parts = []
        while self.at < len(self.tokens) and not self.take('"'):
            parts.append(self.next())
        text = "".join(parts)
        return _temporal(text) or SchemaAndValue(STRING, text)

    def temporal(self, token: str) -> SchemaAndValue | None:
        """Read a time, date or timestamp; its colons have made five tokens of it, unless they were escaped."""
        rest = self.tokens[self.at : self.at + 4]
        if len(rest) == 4:
            found = _temporal(token + "".join(rest))
            if found is not None:
                self.at += 4
                return found
        return _temporal(token)

    def array(self) -> SchemaAndValue:
        elements: list[Any] = []
        common = _Common()
        while self.at < len(self.tokens):
            if self.take("]"):
                if common.schema is None:
                    return SchemaAndValue(Schema(Type.ARRAY), elements)
                return SchemaAndValue(Schema.array(common.schema), [convert(common.schema, e) for e in elements])
            if self.take(","):
                raise DataError(f"Unable to parse an empty array element: {self.text}")
            element = self.parse(embedded=True)
            common.take_in(element)
            elements.append(element.value if element is not None else None)
            end = self.at
            if self.take("]"):
                self.at = end
            elif not self.take(","):
                raise DataError("Array elements missing ',' delimiter")
        raise DataError(f"Array is missing terminating ']': {self.text}")

    def map(self) -> SchemaAndValue:
        entries: dict[Any, Any] = {}
        keys, values = _Common(), _Common()
        while self.at < len(self.tokens):
            if self.take("}"):
                return self.map_of(entries, keys.schema, values.schema)
            if self.take(","):
                raise DataError(f"Unable to parse a map entry with no key or value: {self.text}")
            key = self.parse(embedded=True)
            if key is None or key.value is None:
                raise DataError(f"Map entry may not have a null key: {self.text}")
            if not self.take(":"):
                raise DataError(f"Map entry is missing ':' in {self.text}")
            value = self.parse(embedded=True)
            try:
                entries[key.value] = value.value if value is not None else None
            except TypeError as error:
                raise DataError(f"A list or a map cannot be the key of a map: {self.text}") from error
            self.take(",")
            keys.take_in(key)
            values.take_in(value)
        raise DataError(f"Map is missing terminating '}}': {self.text}")

    def map_of(self, entries: dict[Any, Any], keys: Schema | None, values: Schema | None) -> SchemaAndValue:
        if keys is None:
            return SchemaAndValue(Schema(Type.MAP), entries)
        schema = Schema(Type.MAP, key_schema=keys, value_schema=values)
        if values is None:
            return SchemaAndValue(schema, {convert(keys, k): v for k, v in entries.items()})
        return SchemaAndValue(schema, {convert(keys, k): convert(values, v) for k, v in entries.items()})


class _Common:
    """Finds the schema that all elements fit into; None while there was none, and once there can be none."""

    def __init__(self) -> None:
        self.schema: Schema | None = None
        self.possible = True

    def take_in(self, element: SchemaAndValue | None) -> None:
        if element is None or element.schema is None or not self.possible:
            return
        mine, other = self.schema, element.schema
        if mine is None or mine.type is other.type:
            self.schema = other
        elif mine.type in _WIDENING and other.type in _WIDENING:
            self.schema = max(mine, other, key=lambda schema: _WIDENING.index(schema.type))
        else:
            self.schema, self.possible = None, False


_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,10})?")
_BEYOND_LONG = decimal.Decimal("1e19")


def _number(token: str) -> SchemaAndValue | None:
    """Read a number as the smallest type that Kafka Connect would give it; None if it is no number."""
    if not _NUMBER.fullmatch(token):
        return None
    number = decimal.Decimal(token)
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    size = number.copy_abs()
    if size.is_zero() or (1 <= size <= _BEYOND_LONG and number == number.to_integral_value()):
        whole = int(number)
        for schema in _INTEGERS:
            if _fits(whole, INTEGER_BITS[schema.type]):
                return SchemaAndValue(schema, whole)
    if exponent != 0:
        double = float(number)
        single = round_to_float32(double)
        if abs(single) != float("inf"):
            return SchemaAndValue(_FLOAT32, single)
        if abs(double) != float("inf"):
            return SchemaAndValue(_FLOAT64, double)
    return SchemaAndValue(Schema.decimal(-exponent), number)


def _fits(number: int, bits: int) -> bool:
    return -(1 << (bits - 1)) <= number < 1 << (bits - 1)


# Java reads these leniently: numbers may be of any length and beyond their range (month 13 is January), and what follows
# is ignored.
_DATE_TEXT = re.compile(r"\s*(\d+)-\s*(\d+)-\s*(\d+)", re.ASCII)
_TIME_TEXT = re.compile(r"\s*(\d+):\s*(\d+):\s*(\d+)\.\s*(\d+)Z", re.ASCII)
_TIMESTAMP_TEXT = re.compile(r"\s*(\d+)-\s*(\d+)-\s*(\d+)T\s*(\d+):\s*(\d+):\s*(\d+)\.\s*(\d+)Z", re.ASCII)
_TEMPORAL_LENGTHS = {10: _DATE, 13: _TIME, 24: _TIMESTAMP}


def _temporal(token: str) -> SchemaAndValue | None:
    """Read a date, a time or a timestamp in ISO form, told apart by their length; None if it is none."""
    token = token.replace("\\:", ":")
    schema = _TEMPORAL_LENGTHS.get(len(token))
    if schema is None:
        return None
    try:
        if schema is _DATE:
            found = _DATE_TEXT.match(token)
            value: Any = None if found is None else timestamp_from_ms(_day_ms(*map(int, found.groups()))).date()
        elif schema is _TIME:
            found = _TIME_TEXT.match(token)
            value = None if found is None else time_from_ms(_time_ms(*map(int, found.groups())))
        else:
            found = _TIMESTAMP_TEXT.match(token)
            if found is None:
                return None
            parts = list(map(int, found.groups()))
            value = timestamp_from_ms(_day_ms(*parts[:3]) + _time_ms(*parts[3:]))
    except (DataError, ValueError, OverflowError):  # a moment that Python's classes cannot hold: it stays a text
        return SchemaAndValue(STRING, token)
    return None if value is None else SchemaAndValue(schema, value)


def _day_ms(year: int, month: int, day: int) -> int:
    years, month = divmod(month - 1, 12)
    return (datetime.date(year + years, month + 1, 1).toordinal() - _EPOCH_ORDINAL + day - 1) * DAY_MS


def _time_ms(hour: int, minute: int, second: int, ms: int) -> int:
    return ((hour * 60 + minute) * 60 + second) * 1000 + ms


_EPOCH_ORDINAL = datetime.date(1970, 1, 1).toordinal()


_FROM_NUMBER: dict[str | None, Callable[[int], Any]] = {DATE: date_from_days, TIME: time_from_ms, TIMESTAMP: timestamp_from_ms}


def convert(schema: Schema, value: Any) -> Any:
    """Make a value that was parsed one of the common type of its list or map.

    Raises:
        DataError: it cannot be one; None only where the schema is optional.
    """
    if value is None:
        if schema.is_optional:
            return None
        raise DataError("Unable to convert a null value to a schema that requires a value")
    kind = schema.type
    if kind is Type.STRING:
        return to_text(value)
    if kind not in _WIDENING or (schema.name in LOGICAL_NAMES and isinstance(value, (datetime.date, datetime.time))):
        return value
    if schema.name in _FROM_NUMBER and isinstance(value, int):
        return _FROM_NUMBER[schema.name](value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if kind in INTEGER_BITS:
            return int(value)
        return round_to_float32(value) if kind is Type.FLOAT32 else float(value)
    raise DataError(f"Unable to convert {value} ({class_text(value)}) to a number")
