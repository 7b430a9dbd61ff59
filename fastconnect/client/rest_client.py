"""Asks a cluster, one request at a time, and has patience: while a group rebalances, or a worker is away, it asks again.

Every answer comes as typed data (answers.py). What goes wrong is a `ClusterError` that says at which address, and what to do.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import httpx2
import msgspec

from fastconnect.client import answers
from fastconnect.client.answers import Config
from fastconnect.client.cluster import Cluster
from fastconnect.errors import ClusterError, ClusterRefusedError, ClusterUnreachableError, ConfigError, Fault

CONNECT_WITHIN_S = 5.0
ANSWER_WITHIN_S = 100.0  # a worker gives up after 90 s and says so
RETRY_FOR_S = 15.0  # a rebalance takes a few seconds
FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 2.0

LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")

_EXCEPTION = re.compile(r"^(?:[a-z]\w*\.)+\w+: ")

T = TypeVar("T")
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class RestClient:
    """A client of one cluster; close it, or use it in a `with`. For one thread.

    Args:
        answer_within_s: longest wait for one answer.
        retry_for_s: how long a request is tried again if nobody answers, or if the cluster says: not now (409, 503).
        on_trouble: is told, once, in a sentence, that a request is tried again.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        answer_within_s: float = ANSWER_WITHIN_S,
        retry_for_s: float = RETRY_FOR_S,
        on_trouble: Callable[[str], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.cluster = cluster
        self._urls = list(cluster.urls)
        self._retry_for_s = retry_for_s
        self._on_trouble = on_trouble
        self._sleep = sleep
        tls = cluster.tls()
        self._client = httpx2.Client(
            timeout=httpx2.Timeout(answer_within_s, connect=min(CONNECT_WITHIN_S, answer_within_s)),
            auth=cluster.credentials,
            verify=tls if tls is not None else False,  # without https nothing is to be verified
            trust_env=not all(urlsplit(url).hostname in LOCAL_HOSTS for url in self._urls),  # no proxy to this machine
            headers={"Accept": "application/json", "User-Agent": "fastconnect"},
        )

    def __enter__(self) -> RestClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    # Connectors

    def server_info(self) -> answers.ServerInfo:
        """Which version answers, for which Kafka."""
        return self._get("/", answers.ServerInfo)

    def connector_names(self) -> list[str]:
        """The names of all connectors, sorted."""
        return sorted(self._get("/connectors", list[str]))

    def connectors(self) -> dict[str, answers.Connector]:
        """All connectors with their configurations and statuses, sorted by name."""
        found = self._get("/connectors?expand=info&expand=status", dict[str, answers.Connector])
        return dict(sorted(found.items()))

    def connector(self, name: str) -> answers.ConnectorInfo:
        """A connector's configuration and tasks."""
        return self._get(_path(name), answers.ConnectorInfo)

    def status(self, name: str) -> answers.ConnectorStatus:
        """How a connector is."""
        return self._get(_path(name, "status"), answers.ConnectorStatus)

    def status_if_known(self, name: str) -> answers.ConnectorStatus | None:
        """How a connector is; None if there is none of this name, or nothing is known of it yet."""
        try:
            return self.status(name)
        except ClusterRefusedError as error:
            if error.status == 404:
                return None
            raise

    def create(self, name: str, config: Mapping[str, str | None], initial_state: str | None = None) -> answers.ConnectorInfo:
        """Create a connector; one of this name must not exist."""
        body: dict[str, Any] = {"name": name, "config": config}
        if initial_state is not None and initial_state != "RUNNING":  # which workers before Kafka 3.7 do not know
            body["initial_state"] = initial_state
        return self._ask("POST", "/connectors", answers.ConnectorInfo, body)

    def config(self, name: str) -> Config:
        """A connector's configuration, variables unresolved."""
        return self._get(_path(name, "config"), Config)

    def put_config(self, name: str, config: Mapping[str, str | None]) -> answers.ConnectorInfo:
        """Give a connector this configuration instead of the one it has; it is created if it does not exist."""
        return self._ask("PUT", _path(name, "config"), answers.ConnectorInfo, config)

    def patch_config(self, name: str, patch: Mapping[str, str | None]) -> answers.ConnectorInfo:
        """Change some keys; None takes a key away. Workers before Kafka 3.8 cannot do this (405)."""
        return self._ask("PATCH", _path(name, "config"), answers.ConnectorInfo, patch)

    def delete(self, name: str) -> None:
        """Delete a connector; its offsets stay."""
        self._tell("DELETE", _path(name))

    def pause(self, name: str) -> None:
        """Have it do nothing for a while; its tasks stay where they are."""
        self._tell("PUT", _path(name, "pause"))

    def resume(self, name: str) -> None:
        """Have a paused or stopped connector run."""
        self._tell("PUT", _path(name, "resume"))

    def stop(self, name: str) -> None:
        """Take its tasks away; its configuration stays, and its offsets can be changed."""
        self._tell("PUT", _path(name, "stop"))

    def restart(self, name: str, *, include_tasks: bool = False, only_failed: bool = False) -> None:
        """Restart the connector's own code, and its tasks; or what of them has failed."""
        query = {key: "true" for key, wanted in (("includeTasks", include_tasks), ("onlyFailed", only_failed)) if wanted}
        self._tell("POST", _path(name, "restart") + (f"?{urlencode(query)}" if query else ""))

    def restart_task(self, name: str, task: int) -> None:
        """Restart one task."""
        self._tell("POST", _path(name, "tasks", str(task), "restart"))

    def tasks(self, name: str) -> list[answers.TaskInfo]:
        """The configurations of its tasks."""
        return self._get(_path(name, "tasks"), list[answers.TaskInfo])

    def topics(self, name: str) -> list[str]:
        """The topics that it has used, sorted."""
        found = self._get(_path(name, "topics"), dict[str, dict[str, list[str]]])
        return sorted(found.get(name, {}).get("topics", []))

    def reset_topics(self, name: str) -> None:
        """Forget which topics it has used."""
        self._tell("PUT", _path(name, "topics", "reset"))

    # Offsets

    def offsets(self, name: str) -> list[answers.Offset]:
        """How far it has come."""
        return self._get(_path(name, "offsets"), dict[str, list[answers.Offset]]).get("offsets", [])

    def alter_offsets(self, name: str, offsets: Sequence[answers.Offset]) -> str:
        """Change offsets of a stopped connector; the sentence that says so."""
        return self._ask("PATCH", _path(name, "offsets"), answers.Message, {"offsets": offsets}).message

    def reset_offsets(self, name: str) -> str:
        """Forget all offsets of a stopped connector; the sentence that says so."""
        return self._ask("DELETE", _path(name, "offsets"), answers.Message).message

    # Plugins and loggers

    def plugins(self) -> list[answers.Plugin]:
        """The plugins that the worker which answers has, of all kinds."""
        return self._get("/connector-plugins?connectorsOnly=false", list[answers.Plugin])

    def plugin_config(self, plugin: str) -> list[answers.ConfigKey]:
        """The keys that a plugin's configuration may have."""
        return self._get(f"/connector-plugins/{_segment(plugin)}/config", list[answers.ConfigKey])

    def validate(self, config: Mapping[str, str | None]) -> answers.Validation:
        """What the cluster says about a connector's configuration."""
        plugin = config.get("connector.class") or ""
        path = f"/connector-plugins/{_segment(plugin)}/config/validate"
        return self._ask("PUT", path, answers.Validation, config)

    def faults(self, config: Mapping[str, str | None]) -> list[Fault]:
        """All that the cluster finds wrong with a connector's configuration; also that it does not know its class."""
        if not config.get("connector.class"):
            return [Fault("connector.class", "is missing")]
        try:
            return self.validate(config).faults
        except ClusterRefusedError as error:
            if error.status not in (400, 404, 500):  # which is how workers say that they do not know the class
                raise
            # Java's list of all classes that it knows is longer than a screen.
            text = _EXCEPTION.sub("", error.message.partition(", available connectors are:")[0])
            return [Fault("connector.class", text)]

    def loggers(self) -> dict[str, answers.LoggerLevel]:
        """The loggers of the worker that answers."""
        return self._get("/admin/loggers", dict[str, answers.LoggerLevel])

    def logger(self, name: str) -> answers.LoggerLevel:
        """The level of one logger."""
        return self._get(f"/admin/loggers/{_segment(name)}", answers.LoggerLevel)

    def set_logger(self, name: str, level: str, *, cluster: bool = False) -> list[str]:
        """Set the level of a logger and of those below it; the names of those changed, which only one worker tells."""
        path = f"/admin/loggers/{_segment(name)}" + ("?scope=cluster" if cluster else "")
        url, answer = self._send("PUT", path, {"level": level})
        return _decoded(url, "PUT", answer, list[str]) if answer.content else []

    # Asking

    def _get(self, path: str, kind: type[T]) -> T:
        return self._ask("GET", path, kind)

    def _ask(self, method: Method, path: str, kind: type[T], body: object = None) -> T:
        url, answer = self._send(method, path, body)
        return _decoded(url, method, answer, kind)

    def _tell(self, method: Method, path: str) -> None:
        self._send(method, path)

    def _send(self, method: Method, path: str, body: object = None) -> tuple[str, httpx2.Response]:
        """Send a request until there is an answer that counts; the address that gave it, and the answer.

        Raises:
            ClusterUnreachableError: nobody has answered within `retry_for_s`.
            ClusterRefusedError: the answer is an error.
        """
        deadline = time.monotonic() + self._retry_for_s
        wait_s = FIRST_WAIT_S
        may_have_arrived = False
        away = 0
        while True:
            url = self._urls[0] + path
            try:
                answer = self._once(method, url, body)
            except httpx2.InvalidURL as error:
                raise ConfigError(f"this is no address: {error}", where=url) from None
            except httpx2.RequestError as error:
                lost = not isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)
                may_have_arrived |= lost
                trouble: ClusterError = _unreachable(error, method, url, lost=lost)
                if lost and method == "POST":  # twice would be two: a create then says that the name is taken
                    raise trouble from error
                self._urls.append(self._urls.pop(0))
                away += 1
                if away % len(self._urls):
                    continue  # the others may be there
            else:
                if method == "DELETE" and answer.status_code == 404 and may_have_arrived:
                    return url, answer  # the first try has done it
                if answer.status_code < 300:
                    return url, answer
                trouble = _refused(answer, method, url)
                if not _comes_again(answer, method):
                    raise trouble
            if time.monotonic() + wait_s > deadline:
                raise trouble
            if self._on_trouble is not None:
                self._on_trouble(f"{trouble.message}; trying again for {self._retry_for_s:.0f} s")
                self._on_trouble = None
            self._sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    def _once(self, method: Method, url: str, body: object) -> httpx2.Response:
        if body is None:
            return self._client.request(method, url)
        headers = {"Content-Type": "application/json"}
        return self._client.request(method, url, content=msgspec.json.encode(body), headers=headers)


def _segment(text: str) -> str:
    """A name as one part of a path, whatever is in it: `.` and `..` too would mean something there."""
    return quote(text, safe="") if text.strip(".") else text.replace(".", "%2E")


def _path(name: str, *parts: str) -> str:
    return "/".join(("/connectors", _segment(name), *parts))


def _comes_again(answer: httpx2.Response, method: Method) -> bool:
    """Whether the same request may be answered otherwise in a moment."""
    match answer.status_code:
        case 409:  # a rebalance, a configuration that has just changed, a worker that must be asked is not known
            return "already exists" not in answer.text
        case 429 | 503:
            return True
        case 500 if "because a rebalance is expected" in answer.text:  # so Kafka Connect tells some of its conflicts
            return True
        case 500:  # a worker has asked another one for us, and that one is away
            return method != "POST" and "IO Error trying to forward REST request" in answer.text
        case 502 | 504:  # a proxy's
            return method == "GET"
    return False


def _unreachable(error: httpx2.RequestError, method: Method, url: str, *, lost: bool) -> ClusterUnreachableError:
    base = _base(url)
    why = str(error) or type(error).__name__
    if isinstance(error, httpx2.TimeoutException):
        why = f"no answer in time ({type(error).__name__})"
    if "CERTIFICATE_VERIFY_FAILED" in why or "SSL" in why:
        hint = "give the certificates to trust by --ca-file, or look whether the address should begin with http://"
    elif lost and method != "GET":
        hint = "the request may have been carried out: look before you repeat it"
    else:
        hint = "is a worker running there? Another address is given by --url, --context or FASTCONNECT_URL"
    return ClusterUnreachableError(f"cannot reach {base}: {why}", where=f"{method} {url}", hint=hint)


HINTS = {
    401: "give a user by --user; the password comes from FASTCONNECT_PASSWORD, a context, or a question",
    403: "this user may not do that, or the worker has it switched off",
    405: "the worker is too old for this, or the address is no Kafka Connect's",
    409: "the group is being rebalanced or changed: try again in a moment",
}


def _refused(answer: httpx2.Response, method: Method, url: str) -> ClusterRefusedError:
    """The error that an answer of 300 and above means."""
    where = f"{method} {url}"
    try:
        message = msgspec.json.decode(answer.content, type=answers.ErrorBody).message.strip()
    except msgspec.MsgspecError:
        message = f"HTTP {answer.status_code} {answer.reason_phrase}"
    hint = HINTS.get(answer.status_code)
    if answer.status_code < 400:
        hint = f"the address has moved to {answer.headers.get('location', 'nobody says where')}: give that one"
    elif answer.status_code == 409 and "already exists" in message:
        hint = None
    elif answer.status_code == 400 and ("%2F" in url or "%2E" in url):
        hint = "Kafka Connect in Java cannot be asked about a name like this one"
    return ClusterRefusedError(answer.status_code, message or f"HTTP {answer.status_code}", where=where, hint=hint)


def _decoded(url: str, method: Method, answer: httpx2.Response, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except msgspec.MsgspecError as error:
        found = answer.headers.get("content-type", "nothing").partition(";")[0]
        raise ClusterUnreachableError(
            f"what answers there is no Kafka Connect ({found}: {error})", where=f"{method} {url}", hint="is the address right?"
        ) from None


def _base(url: str) -> str:
    split = urlsplit(url)
    return f"{split.scheme}://{split.netloc}"
