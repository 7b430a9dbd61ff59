"""HoistField: puts the whole key or value into a struct or map, as its only field. Source: Kafka Connect's HoistField."""

from __future__ import annotations

from typing import Annotated, Any

from fastconnect.api.config import Config, Meta
from fastconnect.api.schema import Schema, Struct
from fastconnect.api.transform import Records
from fastconnect.transforms.part import PartTransform, Plan


class HoistFieldConfig(Config):
    """What the field is called."""

    field: Annotated[
        str,
        Meta(description="What the only field of the new struct or map is called.", extra_json_schema={"importance": "MEDIUM"}),
    ]


class HoistField(PartTransform[HoistFieldConfig]):
    """Puts a key or value into a struct or map of one field."""

    skips_null = False

    def bare_batch(self, values: list[Any], records: Records) -> list[Any]:
        """Return a map for each value."""
        name = self.config.field
        return [{name: value} for value in values]

    def bare(self, value: Any) -> Any:
        """Return a map with the value in it."""
        return {self.config.field: value}

    def plan(self, schema: Schema) -> Plan:
        """Make a schema around a schema."""
        name = self.config.field
        new = Schema.struct({name: schema})
        return Plan(new, lambda value: Struct(new).put(name, value))


class HoistFieldKey(HoistField):
    """Puts the key into a struct or map."""

    part = "key"


class HoistFieldValue(HoistField):
    """Puts the value into a struct or map."""
