"""TimestampConverter: a moment as a text, as a Unix time, or as one of the types Date, Time and Timestamp; any into any.

Source: Kafka Connect's TimestampConverter.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal

from fastconnect.api.config import Config, Fault, Meta
from fastconnect.api.logical import DAY_MS, date_from_days, instant_ms, time_from_ms, timestamp_from_ms
from fastconnect.api.schema import DATE, TIME, TIMESTAMP, Schema, Struct, Type, class_text
from fastconnect.errors import DataError
from fastconnect.transforms.date_format import DateFormat
from fastconnect.transforms.part import (
    PartTransform,
    Plan,
    ReplaceNull,
    like,
    reader,
    require_map,
    require_struct,
    struct_of,
)

_PURPOSE = "converting timestamp formats"
_NO_FORMAT = "TimestampConverter requires format option to be specified when using string timestamps"
_HIGH = {"importance": "HIGH"}


class TimestampConverterConfig(Config):
    """Which field is converted, and into what."""

    field: Annotated[
        str,
        Meta(description="The field that holds the moment; empty if the whole key or value is one.", extra_json_schema=_HIGH),
    ] = ""
    target_type: Annotated[
        Literal["string", "unix", "Date", "Time", "Timestamp"],
        Meta(description="What it becomes: string, unix (a number), Date, Time or Timestamp."),
    ]
    format: Annotated[
        str,
        Meta(
            description="How texts are written or read: a pattern of Java's SimpleDateFormat, such as "
            "`yyyy-MM-dd'T'HH:mm:ss.SSSX`; in UTC where the text names no zone."
        ),
    ] = ""
    unix_precision: Annotated[
        Literal["nanoseconds", "microseconds", "milliseconds", "seconds"],
        Meta(
            description="What Unix times count since 1970: seconds, milliseconds, microseconds or nanoseconds. "
            "Parts of a millisecond are lost.",
            extra_json_schema={"importance": "LOW"},
        ),
    ] = "milliseconds"
    replace_null_with_default: ReplaceNull = True

    def check(self) -> Iterable[Fault]:
        """Texts need a pattern, and it must be one."""
        if self.format.strip():
            try:
                DateFormat(self.format)
            except ValueError as error:
                why = f"TimestampConverter requires a SimpleDateFormat-compatible pattern for string timestamps: {self.format}"
                yield Fault("format", f"{why} ({error})")
        elif self.target_type == "string":
            yield Fault("format", _NO_FORMAT)


_Kind = Literal["string", "unix", "Date", "Time", "Timestamp"]
_SCHEMAS: dict[str, Schema] = {
    "string": Schema.string(),
    "unix": Schema.int64(),
    "Date": Schema.date(),
    "Time": Schema.time(),
    "Timestamp": Schema.timestamp(),
}
_OPTIONAL_SCHEMAS = {kind: schema.optional() for kind, schema in _SCHEMAS.items()}
_KINDS: dict[str | None, _Kind] = {TIMESTAMP: "Timestamp", DATE: "Date", TIME: "Time"}


class TimestampConverter(PartTransform[TimestampConverterConfig]):
    """Converts moments in a key or value."""

    skips_null = False

    def configure(self, configs: Mapping[str, str | None]) -> None:
        """Take the settings and check them."""
        super().configure(configs)
        config = self.config
        self._format = DateFormat(config.format) if config.format.strip() else None
        self._write = _writer(config.target_type, self._format, config.unix_precision)
        self._target = config.target_type

    def bare(self, value: Any) -> Any:
        """Convert a value without a schema, or its field."""
        name = self.config.field
        if value is None or not name:
            return self._convert(value, None)
        old = require_map(value, _PURPOSE)
        return {**old, name: self._convert(old.get(name), None)}

    def plan(self, schema: Schema) -> Plan:
        """Say what becomes of the values of a schema."""
        name = self.config.field
        if not name:
            kind = _kind_of(schema)
            return Plan(self._schema(schema), lambda value: self._convert(value, kind))
        if schema.type is not Type.STRUCT:
            return Plan(None, lambda value: schema.fields if value is None else require_struct(value, schema, _PURPOSE))
        found = schema.field(name)
        new = like(
            schema,
            [(f.name, self._schema(f.schema) if f is found else f.schema) for f in schema.fields],
            optional=schema.is_optional,
        )
        read = reader(schema, replace_null=self.config.replace_null_with_default)

        def converted(struct: Struct, made: Schema) -> Struct:
            values = read(struct)
            if found is not None:
                values[found.index] = self._convert(values[found.index], _kind_of(found.schema))
            return struct_of(made, values)

        if schema.default is not None:
            new = new.with_default(converted(schema.default, new))

        def change(value: Any) -> Any:
            return None if value is None else converted(require_struct(value, schema, _PURPOSE), new)

        return Plan(new, change)

    def _schema(self, schema: Schema) -> Schema:
        return (_OPTIONAL_SCHEMAS if schema.is_optional else _SCHEMAS)[self._target]

    def _convert(self, value: Any, kind: _Kind | None) -> Any:
        """Convert one moment; `kind` is what its schema says that it is, None where the value itself must tell."""
        if value is None:
            return None
        if kind is None:
            kind = "Timestamp" if isinstance(value, _DATES) else "unix" if _is_int(value) else "string"
            if kind == "string" and not isinstance(value, str):
                raise DataError(f"TimestampConverter does not support {class_text(value)} objects as timestamps")
        if kind == "string":
            return self._write(self._read_text(value))
        if kind == "unix":
            if not _is_int(value):
                raise DataError(f"Expected Unix timestamp to be a Long, but found {class_text(value)}")
            times, by = _TO_MS[self.config.unix_precision]
            return self._write(_within_long(value * times if by == 1 else _cut(value, by)))
        if not isinstance(value, _DATES):
            raise DataError(f"Expected {kind} to be a date or a time, but found {class_text(value)}")
        if self._target == "Timestamp" and isinstance(value, datetime.datetime):
            return value  # to the microsecond, as it is
        return self._write(instant_ms(value))

    def _read_text(self, text: Any) -> int:
        if not isinstance(text, str):
            raise DataError(f"Expected string timestamp to be a String, but found {class_text(text)}")
        if self._format is None:
            raise DataError(_NO_FORMAT)
        try:
            return self._format.parse(text)
        except ValueError as error:
            why = f"Could not parse timestamp: value ({text}) does not match pattern ({self._format.pattern})"
            raise DataError(why, hint=str(error)) from None


_DATES = (datetime.date, datetime.time)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _kind_of(schema: Schema) -> _Kind:
    """What kind of moment the values of a schema are."""
    if schema.name in _KINDS:
        return _KINDS[schema.name]
    if schema.type is Type.STRING:
        return "string"
    if schema.type is Type.INT64:
        return "unix"
    raise DataError(
        f"Schema {schema} does not correspond to a known timestamp type format",
        hint="it must be a STRING, an INT64, or a Date, Time or Timestamp",
    )


_TO_MS = {"seconds": (1000, 1), "milliseconds": (1, 1), "microseconds": (1, 1000), "nanoseconds": (1, 1_000_000)}
"""Precision -> what a Unix time is multiplied with, and divided by, to be milliseconds."""


def _cut(number: int, by: int) -> int:
    """Divide as Java does: towards zero."""
    return number // by if number >= 0 else -(-number // by)


def _within_long(number: int) -> int:
    return max(-(2**63), min(number, 2**63 - 1))


def _writer(kind: str, format: DateFormat | None, precision: str) -> Callable[[int], Any]:
    """Make a function that makes of milliseconds since 1970 what is wanted."""
    if kind == "string":
        assert format is not None  # the config was checked
        return format.format
    if kind == "Date":
        return lambda ms: date_from_days(ms // DAY_MS)
    if kind == "Time":
        return lambda ms: time_from_ms(ms % DAY_MS)
    if kind == "Timestamp":
        return timestamp_from_ms
    times, by = _TO_MS[precision]
    return lambda ms: _within_long(ms * by) if times == 1 else _cut(ms, times)


class TimestampConverterKey(TimestampConverter):
    """Converts moments in the key."""

    part = "key"


class TimestampConverterValue(TimestampConverter):
    """Converts moments in the value."""
