"""A broker that acknowledges nothing for long: the task waits for as long as that takes, and says so once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol

from fastconnect.logs import facts
from fastconnect.reports import WAITING, TaskChannel
from fastconnect.states import State
from fastconnect.task.connecting import plain

logger = logging.getLogger(__name__)

SAY_AFTER_S = 10.0
"""No broker that is well takes so long for an acknowledgement."""


class Sending(Protocol):
    """What is sent."""

    @property
    def in_flight(self) -> int:
        """How many records are not acknowledged."""
        ...

    @property
    def last_error(self) -> str:
        """What the Kafka client has last complained of."""
        ...


class Silence:
    """Looks whether records are acknowledged.

    Args:
        running: whether the task is neither paused nor to stop: then its state says it, too.
        clock: monotonic time in seconds.
    """

    def __init__(
        self,
        sending: Sending,
        channel: TaskChannel,
        running: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sending = sending
        self._channel = channel
        self._running = running
        self._clock = clock
        self._acked = 0
        self._since: float | None = None  # when something began to wait, or was last acknowledged
        self._said = False

    def look(self) -> None:
        """Say that nothing is acknowledged, or is again; to be called every second or so."""
        now = self._clock()
        acked = self._channel.page.counters()["records_acked"]
        in_flight = self._sending.in_flight
        if acked != self._acked or not in_flight or self._since is None:
            self._end(now)
            self._acked = acked
            self._since = now if in_flight else None
        elif now - self._since >= SAY_AFTER_S and not self._said:
            self._said = True
            complaint = plain(self._sending.last_error)
            about = f": {complaint}" if complaint else ""
            what = f"no broker has acknowledged a record for {now - self._since:.0f} s{about}"
            logger.warning("Waiting: %s. Nothing is lost.", what, extra=facts(records_in_flight=in_flight))
            if self._running():
                self._channel.tell_state(State.RUNNING, f"{WAITING}: {what}")

    def _end(self, now: float) -> None:
        if not self._said or self._since is None:
            return
        self._said = False
        logger.info("Records are acknowledged again.", extra=facts(waited_s=round(now - self._since, 1)))
        if self._running():
            self._channel.tell_state(State.RUNNING)
