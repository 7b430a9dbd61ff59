from __future__ import annotations

from pathlib import Path

import pytest

from fastconnect import ConnectError, TopicPartition
from fastconnect.api.schema import Schema, Struct
from fastconnect.connectors.file_stream_sink import FileStreamSink
from fastconnect.testing import SinkHarness


def test_each_value_is_a_line_as_javas_tostring_has_it(tmp_path: Path) -> None:
    schema = Schema.struct({"id": Schema.int64(), "name": Schema.string()})
    with SinkHarness(FileStreamSink, {"topics": "t", "file": str(tmp_path / "out")}) as sink:
        sink.put(["text", None, 7, 1.0, True, {"a": 1}, [1, "x"], Struct(schema, {"id": 1, "name": "n"})])
    lines = (tmp_path / "out").read_text().splitlines()
    assert lines == ["text", "null", "7", "1.0", "true", "{a=1}", "[1, x]", "Struct{id=1,name=n}"]


def test_texts_keep_their_newlines_and_letters(tmp_path: Path) -> None:
    with SinkHarness(FileStreamSink, {"topics": "t", "file": str(tmp_path / "out")}) as sink:
        sink.put(["ä\nb", "€"])
    assert (tmp_path / "out").read_bytes() == "ä\nb\n€\n".encode()


def test_a_file_is_appended_to(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("before\n")
    with SinkHarness(FileStreamSink, {"topics": "t", "file": str(tmp_path / "out")}) as sink:
        sink.put(["after"])
    assert (tmp_path / "out").read_text() == "before\nafter\n"


def test_what_is_committed_is_in_the_file(tmp_path: Path) -> None:
    with SinkHarness(FileStreamSink, {"topics": "t", "file": str(tmp_path / "out")}) as sink:
        sink.put(["a", "b"])
        assert sink.commit() == {TopicPartition("t", 0): 2}
        assert (tmp_path / "out").read_text() == "a\nb\n"


def test_without_a_file_the_standard_output_is_used_and_left_open(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    for _ in range(2):
        with SinkHarness(FileStreamSink, {"topics": "t"}) as sink:
            sink.put(["line"])
    assert capfdbinary.readouterr().out == b"line\nline\n"


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConnectError, match=r"file=.*/missing/out: the file cannot be written to: No such file"):
        SinkHarness(FileStreamSink, {"topics": "t", "file": str(tmp_path / "missing" / "out")}).start()
