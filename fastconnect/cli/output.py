"""What client commands print: tables, JSON, states in colour. Nothing that a cluster answers can steer the terminal.

On a terminal a list is a table, cut to its width. Elsewhere it is plain: a line a row, cells with a tab between, nothing cut.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import Any

import click

COLOURS = {
    "RUNNING": "green",
    "FAILED": "red",
    "RESTARTING": "yellow",
    "UNASSIGNED": "yellow",
    "PAUSED": "cyan",
    "STOPPED": "cyan",
}

BETWEEN = 3  # blanks between two columns of a table
SHORTEST = 10  # so wide the last column is at least

# Control characters (C0, DEL, C1), and those that turn the direction of writing or begin a line or paragraph: a name with
# them could hide what a line says, or send a terminal commands. Lone surrogates cannot be written at all.
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_STEERING_BUT_LINES = re.compile("(?![\n\t])" + _STEERING.pattern)
_SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}


def printable(text: str) -> str:
    r"""A name or value on one line: what could steer a terminal is written as `\x1b` or `\u202e`."""
    return _STEERING.sub(_escaped, text)


def printable_lines(text: str) -> str:
    """A text of several lines, such as a trace, made harmless like a name."""
    return _STEERING_BUT_LINES.sub(_escaped, text.replace("\r\n", "\n"))


def _escaped(found: re.Match[str]) -> str:
    char = found[0]
    return _SHORT.get(char) or (f"\\x{ord(char):02x}" if ord(char) < 0x100 else f"\\u{ord(char):04x}")


def print_json(value: object) -> None:
    """Print data for programs; what could steer a terminal is escaped, as JSON may have it."""
    import msgspec

    text = msgspec.json.format(msgspec.json.encode(value)).decode()
    click.echo(re.sub("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]", lambda c: f"\\u{ord(c[0]):04x}", text))


def on_terminal() -> bool:
    """Whether somebody looks at standard output."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def state_text(state: str) -> str:
    """A state, in its colour where there are colours."""
    return click.style(printable(state), fg=COLOURS.get(state))


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str | int | None]]) -> None:
    """Print rows; cells that are states are coloured on a terminal."""
    cells = [[printable(str("" if cell is None else cell)) for cell in row] for row in rows]
    if not on_terminal():
        for row in cells:
            click.echo("\t".join(row))
        return
    from rich import box
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    widths = [max(cell_len(cell) for cell in column) for column in zip(headers, *cells, strict=True)]
    # The last column, which is the longest where there are long ones, is cut first.
    room = console.width - sum(width + BETWEEN for width in widths[:-1]) - BETWEEN
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column, header in enumerate(headers):
        least, most = (widths[column], None) if column < len(headers) - 1 and room >= SHORTEST else (None, max(room, SHORTEST))
        table.add_column(header, no_wrap=True, overflow="ellipsis", header_style="bold", min_width=least, max_width=most)
    for row in cells:
        table.add_row(*(Text(cell, style=_colour(cell)) for cell in row))
    console.print(table)


def _colour(cell: str) -> str:
    """Of the first state in a cell: `FAILED`, `1 FAILED, 3 RUNNING`."""
    return next((COLOURS[word] for word in cell.replace(",", "").split() if word in COLOURS), "")


def counted(count: int, what: str) -> str:
    """`1 task`, `2 tasks`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def say(sentence: str) -> None:
    """Tell the user something that is not data: on standard error."""
    click.echo(printable_lines(sentence), err=True)


def confirmed(question: str, *, yes: bool) -> bool:
    """Ask before something is done that cannot be taken back; with `yes` nobody is asked.

    Raises:
        click.UsageError: nobody is there to answer.
    """
    if yes:
        return True
    try:
        return click.confirm(printable_lines(question), err=True)
    except click.Abort:
        if sys.stdin.isatty():  # Ctrl-C
            raise
        raise click.UsageError("Nobody is there to be asked: say --yes if it shall be done.") from None


def task_counts(states: Sequence[str]) -> str:
    """What tasks do, in few words: `3 RUNNING`, or what is not well first: `1 FAILED, 2 RUNNING`."""
    order = ["FAILED", "RESTARTING", "UNASSIGNED", "PAUSED", "STOPPED", "RUNNING"]
    known: dict[str, int] = {}
    for state in sorted(states, key=lambda state: order.index(state) if state in order else 0):
        known[state] = known.get(state, 0) + 1
    return ", ".join(f"{count} {state}" for state, count in known.items()) or "no tasks"


def value_text(value: Any) -> str:
    """JSON on one line."""
    import msgspec

    return msgspec.json.encode(value).decode()
