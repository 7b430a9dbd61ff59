"""How a cluster is reached: its addresses, who asks, and what of TLS is to be trusted. No secret is shown by `repr`."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import msgspec

from fastconnect.errors import ConfigError

DEFAULT_URL = "http://127.0.0.1:8083"


class Cluster(msgspec.Struct, frozen=True, omit_defaults=True):
    """One Kafka Connect cluster.

    Args:
        urls: of its workers; each can answer everything, so the others are asked when one is away.
        password: in plain text, where it is not in a file.
        ca_file: certificates to trust instead of the system's.
        cert_file: the client's certificate (mTLS), with its key in `key_file` or in the same file.
        insecure: whether any certificate is taken.
    """

    urls: tuple[str, ...] = (DEFAULT_URL,)
    user: str | None = None
    password: str | None = None
    password_file: str | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    insecure: bool = False

    def __repr__(self) -> str:
        return f"Cluster({','.join(self.urls)})"

    @property
    def credentials(self) -> tuple[str, str] | None:
        """User and password, if there is a user.

        Raises:
            ConfigError: the password's file cannot be read.
        """
        if self.user is None:
            return None
        if self.password is None and self.password_file is not None:
            return self.user, read_password(Path(self.password_file))
        return self.user, self.password or ""

    def tls(self) -> ssl.SSLContext | None:
        """What is trusted, and who we are, for https; None if no address needs it.

        Raises:
            ConfigError: a certificate or key cannot be used.
        """
        if not any(url.startswith("https:") for url in self.urls):
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:  # ssl.SSLError is one, too
            raise ConfigError(f"the certificates cannot be used: {_why(error)}", where=self.ca_file) from None
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.cert_file is not None:
            try:
                context.load_cert_chain(self.cert_file, self.key_file, password=_no_passphrase)
            except OSError as error:
                where = f"{self.cert_file}, {self.key_file}" if self.key_file else self.cert_file
                raise ConfigError(f"the client's certificate and key cannot be used: {_why(error)}", where=where) from None
        return context


def parse_urls(text: str) -> tuple[tuple[str, ...], str | None, str | None]:
    """Read the addresses of a cluster: `http://host:8083`, or several with commas between; also `http://user:password@host`.

    Returns:
        The addresses, always without user and password; and these.
    Raises:
        ConfigError: one is no http address.
    """
    urls, user, password = [], None, None
    for part in filter(None, map(str.strip, text.split(","))):
        split = urlsplit(part if "://" in part else f"http://{part}")
        try:
            port = split.port
        except ValueError:
            port = -1
        host = re.fullmatch(r"[\w.:%-]+", split.hostname or "")
        if split.scheme not in ("http", "https") or host is None or port == -1 or split.query or split.fragment:
            shown = urlunsplit(split._replace(netloc=split.netloc.rpartition("@")[2]))
            raise ConfigError(f"{shown!r} is no address of a REST API", hint="such as http://localhost:8083")
        if split.username is not None:
            user, password = unquote(split.username), unquote(split.password or "")
        urls.append(urlunsplit(split._replace(netloc=split.netloc.rpartition("@")[2])).rstrip("/"))
    if not urls:
        raise ConfigError("no address of a REST API is given", hint="such as http://localhost:8083")
    return tuple(urls), user, password


def read_password(file: Path) -> str:
    """The first line of a file.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        with file.expanduser().open() as lines:
            return lines.readline().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigError(f"the password cannot be read: {why}", where=str(file)) from None


def _no_passphrase() -> str:
    raise OSError("the key has a passphrase, and there is nobody to ask for it")


def _why(error: OSError) -> str:
    return error.strerror or str(error)
