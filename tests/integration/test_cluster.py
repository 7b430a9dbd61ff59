"""Three workers in one group, as real commands with a real broker: made, told, killed, stopped, restarted."""

from __future__ import annotations

import signal
import time
import uuid
from collections.abc import Iterator

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import AdminClient
from fakes.cluster import SESSION_MS, Cluster, ClusterWorker, RefusedError
from fakes.commands import shell, until
from fakes.topics import Audit, Reader, Topics

from fastconnect.storage.kafka_configs import KafkaConfigStore

TASKS = 4
RATE = 200
SLACK_S = 4.0
"""How much longer than it should anything may take on a machine that does other things as well."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, kafka: str) -> Iterator[Cluster]:
    with shell(tmp_path_factory.mktemp("cluster")) as run:
        cluster = Cluster(run, kafka, f"cluster-{uuid.uuid4().hex[:8]}")
        cluster.start()
        yield cluster


@pytest.fixture
def name(cluster: Cluster) -> Iterator[str]:
    """The name of a connector that is deleted in the end."""
    name = f"seq{uuid.uuid4().hex[:6]}"
    yield name
    for worker in cluster.workers:
        if not worker.command.is_running:
            worker.start()
        worker.until_ready()
    if name in cluster.leader.ask("GET", "/connectors"):
        cluster.delete(name)


def sequence(topic: str, tasks: int = TASKS, rate: int = RATE) -> dict[str, str]:
    return {"connector.class": "SequenceSource", "topic": topic, "tasks.max": str(tasks), "rate": str(rate), "poll.size": "50"}


def create(worker: ClusterWorker, name: str, config: dict[str, str]) -> None:
    worker.try_again("POST", "/connectors", {"name": name, "config": config})


def audited(reader: Reader, audit: Audit) -> Audit:
    audit.add(reader.read_on())
    return audit


def highest(audit: Audit) -> dict[int, int]:
    return {task: max(numbers) for task, numbers in audit.times.items()}


def missing(audit: Audit) -> list[tuple[int, int]]:
    return [
        (task, number) for task, last in highest(audit).items() for number in range(last) if number not in audit.times[task]
    ]


def test_a_connector_made_through_a_follower_runs_on_all_workers_and_all_show_the_same(
    cluster: Cluster, name: str, topics: Topics, fresh_topic: str
) -> None:
    topics.create(fresh_topic)
    follower = cluster.followers[0]

    made = follower.ask("POST", "/connectors", {"name": name, "config": sequence(fresh_topic)})
    assert made["name"] == name
    cluster.until_runs(name, TASKS)

    owners = cluster.owners(name)
    assert sorted(len(tasks) for tasks in owners.values()) == [1, 1, 2]
    assert [worker.ask("GET", f"/connectors/{name}/status") for worker in cluster.workers] == [
        cluster.leader.ask("GET", f"/connectors/{name}/status")
    ] * 3
    with pytest.raises(RefusedError, match=f"Connector {name} already exists"):
        cluster.followers[1].ask("POST", "/connectors", {"name": name, "config": sequence(fresh_topic)})
    until(lambda: topics.count(fresh_topic) > 0, "records arrive")
    until(lambda: follower.ask("GET", f"/connectors/{name}/topics") == {name: {"topics": [fresh_topic]}}, "its topic is known")


def test_a_connector_pauses_goes_on_stops_and_goes_on_on_all_workers(
    cluster: Cluster, name: str, topics: Topics, fresh_topic: str
) -> None:
    topics.create(fresh_topic)
    one, two, three = cluster.workers
    create(one, name, sequence(fresh_topic))
    cluster.until_runs(name, TASKS)
    processes = {task.pid for worker in cluster.workers for task in worker.tasks()}

    two.ask("PUT", f"/connectors/{name}/pause")
    until(lambda: {state for state, _ in cluster.states(name).values()} == {"PAUSED"}, "all tasks are paused")
    assert one.ask("GET", f"/connectors/{name}/status")["connector"]["state"] == "PAUSED"
    three.ask("PUT", f"/connectors/{name}/resume")
    cluster.until_runs(name, TASKS)
    assert {task.pid for worker in cluster.workers for task in worker.tasks()} == processes

    three.try_again("PUT", f"/connectors/{name}/stop")
    until(lambda: cluster.states(name) == {}, "there are no tasks any more")
    until(lambda: not [task for worker in cluster.workers for task in worker.tasks()], "no process of a task is left")
    assert two.ask("GET", f"/connectors/{name}/status")["connector"]["state"] == "STOPPED"
    offsets = two.ask("GET", f"/connectors/{name}/offsets")["offsets"]
    assert len(offsets) == TASKS

    two.try_again("DELETE", f"/connectors/{name}/offsets")
    assert one.ask("GET", f"/connectors/{name}/offsets") == {"offsets": []}
    one.ask("PUT", f"/connectors/{name}/resume")
    cluster.until_runs(name, TASKS)


def test_the_number_of_tasks_changes_with_the_configuration_and_the_status_shows_just_those(
    cluster: Cluster, name: str, topics: Topics, fresh_topic: str
) -> None:
    topics.create(fresh_topic)
    for tasks in (1, 5, 2):
        cluster.followers[0].try_again("PUT", f"/connectors/{name}/config", sequence(fresh_topic, tasks))
        cluster.until_runs(name, tasks)
        assert len(cluster.leader.ask("GET", f"/connectors/{name}/tasks")) == tasks
    cluster.delete(name)
    for worker in cluster.workers:
        until(lambda: cluster.states(name, worker) == {}, "its status is gone")  # noqa: B023


def test_restarts_are_done_by_whoever_owns_what_is_restarted(
    cluster: Cluster, name: str, topics: Topics, fresh_topic: str
) -> None:
    topics.create(fresh_topic)
    create(cluster.workers[0], name, sequence(fresh_topic))
    cluster.until_runs(name, TASKS)
    processes = {task.title: task.pid for worker in cluster.workers for task in worker.tasks()}

    for worker in cluster.workers:
        worker.try_again("POST", f"/connectors/{name}/restart")
    cluster.until_runs(name, TASKS)
    assert {task.title: task.pid for worker in cluster.workers for task in worker.tasks()} == processes

    def renewed() -> set[str]:
        now = {task.title: task.pid for worker in cluster.workers for task in worker.tasks()}
        return {title for title, pid in now.items() if processes.get(title, pid) != pid}

    cluster.workers[1].try_again("POST", f"/connectors/{name}/tasks/0/restart")
    until(lambda: renewed() == {f"fastconnect task {name}-0"}, "one task has another process")
    cluster.workers[2].try_again("POST", f"/connectors/{name}/restart?includeTasks=true")
    until(lambda: renewed() == set(processes), "all tasks have other processes")
    cluster.until_runs(name, TASKS)


def test_a_new_herder_goes_on_as_the_same_member_and_no_task_notices(
    cluster: Cluster, name: str, topics: Topics, fresh_topic: str
) -> None:
    topics.create(fresh_topic)
    create(cluster.workers[0], name, sequence(fresh_topic))
    cluster.until_runs(name, TASKS)
    before = {task.title: task.pid for worker in cluster.workers for task in worker.tasks()}

    for worker in cluster.workers:
        (herder,) = worker.command.processes("herder")
        herder.send(signal.SIGKILL)
    for worker in cluster.workers:
        worker.command.until_says("This worker still is a member.")
        worker.until_ready()

    cluster.until_runs(name, TASKS)
    cluster.leader.try_again("PUT", f"/connectors/{name}/pause")
    cluster.leader.try_again("PUT", f"/connectors/{name}/resume")
    cluster.until_runs(name, TASKS)
    assert {task.title: task.pid for worker in cluster.workers for task in worker.tasks()} == before


def test_after_a_rolling_restart_under_load_every_record_is_there_just_once(
    cluster: Cluster, name: str, topics: Topics, fresh_topic: str
) -> None:
    topics.create(fresh_topic, 1)
    create(cluster.workers[0], name, sequence(fresh_topic))
    cluster.until_runs(name, TASKS)
    audit = Audit()
    with topics.reader(fresh_topic) as reader:
        for worker in cluster.workers:
            until(lambda: len(audited(reader, audit).times) == TASKS, "all tasks send")
            worker.stop()
            assert worker.command.wait().code == 0
            worker.start()
            worker.until_ready()
            cluster.until_runs(name, TASKS)
        cluster.leader.try_again("PUT", f"/connectors/{name}/stop")
        until(lambda: not [task for worker in cluster.workers for task in worker.tasks()], "no task runs")
        audited(reader, audit)

    assert missing(audit) == []
    assert audit.duplicates == 0
    assert audit.disorder == 0


def test_the_tasks_of_a_killed_worker_run_elsewhere_when_its_session_has_ended(
    cluster: Cluster, name: str, topics: Topics, fresh_topic: str
) -> None:
    topics.create(fresh_topic, 1)
    create(cluster.workers[0], name, sequence(fresh_topic))
    cluster.until_runs(name, TASKS)
    victim = cluster.leader  # the worst case: another must lead first
    killed_at = time.monotonic()
    victim.kill()
    cluster.until_runs(name, TASKS)

    assert time.monotonic() - killed_at < SESSION_MS / 1000 + 1 + SLACK_S
    assert victim.id not in cluster.owners(name)
    audit = Audit()
    with topics.reader(fresh_topic) as reader:
        sent = highest(audited(reader, audit))
        until(lambda: all(highest(audited(reader, audit))[task] > sent[task] + RATE for task in sent), "all tasks go on")
    assert missing(audit) == []
    assert audit.duplicates < TASKS * RATE * 2.5, "no more than was in flight or not flushed"


def test_a_worker_that_was_stopped_beyond_its_session_writes_nothing_and_gets_work_anew(
    cluster: Cluster, name: str, topics: Topics, fresh_topic: str
) -> None:
    topics.create(fresh_topic, 1)
    create(cluster.workers[0], name, sequence(fresh_topic))
    cluster.until_runs(name, TASKS)
    victim = cluster.followers[0]
    tasks = cluster.owners(name)[victim.id]
    victim.freeze(signal.SIGSTOP)
    witness = cluster.leader
    until(
        lambda: (
            victim.id not in {on for _, on in cluster.states(name, witness).values()}
            and {state for state, _ in cluster.states(name, witness).values()} == {"RUNNING"}
        ),
        "its tasks run elsewhere",
    )
    audit = Audit()
    with topics.reader(fresh_topic) as reader:
        sent = highest(audited(reader, audit))
        until(lambda: all(highest(audited(reader, audit))[task] > sent[task] + RATE for task in tasks), "they are far ahead")
        twice = audit.duplicates

        victim.freeze(signal.SIGCONT)
        victim.until_ready()
        until(lambda: victim.id in cluster.owners(name), "it has work again")
        cluster.until_runs(name, TASKS)
        sent = highest(audited(reader, audit))
        until(lambda: all(highest(audited(reader, audit))[task] > sent[task] + RATE for task in sent), "all tasks go on")

    assert audit.duplicates == twice, "it has written nothing of what others had written meanwhile"
    assert missing(audit) == []
    running = [task.title for worker in cluster.workers for task in worker.tasks()]
    assert sorted(running) == [f"fastconnect task {name}-{number}" for number in range(TASKS)]


def test_a_sink_task_that_moves_has_its_partitions_at_once(
    cluster: Cluster, name: str, topics: Topics, fresh_topic: str
) -> None:
    topics.create(fresh_topic, 2)
    create(cluster.workers[0], name, sequence(fresh_topic, 2))
    sink = f"sink{name}"
    config = {"connector.class": "NullSink", "topics": fresh_topic, "tasks.max": "2"}
    create(cluster.workers[1], sink, config)
    cluster.until_runs(sink, 2)
    group = ConsumerGroupTopicPartitions(f"connect-{sink}")
    admin = AdminClient({"bootstrap.servers": topics.bootstrap})

    def committed() -> dict[int, int]:
        found = admin.list_consumer_group_offsets([group])[group.group_id].result().topic_partitions or []
        return {each.partition: each.offset for each in found}

    until(lambda: len(committed()) == 2, "both partitions are committed")
    owner = cluster.by_id(cluster.states(sink)[0][1])
    owner.stop()
    owner.command.wait()
    cluster.until_runs(sink, 2)
    before = committed()

    until(lambda: all(committed()[each] > before[each] for each in before), "both go on", 15)  # a session lasts 45 s
    cluster.delete(sink)


def test_a_connector_whose_class_is_not_known_here_has_failed_and_the_others_run(
    cluster: Cluster, name: str, topics: Topics, fresh_topic: str
) -> None:
    topics.create(fresh_topic)
    store = KafkaConfigStore(cluster.settings["config.storage.topic"], {"bootstrap.servers": topics.bootstrap})

    class Nobody:
        def __getattr__(self, _: str) -> object:
            return lambda *_, **__: None

    store.start(Nobody())  # type: ignore[arg-type]
    try:
        store.put_connector(name, {"name": name, "connector.class": "org.example.JavaOnlySource", "tasks.max": "1"})
        store.put_task_configs(name, [{"task.class": "org.example.JavaOnlyTask"}])
    finally:
        store.stop()
    other = f"other{name}"
    create(cluster.workers[0], other, sequence(fresh_topic, 1))
    cluster.until_runs(other, 1)

    def failed() -> bool:
        if not cluster.states(name):
            return False
        status = cluster.leader.ask("GET", f"/connectors/{name}/status")
        states = [status["connector"], *status["tasks"]]
        return [each["state"] for each in states] == ["FAILED"] * 2 and all(
            "JavaOnlySource" in each["trace"] for each in states
        )

    until(failed, "the connector and its task have failed, and say why")
    cluster.delete(other)
