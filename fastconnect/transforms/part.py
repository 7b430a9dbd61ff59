"""What the transforms of one part of a record, its key or its value, have in common.

A transform says what becomes of a value without a schema (`bare`), and for each schema once what becomes of its values
(`plan`); here is how that is applied to many records. Schemas are made once: the same schema in gives the same schema out.

Source of the error texts: Kafka Connect's org.apache.kafka.connect.transforms.util.Requirements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeVar

from fastconnect.api.config import Config, Fault, Meta
from fastconnect.api.schema import Field, Schema, Struct, class_text
from fastconnect.api.transform import Records, Transform
from fastconnect.errors import DataError

C = TypeVar("C", bound=Config)

ReplaceNull = Annotated[
    bool,
    Meta(description="Whether a field that is null, and whose schema has a default, is taken to be that default."),
]

_SCHEMAS_KEPT = 1024  # more than any topic has at once; a source that makes a new one for each record must not fill the memory


class Plan(NamedTuple):
    """What is done with the values of one schema."""

    schema: Schema | None
    """The schema that they have afterwards."""
    change: Callable[[Any], Any]


class PartTransform(Transform[C]):
    """Changes the key or the value of records, whichever `part` says."""

    part: ClassVar[Literal["key", "value"]] = "value"
    skips_null: ClassVar[bool] = True
    """Whether a record is left as it is, schema and all, if its key or value is None."""

    def configure(self, configs: Mapping[str, str | None]) -> None:
        """Take the settings and check them."""
        super().configure(configs)
        self._plans: dict[Schema, Plan] = {}

    def bare(self, value: Any) -> Any:
        """Return what becomes of a value without a schema."""
        raise NotImplementedError

    def plan(self, schema: Schema) -> Plan:
        """Say what becomes of the values of a schema; asked once for each."""
        raise NotImplementedError

    def apply_batch(self, records: Records) -> Records:
        """Return the records with this part changed."""
        values, schemas = part_of(records, self.part)
        if schemas is None:
            return with_part(records, self.part, self.bare_batch(values, records), None)
        changed: list[Any] = []
        new_schemas: list[Schema | None] = []
        last: Schema | None = None
        plan = bare = Plan(None, self.bare)
        for value, schema in zip(values, schemas, strict=True):
            if value is None and self.skips_null:
                changed.append(None)
                new_schemas.append(schema)
                continue
            if schema is not last:
                plan = bare if schema is None else self.plan_of(schema)
                last = schema
            changed.append(plan.change(value))
            new_schemas.append(plan.schema)
        return with_part(records, self.part, changed, new_schemas)

    def bare_batch(self, values: list[Any], records: Records) -> list[Any]:
        """Return what becomes of many values without a schema."""
        bare = self.bare
        if self.skips_null:
            return [None if value is None else bare(value) for value in values]
        return [bare(value) for value in values]

    def plan_of(self, schema: Schema) -> Plan:
        """Return the plan for a schema, made the first time."""
        plan = self._plans.get(schema)
        if plan is None:
            if len(self._plans) >= _SCHEMAS_KEPT:
                del self._plans[next(iter(self._plans))]
            plan = self._plans[schema] = self.plan(schema)
        return plan


def part_of(records: Records, part: Literal["key", "value"]) -> tuple[list[Any], Sequence[Schema | None] | None]:
    """Return all keys or values, and their schemas (None if none has one)."""
    if part == "value":
        return records.values, records.value_schemas
    return [None] * len(records) if records.keys is None else records.keys, records.key_schemas


def with_part(
    records: Records, part: Literal["key", "value"], values: list[Any], schemas: list[Schema | None] | None
) -> Records:
    """Return the records with other keys or values."""
    if part == "value":
        return records.replace(values=values, value_schemas=schemas)
    return records.replace(keys=values, key_schemas=schemas)


def require_map(value: Any, purpose: str) -> Any:
    """Return a value without a schema if it is a map.

    Raises:
        DataError: it is something else.
    """
    if not isinstance(value, Mapping):
        raise DataError(f"Only Map objects supported in absence of schema for [{purpose}], found: {_class_name(value)}")
    return value


def require_struct(value: Any, schema: Schema | None, purpose: str) -> Struct:
    """Return a value with a schema if it is a struct (with the fields of this schema, if one is given).

    Kafka Connect does not compare a record's schema with that of its struct; often one of them is optional and the other not.

    Raises:
        DataError: it is something else.
    """
    if not isinstance(value, Struct):
        raise DataError(f"Only Struct objects supported for [{purpose}], found: {_class_name(value)}")
    if schema is not None and value.schema is not schema and (schema.type != "STRUCT" or value.schema.fields != schema.fields):
        raise DataError("Struct schemas do not match.")
    return value


def _class_name(value: Any) -> str:
    return "null" if value is None else class_text(value).removeprefix("class ")


def no_struct(schema: Schema, purpose: str) -> Plan:
    """Return the plan for a schema that is none of a struct: its values are refused, by their class."""
    return Plan(None, lambda value: require_struct(value, schema, purpose))


def like(schema: Schema, fields: Iterable[tuple[str, Schema]], **more: Any) -> Schema:
    """Make a struct schema of other fields; name, version, doc and parameters are kept, optional and default are not."""
    basics = {"name": schema.name, "version": schema.version, "doc": schema.doc, "parameters": schema.parameters}
    return Schema.struct(list(fields), **{**basics, **more})


def reader(schema: Schema, *, replace_null: bool) -> Callable[[Struct], list[Any]]:
    """Make a function that reads the values of a struct as `Struct.get` does, or as they were put."""
    defaults = [field.schema.default for field in schema.fields]
    if not replace_null or all(default is None for default in defaults):
        return lambda struct: list(struct.values_without_defaults())
    return lambda struct: [
        default if value is None else value for value, default in zip(struct.values_without_defaults(), defaults, strict=True)
    ]


def struct_of(schema: Schema, values: list[Any], checked: Sequence[Field] | None = None) -> Struct:
    """Make a struct of values in the order of its fields.

    Values that come from a struct with the same field have been checked as they were put there: only what is None is looked
    at, and the values of the fields in `checked`.

    Raises:
        DataError: a value does not fit.
    """
    check_nulls(schema, values)
    if checked is not None:
        for field in checked:
            field.schema.validate(values[field.index], field.name)
    return unchecked_struct(schema, values)


def check_nulls(schema: Schema, values: list[Any]) -> None:
    """Raise DataError if one of these values of a struct is None and must not be."""
    if None in values:
        for field, value in zip(schema.fields, values, strict=True):
            if value is None:
                field.schema.validate(None, field.name)


def unchecked_struct(schema: Schema, values: list[Any]) -> Struct:
    """Make a struct of values that are known to fit."""
    struct = Struct.__new__(Struct)
    struct.schema = schema
    struct._values = values
    return struct


def list_faults(key: str, values: Sequence[str], *, may_be_empty: bool = False) -> Iterable[Fault]:
    """Yield what is wrong with a list of names; one that comes twice is counted once. Source: Kafka's ConfigDef.ValidList."""
    if not values and not may_be_empty:
        yield Fault(key, f"Configuration '{key}' must not be empty. Valid values include: any non-empty value")
    if "" in values:
        yield Fault(key, f"Configuration '{key}' values must not be empty.")
