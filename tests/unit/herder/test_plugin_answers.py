from __future__ import annotations

import json
from typing import ClassVar

import msgspec
import pytest

from fastconnect import plugins
from fastconnect.api.config import Config, Fault
from fastconnect.api.connector import SinkConnector, SourceConnector
from fastconnect.api.sink_records import TopicPartition
from fastconnect.api.task import SinkTask, SourceTask
from fastconnect.config.worker import WorkerConfig
from fastconnect.errors import ConnectError
from fastconnect.herder.connector_process import report
from fastconnect.herder.connector_report import ConnectorReport
from fastconnect.supervisor.control import ConnectorAction, RunConnector

SOURCE: dict[str, str | None] = {"name": "a", "connector.class": "test.AnsweringSource", "topic": "t"}
SINK: dict[str, str | None] = {"name": "a", "connector.class": "test.AnsweringSink", "topics": "t"}


class AnsweringConfig(Config):
    topic: str = "t"
    answer: str = "yes"

    def check(self):
        if self.answer == "wrong":
            yield Fault("answer", "is wrong")


class AnsweringTask(SourceTask[AnsweringConfig]):
    pass


class AnsweringSource(SourceConnector[AnsweringConfig]):
    task_class = AnsweringTask
    version = "1.2.3"
    asked: ClassVar[list[object]] = []

    def alter_offsets(self, config, offsets):
        type(self).asked = offsets
        match config.answer:
            case "refuse":
                raise ConnectError("these are not mine")
            case "unsupported":
                raise NotImplementedError
            case "bug":
                raise ZeroDivisionError("division by zero")
        return config.answer == "yes"


class AnsweringSinkTask(SinkTask[AnsweringConfig]):
    pass


class AnsweringSink(SinkConnector[AnsweringConfig]):
    task_class = AnsweringSinkTask
    asked: ClassVar[list[object]] = []

    def alter_offsets(self, config, offsets):
        type(self).asked = offsets
        return True


@pytest.fixture(autouse=True)
def _registered():
    plugins.register("test.AnsweringSource", AnsweringSource)
    plugins.register("test.AnsweringSink", AnsweringSink)
    yield
    plugins.unregister("test.AnsweringSource")
    plugins.unregister("test.AnsweringSink")


def ask(
    action: ConnectorAction, config: dict[str, str | None] | None = None, *, name: str = "a", given: bytes = b""
) -> ConnectorReport:
    return report(RunConnector(1, action, name, config or {}, input=given), WorkerConfig())


def refused(answer: ConnectorReport) -> tuple[int, str]:
    assert answer.refusal is not None
    return answer.refusal.status, answer.refusal.message


def test_a_config_is_validated_with_what_the_connector_is():
    answer = ask("validate", SOURCE)

    assert (answer.faults, answer.kind, answer.version, answer.summary) == ([], "source", "1.2.3", "")
    body = json.loads(answer.body)
    assert (body["name"], body["error_count"]) == ("test.AnsweringSource", 0)


def test_all_that_is_wrong_is_a_text_and_in_the_body():
    answer = ask("validate", SOURCE | {"answer": "wrong", "tasks.max": "0"})

    first, *errors, last = answer.summary.splitlines()
    assert first == "Connector configuration is invalid and contains the following 2 error(s):"
    assert sorted(errors) == ["Invalid value 0 for configuration tasks.max: Value must be at least 1", "is wrong"]
    assert last.startswith("You can also find the above list of errors at the endpoint ")
    assert json.loads(answer.body)["error_count"] == 2


def test_without_a_class_nothing_can_be_validated_and_secrets_are_not_shown():
    answer = ask("validate", {"name": "a", "db.password": "hunter2", "topic": None})

    status, message = refused(answer)
    assert status == 400
    assert message.startswith("Connector config {")
    assert message.endswith("} contains no connector type")
    assert "hunter2" not in message


def test_a_class_that_is_not_there_is_named_with_those_that_are():
    status, message = refused(ask("validate", {"name": "a", "connector.class": "NoSuch"}))

    assert status == 400
    assert message.startswith("Failed to find any class that implements Connector and which name matches NoSuch, available")
    assert "test.AnsweringSource" in message


def test_a_plugins_own_keys_come_first_and_then_the_frameworks_that_it_does_not_define():
    keys = [key["name"] for key in json.loads(ask("config_def", name="AnsweringSource").body)]

    assert keys[:2] == ["topic", "answer"]
    assert "tasks.max" in keys
    assert len(keys) == len(set(keys))
    sinks = [key["name"] for key in json.loads(ask("config_def", name="test.AnsweringSink").body)]
    assert "topics" in sinks
    assert "topics" not in keys


def test_plugins_of_every_kind_have_definitions():
    keys = json.loads(ask("config_def", name="org.apache.kafka.connect.transforms.RegexRouter").body)

    assert {"regex", "replacement"} <= {key["name"] for key in keys}
    assert "tasks.max" not in {key["name"] for key in keys}


def test_an_unknown_plugin_or_version_has_none():
    assert refused(ask("config_def", name="NoSuch")) == (404, "Unknown plugin NoSuch.")
    assert ask("config_def", name="AnsweringSource", given=b"1.2.3").refusal is None
    status, message = refused(ask("config_def", name="AnsweringSource", given=b"9.9.9"))
    assert status == 400
    assert "matches the version range [9.9.9,9.9.9], available versions: [1.2.3]" in message


def test_what_is_installed_is_listed_and_every_name_of_a_connector_is_known():
    answer = ask("plugins")

    listed = {plugin["class"]: plugin for plugin in json.loads(answer.body)}
    assert listed["test.AnsweringSource"] == {"class": "test.AnsweringSource", "type": "source", "version": "1.2.3"}
    assert listed["org.apache.kafka.connect.transforms.RegexRouter"]["type"] == "transformation"
    for name in ("test.AnsweringSource", "AnsweringSource"):
        assert answer.connectors[name] == ("source", "1.2.3")
    assert answer.connectors["FileStreamSink"][0] == "sink"


@pytest.mark.parametrize(("says", "altered"), [("yes", True), ("no", False)])
def test_a_connector_is_asked_about_its_offsets(says, altered):
    offsets = [({"file": "x"}, {"line": 1}), ({"file": "y"}, None)]
    answer = ask("alter_offsets", SOURCE | {"answer": says}, given=msgspec.msgpack.encode(offsets))

    assert answer.altered is altered
    assert AnsweringSource.asked == offsets


def test_a_sink_is_asked_about_partitions_of_topics():
    answer = ask("alter_offsets", SINK, given=msgspec.msgpack.encode([(("t", 1), 7), (("t", 2), None)]))

    assert answer.altered
    assert AnsweringSink.asked == [(TopicPartition("t", 1), 7), (TopicPartition("t", 2), None)]


def test_what_a_connector_says_against_it_is_passed_on():
    def asked(says: str) -> ConnectorReport:
        return ask("alter_offsets", SOURCE | {"answer": says}, given=msgspec.msgpack.encode([]))

    assert refused(asked("refuse")) == (400, "these are not mine")
    assert refused(asked("unsupported")) == (
        500,
        "Failed to modify offsets for connector a because it doesn't support external modification of offsets",
    )
    failure = asked("bug").failure
    assert failure is not None
    assert failure.reason == "ZeroDivisionError: division by zero"
