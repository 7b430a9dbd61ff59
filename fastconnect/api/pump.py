"""Runs somebody's generator on a thread of its own and hands over what it yields.

So a generator may wait as long as it likes (for a web page, a socket, a message) while its task delivers, flushes and hears
that it is to stop. An async generator gets an event loop of its own there, which keeps running while nobody asks for values.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import traceback
from collections import deque
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from fastconnect.api.record import RecordBatch, SourceRecord
from fastconnect.errors import FunctionError

if TYPE_CHECKING:
    import asyncio

MOST_WAITING = 1_000
"""So many values may lie ready before the generator is held up: enough that it and the sending do not wait for each other."""

MOST_WAITING_IF_LARGE = 8
"""The same behind a batch, or a long text or bytes: each may take megabytes."""

LARGE = 16 * 1024


class Pump:
    """A thread that runs a generator.

    Args:
        call: calls the function and returns what that does: a generator, an iterable, an async generator, or an awaitable of
            an iterable. Called on the thread, as all code of the generator is, its `finally` too.
        name: what to call the thread and the function in messages.
    """

    def __init__(self, call: Callable[[Pump], Any], name: str) -> None:
        self.error: BaseException | None = None
        self.ended = False
        """Whether the generator has come to its end, or failed with `error`; the last values may still lie ready."""
        self._call = call
        self._name = name
        self._values: deque[Any] = deque()
        self._news = threading.Event()  # there are values, or the end, or a request
        self._room = threading.Event()
        self._stop = threading.Event()
        self._wake_loop: Callable[[], None] | None = None
        self._stop_loop: Callable[[], None] | None = None
        self._wait_ms: int | None = None
        self._waited = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    # What the task's thread asks

    def take(self, wait_s: float) -> list[Any]:
        """All values that lie ready; if there are none, wait at most so long for one."""
        self._news.wait(wait_s)
        self._news.clear()  # before looking, so that what comes after the look is news again
        values = self._values
        taken = [values.popleft() for _ in range(len(values))]
        self._room.set()
        wake_loop = self._wake_loop
        if wake_loop is not None:
            wake_loop()
        return taken

    def put_back(self, values: list[Any]) -> None:
        """Give back values that were taken, to be taken again first."""
        self._values.extendleft(reversed(values))
        self._news.set()

    @property
    def wants_to_wait_ms(self) -> int | None:
        """How long the generator is waiting in `wait`, if it is."""
        return self._wait_ms

    def waited(self) -> None:
        """Let the generator's `wait` return."""
        self._wait_ms = None
        self._waited.set()

    def stop(self, within_s: float) -> str | None:
        """Close the generator, where it is not in the middle of its work, and wait for its end.

        Returns:
            None; or the lines that it stands at, if it does not end in time. It is left behind then.
        """
        self._stop.set()
        self._room.set()
        self._waited.set()
        if self._stop_loop is not None:
            self._stop_loop()
        self._thread.join(within_s)
        if not self._thread.is_alive():
            return None
        frame = sys._current_frames().get(self._thread.ident or 0)
        stack = traceback.extract_stack(frame) if frame is not None else []
        ours = max((depth for depth, entry in enumerate(stack) if entry.filename == __file__), default=-1)
        return "".join(traceback.format_list(stack[ours + 1 :])).rstrip()

    # What the generator asks, on its own thread

    @property
    def stopping(self) -> bool:
        """Whether the generator is to end."""
        return self._stop.is_set()

    def wait(self, wait_ms: int) -> bool:
        """Wait so long, but return True at once when the generator is to end; the task itself does the waiting."""
        if self._stop.is_set():
            return True
        self._waited.clear()
        self._wait_ms = wait_ms
        self._news.set()
        self._waited.wait()
        return self._stop.is_set()

    # The thread

    def _run(self) -> None:
        try:
            made = self._call(self)
            if isinstance(made, AsyncIterable | Awaitable):
                import asyncio

                asyncio.run(self._run_async(made))
            else:
                self._run_plain(_iterator_of(made, self._name))
        except BaseException as error:  # whatever it is, the task's thread raises it
            if not (self._stop.is_set() and _is_cancelled(error)):
                self.error = error
        finally:
            self.ended = True
            self._news.set()

    def _run_plain(self, iterator: Iterator[Any]) -> None:
        values, news, stop = self._values, self._news, self._stop
        try:
            for value in iterator:
                values.append(value)
                if not news.is_set():
                    news.set()
                most = MOST_WAITING if value.__class__ is dict else _most_behind(value)
                while len(values) >= most and not stop.is_set():
                    self._room.clear()
                    if len(values) >= most:
                        self._room.wait()
                if stop.is_set():
                    return
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()

    async def _run_async(self, made: AsyncIterable[Any] | Awaitable[Any]) -> None:
        import asyncio

        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        room = asyncio.Event()
        self._stop_loop = lambda: _call_soon(loop, task.cancel)
        if self._stop.is_set():
            task.cancel()
        if isinstance(made, Awaitable):
            found = await made
            if not isinstance(found, AsyncIterable):
                for value in _iterator_of(found, self._name):
                    await self._put_async(value, room, loop)
                return
            made = found
        try:
            async for value in made:
                await self._put_async(value, room, loop)
        finally:
            close = getattr(made, "aclose", None)
            if close is not None:
                await close()

    async def _put_async(self, value: Any, room: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
        self._values.append(value)
        self._news.set()
        if self._stop.is_set():
            import asyncio

            raise asyncio.CancelledError
        most = _most_behind(value)
        while len(self._values) >= most:
            room.clear()
            self._wake_loop = lambda: _call_soon(loop, room.set)
            if len(self._values) >= most:
                await room.wait()
            self._wake_loop = None


def _most_behind(value: Any) -> int:
    """How many values may lie ready when this is the last of them."""
    if value.__class__ is SourceRecord:
        value = value.value
        if value.__class__ is dict:  # the usual case, quickly
            return MOST_WAITING
    is_large = len(value) > LARGE if isinstance(value, str | bytes) else isinstance(value, RecordBatch)
    return MOST_WAITING_IF_LARGE if is_large else MOST_WAITING


def _iterator_of(made: Any, name: str) -> Iterator[Any]:
    """Take what a function has returned for its records, one after the other."""
    if made is None:
        raise FunctionError(f"{name} has returned nothing", hint="yield its records, or return a list of them")
    if isinstance(made, str | bytes | dict) or not isinstance(made, Iterable):
        raise FunctionError(f"{name} has returned a {type(made).__name__}", hint="yield its records, or return a list of them")
    return iter(made)


def _is_cancelled(error: BaseException) -> bool:
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and isinstance(error, asyncio.CancelledError)


def _call_soon(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
        loop.call_soon_threadsafe(call)
