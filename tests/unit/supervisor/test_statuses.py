from __future__ import annotations

import logging
import os

import msgspec
import pytest

from fastconnect._core import StatusRegion
from fastconnect.reports import KIND_EVENT, KIND_STATE, StateChange, TaskChannel, TaskEvent
from fastconnect.states import State, TaskId
from fastconnect.supervisor.statuses import PageState, TaskReader, log_event

TASK = TaskId("orders", 3)


@pytest.fixture
def region() -> StatusRegion:
    return StatusRegion(1, ring_bytes=4096)


@pytest.fixture
def reader(region: StatusRegion) -> TaskReader:
    reader = TaskReader(TASK, region.page(0), region.ring(0))
    reader.begin(1)
    return reader


def test_what_a_task_tells_is_heard_in_its_order(reader: TaskReader, region: StatusRegion) -> None:
    channel = TaskChannel(region.page(0), region.ring(0), -1, os.eventfd(0))
    channel.tell_state(State.RUNNING)
    channel.tell_event(logging.WARNING, "Slow.", wait_ms=7)
    channel.tell_state(State.FAILED, "no such file", "Traceback")
    assert reader.news() == [
        StateChange(State.RUNNING),
        TaskEvent(logging.WARNING, "Slow.", {"wait_ms": "7"}),
        StateChange(State.FAILED, "no such file", "Traceback"),
    ]
    assert reader.state() == PageState(State.FAILED, "no such file")
    assert os.eventfd_read(channel.doorbell_fd) == 3
    os.close(channel.doorbell_fd)


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (KIND_STATE, b"\xff\xff"),
        (KIND_STATE, msgspec.msgpack.encode({"state": "RUNNING"})),
        (KIND_STATE, msgspec.msgpack.encode({"state": 99})),
        (KIND_EVENT, msgspec.msgpack.encode({"sentence": "no level"})),
        (77, b""),
    ],
)
def test_what_is_no_report_is_left_out_and_logged(
    reader: TaskReader, region: StatusRegion, kind: int, payload: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    region.ring(0).write(kind, payload)
    region.ring(0).write(KIND_STATE, msgspec.msgpack.encode(StateChange(State.RUNNING)))
    assert reader.news() == [StateChange(State.RUNNING)]
    assert "lost" in caplog.text


def test_the_page_tells_the_state_when_the_ring_was_full(reader: TaskReader, region: StatusRegion) -> None:
    channel = TaskChannel(region.page(0), region.ring(0), -1, os.eventfd(0))
    while region.ring(0).write(KIND_EVENT, b"x" * 500):
        pass
    channel.tell_state(State.PAUSED, "by order")
    os.close(channel.doorbell_fd)
    reader.news()
    assert reader.news() == []
    assert reader.state() == PageState(State.PAUSED, "by order")


def test_losses_are_logged_once(reader: TaskReader, region: StatusRegion, caplog: pytest.LogCaptureFixture) -> None:
    while region.ring(0).write(KIND_EVENT, msgspec.msgpack.encode(TaskEvent(logging.INFO, "x" * 100))):
        pass
    reader.news()
    assert caplog.text.count("lost") == 1
    reader.news()
    assert caplog.text.count("lost") == 1


def test_a_state_that_does_not_exist_is_none(reader: TaskReader, region: StatusRegion) -> None:
    region.page(0).write_state(1234, "made up")
    assert reader.state() is None


def test_numbers_that_cannot_be_are_none(reader: TaskReader, region: StatusRegion) -> None:
    region.page(0).polls = 5
    assert reader.counters()["polls"] == 5
    region.page(0).records_polled = -(1 << 62)
    assert reader.counters() == {}


def test_a_task_is_silent_since_its_last_turn(reader: TaskReader, region: StatusRegion) -> None:
    assert reader.silent_ms() is None
    region.page(0).beat()
    silent_ms = reader.silent_ms()
    assert silent_ms is not None
    assert 0 <= silent_ms < 10_000


def test_an_event_is_logged_under_the_tasks_prefix(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log_event(TASK, TaskEvent(logging.WARNING, "100% odd.", {"file": "a"}))
    log_event(TASK, TaskEvent(12345, "Unheard of.", {}))
    first, second = caplog.records
    assert (first.levelno, first.getMessage(), first.context, first.facts) == (
        logging.WARNING,
        "100% odd.",
        "orders|task-3",
        {"file": "a"},
    )
    assert second.levelno == logging.INFO
