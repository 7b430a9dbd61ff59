"""The data model: what a value is (`Schema`), and records with named fields (`Struct`).

A value without a schema is a plain Python value. With one, it is what the schema's type says, checked as Kafka Connect checks:
INT8 to INT64 are int, FLOAT32 and FLOAT64 float (or int), BOOLEAN bool, STRING str, BYTES bytes, ARRAY list, MAP dict,
STRUCT `Struct`; the logical types Decimal, Date, Time and Timestamp (logical.py) are decimal.Decimal and datetime's classes.

Source of names, rules and error texts: Kafka Connect's package org.apache.kafka.connect.data; where it names a Java class, the
Python class is named here.
"""

from __future__ import annotations

import builtins
import datetime
import decimal
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, NoReturn

import msgspec

from fastconnect.errors import DataError

DECIMAL = "org.apache.kafka.connect.data.Decimal"
DATE = "org.apache.kafka.connect.data.Date"
TIME = "org.apache.kafka.connect.data.Time"
TIMESTAMP = "org.apache.kafka.connect.data.Timestamp"
LOGICAL_NAMES = frozenset({DECIMAL, DATE, TIME, TIMESTAMP})


class Type(StrEnum):
    """What a schema's values are made of."""

    INT8 = "INT8"
    INT16 = "INT16"
    INT32 = "INT32"
    INT64 = "INT64"
    FLOAT32 = "FLOAT32"
    FLOAT64 = "FLOAT64"
    BOOLEAN = "BOOLEAN"
    STRING = "STRING"
    BYTES = "BYTES"
    ARRAY = "ARRAY"
    MAP = "MAP"
    STRUCT = "STRUCT"


INTEGER_BITS = {Type.INT8: 8, Type.INT16: 16, Type.INT32: 32, Type.INT64: 64}


class Field(msgspec.Struct, frozen=True):
    """A named place in a struct; `index` is its position there, from 0."""

    name: str
    index: int
    schema: Schema


class SchemaAndValue(NamedTuple):
    """A value and what it is; both None for no value at all."""

    schema: Schema | None
    value: Any


class Schema:
    """What a value is; never changed once made, equal to any schema that says the same.

    Make one with the functions named after the types, and others from it:
    `Schema.struct({"id": Schema.int64(), "note": Schema.string().optional()}, name="com.example.Order")`.

    Attributes:
        type: the `Type`.
        is_optional: whether None is a value too.
        default: the value a record has that does not say; None for none.
        name, version, doc: optional; a logical type is known by its name.
        parameters: further texts by name, or None.
        key_schema, value_schema: of a map's keys, and of a map's or an array's values.
    """

    __slots__ = (
        "_by_name",
        "_fields",
        "_hash",
        "default",
        "doc",
        "is_optional",
        "key_schema",
        "name",
        "parameters",
        "type",
        "value_schema",
        "version",
    )

    type: Type
    is_optional: bool
    default: Any
    name: str | None
    version: int | None
    doc: str | None
    parameters: Mapping[str, str] | None
    key_schema: Schema | None
    value_schema: Schema | None
    _fields: tuple[Field, ...]
    _by_name: Mapping[str, Field]
    _hash: int

    def __init__(
        self,
        type: Type,
        *,
        optional: bool = False,
        default: Any = None,
        name: str | None = None,
        version: int | None = None,
        doc: str | None = None,
        parameters: Mapping[str, str] | None = None,
        fields: Sequence[Field] = (),
        key_schema: Schema | None = None,
        value_schema: Schema | None = None,
    ) -> None:
        def put(attribute: str, value: Any) -> None:
            object.__setattr__(self, attribute, value)

        put("type", type)
        put("is_optional", optional)
        put("default", None)
        put("name", name)
        put("version", version)
        put("doc", doc)
        put("parameters", dict(parameters) if parameters else None)
        put("key_schema", key_schema)
        put("value_schema", value_schema)
        put("_fields", tuple(fields))
        put("_by_name", {field.name: field for field in fields})
        said = tuple(sorted(parameters.items())) if parameters else None
        put("_hash", hash((type, optional, name, version, doc, said, self._fields, key_schema, value_schema)))
        if default is not None:
            try:
                self.validate(default)
            except DataError as error:
                raise DataError(f"Invalid default value: {error.message}") from error
            put("default", default)

    # ---- making one ----

    @classmethod
    def int8(cls, **more: Any) -> Schema:
        """A whole number of 8 bits (`more`: optional, default, name, version, doc, parameters)."""
        return cls(Type.INT8, **more)

    @classmethod
    def int16(cls, **more: Any) -> Schema:
        """A whole number of 16 bits."""
        return cls(Type.INT16, **more)

    @classmethod
    def int32(cls, **more: Any) -> Schema:
        """A whole number of 32 bits."""
        return cls(Type.INT32, **more)

    @classmethod
    def int64(cls, **more: Any) -> Schema:
        """A whole number of 64 bits."""
        return cls(Type.INT64, **more)

    @classmethod
    def float32(cls, **more: Any) -> Schema:
        """A float that is rounded to 32 bits when it is written."""
        return cls(Type.FLOAT32, **more)

    @classmethod
    def float64(cls, **more: Any) -> Schema:
        """A float of 64 bits, Python's own."""
        return cls(Type.FLOAT64, **more)

    @classmethod
    def boolean(cls, **more: Any) -> Schema:
        """True or False."""
        return cls(Type.BOOLEAN, **more)

    @classmethod
    def string(cls, **more: Any) -> Schema:
        """A text."""
        return cls(Type.STRING, **more)

    @classmethod
    def bytes(cls, **more: Any) -> Schema:
        """Bytes."""
        return cls(Type.BYTES, **more)

    @classmethod
    def array(cls, value_schema: Schema, **more: Any) -> Schema:
        """A list whose elements are all of one schema."""
        return cls(Type.ARRAY, value_schema=value_schema, **more)

    @classmethod
    def map(cls, key_schema: Schema, value_schema: Schema, **more: Any) -> Schema:
        """A dict whose keys are of one schema and whose values are of another."""
        return cls(Type.MAP, key_schema=key_schema, value_schema=value_schema, **more)

    @classmethod
    def struct(cls, fields: Mapping[str, Schema] | Sequence[tuple[str, Schema]], **more: Any) -> Schema:
        """A record of named fields, in this order."""
        pairs = list(fields.items()) if isinstance(fields, Mapping) else list(fields)
        seen: set[str] = set()
        for name, schema in pairs:
            if not name:
                raise DataError("fieldName cannot be null.")
            if not isinstance(schema, Schema):
                raise DataError(f"fieldSchema for field {name} cannot be null.")
            if name in seen:
                raise DataError(f"Cannot create field because of field name duplication {name}")
            seen.add(name)
        return cls(Type.STRUCT, fields=[Field(name, i, schema) for i, (name, schema) in enumerate(pairs)], **more)

    @classmethod
    def decimal(cls, scale: int, **more: Any) -> Schema:
        """An exact decimal number with `scale` digits behind the point: a decimal.Decimal with just as many."""
        return cls(Type.BYTES, name=DECIMAL, version=1, parameters={"scale": str(scale)}, **more)

    @classmethod
    def date(cls, **more: Any) -> Schema:
        """A day: a datetime.date."""
        return cls(Type.INT32, name=DATE, version=1, **more)

    @classmethod
    def time(cls, **more: Any) -> Schema:
        """A time of the day, to the millisecond: a datetime.time."""
        return cls(Type.INT32, name=TIME, version=1, **more)

    @classmethod
    def timestamp(cls, **more: Any) -> Schema:
        """A moment, to the millisecond: a datetime.datetime (one without a time zone is taken as UTC)."""
        return cls(Type.INT64, name=TIMESTAMP, version=1, **more)

    # ---- making another from it ----

    def but(self, **changes: Any) -> Schema:
        """The same schema but for `optional`, `default`, `name`, `version`, `doc` or `parameters`."""
        said = {
            "optional": self.is_optional,
            "default": self.default,
            "name": self.name,
            "version": self.version,
            "doc": self.doc,
            "parameters": self.parameters,
        }
        return Schema(
            self.type,
            **{**said, **changes},
            fields=self._fields,
            key_schema=self.key_schema,
            value_schema=self.value_schema,
        )

    def optional(self) -> Schema:
        """The same schema, with None as a value too."""
        return self if self.is_optional else self.but(optional=True)

    def required(self) -> Schema:
        """The same schema, without None as a value."""
        return self.but(optional=False) if self.is_optional else self

    def with_default(self, default: Any) -> Schema:
        """The same schema with a default value (which is checked), or with None: without one."""
        return self.but(default=default)

    def named(self, name: str | None, version: int | None = None) -> Schema:
        """The same schema under a name, and a version if one is given."""
        return self.but(name=name, version=self.version if version is None else version)

    def with_doc(self, doc: str | None) -> Schema:
        """The same schema with a description."""
        return self.but(doc=doc)

    def with_parameters(self, parameters: Mapping[str, str] | None) -> Schema:
        """The same schema with these parameters instead of its own."""
        return self.but(parameters=parameters)

    # ---- asking it ----

    @property
    def fields(self) -> tuple[Field, ...]:
        """A struct's fields, in order."""
        if self.type is not Type.STRUCT:
            raise DataError("Cannot list fields on non-struct type")
        return self._fields

    def field(self, name: str) -> Field | None:
        """A struct's field of this name, or None."""
        if self.type is not Type.STRUCT:
            raise DataError("Cannot look up fields on non-struct type")
        return self._by_name.get(name)

    def validate(self, value: Any, field: str | None = None) -> None:
        """Raise `DataError` if the value does not fit; `field` names the struct's field it is for."""
        _validate(self, value, "value" if field is None else f'field: "{field}"')

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"a schema is never changed; make another one from it, as by .optional() or .but({name}=...)")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a schema is never changed")

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Schema):
            return NotImplemented
        return (
            self._hash == other._hash
            and self.type is other.type
            and self.is_optional == other.is_optional
            and self.name == other.name
            and self.version == other.version
            and self.doc == other.doc
            and self.parameters == other.parameters
            and self._fields == other._fields
            and self.key_schema == other.key_schema
            and self.value_schema == other.value_schema
            and builtins.bool(self.default == other.default)
        )

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> Any:
        raise TypeError("a schema cannot be pickled; write it as JSON with the JsonConverter")

    def __copy__(self) -> Schema:
        return self

    def __deepcopy__(self, memo: Any) -> Schema:
        return self

    def __repr__(self) -> str:
        return f"Schema{{{self.name}:{self.type}}}" if self.name is not None else f"Schema{{{self.type}}}"


class Struct:
    """A record whose fields are those of a struct schema: `Struct(schema, id=7)["id"]`.

    A field that was not set reads as its default, else as None. Values are checked as they are put.
    """

    __slots__ = ("_values", "schema")

    schema: Schema

    def __init__(self, schema: Schema, values: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        if schema.type is not Type.STRUCT:
            raise DataError(f"Not a struct schema: {schema}")
        self.schema = schema
        self._values: list[Any] = [None] * len(schema.fields)
        for given in (values, more):
            if given:
                for name, value in given.items():
                    self.put(name, value)

    def put(self, field: str, value: Any) -> Struct:
        """Set a field; the struct itself comes back, so that calls can be chained.

        Raises:
            DataError: no such field, or the value does not fit the field's schema.
        """
        known = self._field(field)
        if value.__class__ not in _AS_IT_IS.get(known.schema.type, ()) or known.schema.name is not None:
            _validate(known.schema, value, f'field: "{field}"')
        self._values[known.index] = value
        return self

    def get(self, field: str) -> Any:
        """A field's value: what was put, else the default of the field's schema, else None."""
        known = self._field(field)
        value = self._values[known.index]
        return known.schema.default if value is None else value

    def get_without_default(self, field: str) -> Any:
        """A field's value as it was put, else None."""
        return self._values[self._field(field).index]

    def values_without_defaults(self) -> Sequence[Any]:
        """The values of all fields as they were put, in the schema's order."""
        return self._values

    def validate(self) -> None:
        """Raise `DataError` if a required field without a default was not set, or a value does not fit (any more)."""
        for field, value in zip(self.schema.fields, self._values, strict=True):
            if value is None and (field.schema.is_optional or field.schema.default is not None):
                continue
            _validate(field.schema, value, f'field: "{field.name}"')

    def _field(self, name: str) -> Field:
        field = self.schema.field(name)
        if field is None:
            raise DataError(f"{name} is not a valid field name")
        return field

    __getitem__ = get

    def __setitem__(self, field: str, value: Any) -> None:
        self.put(field, value)

    def __iter__(self) -> Iterator[str]:
        return iter(field.name for field in self.schema.fields)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Struct):
            return NotImplemented
        return self.schema == other.schema and self._values == other._values

    def __hash__(self) -> int:
        return hash((self.schema, tuple(self._values)))

    def __repr__(self) -> str:
        said = (f"{f.name}={v!r}" for f, v in zip(self.schema.fields, self._values, strict=True) if v is not None)
        return f"Struct{{{','.join(said)}}}"


def class_text(value: Any) -> str:
    """How error texts name a value's class: where Kafka Connect says `class java.lang.String`, this says `class str`."""
    cls = type(value)
    return f"class {cls.__qualname__}" if cls.__module__ == "builtins" else f"class {cls.__module__}.{cls.__qualname__}"


_CLASSES: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(INTEGER_BITS, (int,)),
    Type.FLOAT32: (float, int),
    Type.FLOAT64: (float, int),
    Type.BOOLEAN: (bool,),
    Type.STRING: (str,),
    Type.BYTES: (bytes, bytearray, memoryview),
    Type.ARRAY: (list, tuple),
    Type.MAP: (Mapping,),
    Type.STRUCT: (Struct,),
    DECIMAL: (decimal.Decimal,),
    DATE: (datetime.date,),  # and so a datetime, which must be at midnight when it is written
    TIME: (datetime.time,),
    TIMESTAMP: (datetime.datetime,),
}


_AS_IT_IS: dict[Type, tuple[type, ...]] = {
    Type.STRING: (str,),
    Type.FLOAT64: (float,),
    Type.FLOAT32: (float,),
    Type.BOOLEAN: (bool,),
    Type.BYTES: (bytes,),
}
"""Values of these classes fit without a further look: most are of them."""

_FINISHED = frozenset({Type.STRING, Type.FLOAT64, Type.FLOAT32, Type.BOOLEAN, Type.BYTES})
"""Types whose values need no second look once their class is right."""


def _validate(schema: Schema, value: Any, location: str) -> None:
    kind = schema.type
    if value is None:
        if not schema.is_optional:
            raise DataError(f"Invalid value: null used for required {location}, schema type: {kind}")
        return
    classes = _CLASSES[kind] if schema.name is None else _CLASSES.get(schema.name) or _CLASSES[kind]
    fits: bool = isinstance(value, classes)
    if not fits or (value.__class__ is bool and kind is not Type.BOOLEAN):
        name = "" if schema.name is None else f' "{schema.name}"'
        raise DataError(f"Invalid Java object for schema{name} with type {kind}: {class_text(value)} for {location}")
    if kind in _FINISHED or schema.name in LOGICAL_NAMES:
        return
    bits = INTEGER_BITS.get(kind)
    if bits is not None:
        if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
            raise DataError(f"Invalid value: {value} does not fit into {bits} bits for {location}, schema type: {kind}")
    elif kind is Type.STRUCT:
        if value.schema != schema:
            raise DataError("Struct schemas do not match.")
        value.validate()
    elif kind is Type.ARRAY:
        inner = f"element of array {location}"
        element_schema = _not_none(schema.value_schema, inner)
        for element in value:
            _validate(element_schema, element, inner)
    elif kind is Type.MAP:
        inner_key, inner = f"key of map {location}", f"value of map {location}"
        key_schema, value_schema = _not_none(schema.key_schema, inner_key), _not_none(schema.value_schema, inner)
        for key, element in value.items():
            _validate(key_schema, key, inner_key)
            _validate(value_schema, element, inner)


def _not_none(schema: Schema | None, location: str) -> Schema:
    if schema is None:
        raise DataError(f"No schema defined for {location}")
    return schema
