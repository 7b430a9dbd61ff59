"""A task whose worker has lost its place in the group writes nothing more, however it is held up meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes.topics import Topics

from fastconnect.states import Exit
from fastconnect.storage.sqlite import SqliteOffsetStore

pytestmark = pytest.mark.integration

SCRIPT = Path(__file__).parents[1] / "fakes" / "leased_task.py"
LEASE_MS = 2_500
Start = Callable[[str], subprocess.Popen[bytes]]


@pytest.fixture
def start(kafka: str, tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []
    environment = {**os.environ, "FASTCONNECT_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

    def begin(topic: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, str(SCRIPT), topic, kafka, str(LEASE_MS)], env=environment)
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


def stored(folder: Path) -> int:
    store = SqliteOffsetStore(folder / "offsets.sqlite")
    try:
        return max((offset["seq"] for _, offset in store.all("leased")), default=0)
    finally:
        store.close()


def test_a_task_ends_quietly_with_its_lease_and_its_offsets_are_not_ahead(
    start: Start, topics: Topics, fresh_topic: str, tmp_path: Path
) -> None:
    topics.create(fresh_topic, 1)
    process = start(fresh_topic)
    assert process.wait(30) == Exit.LEASE_LOST
    count = topics.count(fresh_topic)
    assert 0 < stored(tmp_path) <= count


def test_a_task_that_is_stopped_beyond_its_lease_writes_nothing_when_it_goes_on(
    start: Start, topics: Topics, fresh_topic: str, tmp_path: Path, until: Callable[..., None]
) -> None:
    topics.create(fresh_topic, 1)
    process = start(fresh_topic)
    until(lambda: topics.count(fresh_topic) > 10_000, what="some records")
    process.send_signal(signal.SIGSTOP)
    assert process.wait(30) == -signal.SIGKILL  # by the kernel: it does not go on any more
    count = topics.count(fresh_topic)
    process.send_signal(signal.SIGCONT)
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        assert topics.count(fresh_topic) == count
    assert stored(tmp_path) <= count
