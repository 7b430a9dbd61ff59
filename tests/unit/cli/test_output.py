"""What a terminal gets to see."""

from __future__ import annotations

import json

import pytest

from fastconnect.cli import output


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ä 漢", "plain ä 漢"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("two\nlines\t.", "two\\nlines\\t."),
        ("\x9b1A", "\\x9b1A"),
        ("abc\u202egnp.exe", "abc\\u202egnp.exe"),
        ("a\u2028b", "a\\u2028b"),
        ("\ud800", "\\ud800"),
    ],
    ids=["plain", "escape", "lines", "C1", "direction", "line separator", "surrogate"],
)
def test_a_name_cannot_steer_the_terminal(text: str, shown: str):
    assert output.printable(text) == shown


def test_a_trace_keeps_its_lines_and_nothing_else():
    assert output.printable_lines("a\r\n\tat b\x1b]0;title\x07\rc") == "a\n\tat b\\x1b]0;title\\x07\\rc"


def test_json_has_nothing_that_steers_and_means_the_same(capsys: pytest.CaptureFixture[str]):
    value = ["\x1b", "\x9b", "\x7f", "\u202e", "ä漢"]
    output.print_json(value)

    printed = capsys.readouterr().out
    assert json.loads(printed) == value
    assert not set(printed) & {"\x1b", "\x9b", "\x7f", "\u202e"}


def test_a_table_that_nobody_looks_at_has_tabs_and_no_head(capsys: pytest.CaptureFixture[str]):
    output.print_table(("NAME", "STATE"), [("a b", "RUNNING"), ("c\td", None)])
    assert capsys.readouterr().out == "a b\tRUNNING\nc\\td\t\n"


def test_a_table_on_a_terminal_fits_it_and_cuts_the_last_column(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(output, "on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    output.print_table(("NAME", "STATE", "TEXT"), [("orders", "RUNNING", "x" * 200), ("[red]b", "FAILED", "y")])

    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 40 for line in lines)
    text = "\n".join(lines)
    assert "orders" in text
    assert "RUNNING" in text
    assert "x…" in text
    assert "[red]b" in text


@pytest.mark.parametrize(
    ("states", "text"),
    [
        ([], "no tasks"),
        (["RUNNING"] * 3, "3 RUNNING"),
        (["RUNNING", "FAILED", "RUNNING", "PAUSED"], "1 FAILED, 1 PAUSED, 2 RUNNING"),
        (["NEW", "RUNNING"], "1 NEW, 1 RUNNING"),
    ],
)
def test_tasks_in_few_words_what_is_not_well_first(states: list[str], text: str):
    assert output.task_counts(states) == text
