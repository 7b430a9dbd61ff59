"""The loop of a sink task: fetch -> conversion -> put, and the offsets of what was put to the consumer group.

Everything of the task is called here, one call after the other: `put` and `pre_commit`, and between them `open` and `close`
when the group gives partitions or takes them. What starts the loop and what ends its process is in main.py.

Source of the rules: Kafka Connect's WorkerSinkTask.
"""

from __future__ import annotations

import logging
import re
import time
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Protocol, cast

from fastconnect._core import Fetched, FetchLoop, LeaseLost, StatusPage, boottime_ns
from fastconnect.api.sink_records import Decoder, SinkRecords, TopicPartition
from fastconnect.api.task import SinkTask
from fastconnect.errors import ConnectError, RetriableError, SendError
from fastconnect.logs import facts
from fastconnect.reports import TaskChannel
from fastconnect.states import State, TargetState
from fastconnect.task.job_end import JobEnd
from fastconnect.task.partitions import Partitions
from fastconnect.task.sink_context import SinkContext
from fastconnect.task.tolerance import StopAsked
from fastconnect.task.waiting import Orders

logger = logging.getLogger(__name__)

LOOK_AGAIN_MS = 500
"""The longest sleep: how late a target state set without a signal is noticed, and how often an idle task's put is called."""

ANSWER_MS = 10
"""How soon the answer to a commit is looked for: it wakes nobody."""

FEWEST_IN_A_BATCH = 500
"""A put gets at most so many records at first (Kafka Connect's max.poll.records), and never is held to fewer ..."""

MOST_IN_A_BATCH = 5_000
"""... but to twice as many each time that it was quick, up to these."""

QUICK_PUT_NS = 100_000_000
SLOW_PUT_NS = 1_000_000_000
"""A put that takes longer is given half as much next time: stops, pauses and rebalances wait for it."""

ANSWER_WITHIN_S = 30.0
"""How long the group's offsets are asked for before an assignment fails the task; meanwhile it stays a member."""

LEAVE_WITHIN_S = 2.0

TRY_COMMIT_AGAIN = ("REBALANCE_IN_PROGRESS", "_WAIT_COORD", "COORDINATOR_", "NOT_COORDINATOR", "_TRANSPORT")
"""Errors of a commit that are over when the group has settled."""


class Conversion(Decoder, Protocol):
    """What the loop needs of the converters and the chain: see conversion.SinkConversion."""

    @property
    def passes_raw(self) -> bool:
        """Whether the records may be decoded when the task looks at them."""
        ...


class Reports(Protocol):
    """The errant records on their way to the dead letter topic."""

    def flush(self, timeout_ms: int) -> bool:
        """Wait until all are safe."""
        ...


class Errant(Protocol):
    """The errant record reporter, which finds a record's message in the batch that it is from."""

    def put(self, batch: Fetched | None) -> None:
        """The task is given these messages now; None: no more."""
        ...


class Batch:
    """Records for a put, and up to where each partition is put with them."""

    def __init__(self, records: SinkRecords, ends: dict[TopicPartition, int], size: int) -> None:
        self.records = records
        self.ends = ends
        self.size = size
        self.handed_over = False

    def without(self, gone: Collection[TopicPartition]) -> Batch | None:
        """The batch without the records of these partitions; None if there are no others."""
        ends = {where: end for where, end in self.ends.items() if where not in gone}
        if len(ends) == len(self.ends):
            return self
        kept = [i for i, where in enumerate(self.records.topic_partitions) if where not in gone]
        if not ends:
            return None
        batch = Batch(self.records.select(kept), ends, self.size * len(kept) // max(1, len(self.records)))
        batch.handed_over = self.handed_over
        return batch


class SinkLoop:
    """Moves records of the group's partitions into one sink task until it is told to stop.

    Args:
        topics: what to read, or the pattern for the whole names of topics.
        reset: where to begin in a partition without a committed offset: `earliest`, `latest`, or `error`.
        batch_most: `max.poll.records` where it was set: a put never gets more.
        commit_interval_ms, commit_timeout_ms: how often offsets are committed, and when such a commit is given up.
        stop_within_ms: how long the last commit may take.
        reports: failed records on their way to the dead letter topic; offsets are not committed before they are safe.
        until_done: say so when the ends that were there at the start are put and committed.
    """

    def __init__(
        self,
        task: SinkTask[Any],
        conversion: Conversion,
        fetch_loop: FetchLoop,
        partitions: Partitions,
        orders: Orders,
        channel: TaskChannel,
        *,
        topics: Sequence[str] | re.Pattern[str],
        reset: str = "earliest",
        batch_most: int | None = None,
        commit_interval_ms: int = 1000,
        commit_timeout_ms: int = 5000,
        stop_within_ms: int = 5000,
        topics_again_ms: int = 30_000,
        reports: Reports | None = None,
        errant: Errant | None = None,
        until_done: bool = False,
    ) -> None:
        self.task = task
        self.conversion = conversion
        self.fetch_loop = fetch_loop
        self.partitions = partitions
        self.orders = orders
        self.channel = channel
        self.page: StatusPage = channel.page
        self.topics = topics
        self.reset = reset
        self.commit_timeout = commit_timeout_ms / 1000
        self.stop_within_ms = stop_within_ms
        self.reports = reports
        self.errant = errant
        self._job_end = JobEnd(fetch_loop) if until_done else None
        self._batch_most = batch_most or MOST_IN_A_BATCH
        self._batch_fewest = min(FEWEST_IN_A_BATCH, self._batch_most)
        self._batch_size = self._batch_fewest
        self._batches: deque[Batch] = deque()  # the first is the next to be put; more than one only while that fails
        self._retry_at: float | None = None
        self._held = False  # all partitions are paused: by order, or for a put that is tried again
        self._held_by_order = False
        self._commit_interval = commit_interval_ms / 1000
        self._next_commit = time.monotonic() + self._commit_interval
        self._commit_number = 0
        self._committing: dict[TopicPartition, int] | None = None
        self._commit_began = 0.0
        self._commits = True  # whether pre_commit gives offsets
        self._topics_again_s = topics_again_ms / 1000
        self._topics_at = 0.0
        self._subscribed: list[str] = []
        self._progress_at = 0.0

    # ---- what is asked of it ----

    @property
    def context(self) -> SinkContext:
        """The task's context, which the loop acts on."""
        context = self.task.context
        assert isinstance(context, SinkContext)
        return context

    @property
    def stopping(self) -> bool:
        """Whether the task is to stop or to pause."""
        return self.orders.target is not TargetState.STARTED

    def run(self) -> bool:
        """Go on until the target state is STOPPED, then commit, close and leave the group.

        Returns:
            False if the last commit has failed: what was put since the one before will be put again.
        Raises:
            Exception: whatever the task, a converter or the cluster has failed with; the partitions are closed, with no commit.
        """
        try:
            while (target := self.orders.target) is not TargetState.STOPPED:
                self.page.beat()
                self._hold_by_order(target is TargetState.PAUSED)
                self._turn()
        except StopAsked:
            pass  # in the midst of retries of a conversion: what was not put is read again by the next process
        except Exception as error:
            self._close_failed()
            if isinstance(error, ConnectError) and not error.retry_helps:
                self._leave()  # it does not come back: its partitions are for others
            raise
        self._publish_progress()
        committed = self._close(self.partitions.all, commit=True)
        self._leave()
        if not committed:
            logger.warning("Stopped with offsets that could not be committed; what was put since will be put again.")
        return committed

    # ---- one turn ----

    def _turn(self) -> None:
        self._subscribe_if_due()
        self._hear_of_commits()
        now = time.monotonic()
        if self._committing is None and (now >= self._next_commit or self.context.commit_requested):
            self._commit()
            self._next_commit = time.monotonic() + self._commit_interval
        self._rewind()
        fetched = self._fetch(self._wait_ms())
        self._answer_rebalances(fetched)
        if not self._batches or self._retry_at is None or time.monotonic() >= self._retry_at:
            self._put()
        for topic, number, end in self.fetch_loop.take_ends():
            partition = self.partitions.get(TopicPartition(topic, number))
            if partition is not None and not self._batches:
                partition.put(end)
        self._note_progress()

    def _wait_ms(self) -> int:
        """How long there is nothing to do but wait for records."""
        if self._batches and self._retry_at is None:
            return 0
        until = self._next_commit
        if self._retry_at is not None:
            until = min(until, self._retry_at)
        ending = self._job_end is not None and bool(self.context.finishing) and not self.page.at_end
        longest_ms = ANSWER_MS if ending or self._committing is not None else LOOK_AGAIN_MS
        return max(0, min(longest_ms, round((until - time.monotonic()) * 1000)))

    def _fetch(self, wait_ms: int) -> Fetched | None:
        fetched = self.fetch_loop.fetch(0, self._batch_size)
        if fetched is None and wait_ms > 0:
            self.orders.wait(wait_ms)
            fetched = self.fetch_loop.fetch(0, self._batch_size)
        return fetched

    def _take(self, fetched: Fetched) -> None:
        """Queue what was fetched for the next put, converted if it has to be."""
        count = len(fetched)
        self.page.records_polled += count
        ends: dict[TopicPartition, int] = {}
        strange: list[TopicPartition] = []
        for topic, number, end, _ in fetched.ends():
            where = TopicPartition(topic, number)
            if where in self.partitions:
                ends[where] = end
            else:
                strange.append(where)  # revoked meanwhile: another task's now
        if not ends:
            return
        size = fetched.size()
        if self.conversion.passes_raw:
            records = SinkRecords(fetched, self.conversion)
        else:
            records = SinkRecords(fetched, self.conversion, self.conversion.decode(fetched))
        batch = Batch(records, {**ends, **dict.fromkeys(strange, 0)}, size).without(strange)
        if batch is not None:
            self._batches.append(batch)

    # ---- put ----

    def _put(self) -> None:
        """Have the task take the next batch, or none at all."""
        self._check_lease()
        batch = self._batches[0] if self._batches else None
        count = 0 if batch is None else len(batch.records)
        began_ns = boottime_ns()
        if batch is not None and not batch.handed_over:
            batch.handed_over = True
            self.page.hand_over(count, batch.size)
        try:
            self.page.polls += 1
            if self.errant is not None:
                self.errant.put(None if batch is None else cast("Fetched", batch.records.messages))
            self.task.put(SinkRecords.none() if batch is None else batch.records)
        except RetriableError as error:
            self._retry_later(error)
            return
        finally:
            if self.errant is not None:
                self.errant.put(None)
        if batch is not None:
            took_ns = boottime_ns() - began_ns
            self.page.take_over(count, batch.size, began_ns)
            for where, end in batch.ends.items():
                partition = self.partitions.get(where)
                if partition is not None:
                    partition.put(end)
            self._batches.popleft()
            self._fit_batch_size(count, took_ns)
        if self._retry_at is not None:
            self._retry_at = None
            self._hold(self._held_by_order)

    def _fit_batch_size(self, count: int, took_ns: int) -> None:
        if took_ns > SLOW_PUT_NS:
            self._batch_size = max(self._batch_fewest, self._batch_size // 2)
        elif took_ns < QUICK_PUT_NS and count >= self._batch_size:
            self._batch_size = min(self._batch_most, self._batch_size * 2)

    def _retry_later(self, error: RetriableError) -> None:
        wait_ms, self.context.retry_ms = self.context.retry_ms, None
        again_s = self._commit_interval if wait_ms is None else wait_ms / 1000
        if self._retry_at is None:
            logger.warning("Put failed and is tried again. %s", error, extra=facts(wait_ms=round(again_s * 1000)))
        self._retry_at = time.monotonic() + again_s
        self.page.retries += 1
        self._hold(True)

    def _check_lease(self) -> None:
        lease = self.page.lease_until_ns
        if lease and boottime_ns() > lease:
            raise LeaseLost

    # ---- pause ----

    def _hold_by_order(self, wanted: bool) -> None:
        if wanted == self._held_by_order:
            return
        self._held_by_order = wanted
        self._hold(wanted or self._retry_at is not None)
        self.context.commit_requested = True
        self.channel.tell_state(State.PAUSED if wanted else State.RUNNING)

    def _hold(self, wanted: bool) -> None:
        """Pause all partitions, or resume those that the task itself has not paused; membership goes on."""
        if wanted == self._held:
            return
        self._held = wanted
        if wanted:
            self._pause(self.partitions.all)
        else:
            self._resume([where for where in self.partitions.all if not self.partitions[where].paused])

    def set_paused(self, partitions: Sequence[TopicPartition], paused: bool) -> None:
        """The task wants records of these partitions no more, or again."""
        for where in partitions:
            self.partitions[where].paused = paused
        if not self._held:
            (self._pause if paused else self._resume)(partitions)

    def _pause(self, partitions: Sequence[TopicPartition]) -> None:
        if partitions:
            self.fetch_loop.pause(partitions)

    def _resume(self, partitions: Sequence[TopicPartition]) -> None:
        if partitions:
            self.fetch_loop.resume(partitions)

    # ---- rewind ----

    def _rewind(self) -> None:
        """Go where the task has asked to go."""
        rewinds = self.context.rewinds
        if not rewinds:
            return
        wanted = {where: offset for where, offset in rewinds.items() if where in self.partitions}
        for where in rewinds.keys() - wanted.keys():
            logger.warning("A rewind of a partition that is not this task's is ignored.", extra=facts(partition=where))
        rewinds.clear()
        self._seek(wanted)
        for where, offset in wanted.items():
            self.partitions[where].rewind(offset)

    def _seek(self, offsets: dict[TopicPartition, int]) -> None:
        if not offsets:
            return
        self._forget(offsets)
        self._through(lambda: self.fetch_loop.seek([(*where, offset) for where, offset in offsets.items()]))

    def _forget(self, partitions: Collection[TopicPartition]) -> None:
        """Drop the records of these partitions that wait for a put."""
        kept = [batch.without(partitions) for batch in self._batches]
        self._batches = deque(batch for batch in kept if batch is not None)
        if not self._batches and self._retry_at is not None:
            self._retry_at = None
            self._hold(self._held_by_order)

    def _through(self, ask: Any) -> Any:
        """Ask the cluster again while it has no answer yet."""
        until = time.monotonic() + ANSWER_WITHIN_S
        while True:
            try:
                return ask()
            except RetriableError as error:
                if time.monotonic() > until or self.orders.target is TargetState.STOPPED:
                    raise SendError(error.message) from error
                self.page.beat()
                self.orders.wait(20)

    # ---- commit ----

    def _commit(self) -> None:
        """Ask the task what may be committed, and begin to commit it."""
        self.context.commit_requested = False
        if self._job_end is not None and self._job_end.own_are_put(self.partitions):
            self.context.finishing = frozenset(self.partitions.all)
        offsets = self._pre_commit(self.partitions.all, closing=False)
        if offsets:
            self._commit_number += 1
            self._committing = offsets
            self._commit_began = time.monotonic()
            self.fetch_loop.commit([(*where, offset) for where, offset in offsets.items()], self._commit_number)

    def _pre_commit(self, partitions: Collection[TopicPartition], *, closing: bool) -> dict[TopicPartition, int]:
        """What is to be committed of these partitions; nothing if that is nothing new, or if the task's flush has failed."""
        put = self.partitions.delivered(partitions)
        if not put:
            return {}
        if self.reports is not None and not self.reports.flush(self.stop_within_ms):
            logger.warning("Offsets are not committed yet: the dead letters before them are not acknowledged.")
            if closing:
                raise _FlushFailedError
            return {}
        try:
            wanted = self.task.pre_commit(dict(put))
        except LeaseLost:
            raise
        except Exception as error:
            self.page.offset_flush_failures += 1
            if closing:
                logger.error("Flush failed at the end; what is not committed is put again. %s", _named(error), exc_info=error)
                raise _FlushFailedError from error
            logger.error("Flush failed; all since the last commit is put again. %s", _named(error), exc_info=error)
            self._go_back(partitions)
            return {}
        self._commits = bool(wanted)
        offsets, refused = self.partitions.to_commit({TopicPartition(*where): offset for where, offset in wanted.items()}, put)
        for sentence in refused:
            logger.warning("An offset from pre_commit is ignored: %s.", sentence)
        return offsets

    def _go_back(self, partitions: Collection[TopicPartition]) -> None:
        back = {where: offset for where in partitions if (offset := self.partitions[where].committed) is not None}
        self._seek(back)
        for where, offset in back.items():
            self.partitions[where].rewind(offset)

    def _hear_of_commits(self) -> None:
        for number, failure in self.fetch_loop.take_commits():
            self._end_commit(number, failure)
        if self._committing is not None and time.monotonic() - self._commit_began > self.commit_timeout:
            logger.error("Commit took too long and is given up; the next one has its offsets too.")
            self.page.offset_flush_failures += 1
            self._committing = None
            self._commit_number += 1  # should the answer still come, it is an answer to nothing

    def _end_commit(self, number: int, failure: str | None) -> bool:
        """Take the answer to a commit; whether that was the one that is waited for, and it is done."""
        if self._committing is None or number != self._commit_number:
            return False
        offsets, self._committing = self._committing, None
        if failure is not None:
            self.page.offset_flush_failures += 1
            logger.error("Offsets could not be committed; the next commit has them too.", extra=facts(reason=failure))
            return False
        self.page.records_flushed += self.partitions.committed(offsets)
        self.page.offset_flushes += 1
        return True

    def _commit_and_wait(self, offsets: dict[TopicPartition, int], within_ms: int) -> bool:
        until = time.monotonic() + within_ms / 1000
        while offsets:
            self._commit_number += 1
            self._committing = offsets
            self.fetch_loop.commit([(*where, offset) for where, offset in offsets.items()], self._commit_number)
            failure = self._answer_to(self._commit_number, until)
            if failure is None:
                return self._end_commit(self._commit_number, None)
            if time.monotonic() > until or not failure.startswith(TRY_COMMIT_AGAIN):
                self._end_commit(self._commit_number, failure)
                return False
            self.page.beat()
            self.orders.wait(50)
        return True

    def _answer_to(self, number: int, until: float) -> str | None:
        while (left_ms := round((until - time.monotonic()) * 1000)) > 0:
            for answered, failure in self.fetch_loop.take_commits(min(left_ms, LOOK_AGAIN_MS)):
                if answered == number:
                    return failure
            self.page.beat()
        return "no answer in time"

    # ---- the group ----

    def _subscribe_if_due(self) -> None:
        """Subscribe to the topics; to those of a pattern again and again, since they come and go."""
        if time.monotonic() < self._topics_at:
            return
        self._topics_at = time.monotonic() + self._topics_again_s
        pattern = self.topics
        if isinstance(pattern, re.Pattern):
            try:
                wanted = sorted(name for name in self.fetch_loop.existing_topics() if _is_read(pattern, name))
            except RetriableError as error:
                logger.warning("The topics are not known: %s", error)
                self._topics_at = time.monotonic() + 1
                return
        else:
            wanted = list(pattern)
            self._topics_at = float("inf")
        if wanted != self._subscribed:
            logger.info("Reading topics.", extra=facts(topics=",".join(wanted)))
            self._begin_job(wanted)
            self.fetch_loop.subscribe(wanted)
            self._subscribed = wanted
        elif not wanted and self._job_end is not None and not self._job_end.begun:
            self._begin_job(wanted)

    def _begin_job(self, topics: list[str]) -> None:
        job_end = self._job_end
        if job_end is not None and not job_end.begun:
            self._through(lambda: job_end.begin(topics))

    def _answer_rebalances(self, fetched: Fetched | None) -> None:
        """Do what the group has decided, then queue what was fetched of partitions that are still the task's."""
        for what, pairs in self.fetch_loop.take_rebalance():
            some = [TopicPartition(*pair) for pair in pairs]
            if self._job_end is not None:
                self._job_end.changed()
            if what == "assign":
                self._open(some)
            else:
                own = [where for where in some if where in self.partitions]
                self._close(own, commit=what == "revoke")
                self.fetch_loop.unassign(some)
                self._say("Partitions are given up." if what == "revoke" else "Partitions are lost.", some)
        if fetched is not None:
            self._take(fetched)

    def _open(self, some: list[TopicPartition]) -> None:
        positions = self._positions(some)
        for where in some:
            self.partitions.add(where, positions[where])
        if some:
            self.task.open(some)
        rewinds = self.context.rewinds
        for where in some:
            if where in rewinds:
                self.partitions[where].rewind(rewinds.pop(where))
        paused = [where for where in some if self._held or self.partitions[where].paused]
        self.fetch_loop.assign([(*where, self.partitions[where].delivered) for where in some])
        self._pause(paused)
        self._say("Partitions are assigned.", some)

    def _say(self, sentence: str, some: Iterable[TopicPartition]) -> None:
        names = [str(where) for where in some]
        if names:
            shown = ",".join(names[:20]) + (f",...{len(names) - 20} more" if len(names) > 20 else "")
            logger.info(sentence, extra=facts(partitions=shown, now=len(self.partitions)))

    def _positions(self, some: list[TopicPartition]) -> dict[TopicPartition, int | None]:
        """Where to begin: at the committed offset, else where `auto.offset.reset` says."""
        positions: dict[TopicPartition, int | None] = {}
        if not some:
            return positions
        for topic, number, offset in self._through(lambda: self.fetch_loop.committed(some)):
            where = TopicPartition(topic, number)
            positions[where] = offset
            if offset is None and self.reset != "error":
                first, end = self._through(lambda where=where: self.fetch_loop.watermarks(*where))
                positions[where] = first if self.reset == "earliest" else end
        return positions

    def _close(self, some: list[TopicPartition], *, commit: bool) -> bool:
        """Close partitions of the task, with a commit before if they are still the task's to commit.

        Returns:
            Whether all that was put of them is committed, as far as the task wants that.
        """
        committed = True
        if not some:
            return committed
        if commit:
            self.context.finishing |= frozenset(some)
            try:
                offsets = self._pre_commit(some, closing=True)
                committed = self._commit_and_wait(offsets, min(round(self.commit_timeout * 1000), self.stop_within_ms))
            except _FlushFailedError:
                committed = False
        self.task.close(some)
        self.context.finishing -= frozenset(some)
        self._forget(some)
        self.partitions.remove(some)
        return committed

    def _close_failed(self) -> None:
        """After a failure: nothing is committed, for nobody knows what of the last put has come through."""
        some = self.partitions.all
        if some:
            try:
                self.task.close(some)
            except Exception as error:
                logger.warning("Closing the partitions failed too. %s", _named(error))
            self.partitions.remove(some)

    def _leave(self) -> None:
        """Leave the group, so that the partitions go to others at once and not when the session has ended."""
        until = time.monotonic() + LEAVE_WITHIN_S
        try:
            self.fetch_loop.unsubscribe()
            while self.fetch_loop.member_id and time.monotonic() < until:
                self.fetch_loop.fetch(5)
                for what, pairs in self.fetch_loop.take_rebalance():
                    if what == "assign":
                        self.fetch_loop.assign([(*pair, None) for pair in pairs])
                    else:
                        self.fetch_loop.unassign(pairs)
        except Exception as error:
            logger.warning("The group could not be left: it waits for this task until its session ends. %s", _named(error))

    # ---- how far ----

    def _note_progress(self) -> None:
        now = time.monotonic()
        if now >= self._progress_at:
            self._progress_at = now + 0.1
            self._publish_progress()
            self.fetch_loop.pass_on_logs()
        if self._job_end is not None and not self.page.at_end:
            self._look_for_end(self._job_end)

    def _publish_progress(self) -> None:
        known = self.fetch_loop.known_ends(self.partitions.all)
        self.page.source_position, self.page.source_end = self.partitions.progress(known)

    def _look_for_end(self, job_end: JobEnd) -> None:
        if self._batches or self._committing is not None or not job_end.own_are_put(self.partitions):
            return
        every = frozenset(self.partitions.all)
        if not every <= self.context.finishing:
            self.context.finishing = every
            self.context.commit_requested = True
        elif job_end.all_is_committed(commits=self._commits):
            self.page.at_end = 1
            self.channel.tell_state(State.RUNNING, "all that was there at the start is put and committed")


class _FlushFailedError(Exception):
    """The task's flush has failed as its partitions were closed."""


def _is_read(pattern: re.Pattern[str], topic: str) -> bool:
    # As Kafka's clients with exclude.internal.topics, which is on by default.
    return topic not in ("__consumer_offsets", "__transaction_state") and pattern.fullmatch(topic) is not None


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
