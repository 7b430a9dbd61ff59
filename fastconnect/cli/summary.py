"""What a job has done, in numbers: for people, and as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import click
import msgspec

from fastconnect.cli.progress import count_text, plural, seconds_text, size_text


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of a job, of all processes of all its tasks.

    A record that was read a second time, because a process died before its offset was flushed, counts a second time.
    """

    records: int
    """What the sources handed over."""
    bytes: int
    """Keys and values that were delivered."""
    delivered: int
    """Records that the broker has acknowledged."""
    failed: int
    filtered: int
    skipped: int
    tasks: int
    restarts: int
    seconds: float
    """From the command's start to its end."""
    send_seconds: float
    """From the first acknowledgement to the last one."""
    cpu_seconds: float
    """Of all processes, without the broker's."""
    complete: bool
    """Whether every source has reached its end, and all of it is delivered and flushed."""

    @property
    def records_per_s(self) -> float:
        """Delivered records a second, over the whole time."""
        return self.delivered / self.seconds if self.seconds > 0 else 0.0


def summarize(
    counters: Iterable[Mapping[str, int]],
    *,
    restarts: int,
    seconds: float,
    cpu_seconds: float,
    complete: bool,
    forgotten: Mapping[str, int] | None = None,
) -> Summary:
    """Add up the counters of the tasks (metrics.py has their meaning).

    Args:
        forgotten: those of tasks that were stopped before the end, taken together.
    """
    every = list(counters)

    def total(name: str) -> int:
        return sum(of_task.get(name, 0) for of_task in (*every, forgotten or {}))

    first_acks = [of_task["first_ack_ns"] for of_task in every if of_task.get("first_ack_ns", 0) > 0]
    last_ack = max((of_task.get("last_ack_ns", 0) for of_task in every), default=0)
    return Summary(
        records=total("records_polled"),
        bytes=total("bytes_acked"),
        delivered=total("records_acked"),
        failed=total("records_failed"),
        filtered=total("records_filtered"),
        skipped=total("records_skipped"),
        tasks=len(every),
        restarts=restarts,
        seconds=round(seconds, 3),
        send_seconds=round(max(0, last_ack - min(first_acks)) / 1e9, 3) if first_acks else 0.0,
        cpu_seconds=round(cpu_seconds, 3),
        complete=complete,
    )


def stopped(summary: Summary) -> str:
    """One line about a worker that was told to stop, and did."""
    return f"Stopped: {plural(summary.delivered, 'record')} delivered and flushed in {seconds_text(summary.seconds)}."


def print_summary(summary: Summary) -> None:
    """Print it for people."""
    again = f"{plural(summary.restarts, 'restart')}; what was read again counts again"
    rows = [
        ("records", count_text(summary.records)),
        ("delivered", f"{count_text(summary.delivered)} ({size_text(summary.bytes)})"),
        ("failed", count_text(summary.failed)),
        *((name, count_text(count)) for name, count in (("filtered", summary.filtered), ("skipped", summary.skipped)) if count),
        ("seconds", f"{summary.seconds:,.2f} (CPU {summary.cpu_seconds:,.2f})"),
        ("records/s", f"{count_text(summary.records_per_s)} ({size_text(summary.bytes / max(summary.seconds, 1e-9))}/s)"),
        ("tasks", count_text(summary.tasks) + (f" ({again})" if summary.restarts else "")),
    ]
    for name, text in rows:
        click.echo(f"{click.style(f'{name:>10}', dim=True)}  {text}")


def as_json(summary: Summary) -> str:
    """Write it as one JSON object."""
    return msgspec.json.encode({**msgspec.structs.asdict(summary), "records_per_s": round(summary.records_per_s, 1)}).decode()
