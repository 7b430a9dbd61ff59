"""Retry, skip or fail: what becomes of a record that cannot be converted or transformed.

The work is done on a batch at once. Only where that fails is the batch divided, until the records that fail are alone; they are
tried again while `errors.retry.timeout` lasts, then skipped or the end of the task, as `errors.tolerance` says.

Source: Kafka Connect's RetryWithToleranceOperator.
"""

from __future__ import annotations

import logging
import random
import time
import traceback
from collections.abc import Callable, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import Protocol, TypeVar

from fastconnect._core import StatusPage
from fastconnect.config.error_handling import ErrorSettings
from fastconnect.errors import ConfigError, ConnectError, DataError, OffsetStoreError, RetriableError, SendError
from fastconnect.logs import facts
from fastconnect.states import TaskId
from fastconnect.task.origin import Origin

logger = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_DELAY_MS = 300  # RetryWithToleranceOperator.RETRIES_DELAY_MIN_MS


class Stage(StrEnum):
    """Where on its way a record has failed; the names are Kafka Connect's."""

    TASK_POLL = "TASK_POLL"
    TRANSFORMATION = "TRANSFORMATION"
    KEY_CONVERTER = "KEY_CONVERTER"
    VALUE_CONVERTER = "VALUE_CONVERTER"
    HEADER_CONVERTER = "HEADER_CONVERTER"
    KAFKA_PRODUCE = "KAFKA_PRODUCE"
    KAFKA_CONSUME = "KAFKA_CONSUME"
    TASK_PUT = "TASK_PUT"


class Failure:
    """One record that failed for good: where on its way, by which plugin's doing, and why.

    Args:
        by: the plugin's class name, as a config names it.
        row: which record of `origin` it is.
    """

    def __init__(self, stage: Stage, by: str, error: BaseException, origin: Origin, row: int) -> None:
        self.stage = stage
        self.by = by
        self.error = error
        self.origin = origin
        self.row = row


class ToleranceExceeded(ConnectError):  # noqa: N818 - as Kafka Connect calls it
    """A record has failed and errors.tolerance is `none`; `failure` says which and why."""

    def __init__(self, failure: Failure) -> None:
        error = failure.error
        what = error.message if isinstance(error, ConnectError) else f"{type(error).__name__}: {error}"
        hint = error.hint if isinstance(error, ConnectError) else None
        super().__init__(
            f"Tolerance exceeded in error handler: {what}",
            where=f"{failure.stage} with class {failure.by}, {failure.origin.where(failure.row)}",
            hint=f"{hint}; " * (hint is not None) + "errors.tolerance=all skips such records",
        )
        self.failure = failure
        # A bad record is as bad the next time; what else went wrong may be over then.
        self.retry_helps = not isinstance(error, DataError | ConfigError)


class StopAsked(Exception):  # noqa: N818 - what has happened, not what went wrong
    """The task is to stop in the midst of retries: the batch is given up, and read again by the next process."""


class _StillFailing(Exception):  # noqa: N818
    """A try again has failed, too, and there will be no other."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class ContractBroken(ConnectError):  # noqa: N818 - what has happened, not what went wrong
    """A transform or predicate has given back what none may: no record is to blame, and none is skipped for it."""

    retry_helps = False


class Reporter(Protocol):
    """Takes every record that failed for good."""

    def report(self, failure: Failure) -> None:
        """Take one."""
        ...


class LogReporter:
    """Writes a line a failed record, as Kafka Connect's errors.log.enable.

    Args:
        page: counts them.
        with_messages: say which record it was (of a source: show it).
    """

    def __init__(self, task: TaskId, page: StatusPage, *, with_messages: bool) -> None:
        self._task = task
        self._page = page
        self._with_messages = with_messages

    def report(self, failure: Failure) -> None:
        """Log one failed record, with the trace of its error."""
        self._page.add("errors_logged")
        message = f", {failure.origin.in_log(failure.row)}" if self._with_messages else ""
        logger.error(
            "Error encountered in task %s. Executing stage '%s' with class '%s'%s.",
            f"{self._task.connector}-{self._task.task}",
            failure.stage,
            failure.by,
            message,
            exc_info=failure.error,
        )


class Tolerance:
    """Does work on batches of records and settles what becomes of those that fail.

    Args:
        wait: waits so many milliseconds at most; True when the task is to stop.
        page: counts the records that are skipped.
    """

    def __init__(
        self,
        settings: ErrorSettings,
        *,
        reporters: Sequence[Reporter] = (),
        wait: Callable[[int], bool] | None = None,
        page: StatusPage | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.reporters = reporters
        self._wait = wait or _sleep
        self._page = page
        self._clock = clock

    def attempt(
        self, stage: Stage, by: str, origin: Origin, rows: Sequence[int], call: Callable[[slice], T]
    ) -> list[tuple[slice, T]]:
        """Do one stage's work on the records that are these rows of `origin`.

        Args:
            call: does it for the records in a slice of `rows`; an error may say by its `index` which of them it is about.
        Returns:
            The slices in order, with what came of each; what was skipped is in none of them.
        Raises:
            ToleranceExceeded: a record failed, and failures are not tolerated. It is not reported yet (`report`).
            ContractBroken: a plugin is wrong, not a record.
            StopAsked: the task is to stop.
        """
        every = slice(0, len(rows))
        try:
            return [(every, call(every))]
        except ContractBroken:
            raise
        except Exception as error:
            return self._in_parts(stage, by, origin, rows, call, error)

    def _in_parts(
        self,
        stage: Stage,
        by: str,
        origin: Origin,
        rows: Sequence[int],
        call: Callable[[slice], T],
        first_error: Exception,
    ) -> list[tuple[slice, T]]:
        done: list[tuple[slice, T]] = []
        waiting: list[tuple[int, int, Exception | None]] = [(0, len(rows), first_error)]
        may_retry = True  # what fails all of a batch is waited for once, not for each of its records
        while waiting:
            start, stop, error = waiting.pop()
            part = slice(start, stop)
            if error is None:
                try:
                    done.append((part, call(part)))
                    continue
                except ContractBroken:
                    raise
                except Exception as failed:
                    error = failed
            alone = stop - start == 1
            if alone:
                self.count()
            bad = start + index if isinstance(index := getattr(error, "index", None), int) else -1
            named = start <= bad < stop
            if isinstance(error, RetriableError) and may_retry and (alone or not named):
                try:
                    done.append((part, self._again(stage, part, call, error)))
                    continue
                except _StillFailing as still:
                    error = still.error
                    may_retry = alone
            if alone:
                self.settle(Failure(stage, by, error, origin, rows[start]))
                continue
            cuts = [start, bad, bad + 1, stop] if named else [start, (start + stop) // 2, stop]
            waiting += reversed([(begin, end, None) for begin, end in pairwise(cuts) if begin < end])
        return done

    def _again(self, stage: Stage, part: slice, call: Callable[[slice], T], error: Exception) -> T:
        """Try what has failed once again and again, while errors.retry.timeout lasts.

        Raises:
            _StillFailing: it has failed for good.
        """
        timeout_ms = self.settings.errors_retry_timeout
        deadline = self._clock() + timeout_ms / 1000 if timeout_ms >= 0 else None
        tries = 1
        while isinstance(error, RetriableError) and (deadline is None or self._clock() < deadline):
            delay_ms = self.delay_ms(tries)
            if deadline is not None:
                delay_ms = min(delay_ms, round((deadline - self._clock()) * 1000))
            if tries == 1:
                logger.warning("A record has failed and is tried again. %s", error, extra=facts(stage=stage))
            if self._wait(max(1, delay_ms)):
                raise StopAsked
            tries += 1
            if self._page is not None:
                self._page.add("record_retries")
            try:
                return call(part)
            except ContractBroken:
                raise
            except Exception as again:
                error = again
                self.count()
        raise _StillFailing(error)

    def settle(self, failure: Failure) -> None:
        """Skip a record that has failed for good, if that is tolerated.

        Raises:
            ToleranceExceeded: it is not.
        """
        if self.settings.errors_tolerance == "none":
            if self._page is not None:
                self._page.add("record_errors")
            raise ToleranceExceeded(failure) from failure.error
        self.skip(failure)

    def delay_ms(self, tries: int) -> int:
        """How long to wait after so many tries, in milliseconds; at random below errors.retry.delay.max.ms once it is above."""
        delay_ms = FIRST_DELAY_MS << min(tries - 1, 40)
        most = self.settings.errors_retry_delay_max_ms
        return delay_ms if delay_ms <= most else random.randrange(max(1, most))  # noqa: S311 - spreads retries, guards nothing

    def skip(self, failure: Failure) -> None:
        """Report a record and count it as skipped."""
        self.report(failure)
        if self._page is not None:
            self._page.records_skipped += 1

    def count(self, *, for_good: bool = False) -> None:
        """Count a failed try, and whether the task fails for it."""
        if self._page is not None:
            self._page.count_error(for_good)

    def report(self, failure: Failure) -> None:
        """Have a failed record logged, and written to the dead letter topic, as the config asks."""
        for reporter in self.reporters:
            reporter.report(failure)


def _sleep(wait_ms: int) -> bool:
    time.sleep(wait_ms / 1000)
    return False


_JAVA_CLASSES: tuple[tuple[type[BaseException], str], ...] = (
    (DataError, "org.apache.kafka.connect.errors.DataException"),
    (ConfigError, "org.apache.kafka.common.config.ConfigException"),
    (OffsetStoreError, "org.apache.kafka.connect.errors.RetriableException"),
    (RetriableError, "org.apache.kafka.connect.errors.RetriableException"),
    (SendError, "org.apache.kafka.common.KafkaException"),
    (ConnectError, "org.apache.kafka.connect.errors.ConnectException"),
)


def exception_class(error: BaseException) -> str:
    """The class of an error as the headers of dead letters name it: Kafka Connect's for ours, else Python's own."""
    for cls, name in _JAVA_CLASSES:
        if isinstance(error, cls):
            return name
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def exception_message(error: BaseException) -> str | None:
    """What an error says, None for nothing."""
    return (error.message if isinstance(error, ConnectError) else str(error)) or None


def stack_trace(error: BaseException) -> str:
    """An error's trace: Java's first line (class: message), then Python's frames."""
    message = exception_message(error)
    first = exception_class(error) + (f": {message}" if message is not None else "")
    return f"{first}\n{''.join(traceback.format_exception(error))}"
