"""AvroConverter: values as Avro, with their schemas in a Schema Registry.

fastavro writes and reads the bytes; here its dicts are made of structs and back, by functions made once a schema.
`avro_schemas.py` says how schemas map.
"""

from __future__ import annotations

import io
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeAlias

import msgspec

from fastconnect.api.config import Meta
from fastconnect.api.logical import date_from_days, time_from_ms, timestamp_from_ms
from fastconnect.api.schema import DATE, LOGICAL_NAMES, TIME, TIMESTAMP, Schema, Struct, Type, class_text
from fastconnect.converters.registry import avro_schemas as mapping
from fastconnect.converters.registry.avro_schemas import AvroSettings, AvroTree, AvroType
from fastconnect.converters.registry.client import Registered, missing, parse_schema
from fastconnect.converters.registry.config import RegistryConverterConfig
from fastconnect.converters.registry.converter import Read, RegistryConverter, Write
from fastconnect.converters.registry.framing import HEADER_BYTES
from fastconnect.converters.registry.names import scrub, scrub_full
from fastconnect.errors import DataError

Convert: TypeAlias = Callable[[Any], Any] | None
"""Makes fastavro's value of Connect's, or the other way round; None where they are the same."""

_SHARED_LOGICAL = frozenset({"decimal", "date", "time-millis", "timestamp-millis"})
"""Logical types that fastavro reads as the same Python classes as Connect's."""


class AvroConverterConfig(RegistryConverterConfig):
    """How Avro schemas are made."""

    connect_meta_data: Annotated[
        bool, Meta(description="Whether a schema's name, version, doc, parameters and default are kept in the Avro schema.")
    ] = True
    enhanced_avro_schema_support: Annotated[
        bool, Meta(description="Whether enums are kept, and packages in the names of a union's members.")
    ] = False
    scrub_invalid_names: Annotated[
        bool, Meta(description="Whether names that Avro does not allow are changed into ones that it does.")
    ] = False


class AvroConverter(RegistryConverter[AvroConverterConfig]):
    """Avro with a Schema Registry, as Confluent's io.confluent.connect.avro.AvroConverter writes and reads it."""

    schema_type = "AVRO"

    def configure(self, configs: Any, is_key: bool | None = None) -> None:
        """Take the settings and check them; the registry is not asked yet."""
        super().configure(configs, is_key)
        config = self.config
        self._settings = AvroSettings(config.connect_meta_data, config.enhanced_avro_schema_support, config.scrub_invalid_names)

    def schema_text(self, schema: Schema) -> str:
        """Write a schema as Avro's JSON."""
        return msgspec.json.encode(mapping.to_avro(schema, self._settings)).decode()

    def connect_schema(self, registered: Registered, version: int | None) -> Schema:
        """Read a schema of the registry."""
        return mapping.to_connect(_tree(registered), self._settings, version)

    def record_name(self, schema: Schema) -> str | None:
        """Return the record's full name in Avro."""
        if schema.type is Type.STRUCT and schema.name is None:
            return f"{mapping.NAMESPACE}.ConnectDefault"
        return schema.name and (scrub_full(schema.name) if self._settings.scrub_invalid_names else schema.name)

    def writing(self, schema: Schema, text: str, registered: Registered | None, prefix: bytes) -> Write:
        """Make the function that writes values of a schema."""
        fastavro = _fastavro()
        named: dict[str, Any] = {}
        for other in (registered.references if registered is not None else {}).values():
            fastavro.parse_schema(parse_schema(other, "a referenced schema"), named)
        parsed = fastavro.parse_schema(parse_schema(text, "an Avro schema"), named)
        convert = _Writers(self._settings).writer(schema)
        write_avro, buffer = fastavro.schemaless_writer, io.BytesIO
        checked = schema.type is not Type.STRUCT  # a struct has checked what was put into it

        def write(value: Any) -> bytes | None:
            if value is None:
                if schema.is_optional:
                    return None
                raise DataError("Found null value for non-optional schema")
            if checked:
                schema.validate(value)
            out = buffer()
            out.write(prefix)
            write_avro(out, parsed, value if convert is None else convert(value))
            return out.getvalue()

        return write

    def reading(self, registered: Registered, schema: Schema | None, path: tuple[int, ...]) -> Read:
        """Make the function that reads messages written with a schema of the registry."""
        assert schema is not None
        fastavro = _fastavro()
        tree = _tree(registered)
        named: dict[str, Any] = {}
        for other in registered.references.values():
            fastavro.parse_schema(_without_other_logical(parse_schema(other, "a referenced schema")), named)
        parsed = fastavro.parse_schema(_without_other_logical(tree.tree), named)
        convert = _Readers(tree, self._settings).reader(tree.type(tree.tree, None), schema)
        read_avro, buffer = fastavro.schemaless_reader, io.BytesIO

        def read(message: bytes) -> Any:
            data = buffer(message)
            data.seek(HEADER_BYTES)
            value = read_avro(data, parsed, None, return_record_name=True, return_record_name_override=True)
            return value if convert is None else convert(value)

        return read


def _fastavro() -> Any:
    try:
        import fastavro
    except ImportError as error:
        raise missing(error) from error
    return fastavro


def _tree(registered: Registered) -> AvroTree:
    where = f"schema id {registered.id}"
    others = {name: parse_schema(text, where) for name, text in registered.references.items()}
    return AvroTree(parse_schema(registered.text, where), others)


def _without_other_logical(node: Any) -> Any:
    """Take away the logical types that Connect does not know, so that their values are read as what they are made of."""
    if isinstance(node, list):
        return [_without_other_logical(each) for each in node]
    if not isinstance(node, dict):
        return node
    dropped = node.get("logicalType") not in _SHARED_LOGICAL
    return {key: _without_other_logical(each) for key, each in node.items() if not (dropped and key == "logicalType")}


class _Writers:
    """Makes the functions that turn Connect's values into fastavro's."""

    def __init__(self, settings: AvroSettings) -> None:
        self._settings = settings

    def writer(self, schema: Schema) -> Convert:
        """Return the function for values of a schema that are not None."""
        if schema.name in LOGICAL_NAMES:
            return lambda value: mapping.to_base(schema, value)
        if schema.type is Type.STRUCT:
            return self._union(schema) if schema.name == mapping.UNION else self._struct(schema)
        if schema.type is Type.ARRAY:
            assert schema.value_schema is not None
            return _each(self.writer(schema.value_schema))
        if schema.type is Type.MAP:
            return self._map(schema)
        return None

    def _map(self, schema: Schema) -> Convert:
        assert schema.key_schema is not None
        assert schema.value_schema is not None
        write_key, write_value = _nullable(self.writer(schema.key_schema)), _nullable(self.writer(schema.value_schema))
        if mapping.has_text_keys(schema):
            return lambda value: {key: write_value(element) for key, element in value.items()}
        return lambda value: [{"key": write_key(key), "value": write_value(element)} for key, element in value.items()]

    def _struct(self, schema: Schema) -> Convert:
        scrubbed = self._settings.scrub_invalid_names
        names = [scrub(field.name) if scrubbed else field.name for field in schema.fields]
        writers = [self.writer(field.schema) for field in schema.fields]
        converted = [(name, i, write) for i, (name, write) in enumerate(zip(names, writers, strict=True)) if write is not None]

        def write(value: Any) -> Any:
            if not isinstance(value, Struct):
                raise DataError(f"Invalid type for STRUCT: {class_text(value)}")
            if value.schema is not schema and value.schema != schema and value.schema.required() != schema.required():
                raise DataError("Mismatching struct schema")
            values: Sequence[Any] = value.values_without_defaults()
            if None in values:
                values = _with_defaults(schema, values)
            made = dict(zip(names, values, strict=True))
            for name, i, convert in converted:
                if values[i] is not None:
                    made[name] = convert(values[i])
            return made

        return write

    def _union(self, schema: Schema) -> Convert:
        members = [(field.name, self._branch(field.schema), _nullable(self.writer(field.schema))) for field in schema.fields]

        def write(value: Any) -> Any:
            for name, branch, convert in members:
                element = value.get_without_default(name)
                if element is not None:
                    return branch, convert(element)
            return None

        return write

    def _branch(self, schema: Schema) -> str:
        """Return the name by which fastavro knows a union's member."""
        if mapping.is_enum(schema) and self._settings.enhanced_avro_schema_support:
            return (schema.parameters or {})[mapping.ENUM]
        if schema.type is Type.STRUCT and schema.name is not None:
            return scrub_full(schema.name) if self._settings.scrub_invalid_names else schema.name
        if schema.type is Type.MAP:
            return "map" if mapping.has_text_keys(schema) else "array"
        return mapping.PRIMITIVES.get(schema.type, schema.type.lower())


def _with_defaults(schema: Schema, values: Sequence[Any]) -> list[Any]:
    filled: list[Any] = []
    for field, put in zip(schema.fields, values, strict=True):
        value = put
        if value is None:
            value = field.schema.default
            if value is None and not field.schema.is_optional:
                raise DataError(
                    f'Invalid value: null used for required field: "{field.name}", schema type: {field.schema.type}'
                )
        filled.append(value)
    return filled


def _nullable(convert: Convert) -> Callable[[Any], Any]:
    if convert is None:
        return _same
    return lambda value: None if value is None else convert(value)


def _same(value: Any) -> Any:
    return value


def _each(convert: Convert) -> Convert:
    if convert is None:
        return lambda value: value if value.__class__ is list else list(value)
    return lambda value: [None if element is None else convert(element) for element in value]


class _Readers:
    """Makes the functions that turn fastavro's values into Connect's."""

    def __init__(self, avro: AvroTree, settings: AvroSettings) -> None:
        self._avro = avro
        self._settings = settings

    def reader(self, avro: AvroType, schema: Schema) -> Convert:
        """Return the function for values of a type that are not None."""
        if avro.kind == "union":
            members = [self._avro.type(member, avro.space) for member in avro.node["types"]]
            some = [member for member in members if member.kind != "null"]
            if len(members) == 2 and len(some) == 1:
                return self.reader(some[0], schema)
            return self._union(some, schema)
        if avro.kind == "record":
            return self._record(avro, schema)
        if avro.kind == "array":
            return self._array(avro, schema)
        if avro.kind == "map":
            assert schema.value_schema is not None
            convert = self.reader(self._avro.type(avro.node["values"], avro.space), schema.value_schema)
            if convert is None:
                return None
            return lambda value: {key: None if each is None else convert(each) for key, each in value.items()}
        if schema.name in LOGICAL_NAMES and avro.node.get("logicalType") not in _SHARED_LOGICAL:
            return _BY_NAME.get(str(schema.name))
        return None

    def _array(self, avro: AvroType, schema: Schema) -> Convert:
        assert schema.value_schema is not None
        element = self._avro.type(avro.node["items"], avro.space)
        if schema.type is not Type.MAP:
            convert = self.reader(element, schema.value_schema)
            return None if convert is None else _each(convert)
        assert schema.key_schema is not None
        key, value = (self._avro.type(field["type"], element.space) for field in element.node["fields"])
        read_key, read_value = (
            _nullable(self.reader(key, schema.key_schema)),
            _nullable(self.reader(value, schema.value_schema)),
        )
        return lambda entries: {_hashable(read_key(each["key"])): read_value(each["value"]) for each in entries}

    def _record(self, avro: AvroType, schema: Schema) -> Convert:
        names = [field["name"] for field in avro.node["fields"]]
        kinds = [self._avro.type(field["type"], avro.space) for field in avro.node["fields"]]
        readers = [self.reader(kind, field.schema) for kind, field in zip(kinds, schema.fields, strict=True)]
        converted = [(i, convert) for i, convert in enumerate(readers) if convert is not None]
        if len(names) > 1:
            values_of: Callable[[Any], Any] = operator.itemgetter(*names)
        else:
            values_of = lambda record: [record[name] for name in names]  # noqa: E731 - itemgetter returns no list of one

        def read(record: Any) -> Any:
            values = list(values_of(record))
            for i, convert in converted:
                if values[i] is not None:
                    values[i] = convert(values[i])
            struct = Struct(schema)
            struct._values = values  # of the right types, being read
            return struct

        return read

    def _union(self, members: Sequence[AvroType], schema: Schema) -> Convert:
        fields = {member: schema.fields[i] for i, member in enumerate(map(_member_key, members))}
        readers = {key: _nullable(self.reader(member, fields[key].schema)) for key, member in zip(fields, members, strict=True)}
        records = [_member_key(member) for member in members if member.kind == "record"]

        def read(value: Any) -> Any:
            if value.__class__ is tuple:  # (name of the record, record): there are several
                key, value = value
            elif value.__class__ is dict and len(records) == 1 and "map" not in fields:
                key = records[0]
            else:
                key = next((kind for kind in _kinds_of(value) if kind in fields), None)
                if key is None:
                    key = next((each for each, member in zip(fields, members, strict=True) if _is_symbol(member, value)), None)
            if key is None or key not in fields:
                raise DataError(f"Did not find matching union field for data: {value!r}")
            return Struct(schema).put(fields[key].name, readers[key](value))

        return read


def _member_key(member: AvroType) -> str:
    return member.name or member.kind


def _is_symbol(member: AvroType, value: Any) -> bool:
    if member.kind == "fixed":
        return isinstance(value, bytes) and len(value) == member.node["size"]
    return member.kind == "enum" and value in member.node["symbols"]


def _kinds_of(value: Any) -> Sequence[str]:
    for cls, kinds in _KINDS:
        if isinstance(value, cls):
            return kinds
    return ("int", "long", "bytes")  # of a logical type


_KINDS: Sequence[tuple[type, Sequence[str]]] = (
    (bool, ("boolean",)),
    (int, ("int", "long")),
    (float, ("double", "float")),
    (str, ("string",)),
    (bytes, ("bytes",)),
    (list, ("array",)),
    (dict, ("map",)),
)
_BY_NAME: Mapping[str, Callable[[Any], Any]] = {DATE: date_from_days, TIME: time_from_ms, TIMESTAMP: timestamp_from_ms}


def _hashable(key: Any) -> Any:
    return tuple(key) if isinstance(key, list) else key
