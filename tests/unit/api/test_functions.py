from __future__ import annotations

import pytest

from fastconnect import Config, SinkConnector, SourceConnector, SourceRecord, Topic, plugins, record, sink, source


class ClicksConfig(Config):
    topic: Topic = "clicks"


@source(version="1.2.3")
def clicks(url: str, offset: int | None = None) -> list[str]:
    """Clicks of a page."""
    return [url]


@sink
def printed(values: list[object], prefix: str = "") -> None:
    print(*values)


def test_a_function_becomes_a_connector_class_that_passes_for_it() -> None:
    assert issubclass(clicks, SourceConnector)
    assert (clicks.__name__, clicks.__module__, clicks.__doc__) == ("clicks", __name__, "Clicks of a page.")
    assert clicks.version == "1.2.3"
    assert clicks.function("u") == ["u"]
    assert [entry.key for entry in clicks.config_class.fields()] == ["url", "topic"]
    assert issubclass(printed, SinkConnector)
    assert [entry.key for entry in printed.config_class.fields()] == ["prefix"]


def test_it_can_be_an_entry_point_like_any_class() -> None:
    plugins.register("example.clicks", clicks)
    plugins.register("example.printed", printed)
    try:
        assert plugins.find("source", "clicks") is clicks
        assert plugins.find("sink", "printed") is printed
    finally:
        plugins.unregister("example.clicks")
        plugins.unregister("example.printed")


def test_the_config_class_may_be_the_users_own() -> None:
    @source
    def configured(config: ClicksConfig) -> list[str]:
        return [config.topic]

    assert configured.config_class is ClicksConfig


def test_record_is_a_source_record_with_its_offset_as_a_map() -> None:
    assert record("v", key="k", offset=5) == SourceRecord("", "v", "k", None, {"offset": 5})
    assert record("v", offset={"page": 2}).source_offset == {"page": 2}
    assert record("v").source_offset is None


def test_a_sink_that_takes_no_records_is_refused() -> None:
    with pytest.raises(TypeError, match="a sink needs a parameter `records` or `values`"):

        @sink
        def deaf(prefix: str) -> None: ...
