"""Values that the micro benchmarks share."""

from __future__ import annotations

from typing import Any

import pytest

from bench.data import CITIES

POLL = 2000
"""Records in one poll, as in the end-to-end scenarios with dicts."""


@pytest.fixture(scope="session")
def values() -> list[dict[str, Any]]:
    """One poll of dicts as bench/dict_source.py makes them: 86 bytes each as JSON."""
    poll = []
    for number in range(POLL):
        scattered = number * 2654435761 & 0xFFFFFFFF
        poll.append(
            {
                "id": number + 10_000_000,
                "user": f"customer-{scattered % 90_000 + 10_000}",
                "city": CITIES[scattered >> 29],
                "amount": (scattered % 90_000 + 10_000) / 100.0,
                "active": scattered & 64 != 0,
            }
        )
    return poll
