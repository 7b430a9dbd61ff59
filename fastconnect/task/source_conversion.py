"""From what a source polls to what the send loop takes: the chain of transforms, then the header, key and value converters.

Values that are already what the converter would make of them (lines of JSON under a JSON converter, bytes under the bytes
converter) are passed on untouched, unless there is a chain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal

import msgspec

from fastconnect import _core
from fastconnect._core import RecordColumns, SendLoop
from fastconnect.api.converter import ConversionError, Converter, Encoded
from fastconnect.api.record import RecordBatch, SourceRecord, ValueFormat
from fastconnect.api.schema import Schema
from fastconnect.api.transform import Header, Records
from fastconnect.config.worker import ConverterKind
from fastconnect.errors import ConnectError, DataError
from fastconnect.task.conversion import Conversion, at, by_topic, moved
from fastconnect.task.origin import Origin, PolledOrigin, RawHeader
from fastconnect.task.tolerance import Failure, Stage, ToleranceExceeded

Column = bytes | bytearray | memoryview | list[bytes | None] | Any
"""Keys or values as the send loop takes them: lines in a buffer, a list of bytes and None, or an Arrow array."""

RawHeaders = list[list[RawHeader] | None]

_json_lines = msgspec.json.Decoder()
_json_encoder = msgspec.json.Encoder()


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


class SourceConversion(Conversion):
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
        polled = records.rows[-1] + 1 if len(records) else 0  # not counting bad ones at the very end
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
        elif (decoded := self._json_at_once(batch, limit)) is not None:
            values, count, keys = decoded, len(decoded), None
            rows = range(count)
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

    def _json_at_once(self, batch: RecordBatch, limit: int | None) -> list[Any] | None:
        """The values of lines of JSON, if that is all there is to read and nothing is wrong with it."""
        simple = batch.form == "lines" and batch.format == "json" and batch.keys is None and not batch.faults
        if self.chain is None or limit is not None or not simple:
            return None
        lines = bytes(batch.values)
        try:
            values: list[Any] = _json_lines.decode_lines(lines)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        return values if len(values) == lines.count(b"\n") + (not lines.endswith(b"\n")) else None

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
                    raise at(error, i - part.start) from error
            return made

        return call


def _schema_of(pair: Sequence[Any]) -> Schema | None:
    """A header's schema, where a source gives a `Header` and not just a name and a value."""
    return pair[2] if len(pair) > 2 else None


def _with_schemas(headers: Sequence[Any] | None) -> list[Sequence[Header] | None] | None:
    if headers is None:
        return None
    return [None if pairs is None else [Header(*pair) for pair in pairs] for pairs in headers]


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
        for topic, indexes in by_topic(topics[part]):
            chosen = [values[i] for i in indexes]
            try:
                made = encode(topic, chosen, None if kinds is None else [kinds[i] for i in indexes])
            except ConversionError as error:
                raise moved(error, indexes) from error
            for i, item in zip(indexes, _as_items(made, chosen) or (), strict=True):
                encoded[i] = item
        return encoded

    return call


def _encode_json(topic: str, values: list[Any], schemas: Sequence[Schema | None] | None) -> Encoded:
    """What was JSON text stays so, under a converter that takes raw JSON as it is."""
    return _json_encoder.encode_lines(values)


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
