"""Addresses, passwords and certificates of a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastconnect.client.cluster import Cluster, parse_urls
from fastconnect.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://a:8083", (("http://a:8083",), None, None)),
        ("a:8083", (("http://a:8083",), None, None)),
        ("https://a/connect/", (("https://a/connect",), None, None)),
        ("http://a:1, https://b:2", (("http://a:1", "https://b:2"), None, None)),
        ("http://me:p%40ss@a:1", (("http://a:1",), "me", "p@ss")),
        ("http://[::1]:8083", (("http://[::1]:8083",), None, None)),
    ],
    ids=["one", "no scheme", "a path", "two", "user and password", "IPv6"],
)
def test_addresses(text, expected):
    assert parse_urls(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", " , ", "ftp://a", "http://", "http://a:x", "http://a?x=1", "http://a:99999", "http://a b", "http://a\x1b"],
    ids=repr,
)
def test_what_is_no_address_is_a_sentence(text):
    with pytest.raises(ConfigError, match="address of a REST API"):
        parse_urls(text)


def test_a_password_in_a_wrong_address_is_not_repeated():
    with pytest.raises(ConfigError) as refused:
        parse_urls("ftp://me:geheim@a")
    assert "geheim" not in str(refused.value)


def test_a_password_comes_from_its_file_without_the_end_of_its_line(tmp_path: Path):
    file = tmp_path / "password"
    file.write_text("geheim\n")
    assert Cluster(user="me", password_file=str(file)).credentials == ("me", "geheim")
    assert Cluster(user="me", password="x").credentials == ("me", "x")
    assert Cluster().credentials is None


def test_a_password_file_that_is_not_there_is_a_sentence():
    with pytest.raises(ConfigError, match="the password cannot be read: No such file"):
        _ = Cluster(user="me", password_file="/nowhere").credentials


def test_a_cluster_is_written_without_its_password():
    assert "geheim" not in f"{Cluster(user='me', password='geheim')!r} {Cluster(user='me', password='geheim')}"


def test_certificates_are_looked_at_for_https_only():
    assert Cluster(ca_file="/nowhere").tls() is None
    with pytest.raises(ConfigError, match="/nowhere: the certificates cannot be used: No such file"):
        Cluster(("https://a",), ca_file="/nowhere").tls()


def test_a_clients_certificate_that_is_none_is_a_sentence(tmp_path: Path):
    (tmp_path / "cert.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match="certificate and key cannot be used"):
        Cluster(("https://a",), cert_file=str(tmp_path / "cert.pem")).tls()


def test_insecure_takes_any_certificate():
    context = Cluster(("https://a",), insecure=True).tls()
    assert context is not None
    assert not context.check_hostname
