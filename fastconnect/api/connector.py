"""A connector: knows how the work is divided into tasks; moves no record itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from fastconnect.api.config import Config, config_class_of
from fastconnect.api.context import SinkConnectorContext, SourceConnectorContext
from fastconnect.api.record import Offset, Partition
from fastconnect.api.sink_records import TopicPartition
from fastconnect.api.task import SinkTask, SourceTask

C = TypeVar("C", bound=Config)


class SourceConnector(Generic[C]):
    """Divides a source among tasks. Runs in a process of its own, for as long as an answer takes, or for as long as it watches.

    Write it as `class ClicksSource(SourceConnector[ClicksConfig])` with a `task_class`; a connector that needs one task has
    nothing else to say. Source of the contract: Kafka Connect's SourceConnector.
    """

    config_class: ClassVar[type[Config]] = Config
    task_class: ClassVar[type[SourceTask[Any]]]
    version: ClassVar[str] = "0.1.0"
    context: SourceConnectorContext
    config: C

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.config_class = config_class_of(cls, cls.config_class)

    def start(self, config: C) -> None:
        """Keep the settings; open what is needed to divide the work."""
        self.config = config

    def task_configs(self, max_tasks: int) -> Sequence[Mapping[str, str] | Config]:
        """Divide the work: one configuration for each task, at most `max_tasks` of them.

        By default one task with the connector's own configuration. A `Config` is written out as Kafka Connect's strings.
        """
        return [self.config]

    def watch(self) -> None:
        """Follow the source for as long as the connector runs, and say when its work is to be divided anew.

        Only connectors that define it have it called: behind `start` and `task_configs`, in a thread of its own, while the
        connector's process stays alive. It calls `self.context.request_task_reconfiguration()` when the source has changed (a
        new table); `task_configs` is then called again, and the tasks whose configs differ are started anew. It returns when
        `self.context.stopping` turns true (`self.context.wait(...)` tells), or when there is nothing left to follow. What it
        raises fails the connector, which is then started anew; its tasks go on.

            def watch(self) -> None:
                while not self.context.wait(60_000):
                    if self.tables() != self.known_tables:
                        self.context.request_task_reconfiguration()
        """

    def alter_offsets(self, config: C, offsets: Sequence[tuple[Partition, Offset | None]]) -> bool:
        """Somebody wants these offsets of the (stopped) connector changed, or removed where they are None: may they be?

        Called on an instance of its own, without `start`. For a connector that keeps offsets itself, the moment to change them.

        Returns:
            True if it has checked them; False, as here, if it has not looked at them.
        Raises:
            ConnectError: they are no offsets of this connector; nothing is changed then.
        """
        return False

    def exactly_once_support(self, config: C) -> bool | None:
        """Whether each record can come to Kafka exactly once with this configuration; None, as here: that is not known.

        True demands of its tasks that a source offset names one place, from which reading goes on with the very next record.
        """
        return None

    def can_define_transaction_boundaries(self, config: C) -> bool:
        """Whether its tasks say where transactions end (`transaction.boundary=connector`)."""
        return False

    def stop(self) -> None:
        """Close what `start` opened."""


class SinkConnector(Generic[C]):
    """Says how a sink is configured. Runs in a process of its own, for as long as an answer takes.

    Write it as `class OrdersSink(SinkConnector[OrdersConfig])` with a `task_class`. Kafka divides the partitions of the topics
    among the tasks, so most sinks have nothing else to say. Source of the contract: Kafka Connect's SinkConnector.
    """

    config_class: ClassVar[type[Config]] = Config
    task_class: ClassVar[type[SinkTask[Any]]]
    version: ClassVar[str] = "0.1.0"
    context: SinkConnectorContext
    config: C

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.config_class = config_class_of(cls, cls.config_class)

    def start(self, config: C) -> None:
        """Keep the settings; open what is needed to answer `task_configs`."""
        self.config = config

    def task_configs(self, max_tasks: int) -> Sequence[Mapping[str, str] | Config]:
        """One configuration for each task: by default `max_tasks` times the connector's own.

        A `Config` is written out as Kafka Connect's strings.
        """
        return [self.config] * max_tasks

    def alter_offsets(self, config: C, offsets: Sequence[tuple[TopicPartition, int | None]]) -> bool:
        """Somebody wants the (stopped) connector to go on from these offsets: may it be?

        None: the offset is forgotten. Called on an instance of its own, without `start`. For a connector that keeps offsets
        in its target, the moment to change them.

        Returns:
            True if it keeps none, or has changed them; False, as here, if it has not looked at them.
        Raises:
            ConnectError: it cannot go on from there; nothing is changed then.
        """
        return False

    def stop(self) -> None:
        """Close what `start` opened."""
