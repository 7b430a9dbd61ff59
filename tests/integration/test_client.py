"""The command-line client against real clusters: Kafka Connect in Java, and fastconnect, standalone and distributed.

The same story for each: connectors are created from a folder, looked at, changed, stopped, moved back and deleted.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fakes.called import called
from fakes.cluster import ClusterWorker, free_port
from fakes.commands import Ended, Shell, shell, until
from fakes.kafka_connect import KafkaConnect, worker_settings

pytestmark = pytest.mark.integration


@dataclass
class Asked:
    """A cluster, and commands that ask it."""

    url: str

    def call(self, *words: object, code: int | None = 0) -> Ended:
        """A command that asks the cluster; it must end with this exit code, if one is given."""
        ended = called(*words, environment={"FASTCONNECT_URL": self.url})
        assert code in (None, ended.code), f"fastconnect {' '.join(map(str, words))}\n{ended}"
        return ended

    def data(self, *words: object) -> object:
        """What a command prints with --json."""
        return json.loads(self.call(*words, "--json").out)


Start = Callable[[str, Path, Shell], tuple[str, Callable[[], object]]]


def java(kafka: str, folder: Path, _shell: Shell) -> tuple[str, Callable[[], object]]:
    worker = KafkaConnect(folder / "java", kafka, f"client-{uuid.uuid4().hex[:8]}")
    try:
        worker.start()
    except BaseException:
        worker.kill()
        raise
    return worker.url, worker.kill


def distributed(kafka: str, folder: Path, own: Shell) -> tuple[str, Callable[[], object]]:
    worker = ClusterWorker(own, free_port(), worker_settings(kafka, f"client-{uuid.uuid4().hex[:8]}"))
    worker.start()
    worker.until_ready()
    return worker.url, worker.command.kill


def standalone(kafka: str, folder: Path, own: Shell) -> tuple[str, Callable[[], object]]:
    url = f"http://127.0.0.1:{free_port()}"
    (folder / "standalone.properties").write_text(
        f"bootstrap.servers={kafka}\nlisteners={url}\noffset.flush.interval.ms=500\n"
        "value.converter=org.apache.kafka.connect.storage.StringConverter\n"
    )
    worker = own.start("run", "--worker", folder / "standalone.properties")
    worker.until_says("The REST API is ready.")
    return url, worker.kill


# One group each, so that each cluster is started once; a JVM is not started beside another one.
CLUSTERS = [
    pytest.param(java, id="java", marks=pytest.mark.xdist_group("java")),
    pytest.param(distributed, id="distributed", marks=pytest.mark.xdist_group("client-distributed")),
    pytest.param(standalone, id="standalone", marks=pytest.mark.xdist_group("client-standalone")),
]


@pytest.fixture(scope="module", params=CLUSTERS)
def asked(request: pytest.FixtureRequest, kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    folder = tmp_path_factory.mktemp("client")
    start: Start = request.param
    with shell(folder) as own:
        url, end = start(kafka, folder, own)
        try:
            yield Asked(url)
        finally:
            end()


@dataclass
class Described:
    """A folder that describes a file source and a file sink behind it, whose names no other test has: offsets stay."""

    folder: Path
    source: str
    sink: str

    @property
    def out(self) -> Path:
        """What the sink writes."""
        return self.folder.parent / "out.txt"

    def until_copied(self, lines: int) -> None:
        """Wait until the sink has written so many lines."""
        until(lambda: self.out.exists() and self.out.read_text().count("\n") == lines, f"{lines} lines are copied")


@pytest.fixture
def files(asked: Asked, tmp_path: Path) -> Iterator[Described]:
    """Nothing of it is in the cluster, and nothing else is."""
    topic = f"client-{uuid.uuid4().hex[:8]}"
    own = Described(tmp_path / "connectors", f"in ü {topic}", f"out {topic}")
    (tmp_path / "in.txt").write_text("".join(f"line {n}\n" for n in range(10)))
    own.folder.mkdir()
    (own.folder / "in.properties").write_text(
        f"name={own.source}\n"
        "connector.class=org.apache.kafka.connect.file.FileStreamSourceConnector\n"
        f"file={tmp_path / 'in.txt'}\ntopic={topic}\n"
    )
    (own.folder / "out.json").write_text(
        json.dumps(
            {
                "name": own.sink,
                "config": {
                    "connector.class": "FileStreamSink",
                    "topics": topic,
                    "file": str(own.out),
                    "tasks.max": 1,
                    "db.password": "geheim",
                },
            }
        )
    )
    yield own
    found = asked.call("connectors", "--names").out.splitlines()
    if found:
        asked.call("delete", *found, "--yes")


def test_a_folder_becomes_running_connectors_and_what_is_gone_from_it_is_deleted(asked: Asked, files: Described):
    shown = asked.call("apply", "-f", files.folder, "--dry-run").out
    assert f"+ create {files.source}\n" in shown
    assert "+ db.password = [hidden]\n" in shown
    assert asked.data("connectors") == []

    asked.call("apply", "-f", files.folder, "--yes", "--wait")
    files.until_copied(10)
    assert asked.call("apply", "-f", files.folder, "--check").out == ""

    (files.folder / "out.json").write_text((files.folder / "out.json").read_text().replace('"tasks.max": 1', '"tasks.max": 2'))
    assert "~ tasks.max: 1 -> 2" in asked.call("apply", "-f", files.folder, "--yes", "--wait").out
    (found,) = asked.data("status", files.sink)
    assert [task["state"] for task in found["tasks"]] == ["RUNNING", "RUNNING"]

    (files.folder / "in.properties").unlink()
    assert f"- delete {files.source}\n" in asked.call("apply", "-f", files.folder, "--prune", "--yes").out
    assert asked.call("connectors", "--names").out == f"{files.sink}\n"


def test_all_that_is_wrong_is_told_and_nothing_is_changed(asked: Asked, files: Described):
    (files.folder / "bad.toml").write_text('name = "bad"\n"connector.class" = "NoSuchConnector"\n')
    (files.folder / "worse.yaml").write_text("name: worse\nconnector.class: FileStreamSink\ntopics: t\ntasks.max: zero\n")
    (files.folder / "worst.properties").write_text("name=worst\nconnector.class=FileStreamSink\n")

    said = asked.call("apply", "-f", files.folder, "--yes", code=2).err

    assert "bad.toml, connector bad: connector.class: Failed to find any class that implements Connector" in said
    assert "worse.yaml, connector worse: tasks.max: Invalid value zero for configuration tasks.max" in said
    assert "worst.properties, connector worst: topics: Must configure one of topics or topics.regex" in said
    assert asked.data("connectors") == []
    asked.call("validate", files.folder / "worse.yaml", "--url", asked.url, code=2)
    asked.call("validate", files.folder / "out.json", "--url", asked.url)


def test_a_connectors_life(asked: Asked, files: Described):
    name = files.sink
    for file in sorted(files.folder.iterdir()):
        asked.call("create", file, "--wait")
    asked.call("create", files.folder / "out.json", code=1)
    files.until_copied(10)

    assert asked.data("config", "get", name)["db.password"] == "[hidden]"
    (task,) = asked.data("tasks", name)
    assert (task["state"], task["config"]["db.password"]) == ("RUNNING", "[hidden]")
    topic = asked.call("config", "get", name, "topics").out
    until(lambda: asked.call("topics", name).out == topic, "it has used its topic")

    asked.call("pause", name, "--wait")
    asked.call("resume", name, "--wait")
    asked.call("restart", name, "--include-tasks", "--wait")
    asked.call("restart", name, "--task", 0, "--wait")
    asked.call("config", "patch", name, "--set", "tasks.max=2", "--unset", "db.password", "--wait")
    assert asked.data("config", "get", name)["tasks.max"] == "2"
    assert "db.password" not in asked.data("config", "get", name)
    asked.call("delete", name, "nobody", "--yes", code=4)
    until(lambda: asked.call("status", name, code=None).code == 4, "its status is forgotten")


def test_offsets_are_put_back_and_records_come_again(asked: Asked, files: Described):
    source = files.source
    asked.call("apply", "-f", files.folder, "--yes", "--wait")
    files.until_copied(10)

    partition = {"filename": str(files.folder.parent / "in.txt")}
    alter = ("offsets", "alter", source, "--partition", json.dumps(partition), "--offset", '{"position": 7}', "--yes")
    asked.call(*alter, code=2)  # it runs
    asked.call("stop", source, "--wait")
    asked.call(*alter)
    assert asked.data("offsets", "get", source) == {"offsets": [{"partition": partition, "offset": {"position": 7}}]}
    asked.call("resume", source, "--wait")
    files.until_copied(19)

    asked.call("stop", source, "--wait")
    asked.call("offsets", "reset", source, "--url", asked.url, "--yes")
    assert asked.call("offsets", "get", source).out == ""


def test_a_task_that_fails_is_told_with_its_trace(asked: Asked, files: Described):
    asked.call(
        *("create", files.folder / "in.properties"),
        *("--set", "transforms=broken", "--set", "transforms.broken.type=org.apache.kafka.connect.transforms.Cast$Value"),
        *("--set", "transforms.broken.spec=int8"),
    )
    source = files.source
    until(lambda: asked.call("status", source, code=None).out.count("Cast") > 0, "its trace is shown")
    if asked.call("connectors").out.count("FAILED"):  # fastconnect starts it again, and shows RESTARTING meanwhile
        assert "has FAILED" in asked.call("restart", source, "--only-failed", "--include-tasks", "--wait", code=1).err


def test_plugins_and_loggers(asked: Asked, files: Described):
    plugins = asked.call("plugins", "--url", asked.url).out
    assert "source\torg.apache.kafka.connect.file.FileStreamSourceConnector\t" in plugins
    keys = asked.call("plugins", "FileStreamSourceConnector", "--url", asked.url).out
    assert "topic\tSTRING\trequired\tHIGH\t" in keys
    logger = "org.apache.kafka.connect.runtime"
    asked.call("loggers", logger, "debug")
    assert asked.call("loggers", logger).out.startswith(f"{logger}\tDEBUG\t")
    asked.call("loggers", logger, "info", "--cluster")
    until(lambda: asked.call("loggers", logger).out.startswith(f"{logger}\tINFO\t"), "all workers have it")
    asked.call("loggers", "no.such.logger", code=4)
