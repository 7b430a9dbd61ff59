"""The commands that ask a cluster, called as at the shell; the cluster is our REST API over a herder in memory."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.called import called as call
from fakes.commands import Ended
from fakes.memory_herder import MemoryHerder
from fakes.rest_cluster import Scripted, error, serving

CLASS = "org.example.OneSourceConnector"


@pytest.fixture
def herder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[MemoryHerder]:
    monkeypatch.setenv("FASTCONNECT_HOME", str(tmp_path / "home"))
    own = MemoryHerder()
    with serving(own) as url:
        monkeypatch.setenv("FASTCONNECT_URL", url)
        yield own


def put(herder: MemoryHerder, name: str, **config: str) -> None:
    herder.put_connector(name, {"name": name, "connector.class": CLASS, **config}, replace=True)


def config(herder: MemoryHerder, name: str) -> dict[str, str | None]:
    return dict(herder.store.snapshot().connectors[name].config)


def names(herder: MemoryHerder) -> list[str]:
    return sorted(herder.store.snapshot().connectors)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "connectors").mkdir()
    for name in ("a", "b"):
        (tmp_path / "connectors" / f"{name}.properties").write_text(
            f"name={name}\nconnector.class={CLASS}\ntopic=t\ndb.password=geheim-{name}\n"
        )
    return tmp_path / "connectors"


# Looking


def test_connectors_are_listed_plain_and_as_json(herder: MemoryHerder):
    put(herder, "b c")
    put(herder, "a")

    assert (
        call("connectors").out
        == "a\tsource\tRUNNING\t1 RUNNING\t127.0.0.1:8083\nb c\tsource\tRUNNING\t1 RUNNING\t127.0.0.1:8083\n"
    )
    assert call("connectors", "--names").out == "a\nb c\n"
    (a, _) = json.loads(call("connectors", "--json").out)
    assert (a["name"], a["class"], a["tasks"][0]["state"]) == ("a", CLASS, "RUNNING")


def test_no_connectors_are_no_lines_and_a_sentence(herder: MemoryHerder):
    assert call("connectors") == Ended(0, "", "The cluster has no connectors.\n")
    assert json.loads(call("connectors", "--json").out) == []


def test_a_status_of_what_runs_is_0_and_of_what_is_not_there_4(herder: MemoryHerder):
    put(herder, "a")

    assert call("status", "a").code == 0
    said = call("status", "x")
    assert said.code == 4
    assert "No status found for connector x" in said.err
    assert json.loads(call("status", "--json").out)[0]["connector"]["state"] == "RUNNING"


def test_a_status_of_what_has_failed_is_1_with_a_harmless_trace(monkeypatch: pytest.MonkeyPatch):
    failed = {
        "name": "a",
        "connector": {"state": "RUNNING", "worker_id": "w"},
        "tasks": [
            {"id": 0, "state": "FAILED", "worker_id": "w", "trace": "Broken\x1b[2J\n\tat line 3"},
            {"id": 1, "state": "RESTARTING", "worker_id": "w", "restart": {"attempts": 2}},
        ],
        "type": "source",
    }
    with Scripted((200, failed)) as server:
        said = call("status", "a", "--url", server.url)
    assert said.code == 1
    assert "task 0\tFAILED\tw" in said.out
    assert "    Broken\\x1b[2J\n    \tat line 3\n" in said.out
    assert "started again 2 times" in said.out


def test_tasks_and_their_configs_with_secrets_hidden(herder: MemoryHerder):
    put(herder, "a", **{"db.password": "geheim"})

    assert call("tasks", "a").out == "0\tRUNNING\t127.0.0.1:8083\n"
    said = call("tasks", "a", "--json")
    assert json.loads(said.out)[0]["config"]["db.password"] == "[hidden]"
    assert "geheim" not in call("tasks", "a", "--configs").out


def test_topics(herder: MemoryHerder):
    put(herder, "a")
    herder.topics["a"] = ["t2", "t1"]

    assert call("topics", "a").out == "t1\nt2\n"
    assert call("topics", "a", "--reset").code == 0
    assert call("topics", "a").out == ""
    assert call("topics", "x").code == 4


# Changing


def test_create_from_a_file_and_from_settings(herder: MemoryHerder, folder: Path):
    assert call("create", str(folder / "a.properties"), "--wait").code == 0
    assert call("create", "--set", "name=c d", "--set", f"connector.class={CLASS}", "--initial-state", "paused").code == 0

    assert names(herder) == ["a", "c d"]
    assert config(herder, "a")["db.password"] == "geheim-a"
    assert call("status", "c d").out.startswith("c d  PAUSED")


def test_create_of_what_exists_is_1_and_the_others_are_created(herder: MemoryHerder, folder: Path):
    put(herder, "a")
    said = call("create", str(folder / "a.properties"), str(folder / "b.properties"))

    assert said.code == 1
    assert "Connector a already exists" in said.err
    assert names(herder) == ["a", "b"]


def test_create_of_what_the_cluster_finds_wrong_is_2(herder: MemoryHerder):
    assert call("create", "--set", "name=a").code == 2
    assert call("create").code == 2


@pytest.mark.parametrize(("word", "state"), [("pause", "PAUSED"), ("stop", "STOPPED")])
def test_pause_stop_and_resume_many_and_wait(herder: MemoryHerder, word: str, state: str):
    put(herder, "a")
    put(herder, "b")

    assert call(word, "a", "b", "--wait").code == 0
    assert call("connectors").out.count(f"\t{state}\t") == 2
    assert call("resume", "a", "b", "--wait").code == 0
    assert call("connectors").out.count("\tRUNNING\t") == 2


def test_one_name_that_is_not_there_does_not_keep_the_others_back(herder: MemoryHerder):
    put(herder, "a")
    said = call("pause", "x", "a")

    assert said.code == 4
    assert "x" in said.err
    assert call("connectors").out.count("\tPAUSED\t") == 1


def test_restarts(herder: MemoryHerder):
    put(herder, "a")

    assert call("restart", "a").code == 0
    assert call("restart", "a", "--task", "0").code == 0
    assert call("restart", "a", "--only-failed", "--include-tasks").code == 0
    connector, task, request = herder.restarts
    assert (connector, str(task)) == ("a", "a-0")
    assert (request.only_failed, request.include_tasks) == (True, True)
    assert call("restart", "a", "--task", "7").code == 4
    assert call("restart", "a", "--task", "0", "--only-failed").code == 2


def test_delete_asks_first(herder: MemoryHerder):
    put(herder, "a")

    assert call("delete", "a", typed="n\n").code == 1
    assert call("delete", "a", typed="").code == 2  # nobody is there
    assert names(herder) == ["a"]
    assert call("delete", "a", typed="y\n").code == 0
    assert call("delete", "a", "--yes").code == 4


def test_config_get_hides_secrets_unless_they_are_wanted(herder: MemoryHerder):
    put(herder, "a", **{"db.password": "geheim", "topic": "t"})

    assert "db.password=[hidden]" in call("config", "get", "a").out
    assert json.loads(call("config", "get", "a", "--json", "--secrets").out)["db.password"] == "geheim"
    assert call("config", "get", "a", "topic").out == "t\n"
    said = call("config", "get", "a", "topics")
    assert said.code == 2
    assert "did you mean topic?" in said.err


def test_config_patch_changes_some_keys(herder: MemoryHerder):
    put(herder, "a", topic="t", old="1")

    said = call("config", "patch", "a", "--set", "topic=u", "--unset", "old")
    assert said.code == 0
    assert "old, topic changed" in said.err
    assert config(herder, "a") == {"name": "a", "connector.class": CLASS, "topic": "u"}
    assert "is what it was" in call("config", "patch", "a", "--set", "topic=u").err


def test_config_patch_works_with_workers_that_do_not_know_it():
    config = {"name": "a", "connector.class": "C", "old": "1"}
    answer = {"name": "a", "config": {**config, "topic": "u"}, "tasks": [], "type": "source"}
    with Scripted((200, config), error(405, "HTTP 405 Method Not Allowed"), (200, answer)) as server:
        assert call("config", "patch", "a", "--set", "topic=u", "--unset", "old", "--url", server.url).code == 0
    assert [(method, body) for method, _, _, body in server.requests][-1] == (
        "PUT",
        {"name": "a", "connector.class": "C", "topic": "u"},
    )


def test_config_set_replaces_all_keys(herder: MemoryHerder, folder: Path):
    put(herder, "z", old="1")
    assert call("config", "set", "z", str(folder / "a.properties")).code == 0
    assert config(herder, "z") == {"name": "z", "connector.class": CLASS, "topic": "t", "db.password": "geheim-a"}


def test_a_config_with_hidden_secrets_is_not_taken(herder: MemoryHerder):
    put(herder, "a", **{"db.password": "geheim"})
    assert call("config", "patch", "a", "--set", "db.password=[hidden]").code == 2
    assert config(herder, "a")["db.password"] == "geheim"


# apply


def test_apply_makes_the_cluster_what_the_folder_says_and_then_does_nothing(herder: MemoryHerder, folder: Path):
    put(herder, "a", topic="other", **{"db.password": "old"})
    put(herder, "z")

    said = call("apply", "-f", str(folder), "--prune", "--yes", "--wait")

    assert said.code == 0, said.err
    assert names(herder) == ["a", "b"]
    assert config(herder, "a")["topic"] == "t"
    again = call("apply", "-f", str(folder), "--prune", "--yes")
    assert (again.code, again.out) == (0, "")
    assert "Nothing to change: 2 connectors" in again.err


def test_apply_shows_what_changes_without_secrets(herder: MemoryHerder, folder: Path):
    put(herder, "a", topic="other", gone="1", **{"db.password": "old"})
    put(herder, "z")

    said = call("apply", "-f", str(folder), "--prune", "--dry-run")

    assert said.code == 0
    assert said.out == (
        "+ create b\n"
        "    + name = b\n"
        f"    + connector.class = {CLASS}\n"
        "    + db.password = [hidden]\n"
        "    + topic = t\n"
        "~ update a\n"
        "    ~ db.password: [hidden] -> [hidden]  (another value)\n"
        "    - gone = 1\n"
        "    ~ topic: other -> t\n"
        "- delete z\n"
    )
    assert names(herder) == ["a", "z"]
    assert "geheim" not in said.out + said.err


def test_apply_check_tells_by_its_exit_code(herder: MemoryHerder, folder: Path):
    assert call("apply", "-f", str(folder), "--check").code == 1
    assert call("apply", "-f", str(folder), "--yes").code == 0
    assert call("apply", "-f", str(folder), "--check").code == 0


def test_apply_as_json(herder: MemoryHerder, folder: Path):
    put(herder, "a", topic="t", **{"db.password": "old"})
    found = json.loads(call("apply", "-f", str(folder), "--dry-run", "--json").out)

    assert [(each["change"], each["name"]) for each in found] == [("create", "b"), ("update", "a")]
    assert found[1]["keys"] == [{"key": "db.password", "before": "[hidden]", "after": "[hidden]"}]
    assert call("apply", "-f", str(folder), "--json").code == 2


def test_apply_asks_first_and_a_no_changes_nothing(herder: MemoryHerder, folder: Path):
    said = call("apply", "-f", str(folder), typed="n\n")
    assert said.code == 1
    assert "Create 2: do it?" in said.err
    assert names(herder) == []
    assert call("apply", "-f", str(folder), typed="y\n").code == 0
    assert names(herder) == ["a", "b"]


def test_apply_of_a_folder_without_connectors_deletes_nothing(herder: MemoryHerder, tmp_path: Path):
    put(herder, "a")
    (tmp_path / "empty").mkdir()
    said = call("apply", "-f", str(tmp_path / "empty"), "--prune", "--yes")
    assert said.code == 2
    assert names(herder) == ["a"]


def test_apply_changes_nothing_if_the_cluster_finds_a_fault_in_any_of_them(folder: Path):
    fault = {"definition": {"name": "topic", "type": "STRING"}, "value": {"name": "topic", "value": "t", "errors": ["is bad"]}}
    good = (200, {"name": CLASS, "error_count": 0, "groups": [], "configs": []})
    bad = (200, {"name": CLASS, "error_count": 1, "groups": [], "configs": [fault]})
    with Scripted((200, {}), (200, []), good, bad) as server:  # connectors, the plugin's keys, two validations
        said = call("apply", "-f", str(folder), "--yes", "--url", server.url)
    assert said.code == 2
    assert "b.properties, connector b: topic: is bad" in said.err
    assert {method for method, path, *_ in server.requests if not path.endswith("/validate")} == {"GET"}


def test_apply_goes_on_behind_a_change_that_fails(folder: Path):
    done = (201, {"name": "b", "config": {}, "tasks": [], "type": "source"})
    with Scripted((200, {}), (200, []), error(409, "Connector a already exists"), done) as server:
        said = call("apply", "-f", str(folder), "--yes", "--no-validate", "--url", server.url)
    assert said.code == 1
    assert "connector a could not be created" in said.err
    assert "Connector b is created" in said.err
    assert "1 connector of 2 could not" in said.err


# Offsets, plugins, loggers


def test_offsets_of_a_cluster(herder: MemoryHerder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    put(herder, "a")
    place = '{"filename": "f"}'

    assert call("offsets", "alter", "a", "--partition", place, "--offset", '{"position": 5}', "--yes").code == 2  # it runs
    call("stop", "a")
    assert call("offsets", "alter", "a", "--partition", place, "--offset", '{"position": 5}', typed="y\n").code == 0
    assert call("offsets", "get", "a").out == 'a  {"filename":"f"}  {"position":5}\n'
    said = call("offsets", "get", "a", "--json")
    assert json.loads(said.out) == {"offsets": [{"partition": {"filename": "f"}, "offset": {"position": 5}}]}

    (tmp_path / "offsets.json").write_text(said.out.replace("5", "7"))
    assert call("offsets", "alter", "a", str(tmp_path / "offsets.json"), "--yes").code == 0
    assert '"position":7' in call("offsets", "get", "a").out

    url = os.environ["FASTCONNECT_URL"]
    assert "nothing" not in call("offsets", "show", "a", "--url", url).err
    assert call("offsets", "reset", "a", "--url", url, "--yes").code == 0
    assert call("offsets", "get", "a").out == ""


def test_offsets_without_a_cluster_are_those_of_the_file(herder: MemoryHerder):
    put(herder, "a")
    said = call("offsets", "reset", "a", "--yes")
    assert said.code == 0
    assert "--url or --context asks a cluster" in said.err


def test_offsets_alter_takes_a_file_or_one_offset(herder: MemoryHerder):
    assert call("offsets", "alter", "a").code == 2
    assert call("offsets", "alter", "a", "--partition", "{}").code == 2
    assert call("offsets", "alter", "a", "--partition", "[]", "--offset", "{}").code == 2


def test_the_plugins_of_a_cluster(herder: MemoryHerder, monkeypatch: pytest.MonkeyPatch):
    url = os.environ["FASTCONNECT_URL"]
    assert "source\torg.example.OneSourceConnector\t1.0\n" in call("plugins", "--url", url).out
    assert call("plugins", CLASS, "--url", url).out.startswith("topic\tSTRING\t")
    assert call("plugins", "Nothing", "--url", url).code == 4
    assert call("plugins", CLASS).code == 2


def test_validate_asks_the_cluster_if_it_is_given(herder: MemoryHerder, folder: Path):
    assert call("validate", str(folder / "a.properties"), "--url", os.environ["FASTCONNECT_URL"]).code == 0
    assert call("validate", str(folder / "a.properties")).code == 2  # the class is not installed here


def test_loggers(herder: MemoryHerder):
    assert "root\t" in call("loggers").out
    said = call("loggers", "fastconnect.some.part", "debug")
    try:
        assert said.code == 0
        assert call("loggers", "fastconnect.some.part").out.startswith("fastconnect.some.part\tDEBUG\t")
    finally:
        call("loggers", "fastconnect.some.part", "INFO")
    assert call("loggers", "no.such.logger").code == 4
    assert call("loggers", "root", "LOUD").code == 2


# Contexts


def test_a_context_is_asked_without_an_address(herder: MemoryHerder, monkeypatch: pytest.MonkeyPatch):
    put(herder, "a")
    url = os.environ["FASTCONNECT_URL"]
    monkeypatch.delenv("FASTCONNECT_URL")

    assert call("context", "add", "here", url).code == 0
    assert call("context", "add", "there", "https://there:1", "--user", "me", typed="geheim\n").code == 0
    assert call("connectors", "--names").out == "a\n"
    said = call("context", "list")
    assert said.out == f"*\there\t{url}\t\n\tthere\thttps://there:1\tme\n"
    assert "geheim" not in said.out + call("context", "list", "--json").out
    assert call("context", "use", "there").code == 0
    assert call("context", "remove", "there").code == 0
    assert call("context", "use", "there").code == 2


def test_nobody_there_is_5(herder: MemoryHerder):
    assert call("connectors", "--url", "http://127.0.0.1:1", "--retry-for", "0").code == 5


def test_waiting_too_long_is_6():
    starting = {"name": "a", "connector": {"state": "UNASSIGNED", "worker_id": ""}, "tasks": [], "type": "source"}
    with Scripted((202, None), (200, starting)) as server:
        assert call("resume", "a", "--wait", "--timeout", "0.2", "--url", server.url).code == 6
