"""Named clusters: a file of its owner's, written whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from fastconnect.client import contexts
from fastconnect.client.cluster import Cluster
from fastconnect.client.contexts import Contexts
from fastconnect.errors import ConfigError


@pytest.fixture(autouse=True)
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("FASTCONNECT_HOME", str(tmp_path / "home"))
    return contexts.file()


PROD = Cluster(("https://a:1", "https://b:2"), "alice", "geheim", ca_file="/ca.pem")


def test_what_is_saved_is_read_again():
    known = Contexts()
    known.add("prod", PROD)
    contexts.save(known)

    assert contexts.load() == known
    assert contexts.load().get("prod") == PROD


def test_without_a_file_there_are_none():
    assert contexts.load() == Contexts()


def test_only_the_owner_can_read_the_file_whatever_the_umask(file: Path):
    before = os.umask(0)
    try:
        contexts.save(Contexts("a", {"a": PROD}))
    finally:
        os.umask(before)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in file.parent.iterdir()] == [file.name]


def test_a_file_with_passwords_that_others_can_read_is_refused_and_one_without_is_not(file: Path):
    contexts.save(Contexts("a", {"a": PROD}))
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        contexts.load()

    contexts.save(Contexts("a", {"a": Cluster(("http://a",))}))
    file.chmod(0o644)
    assert contexts.load().current == "a"


def test_a_file_that_is_no_json_is_a_sentence_without_its_content(file: Path):
    file.parent.mkdir()
    file.write_text('{"clusters": {"a": {"password": ["geheim"]}}}')
    with pytest.raises(ConfigError) as refused:
        contexts.load()

    assert str(file) in str(refused.value)
    assert "geheim" not in str(refused.value)


def test_a_failed_write_is_a_sentence_and_leaves_nothing_half_written(file: Path):
    (file / "not empty").mkdir(parents=True)  # a folder in the file's place cannot be replaced, not even by root
    with pytest.raises(ConfigError, match="cannot be written"):
        contexts.save(Contexts("a", {"a": PROD}))
    assert [each.name for each in file.parent.iterdir()] == [file.name]


def test_the_first_cluster_is_in_use_and_later_ones_are_not():
    known = Contexts()
    known.add("a", Cluster())
    known.add("b", Cluster())
    assert known.current == "a"
    known.use("b")
    assert known.current == "b"


def test_a_removed_cluster_is_no_longer_in_use():
    known = Contexts("a", {"a": Cluster(), "b": Cluster()})
    known.remove("a")
    assert (known.current, list(known.clusters)) == (None, ["b"])
    known.add("c", Cluster())
    assert known.current == "c"


def test_an_unknown_name_is_told_with_the_nearest_and_what_there_is():
    known = Contexts(None, {"production": Cluster(), "test": Cluster()})
    with pytest.raises(ConfigError) as refused:
        known.use("produktion")
    assert "did you mean production?" in str(refused.value)
    assert "production, test" in str(refused.value)
