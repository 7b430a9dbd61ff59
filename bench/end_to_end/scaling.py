"""The same 8 files with 1, 2, 4 and 8 tasks: more tasks must not make it slower."""

from __future__ import annotations

from functools import partial

from bench import data, ours
from bench.scenario import Contestant, Figures, Goal, Scenario, Turn

FILES = 8
NAMES = {1: "1 task", 2: "2 tasks", 4: "4 tasks", 8: "8 tasks"}


def with_tasks(tasks: int, turn: Turn) -> Figures:
    return ours.ingest(turn, data.files(turn.lines, FILES), tasks)


SCENARIO = Scenario(
    name="scaling",
    title="8 files with 1, 2, 4 and 8 tasks, whole process",
    contestants=[Contestant(name, partial(with_tasks, tasks), version=ours.version) for tasks, name in NAMES.items()],
    goals=[
        Goal(f"8 files, {name}: records/s against 1 task", "records_per_second", 0.9, "at least", ours=name, against="1 task")
        for tasks, name in NAMES.items()
        if tasks > 1
    ],
)
