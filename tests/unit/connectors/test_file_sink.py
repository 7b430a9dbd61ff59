from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
from backports import zstd

from fastconnect import ConfigError, ConnectError, DataError, TopicPartition
from fastconnect.api.schema import Schema, Struct
from fastconnect.connectors import file_sink_files
from fastconnect.connectors.file_sink import FileSink
from fastconnect.connectors.file_sink_files import Folder
from fastconnect.testing import SinkHarness

HERE = TopicPartition("t", 0)


def sink(folder: Path, *, partitions: int = 1, **config: str) -> SinkHarness:
    settings = {name.replace("_", "."): value for name, value in config.items()}
    return SinkHarness(FileSink, {"topics": "t", "path": str(folder), **settings}, partitions=partitions)


def files(folder: Path) -> dict[str, str]:
    """Complete files, by their names, with what is in them."""
    return {path.name: text(path) for path in sorted(folder.iterdir()) if not path.name.startswith(".")}


def text(path: Path) -> str:
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    elif path.suffix == ".zst":
        data = zstd.decompress(data)
    return data.decode()


def hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith(".") and not path.name.endswith(".lock"))


def test_a_file_is_seen_only_when_it_is_complete_and_named_by_its_offsets(tmp_path: Path) -> None:
    with sink(tmp_path) as under_test:
        under_test.put([{"n": 0}, {"n": 1}])
        assert files(tmp_path) == {}
        assert hidden(tmp_path) == [".t-0-000000000000.jsonl.tmp"]
    assert files(tmp_path) == {"t-0-000000000000-000000000001.jsonl": '{"n":0}\n{"n":1}\n'}
    assert hidden(tmp_path) == []


def test_only_what_is_in_complete_files_is_committed(tmp_path: Path) -> None:
    with sink(tmp_path, roll_records="2") as under_test:
        under_test.put([1])
        assert under_test.commit() == {}
        under_test.put([2, 3])
        assert under_test.commit() == {HERE: 2}


@pytest.mark.parametrize(("compression", "ending"), [("none", ""), ("gzip", ".gz"), ("zstd", ".zst")])
def test_files_are_compressed_as_wanted(tmp_path: Path, compression: str, ending: str) -> None:
    with sink(tmp_path, compression=compression) as under_test:
        under_test.put([{"n": n} for n in range(1000)])
    name = f"t-0-000000000000-000000000999.jsonl{ending}"
    assert files(tmp_path) == {name: "".join(f'{{"n":{n}}}\n' for n in range(1000))}


def test_a_batch_is_divided_where_a_file_is_full_of_records(tmp_path: Path) -> None:
    with sink(tmp_path, roll_records="3") as under_test:
        under_test.put(list(range(8)))
    assert files(tmp_path) == {
        "t-0-000000000000-000000000002.jsonl": "0\n1\n2\n",
        "t-0-000000000003-000000000005.jsonl": "3\n4\n5\n",
        "t-0-000000000006-000000000007.jsonl": "6\n7\n",
    }


def test_a_file_that_has_enough_bytes_is_complete(tmp_path: Path) -> None:
    with sink(tmp_path, roll_bytes="10") as under_test:
        under_test.put(["aaaa"])
        under_test.put(["bbbb"])
        assert list(files(tmp_path)) == ["t-0-000000000000-000000000001.jsonl"]


def test_a_file_that_is_old_enough_is_complete_though_nothing_comes(tmp_path: Path) -> None:
    with sink(tmp_path, roll_interval_ms="1") as under_test:
        under_test.put([1])
        while not files(tmp_path):
            under_test.deliver()
        assert under_test.commit() == {HERE: 1}


def test_each_partition_has_files_of_its_own(tmp_path: Path) -> None:
    with sink(tmp_path, partitions=2) as under_test:
        under_test.put([1], partition=0)
        under_test.put([2], partition=1)
        under_test.put([3], partition=0)
    assert files(tmp_path) == {
        "t-0-000000000000-000000000001.jsonl": "1\n3\n",
        "t-1-000000000000-000000000000.jsonl": "2\n",
    }


def test_after_a_crash_it_goes_on_behind_the_last_complete_file(tmp_path: Path) -> None:
    under_test = sink(tmp_path, roll_records="2")
    under_test.start()
    under_test.put([0, 1, 2])  # 0 and 1 are complete, and nothing was committed yet
    under_test.task.stop()  # a dead process has no locks
    under_test.restart()
    under_test.put([3, 4])
    under_test.stop()
    assert "".join(files(tmp_path).values()) == "0\n1\n2\n3\n4\n"


def test_what_a_dead_process_has_left_half_written_is_thrown_away(tmp_path: Path) -> None:
    for name in (".t-0-000000000007.jsonl.zst.tmp", ".t-0-000000000007.jsonl.tmp", ".t-01-000000000007.jsonl.tmp"):
        (tmp_path / name).write_text("half")
    with sink(tmp_path) as under_test:
        under_test.put([1])
        assert hidden(tmp_path) == [".t-0-000000000000.jsonl.tmp", ".t-01-000000000007.jsonl.tmp"]


def test_records_that_come_again_after_a_failed_commit_are_not_written_twice(tmp_path: Path) -> None:
    with sink(tmp_path, roll_records="2") as under_test:
        under_test.put([0, 1])
        under_test.context.positions[HERE] = 0
        under_test.put([2, 3])
    assert "".join(files(tmp_path).values()) == "0\n1\n2\n3\n"


def test_files_that_were_moved_away_are_not_written_again(tmp_path: Path) -> None:
    under_test = sink(tmp_path, roll_records="1")
    under_test.start()
    under_test.put([0, 1, 2])
    under_test.commit()
    under_test.task.stop()
    for path in list(tmp_path.glob("t-0-*"))[1:]:
        path.unlink()
    with under_test:
        under_test.put([3])
    assert "3\n" in files(tmp_path).values()
    assert len(files(tmp_path)) == 2


def test_partitions_that_are_lost_leave_nothing_half_written(tmp_path: Path) -> None:
    with sink(tmp_path) as under_test:
        under_test.put([1])
        under_test.revoke([HERE], commit=False)
        assert (files(tmp_path), hidden(tmp_path)) == ({}, [])


def test_partitions_that_are_given_up_leave_a_complete_file(tmp_path: Path) -> None:
    with sink(tmp_path) as under_test:
        under_test.put([1])
        under_test.revoke([HERE])
        assert under_test.committed == {HERE: 1}
        assert list(files(tmp_path)) == ["t-0-000000000000-000000000000.jsonl"]


def test_a_partition_is_written_by_one_process_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_sink_files, "LOCK_WITHIN_S", 0.05)
    holder = Folder(tmp_path, ".jsonl")
    holder.claim(HERE)
    under_test = sink(tmp_path)
    with pytest.raises(ConnectError, match="another process still writes this partition's files"):
        under_test.start()
    holder.give_back(HERE)
    with under_test:
        under_test.put([1])


def test_raw_lines_are_the_bytes_as_they_are_in_kafka(tmp_path: Path) -> None:
    with sink(tmp_path, format="raw") as under_test:
        under_test.put([b"\xff\x00", b"two", None])
    assert (tmp_path / "t-0-000000000000-000000000002.txt").read_bytes() == b"\xff\x00\ntwo\nnull\n"


def test_a_value_of_several_lines_is_no_raw_line(tmp_path: Path) -> None:
    under_test = sink(tmp_path, format="raw")
    under_test.start()
    with pytest.raises(DataError, match="t-0 at offset 1: the value has more than one line"):
        under_test.put([b"one", b"two\nthree"])
    under_test.task.stop()


def test_json_is_made_of_whatever_the_converter_gives(tmp_path: Path) -> None:
    schema = Schema.struct({"id": Schema.int64(), "name": Schema.string(optional=True)})
    with sink(tmp_path) as under_test:
        under_test.put(["text\nmore", None, Struct(schema, {"id": 7}), [1.5, True], b"\x01"])
    lines = [json.loads(line) for line in "".join(files(tmp_path).values()).splitlines()]
    assert lines == ["text\nmore", None, {"id": 7, "name": None}, [1.5, True], "AQ=="]


def test_csv_has_the_fields_of_the_first_record_of_each_file(tmp_path: Path) -> None:
    with sink(tmp_path, format="csv", roll_records="2") as under_test:
        under_test.put([{"a": 1, "b": 'x"y'}, {"b": None, "a": True, "c": 3}, {"c": [1, 2]}, None])
    assert list(files(tmp_path).values()) == ['a,b\n1,"x""y"\ntrue,\n', 'c\n"[1,2]"\n']


def test_csv_has_the_columns_that_are_wanted(tmp_path: Path) -> None:
    config = {"csv_columns": "b, a", "csv_delimiter": "tab", "csv_header": "false"}
    with sink(tmp_path, format="csv", **config) as under_test:
        under_test.put([{"a": 1, "b": 2}])
    assert list(files(tmp_path).values()) == ["2\t1\n"]


def test_a_value_without_fields_is_no_csv_row(tmp_path: Path) -> None:
    under_test = sink(tmp_path, format="csv")
    under_test.start()
    with pytest.raises(DataError, match="t-0 at offset 1: the value is a str, which has no fields for CSV"):
        under_test.put([{"a": 1}, "text"])
    under_test.task.stop()


def test_a_full_disk_is_an_error_that_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    under_test = sink(tmp_path)
    under_test.start()

    def full(*_: Any) -> int:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(ConnectError, match="the file cannot be written: No space left on device") as caught:
        under_test.put([1])
    monkeypatch.undo()
    assert caught.value.retry_helps
    under_test.task.stop()
    assert (files(tmp_path), hidden(tmp_path)) == ({}, [])


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ({}, "path"),
        ({"path": "x", "csv.delimiter": "ab"}, "csv.delimiter: must be one character"),
        ({"path": "x", "compression": "gzip", "compression.level": "12"}, "compression.level: is from 1 to 9 for gzip"),
        ({"path": "x", "compression.level": "3"}, "compression.level: has no meaning without compression"),
    ],
)
def test_settings_that_cannot_be_are_faults(config: dict[str, str], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        SinkHarness(FileSink, config).start()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConnectError, match=r"path=.*/file/folder: the folder cannot be made: Not a directory"):
        sink(tmp_path / "file" / "folder").start()
