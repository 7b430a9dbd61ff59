from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from fastconnect._core import StatusPage, StatusRegion, boottime_ns, guard_lease

MS = 1_000_000
GRACE_NS = 60 * MS


@pytest.fixture
def page() -> StatusPage:
    page = StatusRegion(1).page(0)
    page.reset(1)
    return page


def guarded(page: StatusPage, body: Callable[[], None]) -> int:
    """Fork a process that has its lease guarded and then does this; its pid, once the guard stands."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            guard_lease(page, GRACE_NS)
            os.write(writer, b"!")
            body()
        finally:
            os._exit(0)
    os.close(writer)
    assert os.read(reader, 1) == b"!"
    os.close(reader)
    return pid


def in_python_for_ever() -> None:
    while True:
        pass


def death_of(pid: int) -> int:
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def test_a_process_that_does_not_look_is_killed_after_its_lease(page: StatusPage) -> None:
    end = boottime_ns() + 500 * MS
    page.order(lease_until_ns=end)
    pid = guarded(page, in_python_for_ever)
    assert death_of(pid) == -signal.SIGKILL
    assert boottime_ns() >= end + GRACE_NS
    assert page.was_killed_by_lease


def test_a_process_that_is_stopped_is_killed_without_going_on(page: StatusPage) -> None:
    page.order(lease_until_ns=boottime_ns() + 500 * MS)
    pid = guarded(page, in_python_for_ever)
    os.kill(pid, signal.SIGSTOP)
    assert death_of(pid) == -signal.SIGKILL


def test_a_lease_that_is_prolonged_lets_a_blocked_process_live(page: StatusPage) -> None:
    page.order(lease_until_ns=boottime_ns() + 2_500 * MS)
    pid = guarded(page, lambda: time.sleep(60))
    until = boottime_ns() + 2_800 * MS
    while boottime_ns() < until:
        page.order(lease_until_ns=boottime_ns() + 2_500 * MS)
        time.sleep(0.005)
    assert os.waitpid(pid, os.WNOHANG) == (0, 0)
    assert not page.was_killed_by_lease
    assert death_of(pid) == -signal.SIGKILL


def test_a_process_that_ends_before_was_not_killed_by_its_lease(page: StatusPage) -> None:
    page.order(lease_until_ns=boottime_ns() + 60_000 * MS)
    assert death_of(guarded(page, lambda: None)) == 0
    assert not page.was_killed_by_lease


def test_a_lease_that_is_taken_away_lets_the_process_live(page: StatusPage) -> None:
    page.order(lease_until_ns=boottime_ns() + 2_500 * MS)
    pid = guarded(page, lambda: time.sleep(60))
    page.order(lease_until_ns=0)
    until = boottime_ns() + 2_800 * MS
    while boottime_ns() < until:
        assert os.waitpid(pid, os.WNOHANG) == (0, 0)
        time.sleep(0.005)
    os.kill(pid, signal.SIGTERM)
    assert death_of(pid) == -signal.SIGTERM


def test_a_lease_that_is_declared_over_leaves_some_time_to_end_in_order(page: StatusPage) -> None:
    page.order(lease_until_ns=boottime_ns() + 60_000 * MS)
    page.order(lease_until_ns=1)
    began = boottime_ns()
    pid = guarded(page, in_python_for_ever)
    assert death_of(pid) == -signal.SIGKILL
    assert boottime_ns() - began >= GRACE_NS // 4
