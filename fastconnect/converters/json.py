r"""JsonConverter: values as JSON, with their schemas or without; the same bytes as Kafka Connect's.

A batch without schemas is one call of msgspec, which is as fast as JSON gets. That the bytes are Kafka Connect's all the same
costs a look at the values before (`_plain.look`, about 30 ns a small dict), which finds what msgspec would write differently:
such values are made ready one by one (`json_values.py`). Floats that Java writes with an exponent (1.0E10), control characters
(`\u001F`) and characters beyond 16 bits (`\uD83D\uDE00`) are mended in the bytes, if there are any (`_plain.mend`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from fastconnect.api.config import Meta
from fastconnect.api.converter import ConverterConfig, Encoded, ValueAndHeaderConverter, located
from fastconnect.api.record import ValueFormat
from fastconnect.api.schema import DECIMAL, Schema, SchemaAndValue, Struct, Type
from fastconnect.converters._plain import look, mend
from fastconnect.converters.json_reading import JsonReaders, Read, parse_json, parse_json_exactly
from fastconnect.converters.json_schemas import remember, schema_from_json, schema_to_json
from fastconnect.converters.json_values import JsonWriters, Write
from fastconnect.errors import ConfigError, DataError, Fault


def _ui(group: str, order: int, name: str, importance: str = "LOW", **more: Any) -> dict[str, Any]:
    return {"importance": importance, "group": group, "order": order, "width": "MEDIUM", "display_name": name, **more}


class JsonConverterConfig(ConverterConfig):
    """How JSON is written and read."""

    schemas_enable: Annotated[
        bool,
        Meta(
            description="Whether each key and value is an object of its schema and its payload, not the payload alone.",
            extra_json_schema=_ui("Schemas", 0, "Enable Schemas", "HIGH"),
        ),
    ] = True
    schemas_cache_size: Annotated[
        int,
        Meta(
            description="How many schemas are remembered, each way.",
            extra_json_schema=_ui("Schemas", 1, "Schema Cache Size", "HIGH"),
        ),
    ] = 1000
    schema_content: Annotated[
        str | None,
        Meta(
            description="The schema, as JSON, of all that is read: messages are then payloads alone. "
            "Needs schemas.enable=true; has no effect on what is written.",
            extra_json_schema=_ui("Schemas", 2, "Schema Content", "HIGH"),
        ),
    ] = None
    decimal_format: Annotated[
        Literal["BASE64", "NUMERIC"],
        Meta(
            description="Whether Decimals are written as the base64 of their bytes (BASE64) or as numbers (NUMERIC).",
            extra_json_schema=_ui("Serialization", 0, "Decimal Format", ignore_case=True),
        ),
    ] = "BASE64"
    replace_null_with_default: Annotated[
        bool,
        Meta(
            description="Whether a null where the schema has a default value is written and read as that default.",
            extra_json_schema=_ui("Serialization", 1, "Replace null with default"),
        ),
    ] = True


_ENVELOPE = (
    'JsonConverter with schemas.enable requires "schema" and "payload" fields and may not contain additional fields. '
    "If you are trying to deserialize plain JSON data, set schemas.enable=false in your converter configuration."
)
_NO_SCHEMA = b'{"schema":null,"payload":'
_encoder = msgspec.json.Encoder()
_lines_decoder = msgspec.json.Decoder()
_raw_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


class JsonConverter(ValueAndHeaderConverter[JsonConverterConfig]):
    """JSON, as Kafka Connect's org.apache.kafka.connect.json.JsonConverter writes and reads it."""

    def configure(self, configs: Any, is_key: bool | None = None) -> None:
        """Take the settings and check them."""
        super().configure(configs, is_key)
        config = self.config
        self._enveloped = config.schemas_enable
        self._writers = JsonWriters(
            numeric_decimals=config.decimal_format == "NUMERIC",
            replace_nulls=config.replace_null_with_default,
            cache_size=config.schemas_cache_size,
        )
        self._readers = JsonReaders(replace_nulls=config.replace_null_with_default, cache_size=config.schemas_cache_size)
        self._prefixes: dict[Schema, bytes] = {}
        self._known: dict[bytes, tuple[Schema | None, Read | None, bool]] = {}
        self._content: Schema | None = None
        if config.schema_content:
            try:
                self._content = schema_from_json(parse_json_exactly(config.schema_content.encode()), self._read_default)
            except DataError as error:
                raise ConfigError(
                    "the schema cannot be used", faults=[Fault("schema.content", f"Failed to parse schema: {error.message}")]
                ) from error

    # ---- writing ----

    def from_connect_data(self, topic: str, schema: Schema | None, value: Any) -> bytes | None:
        """Make JSON of a value; None, which is no value without a schema, is a tombstone.

        Raises:
            ConversionError: with Kafka Connect's message.
        """
        if schema is None:
            if value is None:
                return None
            if isinstance(value, Struct):
                schema = value.schema
        try:
            write = self._writers.plain if schema is None else self._writers.writer(schema)
            encoded = _encode([write(value)])[:-1]
            return self._prefix(schema) + encoded + b"}" if self._enveloped else encoded
        except (DataError, RecursionError) as error:
            raise located(_told(error), f"{self.what} of topic {topic}") from error

    def encode_batch(self, topic: str, values: list[Any], schemas: Sequence[Schema | None] | None = None) -> Encoded:
        """Make JSON lines of many values at once, or a list where a line could not say what is meant (mixed schemas, nulls).

        Raises:
            ConversionError: with the `index` of the first value that cannot be written.
        """
        if not values:
            return b""
        schema = schemas[0] if schemas is not None else None
        if schemas is not None and any(other is not schema and other != schema for other in schemas):
            return super().encode_batch(topic, values, schemas)
        if schema is None:
            far_floats, others = look(values)
            if others and any(isinstance(values[i], Struct) for i in others):  # structs bring their schemas along
                return super().encode_batch(topic, values)
            return self._wrap(None, self._plain_lines(topic, values, far_floats, others))
        if schema.type is Type.STRING and set(map(type, values)) == {str}:
            ready = values  # lines of text, above all: nothing need be done to them one by one
        else:
            ready = self._ready(topic, values, self._writers.writer(schema))
        lines = _encode(ready)
        if self._enveloped or b"null\n" not in lines:
            return self._wrap(schema, lines)
        return list(lines.split(b"\n")[:-1])  # a null with a schema is the text `null`, no tombstone

    def _plain_lines(self, topic: str, values: list[Any], far_floats: bool, others: list[int]) -> bytes:
        if others:
            # What was made ready must not be mended again: if a batch needs both, all of it is made ready.
            chosen = range(len(values)) if far_floats else others
            far_floats = False
            values = values.copy()
            ready = self._ready(topic, [values[i] for i in chosen], self._writers.plain, chosen)
            for index, value in zip(chosen, ready, strict=True):
                values[index] = value
        return _encode(values, far_floats)

    def _ready(self, topic: str, values: list[Any], write: Write, indexes: Sequence[int] | None = None) -> list[Any]:
        ready: list[Any] = []
        try:
            for value in values:
                ready.append(write(value))
        except (DataError, RecursionError) as error:
            index = indexes[len(ready)] if indexes is not None else len(ready)
            raise located(_told(error), f"{self.what} of topic {topic}", index) from error
        return ready

    def _wrap(self, schema: Schema | None, lines: bytes) -> bytes:
        """Put each line into the envelope, if there is one; no value stays `null`."""
        if not self._enveloped:
            return lines
        prefix = self._prefix(schema)
        wrapped = prefix + lines[:-1].replace(b"\n", b"}\n" + prefix) + b"}\n"
        # Quotes inside of texts are escaped, so these bytes can only be a whole line.
        return wrapped.replace(_NO_SCHEMA + b"null}\n", b"null\n") if schema is None else wrapped

    def _prefix(self, schema: Schema | None) -> bytes:
        if schema is None:
            return _NO_SCHEMA
        prefix = self._prefixes.get(schema)
        if prefix is None:
            prefix = b'{"schema":' + _encode([schema_to_json(schema, self._write_default)])[:-1] + b',"payload":'
            remember(self._prefixes, self.config.schemas_cache_size, schema, prefix)
        return prefix

    def _write_default(self, schema: Schema, value: Any) -> Any:
        return self._writers.writer(schema)(value)

    def raw_is_encoded(self, format: ValueFormat) -> bool:
        """JSON texts are values as they are, if there is no envelope."""
        return format == "json" and not self._enveloped

    def encode_raw(self, topic: str, values: list[bytes | None], format: ValueFormat) -> Encoded:
        """JSON texts are put into the envelope, text lines become JSON texts, bytes become base64."""
        if format != "json" or not self._enveloped:
            return super().encode_raw(topic, values, format)
        return [None if value is None else _NO_SCHEMA + value + b"}" for value in values]

    # ---- reading ----

    def to_connect_data(self, topic: str, data: bytes | None) -> SchemaAndValue:
        """Read JSON; a tombstone is None without a schema.

        Raises:
            ConversionError: with Kafka Connect's message.
        """
        if data is None:
            return SchemaAndValue(None, None)
        try:
            if not self._enveloped:
                return SchemaAndValue(None, parse_json(data))
            if self._content is not None:
                return SchemaAndValue(self._content, self._readers.reader(self._content)(parse_json_exactly(data)))
            return self._read_envelope(data)
        except DataError as error:
            raise located(error, f"{self.what} of topic {topic}") from error

    def decode_columns(self, topic: str, data: Sequence[bytes | None]) -> tuple[list[Any], list[Schema | None] | None]:
        """Read many at once where there is no envelope; else as `to_connect_data` reads each."""
        if not self._enveloped and len(data) > 1:
            lines = b"\n".join([b"null" if item is None else item for item in data])
            if lines.count(b"\n") == len(data) - 1:
                values = self.decode_lines(topic, lines, len(data))
                if values is not None:
                    return values, None
        return super().decode_columns(topic, data)

    def decode_lines(self, topic: str, lines: bytes, count: int) -> list[Any] | None:
        """Read many messages in one call; None where there is an envelope, or not one whole JSON text a line."""
        if self._enveloped:
            return None
        try:
            values: list[Any] = _lines_decoder.decode_lines(lines)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        return values if len(values) == count else None

    def _read_envelope(self, data: bytes) -> SchemaAndValue:
        try:
            parts: Any = _raw_object.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            tree = parse_json_exactly(data)  # broken, or only what the careful parser can read
            parts = {key: _encode([tree[key]])[:-1] for key in tree} if isinstance(tree, dict) and len(tree) == 2 else {}
        if len(parts) != 2 or "schema" not in parts or "payload" not in parts:
            raise DataError(_ENVELOPE)
        schema, read, exactly = self._schema_of(bytes(parts["schema"]))
        payload = bytes(parts["payload"])
        node = parse_json_exactly(payload) if exactly else parse_json(payload)
        return SchemaAndValue(schema, node if read is None else read(node))

    def _schema_of(self, said: bytes) -> tuple[Schema | None, Read | None, bool]:
        known = self._known.get(said)
        if known is None:
            schema = schema_from_json(parse_json_exactly(said), self._read_default)
            known = (schema, None if schema is None else self._readers.reader(schema), DECIMAL.encode() in said)
            remember(self._known, self.config.schemas_cache_size, said, known)
        return known

    def _read_default(self, schema: Schema, node: Any) -> Any:
        return self._readers.reader(schema)(node)


def _told(error: DataError | RecursionError) -> DataError:
    return error if isinstance(error, DataError) else DataError("The value is nested too deeply, or contains itself")


_LONE = re.compile("[\ud800-\udfff\0]")
_STAND_IN = re.compile(rb"\\(?:u0000(?:n|s([0-9A-F]{4}))|.)")
_WIDE_LEADS = (b"\xf0", b"\xf1", b"\xf2", b"\xf3", b"\xf4")


def _encode(values: list[Any], far_floats: bool = False) -> bytes:
    """Write one line a value, as Kafka Connect's JSON library does."""
    lone = False
    try:
        lines = _encoder.encode_lines(values)
    except UnicodeEncodeError:
        lone = True
        lines = _encoder.encode_lines([_stand_ins(value) for value in values])
    control = b"\\" in lines and b"\\u00" in lines
    if far_floats or control or (not lines.isascii() and any(lead in lines for lead in _WIDE_LEADS)):
        lines = mend(lines, far_floats)
    return _STAND_IN.sub(_lone_escape, lines) if lone else lines


def _stand_ins(value: Any) -> Any:
    """Replace the halves of surrogate pairs, which msgspec refuses, by something that `_lone_escape` finds again."""
    if isinstance(value, str):
        return _LONE.sub(lambda found: "\0n" if found[0] == "\0" else f"\0s{ord(found[0]):04X}", value)
    if isinstance(value, dict):
        return {_stand_ins(key): _stand_ins(element) for key, element in value.items()}
    if isinstance(value, (list, tuple)):
        return [_stand_ins(element) for element in value]
    return msgspec.to_builtins(value, builtin_types=(bytes,)) if isinstance(value, msgspec.Struct) else value


def _lone_escape(found: re.Match[bytes]) -> bytes:
    if found[1] is not None:
        return b"\\u" + found[1]
    return b"\\u0000" if found[0].endswith(b"n") and len(found[0]) > 2 else found[0]
