"""The numbers of this worker in Prometheus' text format, made of the tasks' status pages when somebody asks.

What is exported, and under which name, is in metrics_table.py. `take` collects on the herder's thread, `render` makes the text
on any other one: it reads the processes' memory from /proc, which takes a while.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from fastconnect import metrics
from fastconnect._core import boottime_ns
from fastconnect.herder import metrics_table as table
from fastconnect.herder.metrics_table import Exported, TaskNumbers
from fastconnect.herder.observed import Pages
from fastconnect.herder.work import Work
from fastconnect.states import State
from fastconnect.supervisor.control import TaskStatus

LATENCY_LIMITS = range(10, 27)
"""Upper limits of the histograms' buckets, as powers of two of a microsecond: 1 ms to 67 s, each twice the one before."""

_MOST = 1 << 60  # more than any counter can come to: what is above is rubbish that a task has written


class Rebalances(msgspec.Struct, frozen=True, kw_only=True):
    """What the group member knows of rebalances."""

    protocol: str
    leader: str
    generation: int
    rebalancing: bool
    completed: int
    total_s: float
    longest_s: float
    last_at: float | None
    """When the last one was completed, time.monotonic."""


class ConnectorNumbers(msgspec.Struct, frozen=True, kw_only=True):
    """A connector that runs here, or whose tasks do."""

    name: str
    state: State | None
    """None: its own code runs on another worker."""
    kind: str
    version: str | None
    config: Mapping[str, str | None]


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """Everything at one moment."""

    connectors: list[ConnectorNumbers]
    tasks: list[TaskNumbers]
    startups: dict[tuple[str, str], int]
    rebalances: Rebalances | None
    processes: dict[str, int]


def take(work: Work, pages: Pages, configs: Mapping[str, Mapping[str, str | None]], rebalances: Rebalances | None) -> Taken:
    """Everything that runs on this worker; for the herder's thread.

    Args:
        configs: the configurations of connectors, also of those whose own code runs elsewhere.
    """
    connectors = []
    for name in dict.fromkeys([*work.connectors, *(task.connector for task in work.tasks)]):
        running = work.connectors.get(name)
        config = configs.get(name) or (running.config if running is not None else {})
        connectors.append(
            ConnectorNumbers(
                name=name,
                state=None if running is None else running.state,
                kind=work.questions.kind_of(config),
                version=None if running is None else running.version,
                config=config,
            )
        )
    kinds = {each.name: each.kind for each in connectors}
    return Taken(
        connectors=connectors,
        tasks=[take_task(status, kinds[task.connector], pages) for task, status in sorted(work.tasks.items())],
        startups=dict(work.startups.counts),
        rebalances=rebalances,
        processes={"herder": os.getpid(), "supervisor": os.getppid()},
    )


def take_task(status: TaskStatus, kind: str, pages: Pages) -> TaskNumbers:
    """What a task's page says now; what is not of the process that the status is about is left out."""
    now: dict[str, int] = {}
    latency: list[int] = []
    silent_s = None
    if status.epoch:
        page = pages.page(status.slot)
        counters, buckets = page.counters(), page.latency()
        whole = all(-1 <= value < _MOST for value in counters.values()) and all(0 <= count < _MOST for count in buckets)
        if page.epoch == status.epoch and whole:  # asked after: the next process may have taken the page over meanwhile
            now, latency = counters, buckets
            beat_ns = counters["heartbeat_ns"]
            silent_s = max(0.0, (boottime_ns() - beat_ns) / 1e9) if beat_ns and status.pid is not None else None
    return TaskNumbers(
        id=status.id,
        kind=kind,
        state=State(status.state),
        restarts=max(0, status.started_count - 1),
        failures=status.failures,
        now=now,
        total=metrics.added(status.earlier, now),
        latency=latency,
        silent_s=silent_s,
        pid=status.pid,
    )


def render(taken: Taken) -> bytes:
    """The numbers as Prometheus reads them."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.registry import Collector

    class Once(Collector):
        def collect(self) -> Iterator[Any]:
            return _families(taken)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Once())
    return generate_latest(registry)


def _families(taken: Taken) -> Iterator[Any]:
    yield from _task_families(taken.tasks)
    yield from _connector_families(taken)
    yield from _worker_families(taken)
    if taken.rebalances is not None:
        yield from _rebalance_families(taken.rebalances)


def _of_kind(tasks: list[TaskNumbers], kind: str | None) -> list[TaskNumbers]:
    return [task for task in tasks if task.total and kind in (None, task.kind)]


def _of(task: TaskNumbers) -> list[str]:
    return [task.id.connector, str(task.id.task)]


def _task_families(tasks: list[TaskNumbers]) -> Iterator[Any]:
    labels = ("connector", "task")
    for metric in table.TASK_METRICS:
        family = _family(metric.exported, labels)
        for task in _of_kind(tasks, metric.kind):
            value = metric.value(task)
            if value is not None:
                family.add_metric(_of(task), value)
        yield family
    for times in table.TASK_TIMES:
        family = _family(times.exported, labels)
        for task in _of_kind(tasks, times.kind):
            family.add_metric(_of(task), times.number_of(task), times.sum(task))
        yield family
    for exported, kind in ((table.WRITE_LATENCY, "source"), (table.PUT_LATENCY, "sink")):
        family = _family(exported, labels)
        for task in _of_kind(tasks, kind):
            if any(task.latency):  # most of what 200 idle connectors would tell
                family.add_metric(_of(task), *_histogram(task.latency))
        yield family
    memory, status = _family(table.MEMORY, labels), _family(table.TASK_STATUS, labels)
    for task in tasks:
        for kind, value in (_memory(task.pid) if task.pid is not None else {}).items():
            memory.add_metric([*_of(task), kind], value)
        for state in State:
            status.add_metric([*_of(task), state.name.lower()], float(task.state is state))
    yield memory
    yield status


def _connector_families(taken: Taken) -> Iterator[Any]:
    status = _family(table.CONNECTOR_STATUS, ("connector",))
    counts = _family(table.CONNECTOR_TASK_COUNT, ("connector",))
    info = _family(table.CONNECTOR_INFO, ("connector",))
    transforms = _family(table.TRANSFORM_INFO, ("connector",))
    predicates = _family(table.PREDICATE_INFO, ("connector",))
    about: dict[str, list[str]] = {}
    tasks = Counter((task.id.connector, task.state) for task in taken.tasks)
    for each in taken.connectors:
        for state in State:
            if each.state is not None:
                status.add_metric([each.name, state.name.lower()], float(each.state is state))
            counts.add_metric([each.name, state.name.lower()], tasks[each.name, state])
        about[each.name] = [each.config.get("connector.class") or "", each.kind, each.version or ""]
        info.add_metric([each.name], dict(zip(table.CONNECTOR_INFO.labels, about[each.name], strict=True)))
        for family, prefix, label in ((transforms, "transforms", "transform"), (predicates, "predicates", "predicate")):
            for alias in (each.config.get(prefix) or "").replace(",", " ").split():
                of_plugin = {label: alias, f"{label}_class": each.config.get(f"{prefix}.{alias}.type") or ""}
                family.add_metric([each.name], of_plugin)
    yield from (status, counts, info, transforms, predicates)
    of_tasks = _family(table.TASK_INFO, ("connector", "task"))
    configs = {each.name: each.config for each in taken.connectors}
    for task in taken.tasks:
        config = configs.get(task.id.connector, {})
        converters = [config.get(f"{kind}.converter") or "" for kind in ("key", "value", "header")]
        values = [*about.get(task.id.connector, ["", task.kind, ""]), *converters]
        of_tasks.add_metric(_of(task), dict(zip(table.TASK_INFO.labels, values, strict=True)))
    yield of_tasks


def _worker_families(taken: Taken) -> Iterator[Any]:
    yield _single(table.CONNECTOR_COUNT, sum(each.state is not None for each in taken.connectors))
    yield _single(table.TASK_COUNT, len(taken.tasks))
    for exported, count in zip(table.STARTUPS, taken.startups.values(), strict=True):
        yield _single(exported, count)
    memory = _family(table.WORKER_MEMORY, ())
    for name, pid in taken.processes.items():
        if (rss := _memory(pid, pss=False).get("rss")) is not None:
            memory.add_metric([name], rss)
    yield memory


def _rebalance_families(now: Rebalances) -> Iterator[Any]:
    info = _family(table.REBALANCE_INFO, ())
    info.add_metric([], {"connect_protocol": now.protocol, "leader_name": now.leader})
    yield info
    yield _single(table.REBALANCE_EPOCH, now.generation)
    yield _single(table.REBALANCING, int(now.rebalancing))
    times = _family(table.REBALANCE_SECONDS, ())
    times.add_metric([], now.completed, now.total_s)
    yield times
    yield _single(table.REBALANCE_MAX, now.longest_s)
    if now.last_at is not None:
        yield _single(table.SINCE_REBALANCE, time.monotonic() - now.last_at)


def _single(exported: Exported, value: float) -> Any:
    family = _family(exported, ())
    family.add_metric([], value)
    return family


def _family(exported: Exported, labels: tuple[str, ...]) -> Any:
    from prometheus_client import core

    kinds: dict[str, Callable[..., Any]] = {
        "counter": core.CounterMetricFamily,
        "gauge": core.GaugeMetricFamily,
        "summary": core.SummaryMetricFamily,
        "histogram": core.HistogramMetricFamily,
        "info": core.InfoMetricFamily,
    }
    names = labels if exported.kind == "info" else (*labels, *exported.labels)  # an info's own labels are its value
    return kinds[exported.kind](exported.name.removesuffix("_info"), exported.meaning, labels=names)


def _histogram(latency: list[int]) -> tuple[list[tuple[str, int]], float]:
    """Prometheus' buckets of ours, which are two to a doubling, and their sum, by the middle of each."""
    buckets = [(str(2.0**limit / 1e6), sum(latency[: 2 * limit])) for limit in LATENCY_LIMITS]
    buckets.append(("+Inf", sum(latency)))
    return buckets, sum(count * 2.0 ** (bucket / 2 + 0.25) / 1e6 for bucket, count in enumerate(latency))


def _memory(pid: int, *, pss: bool = True) -> dict[str, int]:
    """The memory of a process in bytes; what the kernel does not tell is left out."""
    try:
        if not pss:
            return {"rss": int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")}
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (OSError, IndexError, ValueError):
        return {}
    found = {name: line for line in lines for name in ("Pss", "Rss") if line.startswith(f"{name}:")}
    return {name.lower(): int(line.split()[1]) * 1024 for name, line in found.items()}
