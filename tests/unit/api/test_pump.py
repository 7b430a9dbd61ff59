from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from fastconnect import FunctionError, RecordBatch, record
from fastconnect.api import pump as pump_module
from fastconnect.api.pump import Pump


@pytest.fixture
def pumping() -> Iterator[Callable[[Callable[[Pump], Any]], Pump]]:
    made: list[Pump] = []

    def make(call: Callable[[Pump], Any]) -> Pump:
        made.append(Pump(call, "under_test"))
        return made[-1]

    yield make
    for pump in made:
        pump.stop(10)


def everything(pump: Pump) -> list[Any]:
    values: list[Any] = []
    while True:
        ended = pump.ended
        taken = pump.take(0.01)
        values += taken
        if ended and not taken:
            return values


def numbers(count: int) -> Iterator[int]:
    yield from range(count)


async def async_numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


async def awaited_list() -> list[int]:
    await asyncio.sleep(0)
    return [1, 2]


async def awaited_generator() -> AsyncIterator[int]:
    return async_numbers(2)


@pytest.mark.parametrize(
    ("call", "values"),
    [
        (lambda _: numbers(3), [0, 1, 2]),
        (lambda _: [4, 5], [4, 5]),
        (lambda _: range(2), [0, 1]),
        (lambda _: async_numbers(3), [0, 1, 2]),
        (lambda _: awaited_list(), [1, 2]),
        (lambda _: awaited_generator(), [0, 1]),
        (lambda _: iter(()), []),
    ],
    ids=["generator", "list", "range", "async generator", "awaitable of a list", "awaitable of a generator", "nothing"],
)
def test_everything_comes_in_order_and_then_the_end(pumping: Any, call: Any, values: list[int]) -> None:
    pump = pumping(call)
    assert everything(pump) == values
    assert pump.error is None


@pytest.mark.parametrize("generator", [numbers, async_numbers])
def test_many_more_values_than_may_lie_ready_come_all(pumping: Any, generator: Any) -> None:
    count = 3 * pump_module.MOST_WAITING + 7
    assert everything(pumping(lambda _: generator(count))) == list(range(count))


@pytest.mark.parametrize("is_async", [False, True])
def test_a_generator_is_held_up_while_nobody_takes(pumping: Any, until: Any, is_async: bool) -> None:
    given: list[int] = []

    def plain() -> Iterator[int]:
        while True:
            given.append(1)
            yield 1

    async def not_plain() -> AsyncIterator[int]:
        for value in plain():
            yield value

    pump = pumping(lambda _: not_plain() if is_async else plain())
    until(lambda: len(given) >= pump_module.MOST_WAITING)
    assert len(given) <= pump_module.MOST_WAITING + 1
    assert len(pump.take(1)) == pump_module.MOST_WAITING
    until(lambda: len(given) >= 2 * pump_module.MOST_WAITING)


LARGE = [RecordBatch.lines("t", b"a\n"), b"x" * 100_000, "x" * 100_000, record(b"x" * 100_000)]


@pytest.mark.parametrize("large", LARGE, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("is_async", [False, True])
def test_few_large_values_lie_ready(pumping: Any, until: Any, large: Any, is_async: bool) -> None:
    given: list[int] = []

    def plain() -> Iterator[Any]:
        while True:
            given.append(1)
            yield large

    async def not_plain() -> AsyncIterator[Any]:
        for value in plain():
            yield value

    pump = pumping(lambda _: not_plain() if is_async else plain())
    until(lambda: len(given) == pump_module.MOST_WAITING_IF_LARGE)
    assert len(pump.take(1)) == pump_module.MOST_WAITING_IF_LARGE
    until(lambda: len(given) == 2 * pump_module.MOST_WAITING_IF_LARGE)


def test_an_async_generator_goes_on_with_other_work_while_it_is_held_up(pumping: Any, until: Any) -> None:
    beats: list[int] = []

    async def beating() -> None:
        while True:
            beats.append(1)
            await asyncio.sleep(0.001)

    async def generator() -> AsyncIterator[int]:
        heart = asyncio.create_task(beating())
        try:
            while True:
                yield 1
        finally:
            heart.cancel()

    pumping(lambda _: generator())
    until(lambda: len(beats) > 20)


def test_an_error_comes_behind_the_values_before_it(pumping: Any) -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    pump = pumping(lambda _: broken())
    assert everything(pump) == [1]
    assert repr(pump.error) == "ValueError('broken')"


@pytest.mark.parametrize("returned", [None, "text", b"bytes", {"a": 1}, 5])
def test_what_holds_no_records_is_refused(pumping: Any, returned: Any) -> None:
    pump = pumping(lambda _: returned)
    assert everything(pump) == []
    assert isinstance(pump.error, FunctionError)
    assert "under_test has returned" in str(pump.error)


@pytest.mark.parametrize("is_async", [False, True])
def test_stopping_runs_the_generators_finally_on_its_own_thread(pumping: Any, is_async: bool) -> None:
    seen: list[threading.Thread] = []

    def plain() -> Iterator[int]:
        seen.append(threading.current_thread())
        try:
            while True:
                yield 1
        finally:
            seen.append(threading.current_thread())

    async def not_plain() -> AsyncIterator[int]:
        seen.append(threading.current_thread())
        try:
            yield 1
            await asyncio.sleep(1000)
        finally:
            seen.append(threading.current_thread())

    pump = pumping(lambda _: not_plain() if is_async else plain())
    assert pump.take(5)
    assert pump.stop(5) is None
    assert len(seen) == 2
    assert seen[0] is seen[1]
    assert pump.error is None


def test_a_generator_that_does_not_end_is_left_behind_with_where_it_stands(pumping: Any) -> None:
    let_go = threading.Event()

    def blocked() -> Iterator[int]:
        yield 1
        let_go.wait()

    pump = pumping(lambda _: blocked())
    assert pump.take(5) == [1]
    stands_at = pump.stop(0.05)
    assert stands_at is not None
    assert "in blocked" in stands_at
    assert "_run_plain" not in stands_at
    let_go.set()


def test_a_wait_is_asked_of_the_task_and_ends_with_it(pumping: Any, until: Any) -> None:
    def waiting(pump: Pump) -> Iterator[bool]:
        yield pump.wait(60_000)
        yield pump.wait(60_000)

    pump = pumping(waiting)
    until(lambda: pump.wants_to_wait_ms == 60_000)
    pump.waited()
    until(lambda: pump.take(0.01) == [False])
    until(lambda: pump.wants_to_wait_ms == 60_000)
    began = time.monotonic()
    assert pump.stop(10) is None
    assert time.monotonic() - began < 5


def test_values_that_are_given_back_come_first_again(pumping: Any) -> None:
    pump = pumping(lambda _: numbers(4))
    taken = everything(pump)
    pump.put_back(taken[2:])
    assert pump.take(0) == [2, 3]
