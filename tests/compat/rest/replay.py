"""Sends the steps of cases.py to a worker, and says where its answers are not those of Kafka Connect."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from compat.rest.cases import FILES, STEPS, Ask, Until, UntilOffsets

KEPT = ("content-type", "location", "allow")
VERSION = "VERSION"

_URL = re.compile(r"https?://[^/\s]+")
_JAVA_CLASS = re.compile(r"^[a-z]+(\.\w+)+(Exception|Error): ")
_PLUGIN_LIST = re.compile(r"available connectors are: .*", re.DOTALL)
_OWN = {
    "worker_id",
    "commit",
    "kafka_cluster_id",
    "last_modified",
    "trace",
    "documentation",
    "display_name",
    "recommended_values",
}
"""Fields of which only counts whether they are there: they are the worker's own."""


def run(url: str, folder: Path, mode: str) -> dict[str, dict[str, Any]]:
    """Send all steps; the answers by name."""
    for name, text in FILES.items():
        (folder / name).write_text(text)
    worker = _Worker(url, folder)
    answers = {}
    for step in STEPS:
        match step:
            case Until():
                worker.until(step)
            case UntilOffsets():
                worker.until_offsets(step)
            case Ask() if step.only in ("", mode):
                answers[step.name] = worker.ask(step)
    return answers


class _Worker:
    def __init__(self, url: str, folder: Path) -> None:
        self._address = urlsplit(url).netloc
        self._folder = str(folder)

    def ask(self, step: Ask) -> dict[str, Any]:
        body = json.dumps(step.body) if step.body is not None else step.text
        headers = (
            dict(step.headers)
            if body is None or step.headers.get("Content-Type")
            else {"Content-Type": "application/json", **step.headers}
        )
        status, given, text = self._exchange(
            step.method, step.path, None if body is None else body.replace("$DIR", self._folder), headers
        )
        try:
            answer: Any = json.loads(text)
        except ValueError:
            answer = text
        return {"status": status, "headers": {name: given[name] for name in KEPT if name in given}, "body": answer}

    def until(self, step: Until) -> None:
        def holds() -> bool:
            status, _, text = self._exchange("GET", f"/connectors/{quote(step.connector)}/status", None, {})
            if status != 200:
                return False
            found = json.loads(text)
            return found["connector"]["state"] == step.state and tuple(each["state"] for each in found["tasks"]) == step.tasks

        self._wait(holds, f"{step.connector} is {step.state} {step.tasks}")

    def until_offsets(self, step: UntilOffsets) -> None:
        def holds() -> bool:
            status, _, text = self._exchange("GET", f"/connectors/{step.connector}/offsets", None, {})
            return status == 200 and bool(json.loads(text)["offsets"])

        self._wait(holds, f"{step.connector} has offsets")

    def _wait(self, holds: Any, what: str) -> None:
        deadline = time.monotonic() + 90
        while not holds():
            assert time.monotonic() < deadline, f"within 90 s it did not come true that {what}"
            time.sleep(0.02)

    def _exchange(
        self, method: str, path: str, body: str | None, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, str], str]:
        connection = http.client.HTTPConnection(self._address, timeout=100)
        try:
            connection.request(method, path, None if body is None else body.encode(), dict(headers))
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()
        finally:
            connection.close()


def differences(theirs: Mapping[str, Any], ours: Mapping[str, Any], mode: str) -> list[str]:
    """Where ours are others than theirs, and which differences that are told of are none any more."""
    found = []
    for step in STEPS:
        if not isinstance(step, Ask) or step.only not in ("", mode):
            continue
        a, b = theirs[step.name], ours[step.name]
        if step.ours is not None and a["status"] != step.ours:
            if b["status"] != step.ours or b["body"].get("error_code") != step.ours or not b["body"]["message"]:
                found.append(f"{step.name}: {b}, and not {step.ours}")
            continue
        left, right = _comparable(a), _comparable(b)
        for name in KEPT:  # json-errors: we have them where Kafka Connect has none
            if name not in left["headers"]:
                right["headers"].pop(name, None)
        if left != right:
            found += [f"{step.name}: {line}" for line in _walk(left, right, "")]
    return found


def _comparable(answer: Mapping[str, Any]) -> dict[str, Any]:
    headers = {name: _URL.sub("URL", value) for name, value in answer["headers"].items()}
    return {"status": answer["status"], "headers": headers, "body": _plain(answer["body"])}


def _plain(value: Any, key: str = "") -> Any:
    match value:
        case dict():
            return {name: "*" if name in _OWN else _plain(each, name) for name, each in value.items() if name != "restart"}
        case list():
            # How a topic's few lines are spread over its partitions is the producer's choice; cases.py asks for the first one.
            plain = [_plain(each) for each in value if not (key == "offsets" and each["partition"].get("kafka_partition"))]
            return plain if key in ("tasks", "errors") else sorted(plain, key=lambda each: json.dumps(each, sort_keys=True))
        case str():
            text = _PLUGIN_LIST.sub("available connectors are: *", _JAVA_CLASS.sub("", value))
            text = text.replace("4.3.1, 4.3.1", "4.3.1")  # found on the class path and among the plugins
            return text.replace("4.3.1", VERSION).replace(version("fastconnect-kafka"), VERSION)
    return value


def _walk(left: Any, right: Any, path: str) -> list[str]:
    if isinstance(left, dict) and isinstance(right, dict):
        lines = []
        for name in dict.fromkeys([*left, *right]):
            lines += _walk(left.get(name, "(nothing)"), right.get(name, "(nothing)"), f"{path}.{name}")
        return lines
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        return [line for i, (a, b) in enumerate(zip(left, right, strict=True)) for line in _walk(a, b, f"{path}[{i}]")]
    return [] if left == right else [f"{path}: {str(left)[:300]} != {str(right)[:300]}"]
