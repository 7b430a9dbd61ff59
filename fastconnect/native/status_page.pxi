# StatusRegion: the one shared mapping. StatusPage: what one task has done, and what it is told. Layout: status_page.pxd.
#
#   region:  | page 0 | ring 0 | page 1 | ring 1 | ...        (a slot = page + ring; memory is paid when touched)
#
# Any process may find any rubbish here (a task that died in mid-write, or one that wrote where it should not): whoever reads
# checks, gives up after a few tries, and never waits.

import zlib

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.math cimport log2
from libc.string cimport memcpy, memset

from atomics cimport (
    add_relaxed, fence_acquire, fence_release, load_acquire, load_relaxed, store_relaxed, store_release,
)
from status_page cimport LATENCY_BUCKETS, PAGE_BYTES, STATE_TEXT_BYTES, StateCopy, StatusSlot

cdef extern from *:
    """
    #include <sys/mman.h>
    #include <time.h>
    #ifndef MAP_NORESERVE
    #define MAP_NORESERVE 0
    #endif
    static inline int64_t fc_boottime_ns(void) {
        struct timespec now;
    #ifdef CLOCK_BOOTTIME
        clock_gettime(CLOCK_BOOTTIME, &now);
    #else
        clock_gettime(CLOCK_MONOTONIC, &now);   /* macOS: its monotonic clock counts sleep too */
    #endif
        return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    }
    static inline int64_t fc_realtime_ms(void) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    }
    static inline char *fc_map_shared(size_t bytes) {
        void *base = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        return base == MAP_FAILED ? 0 : (char *)base;
    }
    """
    int64_t now_ns "fc_boottime_ns"() noexcept nogil            # CLOCK_BOOTTIME: it counts the time a machine was suspended
    int64_t realtime_ms "fc_realtime_ms"() noexcept nogil
    char* map_shared "fc_map_shared"(size_t bytes) noexcept nogil
    int unmap "munmap"(void* base, size_t bytes) noexcept nogil

assert sizeof(StatusSlot) <= PAGE_BYTES

cdef dict PLACES = places()      # name of a counter or gauge -> which 8-byte word of the page it is

cdef dict places():
    cdef StatusSlot slot
    cdef int first = (<char*>&slot.heartbeat_ns - <char*>&slot) // sizeof(int64_t)
    names = (
        "heartbeat_ns", "polls", "records_polled", "records_filtered", "records_skipped", "records_sent", "records_acked",
        "records_failed", "bytes_sent", "bytes_acked", "retries", "blocked_ns", "offset_flushes", "offset_flush_failures",
        "records_flushed", "source_position", "source_end", "at_end", "first_ack_ns", "last_ack_ns", "poll_ns", "poll_max_ns",
        "batches", "batch_max", "offset_flush_ns", "offset_flush_max_ns", "commits_skipped", "commit_number", "partitions",
        "record_failures", "record_errors", "record_retries", "errors_logged", "dead_letters", "dead_letter_failures",
        "last_error_ms",
    )
    assert first + len(names) == (<char*>&slot._counters - <char*>&slot) // sizeof(int64_t)
    return {name: first + index for index, name in enumerate(names)}


cdef enum:
    READ_TRIES = 3              # a writer that outruns three copies of 1.5 KB is not one of ours


def boottime_ns():
    """CLOCK_BOOTTIME in nanoseconds: heartbeats and leases are in it, since it also counts while the machine is suspended."""
    return now_ns()


cdef class StatusRegion:
    """The memory shared by supervisor, herder and tasks: a status page and a status ring for each of `slots` tasks.

    One anonymous mapping, to be made before the first fork: it has no name, so nothing of it is left after kill -9.

    Args:
        slots: the most tasks that run at a time.
        ring_bytes: size of each ring, a multiple of 4096.
    """

    cdef char* base
    cdef size_t slot_bytes
    cdef readonly Py_ssize_t slots
    cdef readonly Py_ssize_t ring_bytes

    def __cinit__(self, Py_ssize_t slots, Py_ssize_t ring_bytes=65536):
        if slots < 1:
            raise ValueError(f"a status region needs at least 1 slot, got {slots}")
        if ring_bytes < 4096 or ring_bytes % 4096 or ring_bytes > 1 << 30:
            raise ValueError(f"ring_bytes must be a multiple of 4096 of at most 1 GiB, got {ring_bytes}")
        if slots > 1 << 20:
            raise ValueError(f"a status region has at most {1 << 20} slots, got {slots}")
        self.slots = slots
        self.ring_bytes = ring_bytes
        self.slot_bytes = PAGE_BYTES + ring_bytes
        self.base = map_shared(self.slot_bytes * slots)
        if self.base is NULL:
            raise MemoryError(f"no memory for a status region of {self.slot_bytes * slots} bytes")

    def __dealloc__(self):
        if self.base is not NULL:
            unmap(self.base, self.slot_bytes * self.slots)

    cdef char* slot_at(self, Py_ssize_t index) except NULL:
        if index < 0 or index >= self.slots:
            raise IndexError(f"slot {index} is not one of 0 to {self.slots - 1}")
        return self.base + self.slot_bytes * index

    def page(self, Py_ssize_t index):
        """The status page of a slot."""
        cdef StatusPage page = StatusPage.__new__(StatusPage)
        page.slot = <StatusSlot*>self.slot_at(index)
        page.region = self
        return page

    def ring(self, Py_ssize_t index):
        """The status ring of a slot."""
        cdef StatusRing ring = StatusRing.__new__(StatusRing)
        ring.open(self.slot_at(index) + PAGE_BYTES, self.ring_bytes)
        ring.region = self
        return ring


cdef class StatusPage:
    """One task's page in a StatusRegion. The supervisor writes its orders, the task writes the rest; anyone reads."""

    cdef StatusSlot* slot
    cdef StatusRegion region        # keeps the mapping in place

    def __init__(self):
        raise TypeError("a StatusPage comes from StatusRegion.page")

    # What the supervisor writes.

    def reset(self, int64_t epoch):
        """Make the page ready for a new process. Only when the process that used it before has been reaped."""
        cdef StatusSlot* slot = self.slot
        store_release(&slot.target, 0)
        store_release(&slot.topic_round, 0)
        # Not the lease: the herder may be writing it just now, and a task without one may send for ever.
        memset(&slot.heartbeat_ns, 0, sizeof(StatusSlot) - (<char*>&slot.heartbeat_ns - <char*>slot))
        slot.source_end = -1
        store_release(&self.slot.epoch, epoch)

    def order(self, target=None, lease_until_ns=None):
        """Tell the task its target state (TargetState) and until when it may send (CLOCK_BOOTTIME; 0: for ever).

        Each is stored whole, so that the supervisor may write the one and the herder the other.
        """
        if lease_until_ns is not None:
            store_release(&self.slot.lease_until_ns, lease_until_ns)
        if target is not None:
            store_release(&self.slot.target, target)

    def ask_topics(self):
        """Have the task tell anew which topics it uses. Only the supervisor calls this."""
        add_relaxed(&self.slot.topic_round, 1)

    # What the task writes.

    def beat(self):
        """Note that the task's loop has made a turn."""
        store_relaxed(&self.slot.heartbeat_ns, now_ns())

    def add(self, str name not None, int64_t by=1):
        """Add to the counter of this name."""
        cdef int place = PLACES[name]
        add_relaxed(<int64_t*>self.slot + place, by)

    def put(self, str name not None, int64_t value):
        """Set the gauge of this name."""
        cdef int place = PLACES[name]
        store_relaxed(<int64_t*>self.slot + place, value)

    def count_batch(self, int64_t records, int64_t took_ns):
        """Count so many records that a poll has returned (of a sink: that a put has taken), and how long that took."""
        add_relaxed(&self.slot.batches, 1)
        add_relaxed(&self.slot.poll_ns, took_ns)
        if took_ns > load_relaxed(&self.slot.poll_max_ns):
            store_relaxed(&self.slot.poll_max_ns, took_ns)
        if records > load_relaxed(&self.slot.batch_max):
            store_relaxed(&self.slot.batch_max, records)

    def count_error(self, bint for_good=False):
        """Count that the processing of a record has failed, and whether the task fails for it."""
        add_relaxed(&self.slot.record_failures, 1)
        if for_good:
            add_relaxed(&self.slot.record_errors, 1)
        store_relaxed(&self.slot.last_error_ms, realtime_ms())

    def count_flush(self, int64_t began_ns):
        """Count a flush of offsets that began at `began_ns` (`boottime_ns`) and has succeeded now."""
        cdef int64_t took_ns = now_ns() - began_ns
        add_relaxed(&self.slot.offset_flushes, 1)
        add_relaxed(&self.slot.offset_flush_ns, took_ns)
        if took_ns > load_relaxed(&self.slot.offset_flush_max_ns):
            store_relaxed(&self.slot.offset_flush_max_ns, took_ns)

    def write_state(self, int state, str text=""):
        """Publish the task's state (State) and one sentence about it, cut to 1,500 bytes of UTF-8.

        A process killed in the middle leaves the state that was published before.
        """
        cdef bytes sentence = text.encode("utf-8", "backslashreplace")[:STATE_TEXT_BYTES]
        cdef int64_t index = <int64_t>(<uint64_t>load_relaxed(&self.slot.state_index) + 1)
        if index == 0:              # only rubbish counts that far, and 0 says: nothing yet
            index = 2
        cdef StateCopy* copy = &self.slot.states[index & 1]
        # The index of the copy before this one must be seen before this one changes: a reader who sees the old index twice
        # has then read a copy that nobody was writing.
        fence_release()
        copy.state = state
        copy.text_bytes = <uint32_t>PyBytes_GET_SIZE(sentence)
        memcpy(copy.text, PyBytes_AS_STRING(sentence), copy.text_bytes)
        copy.crc = state_crc(copy)
        store_release(&self.slot.state_index, index)

    # What anyone reads.

    def read_state(self):
        """The published (state, sentence); None when nothing was published yet, or when the page holds rubbish."""
        cdef StateCopy copy
        cdef int64_t index
        cdef int tries
        for tries in range(READ_TRIES):
            index = load_acquire(&self.slot.state_index)
            if index == 0:
                return None
            memcpy(&copy, &self.slot.states[index & 1], sizeof(StateCopy))
            fence_acquire()
            if load_relaxed(&self.slot.state_index) != index:
                continue
            if copy.text_bytes <= STATE_TEXT_BYTES and copy.crc == state_crc(&copy):
                return copy.state, PyBytes_FromStringAndSize(copy.text, copy.text_bytes).decode("utf-8", "replace")
        return None

    def counters(self):
        """Every counter and gauge by its name in status_page.pxd; each is whole, together they are of about one moment."""
        cdef int place
        cdef int64_t* words = <int64_t*>self.slot
        return {name: load_relaxed(&words[place]) for name, place in PLACES.items()}

    def latency(self):
        """How many acks took how long: bucket b counts those of 2^(b/2) to 2^((b+1)/2) microseconds."""
        cdef int bucket
        return [load_relaxed(&self.slot.latency[bucket]) for bucket in range(LATENCY_BUCKETS)]

    @property
    def epoch(self):
        """Number of the process that the slot belongs to."""
        return load_acquire(&self.slot.epoch)

    @property
    def target(self):
        """What the task is told to be (TargetState)."""
        return load_acquire(&self.slot.target)

    @property
    def lease_until_ns(self):
        """Until when the task may send and flush, CLOCK_BOOTTIME; 0: for ever."""
        return load_acquire(&self.slot.lease_until_ns)

    @property
    def lease_is_over(self):
        """Whether there is a lease and it has ended."""
        cdef int64_t lease = load_acquire(&self.slot.lease_until_ns)
        return lease != 0 and now_ns() > lease

    @property
    def was_killed_by_lease(self):
        """Whether the kernel has ended the process because its lease had (`guard_lease`)."""
        cdef int64_t kill_at = load_relaxed(&self.slot.kill_at_ns)
        return 0 < kill_at <= now_ns()

    @property
    def topic_round(self):
        """How often the task was asked which topics it uses."""
        return load_relaxed(&self.slot.topic_round)

    @property
    def heartbeat_ns(self):
        """CLOCK_BOOTTIME of the loop's last turn; 0: none yet."""
        return load_relaxed(&self.slot.heartbeat_ns)

    # Counters and gauges that a task's Python code writes, as in `page.polls += 1`; one writer, so nothing is lost.

    @property
    def polls(self):
        """How often poll was called."""
        return load_relaxed(&self.slot.polls)

    @polls.setter
    def polls(self, int64_t value):
        store_relaxed(&self.slot.polls, value)

    @property
    def records_polled(self):
        """Records that poll returned."""
        return load_relaxed(&self.slot.records_polled)

    @records_polled.setter
    def records_polled(self, int64_t value):
        store_relaxed(&self.slot.records_polled, value)

    def hand_over(self, int64_t records, int64_t size):
        """Count records (and their bytes) that are given to a sink task now."""
        add_relaxed(&self.slot.records_sent, records)
        add_relaxed(&self.slot.bytes_sent, size)

    def take_over(self, int64_t records, int64_t size, int64_t handed_over_ns):
        """Count records (and their bytes) that a sink task has taken, given to it at `handed_over_ns` (`boottime_ns`)."""
        cdef int64_t now = now_ns()
        cdef int64_t took_us = max((now - handed_over_ns) // 1000, 1)
        cdef int bucket = 0
        add_relaxed(&self.slot.records_acked, records)
        add_relaxed(&self.slot.bytes_acked, size)
        if load_relaxed(&self.slot.first_ack_ns) == 0:
            store_relaxed(&self.slot.first_ack_ns, now)
        store_relaxed(&self.slot.last_ack_ns, now)
        bucket = min(<int>(2 * log2(<double>took_us)), LATENCY_BUCKETS - 1)
        add_relaxed(&self.slot.latency[bucket], records)

    @property
    def retries(self):
        """How often something was tried again."""
        return load_relaxed(&self.slot.retries)

    @retries.setter
    def retries(self, int64_t value):
        store_relaxed(&self.slot.retries, value)

    @property
    def records_filtered(self):
        """Records that a transform dropped."""
        return load_relaxed(&self.slot.records_filtered)

    @records_filtered.setter
    def records_filtered(self, int64_t value):
        store_relaxed(&self.slot.records_filtered, value)

    @property
    def records_skipped(self):
        """Bad records dropped because errors.tolerance is all."""
        return load_relaxed(&self.slot.records_skipped)

    @records_skipped.setter
    def records_skipped(self, int64_t value):
        store_relaxed(&self.slot.records_skipped, value)

    @property
    def offset_flushes(self):
        """Offset flushes that the store took."""
        return load_relaxed(&self.slot.offset_flushes)

    @offset_flushes.setter
    def offset_flushes(self, int64_t value):
        store_relaxed(&self.slot.offset_flushes, value)

    @property
    def offset_flush_failures(self):
        """Offset flushes that the store refused."""
        return load_relaxed(&self.slot.offset_flush_failures)

    @offset_flush_failures.setter
    def offset_flush_failures(self, int64_t value):
        store_relaxed(&self.slot.offset_flush_failures, value)

    @property
    def records_flushed(self):
        """Records covered by the offsets flushed so far."""
        return load_relaxed(&self.slot.records_flushed)

    @records_flushed.setter
    def records_flushed(self, int64_t value):
        store_relaxed(&self.slot.records_flushed, value)

    @property
    def source_position(self):
        """How far the task has read, in the source's own unit."""
        return load_relaxed(&self.slot.source_position)

    @source_position.setter
    def source_position(self, int64_t value):
        store_relaxed(&self.slot.source_position, value)

    @property
    def source_end(self):
        """Where the source ends; -1: not known."""
        return load_relaxed(&self.slot.source_end)

    @source_end.setter
    def source_end(self, int64_t value):
        store_relaxed(&self.slot.source_end, value)

    @property
    def at_end(self):
        """1 when the source has ended, all is delivered and its offsets are flushed."""
        return load_relaxed(&self.slot.at_end)

    @at_end.setter
    def at_end(self, int64_t value):
        store_relaxed(&self.slot.at_end, value)

    def _fill_with_rubbish(self, const unsigned char[::1] rubbish):
        """Overwrite the page, as a task gone wild would; for tests."""
        memcpy(self.slot, &rubbish[0], min(rubbish.shape[0], <Py_ssize_t>PAGE_BYTES))

    def _image(self):
        """The page's bytes as they are; for tests."""
        return PyBytes_FromStringAndSize(<char*>self.slot, PAGE_BYTES)


cdef uint32_t state_crc(StateCopy* copy):
    cdef uint32_t head = zlib.crc32(PyBytes_FromStringAndSize(<char*>copy, 2 * sizeof(uint32_t)))
    return zlib.crc32(PyBytes_FromStringAndSize(copy.text, copy.text_bytes), head)
