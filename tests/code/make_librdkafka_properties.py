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

HEAD = '''"""The producer properties of librdkafka {version}: made by tests/code/make_librdkafka_properties.py, not by hand.

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
    return [row for row in rows if len(row) == 6 and row[1] in ("*", "P")]


def render() -> str:
    """Return the module's text."""
    ranges: dict[str, str] = {}
    aliases: dict[str, str] = {}
    for name, _, limits, _, _, description in table():
        if name in ranges or name in aliases or "see dedicated API" in description:
            continue
        if alias := re.match(r"Alias for `([^`]+)`", description):
            aliases[name] = alias[1]
            continue
        number = re.search(r"\*Type: (integer|float)\*", description)
        ranges[name] = f"{number[1]} {limits}" if number else "" if "CSV flags" in description else limits
    text = HEAD.format(version=librdkafka.version)
    text += "RANGES: dict[str, str] = {\n" + "".join(f'    "{name}": "{limits}",\n' for name, limits in sorted(ranges.items()))
    text += '}\n"""Name -> `integer 0 .. 10`, `float 0 .. 10`, the words it may be, or nothing where it may be any text."""\n\n'
    text += "ALIASES: dict[str, str] = {\n" + "".join(f'    "{name}": "{meant}",\n' for name, meant in sorted(aliases.items()))
    return text + '}\n"""Second names, and the first one of each."""\n'


if __name__ == "__main__":
    TARGET.write_text(render())
