"""From the request that creates a connector to its first record in Kafka."""

from __future__ import annotations

import json
import statistics
import time
import urllib.request
from functools import partial

from bench import ours
from bench.end_to_end.many_connectors import rest_url
from bench.scenario import Contestant, Figures, Goal, Scenario, Turn
from bench.topics import wait_until

TIMES = 10
# The broker notes when it appended a record: exact to the millisecond, and nobody has to ask meanwhile.
BROKER_TIME = {"message.timestamp.type": "LogAppendTime"}


def fastconnect(turn: Turn) -> Figures:
    argv = [ours.PROGRAM, "run", "--bootstrap-servers", turn.bootstrap, "--worker", str(ours.worker_file(turn))]
    with ours.start(turn, [*argv, "--rest", "127.0.0.1:0"]) as program:
        log = turn.folder / "fastconnect.log"
        wait_until(lambda: rest_url(log, program), "the REST API listens", every_s=0.05)
        url = rest_url(log, program)
        answered_ms, first_record_ms = [], []
        for number in range(3 if turn.quick else TIMES):
            before = sum(turn.topics.end_offsets(turn.topic))
            began_ms = time.time() * 1000
            _create(url, f"{turn.topic}-{number}", turn.topic)
            answered_ms.append(time.time() * 1000 - began_ms)
            wait_until(partial(_has_more, turn, before), "its record is there", every_s=0.05)
            times = [message.timestamp()[1] for message in turn.topics.read(turn.topic)]
            first_record_ms.append(min(each for each in times if each >= began_ms - 1) - began_ms)
    return {
        "answered_p50_ms": statistics.median(answered_ms),
        "first_record_p50_ms": statistics.median(first_record_ms),
        "first_record_max_ms": max(first_record_ms),
    }


def _has_more(turn: Turn, before: int) -> bool:
    return sum(turn.topics.end_offsets(turn.topic)) > before


def _create(url: str, name: str, topic: str) -> None:
    config = {"connector.class": "SequenceSource", "topic": topic, "count": "1", "then.idle": "true"}
    request = urllib.request.Request(
        f"{url}/connectors",
        json.dumps({"name": name, "config": config}).encode(),
        {"Content-Type": "application/json"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        answer.read()


SCENARIO = Scenario(
    name="rest_create",
    title="from POST /connectors to the connector's first record",
    contestants=[Contestant("fastconnect", fastconnect, BROKER_TIME, ours.version)],
    goals=[Goal("POST /connectors to the first record in Kafka: ms", "first_record_p50_ms", 500, "at most")],
    notes="From just before the request is sent to the broker's append time of the record: the broker must run on this "
    "machine. The median of ten connectors, one after the other, on a worker that runs already.",
    repeats=3,
)
