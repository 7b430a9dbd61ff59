from __future__ import annotations

import pytest

from fastconnect._core import StatusRegion
from fastconnect.herder.leases import OVER, Leases
from fastconnect.states import State, TaskId
from fastconnect.supervisor.control import TaskStatus

TASK = TaskId("a", 0)


@pytest.fixture
def region() -> StatusRegion:
    return StatusRegion(4, 4096)


def status(slot: int = 0, epoch: int = 1, pid: int | None = 7) -> TaskStatus:
    return TaskStatus(TASK, slot, epoch, State.RUNNING, pid=pid)


def test_a_task_gets_the_lease_as_soon_as_its_page_is_known(region):
    leases = Leases(region)
    leases.begin(1000)
    leases.note(status(slot=2), kept=True)

    assert region.page(2).lease_until_ns == 1000
    assert leases.until_ns == 1000


def test_a_lease_only_grows_longer(region):
    leases = Leases(region)
    leases.begin(1000)
    leases.note(status(), kept=True)

    assert leases.prolong(2000)
    assert not leases.prolong(1500)
    assert region.page(0).lease_until_ns == 2000


def test_a_task_that_is_to_stop_keeps_its_lease_until_its_process_has_ended(region):
    leases = Leases(region)
    leases.begin(1000)
    leases.note(status(), kept=True)

    leases.note(status(), kept=False)
    leases.prolong(2000)
    assert region.page(0).lease_until_ns == 2000

    leases.note(status(pid=None), kept=False)
    leases.prolong(3000)
    assert region.page(0).lease_until_ns == 2000, "the page may be another task's by now"


def test_a_task_that_waits_for_its_restart_needs_a_lease_too(region):
    leases = Leases(region)
    leases.begin(1000)
    leases.note(status(pid=None), kept=True)

    leases.prolong(2000)

    assert region.page(0).lease_until_ns == 2000


def test_at_the_end_all_leases_are_over_until_the_next_begin(region):
    leases = Leases(region)
    leases.begin(1000)
    leases.note(status(), kept=True)
    leases.end()

    assert region.page(0).lease_until_ns == leases.until_ns == OVER
    assert not leases.prolong(5000)
    leases.begin(900)
    assert region.page(0).lease_until_ns == 900


def test_a_status_without_a_process_of_its_own_says_nothing_of_a_page(region):
    leases = Leases(region)
    leases.begin(1000)
    leases.note(status(epoch=0), kept=True)

    assert region.page(0).lease_until_ns == 0
