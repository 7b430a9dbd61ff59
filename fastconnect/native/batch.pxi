# A batch on its way: columns -> rd_kafka_message_t[] -> librdkafka.
#
# librdkafka is never handed more than its queue takes (see `room`): what it refuses in the middle of a batch would be sent
# again behind what came after it, and the order within a partition would be lost.

cdef struct Batch:
    int64_t count
    int64_t next                    # index of the first record that is not handed over yet
    Column values
    Column keys
    Topic* topic                    # of all records, where topics is NULL
    rd_kafka_topic_t** topics
    int32_t* partitions             # NULL: the partitioner chooses
    int64_t* timestamps             # NULL: all the same
    int64_t timestamp               # 0: now
    rd_kafka_headers_t** headers    # NULL: none; an entry is ours until librdkafka takes it
    uint32_t unit_id                # of all records, where unit_ids is NULL
    uint32_t* unit_ids
    uint32_t* indexes               # in its unit, for each record; NULL: the record's own index
    bint one_by_one                 # headers, timestamps or topics: what produce_batch cannot say
    bint keyless                    # no keys, no partitions, one topic: a whole chunk goes to one partition


cdef void batch_clear(Batch* batch) noexcept nogil:
    cdef int64_t i
    if batch.headers != NULL:
        for i in range(batch.next, batch.count):
            if batch.headers[i] != NULL:
                rd_kafka_headers_destroy(batch.headers[i])
    free(batch.headers)
    free(batch.topics)
    free(batch.partitions)
    free(batch.timestamps)
    free(batch.unit_ids)
    free(batch.indexes)
    memset(batch, 0, sizeof(Batch))


cdef inline void* batch_opaque(Batch* batch, int64_t i) noexcept nogil:
    if batch.unit_ids != NULL:
        return opaque_of(batch.unit_ids[i], batch.indexes[i])
    return opaque_of(batch.unit_id, i)


cdef int64_t fill(Batch* batch, rd_kafka_message_t* messages, int64_t most, int64_t most_bytes) noexcept nogil:
    """Write the next records into `messages`: at most so many, and at most about so many bytes; return how many."""
    cdef int64_t n = 0
    cdef int64_t size = 0
    cdef rd_kafka_message_t* message
    while n < most and size < most_bytes:
        message = &messages[n]
        column_next(&batch.values, &message.payload, &message.len)
        column_next(&batch.keys, &message.key, &message.key_len)
        message.err = 0
        message.partition = batch.partitions[batch.next + n] if batch.partitions != NULL else RD_KAFKA_PARTITION_UA
        message._private = batch_opaque(batch, batch.next + n)
        size += message.len + message.key_len
        n += 1
    return n


cdef int produce_one(rd_kafka_t* client, Batch* batch, int64_t i, rd_kafka_message_t* message) noexcept nogil:
    """Hand over record `i` with its own topic, timestamp and headers; return 0 or an error code."""
    cdef rd_kafka_vu_t[8] fields
    cdef int n = 0
    cdef rd_kafka_error_t* error
    cdef int code
    fields[n].vtype = RD_KAFKA_VTYPE_RKT
    fields[n].u.rkt = batch.topics[i] if batch.topics != NULL else batch.topic.handle
    n += 1
    fields[n].vtype = RD_KAFKA_VTYPE_PARTITION
    fields[n].u.i32 = message.partition
    n += 1
    fields[n].vtype = RD_KAFKA_VTYPE_VALUE
    fields[n].u.mem.ptr = message.payload
    fields[n].u.mem.size = message.len
    n += 1
    fields[n].vtype = RD_KAFKA_VTYPE_KEY
    fields[n].u.mem.ptr = message.key
    fields[n].u.mem.size = message.key_len
    n += 1
    fields[n].vtype = RD_KAFKA_VTYPE_OPAQUE
    fields[n].u.ptr = message._private
    n += 1
    fields[n].vtype = RD_KAFKA_VTYPE_MSGFLAGS
    fields[n].u.i = 0                       # neither copied nor freed: the batch's objects live until it is settled
    n += 1
    fields[n].vtype = RD_KAFKA_VTYPE_TIMESTAMP
    fields[n].u.i64 = batch.timestamps[i] if batch.timestamps != NULL else batch.timestamp
    n += 1
    if batch.headers != NULL and batch.headers[i] != NULL:
        fields[n].vtype = RD_KAFKA_VTYPE_HEADERS
        fields[n].u.headers = batch.headers[i]
        n += 1
    error = rd_kafka_produceva(client, fields, n)
    if error == NULL:
        if batch.headers != NULL:
            batch.headers[i] = NULL         # librdkafka's now
        return 0
    code = rd_kafka_error_code(error)
    rd_kafka_error_destroy(error)
    return code


cdef enum:
    STAY_BYTES = 1_000_000              # about a full batch
    STAY_NS = 50_000_000                # and not so long that a slow stream fills one partition only


cdef int32_t partition_of_chunk(Batch* batch, int64_t size) noexcept nogil:
    """Where a chunk without keys goes: the same partition as the one before until it has had a batch's worth, then the next.

    So batches are full, and librdkafka need not choose for each record, which costs a fifth of all its work on small ones.
    Partitions without a leader are left out. Source of the idea: the sticky partitioner of Kafka's Java client, KIP-794.
    """
    cdef Topic* topic = batch.topic
    cdef int64_t now
    if not batch.keyless or topic.available_count == 0:
        return RD_KAFKA_PARTITION_UA
    now = now_ns()
    if topic.bytes_here >= STAY_BYTES or now - topic.here_since_ns > STAY_NS:
        topic.at = (topic.at + 1) % topic.available_count
        topic.bytes_here = 0
        topic.here_since_ns = now
    topic.bytes_here += size
    return topic.available[topic.at]


cdef int64_t hand_over(
        rd_kafka_t* client, Batch* batch, rd_kafka_message_t* messages, int64_t count, int64_t size) noexcept nogil:
    """Give `count` filled messages of `size` bytes to librdkafka; return how many it took. A refused one's `err` says why."""
    cdef int64_t i
    cdef int64_t taken = 0
    if not batch.one_by_one:
        # The flags: neither copied nor freed (the batch's objects live until it is settled); own partitions if there are any.
        return rd_kafka_produce_batch(
            batch.topic.handle, partition_of_chunk(batch, size),
            RD_KAFKA_MSG_F_PARTITION if batch.partitions != NULL else 0, messages, <int>count)
    for i in range(count):
        messages[i].err = produce_one(client, batch, batch.next + i, &messages[i])
        taken += messages[i].err == 0
    return taken
