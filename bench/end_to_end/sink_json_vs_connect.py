"""A sink that looks into every decoded JSON object, 1 task: a Python task against the same in Java under Kafka Connect."""

from __future__ import annotations

from bench import data, ours
from bench.rivals import kafka_connect
from bench.rivals.kafka_connect import JSON
from bench.scenario import Contestant, Figures, Goal, Scenario, Turn

RIVAL = "Kafka Connect, Java sink"


def fastconnect(turn: Turn) -> Figures:
    ours.fill(turn, data.files(turn.lines)[0])
    return ours.count(turn, JSON, read="values")


def connect(turn: Turn) -> Figures:
    ours.fill(turn, data.files(turn.lines)[0])
    return kafka_connect.count(turn, JSON, read="values")


SCENARIO = Scenario(
    name="sink_json_vs_connect",
    title="a sink that reads a field of every JSON object, 1 task, put part, against the same in Java under Kafka Connect",
    contestants=[
        Contestant("fastconnect", fastconnect, version=ours.version),
        Contestant(RIVAL, connect, version=kafka_connect.version),
    ],
    goals=[
        Goal("sink, JSON: records/s against Kafka Connect", "put_records_per_second", 3.5, "at least", against=RIVAL),
        Goal("sink, JSON: CPU a record in µs against Kafka Connect", "put_cpu_us_per_record", 0.2, "at most", against=RIVAL),
    ],
    notes="The topic is filled first, which does not count. JsonConverter with schemas.enable=false; both sinks add up the "
    "field id of all records. From the first put to the last, by the clocks of the sinks themselves. CPU: of the same time "
    "(/proc).",
    settings={"consumer of Java": kafka_connect.JAVA_CONSUMER},
)
