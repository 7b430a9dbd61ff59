from __future__ import annotations

import logging

import pytest

from fastconnect.connectors import log_sink
from fastconnect.connectors.log_sink import LogSink
from fastconnect.connectors.null_sink import NullSink
from fastconnect.testing import SinkHarness


@pytest.mark.parametrize("read", ["nothing", "raw", "values", "records"])
def test_the_null_sink_takes_everything(read: str) -> None:
    with SinkHarness(NullSink, {"topics": "t", "read": read}) as sink:
        sink.put([1, None, {"a": 1}])
        assert list(sink.commit().values()) == [3]


def test_the_log_sink_logs_a_line_a_record(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), SinkHarness(LogSink, {"topics": "t", "value.max.chars": "5"}) as sink:
        sink.put([{"a": 1}, "long text"], keys=["k", None])
    assert [record.getMessage() for record in caplog.records] == [
        "t-0 at 0: key=k value={a=1}",
        "t-0 at 1: key=null value=long … (9 characters)",
    ]


def test_the_log_sink_logs_no_more_than_so_many_a_second(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = 1
    monkeypatch.setattr(log_sink, "_second", lambda: second)
    with caplog.at_level(logging.INFO), SinkHarness(LogSink, {"topics": "t", "most.per.second": "2"}) as sink:
        sink.put([1])
        sink.put([2, 3, 4])
        second = 2
        sink.put([5])
    texts = [record.getMessage().partition("value=")[2] or record.getMessage() for record in caplog.records]
    assert texts == ["1", "2", "More records came than are logged. left_out=2", "5"]


def test_the_log_sinks_level_can_be_set(caplog: pytest.LogCaptureFixture) -> None:
    with SinkHarness(LogSink, {"topics": "t", "level": "error"}) as sink:
        sink.put([1])
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
