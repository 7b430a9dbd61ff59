"""Config classes: parsing, faults, writing, and finding the class of a plugin."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Generic, TypeVar

import pytest

from fastconnect.api.config import Config, Duration, Fault, Meta, Secret, Topic, config_class_of, field
from fastconnect.api.connector import SourceConnector
from fastconnect.api.task import SourceTask
from fastconnect.errors import ConfigError


class ClicksConfig(Config):
    page_size: Annotated[int, Meta(ge=1, description="Rows in one request.")] = 500
    topic: Topic
    password: Secret | None = None
    files: list[str] = field(default_factory=list)
    wait: Duration = 1_000
    odd: str = field(default="x", name="odd-key")

    def check(self) -> Iterable[Fault]:
        if self.page_size > 1_000 and not self.files:
            yield Fault("files", "must be given for pages this large")


class MoreClicksConfig(ClicksConfig):
    limit: int | None = 7


def test_strings_become_a_typed_config():
    config = ClicksConfig.parse(
        {"topic": " clicks ", "page.size": "20", "files": "a, b", "wait": "2s", "odd-key": "y", "other": "z"}
    )
    assert config == ClicksConfig(topic="clicks", page_size=20, files=["a", "b"], wait=2_000, odd="y")


def test_what_is_not_given_has_its_default():
    config = ClicksConfig.parse({"topic": "t"})
    assert (config.page_size, config.password, config.files, config.odd) == (500, None, [], "x")


def test_all_faults_come_in_one_answer():
    with pytest.raises(ConfigError) as refusal:
        ClicksConfig.parse({"page.size": "0", "wait": "soon"}, where="connector clicks")
    assert [fault.message for fault in refusal.value.faults] == [
        "Invalid value 0 for configuration page.size: Value must be at least 1",
        'Missing required configuration "topic" which has no default value.',
        "Invalid value soon for configuration wait: Not a time: write it as 500 (milliseconds), 500ms, 5s, 2m, 1h or 1d",
    ]
    assert str(refusal.value).startswith("connector clicks: the configuration has 3 faults\n")


def test_a_rule_across_fields_is_asked_when_each_field_is_right():
    assert ClicksConfig.faults({"topic": "t", "page.size": "2000"}) == [Fault("files", "must be given for pages this large")]
    assert [fault.key for fault in ClicksConfig.faults({"page.size": "2000"})] == ["topic"]
    assert ClicksConfig.faults({"topic": "t", "page.size": "2000", "files": "a"}) == []


def test_a_bad_secret_is_not_in_the_fault():
    class Locked(Config):
        pin: Annotated[Secret, Meta(min_length=8)]

    (fault,) = Locked.faults({"pin": "hunter2"})
    assert fault.message == "Invalid value [hidden] for configuration pin: String must have a length of at least 8"


def test_a_bad_list_is_shown_in_brackets():
    class Listed(Config):
        ports: list[int]

    (fault,) = Listed.faults({"ports": "1, x"})
    assert fault.message == "Invalid value [1, x] for configuration ports: Not a number of type INT"


def test_a_null_stands_for_the_default_and_of_an_optional_field_for_none():
    config = MoreClicksConfig.parse({"topic": "t", "page.size": None, "limit": None})
    assert (config.page_size, config.limit) == (500, None)
    assert MoreClicksConfig.parse({"topic": "t"}).limit == 7
    assert [fault.key for fault in ClicksConfig.faults({"topic": None})] == ["topic"]


def test_a_config_is_written_as_strings_that_give_it_back():
    config = MoreClicksConfig(topic="t", password=Secret("pw"), files=["a", "b"], wait=5)
    properties = config.to_properties()
    assert properties == {
        "page.size": "500",
        "topic": "t",
        "password": "pw",
        "files": "a,b",
        "wait": "5",
        "odd-key": "x",
        "limit": "7",
    }
    assert MoreClicksConfig.parse(properties) == config


def test_a_list_that_its_text_would_split_is_refused_with_its_key():
    with pytest.raises(ConfigError, match="files: 'a,b' cannot stand in a comma separated list"):
        ClicksConfig(topic="t", files=["a,b"]).to_properties()


def test_a_config_is_never_changed_only_replaced():
    config = ClicksConfig(topic="t")
    with pytest.raises(AttributeError):
        config.topic = "u"
    assert config.replace(topic="u") == ClicksConfig(topic="u")
    assert config.topic == "t"


def test_a_config_shows_no_secret():
    assert repr(ClicksConfig(topic="t", password=Secret("hunter2"))).count("hunter2") == 0


def test_a_field_must_not_hide_a_method_of_config():
    with pytest.raises(TypeError, match=r"would hide Config\.check"):

        class Hiding(Config):
            check: str = "x"


def test_a_field_of_no_supported_type_is_named():
    class Odd(Config):
        when: complex = 0j

    with pytest.raises(TypeError, match=r"Odd\.when: .*not supported in a Config"):
        Odd.parse({})


def test_the_config_class_is_found_in_the_base_of_the_class():
    class ClicksTask(SourceTask[ClicksConfig]):
        pass

    class Clicks(SourceConnector[ClicksConfig]):
        task_class = ClicksTask

    class PlainTask(SourceTask):
        pass

    class Grandchild(ClicksTask):
        pass

    assert ClicksTask.config_class is ClicksConfig
    assert Clicks.config_class is ClicksConfig
    assert PlainTask.config_class is Config
    assert Grandchild.config_class is ClicksConfig


C = TypeVar("C", bound=Config)


class Between(SourceTask[C], Generic[C]):
    pass


def test_a_generic_class_between_passes_the_config_class_on():
    class Leaf(Between[MoreClicksConfig]):
        pass

    assert Between.config_class is Config
    assert Leaf.config_class is MoreClicksConfig


def test_a_config_class_that_is_said_counts_more():
    class Said(SourceTask[ClicksConfig]):
        config_class = MoreClicksConfig

    assert Said.config_class is MoreClicksConfig


def test_a_config_class_must_be_defined_before_it_is_named():
    with pytest.raises(TypeError, match=r"define .* before the class that names it"):

        class Early(SourceTask["LaterConfig"]):
            pass


def test_no_config_class_at_all_gives_the_default():
    assert config_class_of(int, ClicksConfig) is ClicksConfig
