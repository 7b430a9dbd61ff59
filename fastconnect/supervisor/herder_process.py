"""The herder's process: started, heard, started anew when it has died. The tasks do not notice."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable

from fastconnect import logs
from fastconnect._core import StatusRegion
from fastconnect.supervisor.control import Command, Inventory, Ping, Report
from fastconnect.supervisor.deaths import Death
from fastconnect.supervisor.entrypoints import HerderChannel
from fastconnect.supervisor.herder_link import BrokenLinkError, HerderLink
from fastconnect.supervisor.restarts import RestartPolicy
from fastconnect.supervisor.signals import DUMP
from fastconnect.supervisor.task_process import ChildProcess, Children

logger = logging.getLogger(__name__)

LAST_WORDS_S = 3.0
"""How long the herder may take to show its summary and end, once all else has ended."""


PING_AFTER_TURNS = 5
STUCK_AFTER_TURNS = 30
"""A herder that has said nothing for so many turns of the supervisor's loop, of a second each, is asked whether it lives; and
then replaced. Turns, not seconds: on a machine that was suspended both were silent."""


class HerderProcess:
    """The herder that runs now, or the next one.

    Args:
        children: forks and reaps it.
        body: what it does.
        region: the shared mapping, which it reads.
        lifeline_fd: the pipe that ends with the supervisor.
        restarts: how long to wait before the next one.
    """

    def __init__(
        self,
        children: Children,
        body: Callable[[HerderChannel], int | None],
        region: StatusRegion,
        lifeline_fd: int,
        restarts: RestartPolicy,
    ) -> None:
        self.died: Death | None = None
        """How it has died, until someone has taken note."""
        self._children = children
        self._body = body
        self._region = region
        self._lifeline_fd = lifeline_fd
        self._restarts = restarts
        self._process: ChildProcess | None = None
        self._link: HerderLink | None = None
        self._next_start: float | None = time.monotonic()
        self._started_at = 0.0
        self._kill_at: float | None = None
        self._ending = False
        self._silent_turns = 0

    @property
    def socket(self) -> socket.socket | None:
        """Our end of the socket to it."""
        return self._link.socket if self._link is not None else None

    @property
    def has_unsent(self) -> bool:
        """Whether something is to be sent once the socket takes bytes."""
        return self._link is not None and self._link.has_unsent

    @property
    def has_ended(self) -> bool:
        """Whether no herder runs."""
        return self._process is None

    @property
    def failures(self) -> int:
        """How often it has died since it was last healthy."""
        return self._restarts.failures

    def wants_start(self, now: float) -> bool:
        """Whether it is time to start one."""
        return self._next_start is not None and now >= self._next_start

    def start(self, inventory: Inventory) -> None:
        """Fork a new one; what runs is the first thing it hears."""
        self._next_start, self._kill_at = None, None
        self._started_at = time.monotonic()
        ours, theirs = socket.socketpair()
        channel = HerderChannel(theirs, self._region, self._lifeline_fd)
        try:
            self._process = self._children.spawn(
                "fastconnect herder",
                lambda: self._body(channel),
                self._died,
                keep=(theirs.fileno(), self._lifeline_fd),
                context=logs.HERDER_CONTEXT,
            )
        except OSError as error:
            logger.error("Herder can't be started.", extra=logs.facts(reason=error))
            ours.close()
            self._wait()
            return
        finally:
            theirs.close()
        self._link = HerderLink(ours)
        self._silent_turns = 0
        self.send(inventory)
        logger.debug("Herder started.", extra=logs.facts(pid=self._process.pid))

    def send(self, report: Report) -> None:
        """Tell it something; nothing if there is none: the next one learns all from the Inventory."""
        if self._link is None:
            return
        try:
            self._link.send(report)
            self._link.flush()
        except BrokenLinkError as error:
            self._give_up(error)

    def exchange(self) -> list[Command]:
        """Send what waits and return the commands that have come."""
        if self._link is None:
            return []
        try:
            self._link.flush()
            commands = self._link.receive()
            if commands:
                self._silent_turns = 0
            return commands
        except BrokenLinkError as error:
            self._give_up(error)
            return []

    def turn(self, now: float) -> None:
        """Note that it is healthy; end it if its time is over."""
        if self._process is None:
            return
        if self._kill_at is not None and now >= self._kill_at:
            self._kill_at = None
            self._process.kill()
        elif self._restarts.failures and now - self._started_at >= self._restarts.healthy_after_s:
            self._restarts.healthy()

    def look(self) -> None:
        """Once a second: see whether its thread still turns; if it hangs, another one does better."""
        if self._process is None or self._link is None or self._ending:
            return
        self._silent_turns += 1
        if self._silent_turns == PING_AFTER_TURNS:
            self.send(Ping())
        elif self._silent_turns == STUCK_AFTER_TURNS:
            logger.error("Herder is stuck and will be replaced.", extra=logs.facts(silent_s=self._silent_turns))
            self._process.send(DUMP)  # what it hangs in is told with its death
        elif self._silent_turns > STUCK_AFTER_TURNS:
            self._process.kill()

    def due(self) -> float | None:
        """When `turn` or `start` has something to do (time.monotonic)."""
        dues = [due for due in (self._next_start, self._kill_at) if due is not None]
        return min(dues, default=None)

    def end(self) -> None:
        """All is over: it may say so to its user, and end."""
        self._next_start = None
        self._ending = True
        if self._process is None or self._kill_at is not None or self._process.killed_by_us:
            return
        self._kill_at = time.monotonic() + LAST_WORDS_S
        if self._link is not None:
            try:
                self._link.end()
                self._link.flush()
            except BrokenLinkError:
                self._drop_link()

    def kill(self) -> None:
        """End it now."""
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """Close the socket."""
        self._drop_link()

    def _give_up(self, error: BrokenLinkError) -> None:
        """Without its socket a herder is of no use; with the next one all is well again."""
        self._drop_link()
        if self._kill_at is None and self._process is not None:
            # It may be about to end by itself, and its own words say more than ours.
            logger.debug("The link to the herder is broken.", extra=logs.facts(reason=error))
            self._kill_at = time.monotonic() + 1.0

    def _drop_link(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def _died(self, death: Death) -> None:
        self.died = death
        self._process = None
        self._kill_at = None
        self._drop_link()
        if not self._ending:
            self._wait()
            extra = {**logs.facts(how=death.how), "trace": death.trace}
            logger.warning("Herder %s.", death.words(), extra=extra)

    def _wait(self) -> None:
        wait_ms = self._restarts.next_wait_ms(at_once=True)
        self._next_start = time.monotonic() + (wait_ms or 0) / 1000
