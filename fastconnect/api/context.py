"""What a connector or a task may ask the runtime."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from fastconnect.api.record import Offset, Partition


class SourceTaskContext(Protocol):
    """Handed to a source task before `start`, as `self.context`."""

    @property
    def connector(self) -> str:
        """The connector's name."""
        ...

    @property
    def task(self) -> int:
        """Which of the connector's tasks this is, from 0."""
        ...

    @property
    def configs(self) -> Mapping[str, str]:
        """The task's configuration as it is now, as Kafka Connect's strings."""
        ...

    def source_offset(self, partition: Partition, default: Any = None) -> Any:
        """The offset last flushed for a source partition, as a dict; `default` if there is none."""
        ...

    def source_offsets(self, partitions: Iterable[Partition]) -> list[Offset | None]:
        """The offsets last flushed for many source partitions, in their order."""
        ...

    @property
    def stopping(self) -> bool:
        """Whether `poll` should return soon because the task is to stop or pause."""
        ...

    def wait(self, wait_ms: int) -> bool:
        """Wait, but return True at once when the task is to stop or pause; delivery goes on meanwhile."""
        ...

    def progress(self, position: int, end: int | None) -> None:
        """Tell how far the task has read and, if known, where it ends; in the source's own unit (bytes, rows)."""
        ...


class SourceConnectorContext(Protocol):
    """Handed to a source connector before `start`, as `self.context`."""

    @property
    def connector(self) -> str:
        """The connector's name."""
        ...

    def source_offset(self, partition: Partition, default: Any = None) -> Any:
        """The offset last flushed for a source partition, as a dict; `default` if there is none."""
        ...

    def source_offsets(self, partitions: Iterable[Partition]) -> list[Offset | None]:
        """The offsets last flushed for many source partitions, in their order."""
        ...
