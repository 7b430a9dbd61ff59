"""The loop of a sink task: fetch -> conversion -> put, and the offsets of what was put to the consumer group.

Everything of the task is called here, one call after the other: `put` and `pre_commit`, and between them `open` and `close`
when the group gives partitions or takes them. What starts the loop and what ends its process is in main.py.

Source of the rules: Kafka Connect's WorkerSinkTask.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Protocol, cast

from fastconnect._core import Fetched, FetchLoop, LeaseLost, StatusPage, boottime_ns
from fastconnect.api.sink_records import SinkRecords, TopicPartition
from fastconnect.api.task import SinkTask
from fastconnect.errors import ConnectError, RetriableError
from fastconnect.logs import facts
from fastconnect.reports import TaskChannel
from fastconnect.states import State, TargetState
from fastconnect.task.job_end import JobEnd
from fastconnect.task.partitions import Partitions
from fastconnect.task.sink_batch import Batch, Batches, Conversion
from fastconnect.task.sink_commits import Commits
from fastconnect.task.sink_context import SinkContext
from fastconnect.task.sink_group import Membership
from fastconnect.task.sink_topics import TopicsUsed
from fastconnect.task.tolerance import StopAsked
from fastconnect.task.waiting import Orders

logger = logging.getLogger(__name__)

LOOK_AGAIN_MS = 500
"""The longest sleep: how late a target state set without a signal is noticed, and how often an idle task's put is called."""

ANSWER_MS = 10
"""How often a job that is about to end looks whether the rest of its group is done, too: that wakes nobody."""


class Reports(Protocol):
    """The errant records on their way to the dead letter topic."""

    def flush(self, timeout_ms: int) -> bool:
        """Wait until all are safe."""
        ...


class Errant(Protocol):
    """The errant record reporter, which finds a record's message in the batch that it is from."""

    failure: ConnectError | None
    """A report that the task is to fail for, also if it went on."""

    def put(self, batch: Fetched | None) -> None:
        """The task is given these messages now; None: no more."""
        ...


class SinkLoop:
    """Moves records of the group's partitions into one sink task until it is told to stop.

    Args:
        topics: what to read, or the pattern for the whole names of topics.
        reset: where to begin in a partition without a committed offset: `earliest`, `latest`, or `error`.
        batch_most: `max.poll.records` where it was set: a put never gets more.
        commit_interval_ms, commit_timeout_ms: how often offsets are committed, and when such a commit is given up.
        stop_within_ms: how long the last commit may take.
        reports: failed records on their way to the dead letter topic; offsets are not committed before they are safe.
        last_try: a task that fails is not started again.
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
        last_try: bool = False,
        until_done: bool = False,
    ) -> None:
        self.task = task
        self.conversion = conversion
        self.fetch_loop = fetch_loop
        self.partitions = partitions
        self.orders = orders
        self.channel = channel
        self.page: StatusPage = channel.page
        self.group = Membership(fetch_loop, channel.page, orders, topics=topics, reset=reset, topics_again_ms=topics_again_ms)
        self.commits = Commits(fetch_loop, partitions, channel.page, orders, commit_timeout_ms)
        self.stop_within_ms = stop_within_ms
        self.reports = reports
        self.errant = errant
        self.last_try = last_try
        self._job_end = JobEnd(fetch_loop) if until_done else None
        self._batches = Batches(batch_most)
        self._retry_at: float | None = None
        self._held = False  # all partitions are paused: by order, or for a put that is tried again
        self._held_by_order = False
        self._commit_interval = commit_interval_ms / 1000
        self._next_commit = time.monotonic() + self._commit_interval
        self._gives_offsets = True  # whether pre_commit does
        self._progress_at = 0.0
        self._topics = TopicsUsed(channel)

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
            if self.last_try or (isinstance(error, ConnectError) and not error.retry_helps):
                self.group.leave()  # it does not come back: its partitions are for others
            raise
        self._publish_progress()
        committed = self._close(self.partitions.all, commit=True)
        self.group.leave()
        if not committed:
            logger.warning("Stopped with offsets that could not be committed; what was put since will be put again.")
        return committed

    # ---- one turn ----

    def _turn(self) -> None:
        self.group.subscribe_if_due(self._begin_job)
        self.commits.hear()
        now = time.monotonic()
        if not self.commits.busy and (now >= self._next_commit or self.context.commit_requested):
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
        until = min(self._next_commit, self.group.look_at)
        if self._retry_at is not None:
            until = min(until, self._retry_at)
        ending = self._job_end is not None and bool(self.context.finishing) and not self.page.at_end
        longest_ms = ANSWER_MS if ending else LOOK_AGAIN_MS
        return max(0, min(longest_ms, round((until - time.monotonic()) * 1000)))

    def _fetch(self, wait_ms: int) -> Fetched | None:
        fetched = self.fetch_loop.fetch(0, self._batches.size)
        if fetched is None and wait_ms > 0:
            self.orders.wait(wait_ms)
            fetched = self.fetch_loop.fetch(0, self._batches.size)
        return fetched

    # ---- put ----

    def _put(self) -> None:
        """Have the task take the next batch, or none at all."""
        self._check_lease()
        batch = self._batches.first
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
        if self.errant is not None and self.errant.failure is not None:
            raise self.errant.failure  # whatever the task has made of it
        if batch is not None:
            self.page.take_over(count, batch.size, began_ns)
            for where, end in batch.ends.items():
                partition = self.partitions.get(where)
                if partition is not None:
                    partition.put(end)
            took_ns = boottime_ns() - began_ns
            self.page.count_batch(count, took_ns)
            self._batches.put(took_ns)
        if self._retry_at is not None:
            self._retry_at = None
            self._hold(self._held_by_order)

    def _retry_later(self, error: RetriableError) -> None:
        wait_ms, self.context.retry_ms = self.context.retry_ms, None
        again_s = self._commit_interval if wait_ms is None else wait_ms / 1000
        if self._retry_at is None:
            logger.warning("Put failed and is tried again. %s", error, extra=facts(wait_ms=round(again_s * 1000)))
        self._retry_at = time.monotonic() + again_s
        self.page.retries += 1
        self._hold(True)

    def _check_lease(self) -> None:
        if self.page.lease_is_over:
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
        self.group.seek(offsets)

    def _forget(self, partitions: Collection[TopicPartition]) -> None:
        """Drop the records of these partitions that wait for a put."""
        self._batches.forget(partitions)
        if not self._batches and self._retry_at is not None:
            self._retry_at = None
            self._hold(self._held_by_order)

    # ---- commit ----

    def _commit(self) -> None:
        """Ask the task what may be committed, and begin to commit it."""
        self.context.commit_requested = False
        if self._job_end is not None and self._job_end.own_are_put(self.partitions):
            self.context.finishing = frozenset(self.partitions.all)
        offsets = self._pre_commit(self.partitions.all, closing=False)
        if offsets:
            self.commits.begin(offsets)
        else:
            self.page.add("commits_skipped")

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
        self._gives_offsets = bool(wanted)
        offsets, refused = self.partitions.to_commit({TopicPartition(*where): offset for where, offset in wanted.items()}, put)
        for sentence in refused:
            logger.warning("An offset from pre_commit is ignored: %s.", sentence)
        return offsets

    def _go_back(self, partitions: Collection[TopicPartition]) -> None:
        back = {where: offset for where in partitions if (offset := self.partitions[where].committed) is not None}
        self._seek(back)
        for where, offset in back.items():
            self.partitions[where].rewind(offset)

    # ---- the group ----

    def _begin_job(self, topics: list[str]) -> None:
        job_end = self._job_end
        if job_end is not None and not job_end.begun:
            self.group.insist(lambda: job_end.begin(topics))

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
                self.page.put("partitions", len(self.partitions))
                self._say("Partitions are given up." if what == "revoke" else "Partitions are lost.", some)
        if fetched is not None:
            self.page.records_polled += len(fetched)
            batch = Batch.of(fetched, self.conversion, self.partitions)
            self._batches.add(batch)
            if batch is not None:
                self._topics.tell(where.topic for where in batch.ends)

    def _open(self, some: list[TopicPartition]) -> None:
        positions = self.group.positions(some)
        for where in some:
            self.partitions.add(where, positions[where])
        self.page.put("partitions", len(self.partitions))
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
                committed = self.commits.commit_and_wait(offsets, min(self.commits.timeout_ms, self.stop_within_ms))
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
        if self._batches or self.commits.busy or not job_end.own_are_put(self.partitions):
            return
        every = frozenset(self.partitions.all)
        if not every <= self.context.finishing:
            self.context.finishing = every
            self.context.commit_requested = True
        elif job_end.all_is_committed(commits=self._gives_offsets):
            self.page.at_end = 1
            self.channel.tell_state(State.RUNNING, "all that was there at the start is put and committed")


class _FlushFailedError(Exception):
    """The task's flush has failed as its partitions were closed."""


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
