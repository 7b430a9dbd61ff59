"""Cuts a range of a file into blocks of whole lines, and tells where the lines of a block end.

A block always begins at the beginning of a line; what is left behind its last whole line is simply read again with the next
block. So a position is all there is to remember, and nothing is copied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fastconnect.api.record import Offset
from fastconnect.connectors.file_readers import Reader
from fastconnect.errors import DataError

LOOK_BEHIND_BYTES = 64 * 1024
"""How much is read behind the end of a range for the rest of its last line, and at once when looking for the next line."""


class Block(NamedTuple):
    """Bytes from a file, of which the first `cut` are whole lines."""

    data: bytes
    cut: int
    position: int
    """Where in the file the first byte is."""
    last: bool
    """Whether the range ends with these lines."""


class LineBlocks:
    """Gives the blocks of one range: of the lines that start before `end`, or of all lines if `end` is None.

    Args:
        position: where the first line begins; moved on by whoever has used a block.
        size: how long the file should at least be, if known; it is an error if it ends before.
        block_bytes: how much is read at once.
        line_max_bytes: a longer line is an error.
    """

    def __init__(
        self, reader: Reader, position: int, end: int | None, size: int, *, block_bytes: int, line_max_bytes: int
    ) -> None:
        self.position = position
        self._reader = reader
        self._end = end
        self._size = size
        self._block_bytes = block_bytes
        self._line_max_bytes = line_max_bytes

    def next(self, more_than: int = 0) -> Block | None:
        """Read the block at `position`, longer than `more_than` bytes unless the file ends; None at the end of the range.

        Raises:
            DataError: a line is too long, or the file ends where it should go on.
        """
        end = self._end
        if end is not None and self.position >= end:
            return None
        want = self._block_bytes if end is None else min(self._block_bytes, end - self.position + LOOK_BEHIND_BYTES)
        want = max(want, more_than * 2)
        while True:
            data = self._reader.read_at(self.position, want)
            at_end = len(data) < want and not self._reader.broken
            too_short = at_end and end is not None and self.position + len(data) < self._size
            cut, last = self._cut(data, at_end and not too_short)
            if cut > more_than or (cut and last):
                return Block(data, cut, self.position, last)
            if too_short:
                raise DataError(
                    f"the file became shorter: it had {self._size} bytes and ends after {self.position + len(data)} now",
                    hint="nobody may shorten a file while it is read; reset the connector's offsets to read it anew",
                )
            if len(data) < want:
                return None
            self.check_length(len(data))
            want *= 2

    def check_length(self, length: int) -> None:
        """Raise DataError if a line, or row, of which `length` bytes are known is too long."""
        if length > self._line_max_bytes:
            raise DataError(
                f"the line is longer than {self._line_max_bytes} bytes",
                hint="raise line.max.bytes, or see whether this is a text file with line ends",
            )

    def _cut(self, data: bytes, at_end_of_file: bool) -> tuple[int, bool]:
        """How many of the bytes are whole lines of this range, and whether they are its last ones."""
        if self._end is not None and (beyond := self._end - self.position) <= len(data):
            # The last line of the range is the one that has byte `end - 1`: where that line ends, the range does.
            newline = data.find(b"\n", beyond - 1)
            if newline >= 0:
                return newline + 1, True
        if at_end_of_file:
            return len(data), True
        return data.rfind(b"\n") + 1, False


def first_line_from(reader: Reader, start: int) -> int | None:
    """Where the first line begins that starts at `start` or later; None if there is none."""
    if start == 0:
        return 0
    position = start - 1
    while data := reader.read_at(position, LOOK_BEHIND_BYTES):
        if (newline := data.find(b"\n")) >= 0:
            return position + newline + 1
        position += len(data)
    return None


class LineEnds:
    """Offsets of the lines of a block that was changed after it was read: looked up in the block as it was.

    Called only for the few offsets that are flushed.
    """

    def __init__(self, block: Block, fixed: Mapping[str, Any], at_end: Mapping[str, Any]) -> None:
        self._block = block
        self._fixed = fixed
        self._at_end = at_end

    def __call__(self, i: int) -> Offset:
        """Offset behind the i-th line of the block."""
        length = nth_newline(self._block.data, i, self._block.cut) + 1
        return _offset(self._block, length, self._fixed, self._at_end)


class ListedEnds:
    """Offsets of records that are not one a line: `ends[i]` bytes of the block are behind record i."""

    def __init__(self, block: Block, ends: Sequence[int], fixed: Mapping[str, Any], at_end: Mapping[str, Any]) -> None:
        self._block = block._replace(data=b"")
        self._ends = ends
        self._fixed = fixed
        self._at_end = at_end

    def __call__(self, i: int) -> Offset:
        """Offset behind the i-th record."""
        return _offset(self._block, self._ends[i], self._fixed, self._at_end)


def _offset(block: Block, length: int, fixed: Mapping[str, Any], at_end: Mapping[str, Any]) -> Offset:
    offset = {**fixed, "position": block.position + length}
    return {**offset, **at_end} if block.last and length == block.cut else offset


def nth_newline(data: bytes, n: int, end: int) -> int:
    """Where the n-th newline (from 0) of `data[:end]` is; `end - 1` if there are not so many (a last line without one)."""
    low = 0  # `n` newlines are still to pass from here on
    high = end
    while high - low > 256:  # below that, stepping from newline to newline is as fast
        middle = (low + high) // 2
        count = data.count(b"\n", low, middle)
        if count <= n:
            n -= count
            low = middle
        else:
            high = middle
    position = low - 1
    for _ in range(n + 1):
        position = data.find(b"\n", position + 1, end)
        if position < 0:
            return end - 1
    return position
