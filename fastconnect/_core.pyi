"""Types of the compiled part."""

from collections.abc import Sequence
from typing import Any, Final, Literal

from typing_extensions import Buffer

from fastconnect.api.record import Headers, Offset, Partition, RecordBatch, SourceRecord
from fastconnect.api.transform import Records
from fastconnect.errors import RetriableError, SendError

def boottime_ns() -> int:
    """CLOCK_BOOTTIME in nanoseconds: heartbeats and leases are in it, since it also counts while the machine is suspended."""

class StatusRegion:
    """The memory shared by supervisor, herder and tasks: a status page and a status ring for each of `slots` tasks.

    One anonymous mapping, to be made before the first fork: it has no name, so nothing of it is left after kill -9.

    Args:
        slots: the most tasks that run at a time.
        ring_bytes: size of each ring, a multiple of 4096.
    """

    slots: int
    ring_bytes: int
    def __new__(cls, slots: int, ring_bytes: int = 65536) -> StatusRegion: ...
    def page(self, index: int) -> StatusPage:
        """The status page of a slot."""

    def ring(self, index: int) -> StatusRing:
        """The status ring of a slot."""

class StatusPage:
    """One task's page in a StatusRegion. The supervisor writes its orders, the task writes the rest; anyone reads."""

    polls: int
    retries: int
    records_polled: int
    records_filtered: int
    records_skipped: int
    offset_flushes: int
    offset_flush_failures: int
    records_flushed: int
    source_position: int
    source_end: int
    at_end: int
    @property
    def epoch(self) -> int:
        """Number of the process that the slot belongs to."""

    @property
    def target(self) -> int:
        """What the task is told to be (TargetState)."""

    @property
    def lease_until_ns(self) -> int:
        """Until when the task may send and flush, CLOCK_BOOTTIME; 0: for ever."""

    @property
    def lease_is_over(self) -> bool:
        """Whether there is a lease and it has ended."""

    @property
    def was_killed_by_lease(self) -> bool:
        """Whether the kernel has ended the process because its lease had (`guard_lease`)."""

    @property
    def topic_round(self) -> int:
        """How often the task was asked which topics it uses."""

    @property
    def heartbeat_ns(self) -> int:
        """CLOCK_BOOTTIME of the loop's last turn; 0: none yet."""

    def reset(self, epoch: int) -> None:
        """Make the page ready for a new process. Only when the process that used it before has been reaped."""

    def order(self, target: int | None = None, lease_until_ns: int | None = None) -> None:
        """Tell the task its target state (TargetState) and until when it may send (CLOCK_BOOTTIME; 0: for ever)."""

    def ask_topics(self) -> None:
        """Have the task tell anew which topics it uses. Only the supervisor calls this."""

    def beat(self) -> None:
        """Note that the task's loop has made a turn."""

    def hand_over(self, records: int, size: int) -> None:
        """Count records (and their bytes) that are given to a sink task now."""

    def take_over(self, records: int, size: int, handed_over_ns: int) -> None:
        """Count records (and their bytes) that a sink task has taken, given to it at `handed_over_ns` (`boottime_ns`)."""

    def add(self, name: str, by: int = 1) -> None:
        """Add to the counter of this name."""

    def put(self, name: str, value: int) -> None:
        """Set the gauge of this name."""

    def count_batch(self, records: int, took_ns: int) -> None:
        """Count so many records that a poll has returned (of a sink: that a put has taken), and how long that took."""

    def count_error(self, for_good: bool = False) -> None:
        """Count that the processing of a record has failed, and whether the task fails for it."""

    def count_flush(self, began_ns: int) -> None:
        """Count a flush of offsets that began at `began_ns` (`boottime_ns`) and has succeeded now."""

    def write_state(self, state: int, text: str = "") -> None:
        """Publish the task's state (State) and one sentence about it, cut to 1,500 bytes of UTF-8."""

    def read_state(self) -> tuple[int, str] | None:
        """The published (state, sentence); None when nothing was published yet, or when the page holds rubbish."""

    def counters(self) -> dict[str, int]:
        """Every counter and gauge by its name in status_page.pxd; each is whole, together they are of about one moment."""

    def latency(self) -> list[int]:
        """How many acks took how long: bucket b counts those of 2^(b/2) to 2^((b+1)/2) microseconds."""

    def _fill_with_rubbish(self, rubbish: Buffer) -> None: ...
    def _image(self) -> bytes: ...

def guard_lease(page: StatusPage, grace_ns: int = 1_000_000_000) -> None:
    """Have the kernel kill this process so long after its lease, unless that is prolonged; once in a process.

    The grace is for the loop to see the end by itself and to leave in order.

    Raises:
        OSError: the kernel has no such timer for us; the loop's own look is all there is.
    """

class StatusRing:
    """A queue of (kind, payload) from one task to its supervisor, in a StatusRegion."""

    @property
    def dropped(self) -> int:
        """Entries that found no room."""

    @property
    def corrupt(self) -> int:
        """How often the reader threw away what it found."""

    def reset(self) -> None:
        """Empty the ring for a new process. Only when the process that wrote it before has been reaped."""

    def write(self, kind: int, body: bytes) -> bool:
        """Append an entry; False, and counted in `dropped`, when it finds no room. Only the slot's own task calls this."""

    def read(self) -> list[tuple[int, bytes]]:
        """Take every entry published so far, as a list of (kind, payload). Only the supervisor calls this."""

    def _fill_with_rubbish(self, rubbish: Buffer) -> None: ...
    def _image(self) -> bytes: ...

class LeaseLost(Exception):  # noqa: N818 - what has happened, not what went wrong
    """The lease in the status page is over: this task may belong to another worker, so nothing more is sent or flushed."""

class TopicMissing(RetriableError):  # noqa: N818
    """The topic is not there. It may be soon: asking for it makes brokers create it, if they may."""

    topic: str
    def __init__(self, topic: str) -> None: ...

class BatchTooLarge(SendError):  # noqa: N818
    """The broker refused a batch of several records for its size, which says nothing against any one of them."""

    batch_bytes: int
    def __init__(self, batch_bytes: int) -> None: ...

class BatchSpoilt(SendError):  # noqa: N818
    """The broker refused a batch for records in it that it names: the others may be sent again, each in a batch of its own."""

    def __init__(self) -> None: ...

class RecordColumns:
    """A list of SourceRecords, field by field; a field that no record has is None."""

    @property
    def records(self) -> list[SourceRecord]: ...
    @property
    def topic(self) -> str | None: ...
    @property
    def topics(self) -> list[str] | None: ...
    @property
    def values(self) -> list[Any]: ...
    @property
    def keys(self) -> list[Any] | None: ...
    @property
    def partitions(self) -> list[int | None] | None: ...
    @property
    def timestamps(self) -> list[int | None] | None: ...
    @property
    def headers(self) -> list[Headers | None] | None: ...
    @property
    def key_schemas(self) -> list[Any] | None: ...
    @property
    def value_schemas(self) -> list[Any] | None: ...
    @property
    def source_partitions(self) -> list[Partition | None]: ...
    @property
    def stream_of(self) -> list[int] | None: ...
    def __len__(self) -> int: ...

def record_columns(records: list[SourceRecord]) -> RecordColumns:
    """Take a list of SourceRecords apart, column by column."""

def error_decisions() -> dict[str, Literal["retry", "record", "task", "fatal"]]:
    """What each of librdkafka's errors means for a record and its task."""

class SendReport:
    """What became of one record: acknowledged (`error` is None; partition, offset, timestamp say where it is), or skipped."""

    record: SourceRecord | None  # None for a record of a RecordBatch
    source_partition: Partition | None
    source_offset: Offset | None
    error: str | None
    topic: str
    partition: int
    offset: int
    timestamp: int | None
    value: bytes | None  # of a skipped record
    key: bytes | None
    headers: list[tuple[str, bytes | None]] | None

class SendLoop:
    """Sends batches to Kafka, and knows up to where each source partition is delivered."""

    most_in_flight: Final[int]
    most_bytes_in_flight: Final[int]
    def __init__(
        self,
        conf: dict[str, str],
        page: StatusPage,
        most_in_flight: int = 200_000,
        most_bytes_in_flight: int = 67_108_864,
        skip_failed_records: bool = False,
        report_acks: bool = False,
        report_skipped: bool = False,
    ) -> None: ...
    def reach(self, timeout_ms: int = 1000) -> None: ...
    def learn(self, topic: str, timeout_ms: int = 1000) -> int: ...
    def pass_on_logs(self) -> None: ...
    def wake_by(self, fd: int) -> None: ...
    def queue_batch(
        self,
        batch: RecordBatch,
        values: object,
        keys: object = None,
        headers: Sequence[Sequence[tuple[str, bytes | None]] | None] | None = None,
        values_of_lines: Sequence[object] | None = None,
        changed: Records | None = None,
    ) -> int: ...
    def queue_records(
        self,
        columns: RecordColumns,
        values: object,
        keys: object = None,
        headers: Sequence[Sequence[tuple[str, bytes | None]] | None] | None = None,
        changed: Records | None = None,
    ) -> int: ...
    def push(self, wait_ms: int = 100) -> bool: ...
    def poll(self, wait_ms: int = 0) -> None: ...
    def flush(self, wait_ms: int) -> bool: ...
    def take_reports(self) -> list[SendReport]: ...
    def take_topics(self) -> list[str]: ...
    def take_committable(self) -> list[tuple[Partition | None, Offset | None]]: ...
    def check(self) -> None: ...
    def close(self) -> None: ...
    @property
    def in_flight(self) -> int: ...
    @property
    def committable(self) -> bool: ...
    @property
    def broken(self) -> bool: ...
    @property
    def last_error(self) -> str: ...
    @property
    def fatal_error(self) -> tuple[str, str] | None: ...

class Fetched:
    """Messages as they came. Each column is made when it is asked for; the bytes live until this object goes."""

    def __len__(self) -> int: ...
    def values(self) -> list[bytes | None]: ...
    def keys(self) -> list[bytes | None] | None: ...
    def topics(self) -> str | list[str]: ...
    def partitions(self) -> list[int]: ...
    def offsets(self) -> list[int]: ...
    def timestamps(self) -> list[int | None]: ...
    def timestamp_type(self, i: int) -> int: ...
    def headers(self) -> list[list[tuple[str, bytes | None]] | None] | None: ...
    def ends(self) -> list[tuple[str, int, int, int]]: ...
    def size(self) -> int: ...
    def lines(self, start: int = 0, stop: int | None = None) -> bytes | None: ...
    def runs(self) -> list[tuple[str, int, int, int]]: ...
    def packed(self) -> tuple[bytes, bytes, bytes]: ...

class FetchLoop:
    """Reads the partitions that the group assigns, in batches."""

    def __init__(self, conf: dict[str, str], page: StatusPage, most: int = 10_000) -> None: ...
    def subscribe(self, topics: Sequence[str]) -> None: ...
    def existing_topics(self, timeout_ms: int = 1000) -> dict[str, int]: ...
    def unsubscribe(self) -> None: ...
    @property
    def member_id(self) -> str: ...
    def fetch(self, wait_ms: int, most: int = 0) -> Fetched | None: ...
    @property
    def given_back(self) -> int: ...
    def take_ends(self) -> list[tuple[str, int, int]]: ...
    def take_rebalance(self) -> list[tuple[Literal["assign", "revoke", "lost"], list[tuple[str, int]]]]: ...
    def assign(self, partitions: Sequence[tuple[str, int, int | None]]) -> None: ...
    def unassign(self, partitions: Sequence[tuple[str, int]]) -> None: ...
    def pause(self, partitions: Sequence[tuple[str, int]]) -> None: ...
    def resume(self, partitions: Sequence[tuple[str, int]]) -> None: ...
    def seek(self, partitions: Sequence[tuple[str, int, int]], timeout_ms: int = 5000) -> None: ...
    def committed(self, partitions: Sequence[tuple[str, int]], timeout_ms: int = 5000) -> list[tuple[str, int, int | None]]: ...
    def watermarks(self, topic: str, partition: int, timeout_ms: int = 5000) -> tuple[int, int]: ...
    def known_ends(self, partitions: Sequence[tuple[str, int]]) -> list[int | None]: ...
    def commit(self, offsets: Sequence[tuple[str, int, int]], number: int = 0) -> None: ...
    def take_commits(self, wait_ms: int = 0) -> list[tuple[int, str | None]]: ...
    def reach(self, timeout_ms: int = 1000) -> None: ...
    def pass_on_logs(self) -> None: ...
    def wake_by(self, fd: int) -> None: ...
    def close(self) -> None: ...
    @property
    def last_error(self) -> str: ...
    @property
    def fatal_error(self) -> tuple[str, str] | None: ...

def fill_heap_holes() -> int:
    """Allocate, for good, what free blocks the heap has in between, so that children allocate close together; return bytes."""
