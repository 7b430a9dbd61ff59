"""Every example runs, and does what its README says."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer
from fakes.cluster import free_port
from fakes.commands import Ended, Shell, shell, until
from fakes.topics import Audit, Topics

pytestmark = pytest.mark.integration

EXAMPLES = Path(__file__).parents[2] / "examples"
ORDERS = (EXAMPLES / "data" / "orders.jsonl").read_bytes().splitlines()


@pytest.fixture(scope="module")
def topics(kafka: str) -> Topics:
    return Topics(kafka)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Shell]:
    shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    with shell(tmp_path) as commands:
        yield commands


@pytest.fixture
def well(run: Shell, topics: Topics):
    """Runs an example to its end, which must be a good one."""

    def well(*words: object) -> Ended:
        ended = run.run("run", *words, "--until-done", "--bootstrap-servers", topics.bootstrap)
        assert ended.code == 0, str(ended)
        return ended

    return well


def order_topic(topics: Topics, name: str) -> str:
    topics.create(name, partitions=1)
    producer = Producer({"bootstrap.servers": topics.bootstrap})
    for order in ORDERS:
        producer.produce(name, order)
    assert producer.flush(30) == 0
    return name


def decoded(topics: Topics, topic: str) -> list[object]:
    return [json.loads(value) for value in topics.values(topic) if value]


def test_every_example_is_in_the_readme_and_in_these_tests() -> None:
    parts = ((path, path.relative_to(EXAMPLES).parts) for path in EXAMPLES.rglob("*"))
    files = {
        "/".join(names) for path, names in parts if path.is_file() and not {"data", "__pycache__", "README.md"} & set(names)
    }
    assert set(re.findall(r"^\| `([^`]+)`", (EXAMPLES / "README.md").read_text(), re.MULTILINE)) == files
    tested = Path(__file__).read_text()
    assert [name for name in files - {"bulk_load.py"} if f"examples/{name}" not in tested] == []


def test_follow_log(run: Shell, topics: Topics, fresh_topic: str) -> None:
    config = "examples/follow-log.properties"
    command = run.start("run", config, "--set", f"topic={fresh_topic}", "--bootstrap-servers", topics.bootstrap)
    lines = (EXAMPLES / "data" / "app.log").read_bytes().splitlines()
    until(lambda: Counter(topics.values(fresh_topic)) == Counter(lines), "the lines arrive")
    command.send(signal.SIGTERM)
    assert command.wait().code == 0


def test_load_orders(well, topics: Topics, fresh_topic: str) -> None:
    well("examples/load-orders.json", "--set", f"topic={fresh_topic}")
    found = [(record.key, record.value) for record in topics.read(fresh_topic)]
    assert sorted(found) == sorted((str(json.loads(order)["id"]).encode(), order) for order in ORDERS)


def test_mask_orders(well, topics: Topics, fresh_topic: str) -> None:
    well("examples/mask-orders.toml", "--set", f"topic={fresh_topic}")
    found = decoded(topics, f"{fresh_topic}-masked")
    wanted = [{**json.loads(order), "customer": "***", "source": "examples"} for order in ORDERS]
    assert sorted(map(json.dumps, found)) == sorted(map(json.dumps, wanted))


def test_numbers_by_a_worker(well, topics: Topics, fresh_topic: str) -> None:
    well("examples/numbers.yaml", "--worker", "examples/worker.properties", "--set", f"topic={fresh_topic}", "--set", "rate=0")
    audit = Audit.of(topics.read(fresh_topic))
    assert audit.missing(2, 250) == []


def test_archive_orders(run: Shell, well, topics: Topics, fresh_topic: str) -> None:
    order_topic(topics, fresh_topic)
    well("examples/archive-orders.properties", "--set", f"topics={fresh_topic}")
    assert (run.folder / "orders-archive.txt").read_bytes().splitlines() == ORDERS


def test_counter_source(well, topics: Topics, fresh_topic: str) -> None:
    for last in (99, 120):
        well("examples/counter_source.py", "--set", f"topic={fresh_topic}", "--set", f"last={last}")
    assert sorted(decoded(topics, fresh_topic)) == list(range(121)), "the second run went on where the first had ended"


def test_folder_source(run: Shell, topics: Topics, fresh_topic: str, tmp_path: Path) -> None:
    folder = tmp_path / "watched"
    folder.mkdir()
    (folder / "a").write_text("one")
    command = run.start(
        *("run", "examples/folder_source.py", "--topic", fresh_topic, "--bootstrap-servers", topics.bootstrap),
        *("--set", f"folder={folder}", "--set", "interval=20"),
    )
    until(lambda: decoded(topics, fresh_topic) == [{"path": f"{folder}/a", "bytes": 3}], "the file is told")
    (folder / "a").unlink()
    until(lambda: None in topics.values(fresh_topic), "and that it is gone")
    command.send(signal.SIGTERM)
    assert command.wait().code == 0


def test_ticker_source(well, topics: Topics, fresh_topic: str) -> None:
    for count in (10, 12):
        well("examples/ticker_source.py", "--topic", fresh_topic, "--set", f"count={count}")
    found = sorted((tick["feed"], tick["tick"]) for tick in decoded(topics, fresh_topic))  # type: ignore[index, call-overload]
    assert found == [(feed, number) for feed in ("fast", "slow") for number in range(1, 13)]


def test_totals_sink(run: Shell, well, topics: Topics, fresh_topic: str) -> None:
    order_topic(topics, fresh_topic)
    words = ("examples/totals_sink.py", "--topic", fresh_topic, "--set", "path=totals.json")
    well(*words)
    state = json.loads((run.folder / "totals.json").read_text())
    assert state["offsets"] == {f"{fresh_topic}-0": len(ORDERS)}
    assert round(sum(state["totals"].values()), 2) == round(sum(json.loads(order)["amount"] for order in ORDERS), 2)


def test_three_workers_of_a_group_and_the_loss_of_one(run: Shell, topics: Topics) -> None:
    script = run.folder / "examples/cluster/three-workers.sh"
    worker = run.folder / "examples/cluster/worker.properties"
    group = f"example-{uuid.uuid4().hex[:8]}"  # the broker is not this test's alone, and a shorter session is soon over
    worker.write_text(worker.read_text().replace("example-connect", group) + "session.timeout.ms=6000\n")
    bin_folder = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ended = subprocess.run(
        ["sh", script],
        env={**run.environment, "PATH": bin_folder, "BOOTSTRAP": topics.bootstrap, "PORT": str(three_free_ports())},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended
    before, after = ended.stdout.split("... and its tasks run elsewhere:")
    assert (before.count("\tRUNNING\t"), after.count("\tRUNNING\t")) == (3, 3)
    assert "is deleted" in ended.stderr


def three_free_ports() -> int:
    """The first of three neighbours."""
    while True:
        first = free_port()
        with contextlib.suppress(OSError), contextlib.ExitStack() as taken:
            for port in range(first, first + 3):
                taken.enter_context(socket.create_server(("127.0.0.1", port)))
            return first


def test_the_service_file_starts_what_there_is() -> None:
    service = (EXAMPLES.parent / "examples/cluster/fastconnect.service").read_text()
    words = re.search(r"^ExecStart=\S+/fastconnect (.*)$", service, re.MULTILINE)
    assert words is not None
    from fastconnect.cli.run import run as command

    options = {option for param in command.params for option in param.opts}
    assert {word for word in words[1].split() if word.startswith("--")} <= options
