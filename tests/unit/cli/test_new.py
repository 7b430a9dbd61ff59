from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fastconnect.cli.new import new, why_not


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    def make(*words: str) -> Result:
        return CliRunner().invoke(new, list(words))

    return make


def test_a_project_has_all_that_makes_it_a_plugin(make, tmp_path: Path):
    result = make("source", "web-clicks")

    assert result.exit_code == 0, result.output
    assert "Made web-clicks: the connector is in web-clicks/src/web_clicks/__init__.py" in result.output
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {
        "web-clicks/.gitignore",
        "web-clicks/Makefile",
        "web-clicks/README.md",
        "web-clicks/pyproject.toml",
        "web-clicks/src/web_clicks/__init__.py",
        "web-clicks/src/web_clicks/py.typed",
        "web-clicks/tests/test_web_clicks.py",
        "web-clicks/web-clicks.properties",
    }
    assert '"web_clicks.web_clicks" = "web_clicks:web_clicks"' in (tmp_path / "web-clicks/pyproject.toml").read_text()
    assert (tmp_path / "web-clicks").stat().st_mode & 0o755 == 0o755


@pytest.mark.parametrize(
    ("words", "connector"),
    [
        (("source", "web-clicks"), "def web_clicks("),
        (("source", "web-clicks", "--class"), "class WebClicksSource(SourceConnector"),
        (("sink", "web-clicks"), "def web_clicks("),
        (("sink", "web-clicks", "--class"), "class WebClicksSink(SinkConnector"),
    ],
)
def test_it_begins_with_a_function_or_with_classes(make, tmp_path: Path, words: tuple[str, ...], connector: str):
    assert make(*words).exit_code == 0
    assert connector in (tmp_path / "web-clicks/src/web_clicks/__init__.py").read_text()
    unfilled = [path for path in tmp_path.rglob("*") if path.is_file() and "$" in path.read_text()]
    assert [path.name for path in unfilled] == ["Makefile"]  # whose own variables begin with it


def test_what_is_there_is_left_alone(make, tmp_path: Path):
    (tmp_path / "clicks").mkdir()

    result = make("source", "clicks")

    assert result.exit_code == 2
    assert "clicks exists already" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["clicks"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../clicks", "can't be the name of a package"),
        ("1clicks", "can't be the name of a package"),
        ("clicks-", "can't be the name of a package"),
        ("json", "json is a name of Python's own; choose another one, such as json-connector"),
        ("class", "class is a name of Python's own"),
        ("fastconnect", "fastconnect is a name of Python's own"),
    ],
)
def test_a_name_that_cannot_be_a_package_is_refused(make, tmp_path: Path, name: str, why: str):
    result = make("source", name)

    assert result.exit_code == 2
    assert why in result.output
    assert list(tmp_path.iterdir()) == []
    assert why_not("Order-Archive", "order_archive") is None
