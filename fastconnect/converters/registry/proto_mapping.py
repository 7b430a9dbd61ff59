"""Connect schemas as Protobuf messages, and back; and the message classes of both.

| Connect | Protobuf |
| --- | --- |
| INT8, INT16 | int32 with connect.type in confluent.field_meta |
| INT32 INT64 FLOAT32 FLOAT64 BOOLEAN STRING BYTES | int32 int64 float double bool string bytes |
| ARRAY | repeated |
| MAP | map; with keys that a map may not have, repeated messages with key and value |
| STRUCT | a message inside the one that first has it |
| STRUCT io.confluent.connect.protobuf.Union.<name> | oneof |
| STRING with the parameter io.confluent.connect.protobuf.Enum | enum |
| Decimal, Date, Time, Timestamp | confluent.type.Decimal, google.type.Date, google.type.TimeOfDay, google.protobuf.Timestamp |

All fields are optional when they are read. A null is a field that is not set, which for numbers, texts and the like is the same
as 0 or an empty one, unless `optional.for.nullables` or `wrapper.for.nullables` is set. Numbers of fields are their places, or
the parameter io.confluent.connect.protobuf.Tag. Not mapped: values that are no structs, arrays inside arrays, nulls in arrays
and maps, messages that contain themselves; docs, versions and defaults are not kept in the .proto file.

Source of names and rules: the behaviour of Confluent's ProtobufConverter.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from google.protobuf import descriptor_pool, message_factory

from fastconnect.api.schema import DATE, DECIMAL, TIME, TIMESTAMP, Schema, Type
from fastconnect.converters.registry.names import scrub, split
from fastconnect.converters.registry.proto_text import FIELD_META, SCALARS, FieldProto, FileProto, camel, read_proto
from fastconnect.errors import DataError

NAMESPACE = "io.confluent.connect.protobuf"
ENUM = f"{NAMESPACE}.Enum"
UNION = f"{NAMESPACE}.Union."
TAG = f"{NAMESPACE}.Tag"
_DEFAULT_NAME = "ConnectDefault"
_PRECISION = "connect.decimal.precision"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_FILE = "connect.proto"

_WELL_KNOWN = {
    DECIMAL: ("confluent.type.Decimal", "confluent/type/decimal.proto"),
    DATE: ("google.type.Date", "google/type/date.proto"),
    TIME: ("google.type.TimeOfDay", "google/type/timeofday.proto"),
    TIMESTAMP: ("google.protobuf.Timestamp", "google/protobuf/timestamp.proto"),
}
_SCALAR_OF = {
    Type.INT8: "int32",
    Type.INT16: "int32",
    Type.INT32: "int32",
    Type.INT64: "int64",
    Type.FLOAT32: "float",
    Type.FLOAT64: "double",
    Type.BOOLEAN: "bool",
    Type.STRING: "string",
    Type.BYTES: "bytes",
}
_WRAPPER_OF = {
    "int32": "Int32Value",
    "int64": "Int64Value",
    "float": "FloatValue",
    "double": "DoubleValue",
    "bool": "BoolValue",
    "string": "StringValue",
    "bytes": "BytesValue",
}
_MAP_KEYS = frozenset({Type.INT8, Type.INT16, Type.INT32, Type.INT64, Type.BOOLEAN, Type.STRING})
_READ_SCALARS: dict[int, Schema] = {
    **{SCALARS[name]: Schema.int32() for name in ("int32", "sint32", "sfixed32")},
    **{SCALARS[name]: Schema.int64() for name in ("uint32", "fixed32", "int64", "uint64", "sint64", "fixed64", "sfixed64")},
    SCALARS["float"]: Schema.float32(),
    SCALARS["double"]: Schema.float64(),
    SCALARS["bool"]: Schema.boolean(),
    SCALARS["string"]: Schema.string(),
    SCALARS["bytes"]: Schema.bytes(),
}
_READ_WRAPPERS = {f"google.protobuf.{wrapper}": _READ_SCALARS[SCALARS[name]] for name, wrapper in _WRAPPER_OF.items()} | {
    "google.protobuf.UInt32Value": Schema.int64(),
    "google.protobuf.UInt64Value": Schema.int64(),
}

# Files that every registry has: only these are taken from installed packages, whatever a schema imports.
_BUILT_IN = {
    **{
        f"google/protobuf/{name}.proto": f"google.protobuf.{name}_pb2"
        for name in ("any", "descriptor", "duration", "empty", "field_mask", "struct", "timestamp", "wrappers")
    },
    **{
        f"google/type/{name}.proto": f"google.type.{name}_pb2"
        for name in ("color", "date", "datetime", "dayofweek", "latlng", "money", "month", "timeofday")
    },
    "confluent/meta.proto": "confluent_kafka.schema_registry.confluent.meta_pb2",
    "confluent/type/decimal.proto": "confluent_kafka.schema_registry.confluent.type.decimal_pb2",
}


class ProtoSettings(NamedTuple):
    """How schemas are mapped; the config keys are of the same names."""

    enhanced_protobuf_schema_support: bool = False
    scrub_invalid_names: bool = False
    optional_for_nullables: bool = False
    wrapper_for_nullables: bool = False


# ---- Connect -> Protobuf ----


def to_proto(schema: Schema, settings: ProtoSettings) -> Any:
    """Make the file descriptor whose first message is the schema's.

    Raises:
        DataError: there is none.
    """
    if schema.type is not Type.STRUCT:
        raise DataError(f"A Protobuf message cannot be made of a {schema.type}: only of a STRUCT", hint="HoistField makes one")
    return _ToProto(settings).file(schema)


def message_name(schema: Schema, settings: ProtoSettings) -> str:
    """Return the full name of a struct's message."""
    space, short = split(schema.name or f"{_DEFAULT_NAME}1")
    if settings.scrub_invalid_names:
        short = scrub(short, start="[A-Za-z]")
    return f"{space}.{short}" if space else short


def is_message_of_entries(schema: Schema) -> bool:
    """Whether a map has keys that a Protobuf map may not have."""
    return schema.key_schema is None or schema.key_schema.type not in _MAP_KEYS


class _ToProto:
    def __init__(self, settings: ProtoSettings) -> None:
        self._settings = settings
        self._made: dict[tuple[str | None, Any], str] = {}
        self._nameless = 0
        self._file = FileProto(name=_FILE, syntax="proto3")

    def file(self, schema: Schema) -> Any:
        name = message_name(schema, self._settings)
        self._nameless += schema.name is None
        for part in name.split("."):
            self._valid(part)
        space, short = split(name)
        if space:
            self._file.package = space
        self._message(self._file.message_type.add(name=short), schema, f".{name}")
        return self._file

    def _valid(self, name: str) -> str:
        if self._settings.scrub_invalid_names:
            name = scrub(name, start="[A-Za-z]")
        if not _NAME.match(name):
            raise DataError(
                f"The name {name} cannot be one of a Protobuf schema: it has other characters than letters, digits and _",
                hint="rename it, or set scrub.invalid.names=true",
            )
        return name

    def _message(self, made: Any, schema: Schema, full_name: str) -> None:
        if schema.name is not None:
            self._made[schema.name, schema.fields] = full_name
        taken = {self._tag(member.schema) for field in schema.fields for member in _members(field.schema, field)}
        free = (number for number in range(1, 1 << 29) if number not in taken and not 19000 <= number <= 19999)
        optional: list[Any] = []
        for field in schema.fields:
            union = _union_name(field.schema)
            if union is not None:
                oneof = len(made.oneof_decl)
                made.oneof_decl.add(name=self._valid(union))
                for member in field.schema.fields:
                    self._field(made, full_name, member.name, member.schema, free).oneof_index = oneof
            else:
                proto = self._field(made, full_name, field.name, field.schema, free)
                single = proto.type != FieldProto.TYPE_MESSAGE and proto.label != FieldProto.LABEL_REPEATED
                if self._settings.optional_for_nullables and field.schema.is_optional and single:
                    optional.append(proto)
        for proto in optional:
            proto.proto3_optional = True
            proto.oneof_index = len(made.oneof_decl)  # of its own, and after the real ones
            made.oneof_decl.add(name=f"_{proto.name}")

    @staticmethod
    def _tag(schema: Schema) -> int | None:
        said = (schema.parameters or {}).get(TAG)
        return None if said is None else int(said)

    def _field(self, made: Any, scope: str, name: str, schema: Schema, free: Any) -> Any:
        tag = self._tag(schema)
        proto = made.field.add(
            name=self._valid(name), number=next(free) if tag is None else tag, label=FieldProto.LABEL_OPTIONAL
        )
        if schema.type is Type.ARRAY:
            assert schema.value_schema is not None
            proto.label = FieldProto.LABEL_REPEATED
            schema = schema.value_schema
            if schema.type in (Type.ARRAY, Type.MAP):
                raise DataError(
                    f"Protobuf has no arrays of {schema.type.lower()}s, as the field {name} is one", hint="HoistField"
                )
        if schema.type is Type.MAP:
            proto.label = FieldProto.LABEL_REPEATED
            self._entries(made, proto, scope, schema)
        else:
            self._type(made, proto, scope, schema)
        return proto

    def _entries(self, made: Any, proto: Any, scope: str, schema: Schema) -> None:
        assert schema.key_schema is not None
        assert schema.value_schema is not None
        entry = made.nested_type.add(name=f"{camel(proto.name)}Entry")
        if not is_message_of_entries(schema):
            entry.options.map_entry = True
        full_name = f"{scope}.{entry.name}"
        for number, (name, part) in enumerate((("key", schema.key_schema), ("value", schema.value_schema)), 1):
            if part.type in (Type.ARRAY, Type.MAP):
                raise DataError(f"Protobuf has no maps of {part.type.lower()}s, as the field {proto.name} is one")
            field = entry.field.add(name=name, number=number, label=FieldProto.LABEL_OPTIONAL)
            # What a value of a map is of stands beside the map: its entry may hold nothing but the two fields.
            self._type(made, field, scope, part.required())
        proto.type, proto.type_name = FieldProto.TYPE_MESSAGE, full_name

    def _type(self, made: Any, proto: Any, scope: str, schema: Schema) -> None:
        parameters = schema.parameters or {}
        if schema.name in _WELL_KNOWN:
            kind, file = _WELL_KNOWN[schema.name]
            self._import(proto, kind, file)
            if schema.name == DECIMAL:
                self._meta(proto, {"precision": parameters.get(_PRECISION), "scale": parameters.get("scale")})
        elif schema.type is Type.STRUCT:
            self._nested(made, proto, scope, schema)
        elif schema.type is Type.STRING and ENUM in parameters:
            self._enum(made, proto, scope, schema)
        else:
            scalar = _SCALAR_OF[schema.type]
            if self._settings.wrapper_for_nullables and schema.is_optional:
                self._import(proto, f"google.protobuf.{_WRAPPER_OF[scalar]}", "google/protobuf/wrappers.proto")
            else:
                proto.type = SCALARS[scalar]
            if schema.type in (Type.INT8, Type.INT16):
                self._meta(proto, {"connect.type": schema.type.lower()})

    def _nested(self, made: Any, proto: Any, scope: str, schema: Schema) -> None:
        known = self._made.get((schema.name, schema.fields)) if schema.name is not None else None
        if known is None:
            if schema.name is None:
                self._nameless += 1
            name = self._valid(split(schema.name)[1] if schema.name is not None else f"{_DEFAULT_NAME}{self._nameless}")
            if name == proto.name:
                name += "Message"  # a field and a message inside the same one cannot be called the same
            if any(nested.name == name for nested in made.nested_type):
                raise DataError(f"Two different schemas inside {scope[1:]} are called {name}", hint="rename one of them")
            known = f"{scope}.{name}"
            self._message(made.nested_type.add(name=name), schema, known)
        proto.type, proto.type_name = FieldProto.TYPE_MESSAGE, known

    def _enum(self, made: Any, proto: Any, scope: str, schema: Schema) -> None:
        parameters = schema.parameters or {}
        name = self._valid(split(parameters[ENUM])[1])
        if all(enum.name != name for enum in made.enum_type):
            enum = made.enum_type.add(name=name)
            for key, number in parameters.items():
                if key.startswith(f"{ENUM}."):
                    enum.value.add(name=key[len(ENUM) + 1 :], number=int(number))
        proto.type, proto.type_name = FieldProto.TYPE_ENUM, f"{scope}.{name}"

    def _import(self, proto: Any, kind: str, file: str) -> None:
        proto.type, proto.type_name = FieldProto.TYPE_MESSAGE, f".{kind}"
        if file not in self._file.dependency:
            self._file.dependency.append(file)

    def _meta(self, proto: Any, params: Mapping[str, str | None]) -> None:
        said = {key: text for key, text in params.items() if text is not None}
        if said:
            proto.options.Extensions[FIELD_META].params.update(said)
            if "confluent/meta.proto" not in self._file.dependency:
                self._file.dependency.insert(0, "confluent/meta.proto")


def _union_name(schema: Schema) -> str | None:
    if schema.type is Type.STRUCT and schema.name is not None and schema.name.startswith(UNION):
        return split(schema.name[len(UNION) :])[1]
    return None


def _members(schema: Schema, field: Any) -> Any:
    return schema.fields if _union_name(schema) is not None else (field,)


# ---- Protobuf -> Connect ----


def message_descriptor(file: Any, references: Mapping[str, str], path: tuple[int, ...]) -> Any:
    """Return the descriptor of a message of a file, in a pool of its own.

    Args:
        references: what the file imports beside the files that every registry has: name -> text.
        path: which message: its place in the file, then in the message there, and so on.
    Raises:
        DataError: there is no such message, or the file is wrong.
    """
    holder, name = file.message_type, ""
    for index in path:
        if index >= len(holder):
            raise DataError(f"The message's Protobuf schema has no message at the place {list(path)}")
        name = f"{name}.{holder[index].name}" if name else holder[index].name
        holder = holder[index].nested_type
    pool = descriptor_pool.DescriptorPool()
    _add(pool, file, references, set())
    return pool.FindMessageTypeByName(f"{file.package}.{name}" if file.package else name)


def message_class(descriptor: Any) -> Any:
    """Return the Python class of a message."""
    return message_factory.GetMessageClass(descriptor)


def _add(pool: Any, file: Any, references: Mapping[str, str], added: set[str]) -> None:
    for name in file.dependency:
        if name in added:
            continue
        added.add(name)
        if name in references:
            other = read_proto(references[name], name)
        elif name in _BUILT_IN:
            other = FileProto()
            importlib.import_module(_BUILT_IN[name]).DESCRIPTOR.CopyToProto(other)
            other.name = name
        else:
            raise DataError(f"The Protobuf schema imports {name}, which it does not reference in the registry")
        _add(pool, other, references, added)
    try:
        pool.AddSerializedFile(file.SerializeToString())
    except TypeError as error:
        raise DataError(f"The Protobuf schema cannot be used: {error}") from error


def to_connect(descriptor: Any, settings: ProtoSettings, version: int | None = None) -> Schema:
    """Make the Connect schema of a message.

    Raises:
        DataError: there is none.
    """
    schema = _ToConnect(settings).message(descriptor)
    return schema if version is None else schema.but(version=version)


def real_oneofs(descriptor: Any) -> list[Any]:
    """Return the oneofs of a message that are not just an optional field."""
    return [oneof for oneof in descriptor.oneofs if not _is_optional(oneof)]


def in_real_oneof(field: Any) -> bool:
    """Whether a field is one of several of which only one is set."""
    return field.containing_oneof is not None and not _is_optional(field.containing_oneof)


def union_field_name(oneof: Any) -> str:
    """Return the name of the struct's field that stands for a oneof."""
    return f"{oneof.name}_{oneof.index}"


def entry_of(field: Any) -> Any | None:
    """Return the message of a map's entries, if a field is a map."""
    entry = field.message_type
    if entry is None or not field.is_repeated:
        return None
    names = [each.name for each in entry.fields]
    return entry if entry.name.endswith("Entry") and names == ["key", "value"] else None


def is_true_map(entry: Any) -> bool:
    """Whether entries are those of a Protobuf map, which Python shows as a dict."""
    return bool(entry.GetOptions().map_entry)


def is_wrapper(message: Any) -> bool:
    """Whether a message only wraps a value, so that it can be null."""
    return message.full_name in _READ_WRAPPERS


def _is_optional(oneof: Any) -> bool:
    return len(oneof.fields) == 1 and oneof.name == f"_{oneof.fields[0].name}"


class _ToConnect:
    def __init__(self, settings: ProtoSettings) -> None:
        self._settings = settings
        self._open: list[str] = []

    def message(self, descriptor: Any) -> Schema:
        if descriptor.full_name in self._open:
            raise DataError(f"The Protobuf message {descriptor.full_name} contains itself, which no Connect schema can")
        self._open.append(descriptor.full_name)
        fields: list[tuple[str, Schema]] = []
        for oneof in real_oneofs(descriptor):
            members = [(field.name, self._field(field)) for field in oneof.fields]
            fields.append((union_field_name(oneof), Schema.struct(members, name=UNION + oneof.name, optional=True)))
        fields += [(field.name, self._field(field)) for field in descriptor.fields if not in_real_oneof(field)]
        self._open.pop()
        enhanced = self._settings.enhanced_protobuf_schema_support
        return Schema.struct(fields, name=descriptor.full_name if enhanced else descriptor.name)

    def _field(self, field: Any) -> Schema:
        entry = entry_of(field)
        if entry is not None:
            key, value = (self._type(part) for part in entry.fields)
            schema = Schema.map(key.optional(), value.optional(), name=_field_name(entry.name))
        else:
            schema = self._type(field)
            if field.is_repeated:
                schema = Schema.array(schema.optional(), optional=True)
        if not self._settings.wrapper_for_nullables:
            schema = schema.optional()
        return schema.with_parameters({**(schema.parameters or {}), TAG: str(field.number)})

    def _type(self, field: Any) -> Schema:
        if field.type == FieldProto.TYPE_ENUM:
            values = {f"{ENUM}.{value.name}": str(value.number) for value in field.enum_type.values}
            return Schema.string(name=field.enum_type.name, parameters={ENUM: field.enum_type.name, **values}, optional=True)
        if field.type == FieldProto.TYPE_GROUP:
            raise DataError(f"The Protobuf field {field.full_name} is a group, which is not supported")
        if field.type == FieldProto.TYPE_MESSAGE:
            return self._message(field).optional()
        params = self._meta(field)
        if field.type in (SCALARS["int32"], SCALARS["sint32"], SCALARS["sfixed32"]):
            said = params.get("connect.type")
            if said in ("int8", "int16"):
                return Schema.int8() if said == "int8" else Schema.int16()
        return _READ_SCALARS[field.type]

    def _message(self, field: Any) -> Schema:
        name = field.message_type.full_name
        if name == "confluent.type.Decimal":
            params = self._meta(field)
            schema = Schema.decimal(int(params.get("scale", "0")))
            if "precision" in params:
                schema = schema.with_parameters({**(schema.parameters or {}), _PRECISION: params["precision"]})
            return schema
        if name == "google.type.Date":
            return Schema.date()
        if name == "google.type.TimeOfDay":
            return Schema.time()
        if name == "google.protobuf.Timestamp":
            return Schema.timestamp()
        if self._settings.wrapper_for_nullables and name in _READ_WRAPPERS:
            return _READ_WRAPPERS[name]
        return self.message(field.message_type)

    @staticmethod
    def _meta(field: Any) -> Mapping[str, str]:
        options = field.GetOptions()
        params: Mapping[str, str] = options.Extensions[FIELD_META].params
        return params


def _field_name(entry: str) -> str:
    """Return the field's name of which protoc made the name of a map's entries."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", entry.removesuffix("Entry")).lower()
