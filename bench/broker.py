"""The broker of a run: one that is named, or the embedded one, started for the run with its data in bench/.work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bench.settings import WORK


@contextmanager
def running(bootstrap: str | None) -> Iterator[tuple[str, str]]:
    """Give the address and a few words for the results file. An embedded broker is stopped at the end."""
    if bootstrap:
        yield bootstrap, "a broker that ran already"
        return
    from fastconnect.broker import embedded
    from fastconnect.broker.kafka import KAFKA_VERSION

    with embedded.acquire(folder=WORK / "broker", on_progress=print) as broker:
        yield broker.bootstrap_servers, f"fastconnect's embedded broker, Apache Kafka {KAFKA_VERSION}"
