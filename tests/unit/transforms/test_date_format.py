"""SimpleDateFormat's patterns; more cases, recorded from Java, are in tests/compat/test_transforms.py."""

from __future__ import annotations

import datetime

import hypothesis.strategies as st
import pytest
from hypothesis import given

from fastconnect.transforms.date_format import DateFormat, day_of, days_to

EPOCH = datetime.date(1970, 1, 1).toordinal()


@given(st.dates(min_value=datetime.date(1582, 10, 15)))
def test_days_are_those_of_the_gregorian_calendar_since_1582(date: datetime.date) -> None:
    days = date.toordinal() - EPOCH

    day = day_of(days)

    assert (day.year, day.month, day.day) == (date.year, date.month, date.day)
    assert day.weekday == date.isoweekday() % 7
    assert day.of_year == date.timetuple().tm_yday
    assert days_to(date.year, date.month, date.day) == days


@given(st.integers(-(10**7), 10**7))
def test_a_day_is_found_again(days: int) -> None:
    day = day_of(days)

    assert days_to(day.year, day.month, day.day) == days


@given(st.datetimes(min_value=datetime.datetime(1600, 1, 1)))
def test_what_is_written_is_read_again(moment: datetime.datetime) -> None:
    ms = (moment - datetime.datetime(1970, 1, 1)) // datetime.timedelta(milliseconds=1)
    plain, wordy = DateFormat("yyyy-MM-dd HH:mm:ss.SSS"), DateFormat("EEEE d MMMM yyyy, h:mm:ss.SSS a z")

    assert plain.parse(plain.format(ms)) == ms
    assert wordy.parse(wordy.format(ms)) == ms


@pytest.mark.parametrize(
    ("pattern", "step_ms"),
    [("yyyyMMdd", 86_400_000), ("yyyy-MM-dd HH", 3_600_000), ("h a", 3_600_000), ("HH:mm", 60_000), ("s", 1000), ("S", 1)],
)
def test_the_step_says_how_long_a_text_stays_the_same(pattern: str, step_ms: int) -> None:
    assert DateFormat(pattern).step_ms == step_ms


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("yyyyb", "Illegal pattern character 'b'"),
        ("'open", "Unterminated quote"),
        ("XXXX", "invalid ISO 8601 format: length=4"),
    ],
)
def test_what_is_no_pattern_is_refused(pattern: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        DateFormat(pattern)


def test_a_week_can_be_written_but_not_read() -> None:
    assert DateFormat("YYYY-ww").format(0) == "1970-01"
    with pytest.raises(ValueError, match="the pattern letter Y can be written, but not read"):
        DateFormat("YYYY-ww").parse("1970-01")
