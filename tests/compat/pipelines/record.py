"""Runs the pipelines of cases.py on Kafka Connect standalone, and keeps what comes out in vectors/pipelines.json.

    PYTHONPATH=tests python -m compat.pipelines.record      # from the project's folder; needs no Java but what pip brings

All connectors run in one worker until nothing more comes. The vectors are facts: tests/integration/test_pipelines.py runs the
same files on fastconnect and holds it to them, without Java.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))  # bench, which knows how to get a JVM and Kafka Connect
from compat.pipelines.cases import PIPELINES
from compat.pipelines.records import PipelineTopics, plain

from bench import java
from fastconnect.broker.embedded import acquire

VECTORS = Path(__file__).parents[1] / "vectors" / "pipelines.json"
QUIET_S = 8.0  # several times what a task of Kafka Connect waits before it polls again


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="pipelines-"))
    with acquire(folder=folder / "broker", on_progress=print) as broker:
        topics = PipelineTopics(broker.bootstrap_servers)
        topics.make()
        port = _free_port()
        process = _start(folder, broker.bootstrap_servers, port)
        try:
            failed = _wait(process, port, topics, folder)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
        found = {each.name: _result(each, topics, folder, each.name in failed) for each in PIPELINES}
    text = json.dumps({"recorded_from": f"Kafka Connect {java.KAFKA}", "pipelines": found}, indent=1, ensure_ascii=False)
    VECTORS.write_text(text + "\n")
    print(f"{len(found)} pipelines -> {VECTORS}; the worker's log is {folder / 'connect.log'}")


def _start(folder: Path, bootstrap: str, port: int) -> subprocess.Popen[bytes]:
    worker = {
        "bootstrap.servers": bootstrap,
        "listeners": f"http://127.0.0.1:{port}",
        "key.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "offset.storage.file.filename": str(folder / "offsets"),
        "offset.flush.interval.ms": "1000",
    }
    (folder / "worker.properties").write_text("".join(f"{key}={value}\n" for key, value in worker.items()))
    (folder / "log4j2.properties").write_text(java.LOG4J)
    files = []
    for pipeline in PIPELINES:
        if pipeline.is_source:
            (folder / f"{pipeline.name}.txt").write_bytes("".join(f"{line}\n" for line in pipeline.lines).encode())
        files.append(folder / f"{pipeline.name}.properties")
        files[-1].write_text(pipeline.properties(str(folder)))
    argv = [java.java(), "-Xmx700m", "-XX:+UseSerialGC", "-Duser.timezone=UTC", "-Dfile.encoding=UTF-8"]
    argv += [f"-Dlog4j2.configurationFile=file:{folder}/log4j2.properties", "-cp", ":".join(map(str, java.jars(*java.CONNECT)))]
    argv += ["org.apache.kafka.connect.cli.ConnectStandalone", str(folder / "worker.properties"), *map(str, files)]
    with (folder / "connect.log").open("wb") as log:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)


def _wait(process: subprocess.Popen[bytes], port: int, topics: PipelineTopics, folder: Path) -> set[str]:
    """Until all connectors have started and nothing has come for a while; return the names of those that have failed."""
    deadline = time.monotonic() + 240
    before: Any = None
    since = time.monotonic()
    while True:
        assert process.poll() is None, f"the worker has ended, see {folder / 'connect.log'}"
        assert time.monotonic() < deadline, f"the worker does not come to rest, see {folder / 'connect.log'}"
        states = _states(port)
        files = {path.name: path.stat().st_size for path in folder.glob("sink-*.txt")}
        now = (states, topics.counts(), files)
        if now != before:
            before, since = now, time.monotonic()
        ready = len(states) == len(PIPELINES) and set(states.values()) <= {"RUNNING", "FAILED"}
        if ready and time.monotonic() - since > QUIET_S:
            return {name for name, state in states.items() if state == "FAILED"}
        time.sleep(0.5)


def _states(port: int) -> dict[str, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/connectors?expand=status", timeout=10) as answer:
            found = json.load(answer)
    except OSError:
        return {}
    return {name: (each["status"]["tasks"] or [{"state": "NONE"}])[0]["state"] for name, each in found.items()}


def _result(pipeline: Any, topics: PipelineTopics, folder: Path, failed: bool) -> dict[str, Any]:
    result: dict[str, Any] = {"failed": failed, "topics": {topic: topics.read(topic) for topic in pipeline.output_topics()}}
    if not pipeline.is_source:
        result["file"] = plain((folder / f"{pipeline.name}.txt").read_bytes())
    return result


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
