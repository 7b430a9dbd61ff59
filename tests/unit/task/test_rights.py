"""What is to be granted, by what librdkafka says."""

from __future__ import annotations

import pytest

from fastconnect.errors import SendError
from fastconnect.task.rights import explained, missing_right, user_of

CONSUMER = {"security.protocol": "SASL_SSL", "sasl.username": "ann", "group.id": "connect-orders"}


@pytest.mark.parametrize(
    ("message", "right"),
    [
        pytest.param(
            "reading from Kafka failed: GROUP_AUTHORIZATION_FAILED: FindCoordinator response error",
            "the user ann needs the right Read on the consumer group connect-orders",
            id="group",
        ),
        pytest.param(
            "reading from Kafka failed: TOPIC_AUTHORIZATION_FAILED: Subscribed topic not available: orders",
            "the user ann needs the rights Read and Describe on the topic",
            id="topic that is read",
        ),
        pytest.param(
            "topic orders cannot be written to: TOPIC_AUTHORIZATION_FAILED: Broker: Topic authorization failed",
            "the user ann needs the rights Write and Describe on the topic, and Create if it does not exist yet",
            id="topic that is written",
        ),
        pytest.param(
            "topic orders cannot be created: TOPIC_AUTHORIZATION_FAILED",
            "the user ann needs the right Create on the topic, unless somebody else creates it",
            id="topic that is created",
        ),
        pytest.param(
            "CLUSTER_AUTHORIZATION_FAILED: Failed to acquire idempotence PID from broker",
            "the user ann needs the right Write on its topics; with brokers before 2.8 also IdempotentWrite on the cluster",
            id="idempotent producer",
        ),
        pytest.param(
            "TRANSACTIONAL_ID_AUTHORIZATION_FAILED: no",
            "the user ann needs the rights Write and Describe on the transactional id",
            id="transactional id",
        ),
        pytest.param("_TRANSPORT: Connection refused", None, id="something else"),
    ],
)
def test_the_missing_right_is_named(message: str, right: str | None) -> None:
    assert missing_right(message, CONSUMER) == right


@pytest.mark.parametrize(
    ("client", "user"),
    [
        pytest.param({}, "a client that does not sign in (User:ANONYMOUS)", id="plaintext"),
        pytest.param({"security.protocol": "SSL"}, "the user of this client's certificate", id="ssl"),
        pytest.param({"security.protocol": "sasl_plaintext", "sasl.username": "bob"}, "the user bob", id="sasl"),
        pytest.param({"security.protocol": "SASL_SSL"}, "the user that this client signs in as", id="oauth"),
    ],
)
def test_the_user_is_told_as_the_broker_knows_it(client: dict[str, str], user: str) -> None:
    assert user_of(client) == user


def test_an_error_about_something_else_keeps_its_hint() -> None:
    with pytest.raises(SendError, match=r"^it is full \(make room\)$"), explained(CONSUMER):
        raise SendError("it is full.", hint="make room")
