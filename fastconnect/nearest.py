"""The known name that a mistyped one was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most like this one, or None if none is like it."""
    import difflib  # only after a mistake, so that a start without one does not pay for it

    by_folded = {other.lower(): other for other in known}
    found = difflib.get_close_matches(name.lower(), by_folded, n=1, cutoff=0.7)
    return by_folded[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean batch.size?`, or nothing: to be put behind a sentence."""
    found = nearest(name, known)
    return f"; did you mean {found}?" if found else ""
