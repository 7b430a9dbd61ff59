"""HasHeaderKey: holds for records that have a header of a name. Source: Kafka Connect's HasHeaderKey."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastconnect.api.config import Check, Config, Meta
from fastconnect.api.transform import Predicate, Records


class HasHeaderKeyConfig(Config):
    """Which header."""

    name: Annotated[
        str,
        Check(lambda name: None if name else "String must be non-empty"),
        Meta(description="The header's name.", extra_json_schema={"importance": "MEDIUM"}),
    ]


class HasHeaderKey(Predicate[HasHeaderKeyConfig]):
    """Whether a record has a header of this name, one or more."""

    def test_batch(self, records: Records) -> Sequence[bool]:
        """Whether it holds, for each of many records."""
        if records.headers is None:
            return [False] * len(records)
        name = self.config.name
        return [any(header.name == name for header in headers or ()) for headers in records.headers]
