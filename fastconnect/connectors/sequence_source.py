"""SequenceSource: numbered records that can be checked, for tests and benchmarks.

Each task counts from 0 without a gap, so lost and doubled records show themselves in the topic; `verify` finds damaged ones.
"""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from fastconnect.api.config import Bytes, Config, Meta, Topic
from fastconnect.api.connector import SourceConnector
from fastconnect.api.record import END, CountOffsets, Polled, RecordBatch
from fastconnect.api.task import SourceTask

PAD = "abcdefghijklmnopqrstuvwxyz0123456789"
"""What a value is filled up with, again and again; so the filling can be checked too."""

SHORTEST_WAIT_MS = 5  # at a high rate, some records every 5 ms rather than one at a time
LONGEST_CATCH_UP_S = 1.0  # what is left undone longer ago, say because the broker was away, is not caught up at once


class SequenceConfig(Config):
    """How many records, how fast, and what they look like."""

    topic: Annotated[Topic, Meta(description="The topic that the records go to.")]
    rate: Annotated[float, Meta(ge=0, description="Records per second and task; 0: as fast as possible.")] = 0
    count: Annotated[int | None, Meta(ge=0, description="Records of each task, which then ends. Unset: it never ends.")] = None
    size: Annotated[
        Bytes,
        Meta(
            ge=1,
            le=2**30,
            description="Bytes of each value; more where its fields alone are longer (about 80 in JSON, 24 in bytes).",
        ),
    ] = 100
    format: Annotated[
        Literal["json", "bytes"],
        Meta(description='json: {"task", "seq", "ts", "crc", "pad"}; bytes: the same as binary numbers.'),
    ] = "json"
    poll_size: Annotated[int, Meta(ge=1, description="The most records that are handed over at once.")] = 10_000


class SequenceTaskConfig(SequenceConfig):
    """The same, for one task."""

    task_number: Annotated[int, Meta(ge=0, description="Number of the task (written by SequenceSource).")] = 0


class SequenceTask(SourceTask[SequenceTaskConfig]):
    """Makes the records of one task."""

    def start(self, config: SequenceTaskConfig) -> None:
        """Go on behind the last number that was delivered."""
        self.config = config
        self._partition = {"task": config.task_number}
        last = self.context.source_offset(self._partition, default={"seq": -1})["seq"]
        self._next: int = last + 1
        self._paced_from: tuple[float, int] | None = None

    def poll(self) -> Polled:
        """Hand over the numbers that are due."""
        config, first = self.config, self._next
        if config.count is not None and first >= config.count:
            return END
        due = self._due() if config.rate else config.poll_size
        if config.count is not None:
            due = min(due, config.count - first)
        if due <= 0:
            return None
        self._next += due
        self.context.progress(self._next, config.count)
        numbers = range(first, first + due)
        now = time.time_ns() // 1_000_000
        offsets = CountOffsets(first, "seq")
        if config.format == "json":
            lines = json_lines(config.task_number, numbers, now, config.size)
            return RecordBatch.lines(config.topic, lines, format="json", source_partition=self._partition, offsets=offsets)
        values = byte_values(config.task_number, numbers, now, config.size)
        return RecordBatch.raw(config.topic, values, format="bytes", source_partition=self._partition, offsets=offsets)

    def _due(self) -> int:
        """Wait until at least one record is due, and tell how many are; 0 if the task is to stop."""
        rate = self.config.rate
        now = time.monotonic()
        began, first = self._paced_from or (now, self._next)
        if now - began - (self._next - first) / rate > LONGEST_CATCH_UP_S:
            began, first = now, self._next
        self._paced_from = (began, first)
        # Record n is due n / rate after the first one: the first at once.
        wait_ms = (began + (self._next - first) / rate - now) * 1000
        if wait_ms > 0 and self.context.wait(max(SHORTEST_WAIT_MS, int(wait_ms) + 1)):
            return 0
        due = int((time.monotonic() - began) * rate) + 1 - (self._next - first)
        return min(due, self.config.poll_size)


class SequenceSource(SourceConnector[SequenceConfig]):
    """Makes numbered records that can be checked, at any rate; for tests and benchmarks."""

    task_class = SequenceTask

    def task_configs(self, max_tasks: int) -> Sequence[Config]:
        """Make `tasks.max` tasks, each with its own numbers."""
        settings = {field.name: getattr(self.config, field.name) for field in self.config.fields()}
        return [SequenceTaskConfig(**settings, task_number=number) for number in range(max_tasks)]


class _Value(msgspec.Struct, forbid_unknown_fields=True):
    task: int
    seq: int
    ts: int
    crc: int
    pad: str


_HEADER = struct.Struct(">IQQI")  # task, seq, ts, crc
_read_value = msgspec.json.Decoder(_Value).decode


def verify(value: bytes) -> tuple[int, int]:
    """Check a value, in either format, and tell its task and number.

    `crc` is the CRC-32 of the text `task:ts:seq`; the pad is the beginning of `PAD` said over and over.

    Raises:
        ValueError: the value is not what SequenceSource made.
    """
    if value.startswith(b"{"):
        one = _read_value(value)
        task, seq, ts, crc, pad = one.task, one.seq, one.ts, one.crc, one.pad
    elif len(value) >= _HEADER.size:
        task, seq, ts, crc = _HEADER.unpack_from(value)
        pad = value[_HEADER.size :].decode("latin-1")
    else:
        raise ValueError(f"no value of SequenceSource: {value[:100]!r}")
    if crc != zlib.crc32(b"%d:%d:%d" % (task, ts, seq)) or pad != _pad(len(pad)):
        raise ValueError(f"a damaged value of SequenceSource: {value[:100]!r}")
    return task, seq


def json_lines(task: int, numbers: range, ts: int, size: int) -> bytes:
    """Make a JSON line of each number. What is the same in all of them is made once; so 0.4 us a line."""
    head = f'{{"task":{task},"seq":'
    middle = f',"ts":{ts},"crc":'
    crc_of = zlib.crc32
    crc_before = crc_of(b"%d:%d:" % (task, ts))
    room = size - len(head) - len(middle) - len(',"pad":""}')
    tails = [f',"pad":"{_pad(room - digits)}"}}\n' for digits in range(32)]  # by the digits of seq (19) and crc (10)
    lines = []
    for number in numbers:
        seq = str(number)
        crc = str(crc_of(seq.encode(), crc_before))
        lines.append(f"{head}{seq}{middle}{crc}{tails[len(seq) + len(crc)]}")
    return "".join(lines).encode()


def byte_values(task: int, numbers: range, ts: int, size: int) -> list[bytes]:
    """Make a binary value of each number."""
    crc_before = zlib.crc32(b"%d:%d:" % (task, ts))
    pad = _pad(size - _HEADER.size).encode()
    pack = _HEADER.pack
    return [pack(task, seq, ts, zlib.crc32(b"%d" % seq, crc_before)) + pad for seq in numbers]


def _pad(length: int) -> str:
    return (PAD * (length // len(PAD) + 1))[:length] if length > 0 else ""
