from __future__ import annotations

import os

import msgspec
import pytest

from fastconnect.connectors.file_set import (
    FileRange,
    FoundFile,
    find_files,
    pack_ranges,
    ranges_of,
    share,
    split_paths,
    unpack_ranges,
)
from fastconnect.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("a, b ,", ["a", "b"]),
        ('["a,b", "c"]', ["a,b", "c"]),
        ("[ab].log,c", ["[ab].log", "c"]),
        ("  ", []),
    ],
)
def test_paths_are_separated_by_commas_or_a_json_array(text, paths):
    assert split_paths(text) == paths


def test_a_folder_stands_for_all_files_below_it_but_hidden_ones(tmp_path):
    for name in ("b", "sub/deep/a", ".hidden", ".git/config", "empty"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"" if name == "empty" else b"x")
    assert [file.path for file in find_files([str(tmp_path)])] == [f"{tmp_path}/b", f"{tmp_path}/sub/deep/a"]


def test_globs_and_names_that_overlap_give_each_file_once(tmp_path, monkeypatch):
    for name in ("a.log", "b.log", "sub/c.log"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    found = find_files(["**/*.log", "*.log", "a.log", str(tmp_path / "sub" / ".." / "a.log")])
    assert [os.path.relpath(file.path) for file in found] == ["a.log", "b.log", "sub/c.log"]


def test_a_file_whose_name_looks_like_a_glob_is_taken_as_it_is(tmp_path):
    (tmp_path / "[a]*.log").write_bytes(b"x")
    (tmp_path / "a.log").write_bytes(b"x")
    assert [file.path for file in find_files([f"{tmp_path}/[a]*.log"])] == [f"{tmp_path}/[a]*.log"]


def test_compression_is_seen_by_the_first_bytes_not_by_the_name(tmp_path):
    for name, first in (("a.gz", b"plain"), ("b", b"\x1f\x8b\x08"), ("c", b"\x28\xb5\x2f\xfd"), ("d", b"\x5e\x2a\x4d\x18")):
        (tmp_path / name).write_bytes(first)
    assert [file.compression for file in find_files([str(tmp_path)])] == ["none", "gzip", "zstd", "zstd"]
    assert {file.compression for file in find_files([str(tmp_path)], "none")} == {"none"}


def test_everything_that_cannot_be_read_is_named_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "a.xz").write_bytes(b"\xfd7zXZ\0")
    with pytest.raises(ConfigError) as caught:
        find_files([str(tmp_path), f"{tmp_path}/gone"])
    assert [fault.message.removeprefix(f"{tmp_path}/").split(" (")[0] for fault in caught.value.faults] == [
        "a.xz is a xz file, which cannot be read",
        "pipe is not a regular file",
        "gone does not exist",
    ]


def test_a_thousand_faults_are_one_message_of_ten(tmp_path):
    with pytest.raises(ConfigError, match="1000 of the files") as caught:
        find_files([f"{tmp_path}/{number}" for number in range(1000)])
    assert len(caught.value.faults) == 11
    assert caught.value.faults[-1].message == "and 990 more"


def test_what_is_awaited_may_be_missing(tmp_path):
    assert find_files([f"{tmp_path}/none", f"{tmp_path}/*.log", str(tmp_path)], awaited=True) == []


def test_ranges_begin_at_the_same_places_however_long_the_file_gets():
    short = ranges_of(FoundFile("/a", 25, 1, "none"), 10)
    long = ranges_of(FoundFile("/a", 41, 1, "none"), 10)
    assert [(part.start, part.end) for part in short] == [(0, 10), (10, 20), (20, 25)]
    assert [part.start for part in long][:3] == [part.start for part in short]


def test_a_compressed_file_is_one_range():
    assert ranges_of(FoundFile("/a", 25, 1, "gzip"), 10) == [FileRange("/a", 0, 25, 25, 1, "gzip")]


def test_the_largest_file_goes_to_the_task_with_the_least_to_do():
    sizes = {"/a": 50, "/b": 30, "/c": 30, "/d": 10, "/e": 9}
    ranges = [part for path, size in sizes.items() for part in ranges_of(FoundFile(path, size, 1, "none"), 0)]
    assert [[part.path for part in parts] for parts in share(ranges, 2)] == [["/a", "/d", "/e"], ["/b", "/c"]]
    assert share(reversed(ranges), 2) == share(ranges, 2)


def test_there_are_never_more_tasks_than_ranges_but_one():
    part = FileRange("/a", 0, 1, 1, 1)
    assert share([part], 8) == [[part]]
    assert share([], 8) == [[]]


def test_ten_thousand_files_make_a_short_task_config():
    files = [FoundFile(f"/data/2026/part-{number:05}.jsonl", 100_000_000, number, "none") for number in range(10_000)]
    ranges = [part for file in files for part in ranges_of(file, 32_000_000)]
    packed = pack_ranges(ranges, 32_000_000)
    assert unpack_ranges(packed, 32_000_000) == ranges
    assert len(msgspec.json.encode(packed)) < 60 * len(files)
