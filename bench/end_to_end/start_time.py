"""From the start of the command to the first record of each of 8 tasks in Kafka."""

from __future__ import annotations

from functools import partial

from bench import ours
from bench.processes import Program, ProgramFailedError
from bench.rivals import kafka_connect
from bench.scenario import Contestant, Figures, Goal, Scenario, Turn
from bench.settings import PARTITIONS
from bench.topics import wait_until

TASKS = PARTITIONS  # task n writes to partition n
# The broker notes when it appended a record: exact to the millisecond, and nobody has to ask while it starts.
BROKER_TIME = {"message.timestamp.type": "LogAppendTime"}


def fastconnect(turn: Turn) -> Figures:
    settings = {"topic": turn.topic, "count": TASKS, "partition.by.task": "true", "then.idle": "true"}
    with ours.start(turn, ours.run_command(turn, "dict_source.properties", TASKS, settings)) as program:
        return first_records(turn, program)


def connect(discovery: str, turn: Turn) -> Figures:
    source = kafka_connect.dict_source(turn, TASKS, TASKS, **{"partition.by.task": "true"})
    with kafka_connect.worker(turn, [source], kafka_connect.JSON, worker_settings={"plugin.discovery": discovery}) as program:
        return first_records(turn, program)


def first_records(turn: Turn, program: Program) -> Figures:
    """Seconds until the first task's and until the last task's first record was in the broker's log."""

    def all_there() -> bool:
        if program.poll():
            raise ProgramFailedError(f"It ended too early:\n{program.last_words()}")
        return min(turn.topics.end_offsets(turn.topic)) > 0

    wait_until(all_there, f"each of the {TASKS} tasks has delivered a record", every_s=0.2)
    firsts = [message.timestamp()[1] for message in turn.topics.read(turn.topic) if message.offset() == 0]
    return {
        "first_task_seconds": (min(firsts) - program.started_at_ms) / 1000,
        "all_tasks_seconds": (max(firsts) - program.started_at_ms) / 1000,
    }


SCENARIO = Scenario(
    name="start_time",
    title="from the command's start until 8 tasks have delivered their first record",
    contestants=[
        Contestant("fastconnect", fastconnect, BROKER_TIME, ours.version),
        Contestant("Kafka Connect", partial(connect, "hybrid_warn"), BROKER_TIME, kafka_connect.version),
        Contestant("Kafka Connect without plugin scan", partial(connect, "service_load"), BROKER_TIME, kafka_connect.version),
    ],
    goals=[Goal("command start until 8 tasks have delivered: seconds", "all_tasks_seconds", 0.7, "at most")],
    notes="From just before fork to the broker's append time of each task's first record: the broker must run on this machine. "
    "Kafka Connect with its default plugin.discovery=hybrid_warn, and with service_load.",
)
