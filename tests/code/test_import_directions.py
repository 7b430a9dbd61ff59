"""Holds the architecture: which part may import which. The map is in CONTRIBUTING.md."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "fastconnect"

# Commands go from left to right, and a module imports only what is to its right.
LINE = ("cli", "rest", "config", "herder", "supervisor", "task", "_core")

SERVES_ALL = {
    "api",
    "errors",
    "states",
    "plugins",
    "logs",
    "log_levels",
    "metrics",
    "reports",
    "paths",
    "librdkafka",
    "nearest",
    "masking",
}
"""On top of the package, imported by every part."""

MAY_IMPORT = {
    # The contract knows of nothing but itself and the errors: a plugin author reads it alone.
    "api": {"api", "errors"},
    "errors": set(),
    "states": set(),
    "nearest": set(),
    "paths": set(),
    "librdkafka": {"errors"},
    "plugins": {"api", "errors", "nearest"},
    "metrics": {"states"},
    "log_levels": set(),
    "logs": {"states", "masking"},
    "masking": set(),
    "reports": {"_core", "states", "masking"},
    "_core": {"api", "errors"},
    "testing": {"api", "errors", "testing_sink"},
    "testing_sink": {"api", "errors"},
    # Plugins: what their authors have, and no more.
    "connectors": {"connectors", "api", "errors"},
    "converters": {"converters", "api", "errors"},
    "transforms": {"transforms", "api", "errors", "plugins"},
    "predicates": {"predicates", "api", "errors"},
    # Side services.
    "storage": {"storage", "api", "errors", "states", "paths", "librdkafka"},
    "broker": {"broker", "errors", "paths", "logs"},
    "config": {"config", "api", "errors", "plugins", "states", "nearest", "paths", "masking"},
    "task": {"task", "_core", "storage", "config", *SERVES_ALL},
    "supervisor": {"supervisor", "_core", "errors", "states", "logs", "log_levels", "metrics", "reports"},
    "herder": {"herder", "config", "supervisor", "storage", "_core", *SERVES_ALL},
    "rest": {"rest", "config", "herder", *SERVES_ALL},
    "client": {"client", "errors", "states", "paths", "nearest"},
    "cli": {"cli", "rest", "client", "config", "herder", "supervisor", "task", "storage", "broker", "_core", *SERVES_ALL},
    "__init__": {"api", "errors", "librdkafka"},
}


def part_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py").removesuffix(".pyi")


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """Line and part for each import of fastconnect's own modules, those inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            first, *rest = name.split(".")
            if first == "fastconnect" and rest:
                yield node.lineno, rest[0]


MODULES = sorted(path for path in ROOT.rglob("*.py") if "__pycache__" not in path.parts)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_its_part_may(path: Path) -> None:
    allowed = MAY_IMPORT[part_of(path)]
    wrong = [f"line {line}: {part}" for line, part in imports_of(path) if part not in allowed and part != "__version__"]
    assert not wrong, f"{path.relative_to(ROOT.parent)} may not import {wrong}"


def test_every_part_of_the_package_has_its_place_in_the_map() -> None:
    assert {part_of(path) for path in MODULES} <= set(MAY_IMPORT)


def test_the_map_itself_points_one_way() -> None:
    for i, part in enumerate(LINE[:-1]):
        to_the_left = set(LINE[:i]) & MAY_IMPORT[part]
        # The configuration is data that the parts to its right are given, as typed classes.
        assert to_the_left <= {"config"}, f"{part} imports {to_the_left}, which is to its left"
