"""Which files there are to read, how they are divided into ranges, and which task gets which range.

Looks at names, sizes and first bytes only; what is in the files is read by `file_range.py`.
"""

from __future__ import annotations

import glob
import heapq
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, TypeAlias

import msgspec

from fastconnect.errors import ConfigError, DataError, Fault

Compression: TypeAlias = Literal["none", "gzip", "zstd"]

PackedFile: TypeAlias = tuple[str, int, int, Compression, list[int]]
"""Name, size, inode, compression, and which of the file's ranges."""

PackedRanges: TypeAlias = dict[str, list[PackedFile]]
"""Folder -> its files."""

MAGIC: dict[bytes, Compression] = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
"""First bytes of the compressed files that can be read (RFC 1952, RFC 8878)."""

FOREIGN = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"PK\x03\x04": "zip", b"\x04\x22\x4d\x18": "lz4", b"PAR1": "Parquet"}
"""First bytes of files that are known, so that the error can name them, but not read."""

MOST_FAULTS = 10  # a folder of a million unreadable files is one message, not a million lines


class FoundFile(msgspec.Struct, frozen=True, order=True):
    """A file to read, as it was when it was found."""

    path: str
    size: int
    inode: int
    compression: Compression


class FileRange(msgspec.Struct, frozen=True, order=True):
    """The part of a file that holds the lines which *start* in bytes `start` to `end`; the whole file if it is not split."""

    path: str
    start: int
    end: int
    size: int
    inode: int
    compression: Compression = "none"


def split_paths(text: str) -> list[str]:
    """Take apart the value of `paths`: separated by commas, or a JSON array, in which a name may have a comma."""
    if text.lstrip().startswith("["):
        try:
            return msgspec.json.decode(text, type=list[str])
        except msgspec.MsgspecError:
            pass  # a file may be called `[a]`
    return [part for part in (part.strip() for part in text.split(",")) if part]


def find_files(
    patterns: Sequence[str],
    compression: Compression | Literal["auto"] = "auto",
    *,
    awaited: bool = False,
    with_empty: bool = False,
) -> list[FoundFile]:
    """Find the files that paths, globs and folders name; sorted by path, each once.

    A folder stands for all files below it but hidden ones. A name that exists is taken as it is, even with a `*` in it.

    Args:
        patterns: what to look for; a relative one is taken from the current folder.
        compression: `auto` looks at the first bytes of each file; else what all of them are.
        awaited: whether the files may come later, so that a missing one is no fault.
        with_empty: whether files without a byte are found too.
    Raises:
        ConfigError: with a fault for every pattern without files and every file that cannot be read.
    """
    faults: list[Fault] = []
    found: dict[str, FoundFile] = {}
    for pattern in patterns:
        matches = 0
        for path in _matches(pattern):
            matches += 1
            if path not in found:
                try:
                    found[path] = _look_at(path, compression)
                except FileNotFoundError as error:
                    if not awaited:  # else it went away since its folder was read
                        faults.append(Fault("paths", _reason(path, error)))
                except (OSError, DataError) as error:
                    faults.append(Fault("paths", _reason(path, error)))
        if not matches and not awaited:
            faults.append(Fault("paths", _nothing_found(pattern)))
    if faults:
        shown = faults[:MOST_FAULTS]
        if len(faults) > len(shown):
            shown.append(Fault("paths", f"and {len(faults) - len(shown)} more"))
        raise ConfigError(
            f"{len(faults)} of the files to read cannot be read",
            faults=shown,
            hint="give files, globs or folders that exist and that this user may read",
        )
    return sorted(file for file in found.values() if file.size or with_empty)


def ranges_of(file: FoundFile, split_bytes: int) -> list[FileRange]:
    """Divide a file into ranges that begin at multiples of `split_bytes`; 0, or a compressed file: into one.

    Neither the number of tasks nor the size of the file moves a beginning, so the offsets stored under them stay valid.
    """
    if not split_bytes or file.compression != "none":
        return [FileRange(file.path, 0, file.size, file.size, file.inode, file.compression)]
    return [
        FileRange(file.path, start, min(start + split_bytes, file.size), file.size, file.inode)
        for start in range(0, max(file.size, 1), split_bytes)
    ]


def share(ranges: Iterable[FileRange], tasks: int) -> list[list[FileRange]]:
    """Give each task its ranges: the largest first to the one with the least to do, so all end at about the same time.

    Never more tasks than ranges, but one at least. The same ranges are always shared in the same way.
    """
    by_size = sorted(ranges, key=lambda part: (part.start - part.end, part))
    shares: list[list[FileRange]] = [[] for _ in range(max(1, min(tasks, len(by_size))))]
    loads = [(0, number) for number in range(len(shares))]
    for part in by_size:
        load, number = heapq.heappop(loads)
        shares[number].append(part)
        heapq.heappush(loads, (load + part.end - part.start, number))
    return [sorted(parts) for parts in shares]


def pack_ranges(ranges: Iterable[FileRange], split_bytes: int) -> PackedRanges:
    """Write ranges so that thousands of them make a short task configuration."""
    folders: dict[str, dict[str, PackedFile]] = {}
    for part in ranges:
        folder, name = os.path.split(part.path)
        files = folders.setdefault(folder, {})
        if name not in files:
            files[name] = (name, part.size, part.inode, part.compression, [])
        files[name][4].append(part.start // split_bytes if split_bytes else 0)
    return {folder: list(files.values()) for folder, files in folders.items()}


def unpack_ranges(packed: PackedRanges, split_bytes: int) -> list[FileRange]:
    """Read what `pack_ranges` wrote."""
    ranges = []
    for folder, files in packed.items():
        for name, size, inode, compression, numbers in files:
            parts = ranges_of(FoundFile(os.path.join(folder, name), size, inode, compression), split_bytes)
            ranges += [parts[number] for number in numbers]
    return ranges


def _matches(pattern: str) -> Iterator[str]:
    """Absolute paths of the files that a pattern names, in order."""
    if os.path.lexists(pattern):
        yield from _files_in(os.path.abspath(pattern))
    elif _is_glob(pattern):
        for path in sorted(glob.glob(pattern, recursive=True)):
            yield from _files_in(os.path.abspath(path))


def _files_in(path: str) -> Iterator[str]:
    if not os.path.isdir(path):
        yield path
        return
    for folder, folders, names in os.walk(path, onerror=_raise):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (os.path.join(folder, name) for name in sorted(names) if not name.startswith("."))


def _raise(error: OSError) -> None:
    raise ConfigError(f"Folder {error.filename} cannot be read: {error.strerror}", hint="let this user read it") from error


def _is_glob(pattern: str) -> bool:
    return glob.has_magic(pattern)


def _look_at(path: str, compression: Compression | Literal["auto"]) -> FoundFile:
    """Open a file, to know now rather than later that it can be read, and see what it is."""
    # Not blocking: opening a named pipe would else wait until somebody writes into it.
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        facts = os.fstat(file)
        if not stat.S_ISREG(facts.st_mode):
            raise DataError("is not a regular file", hint="FileStreamSource reads pipes and the standard input")
        first = os.pread(file, 6, 0) if compression == "auto" else b""
    finally:
        os.close(file)
    return FoundFile(path, facts.st_size, facts.st_ino, _compression_of(first) if compression == "auto" else compression)


def _compression_of(first: bytes) -> Compression:
    for magic, compression in MAGIC.items():
        if first.startswith(magic):
            return compression
    # A zstd file may begin with a frame to be skipped, whose number ends in any digit (RFC 8878, 3.1.2).
    if first[1:4] == b"\x2a\x4d\x18" and first[0] & 0xF0 == 0x50:
        return "zstd"
    for magic, name in FOREIGN.items():
        if first.startswith(magic):
            raise DataError(f"is a {name} file, which cannot be read", hint="decompress it, or compress it with gzip or zstd")
    return "none"


def _reason(path: str, error: OSError | DataError) -> str:
    if isinstance(error, DataError):
        return f"{path} {error.message} ({error.hint})"
    return f"{path} cannot be read: {error.strerror}"


def _nothing_found(pattern: str) -> str:
    if _is_glob(pattern):
        return f"no file matches {pattern} (looked from {os.getcwd()})"
    if os.path.isdir(pattern):
        return f"folder {pattern} has no files in it"
    return f"{pattern} does not exist (looked from {os.getcwd()})"
