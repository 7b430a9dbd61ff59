"""A connector that is one function: `@source` on a generator, `@sink` on a function that takes a batch of records.

    from fastconnect import record, source

    @source
    def orders(url: str, page_size: int = 500, offset: int | None = None):
        for order in fetch(url, after=offset or 0, limit=page_size):
            yield record(order, key=order["id"], offset=order["id"])

    @sink
    def to_search(records, index: str):
        bulk_insert(index, [(record.key, record.value) for record in records])

`fastconnect run orders.py:orders --topic orders --set url=...` runs one; an entry point of the group `fastconnect.plugins`
makes it a connector like any other. What needs several source tasks, or a connection kept open by a sink, is better a class
(connector.py, task.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, overload

from fastconnect.api.config import Config, Duration, Meta, Topic
from fastconnect.api.config_types import text_type
from fastconnect.api.connector import SinkConnector, SourceConnector
from fastconnect.api.function_signature import Setting, Signature, signature_of
from fastconnect.api.function_sink import FunctionSinkTask
from fastconnect.api.function_source import FunctionSourceTask, to_map
from fastconnect.api.record import Headers, SourceRecord

Function = Callable[..., Any]

_GIVEN_TO_SOURCES = frozenset({"offset", "context"})
_GIVEN_TO_SINKS = frozenset({"records", "values", "context"})

_TOPIC = Setting(Annotated[Topic, Meta(description="The topic that the records go to.")])


class FunctionSource(SourceConnector[Config]):
    """A source connector that `@source` has made; it has one task."""

    function: ClassVar[Function]
    """The function itself, to call it in a test."""


class FunctionSink(SinkConnector[Config]):
    """A sink connector that `@sink` has made; Kafka divides the partitions among as many tasks as `tasks.max` says."""

    function: ClassVar[Function]
    """The function itself, to call it in a test."""


@overload
def source(function: Function, /) -> type[FunctionSource]: ...
@overload
def source(*, every: str | None = None, version: str = "0.1.0") -> Callable[[Function], type[FunctionSource]]: ...
def source(
    function: Function | None = None, /, *, every: str | None = None, version: str = "0.1.0"
) -> type[FunctionSource] | Callable[[Function], type[FunctionSource]]:
    """Make a source connector of a function: a generator, an async generator, or one that returns an iterable.

    What it yields becomes records: a value, a pair `(value, offset)`, a `record(...)` or `SourceRecord`, or a whole
    `RecordBatch`; `None` is no record (a tombstone is `record(None, key=...)`). When it returns, the source has ended.

    Its parameters are its settings, with a key each (`page_size` is `page.size`), or one parameter takes them all in a
    `Config`. `topic` is a setting even if it does not ask for it. Two parameters are not settings, but given by the runtime:

    - `offset`: the offset of the last record that is known to be delivered, None the first time. If the function yields no
      offsets, its records are counted, and this is how many were delivered. Without this parameter it begins anew each time.
    - `context`: a `FunctionContext`: `stopping`, `wait(ms)` and `progress(position, end)`.

    A `RetriableError` calls it again behind the last record it gave. It runs on a thread of its own and may block; what it does
    behind a `yield` happens before that record is delivered.

    Args:
        function: the function; it is still there as the attribute `function` of the class.
        every: call it again and again, with so long between the beginnings, such as `10s`; the config key `every` changes it.
            Such a source never ends.
        version: the version that is shown for the connector.
    Raises:
        TypeError: a parameter cannot be a setting.
    """

    def make(function: Function) -> type[FunctionSource]:
        more = {"topic": _TOPIC}
        if every is not None:
            more["every"] = Setting(
                Annotated[Duration, Meta(ge=1, description="Time from one call to the next.")], text_type(Duration).read(every)
            )
        signature = signature_of(function, _GIVEN_TO_SOURCES, more)
        for_task = {"name": function.__name__, "repeats": every is not None}
        made: type[FunctionSource] = _connector(FunctionSource, FunctionSourceTask, signature, version, for_task)
        return made

    return make if function is None else make(function)


@overload
def sink(function: Function, /) -> type[FunctionSink]: ...
@overload
def sink(*, version: str = "0.1.0") -> Callable[[Function], type[FunctionSink]]: ...
def sink(
    function: Function | None = None, /, *, version: str = "0.1.0"
) -> type[FunctionSink] | Callable[[Function], type[FunctionSink]]:
    """Make a sink connector of a function, plain or async, that writes a batch of records.

    It asks for the batch by the parameter `records`, a `SinkRecords` (a sequence of `SinkRecord` that also has whole columns),
    or by `values`, the list of their values. `context` is the task's `SinkTaskContext`. Other parameters are settings, as for
    `source`.

    When it returns, the records count as written, and their offsets may be committed. A `RetriableError` calls it again with
    the same records; any other error fails the task, and they come again when it is restarted. An async function runs on one
    event loop for the whole life of its task.

    Args:
        function: the function; it is still there as the attribute `function` of the class.
        version: the version that is shown for the connector.
    Raises:
        TypeError: a parameter cannot be a setting, or there is none for the records.
    """

    def make(function: Function) -> type[FunctionSink]:
        signature = signature_of(function, _GIVEN_TO_SINKS, {})
        if signature.given.isdisjoint({"records", "values"}):
            raise TypeError(f"{function.__qualname__}: a sink needs a parameter `records` or `values` for what it is to write")
        made: type[FunctionSink] = _connector(FunctionSink, FunctionSinkTask, signature, version, {"name": function.__name__})
        return made

    return make if function is None else make(function)


def record(
    value: Any,
    *,
    key: Any = None,
    offset: Any = None,
    topic: str | None = None,
    timestamp: int | None = None,
    headers: Headers | None = None,
    partition: int | None = None,
) -> SourceRecord:
    """Make a record for a `@source` function to yield.

    Args:
        value, key: what the converters make bytes of; a value of None is a tombstone.
        offset: where to go on after this record: any JSON value, such as a number, a text or a dict.
        topic: if not the one of the config.
        timestamp: in milliseconds since 1970; the time of sending if not given.
        headers: pairs of name and value.
        partition: Kafka's; the partitioner chooses if not given.
    """
    return SourceRecord(
        topic or "", value, key, None, to_map(offset), partition=partition, timestamp=timestamp, headers=headers
    )


def _connector(base: type, task_base: type, signature: Signature, version: str, for_task: Mapping[str, Any]) -> Any:
    """Make a connector class, and its task's, that pass for the function: with its name, its docstring and its module."""
    function = signature.function
    looks = {"__module__": function.__module__, "config_class": signature.config_class}
    name = function.__name__
    task_names = {"__qualname__": f"{function.__qualname__}_task", "__doc__": task_base.__doc__}
    task_class = type(f"{name}_task", (task_base,), {**looks, **task_names, "signature": signature, **for_task})
    names = {"__qualname__": function.__qualname__, "__doc__": function.__doc__ or base.__doc__}
    own = {"function": staticmethod(function), "task_class": task_class, "version": version}
    return type(name, (base,), {**looks, **names, **own})
