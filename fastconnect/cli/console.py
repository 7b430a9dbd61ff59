"""The views that the herder shows while a worker runs: a table or a progress bar on a terminal, plain log lines elsewhere.

A view lives in the herder process; `rich` is imported there, when something is first drawn, so that no command waits for it.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from typing import TYPE_CHECKING

from fastconnect import logs
from fastconnect.cli.progress import Progress, Rates, count_text, plural, seconds_text, size_text, state_counts, summed
from fastconnect.herder.snapshot import Snapshot, TaskInfo, View
from fastconnect.logs import facts
from fastconnect.reports import WAITING
from fastconnect.states import State

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

logger = logging.getLogger("fastconnect.progress")

STATE_COLOURS = {State.RUNNING: "green", State.FAILED: "bold red", State.RESTARTING: "yellow", State.PAUSED: "cyan"}


def wants_drawing() -> bool:
    """Whether stderr is a terminal that can be drawn on, and no program is to read what is logged there."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not logs.are_json()


class Screen:
    r"""Draws on a terminal that other processes write their log lines to.

    The cursor is parked above what is drawn: a line that another process writes lands there, and the next drawing goes below
    it. So nothing has to be redirected, and if this process is killed the terminal is usable as it is.
    """

    def __init__(self, descriptor: int) -> None:
        from rich.console import Console

        self._descriptor = descriptor
        self._console = Console(file=io.StringIO(), force_terminal=True)  # what is printed is captured, nothing goes there

    def size(self) -> tuple[int, int]:
        """Columns and lines of the terminal."""
        size = os.get_terminal_size(self._descriptor)
        return size.columns or 80, size.lines or 24

    def draw(self, content: RenderableType) -> None:
        """Replace what was drawn before."""
        columns, lines = self.size()
        with self._console.capture() as capture:
            self._console.print(content, width=columns)
        # A blank line first: a log line that comes before the next drawing lands on it and hides nothing.
        drawn = ["", *capture.get().rstrip("\n").split("\n")][: lines - 1]
        text = "".join(f"{line}\x1b[K\n" for line in drawn)
        self._write(f"\x1b[?25l\r{text}\x1b[J\x1b[{len(drawn)}A\x1b[?25h")

    def clear(self) -> None:
        """Wipe what was drawn."""
        self._write("\r\x1b[J")

    def _write(self, text: str) -> None:
        data = text.encode()
        while data:
            data = data[os.write(self._descriptor, data) :]


class _DrawnView:
    """Something drawn on the terminal a few times a second."""

    interval_ms = 200

    def __init__(self) -> None:
        self._screen: Screen | None = None
        self._rates = Rates()

    def show(self, snapshot: Snapshot) -> None:
        """Draw it."""
        if self._screen is None:
            self._screen = Screen(sys.stderr.fileno())
        columns, lines = self._screen.size()
        self._screen.draw(self.content(snapshot, self._rates.of(snapshot), columns, lines))

    def content(self, snapshot: Snapshot, progress: dict[str, Progress], columns: int, lines: int) -> RenderableType:
        """What to draw."""
        raise NotImplementedError

    def close(self) -> None:
        """Wipe it."""
        if self._screen is not None:
            self._screen.clear()


class TableView(_DrawnView):
    """A row a task: state, rates, totals, how far it is, errors. Those in trouble come first if not all fit."""

    def content(self, snapshot: Snapshot, progress: dict[str, Progress], columns: int, lines: int) -> RenderableType:
        """Draw the table, what is wrong below it, and why the worker stops if it does."""
        from rich.console import Group
        from rich.text import Text

        notes = [Text(text, style="red") for text in _troubles(snapshot)][:5]
        if snapshot.stopping is not None:
            notes.append(Text(f"Stopping: {snapshot.stopping}", style="yellow"))
        elif any(connector.state is State.UNASSIGNED for connector in snapshot.connectors):
            notes.append(Text("Asking the connectors for their tasks…", style="dim"))
        room = max(1, lines - len(notes) - 8)  # head, rules, total, the blank line and the prompt
        tasks = snapshot.tasks
        if len(tasks) > room:
            tasks = sorted(tasks, key=lambda task: task.state is State.RUNNING)[:room]
        table = _table()
        for task in tasks:
            _add_row(table, str(task.id), task, progress[str(task.id)])
        if len(tasks) < len(snapshot.tasks):
            table.add_row(f"… {len(snapshot.tasks) - len(tasks)} more")
        if len(snapshot.tasks) > 1:
            table.add_section()
            _add_row(table, plural(len(snapshot.tasks), "task"), None, summed(progress.values()))
        return Group(table, *notes)


def _table() -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("task", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for name in ("records/s", "MB/s", "records", "MB", "read", "failed", "restarts"):
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _add_row(table: Table, name: str, task: TaskInfo | None, numbers: Progress) -> None:
    from rich.text import Text

    state = Text()
    if task is not None:
        ended = numbers.ended and task.state is State.RUNNING
        state = Text("ENDED" if ended else task.state.name, style=STATE_COLOURS.get(task.state, "dim"))
    table.add_row(
        Text(name),
        state,
        count_text(numbers.records_per_s),
        f"{numbers.bytes_per_s / 1e6:,.1f}",
        count_text(numbers.records),
        f"{numbers.bytes / 1e6:,.1f}",
        "" if numbers.share is None else f"{numbers.share:.0%}",
        Text(f"{numbers.failed:,}", style="red" if numbers.failed else ""),
        Text(f"{numbers.restarts:,}", style="yellow" if numbers.restarts else ""),
    )


def _troubles(snapshot: Snapshot) -> list[str]:
    troubles = [f"{each.name}: {each.reason}" for each in snapshot.connectors if each.reason]
    for task in snapshot.tasks:
        if task.reason and (task.state in {State.FAILED, State.RESTARTING} or task.reason.startswith(WAITING)):
            wait = f" (starts again in {task.next_start_ms} ms)" if task.next_start_ms else ""
            troubles.append(f"{task.id}: {task.reason}{wait}")
    return troubles


class ProgressView(_DrawnView):
    """One bar for a job that ends, and a line of totals; what is wrong below it."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title

    def content(self, snapshot: Snapshot, progress: dict[str, Progress], columns: int, lines: int) -> RenderableType:
        """Draw the bar."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        total = summed(progress.values())
        share = total.share if snapshot.tasks else None
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            Text(self._title, style="bold", no_wrap=True),
            ProgressBar(total=1.0, completed=share or 0.0, width=max(10, min(40, columns // 3))),
            Text("" if share is None else f"{share:.0%}", style="cyan"),
            Text("" if total.remaining_s is None else f"{seconds_text(total.remaining_s)} left", style="dim", no_wrap=True),
        )
        facts = Text(no_wrap=True, overflow="ellipsis")
        facts.append(f"{count_text(total.records)} records  {size_text(total.bytes)}  ")
        facts.append(f"{count_text(total.records_per_s)} records/s  {size_text(total.bytes_per_s)}/s  ", style="cyan")
        facts.append(state_counts(snapshot.tasks) if snapshot.tasks else "starting…", style="dim")
        notes = [Text(text, style="red") for text in _troubles(snapshot)][: max(1, lines - 5)]
        if snapshot.stopping not in {None, "done"}:
            notes.append(Text(f"Stopping: {snapshot.stopping}", style="yellow"))
        return Group(bar, facts, *notes)


class LogView:
    """A log line every five seconds, for where nobody watches: files, journals, CI."""

    interval_ms = 5000

    def __init__(self) -> None:
        self._rates = Rates()
        self._first = True

    def show(self, snapshot: Snapshot) -> None:
        """Log the totals of each connector; nothing at the very start, where all is 0."""
        progress = self._rates.of(snapshot)
        if self._first:
            self._first = False
            return
        for connector in snapshot.connectors:
            total = summed(progress[str(task.id)] for task in connector.tasks)
            numbers = facts(
                records=total.records,
                mb=round(total.bytes / 1e6, 1),
                records_per_s=round(total.records_per_s),
                mb_per_s=round(total.bytes_per_s / 1e6, 1),
                read=None if total.share is None else f"{total.share:.0%}",
                tasks=state_counts(connector.tasks).replace(", ", ",").replace(" ", ":"),
                failed=total.failed or None,
            )
            logger.info("Records were delivered.", extra={**numbers, "context": connector.name})

    def close(self) -> None:
        """Nothing is left on the terminal."""


def view_for_run() -> View:
    """The table on a terminal, log lines elsewhere."""
    return TableView() if wants_drawing() else LogView()


def view_for_job(title: str) -> View:
    """The progress bar on a terminal, log lines elsewhere."""
    return ProgressView(title) if wants_drawing() else LogView()
