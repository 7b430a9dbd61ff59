"""The logical types: what Decimal, Date, Time and Timestamp are made of, and back.

Each is a plain Kafka Connect type with a well-known schema name. Converters write the plain value: Decimal as the bytes of its
unscaled number (two's complement, big-endian, as few as will do), Date as days since 1970, Time as milliseconds of the day,
Timestamp as milliseconds since 1970 in UTC.

Source: Kafka Connect's classes Decimal, Date, Time and Timestamp in org.apache.kafka.connect.data.
"""

from __future__ import annotations

import datetime
import decimal
from typing import Any

from fastconnect.api.schema import Schema
from fastconnect.errors import DataError

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
DAY_MS = 24 * 60 * 60 * 1000
_EPOCH_DAY = EPOCH.toordinal()
_MILLISECOND = datetime.timedelta(milliseconds=1)


def scale_of(schema: Schema) -> int:
    """How many digits behind the point the values of a Decimal schema have."""
    said = (schema.parameters or {}).get("scale")
    if said is None:
        raise DataError("Invalid Decimal schema: scale parameter not found.")
    try:
        return int(said)
    except ValueError as error:
        raise DataError(f'Invalid scale parameter found in Decimal schema: For input string: "{said}"') from error


def decimal_to_bytes(schema: Schema, value: decimal.Decimal) -> bytes:
    """The unscaled number of a Decimal whose scale is that of its schema."""
    scale = scale_of(schema)
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise DataError(f"Invalid value for Decimal: {value} is not a number")
    if -exponent != scale:
        raise DataError(
            "Decimal value has mismatching scale for given Decimal schema. "
            f"Schema has scale {scale}, value has scale {-exponent}."
        )
    unscaled = int("".join(map(str, digits)))
    if sign:
        unscaled = -unscaled
    length = (~unscaled if unscaled < 0 else unscaled).bit_length() // 8 + 1
    return unscaled.to_bytes(length, "big", signed=True)


def decimal_from_bytes(schema: Schema, data: bytes) -> decimal.Decimal:
    """The Decimal with the schema's scale whose unscaled number these bytes are."""
    if not data:
        raise DataError("Invalid bytes for Decimal field: Zero length BigInteger")
    return decimal.Decimal(f"{int.from_bytes(data, 'big', signed=True)}E{-scale_of(schema)}")


def date_to_days(value: Any) -> int:
    """Days since 1970 of a date, or of a datetime that is at midnight (UTC)."""
    if isinstance(value, datetime.datetime):
        days, rest = divmod(timestamp_to_ms(value), DAY_MS)
        if rest or value.microsecond:
            raise DataError("Kafka Connect Date type should not have any time fields set to non-zero values.")
        return days
    days = value.toordinal() - _EPOCH_DAY
    assert isinstance(days, int)
    return days


def date_from_days(days: int) -> datetime.date:
    """The date so many days after 1970-01-01."""
    try:
        return datetime.date.fromordinal(days + _EPOCH_DAY)
    except (ValueError, OverflowError) as error:
        raise DataError(f"Invalid Date: {days} days since 1970 are outside of the years 1 to 9999") from error


def time_to_ms(value: datetime.time) -> int:
    """Milliseconds of the day; parts of a millisecond are cut off."""
    if value.utcoffset():
        raise DataError("Kafka Connect Time type has no time zone: give a time in UTC")
    return ((value.hour * 60 + value.minute) * 60 + value.second) * 1000 + value.microsecond // 1000


def time_from_ms(ms: int) -> datetime.time:
    """The time of the day after so many milliseconds."""
    if not 0 <= ms < DAY_MS:
        raise DataError("Time values must use number of milliseconds greater than 0 and less than 86400000")
    seconds, ms = divmod(ms, 1000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return datetime.time(hour, minute, second, ms * 1000)


def timestamp_to_ms(value: datetime.datetime) -> int:
    """Milliseconds since 1970, parts of one cut off; a datetime without a time zone is taken as UTC."""
    return ((value if value.tzinfo else value.replace(tzinfo=datetime.UTC)) - EPOCH) // _MILLISECOND


def timestamp_from_ms(ms: int) -> datetime.datetime:
    """The moment (in UTC) so many milliseconds after 1970."""
    try:
        return EPOCH + datetime.timedelta(milliseconds=ms)
    except OverflowError as error:
        raise DataError(f"Invalid Timestamp: {ms} ms since 1970 are outside of the years 1 to 9999") from error


def instant_ms(value: datetime.date | datetime.time) -> int:
    """Milliseconds since 1970 of a date, time or datetime, as the one Java class has that stands for all three."""
    if isinstance(value, datetime.datetime):
        return timestamp_to_ms(value)
    if isinstance(value, datetime.date):
        return date_to_days(value) * DAY_MS
    return time_to_ms(value)
