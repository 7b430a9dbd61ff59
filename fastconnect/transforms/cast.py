"""Cast: makes values, or single fields of them, another type: `spec=id:int32,price:string` or `spec=float64`.

Numbers are cut to fewer bits as Java does it, texts must be numbers to become some. Source: Kafka Connect's Cast.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any

from fastconnect.api.config import Config, Fault, Meta
from fastconnect.api.java_text import float_text, java_string, round_to_float32
from fastconnect.api.logical import date_to_days, instant_ms, time_to_ms, timestamp_to_ms
from fastconnect.api.schema import DATE, INTEGER_BITS, TIME, TIMESTAMP, Schema, Struct, Type, class_text
from fastconnect.api.values import instant_text
from fastconnect.errors import DataError
from fastconnect.transforms.part import PartTransform, Plan, ReplaceNull, like, reader, require_map, require_struct, struct_of

_PURPOSE = "cast types"
_TO = (Type.INT8, Type.INT16, Type.INT32, Type.INT64, Type.FLOAT32, Type.FLOAT64, Type.BOOLEAN, Type.STRING)
_FROM = (*_TO, Type.BYTES)


class CastConfig(Config):
    """Which fields become which type."""

    spec: Annotated[
        list[str],
        Meta(
            description="Fields and their new types, as `field1:type,field2:type`, or one type alone for the value as a whole. "
            "Types: int8, int16, int32, int64, float32, float64, boolean, string. Bytes can only become a string."
        ),
    ]
    replace_null_with_default: ReplaceNull = True

    def check(self) -> Iterable[Fault]:
        """Every entry must name a type that there is."""
        try:
            casts_of(self.spec)
        except ValueError as error:
            yield Fault("spec", str(error))


def casts_of(spec: Sequence[str]) -> dict[str | None, Type]:
    """Read a spec: field -> type, or None -> type for the value as a whole.

    Raises:
        ValueError: it is none.
    """
    if not spec:
        raise ValueError("Must specify at least one field to cast.")
    casts: dict[str | None, Type] = {}
    for entry in spec:
        parts = entry.rstrip(":").split(":")
        if len(parts) > 2:
            raise ValueError(f"Invalid value [{', '.join(spec)}] for configuration spec: Invalid cast: {entry}")
        name = parts[-1].strip()
        try:
            target = Type(name.upper())
        except ValueError:
            raise ValueError(f"Invalid type found in casting spec: {name}") from None
        if target not in _TO:
            raise ValueError(f"Cast transformation does not support casting to {target}; supported types are {_listed(_TO)}")
        casts[parts[0].strip() if len(parts) == 2 else None] = target
    if None in casts and len(spec) > 1:
        raise ValueError(
            "Cast transformations that specify a type to cast the entire value to may only specify a single cast in their spec"
        )
    return casts


def _listed(types: Sequence[Type]) -> str:
    return f"[{', '.join(types)}]"


class Cast(PartTransform[CastConfig]):
    """Makes a key or a value, or fields of it, another type."""

    def configure(self, configs: Mapping[str, str | None]) -> None:
        """Take the settings and check them."""
        super().configure(configs)
        casts = casts_of(self.config.spec)
        self._whole = casts.pop(None, None)
        self._casts = {name: target for name, target in casts.items() if name is not None}

    def bare(self, value: Any) -> Any:
        """Return a value without a schema, cast."""
        if self._whole is not None:
            return cast(None, value, self._whole)
        old = require_map(value, _PURPOSE)
        return {**old, **{name: cast(None, old.get(name), target) for name, target in self._casts.items()}}

    def plan(self, schema: Schema) -> Plan:
        """Say how values of a schema are cast."""
        whole = self._whole
        if whole is not None:
            return Plan(_cast_schema(schema, whole, name=schema.name, version=schema.version, doc=schema.doc,
                                     parameters=schema.parameters), lambda value: cast(schema, value, whole))  # fmt: skip
        targets = [(field, self._casts.get(field.name)) for field in schema.fields]
        new = like(
            schema,
            [(field.name, field.schema if to is None else _cast_schema(field.schema, to)) for field, to in targets],
            optional=schema.is_optional,
        )
        if schema.default is not None:
            cast(schema, schema.default, Type.STRUCT)  # cannot be done, and says so as Kafka Connect does
        read = reader(schema, replace_null=self.config.replace_null_with_default)
        casts = [(field.index, field.schema, to) for field, to in targets if to is not None]

        def change(value: Any) -> Struct:
            values = read(require_struct(value, schema, _PURPOSE))
            for index, field_schema, to in casts:
                values[index] = cast(field_schema, values[index], to)
            return struct_of(new, values)

        return Plan(new, change)


def _cast_schema(schema: Schema, to: Type, **basics: Any) -> Schema:
    return Schema(to, optional=schema.is_optional, default=cast(schema, schema.default, to), **basics)


def cast(schema: Schema | None, value: Any, to: Type) -> Any:
    """Cast one value.

    Raises:
        DataError: it cannot become one of that type.
    """
    if value is None:
        return None
    kind = _type_of(value) if schema is None else schema.type
    if kind is None:
        raise DataError(
            f"Cast transformation was passed a value of type {class_text(value)} which is not supported by Connect's data API"
        )
    if kind not in _FROM:
        raise DataError(f"Cast transformation does not support casting from {kind}; supported types are {_listed(_FROM)}")
    if to is Type.STRING:
        return _to_string(value, schema)
    if schema is not None and schema.name in _LOGICAL:
        value = _LOGICAL[schema.name](value)
    if schema is not None and schema.type is Type.FLOAT32 and isinstance(value, float):
        value = round_to_float32(value)
    try:
        made = _CASTS[to](value)
    except ValueError:
        raise DataError(f"Value ({value}) was out of range for requested data type") from None
    # Without a schema nothing says any more that it has 32 bits: take the float that is written with as few digits.
    return float(float_text(made)) if schema is None and to is Type.FLOAT32 and math.isfinite(made) else made


def _type_of(value: Any) -> Type | None:
    for classes, kind in _TYPES_OF:
        if isinstance(value, classes):
            return kind
    return None


_TYPES_OF: tuple[tuple[Any, Type], ...] = (
    (bool, Type.BOOLEAN),
    (str, Type.STRING),
    (int, Type.INT64),
    (float, Type.FLOAT64),
    ((bytes, bytearray, memoryview), Type.BYTES),
    (Mapping, Type.MAP),
    ((list, tuple), Type.ARRAY),
    (Struct, Type.STRUCT),
)
_LOGICAL: dict[str | None, Callable[[Any], int]] = {DATE: date_to_days, TIME: time_to_ms, TIMESTAMP: timestamp_to_ms}


def _to_string(value: Any, schema: Schema | None) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (datetime.date, datetime.time)):
        return instant_text(instant_ms(value))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    return java_string(value, schema)


def _to_integer(bits: int) -> Callable[[Any], int]:
    wide = 1 << (max(bits, 32) - 1)
    half, whole = 1 << (bits - 1), 1 << bits

    def convert(value: Any) -> int:
        if isinstance(value, str):
            if not _INTEGER.fullmatch(value) or not -half <= (number := int(value)) < half:
                raise ValueError(value)
            return number
        if isinstance(value, float):  # first to an int or a long, as Java does it, then to fewer bits
            value = 0 if math.isnan(value) else int(max(-wide, min(value, wide - 1)))
        elif not isinstance(value, (int, decimal.Decimal)):
            raise _unexpected(value)
        return (int(value) + half) % whole - half

    return convert


def _to_float(value: Any) -> float:
    if isinstance(value, str):
        text = value.strip(_SPACE)
        if _HEX.fullmatch(text):
            return float.fromhex(text.rstrip("fFdD") if "p" in text.lower() else text)
        if not _FLOAT.fullmatch(text):
            raise ValueError(value)
        return float(text.rstrip("fFdD") if text[-1:] in "fFdD" else text)
    if not isinstance(value, (int, float, decimal.Decimal)):
        raise _unexpected(value)
    return float(value)


def _to_boolean(value: Any) -> bool:
    if isinstance(value, str):
        return value.lower() == "true"
    if isinstance(value, float):
        return not math.isnan(value) and not -1 < value < 1
    if not isinstance(value, (int, decimal.Decimal)):
        raise _unexpected(value)
    return _to_integer(64)(value) != 0


def _unexpected(value: Any) -> DataError:
    return DataError(f"Unexpected type in Cast transformation: {class_text(value)}")


_INTEGER = re.compile(r"[+-]?\d+")
_FLOAT = re.compile(r"[+-]?(?:NaN|Infinity|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fFdD]?)", re.ASCII)
_HEX = re.compile(r"[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?\d+[fFdD]?", re.ASCII)
_SPACE = "".join(map(chr, range(33)))  # what Java's trim() cuts off
_CASTS: dict[Type, Callable[[Any], Any]] = {
    **{kind: _to_integer(bits) for kind, bits in INTEGER_BITS.items()},
    Type.FLOAT32: lambda value: round_to_float32(_to_float(value)),
    Type.FLOAT64: _to_float,
    Type.BOOLEAN: _to_boolean,
}


class CastKey(Cast):
    """Makes a key, or fields of it, another type."""

    part = "key"


class CastValue(Cast):
    """Makes a value, or fields of it, another type."""
