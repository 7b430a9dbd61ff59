"""Asks a worker's REST API what nobody would: whatever /openapi.json allows and does not, and raw nonsense.

    PYTHONPATH=tests python -m fakes.rest_fuzz http://127.0.0.1:8083 --cases 20000

What is found is an answer of 500 and above, HTML, or one that the document does not describe. The connectors `fuzzed` and
`fuzzed/2` are made, changed and deleted on the way: not for a worker that anybody needs.
"""

from __future__ import annotations

import argparse
import collections
import sys
import time
from collections.abc import Iterator
from typing import Any

import requests
import schemathesis
from fakes import malformed
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode, checks

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
)

CONNECTOR = {"connector.class": "FileStreamSource", "topic": "fuzzed", "file": "/nonexistent/fuzzed"}
NAMES = ("fuzzed", "fuzzed%2F2")


class Findings(list[str]):
    """What went wrong, a sentence each; `statuses` counts all answers."""

    def __init__(self) -> None:
        super().__init__()
        self.statuses: collections.Counter[int] = collections.Counter()

    @property
    def cases(self) -> int:
        """How many answers there were."""
        return self.statuses.total()


def fuzz(url: str, examples: int, findings: Findings, seed: int | None = None) -> None:
    """Ask `examples` times for each operation of the document, in the right way, and again in wrong ways.

    Args:
        seed: None: the same cases each time.
    """
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    with requests.Session() as session:
        for found in schema.get_all_operations():
            operation = found.ok()
            for mode in GenerationMode:
                if mode is GenerationMode.NEGATIVE and not operation.body and "{task}" not in operation.path:
                    continue  # any text is right there
                _ask(url, session, operation.as_strategy(generation_mode=mode), examples, findings, seed)


def _ask(url: str, session: requests.Session, strategy: Any, examples: int, findings: Findings, seed: int | None) -> None:
    asked = 0

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=seed is None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(strategy)
    def run(case: Any) -> None:
        nonlocal asked
        asked += 1
        if asked % 3 == 0 and "name" in (case.path_parameters or {}):
            # Who only asks for connectors that are not there learns little.
            name = NAMES[asked % 2]
            session.put(f"{url}/connectors/{name}/config", json=CONNECTOR, timeout=60)
            if asked % 2:
                session.put(f"{url}/connectors/{name}/stop", timeout=60)
            case.path_parameters["name"] = name.replace("%2F", "/")
        answer = case.call(base_url=url, session=session, timeout=60)
        findings.statuses[answer.status_code] += 1
        try:
            case.validate_response(answer, checks=[checks.CHECKS.get_one(name) for name in CHECKS])
        except BaseException as error:
            if not isinstance(error, AssertionError | BaseExceptionGroup):
                raise
            what = f"{case.method} {case.formatted_path} {answer.status_code}"
            findings.append(f"{what}: {str(error)[:400]}\n{case.as_curl_command()[:400]}")
        if "html" in ",".join(answer.headers.get("content-type", [])):
            findings.append(f"{case.method} {case.formatted_path}: HTML")

    run()


def ask_nonsense(url: str, findings: Findings, broken: int = 300, seed: int = 1) -> None:
    """Send what is no HTTP, strange HTTP, and bodies that are nonsense, to each operation that takes one."""
    for name, data in malformed.NO_HTTP.items():
        _look(findings, name, malformed.exchange(url, data))
    for name, data in malformed.STRANGE.items():
        _look(findings, name, malformed.exchange(url, data + malformed.HOST + b"Connection: close\r\n\r\n{}"))
    with requests.Session() as session:
        for method, path, body in _bodies(broken, seed):
            answer = session.request(method, url + path, data=body, headers={"Content-Type": "application/json"}, timeout=60)
            findings.statuses[answer.status_code] += 1
            if answer.status_code >= 500 or "html" in answer.headers.get("content-type", ""):
                findings.append(f"{method} {path} {body[:100]!r}: {answer.status_code} {answer.text[:200]}")


def _bodies(broken: int, seed: int) -> Iterator[tuple[str, str, bytes]]:
    for body in malformed.JSON:
        for method, path in (
            ("POST", "/connectors"),
            ("PUT", "/connectors/fuzzed/config"),
            ("PATCH", "/connectors/fuzzed/config"),
            ("PATCH", "/connectors/fuzzed/offsets"),
            ("PUT", "/connector-plugins/FileStreamSource/config/validate"),
            ("PUT", "/admin/loggers/fuzzed"),
            ("POST", "/connectors/fuzzed/tasks"),
        ):
            yield method, path, body
    for body in malformed.broken_bodies(broken, seed):
        yield "POST", "/connectors", body


def _look(findings: Findings, name: str, answer: bytes) -> None:
    status = int(answer.split(b" ", 2)[1])
    findings.statuses[status] += 1
    if status >= 500 or b"text/html" in answer.lower():
        findings.append(f"{name}: {answer[:300]!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    findings = Findings()
    begun = time.monotonic()
    ask_nonsense(options.url, findings)
    while findings.cases < options.cases:
        fuzz(options.url, 250, findings, seed=options.seed or int(time.time()))
        print(f"{findings.cases} cases, {len(findings)} findings, {dict(findings.statuses)}", flush=True)
    print(f"{findings.cases} cases in {time.monotonic() - begun:.0f} s, {len(findings)} findings")
    print("\n".join(findings))
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
