"""Names that Avro and Protobuf do not allow, made ones that they do (`scrub.invalid.names`).

Source: what Confluent's converters make of them: URL encoding, then `_` for all but letters, digits and `_`, and an `x` before
what may not begin a name.
"""

from __future__ import annotations

import re
import urllib.parse

_INVALID = re.compile("[^A-Za-z0-9_]")


def scrub(name: str, *, start: str = "[A-Za-z_]") -> str:
    """Make a valid name of a single part."""
    encoded = urllib.parse.quote_plus(name, safe="*-._")
    if not re.match(start, encoded):
        encoded = "x" + encoded
    return _INVALID.sub("_", encoded)


def scrub_full(name: str, *, start: str = "[A-Za-z_]") -> str:
    """Make a valid name of one with dots between its parts."""
    return ".".join(scrub(part, start=start) for part in name.split("."))


def split(name: str) -> tuple[str | None, str]:
    """Split a full name into its namespace (None for none) and the rest."""
    space, dot, short = name.rpartition(".")
    return (space if dot else None), short
