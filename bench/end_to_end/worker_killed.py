"""kill -9 of one of three distributed workers: how soon all its tasks run elsewhere, and that nothing is lost."""

from __future__ import annotations

import signal
import time

from bench import group, ours
from bench.scenario import Contestant, Figures, Goal, Scenario, Turn

SESSION_MS = 10_000  # the default, Kafka Connect's as well


def kill_the_leader(turn: Turn) -> Figures:
    with group.running(turn) as workers:
        victim, witness = workers.workers[0], workers.workers[1]
        group.pause(2)
        tasks = sum(owner == victim.id for owner in workers.owners(witness).values())
        began = time.monotonic()
        victim.signal(signal.SIGKILL, first=ours.processes(victim.program, "herder"))
        workers.until_all_run(witness, without=victim)
        recovery_ms = (time.monotonic() - began) * 1000
        group.pause(2)
        victim.program.poll()
        workers.workers.remove(victim)
        workers.stop_sending()
        return group.audit(turn) | {"recovery_ms": recovery_ms, "tasks_moved": tasks}


SCENARIO = Scenario(
    name="worker_killed",
    title="kill -9 of one of three workers",
    contestants=[Contestant("fastconnect", kill_the_leader, group.BROKER_TIME, ours.version)],
    goals=[
        Goal("worker of 3 killed: all its tasks run elsewhere, ms (session 10 s)", "recovery_ms", SESSION_MS + 1000, "at most"),
        Goal("worker of 3 killed: records lost", "lost", 0, "at most"),
    ],
    notes="The first worker, which mostly leads the group, is killed with all its processes. It ends when the last of its "
    "tasks is RUNNING on another worker, as the status says. longest_silence_ms: the longest time in which the broker got "
    "nothing of some task. Default settings: session.timeout.ms=10000, scheduled.rebalance.max.delay.ms=0.",
    settings={"tasks": group.TASKS, "records a second and task": group.RATE, "session.timeout.ms": SESSION_MS},
    repeats=3,
    warm_up=False,
)
