"""A real Kafka Connect goes on with what our stores wrote, hears of what they write, and what it writes is read by them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.commands import until
from fakes.config_listener import Heard
from fakes.kafka_connect import KafkaConnect
from fakes.topics import Topics

from fastconnect.states import TargetState, TaskId
from fastconnect.storage.internal_topics import InternalTopic, prepare
from fastconnect.storage.kafka_configs import KafkaConfigStore
from fastconnect.storage.kafka_offsets import KafkaOffsetStore, OffsetTopic
from fastconnect.storage.kafka_statuses import KafkaStatusStore
from fastconnect.storage.status_store import StoredStatus, StoredTopic

pytestmark = pytest.mark.xdist_group("java")
GROUP = "moving"
NAME = "läufer-1 😀"
SOURCE = {"connector.class": "FileStreamSource", "tasks.max": "1"}
FIRST, SECOND, THIRD = "one\n", "zwei ü\n", "three\n"


class Group:
    """The three stores on the topics of a group, and a worker in Java of it."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        client = {"bootstrap.servers": bootstrap, "group.id": GROUP}
        self.topics = Topics(bootstrap)
        self.folder = folder
        names = {kind: f"{GROUP}-{kind}" for kind in ("configs", "status", "offsets")}
        partitions = {"configs": 1, "status": 2, "offsets": 5}
        prepare([InternalTopic(name=names[kind], key=kind, partitions=partitions[kind], replicas=1) for kind in names], client)
        self.heard = Heard()
        self.configs = KafkaConfigStore(names["configs"], client)
        self.statuses = KafkaStatusStore(names["status"], client)
        self.configs.start(self.heard)
        self.statuses.start()
        self.client, self.offsets_topic = client, names["offsets"]
        self.java = KafkaConnect(folder / "java", bootstrap, GROUP)
        self.file = folder / "lines ü\x1f😀.txt"
        self.file.write_text(FIRST + SECOND + THIRD)
        self.config = {**SOURCE, "name": NAME, "topic": "moved", "file": str(self.file)}

    @property
    def offsets(self) -> KafkaOffsetStore:
        """A new one each time, as in a new task."""
        return KafkaOffsetStore(OffsetTopic(self.offsets_topic, self.client, only=NAME))

    def write_ours(self) -> None:
        """All that a worker of ours leaves behind: a source that has written two lines, a stopped, a paused, a deleted one."""
        task = {**self.config, "task.class": "org.apache.kafka.connect.file.FileStreamSourceTask"}
        self.configs.put_connector(NAME, self.config)
        self.configs.put_task_configs(NAME, [task])
        self.configs.put_connector("stopped", {**SOURCE, "name": "stopped", "topic": "x"}, TargetState.STOPPED)
        self.configs.put_connector("paused", {**self.config, "name": "paused", "topic": "never"}, TargetState.PAUSED)
        self.configs.put_task_configs("paused", [{**task, "name": "paused", "topic": "never"}])
        self.configs.put_connector("gone", {**self.config, "name": "gone", "topic": "never"})
        self.configs.put_task_configs("gone", [{**task, "name": "gone", "topic": "never"}])
        self.configs.remove_connector("gone")
        offsets = self.offsets
        offsets.put(NAME, [({"filename": str(self.file)}, {"position": len((FIRST + SECOND).encode())})])
        offsets.close()
        self.statuses.put("stopped", StoredStatus(state="STOPPED", worker_id="ours:8083", generation=3))
        self.statuses.put_topic(StoredTopic("used.by-ours", "stopped", 0, 1_795_557_001_007))
        self.statuses.refresh(20_000)

    def close(self) -> None:
        self.java.kill()
        self.configs.stop()
        self.statuses.stop()

    def ask(self, path: str) -> Any:
        return self.java.ask("GET", path)


@pytest.fixture(scope="module")
def group(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    made = Group(kafka, tmp_path_factory.mktemp("java"))
    try:
        made.write_ours()
        made.java.start()
        yield made
    finally:
        made.close()


def test_java_finds_the_connectors_configurations_and_states(group: Group) -> None:
    assert sorted(group.ask("/connectors")) == sorted([NAME, "stopped", "paused"])
    assert group.ask(f"/connectors/{NAME}/config") == group.config
    until(lambda: group.java.state(NAME) == ("RUNNING", ["RUNNING"]), "the source runs")
    until(lambda: group.java.state("paused") == ("PAUSED", ["PAUSED"]), "the paused one is paused")
    assert group.java.state("stopped") == ("STOPPED", [])
    assert group.ask("/connectors/stopped/topics") == {"stopped": {"topics": ["used.by-ours"]}}


def test_java_goes_on_behind_the_very_byte(group: Group) -> None:
    until(lambda: group.topics.exists("moved") and group.topics.values("moved"), "the source writes")
    assert group.topics.values("moved") == [THIRD.strip().encode()]
    assert not group.topics.exists("never")


def test_java_has_nothing_to_complain_of_but_the_tombstones_of_tasks(group: Group) -> None:
    errors = [line for line in group.java.log.splitlines() if "] ERROR " in line or "] WARN " in line]
    about_us = [
        line for line in errors if "KafkaConfigBackingStore" in line or "StatusBackingStore" in line or "Offset" in line
    ]
    assert len(about_us) == 1, about_us  # of the deleted connector's one task
    assert "unexpectedly null" in about_us[0]


def test_our_store_reads_javas_offsets_configs_and_statuses(group: Group) -> None:
    end = {"position": len((FIRST + SECOND + THIRD).encode())}
    until(lambda: group.offsets.all(NAME) == [({"filename": str(group.file)}, end)], "Java's offset is read")
    assert group.ask(f"/connectors/{NAME}/offsets") == {
        "offsets": [{"partition": {"filename": str(group.file)}, "offset": end}]
    }
    assert group.topics.read(group.offsets_topic)[0].key == group.topics.read(group.offsets_topic)[-1].key
    group.java.ask("POST", "/connectors", {"name": "sink", "config": sink()})
    until(lambda: group.java.state("sink") == ("RUNNING", ["FAILED"]), "the sink fails")
    shown = group.ask("/connectors?expand=status&expand=info")
    group.configs.refresh(20_000)
    connectors = group.configs.snapshot().connectors
    assert {name: each.config for name, each in connectors.items()} == {n: each["info"]["config"] for n, each in shown.items()}
    for name, each in shown.items():
        said = group.statuses.get(name)
        assert said is not None
        assert (said.state, said.worker_id, said.version) == tuple(
            each["status"]["connector"].get(key) for key in ("state", "worker_id", "version")
        )
        tasks = {task["id"]: (task["state"], task.get("trace")) for task in each["status"]["tasks"]}
        assert {number: (task.state, task.trace) for number, task in group.statuses.tasks(name).items()} == tasks
        used = group.ask(f"/connectors/{name}/topics")[name]["topics"]
        assert sorted(topic.name for topic in group.statuses.topics(name)) == sorted(used)
        count = len(connectors[name].task_configs or [])
        assert count == len(each["info"]["tasks"])


def sink() -> dict[str, str]:
    return {"connector.class": "FileStreamSink", "topics": "moved", "file": "/no/such/folder/x", "tasks.max": "1"}


def test_our_store_reads_the_session_key_and_counts_the_offset_as_java_does(group: Group) -> None:
    group.configs.refresh(20_000)
    snapshot = group.configs.snapshot()
    assert snapshot.session_key is not None
    assert base64.b64encode(snapshot.session_key.key).decode() in str(group.topics.values(f"{GROUP}-configs"))
    assert snapshot.offset == group.topics.count(f"{GROUP}-configs")


def test_java_hears_of_what_we_write(group: Group) -> None:
    group.configs.put_target(NAME, TargetState.PAUSED)
    until(lambda: group.java.state(NAME) == ("PAUSED", ["PAUSED"]), "Java pauses the source")
    group.configs.put_target(NAME, TargetState.STARTED)
    until(lambda: group.java.state(NAME) == ("RUNNING", ["RUNNING"]), "Java goes on")
    with group.file.open("a") as file:
        file.write("four\n")
    until(lambda: group.topics.values("moved") == [b"three", b"four"], "the new line is written")


def test_we_hear_of_what_java_writes(group: Group) -> None:
    group.heard.all.clear()
    group.java.ask("PUT", f"/connectors/{NAME}/stop")
    until(lambda: f"target {NAME}" in group.heard.all and f"tasks {NAME}" in group.heard.all, "the stop is heard of")
    assert group.configs.snapshot().connectors[NAME].target is TargetState.STOPPED
    assert group.configs.snapshot().connectors[NAME].task_configs == []
    position = {"partition": {"filename": str(group.file)}, "offset": {"position": 4}}
    until(lambda: group.java.state(NAME) == ("STOPPED", []), "the source is stopped")
    group.java.ask("PATCH", f"/connectors/{NAME}/offsets", {"offsets": [position]})
    assert group.offsets.get(NAME, [{"filename": str(group.file)}]) == [{"position": 4}]
    group.java.ask("DELETE", f"/connectors/{NAME}/offsets")
    assert group.offsets.all(NAME) == []
    until(lambda: group.statuses.get(TaskId(NAME, 0)) is None, "the task's status is forgotten")
    group.java.ask("DELETE", f"/connectors/{NAME}")
    until(lambda: f"removed {NAME}" in group.heard.all, "the deletion is heard of")
    until(lambda: NAME not in group.statuses.connectors(), "its statuses are forgotten")
