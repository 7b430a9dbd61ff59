"""Which store is opened; what each of them does is in the contract suite."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from fastconnect.config.offset_storage import OffsetStorage
from fastconnect.storage.kafka_offsets import KafkaOffsetStore
from fastconnect.storage.open_offsets import open_offset_store
from fastconnect.storage.sqlite import SqliteOffsetStore


def test_without_a_topic_it_is_the_file(tmp_path: Path) -> None:
    store = open_offset_store(OffsetStorage(file=str(tmp_path / "offsets"), write_timeout_ms=1))
    assert isinstance(store, SqliteOffsetStore)
    store.close()
    assert (tmp_path / "offsets").exists()


def test_with_a_topic_it_is_the_topic_which_is_asked_for_nothing_yet(tmp_path: Path) -> None:
    client = {"bootstrap.servers": "127.0.0.1:1"}
    store = open_offset_store(OffsetStorage(file=str(tmp_path / "x"), write_timeout_ms=1, topic="offsets", client=client), "c")
    assert isinstance(store, KafkaOffsetStore)
    store.close()
    assert not (tmp_path / "x").exists()


def test_a_standalone_worker_does_not_pay_for_the_topics(tmp_path: Path) -> None:
    code = (
        "import sys; from fastconnect.config.offset_storage import OffsetStorage\n"
        "from fastconnect.storage.open_offsets import open_offset_store\n"
        "open_offset_store(OffsetStorage(file=sys.argv[1], write_timeout_ms=1)).close()\n"
        "print([name for name in sys.modules if 'confluent' in name or 'storage.kafka' in name or 'topic_table' in name])"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "offsets")]
    assert subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ).stdout.strip() == "[]"
