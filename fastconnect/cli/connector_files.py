"""Connector files and folders of them, for commands that send them to a cluster."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from fastconnect.client.plan import Wanted
from fastconnect.errors import ConfigError

SUFFIXES = {".properties", ".json", ".toml", ".yaml", ".yml"}


def wanted_in(paths: Iterable[Path], settings: Mapping[str, str] | None = None) -> list[Wanted]:
    """The connectors in files, and in all config files of folders and the folders below them.

    Args:
        settings: keys that count more than the files.
    Raises:
        ConfigError: a file cannot be read, or holds something else.
    """
    from fastconnect.config.properties import load_connector_file

    found = []
    for path in paths:
        for file in _files_of(path) if path.is_dir() else [path]:
            for connector in load_connector_file(file):
                config = {**connector.config, **(settings or {})}
                if "connector.class" not in config:
                    raise ConfigError(
                        "there is no connector.class in it",
                        where=str(file),
                        hint="is it another kind of file, such as a worker's?",
                    )
                name = config.get("name") or connector.name
                if not name:
                    raise ConfigError("the connector has no name", where=str(file))
                found.append(Wanted(name, config, connector.initial_state, str(file)))
    return found


def wanted_by(settings: Mapping[str, str], initial_state: str) -> Wanted:
    """The connector that `--set` describes.

    Raises:
        ConfigError: it has no name.
    """
    if not settings.get("name"):
        raise ConfigError("the connector has no name", where="command line", hint="--set name=...")
    return Wanted(settings["name"], dict(settings), initial_state, "command line")


def _files_of(folder: Path) -> list[Path]:
    """All config files, sorted; hidden ones, and what is in hidden folders (`.git`), are not meant."""
    files = []
    for parent, folders, names in os.walk(folder, onerror=_refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files += [
            Path(parent, name) for name in sorted(names) if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES
        ]
    return files


def _refuse(error: OSError) -> None:
    # What is in there would be taken for not wanted.
    raise ConfigError(f"the folder cannot be read: {error.strerror}", where=str(error.filename)) from None
