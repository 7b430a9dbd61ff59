"""Signals: queued by the handler, handled by the loop.

Python's own handler writes a signal's number into a pipe at once (`set_wakeup_fd`); the loop reads it there like any other
news. Nothing is done in a handler, so nothing is interrupted half-way.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""What ends a worker gracefully."""

STOP = signal.SIGTERM
LOOK_AGAIN = signal.SIGUSR1
DUMP = signal.SIGUSR2
"""What a task process is told by a signal: to drain and end, to look at its page, to write down what its threads do."""


def note(_number: int, _frame: FrameType | None) -> None:
    """A handler that does nothing: the signal interrupts what waits, and is in the wakeup pipe if there is one."""


class SignalQueue:
    """The signals that the supervisor lives by, in a pipe; use it as a context: what was set before is set again at the end.

    SIGINT and SIGHUP stay ignored where they were when the process was started (nohup, a shell's background job).
    """

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._before: dict[int, Any] = {}
        self._fd_before = -1

    def __enter__(self) -> SignalQueue:
        # Whoever started us may have blocked them, and a mask is inherited.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [*STOP_SIGNALS, signal.SIGCHLD])
        self._fd_before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in (*STOP_SIGNALS, signal.SIGCHLD):
            if number is signal.SIGTERM or number is signal.SIGCHLD or signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, note)
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        signal.set_wakeup_fd(self._fd_before)
        os.close(self._reader)
        os.close(self._writer)

    def fileno(self) -> int:
        """The descriptor that is readable when a signal has come."""
        return self._reader

    def read(self) -> list[int]:
        """The signals that have come since the last call; equal ones may have become one (SIGCHLD)."""
        try:
            return list(os.read(self._reader, 4096))
        except BlockingIOError:
            return []


@contextlib.contextmanager
def blocked() -> Iterator[None]:
    """Hold back all signals for a while: around a fork, so that none is handled by a child that still is a copy of us."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin_process(look: Callable[[], None] | None = None) -> None:
    """In a forked process, with all signals blocked: undo what the parent set, then let signals in.

    SIGTERM, SIGINT, SIGHUP and SIGUSR1 are caught from the beginning: they are orders to look at, not to die of. SIGPIPE and
    SIGXFSZ stay ignored, as Python has them.

    Args:
        look: called at each LOOK_AGAIN, wherever Python's code is then.
    """
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    for number in (*STOP_SIGNALS, LOOK_AGAIN):
        signal.signal(number, note)
    if look is not None:
        signal.signal(LOOK_AGAIN, lambda *_: look())
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
