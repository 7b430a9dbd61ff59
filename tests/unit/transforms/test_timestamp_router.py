from __future__ import annotations

import pytest
from fakes.transforms import configured

from fastconnect.api.transform import Records
from fastconnect.errors import DataError
from fastconnect.transforms.timestamp_router import TimestampRouter

DAY_MS = 86_400_000


def test_records_of_one_day_go_to_one_topic() -> None:
    transform = configured(TimestampRouter)

    assert transform.apply_batch(Records("logs", [1, 2], timestamps=[0, DAY_MS - 1])).topics == "logs-19700101"


def test_records_of_several_days_and_topics_each_go_to_theirs() -> None:
    transform = configured(TimestampRouter, {"topic.format": "${timestamp}.${topic}", "timestamp.format": "dd"})

    after = transform.apply_batch(Records(["a", "b", "a"], [1, 2, 3], timestamps=[0, DAY_MS, -1]))

    assert after.topics == ["01.a", "02.b", "31.a"]


@pytest.mark.parametrize("timestamps", [None, [None]])
def test_a_record_without_a_timestamp_is_refused(timestamps: list[int | None] | None) -> None:
    transform = configured(TimestampRouter)

    with pytest.raises(DataError, match=r"Timestamp missing on record \(the source gives it none"):
        transform.apply_batch(Records("logs", [1], timestamps=timestamps))


def test_no_records_need_no_timestamps() -> None:
    transform = configured(TimestampRouter)

    assert len(transform.apply_batch(Records("logs", []))) == 0
