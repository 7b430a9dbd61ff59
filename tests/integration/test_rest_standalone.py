"""A standalone worker over HTTP: connectors come and go, are paused, stopped, restarted and repaired as with Kafka Connect."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from fakes.commands import Command, Shell, until
from fakes.rest import Rest, free_port
from fakes.topics import Topics
from fakes.with_plugins import shell_with_plugins

pytestmark = pytest.mark.integration

WORKER = {
    "restart.max.failures": 1,  # as with Kafka Connect, what has failed stays so
    "task.shutdown.graceful.timeout.ms": 500,
    "offset.flush.interval.ms": 50,
    "connector.timeout.ms": 4_000,
    "config.providers": "file",
    "config.providers.file.class": "org.apache.kafka.common.config.provider.FileConfigProvider",
    "config.providers.file.param.allowed.paths": "/",
    "value.converter": "org.apache.kafka.connect.json.JsonConverter",
    "value.converter.schemas.enable": "false",
    "connector.client.config.override.policy": "All",
}


class Worker:
    """A worker, its folder and its REST API."""

    def __init__(self, shell: Shell, bootstrap: str, **settings: object) -> None:
        self.port = free_port()
        self.folder = shell.folder
        text = "".join(f"{key}={value}\n" for key, value in {**WORKER, **settings}.items())
        (shell.folder / "worker.properties").write_text(
            f"{text}bootstrap.servers={bootstrap}\nlisteners=http://127.0.0.1:{self.port}\n"
        )
        self.command: Command = shell.start("run", "--worker", "worker.properties")
        self.command.until_says("The REST API is ready.")
        self.rest = Rest(f"http://127.0.0.1:{self.port}")
        until(lambda: self.rest.ask("GET", "/health").status_code == 200, "the worker is healthy")


@pytest.fixture(scope="module")
def worker(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with shell_with_plugins(tmp_path_factory.mktemp("worker")) as shell:
        started = Worker(shell, kafka)
        yield started
        started.rest.close()
        started.command.send(signal.SIGTERM)
        assert started.command.wait().code == 0


@pytest.fixture
def rest(worker: Worker) -> Iterator[Rest]:
    """The API; no connector is left behind."""
    yield worker.rest
    for name in worker.rest.get("/connectors"):
        worker.rest.delete(f"/connectors/{name}")


def numbers(topic: str, **more: object) -> dict[str, object]:
    return {"connector_class": "SequenceSource", "topic": topic, "rate": 500, **more}


def faulty(topic: str, fault: str, **more: object) -> dict[str, object]:
    return {"connector_class": "FaultySource", "topic": topic, "fault": fault, **more}


def until_has(topics: Topics, topic: str, count: int) -> None:
    until(lambda: topics.exists(topic) and topics.count(topic) >= count, f"{topic} has {count} records")


# The life of a connector (S13)


def test_the_life_of_a_connector(rest: Rest, worker: Worker, topics: Topics, fresh_topic: str, tmp_path: Path) -> None:
    assert rest.get("/connectors") == []
    classes = [plugin["class"] for plugin in rest.get("/connector-plugins")]
    assert "org.apache.kafka.connect.file.FileStreamSourceConnector" in classes

    (tmp_path / "secret.properties").write_text(f"topic={fresh_topic}\n")
    (tmp_path / "one").write_text("first\n")
    (tmp_path / "two").write_text("second\n")
    config = {
        "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
        "file": str(tmp_path / "one"),
        "topic": f"${{file:{tmp_path}/secret.properties:topic}}",
    }
    validated = rest.put("/connector-plugins/FileStreamSource/config/validate", {**config, "name": "file"})
    assert validated["error_count"] == 0
    created = rest.ask("POST", "/connectors", {"name": "file", "config": config})
    assert (created.status_code, created.headers["location"]) == (201, f"{rest.url}/connectors/file")
    assert rest.refused("POST", "/connectors", {"name": "file", "config": config}) == (409, "Connector file already exists")
    assert rest.get("/connectors/file/config") == {**config, "name": "file"}
    (task,) = rest.get("/connectors/file/tasks")
    assert task["config"]["topic"] == config["topic"]  # not what it stands for
    until_has(topics, fresh_topic, 1)

    rest.put("/connectors/file/config", {**config, "file": str(tmp_path / "two")})
    until_has(topics, fresh_topic, 2)
    assert {record.value for record in topics.read(fresh_topic)} == {b'"first"', b'"second"'}
    until(lambda: rest.get("/connectors/file/topics") == {"file": {"topics": [fresh_topic]}}, "the topic is known")
    rest.delete("/connectors/file")
    assert rest.get("/connectors") == []
    assert rest.refused("GET", "/connectors/file/status") == (404, "No status found for connector file")


def test_a_config_is_patched_and_only_then_validated(rest: Rest, fresh_topic: str) -> None:  # W9
    rest.create("a", **numbers(fresh_topic, size=10))
    changed = rest.patch("/connectors/a/config", {"size": None, "rate": "7"})
    assert "size" not in changed["config"]
    assert changed["config"]["rate"] == "7"
    status, message = rest.refused("PATCH", "/connectors/a/config", {"topic": None})
    assert status == 400
    assert 'Missing required configuration "topic" which has no default value.' in message


def test_the_number_of_tasks_follows_the_configuration(rest: Rest, fresh_topic: str) -> None:  # W4
    rest.create("a", **numbers(fresh_topic))
    rest.until_states("a", "RUNNING", "RUNNING")
    for count in (5, 3):
        rest.patch("/connectors/a/config", {"tasks.max": str(count)})
        rest.until_states("a", "RUNNING", *["RUNNING"] * count)
        assert len(rest.get("/connectors/a/tasks")) == count


def test_more_tasks_than_allowed_are_too_many_unless_that_is_switched_off(rest: Rest, fresh_topic: str) -> None:  # W12
    rest.create("a", **faulty(fresh_topic, "too-many-in-task-configs"))
    assert rest.states("a") == ("FAILED", [])
    trace = rest.get("/connectors/a/status")["connector"]["trace"]
    assert "The connector a has generated 3 tasks, which is greater than 1" in trace
    rest.patch("/connectors/a/config", {"tasks.max.enforce": "false"})
    assert len(rest.get("/connectors/a/tasks")) == 3


def test_a_plugin_may_be_called_by_its_alias(rest: Rest, fresh_topic: str) -> None:  # W16
    for name in ("SequenceSource", "fastconnect.SequenceSource"):
        assert rest.create(name, **numbers(fresh_topic, connector_class=name))["type"] == "source"


def test_overrides_and_converters_count_from_the_next_config_on(rest: Rest, topics: Topics, fresh_topic: str) -> None:  # W15
    rest.create(fresh_topic, **numbers(fresh_topic, count=3, rate=0))
    until_has(topics, fresh_topic, 3)
    rest.create(f"{fresh_topic}-b", **numbers(f"{fresh_topic}-b", count=1, producer_override_bootstrap_servers="127.0.0.1:1"))
    changed = {"producer.override.bootstrap.servers": None, "value.converter": "org.apache.kafka.connect.json.JsonConverter"}
    rest.patch(f"/connectors/{fresh_topic}-b/config", changed)
    until_has(topics, f"{fresh_topic}-b", 1)
    assert "schema" in json.loads(topics.read(f"{fresh_topic}-b")[0].value or b"")


def test_a_reference_to_a_missing_file_is_refused_and_can_be_repaired(
    rest: Rest, topics: Topics, fresh_topic: str, tmp_path: Path
) -> None:  # W14
    rest.create("a", **numbers(fresh_topic))
    status, message = rest.refused("PATCH", "/connectors/a/config", {"topic": f"${{file:{tmp_path}/none.properties:t}}"})
    assert status == 400
    assert f"{tmp_path}/none.properties" in message
    (tmp_path / "none.properties").write_text(f"t={fresh_topic}-2\n")
    rest.patch("/connectors/a/config", {"topic": f"${{file:{tmp_path}/none.properties:t}}"})
    until_has(topics, f"{fresh_topic}-2", 1)


# States (W6, W7, W8)


def test_every_change_between_running_paused_and_stopped_may_be_asked_for_twice(rest: Rest, fresh_topic: str) -> None:
    rest.create("a", **numbers(fresh_topic, tasks_max=2))
    tasks = {"RUNNING": ["RUNNING"] * 2, "PAUSED": ["PAUSED"] * 2, "STOPPED": []}
    paths = {"RUNNING": "resume", "PAUSED": "pause", "STOPPED": "stop"}
    for state in ("PAUSED", "RUNNING", "STOPPED", "RUNNING", "PAUSED", "STOPPED", "PAUSED"):
        had_tasks = bool(rest.get("/connectors/a/tasks"))
        for _ in range(2):
            rest.put(f"/connectors/a/{paths[state]}")
            expected = [] if state == "PAUSED" and not had_tasks else tasks[state]
            rest.until_states("a", state, *expected)
        assert bool(rest.get("/connectors/a/tasks")) == bool(expected)


def test_a_paused_connector_sends_nothing_and_a_stopped_one_has_no_process(
    rest: Rest, worker: Worker, topics: Topics, fresh_topic: str
) -> None:
    rest.create(fresh_topic, **numbers(fresh_topic))
    until_has(topics, fresh_topic, 10)
    rest.put(f"/connectors/{fresh_topic}/pause")
    rest.until_states(fresh_topic, "PAUSED", "PAUSED")

    def all_is_flushed() -> bool:
        flushed = rest.get(f"/connectors/{fresh_topic}/offsets")["offsets"]  # none before the first flush
        return [at["offset"]["seq"] + 1 for at in flushed] == [topics.count(fresh_topic)]

    until(all_is_flushed, "what was read is delivered and flushed")
    count = topics.count(fresh_topic)
    rest.put(f"/connectors/{fresh_topic}/stop")
    assert worker.command.tasks() == []
    assert topics.count(fresh_topic) == count


@pytest.mark.parametrize("fault", ["raise-in-connector-start", "raise-in-connector-stop", "block-in-connector-stop"])
def test_a_connector_whose_start_or_stop_fails_can_be_stopped_resumed_and_deleted(
    rest: Rest, fresh_topic: str, fault: str
) -> None:
    rest.create("a", **faulty(fresh_topic, fault))
    for path, state in (("stop", "STOPPED"), ("resume", None), ("pause", "PAUSED")):
        rest.put(f"/connectors/a/{path}")
        if state is not None:
            until(lambda wanted=state: rest.states("a")[0] == wanted, f"it is {state}")  # type: ignore[misc]
    rest.delete("/connectors/a")
    assert rest.get("/connectors") == []


def test_offsets_may_be_set_before_the_first_run(rest: Rest, topics: Topics, fresh_topic: str, tmp_path: Path) -> None:
    (tmp_path / "lines").write_text("one\ntwo\nthree\n")
    config = {"connector_class": "FileStreamSource", "file": tmp_path / "lines", "topic": fresh_topic}
    assert rest.create(fresh_topic, "STOPPED", **config)["tasks"] == []
    at = {"partition": {"filename": str(tmp_path / "lines")}, "offset": {"position": 8}}
    assert rest.patch(f"/connectors/{fresh_topic}/offsets", {"offsets": [at]}) == {
        "message": "The offsets for this connector have been altered successfully"
    }
    assert rest.get(f"/connectors/{fresh_topic}/offsets") == {"offsets": [at]}
    rest.put(f"/connectors/{fresh_topic}/resume")
    until_has(topics, fresh_topic, 1)
    assert [record.value for record in topics.read(fresh_topic)] == [b'"three"']


# Offsets of sinks (O-list)


def test_offsets_of_a_sink_are_those_of_its_group(rest: Rest, topics: Topics, fresh_topic: str, tmp_path: Path) -> None:
    topics.create(fresh_topic, 2)
    rest.create("source", **numbers(fresh_topic, count=10, rate=0))
    until_has(topics, fresh_topic, 10)
    rest.create("sink", connector_class="FileStreamSink", topics=fresh_topic, file=tmp_path / "out")

    def offsets() -> dict[int, int]:
        found = rest.get("/connectors/sink/offsets")["offsets"]
        return {each["partition"]["kafka_partition"]: each["offset"]["kafka_offset"] for each in found}

    until(lambda: sum(offsets().values()) == 10, "all is committed")
    all_of_it = offsets()
    body = {"offsets": [{"partition": {"kafka_topic": fresh_topic, "kafka_partition": "0"}, "offset": {"kafka_offset": "0"}}]}
    assert rest.refused("PATCH", "/connectors/sink/offsets", body)[0] == 400
    rest.put("/connectors/sink/stop")
    rest.patch("/connectors/sink/offsets", body)
    assert offsets() == {**all_of_it, 0: 0}
    body["offsets"][0]["offset"] = None  # type: ignore[assignment]
    rest.patch("/connectors/sink/offsets", body)
    assert 0 not in offsets()
    rest.delete("/connectors/sink/offsets")
    assert offsets() == {}
    rest.delete("/connectors/sink/offsets")  # there is nothing left to forget, which is just as well
    unknown = {"partition": {"kafka_topic": f"{fresh_topic}-none", "kafka_partition": 7}, "offset": {"kafka_offset": 1}}
    message = "Failed to alter consumer group offsets for connector sink"
    assert rest.refused("PATCH", "/connectors/sink/offsets", {"offsets": [unknown]}) == (400, message)
    rest.put("/connectors/sink/resume")
    until(lambda: sum(offsets().values()) == 10, "all is read once more")
    assert len((tmp_path / "out").read_text().splitlines()) == 20


# Restarts (S4-S6, A1-A16)


def started(worker: Worker, name: str) -> int:
    """How many processes of tasks of a connector were started."""
    return sum(f"[{name}|task-" in line and "Task process started" in line for line in worker.command.err.splitlines())


@pytest.mark.parametrize(
    ("only_failed", "include_tasks", "failed", "restarted"),
    [
        (only_failed, include_tasks, failed, (1 if failed or not only_failed else 0) if include_tasks else 0)
        for only_failed in (False, True)
        for include_tasks in (False, True)
        for failed in (False, True)
    ],
)
def test_what_a_restart_restarts(
    rest: Rest, worker: Worker, fresh_topic: str, only_failed: bool, include_tasks: bool, failed: bool, restarted: int
) -> None:
    once = worker.folder / fresh_topic
    config = faulty(fresh_topic, "raise-in-poll", once=once, after=0, count=1_000_000_000) if failed else numbers(fresh_topic)
    rest.create(fresh_topic, **config)
    rest.until_states(fresh_topic, "RUNNING", "FAILED" if failed else "RUNNING")
    before = started(worker, fresh_topic)
    path = f"/connectors/{fresh_topic}/restart"
    answer = rest.ask("POST", path, includeTasks=str(include_tasks).lower(), onlyFailed=str(only_failed).lower())
    assert answer.status_code == (202 if only_failed or include_tasks else 204)
    if only_failed or include_tasks:
        shown = answer.json()
        assert shown["connector"]["state"] == ("RUNNING" if only_failed else "RESTARTING")
        assert shown["tasks"][0]["state"] == ("RESTARTING" if restarted else "FAILED" if failed else "RUNNING")
    rest.until_states(fresh_topic, "RUNNING", "FAILED" if failed and not restarted else "RUNNING")
    until(lambda: started(worker, fresh_topic) == before + restarted, "so many processes were started")


def test_a_failed_task_is_repaired_by_its_restart(rest: Rest, worker: Worker, fresh_topic: str) -> None:  # S5
    rest.create("a", **faulty(fresh_topic, "raise-in-poll", once=worker.folder / f"{fresh_topic}-once", after=0))
    rest.until_states("a", "RUNNING", "FAILED", timeout_s=20)
    assert "the plugin is broken" in rest.get("/connectors/a/tasks/0/status")["trace"]
    begun = time.monotonic()
    rest.post("/connectors/a/tasks/0/restart")
    until(lambda: rest.states("a")[1] != ["FAILED"] and rest.states("a")[1] != ["RESTARTING"], "it runs again")
    assert time.monotonic() - begun < 60
    assert rest.refused("POST", "/connectors/a/tasks/7/restart") == (404, "Task a-7 not found")


def test_a_failed_connector_is_repaired_by_its_restart(rest: Rest, worker: Worker, fresh_topic: str) -> None:  # S4
    once = worker.folder / f"{fresh_topic}-once"
    rest.create("a", **faulty(fresh_topic, "raise-in-connector-start", once=once, count=1_000_000, after=1_000_000))
    assert rest.states("a") == ("FAILED", [])
    shown = rest.post("/connectors/a/restart", onlyFailed="true")
    assert shown["connector"]["state"] == "RESTARTING"
    rest.until_states("a", "RUNNING", "RUNNING", timeout_s=60)


# Plugins that block (B-list): only the question at hand fails


@pytest.mark.parametrize("place", ["validation", "connector-start", "task-configs", "start", "poll", "stop"])
def test_a_plugin_that_blocks_touches_neither_its_neighbour_nor_the_api(
    rest: Rest, worker: Worker, topics: Topics, fresh_topic: str, place: str
) -> None:
    rest.create("good", **numbers(f"{fresh_topic}-good"))
    body = {
        "name": "bad",
        "config": {"connector.class": "FaultySource", "topic": fresh_topic, "fault": f"block-in-{place}", "after": "0"},
    }
    created = rest.ask("POST", "/connectors", body)
    if place == "validation":
        assert created.status_code == 500
        assert "validating its config: it did not end within 4000 ms and was killed" in created.json()["message"]
    else:
        assert created.status_code == 201
    if place in ("connector-start", "task-configs"):
        until(lambda: rest.states("bad")[0] == "FAILED", "it is given up")
        trace = rest.get("/connectors/bad/status")["connector"]["trace"]
        assert "dividing its work into tasks: it did not end within 4000 ms and was killed" in trace
    assert rest.get("/health")["status"] == "healthy"
    count = topics.count(f"{fresh_topic}-good")
    until(lambda: topics.count(f"{fresh_topic}-good") >= count + 100, "the neighbour goes on")
    if place != "validation":
        rest.delete("/connectors/bad")
    until(lambda: not [task for task in worker.command.tasks() if "bad" in task.title], "no process of it is left")


def test_a_plugin_that_crashes_while_it_is_asked_fails_that_request_only(rest: Rest, fresh_topic: str) -> None:
    for fault in ("segfault", "os-exit", "sys-exit"):
        body = {"connector.class": "FaultySource", "topic": fresh_topic, "fault": f"{fault}-in-validation", "name": "x"}
        status, message = rest.refused("PUT", "/connector-plugins/FaultySource/config/validate", body)
        assert status == 500, fault
        assert "connector" in message
    rest.create("a", "STOPPED", **faulty(fresh_topic, "segfault-in-alter-offsets"))
    status, message = rest.refused("PATCH", "/connectors/a/offsets", {"offsets": [{"partition": {}, "offset": None}]})
    assert (status, "SIGSEGV" in message) == (500, True)
    rest.patch("/connectors/a/config", {"fault": "connect-error-in-alter-offsets"})
    refused = rest.refused("PATCH", "/connectors/a/offsets", {"offsets": [{"partition": {}, "offset": None}]})
    assert refused == (400, "house 7: the door is locked (take the key)")


# The herder dies


def test_a_new_herder_goes_on_with_connectors_that_came_over_rest(
    rest: Rest, worker: Worker, topics: Topics, fresh_topic: str
) -> None:
    rest.create("runs", **numbers(fresh_topic, tasks_max=2))
    rest.create("paused", **numbers(f"{fresh_topic}-p"))
    rest.create("stopped", **numbers(f"{fresh_topic}-s"))
    rest.until_states("runs", "RUNNING", "RUNNING", "RUNNING")
    rest.until_states("paused", "RUNNING", "RUNNING")
    rest.put("/connectors/paused/pause")
    rest.put("/connectors/stopped/stop")
    rest.until_states("paused", "PAUSED", "PAUSED")
    tasks = {task.pid for task in worker.command.tasks()}
    before = {name: rest.get(f"/connectors/{name}") for name in ("runs", "paused", "stopped")}
    (herder,) = worker.command.processes("herder")
    herder.send(signal.SIGKILL)
    until(lambda: _answers(rest), "there is a new herder")

    assert {name: rest.get(f"/connectors/{name}") for name in before} == before
    assert (rest.states("paused"), rest.states("stopped")) == (("PAUSED", ["PAUSED"]), ("STOPPED", []))
    rest.until_states("runs", "RUNNING", "RUNNING", "RUNNING")
    assert {task.pid for task in worker.command.tasks()} == tasks
    assert rest.get("/connectors/runs/topics") == {"runs": {"topics": [fresh_topic]}}
    rest.put("/connectors/stopped/resume")
    until_has(topics, f"{fresh_topic}-s", 1)


def _answers(rest: Rest) -> bool:
    try:
        return rest.ask("GET", "/health").status_code == 200
    except httpx2.TransportError:
        return False


# The worker


def test_the_level_of_a_logger_counts_in_running_tasks_too(rest: Rest, worker: Worker, fresh_topic: str) -> None:  # L1
    rest.create("a", **numbers(fresh_topic))
    rest.until_states("a", "RUNNING", "RUNNING")
    name = "org.apache.kafka.connect.runtime.WorkerSourceTask"
    assert rest.put(f"/admin/loggers/{name}", {"level": "DEBUG"}) == [name]
    assert rest.get(f"/admin/loggers/{name}")["level"] == "DEBUG"
    assert rest.get("/admin/loggers")["fastconnect.task.source"]["level"] == "DEBUG"
    rest.put(f"/admin/loggers/{name}", {"level": "INFO"})


def test_what_runs_beside_connectors_of_the_command_line_ends_with_them(run: Shell, topics: Topics, fresh_topic: str) -> None:
    port = free_port()
    words = [
        "--set",
        "name=given",
        "--set",
        "connector.class=SequenceSource",
        "--set",
        f"topic={fresh_topic}",
        "--set",
        "rate=99",
    ]
    command = run.start("run", *words, "--bootstrap-servers", topics.bootstrap, "--rest", f"127.0.0.1:{port}")
    command.until_says("The REST API is ready.")
    rest = Rest(f"http://127.0.0.1:{port}")
    rest.create("added", **numbers(f"{fresh_topic}-2"))
    assert set(rest.get("/connectors")) == {"given", "added"}
    until_has(topics, f"{fresh_topic}-2", 1)
    rest.close()
    command.send(signal.SIGINT)
    ended = command.wait()

    assert ended.code == 0
    assert "Stopped: " in ended.err.splitlines()[-1]
