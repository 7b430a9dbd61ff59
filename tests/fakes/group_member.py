"""Workers that only are members of a group: what they are told to run is noted, nothing is run.

As a program: a member in a process of its own, which writes what it is told as lines of JSON, and ends when its input does.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fakes.commands import until

from fastconnect.config.client import Setting, to_consumer
from fastconnect.herder.connect_protocol import NOTHING, Allocation
from fastconnect.herder.group_client import group_client
from fastconnect.herder.membership import GroupError, GroupMember, Membership, MembershipConfig
from fastconnect.storage.memory_configs import MemoryConfigStore

SESSION_MS = 6_000  # the least that brokers allow
HEARTBEAT_MS = 500


def store(connectors: Mapping[str, int]) -> MemoryConfigStore:
    """A config store with connectors that have so many tasks."""
    configs = MemoryConfigStore()
    for name, tasks in connectors.items():
        configs.put_connector(name, {"name": name})
        configs.put_task_configs(name, [{} for _ in range(tasks)])
    return configs


def config(bootstrap: str, group: str, name: str, **changes: Any) -> MembershipConfig:
    """A member's, at http://NAME:8083/."""
    given = {
        "group_id": group,
        "url": f"http://{name}:8083/",
        "client": {"bootstrap_servers": [bootstrap], "client_id": name, "reconnect_backoff_max_ms": 500},
        "session_timeout_ms": SESSION_MS,
        "heartbeat_interval_ms": HEARTBEAT_MS,
    }
    return MembershipConfig(**{**given, **changes})


class Running:
    """What runs in a whole group; one thing twice is an error."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._work: dict[str, Allocation] = {}
        self.twice: list[str] = []

    def now(self, name: str, work: Allocation) -> None:
        """A member runs this, and nothing else."""
        with self._lock:
            for other, its in self._work.items():
                if other != name and (both := its & work):
                    self.twice.append(f"{both} on {name} and {other}")
            self._work[name] = work

    def all(self) -> list[Allocation]:
        """What each runs."""
        with self._lock:
            return list(self._work.values())


class Worker:
    """A member, and what it was told. What it is to stop takes it `stop_s`."""

    def __init__(
        self,
        bootstrap: str,
        group: str,
        name: str,
        configs: MemoryConfigStore,
        running: Running | None = None,
        *,
        stop_s: float = 0.0,
        state: bytes | None = None,
        **changes: Any,
    ) -> None:
        self.name = name
        self.told: list[tuple[str, Any]] = []
        self.work = NOTHING
        self._running = running or Running()
        self._stop_s = stop_s
        self.member = GroupMember(config(bootstrap, group, name, **changes), configs, self)
        if state is not None:
            self.member.restore(state)
        self.member.start()

    def on_revoked(self, work: Allocation, done: Callable[[], None]) -> None:
        self.told.append(("revoked", work))
        self._stop(work, done)

    def on_assigned(self, membership: Membership) -> None:
        self.told.append(("assigned", membership))
        self.work = membership.work
        self._running.now(self.name, self.work)

    def on_lost(self, done: Callable[[], None]) -> None:
        self.told.append(("lost", time.monotonic()))
        self._stop(self.work, done)

    def on_failed(self, error: GroupError) -> None:
        self.told.append(("failed", error))

    @property
    def words(self) -> list[str]:
        """What it was told, without the details."""
        return [word for word, _ in self.told]

    def close(self) -> None:
        """End, telling the group nothing."""
        self.member.close()
        self._running.now(self.name, NOTHING)

    def leave(self) -> None:
        """Stop all, then leave."""
        self._running.now(self.name, NOTHING)
        self.work = NOTHING
        self.member.leave()

    def _stop(self, work: Allocation, done: Callable[[], None]) -> None:
        def stop() -> None:
            self.work -= work
            self._running.now(self.name, self.work)
            done()

        if self._stop_s:
            timer = threading.Timer(self._stop_s, stop)
            timer.daemon = True
            timer.start()
        else:
            stop()


class MemberProcess:
    """A member in a process of its own.

    Args:
        client: settings of its client in Java's names.
    """

    def __init__(
        self, bootstrap: str, group: str, name: str, connectors: Mapping[str, int], client: Mapping[str, str] | None = None
    ) -> None:
        self.told: list[dict[str, Any]] = []
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "fakes.group_member", bootstrap, group, name),
                *(json.dumps(dict(each)) for each in (connectors, client or {})),
            ],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def close(self) -> None:
        """Have it end, if it has not."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()

    def ends_with_its_main_thread(self) -> bool:
        """Have its main thread end; whether the process does as well."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(10) == 0

    def is_told(self, word: str) -> None:
        """Wait until it was told this."""
        until(lambda: any(each["told"] == word for each in self.told), f"the member is told that it is {word}")

    def is_given_work(self, since: int = 0) -> None:
        """Wait until it has something to run, by what it was told from this word on.

        It may be told before that it has nothing yet, while others stop it; or not, if they have stopped it before the
        member has asked for its share.
        """
        nothing = str(NOTHING)
        until(
            lambda: any(each["told"] == "assigned" and each["what"] != nothing for each in self.told[since:]),
            "the member is given work",
        )

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.told.append(json.loads(line))


class _Telling(Worker):
    def __init__(self, *words: Any, **changes: Any) -> None:
        self._writing = threading.Lock()
        super().__init__(*words, **changes)

    def on_revoked(self, work: Allocation, done: Callable[[], None]) -> None:
        self._tell("revoked", str(work))
        super().on_revoked(work, done)

    def on_assigned(self, membership: Membership) -> None:
        super().on_assigned(membership)
        self._tell("assigned", str(membership.work))

    def on_lost(self, done: Callable[[], None]) -> None:
        self._tell("lost", "")
        super().on_lost(done)

    def on_failed(self, error: GroupError) -> None:
        self._tell("failed", str(error))

    def _tell(self, word: str, what: str) -> None:
        with self._writing:
            print(json.dumps({"told": word, "what": what}), flush=True)


def main() -> None:
    """Be a member until the input ends."""
    bootstrap, group, name, connectors, client = sys.argv[1:]
    changes = {}
    if java := json.loads(client):
        settings = to_consumer([Setting(key, key, value) for key, value in java.items()], {})
        assert settings.faults == [], settings.faults
        changes["client"] = group_client({**settings.properties, "bootstrap.servers": bootstrap}, name)
    _Telling(bootstrap, group, name, store(json.loads(connectors)), **changes)
    sys.stdin.read()


if __name__ == "__main__":
    main()
