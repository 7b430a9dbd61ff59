# Fetched: a batch of a sink's messages as librdkafka hands it over, and what Python can make of it, a column at a time.


cdef struct Run:
    Py_ssize_t start            # index of its first message
    rd_kafka_topic_t* topic
    int32_t partition


cdef class Fetched:
    """Messages as they came. Each column is made when it is asked for; the bytes live until this object goes."""

    cdef Block* block
    cdef GivenBack* given_back      # where the block goes at the end
    cdef rd_kafka_message_t** messages
    cdef Py_ssize_t count
    cdef int64_t bytes              # of all keys and values
    cdef Run* runs_found            # messages of one partition, one behind the other
    cdef Py_ssize_t run_count
    cdef object __weakref__

    def __len__(self):
        return self.count

    def __dealloc__(self):
        self.release()

    cdef void take(self, Block* block, GivenBack* given_back) noexcept nogil:
        """Hold a block of good messages from now on."""
        cdef Py_ssize_t i
        cdef Py_ssize_t room = 0
        cdef rd_kafka_message_t* message
        cdef Run* run = NULL
        self.block = block
        self.given_back = given_back
        self.messages = block.messages
        self.count = block.count
        for i in range(block.count):
            message = block.messages[i]
            self.bytes += message.len + message.key_len
            if run != NULL and message.rkt == run.topic and message.partition == run.partition:
                continue
            if self.run_count == room:
                room = room * 2 if room else 16
                self.runs_found = <Run*>realloc(self.runs_found, room * sizeof(Run))
                if self.runs_found == NULL:
                    abort()         # as in release_later: nothing is lost by it, nothing of these messages is committed
            run = &self.runs_found[self.run_count]
            run.start = i
            run.topic = message.rkt
            run.partition = message.partition
            self.run_count += 1

    cdef void release(self) noexcept:
        """Give the messages back to librdkafka, which cannot close before it has them all; the batch is empty then."""
        if self.block != NULL:
            if load_relaxed(&self.given_back.count) < MOST_GIVEN_BACK:
                give_back(self.given_back, self.block)
            else:
                block_free(self.block)
        free(self.runs_found)
        self.runs_found = NULL
        self.run_count = 0
        self.block = NULL
        self.messages = NULL
        self.count = 0

    cdef Py_ssize_t run_end(self, Py_ssize_t run) noexcept:
        return self.runs_found[run + 1].start if run + 1 < self.run_count else self.count

    def values(self):
        """The values: bytes, or None for a tombstone."""
        return [
            None if self.messages[i].payload == NULL
            else PyBytes_FromStringAndSize(<char*>self.messages[i].payload, self.messages[i].len)
            for i in range(self.count)
        ]

    def keys(self):
        """The keys, or None if no message has one."""
        cdef Py_ssize_t i
        for i in range(self.count):
            if self.messages[i].key != NULL:
                break
        else:
            return None
        return [
            None if self.messages[i].key == NULL
            else PyBytes_FromStringAndSize(<char*>self.messages[i].key, self.messages[i].key_len)
            for i in range(self.count)
        ]

    def topics(self):
        """The topic of all messages as one string, or a list with each one's."""
        cdef Py_ssize_t i
        cdef rd_kafka_topic_t* last = NULL
        names = {}
        every = []
        for i in range(self.count):
            if self.messages[i].rkt != last:
                last = self.messages[i].rkt
                name = rd_kafka_topic_name(last).decode()
                name = names.setdefault(name, name)
            every.append(name)
        return every[0] if len(names) == 1 else every

    def partitions(self):
        """Kafka's partitions."""
        return [self.messages[i].partition for i in range(self.count)]

    def offsets(self):
        """Kafka's offsets."""
        return [self.messages[i].offset for i in range(self.count)]

    def timestamps(self):
        """Milliseconds since 1970, or None where the message has none."""
        cdef int kind
        cdef int64_t timestamp
        cdef Py_ssize_t i
        every = []
        for i in range(self.count):
            timestamp = rd_kafka_message_timestamp(self.messages[i], &kind)
            every.append(timestamp if kind != 0 else None)
        return every

    def timestamp_type(self, Py_ssize_t i):
        """0: it has no timestamp, 1: the time it was made, 2: the time the broker took it."""
        cdef int kind
        rd_kafka_message_timestamp(self.messages[i], &kind)
        return kind

    def headers(self):
        """For each message a list of (name, bytes or None), or None; altogether None if no message has headers."""
        cdef Py_ssize_t i
        cdef rd_kafka_headers_t* headers
        every = None
        for i in range(self.count):
            if rd_kafka_message_headers(self.messages[i], &headers) != 0:
                continue
            if every is None:
                every = [None] * self.count
            every[i] = header_pairs(headers)
        return every

    def ends(self):
        """[(topic, partition, offset behind its last message here, messages of it here)] for each partition."""
        cdef Py_ssize_t i, end
        cdef Run* run
        found = {}
        for i in range(self.run_count):
            run = &self.runs_found[i]
            end = self.run_end(i)
            where = (rd_kafka_topic_name(run.topic).decode(), run.partition)
            count = found[where][1] if where in found else 0
            found[where] = (self.messages[end - 1].offset + 1, count + end - run.start)
        return [(topic, number, offset, count) for (topic, number), (offset, count) in found.items()]

    def size(self):
        """Bytes of all keys and values."""
        return self.bytes

    def lines(self, Py_ssize_t start=0, stop=None):
        """Values in one buffer, each ended by a newline, a tombstone as `null`; None if a value holds a newline itself.

        Args:
            start, stop: of which messages; of all by default.
        """
        cdef Py_ssize_t end = self.count if stop is None else min(<Py_ssize_t>stop, self.count)
        cdef Py_ssize_t count = max(end - start, 0)
        cdef rd_kafka_message_t** messages = self.messages + start
        cdef int64_t size
        cdef bytes buffer
        cdef bint plain
        with nogil:
            size = lines_size(messages, count)
        buffer = PyBytes_FromStringAndSize(NULL, size)
        cdef char* to = PyBytes_AS_STRING(buffer)
        with nogil:
            plain = write_lines(messages, count, to)
        return buffer if plain else None

    def runs(self):
        """[(topic, partition, start, stop)]: from where to where the messages are of one partition, in their order."""
        cdef Py_ssize_t i
        return [
            (rd_kafka_topic_name(self.runs_found[i].topic).decode(), self.runs_found[i].partition,
             self.runs_found[i].start, self.run_end(i))
            for i in range(self.run_count)
        ]

    def packed(self):
        """(ends, bytes, valid): the values as buffers of an Arrow large_binary array: int64 ends from 0, bytes, a bit each."""
        cdef Py_ssize_t i
        cdef int64_t size = 0
        cdef bytes ends = PyBytes_FromStringAndSize(NULL, (self.count + 1) * sizeof(int64_t))
        cdef bytes valid = PyBytes_FromStringAndSize(NULL, (self.count + 7) // 8)
        cdef int64_t* end = <int64_t*>PyBytes_AS_STRING(ends)
        cdef uint8_t* bits = <uint8_t*>PyBytes_AS_STRING(valid)
        memset(bits, 0, PyBytes_GET_SIZE(valid))
        end[0] = 0
        for i in range(self.count):
            if self.messages[i].payload != NULL:
                size += self.messages[i].len
                bits[i >> 3] |= <uint8_t>(1 << (i & 7))
            end[i + 1] = size
        cdef bytes text = PyBytes_FromStringAndSize(NULL, size)
        cdef char* to = PyBytes_AS_STRING(text)
        for i in range(self.count):
            if self.messages[i].payload != NULL:
                memcpy(to + end[i], self.messages[i].payload, self.messages[i].len)
        return ends, text, valid


cdef int64_t lines_size(rd_kafka_message_t** messages, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t i
    cdef int64_t size = 0
    for i in range(count):
        size += (messages[i].len if messages[i].payload != NULL else 4) + 1
    return size


cdef bint write_lines(rd_kafka_message_t** messages, Py_ssize_t count, char* to) noexcept nogil:
    """Write the values one below the other; False if one of them is not one line."""
    cdef Py_ssize_t i
    for i in range(count):
        if messages[i].payload == NULL:
            memcpy(to, b"null", 4)
            to += 4
        else:
            memcpy(to, messages[i].payload, messages[i].len)
            if memchr(to, 10, messages[i].len) != NULL:
                return False
            to += messages[i].len
        to[0] = 10
        to += 1
    return True


cdef list header_pairs(const rd_kafka_headers_t* headers):
    """librdkafka's headers as a list of (name, bytes or None)."""
    cdef size_t n = 0
    cdef const char* name
    cdef const void* value
    cdef size_t size
    pairs = []
    while rd_kafka_header_get_all(headers, n, &name, &value, &size) == 0:
        pairs.append((
            name.decode("utf-8", "replace"),
            None if value == NULL else PyBytes_FromStringAndSize(<const char*>value, size),
        ))
        n += 1
    return pairs
