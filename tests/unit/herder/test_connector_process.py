from __future__ import annotations

import signal

import msgspec
import pytest

from fastconnect import masking, plugins
from fastconnect.api.config import Config, Fault, field
from fastconnect.api.connector import SourceConnector
from fastconnect.api.task import SourceTask
from fastconnect.config.worker import WorkerConfig
from fastconnect.errors import ConfigError, ConnectError, RetriableError
from fastconnect.herder import connector_process
from fastconnect.herder.connector_report import ConnectorReport
from fastconnect.storage.sqlite import SqliteOffsetStore
from fastconnect.supervisor.control import RunConnector


class TablesConfig(Config):
    topic: str
    tables: list[str] = field(default_factory=list)
    fault: str | None = None


class TablesTask(SourceTask[TablesConfig]):
    pass


class TablesSource(SourceConnector[TablesConfig]):
    task_class = TablesTask
    stopped = 0

    def start(self, config: TablesConfig) -> None:
        super().start(config)
        match config.fault:
            case "config":
                raise ConfigError(
                    "bad tables", faults=[Fault("tables", "no such table: a"), Fault("tables", "no such table: b")]
                )
            case "retriable":
                raise RetriableError("the database does not answer", hint="is it up?")
            case "final":
                error = ConnectError("the table has no key")
                error.retry_helps = False
                raise error
            case "exit":
                raise SystemExit(3)
            case "bug":
                raise ZeroDivisionError("division by zero")

    def task_configs(self, max_tasks):
        match self.config.fault:
            case "strings":
                return [{"tables": 3}]
            case "too many":
                return [self.config] * (max_tasks + 1)
            case "offset":
                offset = self.context.source_offset({"table": "a"}, default={"row": -1})
                return [{"topic": self.config.topic, "tables": f"{self.context.connector} {offset['row']}"}]
        return [self.config.replace(tables=[table]) for table in self.config.tables[:max_tasks]]

    def stop(self) -> None:
        type(self).stopped += 1


@pytest.fixture(autouse=True)
def _registered():
    plugins.register("test.TablesSource", TablesSource)
    yield
    plugins.unregister("test.TablesSource")


@pytest.fixture
def worker(tmp_path):
    return WorkerConfig.parse({"bootstrap.servers": "localhost:9", "offset.storage.file.filename": str(tmp_path / "offsets")})


def ask(worker, action="task_configs", **config: str | None) -> ConnectorReport:
    given = {"name": "tables", "connector.class": "test.TablesSource", "topic": "t", **config}
    given = {key.replace("_", "."): value for key, value in given.items() if value is not None}
    answer = connector_process.run(RunConnector(1, action, "tables", given), worker, lambda _: None)
    return msgspec.msgpack.decode(answer, type=ConnectorReport)


def test_the_connector_divides_its_work_into_configs_of_strings(worker):
    report = ask(worker, tables="a,b,c", tasks_max="2")

    task_class = {"task.class": "test.TablesSourceTask"}
    assert report.task_configs == [{"topic": "t", "tables": "a", **task_class}, {"topic": "t", "tables": "b", **task_class}]
    assert (report.faults, report.failure) == ([], None)


def test_a_connector_is_stopped_after_it_was_asked(worker):
    before = TablesSource.stopped
    ask(worker, tables="a")

    assert TablesSource.stopped == before + 1


def test_everything_wrong_with_the_config_comes_at_once_and_nothing_is_started(worker):
    before = TablesSource.stopped
    report = ask(worker, topic=None, tasks_max="0", fault="bug")

    assert {fault.key for fault in report.faults} == {"topic", "tasks.max"}
    assert report.task_configs == []
    assert TablesSource.stopped == before


def test_an_unknown_class_is_a_fault(worker):
    assert [fault.key for fault in ask(worker, connector_class="Tabels").faults] == ["connector.class"]


def test_an_unknown_key_is_a_warning_with_the_key_that_was_meant(worker):
    (warning,) = ask(worker, tabels="a").warnings

    assert "tabels" in warning
    assert "tables" in warning


def test_only_validating_starts_nothing(worker):
    report = ask(worker, action="validate", fault="bug")

    assert (report.faults, report.failure, report.task_configs) == ([], None, [])


def test_faults_that_the_connector_itself_finds_are_faults_too(worker):
    assert [fault.message for fault in ask(worker, fault="config").faults] == ["no such table: a", "no such table: b"]


@pytest.mark.parametrize(
    ("fault", "reason", "retry_helps"),
    [
        ("retriable", "the database does not answer (is it up?)", True),
        ("final", "the table has no key", False),
        ("bug", "ZeroDivisionError: division by zero", False),
        ("exit", "the connector's code has called sys.exit(3)", False),
        ("strings", "TypeError: task_configs must give strings for strings, but 'tables' has the value 3", False),
    ],
)
def test_a_failure_is_a_sentence_and_a_trace(worker, fault, reason, retry_helps):
    failure = ask(worker, fault=fault).failure

    assert failure is not None
    assert failure.reason == reason
    assert failure.retry_helps is retry_helps
    assert "Traceback" in failure.trace


def test_more_tasks_than_allowed_are_a_failure_in_kafka_connects_words(worker):
    failure = ask(worker, fault="too many", tasks_max="2").failure

    assert failure is not None
    assert failure.reason.startswith("The connector tables has generated 3 tasks, which is greater than 2, the maximum")


def test_more_tasks_than_allowed_pass_where_that_is_not_enforced(worker):
    assert len(ask(worker, fault="too many", tasks_max="2", tasks_max_enforce="false").task_configs) == 3


def test_the_connector_may_ask_for_offsets(worker):
    assert ask(worker, fault="offset").task_configs[0]["tables"] == "tables -1"

    store = SqliteOffsetStore(worker.offset_storage_file_filename)
    store.put("tables", [({"table": "a"}, {"row": 7})])
    store.close()

    assert ask(worker, fault="offset").task_configs[0]["tables"] == "tables 7"


class GrowingSource(SourceConnector[TablesConfig]):
    """Finds another table each time it is asked, and says so."""

    task_class = TablesTask
    tables = 0
    stopped = 0

    def task_configs(self, max_tasks):
        type(self).tables += 1
        return [{"table": str(self.tables)}]

    def watch(self) -> None:
        if self.config.fault == "raise":
            raise RetriableError("the database is gone")
        if self.config.fault == "error":
            self.context.raise_error(ConnectError("the database has changed its mind"))
        self.context.request_task_reconfiguration()
        self.context.request_task_reconfiguration()
        if self.config.fault != "end":
            assert self.context.wait(60_000)

    def stop(self) -> None:
        type(self).stopped += 1


def watch(worker, action="task_configs", fault: str = "", *, stop_after: int = 100) -> tuple[list[bytes], bytes]:
    """What a connector that watches tells until it is stopped, and its last answer."""
    plugins.register("test.GrowingSource", GrowingSource)
    GrowingSource.tables = GrowingSource.stopped = 0
    config = {"name": "tables", "connector.class": "test.GrowingSource", "topic": "t", "fault": fault}
    told: list[bytes] = []

    def tell(body: bytes) -> None:
        told.append(body)
        if len(told) == stop_after:
            signal.raise_signal(signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    try:
        last = connector_process.run(RunConnector(1, action, "tables", config), worker, tell)
    finally:
        signal.signal(signal.SIGTERM, before)
        plugins.unregister("test.GrowingSource")
    return told, last


def tables(told: list[bytes]) -> list[str]:
    reports = [msgspec.msgpack.decode(body, type=ConnectorReport) for body in told if body]
    return [config["table"] for report in reports for config in report.task_configs]


def test_a_connector_that_watches_answers_again_whenever_it_asks_for_that_until_it_is_stopped(worker):
    told, last = watch(worker, stop_after=3)
    assert tables(told) == ["1", "2", "3"]
    assert last == b""
    assert GrowingSource.stopped == 1


def test_a_connector_that_has_nothing_left_to_watch_ends(worker):
    told, last = watch(worker, fault="end")
    assert tables(told) == ["1", "2", "3"]
    assert last == b""


def test_one_whose_tasks_run_already_is_only_asked_to_watch(worker):
    told, _ = watch(worker, action="watch", stop_after=2)
    assert told[0] == b""
    assert tables(told) == ["1"]


@pytest.mark.parametrize(
    ("fault", "reason"), [("raise", "the database is gone"), ("error", "the database has changed its mind")]
)
def test_what_goes_wrong_while_it_watches_is_told_and_ends_it(worker, fault, reason):
    told, last = watch(worker, fault=fault)
    assert tables(told) == ["1"]
    failure = msgspec.msgpack.decode(last, type=ConnectorReport).failure
    assert failure is not None
    assert failure.reason == reason
    assert GrowingSource.stopped == 1


def test_the_values_of_config_providers_stay_in_the_process(worker, tmp_path):
    (tmp_path / "secrets.properties").write_text("topic=hidden-topic\nfault=strings-of-secrets\n")
    worker = WorkerConfig.parse(
        {**worker.originals, "config.providers": "file", "config.providers.file.param.allowed.paths": str(tmp_path)}
    )
    variable = f"${{file:{tmp_path}/secrets.properties:topic}}"
    report = ask(worker, topic=variable, tables="a")
    assert report.task_configs[0]["topic"] == variable
    assert "hidden-topic" not in str(report)
    masking.forget()


def test_a_connector_that_does_not_watch_says_nothing_when_only_that_is_asked(worker):
    config = {"name": "tables", "connector.class": "test.TablesSource", "topic": "t", "tables": "a"}
    told: list[bytes] = []
    assert connector_process.run(RunConnector(1, "watch", "tables", config), worker, told.append) == b""
    assert told == []
