"""A real Kafka Connect, in Java: one distributed worker, which a test may ask over REST, stop and kill.

The JVM is PyPI's, the jars come by jgo, as for the benchmarks: no Java of the machine is needed.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from fakes.commands import until
from fakes.own_broker import free_ports

sys.path.insert(0, str(Path(__file__).parents[2]))  # bench, which knows how to get a JVM and Kafka Connect
from bench import java

START_S = 300.0


class KafkaConnect:
    """A worker of a group; not running yet.

    Args:
        folder: for its files.
        group: the group's name; its topics are named after it: `<group>-configs`, `-offsets`, `-status`.
        settings: of its worker file, where they differ from those below.
    """

    def __init__(self, folder: Path, bootstrap: str, group: str, settings: dict[str, str] | None = None) -> None:
        self.port = free_ports()[0]
        self.url = f"http://127.0.0.1:{self.port}"
        self.id = f"127.0.0.1:{self.port}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        worker = worker_settings(bootstrap, group) | {
            "listeners": self.url,
            "rest.advertised.host.name": "127.0.0.1",
            "rest.advertised.port": str(self.port),
            **(settings or {}),
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "worker.properties").write_text("".join(f"{key}={value}\n" for key, value in worker.items()))
        (folder / "log4j2.properties").write_text(java.LOG4J)

    def start(self) -> KafkaConnect:
        """Start it; returns when it has joined its group."""
        argv = [java.java(), "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Duser.timezone=UTC"]
        argv += ["-Dfile.encoding=UTF-8", f"-Dlog4j2.configurationFile=file:{self._folder}/log4j2.properties"]
        argv += ["-cp", ":".join(map(str, java.jars(*java.CONNECT)))]
        argv += ["org.apache.kafka.connect.cli.ConnectDistributed", str(self._folder / "worker.properties")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        until(lambda: self._is_healthy() or self.has_ended, "Kafka Connect answers", START_S)
        assert not self.has_ended, self.log[-3000:]
        return self

    @property
    def has_ended(self) -> bool:
        """Whether its process is gone."""
        return self._process is None or self._process.poll() is not None

    @property
    def log(self) -> str:
        """What it has logged."""
        return (self._folder / "log").read_text(errors="replace")

    def stop(self) -> None:
        """Have it end in an orderly way."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The body of an answer; an error is a RuntimeError with its body."""
        status, answer = self.request(method, path, body)
        if status >= 400:
            raise RuntimeError(f"{method} {path}: {status} {answer}")
        return answer

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and body of an answer. The path is quoted here."""
        request = urllib.request.Request(
            self.url + urllib.parse.quote(path, safe="/?=&"),
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=95) as answer:
                return answer.status, _parsed(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _parsed(error.read())

    def state(self, connector: str) -> tuple[str, list[str]] | None:
        """The states of a connector and of its tasks; None while there is no such connector."""
        status, answer = self.request("GET", f"/connectors/{connector}/status")
        if status != 200:
            return None
        return answer["connector"]["state"], [task["state"] for task in answer["tasks"]]

    def _is_healthy(self) -> bool:
        try:
            return self.request("GET", "/health")[0] == 200
        except OSError:
            return False

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(60)
            self._process = None


def worker_settings(bootstrap: str, group: str) -> dict[str, str]:
    """What every worker of a group has in its worker file, of either kind."""
    return {
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "config.storage.topic": f"{group}-configs",
        "config.storage.replication.factor": "1",
        "offset.storage.topic": f"{group}-offsets",
        "offset.storage.replication.factor": "1",
        "offset.storage.partitions": "5",
        "status.storage.topic": f"{group}-status",
        "status.storage.replication.factor": "1",
        "status.storage.partitions": "2",
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
        "offset.flush.interval.ms": "500",
        "scheduled.rebalance.max.delay.ms": "0",
    }


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
