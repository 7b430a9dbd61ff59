from __future__ import annotations

from fastconnect.reports import TaskChannel, TopicUsed, decode
from fastconnect.task.sink_topics import TopicsUsed


def told(channel: TaskChannel) -> list[object]:
    return [decode(kind, payload) for kind, payload in channel.ring.read()]


def test_each_topic_is_told_once_and_again_when_the_page_asks(channel: TaskChannel) -> None:
    topics = TopicsUsed(channel)
    topics.tell(["a", "b", "a"])
    topics.tell(["a"])
    assert told(channel) == [TopicUsed("a"), TopicUsed("b")]

    channel.page.ask_topics()
    topics.tell(["b"])
    assert told(channel) == [TopicUsed("b")]


def test_a_topic_that_found_no_room_is_told_later(channel: TaskChannel) -> None:
    topics = TopicsUsed(channel)
    while channel.tell_topic("filler"):
        pass
    topics.tell(["a"])
    assert TopicUsed("a") not in told(channel)
    topics.tell(["a"])
    assert told(channel) == [TopicUsed("a")]
