"""A source that is one function: what is in a folder, whenever it has changed.

fastconnect run examples/folder_source.py --topic files --set folder=docs
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastconnect import Duration, SourceRecord, record, source


@source
def folder_changes(folder: Path, context: Any, interval: Duration = 1_000) -> Iterator[SourceRecord]:
    """Tells of files that are new or have changed, and of those that are gone."""
    known: dict[str, float] = {}
    while not context.stopping:
        found = {str(path): path.stat().st_mtime for path in sorted(folder.rglob("*")) if path.is_file()}
        for path, changed_s in found.items():
            if known.get(path) != changed_s:
                yield record({"path": path, "bytes": Path(path).stat().st_size}, key=path, timestamp=int(changed_s * 1000))
        for path in known.keys() - found:
            yield record(None, key=path)  # a tombstone
        known = found
        context.wait(interval)
