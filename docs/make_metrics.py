"""Makes docs/metrics.md of fastconnect/herder/metrics_table.py: `python docs/make_metrics.py`. A test holds both together."""

from __future__ import annotations

from pathlib import Path

from fastconnect.herder import metrics_table

PAGE = Path(__file__).parent / "metrics.md"

INTRODUCTION = """\
# Metrics

`GET /metrics` of a worker answers in Prometheus' text format. The numbers are counted in memory that the tasks share with their
worker; they are only read when somebody asks, so that asking costs the tasks nothing. Each worker tells of what runs on it.

```yaml
scrape_configs:
  - job_name: fastconnect
    static_configs: [{targets: ["worker-1:8083", "worker-2:8083"]}]
```

A dashboard for Grafana is in [grafana/fastconnect.json](grafana/fastconnect.json).

## Names

A name is that of the metric in Kafka Connect: `kafka_connect_`, the group without `-metrics`, the attribute, with underscores.
`source-record-write-total` of `source-task-metrics` is `kafka_connect_source_task_source_record_write_total`. What differs:

- Times are in seconds (`..._seconds`), times since the epoch too. A `total-` goes to the end, as Prometheus wants it.
- Rates, averages and shares are Prometheus' business. A rate is `rate(..._total[1m])`. Of a *summary* there are `..._sum` and
  `..._count`: an average is `rate(..._sum[5m]) / rate(..._count[5m])`. A percentage of Kafka Connect is the share of one
  counter in two.
- A state is a series for each state, of which one is 1. A running-ratio is
  `avg_over_time(kafka_connect_connector_task_status{status="running"}[5m])`.
- Texts (classes, versions, the leader's name) are labels of an *info*, whose value is 1.
- Every metric of a task has the labels `connector` and `task`, every one of a connector has `connector`.
- A counter is of all processes that a task has had on its worker; a gauge, and a histogram, is of its present process.

## All metrics

| Metric | Kind | Labels | Meaning | In Kafka Connect |
| --- | --- | --- | --- | --- |
"""

MISSING = """
## What Kafka Connect has and is not here

"""

END = """
The numbers of Kafka clients (`producer-metrics`, `consumer-metrics` and the like) are not there either: a task's client is
librdkafka, not the Java client. What of them tells how a task does is in the table: bytes, latencies, blocked time.

## Questions and their answers

| Question | PromQL |
| --- | --- |
| Which tasks do not run? | `kafka_connect_connector_task_status{status="failed"} == 1` |
| How much is written? | `sum by (connector) (rate(kafka_connect_source_task_source_record_write_total[1m]))` |
| How far is a sink behind? | `sum by (connector) (kafka_connect_sink_task_sink_record_lag)` |
| How long do 99 % of the writes take? | `histogram_quantile(0.99, sum by (le) (rate(WRITE_LATENCY[5m])))` |
| Which task is stuck in its connector's code? | `kafka_connect_connector_task_heartbeat_age_seconds > 30` |
| Which tasks are started again and again? | `increase(kafka_connect_connector_task_restarts_total[10m]) > 3` |
| Which source waits for its broker? | `rate(kafka_connect_source_task_blocked_seconds_total[5m]) > 0.5` |
| Which source gets no answer? | `kafka_connect_source_task_source_record_active_count > 0 unless rate(kafka_connect_source_task_bytes_written_total[1m]) > 0` |
| Which task cannot store its offsets? | `increase(kafka_connect_connector_task_offset_commit_failure_total[1m]) > 0` |
| Are records lost to their connector? | `increase(kafka_connect_task_error_records_skipped_total[1h]) > 0` |
"""  # noqa: E501 - a table's row is one line


def page() -> str:
    """The whole page."""
    rows = []
    for each in metrics_table.EXPORTED:
        labels = ", ".join(f"`{label}`" for label in each.labels)
        connect = "<br>".join(f"`{name}`" for name in each.connect)
        rows.append(f"| `{each.name}` | {each.kind} | {labels} | {each.meaning} | {connect} |\n")
    missing = "".join(f"- `{name}`: {why}.\n" for name, why in metrics_table.MISSING.items())
    end = END.replace("WRITE_LATENCY", f"{metrics_table.WRITE_LATENCY.name}_bucket")
    return INTRODUCTION + "".join(rows) + MISSING + missing + end


if __name__ == "__main__":
    PAGE.write_text(page())
