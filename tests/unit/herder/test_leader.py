from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future

import pytest
from fakes.group_worker import GroupWorker

from fastconnect.errors import ConfigStoreError
from fastconnect.herder.leader import InOrder, may_have_process
from fastconnect.herder.loop import result_of
from fastconnect.storage.memory_configs import MemoryConfigStore
from fastconnect.storage.status_store import StoredStatus


class FailingOnce(MemoryConfigStore):
    """The first session key does not arrive."""

    def __init__(self) -> None:
        super().__init__()
        self.tries = 0

    def put_session_key(self, key):
        self.tries += 1
        if self.tries == 1:
            raise ConfigStoreError("it cannot be written")
        super().put_session_key(key)


@pytest.fixture
def worker() -> Iterator[GroupWorker]:
    worker = GroupWorker(configs=FailingOnce())
    worker.joins()
    yield worker
    worker.close()


def test_what_is_done_in_order_is_done_one_after_the_other_and_a_failure_stops_nobody(worker):
    in_order = InOrder()
    gate: Future[None] = Future()
    done: list[str] = []

    async def one() -> None:
        async with in_order.turn():
            await result_of(gate)
            done.append("one")
            raise ValueError

    async def two() -> None:
        async with in_order.turn():
            done.append("two")

    first, second = worker.loop.submit(one), worker.loop.submit(two)
    worker.turn()
    assert done == []

    gate.set_result(None)
    worker.until(second.done)
    assert done == ["one", "two"]
    with pytest.raises(ValueError):
        first.result(0)


def test_a_session_key_that_could_not_be_stored_is_tried_again_a_little_later(worker):
    worker.until(lambda: worker.configs.tries == 1)
    worker.wait(1)
    assert worker.configs.tries == 1

    worker.until(lambda: worker.wait(1) or worker.configs.snapshot().session_key)
    assert worker.configs.tries == 2


@pytest.mark.parametrize(
    ("state", "may"),
    [("RUNNING", True), ("PAUSED", True), ("RESTARTING", True), ("FAILED", False), ("UNASSIGNED", False), ("STOPPED", False)],
)
def test_only_some_states_leave_room_for_a_process(state, may):
    assert may_have_process(StoredStatus(state=state, worker_id="here:1")) is may


def test_a_level_that_is_none_does_no_harm(worker):
    worker.configs.put_logger_level("fastconnect.nobody", "LOUD")
    worker.turn()

    assert worker.of(worker.herder.connectors()) == []
