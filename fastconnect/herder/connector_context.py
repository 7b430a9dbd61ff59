"""What a connector may ask the runtime, in its own process."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from fastconnect.api.record import Offset, Partition
from fastconnect.config.offset_storage import OffsetStorage
from fastconnect.config.worker import WorkerConfig
from fastconnect.storage.open_offsets import open_offset_store
from fastconnect.storage.stores import OffsetStore

END = object()
RECONFIGURE = object()
"""What a connector that watches may wish for, besides to fail with an error."""


class ConnectorContext:
    """The api's SourceConnectorContext; the offset store is opened only if the connector asks for an offset."""

    def __init__(self, connector: str, worker: WorkerConfig, config: Mapping[str, str | None]) -> None:
        self._connector = connector
        self._config = config
        self._worker = worker
        self._store: OffsetStore | None = None
        self._stop = threading.Event()
        self.wishes: queue.SimpleQueue[object] = queue.SimpleQueue()

    @property
    def connector(self) -> str:
        """The connector's name."""
        return self._connector

    def source_offset(self, partition: Partition, default: Any = None) -> Any:
        """The offset last flushed for a source partition; `default` if there is none."""
        (offset,) = self.source_offsets([partition])
        return default if offset is None else offset

    def source_offsets(self, partitions: Iterable[Partition]) -> list[Offset | None]:
        """The offsets last flushed for many source partitions, in their order."""
        if self._store is None:
            storage = OffsetStorage.of(self._worker, self._config, client_id=f"connector-offsets-{self._connector}")
            self._store = open_offset_store(storage, self._connector)
        return self._store.get(self._connector, list(partitions))

    @property
    def stopping(self) -> bool:
        """Whether `watch` should return."""
        return self._stop.is_set()

    def wait(self, wait_ms: int) -> bool:
        """Wait in `watch`; True at once when it should return."""
        return self._stop.wait(wait_ms / 1000)

    def request_task_reconfiguration(self) -> None:
        """Have `task_configs` called again; from any thread."""
        self.wishes.put(RECONFIGURE)

    def raise_error(self, error: BaseException) -> None:
        """Have the connector FAILED with this error."""
        self.wishes.put(error)

    def end(self) -> None:
        """Have the watching end; may be called by a signal's handler."""
        self._stop.set()
        self.wishes.put(END)

    def close(self) -> None:
        """Close the offset store, if it was opened."""
        if self._store is not None:
            self._store.close()
