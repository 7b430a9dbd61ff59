from __future__ import annotations

import datetime

import pytest
from fakes.transforms import configured, through

from fastconnect.api.schema import Schema, Struct
from fastconnect.api.transform import Record
from fastconnect.errors import DataError
from fastconnect.transforms.timestamp_converter import TimestampConverterValue

MOMENT = datetime.datetime(2024, 2, 29, 12, 34, 56, 789123, tzinfo=datetime.UTC)


def test_a_timestamp_that_stays_one_keeps_its_microseconds() -> None:
    transform = configured(TimestampConverterValue, {"target.type": "Timestamp"})

    after = through(transform, Record("t", MOMENT))

    assert after is not None
    assert after.value == MOMENT


def test_dates_and_times_become_timestamps() -> None:
    transform = configured(TimestampConverterValue, {"target.type": "Timestamp"})

    date = through(transform, Record("t", MOMENT.date(), Schema.date()))
    time = through(transform, Record("t", datetime.time(1, 2), Schema.time()))

    assert date is not None
    assert date.value == datetime.datetime(2024, 2, 29, tzinfo=datetime.UTC)
    assert time is not None
    assert time.value == datetime.datetime(1970, 1, 1, 1, 2, tzinfo=datetime.UTC)


def test_the_default_of_a_struct_is_converted_too() -> None:
    inner = Schema.struct({"at": Schema.int64()})
    schema = inner.with_default(Struct(inner, at=1000))
    transform = configured(TimestampConverterValue, {"target.type": "string", "format": "s.S", "field": "at"})

    after = through(transform, Record("t", Struct(schema, at=2500), schema))

    assert after is not None
    assert after.value["at"] == "2.500"
    assert after.value_schema is not None
    assert after.value_schema.default["at"] == "1.0"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("x", r"Could not parse timestamp: value \(x\) does not match pattern \(yyyy\) \(no number at 0\)"),
        (1.5, "TimestampConverter does not support class float objects as timestamps"),
        (10**15, "Invalid Timestamp: 1000000000000000 ms since 1970 are outside of the years 1 to 9999"),
    ],
)
def test_what_is_no_moment_is_refused(value: object, why: str) -> None:
    transform = configured(TimestampConverterValue, {"target.type": "Timestamp", "format": "yyyy"})

    with pytest.raises(DataError, match=why):
        through(transform, Record("t", value))
