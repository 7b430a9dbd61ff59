"""A worker's REST API, as a test asks it."""

from __future__ import annotations

import socket
from typing import Any

import httpx2
from fakes.commands import until


class Rest:
    """The API at a URL; what is not expected to work fails the test with the answer.

    Args:
        url: such as `http://127.0.0.1:8083`.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx2.Client(base_url=url, timeout=60)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def ask(self, method: str, path: str, body: Any = None, **query: str) -> httpx2.Response:
        """Whatever the answer is."""
        return self._client.request(method, path, json=body, params=query or None)

    def get(self, path: str, **query: str) -> Any:
        """What `GET` answers with 200."""
        return self._well(self.ask("GET", path, **query))

    def put(self, path: str, body: Any = None) -> Any:
        """What `PUT` answers."""
        return self._well(self.ask("PUT", path, body))

    def post(self, path: str, body: Any = None, **query: str) -> Any:
        """What `POST` answers."""
        return self._well(self.ask("POST", path, body, **query))

    def patch(self, path: str, body: Any) -> Any:
        """What `PATCH` answers."""
        return self._well(self.ask("PATCH", path, body))

    def delete(self, path: str) -> Any:
        """What `DELETE` answers."""
        return self._well(self.ask("DELETE", path))

    def _well(self, response: httpx2.Response) -> Any:
        assert response.is_success, f"{response.request.method} {response.request.url}: {response.status_code} {response.text}"
        return response.json() if response.content else None

    def refused(self, method: str, path: str, body: Any = None, **query: str) -> tuple[int, str]:
        """The status and the message of what is refused."""
        answer = self.ask(method, path, body, **query).json()
        return answer["error_code"], answer["message"]

    # What tests do all the time

    def create(self, name: str, state: str | None = None, **config: object) -> Any:
        """Create a connector; keys of `config` have `_` for `.`."""
        body = {"name": name, "config": {key.replace("_", "."): str(value) for key, value in config.items()}}
        return self.post("/connectors", body | ({"initial_state": state} if state is not None else {}))

    def states(self, name: str) -> tuple[str, list[str]]:
        """The state of a connector, and those of its tasks."""
        status = self.get(f"/connectors/{name}/status")
        return status["connector"]["state"], [task["state"] for task in status["tasks"]]

    def until_states(self, name: str, connector: str, *tasks: str, timeout_s: float = 60) -> None:
        """Wait until a connector and its tasks have these states."""
        try:
            until(lambda: self.states(name) == (connector, list(tasks)), "", timeout_s)
        except AssertionError:
            now = self.get(f"/connectors/{name}/status")
            raise AssertionError(f"within {timeout_s} s {name} did not come to {connector} {tasks}: {now}") from None


def free_port() -> int:
    """A port that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
