from __future__ import annotations

from fastconnect.herder.startups import Startups
from fastconnect.states import State, TaskId
from fastconnect.supervisor.control import TaskStatus

TASK = TaskId("orders", 0)


def status(started: int, state: State, pid: int | None = 7) -> TaskStatus:
    return TaskStatus(TASK, slot=0, epoch=started, state=state, pid=pid, started_count=started)


def counts(startups: Startups, what: str) -> tuple[int, ...]:
    return tuple(startups.counts[what, how] for how in ("attempts", "success", "failure"))


def test_a_start_succeeds_when_the_task_runs() -> None:
    startups = Startups()
    startups.note_task(status(0, State.UNASSIGNED, None))
    startups.note_task(status(1, State.UNASSIGNED))
    assert counts(startups, "task") == (1, 0, 0)
    startups.note_task(status(1, State.RUNNING))
    startups.note_task(status(1, State.PAUSED))
    assert counts(startups, "task") == (1, 1, 0)


def test_a_start_that_ends_before_the_task_runs_has_failed() -> None:
    startups = Startups()
    startups.note_task(status(1, State.UNASSIGNED))
    startups.note_task(status(1, State.RESTARTING, None))
    startups.note_task(status(2, State.RESTARTING))
    startups.note_task(status(2, State.FAILED, None))
    assert counts(startups, "task") == (2, 0, 2)


def test_a_failure_of_a_task_that_ran_is_none_of_its_start() -> None:
    startups = Startups()
    startups.note_task(status(1, State.RUNNING))
    startups.note_task(status(1, State.FAILED, None))
    assert counts(startups, "task") == (1, 1, 0)


def test_what_was_started_before_the_herder_is_not_counted_again() -> None:
    startups = Startups()
    startups.adopt_task(status(5, State.RUNNING))
    startups.note_task(status(5, State.RUNNING))
    startups.note_task(status(6, State.RUNNING))
    assert counts(startups, "task") == (1, 1, 0)


def test_a_task_that_was_forgotten_begins_anew() -> None:
    startups = Startups()
    startups.note_task(status(3, State.RUNNING))
    startups.forget_task(TASK)
    startups.note_task(status(1, State.RUNNING))
    assert counts(startups, "task") == (4, 2, 2)


def test_connectors_are_counted_too() -> None:
    startups = Startups()
    startups.note_connector(failed=True)
    startups.note_connector(failed=False)
    assert counts(startups, "connector") == (2, 1, 1)
