"""Who is told what became of single records: a task that has a `commit_record`, and the reporters of skipped records.

Made only where one of them is there: a task without `commit_record` pays nothing for it.
"""

from __future__ import annotations

import logging
from typing import Any

from fastconnect._core import SendLoop, SendReport
from fastconnect.api.record import RecordBatch, RecordMetadata, SourceRecord
from fastconnect.api.task import SourceTask
from fastconnect.errors import SendError
from fastconnect.task.origin import DeadLetter, PolledOrigin, RawHeader, record_of
from fastconnect.task.source_conversion import Converted
from fastconnect.task.tolerance import Failure, Stage, Tolerance

logger = logging.getLogger(__name__)

SENDER = "org.apache.kafka.connect.runtime.WorkerSourceTask"  # the class that Kafka Connect names where sending has failed


def has_commit_record(task: SourceTask[Any]) -> bool:
    """Whether a task wants to be told of each record."""
    return type(task).commit_record is not SourceTask.commit_record


class Delivered:
    """Passes on what the send loop tells of single records."""

    def __init__(self, send_loop: SendLoop, task: SourceTask[Any], tolerance: Tolerance) -> None:
        self._send_loop = send_loop
        self._task = task
        self._tolerance = tolerance
        self._tells_task = has_commit_record(task)

    def tell(self) -> None:
        """Tell what has become of records since the last call.

        Raises:
            SendError: a skipped record could not be written to the dead letter topic.
        """
        for report in self._send_loop.take_reports():
            record = report.record or _record(report)
            if report.error is None:
                self._commit_record(record, RecordMetadata(report.topic, report.partition, report.offset, report.timestamp))
                continue
            error = SendError(f"the record was not delivered: {report.error}")
            self._tolerance.report(Failure(Stage.KAFKA_PRODUCE, SENDER, error, SentOrigin(report, record), 0))
            if self._tells_task:
                self._commit_record(record, None)

    def tell_dropped(self, polled: list[SourceRecord] | RecordBatch, converted: Converted) -> None:
        """Tell the task of the records that were filtered or skipped; at once, as Kafka Connect does."""
        if not self._tells_task or converted.records is None or converted.polled == len(converted.records):
            return
        left = set(converted.records.rows)
        for row in range(converted.polled or 0):
            if row not in left:
                self._commit_record(record_of(polled, row) if isinstance(polled, RecordBatch) else polled[row], None)

    def _commit_record(self, record: SourceRecord, metadata: RecordMetadata | None) -> None:
        try:
            self._task.commit_record(record, metadata)
        except Exception:
            logger.exception("The task's commit_record() failed.")  # the record is where it is all the same; as Kafka Connect


def _record(report: SendReport) -> SourceRecord:
    """A record of a batch, as far as it is known when it is acknowledged: its value is in the batch only."""
    return SourceRecord(
        report.topic,
        report.value,
        report.key,
        source_partition=report.source_partition,
        source_offset=report.source_offset,
    )


class SentOrigin(PolledOrigin):
    """A record that was converted, sent and refused: its dead letter has the bytes that were sent."""

    def __init__(self, report: SendReport, record: SourceRecord) -> None:
        super().__init__([record])
        self._report = report

    def dead_letter(self, row: int) -> DeadLetter:
        """The bytes as they were sent."""
        letter = super().dead_letter(row)
        headers: list[RawHeader] = list(self._report.headers or ())
        place = [("topic", self._report.topic), *(pair for pair in letter.place if pair[0] not in ("topic", "partition"))]
        return DeadLetter(self._report.key, self._report.value, letter.timestamp, headers, place)
