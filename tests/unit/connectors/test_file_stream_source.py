from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastconnect.api.config_def import config_keys
from fastconnect.api.record import EndOfData
from fastconnect.api.schema import Schema
from fastconnect.connectors import file_stream_source
from fastconnect.connectors.file_stream_source import FileStreamSource, FileStreamSourceConfig
from fastconnect.errors import ConnectError, DataError
from fastconnect.testing import SourceHarness


def stream(file: Path, offsets: tuple = (), **config: str) -> SourceHarness:
    keys = {name.replace("_", "."): value for name, value in config.items()}
    return SourceHarness(FileStreamSource, {"topic": "t", "file": str(file), **keys}, offsets=offsets, tasks_max=8)


def values(polled: list | None) -> list[bytes]:
    return [record.value for record in polled or []]


def test_lines_come_without_their_ends_and_with_kafka_connects_partition_and_offset(tmp_path):
    file = tmp_path / "a"
    file.write_bytes(b"one\n\nthree\r\nfour\rfive")
    with stream(file) as source:
        records = source.poll()
        assert values(records) == [b"one", b"", b"three", b"four"]
        assert [record.source_offset for record in records] == [{"position": place} for place in (4, 5, 12, 17)]
        assert {record.source_partition["filename"] for record in records} == {str(file)}
        assert all(record.key is None and record.topic == "t" and record.timestamp for record in records)
        assert {record.value_schema for record in records} == {Schema.string()}
        assert source.poll() is None


def test_there_is_one_task_however_many_are_allowed(tmp_path):
    with stream(tmp_path / "a") as source:
        assert len(source.tasks) == 1


def test_a_growing_file_is_followed_and_half_a_line_waits_for_its_end(tmp_path):
    file = tmp_path / "a"
    with file.open("wb", buffering=0) as growing, stream(file) as source:
        assert source.poll() is None
        growing.write(b"on")
        assert source.poll() is None
        growing.write(b"e\ntw")
        assert values(source.poll()) == [b"one"]
        growing.write(b"o\r")
        assert source.poll() is None, "a newline may follow"
        growing.write(b"\nthree\r")
        assert values(source.poll()) == [b"two"]
        growing.write(b"four\n")
        assert values(source.poll()) == [b"three", b"four"]


def test_a_missing_file_is_waited_for_and_named_once(tmp_path, caplog):
    file = tmp_path / "a"
    with caplog.at_level(logging.WARNING), stream(file) as source:
        assert [source.poll() for _ in range(3)] == [None] * 3
        file.write_bytes(b"one\n")
        assert values(source.poll()) == [b"one"]
    assert [record.getMessage() for record in caplog.records] == [
        f"Waiting for the file to read. file={file} reason=No such file or directory"
    ]


def test_no_poll_gives_more_than_batch_size(tmp_path):
    file = tmp_path / "a"
    file.write_bytes(b"".join(b"%d\n" % number for number in range(10)) + b"x\ry\rz\r\n")
    with stream(file, batch_size="4") as source:
        assert values(source.poll()) == [b"0", b"1", b"2", b"3"]
    with stream(file, batch_size="0") as source:
        assert values(source.poll()) == [b"0"], "as Kafka Connect does it"


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.lists(st.sampled_from([b"a", b"\xc3\xa9", b"\xff", b"\r", b"\n", b"\r\n", b"x" * 9]), max_size=30).map(b"".join),
    read_bytes=st.integers(1, 20),
    batch_size=st.integers(1, 6),
    taken=st.integers(0, 20),
)
def test_every_line_comes_once_whatever_is_read_at_a_time(tmp_path, parts, read_bytes, batch_size, taken):
    file = tmp_path / "a"
    file.write_bytes(parts)
    expected = re.split(rb"\r\n|\n|\r(?!\Z)", parts)[:-1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_stream_source, "READ_BYTES", read_bytes)
        with stream(file, batch_size=str(batch_size)) as source:
            seen = source.take(min(taken, len(expected)))
            source.restart()
            seen += source.take(len(expected) - len(seen))
            assert [record.value for record in seen] == [line.decode(errors="replace").encode() for line in expected]
            assert source.poll() is None


def test_it_goes_on_at_the_byte_behind_the_last_record_also_after_other_letters(tmp_path):
    file = tmp_path / "a"
    file.write_bytes("é€😀\nzwei\n".encode())
    with stream(file) as source:
        assert source.take(1)[0].source_offset == {"position": 10}
        source.restart()
        assert values(source.poll()) == [b"zwei"]


def test_a_file_shorter_than_the_position_is_left_alone_until_it_is_longer(tmp_path, caplog):
    file = tmp_path / "a"
    file.write_bytes(b"one\n")
    with stream(file, offsets=(({"filename": str(file)}, {"position": 8}),)) as source:
        assert source.poll() is None
        assert "The file is shorter than it was." in caplog.text
        file.write_bytes(b"one\ntwo\nthree\n")
        assert values(source.poll()) == [b"three"]


def test_an_unusable_position_is_an_error_that_says_so(tmp_path):
    file = tmp_path / "a"
    file.write_bytes(b"one\n")
    offsets = (({"filename": str(file)}, {"position": "1"}),)
    with stream(file, offsets=offsets) as source, pytest.raises(DataError, match="no usable position: '1'"):
        source.poll()


def test_the_standard_input_is_read_to_its_end(monkeypatch):
    read_end, write_end = os.pipe()
    monkeypatch.setattr(file_stream_source, "STANDARD_INPUT", read_end)
    with SourceHarness(FileStreamSource, {"topic": "t"}) as source:
        assert source.poll() is None
        os.write(write_end, b"one\ntw")
        records = source.poll()
        assert values(records) == [b"one"]
        assert (records[0].source_partition, records[0].source_offset) == (None, None)
        os.write(write_end, b"o")
        assert source.poll() is None
        os.close(write_end)
        assert values(source.poll()) == [b"two"]
        assert isinstance(source.poll(), EndOfData)
    os.close(read_end)


def test_its_config_is_kafka_connects():
    keys = {
        key.name: (key.type, key.required, key.default_value, key.importance)
        for key in config_keys(FileStreamSource.config_class)
    }
    assert keys == {
        "file": ("STRING", False, None, "HIGH"),
        "topic": ("STRING", True, None, "HIGH"),
        "batch.size": ("INT", False, "2000", "LOW"),
    }


@pytest.mark.parametrize(
    ("partition", "offset", "fault"),
    [
        ({"filename": "f"}, {"position": 7}, None),
        ({"anything": 1}, None, None),
        ({"filename": "f"}, {"line": 7}, "Offset objects should either be null or contain the key 'position'"),
        ({"filename": "f"}, {"position": "7"}, "The value for the 'position' key in the offset is expected to be a Long value"),
        ({"filename": "f"}, {"position": -1}, "The value for the 'position' key in the offset should be a non-negative value"),
        (None, {"position": 7}, "Partition objects cannot be null"),
        ({"file": "f"}, {"position": 7}, "Partition objects should contain the key 'filename'"),
    ],
)
def test_altered_offsets_are_checked_as_kafka_connect_does(partition: Any, offset: Any, fault: str | None) -> None:
    connector = FileStreamSource()
    config = FileStreamSourceConfig.parse({"topic": "t", "file": "f"})
    if fault is None:
        assert connector.alter_offsets(config, [(partition, offset)])
        return
    with pytest.raises(ConnectError, match=re.escape(fault)):
        connector.alter_offsets(config, [(partition, offset)])


def test_the_standard_input_has_no_offsets_to_alter_and_is_not_exactly_once() -> None:
    config = FileStreamSourceConfig.parse({"topic": "t"})
    with pytest.raises(ConnectError, match="Offsets cannot be modified if the 'file' configuration is unspecified"):
        FileStreamSource().alter_offsets(config, [])
    assert not FileStreamSource().exactly_once_support(config)
