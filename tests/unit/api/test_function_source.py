from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from fastconnect import FunctionError, RecordBatch, RetriableError, SourceRecord, record, source
from fastconnect.api import function_source
from fastconnect.api.record import ByteOffsets
from fastconnect.testing import SourceHarness

TOPIC = {"topic": "t"}


@source
def letters(offset: int | None) -> Iterator[str]:
    yield from "abcdef"[offset or 0 :]


@source
def rows(last: int = 5, offset: int | None = None) -> Iterator[SourceRecord]:
    for number in range((offset or 0) + 1, last + 1):
        yield record({"row": number}, key=number, offset=number)


@source
def pairs(offset: dict[str, int] | None) -> Iterator[tuple[str, dict[str, int]]]:
    for number in range(offset["page"] + 1 if offset else 0, 4):
        yield f"page {number}", {"page": number}


def values(records: list[SourceRecord]) -> list[Any]:
    return [each.value for each in records]


@pytest.mark.parametrize(
    ("connector", "taken", "offset"),
    [
        (letters, ["a", "b"], {"count": 2}),
        (rows, [{"row": 1}, {"row": 2}], {"offset": 2}),
        (pairs, ["page 0", "page 1"], {"page": 1}),
    ],
    ids=["counted", "record()", "pairs"],
)
def test_it_goes_on_behind_the_last_record_that_was_delivered(connector: Any, taken: list[Any], offset: Any) -> None:
    with SourceHarness(connector, TOPIC) as harness:
        everything = values(harness.read_all())
    with SourceHarness(connector, TOPIC) as harness:
        assert values(harness.take(2)) == taken
        assert harness.offset({"function": connector.__name__}) == offset
        harness.restart()
        assert taken + values(harness.read_all()) == everything
        harness.restart()
        assert harness.read_all() == []


def test_a_record_has_what_record_was_given_and_else_what_the_config_says() -> None:
    @source
    def one() -> Iterator[Any]:
        yield record(None, key="k", topic="elsewhere", timestamp=5, headers=[("h", "1")], partition=3)
        yield record("v")
        yield SourceRecord("own", "w", source_partition={"p": 1}, source_offset={"o": 2})

    with SourceHarness(one, TOPIC) as harness:
        first, second, third = harness.read_all()
    assert first == SourceRecord("elsewhere", None, "k", None, None, 3, 5, [("h", "1")])
    assert second == SourceRecord("t", "v")
    assert (third.topic, third.source_partition, third.source_offset) == ("own", {"p": 1}, {"o": 2})


@pytest.mark.parametrize("offset", [0, 7, "text", 1.5, True, [1, 2], {}, {"a": 1, "b": [2]}, {"offset": 1}, {"count": 1}])
def test_any_json_value_can_be_an_offset_and_comes_back_as_it_was(offset: Any) -> None:
    seen: list[Any] = []

    @source
    def one(offset: Any) -> Iterator[Any]:  # type: ignore[no-untyped-def]
        seen.append(offset)
        yield "v", given

    given = offset
    with SourceHarness(one, TOPIC) as harness:
        harness.take(1)
        harness.restart()
        harness.take(1)
    assert seen == [None, offset]


def test_without_an_offset_parameter_nothing_is_remembered() -> None:
    @source
    def forgetful() -> list[int]:
        return [1, 2, 3]

    with SourceHarness(forgetful, TOPIC) as harness:
        assert values(harness.take(2)) == [1, 2]
        assert harness.offsets == []
        harness.restart()
        assert values(harness.read_all()) == [1, 2, 3]


def test_none_is_no_record_and_a_tombstone_is_one() -> None:
    @source
    def quiet() -> Iterator[Any]:
        yield None
        yield 1
        yield None
        yield record(None, key="gone")

    with SourceHarness(quiet, TOPIC) as harness:
        assert [(each.key, each.value) for each in harness.read_all()] == [(None, 1), ("gone", None)]


def test_a_batch_is_handed_over_as_it_is_between_the_records_around_it() -> None:
    @source
    def mixed() -> Iterator[Any]:
        yield "before"
        yield RecordBatch.lines("t", b"x\ny\n")
        yield "after"

    with SourceHarness(mixed, TOPIC) as harness:
        assert values(harness.read_all()) == ["before", b"x", b"y", "after"]


def test_a_batch_without_a_partition_takes_part_in_the_functions_offsets() -> None:
    @source
    def blocks(topic: str, offset: dict[str, int] | None) -> Iterator[RecordBatch]:
        at = offset["position"] if offset else 0
        data = b"a\nb\nc\nd\n"
        while at < len(data):
            yield RecordBatch.lines(topic, data[at : at + 4], offsets=ByteOffsets(at))
            at += 4

    with SourceHarness(blocks, TOPIC) as harness:
        assert values(harness.take(3)) == [b"a", b"b", b"c"]
        harness.restart()
        assert values(harness.read_all()) == [b"d"]


def test_an_async_generator_is_a_source_too() -> None:
    @source
    async def ticks(offset: int | None) -> AsyncIterator[int]:
        for number in range(offset or 0, 4):
            await asyncio.sleep(0)
            yield number

    with SourceHarness(ticks, TOPIC) as harness:
        assert values(harness.take(1)) == [0]
        harness.restart()
        assert values(harness.read_all()) == [1, 2, 3]


def test_a_retriable_error_calls_it_again_behind_the_last_record_it_gave() -> None:
    calls: list[int | None] = []

    @source
    def flaky(offset: int | None) -> Iterator[int]:
        calls.append(offset)
        for number in range(offset or 0, 4):
            if number == 2 and len(calls) == 1:
                raise RetriableError("the page is down")
            yield number

    with SourceHarness(flaky, TOPIC) as harness:
        assert values(harness.read_all()) == [0, 1, 2, 3]
    assert calls == [None, 2]


def test_with_every_it_is_called_again_and_again() -> None:
    calls: list[int | None] = []

    @source(every="10s")
    def rates(offset: int | None) -> list[str]:
        calls.append(offset)
        return ["eur", "usd"]

    with SourceHarness(rates, TOPIC) as harness:
        assert values(harness.take(5)) == ["eur", "usd", "eur", "usd", "eur"]
        assert 29_000 > harness.contexts[0].waited_ms > 18_000
    assert calls == [None, 2, 4]


def test_how_often_it_is_called_is_a_setting() -> None:
    @source(every="10s")
    def rates() -> list[str]:
        return ["eur"]

    assert rates.config_class.parse({"topic": "t"}).every == 10_000  # type: ignore[attr-defined]
    with SourceHarness(rates, {"topic": "t", "every": "1m"}) as harness:
        harness.take(2)
        assert harness.contexts[0].waited_ms > 55_000


def test_the_context_waits_by_the_task_and_tells_when_it_stops() -> None:
    ended: list[bool] = []

    @source
    def polling(context: function_source.FunctionContext) -> Iterator[str]:
        context.progress(1, 2)
        while not context.stopping:
            yield context.connector
            context.wait(60_000)
        ended.append(context.stopping)

    with SourceHarness(polling, TOPIC, name="poll") as harness:
        assert values(harness.take(3)) == ["poll"] * 3
        assert harness.contexts[0].waited_ms >= 120_000
        assert (harness.contexts[0].position, harness.contexts[0].end) == (1, 2)
    assert ended in ([True], [])  # closed at the yield, or told so in wait


def test_a_pause_does_not_end_its_wait() -> None:
    @source
    def patient(context: function_source.FunctionContext) -> Iterator[bool]:
        yield context.wait(60_000)

    with SourceHarness(patient, TOPIC) as harness:
        harness.contexts[0].stopping = True  # as it is while the task is paused, too
        for _ in range(5):
            assert harness.poll() is None
        harness.contexts[0].stopping = False
        assert values(harness.take(1)) == [False]


def test_an_error_fails_the_task_and_is_told_once() -> None:
    @source
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    with SourceHarness(broken, TOPIC) as harness:
        assert values(harness.take(1)) == [1]
        with pytest.raises(ValueError, match="broken"):
            harness.take(1)


def test_an_error_in_its_clean_up_is_told_by_stop() -> None:
    @source
    def untidy() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            raise ValueError("cannot be closed")

    harness = SourceHarness(untidy, TOPIC)
    harness.start()
    harness.take(1)
    with pytest.raises(ValueError, match="cannot be closed"):
        harness.stop()


def test_one_that_does_not_end_is_left_behind_with_a_warning(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(function_source, "STOP_WITHIN_S", 0.05)
    let_go = threading.Event()

    @source
    def stuck() -> Iterator[int]:
        yield 1
        let_go.wait()

    with caplog.at_level(logging.WARNING), SourceHarness(stuck, TOPIC) as harness:
        harness.take(1)
    let_go.set()
    assert "stuck does not end and is left behind" in caplog.text
    assert "let_go.wait()" in caplog.text


def triple() -> Iterator[Any]:
    yield 1, 2, 3


def without_a_parameter() -> Iterator[Any]:
    yield record(1, offset=1)


def now_and_then(offset: int | None) -> Iterator[Any]:
    yield record(1, offset=1)
    yield 2


def then_and_now(offset: int | None) -> Iterator[Any]:
    yield 1
    yield 2, 2


def nothing() -> None: ...


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (triple, r"triple has yielded a tuple of 3 \(yield a value, a pair"),
        (without_a_parameter, "without_a_parameter has yielded an offset, but does not take one"),
        (now_and_then, "now_and_then yields some records with an offset and some without"),
        (then_and_now, "then_and_now yields some records with an offset and some without"),
        (nothing, "nothing has returned nothing"),
    ],
)
def test_a_function_that_cannot_work_fails_for_good_and_says_why(function: Any, why: str) -> None:
    with SourceHarness(source(function), TOPIC) as harness, pytest.raises(FunctionError, match=why) as failed:
        harness.read_all()
    assert not failed.value.retry_helps
