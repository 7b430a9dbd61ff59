"""What all tests share: a home of their own, a real Kafka for those that ask for it, and waiting without sleeping."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """FASTCONNECT_HOME for all tests and what they start: no test touches the offsets or the broker of who runs it."""
    folder = tmp_path_factory.mktemp("home")
    before = os.environ.get("FASTCONNECT_HOME")
    os.environ["FASTCONNECT_HOME"] = str(folder)
    yield folder
    if before is None:
        del os.environ["FASTCONNECT_HOME"]
    else:
        os.environ["FASTCONNECT_HOME"] = before


@pytest.fixture(scope="session")
def kafka(home: Path) -> Iterator[str]:
    """Bootstrap servers of a real broker: one for the whole session, new and empty, 8 partitions a new topic.

    Apache Kafka itself is fetched into the user's cache folder the first time ever. The broker ends with this process,
    however that ends.
    """
    from fastconnect.broker.embedded import acquire

    with acquire(on_progress=print) as broker:
        yield broker.bootstrap_servers


@pytest.fixture
def fresh_topic() -> str:
    """The name of a topic that no other test uses."""
    return f"topic-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def until() -> Callable[..., None]:
    """`until(condition, timeout_s=30)` asks until the condition holds, and fails if it does not within the time."""

    def wait(condition: Callable[[], object], timeout_s: float = 30, what: str = "the condition") -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"{what} did not hold within {timeout_s} s")
            time.sleep(0.01)

    return wait
