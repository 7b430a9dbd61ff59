from __future__ import annotations

import json
import time

import pytest

from fastconnect.api.record import EndOfData
from fastconnect.connectors.sequence_source import SequenceSource, verify
from fastconnect.testing import SourceHarness


def sequence(tasks: int = 1, **config: str) -> SourceHarness:
    keys = {name.replace("_", "."): value for name, value in config.items()}
    return SourceHarness(SequenceSource, {"topic": "t", **keys}, tasks_max=tasks)


@pytest.mark.parametrize("value_format", ["json", "bytes"])
def test_each_task_counts_from_zero_to_its_end(value_format):
    with sequence(3, count="25", poll_size="10", format=value_format) as source:
        for task in range(3):
            records = source.read_all(task)
            assert [verify(record.value) for record in records] == [(task, number) for number in range(25)]
            assert records[7].source_partition == {"task": task}
            assert records[7].source_offset == {"seq": 7}
            assert isinstance(source.poll(task), EndOfData)


@pytest.mark.parametrize("value_format", ["json", "bytes"])
def test_it_goes_on_behind_the_last_record_delivered(value_format):
    with sequence(count="25", poll_size="10", format=value_format) as source:
        source.take(13)
        source.restart()
        assert [verify(record.value)[1] for record in source.read_all()] == list(range(13, 25))
        source.restart()
        assert source.read_all() == []


@pytest.mark.parametrize(("value_format", "size"), [("json", 100), ("json", 1), ("json", 5000), ("bytes", 100), ("bytes", 1)])
def test_a_value_has_the_size_asked_for_or_what_its_fields_take(value_format, size):
    with sequence(count="12000", size=str(size), format=value_format) as source:
        sizes = {len(record.value) for record in source.read_all()}
    least = 24 if value_format == "bytes" else 60
    assert sizes == {size} if size > 1 else min(sizes) >= least


def test_a_json_value_has_these_fields():
    with sequence(count="1") as source:
        value = json.loads(source.take(1)[0].value)
    assert list(value) == ["task", "seq", "ts", "crc", "pad"]
    assert abs(value["ts"] / 1000 - time.time()) < 60


@pytest.mark.parametrize("value_format", ["json", "bytes"])
def test_any_changed_byte_is_found(value_format):
    with sequence(count="1", format=value_format) as source:
        value = source.take(1)[0].value
    verify(value)
    for place in range(len(value)):
        for bit in (1, 32):
            damaged = bytearray(value)
            damaged[place] ^= bit
            with pytest.raises(ValueError):
                verify(bytes(damaged))


def test_a_shortened_value_is_found():
    with sequence(count="1") as source:
        value = source.take(1)[0].value
    for end in range(len(value)):
        with pytest.raises(ValueError):
            verify(value[:end])


def test_the_rate_is_kept_and_lost_time_is_not_caught_up_at_once(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    source = sequence(rate="100")
    source.start()
    task, context = source.tasks[0], source.contexts[0]

    def wait(wait_ms: int) -> bool:
        now[0] += wait_ms / 1000
        return False

    context.wait = wait
    made = 0
    while now[0] < 110:
        made += len(source.poll())
    assert 1000 <= made <= 1002
    now[0] += 60
    assert len(source.poll()) <= 101
    context.wait = lambda wait_ms: True
    task.poll()
    assert task.poll() is None, "told to stop"


def test_a_slow_rate_gives_its_first_record_at_once():
    with sequence(rate="0.001") as source:
        assert len(source.poll()) == 1
