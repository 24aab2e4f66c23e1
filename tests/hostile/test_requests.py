"""Table A: bad requests, and the answer that each must have."""

import gzip
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse

from patera import Patera
from patera._types import Receive, Scope, Send
from patera.testing import PateraTestClient, WebSocketClosed
from tests.hostile.application import create, events
from tests.hostile.wire import JSON, MULTIPART, URLENCODED, Wire, call, ids, problems

MakeHostile = Callable[..., Patera]

READERS = ("json", "model", "sync", "any", "list")


def post(
    row: str, target: str, body: bytes | tuple[bytes, ...], status: int | tuple[int, ...], *headers: tuple[str, str]
) -> Wire:
    return Wire(row, "POST", target, headers or (JSON,), body, status)


def get(row: str, target: str, status: int | tuple[int, ...], *headers: tuple[str, str]) -> Wire:
    return Wire(row, "GET", target, headers, status=status)


def everywhere(row: str, **bodies: bytes) -> list[Wire]:
    """Return rows of malformed JSON for each way in which an endpoint reads it."""
    return [
        post(f"{row} {name} ({reader})", f"/bodies/{reader}", body, 400)
        for name, body in bodies.items()
        for reader in READERS
    ]


def part(name: str, content: bytes = b"x", filename: str | None = None, headers: bytes = b"") -> bytes:
    disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename is not None else "")
    return b"--b\r\nContent-Disposition: %s\r\n%s\r\n%s\r\n" % (disposition.encode(), headers, content)


END = b"--b--\r\n"
ORDER = b'{"name": "x"}'
DEEP = 100_000

MALFORMED_JSON = [
    *everywhere("A1", empty=b"", opened=b"{", truncated=b'{"name":', word=b"nope", followed=ORDER + b" x"),
    *everywhere("A2", bytes=b'{"name": "\xff"}', overlong=b'{"name": "\xc0\xaf"}', bom=b"\xef\xbb\xbf" + ORDER),
    *everywhere("A3", opened=b"[" * DEEP, closed=b"[" * DEEP + b"]" * DEEP, objects=b'{"note":' * DEEP),
    *everywhere(
        "A4",
        nan=b'{"name": "x", "amount": NaN}',
        infinity=b'{"name": "x", "note": Infinity}',
        negative=b'{"name": "x", "undeclared": -Infinity}',
    ),
    *everywhere(
        "A5",
        field=b'{"name": "x", "count": %s}' % (b"9" * 5000),
        ignored=b'{"name": "x", "undeclared": %s}' % (b"9" * 5000),
    ),
    *everywhere("A6", field=b'{"name": "\\ud800"}', ignored=b'{"name": "x", "undeclared": "\\udc00"}'),
]

BODIES = [
    *[
        post(f"A9 {body.decode()} ({reader})", f"/bodies/{reader}", body, 422)
        for body in (b"null", b"3", b'"x"', b"true")
        for reader in ("json", "model", "sync", "list")
    ],
    Wire("A10", "POST", "/bodies/json", (), ORDER, 415),
    Wire("A10 without @consumes", "POST", "/bodies/model", (), ORDER, 415),
    post("A11", "/bodies/json", ORDER, 415, ("content-type", "text/plain")),
    post("A11 without @consumes", "/bodies/model", ORDER, 415, ("content-type", "text/plain")),
    post("A11 urlencoded", "/bodies/json", ORDER, 415, URLENCODED),
    post("A11 multipart", "/bodies/json", ORDER, 415, MULTIPART),
    post("A11 no type", "/bodies/json", ORDER, 415, ("content-type", "json")),
    post("A11 prefix", "/bodies/json", ORDER, 415, ("content-type", "application/jsonx")),
    post("A12 charset", "/bodies/json", ORDER, 200, ("content-type", "application/json; charset=utf-8")),
    post("A12 quoted", "/bodies/json", ORDER, 200, ("content-type", 'application/json;charset="UTF-8"')),
    post("A12 case", "/bodies/json", ORDER, 200, ("content-type", "Application/JSON")),
    post("A12 suffix", "/bodies/json", ORDER, 200, ("content-type", "application/vnd.x+json")),
    post(
        "A13",
        "/bodies/json",
        ORDER.decode().encode("utf-16"),
        415,
        ("content-type", "application/json; charset=utf-16"),
    ),
    post("A13 unknown", "/bodies/json", ORDER, 415, ("content-type", "application/json; charset=punycode")),
    post("A14", "/bodies/small", b"x" * 1001, 413),
    post("A14 form", "/bodies/small-form", b"a=" + b"x" * 1001, 413, URLENCODED),
    post("A14 exactly", "/bodies/small", b"x" * 1000, 200),
    post("A15", "/bodies/small", (b"x" * 100,) * 11, 413),
    post("A15 form", "/bodies/small-form", (b"a=" + b"x" * 500, b"x" * 600), 413, URLENCODED),
    post("A15 multipart", "/bodies/small-form", (part("a", b"x" * 500), part("b", b"x" * 500), END), 413, MULTIPART),
    post("A15 stream", "/bodies/stream", (b"x" * 60_000,) * 2, 413),
    *[
        post(f"A25 {coding} ({reader})", f"/bodies/{reader}", body, 415, JSON, ("content-encoding", coding))
        for coding, body in (("gzip", gzip.compress(ORDER)), ("deflate", zlib.compress(ORDER)), ("br", ORDER))
        for reader in READERS
    ],
    post("A25 form", "/forms/read", gzip.compress(b"a=1"), 415, URLENCODED, ("content-encoding", "gzip")),
    post("A25 identity", "/bodies/json", ORDER, 200, JSON, ("content-encoding", "identity")),
    post("A27 content types", "/bodies/json", ORDER, 400, JSON, ("content-type", "text/plain")),
    post("A27 equal content types", "/bodies/json", ORDER, 400, JSON, JSON),
    post("A27 form types", "/forms/read", b"a=1", 400, URLENCODED, JSON),
]

FORMS = [
    post("A17 no boundary", "/forms/read", part("a") + END, 400, ("content-type", "multipart/form-data")),
    post("A17 empty boundary", "/forms/read", part("a") + END, 400, ("content-type", "multipart/form-data; boundary=")),
    post(
        "A17 huge boundary",
        "/forms/read",
        part("a") + END,
        400,
        ("content-type", "multipart/form-data; boundary=" + "b" * 5000),
    ),
    post("A17 garbage", "/forms/read", b"\x00\xff garbage", 400, MULTIPART),
    post("A17 empty", "/forms/read", b"", 400, MULTIPART),
    post("A17 other boundary", "/forms/read", b"--c\r\n\r\nx\r\n--c--", 400, MULTIPART),
    post("A17 no name", "/forms/read", b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n" + END, 400, MULTIPART),
    post("A17 no disposition", "/forms/read", b"--b\r\nX-Other: 1\r\n\r\nx\r\n" + END, 400, MULTIPART),
    post("A17 in a def handler", "/forms/sync", b"garbage", 400, MULTIPART),
    post("A18", "/forms/read", part("a") + part("b")[:-2], 400, MULTIPART),
    post("A18 before the last boundary", "/forms/read", part("a") + part("b"), 400, MULTIPART),
    post("A18 within the last boundary", "/forms/read", part("a") + END[:3], 400, MULTIPART),
    post(
        "A18 within a file", "/forms/multipart", part("title") + part("file", b"x" * 9000, "f.txt")[:-5], 400, MULTIPART
    ),
    post("A18 in a def handler", "/forms/sync", part("a") + part("b"), 400, MULTIPART),
    post("A19 fields", "/forms/read", part("a") * 1001 + END, 400, MULTIPART),
    post("A19 1000 fields", "/forms/read", part("a") * 1000 + END, 200, MULTIPART),
    post("A19 files", "/forms/read", part("a", filename="f") * 1001 + END, 400, MULTIPART),
    post("A19 2 MB field", "/forms/read", part("a", b"x" * 2_000_000) + END, 400, MULTIPART),
    post("A20 fields", "/forms/read", b"a=1&" * 1001, 400, URLENCODED),
    post("A20 1000 fields", "/forms/read", b"&".join([b"a=1"] * 1000), 200, URLENCODED),
    post("A20 2 MB field", "/forms/read", b"a=" + b"x" * 2_000_000, 400, URLENCODED),
    post("A20 2 MB name", "/forms/read", b"x" * 2_000_000 + b"=1", 400, URLENCODED),
    post("A20 in a def handler", "/forms/sync", b"a=1&" * 1001, 400, URLENCODED),
    post("A20 model", "/forms/urlencoded", b"name=x&" + b"tags=1&" * 1001, 400, URLENCODED),
    post("A21 preamble", "/forms/read", b"x" * 5_000_000 + b"\r\n" + part("a") + END, (200, 400), MULTIPART),
    post("A21 epilogue", "/forms/read", part("a") + END + b"x" * 5_000_000, (200, 400), MULTIPART),
    post("A21 10k part headers", "/forms/read", part("a", headers=b"X-A: 1\r\n" * 10_000) + END, 400, MULTIPART),
    post(
        "A21 1 MB part header",
        "/forms/read",
        part("a", headers=b"X-A: %s\r\n" % (b"1" * 1_000_000)) + END,
        400,
        MULTIPART,
    ),
    post("A22 5 KB", "/forms/read", part("file", filename="x" * 5000) + END, 400, MULTIPART),
    post("A24", "/forms/urlencoded", ORDER, 415),
    post("A24 multipart", "/forms/multipart", ORDER, 415),
    post("A24 read by the handler", "/forms/read", ORDER, 415),
    post("A24 in a def handler", "/forms/sync", ORDER, 415),
]


def name_ranges(count: int) -> tuple[str, str]:
    return "range", "bytes=" + ",".join(f"{index % 9}-{index % 9 + 1}" for index in range(count))


HEADERS = [
    get("A26 10k", "/read/params?" + "&".join(["a=1"] * 10_000), 400),
    get("A26 1001", "/read/query?" + "&".join(["a=1"] * 1001), 400),
    get("A26 1000", "/read/query?" + "&".join(["a=1"] * 1000), 200),
    get("A26 never read", "/paths/verbs?" + "&".join(["a=1"] * 1001), 200),
    get("A27 authorization", "/read/header", 400, ("authorization", "a"), ("authorization", "b")),
    get("A27 never read", "/paths/verbs", 200, ("authorization", "a"), ("authorization", "b")),
    Wire("A36 POST", "POST", "/paths/verbs", status=405),
    Wire("A36 TRACE", "TRACE", "/paths/verbs", status=405),
    Wire("A36 unknown", "BREW", "/paths/verbs", status=405),
    Wire("A36 nowhere", "BREW", "/nowhere", status=404),
    Wire("A38", "OPTIONS", "/paths/verbs", status=204),
    Wire("A38 nowhere", "OPTIONS", "/nowhere", status=404),
    get("A39", "/paths/verbs", 200, ("accept", "text/csv")),
    *[
        get(f"A40 {name} ({target})", target, status, header)
        for target in ("/static/digits.txt", "/output/file")
        for name, status, header in (
            ("1000 ranges", 200, name_ranges(1000)),
            ("100 ranges", 206, name_ranges(100)),
            ("50k digits", 400, ("range", "bytes=" + "9" * 50_000 + "-")),
            ("backwards", 400, ("range", "bytes=9-5")),
            ("beyond end", 416, ("range", "bytes=50-60")),
            ("nothing", 400, ("range", "bytes=")),
            ("other unit", 400, ("range", "pages=1-2")),
            ("no unit", 400, ("range", "garbage")),
        )
    ],
    *[
        get(f"A41 {name}: {value[:9]!r} ({target})", target, 200, (name, value))
        for target in ("/static/digits.txt", "/output/file")
        for name, value in (
            ("if-none-match", 'garbage,"\xff,,W/'),
            ("if-modified-since", "garbage"),
            ("if-modified-since", "Mon, 99 Foo 99999999999 99:99:99 GMT"),
            ("if-modified-since", "9" * 5000),
            ("if-range", "garbage"),
        )
    ],
    get("A45 no =", "/read/cookie", 200, ("cookie", "theme")),
    get("A45 500 cookies", "/read/cookie", 200, ("cookie", "; ".join(f"c{index}=x" for index in range(500)))),
    get("A45 quotes", "/read/cookie", 200, ("cookie", 'theme="a\\"b\\054; x="; ="";')),
    get("A45 not ASCII", "/read/cookie", 200, ("cookie", "theme=\xff\xfe; \xe9=1")),
    get("A45 two headers", "/read/cookie", 200, ("cookie", "theme=a"), ("cookie", "theme=b")),
    get("A45 octal", "/read/cookie", 200, ("cookie", 'theme="\\777\\400"')),
]

PATHS = [
    get("A33 %ff", "/paths/word/%ff", 200),
    get("A33 %00", "/paths/word/%00", 200),
    get("A33 %2f", "/paths/word/a%2fb", 404),
    get("A33 two slashes", "//paths/verbs", 200),
    get("A33 two slashes inside", "/paths//verbs", 308),
    get("A33 dot", "/./paths/verbs", 404),
    get("A33 two dots", "/nowhere/../paths/verbs", 404),
    get("A33 encoded dots", "/nowhere/%2e%2e/paths/verbs", 404),
    get("A33 bare %", "/paths/word/%", 200),
    get("A33 other host", "//evil.example/paths/verbs", 404),
    *[
        get(f"A34 {name}", f"/paths/int/{text}", 404)
        for name, text in (
            ("5000 digits", "9" * 5000),
            ("minus", "-1"),
            ("plus", "+1"),
            ("Arabic digit", "%D9%A1"),
            ("full-width digit", "%EF%BC%91"),
            ("decimal point", "1.0"),
            ("underscore", "1_0"),
            ("hexadecimal", "0x1"),
            ("space", "%201"),
            ("line break", "1%0a"),
            ("NUL", "1%00"),
        )
    ],
    get("A34 huge float", f"/paths/float/{'9' * 5000}.0", 404),
    get("A34 UUID", "/paths/uuid/" + "g" * 36, 404),
    *[
        get(f"A42 {name}", f"/static/{text}", 404)
        for name, text in (
            ("..%2f", "..%2foutside.txt"),
            ("%2e%2e/", "%2e%2e/outside.txt"),
            ("..%5c", "..%5coutside.txt"),
            ("%00", "digits.txt%00.png"),
            ("symbolic link", "link.txt"),
            ("long name", "a" * 5000),
            ("folder", "folder"),
            ("bytes", "%ff%fe"),
        )
    ],
    get("A42 //etc/passwd", "//etc/passwd", 404),
    get("A42 merged slashes", "/static//etc/passwd", 308),
    get("A42 encoded slashes", "/static/%2fetc%2fpasswd", 308),
    *[
        get(f"A43 {name}", f"/static/{name}", 404)
        for name in (".env", ".git/config", "folder/.hidden", ".well-known/.x")
    ],
    get("A43 .well-known", "/static/.well-known/security.txt", 200),
    *[get(f"A44 {name}", f"/static/{name}", 404) for name in ("nul.txt", "CON", "folder/aux.x", "com1", "lpt9.png")],
]

ROWS = [*MALFORMED_JSON, *BODIES, *FORMS, *HEADERS, *PATHS]


@pytest.mark.parametrize("wire", ROWS, ids=ids(ROWS))
async def test_bad_request_has_stated_answer(shared: Patera, wire: Wire) -> None:
    assert problems(wire, await call(shared, wire)) == []


async def differing(app: Any, rows: Sequence[Wire]) -> dict[str, list[str]]:
    """Return what is wrong with the answers of an application, by row."""
    found = {wire.row: problems(wire, await call(app, wire)) for wire in rows}
    return {row: wrong for row, wrong in found.items() if wrong}


@pytest.mark.parametrize("values", [{"DEBUG": True}, {"CORS_ENABLED": False}, {"REQUEST_LOG": True}], ids=str)
async def test_bad_request_under_another_configuration_has_the_same_answer(
    make_hostile: MakeHostile, values: dict[str, Any]
) -> None:
    assert await differing(make_hostile(**values), ROWS) == {}


async def test_bad_request_through_middleware_has_the_same_answer(make_hostile: MakeHostile) -> None:
    classes = ("PlainAsgi", "PlainMiddleware")
    application = make_hostile(MIDDLEWARE=[f"tests.hostile.application:{name}" for name in classes])
    assert await differing(application, ROWS) == {}


@pytest.mark.parametrize("is_patera", [True, False])
async def test_bad_request_to_a_mounted_application_has_the_same_answer(
    make_hostile: MakeHostile, is_patera: bool, tmp_path: Path
) -> None:
    below = [replace(wire, target=f"/sub{wire.target}") for wire in ROWS if not wire.target.startswith("//")]
    outer: Any = create(tmp_path, CONTROLLERS=[]) if is_patera else Starlette()
    outer.mount("/sub", make_hostile())
    assert await differing(outer, below) == {}


async def test_bad_request_as_a_problem_has_the_same_status(make_hostile: MakeHostile) -> None:
    application = make_hostile(ERROR_FORMAT="problem")
    for wire in ROWS:
        answer = await call(application, wire)
        assert answer.status in wire.statuses, wire.row
        if answer.status >= 400:
            assert answer.header("content-type") == "application/problem+json"
            assert {"type", "title", "status", "detail"} <= set(answer.json())


async def test_body_of_a_mounted_application_has_the_limit_of_the_outer_one(make_hostile: MakeHostile) -> None:
    """A14, A15."""
    application = make_hostile(MAX_CONTENT_LENGTH=100)
    application.mount("/foreign", read_everything)
    announced = Wire("A14", "POST", "/foreign/x", (), b"x" * 101, 413)
    answer = await call(application, announced)
    assert (problems(announced, answer), answer.taken) == ([], 0)
    assert (await call(application, replace(announced, body=(b"x" * 60,) * 9))).taken == 120


async def test_body_of_a_mounted_patera_application_has_its_own_limit(
    make_hostile: MakeHostile, tmp_path: Path
) -> None:
    """A14: the inner application may allow more."""
    outer = create(tmp_path, CONTROLLERS=[], MAX_CONTENT_LENGTH=100)
    outer.mount("/sub", make_hostile())
    assert (await call(outer, Wire("A14", "POST", "/sub/bodies/small", (), b"x" * 1000))).status == 200


async def read_everything(scope: Scope, receive: Receive, send: Send) -> None:
    """A foreign ASGI application."""
    body = await StarletteRequest(scope, receive).body()
    await PlainTextResponse(str(len(body)))(scope, receive, send)


async def answer_to(app: Patera, wire: Wire) -> Any:
    """Return the JSON of an answer that must be as stated."""
    answer = await call(app, wire)
    assert problems(wire, answer) == []
    return answer.json()


async def test_worker_answers_after_deeply_nested_json(shared: Patera) -> None:
    """A3."""
    await call(shared, post("A3", "/bodies/json", b"[" * DEEP, 400))
    assert await answer_to(shared, get("A3", "/paths/verbs", 200)) == {"size": 17}


async def test_duplicate_keys_the_last_one_counts(shared: Patera) -> None:
    """A7."""
    for reader in ("json", "any"):
        answer = await answer_to(shared, post("A7", f"/bodies/{reader}", b'{"name": "a", "name": "b"}', 200))
        assert next(iter(answer.values()))["name"] == "b"


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"name": 5}, ["body", "name"]),
        ({}, ["body", "name"]),
        ({"name": "x", "count": "many"}, ["body", "count"]),
        ([], ["body"]),
    ],
)
async def test_body_that_does_not_fit_names_its_location(shared: Patera, body: Any, loc: list[str]) -> None:
    """A8."""
    answer = await answer_to(shared, post("A8", "/bodies/json", json.dumps(body).encode(), 422))
    assert [error["loc"] for error in answer["errors"]] == [loc]


async def test_undeclared_field_is_ignored_by_default_and_refused_where_model_forbids_it(shared: Patera) -> None:
    """A8."""
    body = json.dumps({"name": "x", "undeclared": SUBMITTED}).encode()
    assert "undeclared" not in (await answer_to(shared, post("A8", "/bodies/json", body, 200)))["order"]
    answer = await call(shared, post("A8", "/bodies/strict", body, 422))
    assert (answer.status, SUBMITTED.encode() in answer.body) == (422, False)


SUBMITTED = "zq9-Submitted"

ECHOES = {
    "enum": SUBMITTED,
    "literal": SUBMITTED,
    "pet": {"kind": SUBMITTED},
    "key": SUBMITTED,
    "number": SUBMITTED,
    "price": SUBMITTED,
    "moment": SUBMITTED,
    "zone": SUBMITTED,
    "url": SUBMITTED,
    "address": SUBMITTED,
    "pattern": SUBMITTED,
    "short": SUBMITTED,
    "either": SUBMITTED,
    "checked": SUBMITTED,
    "asserted": SUBMITTED,
    "token": SUBMITTED,
}


@pytest.mark.parametrize("field", ECHOES)
async def test_validation_error_never_repeats_the_submitted_value(shared: Patera, field: str) -> None:
    """A8."""
    body = json.dumps({field: ECHOES[field]}).encode()
    wire = post("A8", "/bodies/everything", body, 422)
    answer = await call(shared, wire)
    assert problems(wire, answer) == []
    assert SUBMITTED.lower() not in answer.body.decode().lower()


async def test_validation_error_of_a_uuid_repeats_no_character(shared: Patera) -> None:
    """A8."""
    answer = await answer_to(shared, post("A8", "/bodies/everything", b'{"key": "@"}', 422))
    assert answer["details"] == {"key": "Input should be a valid UUID"}


@pytest.mark.parametrize("value", [4711471147, 47.114711, "4711 4711"])
async def test_validation_error_of_the_applications_own_validator_is_masked(shared: Patera, value: Any) -> None:
    """A8."""
    answer = await answer_to(shared, post("A8", "/bodies/own-error", json.dumps([value]).encode(), 422))
    assert answer["details"] == {"body": "Value error, *** is not allowed"}


@pytest.mark.parametrize("count", [1001, 50_000])
async def test_errors_beyond_a_thousand_are_not_listed(shared: Patera, count: int) -> None:
    """A8: the answer does not grow with the body."""
    body = b'{"pet": {"kind": "dog", "tricks": [%s]}}' % b",".join([b"1"] * count)
    answer = await answer_to(shared, post("A8", "/bodies/everything", body, 422))
    assert answer["errors"] == [{"loc": ["body"], "msg": "More than 1000 errors", "type": "too_many_errors"}]


@pytest.mark.parametrize("target", ["/bodies/small", "/bodies/small-form"])
async def test_body_with_too_large_length_is_refused_before_reading(shared: Patera, target: str) -> None:
    """A14."""
    answer = await call(shared, post("A14", target, b"a=" + b"x" * 1001, 413, URLENCODED))
    assert (answer.status, answer.taken) == (413, 0)


@pytest.mark.parametrize("target", ["/bodies/small", "/bodies/small-form"])
async def test_chunked_body_is_read_up_to_the_limit(shared: Patera, target: str) -> None:
    """A15: of a body of any size, no more than the piece that goes over the limit is taken."""
    answer = await call(shared, post("A15", target, (b"a" * 100,) * 5000, 413, URLENCODED))
    assert (answer.status, answer.taken) == (413, 1100)


@pytest.mark.parametrize("target", ["/bodies/json", "/bodies/any", "/bodies/sync", "/bodies/stream", "/forms/upload"])
async def test_body_cut_off_never_reaches_the_handler_and_is_no_error(
    shared: Patera, target: str, records: list[Any]
) -> None:
    """A16."""
    headers = URLENCODED if target == "/forms/upload" else JSON
    wire = Wire("A16", "POST", target, (headers, ("content-length", "900")), ORDER, is_cut=True)
    answer = await call(shared, wire)
    assert (answer.error, answer.starts) == (None, 0)
    assert [record["level"].name for record in records] == ["INFO"]
    assert "upload complete" not in events


@pytest.mark.parametrize(
    ("sent", "safe"),
    [
        ("../../x", "x"),
        ("C:\\x", "x"),
        ("NUL.txt", "_NUL.txt"),
        ("a\0b.txt", "ab.txt"),
        ("", "file"),
        ("..", "file"),
        (".env", "env"),
        ("x" * 2000 + ".txt", "x" * 179 + ".txt"),
    ],
)
async def test_filename_of_upload_becomes_a_bare_name(shared: Patera, sent: str, safe: str) -> None:
    """A22."""
    body = part("file", filename=sent) + END
    answer = await answer_to(shared, post("A22", "/forms/read", body, 200, MULTIPART))
    assert [file["safe"] for file in answer["files"]] == [safe]


async def test_urlencoded_bytes_outside_utf8_and_nul_stay_data(shared: Patera) -> None:
    """A23."""
    answer = await answer_to(shared, post("A23", "/forms/read", b"a=%ff&b=x%00y", 200, URLENCODED))
    assert answer["fields"] == [["a", "\ufffd"], ["b", "x\0y"]]


async def test_repeated_query_parameter_fills_a_list(shared: Patera) -> None:
    """A26."""
    assert (await answer_to(shared, get("A26", "/read/query?a=1&a=2&a[]=3", 200)))["a"] == ["1", "2"]


@pytest.mark.parametrize("method", ["POST", "PATCH", "TRACE", "BREW"])
async def test_wrong_method_names_all_that_are_allowed(shared: Patera, method: str) -> None:
    """A36."""
    answer = await call(shared, Wire("A36", method, "/paths/verbs", status=405))
    assert answer.header("allow") == "DELETE, GET, HEAD, OPTIONS, PUT"


@pytest.mark.parametrize("target", ["/paths/verbs", "/output/file", "/static/digits.txt", "/output/stream"])
async def test_head_has_headers_of_get_and_no_body(shared: Patera, target: str) -> None:
    """A37."""
    whole, head = await call(shared, Wire("A37", "GET", target)), await call(shared, Wire("A37", "HEAD", target))
    kept = [header for header in whole.headers if header[0] != b"x-request-id"]
    assert [header for header in head.headers if header[0] != b"x-request-id"] == kept
    assert (head.body, head.is_complete) == (b"", True)


async def test_head_of_a_stream_closes_its_generator(shared: Patera) -> None:
    """A37: one that never began has nothing to clean up, and warns of nothing."""
    answer = await call(shared, Wire("A37", "HEAD", "/output/stream"))
    assert (answer.error, events) == (None, [])


async def test_options_without_preflight_headers_has_allow(shared: Patera) -> None:
    """A38."""
    answer = await call(shared, Wire("A38", "OPTIONS", "/paths/verbs", status=204))
    assert (answer.header("allow"), answer.body, events) == ("DELETE, GET, HEAD, OPTIONS, PUT", b"", [])


async def test_overlapping_ranges_send_no_more_than_the_file(shared: Patera) -> None:
    """A40."""
    for target in ("/static/digits.txt", "/output/file"):
        answer = await call(shared, get("A40", target, 206, name_ranges(100)))
        assert answer.body == b"0123456789"


async def test_cookies_around_a_broken_one_are_read(shared: Patera) -> None:
    """A45."""
    answer = await answer_to(shared, get("A45", "/read/cookie", 200, ("cookie", "x; =; \xff=1; theme=dark")))
    assert answer["theme"] == "dark"


async def close_code(app: Patera, target: str, message: str | bytes) -> int:
    """Return the code with which a websocket is closed for a message."""
    async with PateraTestClient(app, lifespan=False).websocket(target) as ws:
        await (ws.send_text(message) if isinstance(message, str) else ws.send_bytes(message))
        with pytest.raises(WebSocketClosed) as closed:
            await ws.receive_text()
        return closed.value.code


@pytest.mark.parametrize(
    ("target", "message", "code"),
    [
        ("/sockets/json", "{", 1003),
        ("/sockets/json", b"\xff", 1003),
        ("/sockets/json", "[" * DEEP, 1003),
        ("/sockets/json", "NaN", 1003),
        ("/sockets/text", b"binary", 1003),
        ("/sockets/bytes", "text", 1003),
        ("/sockets/text", "x" * 2_000_000, 1009),
        ("/sockets/text", "\u20ac" * 400_000, 1009),
        ("/sockets/bytes", bytes(2_000_000), 1009),
        ("/sockets/fails", "x", 1011),
    ],
)
async def test_websocket_message_that_cannot_be_taken_closes_with_a_code(
    shared: Patera, target: str, message: str | bytes, code: int
) -> None:
    """A50."""
    assert await close_code(shared, target, message) == code


async def test_websocket_beside_a_failing_one_goes_on(shared: Patera) -> None:
    """A50."""
    async with PateraTestClient(shared, lifespan=False).websocket("/sockets/text") as ws:
        assert await close_code(shared, "/sockets/fails", "x") == 1011
        await ws.send_text("still here")
        assert await ws.receive_text() == "still here"


async def test_cookie_of_backslashes_is_read_in_linear_time(shared: Patera) -> None:
    """A45: Python's own unquoting took minutes for this one."""
    header = ("cookie", 'theme="' + "\\" * 200_000 + '"')
    assert len((await answer_to(shared, get("A45", "/read/cookie", 200, header)))["theme"]) == 100_000
