"""One file, the send part: `fastconnect ingest` against the usual loop with confluent-kafka."""

from __future__ import annotations

import json
import sys

import confluent_kafka

from bench import data, ours
from bench.processes import ProgramFailedError, run
from bench.scenario import Contestant, Figures, Goal, Scenario, Turn
from bench.settings import HERE, LIBRDKAFKA_PRODUCER


def confluent_loop(turn: Turn) -> Figures:
    settings = {"bootstrap.servers": turn.bootstrap, **LIBRDKAFKA_PRODUCER}
    argv = [sys.executable, str(HERE / "rivals" / "confluent_loop.py"), str(data.files(turn.lines)[0]), turn.topic]
    done = run([*argv, json.dumps(settings)], turn.folder / "confluent-loop.log")
    figures: Figures = json.loads(done.stdout)
    if figures.pop("failed"):
        raise ProgramFailedError(f"confluent_loop.py could not deliver all:\n{done.stderr}")
    return figures | {"seconds": done.seconds, "cpu_seconds": done.cpu_seconds}


SCENARIO = Scenario(
    name="file_vs_confluent_loop",
    title="one file, 1 task, send part, against a plain confluent-kafka loop",
    contestants=[
        Contestant("fastconnect", lambda turn: ours.ingest(turn, data.files(turn.lines)), version=ours.version),
        Contestant("confluent-kafka loop", confluent_loop, version=lambda: f"confluent-kafka {confluent_kafka.__version__}"),
    ],
    goals=[
        Goal(
            "one file, send part: records/s against a confluent-kafka loop",
            "send_records_per_second",
            3,
            "at least",
            against="confluent-kafka loop",
        ),
    ],
    notes="Each reports its own send part, from the first acknowledgement to the last one.",
)
