"""The herder of a worker that is one of a group: it answers itself what it may, and says who must be asked for the rest.

What is only read is answered by every worker. What is written is written by the group's leader, but for what any worker may
write: whether a connector is to run or to pause, and levels of loggers. What is restarted, its owner restarts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from fastconnect.herder import session_keys
from fastconnect.herder.answers import ConnectorDescription, ConnectorStatus, RestartRequest, Signature
from fastconnect.herder.fencing import producer_fencing
from fastconnect.herder.group_herder import NO_LEADER, GroupHerder
from fastconnect.herder.leader import may_have_process
from fastconnect.herder.loggers import level_number
from fastconnect.herder.loop import result_of
from fastconnect.herder.offsets import NOTHING_GIVEN
from fastconnect.herder.refusals import ConflictError, OtherWorkerError, RequestRefusedError, TaskNotFoundError
from fastconnect.herder.restart_plan import restart_plan
from fastconnect.states import TargetState, TaskId
from fastconnect.storage.config_store import Properties

SETTLED_WITHIN_S = 8.0
"""How long a request waits for what a change has just made necessary: a rebalance, the end of tasks."""

STALE = "Cannot complete request momentarily due to stale configuration (typically caused by a concurrent config change)"


class DistributedHerder(GroupHerder):
    """Answers the REST API on one of several workers."""

    # Configurations

    def put_connector(
        self, name: str, config: Properties, *, initial_state: TargetState | None = None, replace: bool
    ) -> Future[tuple[bool, ConnectorDescription]]:
        """See Herder."""

        async def put() -> tuple[bool, ConnectorDescription]:
            checked = await self.checked(name, config)
            is_new = await self.leader.put_connector(name, checked, initial_state, replace=replace)
            return is_new, self.description(name)

        return self.loop.submit(put)

    def patch_connector(self, name: str, patch: Properties) -> Future[ConnectorDescription]:
        """See Herder."""

        async def change() -> ConnectorDescription:
            self.must_lead()  # first: another worker's configuration may be newer
            if patch.get("name", name) != name:
                raise RequestRefusedError(400, f"The name of a connector cannot be changed: {name} is not {patch['name']}")
            while True:
                known = self.stored(name).config
                merged = {key: value for key, value in {**known, **patch}.items() if value is not None or key not in patch}
                checked = await self.checked(name, merged)
                if self.stored(name).config == known:  # else somebody else has changed it meanwhile
                    await self.leader.put_connector(name, checked, None, replace=True)
                    return self.description(name)

        return self.loop.submit(change)

    def delete_connector(self, name: str) -> Future[None]:
        """See Herder."""
        return self.loop.submit(lambda: self.leader.remove_connector(name))

    def set_target(self, name: str, target: TargetState) -> Future[None]:
        """See Herder."""

        async def change() -> None:
            if target is TargetState.STOPPED:
                await self.leader.stop_connector(name)
                return
            self.stored(name, f"Unknown connector {name}")
            with self.loop.doing(f"writing the target state of connector {name} to the config topic"):
                await result_of(self.loop.run_in_pool(lambda: self.configs.put_target(name, target)))

        return self.loop.submit(change)

    # Restarts

    def restart_connector(self, name: str) -> Future[None]:
        """See Herder."""

        async def restart() -> None:
            self.stored(name, f"Unknown connector: {name}")
            await self._until(lambda: not self.expects_rebalance)
            self.stored(name, f"Unknown connector: {name}")
            if name not in self.work.connectors:
                raise self._other(name)
            with self.loop.doing(f"restarting the connector {name}"):
                await result_of(self.work.restart_connector(name))

        return self.loop.submit(restart)

    def restart_connector_and_tasks(self, request: RestartRequest) -> Future[ConnectorStatus]:
        """See Herder."""

        async def restart() -> ConnectorStatus:
            name = request.connector
            self.must_lead()
            await self.know_plugins(self.stored(name, f"Unknown connector: {name}").config)
            plan = restart_plan(request, self.status(name))
            await self.leader.put_restart(name, only_failed=request.only_failed, include_tasks=request.include_tasks)
            return plan.status

        return self.loop.submit(restart)

    def restart_task(self, task: TaskId) -> Future[None]:
        """See Herder."""

        async def restart() -> None:
            self._known_task(task)
            await self._until(lambda: not self.expects_rebalance)
            self._known_task(task)
            if not self.restart_here(task):
                raise self._other(task)

        return self.loop.submit(restart)

    def _known_task(self, task: TaskId) -> None:
        stored = self.stored(task.connector, f"Unknown connector: {task.connector}")
        if stored.target is TargetState.STOPPED and not stored.task_count:
            raise OtherWorkerError(NO_LEADER, None)  # 409, as by Kafka Connect, which remembers tasks that nobody owns
        if task.task >= len(stored.task_configs or ()):
            raise TaskNotFoundError(task)

    def _other(self, what: str | TaskId) -> OtherWorkerError:
        """Who runs this: the leader knows, and the others know the leader."""
        url = self.member.owner_url(what) if self.member.is_leader else self.member.leader_url
        return OtherWorkerError(NO_LEADER, None if url == self.url else url)

    async def _until(self, settled: Callable[[], bool]) -> None:
        """Wait until the group has done what the last change asks for; ConflictError if that takes long."""
        until = self.loop.clock() + SETTLED_WITHIN_S
        while not settled():
            if self.loop.clock() > until:
                raise ConflictError(STALE)
            waited: Future[None] = Future()
            self.loop.call_later(0.05, lambda: waited.set_result(None))  # noqa: B023
            await result_of(waited)

    # Offsets

    def alter_offsets(self, name: str, offsets: Sequence[tuple[Any, Any]]) -> Future[str]:
        """See Herder."""

        async def alter() -> str:
            if not offsets:
                raise RequestRefusedError(400, NOTHING_GIVEN)
            return await self._change_offsets(name, lambda config: self.connector_offsets.alter(name, config, offsets))

        return self.loop.submit(alter)

    def reset_offsets(self, name: str) -> Future[str]:
        """See Herder."""

        async def reset() -> str:
            return await self._change_offsets(name, lambda config: self.connector_offsets.reset(name, config))

        return self.loop.submit(reset)

    async def _change_offsets(self, name: str, change: Callable[[Properties], Any]) -> str:
        """Change the offsets of a connector that is stopped."""
        self.must_lead()
        await self._until(lambda: not self.expects_rebalance)

        async def changed() -> str:
            connector = self.stored(name)
            if connector.target is not TargetState.STOPPED or connector.task_count:
                raise RequestRefusedError(
                    400,
                    "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the "
                    f"specified connector by issuing a 'PUT' request to the '/connectors/{name}/stop' endpoint",
                )
            # A task that still ends would flush its own offsets over these.
            await self._until(lambda: not any(map(may_have_process, self.statuses.tasks(name).values())))
            with self.loop.doing(f"modifying offsets for connector {name}"):
                text: str = await change(connector.config)
                return text

        return await self.leader.in_turn(changed)

    # Loggers

    def set_logger_level(self, logger: str, level: str, *, cluster: bool) -> Future[list[str]]:
        """See Herder."""

        async def change() -> list[str]:
            level_number(level)  # whether there is such a level
            if not cluster:
                return self.set_level_here(logger, level)
            with self.loop.doing("writing the level of a logger to the config topic"):
                await result_of(self.loop.run_in_pool(lambda: self.configs.put_logger_level(logger, level.upper())))
            return []

        return self.loop.submit(change)

    # From worker to worker

    def put_task_configs(self, name: str, configs: Sequence[Mapping[str, str | None]], signature: Signature) -> Future[None]:
        """See Herder."""

        async def put() -> None:
            self._verify(signature)
            await self.leader.put_task_configs(name, configs)

        return self.loop.submit(put)

    def fence(self, name: str, signature: Signature) -> Future[None]:
        """See Herder."""

        async def fence() -> None:
            self._verify(signature)
            self.must_lead()
            stored = self.stored(name)
            await self.know_plugins(stored.config)
            shut_out = producer_fencing(self.worker, self.config.group_id)
            await self.leader.fence(name, lambda count: shut_out(name, stored.config, count), self.kind(name))

        return self.loop.submit(fence)

    def _verify(self, signature: Signature) -> None:
        if self.config.connect_protocol == "sessioned":
            key = self.configs.snapshot().session_key
            session_keys.verify(key, signature, self.config.inter_worker_verification_algorithms)
