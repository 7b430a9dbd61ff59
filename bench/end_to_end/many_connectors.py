"""200 connectors of one task each on one worker that have nothing to do: how soon all run, and what they cost then."""

from __future__ import annotations

import json
import statistics
import time
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

from bench import ours
from bench.processes import Program, ProgramFailedError, cpu_seconds_of, pss_mb_of, title_of, tree_of
from bench.scenario import Contestant, Figures, Goal, Scenario, Turn
from bench.topics import wait_until

CONNECTORS = 200
SETTLE_S = 5
IDLE_S = 10
ASKS = 500


def sources(turn: Turn) -> Figures:
    file = turn.folder / "one-line.txt"
    file.write_text("one\n")
    return _run(turn, f"connector.class=FileStreamSource\nfile={file}\ntopic={turn.topic}\n")


def sinks(turn: Turn) -> Figures:
    return _run(turn, f"connector.class=NullSink\ntopics={turn.topic}\n")


def _run(turn: Turn, config: str) -> Figures:
    count = 20 if turn.quick else CONNECTORS
    files = []
    for number in range(count):
        name = f"{turn.topic}-{number}"
        files.append(turn.folder / f"{name}.properties")
        files[-1].write_text(f"name={name}\ntasks.max=1\n{config}")
    argv = [ours.PROGRAM, "run", *map(str, files), "--bootstrap-servers", turn.bootstrap]
    argv += ["--worker", str(ours.worker_file(turn)), "--rest", "127.0.0.1:0"]
    began = time.monotonic()
    with ours.start(turn, argv) as program:
        wait_until(lambda: rest_url(turn.folder / "fastconnect.log", program), "the REST API listens", every_s=0.1)
        url = rest_url(turn.folder / "fastconnect.log", program)
        wait_until(partial(_all_run, url, count), "all tasks run", every_s=0.25)
        figures = {"all_running_seconds": time.monotonic() - began, "start_cpu_seconds": cpu_seconds_of(tree_of(program.pid))}
        time.sleep(SETTLE_S)
        return figures | _idle(program) | _asked(url)


def rest_url(log: Path, program: Program) -> str:
    """Where the REST API listens, as the log says; empty until it does."""
    if program.poll():
        raise ProgramFailedError(f"It ended too early:\n{program.last_words()}")
    line = next((line for line in log.read_text().splitlines() if " url=http" in line), "")
    return line.partition(" url=")[2].split()[0] if line else ""


def _all_run(url: str, count: int) -> bool:
    connectors: dict[str, Any] = json.loads(_get(f"{url}/connectors?expand=status"))
    states = [task["state"] for each in connectors.values() for task in each["status"]["tasks"]]
    return states.count("RUNNING") == count


def _idle(program: Program) -> Figures:
    pids = tree_of(program.pid)
    tasks = [pid for pid in pids if title_of(pid).startswith("fastconnect task")]
    before = cpu_seconds_of(pids)
    time.sleep(IDLE_S)
    cpu = cpu_seconds_of(pids) - before
    return {
        "task_pss_mb": pss_mb_of(tasks) / len(tasks),
        "all_pss_mb": pss_mb_of(pids),
        "idle_cpu_percent": cpu / IDLE_S * 100,
    }


def _asked(url: str) -> Figures:
    """How long answers take, one question after the other."""
    took_ms = []
    for _ in range(ASKS):
        began = time.perf_counter()
        _get(f"{url}/connectors")
        took_ms.append((time.perf_counter() - began) * 1000)
    began = time.perf_counter()
    _get(f"{url}/metrics")
    return {
        "get_connectors_p50_ms": statistics.median(took_ms),
        "get_connectors_p99_ms": sorted(took_ms)[ASKS * 99 // 100],
        "get_metrics_ms": (time.perf_counter() - began) * 1000,
    }


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        body: bytes = answer.read()
        return body


SCENARIO = Scenario(
    name="many_connectors",
    title="200 idle connectors of one task each on one worker",
    contestants=[
        Contestant("fastconnect", sources, version=ours.version),
        Contestant("fastconnect sinks", sinks, version=ours.version),
    ],
    goals=[
        Goal("200 connectors: seconds until all tasks run", "all_running_seconds", 15, "at most"),
        Goal("200 connectors: PSS of a task in MB", "task_pss_mb", 8, "at most"),
        Goal("200 sinks: PSS of a task in MB", "task_pss_mb", 8, "at most", ours="fastconnect sinks"),
        Goal("GET /connectors with 200 idle connectors: p99 in ms", "get_connectors_p99_ms", 10, "at most"),
    ],
    notes="Connectors from 200 files; from the command's start until GET /connectors?expand=status shows 200 tasks RUNNING. "
    "Sources follow a file that does not grow, sinks read a topic that stays empty. PSS 15 s later, MB are 10^6 bytes; CPU in "
    "percent of one core. Answers are asked for one after the other by Python's urllib.",
    repeats=3,
    warm_up=False,
)
