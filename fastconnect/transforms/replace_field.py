"""ReplaceField: leaves fields out, or takes only some over, and renames them. Source: Kafka Connect's ReplaceField."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from fastconnect.api.config import Check, Config, Fault, Meta, field
from fastconnect.api.schema import Schema, Struct, Type
from fastconnect.errors import DataError
from fastconnect.transforms.part import (
    PartTransform,
    Plan,
    ReplaceNull,
    like,
    list_faults,
    no_struct,
    reader,
    require_map,
    require_struct,
    struct_of,
)

_PURPOSE = "field replacement"


def _renames(pairs: Sequence[str]) -> dict[str, str]:
    """Read `old:new` pairs.

    Raises:
        ValueError: one is none.
    """
    renames = {}
    for pair in pairs:
        parts = pair.rstrip(":").split(":")
        if len(parts) != 2:
            raise ValueError(f"Invalid rename mapping: {pair}")
        renames[parts[0]] = parts[1]
    return renames


def _fault_of_renames(pairs: Sequence[str]) -> str | None:
    try:
        _renames(pairs)
    except ValueError as error:
        return str(error)
    return None


class ReplaceFieldConfig(Config):
    """Which fields stay, and what they are called."""

    exclude: Annotated[list[str], Meta(description="Fields that are left out, also if `include` names them.")] = field(
        default_factory=list
    )
    include: Annotated[list[str], Meta(description="Fields that stay; all do if it is empty.")] = field(default_factory=list)
    renames: Annotated[
        list[str], Check(_fault_of_renames), Meta(description="Fields and their new names, as `old1:new1,old2:new2`.")
    ] = field(default_factory=list)
    replace_null_with_default: ReplaceNull = True

    def check(self) -> Iterable[Fault]:
        """No name may be empty."""
        yield from list_faults("exclude", self.exclude, may_be_empty=True)
        yield from list_faults("include", self.include, may_be_empty=True)


class ReplaceField(PartTransform[ReplaceFieldConfig]):
    """Leaves out and renames fields of a key or value."""

    def configure(self, configs: Mapping[str, str | None]) -> None:
        """Take the settings and check them."""
        super().configure(configs)
        self._new_names = _renames(self.config.renames)
        self._exclude, self._include = frozenset(self.config.exclude), frozenset(self.config.include)

    def _stays(self, name: str) -> bool:
        return name not in self._exclude and (not self._include or name in self._include)

    def bare(self, value: Any) -> Any:
        """Return a map of the fields that stay, under their new names."""
        new_names = self._new_names
        return {new_names.get(name, name): inner for name, inner in require_map(value, _PURPOSE).items() if self._stays(name)}

    def plan(self, schema: Schema) -> Plan:
        """Make the schema of the fields that stay."""
        if schema.type is not Type.STRUCT:
            return no_struct(schema, _PURPOSE)
        kept = [(self._new_names.get(f.name, f.name), f.schema) for f in schema.fields if self._stays(f.name)]
        new = like(schema, kept)
        # A name that some field is renamed to means that field, even where the record lacks it and has one of the new name.
        old_names = {new_name: name for name, new_name in self._new_names.items()}
        sources = []
        checked = []
        for made in new.fields:
            source = schema.field(old_names.get(made.name, made.name))
            if source is None:
                raise DataError(f"{old_names[made.name]} is not a valid field name", hint="`renames` names it")
            if source.schema is not made.schema:
                checked.append(made)
            sources.append(source.index)
        read = reader(schema, replace_null=self.config.replace_null_with_default)

        def change(value: Any) -> Struct:
            values = read(require_struct(value, schema, _PURPOSE))
            return struct_of(new, [values[index] for index in sources], checked)

        return Plan(new, change)


class ReplaceFieldKey(ReplaceField):
    """Leaves out and renames fields of the key."""

    part = "key"


class ReplaceFieldValue(ReplaceField):
    """Leaves out and renames fields of the value."""
