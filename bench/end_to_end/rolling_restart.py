"""SIGTERM and a new start of each of three distributed workers, under load: nothing lost, nothing twice, little waiting."""

from __future__ import annotations

from bench import group, ours
from bench.scenario import Contestant, Figures, Goal, Scenario, Turn


def restart_all(turn: Turn) -> Figures:
    rounds = 1 if turn.quick else 3
    with group.running(turn) as workers:
        group.pause(2)
        for _ in range(rounds):
            for number, worker in enumerate(workers.workers):
                witness = workers.workers[(number + 1) % group.WORKERS]
                worker.program.stop(15)
                workers.until_all_run(witness, without=worker)
                worker.start()
                worker.until_ready()
                workers.until_all_run(witness)
                group.pause(2)
        workers.stop_sending()
        return group.audit(turn) | {"restarts": rounds * group.WORKERS}


SCENARIO = Scenario(
    name="rolling_restart",
    title="rolling restart of three workers under load",
    contestants=[Contestant("fastconnect", restart_all, group.BROKER_TIME, ours.version)],
    goals=[
        Goal("rolling restart of 3 workers: records lost", "lost", 0, "at most"),
        Goal("rolling restart of 3 workers: records twice", "duplicates", 0, "at most"),
        Goal(
            "rolling restart of 3 workers: longest time without a record of some task, ms",
            "longest_silence_ms",
            3000,
            "at most",
        ),
    ],
    notes="Three rounds: each worker in turn is ended by SIGTERM and started anew. The longest silence is between two records "
    "of the same task, by the broker's clock: it includes the hand-over, there and back, and everything else.",
    settings={"tasks": group.TASKS, "records a second and task": group.RATE},
    repeats=1,
    warm_up=False,
)
