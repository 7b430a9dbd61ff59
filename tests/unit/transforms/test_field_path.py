from __future__ import annotations

import pytest

from fastconnect.errors import DataError
from fastconnect.transforms.field_path import steps_of, value_in_map


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("a", ["a"]),
        ("a.b.c", ["a", "b", "c"]),
        ("`a.b`.c", ["a.b", "c"]),
        ("a.`b.c`", ["a", "b.c"]),
        ("`a`b`.c", ["a`b", "c"]),
        ("`a\\`.b`", ["a`.b"]),
        ("a.", ["a", ""]),
        (".a", ["", "a"]),
        ("", []),
    ],
)
def test_a_path_is_taken_apart_at_its_dots(path: str, steps: list[str]) -> None:
    assert steps_of(path) == steps


@pytest.mark.parametrize("path", ["`a", "a.`b", "`a\\`", "`a`b"])
def test_a_backtick_that_is_not_closed_is_refused(path: str) -> None:
    with pytest.raises(
        ValueError, match=r"Incomplete backtick pair in path: .* adding a backslash before backtick at position"
    ):
        steps_of(path)


def test_a_path_leads_through_maps() -> None:
    value = {"a": {"b": {"c": 1}}, "none": None}

    assert value_in_map(value, ["a", "b", "c"]) == 1
    assert value_in_map(value, ["a", "nope", "c"]) is None
    assert value_in_map(value, ["none", "c"]) is None
    with pytest.raises(
        DataError, match=r"Only Map objects supported in absence of schema for \[nested field access\], found: int"
    ):
        value_in_map(value, ["a", "b", "c", "d"])
