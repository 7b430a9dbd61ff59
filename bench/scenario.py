"""What a scenario is: contestants that take turns, and goals for the ratio of two of their figures.

A figure's name ends with its unit. `records_per_second` and `cpu_us_per_record` are what most goals are about: the run makes
them of `records`, `seconds` and `cpu_seconds`, so that all contestants count alike.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from bench.topics import Topics

Figures: TypeAlias = dict[str, float]


@dataclass(frozen=True)
class Turn:
    """What a contestant is given for one turn of its."""

    topics: Topics
    topic: str  # fresh, with 8 partitions; deleted after the turn
    folder: Path  # fresh too, for configs, offsets and logs
    lines: int
    quick: bool  # a trial: smaller counts are welcome, the figures mean nothing

    @property
    def bootstrap(self) -> str:
        """Where the broker listens."""
        return self.topics.bootstrap


@dataclass(frozen=True)
class Contestant:
    """One that takes part, under the name that the results show."""

    name: str
    run: Callable[[Turn], Figures]
    topic_config: Mapping[str, str] = field(default_factory=dict)
    version: Callable[[], str] | None = None


@dataclass(frozen=True)
class Goal:
    """What is to be reached: by a figure of `ours` itself, or by its ratio to the same figure of `against`."""

    text: str
    figure: str
    limit: float
    side: Literal["at least", "at most"]
    ours: str = "fastconnect"
    against: str | None = None

    def value(self, rounds: Sequence[Mapping[str, Figures]]) -> float:
        """The median of all rounds; a ratio is made inside each round, where both saw the same machine."""
        return statistics.median(self.in_rounds(rounds))

    def in_rounds(self, rounds: Sequence[Mapping[str, Figures]]) -> list[float]:
        """The figure or ratio of each round."""
        return [
            figures[self.ours][self.figure] / (figures[self.against][self.figure] if self.against else 1.0)
            for figures in rounds
        ]

    def met(self, value: float) -> bool:
        """Whether a value reaches the goal."""
        return value >= self.limit if self.side == "at least" else value <= self.limit


@dataclass(frozen=True)
class Scenario:
    """One comparison. Lives as SCENARIO in a file of its own in end_to_end/."""

    name: str
    title: str
    contestants: Sequence[Contestant]
    goals: Sequence[Goal]
    notes: str = ""  # how the figures are taken, for the results file and its reader
    settings: Mapping[str, object] = field(default_factory=dict)
    repeats: int | None = None  # where one turn already repeats inside itself
    warm_up: bool = True


def per_record(figures: Figures) -> Figures:
    """Add what is derived from records, seconds and CPU seconds."""
    records = figures.get("records")
    if records:
        if "seconds" in figures:
            figures["records_per_second"] = records / figures["seconds"]
        if "send_seconds" in figures:
            figures["send_records_per_second"] = records / figures["send_seconds"]
        if "put_seconds" in figures:
            figures["put_records_per_second"] = records / figures["put_seconds"]
        if "put_cpu_seconds" in figures:
            figures["put_cpu_us_per_record"] = figures["put_cpu_seconds"] / records * 1e6
        if "cpu_seconds" in figures:
            figures["cpu_us_per_record"] = figures["cpu_seconds"] / records * 1e6
        if "send_cpu_seconds" in figures:
            figures["send_cpu_us_per_record"] = figures["send_cpu_seconds"] / records * 1e6
    return figures


def medians(rounds: Sequence[Mapping[str, Figures]]) -> dict[str, Figures]:
    """The median of every figure of every contestant."""
    return {
        name: {figure: statistics.median(one[name][figure] for one in rounds) for figure in rounds[0][name]}
        for name in rounds[0]
    }
