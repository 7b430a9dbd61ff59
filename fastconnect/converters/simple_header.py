"""SimpleHeaderConverter: header values as short texts, read back as whatever they look like. Writes no schemas."""

from __future__ import annotations

import logging
from typing import Any

from fastconnect.api.config import Config
from fastconnect.api.converter import HeaderConverter
from fastconnect.api.schema import Schema, SchemaAndValue
from fastconnect.api.values import parse, to_text

log = logging.getLogger(__name__)

_BYTES = Schema.bytes()


class SimpleHeaderConverter(HeaderConverter[Config]):
    """Texts, as Kafka Connect's org.apache.kafka.connect.storage.SimpleHeaderConverter writes and reads them."""

    config_class = Config

    def from_connect_header(self, topic: str, name: str, schema: Schema | None, value: Any) -> bytes | None:
        """Write a value as text, in UTF-8.

        Raises:
            DataError: it is nothing Kafka Connect knows.
        """
        if value is None:
            return None
        return to_text(value, schema).encode("utf-8", "replace")

    def to_connect_header(self, topic: str, name: str, data: bytes | None) -> SchemaAndValue:
        """Read a value from text; what cannot be read stays bytes."""
        if data is None:
            return SchemaAndValue(None, None)
        try:
            return parse(data.decode("utf-8", "replace"))
        except Exception as error:  # whatever a header holds, its record must not be lost for it
            log.warning("A header could not be read and is passed on as bytes. header=%s topic=%s error=%s", name, topic, error)
            return SchemaAndValue(_BYTES, data)
