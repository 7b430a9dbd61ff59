"""Request bodies: JSON of limited size and depth -> typed data, or a 400 that says what is wrong without repeating it.

Kafka Connect answers 500 with Java's words to what cannot be read. Here that is 400, but the rest is as there: numbers and
booleans in a config become strings, and a null stays null.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from fastconnect.rest.error_body import BadRequestError

LARGEST_BYTES = 1 << 20
LARGEST_INTERNAL_BYTES = 1 << 24  # all tasks of a connector: some thousands of them
DEEPEST = 32

T = TypeVar("T")

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"(\s*+:)?|[\[\]{}]', re.DOTALL)


class CreateConnector(msgspec.Struct, forbid_unknown_fields=True):
    """`POST /connectors`."""

    name: str | None = None
    config: dict[str, msgspec.Raw] | None = None
    initial_state: str | None = None


class NamedOffset(msgspec.Struct, forbid_unknown_fields=True):
    """One offset to be altered; left out or null it is forgotten."""

    partition: Any = None
    offset: Any = None


class AlterOffsets(msgspec.Struct, forbid_unknown_fields=True):
    """`PATCH /connectors/{name}/offsets`."""

    offsets: list[NamedOffset] | None = None


class SetLevel(msgspec.Struct):
    """`PUT /admin/loggers/{logger}`; what else there is in it is of no account."""

    level: str | None = None


ConfigBody = dict[str, msgspec.Raw]
"""A configuration as it is sent; `config_of` makes strings of its values."""


def decode(body: bytes, kind: type[T]) -> T:
    """Read a body.

    Raises:
        BadRequestError: it is missing, no JSON, too deep, has a key twice, or is not what is asked for.
    """
    if not body.strip():
        raise BadRequestError("The request needs a body, in JSON")
    _check(body)
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        text = str(error)
        if "unknown field" in text:
            text = f"it has a field that is not known here; known are {_fields_of(kind)}"
        raise BadRequestError(f"The request body is not what is expected: {text[:300]}") from None
    except msgspec.DecodeError as error:
        raise BadRequestError(f"The request body is no JSON: {str(error).removeprefix('JSON is malformed: ')[:300]}") from None
    except (UnicodeDecodeError, RecursionError, ValueError):
        raise BadRequestError("The request body is no JSON in UTF-8") from None


def config_of(raw: ConfigBody) -> dict[str, str | None]:
    """A configuration as strings, numbers as they were written.

    Raises:
        BadRequestError: a value is an object or an array.
    """
    return {key: _text(bytes(value)) for key, value in raw.items()}


def configs_of(raw: list[ConfigBody]) -> list[dict[str, str | None]]:
    """Several configurations."""
    return [config_of(each) for each in raw]


def _text(value: bytes) -> str | None:
    match value[:1]:
        case b'"':
            return decode(value, str)
        case b"n":
            return decode(value, type(None))
        case b"{" | b"[":
            raise BadRequestError(
                "The request body is not what is expected: a config value must be text, a number or a boolean"
            )
    decode(value, float if value[:1] in b"-0123456789" else bool)
    return value.decode("ascii")


def _check(body: bytes) -> None:
    """Refuse what is too deep, before a parser follows it, and keys that are there twice, of which parsers take either."""
    open_objects: list[set[bytes | str] | None] = []
    for found in _TOKEN.finditer(body):
        token = found[0]
        if token in (b"{", b"["):
            open_objects.append(set() if token == b"{" else None)
            if len(open_objects) > DEEPEST:
                raise BadRequestError(f"The request body is nested deeper than {DEEPEST} levels")
        elif token in (b"}", b"]"):
            if open_objects:
                open_objects.pop()
        elif found[1] is not None and open_objects and (keys := open_objects[-1]) is not None:
            key = _key(token[: -len(found[1])])
            if key in keys:
                raise BadRequestError("The request body has a key twice in one object")
            keys.add(key)


def _key(token: bytes) -> bytes | str:
    if b"\\" not in token:
        return token[1:-1]
    try:
        text: str = msgspec.json.decode(token, type=str)
        return text.encode("utf-8", "surrogatepass")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return token  # no JSON at all: the parser says so


def _fields_of(kind: Any) -> str:
    structs = [kind, *([NamedOffset] if kind is AlterOffsets else [])]
    return ", ".join(field for struct in structs for field in getattr(struct, "__struct_fields__", ()))
