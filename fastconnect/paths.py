"""Where fastconnect keeps what outlives a command: the offsets file, the embedded broker's data, what was downloaded.

Only names folders; whoever writes into one makes it first.
"""

from __future__ import annotations

import os
from pathlib import Path


def home_folder() -> Path:
    """The folder of everything that must survive: `FASTCONNECT_HOME`, else the user-data folder.

    Two homes know nothing of each other: each has its own offsets and its own embedded broker.
    """
    named = os.environ.get("FASTCONNECT_HOME")
    if named:
        return Path(named).expanduser().absolute()
    import platformdirs

    return platformdirs.user_data_path("fastconnect", appauthor=False)


def cache_folder() -> Path:
    """The folder of what can be fetched or made again: `FASTCONNECT_CACHE`, else the user-cache folder.

    Several homes share it, so that a second home need not fetch Apache Kafka again.
    """
    named = os.environ.get("FASTCONNECT_CACHE")
    if named:
        return Path(named).expanduser().absolute()
    import platformdirs

    return platformdirs.user_cache_path("fastconnect", appauthor=False)


def config_folder() -> Path:
    """The folder of what users set for themselves: `FASTCONNECT_HOME`, else the user-config folder."""
    if os.environ.get("FASTCONNECT_HOME"):
        return home_folder()
    import platformdirs

    return platformdirs.user_config_path("fastconnect", appauthor=False)


def broker_folder() -> Path:
    """The embedded broker's folder: its data, log and locks."""
    return home_folder() / "broker"


def default_offsets_file() -> Path:
    """The standalone offset store where `offset.storage.file.filename` names none."""
    return home_folder() / "offsets.sqlite"
