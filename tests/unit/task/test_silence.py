"""What is told of a broker that does not answer."""

from __future__ import annotations

import logging

import pytest

from fastconnect.reports import KIND_STATE, TaskChannel, decode
from fastconnect.states import State
from fastconnect.task.silence import Silence


class Sending:
    in_flight = 0
    last_error = "[thrd:127.0.0.1:1/bootstrap]: 127.0.0.1:1/bootstrap: Connection refused"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def reasons(channel: TaskChannel) -> list[str | None]:
    told = [decode(kind, payload) for kind, payload in channel.ring.read() if kind == KIND_STATE]
    return [change.reason for change in told]  # type: ignore[union-attr]


@pytest.fixture
def running(channel: TaskChannel) -> TaskChannel:
    channel.tell_state(State.RUNNING)
    reasons(channel)
    return channel


def test_a_long_silence_is_told_once_with_why_and_so_is_its_end(running: TaskChannel, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    sending, clock = Sending(), Clock()
    silence = Silence(sending, running, lambda: True, clock)
    sending.in_flight = 7
    for _ in range(30):
        silence.look()
        clock.now += 1
    assert reasons(running) == [
        "waiting: no broker has acknowledged a record for 10 s: 127.0.0.1:1/bootstrap: Connection refused"
    ]
    sending.in_flight = 0
    silence.look()
    silence.look()
    assert reasons(running) == [None]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_who_sends_nothing_or_has_its_answers_is_not_silent(running: TaskChannel) -> None:
    sending, clock = Sending(), Clock()
    silence = Silence(sending, running, lambda: True, clock)
    for second in range(60):
        sending.in_flight = 5 if second > 25 else 0
        running.page.add("records_acked", 1 if second > 30 else 0)
        silence.look()
        clock.now += 1
    assert reasons(running) == []
