"""The measured requests, each with the answer that it must get from every framework."""

import json
import sys
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

from benchmarks.apps.models import MANY_ROUTES, ORDER, ROUTES, TOKEN
from benchmarks.apps.page import PAGE

HEADERS = (
    (b"host", b"api.example.com"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (b"accept", b"application/json, text/plain, */*"),
    (b"accept-language", b"en-US,en;q=0.7,sl;q=0.3"),
    (b"accept-encoding", b"gzip, deflate, br, zstd"),
    (b"connection", b"keep-alive"),
    (b"cookie", b"theme=dark; consent=1; _id=2f1b6c0e4d"),
    (b"cache-control", b"no-cache"),
)
ORIGIN = b"https://app.example.com"


@dataclass(frozen=True)
class Target:
    """Upper limits of Patera's CPU time, as multiples of the other variants' (None: no limit set).

    `peer` is the best of the other frameworks; ahead of all of them, below 1, is the limit where none is set.
    """

    raw: float | None = None
    starlette: float | None = None
    tuned: float | None = None
    peer: float = 1.0


@dataclass(frozen=True)
class Answer:
    """What an application sent."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Case:
    """One request: which application it goes to, and what must come back.

    Args:
        name: The row of the table.
        application: The key in a variant's `APPLICATIONS`.
        path: The path of the request.
        expected: The body: text, or a JSON value; None where frameworks word it differently.
        headers: Headers that the answer must have; of a tuple of values, one.
        sent: Headers of the request beside the usual eight.
        body: A JSON body makes it a POST.
        target: The limits that the design sets.
    """

    name: str
    application: str
    path: str
    target: Target
    expected: Any = None
    status: int = 200
    headers: tuple[tuple[str, str | tuple[str, ...]], ...] = ()
    sent: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""

    def scope(self) -> dict[str, Any]:
        content = ((b"content-type", b"application/json"), (b"content-length", b"%d" % len(self.body)))
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "POST" if self.body else "GET",
            "scheme": "https",
            "path": self.path,
            "raw_path": self.path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [*HEADERS, *self.sent, *(content if self.body else ())],
            "client": ("127.0.0.1", 50123),
            "server": ("127.0.0.1", 8000),
            "state": {},
        }

    def environ(self) -> dict[str, Any]:
        """The same request for a WSGI application (PEP 3333)."""
        scope = self.scope()
        sent = {name.decode().upper().replace("-", "_"): value.decode("latin-1") for name, value in scope["headers"]}
        plain = {name: sent.pop(name) for name in ("CONTENT_TYPE", "CONTENT_LENGTH") if name in sent}
        return {
            "REQUEST_METHOD": scope["method"],
            "SCRIPT_NAME": "",
            "PATH_INFO": self.path,
            "QUERY_STRING": "",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "https",
            "wsgi.input": BytesIO(self.body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            **plain,
            **{f"HTTP_{name}": value for name, value in sent.items()},
        }

    def problems(self, answer: Answer) -> list[str]:
        """What is wrong with an answer."""
        found = []
        if answer.status != self.status:
            found.append(f"status {answer.status}, not {self.status}")
        if self.expected is not None and answer.body != self.expected and parsed(answer.body) != self.expected:
            found.append(f"body {answer.body!r}, not {self.expected!r}")
        for name, value in (*self.headers, ("content-length", str(len(answer.body)))):
            if answer.headers.get(name) not in (value if isinstance(value, tuple) else (value,)):
                found.append(f"{name} {answer.headers.get(name)}, not {value}")
        return found


def parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


GREETING = {"message": "Hello, World!"}
MIDDLEWARE_HEADERS = tuple((f"x-layer-{number}", str(number)) for number in range(1, 6))
USER = {
    "id": 7,
    "email": "ada@example.com",
    "name": "Ada Lovelace",
    "role": "editor",
    "active": True,
    "score": 4.5,
    "joined": "2026-03-01T09:30:00",
    "tags": ["mathematics", "engines"],
    "city": "London",
    "followers": 1815,
}
ORDER_ANSWER = {key: value for key, value in json.loads(ORDER).items() if key not in {"voucher", "payment_token"}}
JSON = (("content-type", "application/json"),)


def resource_case(number: int) -> Case:
    """The request of one of many routes."""
    body = {"id": 17, "number": number}
    target = Target(starlette=0.05, peer=0.80)
    return Case(f"resource {number}", "routes", f"/resource{number}/17", target, body, headers=JSON)


AUTHORIZATION = (b"authorization", b"Bearer " + TOKEN)

CASES = (
    Case(
        "plaintext",
        "endpoints",
        "/plaintext",
        Target(2.5, 0.45, peer=0.80),
        b"Hello, World!",
        headers=(("content-type", "text/plain; charset=utf-8"),),
    ),
    Case("json", "endpoints", "/json", Target(2.5, 0.40, 0.50, peer=0.50), GREETING, headers=JSON),
    Case(
        "int-json",
        "endpoints",
        "/users/1234",
        Target(2.7, 0.45, peer=0.60),
        {"id": 1234, "name": "user 1234"},
        headers=JSON,
    ),
    Case("model", "endpoints", "/model", Target(2.0, 0.35, peer=0.80), USER, headers=JSON),
    Case("post", "endpoints", "/orders", Target(1.8, 0.40, 0.60, peer=0.65), ORDER_ANSWER, headers=JSON, body=ORDER),
    Case("404", "endpoints", "/no/such/page", Target(5.5, 0.60, peer=0.50), status=404),
    replace(resource_case(ROUTES - 1), name="500-routes"),
    replace(resource_case(MANY_ROUTES - 1), name="5000-routes", application="many-routes"),
    Case(
        "middleware",
        "middleware",
        "/json",
        Target(4.0, tuned=0.65, peer=0.65),
        GREETING,
        headers=(*JSON, *MIDDLEWARE_HEADERS),
    ),
    Case(
        "cors",
        "cors",
        "/json",
        Target(2.8, 0.30, peer=0.45),
        GREETING,
        headers=(*JSON, ("access-control-allow-origin", ("*", ORIGIN.decode()))),
        sent=((b"origin", ORIGIN), (b"sec-fetch-site", b"same-site")),
    ),
    Case(
        "guarded", "endpoints", "/me", Target(), {"id": 7, "name": "Ada Lovelace"}, headers=JSON, sent=(AUTHORIZATION,)
    ),
    Case("def", "endpoints", "/blocking", Target(), GREETING, headers=JSON),
    Case(
        "template",
        "endpoints",
        "/page",
        Target(),
        PAGE,
        headers=(("content-type", "text/html; charset=utf-8"),),
    ),
)

#: Answers that are checked but not measured: without its token the guarded endpoint must refuse.
REFUSED = Case("guarded, no token", "endpoints", "/me", Target(), status=401)
