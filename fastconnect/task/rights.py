"""What a task's user lacks where brokers refuse it something: which right, on what, so that somebody can grant it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from fastconnect.errors import ConnectError


@contextlib.contextmanager
def explained(client: Mapping[str, str]) -> Iterator[None]:
    """Have an error that means a missing right say which one.

    Args:
        client: librdkafka's properties of the task's producer, or of its consumer, which has a `group.id`.
    """
    try:
        yield
    except ConnectError as error:
        error.hint = missing_right(error.message, client) or error.hint
        error.message = error.message.rstrip(".")  # librdkafka ends some with a full stop
        raise


def missing_right(message: str, client: Mapping[str, str]) -> str | None:
    """What is to be granted to whom, by what an error says; None if it is about something else."""
    user = user_of(client)
    if "GROUP_AUTHORIZATION_FAILED" in message:
        return f"{user} needs the right Read on the consumer group {client.get('group.id')}"
    if "TRANSACTIONAL_ID_AUTHORIZATION_FAILED" in message:
        return f"{user} needs the rights Write and Describe on the transactional id"
    if "CLUSTER_AUTHORIZATION_FAILED" in message and "idempotence" in message:
        # So brokers answer a producer that may write to no topic whatever; before Kafka 2.8 they wanted IdempotentWrite.
        return f"{user} needs the right Write on its topics; with brokers before 2.8 also IdempotentWrite on the cluster"
    if "TOPIC_AUTHORIZATION_FAILED" in message:
        if message.startswith("reading"):
            return f"{user} needs the rights Read and Describe on the topic"
        if "create" in message:
            return f"{user} needs the right Create on the topic, unless somebody else creates it"
        return f"{user} needs the rights Write and Describe on the topic, and Create if it does not exist yet"
    return None


def user_of(client: Mapping[str, str]) -> str:
    """Who a client is, for the brokers."""
    protocol = client.get("security.protocol", "plaintext").lower()
    if protocol.startswith("sasl"):
        name = client.get("sasl.username") or client.get("sasl.kerberos.principal")
        return f"the user {name}" if name else "the user that this client signs in as"
    if protocol == "ssl":
        return "the user of this client's certificate"
    return "a client that does not sign in (User:ANONYMOUS)"
