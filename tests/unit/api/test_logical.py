from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastconnect.api import logical
from fastconnect.api.schema import Schema
from fastconnect.errors import DataError


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("0.00", b"\0"),
        ("1.27", b"\x7f"),
        ("1.28", b"\0\x80"),
        ("-1.28", b"\x80"),
        ("-1.29", b"\xff\x7f"),
        ("655.36", b"\1\0\0"),
    ],
)
def test_a_decimal_is_its_unscaled_number_in_as_few_bytes_as_will_do(text: str, data: bytes) -> None:
    assert logical.decimal_to_bytes(Schema.decimal(2), Decimal(text)) == data
    assert str(logical.decimal_from_bytes(Schema.decimal(2), data)) == text


@given(st.integers(-(10**40), 10**40), st.integers(-3, 30))
def test_every_decimal_comes_back(unscaled: int, scale: int) -> None:
    value = Decimal(f"{unscaled}E{-scale}")
    schema = Schema.decimal(scale)
    assert logical.decimal_from_bytes(schema, logical.decimal_to_bytes(schema, value)).as_tuple() == value.as_tuple()


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        (Schema.decimal(2), Decimal("1.5"), "Schema has scale 2, value has scale 1."),
        (Schema.decimal(2), Decimal("NaN"), "NaN is not a number"),
        (Schema.bytes(), Decimal("1.5"), "Invalid Decimal schema: scale parameter not found."),
        (Schema.bytes(parameters={"scale": "x"}), Decimal(1), "Invalid scale parameter found in Decimal schema"),
    ],
)
def test_a_decimal_needs_the_scale_of_its_schema(schema: Schema, value: Decimal, message: str) -> None:
    with pytest.raises(DataError, match=message):
        logical.decimal_to_bytes(schema, value)


@given(st.dates())
def test_every_date_comes_back(value: datetime.date) -> None:
    assert logical.date_from_days(logical.date_to_days(value)) == value


def test_a_date_may_be_a_datetime_at_midnight_only() -> None:
    assert logical.date_to_days(datetime.datetime(1970, 1, 2)) == 1
    with pytest.raises(DataError, match="should not have any time fields set to non-zero values"):
        logical.date_to_days(datetime.datetime(1970, 1, 2, 0, 0, 0, 1000))


@given(st.times())
def test_every_time_comes_back_without_its_microseconds(value: datetime.time) -> None:
    whole = value.replace(microsecond=value.microsecond // 1000 * 1000, fold=0)
    assert logical.time_from_ms(logical.time_to_ms(value)) == whole


@given(st.datetimes(timezones=st.sampled_from([datetime.UTC, datetime.timezone(datetime.timedelta(hours=-9, minutes=30))])))
def test_every_timestamp_comes_back_in_utc(value: datetime.datetime) -> None:
    try:
        whole = value.replace(microsecond=value.microsecond // 1000 * 1000).astimezone(datetime.UTC)
    except OverflowError:
        return  # an hour before the year 1
    assert logical.timestamp_from_ms(logical.timestamp_to_ms(value)) == whole


def test_a_timestamp_without_a_time_zone_is_taken_as_utc() -> None:
    assert logical.timestamp_to_ms(datetime.datetime(1970, 1, 1, 0, 0, 1)) == 1000


def test_moments_that_python_cannot_hold_are_told() -> None:
    with pytest.raises(DataError, match="outside of the years 1 to 9999"):
        logical.timestamp_from_ms(2**62)
    with pytest.raises(DataError, match="outside of the years 1 to 9999"):
        logical.date_from_days(2**31 - 1)
    with pytest.raises(DataError, match="less than 86400000"):
        logical.time_from_ms(86400000)
