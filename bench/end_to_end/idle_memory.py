"""Memory of all processes while 8 connected tasks have nothing to do."""

from __future__ import annotations

import statistics
import time
from functools import partial

from bench import ours
from bench.processes import Program, pss_mb_of, tree_of
from bench.rivals import kafka_connect
from bench.scenario import Contestant, Figures, Goal, Scenario, Turn
from bench.topics import wait_until

TASKS = 8
SETTLE_S = 5  # Kafka Connect's heap and our first offset flush have come to rest
# A third of what its start script gives it; with less it spent its time in the collector.
SMALL_JVM = ["-Xms64m", "-Xmx384m", "-XX:+UseSerialGC"]


def fastconnect(turn: Turn) -> Figures:
    settings = {"topic": turn.topic, "count": TASKS, "then.idle": "true"}
    with ours.start(turn, ours.run_command(turn, "dict_source.properties", TASKS, settings)) as program:
        return idle(turn, program)


def connect(turn: Turn) -> Figures:
    source = kafka_connect.dict_source(turn, TASKS, TASKS)
    with kafka_connect.worker(turn, [source], kafka_connect.JSON, SMALL_JVM) as program:
        return idle(turn, program)


def idle(turn: Turn, program: Program) -> Figures:
    """One record of each task shows that its producer is connected; from then on there is nothing to do."""
    wait_until(partial(_all_sent, turn, program), f"each of the {TASKS} tasks has delivered its record")
    time.sleep(SETTLE_S)
    samples = []
    for _ in range(3):
        samples.append(pss_mb_of(tree_of(program.pid)))
        time.sleep(1)
    return {"pss_mb": statistics.median(samples), "processes": len(tree_of(program.pid))}


def _all_sent(turn: Turn, program: Program) -> bool:
    if program.poll():
        raise RuntimeError(f"It ended too early:\n{program.last_words()}")
    return turn.topics.count(turn.topic) == TASKS


SCENARIO = Scenario(
    name="idle_memory",
    title="memory of 8 connected idle tasks, all processes together (PSS)",
    contestants=[
        Contestant("fastconnect", fastconnect, version=ours.version),
        Contestant("Kafka Connect", connect, version=kafka_connect.version),
    ],
    goals=[Goal("memory of 8 idle tasks, all processes: PSS in MB", "pss_mb", 90, "at most")],
    notes="Sum of Pss in /proc/PID/smaps_rollup over the process tree (supervisor, herder, 8 tasks; or the JVM), 5 s after "
    "every task has delivered one record; median of 3 looks. MB are 10^6 bytes.",
    settings={"JVM": SMALL_JVM},
    repeats=3,
    warm_up=False,
)
