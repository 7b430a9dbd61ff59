"""docs/schema-registry.md does what it says, with a real registry and a real broker."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fakes.commands import Shell
from fakes.topics import Topics

from fastconnect.converters.registry.avro import AvroConverter

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("registry")]

PAGE = Path(__file__).parents[3] / "docs" / "schema-registry.md"
BLOCK = re.compile(r"^```(?:jsonl|properties) (?P<name>[\w.]+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_pages_example_loads_lines_of_json_as_avro(
    run: Shell, topics: Topics, registry: str, topic: str, tmp_path: Path
) -> None:
    found = BLOCK.findall(PAGE.read_text())
    assert [name for name, _ in found] == ["orders.jsonl", "orders.properties"]
    for name, code in found:
        text = code.replace("http://localhost:8081", registry).replace("topic=orders", f"topic={topic}")
        (tmp_path / name).write_text(text.replace("paths=orders.jsonl", f"paths={tmp_path}/orders.jsonl"))
    ended = run.run("run", tmp_path / "orders.properties", "--until-done", "--bootstrap-servers", topics.bootstrap)
    assert ended.code == 0, str(ended)
    converter = AvroConverter()
    converter.configure({"schema.registry.url": registry}, is_key=False)
    values = [converter.to_connect_data(topic, record.value).value for record in topics.read(topic)]
    assert sorted((value["id"], value["customer"], value["amount"], value["note"]) for value in values) == [
        (1, "ada", 12.5, None),
        (2, "bob", 7.0, "gift"),
    ]
