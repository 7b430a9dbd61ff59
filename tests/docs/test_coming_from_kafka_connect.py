"""The defaults that docs/coming-from-kafka-connect.md gives are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fastconnect.config.task_clients import producer_properties
from fastconnect.config.worker import WorkerConfig

PAGE = Path(__file__).parents[2] / "docs" / "coming-from-kafka-connect.md"
LIBRDKAFKA = {"max.in.flight.requests.per.connection": "5"}
"""What an idempotent producer of librdkafka has where nothing is set; its own default is 1000000, which it lowers to 5."""


def defaults() -> dict[str, str]:
    """Key -> default, as the page's table gives them."""
    section = PAGE.read_text().partition("## Defaults, side by side")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `([^`]+)` \|[^|]*\| ([^|]*) \|$", section, re.MULTILINE))


@pytest.fixture(scope="module")
def worker() -> WorkerConfig:
    return WorkerConfig.parse({"bootstrap.servers": "localhost:9092"})


@pytest.mark.parametrize("key", defaults())
def test_a_default_on_the_page_is_the_codes(key: str, worker: WorkerConfig) -> None:
    fields = {entry.key: entry.default_text() for entry in WorkerConfig.fields()}
    if key.startswith("producer."):
        found = LIBRDKAFKA | producer_properties(worker, {}, "any", 0)
        code = found[key.removeprefix("producer.")]
    elif key.endswith(".schemas.enable"):
        code = worker.converter("key" if key.startswith("key") else "value")[1]["schemas.enable"]
    else:
        code = fields[key] or ""
    assert defaults()[key] == code


def test_the_table_is_found() -> None:
    assert len(defaults()) > 8
