"""What the tests with real commands share: a shell, the broker's topics, and plugins that misbehave."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.commands import Shell, shell
from fakes.topics import Topics

PLUGINS = Path(__file__).parents[1] / "fakes" / "plugins"
"""A folder with an installed package of plugins, for the commands' PYTHONPATH."""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Shell]:
    """Runs `fastconnect` commands, with an offset store of this test's own."""
    with shell(tmp_path, PYTHONPATH=os.pathsep.join([str(PLUGINS), os.environ.get("PYTHONPATH", "")]).strip(":")) as commands:
        yield commands


@pytest.fixture(scope="session")
def topics(kafka: str) -> Topics:
    """The topics of the broker that all tests share."""
    return Topics(kafka)
