"""SetSchemaMetadata: gives the schema of a key or value another name or version. Source: Kafka Connect's SetSchemaMetadata."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from fastconnect.api.config import Check, Config, Fault, Meta
from fastconnect.api.schema import Schema, Struct
from fastconnect.errors import DataError
from fastconnect.transforms.part import PartTransform, Plan, ReplaceNull, reader, struct_of

_HIGH = {"importance": "HIGH"}


class SetSchemaMetadataConfig(Config):
    """The new name and version."""

    schema_name: Annotated[str | None, Meta(description="The schema's new name.", extra_json_schema=_HIGH)] = None
    schema_version: Annotated[
        int | None,
        Check(lambda version: None if -(2**31) <= version < 2**31 else "Not a number of type INT"),
        Meta(description="The schema's new version.", extra_json_schema=_HIGH),
    ] = None
    replace_null_with_default: ReplaceNull = True

    def check(self) -> Iterable[Fault]:
        """One of them must be said."""
        if self.schema_name is None and self.schema_version is None:
            yield Fault("", "Neither schema name nor version configured")


class SetSchemaMetadata(PartTransform[SetSchemaMetadataConfig]):
    """Gives the schema of a key or value another name or version."""

    skips_null = False

    def bare(self, value: Any) -> Any:
        """Refuse a value without a schema, unless it is none at all."""
        if value is None:
            return None
        raise DataError(
            "Schema required for [updating schema metadata]", hint="only a converter that keeps schemas gives records some"
        )

    def plan(self, schema: Schema) -> Plan:
        """Make the schema anew."""
        name = schema.name if self.config.schema_name is None else self.config.schema_name
        version = schema.version if self.config.schema_version is None else self.config.schema_version
        fields = schema.fields  # refuses what is no struct, as Kafka Connect does
        read = reader(schema, replace_null=self.config.replace_null_with_default)
        new = schema.but(name=name, version=version, default=None)
        if schema.default is not None:
            new = new.with_default(Struct(new, {f.name: schema.default.get_without_default(f.name) for f in fields}))

        def change(value: Any) -> Any:
            return struct_of(new, read(value)) if isinstance(value, Struct) else value

        return Plan(new, change)


class SetSchemaMetadataKey(SetSchemaMetadata):
    """Gives the key's schema another name or version."""

    part = "key"


class SetSchemaMetadataValue(SetSchemaMetadata):
    """Gives the value's schema another name or version."""
