"""The put part of a sink that runs: from its first record to its last one, and the CPU that its program took for that."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.processes import Program, ProgramFailedError, cpu_seconds_of, tree_of
from bench.scenario import Figures, Turn

LIMIT_S = 300
EVERY_S = 0.01


def watch(turn: Turn, program: Program) -> Figures:
    """Wait for what CountSink reports in the turn's folder: its own times of the first and the last record."""
    cpu = _cpu_between(program, (turn.folder / "first").exists, (turn.folder / "last").exists)
    first, last = (_reported(turn.folder / name) for name in ("first", "last"))
    return {"records": turn.lines, "put_seconds": (last[0] - first[0]) / 1e9, "put_cpu_seconds": cpu, "total_of_ids": last[1]}


def watch_file(turn: Turn, program: Program, path: Path, size: int) -> Figures:
    """Wait until a file has so many bytes; it counts from its first ones."""
    times: list[float] = []

    def reaches(wanted: int) -> Callable[[], bool]:
        def reached() -> bool:
            if not path.exists() or path.stat().st_size < wanted:
                return False
            times.append(time.monotonic())
            return True

        return reached

    cpu = _cpu_between(program, reaches(1), reaches(size))
    return {"records": turn.lines, "put_seconds": times[1] - times[0], "put_cpu_seconds": cpu}


def _cpu_between(program: Program, begun: Callable[[], bool], ended: Callable[[], bool]) -> float:
    processes: Sequence[int] = ()
    before = 0.0
    for reached in (begun, ended):
        deadline = time.monotonic() + LIMIT_S
        while not reached():
            if program.poll() or time.monotonic() > deadline:
                if reached():  # it came just before the end
                    break
                raise ProgramFailedError(f"The sink has not got all records\n{program.last_words()}")
            time.sleep(EVERY_S)
        if reached is begun:
            processes = tree_of(program.pid)
            before = cpu_seconds_of(processes)
    return program.cpu_seconds_since(processes, before)


def _reported(path: Path) -> tuple[int, int]:
    when, total = path.read_text().split()
    return int(when), int(total)
