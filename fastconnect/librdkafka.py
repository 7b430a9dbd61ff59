"""Finds the librdkafka that confluent-kafka brought and makes its functions visible to `_core`.

Must be imported before `fastconnect._core`, whose undefined `rd_kafka_*` symbols bind to the library loaded here. It is
loaded straight from the wheel, without importing confluent_kafka itself: that import costs more than all of ours.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
import re
from pathlib import Path

from fastconnect.errors import ConnectError

OLDEST_VERSION = 0x02050300
"""librdkafka 2.5.3: before it, idempotent producers had losses and 2.5.0 could assert in its telemetry."""


def in_wheel() -> Path | None:
    """The library inside the confluent-kafka wheel (`confluent_kafka.libs/` on Linux, `.dylibs/` on macOS)."""
    spec = importlib.util.find_spec("confluent_kafka")
    if spec is None or not spec.submodule_search_locations:
        raise ConnectError("the package confluent-kafka is not installed", hint="pip install confluent-kafka")
    package = Path(next(iter(spec.submodule_search_locations)))
    folders = (package.with_name("confluent_kafka.libs"), package / ".dylibs")
    return next((path for folder in folders for path in sorted(folder.glob("librdkafka*"))), None)


def linked() -> Path | None:
    """The library that a confluent-kafka built against a system librdkafka is linked with (Linux: what it has mapped)."""
    importlib.import_module("confluent_kafka")
    try:
        maps = Path("/proc/self/maps").read_text()
    except OSError:
        import ctypes.util  # 9 ms, for nothing on Linux

        name = ctypes.util.find_library("rdkafka")
        return Path(name) if name else None
    found = re.search(r"(/\S*librdkafka\S*)", maps)
    return Path(found[1]) if found else None


def load() -> ctypes.CDLL:
    """Load the library so that all of its symbols are visible to extension modules loaded after it.

    Raises:
        ConnectError: there is none, or it is older than `OLDEST_VERSION`.
    """
    path = in_wheel() or linked()
    if path is None:
        raise ConnectError("no librdkafka found", hint="install the confluent-kafka wheel, which carries it")
    library = ctypes.CDLL(str(path), mode=os.RTLD_GLOBAL | os.RTLD_NOW)
    version = library.rd_kafka_version()
    if version < OLDEST_VERSION:
        raise ConnectError(
            f"librdkafka {version_text(version)} is too old, at least {version_text(OLDEST_VERSION)} is needed",
            where=str(path),
            hint="pip install --upgrade confluent-kafka",
        )
    return library


def version_text(version: int) -> str:
    """Write librdkafka's version number, 0xMMmmrrpp, as `MM.mm.rr`."""
    return f"{version >> 24}.{version >> 16 & 0xFF}.{version >> 8 & 0xFF}"


library = load()
version: str = version_text(library.rd_kafka_version())
