from __future__ import annotations

import pytest

from fastconnect.herder.connector_report import Failure
from fastconnect.states import State, TargetState, TaskId
from fastconnect.supervisor.control import Inventory, RunConnector, TaskStatus


@pytest.fixture
def job(worker_with):
    return lambda *names, **options: worker_with(*names, until_done=True, **options)


def test_the_job_is_done_when_every_task_of_every_connector_is_at_its_end(job):
    worker = job("a", "b")
    worker.answer(task_configs=[{}, {}])
    for slot, (connector, task) in enumerate([("a", 0), ("a", 1), ("b", 0), ("b", 1)]):
        assert worker.finished() is None
        worker.runs(connector, task, slot, at_end=1)

    assert worker.finished() == (0, "done")


def test_done_is_said_once(job):
    worker = job("a")
    worker.answer(task_configs=[{}])
    worker.runs("a", 0, 0, at_end=1)

    assert worker.finished() == (0, "done")
    assert worker.finished() is None


def test_without_until_done_nothing_finishes(worker_with):
    worker = worker_with("a")
    worker.answer(task_configs=[{}])
    worker.runs("a", 0, 0, at_end=1)

    assert worker.finished() is None


def test_a_connector_that_is_to_be_stopped_does_not_hold_up_the_end(job):
    worker = job("a", target=TargetState.STOPPED)
    assert [each.action for each in worker.answer()] == ["validate"]

    assert worker.finished() == (0, "done")


def test_a_connector_without_tasks_is_done(job):
    worker = job("a")
    worker.answer(task_configs=[])

    assert worker.finished() == (0, "done")


def test_a_connector_whose_failure_a_retry_does_not_mend_fails_the_job(job):
    worker = job("a")
    worker.answer(failure=Failure("more tasks than allowed", "trace", retry_helps=False))

    assert worker.finished() == (1, "1 of 1 failed:\n  - a: more tasks than allowed")


def test_a_connector_that_will_be_asked_again_is_waited_for(job):
    worker = job("a")
    worker.answer(failure=Failure("no route", "trace", retry_helps=True))

    assert worker.finished() is None


def test_a_task_started_anew_is_not_at_its_end_because_the_process_before_was(job):
    worker = job("a")
    worker.answer(task_configs=[{}, {}])
    worker.runs("a", 0, 0, at_end=1)
    worker.runs("a", 1, 1)
    assert worker.finished() is None
    worker.region.page(0).reset(2)
    worker.counts(1, at_end=1)

    assert worker.finished() is None
    worker.runs("a", 0, 0, epoch=2, at_end=1)
    assert worker.finished() == (0, "done")


def test_a_page_of_a_process_that_is_not_known_yet_does_not_count(job):
    worker = job("a")
    worker.answer(task_configs=[{}])
    worker.runs("a", 0, 0)
    worker.region.page(0).reset(2)
    worker.counts(0, at_end=1)

    assert worker.finished() is None


def test_a_task_that_failed_for_good_fails_the_job_when_the_others_are_at_their_end(job):
    worker = job("a")
    worker.answer(task_configs=[{}, {}])
    worker.runs("a", 0, 0)
    worker.fails("a", 1, 1, reason="orders.jsonl line 7: is not JSON")
    assert worker.finished() is None
    worker.counts(0, at_end=1)
    worker.wait(1)

    assert worker.finished() == (1, "1 of 2 failed:\n  - a-1: orders.jsonl line 7: is not JSON")


def test_a_task_that_waits_to_be_started_again_is_waited_for(job):
    worker = job("a")
    worker.answer(task_configs=[{}])
    worker.hear(TaskStatus(TaskId("a", 0), 0, 1, State.RESTARTING, reason="killed by SIGKILL", next_start_ms=100))

    assert worker.finished() is None


def test_a_task_that_says_it_failed_may_come_back_while_its_process_lives_or_has_just_ended(job):
    worker = job("a")
    worker.answer(task_configs=[{}])
    worker.hear(TaskStatus(TaskId("a", 0), 0, 1, State.FAILED, pid=7))
    worker.wait(1)
    assert worker.finished() is None

    worker.fails("a", 0, 0)
    assert worker.finished() is None
    worker.hear(TaskStatus(TaskId("a", 0), 0, 1, State.RESTARTING, next_start_ms=100))
    worker.wait(1)
    assert worker.finished() is None


def test_a_new_herder_finishes_the_job_of_the_one_before(job):
    worker = job("a")
    worker.answer(task_configs=[{}])
    assert worker.commands is not None
    running = TaskStatus(TaskId("a", 0), 0, 1, State.RUNNING, pid=5, started_count=1)
    later = job("a", inventory=Inventory([running], remembered=worker.remembered))
    assert [each.action for each in later.taken(RunConnector)] == ["watch"]
    later.region.page(0).reset(1)
    assert later.finished() is None
    later.counts(0, at_end=1)

    assert later.finished() == (0, "done")
