"""One file, the whole process: `fastconnect ingest` against a file -> Kafka route of mq-bridge."""

from __future__ import annotations

from bench import data, ours
from bench.rivals import mq_bridge
from bench.scenario import Contestant, Goal, Scenario

SCENARIO = Scenario(
    name="file_vs_mq_bridge",
    title="one file, 1 task, whole process, against mq-bridge",
    contestants=[
        Contestant("fastconnect", lambda turn: ours.ingest(turn, data.files(turn.lines)), version=ours.version),
        Contestant(
            "mq-bridge", lambda turn: mq_bridge.send_file(turn, data.files(turn.lines)[0], False), version=mq_bridge.version
        ),
        Contestant(
            "mq-bridge tuned",
            lambda turn: mq_bridge.send_file(turn, data.files(turn.lines)[0], True),
            version=mq_bridge.version,
        ),
    ],
    goals=[
        Goal("one file, whole process: records/s against mq-bridge", "records_per_second", 12, "at least", against="mq-bridge"),
        Goal(
            "one file, whole process: records/s against mq-bridge, tuned",
            "records_per_second",
            1,
            "at least",
            against="mq-bridge tuned",
        ),
    ],
    notes="mq-bridge runs once with its own defaults, once with the fastest settings that were found"
    " (batches of 10,000, the shared producer settings but linger.ms=0).",
)
