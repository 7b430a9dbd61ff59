from __future__ import annotations

import pytest

from fastconnect.cli import progress
from fastconnect.cli.progress import Progress
from fastconnect.herder.snapshot import ConnectorInfo, Snapshot, TaskInfo
from fastconnect.states import State, TaskId


def task(number: int = 0, state: State = State.RUNNING, restarts: int = 0, **counters: int) -> TaskInfo:
    return TaskInfo(id=TaskId("a", number), state=state, restarts=restarts, counters=counters)


def snapshot(*tasks: TaskInfo) -> Snapshot:
    return Snapshot(connectors=[ConnectorInfo(name="a", state=State.RUNNING, tasks=list(tasks))])


def test_a_tasks_progress_is_read_from_its_counters():
    shown = progress.of_task(
        task(records_acked=7, bytes_acked=70, records_failed=1, source_position=50, source_end=200, restarts=2)
    )

    assert (shown.records, shown.bytes, shown.failed, shown.restarts) == (7, 70, 1, 2)
    assert shown.share == 0.25


@pytest.mark.parametrize("end", [-1, 0])
def test_how_far_it_is_is_unknown_where_the_end_is(end):
    assert progress.of_task(task(source_position=5, source_end=end)).share is None


def test_a_task_at_its_end_is_through_whatever_it_said_about_its_source():
    assert progress.of_task(task(at_end=1)).share == 1.0


def test_several_tasks_are_as_far_as_their_ranges_together():
    total = progress.summed([Progress(position=30, end=100), Progress(position=290, end=300), Progress(position=0, end=100)])

    assert total.share == 0.64


def test_several_tasks_are_somewhere_unknown_if_one_of_them_is():
    assert progress.summed([Progress(position=30, end=100), Progress(position=5)]).share is None


def test_an_ended_task_without_an_end_does_not_hide_how_far_the_others_are():
    assert progress.summed([Progress(ended=True), Progress(position=5, end=10)]).share == 0.5


def test_nothing_is_not_at_its_end():
    assert not progress.summed([]).ended


def test_rates_are_averages_over_the_last_two_seconds():
    now = 0.0
    rates = progress.Rates(lambda: now)
    for now, records in [(0.0, 0), (1.0, 1000), (2.0, 2000), (3.0, 2500), (4.0, 2500)]:  # noqa: B007 - read by the clock
        shown = rates.of(snapshot(task(records_acked=records, bytes_acked=records * 10, source_position=records)))["a-0"]

    assert shown.records_per_s == 250
    assert shown.bytes_per_s == 2500
    assert shown.position_per_s == 250


def test_what_an_earlier_run_had_read_is_no_rate():
    now = 0.0
    rates = progress.Rates(lambda: now)
    rates.of(snapshot())
    now = 1.0

    assert rates.of(snapshot(task(source_position=1_000_000)))["a-0"].position_per_s == 0


def test_rates_never_fall_below_zero():
    now = 0.0
    rates = progress.Rates(lambda: now)
    rates.of(snapshot(task(records_acked=100)))
    now = 1.0

    assert rates.of(snapshot(task(records_acked=10)))["a-0"].records_per_s == 0


def test_the_rest_is_estimated_at_the_present_rate():
    assert Progress(position=40, end=100, position_per_s=20).remaining_s == 3
    assert Progress(position=40, end=100).remaining_s is None
    assert Progress(position=40, position_per_s=20).remaining_s is None


def test_states_are_counted_with_the_commonest_first():
    tasks = [task(0), task(1, State.RESTARTING), task(2)]

    assert progress.state_counts(tasks) == "2 RUNNING, 1 RESTARTING"
    assert progress.state_counts([]) == "no tasks"


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (103_500_000, "103.5 MB"), (2.5e9, "2.5 GB"), (7e13, "70.0 TB"), (7e15, "7,000.0 TB")],
)
def test_sizes_are_written_with_a_unit_that_fits(size, text):
    assert progress.size_text(size) == text


@pytest.mark.parametrize(("seconds", "text"), [(3, "0:03"), (59.6, "1:00"), (3765, "1:02:45")])
def test_times_are_written_as_a_clock_shows_them(seconds, text):
    assert progress.seconds_text(seconds) == text
