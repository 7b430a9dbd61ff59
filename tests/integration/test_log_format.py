"""Log lines for programs: every line that any process of a worker writes is one JSON object."""

from __future__ import annotations

import json

import pytest
from fakes.commands import Shell
from fakes.topics import Topics

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("how", [("--log-format", "json"), ("--set", "log.format=json")], ids=["option", "worker-key"])
def test_every_log_line_is_one_json_object_with_its_connector(
    run: Shell, topics: Topics, fresh_topic: str, how: tuple[str, str]
) -> None:
    settings = {"name": "seq", "connector.class": "SequenceSource", "topic": fresh_topic, "count": "10"}
    words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    ended = run.run("run", "--bootstrap-servers", topics.bootstrap, *words, "--until-done", *how)
    assert ended.code == 0, str(ended)
    lines = [json.loads(line) for line in ended.err.splitlines() if line.startswith("{")]
    of_the_task = [line for line in lines if (line.get("connector"), line.get("task")) == ("seq", 0)]
    assert "Task process started." in [line["message"] for line in of_the_task]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    assert not [line for line in ended.err.splitlines() if line.startswith(("INFO", "WARNING", "ERROR"))]
