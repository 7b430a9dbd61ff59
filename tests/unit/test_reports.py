from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest

from fastconnect import reports
from fastconnect._core import StatusRegion
from fastconnect.reports import StateChange, TaskChannel
from fastconnect.states import State


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)


@pytest.fixture
def channel(pipe: tuple[int, int]) -> Iterator[TaskChannel]:
    region = StatusRegion(1)
    doorbell = os.eventfd(0, os.EFD_NONBLOCK)
    yield TaskChannel(region.page(0), region.ring(0), pipe[0], doorbell)
    os.close(doorbell)


def test_a_long_reason_keeps_its_beginning_and_a_long_trace_its_end(channel: TaskChannel) -> None:
    channel.tell_state(State.FAILED, "begins " + "r" * 10_000, "t" * 100_000 + " ends")
    ((kind, payload),) = channel.ring.read()
    told = reports.decode(kind, payload)
    assert isinstance(told, StateChange)
    assert told.reason is not None
    assert told.trace is not None
    assert told.reason.startswith("begins r")
    assert told.trace.endswith("t ends")
    assert len(told.reason) + len(told.trace) <= reports.REASON_BYTES + reports.TRACE_BYTES


def test_a_full_ring_does_not_stop_the_task(channel: TaskChannel) -> None:
    for _ in range(1000):
        channel.tell_state(State.RUNNING, "r" * 500)
        channel.tell_event(logging.INFO, "x" * 500, fact="f" * 10_000)
    assert channel.ring.dropped > 0
    assert channel.page.read_state() == (State.RUNNING, "r" * 500)


def test_a_text_that_is_no_text_is_told_anyway(channel: TaskChannel) -> None:
    channel.tell_state(State.FAILED, "file \udcff is gone", "trace \udcff")
    ((kind, payload),) = channel.ring.read()
    told = reports.decode(kind, payload)
    assert isinstance(told, StateChange)
    assert told.reason == "file \\udcff is gone"


def test_the_doorbell_rings_and_a_broken_one_does_no_harm(channel: TaskChannel) -> None:
    channel.ring_doorbell()
    assert os.eventfd_read(channel.doorbell_fd) == 1
    TaskChannel(channel.page, channel.ring, -1, 9999).ring_doorbell()


def test_the_lifeline_tells_that_the_supervisor_is_gone(channel: TaskChannel, pipe: tuple[int, int]) -> None:
    assert not channel.supervisor_is_gone()
    os.close(pipe[1])
    assert channel.supervisor_is_gone()
