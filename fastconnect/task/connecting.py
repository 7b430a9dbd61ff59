"""How a task begins and ends with the world outside: waiting for a broker, the plugin's own start and its clean-up."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import Any, Protocol

from fastconnect._core import FetchLoop, SendLoop
from fastconnect.api.task import SinkTask, SourceTask
from fastconnect.config.worker import WorkerConfig
from fastconnect.errors import ConnectError, RetriableError
from fastconnect.logs import facts
from fastconnect.reports import WAITING, TaskChannel, TaskSpec
from fastconnect.states import State
from fastconnect.task.waiting import Orders

logger = logging.getLogger(__name__)

REASON_WAIT_MS = 2_000
"""How long a reason is waited for before "no broker answers" is said without one."""


def connect(client: SendLoop | FetchLoop, worker: WorkerConfig, channel: TaskChannel, orders: Orders) -> None:
    """Wait until a broker answers.

    This is also what makes a fresh producer's first acknowledgement come after 15 ms and not after 500: it gets its producer id
    from a 500 ms timer, but looks at once when metadata arrives while a broker is connected.

    Raises:
        ConnectError: none has answered within bootstrap.timeout.ms.
    """
    began = time.monotonic()
    said = False
    while not orders.stop_asked:
        try:
            client.reach()
        except RetriableError as error:
            if isinstance(client, SendLoop):
                client.poll(0)  # reads why: a connection refused, a name not found
            client.pass_on_logs()
            reason = plain(client.last_error) or str(error)
            waited_ms = (time.monotonic() - began) * 1000
            if waited_ms > worker.bootstrap_timeout_ms:
                raise ConnectError(
                    f"no broker has answered for {waited_ms / 1000:.0f} s: {reason}",
                    where=f"bootstrap.servers={','.join(worker.bootstrap_servers)}",
                    hint=_what_to_check(reason),
                ) from error
            if not said and (client.last_error or waited_ms > REASON_WAIT_MS):
                logger.warning("No broker answers yet; trying on. %s", reason)
                channel.tell_state(State.RUNNING, f"{WAITING} for a broker: {reason}")
                said = True
            channel.page.beat()
            orders.wait(200)
            continue
        break
    if said:
        logger.info("A broker answers.", extra=facts(waited_s=round(time.monotonic() - began, 1)))


def plain(complaint: str) -> str:
    """What librdkafka complains of, without which of its threads says so."""
    return re.sub(r"^\[thrd:[^\]]*\]: ", "", complaint)


def _what_to_check(reason: str) -> str:
    if "authentication" in reason.lower():
        return "look at the user and password, or the certificate, that security.protocol, sasl.* and ssl.* give this client"
    return "check the address, and that the broker runs"


class Closing(Protocol):
    """What is to be closed after the task."""

    def close(self) -> None:
        """Close it."""
        ...


def live(
    task: SourceTask[Any] | SinkTask[Any],
    spec: TaskSpec,
    channel: TaskChannel,
    conversion: Closing,
    run: Callable[[], bool],
) -> bool:
    """Start the task, run its loop and stop the task, whatever comes; return what the loop does.

    Raises:
        Exception: whatever the task, its configuration or its loop has failed with.
    """
    try:
        task.start(task.config_class.parse(spec.task_config, where=f"task {spec.id}"))
        channel.tell_state(State.RUNNING)
        return run()
    finally:
        stop(task)
        conversion.close()


def stop(task: SourceTask[Any] | SinkTask[Any]) -> None:
    """Have the task close what it has opened; a failure there changes nothing any more."""
    try:
        task.stop()
    except Exception:
        # What is delivered is delivered, whatever the plugin's clean-up runs into.
        logger.exception("The task's stop() failed.")
