"""How far a sink task is in each of its partitions: what was fetched, what was put, and what is committed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from fastconnect.api.sink_records import TopicPartition


class Partition:
    """One partition of the task, from its assignment to its loss.

    Attributes:
        first: where it began here.
        delivered: the offset behind the last record that was put; what a commit is about.
        committed: the last committed offset, or where it began: where a failed flush goes back to.
        in_group: the last offset that the group has committed, as far as is known: less than `committed` where the task has
            gone forward by its own wish, since its own store is ahead of the group.
        paused: whether the task has paused it.
    """

    __slots__ = ("committed", "delivered", "first", "in_group", "paused")

    def __init__(self, position: int | None) -> None:
        self.first = position
        self.delivered = position
        self.committed = position
        self.in_group = position
        self.paused = False

    def put(self, end: int) -> None:
        """All before this offset was put."""
        if self.first is None:
            self.first = end
        if self.delivered is None or end > self.delivered:
            self.delivered = end

    def rewind(self, offset: int) -> None:
        """The task goes on here, by its own wish: this is where it has come to, in both directions."""
        self.delivered = self.committed = offset
        if self.in_group is not None:
            self.in_group = min(self.in_group, offset)
        if self.first is None or offset < self.first:
            self.first = offset


class Partitions:
    """All partitions of the task now. Source of the rules: Kafka Connect's WorkerSinkTask."""

    def __init__(self) -> None:
        self._now: dict[TopicPartition, Partition] = {}
        self._left = 0  # records put of partitions that have gone since

    def __contains__(self, where: object) -> bool:
        return where in self._now

    def __len__(self) -> int:
        return len(self._now)

    def __getitem__(self, where: TopicPartition) -> Partition:
        return self._now[where]

    def get(self, where: TopicPartition) -> Partition | None:
        """What is known of a partition; None if it is not the task's."""
        return self._now.get(where)

    @property
    def all(self) -> list[TopicPartition]:
        """The partitions, in the order in which they came."""
        return list(self._now)

    def add(self, where: TopicPartition, position: int | None) -> None:
        """A partition is the task's from here on."""
        self._now[where] = Partition(position)

    def remove(self, partitions: Iterable[TopicPartition]) -> None:
        """These are no longer the task's."""
        for where in partitions:
            gone = self._now.pop(where, None)
            if gone is not None and gone.delivered is not None and gone.first is not None:
                self._left += gone.delivered - gone.first

    def delivered(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Of these partitions the offsets behind the last records that were put."""
        return {
            where: partition.delivered
            for where in partitions
            if (partition := self._now.get(where)) is not None and partition.delivered is not None
        }

    def to_commit(
        self, wanted: Mapping[TopicPartition, int], asked: Mapping[TopicPartition, int]
    ) -> tuple[dict[TopicPartition, int], list[str]]:
        """What is to be committed of what the task's pre_commit wants, and one sentence for each offset that is refused.

        Never back behind what is committed, never beyond what was put, only what the task has.
        """
        offsets: dict[TopicPartition, int] = {}
        refused: list[str] = []
        for where, offset in wanted.items():
            partition = self._now.get(where)
            if partition is None or where not in asked:
                refused.append(f"{where} is not this task's now")
            elif partition.delivered is None or offset > partition.delivered:
                refused.append(f"{where} at {offset} is beyond {partition.delivered}, up to where records were put")
            elif partition.in_group is None or offset > partition.in_group:
                offsets[where] = offset
        return offsets, refused

    def committed(self, offsets: Mapping[TopicPartition, int]) -> int:
        """These offsets are committed; return how many records that covers newly."""
        covered = 0
        for where, offset in offsets.items():
            partition = self._now.get(where)
            if partition is not None:
                before = partition.committed if partition.committed is not None else partition.first
                covered += max(0, offset - before) if before is not None else 0
                partition.committed = max(offset, partition.committed) if partition.committed is not None else offset
                partition.in_group = max(offset, partition.in_group) if partition.in_group is not None else offset
        return covered

    def progress(self, ends: Iterable[int | None]) -> tuple[int, int]:
        """How many records were put, and how many that will be at the ends that are known now (in the order of `all`)."""
        position = end = self._left
        for partition, known in zip(self._now.values(), ends, strict=True):
            if partition.first is None or partition.delivered is None:
                continue
            position += partition.delivered - partition.first
            end += max(known if known is not None else 0, partition.delivered) - partition.first
        return position, end
