"""Filter: drops records, all that its predicate lets through to it. Source: Kafka Connect's Filter."""

from __future__ import annotations

from fastconnect.api.config import Config
from fastconnect.api.transform import Records, Transform


class Filter(Transform[Config]):
    """Drops every record; which ones those are is said by its predicate."""

    def apply_batch(self, records: Records) -> Records:
        """Return no records."""
        return records.select(())
