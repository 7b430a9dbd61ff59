from __future__ import annotations

import pytest
from fakes.transforms import configured, through

from fastconnect.api.schema import Schema, Struct
from fastconnect.api.transform import Record
from fastconnect.errors import DataError
from fastconnect.transforms.set_schema_metadata import SetSchemaMetadataValue


def test_the_default_of_a_struct_gets_the_new_schema_too() -> None:
    bare = Schema.struct({"id": Schema.int64()}, name="Old")
    schema = bare.with_default(Struct(bare, id=1))

    after = through(configured(SetSchemaMetadataValue, {"schema.name": "New"}), Record("t", Struct(schema, id=2), schema))

    assert after is not None
    assert after.value.schema is after.value_schema
    assert after.value_schema.name == "New"
    assert after.value_schema.default["id"] == 1


def test_a_value_without_a_schema_is_refused_with_advice() -> None:
    transform = configured(SetSchemaMetadataValue, {"schema.name": "New"})

    with pytest.raises(DataError, match=r"Schema required for \[updating schema metadata\] \(only a converter"):
        through(transform, Record("t", {"id": 1}))
