# A librdkafka handle and its one queue of events: what the send loop has, and the fetch loop will have, in common.

cdef enum:
    REPORTS = 4096                  # delivery reports read from an event at a time
    LAST_ERROR_BYTES = 512

cdef class Client:
    """A librdkafka handle, with its events on one queue. Made in the process that uses it: it does not survive a fork."""

    cdef rd_kafka_t* handle
    cdef rd_kafka_queue_t* queue
    cdef dict topics                # name -> address of its rd_kafka_topic_t
    cdef char[LAST_ERROR_BYTES] last_error_text

    def __cinit__(self):
        self.topics = {}

    cdef int open(self, int kind, dict conf, int events) except -1:
        cdef char[512] why
        cdef rd_kafka_conf_t* settings = rd_kafka_conf_new()
        for name, value in conf.items():
            if rd_kafka_conf_set(settings, name.encode(), str(value).encode(), why, sizeof(why)) != 0:
                rd_kafka_conf_destroy(settings)
                raise ConfigError(why.decode("utf-8", "replace"), where=f"client setting {name}")
        # Logs come as events too: librdkafka would write them to stderr in a format of its own.
        rd_kafka_conf_set(settings, b"log.queue", b"true", why, sizeof(why))
        rd_kafka_conf_set_events(settings, events | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG)
        self.handle = rd_kafka_new(kind, settings, why, sizeof(why))
        if self.handle == NULL:
            rd_kafka_conf_destroy(settings)
            raise ConfigError(why.decode("utf-8", "replace"), where="client settings")
        self.queue = rd_kafka_queue_get_main(self.handle)
        rd_kafka_set_log_queue(self.handle, self.queue)
        return 0

    cdef rd_kafka_topic_t* topic(self, str name) except NULL:
        """The handle of a topic, made once."""
        cdef rd_kafka_topic_t* topic
        known = self.topics.get(name)
        if known is not None:
            return <rd_kafka_topic_t*><size_t>known
        topic = rd_kafka_topic_new(self.handle, name.encode(), NULL)
        if topic == NULL:
            raise SendError(f"topic {name!r} cannot be used: {error_text(rd_kafka_last_error())}")
        self.topics[name] = <size_t>topic
        return topic

    cdef void on_error_event(self, rd_kafka_event_t* event) noexcept nogil:
        """Remember what librdkafka complains about, for whoever asks why nothing moves."""
        strncpy(self.last_error_text, rd_kafka_event_error_string(event), LAST_ERROR_BYTES - 1)

    cdef void on_log_event(self, rd_kafka_event_t* event) noexcept:
        cdef const char* facility
        cdef const char* text
        cdef int level
        if rd_kafka_event_log(event, &facility, &text, &level) == 0:
            # Connection trouble is repeated for every attempt; whoever waits for the broker says so once, with last_error.
            client_log.log(
                logging.DEBUG if level >= 6 or facility in (b"FAIL", b"ERROR", b"GETPID") else logging.WARNING,
                "%s: %s", facility.decode("utf-8", "replace"), text.decode("utf-8", "replace"))

    def metadata(self, topic=None, int timeout_ms=1000):
        """Ask a broker which partitions a topic has.

        Returns:
            (number of partitions, error name or None); (0, None) without a topic.
        Raises:
            RetriableError: no broker answered within the time.
        """
        cdef const rd_kafka_metadata_t* answer = NULL
        cdef rd_kafka_topic_t* asked = NULL
        cdef int code
        if topic is not None:
            asked = self.topic(topic)
        with nogil:
            code = rd_kafka_metadata(self.handle, 0, asked, &answer, timeout_ms)
        if code != 0:
            raise RetriableError(self.last_error or error_text(code))
        try:
            if topic is None or answer.topic_cnt == 0:
                return 0, None
            if answer.topics[0].err != 0:
                return 0, rd_kafka_err2name(answer.topics[0].err).decode()
            return answer.topics[0].partition_cnt, None
        finally:
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
        if self.handle == NULL:
            return
        with nogil:
            rd_kafka_purge(self.handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT)
        for address in self.topics.values():
            rd_kafka_topic_destroy(<rd_kafka_topic_t*><size_t>address)
        self.topics.clear()
        rd_kafka_queue_destroy(self.queue)
        with nogil:
            rd_kafka_destroy_flags(self.handle, 0)
        self.handle = NULL
        self.queue = NULL


cdef str error_text(int code):
    return f"{rd_kafka_err2name(code).decode()}: {rd_kafka_err2str(code).decode('utf-8', 'replace')}"
