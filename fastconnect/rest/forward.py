"""From a worker that cannot answer to the one that can: the leader, or the owner of a connector or task.

Twice at most: the worker that a client asks sends the request on with `forward=true`, that one once more with `forward=false`,
and who gets this answers itself or with 409. It goes only to addresses that the herder gives, which are those of the group's
members, with nothing of the client's headers but Authorization.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import msgspec
from starlette.responses import Response

from fastconnect.herder.refusals import ConflictError, OtherWorkerError, RequestRefusedError
from fastconnect.rest.call import ANSWER_WITHIN_S, Call
from fastconnect.rest.connectors import location

if TYPE_CHECKING:
    import httpx2

NO_LEADER = "Cannot complete request momentarily due to no known leader URL, likely because a rebalance was underway."
TOO_FAR = "Cannot complete request because of a conflicting operation (e.g. worker rebalance)"

CONNECT_WITHIN_S = 10.0


class Forwarder:
    """Sends requests on; its connections are kept. For the REST thread.

    Args:
        tls: makes the context by which this worker proves itself to others, where they want https; called when first needed.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._client: httpx2.AsyncClient | None = None
        self._old: list[httpx2.AsyncClient] = []

    async def send_on(self, call: Call, error: OtherWorkerError) -> Response:
        """Have another worker answer.

        Raises:
            ConflictError: it was sent on often enough, or nobody knows now where to.
            RequestRefusedError: 500, the other worker cannot be reached.
        """
        forward = call.query("forward")
        if forward is not None and forward.lower() != "true":
            raise ConflictError(TOO_FAR)
        if error.url is None or urlsplit(error.url).scheme not in ("http", "https"):
            raise ConflictError(NO_LEADER)
        body = await call.body()
        request = call.request
        headers = {"Content-Type": "application/json"} if body else {}
        if (authorization := request.headers.get("authorization")) is not None:
            headers["Authorization"] = authorization
        query = [("forward", "true" if forward is None else "false")]
        query += [(key, value) for key, value in request.query_params.multi_items() if key != "forward"]
        url = f"{error.url.rstrip('/')}{request.scope['raw_path'].decode('ascii')}?{urlencode(query)}"
        import httpx2

        try:
            theirs = await self._open().request(request.method, url, content=body or None, headers=headers)
        except httpx2.HTTPError as failure:
            # What it says names the address, which only the group's members should know; they find it in the log.
            raise RequestRefusedError(500, f"IO Error trying to forward REST request: {type(failure).__name__}") from failure
        return _answer(call, theirs)

    def change_tls(self, tls: ssl.SSLContext) -> None:
        """Prove itself by other certificates from now on; what is under way goes on with the old ones."""
        self._tls = tls
        old, self._client = self._client, None
        if old is not None:
            self._old.append(old)  # not closed before the end: somebody may wait for its answer

    async def close(self) -> None:
        """Close its connections."""
        for each in self._old:
            await each.aclose()
        if self._client is not None:
            await self._client.aclose()

    def _open(self) -> httpx2.AsyncClient:
        if self._client is None:
            import httpx2

            self._client = httpx2.AsyncClient(
                timeout=httpx2.Timeout(ANSWER_WITHIN_S, connect=CONNECT_WITHIN_S),
                follow_redirects=False,
                trust_env=False,  # no proxy, no .netrc: workers talk to each other
                verify=self._tls if self._tls is not None else True,
            )
        return self._client


def _answer(call: Call, theirs: httpx2.Response) -> Response:
    """The other worker's answer as ours: its status and body; where a new connector is found, we say ourselves."""
    headers = {}
    if theirs.status_code == 201 and "location" in theirs.headers:
        try:
            created = msgspec.json.decode(theirs.content, type=_Named)
        except msgspec.MsgspecError:
            pass
        else:
            headers["Location"] = location(call, created.name)
    content = theirs.content or None
    return Response(content, theirs.status_code, headers, None if content is None else "application/json")


class _Named(msgspec.Struct):
    name: str
