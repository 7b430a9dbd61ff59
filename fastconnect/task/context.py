"""The api's context, made real: what a source task may ask the runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fastconnect._core import StatusPage
from fastconnect.api.record import Offset, Partition
from fastconnect.states import TaskId


class TaskContext:
    """A source task's window to the runtime; see `api.context.SourceTaskContext` for what each member promises.

    Args:
        offsets: reads the stored offsets of source partitions.
        stopping: tells whether the task is to stop or pause.
        wait: waits so many milliseconds at most, and delivers meanwhile; True when the task is to stop or pause.
    """

    def __init__(
        self,
        id: TaskId,
        configs: Mapping[str, str],
        page: StatusPage,
        *,
        offsets: Callable[[list[Partition]], list[dict[str, Any] | None]],
        stopping: Callable[[], bool],
        wait: Callable[[int], bool],
    ) -> None:
        self._id = id
        self._configs = configs
        self._page = page
        self._offsets = offsets
        self._stopping = stopping
        self._wait = wait

    @property
    def connector(self) -> str:
        """The connector's name."""
        return self._id.connector

    @property
    def task(self) -> int:
        """Which of the connector's tasks this is, from 0."""
        return self._id.task

    @property
    def configs(self) -> Mapping[str, str]:
        """The task's configuration as Kafka Connect's strings."""
        return self._configs

    def source_offset(self, partition: Partition, default: Any = None) -> Any:
        """The offset last flushed for a source partition; `default` if there is none."""
        offset = self._offsets([partition])[0]
        return default if offset is None else offset

    def source_offsets(self, partitions: Iterable[Partition]) -> list[Offset | None]:
        """The offsets last flushed for many source partitions, in their order."""
        return list(self._offsets(list(partitions)))

    @property
    def stopping(self) -> bool:
        """Whether `poll` should return soon."""
        return self._stopping()

    def wait(self, wait_ms: int) -> bool:
        """Wait at most so long; True at once when the task is to stop or pause."""
        return self._wait(wait_ms)

    def progress(self, position: int, end: int | None) -> None:
        """Tell how far the task has read and, if known, where it ends."""
        self._page.source_position = position
        self._page.source_end = -1 if end is None else end

    @property
    def transaction_context(self) -> None:
        """None: records are delivered at least once so far."""
        return None
