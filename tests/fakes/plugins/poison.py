"""Records that fail at the stage that is asked for, a sink that reports some as errant, and a source that grows.

Installed for the commands that tests start, by way of PYTHONPATH (see tests/integration/conftest.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fastconnect import (
    END,
    Config,
    DataError,
    Polled,
    RecordMetadata,
    RetriableError,
    SinkConnector,
    SinkTask,
    SourceConnector,
    SourceRecord,
    SourceTask,
)
from fastconnect.api.sink_records import SinkRecords
from fastconnect.api.transform import Predicate, Record, Transform


class PoisonConfig(Config):
    topic: str
    stage: str = ""
    count: int = 3
    log: str | None = None
    tables: str | None = None


class PoisonTask(SourceTask[PoisonConfig]):
    """One record a poll; the second one is bad."""

    def start(self, config: PoisonConfig) -> None:
        self.config = config
        self._next = self.context.source_offset({"of": "poison"}, default={"next": 0})["next"]

    def poll(self) -> Polled:
        number = self._next
        if number >= self.config.count:
            return END
        self._next += 1
        value: Any = f"value-{number}".encode()
        key: Any = f"key-{number}".encode()
        header: Any = "fine"
        if number == 1:
            match self.config.stage:
                case "HEADER_CONVERTER":
                    header = object()
                case "KEY_CONVERTER":
                    key = 5
                case "VALUE_CONVERTER":
                    value = ["no bytes"]
                case "TRANSFORMATION" | "PREDICATE":
                    value = b"poison"
                case "KAFKA_PRODUCE":
                    key = None
        return [SourceRecord(self.config.topic, value, key, {"of": "poison"}, {"next": self._next}, headers=[("h", header)])]

    def commit_record(self, record: SourceRecord, metadata: RecordMetadata | None) -> None:
        self._log(f"record {record.source_offset and record.source_offset['next']} {metadata and metadata.offset}")

    def commit(self) -> None:
        self._log("commit")

    def _log(self, line: str) -> None:
        if self.config.log is not None:
            with Path(self.config.log).open("a") as file:
                file.write(f"{line}\n")


class PoisonSource(SourceConnector[PoisonConfig]):
    task_class = PoisonTask


class Break(Transform[Config]):
    """Refuses one value."""

    def apply(self, record: Record) -> Record:
        if record.value == b"poison":
            raise DataError("poison is no value")
        return record


class Flaky(Transform[Config]):
    """Fails twice for each record."""

    tries = 0

    def apply(self, record: Record) -> Record:
        self.tries += 1
        if self.tries % 3:
            raise RetriableError("not yet")
        return record


class Unsure(Predicate[Config]):
    """Cannot tell of one value, and holds for the others."""

    def test(self, record: Record) -> bool:
        if record.value == b"poison":
            raise ValueError("who knows")
        return True


class PickyConfig(Config):
    file: str


class PickyTask(SinkTask[PickyConfig]):
    """Writes values as lines, and reports those that are `bad`."""

    def start(self, config: PickyConfig) -> None:
        self.config = config

    def put(self, records: SinkRecords) -> None:
        reporter = self.context.errant_record_reporter
        with Path(self.config.file).open("a") as file:
            for record in records:
                if record.value != "bad":
                    file.write(f"{record.value}\n")
                elif reporter is None:
                    raise DataError("bad is bad, and there is nobody to tell")
                else:
                    reporter.report(record, DataError("bad is bad"))


class PickySink(SinkConnector[PickyConfig]):
    task_class = PickyTask


class TableTask(SourceTask[PoisonConfig]):
    """Gives the name of its table, once."""

    def start(self, config: PoisonConfig) -> None:
        self.config = config
        self._table = self.context.configs["table"]
        self._done = bool(self.context.source_offset({"table": self._table}))

    def poll(self) -> Polled:
        if self._done:
            return None
        self._done = True
        return [SourceRecord(self.config.topic, self._table, None, {"table": self._table}, {"done": True})]


class TablesSource(SourceConnector[PoisonConfig]):
    """A task for each line of the file `tables`; looks at it again and again."""

    task_class = TableTask

    def start(self, config: PoisonConfig) -> None:
        super().start(config)
        assert config.tables is not None
        self._file = Path(config.tables)
        self._known: list[str] = []

    def _tables(self) -> list[str]:
        return self._file.read_text().split()

    def task_configs(self, max_tasks: int) -> Sequence[Mapping[str, str]]:
        self._known = self._tables()
        return [{**self.config.to_properties(), "table": table} for table in self._known]

    def watch(self) -> None:
        while not self.context.wait(20):
            if self._tables() != self._known:
                self.context.request_task_reconfiguration()
                self.context.wait(200)
