"""Messages as a FetchLoop hands them over, made by a test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Message:
    """One message."""

    value: bytes | None
    key: bytes | None = None
    topic: str = "t"
    partition: int = 0
    offset: int = 0
    timestamp: int | None = 1000
    headers: list[tuple[str, bytes | None]] | None = None


@dataclass
class FakeFetched:
    """Has the columns of _core.Fetched."""

    messages: Sequence[Message]
    asked: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.messages)

    def values(self) -> list[bytes | None]:
        self.asked.append("values")
        return [each.value for each in self.messages]

    def keys(self) -> list[bytes | None] | None:
        keys = [each.key for each in self.messages]
        return keys if any(key is not None for key in keys) else None

    def topics(self) -> str | list[str]:
        topics = [each.topic for each in self.messages]
        return topics[0] if len(set(topics)) == 1 else topics

    def partitions(self) -> list[int]:
        return [each.partition for each in self.messages]

    def offsets(self) -> list[int]:
        return [each.offset for each in self.messages]

    def timestamps(self) -> list[int | None]:
        return [each.timestamp for each in self.messages]

    def timestamp_type(self, i: int) -> int:
        return 0 if self.messages[i].timestamp is None else 1

    def headers(self) -> list[list[tuple[str, bytes | None]] | None] | None:
        headers = [each.headers for each in self.messages]
        return headers if any(headers) else None

    def lines(self) -> bytes | None:
        values = [b"null" if each.value is None else each.value for each in self.messages]
        return None if any(b"\n" in value for value in values) else b"".join(value + b"\n" for value in values)
