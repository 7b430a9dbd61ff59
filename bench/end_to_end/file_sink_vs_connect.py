"""A topic into files: FileSink with JSON lines and zstd against Kafka Connect's FileStreamSink, which writes plain lines."""

from __future__ import annotations

from bench import data, ours
from bench.rivals import kafka_connect
from bench.scenario import Contestant, Figures, Goal, Scenario, Turn

RIVAL = "Kafka Connect FileStreamSink"


def fastconnect(turn: Turn) -> Figures:
    ours.fill(turn, data.files(turn.lines)[0])
    return ours.write_files(turn)


def connect(turn: Turn) -> Figures:
    file = data.files(turn.lines)[0]
    ours.fill(turn, file)
    return kafka_connect.write_file(turn, file.stat().st_size)


SCENARIO = Scenario(
    name="file_sink_vs_connect",
    title="a topic into files, 1 task, put part: JSON lines with zstd against Kafka Connect's FileStreamSink with plain lines",
    contestants=[
        Contestant("fastconnect", fastconnect, version=ours.version),
        Contestant(RIVAL, connect, version=kafka_connect.version),
    ],
    goals=[
        Goal("a topic into files: records/s against Kafka Connect", "put_records_per_second", 2, "at least", against=RIVAL),
    ],
    notes="The topic is filled first, which does not count. fastconnect: JsonConverter, from the first file begun to the end "
    "of the command, when all files are complete, on the disk and committed. Kafka Connect: StringConverter, from the first "
    "bytes in the file to the last, unflushed.",
    settings={"consumer of Java": kafka_connect.JAVA_CONSUMER},
)
