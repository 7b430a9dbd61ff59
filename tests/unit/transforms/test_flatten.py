from __future__ import annotations

from fakes.transforms import configured, through

from fastconnect.api.schema import Schema, Struct
from fastconnect.api.transform import Record
from fastconnect.transforms.flatten import FlattenValue


def test_the_default_of_an_inner_struct_becomes_the_defaults_of_its_fields() -> None:
    bare = Schema.struct({"x": Schema.int64(), "y": Schema.string(default="own")})
    inner = bare.with_default(Struct(bare, x=7, y="theirs"))
    schema = Schema.struct({"in": inner})

    after = through(configured(FlattenValue), Record("t", Struct(schema), schema))

    assert after is not None
    assert after.value["in.x"] == 7
    assert after.value["in.y"] == "own"
    assert after.value_schema is not None
    assert after.value_schema.field("in.x").schema == Schema.int64(default=7)


def test_maps_within_maps_get_names_by_the_way_to_them() -> None:
    after = through(
        configured(FlattenValue, {"delimiter": "/"}), Record("t", {"a": {"b": {"c": 1}, "d": [{"e": 1}]}, "f": None})
    )

    assert after is not None
    assert after.value == {"a/b/c": 1, "a/d": [{"e": 1}], "f": None}
