"""RecordIsTombstone: holds for records without a value. Source: Kafka Connect's RecordIsTombstone."""

from __future__ import annotations

from collections.abc import Sequence

from fastconnect.api.config import Config
from fastconnect.api.transform import Predicate, Records


class RecordIsTombstone(Predicate[Config]):
    """Whether a record's value is None."""

    def test_batch(self, records: Records) -> Sequence[bool]:
        """Whether it holds, for each of many records."""
        return [value is None for value in records.values]
