"""What happens to records between a source's poll and the send loop, or between the fetch loop and a sink's put.

A source's records go through the chain of transforms, then the header, key and value converters; a sink's the other way round.
A batch is converted by one call where the converter can. Values of a source that are already what the converter would make of
them (lines of JSON under a JSON converter, bytes under the bytes converter) are passed on untouched, unless there is a chain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal, NamedTuple, Self

import msgspec

from fastconnect import _core, plugins
from fastconnect._core import Fetched, RecordColumns, SendLoop, StatusPage
from fastconnect.api.converter import ConversionError, Converter, Encoded, HeaderConverter
from fastconnect.api.record import RecordBatch, SourceRecord, ValueFormat
from fastconnect.api.schema import Schema
from fastconnect.api.transform import Header, Records
from fastconnect.config.connector import converter
from fastconnect.config.error_handling import ErrorSettings
from fastconnect.config.worker import ConverterKind, WorkerConfig
from fastconnect.errors import ConnectError, DataError
from fastconnect.task.chain import TransformChain
from fastconnect.task.origin import FetchedOrigin, Origin, PolledOrigin, RawHeader
from fastconnect.task.tolerance import Failure, Reporter, Stage, Tolerance, ToleranceExceeded

Column = bytes | bytearray | memoryview | list[bytes | None] | Any
"""Keys or values as the send loop takes them: lines in a buffer, a list of bytes and None, or an Arrow array."""

RawHeaders = list[list[RawHeader] | None]

_json_lines = msgspec.json.Decoder()
_json_encoder = msgspec.json.Encoder()


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


class _Conversion:
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


class Converted:
    """A batch, ready for the send loop.

    Attributes:
        records: what the chain has left of the batch, and what it has made of it; None if it was not looked at.
        failure: what the task fails with once this is sent: the batch ends before the record that failed.
        polled: how many records it had before; None where that was not looked at, and none is missing.
    """

    def __init__(
        self,
        batch: RecordBatch | RecordColumns,
        values: Column,
        keys: Column | None,
        headers: RawHeaders | None,
        *,
        values_of_lines: Sequence[Any] | None = None,
        records: Records | None = None,
        failure: ConnectError | None = None,
    ) -> None:
        self.batch = batch
        self.values = values
        self.keys = keys
        self.headers = headers
        self.values_of_lines = values_of_lines
        self.records = records
        self.failure = failure
        self.polled: int | None = None

    def queue(self, send_loop: SendLoop) -> int:
        """Queue it for sending; return how many records it has.

        Raises:
            RetriableError: its topic is not there yet; nothing was queued, call again.
        """
        if isinstance(self.batch, RecordBatch):
            return send_loop.queue_batch(self.batch, self.values, self.keys, self.headers, self.values_of_lines, self.records)
        return send_loop.queue_records(self.batch, self.values, self.keys, self.headers, self.records)


class SourceConversion(_Conversion):
    """From what a source polls to what the send loop takes."""

    def queue(self, send_loop: SendLoop, polled: RecordBatch | list[SourceRecord]) -> int:
        """Convert what poll returned and queue it for sending; return how many records were queued.

        Raises:
            ToleranceExceeded: a record failed; those before it are queued.
        """
        converted = self.convert(polled)
        count = converted.queue(send_loop)
        if converted.failure is not None:
            raise converted.failure
        return count

    def convert(self, polled: RecordBatch | list[SourceRecord]) -> Converted:
        """Send what poll returned through the chain and the converters.

        Raises:
            StopAsked: the task is to stop; nothing of it is to be sent.
        """
        batch = polled if isinstance(polled, RecordBatch) else _core.record_columns(polled)
        known_bad = isinstance(batch, RecordBatch) and batch.faults
        if self.chain is None and batch.topics is None and not known_bad:
            # Which record fails, and whether it is skipped, is found out by going through them with care.
            with suppress(Exception):
                return self._whole(batch)
        origin = PolledOrigin(polled)
        failure: ToleranceExceeded | None = None
        limit: int | None = None
        while True:
            try:
                converted = self._with_care(batch, origin, limit)
                break
            except ToleranceExceeded as error:
                # As in Kafka Connect, those before the bad record are sent, though they were in one poll with it.
                failure, limit = error, error.failure.row
        if failure is not None:
            self.tolerance.report(failure.failure)
            told = failure.failure.error
            # What the task itself says of a record needs no more words around it.
            converted.failure = told if failure.failure.stage is Stage.TASK_POLL and isinstance(told, DataError) else failure
        return converted

    # Without a chain, and with nothing wrong.

    def _whole(self, batch: RecordBatch | RecordColumns) -> Converted:
        return self._whole_batch(batch) if isinstance(batch, RecordBatch) else self._whole_records(batch)

    def _whole_batch(self, batch: RecordBatch) -> Converted:
        values: Column
        keys: Column | None = None
        if batch.form == "values":
            schemas = None if batch.value_schema is None else [batch.value_schema] * len(batch.values)
            values = self.converters.value.encode_batch(batch.topic, list(batch.values), schemas)
            if batch.keys is not None:
                keys = _as_items(self.converters.key.encode_batch(batch.topic, list(batch.keys)), batch.keys)
            return Converted(batch, values, keys, self._raw_headers(batch), values_of_lines=batch.values)
        values = _raw(self.converters.value, batch.topic, batch.values, batch.form, batch.format, batch.value_schema)
        if batch.keys is not None:
            form: Literal["arrow", "raw"] = "arrow" if hasattr(batch.keys, "__arrow_c_array__") else "raw"
            keys = _as_items(_raw(self.converters.key, batch.topic, batch.keys, form, batch.key_format, None))
        return Converted(batch, values, keys, self._raw_headers(batch))

    def _whole_records(self, columns: RecordColumns) -> Converted:
        topic = columns.topic or ""
        values = self.converters.value.encode_batch(topic, columns.values, columns.value_schemas)
        keys: Column | None = None
        if columns.keys is not None:
            keys = _as_items(self.converters.key.encode_batch(topic, columns.keys, columns.key_schemas), columns.keys)
        elif columns.key_schemas is not None:
            keys = _as_items(self.converters.key.encode_batch(topic, [None] * len(columns.values), columns.key_schemas))
        return Converted(columns, values, keys, self._raw_headers(columns), values_of_lines=columns.values)

    def _raw_headers(self, batch: RecordBatch | RecordColumns) -> RawHeaders | None:
        headers = batch.headers
        if headers is None:
            return None
        convert = self.converters.header.from_connect_header
        topic = batch.topic or ""
        return [
            None if pairs is None else [(pair[0], convert(topic, pair[0], _schema_of(pair), pair[1])) for pair in pairs]
            for pairs in headers
        ]

    # Through the chain, or record by record where something is wrong.

    def _with_care(self, batch: RecordBatch | RecordColumns, origin: Origin, limit: int | None) -> Converted:
        records = self._records(batch, origin, limit)
        polled = max(records.rows, default=-1) + 1  # a bad one at the very end is not counted; it is as skipped
        records = self._through_chain(records, origin)
        if isinstance(records.topics, list) and len(set(records.topics)) == 1:
            records = records.replace(topics=records.topics[0])  # one topic for all is sent much faster
        headers: RawHeaders | None = None
        keys: Column | None = None
        if records.headers is not None and any(records.headers):
            records, headers, _ = self._stage(
                Stage.HEADER_CONVERTER, "header", origin, records, self._encode_headers(records), lambda items, _: items
            )
        if records.keys is not None or records.key_schemas is not None:
            items = [None] * len(records) if records.keys is None else records.keys
            records, keys, (headers,) = self._stage(
                Stage.KEY_CONVERTER,
                "key",
                origin,
                records,
                _encode(self._encoder("key", batch, records), records.topics, items, records.key_schemas),
                lambda encoded, part: _as_items(encoded, items[part]),
                [headers],
            )
            keys = _as_items(keys, items)
        every = records.values
        records, values, (headers, keys) = self._stage(
            Stage.VALUE_CONVERTER,
            "value",
            origin,
            records,
            _encode(self._encoder("value", batch, records), records.topics, every, records.value_schemas),
            lambda encoded, part: _as_items(encoded, every[part]),
            [headers, keys],
        )
        converted = Converted(batch, values, keys, headers, values_of_lines=records.values, records=records)
        converted.polled = polled
        return converted

    def _encoder(self, kind: Literal["key", "value"], batch: RecordBatch | RecordColumns, records: Records) -> Encode:
        """How the keys or values of these records become bytes."""
        by = self.converters.key if kind == "key" else self.converters.value
        if not isinstance(batch, RecordBatch) or batch.form == "values":
            return by.encode_batch
        format = batch.key_format if kind == "key" else batch.format
        if self.chain is None:
            return lambda topic, values, schemas: _raw(by, topic, values, "raw", format, schemas[0] if schemas else None)
        schemas = records.key_schemas if kind == "key" else records.value_schemas
        if format == "json" and schemas is None and by.raw_is_encoded("json") and by.raw_is_encoded("bytes"):
            return _encode_json
        return by.encode_batch

    def _records(self, batch: RecordBatch | RecordColumns, origin: Origin, limit: int | None) -> Records:
        """The batch column by column, with Python values in it; only its first `limit` records."""
        if isinstance(batch, RecordBatch):
            records = self._records_of_batch(batch, origin, limit)
        else:
            records = Records(
                batch.topic or "" if batch.topics is None else batch.topics,
                batch.values,
                value_schemas=batch.value_schemas,
                keys=batch.keys,
                key_schemas=batch.key_schemas,
                timestamps=batch.timestamps,
                headers=_with_schemas(batch.headers),
                partitions=batch.partitions,
            )
        if limit is None or limit >= len(records):
            return records
        return records.select([i for i, row in enumerate(records.rows) if row < limit])

    def _records_of_batch(self, batch: RecordBatch, origin: Origin, limit: int | None) -> Records:
        keys: list[Any] | None
        rows: Sequence[int]
        if batch.form == "values":
            count = len(batch.values)
            rows = self._without_faulty(batch.faults or {}, range(count if limit is None else min(limit, count)), origin)
            values = [batch.values[row] for row in rows]
            keys = None if batch.keys is None else [batch.keys[row] for row in rows]
        else:
            items = _items_of(batch.values, batch.form)
            count = len(items)
            keys = None if batch.keys is None else _items_of(batch.keys, "arrow" if _is_arrow(batch.keys) else "raw")
            rows = self._without_faulty(batch.faults or {}, range(count if limit is None else min(limit, count)), origin)
            items = items if len(rows) == count else [items[row] for row in rows]
            values, rows = self._read(Stage.VALUE_CONVERTER, "value", items, batch.format, origin, rows)
            if keys is not None:
                kept = [keys[row] for row in rows]
                keys, key_rows = self._read(Stage.KEY_CONVERTER, "key", kept, batch.key_format, origin, rows)
                if len(key_rows) != len(rows):
                    value_of = dict(zip(rows, values, strict=True))
                    values, rows = [value_of[row] for row in key_rows], key_rows
        for name in ("keys", "topics", "partitions", "headers"):
            column = getattr(batch, name)
            if column is not None and len(column) != count:
                raise DataError(f"{len(column)} {name} for {count} values")

        def of_rows(column: Any) -> Any:
            return None if column is None else [column[row] for row in rows]

        timestamps = batch.timestamps
        return Records(
            batch.topic if batch.topics is None else of_rows(batch.topics),
            values,
            value_schemas=None if batch.value_schema is None else [batch.value_schema] * len(values),
            keys=keys,
            timestamps=[timestamps] * len(values) if isinstance(timestamps, int) else of_rows(timestamps),
            headers=_with_schemas(of_rows(batch.headers)),
            partitions=of_rows(
                None if batch.partitions is None else [None if each == -1 else each for each in batch.partitions]
            ),
            rows=rows,
        )

    def _without_faulty(self, faults: Mapping[int, DataError], rows: range, origin: Origin) -> Sequence[int]:
        """The rows of records that the task itself finds good."""
        if not faults:
            return rows
        for row in sorted(faults):
            if row in rows:
                self.tolerance.settle(Failure(Stage.TASK_POLL, self.source, faults[row], origin, row))
        return [row for row in rows if row not in faults]

    def _read(
        self, stage: Stage, kind: ConverterKind, items: list[Any], format: ValueFormat, origin: Origin, rows: Sequence[int]
    ) -> tuple[list[Any], Sequence[int]]:
        """Python values of raw ones, for the chain; a JSON text that is none fails as it would in the converter."""
        if format == "bytes" or self.chain is None:
            return items, rows
        if format == "string":
            return [None if item is None else item.decode(errors="replace") for item in items], rows
        parts = self.tolerance.attempt(
            stage, self.converters.names[kind], origin, rows, lambda part: _read_json(items[part], kind)
        )
        return (
            [value for _, values in parts for value in values],
            [row for part, _ in parts for row in rows[part]] if len(parts) != 1 else rows[parts[0][0]],
        )

    def _encode_headers(self, records: Records) -> Callable[[slice], RawHeaders]:
        convert = self.converters.header.from_connect_header
        headers: Sequence[Sequence[Header] | None] = records.headers or []

        def call(part: slice) -> RawHeaders:
            made: RawHeaders = []
            for i in range(part.start, part.stop):
                topic = records.topics if isinstance(records.topics, str) else records.topics[i]
                try:
                    made.append([(each.name, convert(topic, each.name, each.schema, each.value)) for each in headers[i] or ()])
                except DataError as error:
                    raise _at(error, i - part.start) from error
            return made

        return call


class SinkConversion(_Conversion):
    """From messages of Kafka to what a sink puts."""

    @property
    def passes_raw(self) -> bool:
        """Whether nothing need be known of a record before its sink asks: no transforms, and a bad record fails the task."""
        return self.chain is None and self.tolerance.settings.untouched

    @property
    def raw_is_json(self) -> bool:
        """Whether the values' bytes are the JSON of what they are decoded to, if they are JSON at all."""
        value = self.converters.value
        return self.passes_raw and value.raw_is_encoded("json") and not value.raw_is_encoded("bytes")

    def decode(self, fetched: Fetched) -> Records:
        """Send messages through the converters and the chain; `rows` says which of the messages are left.

        Raises:
            ToleranceExceeded: a record failed and that is not tolerated.
            StopAsked: the task is to stop; nothing of it is to be put.
        """
        origin = FetchedOrigin(fetched)
        topics = fetched.topics()
        raw_keys, raw_values, raw_headers = fetched.keys(), fetched.values(), fetched.headers()
        records = Records(
            topics,
            raw_values,
            keys=[None] * len(raw_values) if raw_keys is None else list(raw_keys),
            timestamps=fetched.timestamps(),
            partitions=list(fetched.partitions()),
            offsets=fetched.offsets(),
        )
        try:
            records = self._decode_part(Stage.KEY_CONVERTER, "key", origin, records)
            records = self._decode_part(Stage.VALUE_CONVERTER, "value", origin, records, fetched)
            if raw_headers is not None:
                records, headers, _ = self._stage(
                    Stage.HEADER_CONVERTER,
                    "header",
                    origin,
                    records,
                    self._decode_headers(records, raw_headers),
                    lambda items, _: items,
                )
                records = records.replace(headers=headers)
            return self._through_chain(records, origin)
        except ToleranceExceeded as error:
            self.tolerance.report(error.failure)
            raise

    def decode_values(self, fetched: Fetched) -> list[Any]:
        """The values of all messages alone, without a look at keys, headers or the chain.

        Raises:
            ToleranceExceeded: one of them cannot be read; it is named.
        """
        topics = fetched.topics()
        if isinstance(topics, str):
            values = self._decode_lines(topics, fetched)
            if values is not None:
                return values
        records = Records(topics, fetched.values())
        return self._decode_part(Stage.VALUE_CONVERTER, "value", FetchedOrigin(fetched), records).values

    def _decode_lines(self, topic: str, fetched: Fetched) -> list[Any] | None:
        if type(self.converters.value).decode_lines is Converter.decode_lines:
            return None
        lines = fetched.lines()
        return None if lines is None else self.converters.value.decode_lines(topic, lines, len(fetched))

    def _decode_part(
        self, stage: Stage, kind: Literal["key", "value"], origin: Origin, records: Records, fetched: Fetched | None = None
    ) -> Records:
        by = self.converters.key if kind == "key" else self.converters.value
        raw: list[Any] = (records.keys or []) if kind == "key" else records.values
        if kind == "key" and isinstance(records.topics, str) and all(item is None for item in raw):
            schema, value = by.to_connect_data(records.topics, None)
            if value is None:
                schemas = None if schema is None else [schema] * len(raw)
                return records.replace(keys=None if schema is None else raw, key_schemas=schemas)
        if fetched is not None and isinstance(records.topics, str) and len(records) == len(fetched):
            values = self._decode_lines(records.topics, fetched)
            if values is not None:
                return records.replace(values=values)

        def call(part: slice) -> tuple[list[Any], list[Schema | None] | None]:
            topics = records.topics if isinstance(records.topics, str) else records.topics[part]
            return _decode(by, topics, raw[part])

        def pairs(result: tuple[list[Any], list[Schema | None] | None], part: slice) -> list[Any]:
            values, schemas = result
            return list(zip(values, [None] * len(values) if schemas is None else schemas, strict=True))

        records, decoded, _ = self._stage(stage, kind, origin, records, call, pairs)
        if isinstance(decoded, list):  # in parts
            schemas = [schema for _, schema in decoded]
            decoded = ([value for value, _ in decoded], None if all(schema is None for schema in schemas) else schemas)
        if kind == "key":
            return records.replace(keys=decoded[0], key_schemas=decoded[1])
        return records.replace(values=decoded[0], value_schemas=decoded[1])

    def _decode_headers(
        self, records: Records, raw: Sequence[Sequence[RawHeader] | None]
    ) -> Callable[[slice], list[list[Header] | None]]:
        convert = self.converters.header.to_connect_header

        def call(part: slice) -> list[list[Header] | None]:
            made: list[list[Header] | None] = []
            for i in range(part.start, part.stop):
                pairs = raw[records.rows[i]]
                topic = records.topics if isinstance(records.topics, str) else records.topics[i]
                try:
                    made.append(None if not pairs else [_header(name, convert(topic, name, data)) for name, data in pairs])
                except DataError as error:
                    raise _at(error, i - part.start) from error
            return made

        return call


def _header(name: str, read: tuple[Schema | None, Any]) -> Header:
    return Header(name, read[1], read[0])


def _schema_of(pair: Sequence[Any]) -> Schema | None:
    """A header's schema, where a source gives a `Header` and not just a name and a value."""
    return pair[2] if len(pair) > 2 else None


def _with_schemas(headers: Sequence[Any] | None) -> list[Sequence[Header] | None] | None:
    if headers is None:
        return None
    return [None if pairs is None else [Header(*pair) for pair in pairs] for pairs in headers]


def _at(error: DataError, index: int) -> ConversionError:
    """The same error, about this one of a batch."""
    return ConversionError(error.message, index=index, where=error.where, hint=error.hint)


Encode = Callable[[str, list[Any], "Sequence[Schema | None] | None"], Any]
"""Makes bytes of the values of one topic; as Converter.encode_batch."""


def _encode(
    encode: Encode, topics: str | list[str], items: list[Any], schemas: Sequence[Schema | None] | None
) -> Callable[[slice], Encoded]:
    """Make a function that encodes a part of these items, each under its topic."""

    def call(part: slice) -> Any:
        values, kinds = items[part], None if schemas is None else schemas[part]
        if isinstance(topics, str):
            return encode(topics, values, kinds)
        encoded: list[bytes | None] = [None] * len(values)
        for topic, indexes in _by_topic(topics[part]):
            chosen = [values[i] for i in indexes]
            try:
                made = encode(topic, chosen, None if kinds is None else [kinds[i] for i in indexes])
            except ConversionError as error:
                raise _moved(error, indexes) from error
            for i, item in zip(indexes, _as_items(made, chosen) or (), strict=True):
                encoded[i] = item
        return encoded

    return call


def _encode_json(topic: str, values: list[Any], schemas: Sequence[Schema | None] | None) -> Encoded:
    """What was JSON text stays so, under a converter that takes raw JSON as it is."""
    return _json_encoder.encode_lines(values)


def _decode(
    by: Converter[Any], topics: str | list[str], data: Sequence[bytes | None]
) -> tuple[list[Any], list[Schema | None] | None]:
    if isinstance(topics, str):
        return by.decode_columns(topics, data)
    values: list[Any] = [None] * len(data)
    schemas: list[Schema | None] = [None] * len(data)
    for topic, indexes in _by_topic(topics):
        try:
            made, kinds = by.decode_columns(topic, [data[i] for i in indexes])
        except ConversionError as error:
            raise _moved(error, indexes) from error
        for n, i in enumerate(indexes):
            values[i] = made[n]
            schemas[i] = None if kinds is None else kinds[n]
    return values, None if all(schema is None for schema in schemas) else schemas


def _by_topic(topics: Sequence[str]) -> list[tuple[str, list[int]]]:
    found: dict[str, list[int]] = {}
    for i, topic in enumerate(topics):
        found.setdefault(topic, []).append(i)
    return list(found.items())


def _moved(error: ConversionError, indexes: Sequence[int]) -> ConversionError:
    """The same error, its index that of the whole and not of the topic's share."""
    if error.index is not None:
        error.index = indexes[error.index]
    return error


def _raw(
    by: Converter[Any],
    topic: str,
    values: Any,
    form: Literal["lines", "raw", "arrow"],
    format: ValueFormat,
    schema: Schema | None,
) -> Column:
    if by.raw_is_encoded(format):
        return values
    items = values if form == "raw" and isinstance(values, list) else _items_of(values, form)
    if schema is None:
        return by.encode_raw(topic, items, format)
    read = items if format == "bytes" else [None if item is None else item.decode(errors="replace") for item in items]
    return by.encode_batch(topic, read, [schema] * len(read))


def _read_json(items: Sequence[bytes | None], what: str) -> list[Any]:
    """The values of JSON texts.

    Raises:
        ConversionError: one of them is none.
    """
    try:
        values: list[Any] = _json_lines.decode_lines(b"\n".join([b"null" if item is None else item for item in items]))
        if len(values) == len(items):
            return values
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    values = []
    for index, item in enumerate(items):
        try:
            values.append(None if item is None else _json_lines.decode(item))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ConversionError(f"the {what} is no JSON text: {error}", index=index) from error
    return values


def _is_arrow(values: Any) -> bool:
    return hasattr(values, "__arrow_c_array__")


def _items_of(values: Any, form: Literal["lines", "raw", "arrow", "values"]) -> list[bytes | None]:
    if form == "lines":
        lines: list[bytes | None] = list(bytes(values).split(b"\n"))
        if lines[-1] == b"":
            del lines[-1]
        return lines
    if form == "arrow":
        return [item.encode() if isinstance(item, str) else item for item in values.to_pylist()]
    return list(values)


def _as_items(keys: Column | None, values: Sequence[Any] | None = None) -> Any:
    """What a converter made into lines, as a list, with None for what was None: a key may be absent."""
    if not isinstance(keys, bytes):
        return keys
    lines: list[bytes | None] = list(keys.split(b"\n")[:-1])
    if values is not None:
        return [None if value is None else line for line, value in zip(lines, values, strict=True)]
    return lines


Conversion = SourceConversion
