"""The status page of one task: what it has done, and what it is told, in memory shared with supervisor and herder.

One writer for each field. A counter is an aligned 8-byte word, stored whole: a reader never sees half of it. What is longer
(the state and its sentence) is written as two copies and an index: see status_page.pxi.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t

cdef enum:
    PAGE_BYTES = 4096           # the struct has 3,968; one page of memory a task
    LATENCY_BUCKETS = 64        # bucket b counts acks that took from 2^(b/2) to 2^((b+1)/2) microseconds
    STATE_TEXT_BYTES = 1500

cdef struct StateCopy:
    int32_t state               # states.State
    uint32_t text_bytes
    uint32_t crc                # crc32 of state, text_bytes and the text
    char text[STATE_TEXT_BYTES]

cdef struct StatusSlot:
    # Written by the supervisor only; the lease by the herder, too.
    int64_t epoch               # one more for each process that uses the slot
    int64_t target              # states.TargetState: what the task is told to be
    int64_t lease_until_ns      # CLOCK_BOOTTIME; nothing is sent or flushed after it; 0: no lease; stays over a reset
    int64_t topic_round         # one more whenever the task is to tell anew which topics it uses
    int64_t _orders[4]
    # Written by the task only: counters and gauges.
    int64_t heartbeat_ns        # CLOCK_BOOTTIME of the loop's last turn
    int64_t polls
    int64_t records_polled
    int64_t records_filtered    # dropped by a transform
    int64_t records_skipped     # bad, and dropped because errors.tolerance is all
    int64_t records_sent        # handed to librdkafka
    int64_t records_acked       # acknowledged by the broker
    int64_t records_failed      # refused for good
    int64_t bytes_sent
    int64_t bytes_acked
    int64_t retries             # a send tried again because the queue was full
    int64_t blocked_ns          # time spent waiting for room in the queue
    int64_t offset_flushes
    int64_t offset_flush_failures
    int64_t records_flushed     # records covered by the offsets flushed so far
    int64_t source_position     # how far the task has read, in the source's own unit
    int64_t source_end          # where it ends, -1: not known
    int64_t at_end              # 1: END was returned, all is delivered and flushed
    int64_t first_ack_ns        # CLOCK_BOOTTIME of the first acknowledged record
    int64_t last_ack_ns
    int64_t poll_ns             # time spent in polls that returned records (of a sink: in puts of records)
    int64_t poll_max_ns         # the longest one
    int64_t batches             # polls that returned records
    int64_t batch_max           # records of the largest batch
    int64_t offset_flush_ns     # time that the flushes which succeeded took
    int64_t offset_flush_max_ns
    int64_t commits_skipped     # of a sink: there was nothing new to commit
    int64_t commit_number       # of a sink: its last commit's
    int64_t partitions          # of a sink: how many are assigned to it
    int64_t record_failures     # tries of a record's processing that failed
    int64_t record_errors       # records that the task has failed for
    int64_t record_retries      # tries again of a record's processing
    int64_t errors_logged
    int64_t dead_letters        # handed to the Kafka client
    int64_t dead_letter_failures
    int64_t last_error_ms       # milliseconds since the epoch
    int64_t _counters[8]
    int64_t latency[LATENCY_BUCKETS]
    # Written by the task only: its state, as two copies and an index; before it what lease.pxi has the kernel do.
    int64_t kill_at_ns          # CLOCK_BOOTTIME: when the kernel ends the process unless its lease is prolonged; 0: never
    int64_t state_index         # of the last complete copy: states[index & 1]; 0: none yet
    StateCopy states[2]
