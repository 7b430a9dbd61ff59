"""MaskField: puts 0, false, an empty text or another replacement in the place of what must not be seen.

Source: Kafka Connect's MaskField.
"""

from __future__ import annotations

import datetime
import decimal
import re
from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from typing import Annotated, Any

from fastconnect.api.config import Check, Config, Fault, Meta, field
from fastconnect.api.java_text import round_to_float32
from fastconnect.api.logical import EPOCH
from fastconnect.api.schema import INTEGER_BITS, Schema, Struct, Type, class_text
from fastconnect.api.transform import Records
from fastconnect.errors import DataError
from fastconnect.transforms.part import (
    PartTransform,
    Plan,
    ReplaceNull,
    list_faults,
    no_struct,
    reader,
    require_map,
    require_struct,
    struct_of,
)

_PURPOSE = "mask fields"


class MaskFieldConfig(Config):
    """What is masked, and by what."""

    fields_: Annotated[list[str], Meta(description="Names of the fields that are masked.")] = field(name="fields")
    replacement: Annotated[
        str | None,
        Check(lambda text: None if text else "String must be non-empty"),
        Meta(
            description="What stands in the place of numbers and texts; other types cannot be replaced. Without it, each field "
            "gets the empty value of its type: 0, false, an empty text, list or map, 1970-01-01.",
            extra_json_schema={"importance": "LOW"},
        ),
    ] = None
    replace_null_with_default: ReplaceNull = True

    def check(self) -> Iterable[Fault]:
        """There must be names."""
        return list_faults("fields", self.fields_)


class MaskField(PartTransform[MaskFieldConfig]):
    """Masks fields of a key or value."""

    skips_null = False

    def configure(self, configs: Mapping[str, str | None]) -> None:
        """Take the settings and check them."""
        super().configure(configs)
        self._mask = _masker(self.config.replacement, 64, Type.FLOAT64)

    def bare_batch(self, values: list[Any], records: Records) -> list[Any]:
        """Return maps with the fields masked."""
        # Where a field is of the same class in all of them, they all get the same, which is put in at once.
        same: dict[str, Any] = {}
        try:
            for name in self.config.fields_:
                old = list(map(itemgetter(name), values))
                if len(set(map(type, old))) != 1:
                    break
                same[name] = self._mask(old[0])
                if isinstance(same[name], (list, dict)):  # each record gets its own
                    break
            else:
                return [value | same for value in values]
        except (KeyError, TypeError):  # a field is missing, or a value is no dict: found out below
            pass
        return super().bare_batch(values, records)

    def bare(self, value: Any) -> Any:
        """Return a map with the fields masked; one that is missing is added as null."""
        old = require_map(value, _PURPOSE)
        mask = self._mask
        return {**old, **{name: mask(old.get(name)) for name in self.config.fields_}}

    def plan(self, schema: Schema) -> Plan:
        """Find the fields in a schema."""
        if schema.type is not Type.STRUCT:
            return no_struct(schema, _PURPOSE)
        masked = []
        for name in self.config.fields_:
            found = schema.field(name)
            if found is not None:
                kind = found.schema.type
                masked.append((found, _masker(self.config.replacement, INTEGER_BITS.get(kind, 64), kind)))
        read = reader(schema, replace_null=self.config.replace_null_with_default)

        def change(value: Any) -> Struct:
            values = read(require_struct(value, schema, _PURPOSE))
            for found, mask in masked:
                values[found.index] = mask(values[found.index])
            return struct_of(value.schema, values)

        return Plan(schema, change)


def _masker(replacement: str | None, bits: int, kind: Type) -> Callable[[Any], Any]:
    """Make a function that masks one value; whole numbers have so many bits, and floats are of that kind."""
    masks: dict[type, Any] = _EMPTY if replacement is None else {type(None): None, str: replacement}

    def mask(value: Any) -> Any:
        try:
            return masks[value.__class__]
        except KeyError:
            pass
        if replacement is None:
            for classes, make in ((Mapping, dict), ((list, tuple), list)):
                if isinstance(value, classes):
                    return make()
            for cls, empty in _EMPTY.items():
                if isinstance(value, cls):
                    return empty
            raise DataError(f"Cannot mask value of type: {class_text(value)}", hint="leave the field out of `fields`")
        if isinstance(value, (int, float, decimal.Decimal)) and not isinstance(value, bool):
            return _number(replacement, value, bits, kind)
        raise DataError(
            f"Cannot mask value of type {class_text(value)} with custom replacement.",
            hint="mask it without `replacement`, in a transform of its own",
        )

    return mask


def _number(replacement: str, value: Any, bits: int, kind: Type) -> Any:
    """The replacement as a number of a value's class; too many bits are cut off."""
    if not _NUMBER.fullmatch(replacement):
        a_number = "number" if isinstance(value, decimal.Decimal) else "a number"
        raise DataError(f"Unable to convert {replacement} (class str) to {a_number}", hint="numbers need another replacement")
    number = decimal.Decimal(replacement)
    if isinstance(value, decimal.Decimal):
        return number
    if isinstance(value, float):
        return round_to_float32(float(number)) if kind is Type.FLOAT32 else float(number)
    return (int(number) + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1))


_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,9})?")
_EMPTY: dict[type, Any] = {
    type(None): None,
    bool: False,
    int: 0,
    float: 0.0,
    str: "",
    decimal.Decimal: decimal.Decimal(0),
    datetime.datetime: EPOCH,
    datetime.date: EPOCH.date(),
    datetime.time: datetime.time(),
}


class MaskFieldKey(MaskField):
    """Masks fields of the key."""

    part = "key"


class MaskFieldValue(MaskField):
    """Masks fields of the value."""
