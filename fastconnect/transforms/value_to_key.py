"""ValueToKey: makes the key of fields of the value. Source: Kafka Connect's ValueToKey."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from fastconnect.api.config import Config, Fault, Meta, field
from fastconnect.api.schema import Schema, Struct, Type
from fastconnect.api.transform import Records
from fastconnect.errors import DataError
from fastconnect.transforms.part import (
    PartTransform,
    Plan,
    ReplaceNull,
    list_faults,
    no_struct,
    reader,
    require_map,
    require_struct,
    struct_of,
)

_PURPOSE = "copying fields from value to key"


class ValueToKeyConfig(Config):
    """Which fields make the key."""

    fields_: Annotated[list[str], Meta(description="Names of the fields of the value that become the key.")] = field(
        name="fields"
    )
    replace_null_with_default: ReplaceNull = True

    def check(self) -> Iterable[Fault]:
        """There must be names."""
        return list_faults("fields", self.fields_)


class ValueToKey(PartTransform[ValueToKeyConfig]):
    """Makes the key of fields of the value."""

    skips_null = False

    def apply_batch(self, records: Records) -> Records:
        """Return the records with new keys."""
        made = super().apply_batch(records)
        schemas = records.value_schemas and [value.schema if isinstance(value, Struct) else None for value in records.values]
        return records.replace(keys=made.values, key_schemas=made.value_schemas, value_schemas=schemas)

    def bare(self, value: Any) -> Any:
        """Return a map of the fields; one that is missing is null."""
        old = require_map(value, _PURPOSE)
        return {name: old.get(name) for name in self.config.fields_}

    def plan(self, schema: Schema) -> Plan:
        """Make the key's schema of the value's."""
        if schema.type is not Type.STRUCT:
            return no_struct(schema, _PURPOSE)
        found = []
        for name in dict.fromkeys(self.config.fields_):
            known = schema.field(name)
            if known is None:
                names = ", ".join(field.name for field in schema.fields)
                raise DataError(f"Field does not exist: {name}", hint=f"the value has {names}")
            found.append(known)
        new = Schema.struct({known.name: known.schema for known in found})
        indexes = [known.index for known in found]
        read = reader(schema, replace_null=self.config.replace_null_with_default)

        def change(value: Any) -> Struct:
            values = read(require_struct(value, schema, _PURPOSE))
            return struct_of(new, [values[index] for index in indexes])

        return Plan(new, change)
