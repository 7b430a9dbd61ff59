from __future__ import annotations

from fakes.transforms import configured

from fastconnect.api.transform import Records
from fastconnect.transforms.filter import Filter


def test_every_record_is_dropped() -> None:
    assert len(configured(Filter).apply_batch(Records("t", [1, 2], keys=[1, 2]))) == 0
