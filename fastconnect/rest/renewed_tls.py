"""The certificates of https listeners, taken anew from their files when these change: a renewal needs no restart.

Connections that are open keep what they began with; each new one has what is in the files.
"""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Callable

from fastconnect.config.rest import TlsConfig
from fastconnect.errors import ConfigError
from fastconnect.logs import facts
from fastconnect.rest.security import client_context, server_context

logger = logging.getLogger(__name__)

_Stamp = tuple[tuple[int, int, int] | None, ...]


class RenewedTls:
    """The TLS of one kind of listeners.

    Args:
        on_change: is given the context by which this worker asks others, whenever that has changed.
    Raises:
        ConfigError: a file cannot be read, or is no PEM.
    """

    def __init__(self, tls: TlsConfig, on_change: Callable[[ssl.SSLContext], None] | None = None) -> None:
        self._tls = tls
        self._on_change = on_change
        self._files = [each for each in (tls.ssl_keystore_location, tls.ssl_truststore_location) if each is not None]
        self._refused: _Stamp | None = None
        self._loaded = self._stamp()
        self._current = server_context(tls)
        self.context = server_context(tls)
        """To listen with. It is this one for good; what a handshake goes on with is the newest."""
        self.context.sni_callback = self._begin_handshake
        # No connection is taken up again by a ticket: its client might be one whose authority is trusted no more.
        self.context.options |= ssl.OP_NO_TICKET
        self.context.num_tickets = 0

    @property
    def has_files(self) -> bool:
        """Whether there is anything to look at."""
        return bool(self._files)

    def look(self) -> None:
        """Take the files anew if they have changed; if what is in them is of no use, stay with what was there and say so."""
        found = self._stamp()
        if found in (self._loaded, self._refused):
            return
        try:
            current = server_context(self._tls)
            asking = client_context(self._tls)
        except ConfigError as error:
            # Maybe half of it is written: once it is whole it has changed again.
            logger.warning("The changed TLS files are not used; https goes on with what was in them before. %s", error)
            self._refused = found
            return
        self._loaded, self._refused, self._current = found, None, current
        if self._on_change is not None:
            self._on_change(asking)
        logger.info("TLS files have changed and are used from now on.", extra=facts(files=",".join(self._files)))

    def _begin_handshake(self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._current

    def _stamp(self) -> _Stamp:
        return tuple(_stamp_of(path) for path in self._files)


def _stamp_of(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)  # follows links: renewals often change where one points to
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
