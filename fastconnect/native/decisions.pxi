"""What each of librdkafka's errors means for a record and its task: one table, one place.

RETRY   nothing is lost and nobody has to act: librdkafka goes on trying, or the send loop calls again.
RECORD  this one record can never be delivered; others can. With errors.tolerance=all it is skipped, else the task fails.
TASK    the task cannot go on as it is configured or as the cluster is: it ends FAILED and is started again later.
FATAL   this client is beyond use (fenced, or its sequence is lost): the process ends, a fresh one replays from its offsets.
"""

cdef enum Decision:
    RETRY = 0
    RECORD = 1
    TASK = 2
    FATAL = 3

cdef struct ErrorDecision:
    int code
    Decision decision

cdef ErrorDecision[49] ERROR_DECISIONS = [
    # The client's own errors (negative numbers).
    [-199, TASK],       # _BAD_MSG
    [-198, TASK],       # _BAD_COMPRESSION
    [-197, TASK],       # _DESTROY: the handle was closed before the record was sent
    [-196, TASK],       # _FAIL
    [-195, RETRY],      # _TRANSPORT: a connection broke; it is made again
    [-193, RETRY],      # _RESOLVE: host name not found just now
    [-192, TASK],       # _MSG_TIMED_OUT: only where a delivery timeout was configured; the record is out of the queue
    [-190, RECORD],     # _UNKNOWN_PARTITION: the record names a partition that the topic does not have
    [-188, TASK],       # _UNKNOWN_TOPIC
    [-187, RETRY],      # _ALL_BROKERS_DOWN
    [-186, TASK],       # _INVALID_ARG
    [-185, RETRY],      # _TIMED_OUT: a request, not a record
    [-184, RETRY],      # _QUEUE_FULL: wait for acks
    [-181, TASK],       # _SSL
    [-172, TASK],       # _STATE
    [-170, TASK],       # _UNKNOWN_PROTOCOL
    [-169, TASK],       # _AUTHENTICATION
    [-152, TASK],       # _PURGE_QUEUE
    [-151, TASK],       # _PURGE_INFLIGHT
    [-150, FATAL],      # _FATAL
    [-148, FATAL],      # _GAPLESS_GUARANTEE
    [-144, FATAL],      # _FENCED
    [-138, TASK],       # _INVALID_DIFFERENT_RECORD: another one of its batch is invalid (the send loop tells them apart)
    # The broker's errors (positive numbers).
    [2, RECORD],        # INVALID_MSG: the checksum does not match
    [3, TASK],          # UNKNOWN_TOPIC_OR_PART: after librdkafka's own retries
    [4, RECORD],        # INVALID_MSG_SIZE
    [7, RETRY],         # REQUEST_TIMED_OUT
    [10, RECORD],       # MSG_SIZE_TOO_LARGE
    [17, TASK],         # TOPIC_EXCEPTION: no legal topic name
    [18, RECORD],       # RECORD_LIST_TOO_LARGE
    [19, RETRY],        # NOT_ENOUGH_REPLICAS
    [20, RETRY],        # NOT_ENOUGH_REPLICAS_AFTER_APPEND
    [21, TASK],         # INVALID_REQUIRED_ACKS
    [29, TASK],         # TOPIC_AUTHORIZATION_FAILED
    [31, TASK],         # CLUSTER_AUTHORIZATION_FAILED
    [32, RECORD],       # INVALID_TIMESTAMP
    [43, RECORD],       # UNSUPPORTED_FOR_MESSAGE_FORMAT: headers to an old topic
    [44, RECORD],       # POLICY_VIOLATION
    [45, FATAL],        # OUT_OF_ORDER_SEQUENCE_NUMBER
    [47, FATAL],        # INVALID_PRODUCER_EPOCH
    [48, FATAL],        # INVALID_TXN_STATE
    [49, FATAL],        # INVALID_PRODUCER_ID_MAPPING
    [53, TASK],         # TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    [56, TASK],         # KAFKA_STORAGE_ERROR
    [59, FATAL],        # UNKNOWN_PRODUCER_ID
    [74, RETRY],        # FENCED_LEADER_EPOCH
    [76, TASK],         # UNSUPPORTED_COMPRESSION_TYPE
    [87, RECORD],       # INVALID_RECORD
    [90, FATAL],        # PRODUCER_FENCED
]


cdef Decision decide(int code) noexcept nogil:
    """Look an error up; one that the table lacks fails the task, which loses nothing and is seen."""
    cdef int i
    for i in range(49):
        if ERROR_DECISIONS[i].code == code:
            return ERROR_DECISIONS[i].decision
    return TASK


def error_decisions():
    """The table as {error name: "retry" | "record" | "task" | "fatal"}, for tests and docs."""
    names = {RETRY: "retry", RECORD: "record", TASK: "task", FATAL: "fatal"}
    return {rd_kafka_err2name(entry.code).decode(): names[entry.decision] for entry in ERROR_DECISIONS}
