from __future__ import annotations

import pytest
from fakes.transforms import configured, through

from fastconnect.api.schema import Schema, Struct
from fastconnect.api.transform import Record, Records
from fastconnect.errors import DataError
from fastconnect.transforms.cast import CastValue


def test_a_batch_of_maps_is_cast_field_by_field() -> None:
    transform = configured(CastValue, {"spec": "id:string,price:int8"})

    after = transform.apply_batch(Records("t", [{"id": 1, "price": 300.9, "x": "y"}, None, {"id": True}]))

    assert after.values == [{"id": "1", "price": 44, "x": "y"}, None, {"id": "true", "price": None}]


def test_a_float_of_32_bits_without_a_schema_is_written_with_few_digits() -> None:
    after = through(configured(CastValue, {"spec": "float32"}), Record("t", 0.123456789))

    assert after is not None
    assert repr(after.value) == "0.12345679"


def test_a_struct_with_a_default_cannot_be_cast_as_in_kafka_connect() -> None:
    bare = Schema.struct({"id": Schema.int64()})
    schema = bare.with_default(Struct(bare, id=1))

    with pytest.raises(DataError, match="Cast transformation does not support casting from STRUCT"):
        through(configured(CastValue, {"spec": "id:string"}), Record("t", Struct(schema, id=2), schema))
