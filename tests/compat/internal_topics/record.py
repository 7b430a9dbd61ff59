"""Has a real Kafka Connect write its internal topics, and keeps their records in vectors/internal_topics.json.

    PYTHONPATH=tests python -m compat.internal_topics.record      # from the project's folder; needs no Java but what pip brings

The vectors are facts: tests/unit/storage/test_wire.py holds fastconnect to them, without Java.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from fakes.commands import until
from fakes.kafka_connect import KafkaConnect
from fakes.topics import Topics

from bench import java
from fastconnect.broker.embedded import acquire

VECTORS = Path(__file__).parents[1] / "vectors" / "internal_topics.json"
GROUP = "recorded"
SOURCE = {"connector.class": "FileStreamSource", "tasks.max": "1"}
ODD = 'orders "ü-7 😀'
"""A name with all that JSON and Java treat in their own ways."""


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="internal-topics-"))
    with acquire(folder=folder / "broker", on_progress=print) as broker:
        connect = KafkaConnect(folder / "connect", broker.bootstrap_servers, GROUP).start()
        try:
            _live(connect, folder)
        finally:
            connect.stop()
        topics = Topics(broker.bootstrap_servers)
        recorded = {kind: _records(topics, f"{GROUP}-{kind}") for kind in ("configs", "offsets", "status")}
    text = json.dumps({"recorded_from": f"Kafka Connect {java.KAFKA}", **recorded}, indent=1, ensure_ascii=True)
    VECTORS.write_text(text + "\n")
    print({kind: len(records) for kind, records in recorded.items()}, "->", VECTORS)


def _live(connect: KafkaConnect, folder: Path) -> None:
    """All that leaves a trace in the topics."""
    lines = folder / "lines \x1f😀é\u2028.txt"
    lines.write_text("".join(f"line {number}\n" for number in range(5)))
    odd = {
        **SOURCE,
        "name": ODD,
        "file": str(lines),
        "topic": "odd",
        "note": "back\\slash, tab\t, \x01, \x7f, </tag>, 😀, \u2028",
    }
    connect.ask("POST", "/connectors", {"name": ODD, "config": odd})
    plain = {**SOURCE, "file": str(lines), "topic": "plain"}
    connect.ask("POST", "/connectors", {"name": "plain-1", "config": plain, "initial_state": "STOPPED"})
    until(lambda: connect.state(ODD) == ("RUNNING", ["RUNNING"]), "the odd connector runs")
    until(lambda: connect.ask("GET", f"/connectors/{ODD}/offsets")["offsets"], "it has offsets")
    connect.ask("PUT", f"/connectors/{ODD}/pause")
    until(lambda: connect.state(ODD) == ("PAUSED", ["PAUSED"]), "it is paused")
    connect.ask("PUT", f"/connectors/{ODD}/resume")
    until(lambda: connect.state(ODD) == ("RUNNING", ["RUNNING"]), "it runs again")
    connect.ask("POST", f"/connectors/{ODD}/restart?includeTasks=true&onlyFailed=false")
    until(lambda: connect.state(ODD) == ("RUNNING", ["RUNNING"]), "it runs again")
    connect.ask("PUT", f"/connectors/{ODD}/stop")
    until(lambda: connect.state(ODD) == ("STOPPED", []), "it is stopped")
    connect.ask("DELETE", f"/connectors/{ODD}/offsets")
    sink = {"connector.class": "FileStreamSink", "file": "/no/such/folder/x", "topics": "odd,plain", "tasks.max": "2"}
    connect.ask("POST", "/connectors", {"name": "sink", "config": sink})
    until(lambda: connect.state("sink") == ("RUNNING", ["FAILED", "FAILED"]), "the sink's tasks fail")
    connect.ask("PUT", "/admin/loggers/org.apache.kafka.connect?scope=cluster", {"level": "WARN"})
    connect.ask("PUT", "/connectors/plain-1/resume")
    until(lambda: connect.ask("GET", "/connectors/plain-1/offsets")["offsets"], "the plain connector has offsets")
    connect.ask("DELETE", "/connectors/sink")
    connect.ask("DELETE", f"/connectors/{ODD}")
    until(lambda: connect.state(ODD) is None and connect.state("sink") is None, "they are deleted")


def _records(topics: Topics, topic: str) -> list[dict[str, Any]]:
    return [
        {"partition": each.partition, "key": _text(each.key), "value": _text(each.value)}
        for each in topics.read(topic)
        if each.key is not None
    ]


def _text(text: bytes | None) -> str | None:
    return None if text is None else text.decode()


if __name__ == "__main__":
    main()
