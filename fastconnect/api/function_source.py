"""The task of a source that is one function: calls it, and makes records of what it yields.

The function runs on a thread of its own (pump.py); what it is and how it is declared is in functions.py.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from fastconnect.api.config import Config
from fastconnect.api.context import SourceTaskContext
from fastconnect.api.function_signature import Signature
from fastconnect.api.pump import Pump
from fastconnect.api.record import END, ByteOffsets, CountOffsets, Offset, Polled, RecordBatch, SourceRecord
from fastconnect.api.task import SourceTask
from fastconnect.errors import FunctionError, RetriableError

logger = logging.getLogger(__name__)

WAIT_FOR_VALUES_S = 0.02
"""A poll waits so long for a value; then the task looks after delivery and its orders."""

STOP_WITHIN_S = 1.0
"""Time that the function has to end when its task stops; the runtime's own limit is task.shutdown.graceful.timeout.ms."""

COUNT = "count"
"""The offset's field where records are counted."""

OFFSET = "offset"
"""The offset's field where the function gives an offset that is no dict."""


class FunctionContext:
    """What a source function may ask the runtime: its parameter `context`."""

    def __init__(self, task: SourceTaskContext, pump: Pump) -> None:
        self._task = task
        self._pump = pump

    @property
    def connector(self) -> str:
        """The connector's name."""
        return self._task.connector

    @property
    def stopping(self) -> bool:
        """Whether the function should return, for its task stops. (A paused one is just not asked for more.)"""
        return self._pump.stopping

    def wait(self, wait_ms: int) -> bool:
        """Wait so long, but return True at once when the task is to stop."""
        return self._pump.wait(wait_ms)

    def progress(self, position: int, end: int | None) -> None:
        """Tell how far the function has read and, if known, where it ends; in the source's own unit (bytes, rows)."""
        self._task.progress(position, end)


class FunctionSourceTask(SourceTask[Config]):
    """Calls a source function and hands over what it yields."""

    signature: ClassVar[Signature]
    name: ClassVar[str]
    repeats: ClassVar[bool] = False
    """Whether the function is called again and again, every `config.every` milliseconds."""

    def start(self, config: Config) -> None:
        """Call the function with the offset of its last delivered record."""
        self.config = config
        self._partition = {"function": self.name}
        self._topic: str = getattr(config, "topic", None) or ""
        self._every_ms: int = getattr(config, "every", 0) if self.repeats else 0
        self._takes_offset = "offset" in self.signature.given
        self._explicit: bool | None = None  # whether its records bring offsets: all of them do, or none
        stored = self.context.source_offset(self._partition)
        self._last = stored
        self._count: int = stored[COUNT] if stored is not None and set(stored) == {COUNT} else 0
        self._next_call = 0.0
        self._raised: BaseException | None = None
        self._pump: Pump | None = self._call()

    def poll(self) -> Polled:
        """Hand over what the function has yielded meanwhile."""
        if self._pump is None:
            if self._is_too_early():
                return None
            self._pump = self._call()
        pump = self._pump
        ended = pump.ended  # asked before the values are taken: what it yielded before its end is among them
        values = pump.take(WAIT_FOR_VALUES_S)
        if values:
            return self._polled(values)
        if ended:
            return self._after(pump)
        if (wait_ms := pump.wants_to_wait_ms) is not None and not self.context.wait(wait_ms):
            pump.waited()
        return None

    def stop(self) -> None:
        """Close the function's generator, which runs its `finally`."""
        pump = getattr(self, "_pump", None)
        if pump is None:
            return
        stands_at = pump.stop(STOP_WITHIN_S)
        if stands_at is not None:
            logger.warning("%s does not end and is left behind, its clean-up too. It stands at:\n%s", self.name, stands_at)
        elif pump.error is not None and pump.error is not self._raised:
            raise pump.error

    def _call(self) -> Pump:
        offset = _from_map(self._last)
        self._next_call = time.monotonic() + self._every_ms / 1000

        def call(pump: Pump) -> Any:
            return self.signature.call(self.config, offset=offset, context=FunctionContext(self.context, pump))

        return Pump(call, self.name)

    def _is_too_early(self) -> bool:
        """Wait for the time of the next call; whether it has not come yet."""
        wait_ms = int((self._next_call - time.monotonic()) * 1000)
        return wait_ms > 0 and self.context.wait(wait_ms)

    def _after(self, pump: Pump) -> Polled:
        """The function has come to its end, or failed."""
        self._raised = pump.error
        if isinstance(pump.error, RetriableError):
            self._pump, self._next_call = None, 0.0  # called again behind the last record it gave
            raise pump.error
        if pump.error is not None:
            raise pump.error
        if not self.repeats:
            return END
        self._pump = None
        return None

    # What was yielded -> records

    def _polled(self, values: list[Any]) -> Polled:
        if _ANYTHING_SPECIAL.isdisjoint(map(type, values)):
            return self._plain_batch(values)
        records: list[SourceRecord] = []
        for position, value in enumerate(values):
            if isinstance(value, RecordBatch):
                # A batch is handed over by itself; what came behind it waits for the next poll.
                if not records:
                    self._put_back(values[position + 1 :])
                    return self._batch(value)
                self._put_back(values[position:])
                break
            if value is not None:
                records.append(self._record(value))
        return records or None

    def _put_back(self, values: list[Any]) -> None:
        assert self._pump is not None
        self._pump.put_back(values)

    def _plain_batch(self, values: list[Any]) -> RecordBatch:
        """All are plain values, most often: no object is made for each record."""
        if not self._takes_offset:
            return RecordBatch.of(self._topic, values)
        self._is_explicit(False)
        offsets = CountOffsets(self._count + 1, COUNT)
        self._count += len(values)
        self._last = {COUNT: self._count}
        return RecordBatch.of(self._topic, values, source_partition=self._partition, offsets=offsets)

    def _batch(self, batch: RecordBatch) -> RecordBatch:
        if batch.source_partition is None and batch.offsets is not None:
            self._is_explicit(True)
            batch.source_partition = self._partition
            self._last = _last_offset(batch) or self._last
        return batch

    def _record(self, value: Any) -> SourceRecord:
        record = value if isinstance(value, SourceRecord) else self._record_of(value)
        record.topic = record.topic or self._topic
        if record.source_partition is not None:
            return record  # the function does its own book-keeping
        if record.source_offset is not None:
            self._is_explicit(True)
            self._last = record.source_offset
        elif self._takes_offset:
            self._is_explicit(False)
            self._count += 1
            self._last = record.source_offset = {COUNT: self._count}
        else:
            return record
        record.source_partition = self._partition
        return record

    def _record_of(self, value: Any) -> SourceRecord:
        if not isinstance(value, tuple):
            return SourceRecord(self._topic, value)
        if len(value) != 2:
            raise FunctionError(
                f"{self.name} has yielded a tuple of {len(value)}",
                hint="yield a value, a pair (value, offset) or record(value, key=..., offset=...); a value that is an array "
                "is a list",
            )
        return SourceRecord(self._topic, value[0], source_offset=to_map(value[1]))

    def _is_explicit(self, explicit: bool) -> None:
        """Hold the function to one way: a place that is sometimes a count and sometimes its own offset is no place."""
        if explicit and not self._takes_offset:
            raise FunctionError(
                f"{self.name} has yielded an offset, but does not take one: it could not go on there",
                hint="give it a parameter `offset`; it is None the first time",
            )
        if self._explicit is not None and self._explicit != explicit:
            raise FunctionError(
                f"{self.name} yields some records with an offset and some without",
                hint="give an offset to each, or to none: then they are counted",
            )
        self._explicit = explicit


_ANYTHING_SPECIAL = {tuple, SourceRecord, RecordBatch, type(None)}


def _last_offset(batch: RecordBatch) -> Offset | None:
    offsets = batch.offsets
    if isinstance(offsets, ByteOffsets):
        return {**offsets.fixed, offsets.key: offsets.base + len(batch.values)}
    last = len(batch.values) - 1
    if last < 0 or offsets is None:
        return None
    if isinstance(offsets, CountOffsets):
        return {**offsets.fixed, offsets.key: offsets.first + last}
    return offsets(last) if callable(offsets) else offsets[last]


def to_map(offset: Any) -> Offset | None:
    """An offset as Kafka Connect keeps it, as a map: a dict as it is, anything else as the one field `offset`."""
    if offset is None:
        return None
    if isinstance(offset, Mapping) and offset and set(offset) not in ({OFFSET}, {COUNT}):
        return offset
    return {OFFSET: offset}


def _from_map(stored: Offset | None) -> Any:
    """The offset as the function has given it, or how many records were counted."""
    if stored is None:
        return None
    if len(stored) == 1:
        if OFFSET in stored:
            return stored[OFFSET]
        if COUNT in stored:
            return stored[COUNT]
    return dict(stored)
