"""The rules of a sink task's loop, as Kafka Connect's WorkerSinkTask has them; with a group that is in memory."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from fakes.fetch_loop import FakeFetchLoop

from fastconnect import Config, RetriableError, SinkRecords, SinkTask, TopicPartition
from fastconnect._core import LeaseLost, boottime_ns
from fastconnect.api.transform import Records
from fastconnect.errors import ConnectError, SendError
from fastconnect.reports import KIND_STATE, TaskChannel, decode
from fastconnect.states import State, TargetState, TaskId
from fastconnect.task import job_end, sink, sink_group
from fastconnect.task.partitions import Partitions
from fastconnect.task.sink import SinkLoop
from fastconnect.task.sink_context import SinkContext
from fastconnect.task.waiting import Orders

A, B = TopicPartition("t", 0), TopicPartition("t", 1)


class Scripted(SinkTask[Config]):
    """Keeps what it is told; what it does beside that is put in by the tests."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.values: list[Any] = []
        self.on_put: Callable[[SinkRecords], Any] = lambda records: None
        self.on_flush: Callable[[Mapping[TopicPartition, int]], Any] = lambda offsets: None
        self.on_open: Callable[[Sequence[TopicPartition]], Any] = lambda partitions: None
        self.on_close: Callable[[Sequence[TopicPartition]], Any] = lambda partitions: None
        self.to_commit: Callable[[Mapping[TopicPartition, int]], Mapping[TopicPartition, int]] | None = None

    def open(self, partitions: Sequence[TopicPartition]) -> None:
        self.calls.append(("open", list(partitions)))
        self.on_open(partitions)

    def put(self, records: SinkRecords) -> None:
        if len(records):
            self.calls.append(("put", records.values))
        self.on_put(records)
        self.values += records.values

    def flush(self, offsets: Mapping[TopicPartition, int]) -> None:
        self.calls.append(("flush", dict(offsets)))
        self.on_flush(offsets)

    def pre_commit(self, offsets: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, int]:
        if self.to_commit is None:
            return super().pre_commit(offsets)
        return self.to_commit(offsets)

    def close(self, partitions: Sequence[TopicPartition]) -> None:
        self.calls.append(("close", list(partitions)))
        self.on_close(partitions)

    def called(self, what: str) -> list[Any]:
        return [argument for name, argument in self.calls if name == what]


class AsItIs:
    """Converters that change nothing."""

    def __init__(self, *, raw: bool) -> None:
        self.passes_raw = raw
        self.raw_is_json = False

    def decode(self, messages: Any) -> Records:
        return messages.decode(messages)  # type: ignore[no-any-return]

    def decode_values(self, messages: Any) -> list[Any]:
        return messages.decode_values(messages)  # type: ignore[no-any-return]


class Rig:
    """A sink loop with everything around it, in this process; it ends when its turns are done."""

    def __init__(self, channel: TaskChannel, **options: Any) -> None:
        self.channel = channel
        self.page = channel.page
        self.task = Scripted()
        self.kafka = FakeFetchLoop({A: [], B: []})
        self.kafka.at_end = self.stop
        self.orders = Orders(channel)
        self.partitions = Partitions()
        raw = options.pop("raw", True)
        options = {"topics": ["t"], "commit_interval_ms": 10_000, **options}
        self.loop = SinkLoop(
            self.task,
            AsItIs(raw=raw),
            self.kafka,  # type: ignore[arg-type]
            self.partitions,
            self.orders,
            channel,
            **options,
        )
        self.context = SinkContext(
            TaskId("c", 0),
            {},
            self.partitions,
            set_paused=self.loop.set_paused,
            stopping=lambda: self.loop.stopping,
        )
        self.task.context = self.context

    def stop(self) -> None:
        self.page.order(target=TargetState.STOPPED)

    def turns(self, *turns: Callable[[], Any]) -> None:
        self.kafka.turns.extend(turns)

    def run(self) -> bool:
        return self.loop.run()

    @property
    def states(self) -> list[tuple[int, str | None]]:
        told = [decode(kind, payload) for kind, payload in self.channel.ring.read() if kind == KIND_STATE]
        return [(change.state, change.reason) for change in told]  # type: ignore[union-attr]

    @property
    def commits(self) -> list[dict[TopicPartition, int]]:
        return self.kafka.asked("commit")


MakeRig = Callable[..., Rig]


@pytest.fixture
def rig(channel: TaskChannel, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeRig]:
    monkeypatch.setattr(sink, "LOOK_AGAIN_MS", 1)
    made: list[Rig] = []

    def make(*partitions: TopicPartition, **options: Any) -> Rig:
        made.append(Rig(channel, **options))
        if partitions:
            made[-1].kafka.decide("assign", *partitions)
        return made[-1]

    yield make
    for each in made:
        each.orders.close()


def nothing() -> None:
    pass


def of(rig: Rig, name: str, *arguments: Any) -> Callable[[], Any]:
    return lambda: getattr(rig.kafka, name)(*arguments)


# ---- the way of a record ----


def test_what_is_fetched_is_put_committed_and_closed_in_this_order(rig: MakeRig) -> None:
    under_test = rig(A)
    under_test.kafka.append(A, "a", "b")
    under_test.turns(nothing, nothing)
    assert under_test.run()
    assert under_test.task.calls == [("open", [A]), ("put", ["a", "b"]), ("flush", {A: 2}), ("close", [A])]
    assert under_test.kafka.group == {A: 2}
    assert under_test.kafka.asked("unsubscribe") == [None]


def test_put_is_called_without_records_too(rig: MakeRig) -> None:
    under_test = rig(A)
    counts: list[int] = []
    under_test.task.on_put = lambda records: counts.append(len(records))
    under_test.turns(nothing, nothing, nothing)
    under_test.run()
    assert set(counts) == {0}


def test_the_counters_tell_what_was_fetched_put_and_committed(rig: MakeRig) -> None:
    under_test = rig(A)
    under_test.kafka.append(A, "a", "bc")
    under_test.turns(nothing, nothing)
    under_test.run()
    counters = under_test.page.counters()
    assert [counters[f"records_{what}"] for what in ("polled", "sent", "acked", "flushed")] == [2, 2, 2, 2]
    assert counters["bytes_acked"] == 3
    assert (counters["source_position"], counters["source_end"]) == (2, 2)
    assert sum(under_test.page.latency()) == 2


def test_records_dropped_by_a_transform_are_committed_with_the_others(rig: MakeRig) -> None:
    under_test = rig(A, raw=False)
    under_test.kafka.append(A, "a", "b", "c")
    under_test.loop.conversion.decode = lambda fetched: fetched.decode(fetched).select([0])  # type: ignore[method-assign]
    under_test.turns(nothing, nothing)
    under_test.run()
    assert under_test.task.values == ["a"]
    assert under_test.kafka.group == {A: 3}


# ---- put fails ----


def test_a_put_that_may_succeed_later_gets_the_same_records_again_with_all_partitions_paused(rig: MakeRig) -> None:
    under_test = rig(A, B)
    under_test.kafka.append(A, "a")
    failures = iter([True, True, False])
    seen: list[tuple[list[Any], set[TopicPartition]]] = []

    def put(records: SinkRecords) -> None:
        if len(records):
            seen.append((records.values, set(under_test.kafka.paused)))
            under_test.context.timeout(0)
            if next(failures):
                under_test.kafka.append(A, "later")
                raise RetriableError("the sink is busy")

    under_test.task.on_put = put
    under_test.turns(*[nothing] * 8)
    failures = iter([True, True, False, False])
    under_test.run()
    assert seen[:3] == [(["a"], set()), (["a"], {A, B}), (["a"], {A, B})]
    assert under_test.task.values == ["a", "later", "later"]
    assert under_test.page.retries == 2


def test_the_next_try_waits_as_long_as_the_task_wants(rig: MakeRig) -> None:
    under_test = rig(A)
    under_test.kafka.append(A, "a")
    puts: list[int] = []

    def put(records: SinkRecords) -> None:
        if len(records):
            puts.append(1)
            under_test.context.timeout(3_600_000)
            raise RetriableError("later")

    under_test.task.on_put = put
    under_test.turns(*[nothing] * 20)
    under_test.run()
    assert puts == [1]
    assert under_test.kafka.group == {}


def test_partitions_that_the_task_has_paused_stay_so_when_a_put_has_succeeded_at_last(rig: MakeRig) -> None:
    under_test = rig(A, B)
    under_test.kafka.append(A, "a")
    fails = iter([True, False])

    def put(records: SinkRecords) -> None:
        if len(records):
            under_test.context.pause([B])
            under_test.context.timeout(0)
            if next(fails):
                raise RetriableError("later")

    under_test.task.on_put = put
    paused: list[set[TopicPartition]] = []
    under_test.turns(nothing, nothing, nothing, nothing, lambda: paused.append(set(under_test.kafka.paused)))
    under_test.run()
    assert paused == [{B}]


def test_any_other_failure_of_put_ends_the_loop_without_a_commit(rig: MakeRig) -> None:
    under_test = rig(A)
    under_test.kafka.append(A, "a")

    def fail(records: SinkRecords) -> None:
        if len(records):
            raise ZeroDivisionError("oh")

    under_test.task.on_put = fail
    under_test.turns(nothing, nothing, nothing)
    with pytest.raises(ZeroDivisionError, match="oh"):
        under_test.run()
    assert under_test.task.called("flush") == []
    assert under_test.task.called("close") == [[A]]
    assert under_test.commits == []


def test_a_failure_of_close_after_a_failure_does_not_hide_it(rig: MakeRig) -> None:
    under_test = rig(A)
    under_test.kafka.append(A, "a")

    def fail(_: Any) -> None:
        raise ZeroDivisionError("first")

    def fail_again(_: Any) -> None:
        raise ValueError("second")

    under_test.task.on_put, under_test.task.on_close = fail, fail_again
    under_test.turns(nothing, nothing)
    with pytest.raises(ZeroDivisionError, match="first"):
        under_test.run()


def test_slow_puts_get_fewer_records_and_quick_ones_more(rig: MakeRig) -> None:
    under_test = rig(A)
    sizes: list[int] = []
    under_test.kafka.append(A, *range(20_000))
    under_test.task.on_put = lambda records: sizes.append(len(records))
    under_test.turns(*[nothing] * 8)
    under_test.run()
    assert [size for size in sizes if size][:5] == [500, 1000, 2000, 4000, 5000]


def test_max_poll_records_is_the_most_that_a_put_gets(rig: MakeRig) -> None:
    under_test = rig(A, batch_most=7)
    sizes: list[int] = []
    under_test.kafka.append(A, *range(20))
    under_test.task.on_put = lambda records: sizes.append(len(records))
    under_test.turns(*[nothing] * 5)
    under_test.run()
    assert [size for size in sizes if size] == [7, 7, 6]


# ---- commits ----


def test_offsets_are_committed_every_interval(rig: MakeRig) -> None:
    under_test = rig(A, commit_interval_ms=0)
    under_test.turns(nothing, of(under_test, "append", A, "a"), nothing, of(under_test, "append", A, "b"), nothing, nothing)
    under_test.run()
    assert under_test.commits == [{A: 1}, {A: 2}]


def test_a_commit_is_made_when_the_task_asks_for_it(rig: MakeRig) -> None:
    under_test = rig(A)
    under_test.kafka.append(A, "a")
    under_test.task.on_put = lambda records: under_test.context.request_commit() if len(records) else None
    seen: list[Any] = []
    under_test.turns(nothing, nothing, nothing, lambda: seen.append(dict(under_test.kafka.group)))
    under_test.run()
    assert seen == [{A: 1}]


def test_pre_commit_says_what_is_committed(rig: MakeRig) -> None:
    under_test = rig(A)
    under_test.kafka.append(A, "a", "b", "c")
    under_test.task.to_commit = lambda offsets: {A: 2}
    under_test.turns(nothing, nothing)
    under_test.run()
    assert under_test.kafka.group == {A: 2}


def test_a_task_that_returns_nothing_from_pre_commit_commits_nothing(rig: MakeRig) -> None:
    under_test = rig(A, commit_interval_ms=0)
    under_test.kafka.append(A, "a")
    under_test.task.to_commit = lambda offsets: {}
    under_test.turns(nothing, nothing, nothing)
    assert under_test.run()
    assert under_test.commits == []


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({A: 3}, "t-0 at 3 is beyond 2, up to where records were put"),
        ({B: 1}, "t-1 is not this task's now"),
    ],
)
def test_offsets_that_were_not_put_or_are_not_the_tasks_are_ignored(
    rig: MakeRig, caplog: pytest.LogCaptureFixture, wanted: dict[TopicPartition, int], sentence: str
) -> None:
    under_test = rig(A)
    under_test.kafka.append(A, "a", "b")
    under_test.task.to_commit = lambda offsets: wanted
    under_test.turns(nothing, nothing)
    under_test.run()
    assert under_test.commits == []
    assert sentence in caplog.text


def test_offsets_never_go_back_behind_those_committed(rig: MakeRig) -> None:
    under_test = rig(A, commit_interval_ms=0)
    under_test.kafka.append(A, "a", "b")
    answers = iter([{A: 2}, {A: 1}, {A: 1}])
    under_test.task.to_commit = lambda offsets: next(answers, {A: 1}) if offsets[A] == 2 else {}
    under_test.turns(nothing, nothing, nothing, nothing)
    under_test.run()
    assert under_test.commits == [{A: 2}]


def test_a_commit_of_what_is_committed_already_is_left_out(rig: MakeRig) -> None:
    under_test = rig(A, commit_interval_ms=0)
    under_test.kafka.append(A, "a")
    under_test.turns(*[nothing] * 6)
    under_test.run()
    assert under_test.commits == [{A: 1}]


def test_a_flush_that_fails_has_everything_since_the_last_commit_put_again(rig: MakeRig) -> None:
    under_test = rig(A, B, commit_interval_ms=0)
    under_test.kafka.group = {A: 1}
    under_test.kafka.append(A, "old", "a", "b")
    under_test.kafka.append(B, "c")
    failures = iter([True])

    def flush(offsets: Mapping[TopicPartition, int]) -> None:
        if offsets == {A: 3, B: 1} and next(failures, False):
            raise OSError("disk")

    under_test.task.on_flush = flush
    under_test.turns(*[nothing] * 6)
    assert under_test.run()
    assert under_test.kafka.asked("seek") == [[("t", 0, 1), ("t", 1, 0)]]
    assert sorted(under_test.task.values) == ["a", "a", "b", "b", "c", "c"]
    assert under_test.kafka.group == {A: 3, B: 1}
    assert under_test.page.offset_flush_failures == 1


def test_a_flush_that_fails_at_the_end_commits_nothing_and_says_so(rig: MakeRig) -> None:
    under_test = rig(A)
    under_test.kafka.append(A, "a")

    def fail(offsets: Mapping[TopicPartition, int]) -> None:
        raise OSError("disk")

    under_test.task.on_flush = fail
    under_test.turns(nothing, nothing)
    assert not under_test.run()
    assert under_test.commits == []
    assert under_test.kafka.asked("seek") == []
    assert under_test.task.called("close") == [[A]]


def test_a_commit_that_fails_is_counted_and_its_offsets_go_with_the_next(rig: MakeRig) -> None:
    under_test = rig(A, commit_interval_ms=0)
    under_test.kafka.commit_failures.append("UNKNOWN_MEMBER_ID: who?")
    under_test.kafka.append(A, "a")
    under_test.turns(*[nothing] * 5)
    under_test.run()
    assert under_test.commits == [{A: 1}, {A: 1}]
    assert under_test.kafka.asked("seek") == []
    assert under_test.page.offset_flush_failures == 1


def test_no_commit_begins_while_another_is_on_its_way(rig: MakeRig) -> None:
    under_test = rig(A, commit_interval_ms=0)
    under_test.kafka.commits_end = "never"
    under_test.kafka.append(A, "a")

    def end() -> None:
        assert under_test.commits == [{A: 1}]
        under_test.kafka.commits_end = "at once"
        under_test.kafka.end_commit(1)

    under_test.turns(nothing, nothing, nothing, of(under_test, "append", A, "b"), nothing, nothing, end, nothing, nothing)
    under_test.run()
    assert under_test.commits == [{A: 1}, {A: 2}]


def test_a_commit_that_takes_too_long_is_given_up_and_its_late_answer_ignored(rig: MakeRig) -> None:
    under_test = rig(A, commit_interval_ms=0, commit_timeout_ms=0)
    under_test.kafka.commits_end = "never"
    under_test.kafka.append(A, "a")
    taken: list[int | None] = []

    def late() -> None:
        under_test.kafka.commits_end = "at once"
        under_test.kafka.end_commit(1)

    under_test.turns(nothing, nothing, nothing, late, nothing, lambda: taken.append(under_test.partitions[A].committed))
    under_test.run()
    assert under_test.page.offset_flush_failures >= 1
    assert under_test.commits[0] == {A: 1}
    assert under_test.partitions.all == []


def test_the_last_commit_is_tried_again_while_the_group_changes(rig: MakeRig) -> None:
    under_test = rig(A)
    under_test.kafka.append(A, "a")
    under_test.kafka.commit_failures.extend(["REBALANCE_IN_PROGRESS: wait", None])
    under_test.turns(nothing, nothing)
    assert under_test.run()
    assert under_test.commits == [{A: 1}, {A: 1}]


def test_a_last_commit_that_cannot_be_is_told(rig: MakeRig) -> None:
    under_test = rig(A)
    under_test.kafka.append(A, "a")
    under_test.kafka.commit_failures.append("ILLEGAL_GENERATION: too late")
    under_test.turns(nothing, nothing)
    assert not under_test.run()


def test_nothing_is_committed_before_dead_letters_are_safe(rig: MakeRig) -> None:
    class Slow:
        safe = False

        def flush(self, timeout_ms: int) -> bool:
            return self.safe

    letters = Slow()
    under_test = rig(A, commit_interval_ms=0, reports=letters)
    under_test.kafka.append(A, "a")

    def make_safe() -> None:
        assert under_test.commits == []
        assert under_test.task.called("flush") == []
        letters.safe = True

    under_test.turns(nothing, nothing, nothing, make_safe, nothing, nothing)
    assert under_test.run()
    assert under_test.kafka.group == {A: 1}


# ---- rewinds ----


def test_the_task_may_begin_where_it_wants(rig: MakeRig) -> None:
    under_test = rig(A)
    under_test.kafka.append(A, "a", "b", "c")
    under_test.task.on_open = lambda partitions: under_test.context.offset(A, 2)
    under_test.turns(nothing, nothing)
    under_test.run()
    assert under_test.kafka.asked("assign") == [[("t", 0, 2)]]
    assert under_test.task.values == ["c"]


def test_the_task_may_go_back_and_forth(rig: MakeRig) -> None:
    under_test = rig(A, commit_interval_ms=0)
    under_test.kafka.append(A, "a", "b", "c")
    wishes = iter([{A: 1}])
    under_test.task.on_put = lambda records: under_test.context.offsets(next(wishes, {})) if len(records) else None
    under_test.turns(*[nothing] * 6)
    under_test.run()
    assert under_test.task.values == ["a", "b", "c", "b", "c"]
    assert under_test.kafka.group == {A: 3}


def test_a_rewind_of_what_is_not_the_tasks_is_ignored(rig: MakeRig, caplog: pytest.LogCaptureFixture) -> None:
    under_test = rig(A)
    under_test.task.on_put = lambda records: under_test.context.offset(B, 0)
    under_test.turns(nothing, nothing, nothing)
    under_test.run()
    assert under_test.kafka.asked("seek") == []
    assert "not this task's" in caplog.text


def test_the_context_tells_where_the_next_record_is(rig: MakeRig) -> None:
    under_test = rig(A)
    under_test.kafka.group = {A: 1}
    under_test.kafka.append(A, "a", "b")
    positions: list[int | None] = []
    under_test.task.on_open = lambda partitions: positions.append(under_test.context.position(A))
    under_test.task.on_flush = lambda offsets: positions.append(under_test.context.position(A))
    under_test.turns(nothing, nothing)
    under_test.run()
    assert positions == [1, 2]
    assert under_test.context.position(B) is None


# ---- the group ----


def test_a_partition_without_a_committed_offset_begins_where_the_reset_says(rig: MakeRig) -> None:
    under_test = rig(A, reset="latest")
    under_test.kafka.append(A, "old")
    under_test.turns(nothing, of(under_test, "append", A, "new"), nothing)
    under_test.run()
    assert under_test.task.values == ["new"]


def test_partitions_that_are_revoked_are_committed_and_closed_before_they_are_given_up(rig: MakeRig) -> None:
    under_test = rig(A, B)
    under_test.kafka.append(A, "a")
    under_test.kafka.append(B, "b")
    order: list[str] = []
    under_test.task.on_close = lambda partitions: order.append(f"close {partitions} {under_test.kafka.group}")
    under_test.turns(nothing, nothing, of(under_test, "decide", "revoke", A), nothing, lambda: order.append("later"), nothing)
    under_test.run()
    assert order[0] == f"close {[A]} { ({A: 1}) }"
    assert order[1] == "later"
    assert under_test.kafka.asked("unassign")[0] == [A]
    assert under_test.task.called("close") == [[A], [B]]


def test_partitions_that_are_lost_are_closed_without_a_commit(rig: MakeRig) -> None:
    under_test = rig(A)
    under_test.kafka.append(A, "a")
    under_test.turns(nothing, nothing, of(under_test, "decide", "lost", A), nothing)
    under_test.run()
    assert under_test.task.calls == [("open", [A]), ("put", ["a"]), ("close", [A])]
    assert under_test.commits == []


def test_records_of_a_revoked_partition_are_dropped_from_what_is_put_again(rig: MakeRig) -> None:
    under_test = rig(A, B)
    under_test.kafka.append(A, "a")
    under_test.kafka.append(B, "b")
    puts: list[list[Any]] = []

    def put(records: SinkRecords) -> None:
        if len(records):
            puts.append(records.values)
            under_test.context.timeout(0)
            if len(puts) == 1:
                under_test.kafka.decide("revoke", A)
                raise RetriableError("later")

    under_test.task.on_put = put
    under_test.turns(*[nothing] * 6)
    under_test.run()
    assert puts == [["a", "b"], ["b"]]
    assert under_test.kafka.group == {B: 1}


def test_new_partitions_come_beside_the_old_ones(rig: MakeRig) -> None:
    under_test = rig(A)
    under_test.kafka.append(B, "b")
    under_test.turns(nothing, of(under_test, "decide", "assign", B), nothing, nothing)
    under_test.run()
    assert under_test.task.called("open") == [[A], [B]]
    assert under_test.task.called("close") == [[A, B]]
    assert under_test.task.values == ["b"]


def test_partitions_that_come_while_all_is_paused_are_paused(rig: MakeRig) -> None:
    under_test = rig(A)
    under_test.turns(
        nothing,
        lambda: under_test.page.order(target=TargetState.PAUSED),
        of(under_test, "decide", "assign", B),
        of(under_test, "append", B, "b"),
        nothing,
    )
    under_test.run()
    assert under_test.task.values == []
    assert under_test.kafka.paused == set()  # all were given up at the end


def test_empty_rebalances_call_nothing(rig: MakeRig) -> None:
    under_test = rig()
    under_test.turns(of(under_test, "decide", "assign"), of(under_test, "decide", "revoke"), nothing)
    under_test.run()
    assert under_test.task.calls == []


def test_a_failure_of_close_fails_the_task(rig: MakeRig) -> None:
    under_test = rig(A)
    failures = iter([True])

    def fail(partitions: Sequence[TopicPartition]) -> None:
        if next(failures, False):
            raise ValueError("cannot close")

    under_test.task.on_close = fail
    under_test.turns(nothing, of(under_test, "decide", "revoke", A), nothing, nothing)
    with pytest.raises(ValueError, match="cannot close"):
        under_test.run()


@pytest.mark.parametrize("last_try", [pytest.param(True, id="last try"), pytest.param(False, id="it comes back")])
def test_a_failure_of_open_fails_the_task_which_leaves_its_group_unless_it_comes_back(rig: MakeRig, last_try: bool) -> None:
    under_test = rig(A, last_try=last_try)

    def fail(partitions: Sequence[TopicPartition]) -> None:
        raise ValueError("cannot open")

    under_test.task.on_open = fail
    under_test.turns(nothing, nothing)
    with pytest.raises(ValueError, match="cannot open"):
        under_test.run()
    assert under_test.kafka.asked("unsubscribe") == ([None] if last_try else [])


def test_topics_of_a_pattern_are_subscribed_to_as_they_come(rig: MakeRig) -> None:
    under_test = rig(topics=re.compile("t|logs-.*"), topics_again_ms=0)
    new = TopicPartition("logs-1", 0)
    internal = TopicPartition("__consumer_offsets", 0)
    under_test.turns(nothing, of(under_test, "append", internal), of(under_test, "append", new), nothing, nothing)
    under_test.run()
    assert under_test.kafka.asked("subscribe") == [["t"], ["logs-1", "t"]]


def test_a_cluster_that_does_not_answer_fails_the_task_in_the_end(rig: MakeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink_group, "ANSWER_WITHIN_S", 0.05)
    under_test = rig(A)

    def silent(*_: Any) -> Any:
        raise RetriableError("no coordinator")

    under_test.kafka.committed = silent  # type: ignore[method-assign]
    under_test.turns(nothing, nothing)
    with pytest.raises(SendError, match="no coordinator"):
        under_test.run()


# ---- pause, stop, lease ----


def test_a_paused_task_stays_in_the_group_commits_and_puts_nothing(rig: MakeRig) -> None:
    under_test = rig(A)
    under_test.kafka.append(A, "a")
    seen: list[Any] = []
    under_test.turns(
        nothing,
        nothing,
        lambda: under_test.page.order(target=TargetState.PAUSED),
        of(under_test, "append", A, "b"),
        nothing,
        nothing,
        lambda: seen.append((dict(under_test.kafka.group), list(under_test.task.values))),
        lambda: under_test.page.order(target=TargetState.STARTED),
        nothing,
        nothing,
        nothing,
    )
    under_test.run()
    assert seen == [({A: 1}, ["a"])]
    assert [state for state, _ in under_test.states] == [State.PAUSED, State.RUNNING]
    assert under_test.task.values == ["a", "b"]


def test_a_task_that_starts_paused_puts_nothing_before_it_is_resumed(rig: MakeRig) -> None:
    under_test = rig(A)
    under_test.page.order(target=TargetState.PAUSED)
    under_test.kafka.append(A, "a")
    seen: list[Any] = []
    under_test.turns(
        nothing,
        nothing,
        nothing,
        lambda: seen.append(list(under_test.task.values)),
        lambda: under_test.page.order(target=TargetState.STARTED),
        nothing,
        nothing,
    )
    under_test.run()
    assert seen == [[]]
    assert under_test.task.values == ["a"]


def test_partitions_may_be_paused_and_resumed_by_the_task(rig: MakeRig) -> None:
    under_test = rig(A)
    under_test.task.on_open = lambda partitions: under_test.context.pause([A])
    under_test.kafka.append(A, "a")
    seen: list[Any] = []
    under_test.turns(
        nothing, nothing, lambda: seen.append(list(under_test.task.values)), lambda: under_test.context.resume([A]), nothing
    )
    under_test.run()
    assert seen == [[]]
    assert under_test.task.values == ["a"]


def test_only_own_partitions_may_be_paused(rig: MakeRig) -> None:
    under_test = rig(A)
    with pytest.raises(ConnectError, match="t-1 is not among the partitions of this task"):
        under_test.context.pause([B])


def test_a_lease_that_is_over_ends_the_loop_before_the_next_put(rig: MakeRig) -> None:
    under_test = rig(A)
    under_test.kafka.append(A, "a")

    def end_lease() -> None:
        under_test.page.order(lease_until_ns=boottime_ns() - 1)

    under_test.turns(nothing, nothing, end_lease, of(under_test, "append", A, "b"), nothing)
    with pytest.raises(LeaseLost):
        under_test.run()
    assert under_test.task.values == ["a"]
    assert under_test.commits == []


def test_a_stop_wakes_a_loop_that_waits(rig: MakeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink, "LOOK_AGAIN_MS", 60_000)
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGUSR1), signal.getsignal(signal.SIGINT)
    under_test = rig(A, commit_interval_ms=60_000)
    under_test.orders.catch_signals()
    try:
        under_test.kafka.at_end = nothing
        killer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM))
        killer.start()
        assert under_test.run()
        killer.join()
    finally:
        for number, handler in zip((signal.SIGTERM, signal.SIGUSR1, signal.SIGINT), before, strict=True):
            signal.signal(number, handler)


# ---- the end of a job ----


def test_a_job_has_ended_when_all_that_was_there_at_the_start_is_committed(rig: MakeRig) -> None:
    under_test = rig(A, B, until_done=True)
    under_test.kafka.append(A, "a", "b")
    under_test.kafka.at_end = lambda: under_test.stop() if under_test.page.at_end else None
    under_test.run()
    assert under_test.states == [(State.RUNNING, "all that was there at the start is put and committed")]
    assert under_test.kafka.group == {A: 2}


def test_a_job_has_not_ended_while_another_task_has_partitions_to_do(rig: MakeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_end, "ASK_AGAIN_S", 0)
    under_test = rig(A, until_done=True, commit_interval_ms=0)
    under_test.kafka.append(A, "a")
    under_test.kafka.append(B, "b")
    seen: list[int] = []

    def other_task_is_done() -> None:
        seen.append(under_test.page.at_end)
        under_test.kafka.group[B] = 1

    under_test.turns(*[nothing] * 8, other_task_is_done, *[nothing] * 4, lambda: seen.append(under_test.page.at_end))
    under_test.run()
    assert seen == [0, 1]


def test_a_task_is_told_to_finish_its_partitions_at_the_end_of_a_job(rig: MakeRig) -> None:
    under_test = rig(A, until_done=True, commit_interval_ms=0)
    under_test.kafka.append(A, "a")
    under_test.task.to_commit = lambda offsets: dict(offsets) if under_test.context.finishing == {A} else {A: 0}
    under_test.kafka.at_end = lambda: under_test.stop() if under_test.page.at_end else None
    under_test.run()
    assert under_test.kafka.group == {A: 1}


def test_what_a_transaction_leaves_at_the_end_of_a_partition_is_committed_too(rig: MakeRig) -> None:
    under_test = rig(A, until_done=True)
    under_test.kafka.append(A, "a", "b")
    under_test.kafka.watermarks = lambda _, number, *__: (0, 3 if number == 0 else 0)  # type: ignore[method-assign]
    under_test.turns(nothing, nothing, of(under_test, "meet_end", A, 3))
    under_test.kafka.at_end = lambda: under_test.stop() if under_test.page.at_end else None
    under_test.run()
    assert under_test.kafka.group == {A: 3}


def test_a_job_without_records_ends_at_once(rig: MakeRig) -> None:
    under_test = rig(A, until_done=True)
    under_test.kafka.at_end = lambda: under_test.stop() if under_test.page.at_end else None
    under_test.run()
    assert under_test.task.called("put") == []


def test_a_sink_that_keeps_its_offsets_itself_ends_when_its_group_has_settled(
    rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_end, "SETTLED_AFTER_S", 0.02)
    monkeypatch.setattr(job_end, "ASK_AGAIN_S", 0)
    under_test = rig(A, until_done=True, commit_interval_ms=0)
    under_test.kafka.append(A, "a")
    under_test.task.to_commit = lambda offsets: {}
    under_test.kafka.at_end = lambda: under_test.stop() if under_test.page.at_end else None
    under_test.run()
    assert under_test.task.values == ["a"]


def test_an_error_report_that_the_task_swallows_fails_it_all_the_same(rig: MakeRig) -> None:
    class Swallowed:
        failure: ConnectError | None = None

        def put(self, batch: object) -> None:
            pass

    errant = Swallowed()
    under_test = rig(A, errant=errant)
    under_test.kafka.append(A, "a")

    def put(records: SinkRecords) -> None:
        if len(records):
            errant.failure = ConnectError("the record cannot be written")

    under_test.task.put = put  # type: ignore[method-assign]
    under_test.turns(nothing, nothing, nothing)
    with pytest.raises(ConnectError, match="the record cannot be written"):
        under_test.run()
    assert under_test.commits == []


def test_batches_commits_and_partitions_are_counted(rig: MakeRig) -> None:
    under_test = rig(A, B, commit_interval_ms=0)
    under_test.kafka.append(A, "a", "b")
    under_test.turns(nothing, nothing, nothing)
    under_test.run()
    counters = under_test.page.counters()
    assert (counters["batches"], counters["batch_max"]) == (1, 2)
    assert counters["poll_ns"] >= counters["poll_max_ns"] > 0
    assert counters["offset_flushes"] >= 1
    assert counters["offset_flush_ns"] >= counters["offset_flush_max_ns"] > 0
    assert counters["commit_number"] >= 1
    assert counters["commits_skipped"] >= 1
    assert counters["partitions"] == 2
