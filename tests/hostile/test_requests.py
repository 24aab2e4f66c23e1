"""Table A: bad requests, and the answer that each must have."""

import json
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
from tests.hostile.application import create
from tests.hostile.recording import events
from tests.hostile.request_rows import DEEP, END, ORDER, ROWS, get, name_ranges, part, post
from tests.hostile.wire import JSON, MULTIPART, URLENCODED, Wire, call, ids, problems

MakeHostile = Callable[..., Patera]


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
    application = make_hostile(MIDDLEWARE=[f"tests.hostile.middleware:{name}" for name in classes])
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


LOCKED = [
    "/locked/secret",
    "//locked/secret",
    "/locked//secret",
    "/locked/secret/",
    "/locked/./secret",
    "/locked/../locked/secret",
    "/nowhere/../locked/secret",
    "/%6cocked/%73ecret",
    "/locked%2fsecret",
    "/locked/secret%00",
    "/locked/secret;a=b",
    "/LOCKED/secret",
    "/locked\\secret",
]


@pytest.mark.parametrize("target", LOCKED)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_path_spelled_otherwise_never_passes_a_guard(shared: Patera, method: str, target: str) -> None:
    """A33: who may come in is decided by the route that answers."""
    wire = Wire("A33", method, target, status=(401, 404, 308))
    assert problems(wire, await call(shared, wire)) == []
    assert events == []


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
    header = ("cookie", 'theme="' + "\\" * 60_000 + '"')
    assert len((await answer_to(shared, get("A45", "/read/cookie", 200, header)))["theme"]) == 30_000
