"""Shuts out the producers of earlier tasks of an exactly-once source, so that none of them writes any more (KIP-618).

A new producer of the same transactional id has the broker refuse the old one; it has nothing else to do. It blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from confluent_kafka import KafkaException, Producer

from fastconnect.config.task_clients import admin_properties
from fastconnect.config.worker import WorkerConfig
from fastconnect.errors import ConnectError

WITHIN_S = 30.0


def producer_fencing(worker: WorkerConfig, group_id: str) -> Callable[[str, Mapping[str, str | None], int], None]:
    """What shuts out the producers of so many tasks of a connector of this group."""

    def fence(name: str, config: Mapping[str, str | None], count: int) -> None:
        properties = admin_properties(worker.resolved(), config, f"connector-fencing-{name}")
        for task in range(count):
            transactional_id = f"{group_id}-{name}-{task}"  # as Kafka Connect names them
            producer = Producer({**properties, "log_level": "2", "transactional.id": transactional_id})
            try:
                producer.init_transactions(WITHIN_S)
            except KafkaException as error:
                why = error.args[0].str()
                raise ConnectError(f"Failed to fence the producer {transactional_id} of connector {name}: {why}") from error

    return fence
