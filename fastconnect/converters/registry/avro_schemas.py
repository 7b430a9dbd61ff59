"""Connect schemas as Avro schemas, and back.

| Connect | Avro |
| --- | --- |
| INT8, INT16 | int with connect.type |
| INT32 INT64 FLOAT32 FLOAT64 BOOLEAN STRING BYTES | int long float double boolean string bytes |
| ARRAY, MAP with required text keys, STRUCT | array, map, record |
| MAP with other keys | an array of records MapEntry with the fields key and value |
| Decimal, Date, Time, Timestamp | bytes decimal, int date, int time-millis, long timestamp-millis |
| optional | a union with null: null first, or last where there is a default |
| STRUCT io.confluent.connect.avro.Union | a union of what its fields are |
| STRING with the parameter io.confluent.connect.avro.Enum | enum, with enhanced.avro.schema.support |

A schema's version, doc, parameters, default and name are kept as connect.* properties (`connect.meta.data`). Not mapped:
records that contain themselves, the schema "anything" of Java values without a schema, and aliases; a fixed is read as bytes,
and Avro's other logical types as what they are made of.

Source of names and rules: the behaviour of Confluent's AvroConverter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from fastconnect.api.logical import (
    date_from_days,
    date_to_days,
    decimal_from_bytes,
    decimal_to_bytes,
    time_from_ms,
    time_to_ms,
    timestamp_from_ms,
    timestamp_to_ms,
)
from fastconnect.api.schema import DATE, DECIMAL, TIME, TIMESTAMP, Schema, Struct, Type
from fastconnect.converters.registry.names import scrub, scrub_full, split
from fastconnect.errors import DataError

NAMESPACE = "io.confluent.connect.avro"
UNION = f"{NAMESPACE}.Union"
ENUM = f"{NAMESPACE}.Enum"
MAP_ENTRY = "MapEntry"
_DEFAULT_NAME = "ConnectDefault"
_DEFAULT_FULL_NAME = f"{NAMESPACE}.{_DEFAULT_NAME}"
_RECORD_DOC = f"{NAMESPACE}.record.doc"
_FIELD_DOC = f"{NAMESPACE}.field.doc."
_ENUM_DOC = f"{NAMESPACE}.enum.doc."
_ENUM_DEFAULT = f"{NAMESPACE}.enum.default."
_FIELD_DEFAULT = f"{NAMESPACE}.field.default"
_PRECISION = "connect.decimal.precision"
_PRECISION_DEFAULT = 64
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")

PRIMITIVES: dict[Type, str] = {
    Type.INT8: "int",
    Type.INT16: "int",
    Type.INT32: "int",
    Type.INT64: "long",
    Type.FLOAT32: "float",
    Type.FLOAT64: "double",
    Type.BOOLEAN: "boolean",
    Type.STRING: "string",
    Type.BYTES: "bytes",
}
_LOGICAL = {DATE: "date", TIME: "time-millis", TIMESTAMP: "timestamp-millis"}
_READ_LOGICAL = {
    ("int", "date"): Schema.date(),
    ("int", "time-millis"): Schema.time(),
    ("long", "timestamp-millis"): Schema.timestamp(),
}
_READ_PRIMITIVES: dict[str, Schema] = {
    "int": Schema.int32(),
    "long": Schema.int64(),
    "float": Schema.float32(),
    "double": Schema.float64(),
    "boolean": Schema.boolean(),
    "string": Schema.string(),
    "bytes": Schema.bytes(),
    "fixed": Schema.bytes(),
}
_READ_TYPES = {"int8": Schema.int8(), "int16": Schema.int16()}


class AvroSettings(NamedTuple):
    """How schemas are mapped; the config keys are of the same names."""

    connect_meta_data: bool = True
    enhanced_avro_schema_support: bool = False
    scrub_invalid_names: bool = False


def has_text_keys(schema: Schema) -> bool:
    """Whether a map becomes an Avro map."""
    keys = schema.key_schema
    return keys is not None and keys.type is Type.STRING and not keys.is_optional


def is_enum(schema: Schema) -> bool:
    """Whether a schema is of an enum's symbols."""
    return schema.type is Type.STRING and schema.parameters is not None and ENUM in schema.parameters


# ---- Connect -> Avro ----


def to_avro(schema: Schema, settings: AvroSettings) -> Any:
    """Make the Avro schema, as JSON's dicts, lists and texts.

    Raises:
        DataError: there is none.
    """
    return _ToAvro(settings).schema(schema, None)


def to_base(schema: Schema, value: Any) -> Any:
    """Make the value that a logical value is made of; others are returned as they are."""
    if schema.name == DECIMAL:
        return decimal_to_bytes(schema, value)
    if schema.name == DATE:
        return date_to_days(value)
    if schema.name == TIME:
        return time_to_ms(value)
    if schema.name == TIMESTAMP:
        return timestamp_to_ms(value)
    return value


class _ToAvro:
    """One Avro schema in the making: named types are written out the first time, and named after that."""

    def __init__(self, settings: AvroSettings) -> None:
        self._settings = settings
        self._made: dict[Schema, str] = {}
        self._taken: set[str] = set()
        self._making: list[Schema] = []
        self._nameless = 0

    def schema(self, schema: Schema, space: str | None, *, in_union: bool = False) -> Any:
        """Make the Avro schema of a place inside the namespace `space`."""
        if schema.name == UNION and schema.type is Type.STRUCT:
            members = [self.schema(field.schema.required(), space, in_union=True) for field in schema.fields]
            return ["null", *members] if schema.is_optional else members
        bare = self._bare(schema.required(), space)
        if not schema.is_optional or in_union:
            return bare
        return [bare, "null"] if schema.default is not None and schema.type is not Type.STRUCT else ["null", bare]

    def _bare(self, schema: Schema, space: str | None) -> Any:
        known = self._made.get(schema)
        if known is not None:
            its_space, short = split(known)
            return short if its_space == space else known
        avro: dict[str, Any]
        if schema.type is Type.STRUCT:
            avro = self._record(schema, space)
        elif schema.type is Type.ARRAY:
            assert schema.value_schema is not None
            avro = {"type": "array", "items": self.schema(schema.value_schema, space)}
        elif schema.type is Type.MAP:
            avro = self._map(schema, space)
        elif is_enum(schema) and self._settings.enhanced_avro_schema_support:
            avro = self._enum(schema, space)
        else:
            avro = {"type": PRIMITIVES[schema.type]}
            if schema.name == DECIMAL:
                parameters = schema.parameters or {}
                avro["scale"] = int(parameters.get("scale", "0"))
                avro["precision"] = int(parameters.get(_PRECISION, _PRECISION_DEFAULT))
        self._properties(schema, avro)
        return avro["type"] if len(avro) == 1 else avro

    def _properties(self, schema: Schema, avro: dict[str, Any]) -> None:
        parameters = schema.parameters or {}
        if self._settings.connect_meta_data:
            if schema.doc is not None:
                avro["connect.doc"] = schema.doc
            if schema.version is not None:
                avro["connect.version"] = schema.version
            kept = {key: text for key, text in parameters.items() if key != _FIELD_DEFAULT}
            if kept:
                avro["connect.parameters"] = kept
            if schema.default is not None and _FIELD_DEFAULT not in parameters:
                avro["connect.default"] = default_to_avro(schema, schema.default)
            if schema.name is not None:
                avro["connect.name"] = schema.name
        if schema.type in (Type.INT8, Type.INT16) and self._settings.connect_meta_data:
            avro["connect.type"] = schema.type.lower()
        if schema.name == DECIMAL:
            avro["logicalType"] = "decimal"
        elif schema.name in _LOGICAL:
            avro["logicalType"] = _LOGICAL[schema.name]
        avro.update((key, text) for key, text in parameters.items() if key.startswith("avro"))

    def _named(self, kind: str, name: str, space: str | None) -> tuple[dict[str, Any], str | None]:
        its_space, short = split(name)
        for part in name.split("."):
            if not _NAME.match(part):
                raise DataError(
                    f"The name {name} cannot be one of an Avro schema: it has other characters than letters, digits and _",
                    hint="rename it, or set scrub.invalid.names=true",
                )
        if name in self._taken:
            raise DataError(
                f"Two different schemas are called {name}, and Avro can tell types by their names only",
                hint="rename one of them",
            )
        self._taken.add(name)
        avro: dict[str, Any] = {"type": kind, "name": short}
        if its_space != space:
            avro["namespace"] = its_space or ""
        return avro, its_space

    def _record(self, schema: Schema, space: str | None) -> dict[str, Any]:
        name = schema.name
        if name is None:
            self._nameless += 1
            name = _DEFAULT_FULL_NAME + (str(self._nameless) if self._nameless > 1 else "")
        elif self._settings.scrub_invalid_names:
            name = scrub_full(name)
        avro, its_space = self._named("record", name, space)
        parameters = schema.parameters or {}
        if _RECORD_DOC in parameters:
            avro["doc"] = parameters[_RECORD_DOC]
        avro["fields"] = [
            self._field(field.name, field.schema, parameters.get(_FIELD_DOC + field.name), its_space) for field in schema.fields
        ]
        self._made[schema] = name
        return avro

    def _field(self, name: str, schema: Schema, doc: str | None, space: str | None) -> dict[str, Any]:
        if self._settings.scrub_invalid_names:
            name = scrub(name)
        elif not _NAME.match(name):
            raise DataError(
                f"The field name {name} cannot be one of an Avro schema: it has other characters than letters, digits and _",
                hint="rename it, or set scrub.invalid.names=true",
            )
        avro: dict[str, Any] = {"name": name, "type": self.schema(schema, space)}
        if doc is not None:
            avro["doc"] = doc
        if schema.default is not None:
            if not (schema.type is Type.STRUCT and schema.is_optional):  # such a union begins with null, whose default is null
                avro["default"] = default_to_avro(schema, schema.default)
        elif schema.is_optional:
            avro["default"] = None
        return avro

    def _map(self, schema: Schema, space: str | None) -> dict[str, Any]:
        assert schema.key_schema is not None
        assert schema.value_schema is not None
        if has_text_keys(schema):
            return {"type": "map", "values": self.schema(schema.value_schema, space)}
        if schema.name is None and f"{NAMESPACE}.{MAP_ENTRY}" in self._taken:
            raise DataError(
                "Two maps whose keys are not texts need names in an Avro schema, and have none", hint="name the maps' schemas"
            )
        entry, its_space = self._named("record", schema.name or f"{NAMESPACE}.{MAP_ENTRY}", space)
        entry["fields"] = [
            self._field("key", schema.key_schema, None, its_space),
            self._field("value", schema.value_schema, None, its_space),
        ]
        if schema.name is not None:
            entry["connect.internal.type"] = MAP_ENTRY
        return {"type": "array", "items": entry}

    def _enum(self, schema: Schema, space: str | None) -> dict[str, Any]:
        parameters = schema.parameters or {}
        name = parameters[ENUM]
        avro, _ = self._named("enum", name, space)
        short = split(name)[1]
        if _ENUM_DOC + short in parameters:
            avro["doc"] = parameters[_ENUM_DOC + short]
        avro["symbols"] = [text for key, text in parameters.items() if key.startswith(f"{ENUM}.")]
        if _ENUM_DEFAULT + short in parameters:
            avro["default"] = parameters[_ENUM_DEFAULT + short]
        self._made[schema] = name
        return avro


def default_to_avro(schema: Schema, value: Any) -> Any:
    """Write a default value as Avro's JSON."""
    if value is None:
        return None
    value = to_base(schema, value)
    if schema.type is Type.BYTES:
        return bytes(value).decode("latin-1")
    if schema.type in (Type.FLOAT32, Type.FLOAT64):
        return float(value)
    if schema.type is Type.ARRAY:
        assert schema.value_schema is not None
        return [default_to_avro(schema.value_schema, element) for element in value]
    if schema.type is Type.MAP:
        assert schema.key_schema is not None
        assert schema.value_schema is not None
        values = schema.value_schema
        if has_text_keys(schema):
            return {key: default_to_avro(values, element) for key, element in value.items()}
        keys = schema.key_schema
        return [[default_to_avro(keys, key), default_to_avro(values, element)] for key, element in value.items()]
    if schema.type is Type.STRUCT:
        return {field.name: default_to_avro(field.schema, value.get(field.name)) for field in schema.fields}
    return value


# ---- Avro -> Connect ----


class AvroType(NamedTuple):
    """A type of an Avro schema: what it is made of, and its full name if it has one."""

    kind: str
    node: Mapping[str, Any]
    name: str | None
    space: str | None


class AvroTree:
    """A parsed Avro schema in which names can be looked up.

    Args:
        tree: the schema as parsed JSON.
        others: parsed schemas that it means by name.
    """

    def __init__(self, tree: Any, others: Mapping[str, Any]) -> None:
        self.tree = tree
        self._named: dict[str, AvroType] = {}
        for other in others.values():
            self._collect(other, None)
        self._collect(tree, None)

    def type(self, node: Any, space: str | None) -> AvroType:
        """Return what a node of the schema is, inside the namespace `space`."""
        if isinstance(node, list):
            return AvroType("union", {"types": node}, None, space)
        if isinstance(node, str):
            if node in _READ_PRIMITIVES or node == "null":
                return AvroType(node, {}, None, space)
            found = (self._named.get(f"{space}.{node}") if space and "." not in node else None) or self._named.get(node)
            if found is None:
                raise DataError(f"The Avro schema names the type {node}, which it does not have")
            return found
        if not isinstance(node, dict) or "type" not in node:
            raise DataError(f"The Avro schema has {node!r} where a type belongs")
        kind = node["type"]
        if isinstance(kind, (list, dict)):
            return self.type(kind, space)
        if kind in ("record", "error", "enum", "fixed"):
            name = _full_name(node, space)
            return AvroType("record" if kind == "error" else kind, node, name, split(name)[0])
        if kind in _READ_PRIMITIVES or kind in ("null", "array", "map"):
            return AvroType(kind, node, None, space)
        return self.type(kind, space)

    def _collect(self, node: Any, space: str | None) -> None:
        if isinstance(node, list):
            for member in node:
                self._collect(member, space)
        elif isinstance(node, dict):
            kind = node.get("type")
            if kind in ("record", "error", "enum", "fixed"):
                name = _full_name(node, space)
                space = split(name)[0]
                self._named[name] = AvroType("record" if kind == "error" else kind, node, name, space)
                for field in node.get("fields", ()):
                    self._collect(field.get("type"), space)
            elif isinstance(kind, (list, dict)):
                self._collect(kind, space)
            self._collect(node.get("items"), space)
            self._collect(node.get("values"), space)


def _full_name(node: Mapping[str, Any], space: str | None) -> str:
    name = str(node.get("name"))
    space = node.get("namespace", space)
    return name if "." in name or not space else f"{space}.{name}"


def is_map_entry(element: AvroType) -> bool:
    """Whether an array of these records is a map."""
    return element.kind == "record" and (
        element.name == f"{NAMESPACE}.{MAP_ENTRY}" or element.node.get("connect.internal.type") == MAP_ENTRY
    )


def to_connect(avro: AvroTree, settings: AvroSettings, version: int | None = None) -> Schema:
    """Make the Connect schema.

    Args:
        version: the schema's version in the registry, used where the schema does not say one itself.
    Raises:
        DataError: there is none.
    """
    return _ToConnect(avro, settings).schema(avro.type(avro.tree, None), version=version)


def member_name(member: AvroType, settings: AvroSettings) -> str:
    """Return the name of a union's member as a field of the struct that stands for the union."""
    if member.kind in ("record", "enum") and member.name is not None:
        return member.name if settings.enhanced_avro_schema_support else split(member.name)[1]
    return member.kind


class _ToConnect:
    def __init__(self, avro: AvroTree, settings: AvroSettings) -> None:
        self._avro = avro
        self._settings = settings
        self._open: list[str] = []

    def schema(
        self,
        avro: AvroType,
        *,
        optional: bool = False,
        default: Any = None,
        version: int | None = None,
        has_default: bool = False,
    ) -> Schema:
        node = avro.node
        if avro.kind == "union":
            members = [self._avro.type(member, avro.space) for member in node["types"]]
            some = [member for member in members if member.kind != "null"]
            if len(members) == 2 and len(some) == 1:
                return self.schema(some[0], optional=True)
            fields = [(member_name(member, self._settings), self.schema(member, optional=True)) for member in some]
            return Schema.struct(fields, name=UNION, optional=optional or len(some) < len(members))
        schema = self._plain(avro)
        parameters = dict(schema.parameters or {})
        changes: dict[str, Any] = {"optional": optional}
        if self._settings.connect_meta_data:
            if node.get("connect.doc") is not None:
                changes["doc"] = node["connect.doc"]
            parameters.update(node.get("connect.parameters") or {})
        if schema.version is None:
            changes["version"] = node.get("connect.version", version)
        parameters.update((key, str(text)) for key, text in node.items() if key.startswith("avro"))
        name = node.get("connect.name", avro.name if avro.kind in ("record", "enum") else None)
        if name is not None and schema.name is None and not str(name).startswith(_DEFAULT_FULL_NAME):
            changes["name"] = str(name)
        said = node.get("connect.default")
        if has_default and default is not None and said is None:
            parameters[_FIELD_DEFAULT] = "true"
        elif default is None:
            default = said
        schema = schema.but(parameters=parameters, **changes)
        return schema if default is None else schema.with_default(self.default(schema, avro, default))

    def _plain(self, avro: AvroType) -> Schema:
        node = avro.node
        if avro.kind == "record":
            return self._record(avro)
        if avro.kind == "array":
            element = self._avro.type(node["items"], avro.space)
            if is_map_entry(element):
                key, value = (self._avro.type(field["type"], element.space) for field in element.node["fields"])
                return Schema.map(self.schema(key), self.schema(value))
            return Schema.array(self.schema(element))
        if avro.kind == "map":
            return Schema.map(Schema.string(), self.schema(self._avro.type(node["values"], avro.space)))
        if avro.kind == "enum":
            return self._enum(avro)
        if avro.kind in ("bytes", "fixed") and node.get("logicalType") == "decimal":
            scale, precision = node.get("scale", 0), node.get("precision", _PRECISION_DEFAULT)
            if not isinstance(scale, int) or not isinstance(precision, int):
                raise DataError("The Avro schema has a decimal whose scale or precision is not a number")
            schema = Schema.decimal(scale)
            if precision == _PRECISION_DEFAULT:
                return schema
            return schema.with_parameters({**(schema.parameters or {}), _PRECISION: str(precision)})
        if avro.kind == "null":
            raise DataError("Standalone null schemas are not supported by this converter")
        logical = _READ_LOGICAL.get((avro.kind, str(node.get("logicalType"))))
        if logical is not None:
            return logical
        if avro.kind == "int" and "connect.type" in node and "logicalType" not in node:
            return _READ_TYPES[node["connect.type"]]
        return _READ_PRIMITIVES[avro.kind]

    def _record(self, avro: AvroType) -> Schema:
        assert avro.name is not None
        if avro.name in self._open:
            raise DataError(f"The Avro record {avro.name} contains itself, which no Connect schema can")
        self._open.append(avro.name)
        parameters: dict[str, str] = {}
        if self._settings.connect_meta_data and avro.node.get("doc") is not None:
            parameters[_RECORD_DOC] = avro.node["doc"]
        fields: list[tuple[str, Schema]] = []
        for field in avro.node["fields"]:
            if self._settings.connect_meta_data and field.get("doc") is not None:
                parameters[_FIELD_DOC + field["name"]] = field["doc"]
            kind = self._avro.type(field["type"], avro.space)
            fields.append((field["name"], self.schema(kind, default=field.get("default"), has_default="default" in field)))
        self._open.pop()
        return Schema.struct(fields, parameters=parameters)

    def _enum(self, avro: AvroType) -> Schema:
        assert avro.name is not None
        parameters: dict[str, str] = {}
        short = split(avro.name)[1]
        if self._settings.connect_meta_data:
            if avro.node.get("doc") is not None:
                parameters[_ENUM_DOC + short] = avro.node["doc"]
            if avro.node.get("default") is not None:
                parameters[_ENUM_DEFAULT + short] = avro.node["default"]
        parameters[ENUM] = avro.name
        parameters.update((f"{ENUM}.{symbol}", symbol) for symbol in avro.node["symbols"])
        return Schema.string(parameters=parameters)

    def default(self, schema: Schema, avro: AvroType, said: Any) -> Any:
        """Read a default value of Avro's JSON."""
        if said is None:
            return None
        if avro.kind == "union":
            members = [self._avro.type(member, avro.space) for member in avro.node["types"]]
            member = members[0] if members[0].kind != "null" else members[-1]
            return self.default(schema, member, said)
        if schema.type is Type.BYTES:
            data = said.encode("latin-1")
            return decimal_from_bytes(schema, data) if schema.name == DECIMAL else data
        if schema.name == DATE:
            return date_from_days(said)
        if schema.name == TIME:
            return time_from_ms(said)
        if schema.name == TIMESTAMP:
            return timestamp_from_ms(said)
        if schema.type is Type.ARRAY:
            assert schema.value_schema is not None
            element = self._avro.type(avro.node["items"], avro.space)
            return [self.default(schema.value_schema, element, each) for each in said]
        if schema.type is Type.MAP:
            return self._map_default(schema, avro, said)
        if schema.type is Type.STRUCT:
            struct = Struct(schema)
            for field in avro.node["fields"]:
                known = schema.field(field["name"])
                assert known is not None
                value = self.default(known.schema, self._avro.type(field["type"], avro.space), said.get(field["name"]))
                if value is not None:
                    struct.put(field["name"], value)
            return struct
        return float(said) if schema.type in (Type.FLOAT32, Type.FLOAT64) else said

    def _map_default(self, schema: Schema, avro: AvroType, said: Any) -> Any:
        assert schema.key_schema is not None
        assert schema.value_schema is not None
        if avro.kind == "map":
            element = self._avro.type(avro.node["values"], avro.space)
            return {key: self.default(schema.value_schema, element, each) for key, each in said.items()}
        entry = self._avro.type(avro.node["items"], avro.space)
        key, value = (self._avro.type(field["type"], entry.space) for field in entry.node["fields"])
        return {
            self.default(schema.key_schema, key, each[0]): self.default(schema.value_schema, value, each[1]) for each in said
        }
