"""docs/configuration.md is what the code says now."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_configuration", DOCS / "make_configuration.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_config_classes_say(maker: ModuleType) -> None:
    stale = maker.PAGE.read_text() != maker.page()
    assert not stale, "a Config class has changed: run `python docs/make_configuration.py` and commit docs/configuration.md"


def test_every_key_has_a_description(maker: ModuleType) -> None:
    without = [line for line in maker.page().splitlines() if line.startswith("| `") and line.endswith("|  |")]
    assert not without
