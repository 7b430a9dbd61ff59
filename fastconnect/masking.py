"""Keeps secrets out of what people read: known values are replaced in log lines, traces and statuses of this process.

A value is known as a secret when a config provider has given it (`${file:...}`), so only processes that resolve configs know
any. It is also found as URLs, JSON and base64 write it. What a plugin prints itself, past logging, is not seen here.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

HIDDEN = "[hidden]"

SHORTEST = 4
"""Shorter values are not masked: `1` or `yes` would be everywhere, and tell nothing."""

_values: set[str] = set()
_pattern: re.Pattern[str] | None = None


def add(values: Iterable[str]) -> None:
    """Make values known as secrets, for the rest of this process."""
    global _pattern  # noqa: PLW0603 - one process has one set of secrets
    new = {value for value in values if len(value.strip()) >= SHORTEST} - _values
    if not new:
        return
    _values.update(new)
    forms = {form for value in _values for form in _forms(value)}
    _pattern = re.compile("|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True)))


def forget() -> None:
    """Know no secrets any more; for tests."""
    global _pattern  # noqa: PLW0603
    _values.clear()
    _pattern = None


def hide(text: str) -> str:
    """Return the text with every secret replaced by `[hidden]`."""
    return text if _pattern is None else _pattern.sub(HIDDEN, text)


def _forms(value: str) -> Iterable[str]:
    """A value as it may be written: as it is, each of its lines, and encoded."""
    stripped = value.strip()
    yield value
    yield stripped
    yield from (line.strip() for line in value.splitlines() if len(line.strip()) >= 2 * SHORTEST)  # a key file's, in a trace
    yield json.dumps(stripped)[1:-1]
    yield json.dumps(stripped, ensure_ascii=False)[1:-1]
    yield repr(stripped)[1:-1]
    yield quote(stripped, safe="")
    yield quote(stripped)
    yield quote_plus(stripped)
    yield from _base64_forms(stripped.encode("utf-8", "surrogateescape"))


def _base64_forms(value: bytes) -> Iterable[str]:
    """What of base64 depends on the value alone, wherever in the encoded bytes it begins: `user:password` hides it, too."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(value).decode()
        for before in range(3):
            encoded = encode(b"\0" * before + value).decode().rstrip("=")
            first = -(-before * 8 // 6)  # the characters that the bytes before have a part in
            last = (before + len(value)) * 8 // 6
            if last - first >= 2 * SHORTEST:
                yield encoded[first:last]
