from __future__ import annotations

import logging

import pytest

from fastconnect.herder.loggers import Loggers, python_name
from fastconnect.herder.refusals import RequestRefusedError


@pytest.fixture
def loggers():
    names = ["loggers-test", "loggers-test.child", "fastconnect.storage"]
    before = {name: logging.getLogger(name).level for name in names}
    yield Loggers()
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def test_a_logger_and_all_below_it_are_changed_and_named(loggers):
    assert loggers.set_level("loggers-test", "debug") == ["loggers-test", "loggers-test.child"]
    level = loggers.levels()["loggers-test.child"]
    assert level.level == "DEBUG"
    assert level.last_modified is not None
    assert logging.getLogger("loggers-test.child").getEffectiveLevel() == logging.DEBUG


def test_a_logger_that_nobody_has_made_is_made(loggers):
    assert loggers.set_level("loggers-test-of.nobody", "OFF") == ["loggers-test-of.nobody"]
    assert loggers.levels()["loggers-test-of.nobody"].level == "OFF"


def test_a_name_of_kafka_connect_stays_as_it_was_given_and_sets_ours(loggers):
    assert loggers.set_level("org.apache.kafka.connect.storage.Any", "TRACE") == ["org.apache.kafka.connect.storage.Any"]
    assert logging.getLogger("fastconnect.storage").level == 5
    assert loggers.levels()["org.apache.kafka.connect.storage.Any"].level == "TRACE"


def test_what_was_never_set_has_the_level_of_what_is_above_it_and_no_time(loggers):
    levels = loggers.levels()

    assert levels["root"].last_modified is None
    assert list(levels) == sorted(levels)


def test_a_level_that_is_none_is_refused(loggers):
    with pytest.raises(RequestRefusedError, match="invalid log level 'LOUD'") as refused:
        loggers.set_level("root", "LOUD")
    assert refused.value.status == 404


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("root", ""),
        ("fastconnect.task", "fastconnect.task"),
        ("org.apache.kafka.connect", "fastconnect"),
        ("org.apache.kafka.connect.runtime.rest.resources.ConnectorsResource", "fastconnect.rest"),
        ("org.apache.kafka.connect.runtime.WorkerSinkTask", "fastconnect.task.sink"),
        ("org.apache.kafka.connector", "org.apache.kafka.connector"),
        ("org.apache.kafka.clients.Metadata", "kafka"),
    ],
)
def test_kafka_connects_loggers_have_counterparts(name, ours):
    assert python_name(name) == ours
