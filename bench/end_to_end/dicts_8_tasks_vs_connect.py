"""A dict and an offset dict a record, 8 tasks: a Python task of ours against the same in Java under Kafka Connect."""

from __future__ import annotations

from functools import partial

from bench import ours
from bench.rivals import kafka_connect
from bench.scenario import Contestant, Goal, Scenario

RIVAL = "Kafka Connect, Java source"

SCENARIO = Scenario(
    name="dicts_8_tasks_vs_connect",
    title="a dict and an offset dict a record to JSON, 8 tasks, send part, against the same in Java under Kafka Connect",
    contestants=[
        Contestant("fastconnect", partial(ours.run_dicts, 8), version=ours.version),
        Contestant(RIVAL, kafka_connect.send_dicts(8), version=kafka_connect.version),
    ],
    goals=[
        Goal(
            "a dict a record, 8 tasks: records/s against Kafka Connect",
            "send_records_per_second",
            3.5,
            "at least",
            against=RIVAL,
        ),
    ],
    notes="Both make 2,000 records a poll. From the first record in the topic to the last one, end offsets asked for every "
    "10 ms. CPU: of the same time (/proc).",
)
