# A librdkafka handle and its one queue of events: what the send loop has, and the fetch loop will have, in common.

cdef enum:
    REPORTS = 4096                  # delivery reports read from an event at a time
    LAST_ERROR_BYTES = 512
    ALL_BROKERS_DOWN = -187

cdef struct Topic:
    rd_kafka_topic_t* handle
    int64_t learned_ns          # when its partitions were last asked for; 0: never
    int32_t* available          # the partitions that have a leader
    int32_t available_count
    int32_t at                  # index of the one that records without a key go to now
    int64_t bytes_here          # what went there since
    int64_t here_since_ns
    int used                    # TopicUse

cdef enum TopicUse:
    UNUSED = 0
    NEWLY_USED = 1              # it has acknowledged a record, and nobody was told yet
    KNOWN_AS_USED = 2


class TopicMissing(RetriableError):
    """The topic is not there. It may be soon: asking for it makes brokers create it, if they may."""

    def __init__(self, topic):
        super().__init__(f"topic {topic} does not exist, and the broker has not created it")
        self.topic = topic


cdef class Client:
    """A librdkafka handle, with its events on one queue. Made in the process that uses it: it does not survive a fork."""

    cdef rd_kafka_t* handle
    cdef rd_kafka_queue_t* queue
    cdef rd_kafka_queue_t* log_queue
    cdef dict topics                # name -> address of its Topic
    cdef char[LAST_ERROR_BYTES] last_error_text

    def __cinit__(self):
        self.topics = {}

    cdef int open(self, int kind, dict conf, int events, rebalance_function on_rebalance=NULL,
                  GivenBack* given_back=NULL) except -1:
        cdef char[512] why
        cdef rd_kafka_conf_t* settings = rd_kafka_conf_new()
        for name, value in conf.items():
            if rd_kafka_conf_set(settings, name.encode(), str(value).encode(), why, sizeof(why)) != 0:
                rd_kafka_conf_destroy(settings)
                raise ConfigError(why.decode("utf-8", "replace"), where=f"client setting {name}")
        # Logs come as events too: librdkafka would write them to stderr in a format of its own.
        rd_kafka_conf_set(settings, b"log.queue", b"true", why, sizeof(why))
        rd_kafka_conf_set_events(settings, events | RD_KAFKA_EVENT_LOG)
        if on_rebalance != NULL:
            rd_kafka_conf_set_rebalance_cb(settings, on_rebalance)
            rd_kafka_conf_set_opaque(settings, <void*>self)
        if given_back != NULL:
            free_in_broker_threads(settings, given_back)
        self.handle = rd_kafka_new(kind, settings, why, sizeof(why))
        if self.handle == NULL:
            rd_kafka_conf_destroy(settings)
            raise ConfigError(why.decode("utf-8", "replace"), where="client settings")
        srand(<unsigned int>now_ns())           # tasks forked from one process must not all begin at the same partition
        self.queue = rd_kafka_queue_get_main(self.handle)
        self.log_queue = rd_kafka_queue_new(self.handle)
        rd_kafka_set_log_queue(self.handle, self.log_queue)
        return 0

    cdef Topic* topic(self, str name) except NULL:
        """A topic's entry, made once."""
        cdef Topic* topic
        cdef rd_kafka_topic_conf_t* settings
        known = self.topics.get(name)
        if known is not None:
            return <Topic*><size_t>known
        topic = <Topic*>calloc(1, sizeof(Topic))
        if topic == NULL:
            raise MemoryError()
        settings = rd_kafka_default_topic_conf_dup(self.handle)
        rd_kafka_topic_conf_set_opaque(settings, topic)
        topic.handle = rd_kafka_topic_new(self.handle, name.encode(), settings)     # which takes the settings over
        if topic.handle == NULL:
            rd_kafka_topic_conf_destroy(settings)
            free(topic)
            raise SendError(f"topic {name!r} cannot be used: {error_text(rd_kafka_last_error())}")
        self.topics[name] = <size_t>topic
        return topic

    def learn(self, str topic not None, int timeout_ms=1000):
        """Ask a broker for a topic's partitions; return how many there are. What is known of it is then made new.

        Raises:
            RetriableError: no broker answered.
            TopicMissing: the topic is not there (yet).
            SendError: the topic may not be written to, or its name is no legal one.
        """
        cdef Topic* entry = self.topic(topic)
        cdef const rd_kafka_metadata_t* answer = NULL
        cdef fc_metadata_topic_t* found
        cdef int32_t* available
        cdef int code, i
        with nogil:
            code = rd_kafka_metadata(self.handle, 0, entry.handle, &answer, timeout_ms)
        if code != 0:
            raise RetriableError(self.last_error or error_text(code))
        try:
            found = &answer.topics[0]
            if found.err != 0 or found.partition_cnt == 0:
                if found.err in (0, 3, 5):           # UNKNOWN_TOPIC_OR_PART, LEADER_NOT_AVAILABLE: it may be in the making
                    raise TopicMissing(topic)
                raise SendError(f"topic {topic} cannot be written to: {error_text(found.err)}")
            available = <int32_t*>malloc(found.partition_cnt * sizeof(int32_t))
            if available == NULL:
                raise MemoryError()
            free(entry.available)
            entry.available = available
            entry.available_count = 0
            for i in range(found.partition_cnt):
                if found.partitions[i].leader >= 0:
                    available[entry.available_count] = found.partitions[i].id
                    entry.available_count += 1
            entry.at = rand() % entry.available_count if entry.available_count else 0
            entry.learned_ns = now_ns()
            return found.partition_cnt
        finally:
            rd_kafka_metadata_destroy(answer)

    cdef void on_error_event(self, rd_kafka_event_t* event) noexcept nogil:
        """Remember what librdkafka complains about, for whoever asks why nothing moves."""
        if rd_kafka_event_error(event) == ALL_BROKERS_DOWN:
            return                      # it only counts; the errors of the single brokers say why
        strncpy(self.last_error_text, rd_kafka_event_error_string(event), LAST_ERROR_BYTES - 1)

    def pass_on_logs(self):
        """Hand what librdkafka has logged since the last call to Python's logging; to be called now and then."""
        cdef rd_kafka_event_t* event
        cdef const char* facility
        cdef const char* text
        cdef int level
        while True:
            event = rd_kafka_queue_poll(self.log_queue, 0)
            if event == NULL:
                return
            if rd_kafka_event_log(event, &facility, &text, &level) == 0:
                if facility in (b"FAIL", b"ERROR"):
                    strncpy(self.last_error_text, text, LAST_ERROR_BYTES - 1)
                # Connection trouble is repeated for every attempt; whoever waits for the broker says so once, with last_error.
                client_log.log(
                    logging.DEBUG if level >= 5 or facility in (b"FAIL", b"ERROR", b"GETPID") else logging.WARNING,
                    "%s: %s", facility.decode("utf-8", "replace"), text.decode("utf-8", "replace"))
            rd_kafka_event_destroy(event)

    def reach(self, int timeout_ms=1000):
        """Find out whether a broker answers.

        Raises:
            RetriableError: none did within the time.
        """
        cdef const rd_kafka_metadata_t* answer = NULL
        cdef int code
        with nogil:
            code = rd_kafka_metadata(self.handle, 0, NULL, &answer, timeout_ms)
        if code != 0:
            raise RetriableError(self.last_error or error_text(code))
        rd_kafka_metadata_destroy(answer)

    def wake_by(self, int fd):
        """Write a byte to `fd` whenever an event comes into the empty queue, so that a poll() on `fd` wakes."""
        rd_kafka_queue_io_event_enable(self.queue, fd, b"\x01\0\0\0\0\0\0\0", 8)

    @property
    def last_error(self):
        """What librdkafka last complained about (a connection refused, a name not found); empty if nothing."""
        return (<bytes>self.last_error_text).decode("utf-8", "replace")

    @property
    def fatal_error(self):
        """(error name, sentence) if the handle is beyond use, else None."""
        cdef char[512] why
        cdef int code
        if self.handle == NULL:
            return None
        code = rd_kafka_fatal_error(self.handle, why, sizeof(why))
        return (rd_kafka_err2name(code).decode(), why.decode("utf-8", "replace")) if code != 0 else None

    cdef void shut(self) noexcept:
        """Destroy the handle; what is still queued in it is lost without a report. Returns when its threads have ended."""
        cdef Topic* topic
        if self.handle == NULL:
            return
        with nogil:
            rd_kafka_purge(self.handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT)
        for address in self.topics.values():
            topic = <Topic*><size_t>address
            rd_kafka_topic_destroy(topic.handle)
            free(topic.available)
            free(topic)
        self.topics.clear()
        self.pass_on_logs()
        rd_kafka_set_log_queue(self.handle, NULL)
        rd_kafka_queue_destroy(self.log_queue)
        rd_kafka_queue_destroy(self.queue)
        with nogil:
            rd_kafka_destroy_flags(self.handle, 0)
        self.handle = NULL
        self.queue = NULL
        self.log_queue = NULL


cdef str error_text(int code):
    return f"{rd_kafka_err2name(code).decode()}: {rd_kafka_err2str(code).decode('utf-8', 'replace')}"
