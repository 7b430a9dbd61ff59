"""How long GET /connectors takes with 200 connectors while 8 tasks send as fast as they can."""

from __future__ import annotations

import http.client
import json
import statistics
import time
from functools import partial
from urllib.parse import urlsplit

from bench import ours
from bench.end_to_end.many_connectors import rest_url
from bench.scenario import Contestant, Figures, Goal, Scenario, Turn
from bench.topics import wait_until

CONNECTORS = 200
TASKS = 8
ASKS = 1000


def idle(turn: Turn) -> Figures:
    return _run(turn, busy_tasks=0)


def busy(turn: Turn) -> Figures:
    return _run(turn, busy_tasks=TASKS)


def _run(turn: Turn, busy_tasks: int) -> Figures:
    argv = [ours.PROGRAM, "run", "--bootstrap-servers", turn.bootstrap, "--worker", str(ours.worker_file(turn))]
    with ours.start(turn, [*argv, "--rest", "127.0.0.1:0"]) as program:
        log = turn.folder / "fastconnect.log"
        wait_until(lambda: rest_url(log, program), "the REST API listens", every_s=0.05)
        client = _Client(rest_url(log, program))
        for number in range(20 if turn.quick else CONNECTORS):
            config = {"connector.class": "SequenceSource", "topic": turn.topic, "count": "1"}
            client.ask("POST", "/connectors", {"name": f"idle-{number}", "config": config, "initial_state": "STOPPED"})
        if busy_tasks:
            config = {"connector.class": "SequenceSource", "topic": turn.topic, "tasks.max": str(busy_tasks)}
            client.ask("PUT", "/connectors/busy/config", config)
            wait_until(partial(_all_run, client, busy_tasks), "the busy tasks run", every_s=0.1)
        return client.asked("GET", "/connectors")


def _all_run(client: _Client, count: int) -> bool:
    status = json.loads(client.ask("GET", "/connectors/busy/status"))
    return [task["state"] for task in status["tasks"]] == ["RUNNING"] * count


class _Client:
    """One connection that stays open."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)

    def ask(self, method: str, path: str, body: object = None) -> bytes:
        data = None if body is None else json.dumps(body)
        self._connection.request(method, path, data, {} if data is None else {"Content-Type": "application/json"})
        return self._connection.getresponse().read()

    def asked(self, method: str, path: str) -> Figures:
        took_ms = []
        for _ in range(ASKS):
            began = time.perf_counter()
            self.ask(method, path)
            took_ms.append((time.perf_counter() - began) * 1000)
        return {"p50_ms": statistics.median(took_ms), "p99_ms": sorted(took_ms)[ASKS * 99 // 100]}


SCENARIO = Scenario(
    name="rest_busy",
    title="GET /connectors with 200 connectors",
    contestants=[
        Contestant("fastconnect idle", idle, version=ours.version),
        Contestant("fastconnect busy", busy, version=ours.version),
    ],
    goals=[
        Goal("GET /connectors with 200 connectors: p99 in ms", "p99_ms", 10, "at most", ours="fastconnect idle"),
        Goal("GET /connectors beside 8 busy tasks: p99 in ms", "p99_ms", 100, "at most", ours="fastconnect busy"),
    ],
    notes="200 stopped connectors; busy: one more with 8 tasks that make and send numbers without a pause. 1000 requests one "
    "after the other on one connection.",
    repeats=3,
    warm_up=False,
)
