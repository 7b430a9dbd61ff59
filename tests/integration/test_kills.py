"""kill -9 of a task, the herder and the supervisor: nothing is lost, little comes twice, nothing is left behind."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.commands import Command, Process, Shell, descendants, until
from fakes.topics import Audit, Reader, Topics

from fastconnect.storage.sqlite import SqliteOffsetStore

pytestmark = pytest.mark.integration

TASKS = 3
RATE = 500
COUNT = 3_000
FLUSH_MS = 250
SLACK_S = 2.0
"""A flush comes this late at worst on a busy machine: what a kill repeats is what was sent since the last one."""


def sequence(topic: str, bootstrap: str, *, count: int | None, rate: int = RATE, tasks: int = TASKS) -> list[object]:
    settings: dict[str, object] = {
        "name": "seq",
        "connector.class": "SequenceSource",
        "topic": topic,
        "rate": rate,
        "offset.flush.interval.ms": FLUSH_MS,
        "restart.max.failures": -1,
        "restart.healthy.after.ms": 100,
    }
    if count is not None:
        settings["count"] = count
    words: list[object] = ["run", "--bootstrap-servers", bootstrap, "--tasks", tasks]
    for key, value in settings.items():
        words += ["--set", f"{key}={value}"]
    return words if count is None else [*words, "--until-done"]


class Watch:
    """Looks again and again whether a stored offset is ahead of what is in the topic."""

    def __init__(self, shell: Shell, reader: Reader, tasks: int = TASKS) -> None:
        self.audit = Audit()
        self._reader = reader
        self._file = shell.home / "offsets.sqlite"
        self._tasks = tasks
        self.looks_midway = 0

    def stored(self) -> dict[int, int]:
        """Task -> the number up to which its records count as delivered."""
        if not self._file.exists():
            return {}
        store = SqliteOffsetStore(self._file)
        try:
            return {partition["task"]: offset["seq"] for partition, offset in store.all("seq")}
        finally:
            store.close()

    def look(self) -> None:
        """First the store, then the topic: what is stored by then must be in the topic by now."""
        stored = self.stored()
        self.audit.add(self._reader.read_on())
        for task, number in stored.items():
            assert number <= self.audit.contiguous(task), f"task {task}: offset {number} is ahead of the topic"
        self.looks_midway += any(0 < number < COUNT - 1 for number in stored.values())


def command_tree(command: Command) -> list[Process]:
    return [*descendants(command.pid)]


def supervisor(command: Command) -> Process:
    return next(each for each in descendants(os.getpid()) if each.pid == command.pid)


@pytest.fixture
def nothing_in_shm() -> Iterator[None]:
    before = set(os.listdir("/dev/shm"))
    yield
    left = {name for name in set(os.listdir("/dev/shm")) - before if "fastconnect" in name or "psm_" in name}
    assert left == set()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_after_random_kills_and_a_run_to_the_end_every_record_is_there_and_few_twice(
    run: Shell, topics: Topics, fresh_topic: str, nothing_in_shm: None, seed: int
) -> None:
    chance = random.Random(seed)
    topics.create(fresh_topic)
    words = sequence(fresh_topic, topics.bootstrap, count=COUNT)
    command = run.start(*words)
    kills, allowed = 0, 0.0
    with topics.reader(fresh_topic) as reader:
        watch = Watch(run, reader)
        while kills < 4 and command.is_running:
            role = chance.choices(["task", "herder", "supervisor"], [5, 2, 3])[0]
            pause_until = time.monotonic() + chance.uniform(0.05, 0.8)
            until(lambda: time.monotonic() >= pause_until or not command.is_running, "the pause is over")  # noqa: B023
            victims = [supervisor(command)] if role == "supervisor" and command.is_running else command.processes(role)
            if not victims:
                continue
            chance.choice(victims).send(signal.SIGKILL)
            kills += 1
            allowed += {"task": 1, "herder": 0, "supervisor": TASKS}[role] * RATE * (FLUSH_MS / 1000 + SLACK_S)
            if role == "supervisor":
                until(lambda: not command.is_running, "the supervisor is gone")  # noqa: B023
                command = run.start(*words)
            watch.look()
        while command.is_running:
            watch.look()
        ended = command.wait()
        assert ended.code == 0, str(ended)
        watch.look()
        assert kills >= 2, "the run was over too soon"
        assert watch.looks_midway, "offsets were held against the topic while they grew"
        assert watch.stored() == dict.fromkeys(range(TASKS), COUNT - 1)
        assert watch.audit.missing(TASKS, COUNT) == []
        assert watch.audit.duplicates <= allowed


def test_a_killed_herder_is_replaced_and_no_task_notices(run: Shell, topics: Topics, fresh_topic: str) -> None:
    count = 3_000
    command = run.start(*sequence(fresh_topic, topics.bootstrap, count=count))
    until(lambda: topics.exists(fresh_topic) and topics.count(fresh_topic) > 300, "records arrive")
    tasks = command.tasks()
    assert len(tasks) == TASKS
    for _ in range(3):
        (herder,) = command.processes("herder")
        herder.send(signal.SIGKILL)
        until(lambda: [each for each in command.processes("herder") if each != herder], "there is a new herder", 20)  # noqa: B023
        assert command.tasks() == tasks, "the very same processes"
    ended = command.wait()
    assert ended.code == 0, "the new herder knows when all is done: " + str(ended)
    assert "Herder killed by SIGKILL" in ended.err
    audit = Audit.of(topics.read(fresh_topic))
    assert audit.missing(TASKS, count) == []
    assert (audit.duplicates, audit.disorder) == (0, 0)


def test_a_killed_supervisor_takes_its_whole_tree_along(
    run: Shell, topics: Topics, fresh_topic: str, nothing_in_shm: None
) -> None:
    command = run.start(*sequence(fresh_topic, topics.bootstrap, count=None))
    until(lambda: topics.exists(fresh_topic) and topics.count(fresh_topic) > 300, "records arrive")
    tree = command_tree(command)
    assert len(tree) == 1 + TASKS
    # A process that cannot act by itself: the kernel has to end it.
    tree[-1].send(signal.SIGSTOP)
    supervisor(command).send(signal.SIGKILL)
    until(lambda: not any(each.is_alive for each in tree), "no process of the command is alive", timeout_s=20)


def test_a_killed_task_is_back_and_delivers(run: Shell, topics: Topics, fresh_topic: str) -> None:
    command = run.start(*sequence(fresh_topic, topics.bootstrap, count=None, tasks=2))
    topic_is_fed = lambda: topics.exists(fresh_topic) and topics.count(fresh_topic) > 300  # noqa: E731
    until(topic_is_fed, "records arrive")
    with topics.reader(fresh_topic) as reader:
        for _ in range(3):
            until(lambda: len(command.tasks()) == 2, "both tasks run")
            victim = command.tasks()[0]
            number = int(victim.title.rpartition("-")[2])
            killed_at_ms = time.time_ns() // 1_000_000
            victim.send(signal.SIGKILL)
            deadline = time.monotonic() + 30

            def delivers_again() -> bool:
                from msgspec import json

                made = [json.decode(record.value or b"") for record in reader.read_on()]
                return any(each["task"] == number and each["ts"] > killed_at_ms for each in made)  # noqa: B023

            while not delivers_again():
                assert time.monotonic() < deadline, "it does not deliver again"
    command.send(signal.SIGTERM)
    ended = command.wait()
    assert ended.code == 0, str(ended)
    assert "Task process died and will be restarted: killed by SIGKILL (" in ended.err


def test_killed_in_the_middle_of_files_of_all_kinds_every_line_arrives(
    run: Shell, topics: Topics, fresh_topic: str, tmp_path: Path
) -> None:
    import gzip

    content = [b'{"id":%d,"pad":"%s"}' % (number, b"x" * (number % 50)) for number in range(60_000)]
    thirds = [content[:20_000], content[20_000:40_000], content[40_000:]]
    text = [b"".join(line + b"\n" for line in part) for part in thirds]
    (tmp_path / "plain.jsonl").write_bytes(text[0])
    (tmp_path / "one-member.jsonl.gz").write_bytes(gzip.compress(text[1]))
    half = len(text[2]) // 2
    (tmp_path / "two-members.jsonl.gz").write_bytes(gzip.compress(text[2][:half]) + gzip.compress(text[2][half:]))
    words = [
        "ingest", "plain.jsonl", "one-member.jsonl.gz", "two-members.jsonl.gz", "--topic", fresh_topic, "--tasks", 3,
        "--format", "json", "--json", "--bootstrap-servers", topics.bootstrap, "--set", "block.bytes=16k",
        "--set", "split.bytes=128k", "--set", "offset.flush.interval.ms=50",
    ]  # fmt: skip
    slowly = ["--set", "producer.queue.buffering.max.messages=300", "--set", "producer.linger.ms=50"]
    topics.create(fresh_topic)
    chance = random.Random(7)
    for share in (0.1, 0.3, 0.5):
        command = run.start(*words, *slowly)
        for further in (share, share + 0.1):
            until(
                lambda: (topics.count(fresh_topic) > further * len(content) and command.tasks()) or not command.is_running,  # noqa: B023
                "it has come so far",
            )
            assert command.is_running, str(command.wait())
            if further == share:
                chance.choice(command.tasks()).send(signal.SIGKILL)
        supervisor(command).send(signal.SIGKILL)
        command.wait()
    ended = run.run(*words)
    assert ended.code == 0, str(ended)
    found = topics.values(fresh_topic)
    assert set(found) == set(content)
    assert len(found) < 2 * len(content)
