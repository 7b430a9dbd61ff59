"""One file, one task, the send part: `fastconnect ingest` against Kafka Connect's FileStreamSource."""

from __future__ import annotations

from bench import data, ours
from bench.rivals import kafka_connect
from bench.scenario import Contestant, Goal, Scenario

RIVAL = "Kafka Connect FileStreamSource"

SCENARIO = Scenario(
    name="file_vs_connect",
    title="one file, 1 task, send part, against Kafka Connect's FileStreamSource",
    contestants=[
        Contestant("fastconnect", lambda turn: ours.ingest(turn, data.files(turn.lines)), version=ours.version),
        Contestant(RIVAL, lambda turn: kafka_connect.send_file(turn, data.files(turn.lines)[0]), version=kafka_connect.version),
    ],
    goals=[
        Goal("one file, send part: records/s against Kafka Connect", "send_records_per_second", 5, "at least", against=RIVAL)
    ],
    notes="From the first record in the topic to the last one: by fastconnect's own account (first to last "
    "acknowledgement), of Kafka Connect by asking for the topic's end offsets every 10 ms.",
)
