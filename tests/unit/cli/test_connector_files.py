"""Files and folders of connectors."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastconnect.cli.connector_files import wanted_by, wanted_in
from fastconnect.errors import ConfigError


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def test_a_folder_is_all_its_config_files_and_those_of_the_folders_in_it(tmp_path: Path):
    write(tmp_path, "b.properties", "name=b\nconnector.class=C\n")
    write(tmp_path, "a.json", '{"name": "a", "config": {"connector.class": "C"}, "initial_state": "PAUSED"}')
    write(tmp_path, "team/c.toml", 'name = "c"\n"connector.class" = "C"\n')
    write(tmp_path, "README.md", "no connector")
    write(tmp_path, ".hidden.properties", "nonsense")
    write(tmp_path, ".git/d.properties", "name=d\nconnector.class=C\n")

    found = wanted_in([tmp_path])

    assert [(each.name, each.initial_state) for each in found] == [("a", "PAUSED"), ("b", "RUNNING"), ("c", "RUNNING")]
    assert found[2].origin == str(tmp_path / "team/c.toml")


def test_settings_count_more_than_a_file(tmp_path: Path):
    file = write(tmp_path, "a.properties", "name=a\nconnector.class=C\ntopic=t\n")
    (found,) = wanted_in([file], {"topic": "u", "name": "b"})
    assert (found.name, found.config["topic"]) == ("b", "u")


@pytest.mark.parametrize(
    ("text", "message"),
    [("bootstrap.servers=a:1", "no connector.class in it .is it another kind of file"), ("connector.class=C", "has no name")],
    ids=["a worker's", "no name"],
)
def test_a_file_that_is_no_connector_is_told_with_its_name(tmp_path: Path, text: str, message: str):
    write(tmp_path, "x.properties", text)
    with pytest.raises(ConfigError, match=message) as refused:
        wanted_in([tmp_path])
    assert "x.properties" in str(refused.value)


def test_a_connector_of_the_command_line_needs_a_name():
    assert wanted_by({"name": "a", "connector.class": "C"}, "RUNNING").name == "a"
    with pytest.raises(ConfigError, match="--set name="):
        wanted_by({"connector.class": "C"}, "RUNNING")
