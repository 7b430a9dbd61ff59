"""InsertHeader: adds a header with a fixed value to every record. Source: Kafka Connect's InsertHeader."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastconnect.api.config import Config, Meta
from fastconnect.api.transform import Header, Records, Transform
from fastconnect.api.values import parse


class InsertHeaderConfig(Config):
    """The header."""

    header: Annotated[str, Meta(description="The header's name.")]
    value_literal: Annotated[
        str,
        Meta(description="Its value, of the type it looks like: a text, a number, `true`, a date, a list `[1,2]` or a map."),
    ]


class InsertHeader(Transform[InsertHeaderConfig]):
    """Adds a header to every record."""

    def configure(self, configs: Mapping[str, str | None]) -> None:
        """Take the settings and check them."""
        super().configure(configs)
        schema, value = parse(self.config.value_literal)
        self._header = Header(self.config.header, value, schema)

    def apply_batch(self, records: Records) -> Records:
        """Return the records with the header behind those they have."""
        new = self._header
        if records.headers is None:
            return records.replace(headers=[(new,)] * len(records))
        return records.replace(headers=[[*headers, new] if headers else (new,) for headers in records.headers])
