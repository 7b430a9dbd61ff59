"""200 times kill -9 of a task, the herder or the supervisor at random moments: nothing is lost, and little comes twice."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from itertools import count

from bench import ours
from bench.processes import Program, ProgramFailedError, session_of
from bench.scenario import Contestant, Figures, Goal, Scenario, Turn
from bench.topics import wait_until
from fastconnect.connectors.sequence_source import verify

KILLS = 200
TASKS = 8
RATE = 1000  # records a second and task
PAUSE_S = (0.02, 1.0)  # from the middle of a start to the middle of steady work
VICTIMS = {"task": 6, "herder": 2, "supervisor": 2}  # how often each, in ten
FLUSH_S = 1.0  # offset.flush.interval.ms
# What a killed task may send again: what it sent since its last flush, which itself takes a moment.
REPEATED_S = FLUSH_S + 0.25
GONE_S = 5.0  # how soon after the supervisor's death all its children must be gone


def kill_at_random(turn: Turn) -> Figures:
    kills = 20 if turn.quick else KILLS
    records_a_task = int(RATE * kills * sum(PAUSE_S) / 2 * 1.2)
    chance = random.Random(2)  # the same victims and moments in every run
    ours.worker_file(turn, restart_healthy_after_ms=1, restart_max_failures=-1)
    settings = {"topic": turn.topic, "rate": RATE, "count": records_a_task, "size": 100}
    command = ours.run_command(turn, "sequence_source.properties", TASKS, settings, "--until-done")
    logs = count()

    def start() -> Program:
        return ours.start(turn, command, f"run-{next(logs)}.log")

    killed: Counter[str] = Counter()
    left_behind = 0
    started = time.monotonic()
    program = start()
    allowed, run_started = 0.0, time.monotonic()
    try:
        while killed.total() < kills:
            time.sleep(chance.uniform(*PAUSE_S))
            if program.poll():
                raise ProgramFailedError(
                    f"It ended with {program.status} after {killed.total()} kills:\n{program.last_words()}"
                )
            role = chance.choices(list(VICTIMS), list(VICTIMS.values()))[0]
            victims = [program.pid] if role == "supervisor" else ours.processes(program, role)
            if not victims:
                continue  # nobody of that role lives at this moment
            os.kill(chance.choice(victims), signal.SIGKILL)
            killed[role] += 1
            # Nobody sends again what he has not sent: right after a start that is less.
            repeated_s = min(REPEATED_S, time.monotonic() - run_started)
            allowed += RATE * repeated_s * {"task": 1, "herder": 0, "supervisor": TASKS}[role]
            if role == "supervisor":
                left_behind += _left_behind(program)
                program, run_started = start(), time.monotonic()
        program.wait(records_a_task / RATE + 120)
    finally:
        if program.status is None:
            program.stop(10)
    figures = audit(turn, records_a_task)
    return figures | {
        "duplicates_allowed": allowed,
        "duplicates_share": figures["duplicates"] / max(1, allowed),
        "left_behind": left_behind,
        "kills": killed.total(),
        **{f"kills_of_{role}": killed[role] for role in VICTIMS},
        "run_seconds": time.monotonic() - started,
    }


def audit(turn: Turn, records_a_task: int) -> Figures:
    """Read the topic and count: which records are there, how often, and whether they are what was sent."""
    seen = [bytearray(records_a_task) for _ in range(TASKS)]
    read = corrupt = 0
    for message in turn.topics.read(turn.topic):
        read += 1
        try:
            task, seq = verify(message.value() or b"")
            seen[task][seq] = 1
        except (ValueError, IndexError):
            corrupt += 1
    found = sum(map(sum, seen))
    return {
        "sent": TASKS * records_a_task,
        "lost": TASKS * records_a_task - found,
        "corrupt": corrupt,
        "duplicates": read - corrupt - found,
    }


def _left_behind(program: Program) -> int:
    """Processes of a killed supervisor that are still there after their time; they are ended, and counted against us."""
    while not program.poll():
        time.sleep(0.01)
    try:
        wait_until(lambda: not session_of(program.pid), "", GONE_S)
    except TimeoutError:
        left = session_of(program.pid)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        return len(left)
    return 0


SCENARIO = Scenario(
    name="kills",
    title="200 random kill -9 of a task, the herder, the supervisor; rerun to the end",
    contestants=[Contestant("fastconnect", kill_at_random, version=ours.version)],
    goals=[
        Goal("200 random kills: records lost", "lost", 0, "at most"),
        Goal("200 random kills: records damaged", "corrupt", 0, "at most"),
        Goal("200 random kills: duplicates, share of what was sent since the last flush", "duplicates_share", 1, "at most"),
        Goal("200 random kills: processes left behind", "left_behind", 0, "at most"),
    ],
    notes="SequenceSource, 8 tasks, 1,000 records a second each; every record is looked for by task and sequence number and "
    "its checksum verified. Duplicates allowed: what the killed tasks sent in the flush interval and 0.25 s.",
    settings={"rate": RATE, "kills": KILLS, "victims in ten": VICTIMS, "seconds between kills": PAUSE_S},
    repeats=1,
    warm_up=False,
)
