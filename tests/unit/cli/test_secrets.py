"""Secrets in configurations that are shown."""

from __future__ import annotations

import pytest
from fakes.rest_cluster import Scripted, error

from fastconnect.cli.secrets import Secrets, refuse_hidden
from fastconnect.client.cluster import Cluster
from fastconnect.client.rest_client import RestClient
from fastconnect.errors import ConfigError


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("topic", "t", "t"),
        ("connection.password", "geheim", "[hidden]"),
        ("aws.Secret.Access.Key", "geheim", "[hidden]"),
        ("producer.override.sasl.jaas.config", "geheim", "[hidden]"),
        ("connection.password", "${file:/etc/db:password}", "${file:/etc/db:password}"),
        ("connection.password", "${file:/etc/db:password}geheim", "[hidden]"),
        ("connection.url", "jdbc:postgresql://me:geheim@db/x", "jdbc:postgresql://me:[hidden]@db/x"),
        ("connection.url", "http://db:80/a@b", "http://db:80/a@b"),
        ("connection.password", "", ""),
        ("connection.password", None, None),
    ],
)
def test_what_looks_secret_is_hidden(key: str, value: str | None, shown: str | None):
    assert Secrets().text("C", key, value) == shown


def test_what_the_plugin_calls_a_password_is_hidden_and_it_is_asked_once():
    keys = [{"name": "pin", "type": "PASSWORD"}, {"name": "topic", "type": "STRING"}]
    with Scripted((200, keys)) as server, RestClient(Cluster((server.url,))) as client:
        secrets = Secrets(client)
        assert secrets.config({"connector.class": "C", "pin": "1234", "topic": "t"}) == {
            "connector.class": "C",
            "pin": "[hidden]",
            "topic": "t",
        }
    assert len(server.requests) == 1


def test_a_plugin_that_the_cluster_does_not_know_is_no_error():
    with Scripted(error(404, "Unknown plugin C.")) as server, RestClient(Cluster((server.url,))) as client:
        assert Secrets(client).text("C", "topic", "t") == "t"


def test_a_config_whose_secrets_were_hidden_is_refused_before_it_becomes_one():
    with pytest.raises(ConfigError) as refused:
        refuse_hidden([("a.json", {"x": "[hidden]", "y": "me:[hidden]@db", "z": "1", "n": None})])
    assert "a.json: x" in str(refused.value)
    assert "a.json: y" in str(refused.value)
    refuse_hidden([("a.json", {"z": "1", "n": None})])
