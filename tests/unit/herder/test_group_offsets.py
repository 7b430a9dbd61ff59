from __future__ import annotations

import pytest

from fastconnect.api.sink_records import TopicPartition
from fastconnect.herder.group_offsets import GroupOffsets
from fastconnect.herder.refusals import RequestRefusedError

AT = {"kafka_topic": "t", "kafka_partition": 0}
ONE = {"kafka_offset": 1}


@pytest.fixture
def group() -> GroupOffsets:
    return GroupOffsets("sink", "connect-sink", {})


def test_numbers_may_be_texts_and_the_last_of_a_partition_counts(group):
    offsets = [
        ({"kafka_topic": "t", "kafka_partition": "1"}, {"kafka_offset": "7"}),
        (AT, ONE),
        (AT, {"kafka_offset": 2}),
        ({"kafka_topic": "u", "kafka_partition": 0}, None),
    ]

    assert group.parse(offsets) == {TopicPartition("t", 1): 7, TopicPartition("t", 0): 2, TopicPartition("u", 0): None}


@pytest.mark.parametrize(
    ("partition", "offset", "message"),
    [
        (None, ONE, "The partition for a sink connector offset cannot be null or missing"),
        (
            {"kafka_partition": 0},
            ONE,
            "The partition for a sink connector offset must contain the keys 'kafka_topic' and 'kafka_partition'",
        ),
        (
            {"kafka_topic": "t"},
            ONE,
            "The partition for a sink connector offset must contain the keys 'kafka_topic' and 'kafka_partition'",
        ),
        ({"kafka_topic": None, "kafka_partition": 0}, ONE, "Kafka topic names must be valid strings and may not be null"),
        ({"kafka_topic": "t", "kafka_partition": None}, ONE, "Kafka partitions must be valid numbers and may not be null"),
        (
            {"kafka_topic": "t", "kafka_partition": "zero"},
            ONE,
            "Failed to parse the following Kafka partition value in the provided offsets: 'zero'. "
            "Partition values for sink connectors need to be integers.",
        ),
        (
            AT,
            {"kafka_offset": "one"},
            "Failed to parse the following Kafka offset value in the provided offsets: 'one'. "
            "Offset values for sink connectors need to be integers.",
        ),
        (AT, {"position": 1}, "The offset for a sink connector should either be null or contain the key 'kafka_offset'"),
        (AT, [1], "The offset for a sink connector should either be null or contain the key 'kafka_offset'"),
        (AT, {"kafka_offset": -1}, "Failed to modify offsets for sink connector sink"),
    ],
    ids=[
        "no-partition", "no-topic", "no-number", "topic-null", "number-null", "number-text", "offset-text", "other-key",
        "no-object", "negative",
    ],
)  # fmt: skip
def test_what_is_no_offset_of_a_sink_is_refused_in_kafka_connects_words(group, partition, offset, message):
    with pytest.raises(RequestRefusedError) as refused:
        group.parse([(partition, offset)])
    assert (refused.value.status, str(refused.value)) == (400, message)


@pytest.mark.parametrize("value", [True, 1.5, float("inf"), {}, [], 1 << 70, "1" * 100])
def test_numbers_that_are_none_are_refused(group, value):
    for offset in ((AT, {"kafka_offset": value}), ({"kafka_topic": "t", "kafka_partition": value}, ONE)):
        with pytest.raises(RequestRefusedError) as refused:
            group.parse([offset])
        assert refused.value.status == 400
