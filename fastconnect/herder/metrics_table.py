"""What is exported to Prometheus: every metric's name, kind, unit, meaning, and the metrics of Kafka Connect that it is.

A name is the group of Kafka Connect's MBean and its attribute, with underscores: `source-record-write-total` of
`source-task-metrics` is `kafka_connect_source_task_source_record_write_total`. Times are in seconds. Rates, averages and shares
are left to Prometheus: a time has its `_sum` and `_count`. The numbers are put in by metrics_export.py.

docs/metrics.md is made of this table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from fastconnect.states import State, TaskId

Kind: TypeAlias = Literal["counter", "gauge", "summary", "histogram", "info"]


class TaskNumbers(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one task."""

    id: TaskId
    kind: str  # source, sink, or unknown
    state: State
    restarts: int
    failures: int
    now: dict[str, int]
    """What its process has counted (metrics.METRICS); empty before its first line."""
    total: dict[str, int]
    """The same with its earlier processes."""
    latency: list[int]
    silent_s: float | None
    pid: int | None


class Exported(NamedTuple):
    """A metric. `labels` are those beside connector and task."""

    name: str
    kind: Kind
    meaning: str
    connect: tuple[str, ...] = ()
    """The metrics of Kafka Connect that it is or that can be had from it."""
    labels: tuple[str, ...] = ()


class TaskMetric(NamedTuple):
    """A number of each task that is of the kind (source or sink; None: of both)."""

    exported: Exported
    kind: str | None
    value: Callable[[TaskNumbers], float | None]


class TaskTimes(NamedTuple):
    """A count of each task and a sum that belongs to it."""

    exported: Exported
    kind: str | None
    number_of: Callable[[TaskNumbers], float]
    sum: Callable[[TaskNumbers], float]


def _total(name: str, unit: float = 1) -> Callable[[TaskNumbers], float]:
    return lambda task: task.total.get(name, 0) * unit


def _now(name: str, unit: float = 1) -> Callable[[TaskNumbers], float]:
    return lambda task: task.now.get(name, 0) * unit


NS = 1e-9
P = "kafka_connect_"
SOURCE, SINK, TASK, ERROR = "source-task-metrics", "sink-task-metrics", "connector-task-metrics", "task-error-metrics"

TASK_METRICS: tuple[TaskMetric, ...] = (
    # Sources
    TaskMetric(
        Exported(
            P + "source_task_source_record_poll_total",
            "counter",
            "Records that the connector's poll has returned.",
            (f"{SOURCE}: source-record-poll-total", f"{SOURCE}: source-record-poll-rate"),
        ),
        "source",
        _total("records_polled"),
    ),
    TaskMetric(
        Exported(
            P + "source_task_source_record_write_total",
            "counter",
            "Records that were written to Kafka: after the transforms, acknowledged by the broker.",
            (f"{SOURCE}: source-record-write-total", f"{SOURCE}: source-record-write-rate"),
        ),
        "source",
        _total("records_acked"),
    ),
    TaskMetric(
        Exported(
            P + "source_task_source_record_active_count",
            "gauge",
            "Records that were sent and are not acknowledged yet.",
            (
                f"{SOURCE}: source-record-active-count",
                f"{SOURCE}: source-record-active-count-avg",
                f"{SOURCE}: source-record-active-count-max",
            ),
        ),
        "source",
        lambda task: max(0, _now("records_sent")(task) - _now("records_acked")(task) - _now("records_failed")(task)),
    ),
    TaskMetric(
        Exported(
            P + "source_task_poll_batch_max_seconds",
            "gauge",
            "The longest poll that returned records, of the task's present process.",
            (f"{SOURCE}: poll-batch-max-time-ms",),
        ),
        "source",
        _now("poll_max_ns", NS),
    ),
    TaskMetric(
        Exported(P + "source_task_bytes_written_total", "counter", "Bytes of the keys and values that the broker has."),
        "source",
        _total("bytes_acked"),
    ),
    TaskMetric(
        Exported(
            P + "source_task_blocked_seconds_total",
            "counter",
            "Time spent waiting for room in the client's queue: the broker is the slower one.",
        ),
        "source",
        _total("blocked_ns", NS),
    ),
    TaskMetric(
        Exported(P + "source_task_position", "gauge", "How far the task has read, in the source's own unit (bytes, rows)."),
        "source",
        _now("source_position"),
    ),
    TaskMetric(
        Exported(P + "source_task_end", "gauge", "Where the source ends, in the same unit; missing where that is not known."),
        "source",
        lambda task: task.now["source_end"] if task.now.get("source_end", -1) >= 0 else None,
    ),
    # Sinks
    TaskMetric(
        Exported(
            P + "sink_task_sink_record_read_total",
            "counter",
            "Records that were read from Kafka, before the transforms.",
            (f"{SINK}: sink-record-read-total", f"{SINK}: sink-record-read-rate"),
        ),
        "sink",
        _total("records_polled"),
    ),
    TaskMetric(
        Exported(
            P + "sink_task_sink_record_send_total",
            "counter",
            "Records that were given to the task's put, after the transforms.",
            (f"{SINK}: sink-record-send-total", f"{SINK}: sink-record-send-rate"),
        ),
        "sink",
        _total("records_sent"),
    ),
    TaskMetric(
        Exported(
            P + "sink_task_sink_record_active_count",
            "gauge",
            "Records that were read and whose offsets are not committed yet.",
            (
                f"{SINK}: sink-record-active-count",
                f"{SINK}: sink-record-active-count-avg",
                f"{SINK}: sink-record-active-count-max",
            ),
        ),
        "sink",
        lambda task: max(0, _now("records_polled")(task) - _now("records_flushed")(task)),
    ),
    TaskMetric(
        Exported(
            P + "sink_task_sink_record_lag",
            "gauge",
            "Records in the task's partitions that were not put yet.",
            (f"{SINK}: sink-record-lag-max",),
        ),
        "sink",
        lambda task: max(0, _now("source_end")(task) - _now("source_position")(task)),
    ),
    TaskMetric(
        Exported(
            P + "sink_task_put_batch_max_seconds",
            "gauge",
            "The longest put of records, of the task's present process.",
            (f"{SINK}: put-batch-max-time-ms",),
        ),
        "sink",
        _now("poll_max_ns", NS),
    ),
    TaskMetric(
        Exported(
            P + "sink_task_partition_count", "gauge", "Partitions that are assigned to the task.", (f"{SINK}: partition-count",)
        ),
        "sink",
        _now("partitions"),
    ),
    TaskMetric(
        Exported(
            P + "sink_task_offset_commit_seq_no",
            "gauge",
            "The number of the latest commit, of the task's present process.",
            (f"{SINK}: offset-commit-seq-no",),
        ),
        "sink",
        _now("commit_number"),
    ),
    TaskMetric(
        Exported(
            P + "sink_task_offset_commit_completion_total",
            "counter",
            "Offset commits that have succeeded.",
            (f"{SINK}: offset-commit-completion-total", f"{SINK}: offset-commit-completion-rate"),
        ),
        "sink",
        _total("offset_flushes"),
    ),
    TaskMetric(
        Exported(
            P + "sink_task_offset_commit_skip_total",
            "counter",
            "Commits left out since there was nothing new to commit.",
            (f"{SINK}: offset-commit-skip-total", f"{SINK}: offset-commit-skip-rate"),
        ),
        "sink",
        _total("commits_skipped"),
    ),
    TaskMetric(
        Exported(P + "sink_task_bytes_put_total", "counter", "Bytes of the keys and values that put has taken."),
        "sink",
        _total("bytes_acked"),
    ),
    # Both
    TaskMetric(
        Exported(
            P + "connector_task_batch_size_max",
            "gauge",
            "Records of the largest batch, of the task's present process.",
            (f"{TASK}: batch-size-max",),
        ),
        None,
        _now("batch_max"),
    ),
    TaskMetric(
        Exported(
            P + "connector_task_offset_commit_max_seconds",
            "gauge",
            "The longest write of offsets that succeeded, of the task's present process.",
            (f"{TASK}: offset-commit-max-time-ms",),
        ),
        None,
        _now("offset_flush_max_ns", NS),
    ),
    TaskMetric(
        Exported(
            P + "connector_task_offset_commit_failure_total",
            "counter",
            "Writes of offsets that failed; they are tried again.",
            (f"{TASK}: offset-commit-failure-percentage",),
        ),
        None,
        _total("offset_flush_failures"),
    ),
    TaskMetric(
        Exported(P + "connector_task_records_filtered_total", "counter", "Records that a transform has dropped."),
        None,
        _total("records_filtered"),
    ),
    TaskMetric(
        Exported(
            P + "connector_task_retries_total",
            "counter",
            "Sends tried again because the client's queue was full; of a sink, puts tried again.",
        ),
        None,
        _total("retries"),
    ),
    TaskMetric(
        Exported(P + "connector_task_restarts_total", "counter", "How often the task's process was started again."),
        None,
        lambda task: task.restarts,
    ),
    TaskMetric(
        Exported(P + "connector_task_failures", "gauge", "Failures since the task was last healthy."),
        None,
        lambda task: task.failures,
    ),
    TaskMetric(
        Exported(
            P + "connector_task_heartbeat_age_seconds",
            "gauge",
            "How long the task's loop has made no turn: it is blocked in the connector's code.",
        ),
        None,
        lambda task: task.silent_s,
    ),
    # Errors
    TaskMetric(
        Exported(
            P + "task_error_record_failures_total",
            "counter",
            "Failed tries to convert, transform or deliver a record, also those tried again.",
            (f"{ERROR}: total-record-failures",),
        ),
        None,
        _total("record_failures"),
    ),
    TaskMetric(
        Exported(
            P + "task_error_record_errors_total",
            "counter",
            "Records that the task has failed for: errors.tolerance is none.",
            (f"{ERROR}: total-record-errors",),
        ),
        None,
        _total("record_errors"),
    ),
    TaskMetric(
        Exported(
            P + "task_error_records_skipped_total",
            "counter",
            "Bad records that were left out: errors.tolerance is all.",
            (f"{ERROR}: total-records-skipped",),
        ),
        None,
        _total("records_skipped"),
    ),
    TaskMetric(
        Exported(
            P + "task_error_retries_total",
            "counter",
            "Tries again to convert or transform a record (errors.retry.timeout).",
            (f"{ERROR}: total-retries",),
        ),
        None,
        _total("record_retries"),
    ),
    TaskMetric(
        Exported(
            P + "task_error_errors_logged_total",
            "counter",
            "Failed records that were logged (errors.log.enable).",
            (f"{ERROR}: total-errors-logged",),
        ),
        None,
        _total("errors_logged"),
    ),
    TaskMetric(
        Exported(
            P + "task_error_deadletterqueue_produce_requests_total",
            "counter",
            "Failed records sent to the dead letter topic.",
            (f"{ERROR}: deadletterqueue-produce-requests",),
        ),
        None,
        _total("dead_letters"),
    ),
    TaskMetric(
        Exported(
            P + "task_error_deadletterqueue_produce_failures_total",
            "counter",
            "Those that the dead letter topic did not take.",
            (f"{ERROR}: deadletterqueue-produce-failures",),
        ),
        None,
        _total("dead_letter_failures"),
    ),
    TaskMetric(
        Exported(
            P + "task_error_last_error_timestamp_seconds",
            "gauge",
            "When a record last failed, in seconds since the epoch; missing if none has.",
            (f"{ERROR}: last-error-timestamp",),
        ),
        None,
        lambda task: task.total["last_error_ms"] / 1000 if task.total.get("last_error_ms") else None,
    ),
)

TASK_TIMES: tuple[TaskTimes, ...] = (
    TaskTimes(
        Exported(
            P + "source_task_poll_batch_seconds",
            "summary",
            "Time of the polls that returned records, and how many there were.",
            (f"{SOURCE}: poll-batch-avg-time-ms",),
        ),
        "source",
        _total("batches"),
        _total("poll_ns", NS),
    ),
    TaskTimes(
        Exported(
            P + "sink_task_put_batch_seconds",
            "summary",
            "Time of the puts of records, and how many there were.",
            (f"{SINK}: put-batch-avg-time-ms",),
        ),
        "sink",
        _total("batches"),
        _total("poll_ns", NS),
    ),
    TaskTimes(
        Exported(
            P + "connector_task_batch_size",
            "summary",
            "Records of the batches, and how many batches there were.",
            (f"{TASK}: batch-size-avg",),
        ),
        None,
        _total("batches"),
        lambda task: _total("records_sent" if task.kind == "sink" else "records_polled")(task),
    ),
    TaskTimes(
        Exported(
            P + "connector_task_offset_commit_seconds",
            "summary",
            "Time of the writes of offsets that succeeded, and how many there were.",
            (f"{TASK}: offset-commit-avg-time-ms", f"{TASK}: offset-commit-success-percentage"),
        ),
        None,
        _total("offset_flushes"),
        _total("offset_flush_ns", NS),
    ),
)

WRITE_LATENCY = Exported(
    P + "source_task_write_latency_seconds",
    "histogram",
    "From the send of a record to its acknowledgement, of the task's present process; the sum is right to a fifth.",
)
PUT_LATENCY = Exported(
    P + "sink_task_put_latency_seconds",
    "histogram",
    "How long the put took that a record was in, of the task's present process; the sum is right to a fifth.",
)
MEMORY = Exported(
    P + "connector_task_memory_bytes",
    "gauge",
    "Memory of the task's process: `rss` is what it has in memory, `pss` counts what it shares with others in equal shares.",
    labels=("kind",),
)
TASK_STATUS = Exported(
    P + "connector_task_status",
    "gauge",
    "1 for the state that the task is in, 0 for the others.",
    (f"{TASK}: status", f"{TASK}: running-ratio", f"{TASK}: pause-ratio"),
    labels=("status",),
)
TASK_INFO = Exported(
    P + "connector_task_info",
    "info",
    "Classes of the task's connector and converters, as they are in its configuration.",
    (
        f"{TASK}: connector-class",
        f"{TASK}: connector-type",
        f"{TASK}: connector-version",
        f"{TASK}: task-class",
        f"{TASK}: task-version",
        f"{TASK}: key-converter-class",
        f"{TASK}: key-converter-version",
        f"{TASK}: value-converter-class",
        f"{TASK}: value-converter-version",
        f"{TASK}: header-converter-class",
        f"{TASK}: header-converter-version",
    ),
    labels=(
        "connector_class",
        "connector_type",
        "connector_version",
        "key_converter_class",
        "value_converter_class",
        "header_converter_class",
    ),
)

CONNECTOR_STATUS = Exported(
    P + "connector_status",
    "gauge",
    "1 for the state that the connector's own code is in, 0 for the others.",
    ("connector-metrics: status",),
    labels=("status",),
)
CONNECTOR_INFO = Exported(
    P + "connector_info",
    "info",
    "Class, type and version of the connector.",
    ("connector-metrics: connector-class", "connector-metrics: connector-type", "connector-metrics: connector-version"),
    labels=("connector_class", "connector_type", "connector_version"),
)
TRANSFORM_INFO = Exported(
    P + "connector_transform_info",
    "info",
    "Class of each of the connector's transforms.",
    ("connector-transform-metrics: class", "connector-transform-metrics: version"),
    labels=("transform", "transform_class"),
)
PREDICATE_INFO = Exported(
    P + "connector_predicate_info",
    "info",
    "Class of each of the connector's predicates.",
    ("connector-predicate-metrics: class", "connector-predicate-metrics: version"),
    labels=("predicate", "predicate_class"),
)

WORKER = "connect-worker-metrics"
CONNECTOR_COUNT = Exported(
    P + "worker_connector_count",
    "gauge",
    "Connectors that run on this worker.",
    (f"{WORKER}: connector-count", "connect-coordinator-metrics: assigned-connectors"),
)
TASK_COUNT = Exported(
    P + "worker_task_count",
    "gauge",
    "Tasks that run on this worker.",
    (f"{WORKER}: task-count", "connect-coordinator-metrics: assigned-tasks"),
)
CONNECTOR_TASK_COUNT = Exported(
    P + "worker_connector_task_count",
    "gauge",
    "Tasks of the connector on this worker, by their state.",
    tuple(
        f"{WORKER}: connector-{state}-task-count"
        for state in ("total", "running", "paused", "failed", "unassigned", "destroyed", "restarting")
    ),
    labels=("status",),
)
STARTUPS = tuple(
    Exported(
        f"{P}worker_{what}_startup_{how}_total",
        "counter",
        f"Starts of {what}s: {meaning}.",
        tuple(
            f"{WORKER}: {what}-startup-{name}"
            for name in ((f"{how}-total", f"{how}-percentage") if how != "attempts" else (f"{how}-total",))
        ),
    )
    for what in ("connector", "task")
    for how, meaning in (("attempts", "all of them"), ("success", "those that came to run"), ("failure", "those that failed"))
)

REBALANCE = "connect-worker-rebalance-metrics"
REBALANCE_INFO = Exported(
    P + "worker_rebalance_info",
    "info",
    "The protocol of the workers' group, and its leader.",
    (f"{REBALANCE}: connect-protocol", f"{REBALANCE}: leader-name"),
    labels=("connect_protocol", "leader_name"),
)
REBALANCE_EPOCH = Exported(
    P + "worker_rebalance_epoch", "gauge", "The generation of the workers' group.", (f"{REBALANCE}: epoch",)
)
REBALANCING = Exported(
    P + "worker_rebalance_rebalancing", "gauge", "1 while the group divides its work anew.", (f"{REBALANCE}: rebalancing",)
)
REBALANCE_SECONDS = Exported(
    P + "worker_rebalance_seconds",
    "summary",
    "Time of the rebalances that were completed, and how many there were.",
    (f"{REBALANCE}: completed-rebalances-total", f"{REBALANCE}: rebalance-avg-time-ms"),
)
REBALANCE_MAX = Exported(
    P + "worker_rebalance_max_seconds",
    "gauge",
    "The longest rebalance since this worker was started.",
    (f"{REBALANCE}: rebalance-max-time-ms",),
)
SINCE_REBALANCE = Exported(
    P + "worker_rebalance_since_last_seconds",
    "gauge",
    "How long ago the last rebalance was completed; missing before the first one.",
    (f"{REBALANCE}: time-since-last-rebalance-ms",),
)
WORKER_MEMORY = Exported(
    P + "worker_memory_bytes",
    "gauge",
    "Memory (rss) of the worker's own processes: supervisor and herder.",
    labels=("process",),
)

EXPORTED: tuple[Exported, ...] = (
    *(metric.exported for metric in TASK_METRICS),
    *(times.exported for times in TASK_TIMES),
    *(WRITE_LATENCY, PUT_LATENCY, MEMORY, TASK_STATUS, TASK_INFO),
    *(CONNECTOR_STATUS, CONNECTOR_INFO, TRANSFORM_INFO, PREDICATE_INFO),
    *(CONNECTOR_COUNT, TASK_COUNT, CONNECTOR_TASK_COUNT, *STARTUPS),
    *(REBALANCE_INFO, REBALANCE_EPOCH, REBALANCING, REBALANCE_SECONDS, REBALANCE_MAX, SINCE_REBALANCE, WORKER_MEMORY),
)
"""All of them."""

MISSING: dict[str, str] = {
    f"{SOURCE}: transaction-size-min": "there are no transactions yet",
    f"{SOURCE}: transaction-size-max": "there are no transactions yet",
    f"{SOURCE}: transaction-size-avg": "there are no transactions yet",
}
"""Metrics of Kafka Connect that are not here, and why."""
