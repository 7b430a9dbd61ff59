"""What all transforms of a key or a value share."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.transforms import configured, through

from fastconnect.api.schema import Schema, Struct
from fastconnect.api.transform import Record, Records
from fastconnect.errors import DataError
from fastconnect.transforms.cast import CastValue
from fastconnect.transforms.extract_field import ExtractFieldValue
from fastconnect.transforms.flatten import FlattenValue
from fastconnect.transforms.header_from import HeaderFromValue
from fastconnect.transforms.hoist_field import HoistFieldValue
from fastconnect.transforms.insert_field import InsertFieldKey, InsertFieldValue
from fastconnect.transforms.mask_field import MaskFieldKey, MaskFieldValue
from fastconnect.transforms.replace_field import ReplaceFieldValue
from fastconnect.transforms.set_schema_metadata import SetSchemaMetadataValue
from fastconnect.transforms.timestamp_converter import TimestampConverterValue
from fastconnect.transforms.value_to_key import ValueToKey

ORDER = Schema.struct({"id": Schema.int64(), "note": Schema.string(optional=True), "ts": Schema.int64(default=5)}, name="Order")
EVERY: list[tuple[type[Any], dict[str, str]]] = [
    (CastValue, {"spec": "id:string"}),
    (ExtractFieldValue, {"field": "id"}),
    (FlattenValue, {}),
    (HeaderFromValue, {"fields": "id", "headers": "h", "operation": "move"}),
    (HoistFieldValue, {"field": "f"}),
    (InsertFieldValue, {"static.field": "s", "static.value": "v"}),
    (MaskFieldValue, {"fields": "id"}),
    (ReplaceFieldValue, {"renames": "id:key"}),
    (SetSchemaMetadataValue, {"schema.name": "New"}),
    (TimestampConverterValue, {"field": "ts", "target.type": "Timestamp"}),
    (ValueToKey, {"fields": "id"}),
]


@pytest.mark.parametrize(("cls", "config"), EVERY)
def test_the_same_schema_in_gives_the_same_schema_out(cls: type[Any], config: dict[str, str]) -> None:
    transform = configured(cls, config)
    equal = Schema.struct({field.name: field.schema for field in ORDER.fields}, name="Order")
    schemas: list[Schema | None] = [ORDER, equal, ORDER]
    values = [Struct(schema, id=i) for i, schema in enumerate((ORDER, equal, ORDER))]

    first = transform.apply_batch(Records("t", values, value_schemas=schemas))
    second = transform.apply_batch(Records("t", values[:1], value_schemas=schemas[:1]))

    made = [*(first.key_schemas or first.value_schemas), *(second.key_schemas or second.value_schemas)]
    assert len({id(schema) for schema in made}) == 1


@pytest.mark.parametrize(("cls", "config"), EVERY)
def test_nothing_that_was_given_is_changed(cls: type[Any], config: dict[str, str]) -> None:
    transform = configured(cls, config)
    value, struct = {"id": 7, "note": {"x": [1]}, "ts": 5}, Struct(ORDER, id=7, note="x")
    before = Records("t", [value, struct], value_schemas=[None, ORDER], headers=[None, []])

    if cls is not SetSchemaMetadataValue:
        transform.apply_batch(before)
    transform.apply_batch(before.select([1]))

    assert value == {"id": 7, "note": {"x": [1]}, "ts": 5}
    assert struct == Struct(ORDER, id=7, note="x")
    assert before.values == [value, struct]
    assert before.headers == [None, []]


def test_records_with_and_without_a_schema_may_be_mixed() -> None:
    transform = configured(InsertFieldValue, {"static.field": "s", "static.value": "v"})
    values = [{"id": 1}, Struct(ORDER, id=2), None, {"id": 3}, Struct(ORDER, id=4)]

    after = transform.apply_batch(Records("t", values, value_schemas=[None, ORDER, ORDER, None, ORDER]))

    assert after.values[0] == {"id": 1, "s": "v"}
    assert after.values[1]["s"] == after.values[4]["s"] == "v"
    assert after.values[2] is None
    assert after.value_schemas == [None, after.values[1].schema, ORDER, None, after.values[4].schema]


def test_a_key_transform_changes_keys_alone() -> None:
    transform = configured(MaskFieldKey, {"fields": "id"})

    after = through(transform, Record("t", value={"id": 1}, key={"id": 1}))

    assert after is not None
    assert (after.key, after.value) == ({"id": 0}, {"id": 1})


def test_records_without_keys_pass_a_key_transform_that_passes_nulls() -> None:
    transform = configured(InsertFieldKey, {"topic.field": "t"})

    assert transform.apply_batch(Records("t", [1, 2])).keys == [None, None]


@pytest.mark.parametrize("schema", [None, Schema.string()])
def test_a_value_of_another_kind_is_refused_by_its_class(schema: Schema | None) -> None:
    transform = configured(MaskFieldValue, {"fields": "id"})
    what = "Map objects supported in absence of schema" if schema is None else "Struct objects supported"

    with pytest.raises(DataError, match=rf"Only {what} for \[mask fields\], found: str"):
        through(transform, Record("t", "text", schema))


def test_a_struct_with_other_fields_than_its_record_s_schema_is_refused() -> None:
    transform = configured(MaskFieldValue, {"fields": "id"})

    with pytest.raises(DataError, match="Struct schemas do not match"):
        through(transform, Record("t", Struct(Schema.struct({"id": Schema.string()}), id="x"), ORDER))


def test_an_optional_schema_may_come_with_a_struct_whose_schema_is_not() -> None:
    transform = configured(ReplaceFieldValue, {"include": "id"})

    after = through(transform, Record("t", Struct(ORDER, id=7), ORDER.optional()))

    assert after is not None
    assert after.value["id"] == 7
