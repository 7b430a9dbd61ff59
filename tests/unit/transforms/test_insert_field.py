from __future__ import annotations

import datetime

import pytest
from fakes.transforms import configured

from fastconnect.api.schema import Schema, Struct
from fastconnect.api.transform import Records
from fastconnect.errors import DataError
from fastconnect.transforms.insert_field import InsertFieldValue

EVERYTHING = {
    "topic.field": "topic",
    "partition.field": "partition",
    "timestamp.field": "at!",
    "static.field": "source?",
    "static.value": "shop",
}


def test_each_record_gets_what_it_has() -> None:
    transform = configured(InsertFieldValue, EVERYTHING)

    after = transform.apply_batch(Records(["a", "b"], [{"id": 1}, {"id": 2}], partitions=[3, None], timestamps=[None, 7]))

    assert after.values == [
        {"id": 1, "topic": "a", "partition": 3, "source": "shop"},
        {"id": 2, "topic": "b", "at": 7, "source": "shop"},
    ]


def test_with_a_schema_a_timestamp_is_one_and_required_fields_are_marked() -> None:
    transform = configured(InsertFieldValue, EVERYTHING)
    schema = Schema.struct({"id": Schema.int64()})

    after = transform.apply_batch(Records("t", [Struct(schema, id=1)], value_schemas=[schema], timestamps=[0]))

    assert after.values[0]["at"] == datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    assert after.value_schemas[0].field("at").schema == Schema.timestamp()
    assert after.value_schemas[0].field("source").schema == Schema.string(optional=True)


def test_tombstones_pass_among_other_values() -> None:
    transform = configured(InsertFieldValue, {"static.field": "s", "static.value": "v"})

    assert transform.apply_batch(Records("t", [{"a": 1}, None])).values == [{"a": 1, "s": "v"}, None]


def test_an_offset_is_inserted_for_sinks_and_refused_for_sources() -> None:
    transform = configured(InsertFieldValue, {"offset.field": "o"})

    assert transform.apply_batch(Records("t", [{}], offsets=[12])).values == [{"o": 12}]
    with pytest.raises(DataError, match=r"found: a record of a source \(offset.field is for sink connectors\)"):
        transform.apply_batch(Records("t", [{}]))
