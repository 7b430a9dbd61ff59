"""The task of a sink that is one function: calls it with each batch of records. How it is declared is in functions.py."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, ClassVar

from fastconnect.api.config import Config
from fastconnect.api.function_signature import Signature
from fastconnect.api.sink_records import SinkRecords
from fastconnect.api.task import SinkTask

if TYPE_CHECKING:
    import asyncio


class FunctionSinkTask(SinkTask[Config]):
    """Calls a sink function; what it has returned from counts as written."""

    signature: ClassVar[Signature]
    name: ClassVar[str]

    def start(self, config: Config) -> None:
        """Keep the settings; an async function gets an event loop, one for the whole life of the task."""
        self.config = config
        self._runner: asyncio.Runner | None = None
        self._wants_values = "values" in self.signature.given
        if inspect.iscoroutinefunction(self.signature.function):
            import asyncio

            self._runner = asyncio.Runner()

    def put(self, records: SinkRecords) -> None:
        """Call the function, unless there is nothing to give it."""
        if not records:
            return
        values = records.values if self._wants_values else None
        returned = self.signature.call(self.config, records=records, values=values, context=self.context)
        if self._runner is not None:
            self._runner.run(returned)

    def stop(self) -> None:
        """End what an async function has left running."""
        runner = getattr(self, "_runner", None)
        if runner is not None:
            runner.close()
