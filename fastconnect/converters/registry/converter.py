"""What the converters of the registry share: which schema a value is written with, and which one it is read by.

A value's own schema is registered under its topic's subject once, and its id kept; a message's schema is asked for once. With
`use.latest.version` values are made to fit the latest schema of the subject instead. Values without a schema get one by
`inference.py`, one a topic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple, TypeAlias, TypeVar

import msgspec

from fastconnect.api.converter import ConversionError, Converter, Encoded, located
from fastconnect.api.record import ValueFormat
from fastconnect.api.schema import Schema, SchemaAndValue, Struct
from fastconnect.converters.json_schemas import remember
from fastconnect.converters.registry.client import Registered, RegistryClient, SchemaType
from fastconnect.converters.registry.config import RegistryConverterConfig
from fastconnect.converters.registry.framing import HEADER_BYTES, header, schema_id_of
from fastconnect.converters.registry.inference import Fit, Inferred, fitting
from fastconnect.converters.registry.subjects import strategy
from fastconnect.errors import ConnectError, DataError

C = TypeVar("C", bound=RegistryConverterConfig)

Write: TypeAlias = Callable[[Any], bytes | None]
"""Makes a whole message of a value."""

Read: TypeAlias = Callable[[bytes], Any]
"""Makes a value of a whole message."""


class Reading(NamedTuple):
    """What a message of one schema becomes."""

    schema: Schema | None
    read: Read


class RegistryConverter(Converter[C]):
    """Base of the three converters; one of them says how its schemas and values are written and read."""

    schema_type: ClassVar[SchemaType]
    header_length = HEADER_BYTES

    def schema_text(self, schema: Schema) -> str:
        """Write a schema as the registry keeps it."""
        raise NotImplementedError

    def connect_schema(self, registered: Registered, version: int | None) -> Schema:
        """Read a schema of the registry."""
        raise NotImplementedError

    def writing(self, schema: Schema, text: str, registered: Registered | None, prefix: bytes) -> Write:
        """Make the function that writes values of a schema.

        Args:
            text: the schema as the registry keeps it.
            registered: where it was taken from the registry.
            prefix: goes before each payload.
        """
        raise NotImplementedError

    def reading(self, registered: Registered, schema: Schema | None, path: tuple[int, ...]) -> Read:
        """Make the function that reads messages written with a schema of the registry, the header included."""
        raise NotImplementedError

    def record_name(self, schema: Schema) -> str | None:
        """Return the full name of what a schema is of, for subjects that are named after it."""
        return schema.name

    # ---- settings ----

    def configure(self, configs: Any, is_key: bool | None = None) -> None:
        """Take the settings and check them; the registry is not asked yet."""
        super().configure(configs, is_key)
        config = self.config
        self._client = RegistryClient(config)
        name = config.key_subject_name_strategy if self.what == "key" else config.value_subject_name_strategy
        found = strategy(name)
        assert found is not None  # the config has been checked
        self._subject_of = found
        self._writes: dict[tuple[str, Schema], Write] = {}
        self._latest: dict[str, tuple[Fit, Write]] = {}
        self._inferred: dict[str, Inferred] = {}
        self._readings: dict[tuple[str, bytes], Reading] = {}

    def subject(self, topic: str, schema: Schema) -> str:
        """Return where a schema of this topic is kept."""
        return self._subject_of(topic, self.what == "key", self.record_name(schema))

    # ---- writing ----

    def from_connect_data(self, topic: str, schema: Schema | None, value: Any) -> bytes | None:
        """Write one value."""
        encoded = self.encode_batch(topic, [value], [schema])
        assert isinstance(encoded, list)
        return encoded[0]

    def encode_batch(self, topic: str, values: list[Any], schemas: Sequence[Schema | None] | None = None) -> Encoded:
        """Write many values; each schema is registered once."""
        if not values:
            return []
        said = schemas if schemas is not None else [None] * len(values)
        first = said[0]
        if first is not None and all(schema is first for schema in said):
            return self._write_all(topic, first, values)
        return self._write_mixed(topic, values, said)

    def encode_raw(self, topic: str, values: list[bytes | None], format: ValueFormat) -> Encoded:
        """Write what a source hands over as bytes: JSON texts as the values they stand for, the rest as texts or bytes."""
        if format != "json":
            return super().encode_raw(topic, values, format)
        read: list[Any] = []
        try:
            for value in values:
                read.append(None if value is None else _json.decode(value))
        except msgspec.DecodeError as error:
            raise self._told(DataError(f"The value is not JSON: {error}"), topic, len(read)) from error
        return self.encode_batch(topic, read)

    def _write_all(self, topic: str, schema: Schema, values: list[Any]) -> list[bytes | None]:
        written: list[bytes | None] = []
        try:
            write = self._write_of(topic, schema)
            for value in values:
                written.append(write(value))
        except Exception as error:
            raise self._told(error, topic, len(written)) from error
        return written

    def _write_mixed(self, topic: str, values: list[Any], schemas: Sequence[Schema | None]) -> list[bytes | None]:
        schemas = [
            value.schema if s is None and isinstance(value, Struct) else s for value, s in zip(values, schemas, strict=True)
        ]
        bare = [i for i, schema in enumerate(schemas) if schema is None and values[i] is not None]
        infer: Inferred | None = None
        if bare and not self.config.takes_latest:
            infer = self._inferred.setdefault(topic, Inferred())
            for i in bare:
                try:
                    infer.see(values[i])
                except (DataError, RecursionError) as error:
                    raise self._told(error, topic, i) from error
        written: list[bytes | None] = []
        write_inferred: Write | None = None
        try:
            if infer is not None:
                write_inferred = self._write_of(topic, infer.schema())
            for value, schema in zip(values, schemas, strict=True):
                if schema is not None:
                    written.append(self._write_of(topic, schema)(value))
                elif value is None:
                    written.append(None)
                elif infer is None or write_inferred is None:
                    written.append(self._write_latest(topic, None)(value))
                else:
                    written.append(write_inferred(infer.fit(value)))
        except Exception as error:
            raise self._told(error, topic, len(written)) from error
        return written

    def _write_of(self, topic: str, schema: Schema) -> Write:
        write = self._writes.get((topic, schema))
        if write is None:
            write = self._write_latest(topic, schema) if self.config.takes_latest else self._new_write(topic, schema)
            remember(self._writes, self.config.schemas_cache_config, (topic, schema), write)
        return write

    def _new_write(self, topic: str, schema: Schema) -> Write:
        text = self.schema_text(schema)
        subject = self.subject(topic, schema)
        ask = self._client.register if self.config.auto_register_schemas else self._client.look_up
        return self.writing(schema, text, None, header(ask(subject, text, self.schema_type)))

    def _write_latest(self, topic: str, schema: Schema | None) -> Write:
        subject = self.subject(topic, schema if schema is not None else _NAMELESS)
        known = self._latest.get(subject)
        if known is None:
            latest = self._client.latest(subject)
            theirs = self.connect_schema(latest, None)
            write = self.writing(theirs, latest.text, latest, header(latest.id))
            known = self._latest[subject] = fitting(theirs, strictly=self.config.latest_compatibility_strict), write
        fit, write = known
        return lambda value: None if value is None else write(fit(value))

    # ---- reading ----

    def to_connect_data(self, topic: str, data: bytes | None) -> SchemaAndValue:
        """Read one value, and the schema it was written with."""
        return self.decode_batch(topic, [data])[0]

    def decode_batch(self, topic: str, data: Sequence[bytes | None]) -> list[SchemaAndValue]:
        """Read many values; each schema is asked for once."""
        values, schemas = self.decode_columns(topic, data)
        if schemas is None:
            return [SchemaAndValue(None, value) for value in values]
        return [SchemaAndValue(schema, value) for schema, value in zip(schemas, values, strict=True)]

    def decode_columns(self, topic: str, data: Sequence[bytes | None]) -> tuple[list[Any], list[Schema | None] | None]:
        """Read many values, and list their schemas apart."""
        values: list[Any] = []
        schemas: list[Schema | None] = []
        last, reading = b"", Reading(None, lambda message: None)
        try:
            for message in data:
                if message is None:
                    values.append(None)
                    schemas.append(None)
                    continue
                if not last or not message.startswith(last):
                    reading = self._reading_of(topic, message)
                    last = self.prefix_of(message)
                values.append(reading.read(message))
                schemas.append(reading.schema)
        except Exception as error:
            raise self._told(error, topic, len(values)) from error
        return values, None if all(schema is None for schema in schemas) else schemas

    def prefix_of(self, message: bytes) -> bytes:
        """Return the bytes that say what a message is read by."""
        return message[:HEADER_BYTES]

    def path_of(self, message: bytes) -> tuple[int, ...]:
        """Return where in its schema the message's type is; only Protobuf's schemas hold several."""
        return ()

    def _reading_of(self, topic: str, message: bytes) -> Reading:
        schema_id = schema_id_of(message)
        key = (topic, self.prefix_of(message))
        reading = self._readings.get(key)
        if reading is None:
            registered = self._client.schema(schema_id)
            if registered.type != self.schema_type:
                raise DataError(
                    f"The message's schema (id {schema_id}) is of the type {registered.type}, not {self.schema_type}",
                    hint="choose the converter that it was written with",
                )
            path = self.path_of(message)
            schema = self.schema_read(registered, None, path)
            version = self._client.version(self.subject_of_read(topic, registered, schema, path), schema_id)
            if version is not None:
                schema = self.schema_read(registered, version, path)
            reading = Reading(schema, self.reading(registered, schema, path))
            remember(self._readings, self.config.schemas_cache_config, key, reading)
        return reading

    def schema_read(self, registered: Registered, version: int | None, path: tuple[int, ...]) -> Schema:
        """Read a schema of the registry; `version` is what the subject calls it, where it does not say itself."""
        return self.connect_schema(registered, version)

    def subject_of_read(self, topic: str, registered: Registered, schema: Schema, path: tuple[int, ...]) -> str:
        """Return the subject that a message's schema is likely from."""
        try:
            return self.subject(topic, schema)
        except DataError:
            return f"{topic}-{self.what}"  # of a record without a name, so from another strategy

    def _told(self, error: Exception, topic: str, index: int) -> ConnectError:
        where = f"{self.what} of topic {topic}"
        if isinstance(error, DataError):
            if error.where and "subject" in error.where and not isinstance(error, ConversionError):
                where = f"{where}, {error.where}"
                error = DataError(error.message, hint=error.hint)
            return located(error, where, index)
        if isinstance(error, ConnectError):
            return error
        if isinstance(error, RecursionError):
            return ConversionError("The value is nested too deeply, or contains itself", index=index, where=where)
        said = str(error) or ("it is cut off" if isinstance(error, EOFError) else type(error).__name__)
        return ConversionError(f"The {self.what} does not fit its schema: {said}", index=index, where=where)


_json = msgspec.json.Decoder()
_NAMELESS = Schema.struct([])
