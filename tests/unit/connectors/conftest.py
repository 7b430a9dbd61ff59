"""What the tests of the file connectors share: reading files by tasks that can be stopped anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fastconnect.api.record import EndOfData, RecordBatch, SourceRecord
from fastconnect.connectors.file_source import FileSource, FileSourceTask
from fastconnect.connectors.file_source_config import FileSourceConfig
from fastconnect.testing import MemoryContext, records_of


class FileRun:
    """Reads what a FileSource finds; the config may say more than a user's may, such as ranges of 3 bytes."""

    def __init__(self, tasks: int = 1, **config: Any) -> None:
        self.config = FileSourceConfig(topic="t", **config)
        self.tasks_max = tasks
        self.offsets: dict[bytes, Any] = {}
        self.contexts: list[MemoryContext] = []

    def tasks(self) -> list[FileSourceTask]:
        connector = FileSource()
        connector.start(self.config)
        tasks = []
        self.contexts = []
        for number, config in enumerate(connector.task_configs(self.tasks_max)):
            task = FileSourceTask()
            task.context = MemoryContext("c", number, {}, self.offsets)
            self.contexts.append(task.context)
            task.start(config)
            tasks.append(task)
        return tasks

    def records(self) -> Iterator[SourceRecord]:
        """All records, task after task; each counts as delivered when the next one is asked for."""
        for task in self.tasks():
            try:
                while not isinstance(polled := task.poll(), EndOfData):
                    if polled is not None:
                        assert isinstance(polled, RecordBatch)
                        yield from self._delivered(polled)
            finally:
                task.stop()

    def _delivered(self, batch: RecordBatch) -> Iterator[SourceRecord]:
        for record in records_of(batch):
            yield record
            self.deliver(record)

    def deliver(self, record: SourceRecord) -> None:
        from fastconnect.testing import _identity

        self.offsets[_identity(record.source_partition)] = record.source_offset

    def values(self, most: int | None = None) -> list[bytes]:
        """The values of all records, or of the first ones, which are then delivered and nothing else is."""
        values = []
        for record in self.records():
            if most is not None and len(values) >= most:
                break
            values.append(record.value)
        return values

    def fails(self) -> tuple[list[bytes], Exception]:
        """The values before a failure, and the failure."""
        values = []
        try:
            for record in self.records():
                values.append(record.value)
        except Exception as error:
            return values, error
        raise AssertionError(f"all was read: {len(values)} records")


@pytest.fixture
def reading() -> type[FileRun]:
    return FileRun
