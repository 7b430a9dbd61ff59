"""How often the group was rebalanced, and how long that took; for metrics. Written by the member's thread, read by any."""

from __future__ import annotations

import time
from collections.abc import Callable


class RebalanceTimes:
    """From the moment when this worker begins to join until it has joined.

    Args:
        clock: seconds, growing evenly.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began: float | None = None
        self.completed = 0
        self.total_s = 0.0
        self.longest_s = 0.0
        self.last_at: float | None = None
        """When the last one was completed."""

    @property
    def rebalancing(self) -> bool:
        """Whether one goes on."""
        return self._began is not None

    def begin(self) -> None:
        """This worker begins to join; one that tries once more goes on with the same rebalance."""
        if self._began is None:
            self._began = self._clock()

    def end(self) -> None:
        """It has joined."""
        if self._began is None:
            return
        self.last_at = self._clock()
        took_s = self.last_at - self._began
        self._began = None
        self.completed += 1
        self.total_s += took_s
        self.longest_s = max(self.longest_s, took_s)
