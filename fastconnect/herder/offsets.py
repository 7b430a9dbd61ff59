"""Reading and changing the offsets of a connector, source or sink, as Kafka Connect's REST API does (KIP-875).

What may block runs in the herder's pool, what the connector says to it in a process of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from fastconnect.api.record import Offset, Partition
from fastconnect.config.offset_storage import OffsetStorage
from fastconnect.config.providers import Providers
from fastconnect.config.worker import WorkerConfig
from fastconnect.errors import DataError
from fastconnect.herder.answers import ConnectorOffset
from fastconnect.herder.group_offsets import GroupOffsets, group_offsets_of
from fastconnect.herder.loop import HerderLoop, result_of
from fastconnect.herder.questions import Questions
from fastconnect.herder.refusals import RequestRefusedError
from fastconnect.storage.open_offsets import open_offset_store
from fastconnect.storage.stores import OffsetStore

Properties: TypeAlias = Mapping[str, str | None]
Given: TypeAlias = Sequence[tuple[Any, Any]]

NOTHING_GIVEN = "Partitions / offsets need to be provided for an alter offsets request"


class ConnectorOffsets:
    """The offsets of all connectors, wherever this worker keeps them."""

    def __init__(self, loop: HerderLoop, questions: Questions, worker: WorkerConfig) -> None:
        self._loop = loop
        self._questions = questions
        self._worker = worker

    async def read(self, name: str, config: Properties) -> list[ConnectorOffset]:
        """All offsets of a connector."""
        if await self._is_sink(config):
            return await result_of(self._loop.run_in_pool(lambda: self._group(name, config).read()))

        def read() -> list[ConnectorOffset]:
            store = self._open_store(name, config)
            try:
                return [ConnectorOffset(dict(partition), dict(offset)) for partition, offset in store.all(name)]
            finally:
                store.close()

        return await result_of(self._loop.run_in_pool(read))

    async def alter(self, name: str, config: Properties, offsets: Given) -> str:
        """Change offsets of a connector that is stopped; the sentence that says so.

        Raises:
            RequestRefusedError: they are no offsets, or the connector does not want them.
        """
        if not offsets:
            raise RequestRefusedError(400, NOTHING_GIVEN)
        if await self._is_sink(config):
            group = self._group(name, config)
            wanted = group.parse(offsets)
            altered = await result_of(self._questions.alter_offsets(name, config, list(wanted.items())))
            await result_of(self._loop.run_in_pool(lambda: group.alter(wanted)))
        else:
            changes = _source_offsets(offsets)
            altered = await result_of(self._questions.alter_offsets(name, config, changes))
            await result_of(self._loop.run_in_pool(lambda: self._put(name, config, changes)))
        return _sentence("altered", altered)

    async def reset(self, name: str, config: Properties) -> str:
        """Forget all offsets of a connector that is stopped; the sentence that says so."""
        if await self._is_sink(config):
            group = self._group(name, config)
            known = await result_of(self._loop.run_in_pool(group.positions))
            altered = await result_of(self._questions.alter_offsets(name, config, [(partition, None) for partition in known]))
            await result_of(self._loop.run_in_pool(group.reset))
        else:
            held = await self.read(name, config)
            changes = [(each.partition, None) for each in held]
            altered = await result_of(self._questions.alter_offsets(name, config, changes))
            await result_of(self._loop.run_in_pool(lambda: self._put(name, config, changes)))
        return _sentence("reset", altered)

    def _put(self, name: str, config: Properties, changes: Sequence[tuple[Partition, Offset | None]]) -> None:
        store = self._open_store(name, config)
        try:
            store.put(name, changes)
        except DataError as error:
            raise RequestRefusedError(400, str(error)) from error
        finally:
            store.close()

    def _open_store(self, name: str, config: Properties) -> OffsetStore:
        worker = self._worker.resolved()
        config = Providers.of(worker.originals).resolve(config, f"connector {name}")
        return open_offset_store(OffsetStorage.of(worker, config, client_id=f"connect-worker-{name}"), name)

    async def _is_sink(self, config: Properties) -> bool:
        if self._questions.kind_of(config) == "unknown":
            await result_of(self._questions.plugins())
        return self._questions.kind_of(config) == "sink"

    def _group(self, name: str, config: Properties) -> GroupOffsets:
        return group_offsets_of(self._worker, name, config)


def _source_offsets(offsets: Given) -> list[tuple[dict[str, Any], dict[str, Any] | None]]:
    for partition, offset in offsets:
        if partition is None:
            raise RequestRefusedError(400, "Partition objects cannot be null")
        if not isinstance(partition, dict) or not isinstance(offset, dict | None):
            raise RequestRefusedError(400, "Partitions and offsets must be JSON objects")
    return list(offsets)


def _sentence(done: str, altered: bool) -> str:
    if altered:
        return f"The offsets for this connector have been {done} successfully"
    return (
        f"The Connect framework-managed offsets for this connector have been {done} successfully. However, if this connector "
        f"manages offsets externally, they will need to be manually {done} in the system that the connector uses."
    )
