"""kill -9 of a task, 100 times: how long until its next record is in Kafka."""

from __future__ import annotations

import bisect
import os
import random
import signal
import time

import msgspec

from bench import ours
from bench.end_to_end.start_time import BROKER_TIME
from bench.processes import ProgramFailedError
from bench.scenario import Contestant, Figures, Goal, Scenario, Turn
from bench.topics import wait_until

KILLS = 100
RATE = 1000  # records a second: the next one is due within a millisecond, so that what is measured is the restart
# Every kill shall meet a task that counts as healthy again, as it would after a minute in real life.
HEALTHY_AFTER_MS = 300
PAUSE_S = (0.6, 1.1)


def kill_again_and_again(turn: Turn) -> Figures:
    kills = 10 if turn.quick else KILLS
    pauses = random.Random(1)  # the same pauses in every run
    killed_at_ms = []
    ours.worker_file(turn, restart_healthy_after_ms=HEALTHY_AFTER_MS)
    settings = {"topic": turn.topic, "rate": RATE, "count": 100_000_000, "size": 100}
    with ours.start(turn, ours.run_command(turn, "sequence_source.properties", 1, settings)) as program:
        for _ in range(kills):
            before = turn.topics.count(turn.topic)
            wait_until(lambda before=before: turn.topics.count(turn.topic) > before + RATE // 10, "the task delivers again")  # type: ignore[misc]
            time.sleep(pauses.uniform(*PAUSE_S))
            if program.poll():
                raise ProgramFailedError(f"It ended too early:\n{program.last_words()}")
            victim = ours.processes(program, "task")[0]
            os.kill(victim, signal.SIGKILL)
            killed_at_ms.append(time.time() * 1000)
        before = turn.topics.count(turn.topic)
        wait_until(lambda: turn.topics.count(turn.topic) > before + RATE // 10, "the task delivers again")
    waits = sorted(waits_of(turn, killed_at_ms))
    return {
        "kills": kills,
        "p50_ms": waits[len(waits) // 2],
        "p99_ms": waits[max(0, -(-len(waits) * 99 // 100) - 1)],
        "max_ms": waits[-1],
    }


def waits_of(turn: Turn, killed_at_ms: list[float]) -> list[float]:
    """From each kill to the broker's append time of the first record that was made after it, hence by the new process."""
    made_ms = msgspec.json.Decoder(type=_Made)
    records = sorted(
        (made_ms.decode(message.value() or b"").ts, message.timestamp()[1]) for message in turn.topics.read(turn.topic)
    )
    waits = []
    for killed in killed_at_ms:
        first = bisect.bisect(records, (int(killed) + 1, 0))  # a record made in the same millisecond may be the old process's
        waits.append(records[first][1] - killed)
    return waits


class _Made(msgspec.Struct):
    ts: int  # when the task made the record, ms


SCENARIO = Scenario(
    name="recovery",
    title="kill -9 of a task -> its next delivered record, 100 times",
    contestants=[Contestant("fastconnect", kill_again_and_again, BROKER_TIME, ours.version)],
    goals=[Goal("kill -9 of a task until its next delivered record: p99 in ms", "p99_ms", 150, "at most")],
    notes="SequenceSource, one task, 1,000 records a second. From just after the kill to the broker's append time of the "
    "first record made later (its own `ts`): the broker must run on this machine. restart.healthy.after.ms=300 lets "
    "every kill be a first failure.",
    settings={"rate": RATE, "kills": KILLS, "restart.healthy.after.ms": HEALTHY_AFTER_MS, "seconds between kills": PAUSE_S},
    repeats=1,
    warm_up=False,
)
