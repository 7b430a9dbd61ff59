"""Connectors move from Kafka Connect to fastconnect and back, and both run them together in one group.

It is one story, for each worker takes long to start: files are written all the time, their lines go through sources to topics,
and on through a sink to another file. Workers come and go; each test looks at what was seen at one point of the story.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fakes.cluster import ClusterWorker, RefusedError, free_port
from fakes.commands import Shell, shell, until
from fakes.config_listener import Heard
from fakes.kafka_connect import KafkaConnect, worker_settings
from fakes.topics import Topics

from fastconnect.storage.kafka_configs import KafkaConfigStore

pytestmark = pytest.mark.xdist_group("java")

SOURCES = ("s0", "s1", "s2", "s3")
SINK = "copy"
PAUSED = "asleep"
STOPPED = "off"
UNKNOWN = "unknown"
UNKNOWN_CLASS = "com.example.SomethingInJava"
RUNNING = {name: ("RUNNING", ["RUNNING"]) for name in (*SOURCES, SINK)}
EVERYTHING = {*SOURCES, SINK, PAUSED, STOPPED, UNKNOWN}
LINE_EVERY_S = 0.02
PAGE = Path(__file__).parents[2] / "docs" / "coming-from-kafka-connect.md"

Worker = ClusterWorker | KafkaConnect


class Writer:
    """Appends to the files of the sources, a line at a time, until it is closed.

    In ASCII: the position that Kafka Connect's file source keeps is one of characters, not of bytes.
    """

    def __init__(self, folder: Path) -> None:
        self.files = {name: folder / f"{name}.txt" for name in SOURCES}
        self.count = 0
        self._ending = threading.Event()
        self.lines("begin with")
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def lines(self, what: str) -> None:
        """One more line in each file."""
        for name, file in self.files.items():
            with file.open("a") as out:
                out.write(f"{name} {self.count} {what}\n")
        self.count += 1

    def close(self) -> None:
        """Write no more."""
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ending.wait(LINE_EVERY_S):
            self.lines("go on")


@dataclass
class Seen:
    """What a worker shows at some point."""

    connectors: set[str]
    states: dict[str, tuple[str, list[str]]]
    owners: dict[str, set[str]] = field(default_factory=dict)
    """Worker -> the connectors whose tasks it runs."""
    traces: dict[str, str] = field(default_factory=dict)
    offsets: dict[str, Any] = field(default_factory=dict)


class Story:
    """Everything of it, and what has been seen."""

    def __init__(self, bootstrap: str, folder: Path, run: Shell) -> None:
        self.group = f"moving-{uuid.uuid4().hex[:8]}"
        self.topics = Topics(bootstrap)
        self.folder = folder
        self.out = folder / "copy.txt"
        self.seen: dict[str, Seen] = {}
        self.command: list[str] = []
        self.configured = 0
        self.moved_so_far: dict[str, list[str]] = {}
        self._run = run
        self._bootstrap = bootstrap
        for name in SOURCES:
            self.topics.create(self.topic(name), 1)
        self.topics.create(self.topic(PAUSED), 1)
        (folder / "asleep.txt").write_text("nobody reads this\n")
        self.writer = Writer(folder)

    def topic(self, source: str) -> str:
        return f"{self.group}-{source}"

    def lines_of(self, source: str) -> list[str]:
        """What is in Kafka of a file."""
        return [value.decode() for value in self.topics.values(self.topic(source)) if value is not None]

    def java(self, name: str) -> KafkaConnect:
        return KafkaConnect(self.folder / name, self._bootstrap, self.group, {"heartbeat.interval.ms": "1000"})

    def ours(self) -> ClusterWorker:
        settings = worker_settings(self._bootstrap, self.group) | {"heartbeat.interval.ms": "1000"}
        return ClusterWorker(self._run, free_port(), settings)

    def configs(self) -> dict[str, dict[str, str]]:
        source = {"connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector", "tasks.max": "1"}
        return {
            **{name: {**source, "topic": self.topic(name), "file": str(file)} for name, file in self.writer.files.items()},
            PAUSED: {**source, "topic": self.topic(PAUSED), "file": str(self.folder / "asleep.txt")},
            STOPPED: {**source, "topic": self.topic(PAUSED), "file": str(self.folder / "asleep.txt")},
            SINK: {
                "connector.class": "FileStreamSink",
                "tasks.max": "1",
                "topics": ",".join(map(self.topic, SOURCES)),
                "file": str(self.out),
            },
        }

    def add_unknown(self) -> None:
        """A connector whose class is not installed any more; no worker of today would take it over REST."""
        configs = KafkaConfigStore(f"{self.group}-configs", {"bootstrap.servers": self._bootstrap})
        configs.start(Heard())
        configs.put_connector(UNKNOWN, {"name": UNKNOWN, "connector.class": UNKNOWN_CLASS, "tasks.max": "1"})
        configs.stop()

    def until_runs(self, *workers: Worker, each: bool = False) -> None:
        """Wait until all that can run does, on these workers; `each`: everyone has some."""
        ids = {worker.id for worker in workers}

        def runs() -> bool:
            seen = look(workers[0])
            return all(seen.states.get(name) == state for name, state in RUNNING.items()) and (
                set(seen.owners) == ids if each else set(seen.owners) <= ids
            )

        until(runs, f"all connectors run on {ids}", 120)

    def until_read(self, worker: Worker) -> None:
        """Wait until the lines that are there now have gone all their way."""
        written = self.writer.count
        until(lambda: all(self.topics.count(self.topic(name)) >= written for name in SOURCES), f"{written} lines are in Kafka")
        until(lambda: self.out.read_bytes().count(b"\n") >= written * len(SOURCES), f"{written} lines are copied")


def ask(worker: Worker, method: str, path: str, body: Any = None) -> Any:
    """The answer; again while the group is being rebalanced."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return worker.ask(method, path, body)
        except (RefusedError, RuntimeError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def look(worker: Worker) -> Seen:
    """What a worker shows of all connectors."""
    seen = Seen(set(), {})
    for name, one in ask(worker, "GET", "/connectors?expand=status").items():
        status = one["status"]
        seen.connectors.add(name)
        seen.states[name] = (status["connector"]["state"], [task["state"] for task in status["tasks"]])
        seen.traces[name] = "".join(each.get("trace") or "" for each in [status["connector"], *status["tasks"]])
        for task in status["tasks"]:
            if task["state"] == "RUNNING":
                seen.owners.setdefault(task["worker_id"], set()).add(name)
    return seen


def offsets(worker: Worker) -> dict[str, Any]:
    """The offsets of what does not run at the moment."""
    return {name: ask(worker, "GET", f"/connectors/{name}/offsets") for name in (PAUSED, STOPPED)}


@pytest.fixture(scope="module")
def story(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """The whole story, told once."""
    folder = tmp_path_factory.mktemp("story")
    with shell(folder, PYTHONUNBUFFERED="1") as run, contextlib.ExitStack() as ending:
        story = Story(kafka, folder, run)
        ending.callback(story.writer.close)
        java = story.java("first")
        ending.callback(java.kill)
        tell(story, java, ending)
        yield story


def tell(story: Story, first: KafkaConnect, ending: contextlib.ExitStack) -> None:
    # A cluster of Kafka Connect runs connectors, and is stopped.
    first.start()
    for name, config in story.configs().items():
        ask(first, "POST", "/connectors", {"name": name, "config": config})
    story.add_unknown()
    story.until_runs(first)
    ask(first, "PUT", f"/connectors/{PAUSED}/pause")
    until(lambda: first.state(PAUSED) == ("PAUSED", ["PAUSED"]), f"{PAUSED} is paused")
    until(lambda: story.topics.count(story.topic(PAUSED)) > 0, f"{PAUSED} has read its line")
    ask(first, "PUT", f"/connectors/{STOPPED}/stop")
    until(lambda: first.state(STOPPED) == ("STOPPED", []), f"{STOPPED} is stopped")
    ask(first, "PATCH", f"/connectors/{STOPPED}/offsets", moved(story, 7))
    until(lambda: first.state(UNKNOWN) == ("FAILED", []), f"{UNKNOWN} has failed")
    story.until_read(first)
    story.seen["before"] = look(first)
    story.seen["before"].offsets = offsets(first)
    first.stop()

    # fastconnect is started in its place.
    ours = story.ours()
    ours.start()
    ours.until_ready()
    story.command = ["fastconnect", *ours.command.words]
    story.until_runs(ours)
    until(lambda: look(ours).states[UNKNOWN][0] == "FAILED", f"{UNKNOWN} has failed")
    story.until_read(ours)
    story.seen["taken over"] = look(ours)
    story.seen["taken over"].offsets = offsets(ours)

    # A worker in Java joins it; fastconnect leads and shares the work.
    second = story.java("second")
    ending.callback(second.kill)
    second.start()
    story.until_runs(ours, second, each=True)
    story.until_read(ours)
    story.seen["ours leads"] = look(second)
    reconfigure(story, ours, second)

    # fastconnect ends: all goes back to Java.
    ours.stop()
    assert ours.command.wait().code == 0
    story.until_runs(second)
    story.until_read(second)
    story.seen["handed back"] = look(second)
    story.seen["handed back"].offsets = offsets(second)

    # Another fastconnect joins; Java leads and shares the work.
    again = story.ours()
    again.start()
    again.until_ready()
    story.until_runs(second, again, each=True)
    story.until_read(second)
    story.seen["java leads"] = look(again)
    reconfigure(story, second, again)

    story.moved_so_far = {name: story.lines_of(name) for name in SOURCES}

    # The worker in Java is killed: what it ran goes on after its session.
    second.kill()
    story.until_runs(again)
    story.writer.close()
    story.until_read(again)
    story.seen["java killed"] = look(again)
    again.stop()
    assert again.command.wait().code == 0


def moved(story: Story, position: int) -> dict[str, Any]:
    return {"offsets": [{"partition": {"filename": str(story.folder / "asleep.txt")}, "offset": {"position": position}}]}


def reconfigure(story: Story, leader: Worker, follower: Worker) -> None:
    """Give the sources new configurations; each owner then sends those of its tasks to the leader, signed."""
    for name in SOURCES:
        config = {**story.configs()[name], "batch.size": str(100 + story.configured)}
        story.configured += 1
        ask(follower, "PUT", f"/connectors/{name}/config", config)

        def is_applied(name: str = name, wanted: str = config["batch.size"]) -> bool:
            return [task["config"].get("batch.size") for task in ask(follower, "GET", f"/connectors/{name}/tasks")] == [wanted]

        until(is_applied, f"the task of {name} has its new configuration")
    story.until_runs(leader, follower)


def test_the_page_shows_the_command_that_has_taken_over(story: Story) -> None:
    *words, _ = story.command

    assert f"{' '.join(map(str, words))} connect-distributed.properties" in PAGE.read_text()


def test_fastconnect_goes_on_with_the_same_connectors_and_states(story: Story) -> None:
    before, after = story.seen["before"], story.seen["taken over"]

    assert before.connectors == after.connectors == EVERYTHING
    assert after.states == before.states
    assert after.states[PAUSED] == ("PAUSED", ["PAUSED"])
    assert after.states[STOPPED] == ("STOPPED", [])


def test_a_connector_whose_java_class_is_not_there_is_failed_with_a_sentence(story: Story) -> None:
    for seen in story.seen.values():
        assert seen.states[UNKNOWN] == ("FAILED", [])
    sentence = f"Failed to find any class that implements Connector and which name matches {UNKNOWN_CLASS}"
    assert sentence in story.seen["taken over"].traces[UNKNOWN]


def test_offsets_are_the_same_here_there_and_back(story: Story) -> None:
    before = story.seen["before"].offsets

    assert before[STOPPED] == moved(story, 7)
    assert story.seen["taken over"].offsets == before
    assert story.seen["handed back"].offsets == before


@pytest.mark.parametrize("when", ["ours leads", "java leads"])
def test_both_kinds_of_workers_share_the_work_whoever_leads(story: Story, when: str) -> None:
    seen = story.seen[when]

    assert seen.connectors == EVERYTHING
    assert len(seen.owners) == 2
    assert max(map(len, seen.owners.values())) - min(map(len, seen.owners.values())) < 3  # paused ones are shared too
    ran = Counter(name for names in seen.owners.values() for name in names)
    assert set(ran.values()) == {1}


def test_no_line_is_lost_and_none_comes_twice(story: Story) -> None:
    for name, file in story.writer.files.items():
        lines = file.read_text().splitlines()
        moved = story.moved_so_far[name]
        assert len(moved) > 100
        assert moved == lines[: len(moved)]


def test_when_a_worker_is_killed_nothing_is_lost_either(story: Story) -> None:
    copied = set(story.out.read_text().splitlines())

    for name, file in story.writer.files.items():
        lines = set(file.read_text().splitlines())
        assert lines - set(story.lines_of(name)) == set()
        assert lines - copied == set()
