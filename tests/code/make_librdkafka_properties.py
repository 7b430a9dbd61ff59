"""Writes fastconnect/config/librdkafka_properties.py anew from the librdkafka that is installed: `python <this file>`.

librdkafka prints its table of properties; asking it while a config is checked is no way, since the checking process may fork.
"""

from __future__ import annotations

import ctypes
import os
import re
import tempfile
from pathlib import Path

from fastconnect import librdkafka

TARGET = Path(__file__).parents[2] / "fastconnect" / "config" / "librdkafka_properties.py"

HEAD = '''"""Producer and consumer properties of librdkafka {version}: made by make_librdkafka_properties.py, not by hand.

What only code can set (callbacks and the like) is not among them.
"""

from __future__ import annotations

VERSION = "{version}"

'''


def table() -> list[list[str]]:
    """Return the cells of each row that librdkafka prints."""
    library = librdkafka.load()
    libc = ctypes.CDLL(None)
    libc.fopen.restype = ctypes.c_void_p
    libc.fclose.argtypes = [ctypes.c_void_p]
    library.rd_kafka_conf_properties_show.argtypes = [ctypes.c_void_p]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "properties")
        file = libc.fopen(path.encode(), b"w")
        library.rd_kafka_conf_properties_show(file)
        libc.fclose(file)
        rows = [[cell.strip() for cell in line.split("|", 5)] for line in Path(path).read_text().splitlines()]
    return [row for row in rows if len(row) == 6 and row[1] in ("*", "P", "C")]


def render() -> str:
    """Return the module's text."""
    ranges, aliases = _read([row for row in table() if row[1] != "C"])
    consumer_ranges, consumer_aliases = _read([row for row in table() if row[1] == "C"])
    text = HEAD.format(version=librdkafka.version)
    text += _dict("RANGES", ranges, "A producer's: name -> `integer 0 .. 10`, `float 0 .. 10`, words, or nothing for any text.")
    text += _dict("ALIASES", aliases, "Second names, and the first one of each.")
    text += _dict("CONSUMER_RANGES", consumer_ranges, "What only a consumer has.")
    text += _dict("CONSUMER_ALIASES", consumer_aliases, "Second names of what only a consumer has.")
    only = sorted({row[0] for row in table() if row[1] == "P"} & ({*ranges} | {*aliases}))
    text += "PRODUCER_ONLY = frozenset(\n    {\n" + "".join(f'        "{name}",\n' for name in only) + "    }\n)\n"
    return text + '"""What a consumer does not have."""\n'


def _dict(name: str, content: dict[str, str], says: str) -> str:
    lines = "".join(f'    "{key}": "{value}",\n' for key, value in sorted(content.items()))
    return f'{name}: dict[str, str] = {{\n{lines}}}\n"""{says}"""\n\n'


def _read(rows: list[list[str]]) -> tuple[dict[str, str], dict[str, str]]:
    ranges: dict[str, str] = {}
    aliases: dict[str, str] = {}
    for name, _, limits, _, _, description in rows:
        if name in ranges or name in aliases or "see dedicated API" in description:
            continue
        if alias := re.match(r"Alias for `([^`]+)`", description):
            aliases[name] = alias[1]
            continue
        number = re.search(r"\*Type: (integer|float)\*", description)
        ranges[name] = f"{number[1]} {limits}" if number else "" if "CSV flags" in description else limits
    return ranges, aliases


if __name__ == "__main__":
    TARGET.write_text(render())
