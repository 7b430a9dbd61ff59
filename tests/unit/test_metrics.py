from __future__ import annotations

import re
from pathlib import Path

from fastconnect import metrics

PAGE = Path(metrics.__file__).parent / "native" / "status_page.pxd"


def test_every_number_of_the_status_page_is_described_in_its_order():
    text = (
        PAGE.read_text().partition("Written by the task only: counters")[2].partition("Written by the task only: its state")[0]
    )
    on_the_page = [
        name for name in re.findall(r"^    int64_t (\w+)", text, re.MULTILINE) if not name.startswith(("_", "latency"))
    ]

    assert [metric.name for metric in metrics.METRICS] == on_the_page


def test_the_histogram_has_as_many_buckets_as_the_status_page():
    assert f"LATENCY_BUCKETS = {metrics.LATENCY_BUCKETS}" in PAGE.read_text()


def test_every_number_has_a_unit_and_a_sentence():
    for metric in metrics.METRICS:
        assert metric.unit
        assert metric.meaning.endswith(".")


def test_counters_of_two_processes_are_added_up_and_gauges_are_the_later_ones():
    total = metrics.added({"records_acked": 5, "source_position": 50}, {"records_acked": 7, "source_position": 40})

    assert total["records_acked"] == 12
    assert total["source_position"] == 40


def test_the_first_ack_of_two_processes_is_the_earlier_one_that_there_was():
    assert metrics.added({"first_ack_ns": 9, "last_ack_ns": 12}, {"first_ack_ns": 20, "last_ack_ns": 30})["first_ack_ns"] == 9
    assert metrics.added({"first_ack_ns": 0}, {"first_ack_ns": 20})["first_ack_ns"] == 20
    assert metrics.added({"first_ack_ns": 9, "last_ack_ns": 12}, {"first_ack_ns": 0, "last_ack_ns": 0})["last_ack_ns"] == 12


def test_percentiles_are_the_upper_limits_of_their_buckets():
    histogram = [0] * metrics.LATENCY_BUCKETS
    histogram[20] = 99  # up to 2^10.5 us
    histogram[40] = 1  # up to 2^20.5 us

    percentiles = metrics.latency_percentiles_ms(histogram, (50, 99, 100))

    assert round(percentiles[50], 3) == 1.448
    assert percentiles[99] == percentiles[50]
    assert round(percentiles[100]) == 1483


def test_there_are_no_percentiles_before_the_first_ack():
    assert metrics.latency_percentiles_ms([0] * metrics.LATENCY_BUCKETS) == {}
