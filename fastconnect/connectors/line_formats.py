r"""Makes records of a block of lines: of plain lines, or of JSON lines.

A line ends at `\n` or `\r\n`; its end is not part of the value. Plain lines may be empty, JSON lines that are empty are left
out. Both are checked a whole block at a time; only a block that fails is looked at line by line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from fastconnect.api.record import ByteOffsets, Partition, RecordBatch, ValueFormat
from fastconnect.connectors.line_blocks import Block, LineEnds, ListedEnds

PIECE_BYTES = 256 * 1024
"""How much is made Python objects at once: for those of a block of 4 MiB, getting memory takes longer than the work itself."""


class Source(NamedTuple):
    """What all records of one range have in common."""

    topic: str
    partition: Partition
    fixed: Mapping[str, Any]
    """What each of its offsets says beside the position."""
    at_end: Mapping[str, Any]
    """What the offset of the range's last record says beside that."""


class Fault(NamedTuple):
    """A place in a block from where on nothing can be made of it."""

    at: int
    message: str
    hint: str | None = None


class Made(NamedTuple):
    """What became of a block."""

    batch: RecordBatch | None
    """None if there is no record in it."""
    used: int
    """How many of its bytes the records, and what was left out between them, take up."""
    fault: Fault | None = None
    bad: Mapping[int, Fault] = {}
    """What is wrong with single records of the batch, by their index; reading goes on behind them."""


class Format(Protocol):
    """Makes records of the lines of a file."""

    def make(self, block: Block, source: Source) -> Made:
        """Make a batch of the block's lines, at most up to the first one that is bad."""
        ...


class PlainLines:
    """A line is a value as it is. Text must be UTF-8; bytes may be anything but a newline."""

    def __init__(self, *, text: bool) -> None:
        self._text = text

    def make(self, block: Block, source: Source) -> Made:
        """See Format."""
        good, fault = up_to_bad_text(block) if self._text else (block, None)
        return Made(_batch(good, source, "string" if self._text else "bytes"), good.cut, fault)


class JsonLines:
    """A line is a JSON value, handed over as it is.

    Args:
        validate: whether to see that each line is JSON; without it lines, also empty ones, are taken unseen.
        key_field: the field of each object that becomes the record's key: a string's text, of any other value its JSON text;
            no key where the field is missing or null.
    """

    def __init__(self, *, validate: bool, key_field: str | None) -> None:
        self._validate = validate
        self._key_field = key_field
        self._any = msgspec.json.Decoder(msgspec.Raw)
        if key_field is not None:
            self._text_key = msgspec.json.Decoder(_object_with(key_field, str | None, None))
            self._raw_key = msgspec.json.Decoder(_object_with(key_field, msgspec.Raw, msgspec.Raw()))

    def make(self, block: Block, source: Source) -> Made:
        """See Format."""
        good, fault = up_to_bad_text(block)
        if not good.cut:
            return Made(None, 0, fault)
        if self._key_field is None and not self._validate:
            return Made(_batch(good, source, "json"), good.cut, fault)
        body = good.data[: good.cut]
        if b"\r" in body:
            body = body.replace(b"\r\n", b"\n")
        keys: list[bytes | None] | None = None
        if self._key_field is None:
            well = all(map(self._all_json, pieces(body)))
        else:
            keys, well = [], True
            for piece in pieces(body):
                of_piece = self._keys(piece)
                if of_piece is None:
                    well = False
                    break
                keys += of_piece
        return Made(_batch(good, source, "json", keys), good.cut, fault) if well else self._line_by_line(good, source, fault)

    def _all_json(self, body: bytes) -> bool:
        """Whether each line is one JSON value and nothing else, not even a space before or after it."""
        try:
            values = self._any.decode_lines(body)
        except msgspec.DecodeError:
            return False
        # The decoder also takes a value that goes over several lines, or several in one: so see that the values, one a line,
        # make the same bytes again. Cheaper than to look at each (12 of 110 ns a line).
        joined = b"\n".join(values)
        return bool(values) and body.startswith(joined) and body[len(joined) :] in (b"\n", b"")

    def _keys(self, body: bytes) -> list[bytes | None] | None:
        """The key of each line; None unless each line is one JSON object, from its first to its last byte."""
        lines = body.count(b"\n") + (not body.endswith(b"\n"))
        # In valid JSON, `}`, newline, `{` cannot be inside a value: so each line is exactly one value if there are as many.
        if not body.startswith(b"{") or not body.endswith((b"}\n", b"}")) or body.count(b"}\n{") != lines - 1:
            return None
        try:
            found = self._text_key.decode_lines(body)
            return [None if one.key is None else one.key.encode() for one in found] if len(found) == lines else None
        except msgspec.ValidationError:
            pass  # some key is no string
        except msgspec.DecodeError:
            return None
        try:
            found = self._raw_key.decode_lines(body)
            return [_key_of(bytes(one.key)) for one in found] if len(found) == lines else None
        except msgspec.DecodeError:
            return None

    def _line_by_line(self, block: Block, source: Source, fault: Fault | None) -> Made:
        values: list[bytes] = []
        bad: dict[int, Fault] = {}
        ends: list[int] = []
        keys: list[bytes | None] = []
        used = 0
        for line in block.data[: block.cut].split(b"\n"):
            text = line.strip(b" \t\r")
            if text:
                try:
                    self._any.decode(text)
                except (msgspec.DecodeError, RecursionError) as error:
                    hint = "correct the line, or set json.validate=false to send it as it is"
                    bad[len(values)] = Fault(used, f"not JSON: {error}", hint)
                values.append(text)
                ends.append(min(used + len(line) + 1, block.cut))
                if self._key_field is not None:
                    keys.append(None if len(values) - 1 in bad else self._key_in(text))
            used = min(used + len(line) + 1, block.cut)
        if not values:
            return Made(None, used, fault)
        batch = RecordBatch.lines(
            source.topic,
            b"\n".join(values) + b"\n",
            format="json",
            source_partition=source.partition,
            offsets=ListedEnds(block, ends, source.fixed, source.at_end),
            keys=keys if self._key_field is not None else None,
            key_format="string",
        )
        return Made(batch, used, fault, bad)

    def _key_in(self, line: bytes) -> bytes | None:
        try:
            return _key_of(bytes(self._raw_key.decode(line).key))
        except msgspec.ValidationError:
            return None  # JSON, but not an object


def pieces(body: bytes) -> Iterator[bytes]:
    """Cut bytes into some hundred kB each, at line ends."""
    start = 0
    while start < len(body):
        end = body.rfind(b"\n", start, start + PIECE_BYTES) + 1 or body.find(b"\n", start) + 1 or len(body)
        yield body[start:end]
        start = end


def _object_with(field: str, kind: Any, default: Any) -> type[Any]:
    """A type that finds one field of a JSON object and passes over all others."""
    # Without `gc` the thousands of objects of a block do not make the collector run.
    return msgspec.defstruct("Keyed", [("key", kind, default)], rename={"key": field}, gc=False)


def _key_of(text: bytes) -> bytes | None:
    """The key that a field's JSON text stands for."""
    if text.startswith(b'"'):
        inner = text[1:-1]
        return inner if b"\\" not in inner else msgspec.json.decode(text, type=str).encode()
    return None if text in (b"", b"null") else text


def up_to_bad_text(block: Block) -> tuple[Block, Fault | None]:
    """The block up to the line with the first byte that is not UTF-8, and what is wrong there."""
    if block.data.isascii():  # 3 ns a line
        return block, None
    try:
        str(memoryview(block.data)[: block.cut], "utf-8")
        return block, None
    except UnicodeDecodeError as error:
        start = block.data.rfind(b"\n", 0, error.start) + 1
        wide = block.position == 0 and block.data.startswith((b"\xff\xfe", b"\xfe\xff"))
        fault = Fault(
            start,
            "UTF-16 text, not UTF-8"
            if wide
            else f"not UTF-8: byte 0x{block.data[error.start]:02x} at byte {error.start - start} of the line",
            "convert the file to UTF-8 (iconv does it), or read lines of any bytes with encoding=bytes",
        )
        return block._replace(cut=start, last=False), fault


def _batch(
    block: Block,
    source: Source,
    value_format: ValueFormat,
    keys: Sequence[bytes | None] | None = None,
) -> RecordBatch | None:
    r"""Make a batch of a block's lines as they are, but for `\r\n` instead of `\n`."""
    if not block.cut:
        return None
    buffer: bytes | memoryview = block.data
    offsets: ByteOffsets | LineEnds = ByteOffsets(block.position, "position", source.fixed)
    if block.cut < len(block.data):
        buffer = memoryview(block.data)[: block.cut]
    if block.last and source.at_end:
        offsets = LineEnds(block, source.fixed, source.at_end)
    if b"\r" in block.data:
        buffer = block.data[: block.cut].replace(b"\r\n", b"\n")
        offsets = LineEnds(block, source.fixed, source.at_end)
    return RecordBatch.lines(
        source.topic,
        buffer,
        format=value_format,
        source_partition=source.partition,
        offsets=offsets,
        keys=keys,
        key_format="string",
    )
