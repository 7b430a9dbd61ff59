"""The loop of a source task: poll -> conversion -> send loop, and the offsets of what is delivered to the store.

What starts it and what ends its process is in main.py.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from fastconnect._core import LeaseLost, SendLoop, StatusPage, TopicMissing, boottime_ns
from fastconnect.api.record import EndOfData, Polled, RecordBatch, SourceRecord
from fastconnect.api.task import SourceTask
from fastconnect.errors import RetriableError, SendError
from fastconnect.logs import facts
from fastconnect.reports import WAITING, TaskChannel
from fastconnect.states import State, TargetState
from fastconnect.task.delivered import Delivered
from fastconnect.task.offsets import OffsetFlusher
from fastconnect.task.silence import Silence
from fastconnect.task.source_conversion import Converted, SourceConversion
from fastconnect.task.tolerance import StopAsked
from fastconnect.task.topics import TopicCreator
from fastconnect.task.waiting import Orders

logger = logging.getLogger(__name__)

IDLE_WAITS_MS = (1, 2, 5, 10, 20, 50, 100)
"""A poll that returned nothing is repeated after so long, longer each time: quick to see new data, idle at little cost."""

AT_REST_POLLS = 100
AT_REST_WAIT_MS = 250
"""After so many polls in a row that returned nothing, some 10 s, it is repeated after so long: 200 such tasks are cheap."""

RETRY_WAITS_MS = (100, 200, 400, 800, 1600, 3200, 5000)
"""The same after a RetriableError."""

TOPIC_WITHIN_S = 30.0
"""A topic that is not there yet may be in the making; so long we wait for it."""

SAY_AFTER_S = 1.0
"""A new topic is there within this time; whoever waits longer says so."""

TOPIC_AGAIN_MS = 20
TOPIC_AGAIN_LATER_MS = 250
"""How often to ask for it: within that first time, and from then on."""

LOOK_AGAIN_MS = 500
"""The longest sleep: how late a target state set without a signal is noticed."""


class SourceLoop:
    """Moves the records of one source task until it is told to stop.

    Args:
        stop_within_ms: how long `drain` may take at the end.
        fail_within_ms: the same when the task has failed.
        delivered: whom to tell of single records, where somebody wants to know.
        topics: creates topics that are missing, where that is not left to the broker.
    """

    def __init__(
        self,
        task: SourceTask[Any],
        conversion: SourceConversion,
        send_loop: SendLoop,
        offsets: OffsetFlusher,
        orders: Orders,
        channel: TaskChannel,
        *,
        stop_within_ms: int,
        fail_within_ms: int,
        delivered: Delivered | None = None,
        topics: TopicCreator | None = None,
    ) -> None:
        self.task = task
        self.conversion = conversion
        self.send_loop = send_loop
        self.offsets = offsets
        self.orders = orders
        self.channel = channel
        self.page: StatusPage = channel.page
        self.stop_within_ms = stop_within_ms
        self.fail_within_ms = fail_within_ms
        self.delivered = delivered
        self.topics = topics
        self._silence = Silence(send_loop, channel, lambda: not self.stopping)
        self._quiet_polls = 0
        self._failed_polls = 0
        self._ended = False
        self._poll_took_ns = 0
        self._topics: list[str] = []  # used, and not told yet

    @property
    def stopping(self) -> bool:
        """Whether the task is to stop or to pause."""
        return self.orders.target is not TargetState.STARTED

    def run(self) -> bool:
        """Go on until the target state is STOPPED, then drain.

        Returns:
            False if not all could be delivered and flushed in time: that part will be read and sent again.
        Raises:
            Exception: whatever the task, a converter or the cluster has failed with; what could be delivered is, and flushed.
        """
        try:
            while (target := self.orders.target) is not TargetState.STOPPED:
                self.page.beat()
                if target is TargetState.PAUSED:
                    self._pause()
                elif self._ended or self.offsets.behind:
                    self._deliver(LOOK_AGAIN_MS)
                else:
                    self._turn()
                self._flush_if_due()
        except LeaseLost:
            raise  # nothing may be sent or flushed any more
        except Exception:
            try:
                self.drain(self.fail_within_ms)
            except SendError as error:
                logger.error("What was delivered could not be flushed, and will be sent again. %s", error)
            raise
        drained = self.drain(self.stop_within_ms)
        if self.send_loop.in_flight:
            logger.warning(
                "Stopped with records in flight; they will be read and sent again.",
                extra=facts(in_flight=self.send_loop.in_flight),
            )
        elif not drained:
            logger.warning("Stopped with offsets that could not be flushed; what was delivered since will be sent again.")
        return drained

    def _turn(self) -> None:
        polled = self._poll()
        if polled is None:
            at_rest = self._quiet_polls >= AT_REST_POLLS
            self._deliver(AT_REST_WAIT_MS if at_rest else IDLE_WAITS_MS[min(self._quiet_polls, len(IDLE_WAITS_MS) - 1)])
            self._quiet_polls += 1
        elif isinstance(polled, EndOfData):
            self._finish()
        else:
            self._quiet_polls = 0
            self._send(polled)

    def _poll(self) -> Polled:
        self.page.polls += 1
        began_ns = boottime_ns()
        try:
            polled = self.task.poll()
        except RetriableError as error:
            wait_ms = RETRY_WAITS_MS[min(self._failed_polls, len(RETRY_WAITS_MS) - 1)]
            self._failed_polls += 1
            logger.warning("Poll failed and is tried again. %s", error, extra=facts(wait_ms=wait_ms))
            self.wait(wait_ms)
            return None
        self._failed_polls = 0
        self._poll_took_ns = boottime_ns() - began_ns
        if not isinstance(polled, list | RecordBatch | EndOfData | None):
            raise TypeError(
                f"poll() has returned a {type(polled).__name__}, not a list of SourceRecord, a RecordBatch, None or END"
            )
        return polled

    def _send(self, polled: list[SourceRecord] | RecordBatch) -> None:
        try:
            converted = self.conversion.convert(polled)
        except StopAsked:
            return  # in the midst of retries; what was polled is read again by the next process
        if self.delivered is not None:
            self.delivered.tell_dropped(polled, converted)
        if not self._queue(converted):
            return
        while not self.send_loop.push(min(LOOK_AGAIN_MS, max(1, self.offsets.due_in_ms()))):
            self.page.beat()
            self._flush_if_due()
            if self.orders.target is TargetState.STOPPED:
                return
        self._tell()
        self.send_loop.check()
        if converted.failure is not None:
            raise converted.failure

    def _queue(self, converted: Converted) -> bool:
        """Queue a converted batch; wait for its topic if that must be. False: the task is to stop."""
        began = time.monotonic()
        said: type[RetriableError] | None = None  # what was told to be waited for
        while True:
            try:
                count = converted.queue(self.send_loop)
                polled = count if converted.polled is None else converted.polled
                self.page.records_polled += polled
                if polled:
                    self.page.count_batch(polled, self._poll_took_ns)
                break
            except RetriableError as error:
                waited_s = time.monotonic() - began
                if isinstance(error, TopicMissing) and self.topics is not None:
                    self._create(self.topics, error.topic)
                # A broker that is away is waited for as long as it takes, as it is later on. A topic's name may be mistyped.
                if isinstance(error, TopicMissing) and waited_s > TOPIC_WITHIN_S:
                    raise SendError(
                        error.message, hint="create the topic, or allow the broker to: auto.create.topics.enable"
                    ) from error
                if waited_s > SAY_AFTER_S and said is not type(error):  # again where it waits for something else by now
                    logger.warning("Sending has to wait. %s", error)
                    self.channel.tell_state(State.RUNNING, f"{WAITING}: {error}")
                    said = type(error)
                self.page.beat()
                self.orders.wait(TOPIC_AGAIN_LATER_MS if waited_s > SAY_AFTER_S else TOPIC_AGAIN_MS)
                self.send_loop.poll(0)
                self._flush_if_due()
                if self.orders.target is TargetState.STOPPED:
                    return False
        if said is not None:
            logger.info("Sending goes on.", extra=facts(waited_s=round(time.monotonic() - began, 1)))
            self.channel.tell_state(State.RUNNING)
        return True

    def _create(self, topics: TopicCreator, missing: str) -> None:
        self.page.beat()
        try:
            topics.create(missing)
        except RetriableError as error:
            logger.warning("A topic is not created yet; trying on. %s", error)

    def _finish(self) -> None:
        """The source has ended: deliver and flush the rest, then say so."""
        while not self.send_loop.flush(LOOK_AGAIN_MS):
            self.page.beat()
            self.send_loop.check()
            self._flush_if_due()
            if self.stopping:
                return  # polled again when it goes on: it will say END once more
        self.send_loop.check()
        if not self.offsets.flush():
            return
        self._ended = True
        self.page.at_end = 1
        self.channel.tell_state(State.RUNNING, "the source has ended; all of it is delivered")

    def _pause(self) -> None:
        self.channel.tell_state(State.PAUSED)
        while self.orders.target is TargetState.PAUSED:
            self.page.beat()
            self._deliver(LOOK_AGAIN_MS)
            self._flush_if_due()
        if self.orders.target is TargetState.STARTED:
            self.channel.tell_state(State.RUNNING)

    def wait(self, wait_ms: int) -> bool:
        """Wait at most so long, deliver and flush meanwhile; True when the task is to stop or pause."""
        until = time.monotonic() + wait_ms / 1000
        while not self.stopping and (left := until - time.monotonic()) > 0:
            self.page.beat()
            self._deliver(max(1, int(left * 1000)))
            self._flush_if_due()
        return self.stopping

    def wait_for_retry(self, wait_ms: int) -> bool:
        """The same between retries in the midst of a batch, which a pause does not end; True when the task is to stop."""
        until = time.monotonic() + wait_ms / 1000
        while self.orders.target is not TargetState.STOPPED and (left := until - time.monotonic()) > 0:
            self.page.beat()
            self._deliver(max(1, int(left * 1000)))
            self._flush_if_due()
        return self.orders.target is TargetState.STOPPED

    def _deliver(self, wait_ms: int) -> None:
        """Read what the broker has acknowledged; sleep until there is something, at most so long and not beyond a flush."""
        self.send_loop.poll(0)
        self._tell()
        self.send_loop.check()
        if self.send_loop.in_flight or self.send_loop.committable or self.offsets.behind:
            wait_ms = min(wait_ms, max(1, self.offsets.due_in_ms()))
        self.orders.wait(min(wait_ms, LOOK_AGAIN_MS))
        self.send_loop.poll(0)

    def _flush_if_due(self) -> None:
        if self.offsets.flush_if_due():
            self.send_loop.pass_on_logs()
            self._silence.look()

    def _tell(self) -> None:
        self._tell_topics()
        if self.delivered is not None:
            self.delivered.tell()

    def _tell_topics(self) -> None:
        self._topics += self.send_loop.take_topics()
        if self._topics:  # those that find no room in the ring are told later
            self._topics = [topic for topic in self._topics if not self.channel.tell_topic(topic)]

    def drain(self, within_ms: int) -> bool:
        """Wait for what is in flight, at most so long, and flush the offsets of what is delivered."""
        until = time.monotonic() + within_ms / 1000
        while True:
            left_ms = int((until - time.monotonic()) * 1000)
            drained = self.send_loop.flush(max(0, min(left_ms, 100)))
            self.page.beat()
            if drained or left_ms <= 0 or self.send_loop.broken:
                break
        self._tell_topics()
        return self.offsets.flush() and drained
