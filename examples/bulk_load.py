"""Loads two million JSON lines into Kafka with eight tasks, reads them back and checks that each arrived exactly once.

`make run` calls it. The data set is made once, in the folder `data/`. The broker is the embedded one, unless
FASTCONNECT_BOOTSTRAP_SERVERS names another; the topic is new each time and is deleted at the end.

    python examples/bulk_load.py [LINES] [FILES]
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

FOLDER = Path(__file__).parents[1] / "data"
CITIES = ("Shenzhen", "Nairobi", "Lisbon", "Oslo", "Lima", "Quito", "Perth", "Turin")
PARTITIONS = 8


def line(number: int) -> bytes:
    """Line `number` of the data set; every line is another one."""
    scattered = number * 2654435761 & 0xFFFFFFFF  # Knuth's multiplicative hash: looks random, needs no generator
    return b'{"id":%d,"user":"customer-%d","city":"%s","amount":%d.%02d}\n' % (
        number, scattered % 90_000, CITIES[scattered >> 29].encode(), scattered % 9_973, number % 100,
    )  # fmt: skip


def data_set(lines: int, files: int) -> list[Path]:
    """The files of the data set, made now if they are not there yet."""
    folder = FOLDER / f"{lines}-lines"
    paths = [folder / f"orders-{number}.jsonl" for number in range(files)]
    if not all(path.exists() for path in paths):
        print(f"Making {lines:,} lines in {files} files below {folder} (once) ...", flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        for number, path in enumerate(paths):
            unfinished = path.with_suffix(".unfinished")
            numbers = range(lines * number // files, lines * (number + 1) // files)
            unfinished.write_bytes(b"".join(map(line, numbers)))
            unfinished.rename(path)
    return paths


@contextlib.contextmanager
def kafka() -> Iterator[str]:
    """The bootstrap servers of a broker; the embedded one runs for as long as it is used."""
    if named := os.environ.get("FASTCONNECT_BOOTSTRAP_SERVERS"):
        yield named
        return
    from fastconnect.broker.embedded import acquire

    with acquire(on_progress=lambda sentence: print(sentence, flush=True)) as broker:
        print(f"Using the embedded broker at {broker.bootstrap_servers}.", flush=True)
        yield broker.bootstrap_servers


@contextlib.contextmanager
def new_topic(servers: str) -> Iterator[str]:
    """A topic of eight partitions, for a while."""
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 4})
    name = f"orders-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    admin.create_topics([NewTopic(name, PARTITIONS, 1)])[name].result()
    try:
        yield name
    finally:
        admin.delete_topics([name])[name].result()


def read_back(servers: str, topic: str) -> Iterator[bytes]:
    """The values of all records that the topic has now."""
    consumer = Consumer(
        {"bootstrap.servers": servers, "group.id": "read-back", "enable.auto.commit": False, "fetch.wait.max.ms": 50}
    )
    try:
        left = 0
        for partition in range(PARTITIONS):
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
            left += high - low
        consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
        while left > 0:
            messages = consumer.consume(10_000, timeout=10)
            if not messages:
                raise SystemExit(f"the topic says that it has {left:,} more records, but they do not come")
            left -= len(messages)
            for message in messages:
                yield message.value() or b""
    finally:
        consumer.close()


def check(lines: int, paths: list[Path], values: Iterator[bytes]) -> bool:
    """Compare what came back with what the files hold; print the difference."""
    times_seen = bytearray(lines)
    records = checksum = wrong = 0
    for value in values:
        records += 1
        checksum += zlib.crc32(value)
        number = int(value[6 : value.index(b",")])
        if value + b"\n" != line(number):
            wrong += 1
        times_seen[number] = min(times_seen[number] + 1, 255)
    expected = sum(zlib.crc32(text) for path in paths for text in path.read_bytes().splitlines())
    lost = times_seen.count(0)
    duplicates = records - (lines - lost)
    same = checksum == expected
    print(
        f"{'read back':>10}  {records:,} records, checksum {checksum:x} ({'as in the files' if same else f'not {expected:x}'})"
    )
    print(f"{'lost':>10}  {lost:,}")
    print(f"{'duplicates':>10}  {duplicates:,}")
    if wrong:
        print(f"{'changed':>10}  {wrong:,}")
    return same and lost == duplicates == wrong == 0


def main(lines: int = 2_000_000, files: int = 8) -> int:
    """Make, load, read back, check; 0 only if all is right."""
    paths = data_set(lines, files)
    with kafka() as servers, new_topic(servers) as topic:
        command = ["fastconnect", "ingest", *map(str, paths), "--topic", topic, "--tasks", "8", "--bootstrap-servers", servers]
        print("$ " + " ".join(["fastconnect ingest", f"{paths[0].parent}/*.jsonl", *command[2 + len(paths) :]]), flush=True)
        ended = subprocess.run([Path(sys.executable).with_name("fastconnect"), *command[1:], "--restart"], check=False)
        if ended.returncode != 0:
            return ended.returncode
        right = check(lines, paths, read_back(servers, topic))
    print("Every line is in the topic exactly once." if right else "The topic is not what the files are.")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
