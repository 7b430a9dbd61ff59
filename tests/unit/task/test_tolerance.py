from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import pytest

from fastconnect import SourceRecord
from fastconnect._core import StatusRegion
from fastconnect.api.converter import ConversionError
from fastconnect.config.error_handling import ErrorSettings
from fastconnect.errors import ConfigError, ConnectError, DataError, RetriableError
from fastconnect.states import TaskId
from fastconnect.task.origin import PolledOrigin
from fastconnect.task.tolerance import (
    Failure,
    LogReporter,
    Stage,
    StopAsked,
    Tolerance,
    ToleranceExceeded,
    exception_class,
    stack_trace,
)

RECORDS = [SourceRecord("t", n, source_partition={"p": 1}, source_offset={"n": n}) for n in range(64)]
ORIGIN = PolledOrigin(RECORDS)
ALL = {"errors.tolerance": "all"}


class Kept:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.failures: list[Failure] = []

    def report(self, failure: Failure) -> None:
        self.failures.append(failure)


class Clock:
    """Time that only waiting moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[int] = []

    def __call__(self) -> float:
        return self.now

    def wait(self, wait_ms: int) -> bool:
        self.waits.append(wait_ms)
        self.now += wait_ms / 1000
        return False


def doubling(bad: set[int], calls: list[int], *, with_index: bool = False) -> Callable[[slice], list[int]]:
    """Work that fails for some records."""

    def call(part: slice) -> list[int]:
        values: Sequence[int] = range(64)[part]
        calls.append(len(values))
        for index, value in enumerate(values):
            if value in bad:
                raise ConversionError(f"{value} is bad", index=index if with_index else None)
        return [value * 2 for value in values]

    return call


def attempted(tolerance: Tolerance, call: Callable[[slice], list[int]], count: int = 64) -> list[int]:
    parts = tolerance.attempt(Stage.TRANSFORMATION, "a.Transform", ORIGIN, range(count), call)
    return [value for _, values in parts for value in values]


def test_a_good_batch_is_worked_on_in_one_call() -> None:
    calls: list[int] = []
    assert attempted(Tolerance(ErrorSettings()), doubling(set(), calls)) == [n * 2 for n in range(64)]
    assert calls == [64]


@pytest.mark.parametrize("with_index", [False, True])
def test_only_the_bad_records_of_a_batch_are_skipped_and_each_is_reported(with_index: bool) -> None:
    kept = Kept()
    calls: list[int] = []
    bad = {0, 7, 8, 40, 63}
    tolerance = Tolerance(ErrorSettings.parse(ALL), reporters=[kept])
    assert attempted(tolerance, doubling(bad, calls, with_index=with_index)) == [n * 2 for n in range(64) if n not in bad]
    assert [failure.row for failure in kept.failures] == [0, 7, 8, 40, 63]
    assert len(calls) < 64  # the batch is divided, not gone through one by one


def test_without_tolerance_the_first_bad_record_is_named_with_its_stage_and_what_to_do() -> None:
    kept = Kept()
    with pytest.raises(ToleranceExceeded) as caught:
        attempted(Tolerance(ErrorSettings(), reporters=[kept]), doubling({9, 5}, []))
    assert str(caught.value) == (
        'TRANSFORMATION with class a.Transform, the record of source partition {"p":1} with source offset {"n":5}: '
        "Tolerance exceeded in error handler: 5 is bad (errors.tolerance=all skips such records)"
    )
    assert not caught.value.retry_helps
    assert caught.value.failure.row == 5
    assert kept.failures == []  # whoever ends the task reports it


def test_an_error_that_is_no_fault_of_the_record_may_be_over_when_the_task_is_started_again() -> None:
    def call(part: slice) -> list[int]:
        raise OSError("no route to host")

    with pytest.raises(ToleranceExceeded, match="OSError: no route to host") as caught:
        attempted(Tolerance(ErrorSettings()), call, 1)
    assert caught.value.retry_helps


def test_a_retriable_failure_is_tried_again_after_waits_that_double() -> None:
    clock = Clock()
    tolerance = Tolerance(ErrorSettings.parse({"errors.retry.timeout": "-1"}), wait=clock.wait, clock=clock)
    tries = 0

    def call(part: slice) -> list[int]:
        nonlocal tries
        tries += 1
        if tries < 6:
            raise RetriableError("not now")
        return [1]

    assert attempted(tolerance, call, 1) == [1]
    assert clock.waits == [300, 600, 1200, 2400, 4800]


def test_a_batch_that_fails_as_a_whole_is_tried_again_as_a_whole() -> None:
    clock = Clock()
    tolerance = Tolerance(ErrorSettings.parse({"errors.retry.timeout": "-1"}), wait=clock.wait, clock=clock)
    calls: list[int] = []

    def call(part: slice) -> list[int]:
        calls.append(len(range(64)[part]))
        if len(calls) < 3:
            raise RetriableError("the registry does not answer")
        return list(range(64)[part])

    assert attempted(tolerance, call) == list(range(64))
    assert calls == [64, 64, 64]
    assert clock.waits == [300, 600]


def test_a_batch_that_fails_for_too_long_is_divided_without_more_waits_and_what_works_goes_on() -> None:
    clock, kept = Clock(), Kept()
    settings = ErrorSettings.parse({**ALL, "errors.retry.timeout": "1000"})

    def call(part: slice) -> list[int]:
        values = list(range(64)[part])
        if 7 in values:
            raise RetriableError("the registry does not know it")
        return values

    assert attempted(Tolerance(settings, reporters=[kept], wait=clock.wait, clock=clock), call) == [
        n for n in range(64) if n != 7
    ]
    assert sum(clock.waits) <= 1001
    assert [failure.row for failure in kept.failures] == [7]


def test_failures_retries_and_errors_are_counted() -> None:
    page = StatusRegion(1).page(0)
    page.reset(1)
    clock = Clock()
    settings = ErrorSettings.parse({"errors.retry.timeout": "1000"})

    def call(part: slice) -> list[int]:
        raise RetriableError("not now")

    with pytest.raises(ToleranceExceeded):
        attempted(Tolerance(settings, page=page, wait=clock.wait, clock=clock), call, 1)
    counters = page.counters()
    assert counters["record_failures"] == 1 + counters["record_retries"] == 1 + len(clock.waits)
    assert (counters["record_errors"], counters["records_skipped"]) == (1, 0)
    assert counters["last_error_ms"] > 1_700_000_000_000

    attempted(Tolerance(ErrorSettings.parse(ALL), page=page), doubling({3}, []), 64)
    assert (page.counters()["record_errors"], page.records_skipped) == (1, 1)


def test_retries_end_at_the_deadline_and_the_last_wait_is_cut() -> None:
    clock, kept = Clock(), Kept()
    settings = ErrorSettings.parse({**ALL, "errors.retry.timeout": "1000"})

    def call(part: slice) -> list[int]:
        raise RetriableError("not now")

    assert attempted(Tolerance(settings, reporters=[kept], wait=clock.wait, clock=clock), call, 1) == []
    assert clock.waits[:3] == [300, 600, 100]
    assert sum(clock.waits) <= 1001
    assert len(kept.failures) == 1


def test_waits_above_the_limit_are_random_below_it() -> None:
    tolerance = Tolerance(ErrorSettings.parse({"errors.retry.delay.max.ms": "1000"}))
    assert [tolerance.delay_ms(tries) for tries in (1, 2)] == [300, 600]
    waits = {tolerance.delay_ms(5) for _ in range(200)}
    assert len(waits) > 50
    assert max(waits) < 1000


def test_other_errors_are_not_tried_again() -> None:
    clock = Clock()
    tolerance = Tolerance(ErrorSettings.parse({"errors.retry.timeout": "-1"}), wait=clock.wait, clock=clock)
    with pytest.raises(ToleranceExceeded):
        attempted(tolerance, doubling({0}, []), 1)
    assert clock.waits == []


def test_a_stop_ends_the_retries_and_nothing_is_skipped() -> None:
    kept = Kept()
    settings = ErrorSettings.parse({**ALL, "errors.retry.timeout": "-1"})

    def call(part: slice) -> list[int]:
        raise RetriableError("not now")

    with pytest.raises(StopAsked):
        attempted(Tolerance(settings, reporters=[kept], wait=lambda _: True), call, 1)
    assert kept.failures == []


def test_the_log_line_is_kafka_connects(caplog: pytest.LogCaptureFixture) -> None:
    failure = Failure(Stage.VALUE_CONVERTER, "org.apache.kafka.connect.json.JsonConverter", DataError("bad"), ORIGIN, 3)
    page = StatusRegion(1).page(0)
    LogReporter(TaskId("c", 2), page, with_messages=False).report(failure)
    LogReporter(TaskId("c", 2), page, with_messages=True).report(failure)
    assert page.counters()["errors_logged"] == 2
    start = (
        "Error encountered in task c-2. Executing stage 'VALUE_CONVERTER' "
        "with class 'org.apache.kafka.connect.json.JsonConverter'"
    )
    assert [record.getMessage() for record in caplog.records] == [
        f"{start}.",
        f"{start}, where source record is = SourceRecord{{sourcePartition={{p=1}}, sourceOffset={{n=3}}}} "
        "ConnectRecord{topic='t', kafkaPartition=null, key=null, keySchema=null, value=3, valueSchema=null, timestamp=null, "
        "headers=ConnectHeaders(headers=)}.",
    ]
    assert {record.levelno for record in caplog.records} == {logging.ERROR}


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (ConversionError("x", index=1), "org.apache.kafka.connect.errors.DataException"),
        (RetriableError("x"), "org.apache.kafka.connect.errors.RetriableException"),
        (ConfigError("x"), "org.apache.kafka.common.config.ConfigException"),
        (ConnectError("x"), "org.apache.kafka.connect.errors.ConnectException"),
        (ValueError("x"), "ValueError"),
        (StopAsked("x"), "fastconnect.task.tolerance.StopAsked"),
    ],
)
def test_our_errors_are_named_as_kafka_connects_and_others_by_their_own_class(error: Exception, name: str) -> None:
    assert exception_class(error) == name
    assert stack_trace(error).startswith(f"{name}: x\n")
