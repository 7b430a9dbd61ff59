from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from fastconnect.reports import TaskChannel
from fastconnect.states import TargetState
from fastconnect.task.waiting import Orders


@pytest.fixture
def orders(channel: TaskChannel) -> Iterator[Orders]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)}
    orders = Orders(channel)
    orders.catch_signals()
    yield orders
    orders.close()
    for number, handler in before.items():
        signal.signal(number, handler)


def test_the_target_state_comes_from_the_page(orders: Orders, channel: TaskChannel) -> None:
    assert orders.target is TargetState.STARTED
    channel.page.order(target=TargetState.PAUSED)
    assert orders.target is TargetState.PAUSED


def test_sigterm_asks_for_the_stop_and_ends_a_wait(orders: Orders) -> None:
    main = threading.main_thread().ident
    assert main is not None
    began = time.monotonic()
    threading.Timer(0.02, signal.pthread_kill, (main, signal.SIGTERM)).start()
    orders.wait(30_000)
    assert orders.target is TargetState.STOPPED
    assert time.monotonic() - began < 10


def test_a_byte_on_the_wake_fd_ends_a_wait_once(orders: Orders) -> None:
    os.write(orders.wake_fd, b"x" * 10_000)
    began = time.monotonic()
    orders.wait(30_000)
    assert time.monotonic() - began < 10
    began = time.monotonic()
    orders.wait(30)
    assert time.monotonic() - began >= 0.025


def test_sigint_is_left_to_the_supervisor(orders: Orders) -> None:
    os.kill(os.getpid(), signal.SIGINT)
    assert orders.target is TargetState.STARTED
