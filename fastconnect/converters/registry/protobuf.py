"""ProtobufConverter: values as Protobuf messages, with their .proto files in a Schema Registry.

Google's protobuf writes and reads the bytes; here the arguments of its messages are made of structs and back, by functions made
once a schema. `proto_mapping.py` says how schemas map.
"""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from fastconnect.api.config import Meta
from fastconnect.api.logical import date_to_days, decimal_to_bytes, time_to_ms, timestamp_from_ms, timestamp_to_ms
from fastconnect.api.schema import DATE, DECIMAL, TIME, TIMESTAMP, Schema, Struct, Type, class_text
from fastconnect.converters.registry.client import Registered, missing
from fastconnect.converters.registry.config import RegistryConverterConfig
from fastconnect.converters.registry.converter import Read, RegistryConverter, Write
from fastconnect.converters.registry.framing import read_indexes, schema_id_of, write_indexes
from fastconnect.errors import DataError

if TYPE_CHECKING:
    from types import ModuleType

Convert: TypeAlias = Callable[[Any], Any] | None
"""Makes protobuf's value of Connect's, or the other way round; None where they are the same."""

_FIRST = (0,)


class ProtobufConverterConfig(RegistryConverterConfig):
    """How Protobuf schemas are made."""

    enhanced_protobuf_schema_support: Annotated[
        bool, Meta(description="Whether a message's package is in the name of its schema.")
    ] = False
    scrub_invalid_names: Annotated[
        bool, Meta(description="Whether names that Protobuf does not allow are changed into ones that it does.")
    ] = False
    optional_for_nullables: Annotated[
        bool, Meta(description="Whether optional fields are so in Protobuf too, which tells a null from 0 or an empty text.")
    ] = False
    wrapper_for_nullables: Annotated[
        bool, Meta(description="Whether optional fields are messages such as google.protobuf.StringValue, and read from those.")
    ] = False


class ProtobufConverter(RegistryConverter[ProtobufConverterConfig]):
    """Protobuf with a registry, as Confluent's io.confluent.connect.protobuf.ProtobufConverter writes and reads it."""

    schema_type = "PROTOBUF"

    def schema_text(self, schema: Schema) -> str:
        """Write a schema as the text of a .proto file."""
        mapping = _mapping()
        from fastconnect.converters.registry.proto_text import write_proto

        return write_proto(mapping.to_proto(schema, self._settings))

    def connect_schema(self, registered: Registered, version: int | None) -> Schema:
        """Read a schema of the registry: its first message."""
        return self.schema_read(registered, version, _FIRST)

    def schema_read(self, registered: Registered, version: int | None, path: tuple[int, ...]) -> Schema:
        """Read one message of a schema of the registry."""
        schema: Schema = _mapping().to_connect(self._descriptor(registered, path), self._settings, version)
        return schema

    def record_name(self, schema: Schema) -> str | None:
        """Return the message's full name."""
        name: str = _mapping().message_name(schema, self._settings)
        return name

    def subject_of_read(self, topic: str, registered: Registered, schema: Schema, path: tuple[int, ...]) -> str:
        """Return the subject that a message's schema is likely from."""
        return self._subject_of(topic, self.what == "key", self._descriptor(registered, path).full_name)

    def prefix_of(self, message: bytes) -> bytes:
        """Return the schema's id and the message indexes."""
        return message[: read_indexes(message)[1]]

    def path_of(self, message: bytes) -> tuple[int, ...]:
        """Return which message of its schema it is."""
        return read_indexes(message)[0]

    def _reading_of(self, topic: str, message: bytes) -> Any:
        schema_id_of(message)  # before its indexes are looked at
        return super()._reading_of(topic, message)

    def writing(self, schema: Schema, text: str, registered: Registered | None, prefix: bytes) -> Write:
        """Make the function that writes values of a schema."""
        mapping = _mapping()
        if registered is None:
            descriptor = mapping.message_descriptor(mapping.to_proto(schema, self._settings), {}, _FIRST)
        else:
            descriptor = self._descriptor(registered, _FIRST)
        message = mapping.message_class(descriptor)
        convert = _Writers(mapping, self._settings).message(schema, descriptor)
        prefix += write_indexes(_FIRST)

        def write(value: Any) -> bytes | None:
            if value is None:
                return None
            encoded: bytes = message(**convert(value)).SerializeToString()
            return prefix + encoded

        return write

    def reading(self, registered: Registered, schema: Schema | None, path: tuple[int, ...]) -> Read:
        """Make the function that reads messages written with a schema of the registry."""
        assert schema is not None
        mapping = _mapping()
        descriptor = self._descriptor(registered, path)
        parse = mapping.message_class(descriptor).FromString
        convert = _Readers(mapping, self._settings).message(schema, descriptor)
        start = 5 + len(write_indexes(path))

        def read(message: bytes) -> Any:
            return convert(parse(message[start:]))

        return read

    @property
    def _settings(self) -> Any:
        config = self.config
        return _mapping().ProtoSettings(
            config.enhanced_protobuf_schema_support,
            config.scrub_invalid_names,
            config.optional_for_nullables,
            config.wrapper_for_nullables,
        )

    def _descriptor(self, registered: Registered, path: tuple[int, ...]) -> Any:
        mapping = _mapping()
        file = mapping.read_proto(registered.text, "schema.proto")
        return mapping.message_descriptor(file, registered.references, path)


def _mapping() -> Any:
    """Import what needs the protobuf package only when it is needed."""
    try:
        from fastconnect.converters.registry import proto_mapping
    except ImportError as error:
        raise missing(error) from error
    return proto_mapping


class _Writers:
    """Makes the functions that turn Connect's values into arguments of protobuf's messages."""

    def __init__(self, mapping: ModuleType, settings: Any) -> None:
        self._mapping = mapping
        self._settings = settings

    def message(self, schema: Schema, descriptor: Any) -> Callable[[Any], dict[str, Any]]:
        """Return the function for structs of a message."""
        plain: list[tuple[int, str]] = []
        converted: list[tuple[int, str, Callable[[Any], Any]]] = []
        unions: list[tuple[int, Callable[[Any], Any]]] = []
        for field in schema.fields:
            name = self._name(field.name)
            if field.schema.name is not None and field.schema.name.startswith(self._mapping.UNION):
                unions.append((field.index, self.message(field.schema, descriptor)))
                continue
            proto = descriptor.fields_by_name.get(name)
            if proto is None:
                raise DataError(f"The Protobuf message {descriptor.full_name} has no field {name}")
            convert = self._field(field.schema, proto)
            if convert is None:
                plain.append((field.index, name))
            else:
                converted.append((field.index, name, convert))
        defaults = {field.index: field.schema.default for field in schema.fields if field.schema.default is not None}
        required = [field for field in schema.fields if not field.schema.is_optional and field.schema.default is None]

        def write(value: Any) -> dict[str, Any]:
            if not isinstance(value, Struct):
                raise DataError(f"Invalid type for STRUCT: {class_text(value)}")
            if value.schema is not schema and value.schema != schema and value.schema.required() != schema.required():
                raise DataError("Mismatching struct schema")
            values = value.values_without_defaults()
            if None in values:
                for field in required:
                    if values[field.index] is None:
                        raise DataError(
                            f'Invalid value: null used for required field: "{field.name}", schema type: {field.schema.type}'
                        )
                if defaults:
                    values = [defaults.get(i) if each is None else each for i, each in enumerate(values)]
            made = {name: values[i] for i, name in plain if values[i] is not None}
            for i, name, convert in converted:
                if values[i] is not None:
                    made[name] = convert(values[i])
            for i, union in unions:
                if values[i] is not None:
                    made.update(union(values[i]))
            return made

        return write

    def _name(self, name: str) -> str:
        if not self._settings.scrub_invalid_names:
            return name
        from fastconnect.converters.registry.names import scrub

        return scrub(name, start="[A-Za-z]")

    def _field(self, schema: Schema, proto: Any) -> Convert:
        entry = self._mapping.entry_of(proto)
        if entry is not None and schema.type is Type.MAP:
            return self._map(schema, entry, proto)
        if schema.type is Type.ARRAY:
            assert schema.value_schema is not None
            convert = self._value(schema.value_schema, proto)

            def write_all(value: Any) -> Any:
                if None in value:
                    raise DataError(f"Protobuf has no null in a list, as there is one in {proto.name}")
                return list(value) if convert is None else [convert(element) for element in value]

            return write_all
        return self._value(schema, proto)

    def _map(self, schema: Schema, entry: Any, proto: Any) -> Convert:
        assert schema.key_schema is not None
        assert schema.value_schema is not None
        key_field, value_field = entry.fields
        write_key = self._value(schema.key_schema, key_field) or _same
        write_value = self._value(schema.value_schema, value_field) or _same
        true_map = self._mapping.is_true_map(entry)

        def write(value: Any) -> Any:
            pairs = [(write_key(key), write_value(each)) for key, each in value.items() if key is not None and each is not None]
            if len(pairs) < len(value):
                raise DataError(f"Protobuf has no null in a map, as there is one in {proto.name}")
            return dict(pairs) if true_map else [{"key": key, "value": each} for key, each in pairs]

        return write

    def _value(self, schema: Schema, proto: Any) -> Convert:
        if schema.name == DECIMAL:
            return lambda value: _decimal(schema, value)
        if schema.name in _WRITE_LOGICAL:
            return _WRITE_LOGICAL[schema.name]
        if schema.type is Type.STRUCT:
            return self.message(schema, proto.message_type)
        if proto.message_type is not None and self._mapping.is_wrapper(proto.message_type):
            return lambda value: {"value": value}
        return None


def _same(value: Any) -> Any:
    return value


def _decimal(schema: Schema, value: decimal.Decimal) -> dict[str, Any]:
    digits, exponent = value.as_tuple().digits, value.as_tuple().exponent
    return {"value": decimal_to_bytes(schema, value), "precision": len(digits), "scale": -int(exponent)}


def _date(value: Any) -> dict[str, int]:
    day = datetime.date.fromordinal(date_to_days(value) + datetime.date(1970, 1, 1).toordinal())
    return {"year": day.year, "month": day.month, "day": day.day}


def _time(value: datetime.time) -> dict[str, int]:
    seconds, ms = divmod(time_to_ms(value), 1000)
    return {"hours": seconds // 3600, "minutes": seconds // 60 % 60, "seconds": seconds % 60, "nanos": ms * 1_000_000}


def _timestamp(value: datetime.datetime) -> dict[str, int]:
    seconds, ms = divmod(timestamp_to_ms(value), 1000)
    return {"seconds": seconds, "nanos": ms * 1_000_000}


_WRITE_LOGICAL: Mapping[str | None, Callable[[Any], Any]] = {DATE: _date, TIME: _time, TIMESTAMP: _timestamp}


class _Readers:
    """Makes the functions that turn protobuf's messages into Connect's values."""

    def __init__(self, mapping: ModuleType, settings: Any) -> None:
        self._mapping = mapping
        self._settings = settings

    def message(self, schema: Schema, descriptor: Any) -> Callable[[Any], Any]:
        """Return the function for messages of a type."""
        reads: list[Callable[[Any], Any]] = [self._oneof(schema, oneof) for oneof in self._mapping.real_oneofs(descriptor)]
        reads += [self._field(schema, field) for field in descriptor.fields if not self._mapping.in_real_oneof(field)]

        def read(message: Any) -> Any:
            struct = Struct(schema)
            struct._values = [read_field(message) for read_field in reads]  # of the right types, being read
            return struct

        return read

    def _oneof(self, schema: Schema, oneof: Any) -> Callable[[Any], Any]:
        field = schema.field(self._mapping.union_field_name(oneof))
        assert field is not None
        union = field.schema
        reads = {member.name: self._field(union, member) for member in oneof.fields}

        def read(message: Any) -> Any:
            name = message.WhichOneof(oneof.name)
            return None if name is None else Struct(union).put(name, reads[name](message))

        return read

    def _field(self, schema: Schema, proto: Any) -> Callable[[Any], Any]:
        name = proto.name
        field = schema.field(name)
        assert field is not None
        entry = self._mapping.entry_of(proto)
        if entry is not None:
            return self._map(field.schema, entry, name)
        if proto.is_repeated:
            assert field.schema.value_schema is not None
            convert_each = self._value(field.schema.value_schema, proto)
            if convert_each is None:
                return lambda message: list(getattr(message, name))
            return lambda message: [convert_each(each) for each in getattr(message, name)]
        convert = self._value(field.schema, proto) or _same
        if proto.has_presence:
            return lambda message: convert(getattr(message, name)) if message.HasField(name) else None
        return lambda message: convert(getattr(message, name))

    def _map(self, schema: Schema, entry: Any, name: str) -> Callable[[Any], Any]:
        assert schema.key_schema is not None
        assert schema.value_schema is not None
        key_field, value_field = entry.fields
        read_key = self._value(schema.key_schema, key_field) or _same
        read_value = self._value(schema.value_schema, value_field) or _same
        if self._mapping.is_true_map(entry):
            return lambda message: {read_key(key): read_value(each) for key, each in getattr(message, name).items()}
        return lambda message: {read_key(each.key): read_value(each.value) for each in getattr(message, name)}

    def _value(self, schema: Schema, proto: Any) -> Convert:
        if proto.message_type is not None:
            if schema.name in _READ_LOGICAL:
                return _READ_LOGICAL[schema.name]
            if schema.type is Type.STRUCT:
                return self.message(schema, proto.message_type)
            return lambda message: message.value  # of a wrapper
        if proto.enum_type is not None:
            names = {value.number: value.name for value in proto.enum_type.values}
            return lambda number: names.get(number, str(number))
        if schema.type is Type.INT64:
            return _signed
        return None


def _signed(number: int) -> int:
    return number if number < 1 << 63 else number - (1 << 64)  # an unsigned number beyond Connect's, as in Java


def _read_decimal(message: Any) -> decimal.Decimal:
    return decimal.Decimal(f"{int.from_bytes(message.value, 'big', signed=True)}E{-message.scale}")


def _read_date(message: Any) -> datetime.date:
    return datetime.date(message.year, message.month, message.day)


def _read_time(message: Any) -> datetime.time:
    return datetime.time(message.hours, message.minutes, message.seconds, message.nanos // 1_000_000 * 1000)


def _read_timestamp(message: Any) -> datetime.datetime:
    return timestamp_from_ms(message.seconds * 1000 + message.nanos // 1_000_000)


_READ_LOGICAL: Mapping[str | None, Callable[[Any], Any]] = {
    DECIMAL: _read_decimal,
    DATE: _read_date,
    TIME: _read_time,
    TIMESTAMP: _read_timestamp,
}
