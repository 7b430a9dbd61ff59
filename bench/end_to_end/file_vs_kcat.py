"""One file, one task, the whole process: `fastconnect ingest` against `kcat -P -l`."""

from __future__ import annotations

from bench import data, ours
from bench.rivals import kcat
from bench.scenario import Contestant, Goal, Scenario
from bench.settings import PATIENT_PRODUCER

SCENARIO = Scenario(
    name="file_vs_kcat",
    title="one file, 1 task, whole process, against `kcat -P -l`",
    contestants=[
        Contestant("fastconnect", lambda turn: ours.ingest(turn, data.files(turn.lines)), version=ours.version),
        Contestant("kcat", lambda turn: kcat.send_file(turn, data.files(turn.lines)[0]), version=kcat.version),
        Contestant(
            "kcat, 50 ms linger and a queue of a million",
            lambda turn: kcat.send_file(turn, data.files(turn.lines)[0], PATIENT_PRODUCER),
            version=kcat.version,
        ),
    ],
    goals=[
        Goal("one file, whole process: records/s against kcat", "records_per_second", 1.5, "at least", against="kcat"),
        Goal("one file, whole process: CPU a record in µs against kcat", "cpu_us_per_record", 0.8, "at most", against="kcat"),
    ],
    notes="From the start of the process to its end; CPU is user + system of the process and its children (wait4).",
)
