"""Who may use the REST API: a file with a line for each user, whose passwords are only known by their scrypt hashes.

    alice:scrypt$16384$8$1$<salt>$<hash>:admin
    grafana:scrypt$16384$8$1$<salt>$<hash>:read

`fastconnect rest-user NAME` makes such a line. Roles: `read` may look, `operate` may also pause, resume, stop and restart, and
`admin` may do all.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import stat
import threading
import time
from pathlib import Path
from typing import Literal, TypeAlias, cast, get_args

import msgspec

from fastconnect.errors import ConfigError

Role: TypeAlias = Literal["read", "operate", "admin"]

# 16 MB and some 50 ms a try: what RFC 7914 names for interactive logins, one step up.
COST, BLOCK_BYTES, PARALLEL = 1 << 14, 8, 1
LARGEST_MEMORY_BYTES = 64 << 20

TRIES = 10
"""So many wrong passwords an address may give within a minute; then it waits."""
TRIES_WITHIN_S = 60.0
REMEMBERED_S = 300.0
"""How long a password that was right is known without computing its hash anew."""


class User(msgspec.Struct, frozen=True):
    """A line of the file."""

    name: str
    role: Role
    cost: int
    block_bytes: int
    parallel: int
    salt: bytes
    hash: bytes

    def line(self) -> str:
        """As the file has it."""
        salt, hashed = (base64.b64encode(part).decode() for part in (self.salt, self.hash))
        return f"{self.name}:scrypt${self.cost}${self.block_bytes}${self.parallel}${salt}${hashed}:{self.role}"

    def matches(self, password: str) -> bool:
        """Whether this is the password; takes as long if it is not."""
        return hmac.compare_digest(_hash(password, self.salt, self.cost, self.block_bytes, self.parallel), self.hash)


def new_user(name: str, password: str, role: Role = "admin") -> User:
    """A user with this password.

    Raises:
        ConfigError: HTTP basic auth cannot say such a name, or the file not hold it.
    """
    if not name or ":" in name or not name.isprintable() or name != name.strip() or name.startswith("#"):
        raise ConfigError("a user's name has no colon, no control characters, no # at its begin and no spaces around it")
    salt = secrets.token_bytes(16)
    return User(name, role, COST, BLOCK_BYTES, PARALLEL, salt, _hash(password, salt, COST, BLOCK_BYTES, PARALLEL))


class Users:
    """Tells whether a name and a password belong together. Any thread may ask."""

    def __init__(self, users: list[User]) -> None:
        self._users = {user.name: user for user in users}
        self._nobody = new_user("nobody", secrets.token_hex())  # compared with where there is no such user: as slow as if
        self._key = secrets.token_bytes(32)
        self._right: dict[bytes, float] = {}
        self._wrong: dict[str, list[float]] = {}
        self._lock = threading.Lock()

    @classmethod
    def read(cls, path: Path) -> Users:
        """Read the file.

        Raises:
            ConfigError: it cannot be read, has a line that is none, or nobody in it.
        """
        try:
            text = path.read_text("utf-8")
            mode = path.stat().st_mode
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"rest.auth.file {path} cannot be read: {error}") from None
        if mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ConfigError(f"rest.auth.file {path} can be changed by others than its owner", hint=f"chmod go-w {path}")
        users = [
            _user(line, f"line {number} of {path}")
            for number, line in enumerate(text.splitlines(), 1)
            if line.strip() and not line.startswith("#")
        ]
        if not users:
            raise ConfigError(f"rest.auth.file {path} has no users", hint="make a line with `fastconnect rest-user NAME`")
        return cls(users)

    def known(self, name: str, password: str) -> Role | None:
        """The role, if this was found right not long ago: no hash is computed."""
        user = self._users.get(name)
        digest = self._digest(name, password)
        with self._lock:
            until = self._right.get(digest)
        return user.role if user is not None and until is not None and until > time.monotonic() else None

    def check(self, name: str, password: str) -> Role | None:
        """The role of this user, None if the password is wrong or there is no such user. Takes some 50 ms either way."""
        user = self._users.get(name)
        right = (user or self._nobody).matches(password)
        if user is None or not right:
            return None
        now = time.monotonic()
        with self._lock:
            if len(self._right) > 1_000:
                self._right = {digest: until for digest, until in self._right.items() if until > now}
            self._right[self._digest(name, password)] = now + REMEMBERED_S
        return user.role

    def may_try(self, address: str) -> bool:
        """Whether an address has not given too many wrong passwords lately."""
        now = time.monotonic()
        with self._lock:
            recent = [at for at in self._wrong.get(address, []) if at > now - TRIES_WITHIN_S]
            if recent:
                self._wrong[address] = recent
            else:
                self._wrong.pop(address, None)
            return len(recent) < TRIES

    def was_wrong(self, address: str) -> None:
        """An address has given a wrong password."""
        with self._lock:
            if len(self._wrong) > 10_000:
                self._wrong.clear()  # as many addresses as that are no slip of the hand, but memory must end somewhere
            self._wrong.setdefault(address, []).append(time.monotonic())

    def _digest(self, name: str, password: str) -> bytes:
        return hmac.digest(self._key, f"{name}:{password}".encode("utf-8", "surrogatepass"), "sha256")


def _user(line: str, where: str) -> User:
    try:
        name, hashed, role = line.strip().split(":")
        kind, cost, block_bytes, parallel, salt, hash_ = hashed.split("$")
        if kind != "scrypt" or role not in get_args(Role):
            raise ValueError
        numbers = int(cost), int(block_bytes), int(parallel)
        if 128 * numbers[0] * numbers[1] > LARGEST_MEMORY_BYTES or not 1 <= numbers[2] <= 16:
            raise ValueError
        user = User(
            name, cast("Role", role), *numbers, base64.b64decode(salt, validate=True), base64.b64decode(hash_, validate=True)
        )
        user.matches("")  # hashlib says here what it cannot compute
    except (ValueError, binascii.Error):
        raise ConfigError(f"{where} is no user", hint="make it with `fastconnect rest-user NAME`") from None
    return user


def _hash(password: str, salt: bytes, cost: int, block_bytes: int, parallel: int) -> bytes:
    given = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(given, salt=salt, n=cost, r=block_bytes, p=parallel, maxmem=LARGEST_MEMORY_BYTES * 2, dklen=32)
