from __future__ import annotations

import gzip
import json
import random
import sys
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
    values=st.lists(st.sampled_from(['{"k":"a"}', '{"k":1}', "[1, 2]", "", " ", '{"k":null}\r', '"x"', ' {"v":{"k":3}}']), max_size=12),
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
