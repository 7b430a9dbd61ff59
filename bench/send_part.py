"""The send part of a program that runs: from its first record in the topic to its last one, and the CPU it took for that."""

from __future__ import annotations

import time
from collections.abc import Sequence

from bench.processes import Program, ProgramFailedError, cpu_seconds_of, tree_of
from bench.scenario import Figures, Turn

LIMIT_S = 300
EVERY_S = 0.01


def watch(turn: Turn, program: Program, records: int | None = None) -> Figures:
    """Ask for the topic's end offsets every 10 ms until all records are there.

    What a program does before its first records arrive (start, connecting, reading ahead) does not count, for nobody. What the
    first look finds was sent before the clock began: the time is scaled up from the others.
    """
    records = records or turn.lines
    deadline = time.monotonic() + LIMIT_S
    before = count = 0
    began = cpu_began = now = 0.0
    processes: Sequence[int] = ()
    while count < records:
        count = turn.topics.count(turn.topic)
        now = time.monotonic()
        if count and not before:
            before, began, processes = count, now, tree_of(program.pid)
            cpu_began = cpu_seconds_of(processes)
        if count < records and (program.poll() or now > deadline):
            raise ProgramFailedError(f"The topic has {count} of {records} records\n{program.last_words()}")
        if count < records:
            time.sleep(EVERY_S)
    cpu = program.cpu_seconds_since(processes, cpu_began)
    scale = records / max(1, records - before)
    return {"records": records, "send_seconds": (now - began) * scale, "send_cpu_seconds": cpu * scale}
