from __future__ import annotations

import gzip
import json
import random
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastconnect.connectors.file_source import FileSource
from fastconnect.errors import ConfigError, DataError
from fastconnect.testing import SourceHarness

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# A tmp_path is shared by the examples of a property: each writes its files anew.
PROPERTY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def lines_in(content: bytes) -> list[bytes]:
    """What a reader of the documentation expects, in the simplest way."""
    content = content.removeprefix(b"\xef\xbb\xbf")
    lines = [line.removesuffix(b"\r") for line in content.split(b"\n")[:-1]]
    last = content.split(b"\n")[-1]
    return [*lines, last] if last else lines


def packed(content: bytes, how: str, parts: int) -> bytes:
    """The content as a compressed file of several members."""
    if how == "none":
        return content
    compress = gzip.compress if how == "gzip" else zstd.compress
    step = len(content) // parts + 1
    return b"".join(compress(content[at : at + step]) for at in range(0, max(1, len(content)), step))


pieces = st.sampled_from([b"", b"a", b"bc", b"\xc3\xa9", b"\r", b"\n", b"\n", b"\r\n", b"\0", b"x" * 20, b"\xef\xbb\xbf"])
contents = st.lists(pieces, max_size=30).map(b"".join)


@PROPERTY
@given(
    content=contents,
    split=st.integers(4, 40),
    block=st.integers(1, 40),
    tasks=st.integers(1, 4),
    tasks_then=st.integers(1, 4),
    block_then=st.integers(1, 40),
    stop_after=st.integers(0, 30),
)
def test_every_line_comes_once_whatever_the_ranges_blocks_tasks_and_crashes(
    tmp_path, reading, content, split, block, tasks, tasks_then, block_then, stop_after
):
    file = tmp_path / "lines.txt"
    file.write_bytes(content)
    run = reading(tasks, paths=str(file), split_bytes=split, block_bytes=block)
    seen = run.values(stop_after)
    run.tasks_max = tasks_then
    run.config = run.config.replace(block_bytes=block_then)
    seen += run.values()
    assert sorted(seen) == sorted(lines_in(content))
    assert run.values() == []


@PROPERTY
@given(content=contents, split=st.integers(4, 40), block=st.integers(1, 40))
def test_the_lines_of_one_task_come_in_the_order_of_the_file(tmp_path, reading, content, split, block):
    file = tmp_path / "lines.txt"
    file.write_bytes(content)
    assert reading(paths=str(file), split_bytes=split, block_bytes=block).values() == lines_in(content)


@PROPERTY
@given(
    content=contents,
    how=st.sampled_from(["gzip", "zstd"]),
    parts=st.integers(1, 4),
    block=st.integers(1, 40),
    stop_after=st.integers(0, 30),
)
def test_a_compressed_file_goes_on_behind_any_record(tmp_path, reading, content, how, parts, block, stop_after):
    file = tmp_path / "lines"
    file.write_bytes(packed(content, how, parts))
    run = reading(paths=str(file), block_bytes=block)
    seen = run.values(stop_after)
    assert seen + run.values() == lines_in(content)
    assert run.values() == []


fields = st.text(st.sampled_from(list('ab,"\n\r é;')), max_size=5)
rows = st.lists(st.lists(fields, min_size=2, max_size=2).filter(lambda row: row != ["", ""]), max_size=12)


@PROPERTY
@given(rows=rows, how=st.sampled_from(["none", "gzip"]), block=st.integers(1, 60), stop_after=st.integers(0, 12))
def test_every_csv_row_comes_once_also_with_newlines_in_quotes(tmp_path, reading, rows, how, block, stop_after):
    text = "".join(",".join('"' + field.replace('"', '""') + '"' for field in row) + "\n" for row in [["k", "v\n2"], *rows])
    file = tmp_path / "rows.csv"
    file.write_bytes(packed(text.encode(), how, 2))
    run = reading(paths=str(file), format="csv", block_bytes=block)
    seen = run.values(stop_after) + run.values()
    assert [json.loads(value) for value in seen] == [{"k": row[0], "v\n2": row[1]} for row in rows]
    assert run.values() == []


@PROPERTY
@given(
    values=st.lists(
        st.sampled_from(['{"k":"a"}', '{"k":1}', "[1, 2]", "", " ", '{"k":null}\r', '"x"', ' {"v":{"k":3}}']), max_size=12
    ),
    block=st.integers(1, 40),
    stop_after=st.integers(0, 12),
    key=st.booleans(),
)
def test_every_json_line_comes_once_without_the_empty_ones(tmp_path, reading, values, block, stop_after, key):
    file = tmp_path / "values.jsonl"
    file.write_text("\n".join(values), newline="")
    run = reading(paths=str(file), format="json", block_bytes=block, split_bytes=16, key_field="k" if key else None)
    seen = run.values(stop_after) + run.values()
    assert [json.loads(value) for value in seen] == [json.loads(value) for value in values if value.strip()]


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path, reading):
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfone\ntwo\n")
    run = reading(paths=str(tmp_path))
    assert run.values() == [b"one", b"two"]
    assert list(run.offsets.values()) == [
        {"inode": (tmp_path / "a").stat().st_ino, "split": 32 * 1024**2, "size": 11, "position": 11}
    ]


def test_any_bytes_are_lines_when_asked_for(tmp_path, reading):
    (tmp_path / "a").write_bytes(b"\xff\xfe\n\0\x80\n")
    assert reading(paths=str(tmp_path), encoding="bytes").values() == [b"\xff\xfe", b"\0\x80"]


def test_the_first_lines_are_left_out_when_asked_for(tmp_path, reading):
    (tmp_path / "a").write_bytes(b"# one\n# two\nx\n")
    (tmp_path / "b").write_bytes(b"# only")
    assert reading(paths=str(tmp_path), skip_lines=2).values() == [b"x"]


def test_progress_counts_the_bytes_of_all_ranges(tmp_path, reading):
    (tmp_path / "a").write_bytes(b"0123456789\n" * 10)
    (tmp_path / "b.gz").write_bytes(gzip.compress(b"x\n" * 10))
    run = reading(paths=str(tmp_path), split_bytes=20, block_bytes=16)
    seen = []
    for _ in run.records():
        seen.append(run.contexts[0].position)
    end = 110 + (tmp_path / "b.gz").stat().st_size
    assert seen == sorted(seen)
    assert (run.contexts[0].position, run.contexts[0].end) == (end, end)
    assert run.values() == []
    assert (run.contexts[0].position, run.contexts[0].end) == (end, end), "what was done before counts as done"


def test_what_is_appended_later_is_read_by_the_next_run(tmp_path, reading):
    file = tmp_path / "a"
    file.write_bytes(b"one\ntwo\n")
    run = reading(paths=str(file), split_bytes=6)
    assert run.values() == [b"one", b"two"]
    with file.open("ab") as appended:
        appended.write(b"three\nfour\n")
    assert run.values() == [b"three", b"four"]


def test_a_last_line_whose_newline_comes_later_is_not_read_twice(tmp_path, reading):
    file = tmp_path / "a"
    file.write_bytes(b"one\ntwo")
    run = reading(paths=str(file))
    assert run.values() == [b"one", b"two"]
    file.write_bytes(b"one\ntwo\nthree\n")
    assert run.values() == [b"three"]


def test_a_last_line_that_was_read_and_goes_on_later_is_an_error_with_its_line(tmp_path, reading):
    file = tmp_path / "a"
    file.write_bytes(b"one\ntwo")
    run = reading(paths=str(file))
    run.values()
    file.write_bytes(b"one\ntwofold\n")
    values, error = run.fails()
    assert values == []
    assert "a line 2: the file was changed" in str(error)


def test_a_replaced_file_is_an_error_that_says_so(tmp_path, reading):
    file = tmp_path / "a"
    file.write_bytes(b"one\ntwo\n")
    run = reading(paths=str(file))
    run.values(1)
    (tmp_path / "b").write_bytes(b"other\nlines\n")
    (tmp_path / "b").rename(file)
    values, error = run.fails()
    assert values == []
    assert isinstance(error, DataError)
    assert "was replaced by another one (inode" in str(error)
    assert "reset the connector's offsets" in str(error)


def test_a_file_replaced_after_it_was_read_to_its_end_is_an_error_too(tmp_path, reading):
    for how in ("none", "gzip"):
        file = tmp_path / how
        file.write_bytes(packed(b"one\n", how, 1))
        run = reading(paths=str(file))
        assert run.values() == [b"one"]
        (tmp_path / "other").write_bytes(packed(b"new\n", how, 1))
        (tmp_path / "other").rename(file)
        assert "was replaced" in str(run.fails()[1])


def test_a_file_that_became_shorter_is_an_error_that_says_so(tmp_path, reading):
    file = tmp_path / "a"
    file.write_bytes(b"one\ntwo\n")
    run = reading(paths=str(file))
    run.values(2)
    file.write_bytes(b"one\n")
    assert "became shorter: it had 8 bytes when it was read, and has 4 now" in str(run.fails()[1])


def test_a_file_that_became_shorter_by_a_range_that_was_read_is_noticed_in_the_ranges_before(tmp_path, reading):
    file = tmp_path / "a"
    file.write_bytes(b"one\ntwo\nthree\nfour\n")
    run = reading(paths=str(file), split_bytes=8)
    run.values()
    file.write_bytes(b"one\ntwo\n")  # all that is left lies in ranges that are done
    assert "became shorter: it had 19 bytes when it was read, and has 8 now" in str(run.fails()[1])


def test_a_file_cut_while_it_is_read_is_an_error_behind_what_was_there(tmp_path, reading):
    file = tmp_path / "a"
    file.write_bytes(b"x\n" * 50)
    run = reading(paths=str(file), block_bytes=10)
    task = run.tasks()[0]
    task.poll()
    file.write_bytes(b"x\n" * 6)
    assert task.poll() is not None
    with pytest.raises(DataError, match="became shorter: it had 100 bytes and ends after 12 now"):
        task.poll()
    task.stop()


def test_a_file_that_vanished_is_an_error_that_says_so(tmp_path, reading):
    file = tmp_path / "a"
    file.write_bytes(b"x\n")
    task = reading(paths=str(file)).tasks()[0]
    file.unlink()
    with pytest.raises(DataError, match="vanished since it was found"):
        task.poll()
    with pytest.raises(DataError, match="vanished"):
        task.poll()


def test_other_ranges_than_before_are_an_error_and_not_read_twice(tmp_path, reading):
    file = tmp_path / "a"
    file.write_bytes(b"0123456789\n" * 10)
    run = reading(paths=str(file), split_bytes=20)
    run.values(3)
    run.config = run.config.replace(split_bytes=40)
    assert "set split.bytes=20 until it is read" in str(run.fails()[1])


def test_broken_json_is_named_by_its_line_after_all_records_before_it(tmp_path, reading):
    file = tmp_path / "a.jsonl"
    file.write_bytes(b'{"n":1}\n{"n":2}\n{"n":\n{"n":4}\n')
    for config in ({}, {"key_field": "n"}, {"block_bytes": 9}, {"split_bytes": 10}):
        values, error = reading(paths=str(file), format="json", **config).fails()
        assert values == [b'{"n":1}', b'{"n":2}']
        assert isinstance(error, DataError)
        assert f"{file} line 3: not JSON" in str(error)
        assert "json.validate=false" in str(error)


@pytest.mark.parametrize(
    "bad",
    [
        b'{"a":1} {"a":2}',
        b'{"a":\n1}\n{"a":2} {"a":3}',
        b"[1\n2]\n1 2",
        b'{"a":01}',
        b"{'a':1}",
        b'{"a":1}x',
        b'"\\x"',
        b"NaN",
        b"{",
    ],
)
def test_what_is_not_one_json_value_a_line_is_not_taken_for_it(tmp_path, reading, bad):
    (tmp_path / "a").write_bytes(b'{"a":0}\n' + bad + b"\n")
    for config in ({}, {"key_field": "a"}):
        values, error = reading(paths=str(tmp_path), format="json", **config).fails()
        assert values == [b'{"a":0}']
        assert "line 2: not JSON" in str(error)


def test_json_lines_are_sent_unseen_when_asked_for(tmp_path, reading):
    (tmp_path / "a").write_bytes(b"{broken\n\n")
    assert reading(paths=str(tmp_path), format="json", json_validate=False).values() == [b"{broken", b""]


def test_keys_are_the_text_of_a_string_and_the_json_of_anything_else(tmp_path, reading):
    keys = {
        '"a"': b"a",
        '"\\u00e9\\n"': "é\n".encode(),
        "1.50": b"1.50",
        "true": b"true",
        "null": None,
        '{"x": 1}': b'{"x": 1}',
        '""': b"",
    }
    lines = [f'{{"k":{text},"v":1}}' for text in keys]
    (tmp_path / "mixed").write_text("\n".join([*lines, '{"v":2}', "[1]"]))
    records = list(reading(paths=str(tmp_path), format="json", key_field="k").records())
    assert [record.key for record in records] == [*keys.values(), None, None]


def test_keys_that_are_all_strings_stay_with_their_lines(tmp_path, reading):
    (tmp_path / "a").write_text("".join(f'{{"v":[{{}}],"k":"k{i}"}}\n' for i in range(5000)))
    records = list(reading(paths=str(tmp_path), format="json", key_field="k").records())
    assert [record.key for record in records] == [f"k{i}".encode() for i in range(5000)]
    assert records[4321].value == b'{"v":[{}],"k":"k4321"}'


def test_bad_text_is_named_by_its_line_after_all_records_before_it(tmp_path, reading):
    file = tmp_path / "a"
    file.write_bytes("é\nb\nc\xff\nd\n".encode("latin-1").replace(b"\xe9", b"\xc3\xa9"))
    values, error = reading(paths=str(file)).fails()
    assert values == ["é".encode(), b"b"]
    assert f"{file} line 3: not UTF-8: byte 0xff at byte 1 of the line" in str(error)


def test_utf_16_is_called_by_its_name(tmp_path, reading):
    (tmp_path / "a").write_bytes("one\n".encode("utf-16"))
    assert "line 1: UTF-16 text" in str(reading(paths=str(tmp_path)).fails()[1])


def test_a_line_longer_than_a_block_is_read_up_to_the_limit(tmp_path, reading):
    file = tmp_path / "a"
    file.write_bytes(b"a\n" + b"b" * 5000 + b"\nc\n")
    assert [len(value) for value in reading(paths=str(file), block_bytes=16).values()] == [1, 5000, 1]
    values, error = reading(paths=str(file), block_bytes=16, line_max_bytes=1000).fails()
    assert values == [b"a"]
    assert f"{file} line 2: the line is longer than 1000 bytes" in str(error)
    assert "line.max.bytes" in str(error)


@pytest.mark.parametrize("how", ["gzip", "zstd"])
def test_a_damaged_file_gives_every_record_before_the_damage_and_names_the_line(tmp_path, reading, how):
    lines = [random.Random(i).randbytes(40).hex().encode() for i in range(800)]
    text = b"".join(line + b"\n" for line in lines)
    if how == "gzip":
        gzip_stream = zlib.compressobj(wbits=31)
        content = gzip_stream.compress(text) + gzip_stream.flush(zlib.Z_FULL_FLUSH)
    else:
        zstd_stream = zstd.ZstdCompressor()
        content = zstd_stream.compress(text, mode=zstd.ZstdCompressor.FLUSH_BLOCK)
    file = tmp_path / "a"
    # Behind a flush, all ones are a block of a type that does not exist; so it is known where the damage begins.
    file.write_bytes(packed(b"zero\n", how, 1) + content + b"\xff" * 1000)
    for block_bytes in (1000, 10**6):
        values, error = reading(paths=str(file), block_bytes=block_bytes).fails()
        assert values == [b"zero", *lines]
        assert f"{file} line 802: the {how} data are damaged" in str(error)


@pytest.mark.parametrize("how", ["gzip", "zstd"])
def test_a_wrong_checksum_is_an_error_behind_the_last_record(tmp_path, reading, how):
    options = {zstd.CompressionParameter.checksum_flag: 1}
    content = bytearray(gzip.compress(b"one\ntwo\n") if how == "gzip" else zstd.compress(b"one\ntwo\n", options=options))
    content[-8 if how == "gzip" else -1] ^= 1
    (tmp_path / "a").write_bytes(content)
    values, error = reading(paths=str(tmp_path)).fails()
    assert values == [b"one", b"two"]
    assert f"line 3: the {how} data are damaged" in str(error)


@pytest.mark.parametrize("how", ["gzip", "zstd"])
def test_a_file_that_ends_too_early_gives_its_whole_lines_and_names_the_next(tmp_path, reading, how):
    lines = [random.Random(i).randbytes(30).hex().encode() for i in range(10_000)]
    content = packed(b"".join(line + b"\n" for line in lines), how, 1)
    (tmp_path / "a").write_bytes(content[: len(content) // 2])
    values, error = reading(paths=str(tmp_path)).fails()
    assert 2_000 < len(values) < 8_000
    assert values == lines[: len(values)]
    assert f"line {len(values) + 1}: the {how} data end in the middle" in str(error)


def test_zeros_behind_a_gzip_member_are_passed_over(tmp_path, reading):
    (tmp_path / "a").write_bytes(gzip.compress(b"one\n") + b"\0" * 1000 + gzip.compress(b"two\n") + b"\0")
    assert reading(paths=str(tmp_path)).values() == [b"one", b"two"]


def test_a_compressed_file_that_is_done_is_not_decompressed_again(tmp_path, reading):
    file = tmp_path / "a.gz"
    file.write_bytes(gzip.compress(b"one\ntwo\n"))
    run = reading(paths=str(file))
    run.values()
    assert list(run.offsets.values()) == [{"inode": file.stat().st_ino, "position": 8, "size": file.stat().st_size}]


def test_csv_rows_become_objects_with_the_columns_names(tmp_path, reading):
    (tmp_path / "a").write_bytes(b'\xef\xbb\xbfid;"a ""b""";n\r\n1;"x;\r\ny";3\r\n\r\n2;;"q"\r\n')
    records = list(reading(paths=str(tmp_path), format="csv", csv_delimiter=";", key_field="id").records())
    assert [json.loads(record.value) for record in records] == [
        {"id": "1", 'a "b"': "x;\r\ny", "n": "3"},
        {"id": "2", 'a "b"': "", "n": "q"},
    ]
    assert [record.key for record in records] == [b"1", b"2"]


def test_csv_columns_may_come_from_the_config(tmp_path, reading):
    (tmp_path / "a").write_bytes(b"1\tx\n2\ty\n")
    run = reading(paths=str(tmp_path), format="csv", csv_columns=("id", "v"), csv_delimiter="tab")
    assert run.values() == [b'{"id":"1","v":"x"}', b'{"id":"2","v":"y"}']


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (b"2\n", "line 3: the row has 1 fields, the header 2"),
        (b'2,"x"y\n', "line 3: not CSV"),
        (b'2,"never closed\n4,5\n', "line 3: a quoted field is never closed"),
        (b"2,\xff\n", "line 3: not UTF-8"),
    ],
)
def test_a_bad_csv_row_is_named_by_its_line_after_all_rows_before_it(tmp_path, reading, row, message):
    (tmp_path / "a").write_bytes(b"id,v\n1,x\n" + row + b"3,z\n")
    values, error = reading(paths=str(tmp_path), format="csv", block_bytes=8).fails()
    assert values == [b'{"id":"1","v":"x"}']
    assert message in str(error)


def test_a_csv_header_with_a_name_twice_is_an_error(tmp_path, reading):
    (tmp_path / "a").write_bytes(b"id,id\n1,2\n")
    assert "line 1: the header has 'id' twice" in str(reading(paths=str(tmp_path), format="csv").fails()[1])


def test_a_key_column_that_is_not_there_is_an_error_that_names_the_columns(tmp_path, reading):
    (tmp_path / "a").write_bytes(b"id,v\n1,2\n")
    error = reading(paths=str(tmp_path), format="csv", key_field="k").fails()[1]
    assert "no column 'k'" in str(error)
    assert "one of id, v" in str(error)


def test_a_connector_without_files_says_where_it_looked(tmp_path):
    with pytest.raises(ConfigError) as caught:
        SourceHarness(FileSource, {"topic": "t", "paths": f"{tmp_path}/*.log,{tmp_path},{tmp_path}/none"}).start()
    assert [fault.key for fault in caught.value.faults] == ["paths"] * 3
    assert f"no file matches {tmp_path}/*.log" in str(caught.value)
    assert f"folder {tmp_path} has no files in it" in str(caught.value)
    assert f"{tmp_path}/none does not exist" in str(caught.value)


def test_all_faults_of_a_config_come_at_once():
    with pytest.raises(ConfigError) as caught:
        FileSource.config_class.parse(
            {
                "topic": "t",
                "paths": ",",
                "format": "csv",
                "csv.delimiter": "ab",
                "csv.columns": "a,a",
                "key.field": "k",
                "encoding": "bytes",
            }
        )
    keys = [fault.key for fault in caught.value.faults]
    assert keys == ["paths", "encoding", "csv.delimiter", "csv.columns", "key.field"]


def test_task_configs_survive_being_written_as_text(tmp_path):
    for name in ("a, b", "c[1]", "ü", "d"):
        (tmp_path / name).write_bytes(f"{name}\n".encode() * 2000)
    harness = SourceHarness(FileSource, {"topic": "t", "paths": str(tmp_path), "split.bytes": "4096"}, tasks_max=3)
    with harness:
        values = [record.value.decode() for record in harness.read_all()]
        assert len(harness.tasks) == 3
        assert sorted(values) == sorted(name for name in ("a, b", "c[1]", "ü", "d") for _ in range(2000))
        harness.restart()
        assert harness.read_all() == []


def test_an_empty_file_is_simply_at_its_end(tmp_path):
    (tmp_path / "empty").touch()
    with SourceHarness(FileSource, {"topic": "t", "paths": str(tmp_path)}, tasks_max=4) as harness:
        assert len(harness.tasks) == 1
        assert harness.read_all() == []


def test_a_task_told_to_stop_returns_without_reading_on(tmp_path, reading):
    (tmp_path / "a").write_bytes(b"x\n")
    run = reading(paths=str(tmp_path))
    task = run.tasks()[0]
    run.contexts[0].stopping = True
    assert task.poll() is None
    task.stop()


def watched(tmp_path: Path, tasks: int = 1) -> SourceHarness:
    return SourceHarness(
        FileSource, {"topic": "t", "paths": str(tmp_path), "watch": "true", "watch.interval.ms": "1"}, tasks_max=tasks
    )


def test_a_watched_folder_may_be_empty_and_gives_new_files_and_new_lines(tmp_path):
    with watched(tmp_path) as harness:
        assert harness.poll() is None
        (tmp_path / "a").write_bytes(b"one\n")
        (tmp_path / "b.gz").write_bytes(gzip.compress(b"two\n"))
        assert sorted(record.value for record in harness.take(2)) == [b"one", b"two"]
        with (tmp_path / "a").open("ab") as file:
            file.write(b"three\n")
        with (tmp_path / "b.gz").open("ab") as file:
            file.write(gzip.compress(b"four\n"))
        assert sorted(record.value for record in harness.take(2)) == [b"four", b"three"]
        harness.restart()
        assert [harness.poll() for _ in range(5)] == [None] * 5
        (tmp_path / "a").unlink()
        (tmp_path / "c").write_bytes(b"five\n")
        assert [record.value for record in harness.take(1)] == [b"five"]


def test_each_watched_file_is_read_by_exactly_one_task(tmp_path):
    with watched(tmp_path, tasks=3) as harness:
        for number in range(30):
            (tmp_path / f"{number}").write_bytes(f"{number}\n".encode())
        seen = []
        for task in range(3):
            for _ in range(40):
                seen += [int(record.value) for record in harness.poll(task) or []]
        assert sorted(seen) == list(range(30))


def test_a_watched_file_is_left_alone_while_it_grows(tmp_path):
    (tmp_path / "a").write_bytes(b"half a li")
    harness = SourceHarness(FileSource, {"topic": "t", "paths": str(tmp_path), "watch": "true", "watch.interval.ms": "1h"})
    with harness:
        assert harness.poll() is None
        with (tmp_path / "a").open("ab") as file:
            file.write(b"ne\n")
        assert harness.poll() is None
        assert [record.value for record in harness.take(1)] == [b"half a line"]
