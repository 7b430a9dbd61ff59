from __future__ import annotations

import fcntl
import logging
import os
import pty
import re
import select
import struct
import termios

import pytest

from fastconnect.cli import console
from fastconnect.cli.progress import Rates
from fastconnect.herder.snapshot import ConnectorInfo, Snapshot, TaskInfo
from fastconnect.logs import PlainFormatter
from fastconnect.states import State, TaskId

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


@pytest.fixture
def terminal():
    """A real terminal of 100 columns and 24 lines: (our end, the program's end)."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


def read(ours: int) -> str:
    text = b""
    while select.select([ours], [], [], 0)[0]:
        text += os.read(ours, 65536)
    return text.decode()


def snapshot(count: int = 2, stopping: str | None = None, **task) -> Snapshot:
    given = {"state": State.RUNNING, "counters": {"records_acked": 1000, "source_position": 5, "source_end": 10}, **task}
    tasks = [TaskInfo(id=TaskId("orders", number), **given) for number in range(count)]
    return Snapshot(connectors=[ConnectorInfo(name="orders", state=State.RUNNING, tasks=tasks)], stopping=stopping)


def drawn(view, shown: Snapshot, columns: int = 110, lines: int = 30) -> str:
    from rich.console import Console

    printer = Console(width=columns, color_system=None, force_terminal=False)
    with printer.capture() as capture:
        printer.print(view.content(shown, Rates().of(shown), columns, lines))
    return capture.get()


def test_a_drawing_leaves_the_cursor_above_itself(terminal):
    ours, theirs = terminal
    console.Screen(theirs).draw("one\ntwo")
    text = read(ours)

    assert ESCAPES.sub("", text).replace("\r", "").split("\n") == ["", "one", "two", ""]
    assert text.replace("\x1b[?25h", "").endswith("\x1b[J\x1b[3A")


def test_a_drawing_wipes_what_another_process_wrote_into_the_old_one(terminal):
    ours, theirs = terminal
    console.Screen(theirs).draw("one")

    assert "one\x1b[K" in read(ours)


def test_a_drawing_is_never_longer_than_the_terminal(terminal):
    ours, theirs = terminal
    console.Screen(theirs).draw("\n".join(["line"] * 500))

    assert read(ours).count("\n") == 23


def test_clearing_leaves_the_terminal_as_it_was(terminal):
    ours, theirs = terminal
    console.Screen(theirs).clear()

    assert read(ours) == "\r\x1b[J"


def test_the_table_has_a_row_for_each_task_and_one_for_all():
    text = drawn(console.TableView(), snapshot(2))

    assert [line.split()[:2] for line in text.splitlines() if "orders-" in line] == [
        ["orders-0", "RUNNING"],
        ["orders-1", "RUNNING"],
    ]
    total = next(line for line in text.splitlines() if "2 tasks" in line)
    assert "2,000" in total
    assert "50%" in total


def test_the_table_says_what_is_wrong_and_when_the_task_starts_again():
    text = drawn(console.TableView(), snapshot(1, state=State.RESTARTING, reason="killed by SIGKILL", next_start_ms=400))

    assert "orders-0: killed by SIGKILL (starts again in 400 ms)" in text


def test_the_table_says_why_the_worker_stops():
    assert "Stopping: SIGTERM" in drawn(console.TableView(), snapshot(stopping="SIGTERM"))


def test_a_task_that_has_read_all_is_shown_as_ended():
    assert "ENDED" in drawn(console.TableView(), snapshot(1, counters={"at_end": 1}))


def test_a_table_that_does_not_fit_shows_the_tasks_in_trouble_first():
    many = snapshot(100)
    many.connectors[0].tasks[70] = TaskInfo(id=TaskId("orders", 70), state=State.FAILED, reason="gone")
    text = drawn(console.TableView(), many, lines=24)

    assert len(text.splitlines()) < 24
    assert "orders-70" in text
    assert "more" in text


def test_names_are_shown_as_they_are_and_never_taken_for_markup():
    shown = Snapshot(
        connectors=[
            ConnectorInfo(name="x", state=State.RUNNING, tasks=[TaskInfo(id=TaskId("[red]x[/]", 0), state=State.RUNNING)])
        ]
    )

    assert "[red]x[/]-0" in drawn(console.TableView(), shown)


def test_the_progress_bar_says_how_far_how_much_and_how_fast():
    text = drawn(console.ProgressView("ingest → logs"), snapshot(2))

    assert "ingest → logs" in text
    assert "50%" in text
    assert "2,000 records" in text
    assert "2 RUNNING" in text


def test_the_progress_bar_is_at_its_start_before_there_are_tasks():
    text = drawn(console.ProgressView("ingest → logs"), snapshot(0))

    assert "%" not in text
    assert "starting" in text


def test_a_connector_that_failed_is_told_under_the_bar():
    shown = Snapshot(connectors=[ConnectorInfo(name="orders", state=State.FAILED, reason="no files match")])

    assert "orders: no files match" in drawn(console.ProgressView("x"), shown)


def test_a_view_draws_on_stderr_and_wipes_it_at_the_end(terminal, monkeypatch):
    ours, theirs = terminal
    with open(theirs, "w", closefd=False) as stderr:
        monkeypatch.setattr("sys.stderr", stderr)
        view = console.view_for_job("ingest → logs")

        view.show(snapshot())
        assert "2,000 records" in read(ours)
        view.close()
        assert read(ours).endswith("\r\x1b[J")


def test_without_a_terminal_the_totals_are_logged(monkeypatch, tmp_path, caplog):
    with (tmp_path / "log").open("w") as file, caplog.at_level(logging.INFO):
        monkeypatch.setattr("sys.stderr", file)
        view = console.view_for_run()
        view.show(snapshot())
        view.show(snapshot())
        view.close()

    (record,) = caplog.records
    line = PlainFormatter().format(record)
    assert line.startswith("INFO [orders] Records were delivered. records=2000 ")
    assert "read=50%" in line
    assert "tasks=2:RUNNING" in line


def test_a_dumb_terminal_gets_log_lines(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    with open(terminal[1], "w", closefd=False) as stderr:
        monkeypatch.setattr("sys.stderr", stderr)

        assert isinstance(console.view_for_run(), console.LogView)
