"""Reads the bytes of a plain or compressed file, from any place on.

Knows nothing of lines. A compressed file that is broken gives every byte before the fault first; then `broken` says what
is wrong.
"""

from __future__ import annotations

import os
import sys
import zlib
from typing import Any, Protocol

from fastconnect.connectors.file_set import Compression

INPUT_BYTES = 128 * 1024
"""How much of a compressed file is read at once. Small, since a file of many small gzip members copies the rest at each."""

SKIP_BYTES = 4 * 1024 * 1024


class Reader(Protocol):
    """A file as one long row of (decompressed) bytes."""

    broken: str | None
    """Why nothing more can be had although the file has not ended; None while all is well."""

    def read_at(self, position: int, size: int) -> bytes:
        """Give `size` bytes from `position` on; fewer only where the file ends or is broken.

        A compressed file is read forwards only: `position` must not be before that of an earlier call.
        """
        ...

    def skip_to(self, position: int, most: int) -> bool:
        """Go forward to `position`, but by at most `most` bytes; whether it is reached (or the file has no more)."""
        ...

    def read_so_far(self, position: int) -> int:
        """How many bytes of the file itself were needed to come to `position`."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


def open_reader(path: str, compression: Compression) -> tuple[Reader, os.stat_result]:
    """Open a file; also tell what it is now. Raises OSError."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    facts = os.fstat(file)
    if compression == "none":
        return PlainReader(file), facts
    return PackedReader(file, GzipStream if compression == "gzip" else ZstdStream), facts


class PlainReader:
    """An uncompressed file. Each block is read into memory of its own: it stays in use until its records are acknowledged.

    Not mapped into memory: a file made shorter by somebody else would then kill the process (SIGBUS).
    """

    broken: str | None = None

    def __init__(self, file: int) -> None:
        self._file = file

    def read_at(self, position: int, size: int) -> bytes:
        """Read from the file; the kernel has it in its cache or reads ahead."""
        block = os.pread(self._file, size, position)
        # Some file systems give less than asked for: only nothing at all is the end.
        while len(block) < size and (more := os.pread(self._file, size - len(block), position + len(block))):
            block += more
        return block

    def skip_to(self, position: int, most: int) -> bool:
        """Nothing to do: any place can be read."""
        return True

    def read_so_far(self, position: int) -> int:
        """The position itself."""
        return position

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


class Stream(Protocol):
    """A decompressor of one gzip member or zstd frame: both libraries under one face."""

    @property
    def wants_input(self) -> bool:
        """Whether it has given all that can be had from its input."""
        ...

    @property
    def ended(self) -> bool:
        """Whether the member has come to its end."""
        ...

    @property
    def rest(self) -> bytes:
        """What followed the end in the last input."""
        ...

    def feed(self, data: bytes, most: int) -> bytes:
        """Decompress into at most `most` bytes; `data` must be empty unless `wants_input`."""
        ...


class GzipStream:
    """zlib, told to expect gzip's header and checksum."""

    errors: tuple[type[Exception], ...] = (zlib.error,)
    name = "gzip"

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)
        self._unread = b""
        self._may_have_more = False

    @property
    def wants_input(self) -> bool:
        """See Stream."""
        return not self._unread and not self._may_have_more

    @property
    def ended(self) -> bool:
        """See Stream."""
        return self._zlib.eof

    @property
    def rest(self) -> bytes:
        """See Stream."""
        return self._zlib.unused_data

    def feed(self, data: bytes, most: int) -> bytes:
        """See Stream."""
        out = self._zlib.decompress(self._unread or data, most)
        self._unread = self._zlib.unconsumed_tail
        self._may_have_more = len(out) == most  # zlib keeps some output to itself when there was no room for it
        return out


class ZstdStream:
    """The standard library's zstd, or before Python 3.14 the same as a package."""

    errors: tuple[type[Exception], ...] = ()
    name = "zstd"

    def __init__(self) -> None:
        zstd = _zstd_module()
        type(self).errors = (zstd.ZstdError,)
        self._zstd = zstd.ZstdDecompressor()

    @property
    def wants_input(self) -> bool:
        """See Stream."""
        return bool(self._zstd.needs_input)

    @property
    def ended(self) -> bool:
        """See Stream."""
        return bool(self._zstd.eof)

    @property
    def rest(self) -> bytes:
        """See Stream."""
        return bytes(self._zstd.unused_data)

    def feed(self, data: bytes, most: int) -> bytes:
        """See Stream."""
        return bytes(self._zstd.decompress(data, most))


def _zstd_module() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


class PackedReader:
    """A gzip or zstd file, of one member or of many, decompressed as it is read."""

    def __init__(self, file: int, new_stream: type[GzipStream] | type[ZstdStream]) -> None:
        self.broken: str | None = None
        self._file = file
        self._new_stream = new_stream
        self._stream: Stream | None = None
        self._member_at = 0  # where in the file the stream's member begins
        self._member_out = 0  # how many bytes it has given
        self._input = b""
        self._input_end = 0  # where in the file the input ends
        self._fed_at = 0  # where in the file what was fed last begins
        self._kept = b""
        self._kept_at = 0  # the decompressed position of its first byte

    def read_at(self, position: int, size: int) -> bytes:
        """Decompress on until the bytes are there. What was given and lies behind a later `position` is kept."""
        self.skip_to(position, sys.maxsize)
        parts = [self._kept[position - self._kept_at :]]
        missing = size - len(parts[0])
        while missing > 0 and (part := self._more(missing)):
            parts.append(part)
            missing -= len(part)
        self._kept, self._kept_at = b"".join(parts), position
        return self._kept

    def skip_to(self, position: int, most: int) -> bool:
        """Decompress on and forget: there is no other way to a place in a compressed file."""
        while self._kept_at + len(self._kept) < position:
            if most <= 0:
                return False
            self._kept_at += len(self._kept)
            self._kept = self._more(min(position - self._kept_at, SKIP_BYTES))
            if not self._kept:
                break
            most -= len(self._kept)
        return True

    def read_so_far(self, position: int) -> int:
        """How much of the compressed file was read."""
        return self._input_end - len(self._input)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _more(self, most: int) -> bytes:
        """The next decompressed bytes: `most` or fewer (more only just before a fault), none at the end of all."""
        while not self.broken and (self._stream or self._begin_member()):
            assert self._stream
            data = b""
            if self._stream.wants_input:
                if not self._input and not self._read_input():
                    self.broken = f"the {self._new_stream.name} data end in the middle"
                    break
                data, self._input = self._input, b""
                self._fed_at = self._input_end - len(data)
            try:
                out = self._stream.feed(data, most)
            except self._new_stream.errors as error:
                self.broken = f"the {self._new_stream.name} data are damaged: {error}"
                return self._before_the_fault()
            self._member_out += len(out)
            if self._stream.ended:
                self._input, self._stream = self._stream.rest, None
            if out:
                return out
        return b""

    def _begin_member(self) -> bool:
        """Begin the next member if there is one; zeros between and after members only fill up (as tapes need it)."""
        while self._input or self._read_input():
            if self._new_stream is GzipStream and self._member_out:
                self._input = self._input.lstrip(b"\0")
            if self._input:
                self._stream = self._new_stream()
                self._member_at, self._member_out = self._input_end - len(self._input), 0
                return True
        return False

    def _read_input(self) -> bool:
        self._input = os.pread(self._file, INPUT_BYTES, self._input_end)
        self._input_end += len(self._input)
        return bool(self._input)

    def _before_the_fault(self) -> bytes:
        """What a damaged member gives before the damage and has not given yet.

        The libraries throw it away with the error. So the member is decompressed once more, and byte by byte at the end.
        """
        stream: Stream = self._new_stream()
        known, out = self._member_out, []
        place = self._member_at
        try:
            while data := os.pread(self._file, INPUT_BYTES if place + INPUT_BYTES <= self._fed_at else 1, place):
                place += len(data)
                while data or not stream.wants_input:
                    part = stream.feed(data, SKIP_BYTES)
                    data = b""
                    if len(part) > known:
                        out.append(part[known:])
                    known = max(0, known - len(part))
                    if stream.ended:
                        return b"".join(out)
        except self._new_stream.errors:
            pass
        return b"".join(out)
