"""A task: the part of a connector that moves records, alone in its own process."""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

from fastconnect.api.config import Config, config_class_of
from fastconnect.api.context import SourceTaskContext
from fastconnect.api.record import Polled

C = TypeVar("C", bound=Config)


class SourceTask(Generic[C]):
    """Reads a source: `start`, then `poll` again and again, at last `stop`; all on one thread, in one process.

    Write it as `class ClicksTask(SourceTask[ClicksConfig])`: `start` then gets its settings as a `ClicksConfig`.
    Source of the contract: Kafka Connect's SourceTask.
    """

    config_class: ClassVar[type[Config]] = Config
    context: SourceTaskContext

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.config_class = config_class_of(cls, cls.config_class)

    def start(self, config: C) -> None:
        """Open what is to be read, at the offset that `self.context.source_offset(...)` gives."""

    def poll(self) -> Polled:
        """Return the next records, None if there are none now, or END if there will never be one again.

        May block for a while; it should return when `self.context.stopping` turns true. A `RetriableError` means: call again.
        """
        raise TypeError(f"{type(self).__name__} has no poll method")

    def stop(self) -> None:
        """Close what `start` opened; called once, also after a failure."""
