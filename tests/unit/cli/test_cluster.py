"""Which cluster a command asks."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import click
import pytest
from fakes.memory_herder import MemoryHerder
from fakes.rest_cluster import serving

from fastconnect.cli.cluster import cluster_of, complete_connector
from fastconnect.cli.connectors import connectors
from fastconnect.client import contexts
from fastconnect.client.cluster import Cluster
from fastconnect.client.contexts import Contexts
from fastconnect.errors import ConfigError


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    monkeypatch.setenv("FASTCONNECT_HOME", str(tmp_path))
    monkeypatch.delenv("FASTCONNECT_URL", raising=False)
    monkeypatch.delenv("FASTCONNECT_PASSWORD", raising=False)
    contexts.save(Contexts("used", {"used": Cluster(("http://used",)), "other": Cluster(("https://other",), "me", "geheim")}))
    return monkeypatch


def test_what_is_said_closest_counts(environment: pytest.MonkeyPatch):
    assert cluster_of().urls == ("http://used",)
    environment.setenv("FASTCONNECT_URL", "http://environment")
    assert cluster_of().urls == ("http://environment",)
    assert cluster_of(context="other").urls == ("https://other",)
    assert cluster_of(url="http://option").urls == ("http://option",)


def test_without_anything_it_is_this_machine():
    contexts.save(Contexts())
    assert cluster_of().urls == ("http://127.0.0.1:8083",)


def test_an_address_and_a_context_exclude_each_other():
    with pytest.raises(click.UsageError, match="exclude each other"):
        cluster_of(url="http://a", context="used")


def test_options_count_more_than_the_context():
    cluster = cluster_of(context="other", ca_file="ca.pem", insecure=True)
    assert (cluster.ca_file, cluster.insecure, cluster.user, cluster.password) == ("ca.pem", True, "me", "geheim")


def test_another_user_does_not_get_the_contexts_password(environment: pytest.MonkeyPatch):
    environment.setenv("FASTCONNECT_PASSWORD", "hers")
    assert cluster_of(context="other", user="she").password == "hers"
    assert cluster_of(context="other", user="me").password == "geheim"


def test_a_password_that_nobody_can_give_is_a_sentence():
    with pytest.raises(ConfigError, match="FASTCONNECT_PASSWORD"):
        cluster_of(url="http://a", user="me")


def test_without_the_http_client_it_is_said_what_to_install(environment: pytest.MonkeyPatch):
    environment.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ConfigError, match=r"Asking a cluster needs packages that are not installed \(httpx2\).*\[rest\]"):
        connectors.main(["--url", "http://a"], standalone_mode=False)


def test_names_of_connectors_are_completed(environment: pytest.MonkeyPatch):
    herder = MemoryHerder()
    for name in ("orders", "other", "clicks"):
        herder.put_connector(name, {"connector.class": "C"}, replace=True)
    with serving(herder) as url:
        ctx = click.Context(connectors)
        ctx.params = {"url": url}
        assert [item.value for item in complete_connector(ctx, connectors.params[0], "o")] == ["orders", "other"]


def test_nothing_is_completed_where_nobody_answers():
    ctx = click.Context(connectors)
    ctx.params = {"url": "http://127.0.0.1:1"}
    assert complete_connector(ctx, connectors.params[0], "") == []
