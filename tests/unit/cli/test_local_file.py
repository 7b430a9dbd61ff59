from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fastconnect import FunctionError, SinkConnector, plugins
from fastconnect.cli.local_file import LocalFile

TWO = """
from fastconnect import SourceConnector, sink, source

@source
def clicks():
    yield 1

@sink
def shown(records):
    print(records)

def helper():
    pass

limit = 5
"""


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Writes a Python file; what was imported of it is forgotten afterwards."""
    modules, path = set(sys.modules), list(sys.path)

    def write(text: str, name: str = "of_a_user.py") -> Path:
        file = tmp_path / name
        file.write_text(text)
        return file

    yield write
    for name in set(sys.modules) - modules:
        del sys.modules[name]
    sys.path[:] = path
    for plugin in ("of_a_user:clicks", "of_a_user:shown", "of_a_user", "json"):
        plugins.unregister(plugin)


def test_a_path_may_have_a_name_behind_it() -> None:
    assert LocalFile.parse("/a/clicks.py:page") == LocalFile(Path("/a/clicks.py"), "page")
    assert LocalFile.parse("/a/clicks.py") == LocalFile(Path("/a/clicks.py"))
    assert LocalFile.parse("clicks.py:page") == LocalFile(Path.cwd() / "clicks.py", "page")
    assert LocalFile.parse("/a/clicks.properties") is None
    assert LocalFile.parse("C:clicks.json") is None


def test_the_connector_is_called_after_the_file_and_the_function() -> None:
    assert LocalFile(Path("/a/clicks.py"), "page").connector_name == "clicks-page"
    assert LocalFile(Path("/a/clicks.py")).connector_name == "clicks"


def test_its_connector_becomes_known_and_gets_its_topic(write: Callable[[str], Path]) -> None:
    path = write(TWO)
    clicks = LocalFile(path, "clicks", topic="t")
    assert clicks.register({"name": "n"}) == {"name": "n", "topic": "t"}
    assert plugins.find("source", clicks.connector_class).__name__ == "clicks"
    shown = LocalFile(path, "shown", topic="t")
    assert shown.register({"name": "n"}) == {"name": "n", "topics": "t"}
    assert issubclass(plugins.find("sink", shown.connector_class), SinkConnector)


def test_the_only_connector_of_a_file_needs_no_name(write: Callable[[str], Path]) -> None:
    file = LocalFile(write("from fastconnect import source\n@source\ndef only():\n    yield 1\n"))
    file.register({})
    assert plugins.find("source", file.connector_class).__name__ == "only"


def test_a_class_is_as_good_as_a_function(write: Callable[[str], Path]) -> None:
    file = LocalFile(write("from fastconnect import SourceConnector\nclass Clicks(SourceConnector): pass\n"), "Clicks")
    file.register({})
    assert plugins.find("source", file.connector_class).__name__ == "Clicks"


def test_what_lies_beside_the_file_can_be_imported_and_hides_nothing(write: Callable[..., Path]) -> None:
    write("ANSWER = 42", "beside_it.py")
    write("raise ValueError('this is not the json module')", "json.py")
    text = (
        "import beside_it, json\nfrom fastconnect import source\n@source\ndef only():\n    yield json.dumps(beside_it.ANSWER)\n"
    )
    LocalFile(write(text)).register({})


def test_a_file_may_have_the_name_of_an_installed_module(write: Callable[..., Path]) -> None:
    before = sys.modules["json"] = __import__("json")
    LocalFile(write("from fastconnect import source\n@source\ndef only():\n    yield 1\n", "json.py")).register({})
    assert sys.modules["json"] is before


@pytest.mark.parametrize(
    ("text", "name", "why"),
    [
        (TWO, "click", "there is nothing called click in it; did you mean clicks? (connectors in it: clicks, shown)"),
        (TWO, None, "the file has 2 connectors: clicks, shown (name one: of_a_user.py:clicks)"),
        (TWO, "helper", "helper is no connector (put @source or @sink above it)"),
        (TWO, "limit", "limit is a int, no connector (connectors in it: clicks, shown)"),
        ("x = 1", None, "the file has no connector (put @source or @sink above a function)"),
        (
            "import no_such_module",
            "x",
            "the file cannot be imported: ModuleNotFoundError: No module named 'no_such_module'\n"
            "    line 1, in <module>: import no_such_module (install it into fastconnect's environment)",
        ),
        ("def f(:", "x", "the file cannot be imported: SyntaxError: invalid syntax (of_a_user.py, line 1)"),
        (
            "def half():\n    return 1 / 0\nhalf()",
            "x",
            "the file cannot be imported: ZeroDivisionError: division by zero\n"
            "    line 3, in <module>: half()\n    line 2, in half: return 1 / 0",
        ),
        ("raise SystemExit(3)", "x", "the file cannot be imported: it has called sys.exit(3)\n    line 1, in <module>: raise"),
        (
            "from fastconnect import source\n@source\ndef f(*urls):\n    yield 1",
            "f",
            "the file cannot be imported: TypeError: f: the parameter *urls cannot be a setting; give it a plain name",
        ),
        ("open('/no/such/file')", "x", "the file cannot be imported: FileNotFoundError: "),
    ],
)
def test_what_is_wrong_with_a_file_is_told_by_the_file_and_its_line(
    write: Callable[[str], Path], text: str, name: str | None, why: str
) -> None:
    path = write(text)
    with pytest.raises(FunctionError, match=re.escape(f"{path}: {why}")) as failed:
        LocalFile(path, name).register({})
    assert not failed.value.retry_helps


def test_a_file_that_has_vanished_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(FunctionError, match="there is no such file"):
        LocalFile(tmp_path / "gone.py", "x").register({})
