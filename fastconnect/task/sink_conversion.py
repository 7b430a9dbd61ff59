"""From messages of Kafka to what a sink puts: the key, value and header converters, then the chain of transforms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from fastconnect._core import Fetched
from fastconnect.api.converter import ConversionError, Converter
from fastconnect.api.schema import Schema
from fastconnect.api.transform import Header, Records
from fastconnect.errors import DataError
from fastconnect.task.conversion import Conversion, at, by_topic, moved
from fastconnect.task.origin import FetchedOrigin, Origin, RawHeader
from fastconnect.task.tolerance import Stage, ToleranceExceeded


class SinkConversion(Conversion):
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
                    raise at(error, i - part.start) from error
            return made

        return call


def _header(name: str, read: tuple[Schema | None, Any]) -> Header:
    return Header(name, read[1], read[0])


def _decode(
    by: Converter[Any], topics: str | list[str], data: Sequence[bytes | None]
) -> tuple[list[Any], list[Schema | None] | None]:
    if isinstance(topics, str):
        return by.decode_columns(topics, data)
    values: list[Any] = [None] * len(data)
    schemas: list[Schema | None] = [None] * len(data)
    for topic, indexes in by_topic(topics):
        try:
            made, kinds = by.decode_columns(topic, [data[i] for i in indexes])
        except ConversionError as error:
            raise moved(error, indexes) from error
        for n, i in enumerate(indexes):
            values[i] = made[n]
            schemas[i] = None if kinds is None else kinds[n]
    return values, None if all(schema is None for schema in schemas) else schemas
