# FetchLoop: a sink's messages, a batch at a time, straight from librdkafka's consumer queue.
#
# librdkafka tells of a rebalance by a callback in the middle of a fetch. The callback only keeps what it was told; `fetch`
# returns at once after it, and Python, which knows the task, answers: revoked partitions are flushed and closed before they are
# given up. So the task's methods are called one after the other, as Kafka Connect promises, and never from inside librdkafka.

import weakref

cdef enum:
    MOST_REBALANCES = 8


cdef struct Rebalance:
    int code
    rd_kafka_topic_partition_list_t* partitions


cdef class FetchLoop(Client):
    """Reads the partitions that the group assigns, in batches; one thread uses it.

    `fetch` returns messages; `take_rebalance` what the group decided meanwhile, to be answered by `assign` or `unassign` before
    the next fetch. Offsets are committed only as told.

    Args:
        conf: librdkafka's settings; `enable.auto.commit` must be off in them.
        page: the task's status page.
        most: messages in a batch, at most.
    """

    cdef StatusPage page
    cdef StatusSlot* slot
    cdef Py_ssize_t most
    cdef rd_kafka_queue_t* commit_queue
    cdef GivenBack given_back_list  # messages on their way back to the broker's thread
    cdef Rebalance[MOST_REBALANCES] rebalances
    cdef int rebalance_count
    cdef int taken_count            # so many of them, the first ones, are known to the task and not yet answered
    cdef bint closing
    cdef object handed_out          # the batches that somebody still holds
    cdef list partition_ends        # told by librdkafka where enable.partition.eof is set

    def __init__(self, dict conf, StatusPage page not None, Py_ssize_t most=10_000):
        self.page = page
        self.slot = page.slot
        self.most = most
        self.handed_out = weakref.WeakSet()
        self.partition_ends = []
        self.open(RD_KAFKA_CONSUMER, conf, 0, &on_rebalance, &self.given_back_list)
        rd_kafka_poll_set_consumer(self.handle)
        rd_kafka_queue_destroy(self.queue)
        self.queue = rd_kafka_queue_get_consumer(self.handle)
        self.commit_queue = rd_kafka_queue_new(self.handle)

    def __dealloc__(self):
        self.close()

    def wake_by(self, int fd):
        """Write to `fd` whenever a message, a rebalance or the answer to a commit comes, so that a poll() on `fd` wakes."""
        Client.wake_by(self, fd)
        rd_kafka_queue_io_event_enable(self.commit_queue, fd, b"\x01\0\0\0\0\0\0\0", 8)

    def subscribe(self, topics not None):
        """Become a member of the group for these topics; a name that begins with `^` is a regular expression."""
        cdef rd_kafka_topic_partition_list_t* wanted = rd_kafka_topic_partition_list_new(len(topics))
        cdef int code
        for topic in topics:
            rd_kafka_topic_partition_list_add(wanted, topic.encode(), RD_KAFKA_PARTITION_UA)
        with nogil:
            code = rd_kafka_subscribe(self.handle, wanted)
        rd_kafka_topic_partition_list_destroy(wanted)
        if code != 0:
            raise SendError(f"the topics cannot be subscribed to: {error_text(code)}", where=", ".join(topics))

    def existing_topics(self, int timeout_ms=1000):
        """{topic: how many partitions it has} of all topics that this client may see.

        Raises:
            RetriableError: no broker answered in time.
        """
        cdef const rd_kafka_metadata_t* answer = NULL
        cdef int code, i
        with nogil:
            code = rd_kafka_metadata(self.handle, 1, NULL, &answer, timeout_ms)
        if code != 0:
            raise RetriableError(self.last_error or error_text(code))
        found = {answer.topics[i].topic.decode(): answer.topics[i].partition_cnt
                 for i in range(answer.topic_cnt) if answer.topics[i].err == 0}
        rd_kafka_metadata_destroy(answer)
        return found

    def unsubscribe(self):
        """Begin to leave the group, a static member too; to be called before `close` where the member is not to come back.

        The partitions are revoked by it: answer that, and fetch on while there is a `member_id`: only then the group is told.
        """
        cdef int code
        with nogil:
            code = rd_kafka_unsubscribe(self.handle)
        self.raise_for(NULL, code, "the group cannot be left")

    @property
    def member_id(self):
        """What the group calls this member; empty before it has joined, and from the moment on that it leaves."""
        cdef char* name = rd_kafka_memberid(self.handle)
        if name == NULL:
            return ""
        text = name.decode()
        rd_kafka_mem_free(self.handle, name)
        return text

    def fetch(self, int wait_ms, Py_ssize_t most=0):
        """Wait for messages, at most so long; None if there are none.

        Args:
            most: how many at most, this time; 0: as many as said in the beginning.
        Raises:
            FatalClientError, SendError: the consumer cannot go on.
        """
        cdef Py_ssize_t i, got
        cdef rd_kafka_message_t* bad = NULL
        cdef rd_kafka_message_t* message
        cdef Block* block
        cdef Fetched fetched
        if most <= 0 or most > self.most:
            most = self.most
        block = block_new(most)
        if block == NULL:
            raise MemoryError()
        fetched = Fetched.__new__(Fetched)
        with nogil:
            got = rd_kafka_consume_batch_queue(self.queue, wait_ms, block.messages, most)
            for i in range(got):
                message = block.messages[i]
                if message.err == 0:
                    block.messages[block.count] = message
                    block.count += 1
                elif message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF:
                    with gil:
                        self.partition_ends.append(
                            (rd_kafka_topic_name(message.rkt).decode(), message.partition, message.offset))
                    rd_kafka_message_destroy(message)
                elif bad == NULL:
                    bad = message
                else:
                    rd_kafka_message_destroy(message)
            fetched.take(block, &self.given_back_list)
        self.handed_out.add(fetched)
        self.pass_on_logs()
        if bad != NULL:
            try:
                self.raise_error(bad)
            finally:
                rd_kafka_message_destroy(bad)
        return fetched if fetched.count else None

    cdef int raise_error(self, rd_kafka_message_t* message) except -1:
        cdef int code = message.err
        cdef const char* text = rd_kafka_message_errstr(message)
        why = error_text(code) if text == NULL else f"{rd_kafka_err2name(code).decode()}: {text.decode('utf-8', 'replace')}"
        if code == -150:                                            # _FATAL
            fatal = self.fatal_error
            raise FatalClientError(f"the Kafka client is beyond use: {why if fatal is None else ': '.join(fatal)}",
                                   hint="the task is started again with a new client")
        # Passing: the topic may come, the connection is made again, a member that was too slow joins anew.
        if code in (3, 5, 6, 15, 16, 27, -147, -195, -193, -187, -185, -172, -139):
            strncpy(self.last_error_text, why.encode()[:LAST_ERROR_BYTES - 1], LAST_ERROR_BYTES - 1)
            client_log.warning("%s", why)
            return 0
        raise SendError(f"reading from Kafka failed: {why}")

    @property
    def given_back(self):
        """Messages that nobody needs any more and that are not freed yet (see given_back.pxi)."""
        return load_relaxed(&self.given_back_list.count)

    def take_ends(self):
        """[(topic, partition, offset)] of the partitions whose end was met since the last call, with `enable.partition.eof`.

        All messages before an end are in the batches fetched so far. The offset is that of the next message to come: behind
        what a transaction or the cleaner leaves at the end of a partition, which is never delivered.
        """
        ends = self.partition_ends
        self.partition_ends = []
        return ends

    def take_rebalance(self):
        """What the group has decided since the last call.

        Returns:
            [("assign" | "revoke" | "lost", [(topic, partition), ...])], in order. Each wants an answer: `assign` or `unassign`.
        """
        cdef int i
        decided = []
        for i in range(self.taken_count, self.rebalance_count):
            partitions = pairs_of(self.rebalances[i].partitions)
            if self.rebalances[i].code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS:
                decided.append(("assign", partitions))
            else:
                decided.append(("lost" if rd_kafka_assignment_lost(self.handle) else "revoke", partitions))
        self.taken_count = self.rebalance_count
        return decided

    cdef void forget_answered(self) noexcept:
        """The first rebalance that was taken has its answer."""
        cdef int i
        if self.taken_count == 0:
            return
        rd_kafka_topic_partition_list_destroy(self.rebalances[0].partitions)
        for i in range(1, self.rebalance_count):
            self.rebalances[i - 1] = self.rebalances[i]
        self.rebalance_count -= 1
        self.taken_count -= 1

    def assign(self, partitions):
        """Begin to fetch these partitions, beside those already assigned: at their committed offsets, or where told.

        Args:
            partitions: [(topic, partition, offset or None)].
        """
        cdef rd_kafka_topic_partition_list_t* wanted = list_of(partitions)
        cdef rd_kafka_error_t* error = NULL
        cdef int code = 0
        with nogil:
            if self.cooperative():
                error = rd_kafka_incremental_assign(self.handle, wanted)
            else:
                code = rd_kafka_assign(self.handle, wanted)
        rd_kafka_topic_partition_list_destroy(wanted)
        self.forget_answered()
        self.raise_for(error, code, "partitions cannot be assigned")

    def unassign(self, partitions):
        """Give these partitions up: [(topic, partition)]."""
        cdef rd_kafka_topic_partition_list_t* given_up = list_of([(*where, None) for where in partitions])
        cdef rd_kafka_error_t* error = NULL
        cdef int code = 0
        with nogil:
            if self.cooperative():
                error = rd_kafka_incremental_unassign(self.handle, given_up)
            else:
                code = rd_kafka_assign(self.handle, NULL)
        rd_kafka_topic_partition_list_destroy(given_up)
        self.forget_answered()
        self.raise_for(error, code, "partitions cannot be given up")

    cdef bint cooperative(self) noexcept nogil:
        cdef const char* protocol = rd_kafka_rebalance_protocol(self.handle)
        return protocol != NULL and protocol[0] == 67               # "COOPERATIVE"; the others are EAGER and NONE

    cdef int raise_for(self, rd_kafka_error_t* error, int code, what) except -1:
        if error != NULL:
            why = rd_kafka_error_string(error).decode("utf-8", "replace")
            rd_kafka_error_destroy(error)
            raise SendError(f"{what}: {why}")
        if code != 0:
            raise SendError(f"{what}: {error_text(code)}")
        return 0

    def pause(self, partitions):
        """Fetch nothing from these partitions until `resume`; membership goes on."""
        cdef rd_kafka_topic_partition_list_t* some = list_of([(*where, None) for where in partitions])
        cdef int code = rd_kafka_pause_partitions(self.handle, some)
        rd_kafka_topic_partition_list_destroy(some)
        self.raise_for(NULL, code, "partitions cannot be paused")

    def resume(self, partitions):
        """Fetch from these partitions again."""
        cdef rd_kafka_topic_partition_list_t* some = list_of([(*where, None) for where in partitions])
        cdef int code = rd_kafka_resume_partitions(self.handle, some)
        rd_kafka_topic_partition_list_destroy(some)
        self.raise_for(NULL, code, "partitions cannot be resumed")

    def seek(self, partitions, int timeout_ms=5000):
        """Go on at other offsets: [(topic, partition, offset)].

        Raises:
            RetriableError: a partition has only just been assigned, and is not ready for it; call again.
        """
        cdef rd_kafka_topic_partition_list_t* some = list_of(partitions)
        cdef rd_kafka_error_t* error
        cdef int code = 0
        cdef int i
        with nogil:
            error = rd_kafka_seek_partitions(self.handle, some, timeout_ms)
        for i in range(some.cnt):
            code = code or some.elems[i].err
        rd_kafka_topic_partition_list_destroy(some)
        if error == NULL and code in (-172, -185):                  # _STATE, _TIMED_OUT
            raise RetriableError(f"the offsets cannot be gone back to: {error_text(code)}")
        self.raise_for(error, code, "the offsets cannot be gone back to")

    def committed(self, partitions, int timeout_ms=5000):
        """The group's committed offsets: [(topic, partition, offset or None)].

        Raises:
            RetriableError: the coordinator did not answer in time.
        """
        cdef rd_kafka_topic_partition_list_t* some = list_of([(*where, None) for where in partitions])
        cdef int code
        cdef int i
        with nogil:
            code = rd_kafka_committed(self.handle, some, timeout_ms)
        found = [
            (some.elems[i].topic.decode(), some.elems[i].partition, some.elems[i].offset if some.elems[i].offset >= 0 else None)
            for i in range(some.cnt)
        ]
        rd_kafka_topic_partition_list_destroy(some)
        if code != 0:
            raise RetriableError(f"the committed offsets did not come: {error_text(code)}")
        return found

    def watermarks(self, str topic not None, int32_t partition, int timeout_ms=5000):
        """(first offset, offset behind the last message) of a partition, asked of the broker.

        Raises:
            RetriableError: it did not answer in time.
        """
        cdef int64_t low, high
        cdef int code
        cdef bytes name = topic.encode()
        cdef const char* text = name
        with nogil:
            code = rd_kafka_query_watermark_offsets(self.handle, text, partition, &low, &high, timeout_ms)
        if code != 0:
            raise RetriableError(f"the offsets of {topic}-{partition} did not come: {error_text(code)}")
        return low, high

    def known_ends(self, partitions):
        """[offset behind the last message] of partitions as the last fetch answered; None where nothing was fetched yet."""
        cdef int64_t low, high
        cdef bytes name
        known = []
        for topic, partition in partitions:
            name = topic.encode()
            if rd_kafka_get_watermark_offsets(self.handle, name, partition, &low, &high) != 0 or high < 0:
                known.append(None)
            else:
                known.append(high)
        return known

    def commit(self, offsets, size_t number=0):
        """Begin to commit offsets for the group: [(topic, partition, offset)]; `take_commits` tells how it went, by the number.

        Raises:
            LeaseLost: they are another worker's to commit now.
        """
        cdef rd_kafka_topic_partition_list_t* some
        cdef int64_t lease = load_relaxed(&self.slot.lease_until_ns)
        cdef int code
        if lease != 0 and now_ns() > lease:
            raise LeaseLost
        some = list_of(offsets)
        code = rd_kafka_commit_queue(self.handle, some, self.commit_queue, NULL, <void*>number)
        rd_kafka_topic_partition_list_destroy(some)
        self.raise_for(NULL, code, "the commit cannot be sent")

    def take_commits(self, int wait_ms=0):
        """Commits that ended since the last call: [(number, None or the error's text)]; wait at most so long for the first."""
        cdef rd_kafka_event_t* event
        cdef rd_kafka_topic_partition_list_t* some
        cdef int code, i
        ended = []
        while True:
            with nogil:
                event = rd_kafka_queue_poll(self.commit_queue, wait_ms)
            if event == NULL:
                return ended
            wait_ms = 0
            code = rd_kafka_event_error(event)
            some = rd_kafka_event_topic_partition_list(event)
            if code == 0 and some != NULL:
                for i in range(some.cnt):
                    code = code or some.elems[i].err
            ended.append((<size_t>rd_kafka_event_opaque(event), None if code == 0 else error_text(code)))
            rd_kafka_event_destroy(event)

    def close(self):
        """Leave: a static member keeps its place in the group until its session ends, a dynamic one gives it up."""
        cdef int i
        if self.handle == NULL:
            return
        self.closing = True
        for fetched in list(self.handed_out):
            (<Fetched>fetched).release()
        free_given_back(&self.given_back_list)
        # A rebalance that nobody has answered would be waited for, for ever.
        for i in range(self.rebalance_count):
            answer_on_closing(self.handle, self.rebalances[i].code, self.rebalances[i].partitions)
            rd_kafka_topic_partition_list_destroy(self.rebalances[i].partitions)
        self.rebalance_count = 0
        with nogil:
            rd_kafka_consumer_close(self.handle)
        rd_kafka_queue_destroy(self.commit_queue)
        self.shut()


cdef void on_rebalance(
        rd_kafka_t* handle, int code, rd_kafka_topic_partition_list_t* partitions, void* opaque) noexcept with gil:
    """Keep what the group decided until `take_rebalance`. librdkafka decides nothing more before it has been answered."""
    cdef FetchLoop loop = <FetchLoop>opaque
    if loop.closing:
        answer_on_closing(handle, code, partitions)
        return
    if loop.rebalance_count < MOST_REBALANCES:
        loop.rebalances[loop.rebalance_count].code = code
        loop.rebalances[loop.rebalance_count].partitions = rd_kafka_topic_partition_list_copy(partitions)
        loop.rebalance_count += 1


cdef void answer_on_closing(rd_kafka_t* handle, int code, rd_kafka_topic_partition_list_t* partitions) noexcept:
    """The task has closed its partitions already and wants no others; librdkafka only waits to be told."""
    cdef const char* protocol = rd_kafka_rebalance_protocol(handle)
    cdef rd_kafka_error_t* error = NULL
    if protocol == NULL or protocol[0] != 67:
        rd_kafka_assign(handle, NULL)
    elif code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS:
        with nogil:
            error = rd_kafka_incremental_assign(handle, partitions)
    else:
        with nogil:
            error = rd_kafka_incremental_unassign(handle, partitions)
    if error != NULL:
        rd_kafka_error_destroy(error)


cdef list pairs_of(rd_kafka_topic_partition_list_t* partitions):
    cdef int i
    return [(partitions.elems[i].topic.decode(), partitions.elems[i].partition) for i in range(partitions.cnt)]


cdef rd_kafka_topic_partition_list_t* list_of(partitions) except NULL:
    """[(topic, partition, offset or None)] as librdkafka's list."""
    cdef rd_kafka_topic_partition_list_t* made = rd_kafka_topic_partition_list_new(len(partitions))
    cdef rd_kafka_topic_partition_t* entry
    for topic, partition, offset in partitions:
        entry = rd_kafka_topic_partition_list_add(made, topic.encode(), partition)
        entry.offset = RD_KAFKA_OFFSET_INVALID if offset is None else offset
    return made
