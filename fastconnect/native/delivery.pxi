# What is delivered: per source partition (a *stream*), the longest run of settled records from the front.
#
#   stream -> unit -> unit -> unit          a unit: the records of one batch that belong to this stream, in order
#             done: 1 1 1 0 1               a byte a record, set when it is settled: acknowledged, or skipped for good
#                   prefix = 3              the records before this index are all settled
#
# An offset may be flushed when its record and all earlier ones of its stream are settled, so the offset to flush is that of
# the last record of the prefix. A record that fails is never settled: it freezes its stream's prefix for good.
# A message's opaque is (unit id << 32 | index), so settling is a table look-up and a store.
# Source: Kafka Connect's SubmittedRecords (KAFKA-12226).

cdef struct Unit:
    uint32_t id
    int32_t stream
    int64_t count
    int64_t prefix              # records settled without a gap from the first one on
    uint8_t* done
    PyObject* owner             # a Sent, which knows the offsets; one reference
    Unit* following             # the stream's next unit

cdef struct Stream:
    Unit* head
    Unit* tail
    PyObject* settled_owner     # the last unit that was wholly settled: its owner, until its offset is taken
    int64_t settled_index
    bint moved                  # the prefix has grown since the last take

cdef struct Tracker:
    Unit** units                # the unit with id i is at i & mask; NULL: free
    uint32_t mask
    uint32_t next_id
    Stream* streams
    int32_t stream_count
    int32_t stream_room
    PyObject** released         # owners no longer needed, to be let go where the GIL is held
    int64_t released_count
    int64_t released_room


cdef int tracker_open(Tracker* tracker) except -1:
    memset(tracker, 0, sizeof(Tracker))
    tracker.mask = 1023
    tracker.units = <Unit**>calloc(tracker.mask + 1, sizeof(Unit*))
    if tracker.units == NULL:
        raise MemoryError()
    return 0


cdef void tracker_close(Tracker* tracker) noexcept:
    """Let everything go. Only when no delivery event can come any more."""
    cdef uint32_t i
    cdef int32_t s
    if tracker.units != NULL:
        for i in range(tracker.mask + 1):
            if tracker.units[i] != NULL:
                Py_XDECREF(tracker.units[i].owner)
                free(tracker.units[i].done)
                free(tracker.units[i])
        free(tracker.units)
        tracker.units = NULL
    for s in range(tracker.stream_count):
        Py_XDECREF(tracker.streams[s].settled_owner)
    free(tracker.streams)
    tracker.streams = NULL
    tracker.stream_count = 0
    tracker_let_go(tracker)
    free(tracker.released)
    tracker.released = NULL


cdef void tracker_let_go(Tracker* tracker) noexcept:
    """Drop the owners that settling has finished with."""
    cdef int64_t i
    cdef int64_t count = tracker.released_count
    tracker.released_count = 0
    for i in range(count):
        Py_XDECREF(tracker.released[i])


cdef int32_t stream_new(Tracker* tracker) except -1:
    cdef Stream* grown
    if tracker.stream_count == tracker.stream_room:
        tracker.stream_room = tracker.stream_room * 2 if tracker.stream_room else 16
        grown = <Stream*>realloc(tracker.streams, tracker.stream_room * sizeof(Stream))
        if grown == NULL:
            raise MemoryError()
        tracker.streams = grown
    memset(&tracker.streams[tracker.stream_count], 0, sizeof(Stream))
    tracker.stream_count += 1
    return tracker.stream_count - 1


cdef Unit* unit_new(Tracker* tracker, int32_t stream, int64_t count, object owner) except NULL:
    """Begin to follow `count` records at the end of a stream."""
    cdef Unit* unit
    cdef Unit** grown
    cdef uint32_t i, mask
    if count > UINT32_MAX:
        raise ValueError(f"a batch of {count} records is over the limit of {UINT32_MAX}")
    while tracker.units[tracker.next_id & tracker.mask] != NULL:      # the table is full of units in flight: double it
        mask = tracker.mask * 2 + 1
        grown = <Unit**>calloc(<size_t>mask + 1, sizeof(Unit*))
        if grown == NULL:
            raise MemoryError()
        for i in range(tracker.mask + 1):
            if tracker.units[i] != NULL:
                grown[tracker.units[i].id & mask] = tracker.units[i]
        free(tracker.units)
        tracker.units = grown
        tracker.mask = mask
    unit = <Unit*>calloc(1, sizeof(Unit))
    if unit == NULL:
        raise MemoryError()
    unit.done = <uint8_t*>calloc(count, 1)
    if unit.done == NULL:
        free(unit)
        raise MemoryError()
    unit.id = tracker.next_id
    unit.stream = stream
    unit.count = count
    unit.owner = <PyObject*>owner
    Py_INCREF(owner)
    tracker.units[unit.id & tracker.mask] = unit
    tracker.next_id += 1
    if tracker.streams[stream].tail != NULL:
        tracker.streams[stream].tail.following = unit
    else:
        tracker.streams[stream].head = unit
    tracker.streams[stream].tail = unit
    return unit


cdef inline Unit* unit_of(Tracker* tracker, void* opaque) noexcept nogil:
    return tracker.units[<uint32_t>(<uint64_t>opaque >> 32) & tracker.mask]


cdef inline void* opaque_of(uint32_t unit_id, int64_t index) noexcept nogil:
    return <void*>(<uint64_t>unit_id << 32 | <uint64_t>index)


cdef inline void settle(Tracker* tracker, void* opaque) noexcept nogil:
    """Mark one record as done, and let its stream's prefix grow as far as it can."""
    cdef Unit* unit = unit_of(tracker, opaque)
    cdef int64_t index = <int64_t>(<uint64_t>opaque & UINT32_MAX)
    unit.done[index] = 1
    if index != unit.prefix:
        return
    while unit.prefix < unit.count and unit.done[unit.prefix]:
        unit.prefix += 1
    if unit == tracker.streams[unit.stream].head:
        stream_advance(tracker, &tracker.streams[unit.stream])


cdef void stream_advance(Tracker* tracker, Stream* stream) noexcept nogil:
    """Take the wholly settled units off the front of a stream; the last of them knows the offset to flush."""
    cdef Unit* unit = stream.head
    stream.moved = True
    while unit != NULL and unit.prefix == unit.count:
        if stream.settled_owner != NULL:
            release_later(tracker, stream.settled_owner)
        stream.settled_owner = unit.owner
        stream.settled_index = unit.count - 1
        stream.head = unit.following
        tracker.units[unit.id & tracker.mask] = NULL
        free(unit.done)
        free(unit)
        unit = stream.head
    if unit == NULL:
        stream.tail = NULL


cdef void release_later(Tracker* tracker, PyObject* owner) noexcept nogil:
    cdef PyObject** grown
    if tracker.released_count == tracker.released_room:
        tracker.released_room = tracker.released_room * 2 if tracker.released_room else 64
        grown = <PyObject**>realloc(tracker.released, tracker.released_room * sizeof(PyObject*))
        if grown == NULL:
            abort()             # no memory for 8 bytes: nothing sensible can follow, and offsets are safe on disk
        tracker.released = grown
    tracker.released[tracker.released_count] = owner
    tracker.released_count += 1


cdef list tracker_take(Tracker* tracker):
    """The streams whose prefix has grown since the last call, as [(stream, owner, index of the last settled record)]."""
    cdef int32_t s
    cdef Stream* stream
    moved = []
    for s in range(tracker.stream_count):
        stream = &tracker.streams[s]
        if not stream.moved:
            continue
        stream.moved = False
        if stream.head != NULL and stream.head.prefix > 0:
            moved.append((s, <object>stream.head.owner, stream.head.prefix - 1))
        elif stream.settled_owner != NULL:
            moved.append((s, <object>stream.settled_owner, stream.settled_index))
        if stream.settled_owner != NULL:
            Py_XDECREF(stream.settled_owner)
            stream.settled_owner = NULL
    return moved


# What Python is to be told record by record: acknowledgements where the task has a commit_record, refusals where somebody
# reports them. Such a record is settled only when it is told, so that no offset passes it before.

cdef struct Kept:
    void* opaque
    rd_kafka_topic_t* topic
    int code                    # 0: acknowledged
    int32_t partition
    int64_t offset
    int64_t timestamp           # milliseconds since 1970; -1: none
    void* value                 # of a refused record: its bytes, which live until it is settled
    size_t value_bytes
    void* key                   # a copy, to be freed
    size_t key_bytes
    rd_kafka_headers_t* headers  # of a refused record, to be destroyed; NULL: it has none

cdef struct KeptReports:
    Kept* items
    int64_t count
    int64_t room


cdef void keep_report(
        KeptReports* reports, const rd_kafka_message_t* message, int code, rd_kafka_headers_t* headers) noexcept nogil:
    """Keep what became of a message. Its headers are taken over."""
    cdef Kept* grown
    cdef Kept* kept
    cdef int kind
    if reports.count == reports.room:
        reports.room = reports.room * 2 if reports.room else 1024
        grown = <Kept*>realloc(reports.items, reports.room * sizeof(Kept))
        if grown == NULL:
            abort()             # as in release_later
        reports.items = grown
    kept = &reports.items[reports.count]
    memset(kept, 0, sizeof(Kept))
    kept.opaque = message._private
    kept.code = code
    kept.topic = message.rkt
    kept.partition = message.partition
    kept.offset = message.offset
    kept.timestamp = -1
    kept.headers = headers
    if code == 0:
        kept.timestamp = rd_kafka_message_timestamp(message, &kind)
    else:
        kept.value = message.payload
        kept.value_bytes = message.len
        if message.key != NULL:
            kept.key = malloc(message.key_len + 1)
            if kept.key != NULL:
                memcpy(kept.key, message.key, message.key_len)
                kept.key_bytes = message.key_len
    reports.count += 1


cdef void let_kept_go(Kept* kept) noexcept:
    free(kept.key)
    if kept.headers != NULL:
        rd_kafka_headers_destroy(kept.headers)


cdef void keep_nothing(KeptReports* reports) noexcept:
    cdef int64_t i
    for i in range(reports.count):
        let_kept_go(&reports.items[i])
    free(reports.items)
    memset(reports, 0, sizeof(KeptReports))


cdef class SendReport:
    """What became of one record; see _core.pyi."""

    cdef readonly object record
    cdef readonly object source_partition
    cdef readonly object source_offset
    cdef readonly str error
    cdef readonly str topic
    cdef readonly int partition
    cdef readonly int64_t offset
    cdef readonly object timestamp
    cdef readonly object value
    cdef readonly object key
    cdef readonly object headers


cdef class Sent:
    """The records of one unit as Python knows them: where they came from, and the offset of each of them."""

    cdef object values          # keeps alive what librdkafka points into (keys and headers it copies)
    cdef object offsets         # as in api.record.Offsets
    cdef list records           # the SourceRecords themselves, where the batch was a list of them and they are needed
    cdef object rows            # which record of the batch each one is, where a chain has dropped some; else None
    cdef object lines           # with ByteOffsets: the lines as they were read, whatever was made of them
    cdef const char* buffer     # where they begin, and how far line_end has come
    cdef const char* buffer_end
    cdef const char* scanned
    cdef int64_t scanned_lines

    cdef int read_lines(self, buffer) except -1:
        cdef Py_buffer view
        self.lines = memoryview(buffer)
        PyObject_GetBuffer(self.lines, &view, PyBUF_SIMPLE)
        self.buffer = <const char*>view.buf
        self.buffer_end = self.buffer + view.len
        PyBuffer_Release(&view)         # the memoryview itself keeps the memory in place
        return 0

    cdef int64_t line_end(self, int64_t index) noexcept:
        """The byte behind the newline of a line; remembers where it was, since indexes only grow."""
        cdef const char* newline
        if self.scanned == NULL or index + 1 < self.scanned_lines:
            self.scanned = self.buffer
            self.scanned_lines = 0
        while self.scanned_lines <= index:
            newline = <const char*>memchr(self.scanned, 10, self.buffer_end - self.scanned)
            self.scanned = newline + 1 if newline != NULL else self.buffer_end
            self.scanned_lines += 1
        return self.scanned - self.buffer

    cdef object offset_at(self, int64_t index):
        """The source offset that record `index` carries; None if it has none."""
        offsets = self.offsets
        if offsets is None:
            return None if self.records is None else self.records[index].source_offset
        if self.rows is not None:
            index = self.rows[index]
        if isinstance(offsets, ByteOffsets):
            return {**offsets.fixed, offsets.key: offsets.base + self.line_end(index)}
        if isinstance(offsets, CountOffsets):
            return {**offsets.fixed, offsets.key: offsets.first + index}
        if callable(offsets):
            return offsets(index)
        return offsets[index]
