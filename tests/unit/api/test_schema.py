from __future__ import annotations

import copy
import datetime
import decimal

import pytest

from fastconnect.api.schema import DECIMAL, Schema, Struct, Type
from fastconnect.errors import DataError

ORDER = Schema.struct(
    {"id": Schema.int64(), "note": Schema.string().optional(), "count": Schema.int32().with_default(1)},
    name="com.example.Order",
)


def test_schemas_that_say_the_same_are_equal_and_have_one_hash() -> None:
    again = Schema.struct([(f.name, f.schema) for f in ORDER.fields]).named("com.example.Order")
    assert again == ORDER
    assert hash(again) == hash(ORDER)
    assert {again: 1}[ORDER] == 1


@pytest.mark.parametrize(
    "other",
    [
        Schema.int32(),
        Schema.int64().optional(),
        Schema.int64(name="n"),
        Schema.int64(version=2),
        Schema.int64(doc="d"),
        Schema.int64(parameters={"a": "b"}),
        Schema.int64(default=7),
    ],
)
def test_schemas_that_differ_in_anything_are_not_equal(other: Schema) -> None:
    assert other != Schema.int64()


def test_a_schema_is_never_changed() -> None:
    schema = Schema.string()
    with pytest.raises(AttributeError, match="never changed"):
        schema.name = "other"
    assert schema.named("other").name == "other"
    assert schema.name is None
    assert copy.deepcopy(schema) is schema


def test_another_schema_keeps_all_that_was_not_changed() -> None:
    schema = Schema.decimal(2, optional=True, default=decimal.Decimal("1.00"))
    told = schema.with_doc("the price")
    assert (told.type, told.name, told.version, told.doc, told.is_optional) == (Type.BYTES, DECIMAL, 1, "the price", True)
    assert (told.parameters, told.default) == ({"scale": "2"}, decimal.Decimal("1.00"))
    assert told.required().with_default(None).named("price", 2) == Schema.bytes(
        name="price", version=2, doc="the price", parameters={"scale": "2"}
    )


def test_a_default_must_fit_its_schema() -> None:
    with pytest.raises(
        DataError, match="Invalid default value: Invalid Java object for schema with type INT32: class str for value"
    ):
        Schema.int32(default="7")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([("", Schema.int8())], "fieldName cannot be null."),
        ([("a", None)], "fieldSchema for field a cannot be null."),
        ([("a", Schema.int8()), ("a", Schema.int8())], "Cannot create field because of field name duplication a"),
    ],
)
def test_fields_have_names_and_schemas_of_their_own(fields: list[tuple[str, Schema]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Schema.struct(fields)


def test_only_a_struct_has_fields() -> None:
    with pytest.raises(DataError, match="Cannot list fields on non-struct type"):
        _ = Schema.int8().fields
    with pytest.raises(DataError, match="Cannot look up fields on non-struct type"):
        Schema.int8().field("a")
    assert [field.name for field in ORDER.fields] == ["id", "note", "count"]
    assert ORDER.field("nope") is None


NOON = datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (Schema.int8(), -128),
        (Schema.int64(), 2**63 - 1),
        (Schema.float64(), 1),
        (Schema.float32(), 1.5),
        (Schema.boolean(), False),
        (Schema.string(), "x"),
        (Schema.bytes(), bytearray(b"x")),
        (Schema.array(Schema.int8()), [1, 2]),
        (Schema.map(Schema.string(), Schema.int8().optional()), {"a": None}),
        (Schema.decimal(2), decimal.Decimal("1.50")),
        (Schema.date(), NOON.date()),
        (Schema.time(), NOON.time()),
        (Schema.timestamp(), NOON),
        (Schema.string().optional(), None),
        (ORDER, Struct(ORDER, id=1)),
    ],
)
def test_a_fitting_value_is_accepted(schema: Schema, value: object) -> None:
    schema.validate(value)


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        (Schema.int8(), None, "Invalid value: null used for required value, schema type: INT8"),
        (Schema.int8(), 128, "Invalid value: 128 does not fit into 8 bits for value, schema type: INT8"),
        (Schema.int8(), True, "Invalid Java object for schema with type INT8: class bool for value"),
        (Schema.boolean(), 1, "Invalid Java object for schema with type BOOLEAN: class int for value"),
        (Schema.string(name="n"), 1, 'Invalid Java object for schema "n" with type STRING: class int for value'),
        (
            Schema.date(),
            1,
            'Invalid Java object for schema "org.apache.kafka.connect.data.Date" with type INT32: class int for value',
        ),
        (Schema.array(Schema.int8()), [1, "x"], "with type INT8: class str for element of array value"),
        (Schema.map(Schema.int8(), Schema.int8()), {"a": 1}, "with type INT8: class str for key of map value"),
        (Schema.map(Schema.int8(), Schema.int8()), {1: None}, "null used for required value of map value, schema type: INT8"),
        (ORDER, Struct(Schema.struct({})), "Struct schemas do not match."),
        (ORDER, Struct(ORDER), 'Invalid value: null used for required field: "id", schema type: INT64'),
    ],
)
def test_what_does_not_fit_is_told_in_kafka_connects_words(schema: Schema, value: object, message: str) -> None:
    with pytest.raises(DataError) as caught:
        schema.validate(value)
    assert message in caught.value.message


def test_a_struct_reads_what_was_put_then_the_default_then_none() -> None:
    order = Struct(ORDER, {"id": 7})
    assert (order["id"], order["count"], order["note"]) == (7, 1, None)
    assert order.get_without_default("count") is None
    order["note"] = "late"
    assert order.put("count", 3) is order
    assert list(order) == ["id", "note", "count"]
    assert repr(order) == "Struct{id=7,note='late',count=3}"
    order.validate()


def test_a_struct_refuses_unknown_fields_and_wrong_values() -> None:
    with pytest.raises(DataError, match="nope is not a valid field name"):
        Struct(ORDER)["nope"]
    with pytest.raises(DataError, match='Invalid Java object for schema with type INT64: class str for field: "id"'):
        Struct(ORDER, id="7")
    with pytest.raises(DataError, match='null used for required field: "id"'):
        Struct(ORDER).put("id", None)
    with pytest.raises(DataError, match=r"Not a struct schema: Schema\{INT8\}"):
        Struct(Schema.int8())


def test_structs_with_the_same_schema_and_values_are_equal() -> None:
    assert Struct(ORDER, id=1) == Struct(ORDER, {"id": 1})
    assert Struct(ORDER, id=1) != Struct(ORDER, id=2)
    assert hash(Struct(ORDER, id=1)) == hash(Struct(ORDER, id=1))
