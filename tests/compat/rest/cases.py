"""Requests in an order in which they make sense; record.py sends them to Kafka Connect, a test to a worker of ours.

`$DIR` stands for a folder with input files that the worker sees. `Until` waits for states; what was found at the end is what
is compared afterwards, so that neither worker need be as quick as the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

SOURCE, SINK = "FileStreamSource", "FileStreamSink"
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Ask:
    """One request.

    `differs` names a row of the table in docs/rest.md, and `ours` is the status that we answer then; where only a part is
    different, that part is left out of the comparison, and there is no `ours`.
    `only`: in one mode of a worker there is nothing to ask here.
    """

    name: str
    method: str
    path: str
    body: Any = None
    text: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    differs: str = ""
    ours: int | None = None
    only: str = ""


@dataclass(frozen=True)
class Until:
    """Wait until a connector and its tasks are in these states."""

    connector: str
    state: str
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True)
class UntilOffsets:
    """Wait until a connector has offsets."""

    connector: str


Step: TypeAlias = Ask | Until | UntilOffsets

FILES = {"in.txt": "one\ntwo\nthree\n", "secrets.properties": "topic=rest-secret\n"}


def source(name: str, topic: str = "rest-lines", **keys: Any) -> dict[str, Any]:
    return {"name": name, "connector.class": SOURCE, "file": "$DIR/in.txt", "topic": topic, **_dots(keys)}


def sink(name: str, topics: str = "rest-lines", **keys: Any) -> dict[str, Any]:
    return {"name": name, "connector.class": SINK, "file": f"$DIR/{name}.out", "topics": topics, **_dots(keys)}


def _dots(keys: Mapping[str, Any]) -> dict[str, Any]:
    return {key.replace("__", "."): value for key, value in keys.items()}


def _named(name: str, config: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "config": dict(config), **more}


def bad_body(name: str, method: str, path: str, text: str | None) -> Ask:
    return Ask(name, method, path, text="" if text is None else text, headers=JSON, differs="bad-input", ours=400)


def validate(name: str, config: Mapping[str, Any], plugin: str = SOURCE, **more: Any) -> Ask:
    return Ask(f"validate: {name}", "PUT", f"/connector-plugins/{plugin}/config/validate", dict(config), **more)


S, C = "/connectors/src", "/connectors"
OFFSET = {"partition": {"filename": "$DIR/in.txt"}, "offset": {"position": 4}}

STEPS: list[Step] = [
    # The worker, and what is not there
    Ask("who are you", "GET", "/"),
    Ask("are you well", "GET", "/health"),
    Ask("no connectors", "GET", C),
    Ask("no connectors, expanded", "GET", f"{C}?expand=info"),
    Ask("a slash at the end", "GET", f"{C}/"),
    Ask("no such path", "GET", "/nowhere"),
    Ask("no such path of a connector", "GET", f"{C}/x/nowhere"),
    Ask("a method that a path has not", "DELETE", C),
    Ask("head", "HEAD", C),
    Ask("options", "OPTIONS", C),
    Ask("only text is taken", "GET", C, headers={"Accept": "text/csv"}),
    Ask("any application is taken", "GET", C, headers={"Accept": "text/csv, application/*;q=0.3"}),
    # Plugins
    Ask("an unknown plugin", "GET", "/connector-plugins/Nothing/config"),
    Ask("a source's keys", "GET", f"/connector-plugins/{SOURCE}/config"),
    Ask("a sink's keys", "GET", "/connector-plugins/org.apache.kafka.connect.file.FileStreamSinkConnector/config"),
    Ask("a converter's keys", "GET", "/connector-plugins/org.apache.kafka.connect.json.JsonConverter/config"),
    Ask("a transform's keys", "GET", "/connector-plugins/org.apache.kafka.connect.transforms.InsertField$Value/config"),
    Ask("a version that is not there", "GET", f"/connector-plugins/{SOURCE}/config?version=77"),
    validate("a right source", source("v")),
    validate("a right sink", sink("v"), SINK),
    validate("numbers and booleans", {**source("v"), "tasks.max": 2, "batch.size": 10, "errors.log.enable": True}),
    validate("several faults", source("v", tasks__max="0", errors__tolerance="few", batch__size="x")),
    validate("no topics", {"name": "v", "connector.class": SINK}, SINK),
    validate("two kinds of topics", sink("v", topics__regex="r.*"), SINK),
    validate("its own dead letters", sink("v", errors__deadletterqueue__topic__name="rest-lines"), SINK),
    validate(
        "a transform and its predicate",
        source(
            "v",
            transforms="t",
            transforms__t__type="org.apache.kafka.connect.transforms.InsertField$Value",
            transforms__t__static__field="f",
            transforms__t__static__value="x",
            transforms__t__predicate="p",
            predicates="p",
            predicates__p__type="org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
            predicates__p__pattern="r.*",
        ),
    ),
    validate("an unknown transform", source("v", transforms="t", transforms__t__type="Nothing")),
    validate("a converter that is none", source("v", value__converter="org.apache.kafka.connect.transforms.Filter")),
    validate("a converter's own keys", source("v", value__converter="org.apache.kafka.connect.json.JsonConverter")),
    validate("another kind than in the path", sink("v")),
    validate("no class", {"name": "v"}, differs="bad-input", ours=400),
    validate("an unknown class", {"connector.class": "Nothing"}, "Nothing", differs="bad-input", ours=400),
    bad_body("validate: no JSON", "PUT", f"/connector-plugins/{SOURCE}/config/validate", "{"),
    # Creating
    bad_body("create: no body", "POST", C, None),
    bad_body("create: no JSON", "POST", C, '{"name": }'),
    bad_body("create: a list", "POST", C, "[1]"),
    bad_body("create: no config", "POST", C, '{"name": "x"}'),
    bad_body("create: an unknown field", "POST", C, '{"name": "x", "config": {}, "color": "red"}'),
    bad_body("create: an object as a value", "POST", C, '{"name": "x", "config": {"a": {}}}'),
    bad_body("create: an unknown state", "POST", C, '{"name": "x", "config": {"a": "b"}, "initial_state": "ASLEEP"}'),
    Ask("create: another kind of body", "POST", C, text="x=y", headers={"Content-Type": "application/x-www-form-urlencoded"}),
    Ask("create: no class", "POST", C, _named("x", {"topic": "t"})),
    Ask("create: an unknown class", "POST", C, _named("x", {"connector.class": "Nothing"}), differs="exception-class"),
    Ask("create: an empty name", "POST", C, _named("", {**source(""), "name": ""})),
    Ask("create: another name", "POST", C, _named("x", source("y"))),
    Ask("create: a missing key", "POST", C, _named("x", {"connector.class": SOURCE})),
    Ask("create: two faults", "POST", C, _named("x", source("x", tasks__max="many", errors__tolerance="few"))),
    Ask("create", "POST", C, _named("src", source("src"))),
    Until("src", "RUNNING", ("RUNNING",)),
    Ask("create it again", "POST", C, _named("src", source("src"))),
    Ask("create it again, with faults", "POST", C, _named("src", {"connector.class": SOURCE})),
    Ask("create: paused", "POST", C, _named("calm", source("calm", "rest-calm"), initial_state="paused")),
    Until("calm", "PAUSED"),
    Ask(
        "create: stopped, with spaces and numbers",
        "POST",
        C,
        {**_named(" ä b ", {**source("ä b"), "tasks.max": 1}), "initial_state": "STOPPED"},
    ),
    Until("ä b", "STOPPED"),
    Ask("a name with a space", "GET", f"{C}/%C3%A4%20b"),
    Ask("it goes", "DELETE", f"{C}/%C3%A4%20b"),
    # Looking
    Ask("look: all", "GET", f"{C}?expand=status&expand=info"),
    Ask("look: expanded by nothing known", "GET", f"{C}?expand=everything"),
    *(
        Ask(f"look: {what or 'itself'}", "GET", f"{S}{what}")
        for what in ("", "/config", "/status", "/tasks", "/tasks/0/status")
    ),
    *(
        Ask(f"look: {what or 'itself'} of nobody", "GET", f"{C}/no{what}")
        for what in ("", "/config", "/status", "/tasks", "/topics")
    ),
    Ask("look: a task that is not there", "GET", f"{S}/tasks/7/status"),
    Ask("look: a task of nobody", "GET", f"{C}/no/tasks/0/status"),
    Ask("look: a task that is no number", "GET", f"{S}/tasks/first/status"),
    # Pausing, stopping, restarting
    Ask("restart", "POST", f"{S}/restart"),
    Until("src", "RUNNING", ("RUNNING",)),
    Ask("restart: a task", "POST", f"{S}/tasks/0/restart"),
    Until("src", "RUNNING", ("RUNNING",)),
    Ask("restart: what has failed", "POST", f"{S}/restart?onlyFailed=true&includeTasks=true"),
    Ask("restart: all", "POST", f"{S}/restart?includeTasks=true"),
    Until("src", "RUNNING", ("RUNNING",)),
    Ask("restart: nobody", "POST", f"{C}/no/restart", differs="unknown-standalone", ours=404),
    Ask("restart: a task of nobody", "POST", f"{C}/no/tasks/0/restart", differs="unknown-standalone", ours=404),
    Ask("pause", "PUT", f"{S}/pause"),
    Until("src", "PAUSED", ("PAUSED",)),
    Ask("pause: it is", "GET", f"{S}/status"),
    Ask("pause: again", "PUT", f"{S}/pause"),
    Ask("pause: nobody", "PUT", f"{C}/no/pause"),
    Ask("resume", "PUT", f"{S}/resume"),
    Until("src", "RUNNING", ("RUNNING",)),
    Ask("resume: nobody", "PUT", f"{C}/no/resume"),
    Ask("stop", "PUT", f"{S}/stop"),
    Until("src", "STOPPED"),
    Ask("stop: it is", "GET", f"{S}/status"),
    Ask("stop: it has no tasks", "GET", f"{S}/tasks"),
    Ask("stop: restart it", "POST", f"{S}/restart"),
    Ask("stop: again", "PUT", f"{S}/stop"),
    Ask("stop: nobody", "PUT", f"{C}/no/stop", differs="unknown-standalone", ours=404),
    # Offsets of a source
    UntilOffsets("src"),
    Ask("offsets", "GET", f"{S}/offsets"),
    Ask("offsets: none yet", "GET", f"{C}/calm/offsets"),
    Ask("offsets: of nobody", "GET", f"{C}/no/offsets"),
    Ask("offsets: alter", "PATCH", f"{S}/offsets", {"offsets": [OFFSET]}),
    Ask("offsets: altered", "GET", f"{S}/offsets"),
    Ask("offsets: of what is not stopped", "PATCH", f"{C}/calm/offsets", {"offsets": [OFFSET]}),
    Ask("offsets: reset what is not stopped", "DELETE", f"{C}/calm/offsets"),
    Ask("offsets: nothing", "PATCH", f"{S}/offsets", {"offsets": []}),
    Ask("offsets: alter those of nobody", "PATCH", f"{C}/no/offsets", {"offsets": [OFFSET]}),
    bad_body("offsets: an unknown field", "PATCH", f"{S}/offsets", '{"offsets": [], "and": 1}'),
    bad_body("offsets: no list", "PATCH", f"{S}/offsets", '{"offsets": "x"}'),
    bad_body("offsets: no partition", "PATCH", f"{S}/offsets", '{"offsets": [{"offset": {"position": 1}}]}'),
    bad_body(
        "offsets: none that it knows", "PATCH", f"{S}/offsets", '{"offsets": [{"partition": {"a": 1}, "offset": {"b": 1}}]}'
    ),
    Ask("offsets: take one away", "PATCH", f"{S}/offsets", {"offsets": [{**OFFSET, "offset": None}]}),
    Ask("offsets: it is away", "GET", f"{S}/offsets"),
    Ask("offsets: reset", "DELETE", f"{S}/offsets"),
    Ask("offsets: reset those of nobody", "DELETE", f"{C}/no/offsets"),
    Ask("stop: resume", "PUT", f"{S}/resume"),
    Until("src", "RUNNING", ("RUNNING",)),
    # Configurations
    Ask("config: the same", "PUT", f"{S}/config", source("src")),
    Ask("config: another", "PUT", f"{S}/config", source("src", batch__size="7")),
    Ask("config: without its name", "PUT", f"{S}/config", {k: v for k, v in source("src").items() if k != "name"}),
    Ask("config: another name", "PUT", f"{S}/config", source("other")),
    Ask("config: with a fault", "PUT", f"{S}/config", source("src", tasks__max="-1")),
    bad_body("config: no JSON", "PUT", f"{S}/config", "{{"),
    Ask("config: patch", "PATCH", f"{S}/config", {"batch.size": 9}),
    Ask("config: take a key away", "PATCH", f"{S}/config", {"batch.size": None}),
    Ask("config: patch with a fault", "PATCH", f"{S}/config", {"tasks.max": "none"}),
    Ask("config: patch nobody's", "PATCH", f"{C}/no/config", {"batch.size": "9"}),
    bad_body("config: patch without JSON", "PATCH", f"{S}/config", "nothing"),
    Until("src", "RUNNING", ("RUNNING",)),
    Ask("config: after all", "GET", f"{S}/config"),
    # Topics
    Ask("topics: reset nobody's", "PUT", f"{C}/no/topics/reset"),
    Ask("topics: reset", "PUT", f"{S}/topics/reset"),
    # A sink, and one that fails
    Ask("sink", "PUT", f"{C}/snk/config", sink("snk")),
    Until("snk", "RUNNING", ("RUNNING",)),
    UntilOffsets("snk"),
    Ask("sink: stop", "PUT", f"{C}/snk/stop"),
    Until("snk", "STOPPED"),
    Ask(
        "sink: alter",
        "PATCH",
        f"{C}/snk/offsets",
        {"offsets": [{"partition": {"kafka_topic": "rest-lines", "kafka_partition": "0"}, "offset": {"kafka_offset": 1}}]},
    ),
    Ask("sink: altered", "GET", f"{C}/snk/offsets"),
    Ask(
        "sink: no topic",
        "PATCH",
        f"{C}/snk/offsets",
        {"offsets": [{"partition": {"kafka_partition": 0}, "offset": {"kafka_offset": 1}}]},
    ),
    Ask(
        "sink: no number",
        "PATCH",
        f"{C}/snk/offsets",
        {"offsets": [{"partition": {"kafka_topic": "rest-lines", "kafka_partition": "x"}, "offset": None}]},
    ),
    Ask(
        "sink: no offset",
        "PATCH",
        f"{C}/snk/offsets",
        {"offsets": [{"partition": {"kafka_topic": "rest-lines", "kafka_partition": 0}, "offset": {"position": 1}}]},
    ),
    Ask("sink: reset", "DELETE", f"{C}/snk/offsets"),
    Ask("sink: after that", "GET", f"{C}/snk/offsets"),
    Ask("failing", "POST", C, _named("bad", {**sink("bad"), "file": "$DIR/no/such/folder/out"})),
    Until("bad", "RUNNING", ("FAILED",)),
    Ask("failing: it has", "GET", f"{C}/bad/status"),
    Ask("failing: its task", "GET", f"{C}/bad/tasks/0/status"),
    # Loggers
    Ask("loggers: root", "GET", "/admin/loggers/root"),
    Ask("loggers: set", "PUT", "/admin/loggers/org.apache.kafka.connect.here", {"level": "debug"}),
    Ask("loggers: set below", "PUT", "/admin/loggers/org.apache.kafka.connect.here.below", {"level": "WARN"}),
    Ask("loggers: set again", "PUT", "/admin/loggers/org.apache.kafka.connect.here", {"level": "INFO"}),
    Ask("loggers: everywhere", "PUT", "/admin/loggers/org.apache.kafka.connect.here?scope=cluster", {"level": "ERROR"}),
    Ask("loggers: no such level", "PUT", "/admin/loggers/org.apache.kafka.connect.here", {"level": "QUIET"}),
    Ask("loggers: no level", "PUT", "/admin/loggers/org.apache.kafka.connect.here", {"volume": "11"}),
    Ask("loggers: nobody", "GET", "/admin/loggers/no.such.one"),
    # From worker to worker
    Ask("internal: unsigned", "POST", f"{S}/tasks", [], only="distributed"),
    Ask(
        "internal: signed by nobody",
        "POST",
        f"{S}/tasks",
        [],
        headers={"X-Connect-Authorization": "eA==", "X-Connect-Request-Signature-Algorithm": "HmacSHA256"},
        only="distributed",
    ),
    Ask(
        "internal: signed in no known way",
        "POST",
        f"{S}/tasks",
        [],
        headers={"X-Connect-Authorization": "eA==", "X-Connect-Request-Signature-Algorithm": "Rot13"},
        only="distributed",
    ),
    Ask("internal: fence unsigned", "PUT", f"{S}/fence", only="distributed"),
    # The end
    Ask("delete", "DELETE", S),
    Ask("delete: again", "DELETE", S),
    Ask("delete: it is gone", "GET", f"{S}/status"),
    *(Ask(f"delete: {name}", "DELETE", f"{C}/{name}") for name in ("calm", "snk", "bad")),
    Ask("delete: nobody is left", "GET", C),
]
