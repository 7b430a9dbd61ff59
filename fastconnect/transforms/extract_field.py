"""ExtractField: one field of a key or value takes its place. Source: Kafka Connect's ExtractField."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from fastconnect.api.config import Config, Fault, Meta
from fastconnect.api.schema import Schema, Type
from fastconnect.errors import DataError
from fastconnect.transforms.field_path import field_at, steps_of, value_in_map, value_in_struct
from fastconnect.transforms.part import PartTransform, Plan, ReplaceNull, require_map, require_struct

_PURPOSE = "field extraction"

FieldSyntax = Annotated[
    Literal["V1", "V2"],
    Meta(
        description="How fields are named: V1 is a plain name at the top, V2 a way through structs and maps with dots between "
        "its steps, where a name that has dots itself stands in backticks.",
        extra_json_schema={"importance": "HIGH", "ignore_case": True},
    ),
]


class ExtractFieldConfig(Config):
    """Which field is taken out."""

    field: Annotated[
        str, Meta(description="The field that takes the record's place.", extra_json_schema={"importance": "MEDIUM"})
    ]
    replace_null_with_default: ReplaceNull = True
    field_syntax_version: FieldSyntax = "V1"

    def check(self) -> Iterable[Fault]:
        """A path must be whole."""
        if self.field_syntax_version == "V2":
            try:
                if not steps_of(self.field):
                    yield Fault("field", "Invalid value  for configuration field: String must be non-empty")
            except ValueError as error:
                yield Fault("field", str(error))


class ExtractField(PartTransform[ExtractFieldConfig]):
    """Puts one field of a key or value in its place."""

    skips_null = False

    def configure(self, configs: Mapping[str, str | None]) -> None:
        """Take the settings and check them."""
        super().configure(configs)
        field = self.config.field
        self._steps = steps_of(field) if self.config.field_syntax_version == "V2" else [field]

    def bare(self, value: Any) -> Any:
        """Return the field of a map."""
        return None if value is None else value_in_map(require_map(value, _PURPOSE), self._steps)

    def plan(self, schema: Schema) -> Plan:
        """Find the field in a schema."""
        if schema.type is not Type.STRUCT:
            return Plan(None, lambda value: schema.field("") if value is None else require_struct(value, schema, _PURPOSE))
        steps, replace_null = self._steps, self.config.replace_null_with_default
        field = field_at(schema, steps)
        if field is None:
            known = ", ".join(field.name for field in schema.fields)
            raise DataError(f"Unknown field: {self.config.field}", hint=f"the record has {known}")

        def change(value: Any) -> Any:
            if value is None:
                return None
            return value_in_struct(require_struct(value, schema, _PURPOSE), steps, replace_null=replace_null)

        return Plan(field.schema, change)


class ExtractFieldKey(ExtractField):
    """Puts one field of the key in the key's place."""

    part = "key"


class ExtractFieldValue(ExtractField):
    """Puts one field of the value in the value's place."""
