"""Brings the configurations of a connector's tasks to whoever leads the group, again and again until they are stored.

A connector says how its work is divided on the worker that owns it; the leader alone writes that down. On the leader itself no
request is needed.
"""

from __future__ import annotations

import base64
import logging
import random
import ssl
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from urllib.parse import quote

import msgspec

from fastconnect.errors import ConnectError
from fastconnect.herder.loop import HerderLoop, Timer
from fastconnect.herder.refusals import RequestRefusedError
from fastconnect.herder.session_keys import sign
from fastconnect.herder.work import about_connector
from fastconnect.storage.config_store import SessionKey

logger = logging.getLogger(__name__)

logging.getLogger("httpx2").setLevel(logging.WARNING)  # it tells every request

FIRST_WAIT_MS = 250
LONGEST_WAIT_MS = 60_000
"""Kafka Connect's waits between two tries; each is twice the one before, and a little by chance."""

ANSWER_WITHIN_S = 30.0
CONNECT_WITHIN_S = 5.0

Configs = Sequence[Mapping[str, str | None]]


class Leader(msgspec.Struct, frozen=True):
    """Where to bring them: to this worker itself (`url` is None), or to another."""

    url: str | None


class TaskConfigSender:
    """Sends what each connector has said last. For the herder's thread.

    Args:
        leader: who leads now; None if that is not known.
        store: stores them, on the leader itself.
        post: sends a request to a worker; it blocks, and is called in the pool.
        key: the session key with which to sign, if requests are signed.
        algorithm: `inter.worker.signature.algorithm`.
    """

    def __init__(
        self,
        loop: HerderLoop,
        leader: Callable[[], Leader | None],
        store: Callable[[str, Configs], Future[None]],
        post: Callable[[str, bytes, Mapping[str, str]], None],
        key: Callable[[], SessionKey | None],
        algorithm: str,
    ) -> None:
        self._loop = loop
        self._leader = leader
        self._store = store
        self._post = post
        self._key = key
        self._algorithm = algorithm
        self._unsent: dict[str, _Unsent] = {}

    def send(self, name: str, configs: Configs) -> None:
        """Bring these to the leader; earlier ones of this connector that did not arrive need not."""
        self.drop(name)
        self._unsent[name] = unsent = _Unsent(list(configs))
        self._try(name, unsent)

    def drop(self, name: str) -> None:
        """They are not to be sent any more."""
        unsent = self._unsent.pop(name, None)
        if unsent is not None and unsent.timer is not None:
            unsent.timer.cancel()

    def keep(self, names: Collection[str]) -> None:
        """Only these connectors are this worker's: what the others say comes from their new owners."""
        for name in self._unsent.keys() - set(names):
            self.drop(name)

    def try_all(self) -> None:
        """Do not wait any longer: there may be another leader."""
        for name, unsent in list(self._unsent.items()):
            if unsent.timer is not None:
                unsent.timer.cancel()
                self._try(name, unsent)

    def _try(self, name: str, unsent: _Unsent) -> None:
        unsent.timer = None
        leader = self._leader()
        if leader is None:
            self._wait(name, unsent, "it is not known who leads the group")
            return
        if leader.url is None:
            sent = self._store(name, unsent.configs)
        else:
            url = f"{leader.url.rstrip('/')}/connectors/{quote(name, safe='')}/tasks"
            body = msgspec.json.encode(unsent.configs)
            headers = self._signed(body)
            sent = self._loop.run_in_pool(lambda: self._post(url, body, headers))
        sent.add_done_callback(lambda done: self._loop.post(lambda: self._done(name, unsent, done)))

    def _signed(self, body: bytes) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        if (key := self._key()) is not None:
            headers["X-Connect-Authorization"] = base64.b64encode(sign(key, body, self._algorithm)).decode()
            headers["X-Connect-Request-Signature-Algorithm"] = self._algorithm
        return headers

    def _done(self, name: str, unsent: _Unsent, done: Future[None]) -> None:
        if self._unsent.get(name) is not unsent:
            return
        error = done.exception()
        if error is None:
            del self._unsent[name]
        elif isinstance(error, (ConnectError, OSError)):
            self._wait(name, unsent, str(error))
        else:
            raise error

    def _wait(self, name: str, unsent: _Unsent, why: str) -> None:
        longest = min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2**unsent.tries)
        wait_ms = int(longest * random.uniform(0.8, 1.2))  # noqa: S311 - so that not all workers come at once
        unsent.tries = min(unsent.tries + 1, 10)
        unsent.timer = self._loop.call_later(wait_ms / 1000, lambda: self._try(name, unsent))
        level = logging.INFO if unsent.tries <= 2 else logging.WARNING
        logger.log(
            level,
            "The configurations of the tasks did not reach the leader yet: %s.",
            why,
            extra=about_connector(name, wait_ms=wait_ms),
        )


class _Unsent:
    def __init__(self, configs: Configs) -> None:
        self.configs = configs
        self.tries = 0
        self.timer: Timer | None = None


def http_post(make_tls: Callable[[], ssl.SSLContext | None]) -> Callable[[str, bytes, Mapping[str, str]], None]:
    """What sends a request to another worker and waits for its answer.

    Args:
        make_tls: makes the context by which this worker trusts others, if it has settings for that.
    """

    def post(url: str, body: bytes, headers: Mapping[str, str]) -> None:
        import httpx2

        tls = make_tls() if url.startswith("https:") else None
        timeout = httpx2.Timeout(ANSWER_WITHIN_S, connect=CONNECT_WITHIN_S)
        # No proxy, no redirects: workers talk to each other, and to nobody else.
        with httpx2.Client(timeout=timeout, trust_env=False, verify=tls if tls is not None else True) as client:
            try:
                answer = client.post(url, content=body, headers=dict(headers))
            except httpx2.HTTPError as error:
                raise ConnectError(f"the leader does not answer: {type(error).__name__}: {error}") from error
        if answer.status_code >= 300:
            raise RequestRefusedError(answer.status_code, f"the leader answers {answer.status_code}: {answer.text[:300]}")

    return post
