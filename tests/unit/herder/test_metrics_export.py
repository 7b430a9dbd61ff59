from __future__ import annotations

import os
import time
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fastconnect._core import StatusRegion, boottime_ns
from fastconnect.herder.metrics_export import ConnectorNumbers, Rebalances, Taken, render, take_task
from fastconnect.herder.metrics_table import EXPORTED, TaskNumbers
from fastconnect.states import State, TaskId
from fastconnect.supervisor.control import TaskStatus

STARTUPS = {(what, how): 1 for what in ("connector", "task") for how in ("attempts", "success", "failure")}
CONFIG: dict[str, str | None] = {
    "connector.class": "FileStreamSource",
    "key.converter": "StringConverter",
    "transforms": "mask, route",
    "transforms.mask.type": "MaskField$Value",
    "transforms.route.type": "RegexRouter",
    "predicates": "is",
    "predicates.is.type": "TopicNameMatches",
}


@pytest.fixture
def region() -> StatusRegion:
    region = StatusRegion(2)
    for slot in range(2):
        region.page(slot).reset(1)
    return region


def status(slot: int = 0, **fields: Any) -> TaskStatus:
    known = {"epoch": 1, "state": State.RUNNING, "pid": os.getpid(), "started_count": 1, **fields}
    return TaskStatus(TaskId("orders", slot), slot=slot, **known)


def taken(tasks: list[TaskNumbers], rebalances: Rebalances | None = None) -> Taken:
    connector = ConnectorNumbers(name="orders", state=State.RUNNING, kind="source", version="1.2", config=CONFIG)
    return Taken(
        connectors=[connector], tasks=tasks, startups=STARTUPS, rebalances=rebalances, processes={"herder": os.getpid()}
    )


class Answer:
    """What a Prometheus server makes of the text."""

    def __init__(self, everything: Taken) -> None:
        self.text = render(everything).decode()
        self.families = list(text_string_to_metric_families(self.text))
        self.samples = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in self.families
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float | None:
        return self.samples.get(("kafka_connect_" + name, tuple(sorted(labels.items()))))

    def of_task(self, name: str, task: int = 0, **labels: str) -> float | None:
        return self.value(name, connector="orders", task=str(task), **labels)


def test_what_a_task_has_counted_is_exported_in_base_units(region: StatusRegion) -> None:
    page = region.page(0)
    page.records_polled = 7
    page.hand_over(6, 60)
    page.take_over(5, 50, boottime_ns())
    page.count_batch(7, 1_500_000_000)
    page.put("last_error_ms", 1_700_000_000_500)
    answer = Answer(taken([take_task(status(), "source", region)]))
    assert answer.of_task("source_task_source_record_poll_total") == 7
    assert answer.of_task("source_task_source_record_write_total") == 5
    assert answer.of_task("source_task_source_record_active_count") == 1
    assert answer.of_task("source_task_poll_batch_seconds_sum") == 1.5
    assert answer.of_task("source_task_poll_batch_seconds_count") == 1
    assert answer.of_task("connector_task_batch_size_sum") == 7
    assert answer.of_task("task_error_last_error_timestamp_seconds") == 1_700_000_000.5
    assert answer.of_task("sink_task_sink_record_read_total") is None
    assert answer.of_task("source_task_end") is None


def test_counters_are_of_all_processes_of_a_task_and_gauges_of_its_present_one(region: StatusRegion) -> None:
    page = region.page(0)
    page.records_polled = 7
    page.put("partitions", 3)
    earlier = {"records_polled": 100, "records_flushed": 90, "partitions": 8}
    answer = Answer(taken([take_task(status(earlier=earlier, started_count=2), "sink", region)]))
    assert answer.of_task("sink_task_sink_record_read_total") == 107
    assert answer.of_task("sink_task_sink_record_active_count") == 7
    assert answer.of_task("sink_task_partition_count") == 3
    assert answer.of_task("connector_task_restarts_total") == 1


def test_the_page_of_another_process_and_rubbish_are_left_out(region: StatusRegion) -> None:
    region.page(0)._fill_with_rubbish(b"\xff" * 2000)
    rubbish = take_task(status(epoch=-1, earlier={"records_polled": 5}), "source", region)
    other = take_task(status(1, epoch=9), "source", region)
    assert (rubbish.now, rubbish.latency, rubbish.total["records_polled"]) == ({}, [], 5)
    assert (other.now, other.silent_s) == ({}, None)


def test_the_state_is_one_series_for_each_state(region: StatusRegion) -> None:
    answer = Answer(taken([take_task(status(state=State.PAUSED), "source", region)]))
    states = {name.name.lower(): answer.of_task("connector_task_status", status=name.name.lower()) for name in State}
    assert states == {"unassigned": 0, "running": 0, "paused": 1, "failed": 0, "stopped": 0, "restarting": 0}
    assert answer.value("worker_connector_task_count", connector="orders", status="paused") == 1


def test_latencies_are_a_histogram_whose_buckets_add_up(region: StatusRegion) -> None:
    page = region.page(0)
    page.take_over(3, 1, boottime_ns() - 900_000)  # some 0.9 ms
    page.take_over(2, 1, boottime_ns() - 3_000_000_000)
    answer = Answer(taken([take_task(status(), "sink", region)]))

    def bucket(limit: str) -> float | None:
        return answer.of_task("sink_task_put_latency_seconds_bucket", le=limit)

    assert (bucket("0.002048"), bucket("2.097152"), bucket("4.194304"), bucket("+Inf")) == (3, 3, 5, 5)
    assert answer.of_task("sink_task_put_latency_seconds_count") == 5
    assert answer.of_task("sink_task_put_latency_seconds_sum") == pytest.approx(6.0, rel=0.2)


def test_classes_are_labels_of_infos(region: StatusRegion) -> None:
    answer = Answer(taken([take_task(status(), "source", region)]))
    about = {"connector_class": "FileStreamSource", "connector_type": "source", "connector_version": "1.2"}
    converters = {"key_converter_class": "StringConverter", "value_converter_class": "", "header_converter_class": ""}
    assert answer.value("connector_info", connector="orders", **about) == 1
    assert answer.of_task("connector_task_info", **about, **converters) == 1
    assert answer.value("connector_transform_info", connector="orders", transform="route", transform_class="RegexRouter") == 1
    of_predicate = {"predicate": "is", "predicate_class": "TopicNameMatches"}
    assert answer.value("connector_predicate_info", connector="orders", **of_predicate) == 1


def test_memory_is_read_from_the_kernel_and_missing_where_the_process_is_gone(region: StatusRegion) -> None:
    alive = take_task(status(), "source", region)
    gone = take_task(status(1, pid=2**22 + 1), "source", region)
    answer = Answer(taken([alive, gone]))
    pss = answer.of_task("connector_task_memory_bytes", kind="pss")
    rss = answer.of_task("connector_task_memory_bytes", kind="rss")
    assert pss is not None
    assert rss is not None
    assert 1_000_000 < pss <= rss
    assert answer.of_task("connector_task_memory_bytes", 1, kind="rss") is None
    assert (answer.value("worker_memory_bytes", process="herder") or 0) > 1_000_000


def test_rebalances_are_told_where_there_is_a_group(region: StatusRegion) -> None:
    assert Answer(taken([])).value("worker_rebalance_epoch") is None
    group = Rebalances(
        protocol="sessioned",
        leader="http://w:8083/",
        generation=4,
        rebalancing=False,
        completed=2,
        total_s=1.5,
        longest_s=1.0,
        last_at=time.monotonic() - 10,
    )
    answer = Answer(taken([], group))
    assert answer.value("worker_rebalance_epoch") == 4
    assert answer.value("worker_rebalance_seconds_sum") == 1.5
    assert (answer.value("worker_rebalance_since_last_seconds") or 0) >= 10
    assert answer.value("worker_rebalance_info", connect_protocol="sessioned", leader_name="http://w:8083/") == 1


def test_names_that_are_no_plain_text_break_nothing(region: StatusRegion) -> None:
    name = 'a"b\\c\nd'
    connector = ConnectorNumbers(name=name, state=State.RUNNING, kind="source", version=None, config={})
    everything = Taken(connectors=[connector], tasks=[], startups=STARTUPS, rebalances=None, processes={})
    assert Answer(everything).value("connector_status", connector=name, status="running") == 1


def test_every_metric_of_the_table_is_exported_and_no_other(region: StatusRegion) -> None:
    group = Rebalances(
        protocol="", leader="", generation=1, rebalancing=True, completed=1, total_s=1, longest_s=1, last_at=time.monotonic()
    )
    tasks = [take_task(status(slot), kind, region) for slot, kind in enumerate(("source", "sink"))]
    answer = Answer(taken(tasks, group))
    families = {line.split()[2] for line in answer.text.splitlines() if line.startswith("# TYPE")}
    assert families == {each.name for each in EXPORTED}
