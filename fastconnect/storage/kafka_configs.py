"""Configurations in Kafka Connect's config topic: what all workers of a group agree on.

Every worker reads the topic; the leader alone writes it, and sees what it has written as the others do: by reading it. The
offset behind the last record that was read tells how far a worker is, as Kafka Connect counts it: a record whose value is no
JSON does not count, all others do, also those without meaning.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from fastconnect.errors import ConfigStoreError
from fastconnect.states import TargetState
from fastconnect.storage import wire
from fastconnect.storage.config_state import ConfigState
from fastconnect.storage.config_store import ConfigListener, ConfigSnapshot, ConfigStore, Properties, SessionKey
from fastconnect.storage.topic_client import Client
from fastconnect.storage.topic_table import MeaninglessError, TopicRecord, TopicTable
from fastconnect.storage.topic_writer import TopicWriter

READ_BACK_MS = 30_000
"""How long a write may take until it is read again. Source: KafkaConfigBackingStore's READ_WRITE_TOTAL_TIMEOUT_MS."""


class KafkaConfigStore(ConfigStore):
    """Keeps everything in a topic, which must exist, with one partition and compacted (see internal_topics.py).

    Args:
        client: librdkafka's properties for all clients of this store.
        read_committed: the workers of the group write in transactions (exactly-once).
        start_timeout_ms: how long `start` waits at most while nothing comes.
    """

    def __init__(
        self, topic: str, client: Client, *, read_committed: bool = False, start_timeout_ms: int = READ_BACK_MS
    ) -> None:
        self._state = ConfigState()
        self._table = TopicTable(topic, client, self._read, error=ConfigStoreError, read_committed=read_committed)
        self._writer = TopicWriter(topic, client, error=ConfigStoreError, timeout_ms=READ_BACK_MS)
        self._start_timeout_ms = start_timeout_ms
        self._listener: ConfigListener | None = None
        self._tasks: dict[str, set[int]] = {}  # whose configurations are in the topic, also of deleted connectors
        self._writing = threading.Lock()

    @property
    def trouble(self) -> str | None:
        """See ConfigStore."""
        return self._table.trouble

    def start(self, listener: ConfigListener) -> None:
        """See ConfigStore. Restarts and logger levels that are read here were asked for before: they are not told."""
        self._table.load(self._start_timeout_ms)
        self._listener = listener
        self._table.follow()

    def stop(self) -> None:
        """See ConfigStore."""
        self._table.stop()
        self._listener = None
        self._writer.close(1_000)

    def snapshot(self) -> ConfigSnapshot:
        """See ConfigStore."""
        return self._state.snapshot()

    def refresh(self, timeout_ms: int) -> None:
        """See ConfigStore."""
        self._table.read_to_end(timeout_ms)

    def put_connector(self, name: str, config: Properties, target: TargetState | None = None) -> None:
        """See ConfigStore."""
        records: list[tuple[bytes, bytes | None]] = [(wire.connector_key(name), wire.properties(config))]
        if target is not None:  # before it, so that it never is what it was not to be
            records.insert(0, (wire.target_key(name), wire.target(target)))
        self._put(records)

    def remove_connector(self, name: str) -> None:
        """See ConfigStore. Its tasks' records, which Kafka Connect leaves in the topic for ever, go too (KAFKA-16838)."""
        tasks = [(wire.task_key(name, number), None) for number in sorted(self._tasks.get(name, set()).copy())]
        gone: list[tuple[bytes, bytes | None]] = [(wire.connector_key(name), None), (wire.target_key(name), None), *tasks]
        self._put(gone)

    def put_task_configs(self, name: str, configs: Sequence[Properties]) -> None:
        """See ConfigStore."""
        deadline = time.monotonic() + READ_BACK_MS / 1000
        if configs:
            tasks = [(wire.task_key(name, number), wire.properties(config)) for number, config in enumerate(configs)]
            self._put(tasks, deadline)
        # Behind them all, and only when all of them are there: a leader that dies before leaves the old ones in force.
        self._put([(wire.commit_key(name), wire.commit(len(configs)))], deadline)

    def put_target(self, name: str, target: TargetState) -> None:
        """See ConfigStore."""
        self._put([(wire.target_key(name), wire.target(target))])

    def put_restart(self, name: str, *, only_failed: bool, include_tasks: bool) -> None:
        """See ConfigStore."""
        self._put([(wire.restart_key(name), wire.restart(only_failed=only_failed, include_tasks=include_tasks))])

    def put_session_key(self, key: SessionKey) -> None:
        """See ConfigStore."""
        self._put([(wire.SESSION_KEY, wire.session_key(key))])

    def put_task_count(self, name: str, count: int) -> None:
        """See ConfigStore."""
        self._put([(wire.fencing_key(name), wire.fencing(count))])

    def put_logger_level(self, logger: str, level: str) -> None:
        """See ConfigStore."""
        self._put([(wire.logger_key(logger), wire.logger_level(level))])

    def _put(self, records: Sequence[tuple[bytes, bytes | None]], deadline: float | None = None) -> None:
        if deadline is None:
            deadline = time.monotonic() + READ_BACK_MS / 1000
        with self._writing:
            arrived = self._writer.put(records)
        self._table.wait_for(arrived, max(1, int((deadline - time.monotonic()) * 1000)))

    # ---- reading: by `start`, then by the table's thread ----

    def _read(self, record: TopicRecord) -> None:
        value = wire.read_json(record.value)
        tell: Callable[[ConfigListener], None] | None = None
        try:
            tell = self._apply((record.key or b"").decode(), value)
        except UnicodeDecodeError as error:
            raise MeaninglessError("its key is no text") from error
        finally:
            self._state.at(record.offset + 1)
        if tell is not None and self._listener is not None:
            tell(self._listener)

    def _apply(self, key: str, value: Any) -> Callable[[ConfigListener], None] | None:
        """Take a record in, and say what is to be told of it. Unknown keys are left alone, as by Kafka Connect."""
        if name := _behind("target-state-", key):
            changed = self._state.target(name, None if value is None else wire.read_target(value))
            return (lambda listener: listener.on_target(name)) if changed else None
        if name := _behind("connector-", key):
            if value is None:
                self._state.removed(name)
                return lambda listener: listener.on_connector_removed(name)
            self._state.connector(name, wire.read_properties(value))
            return lambda listener: listener.on_connector_config(name)
        if name := _behind("task-", key):
            self._task(name, value)
        elif name := _behind("commit-", key):
            if value is not None and self._state.commit(name, wire.read_commit(value)):
                return lambda listener: listener.on_task_configs(name)
        elif name := _behind("tasks-fencing-", key):
            if value is not None:
                self._state.fenced(name, wire.read_fencing(value))
        elif key == wire.SESSION_KEY.decode():
            if value is not None:
                session_key = wire.read_session_key(value)
                self._state.session_key(session_key)
                return lambda listener: listener.on_session_key(session_key)
        elif name := _behind("restart-connector-", key):
            if value is not None:
                wanted = wire.read_restart(value)
                return lambda listener: listener.on_restart(
                    name, only_failed=wanted.only_failed, include_tasks=wanted.include_tasks
                )
        elif (name := _behind("logger-cluster-", key)) and value is not None:
            level = wire.read_logger_level(value)
            return lambda listener: listener.on_logger_level(name, level)
        return None

    def _task(self, name: str, value: Any) -> None:
        task = wire.read_task(name)
        if task is None:
            raise MeaninglessError("its key names no task")
        known = self._tasks.setdefault(task.connector, set())
        if value is None:
            known.discard(task.task)
            if not known:
                del self._tasks[task.connector]
        else:
            known.add(task.task)
            self._state.task(task.connector, task.task, wire.read_properties(value))


def _behind(prefix: str, key: str) -> str:
    return key[len(prefix) :] if key.startswith(prefix) else ""
