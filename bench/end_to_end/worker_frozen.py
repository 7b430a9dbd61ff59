"""One of three distributed workers is stopped (SIGSTOP) beyond its session, and goes on: it writes nothing any more."""

from __future__ import annotations

import signal

from bench import group, ours
from bench.scenario import Contestant, Figures, Goal, Scenario, Turn

TIMES = 5
SESSION_MS = 6_000  # the least that brokers allow


def freeze(turn: Turn) -> Figures:
    times = 1 if turn.quick else TIMES
    zombie_writes = 0.0
    with group.running(turn, session_timeout_ms=str(SESSION_MS), heartbeat_interval_ms="1000") as workers:
        for number in range(times):
            victim = workers.workers[number % group.WORKERS]
            witness = workers.workers[(number + 1) % group.WORKERS]
            workers.until_all_run(witness)
            victim.signal(signal.SIGSTOP)
            workers.until_all_run(witness, without=victim)
            group.pause(2)
            before = group.audit(turn)["duplicates"]
            victim.signal(signal.SIGCONT)
            victim.until_ready()
            workers.until_all_run(witness)
            group.pause(2)
            zombie_writes += group.audit(turn)["duplicates"] - before
        workers.stop_sending()
        return group.audit(turn) | {"zombie_writes": zombie_writes, "times": times}


SCENARIO = Scenario(
    name="worker_frozen",
    title="a worker is stopped beyond its session, and goes on",
    contestants=[Contestant("fastconnect", freeze, group.BROKER_TIME, ours.version)],
    goals=[
        Goal("worker stopped beyond its session: records written after it", "zombie_writes", 0, "at most"),
        Goal("worker stopped beyond its session: records lost", "lost", 0, "at most"),
    ],
    notes="All its processes get SIGSTOP; when its tasks run elsewhere and are far ahead, SIGCONT. Whatever it then still "
    "wrote would be there twice.",
    settings={"tasks": group.TASKS, "records a second and task": group.RATE, "session.timeout.ms": SESSION_MS},
    repeats=1,
    warm_up=False,
)
