"""Commands that find the plugins in `plugins/`, which misbehave."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path

from fakes.commands import Shell, shell

PLUGINS = Path(__file__).with_name("plugins")
"""A folder like site-packages, with one installed package."""


def shell_with_plugins(folder: Path) -> AbstractContextManager[Shell]:
    """A shell for a `with`, whose commands find them."""
    return shell(folder, PYTHONPATH=os.pathsep.join([str(PLUGINS), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep))
