"""A sink that only counts bytes of 100 B, 1 task: a Python task of ours against the same in Java under Kafka Connect."""

from __future__ import annotations

from bench import data, ours
from bench.rivals import kafka_connect
from bench.rivals.kafka_connect import BYTES
from bench.scenario import Contestant, Figures, Goal, Scenario, Turn

RIVAL = "Kafka Connect, Java sink"


def fastconnect(turn: Turn) -> Figures:
    ours.fill(turn, data.files(turn.lines, make=data.line_of_100_bytes)[0])
    return ours.count(turn, BYTES, read="nothing")


def connect(turn: Turn) -> Figures:
    ours.fill(turn, data.files(turn.lines, make=data.line_of_100_bytes)[0])
    return kafka_connect.count(turn, BYTES, read="nothing")


SCENARIO = Scenario(
    name="sink_bytes_vs_connect",
    title="a sink that counts records of 100 bytes, 1 task, put part, against the same in Java under Kafka Connect",
    contestants=[
        Contestant("fastconnect", fastconnect, version=ours.version),
        Contestant(RIVAL, connect, version=kafka_connect.version),
    ],
    goals=[
        Goal("sink, 100 bytes: records/s against Kafka Connect", "put_records_per_second", 2.3, "at least", against=RIVAL),
        Goal(
            "sink, 100 bytes: CPU a record in µs against Kafka Connect", "put_cpu_us_per_record", 0.2, "at most", against=RIVAL
        ),
    ],
    notes="The topic is filled first, which does not count. ByteArrayConverter. From the first put to the last, by the clocks "
    "of the sinks themselves. CPU: of the same time (/proc).",
    settings={"consumer of Java": kafka_connect.JAVA_CONSUMER},
)
