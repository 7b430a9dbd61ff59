"""The herder's thread: one after the other it does what the supervisor reports, other threads ask, and time brings.

Everything that a herder keeps is changed by this thread only, so none of it needs a lock. Nothing may block it for long: what
waits for Kafka goes to the pool, what runs a plugin's code to a process of its own. What a herder does is not said here.

What needs several such steps is a coroutine: `await result_of(future)` lets the thread do other things meanwhile.
"""

from __future__ import annotations

import contextlib
import datetime
import heapq
import itertools
import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar, cast, overload

from fastconnect.herder.refusals import RequestRefusedError
from fastconnect.supervisor.control import Command, FrameReader, Ping, Pong, Report, frame

RECEIVE_BYTES = 1 << 18

POOL_THREADS = 4
"""So many slow calls at a time: requests of an operator, not of the tasks."""

T = TypeVar("T")


class Timer:
    """Something that is to be done later; `cancel` it from the herder's thread."""

    def __init__(self, due: float, what: Callable[[], None]) -> None:
        self.due = due
        self.what = what
        self.cancelled = False

    def cancel(self) -> None:
        """Do not do it."""
        self.cancelled = True


class HerderLoop:
    """The loop of a herder's thread, which is the one that calls `run`.

    Args:
        control: the socket to the supervisor.
        clock: seconds, growing evenly.
    """

    def __init__(self, control: socket.socket, clock: Callable[[], float] = time.monotonic) -> None:
        self._control = control
        self.clock = clock
        self._posted: deque[Callable[[], None]] = deque()
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._timers: list[tuple[float, int, Timer]] = []
        self._numbers = itertools.count()
        self._pool: ThreadPoolExecutor | None = None
        self._unanswered: set[Future[Any]] = set()
        self._lock = threading.Lock()  # of what follows
        self._closed = False
        self._held: list[Callable[[], None]] | None = None
        self._stages: dict[int, tuple[str, datetime.datetime]] = {}

    # From any thread

    @overload
    def submit(self, what: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]: ...
    @overload
    def submit(self, what: Callable[[], T]) -> Future[T]: ...
    def submit(self, what: Callable[[], Any]) -> Future[Any]:
        """Have something done on the herder's thread; what it returns or raises is the future's.

        Args:
            what: a function, or one that makes a coroutine, which may wait by `await result_of(future)`.
        """
        done: Future[Any] = Future()
        done.set_running_or_notify_cancel()  # who asked may lose interest; half of a change is not left undone for that
        with self._lock:
            closed = self._closed
            if not closed:
                self._unanswered.add(done)
            held = self._held
            if held is not None:
                held.append(lambda: self._begin(what, done))
        if closed:
            done.set_exception(_stopping())
            return done
        done.add_done_callback(self._unanswered.discard)
        if held is None:
            self.post(lambda: self._begin(what, done))
        return done

    def hold(self) -> None:
        """Let all that is submitted from now on wait until `release`: the herder cannot answer yet."""
        with self._lock:
            if self._held is None:
                self._held = []

    def release(self) -> None:
        """Do what has been submitted since `hold`, and what will be."""
        with self._lock:
            held, self._held = self._held or [], None
        for begin in held:
            self.post(begin)

    def post(self, what: Callable[[], None]) -> None:
        """Have something done on the herder's thread; nobody waits for it, and it must not raise."""
        self._posted.append(what)
        with self._lock:
            if not self._closed:
                os.eventfd_write(self._wake_fd, 1)

    @property
    def stage(self) -> str | None:
        """What is going on that may take long, and since when; None: nothing."""
        stages = list(self._stages.values())
        if not stages:
            return None
        what, begun = min(stages, key=lambda stage: stage[1])
        return f"{what}, which began at {begun.isoformat(timespec='milliseconds').replace('+00:00', 'Z')}"

    @contextlib.contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Say what goes on during a `with`, for those who wait too long; such as `reading to the end of the config topic`."""
        number = next(self._numbers)
        self._stages[number] = what, datetime.datetime.now(datetime.UTC)
        try:
            yield
        finally:
            del self._stages[number]

    # On the herder's thread

    def send(self, command: Command) -> None:
        """Send a command to the supervisor, which always reads. What is sent is done even if this process dies now."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # its end is seen, and acted upon, in run()
            self._control.sendall(frame(command))

    def begin(self, what: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Begin a coroutine whose end nobody waits for. What it raises ends the loop, as what `hear` raises does."""
        done: Future[None] = Future()
        done.add_done_callback(lambda ended: self.post(ended.result))
        self._begin(what, done)

    def call_later(self, wait_s: float, what: Callable[[], None]) -> Timer:
        """Do something after so many seconds, unless the timer is cancelled."""
        timer = Timer(self.clock() + wait_s, what)
        heapq.heappush(self._timers, (timer.due, next(self._numbers), timer))
        return timer

    def run_in_pool(self, what: Callable[[], T], then: Callable[[Future[T]], None] | None = None) -> Future[T]:
        """Run what may block in another thread.

        Args:
            what: touches nothing of the herder's.
            then: called on the herder's thread when it is done.
        """
        if self._pool is None:
            self._pool = ThreadPoolExecutor(POOL_THREADS, thread_name_prefix="herder-pool")
        future = self._pool.submit(what)
        if then is not None:
            call = then
            future.add_done_callback(lambda done: self.post(lambda: call(done)))
        return future

    def run(self, hear: Callable[[Report], None]) -> None:
        """Be the herder's thread until the supervisor closes the socket.

        Args:
            hear: takes what the supervisor reports; what it raises ends the loop, and with it the process: the next herder
                begins with a clean state.
        """
        self._control.setblocking(True)
        reader = FrameReader(Report)
        ready = select.poll()
        ready.register(self._control, select.POLLIN)
        ready.register(self._wake_fd, select.POLLIN)
        try:
            while True:
                for fd, _ in ready.poll(self._wait_ms()):
                    if fd == self._wake_fd:
                        os.eventfd_read(fd)
                        continue
                    data = self._control.recv(RECEIVE_BYTES)
                    if not data:
                        return
                    for report in reader.feed(data):
                        if isinstance(report, Ping):
                            self.send(Pong())
                        else:
                            hear(cast("Report", report))
                self.turn()
        except ConnectionResetError:
            return  # the supervisor is gone, and this process with it
        finally:
            self._close()

    def turn(self) -> None:
        """Do what others have posted and what is due by now; `run` does it after each look at the socket."""
        for _ in range(len(self._posted)):  # what these post has its turn after the next look at the socket
            self._posted.popleft()()
        while self._timers and self._timers[0][0] <= self.clock():
            _, _, timer = heapq.heappop(self._timers)
            if not timer.cancelled:
                timer.what()

    def _wait_ms(self) -> int | None:
        if self._posted:
            return 0
        if not self._timers:
            return None
        return max(0, int((self._timers[0][0] - self.clock()) * 1000) + 1)  # not a little too early

    def _begin(self, what: Callable[[], Any], done: Future[Any]) -> None:
        if done.done():
            return
        try:
            result = what()
        except BaseException as error:
            done.set_exception(error)
            return
        if isinstance(result, Coroutine):
            self._step(result, done)
        else:
            done.set_result(result)

    def _step(self, coroutine: Coroutine[Any, Any, Any], done: Future[Any]) -> None:
        """Run a coroutine until it waits or has ended."""
        try:
            awaited: Future[Any] = coroutine.send(None)
        except StopIteration as end:
            _set(done, end.value, None)
        except BaseException as error:
            _set(done, None, error)
        else:
            awaited.add_done_callback(lambda _: self.post(lambda: self._step(coroutine, done)))

    def _close(self) -> None:
        with self._lock:
            self._closed = True
            os.close(self._wake_fd)
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        for future in list(self._unanswered):
            _set(future, None, _stopping())


class _ResultOf(Generic[T]):
    def __init__(self, future: Future[T]) -> None:
        self._future = future

    def __await__(self) -> Generator[Future[T], None, T]:
        yield self._future
        return self._future.result()


def result_of(future: Future[T]) -> Awaitable[T]:
    """What to await in a coroutine of `HerderLoop.submit` for a future's result."""
    return _ResultOf(future)


def _set(done: Future[Any], result: Any, error: BaseException | None) -> None:
    if done.done():  # the loop has ended meanwhile, and said so
        return
    if error is None:
        done.set_result(result)
    else:
        done.set_exception(error)


def _stopping() -> RequestRefusedError:
    return RequestRefusedError(503, "The worker is being stopped")
