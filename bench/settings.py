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

# The same words mean the same to librdkafka (ours, kcat, the Python loop, mq-bridge) and to the Java producer. They are what a
# user of fastconnect has without saying anything.
SHARED_PRODUCER = {
    "acks": "all",
    "enable.idempotence": "true",
    "linger.ms": "5",  # the Java client's own default too
    "batch.size": "1000000",  # librdkafka's default; Java's is 16384, which made Kafka Connect slower here
    "compression.type": "none",
}
LIBRDKAFKA_PRODUCER = SHARED_PRODUCER | {
    "batch.num.messages": "100000",
    "queue.buffering.max.messages": "100000",  # librdkafka's own default
}
# What kcat can be given to be at its best: it has nothing but the queue between reading and sending.
PATIENT_PRODUCER = LIBRDKAFKA_PRODUCER | {"linger.ms": "50", "queue.buffering.max.messages": "1000000"}
# Kafka Connect sets max.in.flight.requests.per.connection=1 by itself; 5 is what an idempotent producer may have.
JAVA_PRODUCER = SHARED_PRODUCER | {"max.in.flight.requests.per.connection": "5"}
