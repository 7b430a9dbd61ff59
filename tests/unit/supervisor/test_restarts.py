from __future__ import annotations

import pytest

from fastconnect.supervisor.restarts import RestartPolicy


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def policy(clock: Clock, **settings: int) -> RestartPolicy:
    return RestartPolicy(
        **{"first_wait_ms": 100, "limit_ms": 500, "max_failures": -1, **settings}, clock=clock, jitter=lambda: 1.0
    )


def test_the_restart_wait_doubles_up_to_its_limit(clock: Clock) -> None:
    restarts = policy(clock)
    assert [restarts.next_wait_ms() for _ in range(5)] == [100, 200, 400, 500, 500]


def test_the_first_restart_after_a_crash_is_immediate(clock: Clock) -> None:
    restarts = policy(clock)
    assert [restarts.next_wait_ms(at_once=True) for _ in range(4)] == [0, 100, 200, 400]


def test_a_crash_after_other_failures_waits_like_them(clock: Clock) -> None:
    restarts = policy(clock)
    assert restarts.next_wait_ms() == 100
    assert restarts.next_wait_ms(at_once=True) == 200


def test_health_makes_the_count_clean(clock: Clock) -> None:
    restarts = policy(clock, max_failures=3)
    for _ in range(2):
        restarts.next_wait_ms()
    assert restarts.failures == 2
    restarts.healthy()
    assert restarts.failures == 0
    assert [restarts.next_wait_ms() for _ in range(3)] == [100, 200, None]


def test_a_crash_loop_may_not_come_back(clock: Clock) -> None:
    restarts = policy(clock, max_failures=5)
    assert [restarts.next_wait_ms() is None for _ in range(5)] == [False] * 4 + [True]


def test_deaths_long_ago_are_no_crash_loop_but_the_wait_stays_long(clock: Clock) -> None:
    restarts = policy(clock, max_failures=3, healthy_after_ms=60_000)
    waits = []
    for _ in range(6):
        waits.append(restarts.next_wait_ms())
        clock.now += 40
    assert waits == [100, 200, 400, 500, 500, 500]


@pytest.mark.parametrize("most", [0, 1])
def test_a_limit_of_one_failure_or_none_means_no_restart(clock: Clock, most: int) -> None:
    assert policy(clock, max_failures=most).next_wait_ms(at_once=True) is None


def test_without_a_limit_a_wait_can_always_be_told(clock: Clock) -> None:
    restarts = policy(clock, limit_ms=30_000)
    assert [restarts.next_wait_ms() for _ in range(5000)][-1] == 30_000


def test_waits_differ_a_little_and_are_never_above_the_limit() -> None:
    waits = set()
    for _ in range(200):
        restarts = RestartPolicy(first_wait_ms=1000, limit_ms=1000)
        waits.add(restarts.next_wait_ms())
    assert len(waits) > 10
    assert all(wait is not None and 750 <= wait <= 1000 for wait in waits)


def test_the_last_try_is_known_before_it_fails(clock: Clock) -> None:
    restarts = policy(clock, max_failures=2, healthy_after_ms=60_000)
    assert not restarts.has_last_try
    restarts.next_wait_ms()
    assert restarts.has_last_try
    clock.now += 61  # a death so long ago does not count any more
    assert not restarts.has_last_try
    assert not policy(clock, max_failures=-1).has_last_try
    assert policy(clock, max_failures=1).has_last_try
