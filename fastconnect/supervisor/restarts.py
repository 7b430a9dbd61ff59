"""May a dead process come back, and when. Knows nothing of processes: it is told of deaths and answers with waits."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable


class RestartPolicy:
    """Counts the deaths of one task (or of the herder) and says how long to wait before it is started again.

    The first start after a crash is immediate: most crashes do not repeat. From then on the wait doubles from
    `first_wait_ms` to `limit_ms`, until the process was healthy for `healthy_after_ms`. So many deaths as `max_failures`
    within that same time are a crash loop: it may not come back.

    Args:
        first_wait_ms: `restart.backoff.initial.ms`.
        limit_ms: `restart.backoff.max.ms`.
        healthy_after_ms: `restart.healthy.after.ms`.
        max_failures: `restart.max.failures`; below 0: no limit.
        clock: seconds, growing evenly.
        jitter: what share of the wait to take, so that many tasks that died of one cause do not come back as one.
    Source: unlike gunicorn's workers (its issue 1937), a process that runs out of memory is not forked again at once for ever.
    """

    def __init__(
        self,
        first_wait_ms: int = 100,
        limit_ms: int = 30_000,
        healthy_after_ms: int = 60_000,
        max_failures: int = 5,
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = lambda: random.uniform(0.75, 1.0),  # noqa: S311 - no secret
    ) -> None:
        self._first_wait_ms = first_wait_ms
        self._limit_ms = limit_ms
        self.healthy_after_s = healthy_after_ms / 1000
        self._max_failures = max_failures
        self._clock = clock
        self._jitter = jitter
        self._deaths: deque[float] = deque()
        self._waits = 0  # how many starts have waited since it was last healthy
        self.failures = 0
        """Deaths since it was last healthy."""

    def next_wait_ms(self, *, at_once: bool = False) -> int | None:
        """Count a death; return how long to wait before the next start, or None if it may not come back.

        Args:
            at_once: a crash or a used-up client: if it is the first failure, do not wait.
        """
        now = self._clock()
        self._deaths.append(now)
        while self._deaths[0] < now - self.healthy_after_s:
            self._deaths.popleft()
        self.failures += 1
        if 0 <= self._max_failures <= len(self._deaths):
            return None
        if at_once and self.failures == 1:
            return 0
        # The exponent is bounded: 2 ** 5000 is a number that takes its time.
        wait_ms = min(self._first_wait_ms * 2 ** min(self._waits, 40), self._limit_ms)
        self._waits += 1
        return int(wait_ms * self._jitter())

    @property
    def has_last_try(self) -> bool:
        """Whether it may not come back if it dies now."""
        since = self._clock() - self.healthy_after_s
        return 0 <= self._max_failures <= sum(died >= since for died in self._deaths) + 1

    def healthy(self) -> None:
        """It has been healthy for `healthy_after_ms`: what was before does not count any more."""
        self.failures = 0
        self._waits = 0
        self._deaths.clear()
