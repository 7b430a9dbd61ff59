"""The options that several commands have, and what their values mean; nothing here starts anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from fastconnect.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])

EXISTING_FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)


def worker_options(command: F) -> F:
    """Give a command the options about the worker: `--worker`, `--bootstrap-servers`, `--set`, `--tasks`, `--verbose`,
    `--log-format`.
    """
    for option in (
        click.option(
            "--log-format",
            type=click.Choice(["plain", "json"]),
            help="How log lines are written: for people, or one JSON object a line (log.format of the worker).",
        ),
        click.option("-v", "--verbose", is_flag=True, help="Log more, and show where an error came from."),
        click.option(
            "--set",
            "settings",
            metavar="KEY=VALUE",
            multiple=True,
            help="Set a config key, over what the files say; may be given again. A key that only the worker has, such as "
            "offset.flush.interval.ms or producer.linger.ms, goes to the worker, any other one to the connectors.",
        ),
        click.option(
            "--bootstrap-servers",
            metavar="HOST:PORT,...",
            help="The Kafka to write to. Where neither this nor the worker file names one, an embedded broker is started.",
        ),
        click.option(
            "--worker",
            "worker_file",
            type=EXISTING_FILE,
            metavar="FILE",
            help="The worker's config: .properties, JSON, TOML or YAML.",
        ),
        click.option(
            "--tasks", type=click.IntRange(min=1), metavar="N", help="How many tasks may run in parallel (tasks.max)."
        ),
    ):
        command = option(command)
    return command


def parse_settings(settings: Iterable[str]) -> dict[str, str]:
    """The values of `--set`: `key=value`, each key once or the last one counts.

    Raises:
        click.BadParameter: one has no `=`, or nothing before it.
    """
    parsed = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key.strip():
            raise click.BadParameter(f"{setting!r} is not KEY=VALUE", param_hint="--set")
        parsed[key.strip()] = value.strip()
    return parsed


def is_for_worker(key: str, worker_keys: Iterable[str], connector_keys: Iterable[str]) -> bool:
    """Whether a key set on the command line is the worker's: one of its own, or one of its Kafka clients'."""
    if key.startswith(("producer.", "consumer.", "admin.")):
        return not key.startswith(("producer.override.", "consumer.override.", "admin.override."))
    return key in worker_keys and key not in connector_keys


def split_settings(settings: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Tell the worker's keys from the connectors'."""
    from fastconnect.config.connector import SourceConnectorConfig
    from fastconnect.config.distributed import DistributedConfig
    from fastconnect.config.rest import RestConfig
    from fastconnect.config.worker import WorkerConfig

    worker_keys = {field.key for config in (WorkerConfig, RestConfig, DistributedConfig) for field in config.fields()}
    connector_keys = {field.key for field in SourceConnectorConfig.fields()}
    for_worker = {key for key in settings if is_for_worker(key, worker_keys, connector_keys)}
    return (
        {key: value for key, value in settings.items() if key in for_worker},
        {key: value for key, value in settings.items() if key not in for_worker},
    )


def worker_properties(file: Path | None, servers: str | None, settings: Mapping[str, str]) -> dict[str, str | None]:
    """The worker's configuration: its file, then `--bootstrap-servers`, then `--set`."""
    from fastconnect.config.properties import load_config_file

    properties: dict[str, str | None] = dict(load_config_file(file)) if file is not None else {}
    if servers is not None:
        properties["bootstrap.servers"] = servers
    properties.update(settings)
    return properties


def refuse_twins(names: Sequence[tuple[str, str]]) -> None:
    """Refuse two connectors of the same name; given are name and origin of each.

    Raises:
        ConfigError: naming both places.
    """
    seen: dict[str, str] = {}
    for name, origin in names:
        if name in seen:
            raise ConfigError(
                f"Connector {name} already exists: it is in {seen[name]} and in {origin}",
                hint="give one of them another name; names tell offsets apart",
            )
        seen[name] = origin
