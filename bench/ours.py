"""fastconnect as a contestant: the commands that a user would type, each with its own offset file so that nothing resumes."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import send_part
from bench.processes import Finished, Program, run, title_of, tree_of
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
    # Start and end and all: more than the CPU of the send part, never less.
    return figures | {"seconds": done.seconds, "cpu_seconds": done.cpu_seconds, "send_cpu_seconds": done.cpu_seconds}


def run_command(turn: Turn, connector_file: str, tasks: int, settings: Mapping[str, object], *options: str) -> list[str]:
    """The `fastconnect run` command for one of the connector files beside the scenarios."""
    argv = [PROGRAM, "run", str(SCENARIOS / connector_file), "--tasks", str(tasks)]
    argv += ["--bootstrap-servers", turn.bootstrap, "--worker", str(worker_file(turn)), *options]
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
    """Make DictSource findable without installing it: an environment whose PYTHONPATH has its entry point and its module."""
    site = WORK / "site"
    info = site / "bench_dict_source-1.0.dist-info"
    if not info.exists():
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bench-dict-source\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[fastconnect.plugins]\nbench.DictSource = bench.dict_source:DictSource\n")
    return {"PYTHONPATH": f"{site}:{PROJECT}"}


def _figures(done: Finished) -> Figures:
    summary: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return {
        "records": summary["records"],
        "seconds": done.seconds,
        "cpu_seconds": done.cpu_seconds,
        "send_seconds": summary["send_seconds"],  # first acknowledgement to last
    }
