"""`Request` over plain ASGI scopes and events."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loguru import logger
from pydantic import BaseModel
from starlette.datastructures import ImmutableMultiDict
from starlette.requests import Request as StarletteRequest

from patera._context import current_request
from patera._types import Message, Scope
from patera.exceptions import MalformedRequest, PayloadTooLarge, UnsupportedMediaType
from patera.request import (
    ClientDisconnect,
    MultiValues,
    QueryParams,
    Request,
    WebSocketDisconnect,
    check_json_numbers,
    media_type_of,
    parse_json,
)
from patera.response import Response

JSON_HEADERS = {"content-type": "application/json"}


class Channel:
    """Both ends of an ASGI connection: what the server hands out, and what it was given."""

    def __init__(self, *events: Message) -> None:
        self.events = list(events)
        self.sent: list[Message] = []
        self.error: OSError | None = None
        self.received = 0

    async def receive(self) -> Message:
        self.received += 1
        return self.events.pop(0)

    async def send(self, event: Message) -> None:
        if self.error is not None:
            raise self.error
        self.sent.append(event)


def http_scope(**changes: Any) -> Scope:
    scope: Scope = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "path": "/",
        "root_path": "",
        "query_string": b"",
        "headers": [],
    }
    return {**scope, **changes}


def raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]


def http_request(*chunks: bytes, headers: dict[str, str] | None = None, **changes: Any) -> Request:
    return make_http(*chunks, headers=headers, **changes)[0]


def make_http(*chunks: bytes, headers: dict[str, str] | None = None, **changes: Any) -> tuple[Request, Channel]:
    channel = Channel(*body_events(*chunks))
    return Request(http_scope(headers=raw(headers or {}), **changes), channel.receive, channel.send), channel


def body_events(*chunks: bytes) -> Iterator[Message]:
    for number, chunk in enumerate(chunks, 1):
        yield {"type": "http.request", "body": chunk, "more_body": number < len(chunks)}


def make_socket(*events: Message, **changes: Any) -> tuple[Request, Channel]:
    channel = Channel(*events)
    scope = {"type": "websocket", "path": "/ws", "query_string": b"", "headers": [], **changes}
    return Request(scope, channel.receive, channel.send), channel


CONNECT: Message = {"type": "websocket.connect"}
LEAVE: Message = {"type": "websocket.disconnect", "code": 1001, "reason": "bye"}


def text_event(text: str) -> Message:
    return {"type": "websocket.receive", "text": text}


def bytes_event(data: bytes) -> Message:
    return {"type": "websocket.receive", "bytes": data}


async def join(request: Request) -> bytes:
    return b"".join([chunk async for chunk in request.stream()])


# What Starlette's own object holds


def test_constructor_of_http_request_sets_what_starlette_sets() -> None:
    scope, channel = http_scope(), Channel()
    ours = Request(scope, channel.receive, channel.send)
    assert vars(StarletteRequest(scope, channel.receive, channel.send)).items() <= vars(ours).items()


def test_constructor_without_receive_and_send_sets_what_starlette_sets() -> None:
    scope = http_scope()
    assert vars(StarletteRequest(scope)).items() <= vars(Request(scope)).items()


@pytest.mark.parametrize("chunks", [(b"all",), (b"",), (b"a", b"b", b"")])
async def test_body_leaves_what_starlette_leaves(chunks: tuple[bytes, ...]) -> None:
    ours, stock = (cls(http_scope(), Channel(*body_events(*chunks)).receive) for cls in (Request, StarletteRequest))
    await ours.body()
    await stock.body()
    assert without_functions(stock).items() <= without_functions(ours).items()


def without_functions(request: StarletteRequest) -> dict[str, Any]:
    return {name: value for name, value in vars(request).items() if name not in ("_receive", "_send")}


async def test_json_leaves_what_starlette_leaves() -> None:
    ours, stock = (cls(http_scope(), Channel(*body_events(b"[1]")).receive) for cls in (Request, StarletteRequest))
    await ours.json()
    await stock.json()
    assert without_functions(stock).items() <= without_functions(ours).items()


def test_mapping_of_values_holds_what_starlettes_mapping_holds() -> None:
    items = [("a", "1"), ("b", "2")]
    assert vars(MultiValues(items)) == vars(ImmutableMultiDict(items))


def test_request_is_starlettes_request() -> None:
    assert isinstance(http_request(), StarletteRequest)


# What was asked for


def test_method_of_http_request_is_upper_case() -> None:
    assert http_request(method="post").method == "POST"


def test_method_of_websocket_is_socket() -> None:
    assert make_socket()[0].method == "SOCKET"


@pytest.mark.parametrize(
    ("path", "root_path", "expected"),
    [("/users/1", "", "/users/1"), ("/api/users", "/api", "/users"), ("/api", "/api", "/"), ("/ü x", "", "/ü x")],
)
def test_path_is_decoded_and_without_root_path(path: str, root_path: str, expected: str) -> None:
    assert http_request(path=path, root_path=root_path).path == expected


def test_query_string_is_text_after_question_mark() -> None:
    assert http_request(query_string=b"a=%20&b").query_string == "a=%20&b"


def test_query_string_that_server_left_out_is_empty() -> None:
    scope = http_scope()
    del scope["query_string"]
    assert (Request(scope).query_string, dict(Request(scope).query_params)) == ("", {})


def test_url_has_host_path_and_query() -> None:
    request = http_request(headers={"host": "example.org"}, path="/a", query_string=b"x=1&y=%20")
    assert str(request.url) == "http://example.org/a?x=1&y=%20"


def test_url_with_query_outside_ascii_is_quoted() -> None:
    assert str(http_request(path="/a", query_string=b"x=\xff").url) == "http://127.0.0.1:8000/a?x=%FF"


@pytest.mark.parametrize("host", ["evil.org/path", "good@evil.org", "evil org", ""])
def test_url_with_malformed_host_header_names_server(host: str) -> None:
    assert http_request(headers={"host": host}).url.netloc == "127.0.0.1:8000"


def test_url_is_built_once() -> None:
    request = http_request()
    assert request.url is request.url


def test_host_is_host_header() -> None:
    assert http_request(headers={"host": "example.org:81"}).host == "example.org:81"


def test_headers_are_case_insensitive() -> None:
    assert http_request(headers={"x-kind": "a"}).headers["X-Kind"] == "a"


def test_cookie_header_that_is_missing_has_default() -> None:
    assert http_request().headers.get("cookie", "") == ""


def test_route_parameters_are_path_parameters_of_scope() -> None:
    assert http_request(path_params={"user_id": 1}).route_parameters == {"user_id": 1}


def test_route_parameters_can_be_replaced() -> None:
    request = http_request()
    request.route_parameters = {"user_id": 2}
    assert request.path_params == {"user_id": 2}


def test_route_parameters_outside_route_are_empty() -> None:
    assert http_request().route_parameters == {}


def test_route_handler_is_matched_endpoint() -> None:
    assert (http_request(endpoint=len).route_handler, http_request().route_handler) == (len, None)


def test_request_id_is_the_scopes() -> None:
    request = Request({**http_scope(), "patera.request_id": b"7f"})
    assert (request.request_id, http_request().request_id) == ("7f", "")


def test_url_for_is_absolute() -> None:
    app = SimpleNamespace(url_for=lambda endpoint, **values: f"/api/{endpoint}/{values['user_id']}")
    request = http_request(headers={"host": "example.org"}, root_path="/api", path="/api/x", app=app)
    assert request.url_for("Users.show", user_id=1) == "http://example.org/api/Users.show/1"


# Query


def test_query_parameter_that_is_repeated_has_first_value() -> None:
    assert http_request(query_string=b"a=1&a=2").query_params["a"] == "1"


def test_query_parameter_that_is_repeated_has_list() -> None:
    assert http_request(query_string=b"a=1&b=0&a=2").query_params.getlist("a") == ["1", "2"]


def test_query_parameter_that_is_blank_is_kept() -> None:
    assert dict(http_request(query_string=b"a=&b&a[]=").query_params) == {"a": "", "b": "", "a[]": ""}


def test_query_parameter_is_converted() -> None:
    assert http_request(query_string=b"page=3").query_params.get("page", 1, type=int) == 3


@pytest.mark.parametrize("query", [b"page=x", b"page=", b"other=1"])
def test_query_parameter_that_does_not_convert_has_default(query: bytes) -> None:
    assert http_request(query_string=query).query_params.get("page", 1, type=int) == 1


def test_query_parameter_without_default_is_none() -> None:
    assert http_request().query_params.get("page") is None


def test_query_list_drops_what_does_not_convert() -> None:
    assert QueryParams("id=1&id=x&id=2").getlist("id", type=int) == [1, 2]


def test_query_parameter_that_is_missing_is_answered_with_400() -> None:
    with pytest.raises(MalformedRequest, match="Missing value: page"):
        http_request().query_params["page"]


def test_query_parameter_that_is_missing_is_key_error() -> None:
    with pytest.raises(KeyError):
        http_request().query_params["page"]


def test_query_of_thousand_parameters_is_read() -> None:
    assert len(http_request(query_string=b"&".join([b"a=1"] * 1000)).query_params.getlist("a")) == 1000


def test_query_of_too_many_parameters_is_refused_when_read() -> None:
    request = http_request(query_string=b"&".join([b"a=1"] * 1001))
    with pytest.raises(MalformedRequest, match="More than 1000 query parameters"):
        request.query_params.get("a")


def test_query_is_parsed_once() -> None:
    request = http_request(query_string=b"a=1")
    assert request.query_params is request.query_params


def test_query_pairs_keep_their_order() -> None:
    assert QueryParams(b"b=1&a=2&b=3").multi_items() == [("b", "1"), ("a", "2"), ("b", "3")]


def test_query_is_written_back_encoded() -> None:
    assert str(QueryParams([("a", "x y"), ("a", "ü")])) == "a=x+y&a=%C3%BC"


def test_query_of_raw_utf8_is_decoded() -> None:
    assert http_request(query_string="name=Zoë".encode()).query_params["name"] == "Zoë"


def test_query_validates_as_model() -> None:
    class Filter(BaseModel):
        page: int = 1
        name: str | None = None

    assert Filter.model_validate(http_request(query_string=b"page=3").query_params) == Filter(page=3)


@given(st.binary(max_size=80))
def test_query_of_any_bytes_is_read(query: bytes) -> None:
    assert all(isinstance(value, str) for value in http_request(query_string=query).query_params.values())


@given(st.binary(max_size=80))
def test_url_of_any_query_is_built(query: bytes) -> None:
    assert str(http_request(query_string=query).url).isascii()


# Headers and cookies


def test_cookies_are_read() -> None:
    assert http_request(headers={"cookie": 'a=1; b="x y"'}).cookies == {"a": "1", "b": "x y"}


def test_cookies_without_equals_sign_are_read() -> None:
    assert http_request(headers={"cookie": "broken; a=1"}).cookies["a"] == "1"


def test_cookies_in_great_number_are_read() -> None:
    header = "; ".join(f"c{number}=1" for number in range(500))
    assert len(http_request(headers={"cookie": header}).cookies) == 500


@given(st.binary(max_size=80))
def test_cookies_of_any_bytes_are_read(value: bytes) -> None:
    assert isinstance(http_request(headers={"cookie": value.decode("latin-1")}).cookies, dict)


@pytest.mark.parametrize("name", ["content-type", "authorization"])
def test_single_header_that_is_repeated_is_refused(name: str) -> None:
    request = Request(http_scope(headers=[(name.encode(), b"a"), (name.encode(), b"b")]))
    with pytest.raises(MalformedRequest, match=f"The header {name} was sent more than once"):
        request.single_header(name)


def test_single_header_has_its_value() -> None:
    request = http_request(headers={"authorization": "Bearer x"})
    assert (request.single_header("Authorization"), request.single_header("host")) == ("Bearer x", None)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, (None, None)),
        ("application/json", ("application/json", None)),
        ("Application/JSON ; Charset=UTF-8", ("application/json", "utf-8")),
        ('text/plain; format=flowed; charset="utf-16"', ("text/plain", "utf-16")),
        ("text/plain;", ("text/plain", None)),
        ("", ("", None)),
    ],
)
def test_media_type_is_lower_case_with_its_charset(header: str | None, expected: tuple[str | None, str | None]) -> None:
    assert media_type_of(http_request(headers={} if header is None else {"content-type": header})) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [("application/json", True), ("application/vnd.x+json; charset=utf-8", True), ("text/json", False), (None, False)],
)
def test_is_json_follows_content_type(header: str | None, expected: bool) -> None:
    assert http_request(headers={"content-type": header} if header else {}).is_json is expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, True),
        ("*/*", True),
        ("text/*;q=0.5", True),
        ("application/json", False),
        ("text/html;q=0, */*", False),
        ("TEXT/HTML ; Q=1", True),
        ("text/html;q=broken", True),
    ],
)
def test_accepts_follows_accept_header(header: str | None, expected: bool) -> None:
    assert http_request(headers={"accept": header} if header else {}).accepts("text/html") is expected


# User, state, response


def test_user_before_login_is_none() -> None:
    assert http_request(user="somebody of a foreign middleware").user is None


def test_user_can_be_set_and_removed() -> None:
    request = http_request()
    request.set_user("ada")
    was = request.user
    request.remove_user()
    assert (was, request.user) == ("ada", None)


def test_user_can_be_assigned() -> None:
    request = http_request()
    request.user = "ada"
    assert request.user == "ada"


def test_state_takes_attributes_and_items() -> None:
    request = http_request()
    request.state.started = 1
    request.state["ended"] = 2
    assert (request.state["started"], request.state.ended) == (1, 2)


def test_state_is_the_scopes() -> None:
    assert http_request(state={"pool": "p"}).state.pool == "p"


def test_state_can_be_assigned_as_whole() -> None:
    request = http_request()
    request.state = ["anything"]
    assert request.state == ["anything"]


def test_context_is_content_of_state() -> None:
    request = http_request()
    request.context["a"] = 1
    assert request.state.a == 1


def test_context_is_state_that_was_assigned_as_dict() -> None:
    request = http_request()
    request.state = {"a": 1}
    assert request.context == {"a": 1}


def test_response_is_one_object_under_both_names() -> None:
    request = http_request()
    assert request.res is request.response is request.res


def test_response_outside_application_is_pateras() -> None:
    assert type(http_request().res) is Response


def test_fresh_response_has_nothing_of_the_old_one() -> None:
    request = http_request()
    request.res.set_header("x-old", "1")
    request.fresh_response()
    assert "x-old" not in request.res.headers


@contextmanager
def answering(request: Request) -> Iterator[None]:
    """Make a request the one that is being answered, as its endpoint does."""
    token = current_request.set(request)
    yield
    current_request.reset(token)


async def test_response_sends_events_through_request() -> None:
    request, channel = make_socket(CONNECT)
    await request.accept()
    with answering(request):
        await request.res.send({"type": "websocket.send", "text": "hello"})
    assert channel.sent[-1] == {"type": "websocket.send", "text": "hello"}


# Body


async def test_body_in_several_messages_is_joined() -> None:
    assert await http_request(b"a", b"", b"b").body() == b"ab"


async def test_body_read_twice_is_received_once() -> None:
    request, channel = make_http(b"a")
    assert (await request.body(), await request.body(), channel.received) == (b"a", b"a", 1)


async def test_body_that_was_read_can_be_streamed() -> None:
    request = http_request(b"a", b"b")
    await request.body()
    assert await join(request) == b"ab"


async def test_body_that_was_streamed_is_refused() -> None:
    request = http_request(b"a")
    await join(request)
    with pytest.raises(RuntimeError, match="Stream consumed"):
        await request.body()


async def test_body_of_websocket_is_refused() -> None:
    with pytest.raises(RuntimeError, match="A websocket has no body"):
        await make_socket()[0].body()


async def test_body_event_of_unknown_type_is_skipped() -> None:
    channel = Channel({"type": "http.future"}, *body_events(b"a"))
    assert await Request(http_scope(), channel.receive).body() == b"a"


@pytest.mark.parametrize("before", [[], [{"type": "http.request", "body": b"half", "more_body": True}]])
async def test_body_of_client_that_leaves_raises(before: list[Message]) -> None:
    channel = Channel(*before, {"type": "http.disconnect"})
    request = Request(http_scope(), channel.receive)
    with pytest.raises(ClientDisconnect):
        await request.body()
    assert await request.is_disconnected()


@pytest.mark.parametrize("read", [Request.body, join, Request.json, Request.form, Request.text])
async def test_body_that_says_it_is_too_large_is_refused_before_reading(read: Callable[[Request], Any]) -> None:
    request, channel = make_http(
        b"12345", headers={"content-length": "5", "content-type": "application/x-www-form-urlencoded"}
    )
    request._body_limit = 4
    with pytest.raises(PayloadTooLarge):
        await (request.form() if read is Request.form else read(request))
    assert channel.received == 0


@pytest.mark.parametrize("read", [Request.body, join])
async def test_body_that_grows_too_large_is_read_up_to_limit(read: Callable[[Request], Any]) -> None:
    request, channel = make_http(b"123", b"45", b"67", b"89")
    request._body_limit = 4
    with pytest.raises(PayloadTooLarge):
        await read(request)
    assert channel.received == 2


async def test_body_that_grew_too_large_is_not_read_on() -> None:
    request = http_request(b"123", b"45", b"67")
    request._body_limit = 4
    with pytest.raises(PayloadTooLarge):
        await request.body()
    with pytest.raises(RuntimeError, match="Stream consumed"):
        await request.body()


async def test_body_in_one_message_over_limit_is_refused() -> None:
    request = http_request(b"12345")
    request._body_limit = 4
    with pytest.raises(PayloadTooLarge):
        await request.body()


async def test_body_of_exactly_the_limit_is_read() -> None:
    request = http_request(b"12", b"34", headers={"content-length": "4"})
    request._body_limit = 4
    assert await request.body() == b"1234"


@pytest.mark.parametrize("length", ["", "-1", "1.0", "4x", "\xb2"])
async def test_body_of_unreadable_length_is_refused(length: str) -> None:
    request = http_request(b"1", headers={"content-length": length})
    request._body_limit = 4
    with pytest.raises(MalformedRequest):
        await request.body()


async def test_body_of_length_with_many_digits_is_too_large() -> None:
    request = http_request(b"1", headers={"content-length": "9" * 5000})
    request._body_limit = 4
    with pytest.raises(PayloadTooLarge):
        await request.body()


async def test_body_of_two_lengths_is_refused() -> None:
    request = Request(http_scope(headers=[(b"content-length", b"1"), (b"content-length", b"2")]))
    with pytest.raises(MalformedRequest):
        await request.body()


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "GZIP", "br", "identity, gzip"])
async def test_body_that_is_compressed_is_refused(encoding: str) -> None:
    request, channel = make_http(b"x", headers={"content-encoding": encoding})
    with pytest.raises(UnsupportedMediaType):
        await request.body()
    assert channel.received == 0


async def test_body_of_identity_encoding_is_read() -> None:
    assert await http_request(b"x", headers={"content-encoding": "identity"}).body() == b"x"


async def test_text_is_utf8_without_charset() -> None:
    assert await http_request("Zoë".encode()).text() == "Zoë"


async def test_text_follows_charset() -> None:
    request = http_request("Zoë".encode("latin-1"), headers={"content-type": "text/plain; charset=ISO-8859-1"})
    assert await request.text() == "Zoë"


async def test_text_that_does_not_fit_charset_is_malformed() -> None:
    with pytest.raises(MalformedRequest):
        await http_request(b"\xff").text()


@pytest.mark.parametrize("charset", ["idna", "punycode", "zlib", "unicode_escape", "nonsense"])
async def test_text_of_charset_outside_the_list_is_refused(charset: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        await http_request(b"a", headers={"content-type": f"text/plain; charset={charset}"}).text()


async def test_data_is_body_that_was_read() -> None:
    request = http_request(b"a")
    await request.body()
    assert request.data == b"a"


def test_data_before_reading_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match=r"await req\.body\(\)"):
        _ = http_request(b"a").data


async def test_load_body_makes_body_available() -> None:
    request = http_request(b'{"a": 1}', headers=JSON_HEADERS)
    await request.load_body()
    assert (request.data, request.get_json()) == (b'{"a": 1}', {"a": 1})


# JSON

REFUSED_JSON = {
    "empty": b"",
    "blank": b"  ",
    "truncated object": b'{"a": ',
    "truncated string": b'"a',
    "trailing comma": b"[1,]",
    "two values": b"{} {}",
    "invalid UTF-8": b'"\xff"',
    "UTF-8 of a surrogate": b'"\xed\xa0\x80"',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "deep arrays": b"[" * 100_000,
    "deep closed arrays": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "NaN": b'{"a": NaN}',
    "Infinity": b"[Infinity]",
    "-Infinity": b"-Infinity",
    "5000 digits": b"1" * 5000,
    "5000 digits, negative": b"-" + b"1" * 5000,
    "lone leading surrogate": b'"\\ud800"',
    "lone trailing surrogate": b'"\\udc00x"',
    "surrogates in wrong order": b'"\\udc00\\ud800"',
    "surrogate in key": b'{"\\ud800": 1}',
    "control character": b'"a\nb"',
}


@pytest.mark.parametrize("body", REFUSED_JSON.values(), ids=REFUSED_JSON.keys())
def test_parse_json_of_malformed_text_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedRequest, match="Malformed JSON"):
        parse_json(body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b'"\\ud83d\\ude00"', "😀"),
        (b'["NaN", "-Infinity"]', ["NaN", "-Infinity"]),
        (b"null", None),
        (b"[" * 100 + b"]" * 100, json.loads("[" * 100 + "]" * 100)),
    ],
)
def test_parse_json_of_valid_text_is_its_value(body: bytes, expected: Any) -> None:
    assert parse_json(body) == expected


@given(st.binary(max_size=60))
def test_parse_json_of_any_bytes_has_value_or_is_refused(body: bytes) -> None:
    with suppress(MalformedRequest):
        parse_json(body)


@pytest.mark.parametrize("body", [b'{"a": NaN}', b"[Infinity]", b'{"a": "Infinity", "b": -Infinity}', b"NaN,"])
def test_check_json_numbers_refuses_tokens(body: bytes) -> None:
    with pytest.raises(MalformedRequest):
        check_json_numbers(body)


@pytest.mark.parametrize("body", [b'{"NaN": "Infinity"}', b"{}", b"", b"{broken"])
def test_check_json_numbers_lets_the_rest_pass(body: bytes) -> None:
    check_json_numbers(body)


async def test_json_is_parsed_whatever_the_media_type() -> None:
    assert await http_request(b'{"a": 1}').json() == {"a": 1}


async def test_json_is_parsed_once() -> None:
    request = http_request(b"{}")
    assert await request.json() is await request.json()


async def test_json_of_empty_body_is_refused() -> None:
    with pytest.raises(MalformedRequest):
        await http_request(b"").json()


async def test_get_json_of_other_media_type_is_refused() -> None:
    request = http_request(b"{}", headers={"content-type": "text/plain"})
    await request.body()
    with pytest.raises(UnsupportedMediaType):
        request.get_json()


async def test_get_json_of_other_media_type_can_be_forced() -> None:
    request = http_request(b"{}", headers={"content-type": "text/plain"})
    await request.body()
    assert request.get_json(force=True) == {}


@pytest.mark.parametrize(("body", "headers"), [(b"{}", {}), (b"{", JSON_HEADERS)])
async def test_get_json_that_is_silent_returns_none(body: bytes, headers: dict[str, str]) -> None:
    request = http_request(body, headers=headers)
    await request.body()
    assert request.get_json(silent=True) is None


async def test_get_json_is_value_that_json_parsed() -> None:
    request = http_request(b"{}", headers=JSON_HEADERS)
    assert await request.json() is request.get_json()


async def test_get_json_of_malformed_body_is_refused() -> None:
    request = http_request(b"{", headers=JSON_HEADERS)
    await request.body()
    with pytest.raises(MalformedRequest):
        request.get_json()


def test_get_json_before_reading_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match=r"await req\.body\(\)"):
        http_request(b"{}", headers=JSON_HEADERS).get_json()


async def test_get_data_returns_json_or_query() -> None:
    request = http_request(b"[1]", query_string=b"a=1")
    assert (await request.get_data(), dict(await request.get_data("query"))) == ([1], {"a": "1"})


async def test_get_data_of_unknown_part_is_refused() -> None:
    with pytest.raises(ValueError, match="got 'body'"):
        await http_request().get_data("body")  # type: ignore[arg-type]


# Deferred functions


async def test_deferred_functions_run_in_reverse() -> None:
    ran: list[int] = []

    async def second() -> None:
        ran.append(2)

    request = http_request()
    request.defer(lambda: ran.append(1))
    request.defer(second)
    await request.run_deferred()
    assert ran == [2, 1]


async def test_deferred_functions_run_once() -> None:
    ran: list[int] = []
    request = http_request()
    request.defer(lambda: ran.append(1))
    await request.run_deferred()
    await request.run_deferred()
    assert ran == [1]


async def test_deferred_function_that_fails_is_logged_and_others_run() -> None:
    ran: list[int] = []
    logged: list[str] = []
    sink = logger.add(logged.append, format="{message}")
    request = http_request()
    request.defer(lambda: ran.append(1))
    request.defer(lambda: 1 // 0)
    await request.run_deferred()
    logger.remove(sink)
    assert ran == [1]
    assert "A deferred function failed" in logged[0]
    assert "ZeroDivisionError" in logged[0]


async def test_deferred_function_that_fails_is_logged_by_the_application() -> None:
    logged: list[str] = []
    own = logger.bind(app="mine")
    sink = logger.add(logged.append, format="{extra[app]}", filter=lambda record: "app" in record["extra"])
    request = http_request(app=SimpleNamespace(logger=own))
    request.defer(lambda: 1 // 0)
    await request.run_deferred()
    logger.remove(sink)
    assert logged[0].startswith("mine")


async def test_deferred_function_that_is_interrupted_lets_others_run() -> None:
    ran: list[int] = []

    def interrupt() -> None:
        raise KeyboardInterrupt

    request = http_request()
    request.defer(lambda: ran.append(1))
    request.defer(interrupt)
    with pytest.raises(KeyboardInterrupt):
        await request.run_deferred()
    assert ran == [1]


async def test_deferred_functions_of_cancelled_request_run_to_their_end() -> None:
    ran: list[str] = []

    async def close() -> None:
        await anyio.lowlevel.checkpoint()
        ran.append("closed")

    request = http_request()
    request.defer(close)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await request.run_deferred()
    assert ran == ["closed"]


async def test_run_deferred_without_functions_does_nothing() -> None:
    request = http_request()
    await request.run_deferred()
    assert vars(request) == vars(Request(request.scope, request._receive, request._send))


# The other direction


async def test_send_on_http_hands_event_to_server() -> None:
    request, channel = make_http()
    await request.send({"type": "http.response.body"})
    assert channel.sent == [{"type": "http.response.body"}]


async def test_set_send_replaces_where_events_go() -> None:
    request, other = http_request(), Channel()
    request.set_send(other.send)
    await request.send({"type": "http.response.body"})
    assert other.sent == [{"type": "http.response.body"}]


async def test_receive_on_http_returns_next_message() -> None:
    assert (await http_request(b"a").receive())["body"] == b"a"


@pytest.mark.parametrize(
    "call",
    [
        Request.accept,
        Request.receive_text,
        Request.receive_bytes,
        Request.receive_json,
        lambda request: request.send_text("a"),
        lambda request: request.send_bytes(b"a"),
        lambda request: request.send_json(1),
    ],
)
async def test_websocket_method_on_http_is_refused(call: Callable[[Request], Any]) -> None:
    with pytest.raises(RuntimeError, match="needs a websocket"):
        await call(http_request())


async def test_close_on_http_without_form_does_nothing() -> None:
    request, channel = make_http()
    await request.close()
    assert channel.sent == []


# Websockets


async def test_documented_loop_echoes() -> None:
    request, channel = make_socket(CONNECT, text_event("hi"), LEAVE)
    await request.accept()
    while True:
        data = await request.receive()
        if data["type"] == "websocket.disconnect":
            break
        if data["type"] == "websocket.receive":
            with answering(request):
                await request.res.send({"type": "websocket.send", "text": "Echo: " + data.get("text", "")})
    assert [event["type"] for event in channel.sent] == ["websocket.accept", "websocket.send"]


async def test_receive_before_accept_returns_connect() -> None:
    request, channel = make_socket(CONNECT, text_event("hi"))
    first = await request.receive()
    await request.accept()
    assert (first, await request.receive_text(), channel.received) == (CONNECT, "hi", 2)


async def test_receive_after_accept_never_returns_connect() -> None:
    request, _ = make_socket(CONNECT, text_event("hi"))
    await request.send({"type": "websocket.accept"})
    assert await request.receive() == text_event("hi")


async def test_accept_passes_subprotocol_and_headers() -> None:
    request, channel = make_socket(CONNECT)
    await request.accept("chat", [(b"x-a", b"1")])
    assert channel.sent == [{"type": "websocket.accept", "subprotocol": "chat", "headers": [(b"x-a", b"1")]}]


async def test_accept_twice_is_refused() -> None:
    request, _ = make_socket(CONNECT)
    await request.accept()
    with pytest.raises(RuntimeError, match="accept"):
        await request.accept()


async def test_accept_of_client_that_left_raises() -> None:
    request, _ = make_socket(LEAVE)
    with pytest.raises(WebSocketDisconnect) as caught:
        await request.accept()
    assert (caught.value.code, caught.value.reason) == (1001, "bye")


async def test_receive_text_before_accept_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match=r"await req\.accept\(\)"):
        await make_socket(CONNECT)[0].receive_text()


async def accepted(*events: Message) -> tuple[Request, Channel]:
    request, channel = make_socket(CONNECT, *events)
    await request.accept()
    channel.sent.clear()
    return request, channel


async def test_receive_bytes_returns_binary_message() -> None:
    request, _ = await accepted(bytes_event(b"\x00"))
    assert await request.receive_bytes() == b"\x00"


@pytest.mark.parametrize("event", [text_event('{"a": 1}'), bytes_event(b'{"a": 1}')])
async def test_receive_json_reads_text_and_binary(event: Message) -> None:
    request, _ = await accepted(event)
    assert await request.receive_json() == {"a": 1}


@pytest.mark.parametrize("event", [text_event("{"), bytes_event(b"\xff"), text_event("NaN"), text_event("")])
async def test_receive_json_of_malformed_message_is_refused(event: Message) -> None:
    request, _ = await accepted(event)
    with pytest.raises(MalformedRequest, match="Malformed JSON"):
        await request.receive_json()


async def test_receive_text_of_binary_message_is_refused() -> None:
    request, _ = await accepted({**bytes_event(b"a"), "text": None})
    with pytest.raises(MalformedRequest, match="text message"):
        await request.receive_text()


async def test_receive_bytes_of_text_message_is_refused() -> None:
    request, _ = await accepted(text_event("a"))
    with pytest.raises(MalformedRequest, match="binary message"):
        await request.receive_bytes()


async def test_receive_text_of_client_that_left_raises() -> None:
    request, _ = await accepted(LEAVE)
    with pytest.raises(WebSocketDisconnect):
        await request.receive_text()


async def test_receive_after_disconnect_raises_instead_of_waiting() -> None:
    request, channel = await accepted(LEAVE)
    await request.receive()
    with pytest.raises(WebSocketDisconnect):
        await request.receive()
    assert channel.received == 2


async def test_iter_text_ends_when_client_leaves() -> None:
    request, _ = await accepted(text_event("a"), text_event("b"), LEAVE)
    assert [text async for text in request.iter_text()] == ["a", "b"]


async def test_iter_bytes_ends_when_client_leaves() -> None:
    request, _ = await accepted(bytes_event(b"a"), LEAVE)
    assert [data async for data in request.iter_bytes()] == [b"a"]


async def test_iter_json_ends_when_client_leaves() -> None:
    request, _ = await accepted(text_event("[1]"), LEAVE)
    assert [value async for value in request.iter_json()] == [[1]]


async def test_send_methods_send_messages() -> None:
    class Point(BaseModel):
        x: int

    request, channel = await accepted()
    await request.send_text("a")
    await request.send_bytes(b"b")
    await request.send_json({"point": Point(x=1), "nan": float("nan")})
    assert channel.sent == [
        {"type": "websocket.send", "text": "a"},
        {"type": "websocket.send", "bytes": b"b"},
        {"type": "websocket.send", "text": '{"point":{"x":1},"nan":null}'},
    ]


async def test_send_after_client_left_raises_disconnect() -> None:
    request, channel = await accepted(LEAVE)
    await request.receive()
    with pytest.raises(WebSocketDisconnect):
        await request.send_text("a")
    assert channel.sent == []


async def test_send_that_finds_client_gone_raises_disconnect() -> None:
    request, channel = await accepted()
    channel.error = BrokenPipeError()
    with pytest.raises(WebSocketDisconnect) as caught:
        await request.send_text("a")
    assert (caught.value.code, await request.is_disconnected()) == (1006, True)


async def test_close_after_client_left_does_nothing() -> None:
    request, channel = await accepted(LEAVE)
    await request.receive()
    await request.close()
    assert channel.sent == []


async def test_close_that_finds_client_gone_does_nothing() -> None:
    request, channel = await accepted()
    channel.error = BrokenPipeError()
    await request.close()
    assert await request.is_disconnected()


async def test_close_twice_closes_once() -> None:
    request, channel = await accepted()
    await request.close(1003, "no")
    await request.close()
    assert channel.sent == [{"type": "websocket.close", "code": 1003, "reason": "no"}]


async def test_close_before_accept_refuses_handshake() -> None:
    request, channel = make_socket(CONNECT)
    await request.close(4401)
    assert channel.sent == [{"type": "websocket.close", "code": 4401, "reason": ""}]


async def test_send_after_close_is_refused() -> None:
    request, _ = await accepted()
    await request.close()
    with pytest.raises(RuntimeError, match="after the websocket had been closed"):
        await request.send_text("a")


async def test_close_after_denial_response_does_nothing() -> None:
    request, channel = make_socket(CONNECT)
    await request.send({"type": "websocket.http.response.start", "status": 403, "headers": []})
    await request.send({"type": "websocket.http.response.body", "body": b"no"})
    await request.close()
    assert channel.sent[-1]["type"] == "websocket.http.response.body"


async def test_is_disconnected_of_open_websocket_receives_nothing() -> None:
    request, channel = await accepted(text_event("a"))
    assert (await request.is_disconnected(), channel.received) == (False, 1)


async def test_socket_reads_scope_like_a_request() -> None:
    request, _ = make_socket(query_string=b"token=a", headers=[(b"cookie", b"s=1")])
    assert (request.query_params["token"], request.cookies["s"], request.path) == ("a", "1", "/ws")
