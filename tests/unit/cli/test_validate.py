from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from fastconnect.cli.validate import validate

GOOD = "name=seq\nconnector.class=SequenceSource\ntopic=numbers\n"


@pytest.fixture
def files(tmp_path):
    (tmp_path / "good.properties").write_text(GOOD)
    (tmp_path / "bad.properties").write_text("name=bad\nconnector.class=SequenceSource\ntasks.max=0\nrate=fast\n")
    (tmp_path / "odd.properties").write_text(GOOD.replace("seq", "odd") + "tpoic=x\n")
    (tmp_path / "broken.json").write_text('{"name": ')
    return tmp_path


def run(*words: object):
    return CliRunner().invoke(validate, [str(word) for word in words], standalone_mode=False)


def test_a_good_file_is_ok(files):
    ended = run(files / "good.properties")

    assert ended.return_value == 0
    assert ended.output == f"{files}/good.properties: connector seq: ok\n"


def test_all_faults_of_all_files_are_told(files):
    ended = run(files / "good.properties", files / "bad.properties", files / "broken.json")

    assert ended.return_value == 2
    assert f"{files}/bad.properties: connector bad: 3 faults\n" in ended.output
    assert all(f"  - {key}: " in ended.output for key in ("topic", "tasks.max", "rate"))
    assert f"{files}/broken.json: 1 fault\n" in ended.output


def test_a_warning_alone_is_no_fault(files):
    ended = run(files / "odd.properties")

    assert ended.return_value == 0
    assert "warning: tpoic is not known" in ended.output
    assert "topic" in ended.output.splitlines()[0]


def test_the_findings_as_json(files):
    ended = run(files / "bad.properties", files / "odd.properties", files / "broken.json", "--json")
    bad, odd, broken = json.loads(ended.stdout)

    assert ended.return_value == 2
    assert {fault["key"] for fault in bad["faults"]} == {"topic", "tasks.max", "rate"}
    assert (odd["connector"], odd["faults"], len(odd["warnings"])) == ("odd", [], 1)
    assert (broken["connector"], len(broken["faults"])) == (None, 1)


def test_a_missing_file_is_a_fault_of_its_own(files):
    ended = run(files / "none.properties", files / "good.properties")

    assert ended.return_value == 2
    assert "none.properties: 1 fault" in ended.output
    assert "connector seq: ok" in ended.output
