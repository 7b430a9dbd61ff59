"""With what the workers of a group sign what they send each other, so that nobody else can (KIP-507).

The leader makes a session key and puts it into the config topic, where only workers can read it. The algorithms have Java's
names, as they do in the worker's configuration, in the topic and in the header of a request.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Collection

from fastconnect.herder.answers import Signature
from fastconnect.herder.refusals import RequestRefusedError
from fastconnect.storage.config_store import SessionKey

DEFAULT_ALGORITHM = "HmacSHA256"

_DIGESTS = {
    "HmacMD5": "md5",
    "HmacSHA1": "sha1",
    "HmacSHA224": "sha224",
    "HmacSHA256": "sha256",
    "HmacSHA384": "sha384",
    "HmacSHA512": "sha512",
    "HmacSHA512/224": "sha512_224",
    "HmacSHA512/256": "sha512_256",
    "HmacSHA3-224": "sha3_224",
    "HmacSHA3-256": "sha3_256",
    "HmacSHA3-384": "sha3_384",
    "HmacSHA3-512": "sha3_512",
}
"""Java's name (case does not matter there either) -> Python's. Source: Java's standard names of Mac algorithms."""

_BY_LOWER_NAME = {name.lower(): digest for name, digest in _DIGESTS.items()}


def is_available(algorithm: str) -> bool:
    """Whether requests can be signed with it here."""
    return algorithm.lower() in _BY_LOWER_NAME


def new_key(algorithm: str, size: int | None, now_ms: int) -> SessionKey:
    """Make a key.

    Args:
        algorithm: `inter.worker.key.generation.algorithm`.
        size: `inter.worker.key.size`, in bits; None: as long as what the algorithm gives.
        now_ms: since 1970.
    Raises:
        ValueError: the algorithm is not available, or the size is no whole number of bytes.
    """
    if size is not None and (size <= 0 or size % 8):
        raise ValueError(f"a key of {size} bits")
    length = hmac.new(b"", digestmod=_digest(algorithm)).digest_size if size is None else size // 8
    return SessionKey(secrets.token_bytes(length), algorithm, now_ms)


def is_due(key: SessionKey | None, algorithm: str, ttl_ms: int, now_ms: int) -> bool:
    """Whether the leader should make a new key: there is none, it is too old, or it is for another algorithm.

    Args:
        algorithm: `inter.worker.key.generation.algorithm`.
        ttl_ms: `inter.worker.key.ttl.ms`.
        now_ms: since 1970.
    """
    return key is None or key.algorithm != algorithm or now_ms - key.created_ms >= ttl_ms


def sign(key: SessionKey, body: bytes, algorithm: str) -> bytes:
    """Return the signature of a request's body.

    Raises:
        ValueError: the algorithm is not available.
    """
    return hmac.digest(key.key, body, _digest(algorithm))


def verify(key: SessionKey | None, request: Signature, allowed: Collection[str]) -> None:
    """Let a request of another worker pass, if it really is one.

    Args:
        key: the newest that this worker knows.
        request: what came.
        allowed: `inter.worker.verification.algorithms`.
    Raises:
        RequestRefusedError: it does not pass; with Kafka Connect's status and wording.
    """
    if request.signature is None or request.algorithm is None:
        raise RequestRefusedError(400, "Internal request missing required signature")
    if not is_available(request.algorithm):
        raise RequestRefusedError(400, f"Algorithm {request.algorithm} not available")
    if request.algorithm.lower() not in {name.lower() for name in allowed}:
        raise RequestRefusedError(
            400,
            f"This worker does not support the '{request.algorithm}' key signing algorithm used by other workers. "
            f"This worker is currently configured to use: {', '.join(allowed)}. "
            "Check that all workers' inter.worker.verification.algorithms allow for it",
        )
    if key is None:
        raise RequestRefusedError(503, "This worker is still starting up and has not been able to read a session key yet")
    # In the same time for every wrong signature: how long a comparison takes must not tell how much of it was right.
    if not hmac.compare_digest(sign(key, request.body, request.algorithm), request.signature):
        raise RequestRefusedError(403, "Internal request contained invalid signature.")


def _digest(algorithm: str) -> str:
    try:
        return _BY_LOWER_NAME[algorithm.lower()]
    except KeyError:
        raise ValueError(f"Algorithm {algorithm} not available") from None
