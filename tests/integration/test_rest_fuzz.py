"""A worker that is asked nonsense answers in JSON that it is nonsense, and stays alive."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from fakes.commands import Command, until
from fakes.commands import shell as shell_in
from fakes.rest_fuzz import Findings, ask_nonsense, fuzz


@pytest.fixture(scope="module")
def worker(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Command, str]]:
    """A standalone worker without connectors, and where it listens."""
    with shell_in(tmp_path_factory.mktemp("fuzz")) as shell:
        command = shell.start("run", "--bootstrap-servers", kafka, "--set", "listeners=http://127.0.0.1:0")
        command.until_says("The REST API is ready.")
        url = command.err.partition("url=")[2].split()[0]
        until(lambda: requests.get(f"{url}/health", timeout=10).status_code == 200, "the worker is healthy")
        yield command, url


def test_what_the_document_allows_and_what_it_does_not_is_answered_as_it_says(worker):
    _, url = worker
    findings = Findings()
    fuzz(url, 5, findings)
    assert findings == []
    assert findings.cases > 150
    assert {200, 202, 400, 404} <= set(findings.statuses)


def test_nonsense_is_never_the_servers_fault(worker):
    command, url = worker
    herders = command.processes("herder")
    findings = Findings()
    ask_nonsense(url, findings, broken=60)
    assert findings == []
    assert findings.cases > 500
    assert requests.get(f"{url}/health", timeout=10).json()["status"] == "healthy"
    assert command.processes("herder") == herders
