"""Records that a broker refuses by name, in batches with good ones: a compacted topic takes none without a key."""

from __future__ import annotations

import pytest
from fakes.commands import Ended, Shell
from fakes.topics import Topics

pytestmark = pytest.mark.integration

MIXED = """
from fastconnect import SourceRecord, source

@source
def mixed(topic: str, offset: dict | None = None):
    for n in range((offset or {"n": -1})["n"] + 1, 30):
        key = None if n % 10 == 3 else f"key {n}"
        yield SourceRecord(topic, f"value {n}", key=key, partition=0, source_partition={"it": "is"}, source_offset={"n": n})
"""


@pytest.fixture
def compacted(topics: Topics, fresh_topic: str) -> str:
    return topics.create(fresh_topic, 1, cleanup_policy="compact")


def mixed(run: Shell, kafka: str, topic: str, **settings: str) -> Ended:
    (run.folder / "mixed.py").write_text(MIXED)
    words: list[object] = ["run", "mixed.py:mixed", "--bootstrap-servers", kafka, "--until-done"]
    every = {"topic": topic, "key.converter": "StringConverter", "value.converter": "StringConverter", **settings}
    for key, value in every.items():
        words += ["--set", f"{key}={value}"]
    return run.run(*words)


def test_invalid_records_are_skipped_and_those_beside_them_delivered_in_their_order(
    run: Shell, kafka: str, topics: Topics, compacted: str
) -> None:
    dead = topics.create(f"{compacted}-dead", 1)
    ended = mixed(
        run,
        kafka,
        compacted,
        **{
            "errors.tolerance": "all",
            "errors.deadletterqueue.topic.name": dead,
            "errors.deadletterqueue.topic.replication.factor": "1",
        },
    )
    assert ended.code == 0, ended
    assert [each.value for each in topics.read(compacted)] == [f"value {n}".encode() for n in range(30) if n % 10 != 3]
    # Once at least: the batch that was refused first may have had some of them reported, too.
    assert {each.value for each in topics.read(dead)} == {b"value 3", b"value 13", b"value 23"}
    assert "Going on with each record alone" in ended.err


def test_where_no_record_may_be_skipped_the_invalid_one_is_named_and_not_one_beside_it(
    run: Shell, kafka: str, compacted: str
) -> None:
    ended = mixed(run, kafka, compacted)
    assert ended.code == 1, ended
    assert "the record before source offset {'n': 3} of source partition {'it': 'is'}" in ended.err
    assert "INVALID_RECORD" in ended.err
