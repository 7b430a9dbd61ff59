"""HeaderFrom: fields of a key or value become headers too, or instead. Source: Kafka Connect's HeaderFrom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, NamedTuple

from fastconnect.api.config import Check, Config, Fault, Meta, field
from fastconnect.api.schema import Schema, Struct, Type
from fastconnect.api.transform import Header, Records
from fastconnect.errors import DataError
from fastconnect.transforms.part import (
    PartTransform,
    Plan,
    ReplaceNull,
    like,
    no_struct,
    part_of,
    reader,
    require_map,
    require_struct,
    struct_of,
    with_part,
)

_NOT_EMPTY = Check(lambda names: None if names else "Empty list")


class HeaderFromConfig(Config):
    """Which fields become which headers."""

    fields_: Annotated[list[str], _NOT_EMPTY, Meta(description="Names of the fields that become headers.")] = field(
        name="fields"
    )
    headers: Annotated[list[str], _NOT_EMPTY, Meta(description="Names of the headers, in the order of the fields.")]
    operation: Annotated[
        Literal["move", "copy"],
        Meta(description="Whether the fields stay in the key or value (copy) or are taken out of it (move)."),
    ]
    replace_null_with_default: ReplaceNull = True

    def check(self) -> Iterable[Fault]:
        """There must be a header for each field."""
        if len(self.fields_) != len(self.headers):
            yield Fault("", "'fields' config must have the same number of elements as 'headers' config.")


class _Made(NamedTuple):
    """What becomes of one value: the value that is left, and the headers made of it."""

    value: Any
    headers: list[Header]


class HeaderFrom(PartTransform[HeaderFromConfig]):
    """Makes headers of fields."""

    skips_null = False

    def configure(self, configs: Mapping[str, str | None]) -> None:
        """Take the settings and check them."""
        super().configure(configs)
        self._pairs = list(zip(self.config.fields_, self.config.headers, strict=True))
        self._moves = self.config.operation == "move"
        self._purpose = f"header {self.config.operation}"

    def apply_batch(self, records: Records) -> Records:
        """Return the records with the new headers behind those they have."""
        made = super().apply_batch(records)
        values, schemas = part_of(made, self.part)
        before = records.headers or [None] * len(records)
        headers = [[*(old or ()), *new.headers] for old, new in zip(before, values, strict=True)]
        left = [new.value for new in values]
        return with_part(made, self.part, left, None if schemas is None else list(schemas)).replace(headers=headers)

    def bare(self, value: Any) -> _Made:
        """Make headers of a map's fields; one that is missing becomes a header without a value."""
        old = require_map(value, self._purpose)
        headers = [Header(header, old.get(name)) for name, header in self._pairs]
        if self._moves:
            value = {name: inner for name, inner in old.items() if name not in self.config.fields_}
        return _Made(value, headers)

    def plan(self, schema: Schema) -> Plan:
        """Find the fields in a schema, and make the schema that is left."""
        purpose, moves = self._purpose, self._moves
        if schema.type is not Type.STRUCT:
            return no_struct(schema, purpose)
        found = [(name, schema.field(name), header) for name, header in self._pairs]
        kept = [field for field in schema.fields if field.name not in self.config.fields_]
        left = like(schema, [(field.name, field.schema) for field in kept]) if moves else schema
        read = reader(schema, replace_null=self.config.replace_null_with_default)

        def change(value: Any) -> _Made:
            struct: Struct = require_struct(value, schema, purpose)
            values = read(struct)
            rest = struct_of(left, [values[field.index] for field in kept]) if moves else struct
            headers = []
            for name, known, header in found:
                if known is None:
                    names = ", ".join(field.name for field in schema.fields)
                    raise DataError(f"Field does not exist: {name}", hint=f"the record has {names}")
                if values[known.index] is None and not known.schema.is_optional:
                    raise DataError(f"A null value requires an optional schema but was {known.schema}")
                headers.append(Header(header, values[known.index], known.schema))
            return _Made(rest, headers)

        return Plan(left, change)


class HeaderFromKey(HeaderFrom):
    """Makes headers of fields of the key."""

    part = "key"


class HeaderFromValue(HeaderFrom):
    """Makes headers of fields of the value."""
