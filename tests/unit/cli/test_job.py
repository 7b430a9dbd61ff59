from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest

from fastconnect.cli import job
from fastconnect.config.worker import WorkerConfig
from fastconnect.errors import ConfigError
from fastconnect.herder.snapshot import ConnectorSpec


@pytest.mark.parametrize(
    ("reason", "number"),
    [
        ("stopped by SIGINT", 2),
        ("stopped by SIGTERM", 15),
        ("stopped by SIGTERM; did not end in time and had to be killed: a-0", 15),
        ("done", None),
        ("1 of 2 failed\n  - a-0: stopped by SIGINT", None),
    ],
)
def test_the_signal_that_stopped_a_job_is_known(reason, number):
    assert job.stop_signal(reason) == number


@pytest.mark.parametrize(
    ("supervisors", "reason", "until_done", "complete", "exit_code"),
    [
        (0, "done", True, True, 0),
        (0, "stopped by SIGINT", True, False, 130),
        (0, "stopped by SIGTERM", True, False, 143),
        (0, "stopped by SIGINT", True, True, 0),  # all had been delivered by then
        (0, "stopped by SIGTERM", False, False, 0),  # a service that was told to stop, and did
        (1, "stopped by SIGINT", True, False, 1),
        (3, "stopped by SIGINT", True, False, 3),
    ],
)
def test_the_exit_code_says_how_it_went(supervisors, reason, until_done, complete, exit_code):
    assert job.exit_code_of(supervisors, reason, until_done=until_done, complete=complete) == exit_code


def test_a_kafka_that_is_named_is_used_and_known_by_its_servers_in_any_order():
    with job.kafka({"bootstrap.servers": "b:2, a:1"}) as one, job.kafka({"bootstrap.servers": "a:1,b:2"}) as other:
        assert one.identity == other.identity == "a:1,b:2"
        assert one.properties == {"bootstrap.servers": "b:2, a:1"}


def test_no_broker_is_started_where_every_connector_names_its_own():
    own = ConnectorSpec(name="a", config={"producer.override.bootstrap.servers": "x:1"})

    with job.kafka({}, [own]) as kafka:
        assert "bootstrap.servers" not in kafka.properties


def test_plugins_to_preload_that_are_not_installed_are_all_named():
    worker = WorkerConfig.parse({"plugin.preload": "FileSource,NoSuchSource,os.path"})

    with pytest.raises(ConfigError) as error:
        job.preload(worker)

    assert ["NoSuchSource" in str(fault) or "os.path" in str(fault) for fault in error.value.faults] == [True, True]


def test_what_a_worker_file_says_in_vain_is_logged(caplog):
    with caplog.at_level(logging.WARNING):
        job.parse_worker({"bootstrap.servers": "a:1", "group.id": "x"}, None)

    assert "group.id has no effect" in caplog.text


def test_everything_is_imported_before_the_first_fork_and_no_thread_is_left():
    code = (
        "import os, sys\n"
        "from fastconnect.cli import job\n"
        "from fastconnect.config.worker import WorkerConfig\n"
        "job.preload(WorkerConfig())\n"
        "import fastconnect.supervisor.supervisor\n"
        "print(len(os.listdir('/proc/self/task')), 'fastconnect.task.main' in sys.modules, 'rich' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)

    assert ended.stdout.split() == ["1", "True", "False"], ended.stderr


@pytest.mark.parametrize(("journal", "timestamps"), [(None, True), ("8:1", False)])
def test_log_lines_have_the_time_where_nothing_else_adds_it(monkeypatch, tmp_path, journal, timestamps):
    if journal is None:
        monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    else:
        monkeypatch.setenv("JOURNAL_STREAM", journal)
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    root.handlers.clear()
    with (tmp_path / "log").open("w") as file:
        monkeypatch.setattr("sys.stderr", file)
        try:
            job.set_up_logs(verbose=False)
            (handler,) = root.handlers
            assert handler.formatter is not None
            assert getattr(handler.formatter, "timestamps", None) is timestamps
        finally:
            root.handlers[:] = before
            root.setLevel(level)
    assert os.path.exists(tmp_path / "log")


def test_a_log_line_wipes_the_rest_of_the_line_it_is_written_over():
    record = logging.LogRecord("x", logging.INFO, "", 0, "one\ntwo", None, None)

    text = job._DrawnOverFormatter().format(record)

    assert all(line.endswith("\x1b[K") for line in text.split("\n"))
    assert len(text.split("\n")) == 2
