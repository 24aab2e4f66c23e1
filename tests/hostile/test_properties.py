"""Whatever a client sends is answered, and never with an error of the server."""

import json
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import cookie_parser

from patera import Patera
from patera._cookies import parse_cookies
from patera.testing import PateraTestClient
from tests.hostile.wire import JSON, MULTIPART, URLENCODED, Answer, Wire, call, problems

#: The same examples each time.
stable = settings(derandomize=True, max_examples=80, deadline=None, database=None)

NO_SERVER_ERROR = tuple(range(200, 500))

latin = st.binary(max_size=60).map(lambda data: data.decode("latin-1"))
near_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["name", "note", "x"]), inner),
    max_leaves=10,
).map(lambda value: json.dumps(value).encode())


@st.composite
def damaged(draw: st.DrawFn, sources: st.SearchStrategy[bytes]) -> bytes:
    """Draw bytes in which a few places were cut out, doubled or overwritten."""
    data = draw(sources)
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 20)))
        data = (
            data[:start] + draw(st.sampled_from([b"", data[start:end] * 2, b"\0", b"\xff", b'"', b"\r\n"])) + data[end:]
        )
    return data


async def answered(app: Patera, method: str, target: str, body: bytes = b"", *headers: tuple[str, str]) -> Answer:
    """Return an answer that is no error of the server, and in the right form if it is one of the client."""
    wire = Wire("any", method, target, headers, body, NO_SERVER_ERROR)
    answer = await call(app, wire)
    assert problems(wire, answer) == []
    return answer


@stable
@given(
    body=damaged(near_json) | st.binary(max_size=60),
    reader=st.sampled_from(["json", "sync", "any", "list", "everything"]),
)
async def test_json_of_any_bytes_is_no_server_error(shared: Patera, body: bytes, reader: str) -> None:
    await answered(shared, "POST", f"/bodies/{reader}", body, JSON)


HEADERS = [
    "accept",
    "access-control-request-headers",
    "access-control-request-method",
    "authorization",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "origin",
    "range",
    "sec-fetch-site",
    "transfer-encoding",
    "x-count",
    "x-forwarded-host",
    "x-request-id",
]
TARGETS = [
    ("GET", "/read/all"),
    ("GET", "/read/header"),
    ("GET", "/read/number-header"),
    ("GET", "/read/cookie"),
    ("GET", "/static/digits.txt"),
    ("GET", "/output/file"),
    ("HEAD", "/output/file"),
    ("OPTIONS", "/cors/own"),
    ("GET", "/cors/own"),
    ("POST", "/bodies/json"),
    ("POST", "/bodies/text"),
    ("POST", "/forms/read"),
    ("POST", "/forms/sync"),
    ("GET", "/nowhere"),
]
header_values = latin | st.sampled_from(
    [
        "multipart/form-data; boundary=" + "b" * 80,
        "application/json; charset*=utf-8''%ff",
        "text/plain; charset=idna",
        "bytes=0-,-1,5-2",
        "[::1",
        "a:b:c",
        "testserver:99999999",
        "9" * 5000,
        "text/html;q=1.1.1, */*;q=\xb2",
        "Mon, 31 Feb 0000 25:61:61 GMT",
    ]
)


@settings(stable, max_examples=300)
@given(
    place=st.sampled_from(TARGETS),
    headers=st.lists(st.tuples(st.sampled_from(HEADERS), header_values), min_size=1, max_size=4),
)
async def test_headers_of_any_bytes_are_no_server_error(
    shared: Patera, place: tuple[str, str], headers: list[tuple[str, str]]
) -> None:
    await answered(shared, *place, b"{}" if place[0] == "POST" else b"", *headers)


@stable
@given(value=latin)
async def test_request_id_of_a_client_never_splits_an_answer(shared: Patera, value: str) -> None:
    answer = await answered(shared, "GET", "/paths/verbs", b"", ("x-request-id", value))
    assert set(answer.header("x-request-id") or "\n").isdisjoint("\r\n\0 \x7f\xff")


segments = st.text(max_size=8) | st.sampled_from(
    ["..", ".", "", "%", "%00", "%ff", "%2f", "%5c", "9" * 5000, "nul", "-1"]
)
prefixes = st.sampled_from(["", "/paths/int", "/paths/word", "/paths/rest", "/paths/uuid", "/paths/float", "/static"])


@settings(stable, max_examples=200)
@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "TRACE", "BREW"]),
    prefix=prefixes,
    parts=st.lists(segments, max_size=4),
)
async def test_path_of_any_text_is_no_server_error(shared: Patera, method: str, prefix: str, parts: list[str]) -> None:
    target = prefix + "/" + "/".join(quote(part, safe="%", errors="surrogatepass") for part in parts)
    answer = await answered(shared, method, target)
    assert not (answer.header("location") or "/").startswith(("//", "/\\"))


@stable
@given(query=latin, target=st.sampled_from(["/read/query", "/read/params", "/read/all", "/output/redirect?to="]))
async def test_query_of_any_bytes_is_no_server_error(shared: Patera, query: str, target: str) -> None:
    await answered(shared, "GET", target + ("&" if "?" in target else "?") + query)


@stable
@given(value=latin | st.from_regex(r"[a-z\";=\\, 0-7]{0,40}", fullmatch=True))
async def test_cookies_of_any_bytes_are_no_server_error(shared: Patera, value: str) -> None:
    await answered(shared, "GET", "/read/cookie", b"", ("cookie", value))


@stable
@given(header=st.text(max_size=40) | st.from_regex(r"[a-z\\\\\";=, 0-7]{0,40}", fullmatch=True))
def test_cookies_are_those_that_starlette_reads(header: str) -> None:
    assert parse_cookies(header) == cookie_parser(header)


@stable
@given(
    value=st.from_regex(r"(bytes)?=?[0-9,\- ]{0,40}", fullmatch=True) | latin,
    target=st.sampled_from(["/static/digits.txt", "/output/file"]),
)
async def test_range_of_any_text_is_no_server_error(shared: Patera, value: str, target: str) -> None:
    answer = await answered(shared, "GET", target, b"", ("range", value))
    assert answer.status in (200, 206, 400, 416)


PART = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'
FILE = b'--b\r\nContent-Disposition: form-data; name="f"; filename="\xc3\xa9"\r\nContent-Type: text/x\r\n\r\n\xff\0\r\n'
multipart = st.lists(st.sampled_from([PART, FILE]), max_size=3).map(lambda parts: b"".join([*parts, b"--b--\r\n"]))


@settings(stable, max_examples=150)
@given(
    body=damaged(multipart) | st.binary(max_size=80),
    target=st.sampled_from(["/forms/read", "/forms/sync", "/forms/multipart"]),
)
async def test_multipart_of_any_bytes_is_no_server_error(shared: Patera, body: bytes, target: str) -> None:
    await answered(shared, "POST", target, body, MULTIPART)


@stable
@given(
    body=st.binary(max_size=60) | damaged(st.just(b"name=a&age=1&tags=%C3%A9&tags=+%00")),
    target=st.sampled_from(["/forms/read", "/forms/sync", "/forms/urlencoded"]),
)
async def test_urlencoded_of_any_bytes_is_no_server_error(shared: Patera, body: bytes, target: str) -> None:
    await answered(shared, "POST", target, body, URLENCODED)


@stable
@given(
    target=st.text(max_size=20) | st.from_regex(r"(https?:)?[/\\.@:?#%0-9a-f \t]{1,12}evil\.example", fullmatch=True)
)
async def test_safe_redirect_of_any_text_stays_on_the_site(shared: Patera, target: str) -> None:
    query = quote(target, safe="", errors="replace")
    answer = await answered(shared, "GET", f"/output/safe-redirect?next={query}")
    location = (answer.header("location") or "").replace("\\", "/")
    assert urlsplit(urljoin("http://testserver/x", location)).hostname == "testserver"


@stable
@given(message=damaged(near_json) | st.text(max_size=30), target=st.sampled_from(["/sockets/json", "/sockets/text"]))
async def test_websocket_message_of_any_content_is_no_server_error(shared: Patera, message: Any, target: str) -> None:
    async with PateraTestClient(shared, lifespan=False).websocket(target) as ws:
        await (ws.send_text(message) if isinstance(message, str) else ws.send_bytes(message))
        answer = await ws.receive()
        assert answer.get("code", 1003) == 1003


@pytest.mark.parametrize("size", [1000, 10_000])
async def test_bytes_taken_of_a_refused_body_do_not_grow_with_it(shared: Patera, size: int) -> None:
    wire = Wire("any", "POST", "/bodies/stream", (JSON,), (b"x" * 1000,) * size, 413)
    answer = await call(shared, wire)
    assert (problems(wire, answer), answer.taken) == ([], 101_000)
