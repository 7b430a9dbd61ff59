"""Topics that a source's records go to and that are not there yet: who creates them, and how."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fakes.commands import Ended, Shell
from fakes.topics import Topics

pytestmark = pytest.mark.integration


class Load:
    """Loads one record into a topic."""

    def __init__(self, run: Shell, topics: Topics, topic: str, folder: Path) -> None:
        self.run = run
        self.topics = topics
        self.topic = topic
        self.folder = folder

    def __call__(self, *more: str, **creation: str) -> Ended:
        (self.folder / "in").write_text("one\n")
        config = {
            "name": "load",
            "connector.class": "FileSource",
            "paths": str(self.folder / "in"),
            "topic": self.topic,
            "value.converter": "StringConverter",
            **{f"topic.creation.{key.replace('_', '.')}": value for key, value in creation.items()},
        }
        file = self.folder / "connector.json"
        file.write_text(json.dumps(config))
        settings = ["--set", "restart.max.failures=1", *more]
        return self.run.run("run", file, "--bootstrap-servers", self.topics.bootstrap, "--until-done", *settings)


@pytest.fixture
def load(run: Shell, topics: Topics, fresh_topic: str, tmp_path: Path) -> Load:
    return Load(run, topics, fresh_topic, tmp_path)


DEFAULT = {"default_partitions": "3", "default_replication_factor": "-1"}


def test_a_missing_topic_is_created_as_the_first_matching_group_says(load: Load) -> None:
    ended = load(
        **DEFAULT,
        groups="others,mine",
        others_include="other-.*",
        mine_include=f"other-x,{load.topic}",
        mine_partitions="5",
        mine_replication_factor="1",
        mine_retention_ms="12345678",
        mine_max_message_bytes="2000000",
    )
    assert ended.code == 0, str(ended)
    assert load.topics.values(load.topic) == [b"one"]
    assert load.topics.partitions(load.topic) == 5
    settings = load.topics.settings(load.topic)
    assert (settings["retention.ms"], settings["max.message.bytes"]) == ("12345678", "2000000")
    assert f"Created a topic. topic={load.topic} group=mine partitions=5 replication_factor=1" in ended.err


def test_a_topic_of_no_group_is_created_by_default_and_one_that_is_there_stays_as_it_is(load: Load) -> None:
    ended = load(**DEFAULT, groups="g", g_include=".*", g_exclude="topic-.*", g_partitions="9")
    assert ended.code == 0, str(ended)
    assert load.topics.partitions(load.topic) == 3
    (load.folder / "home").rename(load.folder / "home-before")
    ended = load(default_partitions="7", default_replication_factor="1")
    assert ended.code == 0, str(ended)
    assert load.topics.partitions(load.topic) == 3
    assert "Created a topic" not in ended.err


@pytest.mark.parametrize("forbidden", [False, True])
def test_without_groups_or_where_the_worker_forbids_it_the_broker_creates_topics(load: Load, forbidden: bool) -> None:
    ended = load("--set", "topic.creation.enable=false", **DEFAULT) if forbidden else load()
    assert ended.code == 0, str(ended)
    assert load.topics.partitions(load.topic) == 8  # the broker's own number


@pytest.mark.parametrize(
    ("creation", "sentences"),
    [
        (
            {"default_partitions": "0"},
            [
                "topic.creation.default.partitions: Invalid value 0 for configuration topic.creation.default.partitions: "
                "Number of partitions must be positive, or -1 to use the broker's default",
                'Missing required configuration "topic.creation.default.replication.factor" which has no default value.',
            ],
        ),
        (
            {**DEFAULT, "default_retention_ms": "soon"},
            ["Task failed to create new topic", "retention.ms", "correct the topic's settings"],
        ),
        (
            {"default_partitions": "1", "default_replication_factor": "3"},
            [
                "Task failed to create new topic",
                "topic.creation.default.replication.factor may not be greater than the number of brokers",
            ],
        ),
    ],
)
def test_what_cannot_be_created_is_told_with_its_key_and_nothing_is_sent(
    load: Load, creation: dict[str, str], sentences: list[str]
) -> None:
    ended = load(**creation)
    assert ended.code == 1, str(ended)
    for sentence in sentences:
        assert sentence in ended.err
    assert not load.topics.exists(load.topic)
