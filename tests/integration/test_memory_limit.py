"""A connector that eats memory fails alone, and says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes.commands import Shell
from fakes.topics import Topics

pytestmark = pytest.mark.integration

GREEDY = """
from fastconnect import record, source

@source
def greedy(offset: int | None):
    yield record("before", offset=1)
    eaten = []
    while True:
        eaten.append(bytes(10_000_000))
"""


def test_a_task_beyond_its_memory_fails_with_a_sentence_and_its_neighbour_goes_on(
    run: Shell, topics: Topics, fresh_topic: str, tmp_path: Path
) -> None:
    file = tmp_path / "greedy.py"
    file.write_text(GREEDY)
    neighbour = tmp_path / "seq.properties"
    neighbour.write_text(f"name=seq\nconnector.class=SequenceSource\ntopic={fresh_topic}\ncount=1000\nrate=2000\n")
    ended = run.run(
        "run",
        f"{file}:greedy",
        neighbour,
        *("--topic", f"{fresh_topic}-greedy", "--bootstrap-servers", topics.bootstrap, "--until-done"),
        *("--set", "task.memory.max=400MB", "--set", "restart.max.failures=2"),
    )
    assert ended.code == 1, str(ended)
    assert "the task wants more memory than it may have: task.memory.max allows it 400 MB" in ended.err
    assert topics.count(fresh_topic) == 1000
    assert b'"before"' in topics.values(f"{fresh_topic}-greedy")
