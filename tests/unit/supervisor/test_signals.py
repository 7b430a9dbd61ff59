from __future__ import annotations

import os
import select
import signal
import threading

import pytest

from fastconnect.supervisor import signals
from fastconnect.supervisor.signals import SignalQueue


def test_signals_wait_in_the_queue_until_they_are_read() -> None:
    with SignalQueue() as queue:
        assert queue.read() == []
        for number in (signal.SIGTERM, signal.SIGCHLD):
            os.kill(os.getpid(), number)
        assert select.select([queue], [], [], 10)[0] == [queue]
        assert sorted(queue.read()) == sorted([signal.SIGTERM, signal.SIGCHLD])
        assert queue.read() == []


def test_what_was_set_before_is_set_again() -> None:
    before = {number: signal.getsignal(number) for number in signals.STOP_SIGNALS}
    with SignalQueue():
        assert signal.getsignal(signal.SIGTERM) is signals.note
    assert {number: signal.getsignal(number) for number in signals.STOP_SIGNALS} == before
    assert signal.set_wakeup_fd(-1) == -1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_what_the_shell_has_had_ignored_stays_ignored(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with SignalQueue() as queue:
            os.kill(os.getpid(), number)
            assert queue.read() == []
    finally:
        signal.signal(number, before)


def test_a_signal_that_was_blocked_is_let_in() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        with SignalQueue() as queue:
            os.kill(os.getpid(), signal.SIGTERM)
            assert queue.read() == [signal.SIGTERM]
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_no_signal_is_handled_while_they_are_blocked() -> None:
    with SignalQueue() as queue:
        with signals.blocked():
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)  # not to the process: it may have other threads
            assert queue.read() == []
        assert queue.read() == [signal.SIGTERM]
