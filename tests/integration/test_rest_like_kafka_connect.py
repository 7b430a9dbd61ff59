"""The REST API of whole workers, held to what Kafka Connect has answered to the same requests (tests/compat/rest)."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import requests
from compat.rest import replay
from compat.rest.cases import STEPS, Ask
from compat.rest.record import VECTORS, worker_config
from fakes.commands import shell as shell_in
from fakes.commands import until

ROOT = Path(__file__).parents[2]
RECORDED = json.loads(VECTORS.read_text())


@pytest.mark.parametrize("mode", ["standalone", "distributed"])
def test_a_worker_answers_as_kafka_connect_does_but_for_what_is_told(mode: str, kafka: str, tmp_path: Path) -> None:
    config = worker_config(mode, tmp_path, kafka, "http://127.0.0.1:0")
    config["restart.max.failures"] = "0"  # a failed task stays so, as there
    (tmp_path / "worker.properties").write_text("".join(f"{key}={value}\n" for key, value in config.items()))
    with shell_in(tmp_path) as shell:
        words = ["--distributed"] if mode == "distributed" else []
        command = shell.start("run", *words, "--worker", tmp_path / "worker.properties")
        command.until_says("The REST API is ready.")
        url = command.err.partition("url=")[2].split()[0]
        until(lambda: requests.get(f"{url}/health", timeout=10).status_code == 200, "the worker is healthy")
        answers = replay.run(url, tmp_path, mode)
    ours = json.loads(json.dumps(answers).replace(str(tmp_path), "$DIR"))
    assert replay.differences(RECORDED[mode], ours, mode) == []


def test_each_difference_has_its_row_in_the_docs() -> None:
    rows = set(re.findall(r"^\| ([a-z-]+) \|", (ROOT / "docs" / "rest.md").read_text(), re.MULTILINE))
    assert {step.differs for step in STEPS if isinstance(step, Ask) and step.differs} <= rows
