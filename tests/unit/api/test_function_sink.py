from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fastconnect import RetriableError, SinkRecords, sink
from fastconnect.testing import SinkHarness

TOPICS = {"topics": "t"}


def test_it_is_called_with_each_batch_of_records_and_its_settings() -> None:
    written: list[Any] = []

    @sink
    def archive(records: SinkRecords, prefix: str, context: Any) -> None:
        written.extend((prefix, record.offset, record.value) for record in records)
        assert context.assignment == {("t", 0)}

    with SinkHarness(archive, {**TOPICS, "prefix": "p"}) as harness:
        harness.put(["a", "b"])
        harness.put(["c"])
    assert written == [("p", 0, "a"), ("p", 1, "b"), ("p", 2, "c")]
    assert harness.committed == {("t", 0): 3}


def test_it_may_ask_for_the_values_alone_and_is_not_called_without_any() -> None:
    written: list[Any] = []

    @sink
    def archive(values: list[Any]) -> None:
        written.append(values)

    with SinkHarness(archive, TOPICS) as harness:
        harness.put([{"a": 1}, None])
        harness.put([])
    assert written == [[{"a": 1}, None]]


def test_an_async_function_has_one_event_loop_for_the_life_of_its_task() -> None:
    loops: list[Any] = []
    background: list[Any] = []

    @sink
    async def archive(values: list[Any]) -> None:
        loops.append(asyncio.get_running_loop())
        background.append(asyncio.create_task(asyncio.sleep(3600)))
        await asyncio.sleep(0)

    with SinkHarness(archive, TOPICS) as harness:
        harness.put(["a"])
        harness.put(["b"])
        assert loops[0] is loops[1]
        assert not loops[0].is_closed()
    assert loops[0].is_closed()
    assert all(task.cancelled() for task in background)


@pytest.mark.parametrize("is_async", [False, True])
def test_its_errors_reach_the_runtime(is_async: bool) -> None:
    def failing(values: list[Any]) -> None:
        raise RetriableError("the sink sleeps")

    async def failing_later(values: list[Any]) -> None:
        failing(values)

    with SinkHarness(sink(failing_later if is_async else failing), TOPICS) as harness:
        with pytest.raises(RetriableError, match="sleeps"):
            harness.put(["a"])
        harness.stop(commit=False)
