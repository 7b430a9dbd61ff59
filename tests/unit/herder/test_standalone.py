from __future__ import annotations

import json

import msgspec
import pytest

from fastconnect.errors import Fault
from fastconnect.herder.answers import RestartRequest, Signature
from fastconnect.herder.connector_report import Failure, Refusal
from fastconnect.herder.refusals import RequestRefusedError
from fastconnect.states import State, TargetState, TaskId
from fastconnect.storage.sqlite import SqliteOffsetStore
from fastconnect.supervisor.control import (
    Finish,
    Inventory,
    LevelSet,
    RestartTask,
    RunConnector,
    SetLogLevel,
    SetTarget,
    StartTask,
    Stopping,
    StopTask,
    TaskStatus,
    TaskTopic,
)

CONFIG: dict[str, str | None] = {"name": "a", "connector.class": "A"}


def refused(worker, future) -> tuple[int, str]:
    worker.turn()
    with pytest.raises(RequestRefusedError) as error:
        future.result(0)
    return error.value.status, str(error.value)


def running(*tasks: int) -> list[TaskStatus]:
    return [TaskStatus(TaskId("a", task), task, 1, State.RUNNING, pid=5 + task, started_count=1) for task in tasks]


@pytest.fixture
def worker(worker_with):
    """A worker with a connector of two tasks."""
    worker = worker_with("a")
    worker.answer(kind="source", version="1.0", task_configs=[{"task": "0"}, {"task": "1"}])
    worker.runs("a", 0, 0)
    worker.runs("a", 1, 1)
    worker.taken(StartTask)
    return worker


# The connectors that it is given


def test_every_connector_is_asked_for_its_tasks(worker_with):
    worker = worker_with("a", "b")

    assert [(each.name, each.action, each.config["name"]) for each in worker.taken(RunConnector)] == [
        ("a", "task_configs", "a"),
        ("b", "task_configs", "b"),
    ]


def test_no_task_starts_before_every_connector_has_answered(worker_with):
    worker = worker_with("a", "b")
    first, second = worker.taken(RunConnector)
    worker.says(first.request, goes_on=False, task_configs=[{}])
    assert worker.taken(StartTask) == []

    worker.says(second.request, goes_on=False, task_configs=[{}])
    assert len(worker.taken(StartTask)) == 2


def test_all_faults_of_all_connectors_are_told_at_once_with_exit_code_2_and_no_task_starts(worker_with):
    worker = worker_with("a", "b", origin="x.json")
    worker.answer(faults=[Fault("topic", "is missing"), Fault("tasks.max", "must be at least 1")])

    (finish,) = worker.taken(Finish)

    assert finish.exit_code == 2
    assert finish.reason.splitlines() == [
        "the configuration has 4 faults, so nothing was started",
        "connector a (x.json):",
        "  - topic: is missing",
        "  - tasks.max: must be at least 1",
        "connector b (x.json):",
        "  - topic: is missing",
        "  - tasks.max: must be at least 1",
    ]
    assert worker.commands == []
    assert worker.remembered is None


def test_faults_of_a_connector_that_is_not_to_run_yet_are_told_too(worker_with):
    worker = worker_with("a", target=TargetState.PAUSED)
    assert [each.action for each in worker.answer(faults=[Fault("topic", "is missing")])] == ["validate"]

    assert [each.exit_code for each in worker.taken(Finish)] == [2]


def test_a_connector_that_is_paused_from_the_beginning_has_no_tasks_until_it_is_resumed(worker_with):
    worker = worker_with("a", target=TargetState.PAUSED)
    worker.answer()
    assert worker.commands == []
    assert worker.herder.status("a").connector.state == "PAUSED"
    worker.of(worker.herder.set_target("a", TargetState.STARTED))
    worker.answer(task_configs=[{}])

    assert len(worker.taken(StartTask)) == 1


def test_the_other_connectors_run_while_a_failed_one_waits(worker_with):
    worker = worker_with("a", "b")
    first, second = worker.taken(RunConnector)
    worker.says(first.request, goes_on=False, failure=Failure("no route", "", retry_helps=True))
    worker.says(second.request, goes_on=False, task_configs=[{}])

    assert [each.id.connector for each in worker.taken(StartTask)] == ["b"]
    assert worker.shown("a").reason == "no route"


def test_nothing_is_done_before_it_is_known_what_runs(worker_with):
    worker = worker_with("a", inventory=Inventory([], stopping=True))

    assert worker.commands == []


def test_nothing_starts_after_the_worker_began_to_stop(worker_with):
    worker = worker_with("a")
    worker.hear(Stopping("SIGTERM"))
    worker.answer(task_configs=[{}])

    assert worker.commands == []
    assert worker.herder.snapshot().stopping == "SIGTERM"


def test_the_counts_of_all_processes_of_a_task_are_shown_together(worker):
    worker.runs(
        "a", 0, 0, epoch=2, earlier={"records_polled": 10, "source_position": 100}, records_polled=3, source_position=70
    )
    task = worker.herder.snapshot().tasks[0]

    assert task.counters["records_polled"] == 13
    assert task.counters["source_position"] == 70
    assert task.restarts == 1


# A herder that takes over


def test_a_new_herder_goes_on_with_what_runs_without_touching_it(worker, worker_with):
    later = worker_with(inventory=Inventory(running(0, 1), remembered=worker.remembered))

    assert [each.action for each in later.taken(RunConnector)] == ["watch"]
    # The supervisor does nothing for a task that runs with these configs already.
    assert [each.task_config for each in later.taken(StartTask)] == [{"task": "0"}, {"task": "1"}]
    assert later.of(later.herder.tasks("a"))[1].config == {"task": "1"}
    assert [task.state for task in later.herder.status("a").tasks] == ["RUNNING", "RUNNING"]


def test_a_new_herder_starts_what_the_one_before_was_killed_over(worker, worker_with):
    later = worker_with(inventory=Inventory(running(0), remembered=worker.remembered))

    assert [each.id.task for each in later.taken(StartTask)] == [0, 1]


def test_a_task_that_is_not_wanted_is_stopped_by_a_new_herder(worker, worker_with):
    old = TaskStatus(TaskId("old", 0), 3, 1, State.RUNNING)
    later = worker_with(inventory=Inventory([*running(0, 1, 2), old], remembered=worker.remembered))

    assert later.taken(StopTask) == [StopTask(TaskId("a", 2)), StopTask(TaskId("old", 0))]


def test_what_was_changed_over_rest_counts_for_a_new_herder_and_not_what_it_was_given(worker, worker_with):
    deleted = worker.herder.delete_connector("a")
    worker.turn()
    created = worker.herder.put_connector("b", {"connector.class": "A"}, replace=False)
    worker.turn()
    worker.answer()
    worker.answer(task_configs=[{}])
    assert worker.commands is not None
    worker.of(created)
    assert not deleted.done()  # its tasks have not ended yet
    later = worker_with("a", inventory=Inventory([], remembered=worker.remembered))

    assert later.of(later.herder.connectors()) == ["b"]
    assert [each.id.connector for each in later.taken(StartTask)] == ["b"]


def test_a_new_configuration_that_the_herder_was_killed_over_is_asked_about_again(worker, worker_with):
    worker.herder.put_connector("a", {**CONFIG, "new": "1"}, replace=True)
    worker.turn()
    worker.answer()
    assert [each.action for each in worker.taken(RunConnector)] == ["task_configs"]
    later = worker_with(inventory=Inventory(running(0, 1), remembered=worker.remembered))

    assert [each.action for each in later.answer(task_configs=[{"task": "0"}])] == ["task_configs"]
    assert [(each.id.task, each.connector_config["new"]) for each in later.taken(StartTask)] == [(0, "1")]
    assert [each.id.task for each in later.taken(StopTask)] == [1]


def test_a_paused_and_a_stopped_connector_stay_so_under_a_new_herder(worker, worker_with):
    worker.of(worker.herder.set_target("a", TargetState.PAUSED))
    assert worker.commands is not None
    paused = worker_with(inventory=Inventory(running(0, 1), remembered=worker.remembered))
    assert [each.target for each in paused.taken(StartTask)] == [TargetState.PAUSED] * 2
    assert paused.herder.status("a").connector.state == "PAUSED"

    paused.herder.set_target("a", TargetState.STOPPED)
    paused.turn()
    assert len(paused.taken(StopTask)) == 2
    stopped = worker_with(inventory=Inventory([], remembered=paused.remembered))
    assert stopped.commands == []
    assert stopped.herder.status("a").connector.state == "STOPPED"


def test_a_paused_connector_with_a_new_configuration_keeps_its_tasks_as_they_are_under_a_new_herder(worker, worker_with):
    worker.of(worker.herder.set_target("a", TargetState.PAUSED))
    worker.herder.put_connector("a", {**CONFIG, "new": "1"}, replace=True)
    worker.turn()
    worker.answer()
    assert worker.commands is not None
    later = worker_with(inventory=Inventory(running(0, 1), remembered=worker.remembered))
    assert [each.connector_config for each in later.taken(StartTask)] == [{"name": "a", "connector.class": "a"}] * 2
    later.of(later.herder.set_target("a", TargetState.STARTED))
    later.answer(task_configs=[{"task": "0"}, {"task": "1"}])

    assert [each.connector_config.get("new") for each in later.taken(StartTask)] == ["1", "1"]


# What may be asked


def test_a_connector_and_its_tasks_are_described_as_they_were_given(worker):
    description = worker.of(worker.herder.connector("a"))

    assert msgspec.to_builtins(description) == {
        "name": "a",
        "config": {"name": "a", "connector.class": "a"},
        "tasks": [{"connector": "a", "task": 0}, {"connector": "a", "task": 1}],
        "type": "source",
    }
    assert worker.of(worker.herder.connectors()) == ["a"]


def test_a_status_says_who_runs_it_and_in_which_version(worker):
    status = msgspec.to_builtins(worker.of(worker.herder.connector_status("a")))

    assert status["connector"] == {"state": "RUNNING", "worker_id": "here:8083", "version": "1.0"}
    assert status["tasks"][1] == {"id": 1, "state": "RUNNING", "worker_id": "here:8083", "version": "1.0"}


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        (lambda herder: herder.connector("b"), (404, "Connector b not found")),
        (lambda herder: herder.connector_status("b"), (404, "No status found for connector b")),
        (lambda herder: herder.tasks("b"), (404, "Connector b not found")),
        (lambda herder: herder.task_status(TaskId("a", 7)), (404, "No status found for task a-7")),
        (lambda herder: herder.restart_connector("b"), (404, "Unknown connector: b")),
        (lambda herder: herder.restart_connector_and_tasks(RestartRequest(connector="b")), (404, "Unknown connector: b")),
        (lambda herder: herder.restart_task(TaskId("b", 0)), (404, "Unknown connector: b")),
        (lambda herder: herder.restart_task(TaskId("a", 7)), (404, "Task a-7 not found")),
        (lambda herder: herder.set_target("b", TargetState.PAUSED), (404, "Unknown connector b")),
        (lambda herder: herder.delete_connector("b"), (404, "Connector b not found")),
        (lambda herder: herder.patch_connector("b", {}), (404, "Connector b not found")),
        (lambda herder: herder.offsets("b"), (404, "Connector b not found")),
        (lambda herder: herder.reset_offsets("b"), (404, "Connector b not found")),
    ],
    ids=[
        "connector", "status", "tasks", "task-status", "restart", "restart-all", "restart-task", "restart-unknown-task",
        "pause", "delete", "patch", "offsets", "reset-offsets",
    ],
)  # fmt: skip
def test_what_is_unknown_is_told_in_kafka_connects_words(worker, ask, answer):
    assert refused(worker, ask(worker.herder)) == answer


def test_topics_are_those_that_tasks_have_used_until_they_are_reset(worker):
    for task, topic in ((0, "y"), (1, "x"), (1, "y")):
        worker.hear(TaskTopic(TaskId("a", task), topic))
    assert worker.of(worker.herder.active_topics("a")) == ["x", "y"]
    worker.of(worker.herder.reset_active_topics("a"))

    assert worker.of(worker.herder.active_topics("a")) == []
    assert worker.of(worker.herder.active_topics("unknown")) == []


def test_health_is_good_once_everything_has_begun(worker_with):
    worker = worker_with("a")
    assert worker.of(worker.herder.health()).status == "starting"
    worker.answer(task_configs=[{}])

    assert worker.of(worker.herder.health()).status == "healthy"


# Creating and changing


def test_a_connector_that_is_created_is_validated_started_and_then_answered(worker_with):
    worker = worker_with()
    created = worker.herder.put_connector("b", {"connector.class": "A"}, replace=False)
    worker.turn()
    (validated,) = worker.answer(kind="source")
    assert (validated.action, validated.config) == ("validate", {"connector.class": "A", "name": "b"})
    worker.turn()
    assert not created.done()
    (asked,) = worker.answer(kind="source", version="1.0", task_configs=[{}])
    assert asked.action == "task_configs"
    new, description = worker.of(created)

    assert new
    assert description.tasks == [TaskId("b", 0)]
    assert [str(each.id) for each in worker.taken(StartTask)] == ["b-0"]


def test_a_connector_that_takes_long_to_start_keeps_nobody_waiting_for_long(worker_with):
    worker = worker_with()
    created = worker.herder.put_connector("b", {"connector.class": "A"}, replace=False)
    worker.turn()
    worker.answer()
    worker.turn()
    worker.wait(5)

    assert worker.of(created)[1].tasks == []


def test_a_connector_that_cannot_start_is_created_all_the_same(worker_with):
    worker = worker_with()
    created = worker.herder.put_connector("b", {"connector.class": "A"}, replace=False)
    worker.turn()
    worker.answer()
    worker.answer(failure=Failure("no such table", "Traceback: here", retry_helps=False))

    assert worker.of(created)[1].tasks == []
    state = worker.herder.status("b").connector
    assert (state.state, state.trace) == ("FAILED", "Traceback: here")


def test_all_that_is_wrong_with_a_configuration_is_told(worker_with):
    worker = worker_with()
    created = worker.herder.put_connector("b", {"connector.class": "A"}, replace=False)
    worker.turn()
    worker.answer(faults=[Fault("topic", "is missing")], summary="Connector configuration is invalid: topic")

    assert refused(worker, created) == (400, "Connector configuration is invalid: topic")
    assert worker.of(worker.herder.connectors()) == []


def test_a_connector_of_no_class_is_refused(worker_with):
    worker = worker_with()
    created = worker.herder.put_connector("b", {}, replace=False)
    worker.turn()
    worker.answer(refusal=Refusal(400, "Connector config {name=b} contains no connector type"))

    assert refused(worker, created) == (400, "Connector config {name=b} contains no connector type")


def test_a_connector_may_be_created_once_and_replaced_often(worker):
    created = worker.herder.put_connector("a", CONFIG, replace=False)
    worker.turn()
    worker.answer()
    assert refused(worker, created) == (409, "Connector a already exists")

    replaced = worker.herder.put_connector("a", {**CONFIG, "new": "1"}, replace=True)
    worker.turn()
    worker.answer()
    worker.answer(task_configs=[{"task": "0"}])
    new, description = worker.of(replaced)
    assert not new
    assert description.config["new"] == "1"
    assert worker.taken(StopTask) == [StopTask(TaskId("a", 1))]
    assert [each.connector_config for each in worker.taken(StartTask)] == [{**CONFIG, "new": "1"}]


def test_the_same_configuration_again_disturbs_no_task(worker):
    replaced = worker.herder.put_connector("a", {"name": "a", "connector.class": "a"}, replace=True)
    worker.turn()
    worker.answer()
    worker.answer(task_configs=[{"task": "0"}, {"task": "1"}])
    worker.of(replaced)

    assert worker.commands == []


def test_another_name_in_the_configuration_is_refused(worker):
    changed = worker.herder.put_connector("a", {**CONFIG, "name": "b"}, replace=True)

    message = "Connector name configuration (b) doesn't match connector name in the URL (a)"
    assert refused(worker, changed) == (400, message)
    assert refused(worker, worker.herder.patch_connector("a", {"name": "b"}))[0] == 400


def test_a_patch_changes_some_keys_and_null_takes_one_away(worker):
    for patch, config in (
        ({"x": "1", "y": "2"}, {"x": "1", "y": "2"}),
        ({"x": None, "z": "3"}, {"y": "2", "z": "3"}),
    ):
        patched = worker.herder.patch_connector("a", patch)
        worker.turn()
        (validated,) = worker.answer()
        worker.answer(task_configs=[{}])
        assert worker.of(patched).config == {"name": "a", "connector.class": "a", **config} == validated.config


def test_two_patches_at_a_time_are_both_kept(worker):
    patches = [worker.herder.patch_connector("a", {key: "1"}) for key in "xy"]
    worker.turn()
    for _ in range(3):  # the second has to validate anew what the first has made of it
        worker.answer(task_configs=[{}])
        worker.turn()
    for patch in patches:
        worker.of(patch)

    assert worker.herder.description("a").config == {"name": "a", "connector.class": "a", "x": "1", "y": "1"}


def test_with_an_initial_state_it_does_not_run(worker_with):
    worker = worker_with()
    created = worker.herder.put_connector("b", CONFIG | {"name": "b"}, initial_state=TargetState.STOPPED, replace=False)
    worker.turn()
    worker.answer(kind="source", version="1.0")

    assert worker.of(created)[1].tasks == []
    assert worker.commands == []
    status = worker.herder.status("b")
    assert (status.connector.state, status.connector.version, status.tasks) == ("STOPPED", "1.0", [])


def test_a_deleted_connector_is_gone_when_its_tasks_have_ended(worker):
    deleted = worker.herder.delete_connector("a")
    worker.turn()
    assert worker.taken(StopTask) == [StopTask(TaskId("a", 0)), StopTask(TaskId("a", 1))]
    assert worker.of(worker.herder.connectors()) == []
    assert not deleted.done()
    for task in (0, 1):
        worker.hear(TaskStatus(TaskId("a", task), task, 1, State.STOPPED))

    assert deleted.result(0) is None
    assert refused(worker, worker.herder.connector_status("a"))[0] == 404
    assert refused(worker, worker.herder.task_status(TaskId("a", 0)))[0] == 404


def test_nothing_is_changed_while_the_worker_stops(worker):
    worker.hear(Stopping("SIGTERM"))

    assert refused(worker, worker.herder.delete_connector("a"))[0] == 503
    assert refused(worker, worker.herder.set_target("a", TargetState.PAUSED))[0] == 503
    assert worker.of(worker.herder.connectors()) == ["a"]


# Pause, resume, stop, restart


def test_pause_and_resume_keep_the_tasks_and_their_processes(worker):
    worker.of(worker.herder.set_target("a", TargetState.PAUSED))
    assert worker.commands == [SetTarget("a", TargetState.PAUSED)]
    worker.commands.clear()
    worker.of(worker.herder.set_target("a", TargetState.PAUSED))
    worker.of(worker.herder.set_target("a", TargetState.STARTED))
    worker.answer(task_configs=[{"task": "0"}, {"task": "1"}])

    assert worker.commands == [SetTarget("a", TargetState.PAUSED), SetTarget("a", TargetState.STARTED)]


def test_stopped_means_without_tasks_until_it_is_resumed(worker):
    stopped = worker.herder.set_target("a", TargetState.STOPPED)
    worker.turn()
    assert len(worker.taken(StopTask)) == 2
    assert not stopped.done()
    for task in (0, 1):
        worker.hear(TaskStatus(TaskId("a", task), task, 1, State.STOPPED))
    assert stopped.result(0) is None
    status = worker.herder.status("a")
    assert (status.connector.state, status.tasks, worker.of(worker.herder.tasks("a"))) == ("STOPPED", [], [])

    worker.of(worker.herder.set_target("a", TargetState.STARTED))
    worker.answer(task_configs=[{}])
    assert len(worker.taken(StartTask)) == 1


def test_a_task_is_restarted_by_the_supervisor(worker):
    worker.of(worker.herder.restart_task(TaskId("a", 1)))

    assert worker.commands == [RestartTask(TaskId("a", 1))]
    assert worker.of(worker.herder.task_status(TaskId("a", 1))).state == "RESTARTING"


def test_all_that_is_restarted_is_told_before_it_is_done(worker):
    worker.fails("a", 1, 1)
    request = RestartRequest(connector="a", include_tasks=True, only_failed=True)
    status = worker.of(worker.herder.restart_connector_and_tasks(request))

    assert (status.connector.state, [task.state for task in status.tasks]) == ("RUNNING", ["RUNNING", "RESTARTING"])
    assert worker.commands == [RestartTask(TaskId("a", 1))]


# Offsets


def test_offsets_of_a_source_are_read_and_changed_when_it_is_stopped(worker_with, tmp_path):
    store = SqliteOffsetStore(tmp_path / "offsets")
    store.put("a", [({"file": "x"}, {"line": 3})])
    worker = worker_with("a", target=TargetState.STOPPED, offsets=str(tmp_path / "offsets"))
    worker.answer(kind="source")

    def of(future):
        while not future.done():
            worker.answer(altered=True)
            worker.turn()
        return future.result()

    assert [(each.partition, each.offset) for each in of(worker.herder.offsets("a"))] == [({"file": "x"}, {"line": 3})]
    message = of(worker.herder.alter_offsets("a", [({"file": "x"}, None), ({"file": "y"}, {"line": 1})]))
    assert message == "The offsets for this connector have been altered successfully"
    assert store.all("a") == [({"file": "y"}, {"line": 1})]
    assert of(worker.herder.reset_offsets("a")) == "The offsets for this connector have been reset successfully"
    assert store.all("a") == []
    store.close()


def test_offsets_are_changed_only_of_a_stopped_connector_and_not_to_nothing(worker):
    offsets = [({"file": "x"}, {"line": 1})]

    assert refused(worker, worker.herder.alter_offsets("a", []))[0] == 400
    for change in (worker.herder.alter_offsets("a", offsets), worker.herder.reset_offsets("a")):
        status, message = refused(worker, change)
        assert status == 400
        assert message.startswith("Connectors must be in the STOPPED state before their offsets can be modified.")
        assert message.endswith("issuing a 'PUT' request to the '/connectors/a/stop' endpoint")


def test_a_connector_is_not_resumed_while_its_offsets_change(worker_with, tmp_path):
    worker = worker_with("a", target=TargetState.STOPPED, offsets=str(tmp_path / "offsets"))
    worker.answer(kind="source")
    worker.herder.alter_offsets("a", [({"file": "x"}, None)])
    worker.turn()

    assert refused(worker, worker.herder.set_target("a", TargetState.STARTED))[0] == 409
    assert refused(worker, worker.herder.delete_connector("a"))[0] == 409


# Plugins, loggers, and what only a group of workers has


def test_validation_and_plugins_are_the_answers_of_a_connectors_process(worker_with):
    worker = worker_with()
    validated = worker.herder.validate("A", {"connector.class": "x.AConnector"})
    worker.turn()
    worker.answer(body=b'{"name":"A"}')
    assert bytes(worker.of(validated)) == b'{"name":"A"}'
    listed = worker.herder.plugins()
    worker.turn()
    worker.answer(body=json.dumps([{"class": "x.AConnector", "type": "source", "version": "1"}]).encode())
    assert [each.class_name for each in worker.of(listed)] == ["x.AConnector"]

    mismatch = worker.herder.validate("B", {"connector.class": "A"})
    assert refused(worker, mismatch) == (400, "Included connector type A does not match request type B")


def test_a_level_is_set_in_every_process_and_for_kafka_connects_name_in_ours(worker):
    name = "org.apache.kafka.connect.runtime.WorkerSourceTask"
    assert worker.of(worker.herder.set_logger_level(name, "info", cluster=False)) == [name]
    assert worker.taken(SetLogLevel) == [SetLogLevel("fastconnect.task.source", 20, name)]
    assert worker.of(worker.herder.loggers())[name].level == "INFO"


def test_a_new_herder_knows_which_levels_were_set_and_when(worker_with):
    name = "org.apache.kafka.connect.runtime.WorkerSourceTask"
    earlier = [LevelSet("loggers-test.kept", 30, 5_000), LevelSet(name, 10, 7_000)]
    worker = worker_with(inventory=Inventory([], levels=earlier))
    levels = worker.of(worker.herder.loggers())
    assert (levels[name].level, levels[name].last_modified) == ("DEBUG", 7_000)
    assert (levels["loggers-test.kept"].level, levels["loggers-test.kept"].last_modified) == ("WARN", 5_000)
    assert worker.of(worker.herder.set_logger_level(name, "warn", cluster=True)) == []
    assert refused(worker, worker.herder.set_logger_level(name, "LOUD", cluster=False)) == (404, "invalid log level 'LOUD'.")


def test_what_only_a_group_of_workers_has_is_refused(worker):
    signature = Signature(b"", None, None)

    assert refused(worker, worker.herder.put_task_configs("a", [], signature))[0] == 400
    assert refused(worker, worker.herder.fence("a", signature))[0] == 400
