from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastconnect import masking
from fastconnect.config.providers import Providers, restored
from fastconnect.config.validation import validate
from fastconnect.config.worker import WorkerConfig
from fastconnect.errors import ConfigError

JAVA = "org.apache.kafka.common.config.provider."


@pytest.fixture(autouse=True)
def no_secrets() -> Iterator[None]:
    yield
    masking.forget()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    (allowed / "db.properties").write_text("user=me\npassword=hunter2\nempty=\n")
    (allowed / "token").write_text("abc\ndef\n")
    (tmp_path / "outside.properties").write_text("password=other\n")
    return allowed


@pytest.fixture
def worker(folder: Path) -> dict[str, str]:
    return {
        "config.providers": "file, dir,env",
        "config.providers.file.class": f"{JAVA}FileConfigProvider",
        "config.providers.file.param.allowed.paths": str(folder),
        "config.providers.dir.class": f"{JAVA}DirectoryConfigProvider",
        "config.providers.dir.param.allowed.paths": f"/nowhere,{folder}",
        "config.providers.env.class": f"{JAVA}EnvVarConfigProvider",
        "config.providers.env.param.allowlist.pattern": "FC_.*",
    }


def resolve(worker: dict[str, str], value: str) -> str | None:
    return Providers.of(worker).resolve({"k": value}, "connector c")["k"]


def test_variables_of_all_providers_are_replaced_wherever_they_stand(
    worker: dict[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FC_HOST", "db1")
    text = f"jdbc:${{file:{folder}/db.properties:user}}:${{file:{folder}/db.properties:password}}@${{env:FC_HOST}}/x"
    assert resolve(worker, text) == "jdbc:me:hunter2@db1/x"
    assert resolve(worker, f"${{dir:{folder}:token}}") == "abc\ndef\n"
    assert resolve(worker, f"[${{file:{folder}/db.properties:empty}}]") == "[]"
    assert resolve(worker, "plain $ {text}") == "plain $ {text}"


def test_unknown_providers_and_missing_keys_leave_the_text_as_it_is(worker: dict[str, str], folder: Path) -> None:
    for text in (
        "${vault:a:b}",
        f"${{file:{folder}/db.properties:nothing}}",
        f"${{dir:{folder}:nothing}}",
        "${env:FC_NOT_SET}",
        "${file::password}",
        "${novariable}",
    ):
        assert resolve(worker, text) == text


def test_what_was_resolved_is_masked(worker: dict[str, str], folder: Path) -> None:
    resolve(worker, f"${{file:{folder}/db.properties:password}}")
    assert masking.hide("login with hunter2 failed") == "login with [hidden] failed"


def test_a_missing_file_is_an_error_that_names_the_key(worker: dict[str, str], folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(worker, f"${{file:{folder}/no.properties:a}}")
    assert str(caught.value.faults[0]) == (
        f"k: could not read properties from file {folder}/no.properties: No such file or directory"
    )


def escapes(folder: Path) -> dict[str, str]:
    (folder / "link.properties").symlink_to(folder.parent / "outside.properties")
    (folder / "up").symlink_to(folder.parent)
    (folder / "zero").symlink_to("/dev/zero")
    return {
        "a path outside": f"${{file:{folder.parent}/outside.properties:password}}",
        "dots": f"${{file:{folder}/../outside.properties:password}}",
        "a link to a file": f"${{file:{folder}/link.properties:password}}",
        "a link to a folder": f"${{file:{folder}/up/outside.properties:password}}",
        "the folder's namesake": f"${{file:{folder}x/outside.properties:password}}",
        "proc": "${file:/proc/self/environ:HOME}",
        "a device": f"${{dir:{folder}:zero}}",
        "dots in a file's name": f"${{dir:{folder}:../outside.properties}}",
        "a linked folder": f"${{dir:{folder}/up:outside.properties}}",
    }


@pytest.mark.parametrize(
    "how",
    [
        "a path outside",
        "dots",
        "a link to a file",
        "a link to a folder",
        "the folder's namesake",
        "proc",
        "a device",
        "dots in a file's name",
        "a linked folder",
    ],
)
def test_nothing_outside_of_what_is_allowed_can_be_read(worker: dict[str, str], folder: Path, how: str) -> None:
    with pytest.raises(ConfigError, match=r"may not read|is no name of a file"):
        resolve(worker, escapes(folder)[how])


def test_files_that_are_none_are_refused_even_where_all_is_allowed(worker: dict[str, str], folder: Path) -> None:
    worker["config.providers.file.param.allowed.paths"] = "/"
    os.mkfifo(folder / "pipe")
    for text in (
        "${file:/proc/self/environ:HOME}",
        "${file:/dev/zero:a}",
        f"${{file:{folder}/pipe:a}}",
        f"${{file:{folder}:a}}",
    ):
        with pytest.raises(ConfigError, match=r"may not read|is no regular file"):
            resolve(worker, text)


def test_a_mounted_secret_that_is_a_link_inside_its_folder_can_be_read(worker: dict[str, str], folder: Path) -> None:
    (folder / "..data").mkdir()
    (folder / "..data" / "key").write_text("mounted")
    (folder / "key").symlink_to("..data/key")
    assert resolve(worker, f"${{dir:{folder}:key}}") == "mounted"


def test_a_provider_without_a_list_of_what_is_allowed_gives_nothing_and_says_what_to_set(folder: Path) -> None:
    worker = {"config.providers": "file,env", "config.providers.file.class": "FileConfigProvider"}
    with pytest.raises(ConfigError, match=r"may read nothing .*config\.providers\.file\.param\.allowed\.paths"):
        resolve(worker, f"${{file:{folder}/db.properties:user}}")
    with pytest.raises(ConfigError, match=r"may not read the environment variable HOME .*allowlist\.pattern"):
        resolve(worker, "${env:HOME}")


def test_the_workers_faults_name_the_provider() -> None:
    with pytest.raises(ConfigError) as caught:
        WorkerConfig.parse(
            {
                "config.providers": "a,env",
                "config.providers.a.class": "com.example.VaultProvider",
                "config.providers.env.param.allowlist.pattern": "(",
            }
        )
    assert [fault.key for fault in caught.value.faults] == [
        "config.providers.a.class",
        "config.providers.env.param.allowlist.pattern",
    ]


def test_the_workers_own_variables_are_replaced_only_when_that_is_asked(worker: dict[str, str], folder: Path) -> None:
    jaas = f'PlainLoginModule required username="u" password="${{file:{folder}/db.properties:password}}";'
    raw = WorkerConfig.parse({**worker, "producer.sasl.jaas.config": jaas, "sasl.jaas.config": jaas})
    assert raw.originals["producer.sasl.jaas.config"] == jaas
    assert "hunter2" in raw.resolved().originals["producer.sasl.jaas.config"]


def test_a_tasks_config_leaves_the_process_with_the_variables_that_were_given() -> None:
    raw = {"password": "${file:x:y}", "url": "jdbc:${env:A}", "topic": "t", "null": None}
    resolved = {"password": "hunter2", "url": "jdbc:db", "topic": "t", "null": None}
    tasks = {"password": "hunter2", "url": "jdbc:db/part-3", "topic": "t", "table": "hunter2"}
    assert restored(tasks, raw, resolved) == {
        "password": "${file:x:y}",
        "url": "jdbc:db/part-3",
        "topic": "t",
        "table": "hunter2",
    }


def test_validation_looks_at_the_values_but_answers_with_the_variables(worker: dict[str, str], folder: Path) -> None:
    (folder / "db.properties").write_text("tasks=many-secret-tasks\nlines=7\n")
    config = {
        "name": "c",
        "connector.class": "FileStreamSource",
        "topic": "t",
        "file": "/tmp/x",
        "batch.size": f"${{file:{folder}/db.properties:lines}}",
        "tasks.max": f"${{file:{folder}/db.properties:tasks}}",
    }
    found = validate(config, WorkerConfig.parse(worker))
    assert [str(fault) for fault in found.faults] == [
        "tasks.max: Invalid value [hidden] for configuration tasks.max: Not a number of type INT"
    ]
    assert {value.definition.name: value.value for value in found.values}["batch.size"] == config["batch.size"]


def test_a_variable_that_no_provider_answers_for_is_a_warning() -> None:
    config = {"name": "c", "connector.class": "FileStreamSource", "topic": "t", "file": "${env:FILE}", "x": "${other:a}"}
    assert "file: ${env:FILE} stays as it is written: the worker's config.providers name no env" in validate(config).warnings
