"""What the setters of a response send, as a client of a small application sees it."""

import asyncio
import datetime
import inspect
import io
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel, Field
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse

from patera import HttpStatus, MediaType, MiddlewareBase, Patera, Request, Response
from patera._types import Message, Scope
from patera.controller import Controller, get, path, produces
from patera.response import ForeignResponse, ServerSentEvent, is_safe_redirect
from patera.testing import PateraTestClient

MakeApp = Callable[..., Patera]
Connect = Callable[[Patera], Awaitable[PateraTestClient]]
Handler = Callable[[Request], Any]
Ask = Callable[..., Awaitable[httpx.Response]]


def controller_of(handler: Handler) -> type[Controller]:
    """A controller whose only endpoint, `Api.show`, runs a function."""

    class Api(Controller):
        @get("/")
        async def show(self, req: Request) -> Any:
            result = handler(req)
            return await result if inspect.iscoroutine(result) else result

    return Api


@pytest.fixture
def ask(make_app: MakeApp, client: Connect) -> Ask:
    """The answer of an application whose only endpoint runs a function."""

    async def ask(handler: Handler, method: str = "GET", **options: Any) -> httpx.Response:
        http = await client(make_app(controller_of(handler), DEBUG=False))
        return await http.request(method, "/", **options)

    return ask


def cookies_of(response: httpx.Response) -> list[str]:
    return response.headers.get_list("set-cookie")


# Status


async def test_status_never_set_is_200(ask: Ask) -> None:
    assert (await ask(lambda req: req.res.text("x"))).status_code == 200


@pytest.mark.parametrize("status", [201, HttpStatus.CREATED])
async def test_status_as_number_or_word_is_sent(ask: Ask, status: int) -> None:
    assert (await ask(lambda req: req.res.json({}).status(status))).status_code == 201


@pytest.mark.parametrize(
    "fill",
    [
        lambda res: res.text("x"),
        lambda res: res.json({}),
        lambda res: res.html_from_string("x"),
        lambda res: res.send_file(b"x"),
        lambda res: res.stream([b"x"]),
    ],
    ids=["text", "json", "html", "file", "stream"],
)
async def test_status_set_before_body_stays(ask: Ask, fill: Callable[[Any], Any]) -> None:
    assert (await ask(lambda req: fill(req.res.status(404)))).status_code == 404


async def test_status_set_as_attribute_is_sent(ask: Ask) -> None:
    def handler(req: Request) -> Response:
        req.res.status_code = 418
        return req.res.text("teapot")

    assert (await ask(handler)).status_code == 418


async def test_status_code_unset_reads_as_200() -> None:
    assert (Response().status_code, Response().status(404).status_code) == (200, 404)


async def test_res_and_response_are_the_same_object(ask: Ask) -> None:
    assert (await ask(lambda req: req.res.text(str(req.res is req.response)))).text == "True"


# JSON


@pytest.mark.parametrize(
    ("data", "body"),
    [
        ({}, b"{}"),
        ([], b"[]"),
        (0, b"0"),
        (False, b"false"),
        ("", b'""'),
        (None, b"null"),
        ({"a": 1}, b'{"a":1}'),
        (datetime.date(2024, 1, 2), b'"2024-01-02"'),
        ({"at": datetime.datetime(2024, 1, 2, 3, 4)}, b'{"at":"2024-01-02T03:04:00"}'),
        (Decimal("1.50"), b'"1.50"'),
        ({1}, b"[1]"),
        ([float("nan"), float("inf")], b"[null,null]"),
        ("é", '"é"'.encode()),
    ],
)
async def test_json_value_is_sent_as_itself(ask: Ask, data: Any, body: bytes) -> None:
    response = await ask(lambda req: req.res.json(data))
    assert (response.content, response.headers["content-type"]) == (body, "application/json")


async def test_json_model_is_sent_by_alias(ask: Ask) -> None:
    class Item(BaseModel):
        title: str = Field(serialization_alias="itemTitle")

    assert (await ask(lambda req: req.res.json([Item(title="x")]))).json() == [{"itemTitle": "x"}]


async def test_json_that_cannot_be_serialised_is_one_500(ask: Ask) -> None:
    response = await ask(lambda req: req.res.json({"x": object()}))
    assert (response.status_code, response.json()) == (500, {"status": "error", "message": "Internal server error"})


async def test_json_with_half_a_surrogate_is_one_500(ask: Ask) -> None:
    assert (await ask(lambda req: req.res.json("\ud800"))).status_code == 500


async def test_json_that_contains_itself_is_one_500(ask: Ask) -> None:
    data: list[Any] = []
    data.append(data)
    assert (await ask(lambda req: req.res.json(data))).status_code == 500


# Text, bytes and nothing


async def test_text_is_plain_text_in_utf8(ask: Ask) -> None:
    response = await ask(lambda req: req.res.text("é"))
    assert (response.content, response.headers["content-type"]) == ("é".encode(), "text/plain; charset=utf-8")


async def test_text_of_another_type_is_its_string(ask: Ask) -> None:
    number: Any = 3
    assert (await ask(lambda req: req.res.text(number))).text == "3"


async def test_no_content_is_204_without_body_type_and_length(ask: Ask) -> None:
    response = await ask(lambda req: req.res.no_content())
    headers = set(response.headers) & {"content-type", "content-length"}
    assert (response.status_code, response.content, headers) == (204, b"", set())


async def test_no_content_followed_by_status_has_that_status(ask: Ask) -> None:
    assert (await ask(lambda req: req.res.no_content().status(202))).status_code == 202


async def test_body_set_twice_the_last_one_counts(ask: Ask) -> None:
    response = await ask(lambda req: req.res.json({"a": 1}).text("last"))
    assert (response.text, response.headers["content-type"]) == ("last", "text/plain; charset=utf-8")


@pytest.mark.parametrize("status", [204, 304])
async def test_body_with_status_that_has_none_is_left_out(ask: Ask, status: int) -> None:
    response = await ask(lambda req: req.res.text("gone").status(status))
    assert (response.content, "content-length" in response.headers) == (b"", False)


async def test_head_has_length_of_get_and_no_body(ask: Ask) -> None:
    response = await ask(lambda req: req.res.text("12345"), "HEAD")
    assert (response.content, response.headers["content-length"]) == (b"", "5")


# Templates


async def show_page(ask: Ask, tmp_path: Path, handler: Handler) -> httpx.Response:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "page.html").write_text("Hello {{ name }}")
    return await ask(handler)


async def html_awaited(req: Request) -> Response:
    return await req.res.html("page.html", {"name": "A&B"})


async def html_awaited_then_chained(req: Request) -> Response:
    return (await req.res.html("page.html", {"name": "A&B"})).status(HttpStatus.OK)


async def html_chained_then_awaited(req: Request) -> Response:
    return await (req.response.html("page.html", {"name": "A&B"})).status(HttpStatus.OK)


async def html_never_awaited(req: Request) -> Response:
    return req.res.html("page.html", {"name": "A&B"})


@pytest.mark.parametrize(
    "handler", [html_awaited, html_awaited_then_chained, html_chained_then_awaited, html_never_awaited]
)
async def test_html_in_every_documented_form_is_rendered(ask: Ask, tmp_path: Path, handler: Handler) -> None:
    response = await show_page(ask, tmp_path, handler)
    assert (response.text, response.headers["content-type"]) == ("Hello A&amp;B", "text/html; charset=utf-8")


async def test_html_without_context_is_rendered(ask: Ask) -> None:
    assert (await ask(lambda req: req.res.html_from_string("{{ 1 + 1 }}"))).text == "2"


async def test_html_followed_by_json_is_dropped(ask: Ask) -> None:
    response = await ask(lambda req: req.res.html("missing.html").json({"kept": True}))
    assert (response.status_code, response.json()) == (200, {"kept": True})


async def test_html_awaited_and_followed_by_text_is_dropped(ask: Ask) -> None:
    async def handler(req: Request) -> Response:
        return (await req.res.html_from_string("page")).text("text")

    response = await ask(handler)
    assert (response.text, response.headers["content-type"]) == ("text", "text/plain; charset=utf-8")


async def test_html_followed_by_redirect_has_no_type(ask: Ask) -> None:
    response = await ask(lambda req: req.res.html_from_string("page").redirect("/x"))
    assert (response.content, "content-type" in response.headers) == (b"", False)


async def test_response_without_template_awaited_is_itself() -> None:
    response = Response().text("x")
    assert await response is response


async def test_html_rendered_outside_of_a_request_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"html\(\) was used while no request is being answered"):
        await Response().html("page.html")


# Headers


async def test_header_set_replaces_one_of_that_name_in_any_case(ask: Ask) -> None:
    response = await ask(lambda req: req.res.set_header("X-Kind", "a").set_header("x-kind", "b").text(""))
    assert response.headers.get_list("x-kind") == ["b"]


async def test_header_set_in_mapping_is_sent(ask: Ask) -> None:
    def handler(req: Request) -> Response:
        req.res.headers["x-process-time-ms"] = "3"
        return req.res.text("")

    assert (await ask(handler)).headers["x-process-time-ms"] == "3"


async def test_headers_set_together_are_sent(ask: Ask) -> None:
    response = await ask(lambda req: req.res.set_headers({"x-a": "1", "x-b": "2"}).text(""))
    assert (response.headers["x-a"], response.headers["x-b"]) == ("1", "2")


async def test_header_appended_stands_beside_one_of_that_name(ask: Ask) -> None:
    def handler(req: Request) -> Response:
        req.res.headers["link"] = "</a>"
        req.res.headers.append("Link", "</b>")
        return req.res.text("")

    assert (await ask(handler)).headers.get_list("link") == ["</a>", "</b>"]


async def test_header_set_after_two_of_that_name_replaces_both(ask: Ask) -> None:
    def handler(req: Request) -> Response:
        req.res.headers.append("link", "</a>")
        req.res.headers.append("link", "</b>")
        return req.res.set_header("Link", "</c>").text("")

    assert (await ask(handler)).headers.get_list("link") == ["</c>"]


def test_header_default_leaves_a_value_that_is_there() -> None:
    headers = Response(headers={"x-a": "1"}).headers
    assert (headers.setdefault("X-A", "2"), headers.setdefault("x-b", "3"), headers["x-b"]) == ("1", "3", "3")


def test_headers_after_raw_list_was_replaced_show_the_new_list() -> None:
    response = Response(headers={"x-a": "1"})
    assert response.headers["x-a"] == "1"
    response.raw_headers = [(b"x-b", b"2")]
    assert dict(response.headers) == {"x-b": "2"}


BAD_HEADERS = [
    ("x-a", "1\r\nset-cookie: a=b"),
    ("x-a", "1\n2"),
    ("x-a", "1\r2"),
    ("x-a", "1\x002"),
    ("x a", "1"),
    ("x-a:", "1"),
    ("x-a\r\nx-b", "1"),
    ("", "1"),
    ("x-a", "✓"),
]


@pytest.mark.parametrize(("name", "value"), BAD_HEADERS)
@pytest.mark.parametrize("way", ["set_header", "mapping", "append", "setdefault", "constructor"])
def test_header_that_cannot_be_sent_is_refused(name: str, value: str, way: str) -> None:
    ways: dict[str, Callable[[], Any]] = {
        "set_header": lambda: Response().set_header(name, value),
        "mapping": lambda: Response().headers.__setitem__(name, value),
        "append": lambda: Response().headers.append(name, value),
        "setdefault": lambda: Response().headers.setdefault(name, value),
        "constructor": lambda: Response(headers={name: value}),
    }
    with pytest.raises(ValueError, match=r"Invalid (header name|value for header)"):
        ways[way]()


def test_header_value_that_is_no_string_is_refused() -> None:
    number: Any = 3
    with pytest.raises(TypeError, match="The value of the header 'x-a' must be a string, got 3"):
        Response().set_header("x-a", number)


async def test_header_refused_is_one_500_without_it(ask: Ask) -> None:
    response = await ask(lambda req: req.res.set_header("x-a", "1\r\nx-b: 2").text("never"))
    assert (response.status_code, "x-b" in response.headers) == (500, False)


async def test_header_value_in_latin_1_is_sent(ask: Ask) -> None:
    response = await ask(lambda req: req.res.set_header("x-name", "Zoë").text(""))
    assert (b"x-name", "Zoë".encode("latin-1")) in response.headers.raw


# Content types


async def test_content_type_set_before_body_stays(ask: Ask) -> None:
    response = await ask(lambda req: req.res.set_header("content-type", "application/hal+json").json({}))
    assert response.headers.get_list("content-type") == ["application/hal+json"]


async def test_content_type_set_after_body_is_sent_alone(ask: Ask) -> None:
    response = await ask(lambda req: req.res.text("a,b").set_header("Content-Type", "text/csv"))
    assert response.headers.get_list("content-type") == ["text/csv"]


def test_content_type_is_that_of_body_unless_one_was_set() -> None:
    plain, typed = Response().json({}), Response().json({}).set_header("content-type", "text/csv")
    assert (Response().content_type, plain.content_type, typed.content_type) == (None, "application/json", "text/csv")


async def test_content_length_set_by_hand_is_corrected(ask: Ask) -> None:
    response = await ask(lambda req: req.res.set_header("content-length", "999").text("four"))
    assert response.headers.get_list("content-length") == ["4"]


# Constructor


def test_response_is_generic_at_run_time() -> None:
    assert isinstance(Response[list[int]](), Response)


@pytest.mark.parametrize(
    ("content", "body", "media_type"),
    [
        ("text", b"text", "text/plain; charset=utf-8"),
        (b"raw", b"raw", "application/octet-stream"),
        (bytearray(b"raw"), b"raw", "application/octet-stream"),
        (memoryview(b"raw"), b"raw", "application/octet-stream"),
        (None, b"", None),
    ],
)
async def test_response_made_of_content_is_sent(ask: Ask, content: Any, body: bytes, media_type: str | None) -> None:
    response = await ask(lambda req: Response(content, 201))
    found = (response.status_code, response.content, response.headers.get("content-type"))
    assert found == (201, body, media_type)


@pytest.mark.parametrize("content", [{"a": 1}, 5, [1, 2]])
def test_response_made_of_anything_else_is_refused(content: Any) -> None:
    with pytest.raises(TypeError, match=r"Response\(\) takes text or bytes, got .*; write Response\(\).json"):
        Response(content)


async def test_response_made_with_headers_and_media_type_has_them(ask: Ask) -> None:
    response = await ask(lambda req: Response("<p>", headers={"x-a": "1"}, media_type="text/html"))
    assert (response.headers["x-a"], response.headers["content-type"]) == ("1", "text/html; charset=utf-8")


async def test_response_made_in_middleware_ends_the_request(make_app: MakeApp, client: Connect) -> None:
    class Gate(MiddlewareBase):
        async def middleware(self, req: Request) -> Response:
            return Response("no", 403)

    http = await client(make_app(controller_of(lambda req: req.res.text("yes")), MIDDLEWARE=[Gate]))
    response = await http.get("/")
    assert (response.status_code, response.text) == (403, "no")


async def test_response_changed_by_middleware_is_sent_as_changed(make_app: MakeApp, client: Connect) -> None:
    class Stamp(MiddlewareBase):
        async def middleware(self, req: Request) -> Response:
            res = await self.next(req)
            return res.json({"was": res.body.decode()}).set_header("x-served-by", "stamp")

    http = await client(make_app(controller_of(lambda req: req.res.text("text")), MIDDLEWARE=[Stamp]))
    response = await http.get("/")
    found = (response.json(), response.headers["x-served-by"], response.headers["content-type"])
    assert found == ({"was": "text"}, "stamp", "application/json")


async def test_background_task_runs_after_response_was_sent(ask: Ask) -> None:
    done: list[int] = []
    response = await ask(lambda req: Response("x", background=BackgroundTask(done.append, 1)))
    assert (response.text, done) == ("x", [1])


async def test_background_task_set_on_res_runs(ask: Ask) -> None:
    done: list[int] = []

    def handler(req: Request) -> Response:
        req.res.background = BackgroundTask(done.append, 1)
        return req.res.text("x")

    await ask(handler)
    assert done == [1]


@pytest.mark.parametrize(
    ("response", "text"),
    [
        (PlainTextResponse("plain", 203), "plain"),
        (JSONResponse({"a": 1}, 203), '{"a":1}'),
        (StreamingResponse(iter(["a", "b"]), 203), "ab"),
    ],
)
async def test_starlette_response_returned_is_sent_as_it_is(ask: Ask, response: Any, text: str) -> None:
    answer = await ask(lambda req: response)
    assert (answer.status_code, answer.text) == (203, text)


async def test_starlette_response_for_head_has_no_body(ask: Ask) -> None:
    response = await ask(lambda req: PlainTextResponse("plain"), "HEAD")
    assert (response.content, response.headers["content-length"]) == (b"", "5")


async def test_background_task_of_starlette_response_runs(ask: Ask) -> None:
    done: list[int] = []
    await ask(lambda req: PlainTextResponse("x", background=BackgroundTask(done.append, 1)))
    assert done == [1]


# Cookies


async def test_cookie_has_documented_defaults(ask: Ask) -> None:
    response = await ask(lambda req: req.res.set_cookie("theme", "dark").text(""))
    assert cookies_of(response) == ["theme=dark; HttpOnly; Path=/; SameSite=lax"]


async def test_cookies_set_are_headers_of_their_own(ask: Ask) -> None:
    response = await ask(lambda req: req.res.set_cookie("a", "1").set_cookie("b", "2").text(""))
    assert [cookie.split(";")[0] for cookie in cookies_of(response)] == ["a=1", "b=2"]


async def test_cookie_set_before_json_stays(ask: Ask) -> None:
    def handler(req: Request) -> Response:
        req.res.set_cookie("a", "1")
        return req.res.json({})

    assert len(cookies_of(await ask(handler))) == 1


NEW_YEAR = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("options", "attributes"),
    [
        ({"max_age": 60}, "HttpOnly; Max-Age=60; Path=/; SameSite=lax"),
        ({"path": "/a"}, "HttpOnly; Path=/a; SameSite=lax"),
        ({"path": None}, "HttpOnly; SameSite=lax"),
        ({"domain": "example.org"}, "Domain=example.org; HttpOnly; Path=/; SameSite=lax"),
        ({"secure": True}, "HttpOnly; Path=/; SameSite=lax; Secure"),
        ({"http_only": False}, "Path=/; SameSite=lax"),
        ({"same_site": "strict"}, "HttpOnly; Path=/; SameSite=strict"),
        ({"same_site": None}, "HttpOnly; Path=/"),
        ({"expires": NEW_YEAR}, "expires=Tue, 01 Jan 2030 00:00:00 GMT; HttpOnly; Path=/; SameSite=lax"),
        ({"secure": True, "partitioned": True}, "HttpOnly; Path=/; SameSite=lax; Secure; Partitioned"),
        ({"httponly": False, "samesite": "none"}, "Path=/; SameSite=none"),
        ({"samesite": None}, "HttpOnly; Path=/"),
    ],
)
async def test_cookie_attribute_given_is_sent(ask: Ask, options: dict[str, Any], attributes: str) -> None:
    response = await ask(lambda req: req.res.set_cookie("a", "1", **options).text(""))
    assert cookies_of(response) == [f"a=1; {attributes}"]


async def test_cookie_with_starlettes_keywords_is_set(ask: Ask) -> None:
    response = await ask(lambda req: req.res.set_cookie(key="a", value="1", httponly=True, samesite="strict").text(""))
    assert cookies_of(response) == ["a=1; HttpOnly; Path=/; SameSite=strict"]


async def test_cookie_deleted_expires_at_once(ask: Ask) -> None:
    response = await ask(lambda req: req.res.delete_cookie("a", path="/x", domain="example.org").text(""))
    (cookie,) = cookies_of(response)
    parts = dict(part.strip().partition("=")[::2] for part in cookie.split(";"))
    assert (parts["a"], parts["Max-Age"], parts["Path"], parts["Domain"]) == ('""', "0", "/x", "example.org")


async def test_cookie_deleted_by_starlettes_keyword_expires(ask: Ask) -> None:
    response = await ask(lambda req: req.res.delete_cookie(key="a").text(""))
    assert "Max-Age=0" in cookies_of(response)[0]


@pytest.mark.parametrize("value", ["v; Domain=evil", "v\r\nx: y", "a,b", 'q"q', "v\x00"])
async def test_cookie_value_that_could_end_it_is_quoted(ask: Ask, value: str) -> None:
    response = await ask(lambda req: req.res.set_cookie("a", value).text(""))
    (cookie,) = cookies_of(response)
    quoted = cookie.removesuffix("; HttpOnly; Path=/; SameSite=lax")
    assert quoted[:3] == 'a="'
    assert not set(quoted) & set(";,\r\n\0")


@pytest.mark.parametrize("name", ["", "a b", "a;b", "a=b", "a\r\nb", "é", "path"])
def test_cookie_name_that_is_no_token_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="Invalid cookie name"):
        Response().set_cookie(name, "1")


def test_cookie_without_name_is_refused() -> None:
    with pytest.raises(TypeError, match=r'set_cookie\(\) needs a name: set_cookie\("theme", "dark"\)'):
        Response().set_cookie()


@pytest.mark.parametrize("attribute", ["path", "domain"])
@pytest.mark.parametrize("value", ["/; Secure", "a,b", "a\r\nb", "✓"])
def test_cookie_attribute_that_could_be_left_is_refused(attribute: str, value: str) -> None:
    options: dict[str, Any] = {attribute: value}
    with pytest.raises(ValueError, match=f"Invalid {attribute} of cookie 'a'"):
        Response().set_cookie("a", "1", **options)


def test_cookie_expiry_that_could_be_left_is_refused() -> None:
    with pytest.raises(ValueError, match="Invalid expires of cookie 'a'"):
        Response().set_cookie("a", "1", expires="Tue, 01 Jan 2030 00:00:00 GMT; Domain=evil")


def test_cookie_with_unknown_same_site_is_refused() -> None:
    word: Any = "loose"
    with pytest.raises(ValueError, match="Invalid SameSite 'loose': lax, strict, none or None"):
        Response().set_cookie("a", "1", same_site=word)


def test_cookie_value_outside_latin_1_is_refused() -> None:
    with pytest.raises(ValueError, match="only latin-1 text can be sent; encode it first"):
        Response().set_cookie("a", "✓")


# Files


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    file = tmp_path / "digits.csv"
    file.write_bytes(b"0123456789")
    return file


async def test_file_of_bytes_is_sent(ask: Ask) -> None:
    response = await ask(lambda req: req.res.send_file(b"abc", {"x-a": "1"}))
    found = (response.content, response.headers["content-type"], response.headers["x-a"])
    assert found == (b"abc", "application/octet-stream", "1")


@pytest.mark.parametrize("kind", [str, Path])
async def test_file_of_path_is_sent_with_guessed_type(ask: Ask, digits: Path, kind: Callable[[Any], Any]) -> None:
    response = await ask(lambda req: req.res.send_file(kind(digits)))
    found = (response.content, response.headers["content-type"], response.headers["accept-ranges"])
    assert found == (b"0123456789", "text/csv", "bytes")


async def test_file_object_is_sent_and_closed(ask: Ask) -> None:
    file = io.BytesIO(b"x" * 100_000)
    response = await ask(lambda req: req.res.send_file(file))
    assert (len(response.content), response.headers["content-type"]) == (100_000, "application/octet-stream")
    assert file.closed


async def test_file_object_for_head_is_closed_unread(ask: Ask) -> None:
    file = io.BytesIO(b"abc")
    assert ((await ask(lambda req: req.res.send_file(file), "HEAD")).content, file.closed) == (b"", True)


async def test_file_of_unknown_ending_is_binary(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "file.qqq").write_bytes(b"x")
    response = await ask(lambda req: req.res.send_file(tmp_path / "file.qqq"))
    assert response.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize("body", [b"x", io.BytesIO(b"x")])
async def test_file_with_download_name_has_type_of_the_name(ask: Ask, body: Any) -> None:
    response = await ask(lambda req: req.res.send_file(body, filename="report.pdf"))
    assert response.headers["content-type"] == "application/pdf"


async def test_file_with_media_type_has_it(ask: Ask, digits: Path) -> None:
    response = await ask(lambda req: req.res.send_file(digits, media_type="text/plain"))
    assert response.headers["content-type"] == "text/plain"


async def test_file_type_set_before_is_not_guessed(ask: Ask, digits: Path) -> None:
    response = await ask(lambda req: req.res.set_header("content-type", "text/x-digits").send_file(digits))
    assert response.headers.get_list("content-type") == ["text/x-digits"]


DISPOSITIONS = [
    ("report.pdf", 'attachment; filename="report.pdf"'),
    ("my report.pdf", 'attachment; filename="my report.pdf"'),
    ('a"b.txt', "attachment; filename=\"a_b.txt\"; filename*=UTF-8''a%22b.txt"),
    ("a\r\nb", "attachment; filename=\"a__b\"; filename*=UTF-8''a%0D%0Ab"),
    ("a\\b", "attachment; filename=\"a_b\"; filename*=UTF-8''a%5Cb"),
    ("naïve.txt", "attachment; filename=\"na_ve.txt\"; filename*=UTF-8''na%C3%AFve.txt"),
    ("報告.pdf", "attachment; filename=\"__.pdf\"; filename*=UTF-8''%E5%A0%B1%E5%91%8A.pdf"),
]


@pytest.mark.parametrize(("name", "header"), DISPOSITIONS)
async def test_file_download_name_is_sent_in_both_forms(ask: Ask, name: str, header: str) -> None:
    response = await ask(lambda req: req.res.send_file(b"x", filename=name))
    assert response.headers["content-disposition"] == header


async def test_file_shown_inline_says_so(ask: Ask) -> None:
    response = await ask(lambda req: req.res.send_file(b"x", filename="a.pdf", inline=True))
    assert response.headers["content-disposition"] == 'inline; filename="a.pdf"'


@pytest.mark.parametrize(
    ("wanted", "status", "body", "content_range"),
    [
        ("bytes=0-2", 206, b"012", "bytes 0-2/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=0-99", 206, b"0123456789", "bytes 0-9/10"),
    ],
)
async def test_file_range_asked_for_is_sent_alone(
    ask: Ask, digits: Path, wanted: str, status: int, body: bytes, content_range: str
) -> None:
    response = await ask(lambda req: req.res.send_file(digits), headers={"range": wanted})
    found = (response.status_code, response.content, response.headers["content-range"])
    assert found == (status, body, content_range)


async def test_file_ranges_asked_for_are_parts_of_one_answer(ask: Ask, digits: Path) -> None:
    response = await ask(lambda req: req.res.send_file(digits), headers={"range": "bytes=0-1,8-9"})
    assert response.headers["content-type"].startswith("multipart/byteranges")
    assert (b"\r\n\r\n01\r\n" in response.content, b"\r\n\r\n89\r\n" in response.content) == (True, True)


async def test_file_range_beyond_the_end_is_416(ask: Ask, digits: Path) -> None:
    response = await ask(lambda req: req.res.send_file(digits), headers={"range": "bytes=100-"})
    found = (response.status_code, response.json()["message"], response.headers["content-range"])
    assert found == (416, "Range not satisfiable", "bytes */10")


@pytest.mark.parametrize("wanted", ["pages=1-2", "bytes", "bytes=9-5"])
async def test_file_range_that_is_none_is_400(ask: Ask, digits: Path, wanted: str) -> None:
    response = await ask(lambda req: req.res.send_file(digits), headers={"range": wanted})
    assert (response.status_code, response.json()["message"]) == (400, "Malformed Range header")


async def test_file_range_of_a_file_that_changed_is_all_of_it(ask: Ask, digits: Path) -> None:
    headers = {"range": "bytes=0-1", "if-range": '"another"'}
    response = await ask(lambda req: req.res.send_file(digits), headers=headers)
    assert (response.status_code, response.content) == (200, b"0123456789")


async def test_file_range_with_another_status_is_all_of_it(ask: Ask, digits: Path) -> None:
    response = await ask(lambda req: req.res.send_file(digits).status(203), headers={"range": "bytes=0-1"})
    assert (response.status_code, response.content) == (203, b"0123456789")


async def test_file_for_head_has_headers_and_no_body(ask: Ask, digits: Path) -> None:
    response = await ask(lambda req: req.res.send_file(digits), "HEAD")
    assert (response.content, response.headers["content-length"]) == (b"", "10")


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
async def test_file_the_client_has_by_tag_is_304(ask: Ask, digits: Path, form: str) -> None:
    etag = (await ask(lambda req: req.res.send_file(digits))).headers["etag"]
    response = await ask(lambda req: req.res.send_file(digits), headers={"if-none-match": form.format(etag)})
    assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", etag)


async def test_file_the_client_has_by_date_is_304(ask: Ask, digits: Path) -> None:
    os.utime(digits, (1_700_000_000, 1_700_000_000))
    headers = {"if-modified-since": "Tue, 14 Nov 2023 22:13:20 GMT"}
    assert (await ask(lambda req: req.res.send_file(digits), headers=headers)).status_code == 304


@pytest.mark.parametrize(
    "headers",
    [
        {"if-none-match": '"other"'},
        {"if-none-match": "garbage"},
        {"if-modified-since": "Tue, 14 Nov 2003 22:13:20 GMT"},
        {"if-modified-since": "garbage"},
        {"if-modified-since": "Tue, 14 Nov 2093 22:13:20 -0000"},
    ],
)
async def test_file_the_client_has_not_is_sent(ask: Ask, digits: Path, headers: dict[str, str]) -> None:
    assert (await ask(lambda req: req.res.send_file(digits), headers=headers)).status_code == 200


async def test_file_unchanged_keeps_cookies_and_caching_headers(ask: Ask, digits: Path) -> None:
    def handler(req: Request) -> Response:
        res = req.res.set_cookie("a", "1").set_cookie("b", "2").send_file(digits, {"cache-control": "no-cache"})
        return res.set_header("x-more", "1")

    response = await ask(handler, headers={"if-none-match": "*"})
    found = (len(cookies_of(response)), response.headers["cache-control"], "x-more" in response.headers)
    assert found == (2, "no-cache", False)


async def test_file_sent_keeps_all_cookies(ask: Ask, digits: Path) -> None:
    response = await ask(lambda req: req.res.set_cookie("a", "1").set_cookie("b", "2").send_file(digits))
    assert len(cookies_of(response)) == 2


async def test_file_length_set_by_hand_is_corrected(ask: Ask, digits: Path) -> None:
    response = await ask(lambda req: req.res.set_header("content-length", "3").send_file(digits))
    assert (response.headers.get_list("content-length"), response.content) == (["10"], b"0123456789")


async def test_file_that_is_missing_is_one_500(ask: Ask, tmp_path: Path) -> None:
    response = await ask(lambda req: req.res.send_file(tmp_path / "missing.txt"))
    assert (response.status_code, response.json()["message"]) == (500, "Internal server error")


async def test_file_that_is_a_folder_is_one_500(ask: Ask, tmp_path: Path) -> None:
    assert (await ask(lambda req: req.res.send_file(tmp_path))).status_code == 500


# Streams


async def async_pieces() -> AsyncIterator[str | bytes]:
    yield "a"
    yield b"b"


def sync_pieces() -> Iterator[str | bytes]:
    yield "a"
    yield b"b"


@pytest.mark.parametrize("pieces", [async_pieces, sync_pieces, lambda: ["a", b"b"]], ids=["async", "sync", "list"])
async def test_stream_of_any_iterable_is_sent(ask: Ask, pieces: Callable[[], Any]) -> None:
    response = await ask(lambda req: req.res.stream(pieces()))
    found = (response.content, response.headers["content-type"], "content-length" in response.headers)
    assert found == (b"ab", "application/octet-stream", False)


async def test_stream_with_media_type_has_it(ask: Ask) -> None:
    response = await ask(lambda req: req.res.stream(["a,b"], media_type="text/csv"))
    assert response.headers["content-type"] == "text/csv"


async def test_stream_of_text_is_plain_text(ask: Ask) -> None:
    response = await ask(lambda req: req.res.stream_text(["é", "è"]))
    assert (response.text, response.headers["content-type"]) == ("éè", "text/plain; charset=utf-8")


async def test_stream_of_json_lines_has_one_line_each(ask: Ask) -> None:
    response = await ask(lambda req: req.res.ndjson([{"a": 1}, "x\ny", float("nan")]))
    assert response.content == b'{"a":1}\n"x\\ny"\nnull\n'
    assert response.headers["content-type"] == "application/x-ndjson"


async def test_stream_of_events_is_not_cached_or_buffered(ask: Ask) -> None:
    headers = (await ask(lambda req: req.res.sse([]))).headers
    found = (headers["content-type"], headers["cache-control"], headers["x-accel-buffering"])
    assert found == ("text/event-stream; charset=utf-8", "no-cache", "no")


@pytest.mark.parametrize(
    ("event", "wire"),
    [
        ("hello", "data: hello\n\n"),
        ("two\nlines", "data: two\ndata: lines\n\n"),
        ("two\r\nlines\rmore", "data: two\ndata: lines\ndata: more\n\n"),
        ({"a": 1}, 'data: {"a":1}\n\n'),
        (float("nan"), "data: null\n\n"),
        (ServerSentEvent("x", event="tick", id="7", retry=100), "event: tick\nid: 7\nretry: 100\ndata: x\n\n"),
        (ServerSentEvent("", event="a\ndata: b"), "event: a data: b\ndata: \n\n"),
        (ServerSentEvent(comment="keep-alive"), ": keep-alive\n\n"),
        (ServerSentEvent(comment="a\nb"), ": a\n: b\n\n"),
    ],
)
async def test_stream_of_events_encodes_each(ask: Ask, event: Any, wire: str) -> None:
    assert (await ask(lambda req: req.res.sse([event]))).text == wire


async def test_stream_returned_by_the_handler_itself_is_text(make_app: MakeApp, client: Connect) -> None:
    class Api(Controller):
        @get("/")
        async def show(self, req: Request) -> AsyncIterator[str]:
            yield "a"
            yield "b"

    response = await (await client(make_app(Api))).get("/")
    assert (response.text, response.headers["content-type"]) == ("ab", "text/plain; charset=utf-8")


class Source:
    """An async iterator that notes how often it was closed."""

    def __init__(self, *items: Any) -> None:
        self.items = list(items)
        self.closed = 0

    def __aiter__(self) -> "Source":
        return self

    async def __anext__(self) -> Any:
        if not self.items:
            raise StopAsyncIteration
        item = self.items.pop(0)
        if isinstance(item, Exception):
            raise item
        return item

    async def aclose(self) -> None:
        self.closed += 1


class SyncSource:
    """An iterator that notes how often it was closed."""

    def __init__(self, *items: Any) -> None:
        self.items = iter(items)
        self.closed = 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self.items)

    def close(self) -> None:
        self.closed += 1


FORMS: dict[str, Callable[[Response, Any], Any]] = {
    "stream": lambda res, source: res.stream(source),
    "stream_text": lambda res, source: res.stream_text(source),
    "ndjson": lambda res, source: res.ndjson(source),
    "sse": lambda res, source: res.sse(source),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", [Source, SyncSource])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_stream_at_its_end_is_closed(ask: Ask, form: str, kind: Callable[..., Any], method: str) -> None:
    source = kind("a", "b")
    await ask(lambda req: FORMS[form](req.res, source), method)
    assert source.closed == 1


async def test_stream_of_a_list_for_head_needs_no_closing(ask: Ask) -> None:
    assert (await ask(lambda req: req.res.stream([b"x"]), "HEAD")).content == b""


async def test_stream_for_head_reads_nothing(ask: Ask) -> None:
    source = Source("a")
    response = await ask(lambda req: req.res.stream(source), "HEAD")
    assert (response.content, source.items) == (b"", ["a"])


@pytest.mark.parametrize("form", FORMS)
async def test_stream_that_fails_is_closed_and_breaks_off(ask: Ask, form: str) -> None:
    source = Source("a", ValueError("broken"))
    with pytest.raises(ValueError, match="broken"):
        await ask(lambda req: FORMS[form](req.res, source))
    assert source.closed == 1


class Peer:
    """A client of one GET request to `/` that can go away."""

    def __init__(self, application: Patera, **scope: Any) -> None:
        self._application = application
        self._scope = scope
        self._is_gone = asyncio.Event()
        self.sent: list[Message] = []
        self.goes_after = 1
        self.error: OSError | None = None

    async def ask(self) -> None:
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "method": "GET",
            "scheme": "http",
            "path": "/",
            "root_path": "",
            "query_string": b"",
            "headers": [],
            **self._scope,
        }
        await self._application(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        await self._is_gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.sent.append(message)
        if message.get("body"):
            self.goes_after -= 1
        if not self.goes_after:
            if self.error is not None:
                raise self.error
            self._is_gone.set()


@pytest.mark.parametrize("form", FORMS)
async def test_stream_whose_client_disconnects_is_closed(make_app: MakeApp, client: Connect, form: str) -> None:
    async def endless() -> AsyncIterator[str]:
        try:
            while True:
                yield "x"
                await asyncio.sleep(0)
        finally:
            closed.append(form)

    closed: list[str] = []
    application = make_app(controller_of(lambda req: FORMS[form](req.res, endless())))
    await client(application)
    await Peer(application).ask()
    assert closed == [form]


async def test_stream_whose_server_reports_a_lost_client_is_closed(make_app: MakeApp, client: Connect) -> None:
    source = Source("a", "b", "c")
    application = make_app(controller_of(lambda req: req.res.stream(source)))
    await client(application)
    peer = Peer(application)
    peer.error = BrokenPipeError()
    await peer.ask()
    assert (source.closed, source.items) == (1, ["b", "c"])


async def test_stream_whose_content_raises_oserror_is_no_disconnect(ask: Ask) -> None:
    with pytest.raises(OSError, match="disk"):
        await ask(lambda req: req.res.stream(Source("a", OSError("disk"))))


async def test_deferred_close_runs_after_the_last_piece(make_app: MakeApp, client: Connect) -> None:
    async def pieces() -> AsyncIterator[str]:
        yield "a"
        order.append("piece")

    def handler(req: Request) -> Response:
        req.defer(lambda: order.append("deferred"))
        return req.res.stream_text(pieces())

    order: list[str] = []
    await (await client(make_app(controller_of(handler)))).get("/")
    assert order == ["piece", "deferred"]


def test_response_tells_whether_it_streams() -> None:
    assert (Response().text("x").is_streaming, Response().stream([]).is_streaming) == (False, True)


async def test_stream_replaced_by_text_is_dropped(ask: Ask) -> None:
    response = await ask(lambda req: req.res.stream([b"x"]).text("text"))
    assert (response.text, response.headers["content-length"]) == ("text", "4")


# Redirects


@path("/users")
class Users(Controller):
    @get("/<int:user_id>")
    async def show(self, req: Request, user_id: int) -> Response:
        return req.res.text(str(user_id))

    @get("/go")
    async def go(self, req: Request) -> Response:
        values: dict[str, Any] = dict(req.query_params)
        return req.res.redirect(values.pop("to"), **values)


async def test_redirect_is_303_to_the_location_without_body(ask: Ask) -> None:
    response = await ask(lambda req: req.res.redirect("/elsewhere"))
    found = (response.status_code, response.headers["location"], response.content, response.headers.get("content-type"))
    assert found == (303, "/elsewhere", b"", None)


async def test_redirect_with_status_has_it(ask: Ask) -> None:
    response = await ask(lambda req: req.res.redirect("/x", HttpStatus.MOVED_PERMANENTLY))
    assert response.status_code == 301


@pytest.mark.parametrize(
    ("query", "location"),
    [
        ({"to": "Users.show", "user_id": "3"}, "/users/3"),
        ({"to": "Users.show", "user_id": "3", "tab": "posts"}, "/users/3?tab=posts"),
        ({"to": "Nobody.show", "a": "1"}, "Nobody.show?a=1"),
        ({"to": "/x", "a": "b c"}, "/x?a=b+c"),
        ({"to": "/x?y=1", "a": "2"}, "/x?y=1&a=2"),
        ({"to": "/x#part", "a": "2"}, "/x?a=2#part"),
        ({"to": "https://example.org/x?y=%20"}, "https://example.org/x?y=%20"),
        ({"to": "/a b\r\nx: y"}, "/a%20b%0D%0Ax:%20y"),
        ({"to": "/é"}, "/%C3%A9"),
    ],
)
async def test_redirect_location_is(make_app: MakeApp, client: Connect, query: dict[str, str], location: str) -> None:
    response = await (await client(make_app(Users))).get("/users/go", params=query)
    assert response.headers["location"] == location


async def test_redirect_leaves_out_none_and_repeats_lists(ask: Ask) -> None:
    response = await ask(lambda req: req.res.redirect("/x", a=None, b=[1, 2]))
    assert response.headers["location"] == "/x?b=1&b=2"


async def test_redirect_twice_has_one_location(ask: Ask) -> None:
    response = await ask(lambda req: req.res.redirect("/a").redirect("/b"))
    assert response.headers.get_list("location") == ["/b"]


async def test_redirect_through_url_for_reaches_the_endpoint(make_app: MakeApp, client: Connect) -> None:
    class Login(Controller):
        @get("/login")
        async def login(self, req: Request) -> Response:
            return req.response.redirect(self.app.url_for("Users.show", user_id=7))

    http = await client(make_app(Login, Users))
    assert (await http.get("/login", follow_redirects=True)).text == "7"


SAFE = ["/", "/a", "/a?next=/b", "/a#b", "/a//b", "http://testserver/a", "https://testserver/a", "/a?b=%5c%0a%0d"]
UNSAFE = [
    "",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "https:evil.example",
    "http:/evil.example",
    "https://evil.example",
    "http://testserver@evil.example",
    "http://testserver:80@evil.example",
    "http://testserver.evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "\t//evil.example",
    "/\t/evil.example",
    " //evil.example",
    "/%09//evil.example",
    "/%5cevil.example",
    "relative",
    "http://[",
    "/a\r\nx: y",
]


@pytest.mark.parametrize("target", SAFE)
async def test_safe_redirect_to_this_site_is_followed(ask: Ask, target: str) -> None:
    response = await ask(lambda req: req.res.safe_redirect(target, "/default"))
    assert response.headers["location"] == target


@pytest.mark.parametrize("target", UNSAFE)
async def test_safe_redirect_elsewhere_is_the_default(ask: Ask, target: str) -> None:
    response = await ask(lambda req: req.res.safe_redirect(target, "/default"))
    assert response.headers["location"] == "/default"


async def test_safe_redirect_without_target_is_the_default(ask: Ask) -> None:
    response = await ask(lambda req: req.res.safe_redirect(req.query_params.get("next"), status_code=302))
    assert (response.status_code, response.headers["location"]) == (302, "/")


def test_safe_redirect_without_host_takes_paths_alone() -> None:
    assert (is_safe_redirect("/a"), is_safe_redirect("http://testserver/a")) == (True, False)


def test_safe_redirect_outside_of_a_request_takes_paths_alone() -> None:
    response = Response().safe_redirect("http://testserver/a", "/default")
    assert response.headers["location"] == "/default"


# `@produces`


def produced(media_type: str, handler: Handler, status: int | None = None) -> type[Controller]:
    class Api(Controller):
        @get("/")
        @produces(media_type, status)
        async def show(self, req: Request) -> Any:
            return handler(req)

    return Api


@pytest.mark.parametrize(
    ("media_type", "handler", "expected"),
    [
        (MediaType.TEXT_CSV, lambda req: req.res.text("a,b"), "text/csv; charset=utf-8"),
        (MediaType.APPLICATION_JSON, lambda req: req.res.json({}), "application/json"),
        ("application/hal+json", lambda req: req.res.json({}), "application/hal+json"),
        (MediaType.IMAGE_PNG, lambda req: req.res.send_file(b"png"), "image/png"),
        (MediaType.TEXT_HTML, lambda req: "<p>", "text/html; charset=utf-8"),
        (MediaType.TEXT_CSV, lambda req: req.res.stream(["a"]), "text/csv; charset=utf-8"),
    ],
)
async def test_produces_sets_the_type_of_what_has_none(
    make_app: MakeApp, client: Connect, media_type: str, handler: Handler, expected: str
) -> None:
    response = await (await client(make_app(produced(media_type, handler)))).get("/")
    assert response.headers.get_list("content-type") == [expected]


async def test_produces_for_a_file_sets_its_type(make_app: MakeApp, client: Connect, digits: Path) -> None:
    api = produced("text/x-digits", lambda req: req.res.send_file(digits))
    assert (await (await client(make_app(api))).get("/")).headers["content-type"] == "text/x-digits; charset=utf-8"


async def test_produces_status_stands_where_the_handler_sets_none(make_app: MakeApp, client: Connect) -> None:
    api = produced(MediaType.APPLICATION_JSON, lambda req: req.res.json({}), HttpStatus.CREATED)
    assert (await (await client(make_app(api))).get("/")).status_code == 201


async def test_produces_status_gives_way_to_the_handlers(make_app: MakeApp, client: Connect) -> None:
    api = produced(MediaType.APPLICATION_JSON, lambda req: req.res.json({}).status(202), HttpStatus.CREATED)
    assert (await (await client(make_app(api))).get("/")).status_code == 202


@pytest.mark.parametrize(
    ("handler", "content_type"),
    [
        (lambda req: req.res.redirect("/x"), None),
        (lambda req: req.res.no_content(), None),
        (lambda req: req.res.text("no").status(404), "text/plain; charset=utf-8"),
    ],
    ids=["redirect", "no content", "error"],
)
async def test_produces_leaves_other_answers_alone(
    make_app: MakeApp, client: Connect, handler: Handler, content_type: str | None
) -> None:
    response = await (await client(make_app(produced(MediaType.APPLICATION_JSON, handler)))).get("/")
    assert response.headers.get("content-type") == content_type


async def test_produces_no_content_sends_neither_body_nor_type(make_app: MakeApp, client: Connect) -> None:
    api = produced(MediaType.NO_CONTENT, lambda req: req.res.json({"a": 1}))
    response = await (await client(make_app(api))).get("/")
    assert (response.status_code, response.content, "content-type" in response.headers) == (204, b"", False)


async def test_produces_no_content_keeps_the_handlers_status(make_app: MakeApp, client: Connect) -> None:
    api = produced(MediaType.NO_CONTENT, lambda req: req.res.text("x").status(200))
    response = await (await client(make_app(api))).get("/")
    assert (response.status_code, response.content, response.headers["content-length"]) == (200, b"", "0")


async def test_produces_no_content_leaves_errors_their_body(make_app: MakeApp, client: Connect) -> None:
    api = produced(MediaType.NO_CONTENT, lambda req: req.res.text("gone").status(410))
    assert (await (await client(make_app(api))).get("/")).text == "gone"


# Sent by itself


def test_response_without_anything_set_has_an_empty_body() -> None:
    response = Response()
    response.shape()
    assert (response.body, response.raw_headers) == (b"", [])


def test_signature_of_set_cookie_shows_what_is_not_given() -> None:
    assert repr(inspect.signature(Response.set_cookie).parameters["samesite"].default) == "UNSET"


async def test_response_is_an_asgi_application_of_its_own() -> None:
    async with PateraTestClient(Response().json({"a": 1}).status(201), lifespan=False) as http:
        response = await http.get("/")
    assert (response.status_code, response.json()) == (201, {"a": 1})


async def test_response_as_application_sends_files_and_runs_tasks(digits: Path) -> None:
    done: list[int] = []
    response = Response(background=BackgroundTask(done.append, 1)).send_file(digits)
    async with PateraTestClient(response, lifespan=False) as http:
        assert ((await http.get("/")).content, done) == (b"0123456789", [1])


async def test_response_as_application_for_head_has_no_body() -> None:
    async with PateraTestClient(Response().text("12345"), lifespan=False) as http:
        response = await http.head("/")
    assert (response.content, response.headers["content-length"]) == (b"", "5")


@pytest.mark.parametrize("response", [Response("no", 403), Response().stream_text(["n", "o"]).status(403)])
async def test_response_denies_a_websocket(response: Response) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    await response({"type": "websocket", "headers": []}, receive, send)
    kinds = {message["type"] for message in sent}
    assert (sent[0]["status"], kinds) == (403, {"websocket.http.response.start", "websocket.http.response.body"})


async def test_raw_event_is_sent_in_a_websocket_only() -> None:
    with pytest.raises(RuntimeError, match=r"send\(\) was used while no request is being answered"):
        await Response().send({"type": "websocket.send", "text": "x"})


def test_foreign_response_knows_neither_status_nor_body() -> None:
    async def run(scope: Scope, receive: Any, send: Any) -> None:
        """Never called."""

    response = ForeignResponse(run)
    with pytest.raises(AttributeError, match="status of a mounted application is not known before it is sent"):
        _ = response.status_code
    with pytest.raises(AttributeError, match="body of a mounted application is sent by itself"):
        _ = response.body
