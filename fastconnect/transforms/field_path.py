"""Where a field is: its name (syntax V1), or the way to it through structs and maps (syntax V2): `user.address.city`.

In V2 a name that has dots in it stands in backticks: `` `first.name`.text ``; a backtick before a dot in there is `` \\` ``.
Source: Kafka Connect's SingleFieldPath (KIP-821).
"""

from __future__ import annotations

from typing import Any

from fastconnect.api.schema import Field, Schema, Struct
from fastconnect.transforms.part import require_map, require_struct

_PURPOSE = "nested field access"


def steps_of(path: str) -> list[str]:
    """Take a path of syntax V2 apart.

    Raises:
        ValueError: a backtick is not closed.
    """
    steps: list[str] = []
    at = 0
    while at < len(path):
        if path[at] == "`":
            step, at = _quoted(path, at)
        else:
            end = path.find(".", at)
            step, at = (path[at:], len(path)) if end < 0 else (path[at:end], end + 1)
        steps.append(step)
    return [*steps, ""] if path.endswith(".") else steps


def _quoted(path: str, opening: int) -> tuple[str, int]:
    """The name in backticks that opens here, and where the next step begins."""
    name = ""
    start = opening + 1
    at = start
    while True:
        at = path.find("`", at)
        escaped = at > 0 and path[at - 1] == "\\"
        last = at >= len(path) - 1
        if at < 0 or (last and escaped):
            raise ValueError(
                f"Incomplete backtick pair in path: [{path}], consider adding a backslash before backtick at position "
                f"{opening} to escape it"
            )
        if not last and path[at + 1] != ".":  # in the middle of the name
            at += 1
        elif escaped:
            name += path[start : at - 1] + "`"
            at = start = at + 1
        else:
            return name + path[start:at], at + 1 if last else at + 2


def field_at(schema: Schema, steps: list[str]) -> Field | None:
    """Return the field of a struct's schema that a path leads to; None if there is none."""
    for step in steps[:-1]:
        field = schema.field(step)
        if field is None:
            return None
        schema = field.schema
    return schema.field(steps[-1])


def value_in_map(value: Any, steps: list[str]) -> Any:
    """Return what a path leads to in maps; None if there is nothing.

    Raises:
        DataError: something on the way is no map.
    """
    for step in steps[:-1]:
        value = value.get(step)
        if value is None:
            return None
        require_map(value, _PURPOSE)
    return value.get(steps[-1])


def value_in_struct(value: Struct, steps: list[str], *, replace_null: bool) -> Any:
    """Return what a path, whose fields are known to be there, leads to in structs; None if one on the way is None."""
    for step in steps[:-1]:
        inner = value.get(step)
        if inner is None:
            return None
        value = require_struct(inner, None, _PURPOSE)
    return value.get(steps[-1]) if replace_null else value.get_without_default(steps[-1])
