"""Records and batches -> bytes for the send loop, by the key, value and header converters.

A batch is converted by one call where the converter can; values that are already what the converter would make of them (lines
of JSON under a JSON converter, bytes under the bytes converter) are passed on untouched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from fastconnect import _core, plugins
from fastconnect._core import RecordColumns, SendLoop
from fastconnect.api.converter import Converter, HeaderConverter
from fastconnect.api.record import RecordBatch, SourceRecord, ValueFormat
from fastconnect.config.connector import converter
from fastconnect.config.worker import ConverterKind, WorkerConfig
from fastconnect.errors import DataError

Column = bytes | bytearray | memoryview | list[bytes | None] | Any
"""Keys or values as the send loop takes them: lines in a buffer, a list of bytes and None, or an Arrow array."""


class Conversion:
    """The three converters of a task."""

    def __init__(self, key: Converter[Any], value: Converter[Any], header: HeaderConverter[Any]) -> None:
        self.key = key
        self.value = value
        self.header = header

    @classmethod
    def of(cls, worker: WorkerConfig, connector_config: Mapping[str, str | None]) -> Conversion:
        """Make and configure the converters that a connector's config names, or else the worker's."""
        made: dict[ConverterKind, Any] = {}
        kinds: tuple[ConverterKind, ...] = ("key", "value", "header")
        for kind in kinds:
            class_name, settings = converter(worker, connector_config, kind)
            made[kind] = plugins.find("header_converter" if kind == "header" else "converter", class_name)()
            made[kind].configure(settings, is_key=None if kind == "header" else kind == "key")
        return cls(made["key"], made["value"], made["header"])

    def queue(self, send_loop: SendLoop, polled: RecordBatch | list[SourceRecord]) -> int:
        """Convert what poll returned and queue it for sending; return how many records it has.

        Raises:
            DataError: a record cannot be converted; `index` says which, where that is known.
        """
        if isinstance(polled, RecordBatch):
            return self._queue_batch(send_loop, polled)
        return self._queue_records(send_loop, _core.record_columns(polled))

    def _queue_batch(self, send_loop: SendLoop, batch: RecordBatch) -> int:
        values: Column
        keys: Column | None
        if batch.form == "values":
            values = self.value.encode_batch(batch.topic, list(batch.values))
            keys = None if batch.keys is None else _as_items(self.key.encode_batch(batch.topic, list(batch.keys)), batch.keys)
            headers = self._headers(batch.topic, batch.headers)
            return send_loop.queue_batch(batch, values, keys, headers, values_of_lines=batch.values)
        values = self._raw(self.value, batch.topic, batch.values, batch.form, batch.format)
        keys = None
        if batch.keys is not None:
            key_form: Literal["arrow", "raw"] = "arrow" if hasattr(batch.keys, "__arrow_c_array__") else "raw"
            keys = _as_items(self._raw(self.key, batch.topic, batch.keys, key_form, batch.key_format))
        return send_loop.queue_batch(batch, values, keys, self._headers(batch.topic, batch.headers))

    def _raw(
        self, by: Converter[Any], topic: str, values: Any, form: Literal["lines", "raw", "arrow"], format: ValueFormat
    ) -> Column:
        if by.raw_is_encoded(format):
            return values
        return by.encode_raw(topic, _items_of(values, form), format)

    def _queue_records(self, send_loop: SendLoop, columns: RecordColumns) -> int:
        topic = columns.topic or ""
        values = self.value.encode_batch(topic, columns.values, columns.value_schemas)
        keys: Column | None = None
        if columns.keys is not None:
            keys = _as_items(self.key.encode_batch(topic, columns.keys, columns.key_schemas), columns.keys)
        elif columns.key_schemas is not None:
            keys = _as_items(self.key.encode_batch(topic, [None] * len(columns.values), columns.key_schemas))
        return send_loop.queue_records(columns, values, keys, self._headers(topic, columns.headers))

    def _headers(self, topic: str, headers: Sequence[Any] | None) -> list[list[tuple[str, bytes | None]] | None] | None:
        if headers is None:
            return None
        convert = self.header.from_connect_header
        return [
            None if pairs is None else [(name, convert(topic, name, None, value)) for name, value in pairs] for pairs in headers
        ]


def _items_of(values: Any, form: Literal["lines", "raw", "arrow"]) -> list[bytes | None]:
    if form == "lines":
        lines: list[bytes | None] = list(bytes(values).split(b"\n"))
        if lines[-1] == b"":
            del lines[-1]
        return lines
    if form == "arrow":
        return [item.encode() if isinstance(item, str) else item for item in values.to_pylist()]
    return list(values)


def _as_items(keys: Column | None, values: Sequence[Any] | None = None) -> Column | None:
    """Keys that a converter made into lines, as a list, with None for what was None: a key may be absent."""
    if not isinstance(keys, bytes):
        return keys
    lines: list[bytes | None] = list(keys.split(b"\n")[:-1])
    if values is not None:
        return [None if value is None else line for line, value in zip(lines, values, strict=True)]
    return lines


def name_record(error: DataError, polled: RecordBatch | list[SourceRecord]) -> DataError:
    """Say in the error which record it is about, as far as that is known."""
    index = getattr(error, "index", None)
    if index is None:
        return error
    if isinstance(polled, RecordBatch):
        record = f"record {index} of a batch of source partition {polled.source_partition}"
    else:
        at = polled[index]
        record = f"the record of source partition {at.source_partition} with source offset {at.source_offset}"
    return DataError(error.message, where=f"{error.where} in {record}" if error.where else record, hint=error.hint)
