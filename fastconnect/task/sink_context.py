"""The api's SinkTaskContext, made real: what a sink task may ask the runtime. The loop acts on it between two puts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from fastconnect.api.context import ErrantRecordReporter
from fastconnect.api.sink_records import TopicPartition
from fastconnect.errors import ConnectError
from fastconnect.states import TaskId
from fastconnect.task.partitions import Partitions


class SinkContext:
    """A sink task's window to the runtime; see `api.context.SinkTaskContext` for what each member promises.

    Args:
        partitions: the task's partitions, kept by the loop.
        set_paused: has the loop pause or resume partitions.
        stopping: tells whether the task is to stop or pause.
        reporter: takes errant records, if the config has a place for them.
    """

    def __init__(
        self,
        id: TaskId,
        configs: Mapping[str, str],
        partitions: Partitions,
        *,
        set_paused: Callable[[list[TopicPartition], bool], None],
        stopping: Callable[[], bool],
        reporter: ErrantRecordReporter | None = None,
    ) -> None:
        self._id = id
        self._configs = configs
        self._partitions = partitions
        self._set_paused = set_paused
        self._stopping = stopping
        self._reporter = reporter
        self.rewinds: dict[TopicPartition, int] = {}
        self.retry_ms: int | None = None
        self.commit_requested = False
        self.finishing: frozenset[TopicPartition] = frozenset()

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

    @property
    def assignment(self) -> frozenset[TopicPartition]:
        """The partitions that this task has now."""
        return frozenset(self._partitions.all)

    def position(self, partition: TopicPartition) -> int | None:
        """The offset of the next record that `put` gets of a partition."""
        known = self._partitions.get(partition)
        return self.rewinds.get(partition, None if known is None else known.delivered)

    def offset(self, partition: TopicPartition, offset: int) -> None:
        """Go on at this offset with the next `put`."""
        if offset < 0:
            raise ValueError(f"an offset is never negative, got {offset} for {TopicPartition(*partition)}")
        self.rewinds[TopicPartition(*partition)] = offset

    def offsets(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Do as `offset` for several partitions."""
        for partition, offset in offsets.items():
            self.offset(partition, offset)

    def timeout(self, timeout_ms: int) -> None:
        """How long to wait before `put` is called again after a RetriableError; counts once."""
        self.retry_ms = timeout_ms

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Get no records of these partitions until `resume`."""
        self._set_paused(self._own(partitions), True)

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        """Get records of these partitions again."""
        self._set_paused(self._own(partitions), False)

    def request_commit(self) -> None:
        """Ask for a commit before the next `put`."""
        self.commit_requested = True

    @property
    def errant_record_reporter(self) -> ErrantRecordReporter | None:
        """Where to report records that cannot be written."""
        return self._reporter

    @property
    def stopping(self) -> bool:
        """Whether `put` should return soon."""
        return self._stopping()

    def _own(self, partitions: Iterable[TopicPartition]) -> list[TopicPartition]:
        every = [TopicPartition(*partition) for partition in partitions]
        for partition in every:
            if partition not in self._partitions:
                raise ConnectError(f"{partition} is not among the partitions of this task", where=f"task {self._id}")
        return every
