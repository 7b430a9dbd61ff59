"""kcat, the C program that sends a file's lines to Kafka: how fast it can be done at all, many would say."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from bench.processes import run
from bench.scenario import Figures, Turn
from bench.settings import LIBRDKAFKA_PRODUCER


def program() -> str:
    """The path of kcat; installed by apt if it is missing and we may."""
    found = shutil.which("kcat")
    if not found and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "kcat"], check=True, stdout=subprocess.DEVNULL
        )
        found = shutil.which("kcat")
    if not found:
        raise SystemExit(
            "kcat is missing and only root can install it: apt-get install kcat (Debian, Ubuntu) or dnf install kcat (Fedora)"
        )
    return found


def version() -> str:
    """kcat's version and that of the librdkafka it runs on (the distribution's, not the wheel's)."""
    text = subprocess.run([program(), "-V"], capture_output=True, text=True, check=True).stdout
    match = re.search(r"Version (\S+).*librdkafka (\S+)", text)
    return f"kcat {match[1]}, librdkafka {match[2]}" if match else text.strip()


def send_file(turn: Turn, path: Path, producer: Mapping[str, str] = LIBRDKAFKA_PRODUCER) -> Figures:
    """The whole process: `kcat -P -l FILE`."""
    settings = [part for key, value in producer.items() for part in ("-X", f"{key}={value}")]
    done = run([program(), "-P", "-b", turn.bootstrap, "-t", turn.topic, "-l", *settings, str(path)], turn.folder / "kcat.log")
    return {"records": turn.lines, "seconds": done.seconds, "cpu_seconds": done.cpu_seconds}
