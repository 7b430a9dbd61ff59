"""A broker that lets a worker's user do only what it may: each missing right is named, and granting it is enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from fakes.commands import Shell
from fakes.own_broker import OwnBroker
from fakes.topics import Topics

pytestmark = pytest.mark.integration

USERS = [f"user{number}" for number in range(1, 12)]
"""Each test takes one for itself: what it is granted is nobody else's."""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnBroker]:
    own = OwnBroker(tmp_path_factory.mktemp("broker") / "own", users=USERS, auto_create_topics_enable="false")
    own.start()
    yield own
    own.close()


@pytest.fixture(scope="module")
def theirs(broker: OwnBroker) -> Topics:
    return Topics(broker.bootstrap_servers)


_free = iter(USERS)


class User:
    """A user of the broker, who may do nothing yet, and the commands that are started as that user."""

    def __init__(self, name: str, broker: OwnBroker, shell: Shell) -> None:
        self.name = name
        self._admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers, "log_level": 2})
        self._shell = shell
        self.settings = {
            "bootstrap.servers": f"127.0.0.1:{broker.users_port}",
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "PLAIN",
            "sasl.jaas.config": (
                f'org.apache.kafka.common.security.plain.PlainLoginModule required username="{name}" password="{name}";'
            ),
        }

    def may(self, *rights: tuple[ResourceType, str, AclOperation]) -> None:
        allow = [
            AclBinding(kind, name, ResourcePatternType.LITERAL, f"User:{self.name}", "*", operation, AclPermissionType.ALLOW)
            for kind, name, operation in rights
        ]
        for granted in self._admin.create_acls(allow).values():
            granted.result()

    def run(self, **connector: str) -> tuple[int, str]:
        """Run a connector to its end; its exit code, and why it failed."""
        words = ["run", "--worker", self.worker_file(), "--until-done"]
        for key, value in {"name": self.name, "restart.max.failures": "1", **_dotted(connector)}.items():
            words += ["--set", f"{key}={value}"]
        ended = self._shell.run(*words)
        return ended.code, "\n".join(line for line in ended.err.splitlines() if line.startswith("Failed:"))

    def run_distributed(self, **settings: str) -> str:
        """Start a worker that cannot be one of a group, and return what it says at its end."""
        ended = self._shell.run("run", "--distributed", "--worker", self.worker_file(**settings))
        assert ended.code != 0, ended
        return ended.err

    def worker_file(self, **more: str) -> str:
        """Write a worker file for the user; keys have `_` for `.`."""
        clients = {
            f"{client}.{key}": value for client in ("producer", "consumer", "admin") for key, value in self.settings.items()
        }
        lines = {**self.settings, **clients, "offset.flush.interval.ms": "100", **_dotted(more)}
        path = self._shell.folder / "worker.properties"
        path.write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
        return str(path)


def _dotted(settings: dict[str, str]) -> dict[str, str]:
    return {key.replace("_", "."): value for key, value in settings.items()}


@pytest.fixture
def user(broker: OwnBroker, run: Shell) -> User:
    return User(next(_free), broker, run)


TOPIC, GROUP = ResourceType.TOPIC, ResourceType.GROUP
READ, WRITE, DESCRIBE, CREATE = AclOperation.READ, AclOperation.WRITE, AclOperation.DESCRIBE, AclOperation.CREATE


def test_a_source_without_rights_on_its_topic_says_which(user: User, theirs: Topics, run: Shell, fresh_topic: str) -> None:
    theirs.create(fresh_topic, 1)
    (run.folder / "in").write_text("a\nb\n")
    source = {"connector_class": "FileSource", "paths": str(run.folder / "in"), "topic": fresh_topic}

    code, why = user.run(**source)
    assert code == 1
    assert f"topic {fresh_topic} cannot be written to: TOPIC_AUTHORIZATION_FAILED" in why
    assert (
        f"(the user {user.name} needs the rights Write and Describe on the topic, and Create if it does not exist yet)" in why
    )

    user.may((TOPIC, fresh_topic, DESCRIBE))
    code, why = user.run(**source)
    assert code == 1
    assert f"(the user {user.name} needs the right Write on its topics;" in why

    user.may((TOPIC, "another", WRITE))  # what an idempotent producer needs; so that its record is refused and not itself
    code, why = user.run(**source)
    assert code == 1
    assert "the record was not delivered: TOPIC_AUTHORIZATION_FAILED" in why
    assert f"(the user {user.name} needs the rights Write and Describe on the topic" in why

    user.may((TOPIC, fresh_topic, WRITE))
    assert user.run(**source) == (0, "")
    assert len(theirs.values(fresh_topic)) == 2


def test_a_source_that_may_not_create_its_topic_says_so(user: User, run: Shell, fresh_topic: str) -> None:
    user.may((TOPIC, fresh_topic, WRITE), (TOPIC, fresh_topic, DESCRIBE))
    (run.folder / "in").write_text("a\n")
    source = {
        "connector_class": "FileSource",
        "paths": str(run.folder / "in"),
        "topic": fresh_topic,
        "topic_creation_default_partitions": "1",
        "topic_creation_default_replication_factor": "1",
    }
    code, why = user.run(**source)
    assert code == 1
    assert f"topic {fresh_topic} cannot be created: Authorization failed" in why
    assert "allow the task's principal to create it, or create it yourself" in why

    user.may((TOPIC, fresh_topic, CREATE))
    assert user.run(**source) == (0, "")


def test_a_sink_says_which_right_it_lacks_on_its_group_and_on_its_topic(user: User, theirs: Topics, fresh_topic: str) -> None:
    theirs.create(fresh_topic, 1)
    theirs.write(fresh_topic, b"{}")
    sink = {"connector_class": "NullSink", "topics": fresh_topic}

    user.may((TOPIC, fresh_topic, DESCRIBE))
    code, why = user.run(**sink)
    assert code == 1
    assert "GROUP_AUTHORIZATION_FAILED" in why
    assert f"(the user {user.name} needs the right Read on the consumer group connect-{user.name})" in why

    user.may((GROUP, f"connect-{user.name}", READ))
    code, why = user.run(**sink)
    assert code == 1
    assert "TOPIC_AUTHORIZATION_FAILED" in why
    assert f"(the user {user.name} needs the rights Read and Describe on the topic)" in why

    user.may((TOPIC, fresh_topic, READ))
    assert user.run(**sink) == (0, "")


def test_a_dead_letter_topic_that_may_not_be_written_to_fails_the_sink_before_it_reads(
    user: User, theirs: Topics, fresh_topic: str
) -> None:
    theirs.create(fresh_topic, 1)
    theirs.create(f"{fresh_topic}-dead", 1)
    theirs.write(fresh_topic, b"{no JSON")
    user.may((TOPIC, fresh_topic, READ), (GROUP, f"connect-{user.name}", READ))
    sink = {
        "connector_class": "NullSink",
        "topics": fresh_topic,
        "errors_tolerance": "all",
        "errors_deadletterqueue_topic_name": f"{fresh_topic}-dead",
        "errors_deadletterqueue_topic_replication_factor": "1",
    }
    code, why = user.run(**sink)
    assert code == 1
    assert f"dead letter queue with topic={fresh_topic}-dead" in why
    assert f"(the user {user.name} needs the rights Write and Describe on the topic" in why

    user.may((TOPIC, f"{fresh_topic}-dead", WRITE))
    assert user.run(**sink) == (0, "")
    assert theirs.values(f"{fresh_topic}-dead") == [b"{no JSON"]


def test_a_wrong_password_is_told_as_such(user: User, theirs: Topics, run: Shell, fresh_topic: str) -> None:
    (run.folder / "in").write_text("a\n")
    user.settings["sasl.jaas.config"] = user.settings["sasl.jaas.config"].replace('password="', 'password="not-')
    code, why = user.run(
        connector_class="FileSource", paths=str(run.folder / "in"), topic=fresh_topic, bootstrap_timeout_ms="500"
    )
    assert code == 1
    assert "Authentication failed: Invalid username or password" in why
    assert "(look at the user and password" in why


def _group(name: str, **more: str) -> dict[str, str]:
    topics = {f"{kind}_storage_topic": f"{name}-{kind}" for kind in ("config", "offset", "status")}
    replicas = {f"{kind}_storage_replication_factor": "1" for kind in ("config", "offset", "status")}
    return {"group_id": name, "listeners": "http://127.0.0.1:0", **topics, **replicas, **more}


Rights = Callable[[str], list[tuple[ResourceType, str, AclOperation]]]


def _internal(*operations: AclOperation) -> Rights:
    return lambda group: [
        (TOPIC, f"{group}-{kind}", operation) for kind in ("config", "offset", "status") for operation in operations
    ]


@pytest.mark.parametrize(
    ("rights", "said"),
    [
        pytest.param(
            _internal(DESCRIBE),
            "config.storage.topic: the topic {group}-config is missing and cannot be created: Authorization failed",
            id="may not create its topics",
        ),
        pytest.param(
            _internal(CREATE, READ, WRITE, DESCRIBE),
            "group {group}: not allowed to join (the worker's user needs READ on the group)",
            id="may not join its group",
        ),
    ],
)
def test_a_worker_of_a_group_that_lacks_a_right_says_which_and_ends(
    user: User, fresh_topic: str, rights: Rights, said: str
) -> None:
    user.may(*rights(fresh_topic))
    assert said.format(group=fresh_topic) in user.run_distributed(**_group(fresh_topic))


def test_a_worker_that_may_not_read_its_topics_says_so_and_waits_for_the_right(
    user: User, run: Shell, fresh_topic: str
) -> None:
    user.may(*_internal(CREATE, DESCRIBE)(fresh_topic), (GROUP, fresh_topic, READ))
    worker = run.start("run", "--distributed", "--worker", user.worker_file(**_group(fresh_topic)))
    worker.until_says(f"topic {fresh_topic}-config: it cannot be read")
    worker.until_says("(give this worker's user the right to read and write it)")
    user.may(*_internal(READ, WRITE)(fresh_topic))
    worker.until_says("Joined the group.")
