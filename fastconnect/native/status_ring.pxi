# StatusRing: what a task tells its supervisor (state changes, errors, traces), from one writer to one reader, without a lock.
#
#   ring:   | tail, dropped      64 bytes, written by the task       |
#           | head, corrupt      64 bytes, written by the supervisor |
#           | entries ...        a byte ring: an entry may go round its end                                    |
#   entry:  | length u32 | crc u32 | sequence i64 | kind i32 | 0 i32 | payload of `length` bytes | to 8 bytes |
#
# tail and head count bytes since the ring was new and never turn back; an entry's sequence is the tail it was written at, so
# that what a former lap left is never taken for news. Only the store of tail publishes an entry: a writer killed before it
# has written nothing. The reader believes nothing: it checks every length against the ring's size, and the sum.

cdef struct RingHeader:
    int64_t tail
    int64_t dropped             # entries that found no room
    int64_t _task_line[6]
    int64_t head
    int64_t corrupt             # times the reader threw away what it found
    int64_t _supervisor_line[6]

cdef struct RingEntry:
    uint32_t length
    uint32_t crc                # crc32 of sequence, kind and payload
    int64_t sequence
    int32_t kind
    int32_t _padding


cdef class StatusRing:
    """A queue of (kind, payload) from one task to its supervisor, in a StatusRegion."""

    cdef RingHeader* header
    cdef char* entries
    cdef uint64_t capacity          # bytes of entries
    cdef StatusRegion region        # keeps the mapping in place

    def __init__(self):
        raise TypeError("a StatusRing comes from StatusRegion.ring")

    cdef void open(self, char* memory, Py_ssize_t ring_bytes) noexcept:
        self.header = <RingHeader*>memory
        self.entries = memory + sizeof(RingHeader)
        self.capacity = ring_bytes - sizeof(RingHeader)

    def reset(self):
        """Empty the ring for a new process. Only when the process that wrote it before has been reaped."""
        memset(self.header, 0, sizeof(RingHeader))

    def write(self, int kind, bytes body not None):
        """Append an entry; False, and counted in `dropped`, when it finds no room. Only the slot's own task calls this.

        A process killed in the middle has written nothing.
        """
        cdef Py_ssize_t body_bytes = PyBytes_GET_SIZE(body)
        cdef int64_t tail = load_relaxed(&self.header.tail)
        cdef uint64_t used = <uint64_t>tail - <uint64_t>load_acquire(&self.header.head)
        cdef uint64_t needed = (sizeof(RingEntry) + <uint64_t>body_bytes + 7) & ~<uint64_t>7
        cdef RingEntry entry
        if used > self.capacity or needed > self.capacity - used:
            add_relaxed(&self.header.dropped, 1)
            return False
        memset(&entry, 0, sizeof(entry))
        entry.length = <uint32_t>body_bytes
        entry.sequence = tail
        entry.kind = kind
        entry.crc = entry_crc(&entry, body)
        self.copy_in(<uint64_t>tail, <char*>&entry, sizeof(entry))
        self.copy_in(<uint64_t>tail + sizeof(entry), PyBytes_AS_STRING(body), body_bytes)
        store_release(&self.header.tail, <int64_t>(<uint64_t>tail + needed))
        return True

    def read(self):
        """Take every entry published so far, as a list of (kind, payload). Only the supervisor calls this.

        Rubbish is thrown away, together with all that is behind it, and counted in `corrupt`.
        """
        cdef uint64_t tail = <uint64_t>load_acquire(&self.header.tail)
        cdef uint64_t head = <uint64_t>load_relaxed(&self.header.head)
        cdef uint64_t used = tail - head
        cdef uint64_t entry_bytes
        cdef RingEntry entry
        cdef bytes body
        cdef list entries = []
        if used > self.capacity:
            add_relaxed(&self.header.corrupt, 1)
            used = 0
        while used:
            # Every turn takes at least an entry's head from `used`, which is at most the ring: it always ends.
            if used < sizeof(RingEntry):
                add_relaxed(&self.header.corrupt, 1)
                break
            self.copy_out(head, <char*>&entry, sizeof(entry))
            entry_bytes = (sizeof(RingEntry) + <uint64_t>entry.length + 7) & ~<uint64_t>7
            if entry_bytes > used or <uint64_t>entry.sequence != head:
                add_relaxed(&self.header.corrupt, 1)
                break
            body = PyBytes_FromStringAndSize(NULL, entry.length)
            self.copy_out(head + sizeof(entry), PyBytes_AS_STRING(body), entry.length)
            if entry.crc != entry_crc(&entry, body):
                add_relaxed(&self.header.corrupt, 1)
                break
            entries.append((entry.kind, body))
            head += entry_bytes
            used -= entry_bytes
        store_release(&self.header.head, <int64_t>tail)
        return entries

    @property
    def dropped(self):
        """Entries that found no room."""
        return load_relaxed(&self.header.dropped)

    @property
    def corrupt(self):
        """How often the reader threw away what it found."""
        return load_relaxed(&self.header.corrupt)

    cdef void copy_in(self, uint64_t position, const char* source, uint64_t count) noexcept:
        cdef uint64_t at = position % self.capacity
        cdef uint64_t first = min(count, self.capacity - at)
        memcpy(self.entries + at, source, first)
        memcpy(self.entries, source + first, count - first)

    cdef void copy_out(self, uint64_t position, char* target, uint64_t count) noexcept:
        cdef uint64_t at = position % self.capacity
        cdef uint64_t first = min(count, self.capacity - at)
        memcpy(target, self.entries + at, first)
        memcpy(target + first, self.entries, count - first)

    def _fill_with_rubbish(self, const unsigned char[::1] rubbish):
        """Overwrite the ring, as a task gone wild would; for tests."""
        memcpy(self.header, &rubbish[0], min(rubbish.shape[0], self.region.ring_bytes))

    def _image(self):
        """The ring's bytes as they are; for tests."""
        return PyBytes_FromStringAndSize(<char*>self.header, self.region.ring_bytes)


cdef uint32_t entry_crc(RingEntry* entry, bytes body):
    return zlib.crc32(body, zlib.crc32(PyBytes_FromStringAndSize(<char*>&entry.sequence, sizeof(int64_t) + sizeof(int32_t))))
