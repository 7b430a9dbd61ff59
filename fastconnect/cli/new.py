"""`fastconnect new`: a project folder for a connector, with tests that pass."""

from __future__ import annotations

import keyword
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from string import Template

import click

TEMPLATES = Path(__file__).with_name("templates")

NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*([-_][A-Za-z0-9]+)*")


@click.command()
@click.argument("kind", type=click.Choice(["source", "sink"]))
@click.argument("name", metavar="NAME")
@click.option("--function/--class", "as_function", default=True, help="Begin with one function (the default), or with classes.")
def new(kind: str, name: str, as_function: bool) -> None:
    """Make a folder NAME with a connector that works, its tests, and all that makes it an installable plugin.

    A function is the quickest to write. Classes can divide their work among several tasks, and a sink of classes can keep a
    connection open.

    \b
    Examples:
      fastconnect new source clicks
      fastconnect new sink order-archive --class
    """
    module = name.replace("-", "_").lower()
    refusal = why_not(name, module)
    if refusal:
        raise click.BadParameter(refusal, param_hint="NAME")
    folder = Path(name)
    if folder.exists():
        raise click.BadParameter(f"{folder} exists already", param_hint="NAME")
    connector = module if as_function else _class_name(name, kind)
    words = {"name": name, "module": module, "connector": connector, "kind": kind}
    write_project(folder, f"{kind}_{'function' if as_function else 'class'}", words)
    click.echo(f"Made {folder}: the connector is in {folder}/src/{module}/__init__.py. Next:")
    click.echo(f"  cd {folder} && make test")


def why_not(name: str, module: str) -> str | None:
    """Why a connector cannot be called so; None if it can."""
    if not NAME.fullmatch(name):
        return f"{name!r} can't be the name of a package: use letters, digits, - and _, such as order-archive"
    if keyword.iskeyword(module) or module in sys.stdlib_module_names or module == "fastconnect":
        return f"{module} is a name of Python's own; choose another one, such as {name}-connector"
    return None


def write_project(folder: Path, template: str, words: dict[str, str]) -> None:
    """Fill in the templates; the folder is there as a whole, or not at all."""
    module = words["module"]
    files = {
        "pyproject.toml": "common/pyproject.toml",
        "README.md": "common/README.md",
        "Makefile": "common/Makefile",
        ".gitignore": "common/gitignore",
        f"{words['name']}.properties": f"{template}/config.properties",
        f"src/{module}/__init__.py": f"{template}/module.py",
        f"tests/test_{module}.py": f"{template}/test.py",
    }
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for target, source in files.items():
            path = made / target
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(Template((TEMPLATES / f"{source}.template").read_text()).substitute(words))
        (made / "src" / module / "py.typed").touch()
        made.chmod(0o777 & ~_umask())
        made.rename(folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _class_name(name: str, kind: str) -> str:
    words = re.split(r"[-_]", name)
    return "".join(word[0].upper() + word[1:] for word in words) + kind.capitalize()


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
