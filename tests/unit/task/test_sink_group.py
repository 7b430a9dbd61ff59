"""Topics that a sink is to read and that do not exist yet; what else a membership does is in test_sink.py."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Any, cast

import pytest

from fastconnect.task import sink_group
from fastconnect.task.sink_group import SAY_MISSING_AFTER, Membership


class Cluster:
    """Has topics, and a member that subscribes to some."""

    def __init__(self) -> None:
        self.topics: dict[str, int] = {}
        self.subscribed: list[Sequence[str]] = []

    def existing_topics(self) -> dict[str, int]:
        return self.topics

    def subscribe(self, topics: Sequence[str]) -> None:
        self.subscribed.append(topics)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        pytest.param(["here", "orders", "returns"], "orders,returns", id="names"),
        pytest.param(re.compile("orders|returns"), "any that matches orders|returns", id="a pattern"),
    ],
)
def test_what_is_missing_is_told_once_and_so_is_that_it_came(
    wanted: list[str] | re.Pattern[str], said: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sink_group, "MISSING_WAITS_S", (0.0,))
    caplog.set_level(logging.INFO)
    cluster, nobody = Cluster(), cast("Any", None)
    cluster.topics = {"here": 1}
    member = Membership(cast("Any", cluster), nobody, nobody, topics=wanted, reset="earliest", topics_again_ms=0)
    subscribe = [] if isinstance(wanted, re.Pattern) else [wanted]

    for _ in range(len(subscribe) + SAY_MISSING_AFTER):  # one turn to subscribe, and so many looks
        member.subscribe_if_due(lambda topics: None)
    cluster.topics = {"here": 1, "orders": 1, "returns": 1}
    member.subscribe_if_due(lambda topics: None)

    told = [record for record in caplog.records if record.getMessage() != "Reading topics."]
    assert [record.levelname for record in told] == ["WARNING", "INFO"]
    assert said in str(vars(told[0]))
    assert told[1].getMessage() == "What is to be read exists now."
    assert cluster.subscribed == (subscribe or [["orders", "returns"]])
