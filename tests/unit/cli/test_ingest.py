from __future__ import annotations

import pytest
from fakes.commands import Shell, shell

from fastconnect.cli import ingest
from fastconnect.config.validation import validate
from fastconnect.storage.memory import MemoryOffsetStore


@pytest.fixture
def run(tmp_path):
    with shell(tmp_path) as of_test:
        yield of_test


def test_the_same_files_topic_and_kafka_give_the_same_name_in_any_order():
    assert ingest.job_name("t", ["/b", "/a"], "k:1") == ingest.job_name("t", ["/a", "/b", "/a"], "k:1")


def test_another_topic_set_of_files_or_kafka_gives_another_name():
    names = {
        ingest.job_name("t", ["/a"], "k:1"),
        ingest.job_name("u", ["/a"], "k:1"),
        ingest.job_name("t", ["/b"], "k:1"),
        ingest.job_name("t", ["/a"], "k:2"),
    }

    assert len(names) == 4


@pytest.mark.parametrize("file_format", ["lines", "json", "csv"])
def test_the_connector_it_makes_is_a_valid_one(file_format):
    key = None if file_format == "lines" else "id"
    config = ingest.connector_config(
        name="n", paths=["/a,b.txt", "/c.txt"], topic="t", file_format=file_format, key_field=key, tasks=3
    )

    validation = validate(config)

    assert validation.faults == []
    assert validation.warnings == []
    assert config["tasks.max"] == "3"


def store_with(*offsets) -> MemoryOffsetStore:
    store = MemoryOffsetStore()
    store.put("n", list(offsets))
    return store


RANGES = (
    ({"path": "/a", "start": 0}, {"position": 1000}),
    ({"path": "/a", "start": 5000}, {"position": 5500}),
    ({"path": "/b", "start": 0}, {"position": 500_000}),
)


def test_it_says_after_how_much_it_continues(capsys):
    store = store_with(*RANGES)
    ingest._say_where_it_begins(store, "n", restart=False)

    assert capsys.readouterr().err == "Continues after 501.5 kB of 2 files of an earlier run (--restart begins anew).\n"


def test_a_restart_forgets_the_offsets_of_this_job_only(capsys):
    store = store_with(*RANGES)
    store.put("other", [RANGES[0]])
    ingest._say_where_it_begins(store, "n", restart=True)

    assert store.all("n") == []
    assert len(store.all("other")) == 1
    assert "Begins anew" in capsys.readouterr().err


@pytest.mark.parametrize("restart", [True, False])
def test_a_first_run_says_nothing(capsys, restart):
    ingest._say_where_it_begins(None, "n", restart=restart)
    ingest._say_where_it_begins(MemoryOffsetStore(), "n", restart=restart)

    assert capsys.readouterr().err == ""


def test_a_topic_must_be_named(run: Shell):
    ended = run.run("ingest", "x")

    assert ended.code == 2
    assert "Missing option '--topic'" in ended.err


def test_everything_wrong_is_told_at_once_and_no_task_starts(run: Shell):
    ended = run.run("ingest", "none/*.gz", "gone", "--topic", "t", "--bootstrap-servers", "127.0.0.1:9")

    assert ended.code == 2, str(ended)
    assert "no file matches" in ended.err
    assert f"{run.folder}/gone does not exist" in ended.err
    assert "Task process started" not in ended.err
    assert "Traceback" not in ended.err
    assert ended.out == ""


def test_a_key_field_needs_a_format_with_fields(run: Shell):
    (run.folder / "x").write_text("line\n")
    ended = run.run("ingest", "x", "--topic", "t", "--key-field", "id", "--bootstrap-servers", "127.0.0.1:9")

    assert ended.code == 2
    assert "key.field: plain lines have no fields: set format=json or format=csv" in ended.err
