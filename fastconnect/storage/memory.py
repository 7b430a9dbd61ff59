"""An offset store that forgets: for tests, and for runs whose offsets must not outlive them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fastconnect.api.record import Offset, Partition
from fastconnect.storage.stores import OffsetStore, from_json, to_json


class MemoryOffsetStore(OffsetStore):
    """Keeps the offsets in this process only."""

    def __init__(self) -> None:
        self._offsets: dict[str, dict[str, str]] = {}  # connector -> partition's JSON -> offset's JSON

    def get(self, connector: str, partitions: Sequence[Partition]) -> list[Offset | None]:
        """See OffsetStore."""
        held = self._offsets.get(connector, {})
        found = [held.get(to_json("source partition", partition)) for partition in partitions]
        return [None if text is None else from_json(text) for text in found]

    def put(self, connector: str, offsets: Iterable[tuple[Partition, Offset | None]]) -> None:
        """See OffsetStore."""
        new = dict(self._offsets.get(connector, {}))
        for partition, offset in offsets:
            name = to_json("source partition", partition)
            if offset is None:
                new.pop(name, None)
            else:
                new[name] = to_json("source offset", offset)
        self._keep(connector, new)

    def all(self, connector: str) -> list[tuple[Partition, Offset]]:
        """See OffsetStore."""
        return [(from_json(name), from_json(text)) for name, text in sorted(self._offsets.get(connector, {}).items())]

    def connectors(self) -> list[str]:
        """See OffsetStore."""
        return sorted(self._offsets)

    def delete(self, connector: str, partitions: Sequence[Partition] | None = None) -> int:
        """See OffsetStore."""
        held = self._offsets.get(connector, {})
        gone = set(held) if partitions is None else {to_json("source partition", partition) for partition in partitions}
        self._keep(connector, {name: text for name, text in held.items() if name not in gone})
        return len(held) - len(self._offsets.get(connector, {}))

    def close(self) -> None:
        """See OffsetStore. The offsets stay until the object goes."""

    def _keep(self, connector: str, offsets: dict[str, str]) -> None:
        if offsets:
            self._offsets[connector] = offsets
        else:
            self._offsets.pop(connector, None)
