"""StringConverter: any value as the text that Java's `toString()` gives, and bytes as text.

Bytes are written as they are, where Java writes their address in memory.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from fastconnect.api.config import Fault, Meta
from fastconnect.api.converter import ConverterConfig, Encoded, ValueAndHeaderConverter, located
from fastconnect.api.java_text import java_string
from fastconnect.api.record import ValueFormat
from fastconnect.api.schema import Schema, SchemaAndValue
from fastconnect.errors import DataError

_TEXT = Schema.string(optional=True)


class StringConverterConfig(ConverterConfig):
    """How texts become bytes."""

    converter_encoding: Annotated[
        str,
        Meta(
            description="The character set of the bytes.",
            extra_json_schema={"importance": "HIGH", "width": "MEDIUM", "display_name": "Encoding"},
        ),
    ] = "UTF-8"

    def check(self) -> Iterable[Fault]:
        """The character set must be known."""
        try:
            " ".encode(self.converter_encoding)
        except (LookupError, TypeError, ValueError):
            why = "there is no such character set"
            yield Fault(
                "converter.encoding", f"Invalid value {self.converter_encoding} for configuration converter.encoding: {why}"
            )


class StringConverter(ValueAndHeaderConverter[StringConverterConfig]):
    """Texts, as Kafka Connect's org.apache.kafka.connect.storage.StringConverter writes and reads them."""

    def configure(self, configs: Any, is_key: bool | None = None) -> None:
        """Take the settings and check them."""
        super().configure(configs, is_key)
        self._encoding = codecs.lookup(self.config.converter_encoding).name

    def from_connect_data(self, topic: str, schema: Schema | None, value: Any) -> bytes | None:
        """Make the bytes of a value's text; None is a tombstone. Characters that the character set lacks become `?`."""
        if value is None:
            return None
        if isinstance(value, (bytes, bytearray, memoryview)):
            return bytes(value)
        try:
            text = value if isinstance(value, str) else java_string(value, schema)
        except DataError as error:
            raise located(error, f"{self.what} of topic {topic}") from error
        if self._encoding == "utf-16":  # Java writes the big end first, whatever the machine
            return b"\xfe\xff" + text.encode("utf-16-be", "replace")
        return text.encode(self._encoding, "replace")

    def to_connect_data(self, topic: str, data: bytes | None) -> SchemaAndValue:
        """Read text; bytes that are none in the character set become U+FFFD."""
        if data is None:
            return SchemaAndValue(_TEXT, None)
        if self._encoding == "utf-16" and data[:2] not in (b"\xfe\xff", b"\xff\xfe"):
            return SchemaAndValue(_TEXT, data.decode("utf-16-be", "replace"))
        return SchemaAndValue(_TEXT, data.decode(self._encoding, "replace"))

    def decode_columns(self, topic: str, data: Sequence[bytes | None]) -> tuple[list[Any], list[Schema | None] | None]:
        """Read many texts."""
        if self._encoding == "utf-16":
            return super().decode_columns(topic, data)
        encoding = self._encoding
        schemas: list[Schema | None] = [_TEXT] * len(data)
        return [None if item is None else item.decode(encoding, "replace") for item in data], schemas

    def encode_batch(self, topic: str, values: list[Any], schemas: Sequence[Schema | None] | None = None) -> Encoded:
        """Make lines of many texts at once, or a list if they are not all texts on one line (or read `null`)."""
        if self._encoding == "utf-8":
            try:
                lines = "\n".join([*values, ""]).encode("utf-8", "replace")
            except TypeError:  # not all are texts
                return super().encode_batch(topic, values, schemas)
            if lines.count(b"\n") == len(values) and not (lines.startswith(b"null\n") or b"\nnull\n" in lines):
                return lines
        return super().encode_batch(topic, values, schemas)

    def raw_is_encoded(self, format: ValueFormat) -> bool:
        """Raw text is UTF-8 and goes out as it is; so do bytes, and JSON, which is text."""
        return format == "bytes" or self._encoding == "utf-8"
