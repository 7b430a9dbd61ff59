"""Every number that a task keeps on its status page: name, unit and meaning; and the latencies from its histogram.

The console, the docs and later Prometheus read this table, so that a number is called the same everywhere. The numbers are
counted in native/status_page.pxd, in memory that the herder and the supervisor read; nothing is counted here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec


class Metric(msgspec.Struct, frozen=True):
    """One number of a task's status page.

    A `counter` only grows while its process lives and begins anew at 0 in the next one; the numbers of all processes of a
    task are added up. A `gauge` says how something is now.
    """

    name: str
    kind: Literal["counter", "gauge"]
    unit: str
    meaning: str


METRICS: tuple[Metric, ...] = (
    Metric("heartbeat_ns", "gauge", "ns", "When the task's loop last turned, on the clock that also counts suspended time."),
    Metric("polls", "counter", "calls", "How often the connector was asked for records; of a sink, how often put was called."),
    Metric(
        "records_polled", "counter", "records", "Records that the connector handed over; of a sink, those fetched from Kafka."
    ),
    Metric("records_filtered", "counter", "records", "Records that a transform dropped."),
    Metric("records_skipped", "counter", "records", "Bad records that were dropped because errors.tolerance is all."),
    Metric("records_sent", "counter", "records", "Records handed to the Kafka client; of a sink, to its put."),
    Metric(
        "records_acked",
        "counter",
        "records",
        "Records that the broker has acknowledged; of a sink, those that its put has taken.",
    ),
    Metric("records_failed", "counter", "records", "Records that were refused for good; their offsets are never flushed."),
    Metric("bytes_sent", "counter", "bytes", "Bytes of the keys and values handed to the Kafka client."),
    Metric("bytes_acked", "counter", "bytes", "Bytes of the keys and values that the broker has acknowledged."),
    Metric(
        "retries", "counter", "sends", "Sends tried again because the client's queue was full; of a sink, puts tried again."
    ),
    Metric("blocked_ns", "counter", "ns", "Time spent waiting for room in the client's queue: the broker is the slower one."),
    Metric("offset_flushes", "counter", "flushes", "Writes of source offsets to the offset store."),
    Metric("offset_flush_failures", "counter", "flushes", "Writes of source offsets that failed; they are tried again."),
    Metric(
        "records_flushed",
        "counter",
        "records",
        "Records covered by the source offsets written so far; of a sink, by the group's committed offsets.",
    ),
    Metric("source_position", "gauge", "source units", "How far the task has read, in the source's own unit (bytes, rows)."),
    Metric("source_end", "gauge", "source units", "Where the source ends, in the same unit; -1 where that is not known."),
    Metric("at_end", "gauge", "0 or 1", "1 once the source has ended and everything from it is delivered and flushed."),
    Metric("first_ack_ns", "gauge", "ns", "When the broker acknowledged the first record of this process."),
    Metric("last_ack_ns", "gauge", "ns", "When the broker acknowledged the latest record."),
    Metric("poll_ns", "counter", "ns", "Time spent in polls that returned records; of a sink, in puts of records."),
    Metric("poll_max_ns", "gauge", "ns", "The longest of them in this process."),
    Metric("batches", "counter", "batches", "Polls that returned records; of a sink, puts with records."),
    Metric("batch_max", "gauge", "records", "The largest batch of this process."),
    Metric("offset_flush_ns", "counter", "ns", "Time that the offset flushes which succeeded took."),
    Metric("offset_flush_max_ns", "gauge", "ns", "The longest offset flush of this process."),
    Metric("commits_skipped", "counter", "commits", "Of a sink: commits left out since there was nothing new to commit."),
    Metric("commit_number", "gauge", "number", "Of a sink: the number of its latest commit."),
    Metric("partitions", "gauge", "partitions", "Of a sink: the partitions that are assigned to it."),
    Metric("record_failures", "counter", "tries", "Failed tries to convert, transform or deliver a record, each one."),
    Metric("record_errors", "counter", "records", "Records that the task has failed for: errors.tolerance is none."),
    Metric("record_retries", "counter", "tries", "Tries again to convert or transform a record (errors.retry.timeout)."),
    Metric("errors_logged", "counter", "records", "Failed records that were logged (errors.log.enable)."),
    Metric("dead_letters", "counter", "records", "Failed records sent to the dead letter topic."),
    Metric("dead_letter_failures", "counter", "records", "Those that the dead letter topic did not take."),
    Metric("last_error_ms", "gauge", "ms", "When a record last failed, in milliseconds since the epoch; 0: never."),
)
"""In the order of the status page."""

COUNTERS = frozenset(metric.name for metric in METRICS if metric.kind == "counter")

LATENCY_BUCKETS = 64
"""Bucket b counts the acks that took from 2^(b/2) to 2^((b+1)/2) microseconds: two buckets a doubling."""


def added(first: Mapping[str, int], later: Mapping[str, int]) -> dict[str, int]:
    """The numbers of two processes of the same task as one: counters are added up, gauges are those of the later one.

    The first ack is the earlier one that there was, so that first to last ack spans both.
    """
    total = dict(first)
    for name, value in later.items():
        total[name] = first.get(name, 0) + value if name in COUNTERS else value
    acks = [ack for ack in (first.get("first_ack_ns", 0), later.get("first_ack_ns", 0)) if ack > 0]
    total["first_ack_ns"] = min(acks, default=0)
    total["last_ack_ns"] = max(first.get("last_ack_ns", 0), later.get("last_ack_ns", 0))
    return total


def bucket_limit_us(bucket: int) -> float:
    """The longest time that a bucket of the latency histogram counts, in microseconds."""
    return float(2.0 ** ((bucket + 1) / 2))


def latency_percentiles_ms(histogram: Sequence[int], percents: Sequence[float] = (50, 99)) -> dict[float, float]:
    """How long acks took: for each of `percents` the time that this share of them did not exceed, in milliseconds.

    Exact to a bucket (a factor of 1.41, rounded up). Empty if nothing was acknowledged yet.
    """
    total = sum(histogram)
    if total == 0:
        return {}
    answer: dict[float, float] = {}
    for percent in percents:
        wanted, seen = total * percent / 100, 0
        for bucket, count in enumerate(histogram):
            seen += count
            if seen >= wanted and count:
                answer[percent] = bucket_limit_us(bucket) / 1000
                break
    return answer
