"""Where things are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastconnect import paths


def test_fastconnect_home_names_the_folder_of_what_must_survive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FASTCONNECT_HOME", str(tmp_path))
    assert paths.default_offsets_file() == tmp_path / "offsets.sqlite"
    assert paths.broker_folder() == tmp_path / "broker"


def test_a_relative_home_and_a_tilde_are_resolved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTCONNECT_HOME", "here")
    assert paths.home_folder() == tmp_path / "here"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FASTCONNECT_HOME", "~/there")
    assert paths.home_folder() == tmp_path / "there"


@pytest.mark.parametrize("named", [None, ""])
def test_without_it_the_users_own_folders_are_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, named: str | None) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "FASTCONNECT_HOME", "FASTCONNECT_CACHE"):
        monkeypatch.delenv(name, raising=False)
    if named is not None:
        monkeypatch.setenv("FASTCONNECT_HOME", named)
    assert paths.home_folder().is_relative_to(tmp_path)
    assert paths.cache_folder().is_relative_to(tmp_path)
    assert paths.cache_folder() != paths.home_folder()
