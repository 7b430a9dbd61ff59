from __future__ import annotations

import datetime
import decimal
from typing import Any

import pytest
from fakes.transforms import configured, through

from fastconnect.api.schema import Schema, Struct
from fastconnect.api.transform import Header, Record, Records
from fastconnect.errors import DataError
from fastconnect.transforms.expression import Expression

pytest.importorskip("cel_expr_python")

ORDER = Schema.struct(
    {
        "id": Schema.int64(),
        "price": Schema.decimal(2, optional=True),
        "at": Schema.timestamp(optional=True),
        "rate": Schema.float64(optional=True),
    },
    name="Order",
)


def test_records_are_kept_by_an_expression_over_all_they_have() -> None:
    transform = configured(
        Expression, {"filter": "value.id > 1 && key == 'k' && topic.startsWith('t') && headers.h == 5 && timestamp >= 7"}
    )
    columns: dict[str, Any] = {"keys": ["k"] * 3, "headers": [[Header("h", 5)]] * 3, "timestamps": [7] * 3}

    after = transform.apply_batch(Records("t", [{"id": 1}, {"id": 2}, {"id": 3}], **columns))

    assert after.values == [{"id": 2}, {"id": 3}]
    assert list(after.rows) == [1, 2]


def test_a_batch_of_which_all_is_kept_stays_as_it_is() -> None:
    records = Records("t", [{"id": 1}, {"id": 2}])

    assert configured(Expression, {"filter": "true"}).apply_batch(records) is records


def test_records_are_routed_and_reshaped_as_they_came() -> None:
    transform = configured(
        Expression,
        {"topic": "topic + '-' + value.country", "set.id": "value.id * 2", "set.twice": "value.id", "drop": "country,x"},
    )

    after = through(transform, Record("orders", {"id": 4, "country": "de"}))

    assert after is not None
    assert (after.topic, after.value) == ("orders-de", {"id": 8, "twice": 4})


def test_tombstones_are_filtered_and_routed_but_have_no_fields_to_set() -> None:
    transform = configured(Expression, {"filter": "value == null", "set.a": "1", "topic": "'gone'"})

    after = through(transform, Record("t", None))

    assert after == Record("gone", None)


def test_a_struct_keeps_its_schema_and_new_fields_get_theirs_from_the_expression() -> None:
    transform = configured(
        Expression,
        {"set.id": "value.id + 1", "set.rate": "3", "set.late": "timestamp(value.at) > timestamp(0)", "drop": "price"},
    )
    value = Struct(ORDER, id=1, price=decimal.Decimal("1.50"), at=datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC))

    after = through(transform, Record("t", value, ORDER))

    assert after is not None
    assert after.value_schema == Schema.struct(
        {
            "id": Schema.int64(),
            "at": Schema.timestamp(optional=True),
            "rate": Schema.float64(optional=True),
            "late": Schema.boolean(optional=True),
        },
        name="Order",
    )
    assert (after.value["id"], after.value["rate"], after.value["late"]) == (2, 3.0, True)


def test_a_decimal_is_a_double_to_expressions() -> None:
    transform = configured(Expression, {"filter": "value.price > 1.0"})

    assert through(transform, Record("t", Struct(ORDER, id=1, price=decimal.Decimal("1.50")), ORDER))


@pytest.mark.parametrize(
    ("config", "record", "why"),
    [
        (
            {"filter": "value.nope > 1"},
            Record("t", {}),
            r"value.nope > 1 has no value: .*not found.*has\(value.x\) asks for a field",
        ),
        ({"filter": "value.a * 2.0 > 1.0"}, Record("t", {"a": 1}), r"int and double do not mix: write double\(value.x\)"),
        ({"filter": "value.a"}, Record("t", {"a": 1}), "value.a is neither true nor false: 1"),
        ({"topic": "value.a"}, Record("t", {"a": 1}), "value.a is no name of a topic: 1"),
        (
            {"set.a": "1"},
            Record("t", "text"),
            r"Only Map objects supported in absence of schema for \[setting fields\], found: str",
        ),
        ({"set.new": "value.id"}, Record("t", Struct(ORDER, id=1), ORDER), r"write set.new=string\(value.id\), or int"),
        ({"filter": "value.a > 1"}, Record("t", {"a": datetime.time()}), "Non-CEL value type"),
    ],
)
def test_a_record_that_cannot_be_asked_is_bad_data_and_says_why(config: dict[str, str], record: Record, why: str) -> None:
    with pytest.raises(DataError, match=why):
        through(configured(Expression, config), record)
