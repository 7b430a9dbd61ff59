from __future__ import annotations

import re

from fastconnect.herder.metrics_table import EXPORTED, MISSING

# Kafka Connect 4.3, by group; from its documentation and the MBeans of a running worker.
KAFKA_CONNECT = {
    "connector-metrics": "status connector-type connector-class connector-version",
    "connector-task-metrics": """
        status running-ratio pause-ratio offset-commit-max-time-ms offset-commit-avg-time-ms offset-commit-failure-percentage
        offset-commit-success-percentage batch-size-max batch-size-avg connector-class connector-version connector-type
        task-class task-version key-converter-class key-converter-version value-converter-class value-converter-version
        header-converter-class header-converter-version""",
    "source-task-metrics": """
        source-record-poll-rate source-record-poll-total source-record-write-rate source-record-write-total
        poll-batch-max-time-ms poll-batch-avg-time-ms source-record-active-count source-record-active-count-max
        source-record-active-count-avg transaction-size-min transaction-size-max transaction-size-avg""",
    "sink-task-metrics": """
        sink-record-read-rate sink-record-read-total sink-record-send-rate sink-record-send-total put-batch-max-time-ms
        put-batch-avg-time-ms partition-count offset-commit-seq-no offset-commit-completion-rate
        offset-commit-completion-total offset-commit-skip-rate offset-commit-skip-total sink-record-active-count
        sink-record-active-count-max sink-record-active-count-avg sink-record-lag-max""",
    "task-error-metrics": """
        total-record-failures total-record-errors total-records-skipped total-retries total-errors-logged
        deadletterqueue-produce-requests deadletterqueue-produce-failures last-error-timestamp""",
    "connect-worker-metrics": """
        connector-count task-count
        connector-startup-attempts-total connector-startup-success-total connector-startup-success-percentage
        connector-startup-failure-total connector-startup-failure-percentage
        task-startup-attempts-total task-startup-success-total task-startup-success-percentage
        task-startup-failure-total task-startup-failure-percentage
        connector-total-task-count connector-running-task-count connector-paused-task-count connector-failed-task-count
        connector-unassigned-task-count connector-destroyed-task-count connector-restarting-task-count""",
    "connect-worker-rebalance-metrics": """
        connect-protocol leader-name epoch completed-rebalances-total rebalancing rebalance-max-time-ms
        rebalance-avg-time-ms time-since-last-rebalance-ms""",
    "connector-transform-metrics": "class version",
    "connector-predicate-metrics": "class version",
    "connect-coordinator-metrics": "assigned-connectors assigned-tasks",
}


def test_every_metric_of_kafka_connect_is_there_or_is_named_as_missing() -> None:
    known = {f"{group}: {name}" for group, names in KAFKA_CONNECT.items() for name in names.split()}
    ours = {name for each in EXPORTED for name in each.connect}
    assert known - ours - MISSING.keys() == set()
    assert ours - known == set()
    assert not ours & MISSING.keys()


def test_names_are_those_of_prometheus_and_each_is_there_once() -> None:
    names = [each.name for each in EXPORTED]
    assert len(set(names)) == len(names)
    for each in EXPORTED:
        assert re.fullmatch(r"kafka_connect_[a-z0-9_]+", each.name)
        assert each.name.endswith("_total") == (each.kind == "counter"), each.name
        assert each.name.endswith("_info") == (each.kind == "info"), each.name
        assert not each.name.endswith(("_ms", "_percentage", "_ratio", "_rate")), each.name
        assert each.meaning.endswith("."), each.name


def test_a_metric_is_called_as_it_is_in_kafka_connect() -> None:
    names = {each.name for each in EXPORTED}
    for group in ("source-task-metrics", "sink-task-metrics"):
        for name in KAFKA_CONNECT[group].split():
            if name.endswith("-total"):
                prefix = group.removesuffix("-metrics").replace("-", "_")
                assert f"kafka_connect_{prefix}_{name.replace('-', '_')}" in names
