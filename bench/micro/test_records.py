"""What the objects cost that a task makes for each record: the part that stays Python. Times are for 2,000 records."""

from __future__ import annotations

from typing import Any

from pytest_benchmark.fixture import BenchmarkFixture

from fastconnect import CountOffsets, RecordBatch, SourceRecord

Values = list[dict[str, Any]]
TASK = {"task": 0}


def test_a_source_record_and_an_offset_dict_for_each_value(benchmark: BenchmarkFixture, values: Values) -> None:
    def records() -> list[SourceRecord]:
        return [
            SourceRecord("orders", value, source_partition=TASK, source_offset={"next": number})
            for number, value in enumerate(values)
        ]

    assert len(benchmark(records)) == len(values)


def test_one_record_batch_for_all_values(benchmark: BenchmarkFixture, values: Values) -> None:
    batch = benchmark(lambda: RecordBatch.of("orders", values, source_partition=TASK, offsets=CountOffsets(0)))

    assert batch.values is values
