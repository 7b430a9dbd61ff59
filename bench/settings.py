"""What every contestant is given alike: the producer's settings, the topic, the sizes; and where the benchmarks keep things."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
PROJECT = HERE.parent
WORK = HERE / ".work"  # all that a run makes besides its results; may be deleted at any time
RESULTS = HERE / "results"
SCENARIOS = HERE / "end_to_end"

LINES = 4_000_000  # of about 86 bytes: 345 MB, several seconds for the slowest rival and well over one for the fastest
REPEATS = 5
PARTITIONS = 8

# The same words mean the same to librdkafka (ours, kcat, the Python loop, mq-bridge) and to the Java producer.
SHARED_PRODUCER = {
    "acks": "all",
    "enable.idempotence": "true",
    "linger.ms": "50",
    "batch.size": "1000000",  # librdkafka's default; Java's is 16384, which made Kafka Connect slower here
    "compression.type": "none",
}
# A librdkafka producer holds 100,000 messages by default: 9 MB of these lines, hardly what is in flight at 2 M/s.
LIBRDKAFKA_PRODUCER = SHARED_PRODUCER | {"queue.buffering.max.messages": "1000000"}
# Kafka Connect sets max.in.flight.requests.per.connection=1 by itself; 5 is what an idempotent producer may have.
JAVA_PRODUCER = SHARED_PRODUCER | {"max.in.flight.requests.per.connection": "5"}
