"""What the ways of records to and from Kafka have in common: converters, the chain, and what becomes of records that fail.

A source's way is in source_conversion.py, a sink's in sink_conversion.py. A batch is converted by one call where the converter
can.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Self

from fastconnect import plugins
from fastconnect._core import StatusPage
from fastconnect.api.converter import ConversionError, Converter, HeaderConverter
from fastconnect.api.transform import Records
from fastconnect.config.connector import converter
from fastconnect.config.error_handling import ErrorSettings
from fastconnect.config.worker import ConverterKind, WorkerConfig
from fastconnect.errors import DataError
from fastconnect.task.chain import TransformChain
from fastconnect.task.origin import Origin
from fastconnect.task.tolerance import Reporter, Stage, Tolerance


class Converters(NamedTuple):
    """The three converters of a task, and the class names by which errors name them."""

    key: Converter[Any]
    value: Converter[Any]
    header: HeaderConverter[Any]
    names: Mapping[ConverterKind, str]

    @classmethod
    def of(cls, worker: WorkerConfig, connector_config: Mapping[str, str | None]) -> Converters:
        """Make and configure the converters that a connector's config names, or else the worker's."""
        made: dict[ConverterKind, Any] = {}
        names: dict[ConverterKind, str] = {}
        kinds: tuple[ConverterKind, ...] = ("key", "value", "header")
        for kind in kinds:
            class_name, settings = converter(worker, connector_config, kind)
            plugin = plugins.find_plugin("header_converter" if kind == "header" else "converter", class_name)
            made[kind] = plugin.cls()
            made[kind].configure(settings, is_key=None if kind == "header" else kind == "key")
            names[kind] = plugin.name
        return cls(made["key"], made["value"], made["header"], names)


class Conversion:
    """What both directions have: the chain, the converters, and what becomes of records that fail in them."""

    def __init__(self, converters: Converters, chain: TransformChain | None, tolerance: Tolerance) -> None:
        self.converters = converters
        self.chain = chain
        self.tolerance = tolerance

    @classmethod
    def of(
        cls,
        worker: WorkerConfig,
        connector_config: Mapping[str, str | None],
        *,
        wait: Callable[[int], bool] | None = None,
        page: StatusPage | None = None,
        reporters: Sequence[Reporter] = (),
    ) -> Self:
        """Make all of it for a task.

        Args:
            wait: waits so many milliseconds at most between retries; True when the task is to stop.
            page: counts the records that are skipped or filtered.
            reporters: are told of every record that failed.
        Raises:
            ConfigError: a plugin is not there or cannot be configured.
        """
        tolerance = Tolerance(ErrorSettings.parse(connector_config), reporters=reporters, wait=wait, page=page)
        conversion = cls(Converters.of(worker, connector_config), TransformChain.of(connector_config), tolerance)
        conversion.page = page
        conversion.source = (connector_config.get("connector.class") or "").strip()
        return conversion

    page: StatusPage | None = None
    source: str = ""

    def close(self) -> None:
        """Let go of what the transforms have taken."""
        if self.chain is not None:
            self.chain.close()

    def _through_chain(self, records: Records, origin: Origin) -> Records:
        if self.chain is None:
            return records
        before, skipped = len(records), self.page.records_skipped if self.page is not None else 0
        records = self.chain.apply(records, origin, self.tolerance)
        if self.page is not None and len(records) < before:
            self.page.records_filtered += before - len(records) - (self.page.records_skipped - skipped)
        return records

    def _stage(
        self,
        stage: Stage,
        kind: ConverterKind,
        origin: Origin,
        records: Records,
        call: Callable[[slice], Any],
        items_of: Callable[[Any, slice], list[Any]],
        earlier: Sequence[Any] = (),
    ) -> tuple[Records, Any, list[Any]]:
        """Do one converter's work on all records.

        Args:
            items_of: makes a list, with an item a record, of what came of a part.
            earlier: what came of the stages before; what fails now is taken out of it.
        """
        parts = self.tolerance.attempt(stage, self.converters.names[kind], origin, records.rows, call)
        if len(parts) == 1 and parts[0][0] == slice(0, len(records)):
            return records, parts[0][1], list(earlier)
        kept = [i for part, _ in parts for i in range(part.start, part.stop)]
        items = [item for part, result in parts for item in items_of(result, part)]
        return records.select(kept), items, [None if column is None else [column[i] for i in kept] for column in earlier]


def at(error: DataError, index: int) -> ConversionError:
    """The same error, about this one of a batch."""
    return ConversionError(error.message, index=index, where=error.where, hint=error.hint)


def by_topic(topics: Sequence[str]) -> list[tuple[str, list[int]]]:
    """The topics, and for each the indexes of its records."""
    found: dict[str, list[int]] = {}
    for i, topic in enumerate(topics):
        found.setdefault(topic, []).append(i)
    return list(found.items())


def moved(error: ConversionError, indexes: Sequence[int]) -> ConversionError:
    """The same error, its index that of the whole and not of the topic's share."""
    if error.index is not None:
        error.index = indexes[error.index]
    return error
