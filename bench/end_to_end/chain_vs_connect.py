"""InsertField, MaskField and RegexRouter on JSON objects, 1 task: against the same chain on Kafka Connect."""

from __future__ import annotations

from bench import ours
from bench.rivals import kafka_connect
from bench.scenario import Contestant, Goal, Scenario
from bench.settings import SCENARIOS

RIVAL = "Kafka Connect, Java source"
CONFIG = "json_chain.properties"
# The very same lines; in the file of one of our connectors they have Java's escapes.
CHAIN = dict(
    line.replace("\\\\", "\\").split("=", 1)
    for line in (SCENARIOS / CONFIG).read_text().splitlines()
    if line.startswith("transforms")
)

SCENARIO = Scenario(
    name="chain_vs_connect",
    title="JSON objects through InsertField, MaskField and RegexRouter, 1 task, send part, against the same on Kafka Connect",
    contestants=[
        Contestant("fastconnect", lambda turn: ours.send_json(turn, CONFIG), version=ours.version),
        Contestant(RIVAL, kafka_connect.send_dicts_through(CHAIN), version=kafka_connect.version),
    ],
    goals=[
        Goal(
            "a chain of three transforms: records/s against Kafka Connect",
            "send_records_per_second",
            2,
            "at least",
            against=RIVAL,
        ),
    ],
    notes="fastconnect reads and parses a file of JSON lines. Kafka Connect has no such source: its records are made in memory "
    "by our Java source, as Maps with the same fields, which is less work. From the first record in the topic to the last one, "
    "end offsets asked for every 10 ms.",
)
