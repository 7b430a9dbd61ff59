from __future__ import annotations

from fastconnect.herder.rebalance_times import RebalanceTimes


def test_a_rebalance_lasts_from_the_first_try_to_join_until_it_has_succeeded() -> None:
    now = 10.0
    times = RebalanceTimes(lambda: now)
    times.begin()
    assert times.rebalancing
    now = 12.0
    times.begin()
    now = 13.0
    times.end()
    assert not times.rebalancing
    times.begin()
    now = 14.0
    times.end()
    assert (times.completed, times.total_s, times.longest_s, times.last_at) == (2, 4.0, 3.0, 14.0)


def test_an_end_without_a_beginning_is_none() -> None:
    times = RebalanceTimes()
    times.end()
    assert (times.completed, times.last_at) == (0, None)
