"""The body of the herder's process: which herder it is, the REST API on a thread beside it, the table on the terminal."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from fastconnect.cli.console import wants_drawing
from fastconnect.errors import ConfigError
from fastconnect.herder.herder import Herder
from fastconnect.herder.loop import HerderLoop
from fastconnect.herder.observed import Observed, Showing
from fastconnect.herder.snapshot import ConnectorSpec, View
from fastconnect.herder.standalone import StandaloneHerder
from fastconnect.supervisor.control import Finish, Inventory, Report
from fastconnect.supervisor.restarts import RestartPolicy

if TYPE_CHECKING:
    from ssl import SSLContext

    from fastconnect.config.worker import WorkerConfig
    from fastconnect.rest.server import Bound
    from fastconnect.supervisor.entrypoints import HerderChannel

logger = logging.getLogger(__name__)

NO_REST_ID = "localhost"
"""The worker's name in statuses where nobody can ask for them."""


def be_herder(
    channel: HerderChannel,
    connectors: Sequence[ConnectorSpec],
    worker: WorkerConfig,
    view: View | None,
    *,
    until_done: bool,
    rest: bool,
) -> int:
    """Be the herder until the supervisor ends it.

    Args:
        connectors: those that are wanted from the beginning.
        rest: whether it answers over HTTP.
    """
    loop = HerderLoop(channel.socket)
    bound = None
    if rest:
        from fastconnect.config.rest import RestConfig
        from fastconnect.rest import server

        try:
            bound = server.bind(RestConfig.of(worker))
        except ConfigError as error:
            return _give_up(loop, error)
    if bound is not None and worker.distributed:
        return _be_one_of_a_group(channel, loop, worker, bound, view)
    worker_id = NO_REST_ID if bound is None else bound.worker_id
    herder = StandaloneHerder(
        loop, connectors, worker, worker_id, channel.region, lambda: retries(worker), until_done=until_done
    )
    with _shown(loop, herder.observed, view), _answering(herder, worker, bound):
        loop.run(herder.work.hear)
    return 0


def _be_one_of_a_group(channel: HerderChannel, loop: HerderLoop, worker: WorkerConfig, bound: Bound, view: View | None) -> int:
    from fastconnect.config.distributed import DistributedConfig
    from fastconnect.herder.connections import kafka_connections
    from fastconnect.herder.distributed import DistributedHerder
    from fastconnect.rest.security import client_context

    def tls() -> SSLContext | None:
        config = bound.config.tls("listeners")
        return None if config is None else client_context(config)

    try:
        config = DistributedConfig.of(worker)
        connections = kafka_connections(worker, config, bound.url, tls)
    except ConfigError as error:
        bound.close()
        return _give_up(loop, error)
    herder = DistributedHerder(loop, worker, config, bound.url, channel.region, lambda: retries(worker), connections)
    with _shown(loop, herder.observed, view), _answering(herder, worker, bound):
        loop.run(herder.hear)
        # Only now, at the worker's end: a herder that has failed does not leave, for the next one goes on in its place.
        herder.close()
    return 0


@contextlib.contextmanager
def _answering(herder: Herder, worker: WorkerConfig, bound: Bound | None) -> Iterator[None]:
    """Answer the REST API during a `with`, if it has an address."""
    if bound is None:
        yield
        return
    from fastconnect.rest import server

    answering = server.start(herder, worker, bound)
    if wants_drawing():  # where only warnings are logged
        click.echo(f"The REST API listens at {', '.join(answering.urls)}.", err=True)
    try:
        yield
    finally:
        answering.close()


@contextlib.contextmanager
def _shown(loop: HerderLoop, observed: Observed, view: View | None) -> Iterator[None]:
    """Show the view during a `with`, if there is one."""
    if view is None:
        yield
        return
    showing = Showing(loop, observed, view)
    try:
        yield
    finally:
        showing.close()


def retries(worker: WorkerConfig) -> RestartPolicy:
    """The policy by which a connector whose code has failed is asked again."""
    return RestartPolicy(
        worker.restart_backoff_initial_ms,
        worker.restart_backoff_max_ms,
        worker.restart_healthy_after_ms,
        worker.restart_max_failures,
    )


def _give_up(loop: HerderLoop, error: ConfigError) -> int:
    """Have the worker end for this, unless tasks are running: then the next herder may have more luck."""

    def hear(report: Report) -> None:
        if isinstance(report, Inventory):
            if report.tasks:
                raise error
            loop.send(Finish(2, str(error)))

    loop.run(hear)
    return 0
