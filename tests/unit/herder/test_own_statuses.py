from __future__ import annotations

import pytest

from fastconnect.herder.own_statuses import OwnStatuses
from fastconnect.states import State, TaskId
from fastconnect.storage.memory_statuses import MemoryStatusStore
from fastconnect.storage.status_store import StoredStatus

TASK = TaskId("a", 0)


@pytest.fixture
def store() -> MemoryStatusStore:
    return MemoryStatusStore()


def test_a_status_names_the_worker_and_the_generation(store):
    OwnStatuses(store, "here:1", lambda: 7).put(TASK, State.RUNNING, version="1")

    assert store.get(TASK) == StoredStatus(state="RUNNING", worker_id="here:1", generation=7, version="1")


def test_what_is_known_is_not_written_again_in_each_generation(store):
    generations = iter([1, 2, 3])
    statuses = OwnStatuses(store, "here:1", lambda: next(generations))
    statuses.put(TASK, State.RUNNING)
    statuses.put(TASK, State.RUNNING)
    assert store.get(TASK).generation == 1

    statuses.put(TASK, State.PAUSED)
    assert store.get(TASK).generation == 3


@pytest.mark.parametrize("state", [State.FAILED, State.UNASSIGNED])
def test_what_may_come_late_does_not_cover_what_a_later_owner_says(store, state):
    store.put(TASK, StoredStatus(state="RUNNING", worker_id="there:1", generation=8))
    OwnStatuses(store, "here:1", lambda: 7).put(TASK, state)
    assert store.get(TASK).state == "RUNNING"

    OwnStatuses(store, "here:1", lambda: 9).put(TASK, state)
    assert store.get(TASK).state == state.name


def test_only_its_own_is_said_to_be_nobodys(store):
    statuses = OwnStatuses(store, "here:1", lambda: 9)
    store.put(TASK, StoredStatus(state="RUNNING", worker_id="there:1", generation=8))
    statuses.put("a", State.RUNNING, version="1")

    statuses.unassign(TASK)
    statuses.unassign("a")

    assert store.get(TASK).state == "RUNNING"
    assert store.get("a") == StoredStatus(state="UNASSIGNED", worker_id="here:1", generation=9)


def test_what_a_worker_that_was_away_has_covered_is_said_again(store):
    statuses = OwnStatuses(store, "here:1", lambda: 9)
    statuses.put(TASK, State.RUNNING, version="1")
    statuses.put("a", State.RUNNING)
    statuses.put("b", State.RUNNING)
    store.put(TASK, StoredStatus(state="UNASSIGNED", worker_id="there:1", generation=-1))
    store.put("a", StoredStatus(state="RUNNING", worker_id="there:1", generation=10))
    statuses.say_no_more("b")
    store.put("b", StoredStatus(state="UNASSIGNED", worker_id="there:1", generation=1))

    statuses.say_again()

    assert store.get(TASK) == StoredStatus(state="RUNNING", worker_id="here:1", generation=9, version="1")
    assert store.get("a").worker_id == "there:1", "it is the other's by now"
    assert store.get("b").worker_id == "there:1"


def test_what_is_not_any_more_is_forgotten(store):
    statuses = OwnStatuses(store, "here:1", lambda: 1)
    statuses.put(TASK, State.RUNNING)
    statuses.forget(TASK)
    statuses.forget("never there")

    assert store.get(TASK) is None
