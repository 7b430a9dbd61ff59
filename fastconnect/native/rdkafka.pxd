"""librdkafka's functions, types and numbers, as far as _core uses them.

The confluent-kafka wheel carries the library but no header, so its public C interface is declared here; that interface has
been stable since 1.0 (structs grow only at their ends, numbers are never given anew).
"""

from libc.stdint cimport int32_t, int64_t

cdef extern from *:
    """
    #include <stddef.h>
    #include <stdint.h>
    #include <sys/types.h>
    typedef struct rd_kafka_s rd_kafka_t;
    typedef struct rd_kafka_conf_s rd_kafka_conf_t;
    typedef struct rd_kafka_topic_conf_s rd_kafka_topic_conf_t;
    typedef struct rd_kafka_topic_s rd_kafka_topic_t;
    typedef struct rd_kafka_queue_s rd_kafka_queue_t;
    typedef struct rd_kafka_op_s rd_kafka_event_t;
    typedef struct rd_kafka_headers_s rd_kafka_headers_t;
    typedef struct rd_kafka_error_s rd_kafka_error_t;

    typedef struct rd_kafka_message_s {
        int err;
        rd_kafka_topic_t *rkt;
        int32_t partition;
        void *payload;
        size_t len;
        void *key;
        size_t key_len;
        int64_t offset;
        void *_private;
    } rd_kafka_message_t;

    /* One field of a message for rd_kafka_produceva: what it is, and its value. */
    typedef struct rd_kafka_vu_s {
        int vtype;
        union {
            const char *cstr;
            rd_kafka_topic_t *rkt;
            int i;
            int32_t i32;
            int64_t i64;
            struct { void *ptr; size_t size; } mem;
            struct { const char *name; const void *val; ssize_t size; } header;
            rd_kafka_headers_t *headers;
            void *ptr;
            char _pad[64];
        } u;
    } rd_kafka_vu_t;

    typedef struct { int32_t id; char *host; int port; } fc_metadata_broker_t;
    typedef struct { int32_t id; int err; int32_t leader; int replica_cnt; int32_t *replicas; int isr_cnt; int32_t *isrs; }
        fc_metadata_partition_t;
    typedef struct { char *topic; int partition_cnt; fc_metadata_partition_t *partitions; int err; } fc_metadata_topic_t;
    typedef struct rd_kafka_metadata_s {
        int broker_cnt;
        fc_metadata_broker_t *brokers;
        int topic_cnt;
        fc_metadata_topic_t *topics;
        int32_t orig_broker_id;
        char *orig_broker_name;
    } rd_kafka_metadata_t;

    extern int rd_kafka_version(void);
    extern const char *rd_kafka_err2str(int);
    extern const char *rd_kafka_err2name(int);
    extern int rd_kafka_last_error(void);
    extern int rd_kafka_fatal_error(rd_kafka_t *, char *, size_t);

    extern rd_kafka_conf_t *rd_kafka_conf_new(void);
    extern void rd_kafka_conf_destroy(rd_kafka_conf_t *);
    extern int rd_kafka_conf_set(rd_kafka_conf_t *, const char *, const char *, char *, size_t);
    extern void rd_kafka_conf_set_events(rd_kafka_conf_t *, int);
    extern rd_kafka_t *rd_kafka_new(int, rd_kafka_conf_t *, char *, size_t);
    extern void rd_kafka_destroy_flags(rd_kafka_t *, int);
    extern int rd_kafka_set_log_queue(rd_kafka_t *, rd_kafka_queue_t *);
    extern int rd_kafka_purge(rd_kafka_t *, int);

    extern rd_kafka_topic_t *rd_kafka_topic_new(rd_kafka_t *, const char *, rd_kafka_topic_conf_t *);
    extern void rd_kafka_topic_destroy(rd_kafka_topic_t *);
    extern rd_kafka_topic_conf_t *rd_kafka_default_topic_conf_dup(rd_kafka_t *);
    extern void rd_kafka_topic_conf_destroy(rd_kafka_topic_conf_t *);
    extern void rd_kafka_topic_conf_set_opaque(rd_kafka_topic_conf_t *, void *);
    extern void *rd_kafka_topic_opaque(const rd_kafka_topic_t *);
    extern const char *rd_kafka_topic_name(const rd_kafka_topic_t *);
    extern int rd_kafka_metadata(rd_kafka_t *, int, rd_kafka_topic_t *, const struct rd_kafka_metadata_s **, int);
    extern void rd_kafka_metadata_destroy(const struct rd_kafka_metadata_s *);

    extern int rd_kafka_produce_batch(rd_kafka_topic_t *, int32_t, int, rd_kafka_message_t *, int);
    extern rd_kafka_error_t *rd_kafka_produceva(rd_kafka_t *, const rd_kafka_vu_t *, size_t);
    extern int rd_kafka_error_code(const rd_kafka_error_t *);
    extern void rd_kafka_error_destroy(rd_kafka_error_t *);
    extern rd_kafka_headers_t *rd_kafka_headers_new(size_t);
    extern void rd_kafka_headers_destroy(rd_kafka_headers_t *);
    extern int rd_kafka_header_add(rd_kafka_headers_t *, const char *, ssize_t, const void *, ssize_t);

    extern rd_kafka_queue_t *rd_kafka_queue_get_main(rd_kafka_t *);
    extern void rd_kafka_queue_destroy(rd_kafka_queue_t *);
    extern void rd_kafka_queue_io_event_enable(rd_kafka_queue_t *, int, const void *, size_t);
    extern rd_kafka_event_t *rd_kafka_queue_poll(rd_kafka_queue_t *, int);
    extern int rd_kafka_event_type(const rd_kafka_event_t *);
    extern void rd_kafka_event_destroy(rd_kafka_event_t *);
    extern size_t rd_kafka_event_message_array(rd_kafka_event_t *, const rd_kafka_message_t **, size_t);
    extern int rd_kafka_event_error(rd_kafka_event_t *);
    extern const char *rd_kafka_event_error_string(rd_kafka_event_t *);
    extern int rd_kafka_event_error_is_fatal(rd_kafka_event_t *);
    extern int rd_kafka_event_log(rd_kafka_event_t *, const char **, const char **, int *);
    extern int64_t rd_kafka_message_latency(const rd_kafka_message_t *);
    """
    ctypedef struct rd_kafka_t:
        pass
    ctypedef struct rd_kafka_conf_t:
        pass
    ctypedef struct rd_kafka_topic_conf_t:
        pass
    ctypedef struct rd_kafka_topic_t:
        pass
    ctypedef struct rd_kafka_queue_t:
        pass
    ctypedef struct rd_kafka_event_t:
        pass
    ctypedef struct rd_kafka_headers_t:
        pass
    ctypedef struct rd_kafka_error_t:
        pass
    ctypedef struct rd_kafka_message_t:
        int err
        rd_kafka_topic_t* rkt
        int32_t partition
        void* payload
        size_t len
        void* key
        size_t key_len
        int64_t offset
        void* _private

    ctypedef struct rd_kafka_vu_mem:
        void* ptr
        size_t size
    ctypedef union rd_kafka_vu_value:
        rd_kafka_topic_t* rkt
        int i
        int32_t i32
        int64_t i64
        rd_kafka_vu_mem mem
        rd_kafka_headers_t* headers
        void* ptr
    ctypedef struct rd_kafka_vu_t:
        int vtype
        rd_kafka_vu_value u

    ctypedef struct fc_metadata_broker_t:
        int32_t id
        char* host
        int port
    ctypedef struct fc_metadata_partition_t:
        int32_t id
        int err
        int32_t leader
    ctypedef struct fc_metadata_topic_t:
        char* topic
        int partition_cnt
        fc_metadata_partition_t* partitions
        int err
    ctypedef struct rd_kafka_metadata_t:
        int broker_cnt
        fc_metadata_broker_t* brokers
        int topic_cnt
        fc_metadata_topic_t* topics

    int rd_kafka_version() noexcept nogil
    const char* rd_kafka_err2str(int) noexcept nogil
    const char* rd_kafka_err2name(int) noexcept nogil
    int rd_kafka_last_error() noexcept nogil
    int rd_kafka_fatal_error(rd_kafka_t*, char*, size_t) noexcept nogil

    rd_kafka_conf_t* rd_kafka_conf_new() noexcept nogil
    void rd_kafka_conf_destroy(rd_kafka_conf_t*) noexcept nogil
    int rd_kafka_conf_set(rd_kafka_conf_t*, const char*, const char*, char*, size_t) noexcept nogil
    void rd_kafka_conf_set_events(rd_kafka_conf_t*, int) noexcept nogil
    rd_kafka_t* rd_kafka_new(int, rd_kafka_conf_t*, char*, size_t) noexcept nogil
    void rd_kafka_destroy_flags(rd_kafka_t*, int) noexcept nogil
    int rd_kafka_set_log_queue(rd_kafka_t*, rd_kafka_queue_t*) noexcept nogil
    int rd_kafka_purge(rd_kafka_t*, int) noexcept nogil

    rd_kafka_topic_t* rd_kafka_topic_new(rd_kafka_t*, const char*, rd_kafka_topic_conf_t*) noexcept nogil
    void rd_kafka_topic_destroy(rd_kafka_topic_t*) noexcept nogil
    rd_kafka_topic_conf_t* rd_kafka_default_topic_conf_dup(rd_kafka_t*) noexcept nogil
    void rd_kafka_topic_conf_destroy(rd_kafka_topic_conf_t*) noexcept nogil
    void rd_kafka_topic_conf_set_opaque(rd_kafka_topic_conf_t*, void*) noexcept nogil
    void* rd_kafka_topic_opaque(const rd_kafka_topic_t*) noexcept nogil
    const char* rd_kafka_topic_name(const rd_kafka_topic_t*) noexcept nogil
    int rd_kafka_metadata(rd_kafka_t*, int, rd_kafka_topic_t*, const rd_kafka_metadata_t**, int) noexcept nogil
    void rd_kafka_metadata_destroy(const rd_kafka_metadata_t*) noexcept nogil

    int rd_kafka_produce_batch(rd_kafka_topic_t*, int32_t, int, rd_kafka_message_t*, int) noexcept nogil
    rd_kafka_error_t* rd_kafka_produceva(rd_kafka_t*, const rd_kafka_vu_t*, size_t) noexcept nogil
    int rd_kafka_error_code(const rd_kafka_error_t*) noexcept nogil
    void rd_kafka_error_destroy(rd_kafka_error_t*) noexcept nogil
    rd_kafka_headers_t* rd_kafka_headers_new(size_t) noexcept nogil
    void rd_kafka_headers_destroy(rd_kafka_headers_t*) noexcept nogil
    int rd_kafka_header_add(rd_kafka_headers_t*, const char*, Py_ssize_t, const void*, Py_ssize_t) noexcept nogil

    rd_kafka_queue_t* rd_kafka_queue_get_main(rd_kafka_t*) noexcept nogil
    void rd_kafka_queue_destroy(rd_kafka_queue_t*) noexcept nogil
    void rd_kafka_queue_io_event_enable(rd_kafka_queue_t*, int, const void*, size_t) noexcept nogil
    rd_kafka_event_t* rd_kafka_queue_poll(rd_kafka_queue_t*, int) noexcept nogil
    int rd_kafka_event_type(const rd_kafka_event_t*) noexcept nogil
    void rd_kafka_event_destroy(rd_kafka_event_t*) noexcept nogil
    size_t rd_kafka_event_message_array(rd_kafka_event_t*, const rd_kafka_message_t**, size_t) noexcept nogil
    int rd_kafka_event_error(rd_kafka_event_t*) noexcept nogil
    const char* rd_kafka_event_error_string(rd_kafka_event_t*) noexcept nogil
    int rd_kafka_event_error_is_fatal(rd_kafka_event_t*) noexcept nogil
    int rd_kafka_event_log(rd_kafka_event_t*, const char**, const char**, int*) noexcept nogil
    int64_t rd_kafka_message_latency(const rd_kafka_message_t*) noexcept nogil

cdef enum:
    RD_KAFKA_PRODUCER = 0
    RD_KAFKA_PARTITION_UA = -1              # let the partitioner choose
    RD_KAFKA_MSG_F_PARTITION = 0x8          # take each message's own partition
    RD_KAFKA_PURGE_F_QUEUE = 0x1
    RD_KAFKA_PURGE_F_INFLIGHT = 0x2

    RD_KAFKA_EVENT_DR = 0x1
    RD_KAFKA_EVENT_LOG = 0x4
    RD_KAFKA_EVENT_ERROR = 0x8

    RD_KAFKA_VTYPE_RKT = 2
    RD_KAFKA_VTYPE_PARTITION = 3
    RD_KAFKA_VTYPE_VALUE = 4
    RD_KAFKA_VTYPE_KEY = 5
    RD_KAFKA_VTYPE_OPAQUE = 6
    RD_KAFKA_VTYPE_MSGFLAGS = 7
    RD_KAFKA_VTYPE_TIMESTAMP = 8
    RD_KAFKA_VTYPE_HEADERS = 10

# What the fetch loop needs beside.
cdef extern from *:
    """
    typedef struct rd_kafka_topic_partition_s {
        char *topic;
        int32_t partition;
        int64_t offset;
        void *metadata;
        size_t metadata_size;
        void *opaque;
        int err;
        void *_private;
    } rd_kafka_topic_partition_t;
    typedef struct rd_kafka_topic_partition_list_s {
        int cnt;
        int size;
        rd_kafka_topic_partition_t *elems;
    } rd_kafka_topic_partition_list_t;

    typedef void (*rebalance_function)(rd_kafka_t *, int, rd_kafka_topic_partition_list_t *, void *);

    extern rd_kafka_topic_partition_list_t *rd_kafka_topic_partition_list_new(int);
    extern rd_kafka_topic_partition_t *rd_kafka_topic_partition_list_add(
        rd_kafka_topic_partition_list_t *, const char *, int32_t);
    extern rd_kafka_topic_partition_list_t *rd_kafka_topic_partition_list_copy(const rd_kafka_topic_partition_list_t *);
    extern void rd_kafka_topic_partition_list_destroy(rd_kafka_topic_partition_list_t *);

    typedef int (*fc_new_function)(rd_kafka_t *, const rd_kafka_conf_t *, void *, char *, size_t);
    typedef int (*fc_response_function)(
        rd_kafka_t *, int, const char *, int32_t, int16_t, int16_t, int32_t, size_t, int64_t, int, void *);
    extern int rd_kafka_conf_interceptor_add_on_new(rd_kafka_conf_t *, const char *, fc_new_function, void *);
    extern int rd_kafka_interceptor_add_on_response_received(rd_kafka_t *, const char *, fc_response_function, void *);

    extern void rd_kafka_conf_set_rebalance_cb(rd_kafka_conf_t *, rebalance_function);
    extern void rd_kafka_conf_set_opaque(rd_kafka_conf_t *, void *);
    extern int rd_kafka_poll_set_consumer(rd_kafka_t *);
    extern int rd_kafka_subscribe(rd_kafka_t *, const rd_kafka_topic_partition_list_t *);
    extern int rd_kafka_unsubscribe(rd_kafka_t *);
    extern char *rd_kafka_memberid(const rd_kafka_t *);
    extern void rd_kafka_mem_free(rd_kafka_t *, void *);
    extern int rd_kafka_get_watermark_offsets(rd_kafka_t *, const char *, int32_t, int64_t *, int64_t *);
    extern rd_kafka_queue_t *rd_kafka_queue_get_consumer(rd_kafka_t *);
    extern rd_kafka_queue_t *rd_kafka_queue_new(rd_kafka_t *);
    extern ssize_t rd_kafka_consume_batch_queue(rd_kafka_queue_t *, int, rd_kafka_message_t **, size_t);
    extern void rd_kafka_message_destroy(rd_kafka_message_t *);
    extern int64_t rd_kafka_message_timestamp(const rd_kafka_message_t *, int *);
    extern int rd_kafka_message_headers(const rd_kafka_message_t *, rd_kafka_headers_t **);
    extern int rd_kafka_message_detach_headers(rd_kafka_message_t *, rd_kafka_headers_t **);
    extern rd_kafka_headers_t *rd_kafka_headers_copy(const rd_kafka_headers_t *);
    extern int rd_kafka_header_get_all(const rd_kafka_headers_t *, size_t, const char **, const void **, size_t *);
    extern const char *rd_kafka_message_errstr(const rd_kafka_message_t *);

    extern int rd_kafka_assign(rd_kafka_t *, const rd_kafka_topic_partition_list_t *);
    extern rd_kafka_error_t *rd_kafka_incremental_assign(rd_kafka_t *, const rd_kafka_topic_partition_list_t *);
    extern rd_kafka_error_t *rd_kafka_incremental_unassign(rd_kafka_t *, const rd_kafka_topic_partition_list_t *);
    extern int rd_kafka_assignment_lost(rd_kafka_t *);
    extern const char *rd_kafka_rebalance_protocol(rd_kafka_t *);
    extern int rd_kafka_pause_partitions(rd_kafka_t *, rd_kafka_topic_partition_list_t *);
    extern int rd_kafka_resume_partitions(rd_kafka_t *, rd_kafka_topic_partition_list_t *);
    extern rd_kafka_error_t *rd_kafka_seek_partitions(rd_kafka_t *, rd_kafka_topic_partition_list_t *, int);
    extern int rd_kafka_committed(rd_kafka_t *, rd_kafka_topic_partition_list_t *, int);
    extern int rd_kafka_query_watermark_offsets(rd_kafka_t *, const char *, int32_t, int64_t *, int64_t *, int);
    extern int rd_kafka_commit_queue(rd_kafka_t *, const rd_kafka_topic_partition_list_t *, rd_kafka_queue_t *,
        rebalance_function, void *);
    extern rd_kafka_topic_partition_list_t *rd_kafka_event_topic_partition_list(rd_kafka_event_t *);
    extern void *rd_kafka_event_opaque(rd_kafka_event_t *);
    extern int rd_kafka_consumer_close(rd_kafka_t *);
    extern const char *rd_kafka_error_string(const rd_kafka_error_t *);
    """
    ctypedef struct rd_kafka_topic_partition_t:
        char* topic
        int32_t partition
        int64_t offset
        int err
    ctypedef struct rd_kafka_topic_partition_list_t:
        int cnt
        rd_kafka_topic_partition_t* elems

    ctypedef void (*rebalance_function)(
        rd_kafka_t*, int, rd_kafka_topic_partition_list_t*, void*) noexcept nogil

    rd_kafka_topic_partition_list_t* rd_kafka_topic_partition_list_new(int) noexcept nogil
    rd_kafka_topic_partition_t* rd_kafka_topic_partition_list_add(
        rd_kafka_topic_partition_list_t*, const char*, int32_t) noexcept nogil
    rd_kafka_topic_partition_list_t* rd_kafka_topic_partition_list_copy(
        const rd_kafka_topic_partition_list_t*) noexcept nogil
    void rd_kafka_topic_partition_list_destroy(rd_kafka_topic_partition_list_t*) noexcept nogil

    void rd_kafka_conf_set_rebalance_cb(rd_kafka_conf_t*, rebalance_function) noexcept nogil
    void rd_kafka_conf_set_opaque(rd_kafka_conf_t*, void*) noexcept nogil
    int rd_kafka_poll_set_consumer(rd_kafka_t*) noexcept nogil
    int rd_kafka_subscribe(rd_kafka_t*, const rd_kafka_topic_partition_list_t*) noexcept nogil
    int rd_kafka_unsubscribe(rd_kafka_t*) noexcept nogil
    char* rd_kafka_memberid(const rd_kafka_t*) noexcept nogil
    void rd_kafka_mem_free(rd_kafka_t*, void*) noexcept nogil
    int rd_kafka_get_watermark_offsets(rd_kafka_t*, const char*, int32_t, int64_t*, int64_t*) noexcept nogil
    rd_kafka_queue_t* rd_kafka_queue_get_consumer(rd_kafka_t*) noexcept nogil
    rd_kafka_queue_t* rd_kafka_queue_new(rd_kafka_t*) noexcept nogil
    Py_ssize_t rd_kafka_consume_batch_queue(rd_kafka_queue_t*, int, rd_kafka_message_t**, size_t) noexcept nogil
    void rd_kafka_message_destroy(rd_kafka_message_t*) noexcept nogil
    int64_t rd_kafka_message_timestamp(const rd_kafka_message_t*, int*) noexcept nogil
    int rd_kafka_message_headers(const rd_kafka_message_t*, rd_kafka_headers_t**) noexcept nogil
    int rd_kafka_message_detach_headers(rd_kafka_message_t*, rd_kafka_headers_t**) noexcept nogil
    rd_kafka_headers_t* rd_kafka_headers_copy(const rd_kafka_headers_t*) noexcept nogil
    int rd_kafka_header_get_all(
        const rd_kafka_headers_t*, size_t, const char**, const void**, size_t*) noexcept nogil
    const char* rd_kafka_message_errstr(const rd_kafka_message_t*) noexcept nogil

    int rd_kafka_assign(rd_kafka_t*, const rd_kafka_topic_partition_list_t*) noexcept nogil
    rd_kafka_error_t* rd_kafka_incremental_assign(rd_kafka_t*, const rd_kafka_topic_partition_list_t*) noexcept nogil
    rd_kafka_error_t* rd_kafka_incremental_unassign(rd_kafka_t*, const rd_kafka_topic_partition_list_t*) noexcept nogil
    int rd_kafka_assignment_lost(rd_kafka_t*) noexcept nogil
    const char* rd_kafka_rebalance_protocol(rd_kafka_t*) noexcept nogil
    int rd_kafka_pause_partitions(rd_kafka_t*, rd_kafka_topic_partition_list_t*) noexcept nogil
    int rd_kafka_resume_partitions(rd_kafka_t*, rd_kafka_topic_partition_list_t*) noexcept nogil
    rd_kafka_error_t* rd_kafka_seek_partitions(rd_kafka_t*, rd_kafka_topic_partition_list_t*, int) noexcept nogil
    int rd_kafka_committed(rd_kafka_t*, rd_kafka_topic_partition_list_t*, int) noexcept nogil
    int rd_kafka_query_watermark_offsets(rd_kafka_t*, const char*, int32_t, int64_t*, int64_t*, int) noexcept nogil
    int rd_kafka_commit_queue(
        rd_kafka_t*, const rd_kafka_topic_partition_list_t*, rd_kafka_queue_t*, rebalance_function, void*) noexcept nogil
    rd_kafka_topic_partition_list_t* rd_kafka_event_topic_partition_list(rd_kafka_event_t*) noexcept nogil
    void* rd_kafka_event_opaque(rd_kafka_event_t*) noexcept nogil
    int rd_kafka_consumer_close(rd_kafka_t*) noexcept nogil
    const char* rd_kafka_error_string(const rd_kafka_error_t*) noexcept nogil

cdef enum:
    RD_KAFKA_CONSUMER = 1
    RD_KAFKA_EVENT_OFFSET_COMMIT = 0x20
    RD_KAFKA_OFFSET_INVALID = -1001
    RD_KAFKA_RESP_ERR__PARTITION_EOF = -191
    RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS = -175
    RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS = -174
    RD_KAFKA_TIMESTAMP_CREATE_TIME = 1
    RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME = 2
