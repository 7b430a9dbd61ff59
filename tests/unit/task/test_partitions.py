from __future__ import annotations

import pytest

from fastconnect.api.sink_records import TopicPartition
from fastconnect.task.partitions import Partitions

HERE = TopicPartition("t", 0)


@pytest.fixture
def partitions() -> Partitions:
    made = Partitions()
    made.add(HERE, 10)
    return made


def to_commit(partitions: Partitions, offset: int) -> dict[TopicPartition, int]:
    offsets, _ = partitions.to_commit({HERE: offset}, partitions.delivered([HERE]))
    return offsets


def test_nothing_is_committed_where_nothing_was_put(partitions: Partitions) -> None:
    assert to_commit(partitions, 10) == {}


def test_what_was_put_is_committed_once(partitions: Partitions) -> None:
    partitions[HERE].put(15)
    assert to_commit(partitions, 15) == {HERE: 15}
    assert partitions.committed({HERE: 15}) == 5
    assert to_commit(partitions, 15) == {}


def test_where_a_task_has_gone_forward_by_itself_is_committed_too(partitions: Partitions) -> None:
    partitions[HERE].rewind(30)
    assert to_commit(partitions, 30) == {HERE: 30}
    assert partitions.committed({HERE: 30}) == 0, "no record of this task"
    assert to_commit(partitions, 30) == {}


def test_where_a_task_has_gone_back_by_itself_may_be_committed_again(partitions: Partitions) -> None:
    partitions[HERE].rewind(5)
    partitions[HERE].put(8)
    assert to_commit(partitions, 8) == {HERE: 8}


def test_more_than_was_put_is_refused(partitions: Partitions) -> None:
    partitions[HERE].put(12)
    offsets, refused = partitions.to_commit({HERE: 13}, partitions.delivered([HERE]))
    assert offsets == {}
    assert refused == ["t-0 at 13 is beyond 12, up to where records were put"]
