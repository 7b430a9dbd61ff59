from __future__ import annotations

import base64

import pytest

from fastconnect.herder import session_keys
from fastconnect.herder.answers import Signature
from fastconnect.herder.refusals import RequestRefusedError
from fastconnect.storage.config_store import SessionKey

KEY = SessionKey(b"k" * 32, "HmacSHA256", created_ms=1_000)
ALLOWED = ["HmacSHA256"]


def signed(body: bytes = b"[{}]", algorithm: str = "HmacSHA256", key: SessionKey = KEY) -> Signature:
    return Signature(body, algorithm, session_keys.sign(key, body, algorithm))


def refusal(key: SessionKey | None, request: Signature, allowed: list[str] = ALLOWED) -> tuple[int, str]:
    with pytest.raises(RequestRefusedError) as refused:
        session_keys.verify(key, request, allowed)
    return refused.value.status, refused.value.message


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [  # as Java's Mac gives them
        ("HmacSHA256", "AuCaSAp2WRSyZFbAKo7iWXBghDf+QrT0sXktCBTRZLU="),
        ("HmacMD5", "WAG9/+HTKK1LCFBS3okL5A=="),
        ("hmacsha1", "TG8ik2/ETB17ykXUcZkBQJtdJXE="),
        ("HmacSHA512/256", "UEfmQZoECPCYMQUtlTuFGiLhzZq8dNk5zz/KoPRTop0="),
        ("HmacSHA3-256", "GUATnuZBPo1eInAt5gKalLyOyF4hP6SwfChR75QdXAM="),
    ],
)
def test_a_signature_is_what_java_gives(algorithm, expected):
    assert base64.b64encode(session_keys.sign(KEY, b"what is signed", algorithm)).decode() == expected


def test_a_new_key_is_as_long_as_what_its_algorithm_gives():
    assert len(session_keys.new_key("HmacSHA256", None, 5).key) == 32
    assert len(session_keys.new_key("HmacSHA512", None, 5).key) == 64
    assert len(session_keys.new_key("HmacSHA256", 512, 5).key) == 64


def test_each_new_key_is_another_one():
    assert session_keys.new_key("HmacSHA256", None, 5).key != session_keys.new_key("HmacSHA256", None, 5).key


@pytest.mark.parametrize("size", [0, -8, 12])
def test_a_key_of_a_part_of_a_byte_is_refused(size):
    with pytest.raises(ValueError, match="bits"):
        session_keys.new_key("HmacSHA256", size, 5)


def test_an_unknown_algorithm_is_refused():
    with pytest.raises(ValueError, match="Algorithm HmacROT13 not available"):
        session_keys.new_key("HmacROT13", None, 5)
    assert not session_keys.is_available("HmacROT13")
    assert session_keys.is_available("hmacsha256")


@pytest.mark.parametrize(
    ("key", "algorithm", "now_ms", "due"),
    [
        (None, "HmacSHA256", 1_000, True),
        (KEY, "HmacSHA256", 1_000, False),
        (KEY, "HmacSHA256", 60_999, False),
        (KEY, "HmacSHA256", 61_000, True),
        (KEY, "HmacSHA512", 1_000, True),
    ],
    ids=["none", "new", "nearly too old", "too old", "another algorithm"],
)
def test_a_new_key_is_due(key, algorithm, now_ms, due):
    assert session_keys.is_due(key, algorithm, 60_000, now_ms) is due


def test_what_another_worker_has_signed_passes():
    session_keys.verify(KEY, signed(), ALLOWED)
    session_keys.verify(KEY, signed(b""), ALLOWED)
    session_keys.verify(KEY, signed(algorithm="hmacsha256"), ALLOWED)


@pytest.mark.parametrize(
    "request_",
    [Signature(b"[]", None, b"x"), Signature(b"[]", "HmacSHA256", None)],
    ids=["no algorithm", "no signature"],
)
def test_what_is_not_signed_is_refused(request_):
    assert refusal(KEY, request_) == (400, "Internal request missing required signature")


def test_what_is_signed_wrongly_is_refused():
    wrong = (403, "Internal request contained invalid signature.")

    assert refusal(KEY, Signature(b"[{}]", "HmacSHA256", b"")) == wrong
    assert refusal(KEY, Signature(b"[]", "HmacSHA256", signed().signature)) == wrong
    assert refusal(KEY, signed(key=SessionKey(b"other", "HmacSHA256", 0))) == wrong


def test_what_is_signed_in_another_way_is_refused():
    assert refusal(KEY, Signature(b"[]", "NoSuchMac", b"x")) == (400, "Algorithm NoSuchMac not available")
    status, message = refusal(KEY, signed(algorithm="HmacMD5"))
    assert status == 400
    assert "inter.worker.verification.algorithms" in message


def test_before_the_first_key_was_read_nobody_can_tell():
    assert refusal(None, signed())[0] == 503
