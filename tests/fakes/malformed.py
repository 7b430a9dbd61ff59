"""Requests that no client means: what is no HTTP, and bodies that are no JSON or of the wrong kind; raw, by what is wrong."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

HOST = b"Host: localhost\r\n"

NO_HTTP = {
    "no http": b"hello\r\n\r\n",
    "tls on a plain port": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "http/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
    "length and chunks": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "a negative length": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n",
    "a length that is no number": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 0x10\r\n\r\n",
    "an unknown coding": b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
    "chunks twice": b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
    "a chunk without size": b"POST /connectors HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "a chunk of more than all memory": b"POST / HTTP/1.1\r\n"
    + HOST
    + b"Transfer-Encoding: chunked\r\n\r\n"
    + b"F" * 21
    + b"\r\n",
    "a space before the colon": b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
    "a header without colon": b"GET / HTTP/1.1\r\n" + HOST + b"nonsense\r\n\r\n",
    "a null in a header": b"GET / HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n",
    "a folded header with a null": b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n\tb c\x00\r\n\r\n",
    "control characters in the target": b"GET /\x01 HTTP/1.1\r\n" + HOST + b"\r\n",
    "letters above ASCII in the target": "GET /ü HTTP/1.1\r\n".encode() + HOST + b"\r\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n",
    "another version": b"GET / HTTP/9.9\r\n" + HOST + b"\r\n",
    "no version": b"GET /\r\n" + HOST + b"\r\n",
    "a method of two words": b"GET IT / HTTP/1.1\r\n" + HOST + b"\r\n",
}
"""Each is answered with 400, and the connection ends."""

STRANGE = {
    "a name of percent signs": b"GET /connectors/%25%25 HTTP/1.1\r\n",
    "a half of a percent sign": b"GET /connectors/%2 HTTP/1.1\r\n",
    "no hex after a percent sign": b"GET /connectors/%zz/status HTTP/1.1\r\n",
    "no UTF-8 after percent signs": b"GET /connectors/%ff%fe HTTP/1.1\r\n",
    "a null in the name": b"GET /connectors/%00 HTTP/1.1\r\n",
    "a way up": b"GET /connectors/..%2f..%2fetc%2fpasswd HTTP/1.1\r\n",
    "a plain way up": b"GET /../../etc/passwd HTTP/1.1\r\n",
    "a whole URL": b"GET http://localhost/connectors HTTP/1.1\r\n",
    "an asterisk": b"OPTIONS * HTTP/1.1\r\n",
    "connect": b"CONNECT localhost:22 HTTP/1.1\r\n",
    "an unknown method": b"BREW /connectors HTTP/1.1\r\n",
    "trace": b"TRACE /connectors HTTP/1.1\r\n",
    "slashes": b"GET ///// HTTP/1.1\r\n",
    "a query of separators": b"GET /connectors?&&==&;expand=&expand=%00 HTTP/1.1\r\n",
    "a fragment": b"GET /connectors#x HTTP/1.1\r\n",
    "a name of 7000 letters": b"GET /connectors/" + b"a" * 7000 + b" HTTP/1.1\r\n",
    "an upgrade": b"GET /connectors HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n",
    "an upgrade to http/2": b"GET /connectors HTTP/1.1\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    "an accept of nonsense": b"GET /connectors HTTP/1.1\r\nAccept: ;;;q=,\r\n",
    "an accept of q below all": b"GET /connectors HTTP/1.1\r\nAccept: */*;q=-1\r\n",
    "an authorization of nonsense": b"GET /connectors HTTP/1.1\r\nAuthorization: Basic \xff\xfe\r\n",
    "a body with get": b"GET /connectors HTTP/1.1\r\nContent-Length: 2\r\n",
}
"""Valid HTTP as far as the server can tell; the rest of the headers is missing."""

JSON = [
    b"",
    b" ",
    b"{",
    b"}",
    b"[",
    b"]",
    b"null",
    b"true",
    b"0",
    b'""',
    b"[]",
    b"[[]]",
    b"{}",
    b"{}{}",
    b"{,}",
    b'{"a"}',
    b'{"a":}',
    b'{"a":1,}',
    b'{"a":1 "b":2}',
    b"{a:1}",
    b"{'a':1}",
    b'{"a":NaN}',
    b'{"a":Infinity}',
    b'{"a":-Infinity}',
    b'{"a":01}',
    b'{"a":1.}',
    b'{"a":+1}',
    b'{"a":0x10}',
    b'{"a":1e999999}',
    b'{"a":' + b"9" * 5000 + b"}",
    b'{"a":"\\u12"}',
    b'{"a":"\\ud800"}',
    b'{"a":"\\udc00\\ud800"}',
    b'{"a":"\\x41"}',
    b'{"a":"\x00"}',
    b'{"a":"\n"}',
    b'{"a":"\xff"}',
    b'{"a":"\xed\xa0\x80"}',
    b'{"\xc3":1}',
    b"\xef\xbb\xbf{}",
    b"\xff\xfe{\x00}\x00",
    b"\x00",
    b"/* */{}",
    b"{}//",
    b"<html></html>",
    b"--- a\n",
    b"a=1&b=2",
    b"\x1f\x8b\x08\x00",
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b'[{"a":' * 30_000,
    b'{"a":1,"a":2}',
    b'{"name":1}',
    b'{"name":{}}',
    b'{"name":"x","config":[]}',
    b'{"name":"x","config":{"a":{}}}',
    b'{"name":"x","config":{"a":[1]}}',
    b'{"name":"x","config":"y"}',
    b'{"name":"x","config":null}',
    b'{"name":"x","config":{},"initial_state":5}',
    b'{"name":"x","config":{},"initial_state":"GONE"}',
    b'{"config":{"name":"\\u0000"}}',
    b'{"name":"\\u202e","config":{}}',
    b'{"name":"x\\ny","config":{"connector.class":"os.system"}}',
    b'{"name":"x","config":{"connector.class":"../../x"}}',
    b'{"name":"x","config":{"connector.class":"builtins:eval"}}',
    b'{"name":"x","config":{"connector.class":null}}',
    b'{"name":"x","config":{"connector.class":true}}',
    b'{"offsets":1}',
    b'{"offsets":[1]}',
    b'{"offsets":[null]}',
    b'{"offsets":[{}]}',
    b'{"offsets":[{"partition":[]}]}',
    b'{"offsets":[{"partition":"x"}]}',
    b'{"offsets":[{"partition":{"a":1},"offset":[]}]}',
    b'{"offsets":[{"partition":{"a":1e400},"offset":null}]}',
    b'{"offsets":[{"partition":{"a":' + b"9" * 400 + b'},"offset":{"b":' + b"9" * 400 + b"}}]}",
    b'{"level":1}',
    b'{"level":null}',
    b'{"level":"\\u0000"}',
    b'[{"a":{}}]',
    b'[{"a":null},{"b":1}]',
    b"[null]",
]
"""Bodies for every route that takes one. Few are right for any."""

_VALID = (
    b'{"name": "fuzzed", "config": {"connector.class": "FileStreamSource", "topic": "t", "tasks.max": 1, "y": true}, '
    b'"initial_state": "STOPPED"}'
)


def broken_bodies(count: int, seed: int) -> Iterator[bytes]:
    """A valid body with something broken in it: cut off, or some of its bytes changed, taken out or doubled."""
    dice = random.Random(seed)
    for _ in range(count):
        body = bytearray(_VALID)
        for _ in range(dice.randint(1, 4)):
            at = dice.randrange(len(body))
            match dice.randrange(4):
                case 0:
                    body[at] = dice.randrange(256)
                case 1:
                    del body[at]
                case 2:
                    body[at:at] = body[at : at + dice.randint(1, 20)]
                case 3:
                    del body[at + 1 :]
        yield bytes(body)


def exchange(url: str, data: bytes, timeout_s: float = 20) -> bytes:
    """What comes back for these bytes until the server hangs up."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=timeout_s) as connection:
        connection.sendall(data)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        return answer
