"""Moments as texts and back, by the patterns of Java's SimpleDateFormat: `yyyy-MM-dd'T'HH:mm:ss.SSSX`.

In UTC and English, leniently as Java (the 32nd of January is the 1st of February, what follows the pattern is ignored), and
with Java's calendar: Julian before 1582-10-15. Moments are milliseconds since 1970.

Not here: weeks in 1582, when Java's calendar leaves 10 days out; reading the week patterns `Y`, `w`, `W` and `F`, and names of
time zones other than UTC, GMT and `GMT+1:00`.

Source: the documentation of java.text.SimpleDateFormat and what it was seen to do (JDK 25).
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from fastconnect.api.logical import DAY_MS

MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December")  # fmt: skip
DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_GREGORIAN = -141427  # days from 1970-01-01 to 1582-10-15, the first day of the Gregorian calendar
_CENTURY_BEGINS_YEARS_AGO = 80


class Day(NamedTuple):
    """A day of the calendar; `weekday` is 0 on Sundays, `of_year` 1 on the first of January."""

    year: int
    month: int
    day: int
    weekday: int
    of_year: int


@lru_cache(maxsize=1024)
def day_of(days: int) -> Day:
    """The day so many days after 1970-01-01; the year before 1 is 0, the one before that -1."""
    # Years that begin in March, in a calendar that goes on forever: so leap days are at their ends.
    if days >= _GREGORIAN:
        era, rest = divmod(days + 719468, 146097)
        of_era = (rest - rest // 1460 + rest // 36524 - rest // 146096) // 365
        year, rest = era * 400 + of_era, rest - (of_era * 365 + of_era // 4 - of_era // 100)
    else:
        era, rest = divmod(days + 719470, 1461)
        of_era = min(rest // 365, 3)
        year, rest = era * 4 + of_era, rest - of_era * 365
    month = (5 * rest + 2) // 153
    day = rest - (153 * month + 2) // 5 + 1
    month, year = (month + 3, year) if month < 10 else (month - 9, year + 1)
    return Day(year, month, day, (days + 4) % 7, days - days_to(year, 1, 1) + 1)


@lru_cache(maxsize=1024)
def days_to(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 to a day of the calendar; months and days beyond their range count on."""
    years, month = divmod(month - 1, 12)
    year += years
    march_year, march_month = (year, month - 2) if month >= 2 else (year - 1, month + 10)
    in_year = march_year * 365 + march_year // 4 + (153 * march_month + 2) // 5
    days = in_year - march_year // 100 + march_year // 400 - 719468 + day - 1
    return days if days >= _GREGORIAN else in_year - 719470 + day - 1


# ---- writing ----

_Write = Callable[[Day, int], Any]
"""What one part of a pattern becomes, of a day and the milliseconds in it."""


def _week(day: Day) -> tuple[int, int]:
    """Year and week in it: weeks begin on Sunday, and the first of January is in week 1."""
    january_first = (day.weekday - day.of_year + 1) % 7
    next_january_first = days_to(day.year + 1, 1, 1) - days_to(day.year, 1, 1) + 1
    if next_january_first - day.of_year <= 6 - day.weekday:
        return day.year + 1, 1
    return day.year, (day.of_year - 1 + january_first) // 7 + 1


_NUMBERS: dict[str, _Write] = {
    "y": lambda day, _: day.year if day.year > 0 else 1 - day.year,
    "Y": lambda day, _: _week(day)[0],
    "M": lambda day, _: day.month,
    "L": lambda day, _: day.month,
    "w": lambda day, _: _week(day)[1],
    "W": lambda day, _: (day.day - 1 + (day.weekday - day.day + 1) % 7) // 7 + 1,
    "D": lambda day, _: day.of_year,
    "d": lambda day, _: day.day,
    "F": lambda day, _: (day.day - 1) // 7 + 1,
    "u": lambda day, _: day.weekday or 7,
    "H": lambda _, ms: ms // 3_600_000,
    "k": lambda _, ms: ms // 3_600_000 or 24,
    "K": lambda _, ms: ms // 3_600_000 % 12,
    "h": lambda _, ms: ms // 3_600_000 % 12 or 12,
    "m": lambda _, ms: ms // 60_000 % 60,
    "s": lambda _, ms: ms // 1000 % 60,
    "S": lambda _, ms: ms % 1000,
}
_LETTERS = {*_NUMBERS, *"GEazZX"}
_STEPS = {"S": 1, "s": 1000, "m": 60_000, **dict.fromkeys("HkKha", 3_600_000)}
"""How long each letter's text stays the same, in milliseconds; all others change with the day."""


def _signed(number: int, digits: int) -> str:
    return f"{'-' if number < 0 else ''}{abs(number):0{digits}d}"


def _constant(text: str) -> _Write:
    return lambda day, ms: text


def _writer(letter: str, count: int) -> tuple[str, _Write]:
    """A directive for `%`, and what is to be written with it."""
    if letter in "ML" and count >= 3:
        return "%s", lambda day, _: MONTHS[day.month - 1] if count > 3 else MONTHS[day.month - 1][:3]
    if letter in "yY" and count == 2:
        year = _NUMBERS[letter]
        return "%02d", lambda day, ms: year(day, ms) % 100
    if letter == "Y":
        return "%s", lambda day, _: _signed(_week(day)[0], count)
    if letter in _NUMBERS:
        return f"%0{count}d", _NUMBERS[letter]
    if letter == "E":
        return "%s", lambda day, _: DAYS[day.weekday] if count > 3 else DAYS[day.weekday][:3]
    if letter == "G":
        return "%s", lambda day, _: _ERAS[(day.year > 0, count > 3)]
    if letter == "a":
        return "%s", lambda _, ms: "AM" if ms < DAY_MS // 2 else "PM"
    zone = {"Z": "+0000", "X": "Z"}.get(letter) or ("Coordinated Universal Time" if count > 3 else "UTC")
    return "%s", _constant(zone)


_ERAS = {(True, False): "AD", (False, False): "BC", (True, True): "Anno Domini", (False, True): "Before Christ"}


class DateFormat:
    """A pattern, ready to write and read with.

    Attributes:
        pattern: as it was given.
        step_ms: moments that have the same whole number of these since 1970 have the same text.

    Raises:
        ValueError: it is no pattern.
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self._parts = _parts(pattern)
        letters = [part[0] for part in self._parts if isinstance(part, tuple)]
        self.step_ms: int = min((_STEPS.get(letter, DAY_MS) for letter in letters), default=DAY_MS)
        directives: list[str] = []
        self._writers: list[_Write] = []
        for part in self._parts:
            if isinstance(part, str):
                directives.append(part.replace("%", "%%"))
            else:
                directive, writer = _writer(*part)
                directives.append(directive)
                self._writers.append(writer)
        self._template = "".join(directives)
        self._plain, self._plain_letters = _plain(self._parts)

    def format(self, ms: int) -> str:
        """Write a moment."""
        days, of_day = divmod(ms, DAY_MS)
        day = day_of(days)
        return self._template % tuple([write(day, of_day) for write in self._writers])

    def parse(self, text: str) -> int:
        """Read a moment.

        Raises:
            ValueError: the text is not of this pattern.
        """
        found = self._plain.match(text) if self._plain is not None else None
        if found is not None:
            fields = {**_UNSET, **dict(zip(self._plain_letters, map(int, found.groups()), strict=True))}
            seconds = (fields["H"] * 60 + fields["m"]) * 60 + fields["s"]
            return days_to(fields["y"], fields["M"], fields["d"]) * DAY_MS + seconds * 1000 + fields["S"]
        read = _Reading()
        at = 0
        for i, part in enumerate(self._parts):
            if isinstance(part, str):
                if not text.startswith(part, at):
                    raise ValueError(f"not {part!r} at {at}")
                at += len(part)
            else:
                following = self._parts[i + 1] if i + 1 < len(self._parts) else ""
                at = read.part(text, at, *part, bounded=isinstance(following, tuple) and _is_number(*following))
        return read.ms()


def _parts(pattern: str) -> list[str | tuple[str, int]]:
    """Take a pattern apart: texts that stand for themselves, and letters with how many times they come."""
    parts: list[str | tuple[str, int]] = []
    quoted = False
    at = 0
    while at < len(pattern):
        character = pattern[at]
        if character == "'":
            at += 1
            if not pattern.startswith("'", at):
                quoted = not quoted
                continue
        elif not quoted and character.isascii() and character.isalpha():
            if character not in _LETTERS:
                raise ValueError(f"Illegal pattern character '{character}'")
            count = len(pattern) - at - len(pattern[at:].lstrip(character))
            if character == "X" and count > 3:
                raise ValueError(f"invalid ISO 8601 format: length={count}")
            parts.append((character, count))
            at += count
            continue
        if parts and isinstance(parts[-1], str):
            parts[-1] += character
        else:
            parts.append(character)
        at += 1
    if quoted:
        raise ValueError("Unterminated quote")
    return parts


# ---- reading ----


def _is_number(letter: str, count: int) -> bool:
    return letter in _NUMBERS and not (letter in "ML" and count > 2)


_UNSET = {"y": 1970, "M": 1, "d": 1, "H": 0, "m": 0, "s": 0, "S": 0}


def _plain(parts: list[str | tuple[str, int]]) -> tuple[re.Pattern[str] | None, str]:
    """A regular expression for the most usual patterns and texts, and its letters; all others are read part by part."""
    pieces: list[str] = []
    letters = ""
    for i, part in enumerate(parts):
        if isinstance(part, str):
            pieces.append(re.escape(part))
            continue
        letter, count = part
        if letter not in _UNSET or letter in letters or (letter == "y" and count <= 2) or (letter == "M" and count > 2):
            return None, ""
        following = parts[i + 1] if i + 1 < len(parts) else ""
        pieces.append(f"([0-9]{{{count}}})" if isinstance(following, tuple) else "([0-9]{1,9}+)(?![0-9])")
        letters += letter
    return re.compile("".join(pieces)), letters


_INTEGER = re.compile(r"-?[0-9]+")
_OFFSET = re.compile(r"([+-])([0-9]{2})([0-9]{2})")
_GMT_OFFSET = re.compile(r"GMT([+-])([0-9]{1,2}):([0-9]{2})", re.IGNORECASE)
_ISO_OFFSETS = {count: re.compile(rf"([+-])([0-9]{{2}}){minutes}") for count, minutes in
                ((1, "()"), (2, "([0-9]{2})"), (3, ":([0-9]{2})"))}  # fmt: skip
_ZONES = ("UTC", "GMT", "Coordinated Universal Time", "Greenwich Mean Time")


class _Reading:
    """What was read so far: the value of each field, the newest last."""

    def __init__(self) -> None:
        self.fields: dict[str, int] = {}
        self.offset_ms = 0
        self.short_year = False

    def put(self, field: str, value: int) -> None:
        self.fields.pop(field, None)
        self.fields[field] = value

    def number(self, letter: str, value: int, digits: int | None, count: int = 0) -> None:
        """Take a number in; `digits` is how many of them it had, None if it had a sign too."""
        match letter:
            case "y":
                self.short_year = digits == 2 and count <= 2
            case "L":
                letter = "M"
            case "k":
                letter, value = "H", 0 if value == 24 else value
            case "h":
                letter, value = "K", 0 if value == 12 else value
            case "Y" | "w" | "W" | "F":
                raise ValueError(f"the pattern letter {letter} can be written, but not read")
        self.put(letter, value)

    def part(self, text: str, start: int, letter: str, count: int, *, bounded: bool) -> int:
        """Read one field at `start` and return where it ends; `bounded`: it has at most `count` characters."""
        at = start
        while text[at : at + 1] in (" ", "\t"):
            at += 1
        if at == len(text):
            raise ValueError("the text ends too early")
        if _is_number(letter, count):
            if bounded and start + count > len(text):
                raise ValueError("the text ends too early")
            found = _INTEGER.match(text, at, start + count if bounded else len(text))
            if found is None:
                raise ValueError(f"no number at {at}")
            value = (int(found[0]) + 2**31) % 2**32 - 2**31  # an int of Java's
            self.number(letter, value, len(found[0]) if found[0][0] != "-" else None, count)
            return found.end()
        if letter in "zZX":
            return self.zone(text, at, letter, count)
        field, names = _NAMES[letter]
        for name, value in names:
            if text[start : start + len(name)].lower() == name:
                self.put(field, value)
                return start + len(name)
        raise ValueError(f"no name at {start}")

    def zone(self, text: str, at: int, letter: str, count: int) -> int:
        if letter == "X":
            if text[at] == "Z":
                self.offset_ms = 0
                return at + 1
            found = _ISO_OFFSETS[count].match(text, at)
        elif text[at] in "+-":
            found = _OFFSET.match(text, at)
        else:
            found = _GMT_OFFSET.match(text, at)
            if found is None:
                for name in _ZONES:
                    if text[at : at + len(name)].lower() == name.lower():
                        self.offset_ms = 0
                        return at + len(name)
        if found is None or int(found[2]) > 23 or int(found[3] or 0) > 59:
            raise ValueError(f"no time zone that is known here at {at}")
        minutes = int(found[2]) * 60 + int(found[3] or 0)
        self.offset_ms = (minutes if found[1] == "+" else -minutes) * 60_000
        return found.end()

    def ms(self) -> int:
        """Put the fields together; of two that say the same, the newer counts."""
        fields = self.fields
        year = fields.get("y", 1970)
        if self.short_year and 0 <= year < 100:
            begin = datetime.datetime.now(datetime.UTC)
            begin = begin.replace(year=begin.year - _CENTURY_BEGINS_YEARS_AGO, day=min(begin.day, 28))
            century, short = divmod(begin.year, 100)
            year += century * 100 + (100 if year < short else 0)
            if year == begin.year and self._ms(year) < begin.timestamp() * 1000:
                year += 100
        return self._ms(1 - year if fields.get("G") == 0 else year)

    def _ms(self, year: int) -> int:
        fields = self.fields
        order = list(fields)
        day, of_year = fields.get("d"), fields.get("D")
        if day is None and of_year is None and "u" in fields:
            raise ValueError("a day of the week alone is no day")
        if of_year is not None and (day is None or order.index("D") > max(order.index("d"), 0)):
            days = days_to(year, 1, of_year)
        else:
            days = days_to(year, fields.get("M", 1), 1 if day is None else day)
        hour = fields.get("H", 0)
        if "K" in fields:
            halves = max(order.index("K"), order.index("a")) if "a" in fields else -1
            if "H" not in fields or halves > order.index("H"):
                hour = fields["K"] + 12 * fields.get("a", 0)
        seconds = (hour * 60 + fields.get("m", 0)) * 60 + fields.get("s", 0)
        return days * DAY_MS + seconds * 1000 + fields.get("S", 0) - self.offset_ms


def _names(*lists: tuple[str, ...], first: int = 0) -> tuple[tuple[str, int], ...]:
    """Names with their numbers, the longest first, for those that others begin with."""
    pairs = ((name.lower(), i) for names in lists for i, name in enumerate(names, first))
    return tuple(sorted(pairs, key=lambda pair: -len(pair[0])))


_MONTH_NAMES = _names(MONTHS, tuple(name[:3] for name in MONTHS), first=1)
_NAMES = {
    "M": ("M", _MONTH_NAMES),
    "L": ("M", _MONTH_NAMES),
    "E": ("u", _names(DAYS, tuple(name[:3] for name in DAYS))),
    "a": ("a", _names(("AM", "PM"))),
    "G": ("G", _names(("BC", "AD"), ("Before Christ", "Anno Domini"))),
}
