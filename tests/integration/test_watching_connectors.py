"""A connector that watches its source: tasks come and go with what the source has."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from fakes.commands import Shell, until
from fakes.topics import Topics

pytestmark = pytest.mark.integration


def test_a_source_that_grows_gets_more_tasks_also_when_the_herder_or_the_watcher_was_killed(
    run: Shell, topics: Topics, fresh_topic: str, tmp_path: Path
) -> None:
    topics.create(fresh_topic, 1)
    tables = tmp_path / "tables"
    tables.write_text("a\nb\n")
    config = {
        "name": "tables",
        "connector.class": "poison.TablesSource",
        "topic": fresh_topic,
        "tables": str(tables),
        "tasks.max": "10",
        "value.converter": "StringConverter",
    }
    (tmp_path / "connector.json").write_text(json.dumps(config))
    command = run.start("run", tmp_path / "connector.json", "--bootstrap-servers", topics.bootstrap)

    def arrived() -> list[bytes | None]:
        return sorted(topics.values(fresh_topic), key=str)

    until(lambda: arrived() == [b"a", b"b"], "the first tables arrive")
    kept = {process.pid for process in command.tasks()}
    tables.write_text("a\nb\nc\n")
    until(lambda: arrived() == [b"a", b"b", b"c"], "a new table arrives")
    assert kept <= {process.pid for process in command.tasks()}, "tasks whose configs stayed the same go on"

    (watcher,) = command.processes("connector")
    watcher.send(signal.SIGKILL)
    tables.write_text("a\nb\nc\nd\n")
    until(lambda: arrived() == [b"a", b"b", b"c", b"d"], "it is watched again")

    (herder,) = command.processes("herder")
    herder.send(signal.SIGKILL)
    until(lambda: command.processes("herder") and command.processes("connector"), "a new herder has it watched")
    tables.write_text("a\nb\nc\nd\ne\n")
    until(lambda: arrived() == [b"a", b"b", b"c", b"d", b"e"], "a new herder hears of changes, too")
    assert kept <= {process.pid for process in command.tasks()}

    command.send(signal.SIGTERM)
    ended = command.wait()
    assert ended.code == 0, str(ended)
    assert not command.descendants()
