from __future__ import annotations

import msgspec
import pytest
from fakes.herder import MAX_FAILURES

from fastconnect.errors import ConnectError, Fault
from fastconnect.herder.connector_report import Failure, Refusal
from fastconnect.herder.refusals import RequestRefusedError
from fastconnect.states import State, TargetState, TaskId
from fastconnect.supervisor.control import (
    ConnectorAnswer,
    Inventory,
    ResetTopics,
    RestartTask,
    RunConnector,
    SetTarget,
    StartTask,
    StopConnector,
    StopTask,
    TaskStatus,
)

NO_ROUTE = Failure("no route to the source", "trace", retry_helps=True)


def test_a_failed_connector_is_asked_again_after_a_wait_that_doubles(worker_with):
    worker = worker_with("a")
    worker.answer(failure=NO_ROUTE)
    assert worker.taken(RunConnector) == []

    worker.wait(0.1)
    assert len(worker.answer(failure=NO_ROUTE)) == 1
    worker.wait(0.19)
    assert worker.taken(RunConnector) == []

    worker.wait(0.02)
    assert len(worker.answer(task_configs=[{}])) == 1
    assert len(worker.taken(StartTask)) == 1


def test_while_it_is_tried_again_its_state_says_so_and_when(worker_with):
    worker = worker_with("a")
    worker.answer(failure=NO_ROUTE)
    state = worker.herder.status("a").connector

    assert (state.state, state.trace) == ("RESTARTING", "trace")
    assert state.restart.attempts == 1
    assert state.restart.next_start is not msgspec.UNSET


def test_a_connector_that_fails_again_and_again_is_left_failed(worker_with):
    worker = worker_with("a")
    for _ in range(MAX_FAILURES):
        worker.answer(failure=NO_ROUTE)
        worker.wait(10)

    assert worker.taken(RunConnector) == []
    assert worker.herder.status("a").connector.state == "FAILED"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"body": b"\xc1"}, "no readable answer"),
        ({"error": "connector a, dividing its work into tasks: its process was killed by SIGSEGV"}, "SIGSEGV"),
        ({}, "without an answer"),
    ],
    ids=["unreadable", "crashed", "silent"],
)
def test_a_process_without_a_proper_answer_is_a_failure_of_the_connector(worker_with, answer, reason):
    worker = worker_with("a")
    (request,) = worker.taken(RunConnector)
    worker.hear(ConnectorAnswer(request.request, **answer))

    assert reason in (worker.shown("a").reason or "")
    assert worker.shown("a").state is State.FAILED


def watched(worker_with):
    """A worker with a connector that has two tasks and watches its source, and the number of its request."""
    worker = worker_with("a")
    (request,) = worker.taken(RunConnector)
    worker.says(request.request, task_configs=[{"table": "x"}, {"table": "y"}])
    assert len(worker.taken(StartTask)) == 2
    return worker, request.request


def test_a_source_that_has_changed_has_its_tasks_started_with_their_new_configs(worker_with):
    worker, request = watched(worker_with)
    worker.says(request, task_configs=[{"table": "x"}, {"table": "y"}])
    assert worker.commands == []
    worker.says(request, task_configs=[{"table": "x"}, {"table": "y"}, {"table": "z"}])
    assert [each.task_config["table"] for each in worker.taken(StartTask)] == ["x", "y", "z"]
    worker.says(request, task_configs=[{"table": "z"}])
    assert [str(each.id) for each in worker.taken(StopTask)] == ["a-1", "a-2"]
    assert [each.task_config["table"] for each in worker.taken(StartTask)] == ["z"]
    assert worker.shown("a").state is State.RUNNING


def test_a_connector_that_fails_while_it_watches_is_asked_again_while_its_tasks_go_on(worker_with):
    worker, request = watched(worker_with)
    worker.says(request, goes_on=False, failure=Failure("the source is gone", "trace", retry_helps=True))
    assert (worker.shown("a").state, worker.shown("a").reason) == (State.FAILED, "the source is gone")
    assert worker.commands == []
    worker.wait(60)
    (again,) = worker.taken(RunConnector)
    worker.says(again.request, task_configs=[{"table": "x"}, {"table": "y"}])
    assert worker.commands == []
    assert worker.shown("a").state is State.RUNNING


def test_a_watching_process_that_dies_is_started_again(worker_with):
    worker, request = watched(worker_with)
    worker.hear(ConnectorAnswer(request, error="connector a, watching its source: its process was killed by SIGSEGV"))
    worker.wait(60)
    assert [each.action for each in worker.taken(RunConnector)] == ["task_configs"]


def test_a_connector_with_nothing_left_to_watch_has_ended_well(worker_with):
    worker, request = watched(worker_with)
    worker.hear(ConnectorAnswer(request))
    worker.says(request, task_configs=[])
    worker.wait(60)
    assert worker.commands == []


def test_a_paused_connector_watches_no_more_and_a_resumed_one_does_again(worker_with):
    worker, request = watched(worker_with)
    worker.of(worker.herder.set_target("a", TargetState.PAUSED))
    assert worker.commands == [SetTarget("a", TargetState.PAUSED), StopConnector("a")]
    worker.commands.clear()
    worker.says(request, task_configs=[])
    assert worker.commands == []
    worker.of(worker.herder.set_target("a", TargetState.STARTED))
    assert [type(each) for each in worker.commands] == [SetTarget, RunConnector]


def test_a_restarted_connector_is_asked_anew_and_its_tasks_notice_nothing(worker_with):
    worker, _ = watched(worker_with)
    restarted = worker.herder.restart_connector("a")
    worker.turn()
    assert worker.herder.status("a").connector.state == "RESTARTING"
    assert worker.taken(StopConnector) == [StopConnector("a")]
    assert not restarted.done()
    worker.answer(task_configs=[{"table": "x"}, {"table": "y"}])

    assert restarted.result(0) is None
    assert worker.commands == []
    assert worker.herder.status("a").connector.state == "RUNNING"


def test_that_a_restart_has_failed_is_told_to_who_wanted_it(worker_with):
    worker, _ = watched(worker_with)
    restarted = worker.herder.restart_connector("a")
    worker.turn()
    worker.answer(failure=Failure("the table has no key", "", retry_helps=False))
    worker.turn()

    with pytest.raises(ConnectError, match="Failed to start connector a: the table has no key"):
        restarted.result(0)


def test_a_stopped_task_has_ended_when_its_process_has(worker_with):
    worker, _ = watched(worker_with)
    task = TaskId("a", 0)
    worker.runs("a", 0, 0)
    ended = worker.herder.work.stop_task(task)
    worker.hear(TaskStatus(task, 0, 1, State.RUNNING, pid=100))
    assert not ended.done()
    worker.hear(TaskStatus(task, 0, 1, State.STOPPED))

    assert ended.done()
    assert worker.herder.work.stop_task(task).done()  # there is nothing to stop any more


def test_a_task_that_comes_back_before_it_has_ended_keeps_nobody_waiting(worker_with):
    worker, _ = watched(worker_with)
    ended = worker.herder.work.stop_task(TaskId("a", 0))
    worker.herder.work.start_task(TaskId("a", 0), {}, {})

    assert ended.done()


def test_when_a_failed_task_is_started_next_is_known_while_it_waits(worker_with):
    worker, _ = watched(worker_with)
    task = TaskId("a", 0)
    worker.hear(TaskStatus(task, 0, 1, State.RESTARTING, reason="killed by SIGKILL", failures=2, next_start_ms=400))
    state = worker.herder.status("a").tasks[0]
    assert (state.state, state.trace, state.restart.attempts) == ("RESTARTING", "killed by SIGKILL", 2)
    worker.hear(TaskStatus(task, 0, 2, State.RUNNING, failures=2))
    assert worker.herder.status("a").tasks[0].restart.next_start is msgspec.UNSET
    worker.hear(TaskStatus(task, 0, 2, State.RUNNING))
    assert worker.herder.status("a").tasks[0].restart is msgspec.UNSET


def test_a_question_that_has_no_answer_is_refused_with_its_status(worker_with):
    worker = worker_with()
    asked = worker.herder.plugin_config("NoSuchPlugin")
    worker.turn()
    (request,) = worker.answer(refusal=Refusal(404, "Unknown plugin NoSuchPlugin."))
    assert (request.action, request.name) == ("config_def", "NoSuchPlugin")
    worker.turn()

    with pytest.raises(RequestRefusedError) as refused:
        asked.result(0)
    assert (refused.value.status, str(refused.value)) == (404, "Unknown plugin NoSuchPlugin.")


def test_a_plugin_that_crashes_fails_that_question_only(worker_with):
    worker = worker_with()
    validated, listed = worker.herder.validate("A", {"connector.class": "A"}), worker.herder.plugins()
    worker.turn()
    first, second = worker.taken(RunConnector)
    worker.hear(ConnectorAnswer(first.request, error="connector A, validating its config: its process was killed by SIGSEGV"))
    worker.says(second.request, goes_on=False, body=b"[]")

    with pytest.raises(ConnectError, match="SIGSEGV"):
        validated.result(0)
    assert worker.of(listed) == []


def test_what_a_connector_is_is_known_when_the_plugins_are(worker_with):
    worker = worker_with()
    listed = worker.herder.plugins()
    worker.turn()
    worker.answer(body=b"[]", connectors={"Seq": ("source", "1.2")})
    worker.of(listed)
    questions = worker.herder.work.questions

    assert (questions.kind_of({"connector.class": " Seq "}), questions.version_of({"connector.class": "Seq"})) == (
        "source",
        "1.2",
    )
    assert (questions.kind_of({"connector.class": "Other"}), questions.version_of({})) == ("unknown", None)


def test_what_is_done_to_tasks_is_told_to_the_supervisor(worker_with):
    worker = worker_with(inventory=Inventory([]))
    worker.herder.work.restart_task(TaskId("a", 1))
    worker.herder.work.reset_topics("a")
    worker.herder.work.set_target("nobody", TargetState.PAUSED)

    assert worker.commands == [RestartTask(TaskId("a", 1)), ResetTopics("a")]


def test_a_configuration_with_faults_fails_the_connector_and_is_not_tried_again(worker_with):
    worker = worker_with("a")
    worker.answer(task_configs=[{}])
    worker.herder.work.start_connector("a", {"name": "a"})
    worker.answer(faults=[Fault("topic", "is missing")])
    worker.wait(60)

    assert worker.taken(RunConnector) == []
    assert (worker.shown("a").state, worker.shown("a").reason) == (State.FAILED, "topic: is missing")
