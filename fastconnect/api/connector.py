"""A connector: knows how the work is divided into tasks; moves no record itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from fastconnect.api.config import Config, config_class_of
from fastconnect.api.context import SinkConnectorContext, SourceConnectorContext
from fastconnect.api.task import SinkTask, SourceTask

C = TypeVar("C", bound=Config)


class SourceConnector(Generic[C]):
    """Divides a source among tasks. Runs in a process of its own, for as long as an answer takes.

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

    def stop(self) -> None:
        """Close what `start` opened."""
