"""A full disk under the offset store: the tasks say so, wait, and go on when there is room; nothing is lost."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
from fakes.commands import Command, Shell, until
from fakes.topics import Audit, Topics

pytestmark = pytest.mark.integration

TASKS = 2
COUNT = 4_000
RATE = 1_000
FLUSH_MS = 100


class Disk(Protocol):
    """Where the offset store is."""

    store: Path

    def fill(self, command: Command) -> None:
        """From now on nothing more can be written there."""

    def free(self, command: Command) -> None:
        """There is room again."""


class SmallDisk:
    """A file system of 1 MB, full when a file has taken all the rest."""

    def __init__(self, folder: Path) -> None:
        self.store = folder / "offsets.sqlite"
        self._filler = folder / "filler"

    def fill(self, command: Command | None = None) -> None:
        with contextlib.suppress(OSError), self._filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1024))

    def free(self, command: Command | None = None) -> None:
        self._filler.unlink()


class LimitedFiles:
    """The tasks may let no file grow any more: what a quota does, and what can be had without being root."""

    def __init__(self, folder: Path) -> None:
        self.store = folder / "offsets.sqlite"

    def fill(self, command: Command) -> None:
        self._limit(command, 4096)

    def free(self, command: Command) -> None:
        self._limit(command, resource.RLIM_INFINITY)

    def _limit(self, command: Command, size: int) -> None:
        for task in command.tasks():
            _, most = resource.prlimit(task.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(task.pid, resource.RLIMIT_FSIZE, (size, most))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system of 1 MB")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], check=True)
    yield SmallDisk(folder)
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(params=["full", "limited"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Disk:
    if request.param == "full":
        small: Disk = request.getfixturevalue("small_disk")
        return small
    return LimitedFiles(tmp_path)


def words_for(topics: Topics, topic: str, store: Path, **more: object) -> list[object]:
    settings: dict[str, object] = {
        "name": "seq",
        "connector.class": "SequenceSource",
        "topic": topic,
        "rate": RATE,
        "count": COUNT,
        "offset.flush.interval.ms": FLUSH_MS,
        "offset.storage.file.filename": store,
        **more,
    }
    words: list[object] = ["run", "--bootstrap-servers", topics.bootstrap, "--tasks", TASKS, "--until-done"]
    for key, value in settings.items():
        words += ["--set", f"{key}={value}"]
    return words


def stored(store: Path) -> list[int]:
    from fastconnect.storage.sqlite import SqliteOffsetStore

    if not store.exists():
        return []
    offsets = SqliteOffsetStore(store)
    try:
        return [offset["seq"] for _, offset in offsets.all("seq")]
    finally:
        offsets.close()


def begin(run: Shell, topics: Topics, topic: str, disk: Disk, **more: object) -> Command:
    """Start a command and fill the disk when it works."""
    command = run.start(*words_for(topics, topic, disk.store, **more))
    until(lambda: len(stored(disk.store)) == TASKS, "offsets are flushed")
    disk.fill(command)
    until(lambda: command.err.count("Offsets cannot be flushed; the task waits and tries again.") >= TASKS, "the tasks say so")
    return command


def test_tasks_wait_on_a_full_disk_and_go_on_when_there_is_room(
    run: Shell, topics: Topics, fresh_topic: str, disk: Disk
) -> None:
    command = begin(run, topics, fresh_topic, disk)
    tasks = command.tasks()
    assert f"{disk.store}: the offsets could not be written: " in command.err
    assert "(free some space on its disk; what it held before is untouched)" in command.err
    # They read no more: what a crash would send twice stays bounded.
    count = -1
    deadline = time.monotonic() + 20
    while (before := count) != (count := topics.count(fresh_topic)):
        assert time.monotonic() < deadline, "the tasks go on although they cannot flush"
        until_at = time.monotonic() + 3 * FLUSH_MS / 1000
        until(lambda: time.monotonic() > until_at, "some flushes were due")  # noqa: B023
    assert before < TASKS * COUNT
    disk.free(command)
    ended = command.wait()
    assert ended.code == 0, str(ended)
    assert command.err.count("Offsets are flushed again.") >= TASKS
    assert command.err.count("Task process started.") == len(tasks) == TASKS
    assert stored(disk.store) == [COUNT - 1] * TASKS
    audit = Audit.of(topics.read(fresh_topic))
    assert audit.missing(TASKS, COUNT) == []
    assert (audit.duplicates, audit.disorder) == (0, 0)


def test_a_task_killed_on_a_full_disk_starts_again_and_nothing_is_lost(
    run: Shell, topics: Topics, fresh_topic: str, small_disk: SmallDisk
) -> None:
    command = begin(run, topics, fresh_topic, small_disk)
    for task in command.tasks():
        task.send(signal.SIGKILL)
    until(lambda: command.err.count("Task process started.") >= 2 * TASKS, "they are started again")
    until(
        lambda: command.err.count("Offsets cannot be flushed; the task waits and tries again.") >= 2 * TASKS,
        "and wait again",
    )
    small_disk.free()
    ended = command.wait()
    assert ended.code == 0, str(ended)
    assert command.err.count("Task process started.") == 2 * TASKS, "no restart storm"
    audit = Audit.of(topics.read(fresh_topic))
    assert audit.missing(TASKS, COUNT) == []
    assert audit.duplicates <= 2 * TASKS * RATE


def test_a_stop_on_a_full_disk_says_that_a_part_will_be_sent_again(
    run: Shell, topics: Topics, fresh_topic: str, disk: Disk
) -> None:
    command = begin(run, topics, fresh_topic, disk)
    command.send(signal.SIGTERM)
    ended = command.wait()
    assert ended.code == 3, str(ended)
    assert "Stopped with offsets that could not be flushed; what was delivered since will be sent again." in ended.err
    assert "could not deliver and flush all in time: seq-0, seq-1; a part will be sent again." in ended.err
    if isinstance(disk, SmallDisk):
        disk.free()
    ended = run.run(*words_for(topics, fresh_topic, disk.store, rate=0))
    assert ended.code == 0, str(ended)
    audit = Audit.of(topics.read(fresh_topic))
    assert audit.missing(TASKS, COUNT) == []
    assert audit.duplicates <= TASKS * RATE * 2


def test_a_store_that_cannot_even_be_made_is_told(run: Shell, topics: Topics, fresh_topic: str, small_disk: SmallDisk) -> None:
    small_disk.fill()
    ended = run.run(*words_for(topics, fresh_topic, small_disk.store, **{"restart.max.failures": 2}))
    assert ended.code == 1, str(ended)
    assert f"Failed: seq-0: failed 2 times in a row, at last: {small_disk.store}: the offsets could not be " in ended.err
    assert "database or disk is full" in ended.err
    assert "Traceback" not in ended.err
