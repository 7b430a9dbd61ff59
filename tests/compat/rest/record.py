"""Sends the steps of cases.py to a real Kafka Connect, and keeps its answers in vectors/rest.json.

    PYTHONPATH=tests python -m compat.rest.record [MODE]   # from the project's folder; needs no Java but what pip brings

The answers are facts: tests/integration/test_rest_like_kafka_connect.py holds a worker of ours to them, without Java.
"""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))  # bench, which knows how to get a JVM and Kafka Connect
from compat.rest import replay

from bench import java
from fastconnect.broker.embedded import acquire

VECTORS = Path(__file__).parents[1] / "vectors" / "rest.json"
CLASSES = {
    "standalone": "org.apache.kafka.connect.cli.ConnectStandalone",
    "distributed": "org.apache.kafka.connect.cli.ConnectDistributed",
}


def main() -> None:
    known = json.loads(VECTORS.read_text()) if VECTORS.exists() else {}
    for mode in sys.argv[1:] or CLASSES:
        folder = Path(tempfile.mkdtemp(prefix=f"rest-{mode}-"))
        with acquire(folder=folder / "broker", on_progress=print) as broker:
            url = f"http://127.0.0.1:{_free_port()}"
            process = _start(mode, folder, broker.bootstrap_servers, url)
            try:
                _wait(process, url, folder)
                answers = replay.run(url, folder, mode)
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(30)
        known[mode] = json.loads(json.dumps(answers).replace(str(folder), "$DIR"))
        print(f"{mode}: {len(answers)} answers; the worker's log is {folder / 'connect.log'}")
        known["recorded_from"] = f"Kafka Connect {java.KAFKA}"
        VECTORS.write_text(json.dumps(known, indent=1, ensure_ascii=False, sort_keys=True) + "\n")


def worker_config(mode: str, folder: Path, bootstrap: str, url: str) -> dict[str, str]:
    """The worker's properties, for theirs and for ours."""
    config = {
        "bootstrap.servers": bootstrap,
        "listeners": url,
        "key.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "offset.flush.interval.ms": "500",
    }
    if mode == "standalone":
        return {**config, "offset.storage.file.filename": str(folder / "offsets")}
    topics = {f"{kind}.storage.topic": f"rest-{folder.name}-{kind}" for kind in ("config", "offset", "status")}
    factors = {f"{kind}.storage.replication.factor": "1" for kind in ("config", "offset", "status")}
    partitions = {"offset.storage.partitions": "1", "status.storage.partitions": "1"}
    return {**config, **topics, **factors, **partitions, "group.id": f"rest-{folder.name}"}


def _start(mode: str, folder: Path, bootstrap: str, url: str) -> subprocess.Popen[bytes]:
    config = worker_config(mode, folder, bootstrap, url)
    jars = java.jars(*java.CONNECT)
    plugins = folder / "plugins"  # found by their short names only if they are there, whatever is on the class path
    plugins.mkdir()
    for jar in jars:
        if jar.name.startswith(("connect-file", "connect-transforms", "connect-json")):
            (plugins / jar.stem).mkdir()
            shutil.copy(jar, plugins / jar.stem)
    config["plugin.path"] = str(plugins)
    (folder / "worker.properties").write_text("".join(f"{key}={value}\n" for key, value in config.items()))
    (folder / "log4j2.properties").write_text(java.LOG4J)
    argv = [java.java(), "-Xmx400m", "-XX:+UseSerialGC", "-Duser.timezone=UTC", "-Dfile.encoding=UTF-8"]
    argv += [f"-Dlog4j2.configurationFile=file:{folder}/log4j2.properties", "-cp", ":".join(map(str, jars))]
    argv += [CLASSES[mode], str(folder / "worker.properties")]
    with (folder / "connect.log").open("wb") as log:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)


def _wait(process: subprocess.Popen[bytes], url: str, folder: Path) -> None:
    deadline = time.monotonic() + 300
    while True:
        assert process.poll() is None, f"the worker has ended, see {folder / 'connect.log'}"
        assert time.monotonic() < deadline, f"the worker does not become ready, see {folder / 'connect.log'}"
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=10) as answer:
                if answer.status == 200:
                    return
        except (OSError, urllib.error.HTTPError):
            time.sleep(0.5)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
