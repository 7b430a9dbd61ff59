from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fakes.group_worker import GroupWorker
from fakes.herder import Worker


@pytest.fixture
def worker_with() -> Iterator[Callable[..., Worker]]:
    """Makes a Worker whose sockets are closed at the end."""
    workers: list[Worker] = []

    def make(*names: str, **options: Any) -> Worker:
        workers.append(Worker(*names, **options))
        return workers[-1]

    yield make
    for worker in workers:
        worker.close()


@pytest.fixture
def new_worker() -> Iterator[Callable[..., GroupWorker]]:
    """Makes a GroupWorker that is closed at the end."""
    workers: list[GroupWorker] = []

    def make(*args: Any, **options: Any) -> GroupWorker:
        workers.append(GroupWorker(*args, **options))
        return workers[-1]

    yield make
    for worker in workers:
        worker.close()
