"""Makes JSON objects of the rows of a CSV file; their names come from its first row or from the config.

Every value is a string, since CSV has no other types. A field in quotes may have newlines, delimiters and doubled quotes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from fastconnect.api.record import RecordBatch
from fastconnect.connectors.line_blocks import Block, LineEnds, ListedEnds, nth_newline
from fastconnect.connectors.line_formats import Fault, Made, Source, up_to_bad_text
from fastconnect.errors import DataError

# A field may be as long as line.max.bytes lets a row be; the csv module's own limit (131,072) would be met first.
csv.field_size_limit(2**31 - 1)

BLOCK_BYTES = 128 * 1024
"""The most to take apart at once: a row is several Python objects, and memory for many of them costs more than the work."""

HINT = "correct the row, or set csv.delimiter and csv.quote to what the file uses"


class WrongWidth(NamedTuple):
    """A row that does not fit the header."""

    fields: int
    lines_before: int


class CsvRows:
    """Format of the rows behind the header.

    Args:
        columns: the names, in the order of the columns.
        key_field: the column whose text becomes the record's key.
    """

    def __init__(self, columns: Sequence[str], *, delimiter: str, quote: str, key_field: str | None = None) -> None:
        self._columns = list(columns)
        self._delimiter = delimiter
        self._quote = quote
        self._key = None if key_field is None else self._columns.index(key_field)
        self._object = _object_with(self._columns)
        self._encode = msgspec.json.Encoder().encode_lines

    def make(self, block: Block, source: Source) -> Made:
        """See line_formats.Format. Uses nothing of a block that is all one unfinished row, unless it is the last."""
        good, fault = up_to_bad_text(block)
        text = str(memoryview(good.data)[: good.cut], "utf-8")
        rows, ends, trouble, unfinished = self._parse(text)
        if trouble:
            good = good._replace(cut=_after_lines(good, ends[-1] if ends else 0), last=False)
            if not unfinished:
                fault = Fault(good.cut, f"not CSV: {trouble}", HINT)
            elif block.last and not fault:
                fault = Fault(good.cut, "a quoted field is never closed", HINT)
        rows, ends, wrong = self._check_widths(rows, ends)
        if wrong:
            good = good._replace(cut=_after_lines(good, wrong.lines_before), last=False)
            fault = Fault(good.cut, f"the row has {wrong.fields} fields, the header {len(self._columns)}", HINT)
        return Made(self._batch(good, source, rows, ends), good.cut, fault)

    def _parse(self, text: str) -> tuple[list[list[str]], list[int], str, bool]:
        """Take text apart.

        Returns:
            the rows; behind how many lines each ends; what is wrong with the row behind them, or an empty text; and whether
            that row may go on behind the text.
        """
        line_count = text.count("\n") + (not text.endswith("\n"))
        try:
            rows = list(_csv_lines(text, self._delimiter, self._quote))
            if len(rows) == line_count:
                return rows, list(range(1, line_count + 1)), "", False
        except csv.Error:
            pass  # once more, row by row, to see where
        lines = _csv_lines(text, self._delimiter, self._quote)
        rows, ends = [], []
        try:
            for row in lines:
                rows.append(row)
                ends.append(lines.line_num)
        except csv.Error as error:
            return rows, ends, str(error), lines.line_num >= line_count
        return rows, ends, "", False

    def _check_widths(self, rows: list[list[str]], ends: list[int]) -> tuple[list[list[str]], list[int], WrongWidth | None]:
        """Leave out empty lines, and all from the first row on that is wider or narrower than the header."""
        width = len(self._columns)
        if set(map(len, rows)) <= {width}:
            return rows, ends, None
        kept, kept_ends, lines_before = [], [], 0
        for row, end in zip(rows, ends, strict=True):
            if len(row) == width:
                kept.append(row)
                kept_ends.append(end)
            elif row:
                return kept, kept_ends, WrongWidth(len(row), lines_before)
            lines_before = end
        return kept, kept_ends, None

    def _batch(self, block: Block, source: Source, rows: list[list[str]], ends: list[int]) -> RecordBatch | None:
        if not rows:
            return None
        one_a_line = ends[-1] == len(ends)
        return RecordBatch.lines(
            source.topic,
            self._encode([self._object(*row) for row in rows]),
            format="json",
            source_partition=source.partition,
            offsets=LineEnds(block, source.fixed, source.at_end)
            if one_a_line
            else ListedEnds(block, list(_byte_ends(block, ends)), source.fixed, source.at_end),
            keys=None if self._key is None else [row[self._key].encode() for row in rows],
            key_format="string",
        )


def read_header(block: Block, *, delimiter: str, quote: str) -> tuple[list[str], int]:
    """Read the names in the first row, and how many bytes it takes; none, and 0 bytes, if it goes on behind the block.

    Raises:
        DataError: it is not CSV, or a name comes twice.
    """
    text = block.data[: block.cut].decode("utf-8", "replace")
    rows = _csv_lines(text, delimiter, quote)
    try:
        names = next(rows)
    except csv.Error as error:
        if not block.last and rows.line_num >= text.count("\n"):
            return [], 0
        raise DataError(f"the header is not CSV: {error}", hint=HINT) from None
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"the header has {twice[0]!r} twice", hint="name the columns with csv.columns and skip the header with skip.lines=1"
        )
    return names, _after_lines(block, rows.line_num)


def _csv_lines(text: str, delimiter: str, quote: str) -> Any:
    """The csv module's reader. Strict, for a quote that is never closed would else swallow what follows unseen."""
    return csv.reader(io.StringIO(text, newline="\n"), delimiter=delimiter, quotechar=quote, strict=True)


def _after_lines(block: Block, lines: int) -> int:
    """How many bytes the first `lines` lines of a block are."""
    return nth_newline(block.data, lines - 1, block.cut) + 1 if lines else 0


def _byte_ends(block: Block, line_ends: Sequence[int]) -> Iterator[int]:
    """Turn counts of lines into counts of bytes."""
    position = lines = 0
    for end in line_ends:
        while lines < end:
            newline = block.data.find(b"\n", position, block.cut)
            position = newline + 1 if newline >= 0 else block.cut
            lines += 1
        yield position


def _object_with(columns: Sequence[str]) -> Any:
    """What makes an object of a row's values: a type with these fields, or a dict where JSON must escape a name."""
    try:
        fields = [(f"c{number}", str) for number in range(len(columns))]
        return msgspec.defstruct("Row", fields, rename=dict(zip((name for name, _ in fields), columns, strict=True)), gc=False)
    except ValueError:
        return lambda *values: dict(zip(columns, values, strict=True))
