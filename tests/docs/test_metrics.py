"""docs/metrics.md and the dashboard are what the code says now."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fastconnect.herder import metrics_table

DOCS = Path(__file__).parents[2] / "docs"
DASHBOARD = DOCS / "grafana" / "fastconnect.json"
SUFFIXES = {"summary": ("_sum", "_count"), "histogram": ("_sum", "_count", "_bucket")}


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_metrics", DOCS / "make_metrics.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def exported_series() -> set[str]:
    return {name + suffix for name, kind in kinds().items() for suffix in SUFFIXES.get(kind, ("",))}


def kinds() -> dict[str, str]:
    return {each.name: each.kind for each in metrics_table.EXPORTED}


def metrics_in(text: str) -> set[str]:
    return set(re.findall(r"kafka_connect_\w+", text))


def expressions(panel: dict[str, Any]) -> Iterator[str]:
    for target in panel.get("targets", ()):
        yield target["expr"]
    for inner in panel.get("panels", ()):
        yield from expressions(inner)


def test_the_page_is_what_the_table_says(maker: ModuleType) -> None:
    stale = maker.PAGE.read_text() != maker.page()
    assert not stale, "metrics_table.py has changed: run `python docs/make_metrics.py` and commit docs/metrics.md"


def test_every_metric_of_a_promql_example_is_exported(maker: ModuleType) -> None:
    questions = maker.page().partition("## Questions")[2]
    assert metrics_in(questions)
    assert metrics_in(questions) <= exported_series()


def test_every_metric_of_the_dashboard_is_exported() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    asked = {name for panel in dashboard["panels"] for text in expressions(panel) for name in metrics_in(text)}
    asked |= metrics_in(json.dumps(dashboard["templating"]))
    assert len(asked) > 20
    assert asked <= exported_series()


def test_the_panels_of_the_dashboard_have_numbers_of_their_own_and_do_not_overlap() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
