from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fakes.mock_cluster import MockCluster

from fastconnect import END, Config, CountOffsets, RecordBatch, RetriableError, SourceRecord, SourceTask
from fastconnect._core import SendLoop
from fastconnect.api.record import Polled
from fastconnect.config.worker import WorkerConfig
from fastconnect.errors import OffsetStoreError, SendError
from fastconnect.reports import KIND_STATE, KIND_TOPIC, TaskChannel, TopicUsed, decode
from fastconnect.states import State, TargetState
from fastconnect.storage.memory import MemoryOffsetStore
from fastconnect.task import source
from fastconnect.task.offsets import OffsetFlusher
from fastconnect.task.source import SourceLoop
from fastconnect.task.source_conversion import SourceConversion
from fastconnect.task.tolerance import ToleranceExceeded
from fastconnect.task.waiting import Orders

HERE = {"p": 1}


class Script(SourceTask[Config]):
    """Polls what a list of functions and values says, then nothing."""

    def __init__(self, *steps: Polled | Callable[[], Polled]) -> None:
        self.steps = list(steps)
        self.polls = 0

    def poll(self) -> Polled:
        self.polls += 1
        step = self.steps.pop(0) if self.steps else None
        return step() if callable(step) else step


class Rig:
    """A source loop with everything around it, in this process."""

    def __init__(self, task: SourceTask[Any], send_loop: SendLoop, channel: TaskChannel, converter: str) -> None:
        self.store = MemoryOffsetStore()
        self.channel = channel
        self.orders = Orders(channel)
        send_loop.wake_by(self.orders.wake_fd)
        config = {"value.converter": converter, "key.converter": converter}
        self.loop = SourceLoop(
            task,
            SourceConversion.of(WorkerConfig.parse({}), config),
            send_loop,
            OffsetFlusher(self.store, "c", send_loop, channel.page, 5),
            self.orders,
            channel,
            stop_within_ms=5000,
            fail_within_ms=5000,
        )

    def stop(self) -> None:
        self.channel.page.order(target=TargetState.STOPPED)

    @property
    def offset(self) -> Any:
        return self.store.get("c", [HERE])[0]

    @property
    def states(self) -> list[tuple[int, str | None]]:
        told = [decode(kind, payload) for kind, payload in self.channel.ring.read() if kind == KIND_STATE]
        return [(change.state, change.reason) for change in told]  # type: ignore[union-attr]


MakeRig = Callable[..., Rig]


@pytest.fixture
def rig(send_loop: SendLoop, channel: TaskChannel) -> Iterator[MakeRig]:
    made: list[Rig] = []

    def make(*steps: Any, converter: str = "ByteArrayConverter") -> Rig:
        made.append(Rig(Script(*steps), send_loop, channel, converter))
        return made[-1]

    yield make
    for each in made:
        each.orders.close()


def batch(first: int, count: int = 1) -> RecordBatch:
    return RecordBatch.raw("t", [b"v"] * count, source_partition=HERE, offsets=CountOffsets(first))


def test_what_is_polled_is_sent_and_its_offset_flushed_before_the_loop_ends(rig: MakeRig) -> None:
    def stop() -> None:
        under_test.stop()

    under_test = rig(batch(0, 3), batch(3), stop)
    under_test.loop.run()
    assert under_test.offset == {"seq": 3}
    assert under_test.channel.page.records_polled == 4


def test_a_list_of_records_goes_through_the_converters(rig: MakeRig) -> None:
    def stop() -> None:
        under_test.stop()

    records = [SourceRecord("t", {"n": n}, source_partition=HERE, source_offset={"n": n}) for n in range(5)]
    under_test = rig(records, stop, converter="JsonConverter")
    under_test.loop.run()
    assert under_test.offset == {"n": 4}


def test_the_end_is_told_when_all_is_delivered_and_flushed(rig: MakeRig, channel: TaskChannel) -> None:
    under_test = rig(batch(0), END)
    tell = channel.tell_state

    def tell_and_stop(state: State, reason: str | None = None, trace: str | None = None) -> None:
        assert (under_test.offset, channel.page.at_end) == ({"seq": 0}, 1)
        tell(state, reason, trace)
        under_test.stop()

    channel.tell_state = tell_and_stop  # type: ignore[method-assign]
    under_test.loop.run()
    assert under_test.states == [(State.RUNNING, "the source has ended; all of it is delivered")]


def test_a_poll_that_may_succeed_later_is_called_again(rig: MakeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "RETRY_WAITS_MS", (1,))

    def fail() -> None:
        raise RetriableError("the server is busy")

    def stop() -> None:
        under_test.stop()

    under_test = rig(fail, fail, batch(0), stop)
    under_test.loop.run()
    assert under_test.offset == {"seq": 0}


def test_after_a_failure_what_was_delivered_is_flushed_and_the_failure_goes_on(rig: MakeRig) -> None:
    def fail() -> None:
        raise ZeroDivisionError("oh")

    under_test = rig(batch(0, 2), fail)
    with pytest.raises(ZeroDivisionError, match="oh"):
        under_test.loop.run()
    assert under_test.offset == {"seq": 1}


def test_a_value_that_cannot_be_converted_is_named_by_its_source_offset(rig: MakeRig) -> None:
    records = [
        SourceRecord("t", {"n": 1}, source_partition=HERE, source_offset={"n": 1}),
        SourceRecord("t", {"n": object()}, source_partition=HERE, source_offset={"n": 2}),
    ]
    under_test = rig(records, converter="JsonConverter")
    with pytest.raises(ToleranceExceeded, match=r'VALUE_CONVERTER .* source offset {"n":2}'):
        under_test.loop.run()
    assert under_test.offset == {"n": 1}  # what came before it in the same poll is sent, as by Kafka Connect


def test_a_paused_task_does_not_poll_and_goes_on_when_it_may(rig: MakeRig, channel: TaskChannel) -> None:
    def pause() -> Polled:
        channel.page.order(target=TargetState.PAUSED)
        return batch(0)

    def stop() -> None:
        under_test.stop()

    under_test = rig(pause, batch(1), stop)
    waits = itertools.count()
    wait = under_test.orders.wait

    def wait_then_resume(wait_ms: int) -> None:
        wait(1)
        if next(waits) == 20:
            assert under_test.loop.task.polls == 1
            channel.page.order(target=TargetState.STARTED)

    under_test.orders.wait = wait_then_resume  # type: ignore[method-assign]
    under_test.loop.run()
    assert [state for state, _ in under_test.states] == [State.PAUSED, State.RUNNING]
    assert under_test.offset == {"seq": 1}


def test_a_topic_that_never_comes_is_told_by_its_name(
    rig: MakeRig, monkeypatch: pytest.MonkeyPatch, cluster: MockCluster
) -> None:
    monkeypatch.setattr(source, "TOPIC_WITHIN_S", 0.05)
    cluster.set_topic_error("missing", 3)
    under_test = rig(RecordBatch.raw("missing", [b"v"]))
    with pytest.raises(SendError, match=r"topic missing does not exist.*auto\.create\.topics\.enable"):
        under_test.loop.run()


def test_a_broker_that_refuses_for_good_fails_the_task(rig: MakeRig, cluster: MockCluster) -> None:
    cluster.answer_with(29)  # TOPIC_AUTHORIZATION_FAILED
    under_test = rig(batch(0))
    with pytest.raises(SendError, match="TOPIC_AUTHORIZATION_FAILED"):
        under_test.loop.run()
    assert under_test.offset is None


def test_polling_waits_while_offsets_cannot_be_flushed(rig: MakeRig) -> None:
    refusals = 0

    def poll() -> None:
        if refusals:
            assert under_test.offset == {"seq": 0}, "it polled on though nothing was flushed"
            under_test.stop()

    under_test = rig(batch(0), *[poll] * 1000)
    put = under_test.store.put

    def refuse_at_first(connector: str, offsets: Any) -> None:
        nonlocal refusals
        if refusals < 3:
            refusals += 1
            raise OffsetStoreError("disk full")
        put(connector, offsets)

    under_test.store.put = refuse_at_first  # type: ignore[method-assign]
    under_test.loop.run()
    assert refusals == 3


def test_the_topics_that_records_were_written_to_are_told_once(rig: MakeRig) -> None:
    def stop() -> None:
        under_test.stop()

    under_test = rig(batch(0, 3), batch(3), stop)
    under_test.loop.run()
    told = [decode(kind, payload) for kind, payload in under_test.channel.ring.read() if kind == KIND_TOPIC]
    assert told == [TopicUsed("t")]


def test_batches_and_flushes_are_counted_with_their_times(rig: MakeRig) -> None:
    def stop() -> None:
        under_test.stop()

    under_test = rig(batch(0, 3), None, batch(3), stop)
    under_test.loop.run()
    counters = under_test.channel.page.counters()
    assert (counters["polls"], counters["batches"], counters["batch_max"]) == (4, 2, 3)
    assert counters["poll_ns"] >= counters["poll_max_ns"] > 0
    assert counters["offset_flush_ns"] >= counters["offset_flush_max_ns"] > 0


def test_a_source_that_has_been_at_rest_for_long_is_asked_less_often(rig: MakeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop() -> None:
        under_test.stop()

    waits: list[int] = []
    under_test = rig(*[None] * (source.AT_REST_POLLS + 2), batch(0), None, stop)
    monkeypatch.setattr(under_test.loop, "_deliver", waits.append)
    under_test.loop.run()
    before, at_rest, again = waits[: source.AT_REST_POLLS], waits[source.AT_REST_POLLS : -2], waits[-2:]
    assert before == sorted(before)
    assert (max(before), at_rest, again) == (100, [source.AT_REST_WAIT_MS] * 2, [1, 2])
