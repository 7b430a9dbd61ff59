"""How a task waits: for delivery events, for its orders and for a signal, all at once and without spinning."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from types import FrameType

from fastconnect.reports import TaskChannel
from fastconnect.states import TargetState


class Orders:
    """What the task is told from outside: by the target state in its page, by SIGTERM, or by the supervisor's end.

    `wait` ends early when one of these changes, or when `wake_fd` becomes readable.
    """

    def __init__(self, channel: TaskChannel) -> None:
        self.channel = channel
        self.stop_asked = False
        self._events, self._event_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._signals, self._signal_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll = select.poll()
        for fd in (self._events, self._signals, channel.lifeline_fd):
            self._poll.register(fd, select.POLLIN)

    def catch_signals(self) -> None:
        """Let SIGTERM ask for the stop and SIGUSR1 wake a wait; only on the main thread."""
        signal.set_wakeup_fd(self._signal_writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._on_sigterm)
        if not callable(signal.getsignal(signal.SIGUSR1)):  # the supervisor's own does more
            signal.signal(signal.SIGUSR1, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's to handle

    def _on_sigterm(self, number: int, frame: FrameType | None) -> None:
        self.stop_asked = True

    @property
    def wake_fd(self) -> int:
        """Write a byte here (librdkafka does, for each new event) to end a wait."""
        return self._event_writer

    @property
    def target(self) -> TargetState:
        """What the task is to be now."""
        if self.stop_asked:
            return TargetState.STOPPED
        return TargetState(self.channel.page.target)

    def wait(self, wait_ms: int) -> None:
        """Wait until something happens, at most so long.

        The supervisor's end is a kill (the kernel's, see supervisor/): what is unflushed will be read again.
        """
        for fd, _ in self._poll.poll(wait_ms):
            if fd == self.channel.lifeline_fd:
                os._exit(0)
            with contextlib.suppress(BlockingIOError):
                while len(os.read(fd, 4096)) == 4096:
                    pass

    def close(self) -> None:
        """Close the pipes; the signal handlers stay, and do no harm."""
        signal.set_wakeup_fd(-1)
        for fd in (self._events, self._event_writer, self._signals, self._signal_writer):
            os.close(fd)
