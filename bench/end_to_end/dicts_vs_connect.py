"""A dict and an offset dict a record, 1 task: a Python task of ours against the same in Java under Kafka Connect."""

from __future__ import annotations

from functools import partial

from bench import ours
from bench.rivals import kafka_connect
from bench.scenario import Contestant, Goal, Scenario

RIVAL = "Kafka Connect, Java source"

SCENARIO = Scenario(
    name="dicts_vs_connect",
    title="a dict and an offset dict a record to JSON, 1 task, send part, against the same in Java under Kafka Connect",
    contestants=[
        Contestant("fastconnect", partial(ours.run_dicts, 1), version=ours.version),
        Contestant(RIVAL, kafka_connect.send_dicts(1), version=kafka_connect.version),
    ],
    goals=[
        Goal(
            "a dict a record, 1 task: records/s against Kafka Connect",
            "send_records_per_second",
            2.8,
            "at least",
            against=RIVAL,
        ),
        Goal(
            "a dict a record, 1 task: CPU a record in µs against Kafka Connect",
            "send_cpu_us_per_record",
            0.2,
            "at most",
            against=RIVAL,
        ),
    ],
    notes="Both make 2,000 records a poll. From the first record in the topic to the last one, end offsets asked for every "
    "10 ms. CPU: of the same time (/proc).",
)
