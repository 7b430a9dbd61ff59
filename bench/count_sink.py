"""CountSink: counts what it is given, and says in two files when the first and when the last record came.

Its rival is rivals/java/CountSinkTask.java, which does the same. `read=values` also looks into every decoded value, as any real
sink does. `fastconnect` finds it by an entry point, as any plugin (see plugin_path in ours.py).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from fastconnect import Config, SinkConnector, SinkRecords, SinkTask


class CountConfig(Config, kw_only=True):
    """Settings of CountSink."""

    count: Annotated[int, Meta(ge=1, description="Records that are to come.")]
    report: Annotated[Path, Meta(description="The folder for the files `first` and `last`.")]
    read: Annotated[Literal["nothing", "values"], Meta(description="What is looked at.")] = "nothing"


class CountTask(SinkTask[CountConfig]):
    """Counts the records of all its partitions; one task has to get all of them."""

    def start(self, config: CountConfig) -> None:
        self.config = config
        self.records = 0
        self.total = 0

    def put(self, records: SinkRecords) -> None:
        if not len(records):
            return
        if not self.records:
            self._report("first")
        self.records += len(records)
        if self.config.read == "values":
            self.total += sum([value["id"] for value in records.values])
        if self.records == self.config.count:
            self._report("last")

    def _report(self, name: str) -> None:
        unfinished = self.config.report / f"{name}.unfinished"
        unfinished.write_text(f"{time.time_ns()} {self.total}")
        unfinished.rename(self.config.report / name)


class CountSink(SinkConnector[CountConfig]):
    """Counts records."""

    task_class = CountTask
