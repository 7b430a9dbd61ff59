"""DropHeaders: takes all headers of some names away. Source: Kafka Connect's DropHeaders."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from fastconnect.api.config import Config, Fault, Meta
from fastconnect.api.transform import Records, Transform
from fastconnect.transforms.part import list_faults


class DropHeadersConfig(Config):
    """Which headers go."""

    headers: Annotated[list[str], Meta(description="Names of the headers that are taken away.")]

    def check(self) -> Iterable[Fault]:
        """There must be names."""
        return list_faults("headers", self.headers)


class DropHeaders(Transform[DropHeadersConfig]):
    """Takes headers away from every record."""

    def apply_batch(self, records: Records) -> Records:
        """Return the records without these headers."""
        if records.headers is None:
            return records
        dropped = frozenset(self.config.headers)
        return records.replace(
            headers=[headers and [header for header in headers if header.name not in dropped] for headers in records.headers]
        )
