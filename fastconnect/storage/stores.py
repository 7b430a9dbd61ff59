"""What a store of source offsets must do, whatever it is made of.

Partitions and offsets are kept as JSON, so what comes back is what JSON makes of them, as with Kafka Connect: whole numbers,
texts, true, false and null stay what they are; bytes come back as base64 text.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from fastconnect.api.record import Offset, Partition
from fastconnect.errors import DataError

_encoder = msgspec.json.Encoder(order="sorted")  # equal partitions must give equal text, in whatever order their keys come
_decoder = msgspec.json.Decoder(dict[str, Any])


class OffsetStore(ABC):
    """Keeps, for each connector, the last offset of each of its source partitions.

    Two partitions are one if they have the same JSON with sorted keys. Every method may raise OffsetStoreError: what the
    store held before is then untouched, and the same call may succeed later.
    """

    @abstractmethod
    def get(self, connector: str, partitions: Sequence[Partition]) -> list[Offset | None]:
        """The offset of each of these partitions, in their order; None where the store has none."""

    @abstractmethod
    def put(self, connector: str, offsets: Iterable[tuple[Partition, Offset | None]]) -> None:
        """Keep these offsets: all of them, or, if an error is raised, none.

        None as an offset forgets the partition. Where a partition comes twice, the later offset holds.

        Raises:
            DataError: a partition or an offset is nothing that JSON can hold.
        """

    @abstractmethod
    def all(self, connector: str) -> list[tuple[Partition, Offset]]:
        """Every partition that has an offset, with it; sorted by the partition's JSON."""

    @abstractmethod
    def connectors(self) -> list[str]:
        """The names of the connectors that have offsets here, sorted."""

    @abstractmethod
    def delete(self, connector: str, partitions: Sequence[Partition] | None = None) -> int:
        """Forget these partitions of the connector, or all of them; returns how many there were."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what the store holds open. Does nothing the second time."""


def to_json(what: str, value: Partition | Offset) -> str:
    """The canonical text of a partition or an offset; `what` it is, for the error.

    Raises:
        DataError: JSON cannot hold it.
    """
    try:
        text = _encoder.encode(value)
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError) as error:
        raise DataError(
            f"a {what} cannot be kept, since it cannot be written as JSON: {error}",
            where=f"{value!r:.200}",
            hint="use texts, whole numbers, true, false and null",
        ) from error
    if not text.startswith(b"{"):
        raise DataError(f"a {what} must be a mapping, got {type(value).__name__}", where=f"{value!r:.200}")
    return text.decode()


def from_json(text: str) -> dict[str, Any]:
    """The partition or offset that was written as this text."""
    return _decoder.decode(text)
