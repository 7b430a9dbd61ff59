"""A member whose brokers want TLS with a certificate, and a user with a password."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.certificates import PASSWORD, Authority
from fakes.group_member import MemberProcess
from fakes.own_broker import OwnBroker, free_ports

JAAS = (
    "listener.name.sasl_ssl.plain.sasl.jaas.config="
    'org.apache.kafka.common.security.plain.PlainLoginModule required user_worker="its password";'
)


class SecuredBroker(OwnBroker):
    """A broker with a second address, for which TLS, a certificate and a user are needed."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.secured_port = free_ports()[0]
        super().__init__(
            folder,
            ssl_keystore_type="PKCS12",
            ssl_keystore_location=str(authority.p12),
            ssl_keystore_password=PASSWORD,
            ssl_truststore_type="PEM",
            ssl_truststore_location=str(authority.ca),
            ssl_client_auth="required",
            sasl_enabled_mechanisms="PLAIN",
            offsets_topic_num_partitions="1",
        )
        file = next(folder.glob("*.properties"))
        secured = f"SASL_SSL://127.0.0.1:{self.secured_port}"
        lines = []
        for line in file.read_text().splitlines():
            key = line.partition("=")[0]
            more = {"listeners": secured, "advertised.listeners": secured}.get(key)
            if key == "listener.security.protocol.map":
                more = "SASL_SSL:SASL_SSL"
            lines.append(f"{line},{more}" if more else line)
        file.write_text("\n".join([*lines, JAAS, ""]))


@pytest.fixture
def broker(tmp_path: Path, authority: Authority, kafka: str) -> Iterator[SecuredBroker]:  # kafka: its jars are there
    one = SecuredBroker(tmp_path / "broker", authority)
    one.start()
    yield one
    one.close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def member(broker: SecuredBroker, authority: Authority, name: str, password: str) -> MemberProcess:
    java = {
        "security.protocol": "SASL_SSL",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.ca),
        "ssl.keystore.type": "PKCS12",
        "ssl.keystore.location": str(authority.p12),
        "ssl.keystore.password": PASSWORD,
        "sasl.mechanism": "PLAIN",
        "sasl.jaas.config": f'org.apache.kafka.PlainLoginModule required username="worker" password="{password}";',
    }
    return MemberProcess(f"127.0.0.1:{broker.secured_port}", "secured", name, {"a": 2}, java)


def test_a_member_comes_in_with_its_certificate_and_password(broker: SecuredBroker, authority: Authority) -> None:
    one = member(broker, authority, "w1", "its password")
    try:
        one.is_told("assigned")
        assert one.told[0]["what"] == "a, a-0, a-1"
    finally:
        one.close()
