"""Forks, signals and reaps one child: a task, a connector or the herder.

A child is bound to its parent: it dies with it (PR_SET_PDEATHSIG), it has nothing of it but what it was given, and it never
returns into its code: it leaves by os._exit. It leads a process group of its own, so that what a plugin starts goes with it.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import logging
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, NoReturn

from setproctitle import setproctitle

from fastconnect import logs
from fastconnect.log_levels import SharedLevels
from fastconnect.states import Exit
from fastconnect.supervisor import signals
from fastconnect.supervisor.deaths import Death

logger = logging.getLogger(__name__)

PLUGIN_OOM_SCORE = 500
"""oom_score_adj of processes that run plugins' code: when memory runs out, one of them goes before supervisor and herder."""

TRACE_BYTES = 16_000
"""So much of a dump of all threads is read; the status keeps 8 KB of it."""

DUMP_S = 1.0
"""Time between the dump of what a stuck process does, and its end."""

KILL_PATIENCE_S = 2.0
"""A killed process is gone in milliseconds, unless it is stuck in the kernel (a dead network disk); then it is left behind."""

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)  # loaded before the first fork
_libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]


class _Settings(NamedTuple):
    """What a child makes of itself; see ChildProcess."""

    title: str
    keep: frozenset[int]
    dump_fd: int
    context: str | None
    oom_score: int
    levels: SharedLevels | None


class ChildProcess:
    """A process that was forked and not reaped yet. It is signalled through its pidfd: its number may become another's.

    Args:
        title: its name in `ps`.
        body: what it does; its return is the exit code (None: 0).
        keep: the file descriptors it gets besides standard input, output and error.
        context: the prefix of its log lines.
        oom_score: its oom_score_adj.
        levels: the log levels that it takes over when signals.LOOK_AGAIN comes.
    Raises:
        OSError: no process or file descriptor is to be had; nothing is left behind.
    """

    def __init__(
        self,
        title: str,
        body: Callable[[], int | None],
        *,
        keep: Iterable[int] = (),
        context: str | None = None,
        oom_score: int = 0,
        levels: SharedLevels | None = None,
    ) -> None:
        self.title = title
        self.killed_by_us = False
        require_one_thread()
        # Its last words: faulthandler writes there what all threads do, on signals.DUMP or a crash. No pipe: it can't be full.
        self._dump_fd = os.memfd_create("fastconnect-dump", os.MFD_CLOEXEC)
        kept = frozenset(keep) | ({levels.fd} if levels is not None else set())
        settings = _Settings(title, kept, self._dump_fd, context, oom_score, levels)
        try:
            with signals.blocked():
                parent = os.getpid()
                self.pid = os.fork()
                if self.pid == 0:
                    _live(parent, body, settings)
            try:
                self.pidfd = os.pidfd_open(self.pid)
            except OSError:
                os.kill(self.pid, signal.SIGKILL)  # not reaped yet, so the number is still its own
                os.waitpid(self.pid, 0)
                raise
        except OSError:
            os.close(self._dump_fd)
            raise

    def send(self, number: signal.Signals) -> None:
        """Send a signal; one that has ended already does not mind."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def kill(self) -> None:
        """End it now, and every process that it has started in its group. It is still to be reaped."""
        self.killed_by_us = True
        self.send(signal.SIGKILL)
        self._kill_group()

    def reap(self, out_of_memory: Callable[[], bool | None] = lambda: None) -> Death | None:
        """How it has ended; None if it lives. What is left of its group is killed. To be called until it gives a Death."""
        if os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return None
        self._kill_group()
        _, status = os.waitpid(self.pid, 0)
        os.close(self.pidfd)
        trace = self._read_dump()
        os.close(self._dump_fd)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL and not self.killed_by_us
        return Death.from_wait_status(
            status, killed_by_us=self.killed_by_us, out_of_memory=out_of_memory() if killed else None, trace=trace
        )

    def _kill_group(self) -> None:
        # Before the leader is reaped its number can't be another's, so the group of that number is surely its own. It is
        # missing (ESRCH) only while the child has not come to its setsid: then it has started nothing either.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def _read_dump(self) -> str | None:
        dump = os.pread(self._dump_fd, TRACE_BYTES, 0)
        return dump.decode("utf-8", "replace").strip() or None


class Children:
    """All children of this process: forks them, and reaps them when they have ended, in whatever order.

    Args:
        out_of_memory: whether the kernel has killed for want of memory since it was last asked.
        levels: the log levels that they share.
    """

    def __init__(self, out_of_memory: Callable[[], bool | None] = lambda: None, levels: SharedLevels | None = None) -> None:
        self._levels = levels
        self._out_of_memory = out_of_memory
        self._living: dict[int, tuple[ChildProcess, Callable[[Death], None]]] = {}
        self._foreign = _all_children()

    def spawn(
        self,
        title: str,
        body: Callable[[], int | None],
        on_death: Callable[[Death], None],
        *,
        keep: Iterable[int] = (),
        context: str | None = None,
        oom_score: int = 0,
    ) -> ChildProcess:
        """Fork a child (see ChildProcess); `on_death` is called by `reap` once it has ended."""
        child = ChildProcess(title, body, keep=keep, context=context, oom_score=oom_score, levels=self._levels)
        self._living[child.pid] = child, on_death
        return child

    def reap(self) -> None:
        """Reap whatever has ended: one SIGCHLD may stand for many. Orphans of plugins' processes are reaped too."""
        while True:
            try:
                # Only a look (WNOWAIT): the group of a child must be killed while the dead child still holds its number.
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            child, on_death = self._living.pop(ended.si_pid, (None, None))
            if child is None or on_death is None:
                os.waitpid(ended.si_pid, 0)
                self._foreign.discard(ended.si_pid)
            elif (death := child.reap(self._out_of_memory)) is not None:
                on_death(death)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to all of them."""
        for child, _ in self._living.values():
            child.send(number)

    def kill_all(self) -> None:
        """End every child now, also orphans that have left their group, and reap them. Not those that were there before us."""
        for child, _ in self._living.values():
            child.kill()
        deadline = time.monotonic() + KILL_PATIENCE_S
        while time.monotonic() < deadline:
            self.reap()
            ours = _all_children() - self._foreign
            if not ours and not self._living:
                return
            for pid in ours - self._living.keys():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)  # not reaped yet, so the number is still its own
            time.sleep(0.005)


class StopSteps:
    """Has a child end, by steps that get harsher: it is asked; after its time, told to dump what its threads do; killed."""

    def __init__(self, child: ChildProcess) -> None:
        self.child = child
        self.asked = False
        self.due: float | None = None  # of the next step, time.monotonic
        self.lost = False
        """It was killed, but the kernel does not let it go (a dead network disk): nobody should wait for it any more."""
        self._dumped = False

    def ask(self, number: signal.Signals, deadline: float) -> None:
        """Ask it by a signal to end until `deadline`."""
        self.asked = True
        if not self._dumped and not self.child.killed_by_us:
            self.due = deadline if self.due is None else min(self.due, deadline)
        self.child.send(number)

    def turn(self, now: float) -> None:
        """Take the next step, if it is due."""
        if self.due is None or now < self.due:
            return
        if self.child.killed_by_us:
            self.lost, self.due = True, None
            logger.error("A killed process does not end.", extra=logs.facts(pid=self.child.pid, process=self.child.title))
        elif self._dumped:
            self.kill()
        else:
            self._dumped = True
            self.due = now + DUMP_S
            self.child.send(signals.DUMP)

    def kill(self) -> None:
        """End it now."""
        self.asked = True
        self.due = time.monotonic() + KILL_PATIENCE_S
        self.child.kill()


def require_one_thread() -> None:
    """Raise unless this process has one thread.

    Raises:
        RuntimeError: another thread may hold a lock (malloc's, a logger's, Python's), and it would stay locked in every child.
    """
    threads = os.listdir("/proc/self/task")
    if len(threads) != 1:
        names = [Path(f"/proc/self/task/{thread}/comm").read_text().strip() for thread in threads]
        raise RuntimeError(f"a process that forks must have one thread, this one has {len(threads)}: {', '.join(names)}")


def adopt_orphans() -> None:
    """Become the parent of grandchildren whose parent dies, so that they can be reaped and ended."""
    if _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "PR_SET_CHILD_SUBREAPER was refused")


def _all_children() -> set[int]:
    """The numbers of all our children, dead ones that were not reaped among them; empty where the kernel doesn't tell."""
    try:
        return {int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}
    except OSError:
        return set()


def _live(parent: int, body: Callable[[], int | None], settings: _Settings) -> NoReturn:
    """The child's whole life."""
    code: int = Exit.FAILED
    try:
        code = _run(parent, body, settings)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
    finally:
        os._exit(code)


def _run(parent: int, body: Callable[[], int | None], settings: _Settings) -> int:
    try:
        _begin(parent, settings)
        return body() or 0
    except SystemExit as error:
        logger.error("Something in this process has called sys.exit.", extra=logs.facts(code=error.code))
    except BaseException:
        logger.exception("This process ends because of an error that nothing has caught.")
    return Exit.FAILED


def _begin(parent: int, settings: _Settings) -> None:
    # The kernel kills us when our parent dies. If it did before this line, we have another parent by now.
    if _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) or os.getppid() != parent:
        os._exit(Exit.FAILED)
    os.setsid()
    logs.begin_process(settings.context)  # closes what the parent's log had open, so before _close_others
    _close_others({*settings.keep, settings.dump_fd})
    signals.begin_process(None if settings.levels is None else settings.levels.look)
    faulthandler.enable(settings.dump_fd, all_threads=True)
    faulthandler.register(signals.DUMP, settings.dump_fd, all_threads=True)
    random.seed()
    _set_oom_score(settings.oom_score)
    setproctitle(logs.escaped(settings.title))
    gc.enable()


def _close_others(keep: set[int]) -> None:
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in keep:
            with contextlib.suppress(OSError):  # the one that listdir itself had open
                os.close(int(name))


def _set_oom_score(score: int) -> None:
    if score:
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(str(score))
