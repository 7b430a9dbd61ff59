from __future__ import annotations

import json

from fastconnect.cli import summary
from fastconnect.cli.summary import Summary

SECOND = 1_000_000_000
TASKS = [
    {
        "records_polled": 100,
        "records_acked": 90,
        "records_failed": 10,
        "bytes_acked": 900,
        "first_ack_ns": 5 * SECOND,
        "last_ack_ns": 6 * SECOND,
    },
    {"records_polled": 50, "records_acked": 50, "bytes_acked": 500, "first_ack_ns": 4 * SECOND, "last_ack_ns": 5 * SECOND},
    {"records_polled": 0, "first_ack_ns": 0, "last_ack_ns": 0},
]


def summarized(**changes) -> Summary:
    return summary.summarize(TASKS, **{"restarts": 1, "seconds": 4.0, "cpu_seconds": 1.5, "complete": True, **changes})


def test_the_counters_of_all_tasks_are_added_up():
    numbers = summarized()

    assert (numbers.records, numbers.delivered, numbers.failed, numbers.bytes, numbers.tasks) == (150, 140, 10, 1400, 3)
    assert numbers.records_per_s == 35


def test_the_time_of_sending_runs_from_the_first_ack_of_any_task_to_the_last_of_any():
    assert summarized().send_seconds == 2.0


def test_a_job_without_a_single_ack_has_taken_no_time_to_send():
    assert summary.summarize([{}], restarts=0, seconds=1, cpu_seconds=1, complete=True).send_seconds == 0


def test_the_json_has_every_number_under_its_name():
    written = json.loads(summary.as_json(summarized()))

    assert {
        "records",
        "bytes",
        "seconds",
        "send_seconds",
        "cpu_seconds",
        "delivered",
        "failed",
        "tasks",
        "restarts",
    } <= written.keys()
    assert written["complete"] is True
    assert written["records_per_s"] == 35


def test_the_text_tells_the_same_to_people(capsys):
    summary.print_summary(summarized())
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]

    assert ["delivered", "140 (1.4 kB)"] in lines
    assert ["records/s", "35 (350 B/s)"] in lines
    assert ["tasks", "3 (1 restart; what was read again counts again)"] in lines
    assert not any(name == "skipped" for name, _ in lines)


def test_what_stopped_tasks_have_counted_is_in_the_numbers_but_they_are_no_tasks_any_more():
    numbers = summarized(forgotten={"records_polled": 7, "records_acked": 7})

    assert (numbers.records, numbers.delivered, numbers.tasks) == (157, 147, 3)


def test_one_line_tells_how_a_worker_has_stopped():
    assert summary.stopped(summarized(seconds=64.6)) == "Stopped: 140 records delivered and flushed in 1:05."
