"""The loop that everybody writes with confluent-kafka: a line, produce, poll. One process, one thread of Python.

python confluent_loop.py FILE TOPIC SETTINGS_JSON; prints the seconds of its send part as JSON: from the first acknowledgement
until flush returns. Only the first message has a delivery callback: one for each would halve the speed, and the records are
counted in the topic anyway.
"""

from __future__ import annotations

import json
import sys
import time

from confluent_kafka import Producer


def main(path: str, topic: str, settings: str) -> None:
    producer = Producer(json.loads(settings))
    first_ack: list[float] = []
    records = 0
    with open(path, "rb") as lines:
        producer.produce(
            topic, next(lines).rstrip(b"\n"), on_delivery=lambda _error, _message: first_ack.append(time.monotonic())
        )
        for records, line in enumerate(lines, 2):  # noqa: B007
            while True:
                try:
                    producer.produce(topic, line.rstrip(b"\n"))
                    break
                except BufferError:
                    producer.poll(0.1)  # the queue is full: hear what was delivered, then try again
            producer.poll(0)
    left = producer.flush(60)
    print(json.dumps({"records": records, "failed": left, "send_seconds": time.monotonic() - first_ack[0]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
