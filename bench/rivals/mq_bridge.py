"""mq-bridge's environment and its route's configuration; what runs there is mq_bridge_route.py."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

from bench.processes import run
from bench.scenario import Figures, Turn
from bench.settings import HERE, LIBRDKAFKA_PRODUCER, WORK

VERSION = "1.2.0"
# Tried here: 512 to 100,000 records a batch with 1, 2, 4 and 8 workers. It waits for the acknowledgements of a batch before
# it sends the next one, so that a linger time is only lost to it.
TUNED_BATCH_SIZE = 10_000
TUNED_PRODUCER = LIBRDKAFKA_PRODUCER | {"linger.ms": "0"}


def version() -> str:
    """The release that is measured."""
    return f"mq-bridge {VERSION}"


def python() -> Path:
    """The interpreter of its own environment, made on first use: what it needs shall not meet what we need."""
    folder = WORK / f"mq-bridge-{VERSION}"
    interpreter = folder / "bin" / "python"
    done = folder / "complete"
    if not done.exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run(
            [interpreter, "-m", "pip", "install", "-q", "--disable-pip-version-check", f"mq-bridge=={VERSION}"], check=True
        )
        done.touch()
    return interpreter


def send_file(turn: Turn, path: Path, tuned: bool) -> Figures:
    """The whole process. As it comes: its own defaults throughout. Tuned: the best settings found."""
    kafka: dict[str, object] = {"url": turn.bootstrap, "topic": turn.topic}
    route: dict[str, object] = {
        "input": {"file": {"path": str(path), "format": "raw"}},
        "output": {"kafka": kafka},
        "exit_on_empty": True,
    }
    if tuned:
        kafka["producer_options"] = [list(item) for item in TUNED_PRODUCER.items()]
        route["batch_size"] = TUNED_BATCH_SIZE
    file = turn.folder / "route.json"
    file.write_text(json.dumps(route))
    done = run([str(python()), "-P", str(HERE / "rivals" / "mq_bridge_route.py"), str(file)], turn.folder / "mq-bridge.log")
    if "ERROR" in done.stderr:
        sys.stderr.write(done.stderr)
    return {"records": turn.lines, "seconds": done.seconds, "cpu_seconds": done.cpu_seconds}
