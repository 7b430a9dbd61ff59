"""What the tests with real commands share: a shell, and the topics of the broker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.commands import Shell
from fakes.topics import Topics
from fakes.with_plugins import shell_with_plugins


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Shell]:
    """Runs `fastconnect` commands, with an offset store of this test's own."""
    with shell_with_plugins(tmp_path) as commands:
        yield commands


@pytest.fixture(scope="session")
def topics(kafka: str) -> Topics:
    """The topics of the broker that all tests share."""
    return Topics(kafka)
