"""Flatten: fields of inner structs or maps move up to the top, named by the way to them: `{"a": {"b": 1}}` -> `{"a.b": 1}`.

Lists stay as they are. Source: Kafka Connect's Flatten.
"""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple

from fastconnect.api.config import Config, Meta
from fastconnect.api.schema import Field, Schema, Struct, Type, class_text
from fastconnect.errors import DataError
from fastconnect.transforms.part import PartTransform, Plan, like, no_struct, require_map, require_struct

_PURPOSE = "flattening"


class FlattenConfig(Config):
    """What the names are joined with."""

    delimiter: Annotated[str, Meta(description="Stands between the names of outer and inner fields in the new names.")] = "."


class _Leaf(NamedTuple):
    """A field of the flat struct, and where it comes from: the positions of the structs on the way, and its own."""

    name: str
    schema: Schema
    path: tuple[int, ...]
    field: Field


class Flatten(PartTransform[FlattenConfig]):
    """Makes one level of structs or maps within others."""

    def bare(self, value: Any) -> Any:
        """Return a map without maps in it."""
        flat: dict[Any, Any] = {}
        self._flatten(require_map(value, _PURPOSE), "", flat)
        return flat

    def _flatten(self, value: Mapping[Any, Any], prefix: str, flat: dict[Any, Any]) -> None:
        delimiter = self.config.delimiter
        for key, inner in value.items():
            name = f"{prefix}{delimiter}{key}" if prefix else key
            if inner.__class__ is dict or isinstance(inner, Mapping):
                self._flatten(inner, name, flat)
            elif isinstance(inner, _FOREIGN):
                raise DataError(
                    f"Flatten transformation was passed a value of type {class_text(inner)} "
                    "which is not supported by Connect's data API"
                )
            elif isinstance(inner, Struct):
                raise DataError(
                    f"Flatten transformation does not support {class_text(inner)} "
                    f"for record without schemas (for field {name})."
                )
            else:
                flat[name] = inner

    def plan(self, schema: Schema) -> Plan:
        """Make the flat schema, and say where its values come from."""
        if schema.type is not Type.STRUCT:
            return no_struct(schema, _PURPOSE)
        leaves = list(self._leaves(schema, "", (), optional=schema.is_optional, default=schema.default))
        new = like(schema, [(leaf.name, leaf.schema) for leaf in leaves])

        def change(value: Any) -> Struct:
            require_struct(value, schema, _PURPOSE)
            flat = Struct(new)
            for leaf in leaves:
                inner = value
                for index in leaf.path:
                    inner = inner.values_without_defaults()[index]
                    if inner is None:
                        break
                else:
                    flat.put(leaf.name, inner.get(leaf.field.name))
            return flat

        return Plan(new, change)

    def _leaves(
        self, schema: Schema, prefix: str, path: tuple[int, ...], *, optional: bool, default: Struct | None
    ) -> Iterator[_Leaf]:
        """All fields that are no structs; each is optional if any on the way to it is, and has the default that one says."""
        for field in schema.fields:
            name = prefix + self.config.delimiter + field.name if prefix else field.name
            inner = field.schema
            inner_optional = optional or inner.is_optional
            inner_default = inner.default
            if inner_default is None and default is not None:
                inner_default = default.get(field.name)
            if inner.type is Type.STRUCT:
                yield from self._leaves(inner, name, (*path, field.index), optional=inner_optional, default=inner_default)
            elif inner.type is Type.MAP:
                raise DataError(f"Flatten transformation does not support MAP for record with schemas (for field {name}).")
            else:
                yield _Leaf(name, inner.but(optional=inner_optional, default=inner_default), path, field)


_FOREIGN = (datetime.date, datetime.time, decimal.Decimal)


class FlattenKey(Flatten):
    """Flattens the key."""

    part = "key"


class FlattenValue(Flatten):
    """Flattens the value."""
