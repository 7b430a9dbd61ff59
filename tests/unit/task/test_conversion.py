from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import pytest
from fakes.fetched import FakeFetched, Message

from fastconnect import ByteOffsets, Config, CountOffsets, RecordBatch, SourceRecord, plugins
from fastconnect._core import Fetched, SendLoop
from fastconnect.api.schema import Schema
from fastconnect.api.transform import Header, Record, Records, Transform
from fastconnect.config.worker import WorkerConfig
from fastconnect.errors import DataError
from fastconnect.reports import TaskChannel
from fastconnect.task.sink_conversion import SinkConversion
from fastconnect.task.source_conversion import SourceConversion
from fastconnect.task.tolerance import Failure, ToleranceExceeded

HERE = {"p": 1}
BYTES = {"value.converter": "ByteArrayConverter", "key.converter": "ByteArrayConverter"}
JSON = {"value.converter": "JsonConverter", "value.converter.schemas.enable": "false", "key.converter": "StringConverter"}
ALL = {"errors.tolerance": "all"}


class Touch(Transform[Config]):
    """Drops `drop`, refuses `bad`, routes `away`, and leaves the rest."""

    def apply(self, record: Record) -> Record | None:
        if record.value in ("bad", b"bad"):
            raise DataError("bad is bad")
        if record.value in ("drop", b"drop"):
            return None
        return record.replace(topic="u") if record.value == "away" else record


class Kept:
    def __init__(self) -> None:
        self.failures: list[Failure] = []

    def report(self, failure: Failure) -> None:
        self.failures.append(failure)


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    plugins.register("test.Touch", Touch)
    yield
    plugins.unregister("test.Touch")


def source(*configs: dict[str, str], touch: bool = False, **more: Any) -> SourceConversion:
    config = {key: value for each in configs for key, value in each.items()}
    if touch:
        config |= {"transforms": "touch", "transforms.touch.type": "test.Touch"}
    return SourceConversion.of(WorkerConfig.parse({}), config, **more)


def sink(*configs: dict[str, str], touch: bool = False, **more: Any) -> SinkConversion:
    config = {key: value for each in configs for key, value in each.items()}
    if touch:
        config |= {"transforms": "touch", "transforms.touch.type": "test.Touch"}
    return SinkConversion.of(WorkerConfig.parse({}), config, **more)


def fetched(*messages: Message) -> Fetched:
    return cast("Fetched", FakeFetched(messages))


def rows(records: Records | None) -> list[int] | None:
    return None if records is None else list(records.rows)


def as_list(encoded: Any) -> list[bytes | None]:
    return encoded.split(b"\n")[:-1] if isinstance(encoded, bytes) else encoded


# Sources.


def test_raw_lines_that_need_no_conversion_are_passed_on_as_the_same_object() -> None:
    lines = b'{"a":1}\n{"a":2}\n'
    converted = source(JSON).convert(RecordBatch.lines("t", lines, format="json"))
    assert converted.values is lines
    assert converted.records is None


def test_a_chain_sees_json_lines_as_values_and_raw_bytes_as_bytes() -> None:
    seen: list[Any] = []

    class Look(Touch):
        def apply_batch(self, records: Records) -> Records:
            seen.append(records.values)
            return records

    conversion = source(JSON, touch=True)
    assert conversion.chain is not None
    conversion.chain.steps[0].transform = Look()  # type: ignore[index]
    assert conversion.convert(RecordBatch.lines("t", b'{"a":1}\nnull\n', format="json")).values == b'{"a":1}\nnull\n'
    conversion.convert(RecordBatch.lines("t", b"one\ntwo", format="string"))
    conversion.convert(RecordBatch.raw("t", [b"x", None]))
    assert seen == [[{"a": 1}, None], ["one", "two"], [b"x", None]]


def test_what_a_chain_drops_or_routes_leaves_the_others_with_their_rows_and_topics() -> None:
    conversion = source(JSON, touch=True)
    converted = conversion.convert(RecordBatch.of("t", ["a", "drop", "away", "b"]))
    assert converted.records is not None
    assert converted.records.topics == ["t", "u", "t"]
    assert rows(converted.records) == [0, 2, 3]
    assert as_list(converted.values) == [b'"a"', b'"away"', b'"b"']
    assert converted.polled == 4
    assert conversion.convert(RecordBatch.of("t", ["a", "drop"])).records.topics == "t"  # type: ignore[union-attr]


def test_keys_timestamps_partitions_and_headers_stay_with_their_records() -> None:
    records = [
        SourceRecord("t", value, f"k{n}", HERE, {"n": n}, partition=n, timestamp=n * 10, headers=[("h", n)])
        for n, value in enumerate(["a", "drop", "b"])
    ]
    converted = source(JSON, touch=True).convert(records)
    assert as_list(converted.keys) == [b"k0", b"k2"]
    assert converted.headers == [[("h", b"0")], [("h", b"2")]]
    assert converted.records is not None
    assert converted.records.timestamps == [0, 20]
    assert converted.records.partitions == [0, 2]


@pytest.mark.parametrize("touch", [False, True])
def test_records_before_a_bad_one_are_converted_and_the_failure_is_told_and_kept(touch: bool) -> None:
    kept = Kept()
    bad: Any = "bad" if touch else object()
    converted = source(JSON, touch=touch, reporters=[kept]).convert(
        [SourceRecord("t", value, None, HERE, {"n": n}) for n, value in enumerate(["a", "b", bad, "c", bad])]
    )
    assert as_list(converted.values) == [b'"a"', b'"b"']
    assert rows(converted.records) == [0, 1]
    assert isinstance(converted.failure, ToleranceExceeded)
    assert [failure.row for failure in kept.failures] == [2]


def test_with_tolerance_bad_records_are_skipped_whatever_stage_they_fail_in(channel: TaskChannel) -> None:
    kept = Kept()
    records = [
        SourceRecord("t", "a", "k"),
        SourceRecord("t", "a", "k", headers=[Header("h", "x", Schema.int32())]),  # no INT32
        SourceRecord("t", "a", "k", key_schema=Schema.int8()),
        SourceRecord("t", object(), "k"),
        SourceRecord("t", "bad", "k"),
        SourceRecord("t", "b", "k"),
    ]
    conversion = source(
        {**JSON, "key.converter": "JsonConverter", "header.converter": "JsonConverter"},
        ALL,
        touch=True,
        reporters=[kept],
        page=channel.page,
    )
    converted = conversion.convert(records)
    assert as_list(converted.values) == [b'"a"', b'"b"']
    assert rows(converted.records) == [0, 5]
    assert sorted((failure.row, failure.stage.value) for failure in kept.failures) == [
        (1, "HEADER_CONVERTER"),
        (2, "KEY_CONVERTER"),
        (3, "VALUE_CONVERTER"),
        (4, "TRANSFORMATION"),
    ]
    assert channel.page.records_skipped == 4
    assert channel.page.records_filtered == 0


def test_json_lines_that_are_none_fail_like_the_converter(channel: TaskChannel) -> None:
    kept = Kept()
    conversion = source(JSON, ALL, touch=True, reporters=[kept], page=channel.page)
    batch = RecordBatch.lines("t", b'1\n{"a"\n"drop"\n4', format="json", offsets=ByteOffsets(0), source_partition=HERE)
    converted = conversion.convert(batch)
    assert as_list(converted.values) == [b"1", b"4"]
    assert rows(converted.records) == [0, 3]
    assert [failure.origin.where(failure.row) for failure in kept.failures] == [
        'the record of source partition {"p":1} with source offset {"position":7}'
    ]
    assert channel.page.records_filtered == 1


@pytest.mark.parametrize("touch", [False, True])
def test_records_that_the_task_itself_finds_bad_are_settled_like_others(touch: bool) -> None:
    kept = Kept()
    faults = {1: DataError("no such thing", where="in.jsonl line 2"), 2: DataError("neither", where="in.jsonl line 3")}
    batch = RecordBatch.lines("t", b"1\n{\n{\n4\n", format="json", faults=faults)
    converted = source(JSON, ALL, touch=touch, reporters=[kept]).convert(batch)
    assert as_list(converted.values) == [b"1", b"4"]
    assert rows(converted.records) == [0, 3]
    assert [(failure.row, failure.stage) for failure in kept.failures] == [(1, "TASK_POLL"), (2, "TASK_POLL")]
    converted = source(JSON, touch=touch).convert(batch)
    assert as_list(converted.values) == [b"1"]
    assert converted.failure is faults[1], "what the task says needs no words around it"


@pytest.mark.parametrize("format", ["bytes", "string", "json"])
@pytest.mark.parametrize("converter", ["ByteArrayConverter", "StringConverter", "JsonConverter"])
def test_raw_values_become_the_same_bytes_whether_or_not_their_batch_is_gone_through_record_by_record(
    format: Any, converter: str
) -> None:
    config = {"value.converter": converter, "header.converter": "JsonConverter", **ALL}
    if converter == "JsonConverter":
        config["value.converter.schemas.enable"] = "false"
    values = [b'{"a": 1.0}', b'"x"', None, b"[1]"]
    headers = [None, [("h", object())], None, None]
    quick = as_list(source(config).convert(RecordBatch.raw("t", values, format=format)).values)
    careful = source(config).convert(RecordBatch.raw("t", values, format=format, headers=headers))
    assert rows(careful.records) == [0, 2, 3]
    assert as_list(careful.values) == [quick[0], quick[2], quick[3]]


def test_json_text_stays_json_behind_a_chain_under_a_converter_that_takes_any_bytes() -> None:
    batch = RecordBatch.lines("t", b'{"a":1}\n"drop"\nnull\n', format="json")
    assert as_list(source(BYTES, touch=True).convert(batch).values) == [b'{"a":1}', b"null"]


def test_a_schema_of_a_batch_is_told_to_the_converter() -> None:
    conversion = source({"value.converter": "JsonConverter", "value.converter.schemas.enable": "true"})
    batch = RecordBatch.lines("t", b"one\n", format="string", value_schema=Schema.string())
    assert as_list(conversion.convert(batch).values) == [b'{"schema":{"type":"string","optional":false},"payload":"one"}']


def test_each_topics_share_is_converted_under_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    conversion = source(JSON)
    topics: list[tuple[str, int]] = []
    encode = conversion.converters.value.encode_batch

    def noting(topic: str, values: list[Any], schemas: Sequence[Any] | None = None) -> Any:
        topics.append((topic, len(values)))
        return encode(topic, values, schemas)

    monkeypatch.setattr(conversion.converters.value, "encode_batch", noting)
    converted = conversion.convert([SourceRecord("t", 1), SourceRecord("u", None), SourceRecord("t", 3)])
    assert topics == [("t", 2), ("u", 1)]
    assert as_list(converted.values) == [b"1", None, b"3"]


@pytest.mark.parametrize("form", ["batch", "records"])
def test_offsets_of_what_a_chain_has_left_are_the_records_own(form: str, send_loop: SendLoop) -> None:
    values = [b"a", b"drop", b"b", b"drop"]
    polled: RecordBatch | list[SourceRecord] = (
        RecordBatch.raw("t", values, offsets=CountOffsets(10), source_partition=HERE)
        if form == "batch"
        else [SourceRecord("t", value, None, HERE, {"seq": 10 + n}) for n, value in enumerate(values)]
    )
    assert source(BYTES, touch=True).queue(send_loop, polled) == 2
    send_loop.push()
    assert send_loop.flush(5000)
    assert send_loop.take_committable() == [(HERE, {"seq": 12})]  # a dropped record's offset is not kept, as in Kafka Connect


def test_line_offsets_count_the_lines_that_a_chain_has_dropped(send_loop: SendLoop) -> None:
    batch = RecordBatch.lines("t", b"drop\none\ndrop\nthree\n", offsets=ByteOffsets(100), source_partition=HERE)
    assert source({"value.converter": "StringConverter"}, touch=True).queue(send_loop, batch) == 2
    send_loop.push()
    assert send_loop.flush(5000)
    assert send_loop.take_committable() == [(HERE, {"position": 120})]


def test_source_partitions_of_which_a_chain_leaves_nothing_hold_nothing_back(send_loop: SendLoop) -> None:
    other = {"p": 2}
    records = [
        SourceRecord("t", v, None, p, {"n": n}) for n, (v, p) in enumerate([(b"drop", other), (b"a", HERE), (b"b", HERE)])
    ]
    conversion = source(BYTES, touch=True)
    assert conversion.queue(send_loop, records) == 2
    send_loop.push()
    assert conversion.queue(send_loop, [SourceRecord("t", b"c", None, other, {"n": 9})]) == 1
    send_loop.push()
    assert send_loop.flush(5000)
    assert sorted(offset["n"] for _, offset in send_loop.take_committable() if offset) == [2, 9]


def test_a_batch_of_which_a_chain_leaves_nothing_is_sent_as_nothing(send_loop: SendLoop) -> None:
    assert source(BYTES, touch=True).queue(send_loop, RecordBatch.raw("t", [b"drop"] * 3)) == 0
    assert send_loop.push()
    assert send_loop.in_flight == 0


# Sinks.


def test_messages_become_records_by_column() -> None:
    conversion = sink(JSON)
    records = conversion.decode(
        fetched(
            Message(b'{"a":1}', b"k", offset=7, headers=[("h", b"5")]),
            Message(None, None, partition=1, offset=3, timestamp=None),
        )
    )
    assert records.topics == "t"
    assert records.values == [{"a": 1}, None]
    assert records.value_schemas is None
    assert records.keys == ["k", None]
    assert records.key_schemas == [Schema.string(optional=True)] * 2
    assert records.headers == [[Header("h", 5, Schema.int8())], None]
    assert records.timestamps == [1000, None]
    assert records.partitions == [0, 1]
    assert records.offsets == [7, 3]


def test_values_alone_are_read_in_one_call() -> None:
    batch = FakeFetched([Message(b"1"), Message(None), Message(b'{"a":[]}')])
    assert sink(JSON).decode_values(cast("Fetched", batch)) == [1, None, {"a": []}]
    assert batch.asked == []
    assert sink(JSON).decode_values(fetched(Message(b"[1,\n2]"), Message(b"", topic="u"))) == [[1, 2], None]
    assert sink(BYTES).decode_values(fetched(Message(b"1"))) == [b"1"]


def test_a_sink_gets_raw_bytes_only_if_nothing_else_needs_the_values() -> None:
    assert sink(JSON).passes_raw
    assert not sink(JSON, touch=True).passes_raw
    assert not sink(JSON, ALL).passes_raw
    assert not sink(JSON, {"errors.deadletterqueue.topic.name": "d"}).passes_raw
    assert not sink(JSON, {"errors.log.enable": "true"}).passes_raw


def test_a_bad_message_is_named_by_topic_partition_and_offset() -> None:
    kept = Kept()
    conversion = sink(JSON, reporters=[kept])
    with pytest.raises(ToleranceExceeded, match=r"VALUE_CONVERTER .* the record of topic t, partition 2, offset 9: "):
        conversion.decode(fetched(Message(b"1"), Message(b"{", partition=2, offset=9)))
    assert [failure.row for failure in kept.failures] == [1]
    with pytest.raises(ToleranceExceeded, match="offset 9"):
        conversion.decode_values(fetched(Message(b"1"), Message(b"{", partition=2, offset=9)))


def test_with_tolerance_bad_messages_are_left_out_and_the_first_failing_stage_is_told(channel: TaskChannel) -> None:
    kept = Kept()
    conversion = sink(
        {**JSON, "key.converter": "JsonConverter", "header.converter": "JsonConverter"},
        ALL,
        touch=True,
        reporters=[kept],
        page=channel.page,
    )
    envelope = b'{"schema":null,"payload":1}'
    records = conversion.decode(
        fetched(
            Message(b'"a"', envelope, headers=[("h", envelope)]),
            Message(b"{", b"{", offset=1),
            Message(b"{", envelope, offset=2, headers=[("h", b"{")]),
            Message(b'"b"', envelope, offset=3, headers=[("h", b"{")]),
            Message(b'"bad"', envelope, offset=4),
            Message(b'"drop"', envelope, offset=5),
            Message(b'"c"', envelope, offset=6),
        )
    )
    assert records.values == ["a", "c"]
    assert list(records.rows) == [0, 6]
    assert records.offsets == [0, 6]
    assert sorted((failure.row, failure.stage.value) for failure in kept.failures) == [
        (1, "KEY_CONVERTER"),
        (2, "VALUE_CONVERTER"),
        (3, "HEADER_CONVERTER"),
        (4, "TRANSFORMATION"),
    ]
    assert channel.page.records_skipped == 4
    assert channel.page.records_filtered == 1


def test_messages_of_several_topics_are_read_each_under_its_own() -> None:
    records = sink(JSON).decode(fetched(Message(b"1"), Message(b"2", topic="u"), Message(b"3")))
    assert records.topics == ["t", "u", "t"]
    assert records.values == [1, 2, 3]
