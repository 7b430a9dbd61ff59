"""Where the tasks of a group's worker keep their offsets: in the group's topic, and in one of the connector's own."""

from __future__ import annotations

import json
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.cluster import Cluster, ClusterWorker
from fakes.commands import shell, until
from fakes.topics import Topics


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, kafka: str) -> Iterator[Cluster]:
    with shell(tmp_path_factory.mktemp("offsets")) as run:
        cluster = Cluster(run, kafka, f"offsets-{uuid.uuid4().hex[:8]}", 1, offset_flush_interval_ms="100")
        cluster.start()
        yield cluster


@pytest.fixture
def worker(cluster: Cluster) -> ClusterWorker:
    return cluster.workers[0]


def create(worker: ClusterWorker, name: str, file: Path, topic: str, **more: str) -> None:
    config = {
        "connector.class": "FileStreamSource",
        "file": str(file),
        "topic": topic,
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
        **more,
    }
    worker.try_again("POST", "/connectors", {"name": name, "config": config})


def until_offset(topics: Topics, topic: str, name: str, position: int | None) -> None:
    """Wait until the last offset of the connector in this topic is this one."""

    def last() -> object:
        found = [each.value for each in topics.read(topic) if (each.key or b"").startswith(f'["{name}",'.encode())]
        return json.loads(found[-1]) if found and found[-1] is not None else None

    wanted = None if position is None else {"position": position}
    until(lambda: last() == wanted, f"{topic} has the offset {position} of {name}")


def test_a_worker_that_is_killed_goes_on_behind_the_last_offset_in_the_groups_topic(
    cluster: Cluster, worker: ClusterWorker, topics: Topics, fresh_topic: str, tmp_path: Path
) -> None:
    topics.create(fresh_topic, 1)  # of several partitions, records come in any order
    file = tmp_path / "lines.txt"
    file.write_text("one\ntwo\n")
    create(worker, fresh_topic, file, fresh_topic)
    until_offset(topics, cluster.settings["offset.storage.topic"], fresh_topic, 8)
    for process in worker.everything():
        process.send(signal.SIGKILL)
    worker.command.send(signal.SIGKILL)
    worker.command.wait()
    with file.open("a") as more:
        more.write("three\n")
    worker.start()
    worker.until_ready()
    until(lambda: topics.values(fresh_topic) == [b"one", b"two", b"three"], "each line is there once")
    cluster.delete(fresh_topic)


def test_a_connectors_own_topic_is_made_compacted_and_has_its_offsets_beside_the_groups(
    cluster: Cluster, worker: ClusterWorker, topics: Topics, fresh_topic: str, tmp_path: Path
) -> None:
    file, own, groups = tmp_path / "lines.txt", f"{fresh_topic}-own", cluster.settings["offset.storage.topic"]
    file.write_text("one\ntwo\n")
    topics.create(fresh_topic, 1)
    create(worker, fresh_topic, file, fresh_topic, **{"offsets.storage.topic": own})
    for topic in (own, groups):
        until_offset(topics, topic, fresh_topic, 8)
    assert (topics.settings(own)["cleanup.policy"], topics.partitions(own)) == ("compact", 3)
    path = f"/connectors/{fresh_topic}"
    assert worker.ask("GET", f"{path}/offsets")["offsets"] == [
        {"partition": {"filename": str(file)}, "offset": {"position": 8}}
    ]

    worker.try_again("PUT", f"{path}/stop")
    until(lambda: cluster.states(fresh_topic) == {}, "it is stopped")
    until(lambda: not worker.tasks(), "no task is left")
    worker.try_again(
        "PATCH", f"{path}/offsets", {"offsets": [{"partition": {"filename": str(file)}, "offset": {"position": 4}}]}
    )
    for topic in (own, groups):
        until_offset(topics, topic, fresh_topic, 4)
    worker.ask("PUT", f"{path}/resume")
    until(lambda: topics.values(fresh_topic) == [b"one", b"two", b"two"], "it goes on behind the first line")

    worker.try_again("PUT", f"{path}/stop")
    until(lambda: cluster.states(fresh_topic) == {}, "it is stopped")
    until(lambda: not worker.tasks(), "no task is left")
    worker.try_again("DELETE", f"{path}/offsets")
    for topic in (own, groups):
        until_offset(topics, topic, fresh_topic, None)
    cluster.delete(fresh_topic)
