"""Schemas for Python values that have none, and values made to fit a schema.

A dict becomes a struct whose fields are all optional, so that the schema stays compatible when a field comes later or is left
out. What was seen is remembered: the schema only ever grows. A field is in it once a value was seen that tells its type, so one
that has only been None (or an empty list) is left out until then.

What cannot be told apart or together is an error: a dict whose keys are not texts, a field that is a text here and a number
there (whole numbers become floats where both come).
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import uuid
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from fastconnect.api.schema import DECIMAL, Schema, Struct, Type, class_text
from fastconnect.errors import DataError

Fit: TypeAlias = Callable[[Any], Any]

_HINT = "give the records a schema, or use a converter that needs none (JsonConverter with schemas.enable=false)"

_SCHEMAS: dict[type, Schema] = {
    bool: Schema.boolean(),
    int: Schema.int64(),
    float: Schema.float64(),
    str: Schema.string(),
    bytes: Schema.bytes(),
    datetime.date: Schema.date(),
    datetime.time: Schema.time(),
    datetime.datetime: Schema.timestamp(),
}
_KINDS: dict[type, type] = {
    **{cls: cls for cls in (*_SCHEMAS, decimal.Decimal, list, dict)},
    bytearray: bytes,
    memoryview: bytes,
    tuple: list,
    set: list,
    frozenset: list,
}
_SUBCLASSED: tuple[Any, ...] = (str, int, float, bytes, decimal.Decimal)


class Inferred:
    """What the values seen so far have in common."""

    def __init__(self) -> None:
        self._root = _Node()
        self._schema: Schema | None = None
        self._fit: Fit | None = None
        self._known = 0

    def see(self, value: Any) -> None:
        """Take a value into account.

        Raises:
            DataError: no schema fits it and what came before.
        """
        self._known += self._root.see(value, "")

    def schema(self) -> Schema:
        """Return the schema of all that was seen.

        Raises:
            DataError: nothing was seen that tells a type.
        """
        if self._schema is None or self._known:
            schema = self._root.schema()
            if schema is None:
                raise DataError("No schema can be told from an empty list, or one of None only", hint=_HINT)
            self._schema, self._fit, self._known = schema, None, 0
        return self._schema

    def fit(self, value: Any) -> Any:
        """Make a seen value one of the schema: a `Struct` of a dict."""
        schema = self.schema()
        if self._fit is None:
            self._fit = fitting(schema, loosely=True)
        return self._fit(value)


class _Node:
    """A place in the values: the top, a field, or the elements of a list."""

    __slots__ = ("element", "fields", "kind", "leaf", "scale")

    def __init__(self) -> None:
        self.kind: type | None = None
        self.leaf: type | None = None
        """The same, where values of that very class have nothing inside."""
        self.fields: dict[str, _Node] = {}
        self.element: _Node | None = None
        self.scale = 0

    def see(self, value: Any, path: str) -> int:
        """Take a value into account; returns how much was learned."""
        kind = _KINDS.get(value.__class__)
        if kind is None:
            if value is None:
                return 0
            value = plain(value, path)
            kind = _KINDS[value.__class__]
        learned = 0
        if kind is not self.kind:
            if self.kind is None or (self.kind is int and kind is float):
                self.kind = kind
                self.leaf = kind if kind in _SCHEMAS else None
                learned = 1
            elif not (self.kind is float and kind is int):
                raise DataError(
                    f"{path or 'The value'} is {_named(kind)} here and was {_named(self.kind)} before: no one schema fits both",
                    hint=_HINT,
                )
        if kind is dict:
            fields = self.fields
            for name, element in value.items():
                node = fields.get(name)
                if node is None:
                    if name.__class__ is not str:
                        raise DataError(
                            f"{path or 'The value'} has the key {name!r}: only texts can be names of fields", hint=_HINT
                        )
                    node = fields[name] = _Node()
                elif element is None or element.__class__ is node.leaf:
                    continue  # as nearly always: nothing is to be learned
                learned += node.see(element, f"{path}.{name}" if path else name)
        elif kind is list:
            node = self.element = self.element or _Node()
            for element in value:
                learned += node.see(element, f"{path}[]")
        elif kind is decimal.Decimal:
            exponent = value.as_tuple().exponent
            if not isinstance(exponent, int):
                raise DataError(f"{path or 'The value'} is {value}, which is no number", hint=_HINT)
            if -exponent > self.scale:
                self.scale = -exponent
                learned += 1
        return learned

    def schema(self) -> Schema | None:
        """Return the schema of what was seen here; None if that is nothing."""
        if self.kind is None:
            return None
        if self.kind is dict:
            known = [(name, node.schema()) for name, node in self.fields.items()]
            return Schema.struct([(name, schema.optional()) for name, schema in known if schema is not None])
        if self.kind is list:
            element = self.element.schema() if self.element is not None else None
            return None if element is None else Schema.array(element.optional())
        if self.kind is decimal.Decimal:
            return Schema.decimal(self.scale)
        return _SCHEMAS[self.kind]


def plain(value: Any, path: str = "") -> Any:
    """Make a value of a class of its own one of Python's plain ones.

    Raises:
        DataError: it is of a class that says nothing.
    """
    if isinstance(value, enum.Enum):
        return plain(value.value, path)
    if value.__class__ in _KINDS or value is None:
        return value
    if isinstance(value, Struct):
        return {name: value.get(name) for name in value}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return value._asdict()
    if isinstance(value, (list, tuple)):
        return list(value)
    for cls in _SUBCLASSED:
        if isinstance(value, cls):
            return cls(value)
    raise DataError(f"No schema can be told from {class_text(value)}{f' at {path}' if path else ''}", hint=_HINT)


def fitting(schema: Schema, *, strictly: bool = True, loosely: bool = False) -> Fit:
    """Make the function that makes values fit a schema: dicts, and structs of other schemas, become structs of this one.

    Args:
        strictly: a field that the schema does not have is an error; else it is left out.
        loosely: the values are known to fit, so they are not checked.
    """
    if schema.type is Type.STRUCT:
        return _struct(schema, strictly, loosely)
    if schema.type is Type.ARRAY and schema.value_schema is not None:
        fit = fitting(schema.value_schema, strictly=strictly, loosely=loosely)
        return lambda value: None if value is None else [fit(element) for element in value]
    if schema.type is Type.MAP and schema.value_schema is not None:
        fit = fitting(schema.value_schema, strictly=strictly, loosely=loosely)
        return lambda value: None if value is None else {key: fit(element) for key, element in value.items()}
    if schema.name == DECIMAL:
        scale = decimal.Decimal(1).scaleb(-int((schema.parameters or {}).get("scale", "0")))
        return lambda value: value.quantize(scale, context=_WIDE) if isinstance(value, decimal.Decimal) else value
    if loosely:
        return _as_it_is
    default, optional = schema.default, schema.is_optional

    def fit_checked(value: Any) -> Any:
        if value is None:
            if default is not None or optional:
                return None
        elif value.__class__ not in _KINDS:
            value = plain(value)
        schema.validate(value)
        return value

    return fit_checked


_WIDE = decimal.Context(prec=10_000)


_PLAIN = frozenset({*_KINDS, type(None), Struct})


def _as_it_is(value: Any) -> Any:
    return value if value.__class__ in _PLAIN else plain(value)


def _struct(schema: Schema, strictly: bool, loosely: bool) -> Fit:
    fields = [(field.name, fitting(field.schema, strictly=strictly, loosely=loosely)) for field in schema.fields]
    converted = [(i, fit_field) for i, (_, fit_field) in enumerate(fields) if fit_field is not _as_it_is]
    in_order = [name for name, _ in fields]
    names = frozenset(name for name, _ in fields)

    def fit(value: Any) -> Any:
        if value is None:
            return None
        if value.__class__ is not dict:
            if isinstance(value, Struct) and (value.schema is schema or value.schema == schema):
                return value
            value = plain(value)
        if value.__class__ is not dict:
            raise DataError(f"{class_text(value)} is no record, which the schema {schema.name or 'of the registry'} is of")
        if strictly and not loosely and not names.issuperset(value):
            unknown = ", ".join(sorted(str(name) for name in set(value) - names))
            raise DataError(
                f"The schema {schema.name or 'of the registry'} has no field {unknown}",
                hint="register a schema that has it, or set latest.compatibility.strict=false to leave it out",
            )
        made = Struct(schema)
        values = [value.get(name) for name in in_order]
        for i, fit_field in converted:
            values[i] = fit_field(values[i])
        if loosely and not _PLAIN.issuperset(map(type, values)):
            values = [_as_it_is(each) for each in values]
        made._values = values  # checked, each by its own schema
        return made

    return fit


def _named(kind: type) -> str:
    return {
        dict: "a record",
        list: "a list",
        str: "a text",
        int: "a whole number",
        float: "a float",
        bool: "true or false",
    }.get(kind, f"a {kind.__name__}")
