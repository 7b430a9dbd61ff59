from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from fastconnect import ConnectError, DataError, SinkRecord, SinkRecords, TopicPartition
from fastconnect.api.converter import ConversionError
from fastconnect.api.schema import Schema, Struct
from fastconnect.api.transform import Header, Records
from fastconnect.testing_sink import MemoryMessage, MemoryMessages

A, B = TopicPartition("a", 0), TopicPartition("b", 3)


def messages(*values: Any, **more: Any) -> list[MemoryMessage]:
    """The values in turn in two messages of partition A, then two of B, and so on."""
    places = [(A, B)[i // 2 % 2] for i in range(len(values))]
    return [MemoryMessage(place, 10 + i, value, **more) for i, (place, value) in enumerate(zip(places, values, strict=True))]


class Counting(MemoryMessages):
    """Notes what is asked of it."""

    def __init__(self, every: list[MemoryMessage], *, raw_is_json: bool = False) -> None:
        super().__init__(every)
        self.raw_is_json = raw_is_json
        self.asked: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name in ("decode", "decode_values", "values", "lines"):
            self.asked.append(name)
        return found


def of(*values: Any, **more: Any) -> SinkRecords:
    batch = MemoryMessages(messages(*values, **more))
    return SinkRecords(batch, batch)


def test_a_batch_is_a_sequence_of_records() -> None:
    batch = of("x", "y", "z", key="k", timestamp=5, headers=(Header("h", 1),))
    first = SinkRecord(
        "a",
        0,
        10,
        "x",
        "k",
        5,
        (Header("h", 1),),
        timestamp_type="CREATE_TIME",
        original_topic="a",
        original_partition=0,
    )
    assert (len(batch), batch[0], batch[-1].offset) == (3, first, 12)
    assert [record.value for record in batch] == ["x", "y", "z"]
    assert [record.value for record in batch[1:]] == ["y", "z"]
    assert batch[2].topic_partition == B
    with pytest.raises(IndexError):
        batch[3]


def test_each_column_has_an_item_for_each_record() -> None:
    batch = of("x", None, "z")
    assert batch.values == ["x", None, "z"]
    assert batch.keys == batch.raw_keys == [None, None, None]
    assert batch.topics == ["a", "a", "b"]
    assert batch.partitions == [0, 0, 3]
    assert batch.offsets == [10, 11, 12]
    assert batch.timestamps == [None, None, None]
    assert batch.headers == [(), (), ()]
    assert batch.value_schemas == batch.key_schemas == [None, None, None]
    assert batch.topic_partitions == [A, A, B]
    assert batch.raw == [b"x", None, b"z"]


def test_nothing_is_decoded_before_it_is_looked_at() -> None:
    source = Counting(messages("x", "y"))
    batch = SinkRecords(source, source)
    _ = (len(batch), batch.offsets, batch.topics, batch.topic_partitions, batch.by_partition(), batch[1:])
    assert source.asked == []
    _ = batch.raw
    assert source.asked == ["values"]


def test_values_are_decoded_once_for_all_parts_of_a_batch() -> None:
    source = Counting(messages(*"abcdef"))
    batch = SinkRecords(source, source)
    assert [part.values for _, part in batch.by_partition()] == [["a", "b"], ["c", "d"], ["e", "f"]]
    assert source.asked == ["decode_values"]


def test_a_batch_is_divided_by_partition_in_the_order_of_offsets() -> None:
    batch = of(*"abcde")
    assert [(place, part.offsets) for place, part in batch.by_partition()] == [(A, [10, 11]), (B, [12, 13]), (A, [14])]
    assert [(place, part.raw) for place, part in batch[1:].by_partition()] == [(A, [b"b"]), (B, [b"c", b"d"]), (A, [b"e"])]


@pytest.mark.parametrize("select", [lambda batch: batch[1:3], lambda batch: batch.select([1, 2])])
def test_a_part_has_the_columns_of_its_records(select: Callable[[SinkRecords], SinkRecords]) -> None:
    part = select(of("a", "b", "c", "d"))
    assert (part.values, part.raw, part.offsets, part.topics) == (["b", "c"], [b"b", b"c"], [11, 12], ["a", "b"])
    assert part.lines() == b"b\nc\n"
    assert [record.offset for record in part] == [11, 12]
    assert part.where(1) == "b-3 at offset 12"
    assert part[1:].values == ["c"]


def test_what_a_transform_has_made_of_records_is_seen_beside_what_they_were() -> None:
    batch = MemoryMessages(messages("a", "b", "c", "d"))
    left = Records("routed", ["B", "D"], partitions=[None, None], timestamps=[1, 2], rows=[1, 3])
    records = SinkRecords(batch, batch, left)
    assert (len(records), records.values, records.topics) == (2, ["B", "D"], ["routed", "routed"])
    assert (records.offsets, records.raw, records.timestamps) == ([11, 13], [b"b", b"d"], [1, 2])
    assert records.topic_partitions == [A, B]
    assert (records[1].topic, records[1].original_topic, records[1].original_partition) == ("routed", "b", 3)
    assert records.lines() == b"b\nd\n"
    assert records.json_lines() == b'"B"\n"D"\n'
    assert records[1:].raw == [b"d"]
    assert [(place, part.values) for place, part in records.by_partition()] == [(A, ["B"]), (B, ["D"])]


def test_json_that_is_json_already_is_not_decoded() -> None:
    source = Counting(messages(b'{"a": 1}', None, b"[2]"), raw_is_json=True)
    assert SinkRecords(source, source).json_lines() == b'{"a": 1}\nnull\n[2]\n'
    assert "decode_values" not in source.asked


@pytest.mark.parametrize("bad", [b'{"a":', b"", b"1 2", b'"a\nb"'])
def test_json_that_is_none_is_left_to_the_converter(bad: bytes) -> None:
    class Strict(Counting):
        def decode_values(self, messages: Any) -> list[Any]:
            raise ConversionError("no JSON", index=1, where="value of topic a")

    source = Strict(messages(b"{}", bad), raw_is_json=True)
    with pytest.raises(DataError, match="a-0 at offset 11, value of topic a: no JSON"):
        SinkRecords(source, source).json_lines()


def test_json_lines_have_one_line_a_value() -> None:
    schema = Schema.struct({"id": Schema.int64()})
    lines = of({"t": "a\nb"}, None, Struct(schema, {"id": 1}), b"\0").json_lines()
    assert [json.loads(line) for line in lines.splitlines()] == [{"t": "a\nb"}, None, {"id": 1}, "AA=="]


def test_what_json_does_not_have_is_named() -> None:
    with pytest.raises(DataError, match="a value cannot be written as JSON: object is nothing that JSON has"):
        of(object()).json_lines()


def test_a_value_of_several_lines_is_named() -> None:
    with pytest.raises(DataError, match="b-3 at offset 12: the value has more than one line"):
        of("a", "b", "c\nd").lines()


def test_no_records_are_a_batch_too() -> None:
    none = SinkRecords.none()
    assert (len(none), list(none), none.values, none.raw, none.lines(), none.by_partition()) == (0, [], [], [], b"", [])
    assert (none.keys, none.headers, none.topics, none.offsets, none.json_lines()) == ([], [], [], [], b"")


def test_arrow_has_the_bytes_as_they_are_in_kafka() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    batch = of("x", None, "zz", key="k", timestamp=1)
    table = batch.arrow()
    assert table.schema.names == ["topic", "partition", "offset", "timestamp", "key", "value"]
    assert table["value"].type == pyarrow.large_binary()
    assert table["value"].to_pylist() == [b"x", None, b"zz"]
    assert table["offset"].to_pylist() == [10, 11, 12]
    assert batch[1:].arrow()["value"].to_pylist() == [None, b"zz"]
    assert SinkRecords.none().arrow().num_rows == 0


def test_arrow_has_structs_of_decoded_values_where_that_is_wanted() -> None:
    pytest.importorskip("pyarrow")
    assert of({"a": 1}, {"a": 2}).arrow(decode=True)["value"].to_pylist() == [{"a": 1}, {"a": 2}]


def test_without_pyarrow_there_is_no_arrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ConnectError, match=r"pip install 'fastconnect-kafka\[arrow\]'"):
        of("x").arrow()
