"""Questions to plugin code: each is answered by a process of its own, which the supervisor runs.

A plugin that crashes, hangs or exits costs its own answer only: that is then a ConnectorReport with a failure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, TypeAlias

import msgspec

from fastconnect.errors import ConnectError
from fastconnect.herder.answers import ConnectorType, PluginDescription
from fastconnect.herder.connector_report import ConnectorReport, Failure
from fastconnect.herder.refusals import RequestRefusedError
from fastconnect.supervisor.control import Command, ConnectorAction, ConnectorAnswer, RunConnector

Properties: TypeAlias = Mapping[str, str | None]

Heard: TypeAlias = Callable[[ConnectorReport | None, bool], None]
"""Takes an answer, and whether more may follow; None as the last one: the process has ended as it should."""


LISTING_MS = 60_000
"""How long it may take to import the code of all plugins."""


class Questions:
    """Asks plugin code, and knows who waits for which answer. For the herder's thread only.

    Args:
        send: takes a command for the supervisor.
        timeout_ms: how long one answer may take.
    """

    def __init__(self, send: Callable[[Command], None], timeout_ms: int = 60_000) -> None:
        self._send = send
        self._timeout_ms = timeout_ms
        self._last_request = 0
        self._heard: dict[int, Heard] = {}
        self._connectors: dict[str, tuple[ConnectorType, str | None]] = {}  # class name -> what it is, its version
        self._plugins: Future[list[PluginDescription]] | None = None

    # What may be asked

    def validate(self, config: Properties, *, recommend: bool = False) -> Future[ConnectorReport]:
        """Look at a connector's configuration: `faults`, `summary`, and as `body` the answer of REST's validate.

        Args:
            recommend: have the body list the installed plugins where one can be named, which takes a good deal longer.
        """
        name = config.get("name") or config.get("connector.class") or ""
        return self._ask_once("validate", name, config, b"recommend" if recommend else b"")

    def alter_offsets(self, name: str, config: Properties, offsets: Sequence[tuple[Any, Any]]) -> Future[bool]:
        """Ask a connector whether its offsets may be altered so; None as an offset: forgotten.

        Args:
            offsets: source partition and source offset; of a sink, (topic, partition) and a number.
        Returns:
            Whether the connector says that all its offsets are kept by Kafka Connect. It fails with a RequestRefusedError if
            the connector does not want it, with its words.
        """
        asked = self._ask_once("alter_offsets", name, config, msgspec.msgpack.encode(offsets))
        return _then(asked, lambda report: report.altered)

    def plugin_config(self, plugin: str, version: str | None = None) -> Future[msgspec.Raw]:
        """What can be configured of a plugin, as JSON; a RequestRefusedError if there is none of this name or version."""
        asked = self._ask_once("config_def", plugin, {}, (version or "").encode())
        return _then(asked, lambda report: msgspec.Raw(report.body))

    def plugins(self) -> Future[list[PluginDescription]]:
        """All installed plugins, in Kafka Connect's order. Asked once: what is installed is fixed when the worker starts."""
        if self._plugins is None or (self._plugins.done() and self._plugins.exception() is not None):
            asked = self._ask_once("plugins", "", {})
            self._plugins = _then(asked, self._take_plugins)
        return self._plugins

    @property
    def knows_plugins(self) -> bool:
        """Whether `plugins` has been answered, so that `kind_of` knows as much as can be known."""
        return self._plugins is not None and self._plugins.done()

    def kind_of(self, config: Properties) -> ConnectorType:
        """Whether a connector is a source or a sink, as far as answers have said; `plugins` says it of all."""
        return self._connectors.get((config.get("connector.class") or "").strip(), ("unknown", None))[0]

    def version_of(self, config: Properties) -> str | None:
        """The version of a connector's class, as far as answers have said; `plugins` says it of all."""
        return self._connectors.get((config.get("connector.class") or "").strip(), ("unknown", None))[1]

    def _take_plugins(self, report: ConnectorReport) -> list[PluginDescription]:
        for name, about in report.connectors.items():
            self._connectors.setdefault(name, about)
        return msgspec.json.decode(report.body, type=list[PluginDescription])

    # How it is asked

    def ask(self, action: ConnectorAction, name: str, config: Properties, heard: Heard, given: bytes = b"") -> int:
        """Ask, and have `heard` called with each answer; returns a number by which the question can be dropped."""
        self._last_request += 1
        class_name = (config.get("connector.class") or "").strip()

        def hear(report: ConnectorReport | None, goes_on: bool) -> None:
            if report is not None and report.kind is not None and class_name:
                self._connectors[class_name] = report.kind, report.version
            heard(report, goes_on)

        self._heard[self._last_request] = hear
        timeout_ms = LISTING_MS if action == "plugins" else self._timeout_ms
        self._send(RunConnector(self._last_request, action, name, dict(config), timeout_ms, given))
        return self._last_request

    def drop(self, request: int | None) -> None:
        """Do not listen to the answer any more."""
        if request is not None:
            self._heard.pop(request, None)

    def hear(self, answer: ConnectorAnswer) -> None:
        """Take an answer from the supervisor."""
        heard = self._heard.get(answer.request)
        if heard is None:
            return
        if not answer.goes_on:
            del self._heard[answer.request]
        if not answer.body and answer.error is None:
            heard(None, answer.goes_on)
        else:
            heard(_read(answer), answer.goes_on)

    def _ask_once(self, action: ConnectorAction, name: str, config: Properties, given: bytes = b"") -> Future[ConnectorReport]:
        future: Future[ConnectorReport] = Future()

        def hear(report: ConnectorReport | None, goes_on: bool) -> None:
            if report is None:
                report = ConnectorReport(failure=Failure("the process ended without an answer", "", retry_helps=True))
            if report.refusal is not None:
                future.set_exception(RequestRefusedError(report.refusal.status, report.refusal.message))
            elif report.failure is not None:
                future.set_exception(ConnectError(report.failure.reason))
            else:
                future.set_result(report)

        self.ask(action, name, config, hear, given)
        return future


def _read(answer: ConnectorAnswer) -> ConnectorReport:
    if answer.body is not None:
        try:
            return msgspec.msgpack.decode(answer.body, type=ConnectorReport)
        except msgspec.MsgspecError as error:
            reason = f"the connector's process gave no readable answer: {error}"
            return ConnectorReport(failure=Failure(reason, "", retry_helps=True))
    reason, _, trace = (answer.error or "the connector's process ended without an answer").partition("\n")
    return ConnectorReport(failure=Failure(reason, trace, retry_helps=True))


def _then(asked: Future[ConnectorReport], make: Callable[[ConnectorReport], Any]) -> Future[Any]:
    """The future of what is made of a report."""
    made: Future[Any] = Future()

    def done(future: Future[ConnectorReport]) -> None:
        try:
            made.set_result(make(future.result()))
        except BaseException as error:
            made.set_exception(error)

    asked.add_done_callback(done)
    return made
