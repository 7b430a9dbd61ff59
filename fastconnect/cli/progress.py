"""What a snapshot of the worker means to a person: totals, rates, how far it is; and numbers written for reading.

Used by everything that shows progress: the table, the progress bar, the plain lines and the summaries.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable

import msgspec

from fastconnect.herder.snapshot import Snapshot, TaskInfo
from fastconnect.states import State

RATE_WINDOW_S = 2.0
"""Rates are averages over this long: steady enough to be read, quick enough to show a stall."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of one task, or of several together. `position` and `end` are in the source's own unit; end -1: unknown."""

    records: int = 0
    bytes: int = 0
    sent: int = 0
    failed: int = 0
    skipped: int = 0
    restarts: int = 0
    position: int = 0
    end: int = -1
    ended: bool = False
    records_per_s: float = 0.0
    bytes_per_s: float = 0.0
    position_per_s: float = 0.0

    @property
    def remaining_s(self) -> float | None:
        """How long the rest will take at the present rate; None where that is not known."""
        if self.ended or self.end <= 0 or self.position_per_s <= 0:
            return None
        return max(0, self.end - self.position) / self.position_per_s

    @property
    def share(self) -> float | None:
        """How much of the source has been read, from 0 to 1; None where its end is not known."""
        if self.ended:
            return 1.0
        return min(1.0, self.position / self.end) if self.end > 0 else None


def of_task(task: TaskInfo) -> Progress:
    """A task's numbers, without rates."""
    counters = task.counters
    end = counters.get("source_end", -1)
    return Progress(
        records=counters.get("records_acked", 0),
        bytes=counters.get("bytes_acked", 0),
        sent=counters.get("records_sent", 0),
        failed=counters.get("records_failed", 0),
        skipped=counters.get("records_skipped", 0),
        restarts=task.restarts,
        position=counters.get("source_position", 0),
        end=end if end > 0 else -1,
        ended=counters.get("at_end", 0) == 1,
    )


def summed(parts: Iterable[Progress]) -> Progress:
    """Several as one. How far it is is only known if it is known of every part that has not ended."""
    every = list(parts)
    known = [part for part in every if part.end > 0]
    all_known = all(part.end > 0 or part.ended for part in every)
    return Progress(
        records=sum(part.records for part in every),
        bytes=sum(part.bytes for part in every),
        sent=sum(part.sent for part in every),
        failed=sum(part.failed for part in every),
        skipped=sum(part.skipped for part in every),
        restarts=sum(part.restarts for part in every),
        position=sum(part.end if part.ended else part.position for part in known),
        end=sum(part.end for part in known) if all_known and known else -1,
        ended=bool(every) and all(part.ended for part in every),
        records_per_s=sum(part.records_per_s for part in every),
        bytes_per_s=sum(part.bytes_per_s for part in every),
        position_per_s=sum(part.position_per_s for part in every),
    )


class Rates:
    """Adds rates to what snapshots say, from the snapshots of the last two seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, dict[str, Progress]]] = deque()

    def of(self, snapshot: Snapshot) -> dict[str, Progress]:
        """Each task's progress by its name, with its rates."""
        now = self._clock()
        tasks = {str(task.id): of_task(task) for task in snapshot.tasks}
        self._seen.append((now, tasks))
        while len(self._seen) > 2 and self._seen[1][0] <= now - RATE_WINDOW_S:
            self._seen.popleft()
        began, first = self._seen[0]
        seconds = now - began
        if seconds <= 0:
            return tasks
        answer = {}
        for name, task in tasks.items():
            before = first.get(name, Progress(position=task.position))
            answer[name] = msgspec.structs.replace(
                task,
                records_per_s=max(0, task.records - before.records) / seconds,
                bytes_per_s=max(0, task.bytes - before.bytes) / seconds,
                position_per_s=max(0, task.position - before.position) / seconds,
            )
        return answer


def state_counts(tasks: Iterable[TaskInfo]) -> str:
    """Such as `7 RUNNING, 1 RESTARTING`."""
    counts: dict[State, int] = {}
    for task in tasks:
        counts[task.state] = counts.get(task.state, 0) + 1
    return (
        ", ".join(f"{count} {state.name}" for state, count in sorted(counts.items(), key=lambda item: -item[1])) or "no tasks"
    )


def size_text(size: float) -> str:
    """Such as `103.5 MB`; units of 1000, as disks and networks are sold."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size) < 1000:
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"


def count_text(count: float) -> str:
    """Such as `1,204,331`."""
    return f"{count:,.0f}"


def plural(count: int, noun: str) -> str:
    """Such as `1 task`, `8 tasks`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def seconds_text(seconds: float) -> str:
    """Such as `0:03` or `1:02:45`."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
