"""JsonSchemaConverter: values as JSON behind the id of their JSON Schema in a Schema Registry.

The payload is what the JsonConverter writes without an envelope. `json_mapping.py` says how schemas map. Values are not checked
against constraints of the schema, as Confluent's converter does not by default.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from fastconnect.api.config import Meta
from fastconnect.api.schema import DECIMAL, Schema, Struct
from fastconnect.converters.json import _encode as encode_lines
from fastconnect.converters.json_reading import parse_json, parse_json_exactly
from fastconnect.converters.registry import json_mapping as mapping
from fastconnect.converters.registry.client import Registered, parse_schema
from fastconnect.converters.registry.config import RegistryConverterConfig
from fastconnect.converters.registry.converter import Read, RegistryConverter, Write
from fastconnect.converters.registry.framing import HEADER_BYTES


class JsonSchemaConverterConfig(RegistryConverterConfig):
    """How JSON is written and read."""

    decimal_format: Annotated[
        Literal["BASE64", "NUMERIC"],
        Meta(
            description="Whether Decimals are written as the base64 of their bytes (BASE64) or as numbers (NUMERIC).",
            extra_json_schema={"ignore_case": True},
        ),
    ] = "BASE64"
    use_optional_for_nonrequired: Annotated[
        bool, Meta(description="Whether properties that a schema does not require are optional when it is read.")
    ] = False
    replace_null_with_default: Annotated[
        bool, Meta(description="Whether a null where the schema has a default value is written and read as that default.")
    ] = True


class JsonSchemaConverter(RegistryConverter[JsonSchemaConverterConfig]):
    """JSON Schema with a registry, as Confluent's io.confluent.connect.json.JsonSchemaConverter writes and reads it."""

    schema_type = "JSON"

    def configure(self, configs: Any, is_key: bool | None = None) -> None:
        """Take the settings and check them; the registry is not asked yet."""
        super().configure(configs, is_key)
        config = self.config
        cache, replace = config.schemas_cache_config, config.replace_null_with_default
        self._writers = mapping.SchemaWriters(
            numeric_decimals=config.decimal_format == "NUMERIC", replace_nulls=replace, cache_size=cache
        )
        self._readers = mapping.SchemaReaders(replace_nulls=replace, cache_size=cache)

    def schema_text(self, schema: Schema) -> str:
        """Write a schema as JSON Schema."""
        return msgspec.json.encode(mapping.to_json_schema(schema, self._write_default)).decode()

    def connect_schema(self, registered: Registered, version: int | None) -> Schema:
        """Read a schema of the registry."""
        where = f"schema id {registered.id}"
        return mapping.to_connect(
            parse_schema(registered.text, where),
            self._read_default,
            references={name: parse_schema(text, where) for name, text in registered.references.items()},
            version=version,
            nonrequired_optional=self.config.use_optional_for_nonrequired,
        )

    def writing(self, schema: Schema, text: str, registered: Registered | None, prefix: bytes) -> Write:
        """Make the function that writes values of a schema."""
        write_node = self._writers.writer(schema)
        return lambda value: prefix + encode_lines([write_node(value)])[:-1]

    def reading(self, registered: Registered, schema: Schema | None, path: tuple[int, ...]) -> Read:
        """Make the function that reads messages written with a schema of the registry."""
        assert schema is not None
        read_node = self._readers.reader(schema)
        parse = parse_json_exactly if DECIMAL in registered.text else parse_json
        return lambda message: read_node(parse(message[HEADER_BYTES:]))

    def _write_default(self, schema: Schema, value: Any) -> Any:
        # A struct that is a default has the schema without that default.
        return self._writers.writer(value.schema if isinstance(value, Struct) else schema)(value)

    def _read_default(self, schema: Schema, node: Any) -> Any:
        return self._readers.reader(schema)(node)
