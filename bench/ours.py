"""fastconnect as a contestant: the commands that a user would type, each with its own offset file so that nothing resumes."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import data, put_part, send_part, topics
from bench.processes import Finished, Program, cpu_seconds_of, run, title_of, tree_of
from bench.scenario import Figures, Turn
from bench.settings import LIBRDKAFKA_PRODUCER, PROJECT, SCENARIOS, WORK

# The `fastconnect` of the interpreter that runs the benchmarks, whatever PATH says.
PROGRAM = str(Path(sys.executable).with_name("fastconnect"))


def version() -> str:
    """The version under test."""
    return f"fastconnect {importlib.metadata.version('fastconnect-kafka')}"


def ingest(turn: Turn, paths: Sequence[Path], tasks: int = 1) -> Figures:
    """`fastconnect ingest` to its end; its own account (`--json`) says what of it was the send part."""
    argv = [PROGRAM, "ingest", *map(str, paths), "--topic", turn.topic, "--tasks", str(tasks)]
    argv += ["--bootstrap-servers", turn.bootstrap, "--worker", str(worker_file(turn)), "--json"]
    return _figures(run(argv, turn.folder / "fastconnect.log"))


def run_dicts(tasks: int, turn: Turn) -> Figures:
    """`fastconnect run` with DictSource until it is done; the send part is seen from outside, as Kafka Connect's is."""
    settings = {"topic": turn.topic, "count": turn.lines}
    with start(turn, run_command(turn, "dict_source.properties", tasks, settings, "--until-done")) as program:
        figures = send_part.watch(turn, program)
        done = program.wait(timeout_s=60)
    return figures | {"seconds": done.seconds, "cpu_seconds": done.cpu_seconds}


def fill(turn: Turn, path: Path) -> None:
    """Put the lines of a file into the turn's topic, for sinks to read."""
    ingest(turn, [path])


def count(turn: Turn, converter: str, read: str) -> Figures:
    """`fastconnect run` with CountSink, which says itself when its first and its last record came."""
    settings = {
        "name": turn.topic,
        "topics": turn.topic,
        "count": turn.lines,
        "report": turn.folder,
        "read": read,
        "value.converter": converter,
    }
    with start(turn, run_command(turn, "count_sink.properties", 1, settings, "--until-done")) as program:
        figures = put_part.watch(turn, program)
        done = program.wait(timeout_s=60)
    return figures | {"seconds": done.seconds, "cpu_seconds": done.cpu_seconds}


def write_files(turn: Turn) -> Figures:
    """`fastconnect run` with FileSink to its end, when all files are complete: JSON lines, compressed with zstd."""
    folder = turn.folder / "out"
    with start(
        turn,
        run_command(
            turn, "file_sink.properties", 1, {"name": turn.topic, "topics": turn.topic, "path": folder}, "--until-done"
        ),
    ) as program:
        topics.wait_until(lambda: program.poll() or any(folder.glob(".*.tmp")), "the first file is begun", every_s=0.01)
        began = time.monotonic()
        before = cpu_seconds_of(tree_of(program.pid))
        done = program.wait(timeout_s=300)
        ended = time.monotonic()
    files = list(folder.glob("*.zst"))
    return {
        "records": sum(_records_in(file) for file in files),
        "put_seconds": ended - began,
        "seconds": done.seconds,
        "cpu_seconds": done.cpu_seconds,
        "put_cpu_seconds": done.cpu_seconds - before,
        "mb_written": sum(file.stat().st_size for file in files) / 1e6,
    }


def send_json(turn: Turn, connector_file: str) -> Figures:
    """`fastconnect run` with a FileSource that reads JSON, whose chain leads to the turn's topic."""
    file = data.files(turn.lines)[0]
    settings = {"paths": file, "topic": f"raw.{turn.topic}" if "chain" in connector_file else turn.topic}
    with start(turn, run_command(turn, connector_file, 1, settings, "--until-done")) as program:
        figures = send_part.watch(turn, program)
        done = program.wait(timeout_s=60)
    return figures | {"seconds": done.seconds, "cpu_seconds": done.cpu_seconds}


def run_command(turn: Turn, connector_file: str, tasks: int, settings: Mapping[str, object], *options: str) -> list[str]:
    """The `fastconnect run` command for one of the connector files beside the scenarios."""
    argv = [PROGRAM, "run", str(SCENARIOS / connector_file), "--tasks", str(tasks)]
    argv += ["--bootstrap-servers", turn.bootstrap, "--worker", str(worker_file(turn)), "--no-rest", *options]
    for key, value in settings.items():
        argv += ["--set", f"{key}={value}"]
    return argv


def start(turn: Turn, argv: Sequence[str], log: str = "fastconnect.log") -> Program:
    """Start a command and leave it running."""
    return Program(argv, turn.folder / log, env=plugin_path())


def worker_file(turn: Turn, **more: object) -> Path:
    """The worker's settings: the producer's that all contestants have, offsets in this turn's folder."""
    settings: dict[str, object] = {f"producer.{key}": value for key, value in LIBRDKAFKA_PRODUCER.items()}
    settings["offset.storage.file.filename"] = turn.folder / "offsets.db"
    path = turn.folder / "worker.properties"
    if more or not path.exists():
        settings |= {key.replace("_", "."): value for key, value in more.items()}
        path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    return path


def processes(program: Program, role: str) -> list[int]:
    """The living processes of a running command by their title in `ps`: "herder" or "task"."""
    return [pid for pid in tree_of(program.pid) if title_of(pid).startswith(f"fastconnect {role}")]


def plugin_path() -> dict[str, str]:
    """Make the plugins here findable without installing them: a PYTHONPATH with their entry points and modules."""
    site = WORK / "site"
    info = site / "bench_plugins-1.0.dist-info"
    plugins = "bench.DictSource = bench.dict_source:DictSource\nbench.CountSink = bench.count_sink:CountSink\n"
    if not info.exists():
        shutil.rmtree(site, ignore_errors=True)  # of an earlier version, with fewer plugins
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bench-plugins\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[fastconnect.plugins]\n{plugins}")
    return {"PYTHONPATH": f"{site}:{PROJECT}"}


def _records_in(file: Path) -> int:
    """How many records FileSink has put into a file, by its name: NAME-PARTITION-FIRST-LAST.jsonl.zst."""
    first, last = file.name.split(".jsonl")[0].split("-")[-2:]
    return int(last) - int(first) + 1


def _figures(done: Finished) -> Figures:
    summary: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return {
        "records": summary["records"],
        "seconds": done.seconds,
        "cpu_seconds": done.cpu_seconds,
        "send_seconds": summary["send_seconds"],  # first acknowledgement to last
    }
