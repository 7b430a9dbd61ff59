"""The lines that are sent: the same bytes on every machine and in every run, made once and kept in bench/.work.

As a program: `python -m bench.data LINES FILES` prints the paths.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from bench.settings import WORK

CITIES = ("Shenzhen", "Nairobi", "Lisbon", "Oslo", "Lima", "Quito", "Perth", "Turin")
LINES_A_WRITE = 100_000


def line(number: int) -> str:
    """Line `number` of the data set: JSON of 86 bytes on average, its newline included."""
    scattered = (
        number * 2654435761 & 0xFFFFFFFF
    )  # Knuth's multiplicative hash: values look random and need no generator's state
    return (
        f'{{"id":{number + 10_000_000},"user":"customer-{scattered % 90_000 + 10_000}","city":"{CITIES[scattered >> 29]}",'
        f'"amount":{(scattered % 90_000 + 10_000) / 100:.2f},"active":{"true" if scattered & 64 else "false"}}}\n'
    )


def line_of_100_bytes(number: int) -> str:
    """The same, as a value of exactly 100 bytes; the newline comes on top."""
    return f"{line(number)[:-1]:100}\n"


def files(lines: int, count: int = 1, make: Callable[[int], str] = line) -> list[Path]:
    """Paths of `count` files that hold `lines` lines together, made now if they are not there yet."""
    folder = WORK / "data" / (f"{lines}-lines-in-{count}" + ("" if make is line else f"-{make.__name__}"))
    paths = [folder / f"part-{index}.jsonl" for index in range(count)]
    bounds = [lines * index // count for index in range(count + 1)]
    for path, first, end in zip(paths, bounds[:-1], bounds[1:], strict=True):
        if not path.exists():
            _write(path, first, end, make)
    return paths


def _write(path: Path, first: int, end: int, make: Callable[[int], str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("w") as out:
        for start in range(first, end, LINES_A_WRITE):
            out.write("".join(map(make, range(start, min(start + LINES_A_WRITE, end)))))
        out.flush()
        os.fsync(out.fileno())  # else its write-back goes on while the first contestant is measured
    unfinished.rename(path)


if __name__ == "__main__":
    print(*files(int(sys.argv[1]), int(sys.argv[2])), sep="\n")
