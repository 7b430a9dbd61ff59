"""A real Kafka Connect worker: `ConnectStandalone` of the release that java.py names, as its start script would start it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench import java, put_part, send_part
from bench.processes import Program
from bench.scenario import Figures, Turn
from bench.settings import JAVA_PRODUCER

STRING = "org.apache.kafka.connect.storage.StringConverter"
BYTES = "org.apache.kafka.connect.converters.ByteArrayConverter"
JSON = "org.apache.kafka.connect.json.JsonConverter"
# 500 records a poll, the default, made Kafka Connect slower here.
JAVA_CONSUMER = {"consumer.max.poll.records": "5000"}
# bin/connect-standalone.sh: -Xms256M -Xmx2G and G1. On 2 cores and a heap like this the serial collector was no slower and uses
# less memory, so it is the kinder choice for both speed and memory.
JVM = ["-Xms256m", "-Xmx2g", "-XX:+UseSerialGC"]

version = java.version


@contextmanager
def worker(
    turn: Turn,
    connectors: Sequence[Mapping[str, str]],
    value_converter: str,
    jvm: Sequence[str] = JVM,
    worker_settings: Mapping[str, str] | None = None,
) -> Iterator[Program]:
    """Start a standalone worker with these connectors; it is stopped at the end of the block."""
    class_path = java.connect_class_path()
    settings = {
        "bootstrap.servers": turn.bootstrap,
        "listeners": f"http://127.0.0.1:{_free_port()}",
        "key.converter": STRING,
        "value.converter": value_converter,
        "value.converter.schemas.enable": "false",
        "offset.storage.file.filename": str(turn.folder / "connect.offsets"),
        "offset.flush.interval.ms": "1000",  # as ours, instead of 60 s
        **{f"producer.{key}": value for key, value in JAVA_PRODUCER.items()},
        **(worker_settings or {}),
    }
    files = [_properties(turn.folder / "worker.properties", settings)]
    for index, connector in enumerate(connectors):
        files.append(_properties(turn.folder / f"connector-{index}.properties", connector))
    log4j = turn.folder / "log4j2.properties"
    log4j.write_text(java.LOG4J)
    argv = [java.java(), *jvm, f"-Dlog4j2.configurationFile=file:{log4j}", "-cp", class_path]
    argv += ["org.apache.kafka.connect.cli.ConnectStandalone", *map(str, files)]
    with Program(argv, turn.folder / "connect.log") as program:
        yield program


def send_file(turn: Turn, path: Path) -> Figures:
    """FileStreamSource, one task, lines as strings."""
    connector = {
        "name": "file",
        "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
        "tasks.max": "1",
        "file": str(path),
        "topic": turn.topic,
    }
    with worker(turn, [connector], STRING) as program:
        return send_part.watch(turn, program)


def send_dicts(tasks: int) -> Callable[[Turn], Figures]:
    """Our in-memory Java source: a Map and an offset Map a record, JSON."""

    def send(turn: Turn) -> Figures:
        with worker(turn, [dict_source(turn, tasks, turn.lines)], JSON) as program:
            return send_part.watch(turn, program)

    return send


def send_dicts_through(chain: Mapping[str, str]) -> Callable[[Turn], Figures]:
    """The same with a chain of transforms that leads to the turn's topic."""

    def send(turn: Turn) -> Figures:
        connector = dict_source(turn, 1, turn.lines, **chain) | {"topic": f"raw.{turn.topic}"}
        with worker(turn, [connector], JSON) as program:
            return send_part.watch(turn, program)

    return send


def count(turn: Turn, converter: str, read: str) -> Figures:
    """Our Java sink, which says itself when its first and its last record came."""
    connector = {
        "name": "count",
        "connector.class": "bench.CountSinkConnector",
        "tasks.max": "1",
        "topics": turn.topic,
        "count": str(turn.lines),
        "report": str(turn.folder),
        "read": read,
    }
    with worker(turn, [connector], converter, worker_settings=JAVA_CONSUMER) as program:
        return put_part.watch(turn, program)


def write_file(turn: Turn, size: int) -> Figures:
    """FileStreamSink, plain lines, until the file has all bytes."""
    path = turn.folder / "out.txt"
    connector = {
        "name": "file",
        "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector",
        "tasks.max": "1",
        "topics": turn.topic,
        "file": str(path),
    }
    with worker(turn, [connector], STRING, worker_settings=JAVA_CONSUMER) as program:
        return put_part.watch_file(turn, program, path, size)


def dict_source(turn: Turn, tasks: int, count: int, **more: str) -> dict[str, str]:
    """The Java source's connector configuration."""
    return {
        "name": "dicts",
        "connector.class": "bench.DictSourceConnector",
        "tasks.max": str(tasks),
        "topic": turn.topic,
        "count": str(count),
        **more,
    }


def _properties(path: Path, settings: Mapping[str, str]) -> Path:
    path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    return path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
