# SendLoop: batches in, acknowledged offsets out.

import msgspec

cdef object encode_sorted = msgspec.json.Encoder(order="sorted").encode

cdef int64_t LEARN_AGAIN_NS = 60_000_000_000    # how late a new partition, or a lost leader, is noticed

cdef enum:
    CHUNK = 32768               # records handed to librdkafka in one call
    CHUNK_BYTES = 16 * 1024 * 1024
    TARGET_STOPPED = 2          # states.TargetState.STOPPED
    LOOK_AGAIN_MS = 50          # longest wait in one go, so that a stop or a lost lease is noticed
    FRAMING_BYTES = 100         # of a batch (61) and of the one record in it (21 at most), and some more
    MSG_SIZE_TOO_LARGE = 10
    RECORD_LIST_TOO_LARGE = 18
    INVALID_DIFFERENT_RECORD = -138  # another record of the same batch is invalid


cdef object rows_of(changed):
    """Which record of its batch each one is, or None where that is its own index."""
    rows = changed.rows
    return None if isinstance(rows, range) and rows.start == 0 and rows.step == 1 else rows


cdef list picked(list column, rows):
    """These rows of a column, if there is one."""
    return None if column is None else [column[row] for row in rows]


cdef bytes partition_key(partition):
    """A source partition's identity: its JSON with sorted keys."""
    return encode_sorted(partition)


class LeaseLost(Exception):
    """The lease in the status page is over: this task may belong to another worker, so nothing more is sent or flushed."""


class BatchTooLarge(SendError):
    """The broker refused a batch of several records for its size, which says nothing against any one of them.

    A new send loop with a smaller `batch.size` gets through, or finds the record that is too large: alone in its batch.
    Source: the Java client, which splits such a batch itself.
    """

    def __init__(self, batch_bytes):
        super().__init__(f"the broker takes no batches of {batch_bytes} bytes",
                         hint="set producer.batch.size no larger than the topic's max.message.bytes")
        self.batch_bytes = batch_bytes


class BatchSpoilt(SendError):
    """The broker refused a batch for records in it that it names: the others may be sent again, each in a batch of its own.

    Source: the broker answers with the indexes of such records (KIP-467), of which librdkafka makes _INVALID_DIFFERENT_RECORD
    for all others of the batch.
    """

    def __init__(self):
        super().__init__("the broker has refused a batch for invalid records in it")


cdef class SendLoop(Client):
    """Sends batches to Kafka, and knows up to where each source partition is delivered.

    One thread uses it: `queue` takes a batch, `push` hands as much of it to librdkafka as fits and reads what the broker
    acknowledged, `take_committable` tells the offsets that may be flushed. Counters go straight into the status page.

    Args:
        conf: librdkafka's settings.
        page: the task's status page.
        most_in_flight: records handed over and not yet acknowledged, at most; the send loop waits rather than exceed it.
        most_bytes_in_flight: the same in bytes of keys and values.
        skip_failed_records: go on behind a record that can never be delivered (errors.tolerance=all).
        report_acks, report_skipped: keep a report of every record that was acknowledged, or skipped, for `take_reports`.

    Transactions will begin and end in here too: between two pushes nothing is in the air but what `in_flight` counts.
    """

    cdef StatusPage page
    cdef StatusSlot* slot
    cdef Tracker tracker
    cdef Batch batch
    cdef rd_kafka_message_t* messages
    cdef const rd_kafka_message_t** reports
    cdef list streams               # source partition of each stream
    cdef dict stream_by_key
    cdef dict stream_by_identity    # id(partition) -> (partition, stream): keeps the dict, so that its id stays its own
    cdef list kept                  # what the batch being handed over points into
    cdef readonly int64_t most_in_flight
    cdef readonly int64_t most_bytes_in_flight
    cdef int64_t in_flight_count
    cdef int64_t in_flight_bytes
    cdef bint skip_failed_records
    cdef bint report_acks
    cdef bint report_skipped
    cdef KeptReports kept_reports
    cdef int failed_code            # of the first record that failed for good; 0: none
    cdef PyObject* failed_owner     # its Sent, borrowed: its unit is never settled
    cdef int64_t failed_index
    cdef int64_t failed_bytes
    cdef int64_t batch_bytes        # no batch with several records is larger
    cdef bint batch_refused         # one was, for its size
    cdef bint batch_spoilt          # one was, for other records than some of those in it
    cdef bint stopped               # a failure or a lost lease: nothing more is handed over
    cdef bint lease_lost
    cdef bint has_new_topics
    cdef int64_t topic_round        # of the page, when topics were last taken

    def __init__(self, dict conf, StatusPage page not None, int64_t most_in_flight=200_000,
                 int64_t most_bytes_in_flight=64 * 1024 * 1024, bint skip_failed_records=False,
                 bint report_acks=False, bint report_skipped=False):
        self.page = page
        self.slot = page.slot
        self.most_in_flight = most_in_flight
        self.most_bytes_in_flight = most_bytes_in_flight
        self.skip_failed_records = skip_failed_records
        self.report_acks = report_acks
        self.report_skipped = report_skipped
        self.batch_bytes = min(int(conf.get("batch.size", 1000000)), int(conf.get("message.max.bytes", 1000000)))
        self.streams = []
        self.stream_by_key = {}
        self.stream_by_identity = {}
        self.kept = []
        tracker_open(&self.tracker)
        # The limits are kept here, exactly (see batch.pxi); librdkafka's own must never be the narrower ones.
        own = {"queue.buffering.max.messages": most_in_flight + CHUNK, "queue.buffering.max.kbytes": 2147483647}
        self.messages = <rd_kafka_message_t*>calloc(CHUNK, sizeof(rd_kafka_message_t))
        self.reports = <const rd_kafka_message_t**>malloc(REPORTS * sizeof(void*))
        if self.messages == NULL or self.reports == NULL:
            raise MemoryError()
        self.open(RD_KAFKA_PRODUCER, {**conf, **own}, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR)

    def __dealloc__(self):
        self.close()
        free(self.messages)
        free(self.reports)

    def close(self):
        """Close the client. Records still in flight are lost to it: their offsets were never committable."""
        self.shut()
        batch_clear(&self.batch)
        tracker_close(&self.tracker)
        keep_nothing(&self.kept_reports)

    # Batches in.

    def queue_batch(self, batch not None, values, keys=None, headers=None, values_of_lines=None, changed=None):
        """Take a RecordBatch for sending, its values, keys and headers' values already bytes; return how many records it has.

        Args:
            batch: says the topic, the source partition, and the offset of each record.
            values, keys: lines in a buffer, a list of bytes and None, or an Arrow array; keys may be None.
            values_of_lines: for lines that were made of Python values, those values (a None makes a tombstone).
            changed: the Records that a chain has made of the batch: their topics, partitions and timestamps count, and
                their rows say which records of the batch these are.
        Raises:
            DataError: the columns are not of one length.
            RetriableError: a topic's partitions are not known yet; nothing was queued, call again.
            SendError: a topic cannot be used.
        """
        cdef int64_t count = self.begin(values, keys, values_of_lines)
        cdef Unit* unit
        cdef Sent sent
        if count == 0:
            return 0
        try:
            if changed is None:
                self.place(batch.topic, batch.topics, batch.partitions, batch.timestamps, headers)
            else:
                self.place_changed(changed, headers)
            sent = Sent.__new__(Sent)
            sent.values = self.kept[0]
            sent.offsets = batch.offsets
            sent.rows = None if changed is None else rows_of(changed)
            if isinstance(batch.offsets, ByteOffsets):
                if batch.form != "lines":
                    raise DataError("ByteOffsets belong to a batch of lines", hint="give a list of offsets, or a function")
                sent.read_lines(batch.values)
            unit = unit_new(&self.tracker, self.stream(batch.source_partition), count, sent)
            self.batch.unit_id = unit.id
        except BaseException:
            batch_clear(&self.batch)
            raise
        return count

    def queue_records(self, RecordColumns columns not None, values, keys=None, headers=None, changed=None):
        """Take a list of SourceRecords for sending, their values, keys and headers' values already bytes; return how many.

        Args:
            changed: as in `queue_batch`.
        """
        cdef int64_t count = self.begin(values, keys, columns.values if changed is None else changed.values)
        cdef int64_t i
        cdef Unit* unit
        cdef PackedOffsets offsets = columns.source_offsets
        cdef list records = columns.records if offsets is None or self.report_acks or self.report_skipped else None
        cdef list stream_of = columns.stream_of
        cdef int64_t polled = len(columns.records)
        if count == 0:
            return 0
        try:
            if changed is None:
                self.place(columns.topic, columns.topics, columns.partitions, columns.timestamps, headers)
            else:
                self.place_changed(changed, headers)
                if rows_of(changed) is not None or count < polled:
                    polled = len(changed.rows)
                    records = picked(records, changed.rows)
                    offsets = None if offsets is None else offsets.picked(changed.rows)
                    stream_of = picked(stream_of, changed.rows)
            if count != polled:
                raise DataError(f"{count} values for {polled} records")
            if stream_of is None:
                unit = self.unit_of_records(columns.source_partitions[0], count, records, offsets)
                self.batch.unit_id = unit.id
                return count
            self.batch.unit_ids = <uint32_t*>malloc(count * sizeof(uint32_t))
            self.batch.indexes = <uint32_t*>malloc(count * sizeof(uint32_t))
            if self.batch.unit_ids == NULL or self.batch.indexes == NULL:
                raise MemoryError()
            rows_of_stream = [[] for _ in columns.source_partitions]
            for i in range(count):
                rows = rows_of_stream[stream_of[i]]
                self.batch.unit_ids[i] = stream_of[i]
                self.batch.indexes[i] = len(rows)
                rows.append(i)
            ids = []
            for partition, rows in zip(columns.source_partitions, rows_of_stream):
                if rows:
                    unit = self.unit_of_records(
                        partition, len(rows), picked(records, rows), None if offsets is None else offsets.picked(rows))
                    ids.append(unit.id)
                else:
                    ids.append(None)        # a chain has dropped all of this source partition's records
            for i in range(count):
                self.batch.unit_ids[i] = ids[self.batch.unit_ids[i]]
        except BaseException:
            batch_clear(&self.batch)
            raise
        return count

    cdef Unit* unit_of_records(self, partition, int64_t count, list records, PackedOffsets offsets) except NULL:
        sent = Sent.__new__(Sent)
        (<Sent>sent).values = self.kept[0]
        (<Sent>sent).records = records
        (<Sent>sent).offsets = offsets
        return unit_new(&self.tracker, self.stream(partition), count, sent)

    cdef int place_changed(self, changed, headers) except -1:
        """The same as `place`, for what a chain has made of a batch."""
        topics = changed.topics
        if len(changed.rows) != self.batch.count:
            raise DataError(f"{self.batch.count} values for {len(changed.rows)} records")
        if isinstance(topics, str):
            return self.place(topics, None, changed.partitions, changed.timestamps, headers)
        return self.place(None, topics, changed.partitions, changed.timestamps, headers)

    cdef int64_t begin(self, values, keys, nulls) except -1:
        """Set the batch's columns up; return how many records it has."""
        if self.batch.next < self.batch.count:
            raise RuntimeError("the batch before is not handed over yet: push first")
        batch_clear(&self.batch)
        self.kept = [column_of(&self.batch.values, values, nulls), None]
        if keys is not None:
            self.kept[1] = column_of(&self.batch.keys, keys, None)
            if self.batch.keys.count != self.batch.values.count:
                raise DataError(f"{self.batch.keys.count} keys for {self.batch.values.count} values")
        self.batch.count = self.batch.values.count
        return self.batch.count

    cdef int place(self, topic, topics, partitions, timestamps, headers) except -1:
        """Where and when: everything about the batch that is not its keys and values."""
        cdef int64_t count = self.batch.count
        cdef int64_t i
        for name, column in (("topics", topics), ("partitions", partitions), ("headers", headers)):
            if column is not None and len(column) != count:
                raise DataError(f"{len(column)} {name} for {count} values")
        if topics is not None:
            self.batch.one_by_one = True
            self.batch.topics = <rd_kafka_topic_t**>malloc(count * sizeof(void*))
            if self.batch.topics == NULL:
                raise MemoryError()
            for i in range(count):
                self.batch.topics[i] = self.known_topic(topics[i]).handle
        else:
            if not topic:
                raise DataError("a record has no topic")
            self.batch.topic = self.known_topic(topic)
            self.batch.keyless = self.batch.keys.kind == NOTHING and partitions is None
        if partitions is not None:
            self.batch.partitions = <int32_t*>malloc(count * sizeof(int32_t))
            if self.batch.partitions == NULL:
                raise MemoryError()
            for i in range(count):
                self.batch.partitions[i] = RD_KAFKA_PARTITION_UA if partitions[i] is None else partitions[i]
        if timestamps is not None:
            self.batch.one_by_one = True
            if isinstance(timestamps, int):
                self.batch.timestamp = timestamps
            else:
                if len(timestamps) != count:
                    raise DataError(f"{len(timestamps)} timestamps for {count} values")
                self.batch.timestamps = <int64_t*>malloc(count * sizeof(int64_t))
                if self.batch.timestamps == NULL:
                    raise MemoryError()
                for i in range(count):
                    self.batch.timestamps[i] = 0 if timestamps[i] is None else timestamps[i]
        if headers is not None:
            self.batch.one_by_one = True
            self.batch.headers = <rd_kafka_headers_t**>calloc(count, sizeof(void*))
            if self.batch.headers == NULL:
                raise MemoryError()
            for i in range(count):
                if headers[i]:
                    self.batch.headers[i] = headers_of(headers[i])
        return 0

    cdef Topic* known_topic(self, str name) except NULL:
        """A topic whose partitions are known, freshly enough: asked for now if they are not."""
        cdef Topic* topic = self.topic(name)
        if topic.learned_ns == 0:
            self.learn(name)
        elif now_ns() - topic.learned_ns > LEARN_AGAIN_NS:
            try:
                self.learn(name, 100)
            except RetriableError:
                topic.learned_ns = now_ns()     # not now, then: what was known still serves
        return topic

    cdef int32_t stream(self, partition) except -1:
        """The stream of a source partition, made when it is first seen."""
        known = self.stream_by_identity.get(id(partition))
        if known is not None and known[0] is partition:
            return known[1]
        key = partition_key(partition)
        index = self.stream_by_key.get(key)
        if index is None:
            index = stream_new(&self.tracker)
            self.streams.append(partition)
            self.stream_by_key[key] = index
        if len(self.stream_by_identity) > 4096:     # a task that makes a new dict a batch must not fill memory with them
            self.stream_by_identity.clear()
        self.stream_by_identity[id(partition)] = (partition, index)
        return index

    # On to the broker, and what comes back.

    def push(self, int wait_ms=100):
        """Hand the queued batch to librdkafka, as far as there is room, and read what came back; wait at most so long for room.

        Returns:
            True when nothing of the batch is left, or nothing more can be sent (see `check`).
        """
        cdef int64_t n, taken, size
        cdef int64_t until = now_ns() + <int64_t>wait_ms * 1_000_000
        with nogil:
            while self.batch.next < self.batch.count and not self.stopped:
                if self.lease_over():
                    break
                n = self.room()
                if n == 0:
                    if now_ns() >= until or load_relaxed(&self.slot.target) == TARGET_STOPPED:
                        self.drain(0)
                        break
                    add_relaxed(&self.slot.retries, 1)
                    self.wait_for_room()
                    continue
                n = fill(&self.batch, self.messages, n, min(CHUNK_BYTES, self.most_bytes_in_flight - self.in_flight_bytes))
                size = self.count_sent(n)
                taken = hand_over(self.handle, &self.batch, self.messages, n, size)
                if taken < n:
                    self.refused(n)
                self.batch.next += n
                self.drain(0)
        tracker_let_go(&self.tracker)
        return self.batch.next >= self.batch.count or self.stopped

    def poll(self, int wait_ms=0):
        """Read what the broker has acknowledged; wait at most so long for the first event."""
        with nogil:
            self.drain(wait_ms)
        tracker_let_go(&self.tracker)

    def flush(self, int wait_ms):
        """Wait until nothing is in flight, at most so long; True if so."""
        cdef int64_t until = now_ns() + <int64_t>wait_ms * 1_000_000
        with nogil:
            while self.in_flight_count > 0 and now_ns() < until:
                self.drain(<int>max(1, min(LOOK_AGAIN_MS, (until - now_ns()) // 1_000_000)))
        tracker_let_go(&self.tracker)
        return self.in_flight_count == 0

    cdef inline int64_t room(self) noexcept nogil:
        """How many records may be handed over now; 0 while less than an eighth of the limit is free and the batch is larger."""
        cdef int64_t wanted = min(CHUNK, self.batch.count - self.batch.next)
        cdef int64_t free_records = self.most_in_flight - self.in_flight_count
        if self.in_flight_count == 0:
            return min(wanted, self.most_in_flight)
        if free_records < min(wanted, self.most_in_flight >> 3) or \
                self.in_flight_bytes > self.most_bytes_in_flight - (self.most_bytes_in_flight >> 3):
            return 0
        return min(wanted, free_records)

    cdef void wait_for_room(self) noexcept nogil:
        cdef int64_t began = now_ns()
        self.drain(10)
        add_relaxed(&self.slot.blocked_ns, now_ns() - began)

    cdef inline bint lease_over(self) noexcept nogil:
        cdef int64_t lease = load_relaxed(&self.slot.lease_until_ns)
        if lease != 0 and now_ns() > lease:
            self.lease_lost = True
            self.stopped = True
        return self.lease_lost

    cdef int64_t count_sent(self, int64_t n) noexcept nogil:
        """Count the messages about to be handed over; return their bytes."""
        cdef int64_t size = 0
        cdef int64_t i
        for i in range(n):
            size += self.messages[i].len + self.messages[i].key_len
        self.in_flight_count += n
        self.in_flight_bytes += size
        add_relaxed(&self.slot.records_sent, n)
        add_relaxed(&self.slot.bytes_sent, size)
        return size

    cdef void refused(self, int64_t n) noexcept nogil:
        """Deal with the messages of a chunk that librdkafka did not take."""
        cdef int64_t i
        cdef int64_t tries
        for i in range(n):
            tries = 0
            # A full queue cannot be, by `room`; should it be all the same, nothing is lost: it is offered again.
            while self.messages[i].err != 0 and decide(self.messages[i].err) == RETRY and not self.stopped:
                self.drain(10)
                tries += 1
                self.messages[i].err = 0
                hand_over_one(self.handle, &self.batch, &self.messages[i], self.batch.next + i)
                if tries > 6000:
                    break
            if self.messages[i].err != 0:
                self.unsend(&self.messages[i])
                self.messages[i].rkt = self.batch.topics[self.batch.next + i] if self.batch.topics != NULL \
                    else self.batch.topic.handle
                self.messages[i].offset = -1
                self.record_failed(&self.messages[i], True, self.headers_of_unsent(self.batch.next + i))

    cdef rd_kafka_headers_t* headers_of_unsent(self, int64_t index) noexcept nogil:
        """A copy of the headers of a record that librdkafka has not taken; NULL if it has none, or nobody asks for them."""
        if not self.report_skipped or self.batch.headers == NULL or self.batch.headers[index] == NULL:
            return NULL
        return rd_kafka_headers_copy(self.batch.headers[index])

    cdef rd_kafka_headers_t* headers_of_report(self, const rd_kafka_message_t* report) noexcept nogil:
        """The headers of a record that librdkafka gives back, taken from it; NULL if it has none, or nobody asks for them."""
        cdef rd_kafka_headers_t* headers = NULL
        if self.report_skipped:
            rd_kafka_message_detach_headers(<rd_kafka_message_t*>report, &headers)
        return headers

    cdef inline void unsend(self, rd_kafka_message_t* message) noexcept nogil:
        self.in_flight_count -= 1
        self.in_flight_bytes -= message.len + message.key_len

    cdef void record_failed(
            self, const rd_kafka_message_t* message, bint alone, rd_kafka_headers_t* headers) noexcept nogil:
        """A record will never be delivered: skip it, or freeze its stream and stop. `alone`: no other was in its batch."""
        if not self.skipped(message, alone, headers) and headers != NULL:
            rd_kafka_headers_destroy(headers)

    cdef bint skipped(self, const rd_kafka_message_t* message, bint alone, rd_kafka_headers_t* headers) noexcept nogil:
        """The same; whether the headers were taken over, for a report."""
        cdef int code = message.err
        cdef int64_t size = message.len + message.key_len
        cdef Decision decision = decide(code)
        if (code == MSG_SIZE_TOO_LARGE or code == RECORD_LIST_TOO_LARGE) and not alone and \
                size + FRAMING_BYTES < self.batch_bytes:
            self.batch_refused = True
            self.stopped = True
            return False
        if code == INVALID_DIFFERENT_RECORD and self.skip_failed_records:
            self.batch_spoilt = True
            self.stopped = True
            return False
        add_relaxed(&self.slot.records_failed, 1)
        add_relaxed(&self.slot.record_failures, 1)
        store_relaxed(&self.slot.last_error_ms, realtime_ms())
        if self.skip_failed_records and decision == RECORD:
            add_relaxed(&self.slot.records_skipped, 1)
            if self.report_skipped:
                keep_report(&self.kept_reports, message, code, headers)
                return True
            settle(&self.tracker, message._private)
            return False
        if self.failed_code == 0:
            add_relaxed(&self.slot.record_errors, 1)
        self.stopped = True
        # What a failure takes with it (purged, destroyed, in the same batch) tells less than the failure itself.
        if self.failed_code == 0 or (decision == FATAL and decide(self.failed_code) != FATAL) or \
                (self.failed_code == INVALID_DIFFERENT_RECORD and decision == RECORD):
            self.failed_code = code
            self.failed_owner = unit_of(&self.tracker, message._private).owner
            self.failed_index = <int64_t>(<uint64_t>message._private & UINT32_MAX)
            self.failed_bytes = size
        return False

    cdef void drain(self, int wait_ms) noexcept nogil:
        """Read events until there are none; wait at most so long for the first."""
        cdef rd_kafka_event_t* event
        cdef int kind
        while True:
            event = rd_kafka_queue_poll(self.queue, wait_ms)
            if event == NULL:
                return
            wait_ms = 0
            kind = rd_kafka_event_type(event)
            if kind == RD_KAFKA_EVENT_DR:
                self.read_reports(event)
            elif kind == RD_KAFKA_EVENT_ERROR:
                self.on_error_event(event)
                if rd_kafka_event_error(event) == -150:                 # _FATAL
                    self.stopped = True
                    if self.failed_code == 0:
                        self.failed_code = -150
                elif decide(rd_kafka_event_error(event)) == TASK and rd_kafka_event_error(event) in (-169, -181):
                    self.stopped = True                                 # wrong credentials, no TLS: waiting mends nothing
                    if self.failed_code == 0:
                        self.failed_code = rd_kafka_event_error(event)
            rd_kafka_event_destroy(event)

    cdef void read_reports(self, rd_kafka_event_t* event) noexcept nogil:
        """Settle the records that an event tells of."""
        cdef size_t n, i
        cdef int64_t size, acked
        cdef int64_t now = now_ns()
        cdef bint alone = True
        cdef const rd_kafka_message_t* report
        while True:
            n = rd_kafka_event_message_array(event, self.reports, REPORTS)
            if n == 0:
                return
            alone = alone and n == 1
            size = 0
            acked = 0
            for i in range(n):
                report = self.reports[i]
                if report.err == 0:
                    size += report.len + report.key_len
                    acked += 1
                    if self.report_acks:
                        keep_report(&self.kept_reports, report, 0, NULL)
                    else:
                        settle(&self.tracker, report._private)
                else:
                    self.in_flight_bytes -= report.len + report.key_len
                    self.record_failed(report, alone, self.headers_of_report(report))
            self.in_flight_count -= n
            self.in_flight_bytes -= size
            if acked:
                self.count_acked(acked, size, now)
                self.note_topic(<Topic*>rd_kafka_topic_opaque(self.reports[0].rkt))
            # The reports of an event are of one batch to one partition: the first and the last bound the others' latency.
            self.count_latency(rd_kafka_message_latency(self.reports[0]), n - n // 2)
            self.count_latency(rd_kafka_message_latency(self.reports[n - 1]), n // 2)

    cdef void count_acked(self, int64_t acked, int64_t size, int64_t now) noexcept nogil:
        add_relaxed(&self.slot.records_acked, acked)
        add_relaxed(&self.slot.bytes_acked, size)
        store_relaxed(&self.slot.last_ack_ns, now)
        if load_relaxed(&self.slot.first_ack_ns) == 0:
            store_relaxed(&self.slot.first_ack_ns, now)

    cdef inline void note_topic(self, Topic* topic) noexcept nogil:
        """A record of this topic was acknowledged."""
        if topic != NULL and topic.used == UNUSED:
            topic.used = NEWLY_USED
            self.has_new_topics = True

    cdef void count_latency(self, int64_t latency_us, int64_t records) noexcept nogil:
        """Add to the histogram: bucket b is for 2^(b/2) to 2^((b+1)/2) microseconds."""
        cdef int bucket = 0
        if latency_us < 0:
            return
        while bucket < (LATENCY_BUCKETS >> 1) - 1 and latency_us >= (<int64_t>2 << bucket):
            bucket += 1
        # sqrt(2) * 2^bucket lies between the two halves; 181/128 is sqrt(2) to 0.02 %
        bucket = 2 * bucket + (latency_us * 128 >= (<int64_t>181 << bucket))
        add_relaxed(&self.slot.latency[bucket], records)

    # What is to be known from outside.

    def take_reports(self):
        """What became of records since the last call, as `report_acks` and `report_skipped` ask: a list of SendReport.

        Only now do these records count as settled, so that `take_committable` may give their offsets.
        """
        cdef int64_t i
        cdef Kept* kept
        cdef Unit* unit
        cdef Sent sent
        cdef SendReport told
        reports = []
        for i in range(self.kept_reports.count):
            kept = &self.kept_reports.items[i]
            unit = unit_of(&self.tracker, kept.opaque)
            sent = <Sent>unit.owner
            index = <int64_t>(<uint64_t>kept.opaque & UINT32_MAX)
            told = SendReport.__new__(SendReport)
            told.record = sent.records[index] if sent.records is not None else None
            told.source_partition = self.streams[unit.stream]
            told.source_offset = sent.offset_at(index)
            told.topic = rd_kafka_topic_name(kept.topic).decode() if kept.topic != NULL else None
            told.partition = kept.partition
            told.offset = kept.offset
            told.timestamp = kept.timestamp if kept.timestamp >= 0 else None
            if kept.code != 0:
                told.error = error_text(kept.code)
                told.value = None if kept.value == NULL \
                    else PyBytes_FromStringAndSize(<char*>kept.value, <Py_ssize_t>kept.value_bytes)
                told.key = None if kept.key == NULL else PyBytes_FromStringAndSize(<char*>kept.key, <Py_ssize_t>kept.key_bytes)
                told.headers = None if kept.headers == NULL else header_pairs(kept.headers)
            reports.append(told)
        for i in range(self.kept_reports.count):
            settle(&self.tracker, self.kept_reports.items[i].opaque)
            let_kept_go(&self.kept_reports.items[i])
        self.kept_reports.count = 0
        tracker_let_go(&self.tracker)
        return reports

    def take_topics(self):
        """The topics that have acknowledged a first record since the last call, or since the page asked for them anew."""
        cdef Topic* topic
        cdef int64_t now = load_relaxed(&self.slot.topic_round)
        if now != self.topic_round:
            self.topic_round = now
            for address in self.topics.values():
                topic = <Topic*><size_t>address
                topic.used = UNUSED
            self.has_new_topics = False
        if not self.has_new_topics:
            return []
        self.has_new_topics = False
        names = []
        for name, address in self.topics.items():
            topic = <Topic*><size_t>address
            if topic.used == NEWLY_USED:
                topic.used = KNOWN_AS_USED
                names.append(name)
        return names

    def take_committable(self):
        """The offsets that may be flushed and have moved since the last call: [(source partition, source offset)].

        Raises:
            LeaseLost: they may not be flushed any more.
        """
        if self.lease_over():
            raise LeaseLost
        return [
            (self.streams[stream], (<Sent>owner).offset_at(index))
            for stream, owner, index in tracker_take(&self.tracker)
        ]

    def check(self):
        """Raise what has stopped the loop, if anything has.

        Raises:
            DataError: a record can never be delivered; it is named by its source offset.
            SendError: the cluster refuses the task's records.
            BatchTooLarge: only smaller batches may get through.
            BatchSpoilt: only batches of one record may get through.
            FatalClientError: the client is beyond use; a new process must replay from the flushed offsets.
            LeaseLost: the task belongs to somebody else now.
        """
        if self.lease_lost:
            raise LeaseLost
        if self.batch_refused:
            raise BatchTooLarge(self.batch_bytes)
        if self.batch_spoilt:
            raise BatchSpoilt
        if self.failed_code == 0:
            return
        code = self.failed_code
        decision = decide(code)
        fatal = self.fatal_error
        if fatal is not None:
            raise FatalClientError(f"the Kafka client is beyond use: {fatal[0]}: {fatal[1]}",
                                   hint="the task is started again with a new client")
        where = None
        if self.failed_owner != NULL:
            where = self.describe_failed()
        error = error_text(code)
        if code in (MSG_SIZE_TOO_LARGE, RECORD_LIST_TOO_LARGE):
            raise DataError(f"the record is too large: {self.failed_bytes} bytes ({error})", where=where,
                            hint="raise max.message.bytes of the topic, and producer.max.request.size if that is lower; "
                                 "errors.tolerance=all skips such records")
        if decision == RECORD:
            raise DataError(f"the record cannot be delivered: {error}", where=where,
                            hint="errors.tolerance=all skips such records")
        if decision == FATAL:
            raise FatalClientError(f"the record was not delivered: {error}", where=where)
        if code in (-169, -181):
            raise SendError(f"no connection to the brokers: {self.last_error or error}",
                            hint="check security.protocol, the sasl.* and ssl.* settings of the worker")
        raise SendError(f"the record was not delivered: {error}", where=where)

    cdef str describe_failed(self):
        cdef Sent sent = <Sent>self.failed_owner
        cdef int32_t s
        cdef Stream* stream
        cdef Unit* unit
        partition = None
        for s in range(self.tracker.stream_count):
            stream = &self.tracker.streams[s]
            unit = stream.head
            while unit != NULL:
                if unit.owner == self.failed_owner:
                    partition = self.streams[s]
                unit = unit.following
        return f"the record before source offset {sent.offset_at(self.failed_index)} of source partition {partition}"

    @property
    def in_flight(self):
        """Records handed to librdkafka and neither acknowledged nor failed yet."""
        return self.in_flight_count

    @property
    def committable(self):
        """Whether `take_committable` would give something."""
        cdef int32_t s
        for s in range(self.tracker.stream_count):
            if self.tracker.streams[s].moved:
                return True
        return False

    @property
    def broken(self):
        """Whether a failure or a lost lease has stopped the loop: `check` says which."""
        return self.stopped


cdef void hand_over_one(rd_kafka_t* client, Batch* batch, rd_kafka_message_t* message, int64_t index) noexcept nogil:
    """Offer one message again."""
    if batch.one_by_one:
        message.err = produce_one(client, batch, index, message)
    else:
        rd_kafka_produce_batch(
            batch.topic.handle, message.partition, RD_KAFKA_MSG_F_PARTITION if batch.partitions != NULL else 0, message, 1)


cdef rd_kafka_headers_t* headers_of(pairs) except NULL:
    """Make librdkafka's headers of (name, bytes or None) pairs; it copies both."""
    cdef rd_kafka_headers_t* headers = rd_kafka_headers_new(len(pairs))
    cdef bytes name_bytes
    if headers == NULL:
        raise MemoryError()
    for name, value in pairs:
        name_bytes = name.encode()
        if value is None:
            rd_kafka_header_add(headers, name_bytes, len(name_bytes), NULL, 0)
        else:
            rd_kafka_header_add(headers, name_bytes, len(name_bytes), <char*>(<bytes>value), len(value))
    return headers
