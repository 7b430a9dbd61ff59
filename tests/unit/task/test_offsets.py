from __future__ import annotations

from collections.abc import Sequence

from fastconnect import _core
from fastconnect.api.record import CountOffsets, Offset, Partition, RecordBatch
from fastconnect.errors import OffsetStoreError
from fastconnect.reports import TaskChannel
from fastconnect.storage.memory import MemoryOffsetStore
from fastconnect.task.offsets import OffsetFlusher

A, B = {"p": "a"}, {"p": "b"}


class FullDisk(MemoryOffsetStore):
    """A store that refuses every write while `full`."""

    full = True

    def put(self, connector: str, offsets: Sequence[tuple[Partition, Offset | None]]) -> None:  # type: ignore[override]
        if self.full:
            raise OffsetStoreError("disk full", where="offsets.sqlite")
        super().put(connector, offsets)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def send(loop: _core.SendLoop, partition: Partition, last_seq: int) -> None:
    batch = RecordBatch.raw("t", [b"v"], source_partition=partition, offsets=CountOffsets(last_seq))
    loop.queue_batch(batch, batch.values)
    assert loop.push(1000)
    assert loop.flush(10_000)


def test_offsets_of_delivered_records_reach_the_store(send_loop: _core.SendLoop, channel: TaskChannel) -> None:
    store = MemoryOffsetStore()
    flusher = OffsetFlusher(store, "c", send_loop, channel.page, 1000)
    send(send_loop, A, 3)
    send(send_loop, B, 5)

    assert flusher.flush()
    assert flusher.stored([A, B, {"p": "never"}]) == [{"seq": 3}, {"seq": 5}, None]
    assert (channel.page.offset_flushes, channel.page.records_flushed) == (1, 2)


def test_nothing_is_written_when_nothing_has_moved(send_loop: _core.SendLoop, channel: TaskChannel) -> None:
    flusher = OffsetFlusher(FullDisk(), "c", send_loop, channel.page, 1000)
    assert flusher.flush()
    assert channel.page.offset_flushes == 0


def test_a_refused_write_is_kept_and_goes_out_later_with_what_came_since(
    send_loop: _core.SendLoop, channel: TaskChannel
) -> None:
    store = FullDisk()
    flusher = OffsetFlusher(store, "c", send_loop, channel.page, 1000)
    send(send_loop, A, 1)
    assert not flusher.flush()
    assert flusher.behind
    send(send_loop, A, 2)
    send(send_loop, B, 7)
    assert not flusher.flush()
    store.full = False

    assert flusher.flush()
    assert not flusher.behind
    assert flusher.stored([A, B]) == [{"seq": 2}, {"seq": 7}]
    assert channel.page.offset_flush_failures == 2


def test_a_flush_is_due_once_an_interval(send_loop: _core.SendLoop, channel: TaskChannel) -> None:
    clock = Clock()
    store = MemoryOffsetStore()
    flusher = OffsetFlusher(store, "c", send_loop, channel.page, 1000, clock)
    send(send_loop, A, 1)
    clock.now = 0.999
    flusher.flush_if_due()
    assert store.get("c", [A]) == [None]
    clock.now = 1.0
    flusher.flush_if_due()
    assert store.get("c", [A]) == [{"seq": 1}]
    assert flusher.due_in_ms() == 1000


def test_records_without_a_source_partition_or_offset_leave_no_trace(send_loop: _core.SendLoop, channel: TaskChannel) -> None:
    store = MemoryOffsetStore()
    flusher = OffsetFlusher(store, "c", send_loop, channel.page, 1000)
    batch = RecordBatch.raw("t", [b"v"])
    send_loop.queue_batch(batch, batch.values)
    assert send_loop.push(1000)
    assert send_loop.flush(10_000)
    assert flusher.flush()
    assert store.connectors() == []
