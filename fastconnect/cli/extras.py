"""What is only there if an extra of the package was installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

from fastconnect.errors import ConfigError

MODULES = {
    "rest": ("starlette", "uvicorn", "httpx2"),
    "distributed": ("starlette", "uvicorn", "httpx2", "kafka"),
}


def require(extra: str, what: str, modules: Sequence[str] = ()) -> None:
    """Make sure that the packages of an extra are installed.

    Args:
        what: what needs them, for the user.
        modules: those of them that are needed, if not all are.
    Raises:
        ConfigError: one is missing; with the command that installs them.
    """
    missing = [name for name in modules or MODULES[extra] if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"{what} needs packages that are not installed ({', '.join(missing)})",
            hint=f"pip install 'fastconnect-kafka[{extra}]'",
        )
