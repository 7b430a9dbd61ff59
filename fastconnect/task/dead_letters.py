"""Where records go that could not be converted, transformed, sent or put: the dead letter topic, the log.

A dead letter is the record as it came, with headers that say where it is from and what was wrong with it, as Kafka Connect's
dead letter queue. Kafka Connect has one for sinks only; here sources have one too: their records' place is told by the headers
`__connect.errors.source.partition` and `.source.offset`, and `.topic` is where the record was to go.

No offset is passed before the dead letters in front of it are acknowledged: see `DeadLetters.flush`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from fastconnect import masking
from fastconnect._core import BatchTooLarge, Fetched, LeaseLost, SendLoop, StatusPage, StatusRegion, TopicMissing
from fastconnect.api.record import CountOffsets, RecordBatch
from fastconnect.api.sink_records import SinkRecord
from fastconnect.config.error_handling import ErrorSettings
from fastconnect.config.task_clients import admin_properties, producer_properties
from fastconnect.config.worker import WorkerConfig
from fastconnect.errors import ConnectError, RetriableError, SendError
from fastconnect.logs import facts
from fastconnect.states import TaskId
from fastconnect.task.conversion import Converters
from fastconnect.task.origin import DeadLetter, FetchedOrigin, Origin, RawHeader, raw_of
from fastconnect.task.sink_conversion import SinkConversion
from fastconnect.task.tolerance import (
    Failure,
    LogReporter,
    Reporter,
    Stage,
    ToleranceExceeded,
    exception_class,
    exception_message,
    stack_trace,
)
from fastconnect.task.topics import create_topic

logger = logging.getLogger(__name__)

PREFIX = "__connect.errors."

_PRODUCER = {
    "linger.ms": "5",  # a dead letter is waited for before offsets go on
    "batch.size": "100000",  # small against any topic's max.message.bytes, so that only a letter itself can be too large
    "allow.auto.create.topics": "false",
}
_CLOSE_MS = 5_000


class DeadLetters:
    """Writes failed records to the dead letter topic, by a producer of its own.

    Args:
        client: librdkafka's settings of the producer.
        page: the task's.
        with_context: add the headers that say what was wrong.
    """

    def __init__(self, client: Mapping[str, str], topic: str, task: TaskId, page: StatusPage, *, with_context: bool) -> None:
        self._task_page = page
        self.topic = topic
        self.task = task
        self.with_context = with_context
        self.written = 0
        self.acked = 0
        # Dead letters are not the task's records: they are counted apart from them.
        self._page = StatusRegion(1, 4096).page(0)
        self._page.reset(1)
        own = {**client, **_PRODUCER}
        most = int(own.pop("queue.buffering.max.messages", "10000"))
        own.pop("queue.buffering.max.kbytes", None)
        self._send_loop = SendLoop(own, self._page, most_in_flight=most, skip_failed_records=True)
        self._lost = 0

    def open(self, create: Callable[[], None], timeout_ms: int = 30_000) -> None:
        """Find the topic, or create it; a broker that does not answer yet is waited for.

        Raises:
            ConnectError: it is not there and cannot be created, or not be written to.
        """
        until = time.monotonic() + timeout_ms / 1000
        created = False
        try:
            while True:
                try:
                    self._send_loop.learn(self.topic)
                    return
                except RetriableError as error:
                    if time.monotonic() > until:
                        raise
                    if isinstance(error, TopicMissing) and not created:
                        create()
                        created = True
                time.sleep(0.02)
        except ConnectError as error:
            raise ConnectError(
                f"Could not initialize dead letter queue with topic={self.topic}: {error.message}",
                where=f"task {self.task}",
                hint=error.hint or "create the topic, or let the task's principal describe and write to it",
            ) from error

    def report(self, failure: Failure) -> None:
        """Write one record; it is sent at once, and acknowledged later.

        Raises:
            SendError: the topic refuses all that is written to it.
        """
        letter = failure.origin.dead_letter(failure.row)
        headers = [*letter.headers, *(self._context(failure, letter) if self.with_context else ())]
        batch = RecordBatch.raw(
            self.topic,
            [letter.value],
            timestamps=letter.timestamp,
            source_partition=None,
            offsets=CountOffsets(self.written + 1),
        )
        self.written += 1
        self._task_page.add("dead_letters")
        self._page.order(lease_until_ns=self._task_page.lease_until_ns)
        keys = None if letter.key is None else [letter.key]
        self._send_loop.queue_batch(batch, [letter.value], keys, [headers] if headers else None)
        while not self._send_loop.push(100):
            pass
        self._check()

    def _context(self, failure: Failure, letter: DeadLetter) -> list[RawHeader]:
        """The context headers, in Kafka Connect's order. Source: DeadLetterQueueReporter.populateContextHeaders."""
        error = failure.error
        said: list[tuple[str, str | None]] = [
            *letter.place,
            ("connector.name", self.task.connector),
            ("task.id", str(self.task.task)),
            ("stage", str(failure.stage)),
            ("class.name", failure.by),
            ("exception.class.name", exception_class(error)),
            ("exception.message", exception_message(error)),
            ("exception.stacktrace", stack_trace(error)),
        ]
        return [
            (PREFIX + name, None if text is None else masking.hide(text).encode("utf-8", "backslashreplace"))
            for name, text in said
        ]

    def flush(self, timeout_ms: int) -> bool:
        """Wait until all that was written is acknowledged, at most so long; False if it is not.

        A letter that can never be written (it is too large) is logged and counts as written, as in Kafka Connect.

        Raises:
            SendError: the topic refuses all that is written to it.
        """
        if self.acked < self.written:
            self._page.order(lease_until_ns=self._task_page.lease_until_ns)
            self._send_loop.flush(timeout_ms)
            self._look()
        return self.acked >= self.written

    def _look(self) -> None:
        self._check()
        for _, offset in self._send_loop.take_committable():
            self.acked = offset["seq"] if offset is not None else self.acked
        lost = self._page.counters()["records_failed"]
        if lost > self._lost:
            logger.error(
                "Records could not be written to the dead letter topic and are lost to it: they are too large for it.",
                extra=facts(topic=self.topic, records=lost - self._lost),
            )
            self._task_page.add("dead_letter_failures", lost - self._lost)
            self._lost = lost

    def _check(self) -> None:
        try:
            self._send_loop.check()
        except LeaseLost:
            raise
        except (ConnectError, BatchTooLarge) as error:
            raise SendError(
                f"the dead letter topic {self.topic} cannot be written to: {error.message}", hint=error.hint
            ) from error

    def is_acked(self, number: int) -> bool:
        """Whether the first so many letters are acknowledged."""
        if self.acked < number:
            self._send_loop.poll(0)
            self._look()
        return self.acked >= number

    def close(self) -> None:
        """Wait shortly for what is under way, and close the producer."""
        try:
            self.flush(_CLOSE_MS)
        except LeaseLost:
            pass  # what is not acknowledged yet is another worker's to report
        except ConnectError as error:
            logger.error("Dead letters may be missing. %s", error)
        self._send_loop.close()


class Reporters:
    """All that is told of a task's failed records, as its config asks: the log, the dead letter topic.

    Its list `all` is what `SourceConversion.of` and `SinkConversion.of` take; `open` before the first record, `flush` before
    offsets are passed, `close` at the end.

    Args:
        page: the task's; it has the lease, and what is reported is counted there.
    """

    def __init__(
        self, worker: WorkerConfig, connector_config: Mapping[str, str | None], task: TaskId, page: StatusPage
    ) -> None:
        self._page = page
        self.settings = settings = ErrorSettings.parse(connector_config)
        self.dead_letters: DeadLetters | None = None
        self.all: list[Reporter] = []
        self._worker = worker
        self._config = connector_config
        self._task = task
        if settings.errors_log_enable:
            self.all.append(LogReporter(task, page, with_messages=settings.errors_log_include_messages))

    @property
    def wanted(self) -> bool:
        """Whether the config asks for reports at all."""
        return self.settings.errors_log_enable or bool(self.settings.errors_deadletterqueue_topic_name.strip())

    def open(self) -> None:
        """Make the dead letters' producer, if there is to be one; a topic that is missing is created.

        Raises:
            ConnectError: the dead letter topic cannot be used.
        """
        settings, task = self.settings, self._task
        topic = settings.errors_deadletterqueue_topic_name.strip()
        if not topic:
            return
        client = producer_properties(self._worker, self._config, task.connector, task.task)
        if client.get("client.id") == f"connector-producer-{task.connector}-{task.task}":
            client["client.id"] = f"connector-dlq-producer-{task.connector}-{task.task}"
        with_context = settings.errors_deadletterqueue_context_headers_enable
        letters = DeadLetters(client, topic, task, self._page, with_context=with_context)

        def create() -> None:
            admin = admin_properties(self._worker, self._config, f"connector-dlq-adminclient-{task.connector}-{task.task}")
            replicas = settings.errors_deadletterqueue_topic_replication_factor
            create_topic(admin, topic, 1, replicas, {}, replicas_key="errors.deadletterqueue.topic.replication.factor")

        try:
            letters.open(create)
        except BaseException:
            letters.close()
            raise
        self.dead_letters = letters
        self.all.insert(0, letters)

    def flush(self, timeout_ms: int) -> bool:
        """Wait until all reports are safe, at most so long; see `DeadLetters.flush`."""
        return self.dead_letters is None or self.dead_letters.flush(timeout_ms)

    def close(self) -> None:
        """Close the dead letters' producer."""
        if self.dead_letters is not None:
            self.dead_letters.close()


class Report:
    """An errant record's report on its way: safe once it is acknowledged."""

    def __init__(self, letters: DeadLetters | None) -> None:
        self._letters = letters
        self._number = 0 if letters is None else letters.written

    def done(self) -> bool:
        """Whether the report is safe."""
        return self._letters is None or self._letters.is_acked(self._number)

    def result(self, timeout: float | None = None) -> None:
        """Wait until the report is safe, at most so many seconds.

        Raises:
            TimeoutError: it is not.
        """
        if self._letters is None or self.done():
            return
        if not self._letters.flush(2**31 - 1 if timeout is None else int(timeout * 1000)) and not self.done():
            raise TimeoutError(f"the report is not acknowledged after {timeout} s")


class ErrantRecords:
    """Takes the records that a sink task reports as errant (`SinkTaskContext.errant_record_reporter`).

    Args:
        by: the class name of the sink task.
    """

    def __init__(self, reporters: Reporters, conversion: SinkConversion, by: str) -> None:
        self._reporters = reporters
        self._tolerance = conversion.tolerance
        self._converters = conversion.converters
        self._by = by
        self._batch: Fetched | None = None
        self._rows: dict[tuple[str, int, int], int] | None = None
        self.failure: ConnectError | None = None
        """What the task is to fail for, also if it went on behind the report."""

    def put(self, batch: Fetched | None) -> None:
        """Note which messages the task is given now: a record of them is reported as it is in Kafka."""
        self._batch, self._rows = batch, None

    def report(self, record: SinkRecord, error: BaseException) -> Report:
        """Report a record that the sink cannot write.

        Returns:
            What knows when the report is safe; its offset is not committed before.
        Raises:
            ToleranceExceeded: errors.tolerance is `none`, so the task is to fail.
        """
        origin, row = self._origin(record)
        failure = Failure(Stage.TASK_PUT, self._by, error, origin, row)
        tolerated = self._reporters.settings.errors_tolerance != "none"
        self._tolerance.count(for_good=not tolerated)
        if not tolerated:
            self._tolerance.report(failure)
            self.failure = self.failure or ToleranceExceeded(failure)
            raise self.failure from error
        self._tolerance.skip(failure)
        return Report(self._reporters.dead_letters)

    def _origin(self, record: SinkRecord) -> tuple[Origin, int]:
        if self._batch is not None:
            if self._rows is None:
                topics = self._batch.topics()
                partitions, offsets = self._batch.partitions(), self._batch.offsets()
                names = [topics] * len(offsets) if isinstance(topics, str) else topics
                self._rows = {place: row for row, place in enumerate(zip(names, partitions, offsets, strict=True))}
            row = self._rows.get((record.original_topic, record.original_partition, record.offset))
            if row is not None:
                return FetchedOrigin(self._batch), row
        return _RebuiltOrigin(record, self._converters), 0


_TIMESTAMP_TYPES = {"CREATE_TIME": "CreateTime", "LOG_APPEND_TIME": "LogAppendTime"}


class _RebuiltOrigin(Origin):
    """A record whose message is gone: its bytes are made anew, by the converters."""

    def __init__(self, record: SinkRecord, converters: Converters) -> None:
        self._record = record
        self._converters = converters

    def where(self, row: int) -> str:
        """Name the record by topic, partition and offset."""
        where = self._record.topic_partition
        return f"the record of topic {where.topic}, partition {where.partition}, offset {self._record.offset}"

    def in_log(self, row: int) -> str:
        """Topic, partition, offset and timestamp."""
        record, where = self._record, self._record.topic_partition
        kind = _TIMESTAMP_TYPES.get(record.timestamp_type)
        when = f", timestamp={record.timestamp}, timestampType={kind}" if kind else ""
        return f"where consumed record is {{topic='{where.topic}', partition={where.partition}, offset={record.offset}{when}}}"

    def dead_letter(self, row: int) -> DeadLetter:
        """What the converters make of the record; where they cannot, the best that can be done."""
        record, where = self._record, self._record.topic_partition
        headers = self._converters.header
        return DeadLetter(
            _bytes_of(self._converters.key.from_connect_data, where.topic, record.key_schema, record.key),
            _bytes_of(self._converters.value.from_connect_data, where.topic, record.value_schema, record.value),
            record.timestamp,
            [
                (each.name, _bytes_of(headers.from_connect_header, where.topic, each.name, each.schema, each.value))
                for each in record.headers
            ],
            [("topic", where.topic), ("partition", str(where.partition)), ("offset", str(record.offset))],
        )


def _bytes_of(convert: Callable[..., bytes | None], *about: Any) -> bytes | None:
    try:
        return convert(*about)
    except Exception:  # the record is dead already; what can be kept of it is
        return raw_of(about[-1])
