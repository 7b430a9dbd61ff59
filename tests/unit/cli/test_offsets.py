"""`fastconnect offsets`, called as at the shell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fastconnect.cli.offsets import offsets
from fastconnect.errors import OffsetStoreError
from fastconnect.storage.sqlite import SqliteOffsetStore

A, B = {"filename": "a"}, {"filename": "b"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "offsets.sqlite"
    store = SqliteOffsetStore(path)
    store.put("orders", [(A, {"position": 1}), (B, {"position": 2})])
    store.put("clicks", [(A, {"position": 3})])
    store.close()
    return path


def call(*words: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(offsets, words, input=typed)


def held(file: Path) -> dict[str, int]:
    store = SqliteOffsetStore(file)
    found = {name: len(store.all(name)) for name in store.connectors()}
    store.close()
    return found


def test_show_prints_a_line_an_offset(file: Path) -> None:
    answer = call("show", "--file", str(file))
    assert answer.exit_code == 0
    assert answer.stdout.splitlines() == [
        'clicks  {"filename":"a"}  {"position":3}',
        'orders  {"filename":"a"}  {"position":1}',
        'orders  {"filename":"b"}  {"position":2}',
    ]


def test_show_of_one_connector_as_json(file: Path) -> None:
    answer = call("show", "clicks", "--json", "--file", str(file))
    assert json.loads(answer.stdout) == [{"connector": "clicks", "partition": A, "offset": {"position": 3}}]


def test_show_says_that_there_is_nothing_and_makes_no_file(tmp_path: Path) -> None:
    answer = call("show", "--file", str(tmp_path / "none"))
    assert answer.exit_code == 0
    assert answer.stdout == ""
    assert "No connector has offsets" in answer.stderr
    assert json.loads(call("show", "--json", "--file", str(tmp_path / "none")).stdout) == []
    assert list(tmp_path.iterdir()) == []


def test_the_default_file_is_that_of_the_home_folder(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    monkeypatch.setenv("FASTCONNECT_HOME", str(file.parent))
    assert len(call("show").stdout.splitlines()) == 3


def test_reset_forgets_one_connector_only(file: Path) -> None:
    answer = call("reset", "orders", "--yes", "--file", str(file))
    assert answer.exit_code == 0
    assert "2 offsets of connector orders forgotten" in answer.stderr
    assert held(file) == {"clicks": 1}


def test_reset_forgets_the_partitions_that_are_named(file: Path) -> None:
    assert call("reset", "orders", "--partition", '{"filename": "b"}', "--yes", "--file", str(file)).exit_code == 0
    assert held(file) == {"clicks": 1, "orders": 1}


def test_reset_asks_first_and_a_no_changes_nothing(file: Path) -> None:
    assert call("reset", "orders", "--file", str(file), typed="n\n").exit_code == 1
    assert held(file) == {"clicks": 1, "orders": 2}
    assert call("reset", "orders", "--file", str(file), typed="y\n").exit_code == 0
    assert held(file) == {"clicks": 1}


def test_reset_of_what_is_not_there_says_so(file: Path) -> None:
    answer = call("reset", "nobody", "--yes", "--file", str(file))
    assert answer.exit_code == 0
    assert "has no such offsets" in answer.stderr


@pytest.mark.parametrize("text", ["{", "[1]", "filename"])
def test_a_partition_that_is_no_json_object_is_a_usage_error(file: Path, text: str) -> None:
    answer = call("reset", "orders", "--partition", text, "--file", str(file))
    assert answer.exit_code == 2
    assert "is no JSON object" in answer.stderr


def test_a_file_of_another_kind_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text " * 1000)
    assert isinstance(call("show", "--file", str(tmp_path / "file")).exception, OffsetStoreError)
