"""Who answers an exception, and what the client and the log are told."""

import http
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from loguru import logger
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from patera import HttpStatus, MiddlewareBase, Patera, Request, Response, abort, exception, exceptions, html_abort
from patera.controller import Controller, get, path, post, produces
from patera.exceptions import (
    AborterException,
    AuthenticationException,
    AuthorizationException,
    BaseHttpException,
    CustomException,
    ExceptionHandler,
    HtmlAborterException,
    MethodNotAllowed,
    NotFound,
    RequestValidationError,
    StaticAssetNotFound,
    UnauthorizedException,
    handles,
)
from patera.testing import PateraTestClient

MakeApp = Callable[..., Patera]
Connect = Callable[[Patera], Awaitable[PateraTestClient]]
Answer = Callable[..., Awaitable[httpx.Response]]

SERVER_ERROR = {"status": "error", "message": "Internal server error"}


class OutOfStock(CustomException):
    pass


class SoldOut(OutOfStock):
    pass


class Item(BaseModel):
    count: int = Field(ge=1)


class Api(Controller):
    """Raises whatever a test puts into `error`."""

    error: Any = None

    @get("/")
    async def show(self, req: Request) -> Response:
        req.res.text("half").status(201).set_cookie("a", "1").set_header("x-a", "1")
        raise self.error

    @post("/items")
    async def create(self, req: Request, item: Item) -> Response:
        return req.res.json(item)


@pytest.fixture
def answer(make_app: MakeApp, client: Connect) -> Answer:
    """The answer of an endpoint that raises `error`, in production unless said otherwise."""

    async def answer(
        error: Any, *handlers: Any, headers: dict[str, str] | None = None, **configs: Any
    ) -> httpx.Response:
        api = type("Api", (Api,), {"error": error})
        application = make_app(api, EXCEPTION_HANDLERS=handlers, **{"DEBUG": False, **configs})
        return await (await client(application)).get("/", headers=headers)

    return answer


@pytest.fixture
def records() -> Iterator[list[Any]]:
    """All log records of the test."""
    found: list[Any] = []
    sink = logger.add(lambda message: found.append(message.record), level=0, format="{message}")
    yield found
    logger.remove(sink)


def handler_of(*kinds: type[BaseException], name: str = "handled") -> type[ExceptionHandler]:
    """A handler class that answers with its name and the exception's class and text."""

    class Handlers(ExceptionHandler):
        @handles(*kinds)
        async def answer(self, req: Request, exc: Exception) -> Any:
            return f"{name} {type(exc).__name__}: {exc}", 409

    return Handlers


# Which handler


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (SoldOut("x"), "sold SoldOut: x"),
        (OutOfStock("x"), "stock OutOfStock: x"),
        (KeyError("x"), "lookup KeyError: 'x'"),
        (ValueError("x"), "any ValueError: x"),
        (NotFound("x"), "any NotFound: x"),
    ],
)
async def test_handler_of_the_most_specific_class_answers(answer: Answer, error: Exception, text: str) -> None:
    handlers = [
        handler_of(Exception, name="any"),
        handler_of(LookupError, name="lookup"),
        handler_of(OutOfStock, name="stock"),
        handler_of(SoldOut, name="sold"),
    ]
    response = await answer(error, *handlers)
    assert (response.status_code, response.text) == (409, text)


async def test_handler_takes_several_classes(answer: Answer) -> None:
    handlers = handler_of(OutOfStock, KeyError)
    texts = [(await answer(error, handlers)).text for error in (OutOfStock("x"), KeyError("x"))]
    assert texts == ["handled OutOfStock: x", "handled KeyError: 'x'"]


async def test_handler_marked_twice_takes_both_classes(answer: Answer) -> None:
    class Handlers(ExceptionHandler):
        @handles(OutOfStock)
        @handles(KeyError)
        async def answer(self, req: Request, exc: Exception) -> Any:
            return "handled"

    texts = [(await answer(error, Handlers)).text for error in (OutOfStock("x"), KeyError("x"))]
    assert texts == ["handled", "handled"]


async def test_handlers_of_classes_with_equal_names_are_told_apart(answer: Answer) -> None:
    mine, theirs = type("Conflict", (Exception,), {}), type("Conflict", (Exception,), {})
    handlers = [handler_of(mine, name="mine"), handler_of(theirs, name="theirs")]
    texts = [(await answer(error("x"), *handlers)).text for error in (mine, theirs)]
    assert texts == ["mine Conflict: x", "theirs Conflict: x"]


async def test_handler_of_an_equal_name_does_not_answer(answer: Answer) -> None:
    mine, theirs = type("Conflict", (Exception,), {}), type("Conflict", (Exception,), {})
    assert (await answer(mine("x"), handler_of(theirs))).json() == SERVER_ERROR


async def test_handler_of_one_class_registered_last_answers_and_is_warned_of(
    answer: Answer, records: list[Any]
) -> None:
    first, last = handler_of(OutOfStock, name="first"), handler_of(OutOfStock, name="last")
    assert (await answer(OutOfStock("x"), first, last)).text == "last OutOfStock: x"
    warnings = [record["message"] for record in records if record["level"].name == "WARNING"]
    name = "handler_of.<locals>.Handlers.answer"
    assert warnings == [f"{name} and {name} both handle OutOfStock; {name} is used"]


async def test_handler_has_the_application_and_the_request(answer: Answer) -> None:
    class Handlers(ExceptionHandler):
        @handles(OutOfStock)
        async def answer(self, req: Request, exc: OutOfStock) -> Response:
            return req.res.text(f"{self.app.app_name} {req.path}")

    assert (await answer(OutOfStock(), Handlers)).text == "Test /"


async def test_handler_as_def_answers_too(answer: Answer) -> None:
    class Handlers(ExceptionHandler):
        @handles(OutOfStock)
        def answer(self, req: Request, exc: OutOfStock) -> Response:
            return req.res.text("from a thread")

    assert (await answer(OutOfStock(), Handlers)).text == "from a thread"


async def test_handler_inherited_answers(answer: Answer) -> None:
    class Child(handler_of(OutOfStock)):  # type: ignore[misc]
        pass

    assert (await answer(OutOfStock("x"), Child)).text == "handled OutOfStock: x"


async def test_handler_with_produces_has_that_type(answer: Answer) -> None:
    class Handlers(ExceptionHandler):
        @handles(OutOfStock)
        @produces("application/problem+json", HttpStatus.CONFLICT)
        async def answer(self, req: Request, exc: OutOfStock) -> Any:
            return {"title": "none left"}

    response = await answer(OutOfStock(), Handlers)
    assert (response.status_code, response.headers["content-type"]) == (409, "application/problem+json")


async def test_handler_that_sets_another_type_than_it_produces_is_overruled(answer: Answer) -> None:
    class Handlers(ExceptionHandler):
        @handles(OutOfStock)
        @produces("application/problem+json")
        async def answer(self, req: Request, exc: OutOfStock) -> Response:
            return req.res.json({}).set_header("content-type", "text/csv")

    assert (await answer(OutOfStock(), Handlers)).headers["content-type"] == "application/problem+json"


async def test_handler_registered_on_the_application_answers(make_app: MakeApp, client: Connect) -> None:
    application = make_app(type("Api", (Api,), {"error": OutOfStock("x")}))
    application.register_exception_handler(handler_of(OutOfStock))
    assert (await (await client(application)).get("/")).text == "handled OutOfStock: x"


async def test_handler_starts_with_a_fresh_response(answer: Answer) -> None:
    class Handlers(ExceptionHandler):
        @handles(OutOfStock)
        async def answer(self, req: Request, exc: OutOfStock) -> Response:
            return req.res.text("none left")

    response = await answer(OutOfStock(), Handlers)
    found = (response.status_code, "set-cookie" in response.headers, "x-a" in response.headers)
    assert found == (200, False, False)


async def test_handler_answers_errors_of_middleware(make_app: MakeApp, client: Connect) -> None:
    class Broken(MiddlewareBase):
        async def middleware(self, req: Request) -> Response:
            raise OutOfStock("x")

    application = make_app(MIDDLEWARE=[Broken], EXCEPTION_HANDLERS=[handler_of(OutOfStock)])
    assert (await (await client(application)).get("/nowhere")).text == "handled OutOfStock: x"


async def test_handler_answers_errors_of_asgi_middleware_and_may_render_templates(
    make_app: MakeApp, client: Connect
) -> None:
    class Broken:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                raise OutOfStock("x")
            await self.app(scope, receive, send)

    class Handlers(ExceptionHandler):
        @handles(OutOfStock)
        async def answer(self, req: Request, exc: OutOfStock) -> Response:
            return await req.res.html_from_string("{{ request.path }}: {{ exc }}", {"exc": exc})

    http = await client(make_app(MIDDLEWARE=[Broken], EXCEPTION_HANDLERS=[Handlers]))
    assert (await http.get("/nowhere")).text == "/nowhere: x"


async def test_handler_that_fails_is_one_500_and_logged_with_the_first_error(
    answer: Answer, records: list[Any]
) -> None:
    class Handlers(ExceptionHandler):
        @handles(OutOfStock)
        async def answer(self, req: Request, exc: OutOfStock) -> Response:
            req.res.set_cookie("a", "1")
            raise ValueError("broken handler")

    response = await answer(OutOfStock("first"), Handlers)
    assert (response.status_code, response.json(), "set-cookie" in response.headers) == (500, SERVER_ERROR, False)
    severe = [(record["level"].name, str(record["exception"].value)) for record in records if record["exception"]]
    assert severe == [("ERROR", "first"), ("CRITICAL", "broken handler")]


async def test_handler_whose_client_is_gone_answers_nothing(make_app: MakeApp, records: list[Any]) -> None:
    class Handlers(ExceptionHandler):
        @handles(OutOfStock)
        async def answer(self, req: Request, exc: OutOfStock) -> Response:
            raise ClientDisconnect

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    application = make_app(type("Api", (Api,), {"error": OutOfStock()}), EXCEPTION_HANDLERS=[Handlers])
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}
    await application(scope, receive, send)
    messages = [record["message"] for record in records]
    assert (sent, messages) == ([], ["The client went away during GET (Api.show)"])


async def test_handler_that_aborts_answers_with_the_abort(answer: Answer, records: list[Any]) -> None:
    class Handlers(ExceptionHandler):
        @handles(OutOfStock)
        async def answer(self, req: Request, exc: OutOfStock) -> Response:
            abort("none left", HttpStatus.GONE)

    response = await answer(OutOfStock(), Handlers)
    assert (response.status_code, response.json()["message"]) == (410, "none left")
    assert [record for record in records if record["exception"]] == []


@pytest.mark.parametrize("kinds", [(), (ValueError("x"),), ("ValueError",), (int,)])
def test_handles_of_no_exception_class_is_refused(kinds: Any) -> None:
    with pytest.raises(TypeError, match=r"@handles takes exception classes, got .*; write @handles\(ValueError\)"):
        handles(*kinds)


# Errors of Pydantic


async def test_validation_error_of_the_request_reaches_its_handler_as_pydantics(
    make_app: MakeApp, client: Connect
) -> None:
    class Handlers(ExceptionHandler):
        @handles(ValidationError)
        async def invalid(self, req: Request, exc: ValidationError) -> Response:
            details = {error["loc"][0]: error["msg"] for error in exc.errors()}
            return req.res.json(details).status(HttpStatus.UNPROCESSABLE_ENTITY)

    http = await client(make_app(Api, EXCEPTION_HANDLERS=[Handlers]))
    response = await http.post("/items", json={"count": 0})
    found = (response.status_code, response.json())
    assert found == (422, {"count": "Input should be greater than or equal to 1"})


async def test_validation_error_of_ones_own_code_reaches_its_handler(answer: Answer) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(int).validate_python("x")
    response = await answer(caught.value, handler_of(ValidationError))
    assert response.text.startswith("handled ValidationError: 1 validation error for int")


@pytest.mark.parametrize("debug", [True, False])
async def test_validation_error_of_the_request_without_handler_is_422(
    make_app: MakeApp, client: Connect, debug: bool
) -> None:
    http = await client(make_app(Api, DEBUG=debug))
    assert (await http.post("/items", json={"count": 0})).status_code == 422


async def test_validation_error_of_ones_own_code_without_handler_is_a_500(answer: Answer) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(int).validate_python("x")
    response = await answer(caught.value)
    assert (response.status_code, response.json()) == (500, SERVER_ERROR)


@pytest.mark.parametrize(
    ("kinds", "handler"),
    [
        ((RequestValidationError, ValidationError, BaseHttpException, Exception), RequestValidationError),
        ((ValidationError, BaseHttpException, Exception), ValidationError),
        ((BaseHttpException, Exception), BaseHttpException),
        ((Exception,), Exception),
    ],
)
async def test_validation_error_of_the_request_is_looked_up_in_this_order(
    make_app: MakeApp, client: Connect, kinds: tuple[type[Exception], ...], handler: type[Exception]
) -> None:
    handlers = [handler_of(kind, name=kind.__name__) for kind in kinds]
    response = await (await client(make_app(Api, EXCEPTION_HANDLERS=handlers))).post("/items", json={})
    assert response.text.split()[0] == handler.__name__


async def test_request_validation_error_tells_where_each_value_stands(make_app: MakeApp, client: Connect) -> None:
    class Handlers(ExceptionHandler):
        @handles(RequestValidationError)
        async def invalid(self, req: Request, exc: RequestValidationError) -> Any:
            return [error["loc"] for error in exc.errors()], exc.status_code

    http = await client(make_app(Api, EXCEPTION_HANDLERS=[Handlers]))
    response = await http.post("/items", json={})
    assert (response.status_code, response.json()) == (422, [["body", "count"]])


async def test_malformed_json_does_not_reach_the_handler_of_validation_errors(
    make_app: MakeApp, client: Connect
) -> None:
    http = await client(make_app(Api, EXCEPTION_HANDLERS=[handler_of(ValidationError)]))
    response = await http.post("/items", content=b"{", headers={"content-type": "application/json"})
    assert response.json() == {"status": "error", "message": "Malformed JSON", "data": None}


# What `abort` and `html_abort` answer


@pytest.mark.parametrize(
    ("arguments", "status", "body"),
    [
        (("gone",), 400, {"status": "error", "message": "gone", "data": None}),
        (("gone", HttpStatus.NOT_FOUND), 404, {"status": "error", "message": "gone", "data": None}),
        (("gone", 404, "fail", {"id": 3}), 404, {"status": "fail", "message": "gone", "data": {"id": 3}}),
        ((), 400, {"status": "error", "message": "", "data": None}),
        ((404,), 404, {"status": "error", "message": "Not found", "data": None}),
        ((HttpStatus.IM_A_TEAPOT,), 418, {"status": "error", "message": "Im a teapot", "data": None}),
        ((404, "no such user"), 404, {"status": "error", "message": "no such user", "data": None}),
        ((499,), 499, {"status": "error", "message": "", "data": None}),
    ],
)
async def test_abort_answers_with_its_arguments(
    make_app: MakeApp, client: Connect, arguments: tuple[Any, ...], status: int, body: dict[str, Any]
) -> None:
    class Aborting(Controller):
        @get("/")
        async def show(self, req: Request) -> Response:
            abort(*arguments)

    response = await (await client(make_app(Aborting))).get("/")
    assert (response.status_code, response.json()) == (status, body)


async def test_abort_by_keywords_answers_with_them(make_app: MakeApp, client: Connect) -> None:
    class Aborting(Controller):
        @get("/")
        async def show(self, req: Request) -> Response:
            abort(msg="gone", status_code=HttpStatus.NOT_FOUND, status="error", data=None)

    assert (await (await client(make_app(Aborting))).get("/")).status_code == 404


def test_abort_with_two_texts_is_refused() -> None:
    with pytest.raises(TypeError, match=r"abort\(\) takes a status code after the message, got 'more'"):
        abort("text", "more")


async def test_abort_reaches_a_handler_of_its_class(answer: Answer) -> None:
    assert (
        await answer(AborterException("gone"), handler_of(AborterException))
    ).text == "handled AborterException: gone"


@pytest.fixture
def template(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "gone.html").write_text("<p>{{ name }}</p>")


class HtmlAborting(Controller):
    @get("/")
    async def show(self, req: Request) -> Response:
        html_abort("gone.html", HttpStatus.GONE, {"name": "<Ada>"})


@pytest.mark.usefixtures("template")
@pytest.mark.parametrize("handlers", [(), (handler_of(Exception),), (handler_of(BaseHttpException),)])
async def test_html_abort_renders_its_template(make_app: MakeApp, client: Connect, handlers: tuple[Any, ...]) -> None:
    response = await (await client(make_app(HtmlAborting, EXCEPTION_HANDLERS=handlers))).get("/")
    found = (response.status_code, response.text, response.headers["content-type"])
    assert found == (410, "<p>&lt;Ada&gt;</p>", "text/html; charset=utf-8")


@pytest.mark.usefixtures("template")
async def test_html_abort_reaches_a_handler_of_its_class(make_app: MakeApp, client: Connect) -> None:
    application = make_app(HtmlAborting, EXCEPTION_HANDLERS=[handler_of(HtmlAborterException)])
    assert (await (await client(application)).get("/")).status_code == 409


async def test_html_abort_without_template_file_is_a_500(make_app: MakeApp, client: Connect) -> None:
    response = await (await client(make_app(HtmlAborting, DEBUG=False))).get("/")
    assert (response.status_code, response.json()) == (500, SERVER_ERROR)


@pytest.mark.usefixtures("template")
async def test_html_abort_without_data_answers_with_400(make_app: MakeApp, client: Connect) -> None:
    class Plain(Controller):
        @get("/")
        async def show(self, req: Request) -> Response:
            html_abort("gone.html")

    response = await (await client(make_app(Plain, TEMPLATES_STRICT=False))).get("/")
    assert (response.status_code, response.text) == (400, "<p></p>")


# Errors that answer themselves


class Conflict(BaseHttpException):
    def __init__(self, name: str) -> None:
        super().__init__(f"{name} exists", HttpStatus.CONFLICT, data={"name": name}, headers={"retry-after": "3"})


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (BaseHttpException("x"), 500, {"status": "error", "message": "x", "data": None}),
        (Conflict("ada"), 409, {"status": "error", "message": "ada exists", "data": {"name": "ada"}}),
        (AborterException("x", 403), 403, {"status": "error", "message": "x", "data": None}),
        (AuthenticationException(), 401, {"status": "error", "message": "Login required", "data": None}),
        (UnauthorizedException(), 403, {"status": "error", "message": "Missing user role(s)", "data": None}),
        (NotFound("no user"), 404, {"status": "error", "message": "no user"}),
        (StaticAssetNotFound(), 404, {"status": "error", "message": "Static asset not found"}),
        (MethodNotAllowed(["PUT", "GET"]), 405, {"status": "error", "message": "Method not allowed"}),
    ],
)
async def test_http_exception_without_handler_answers_itself(
    answer: Answer, records: list[Any], error: Exception, status: int, body: dict[str, Any]
) -> None:
    response = await answer(error)
    assert (response.status_code, response.json()) == (status, body)
    assert [record for record in records if record["exception"]] == []


async def test_http_exception_has_its_headers(answer: Answer) -> None:
    response = await answer(Conflict("ada"))
    assert (response.headers["retry-after"], "set-cookie" in response.headers) == ("3", False)


@pytest.mark.parametrize(
    "error", [BaseHttpException("x", 400, data=object()), BaseHttpException("x", 400, headers={"x-a": "a\nb"})]
)
async def test_http_exception_that_cannot_be_sent_is_a_500(answer: Answer, error: Exception) -> None:
    response = await answer(error)
    assert (response.status_code, response.json()) == (500, SERVER_ERROR)


def test_exceptions_of_wrong_logins_have_both_names() -> None:
    assert AuthorizationException is UnauthorizedException


def test_unauthorized_exception_knows_the_roles() -> None:
    assert UnauthorizedException(roles=("admin",)).roles == ["admin"]


def test_not_found_has_code_and_description() -> None:
    found = [(error.code, error.description) for error in (NotFound(), MethodNotAllowed())]
    assert found == [
        (404, "The requested URL was not found on the server."),
        (405, "The method is not allowed for the requested URL."),
    ]


def test_exception_module_has_the_documented_names() -> None:
    assert {name: getattr(exception, name) for name in exception.__all__} == {
        name: getattr(exceptions, name) for name in exceptions.__all__
    }


# 404 and 405


@path("/users")
class Users(Controller):
    @get("/")
    async def index(self, req: Request) -> None: ...

    @post("/")
    async def create(self, req: Request) -> None: ...


@pytest.mark.parametrize("debug", [True, False])
async def test_unknown_path_is_404(make_app: MakeApp, client: Connect, debug: bool) -> None:
    response = await (await client(make_app(Users, DEBUG=debug))).get("/nowhere")
    assert (response.status_code, response.json()) == (404, {"status": "error", "message": "Endpoint not found"})


async def test_known_path_with_wrong_method_is_405_with_allow(make_app: MakeApp, client: Connect) -> None:
    response = await (await client(make_app(Users))).put("/users/")
    assert (response.status_code, response.json(), response.headers["allow"]) == (
        405,
        {"status": "error", "message": "Method not allowed"},
        "GET, HEAD, OPTIONS, POST",
    )


async def test_handler_of_not_found_sees_wrong_paths_and_methods(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(Users, EXCEPTION_HANDLERS=[handler_of(NotFound)]))
    texts = [(await http.get("/nowhere")).text, (await http.put("/users/")).text]
    assert texts == ["handled NotFound: Endpoint not found", "handled MethodNotAllowed: Method not allowed"]


async def test_options_of_a_known_path_is_204_with_allow(make_app: MakeApp, client: Connect) -> None:
    response = await (await client(make_app(Users))).options("/users/")
    found = (response.status_code, response.headers["allow"], response.content)
    assert found == (204, "GET, HEAD, OPTIONS, POST", b"")


async def test_options_of_an_unknown_path_is_404(make_app: MakeApp, client: Connect) -> None:
    assert (await (await client(make_app(Users))).options("/nowhere")).status_code == 404


# Starlette's exceptions


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (HTTPException(404), 404, "Endpoint not found"),
        (HTTPException(404, "no user 3"), 404, "no user 3"),
        (HTTPException(405), 405, "Method not allowed"),
        (HTTPException(403, "not you"), 403, "not you"),
        (HTTPException(418), 418, "I'm a Teapot"),
    ],
)
async def test_starlettes_exception_has_the_projects_form(
    answer: Answer, error: Exception, status: int, message: str
) -> None:
    response = await answer(error)
    assert (response.status_code, response.json()["message"]) == (status, message)


async def test_starlettes_exception_keeps_its_headers(answer: Answer) -> None:
    response = await answer(HTTPException(401, headers={"WWW-Authenticate": "Bearer"}))
    assert response.headers["www-authenticate"] == "Bearer"


async def test_starlettes_405_names_the_methods_it_allows(answer: Answer) -> None:
    assert (await answer(HTTPException(405, headers={"Allow": "PUT, GET"}))).headers["allow"] == "GET, PUT"


@pytest.mark.parametrize(("status", "kind"), [(404, NotFound), (405, MethodNotAllowed), (403, BaseHttpException)])
async def test_starlettes_exception_reaches_the_projects_handler(
    answer: Answer, status: int, kind: type[Exception]
) -> None:
    response = await answer(HTTPException(status), handler_of(kind))
    assert (response.status_code, response.text.split()[1]) == (409, f"{kind.__name__}:")


# RFC 9457


def problem(status: int, detail: str, **members: Any) -> dict[str, Any]:
    title = http.HTTPStatus(status).phrase
    return {"type": "about:blank", "title": title, "status": status, "detail": detail, **members}


@pytest.mark.parametrize(
    ("error", "body"),
    [
        (NotFound(), problem(404, "Endpoint not found")),
        (AborterException("gone", 410), problem(410, "gone")),
        (Conflict("ada"), problem(409, "ada exists", data={"name": "ada"})),
        (HTTPException(403, "not you"), problem(403, "not you")),
        (ValueError("x"), problem(500, "Internal server error")),
    ],
)
async def test_problem_format_holds_for_every_error(answer: Answer, error: Exception, body: dict[str, Any]) -> None:
    response = await answer(error, ERROR_FORMAT="problem")
    assert (response.status_code, response.json()) == (body["status"], body)
    assert response.headers.get_list("content-type") == ["application/problem+json"]


async def test_problem_of_unknown_status_has_a_title(answer: Answer) -> None:
    assert (await answer(BaseHttpException("x", 499), ERROR_FORMAT="problem")).json()["title"] == "Error"


@pytest.mark.parametrize(
    ("method", "url", "options", "body"),
    [
        ("GET", "/nowhere", {}, problem(404, "Endpoint not found")),
        ("DELETE", "/items", {}, problem(405, "Method not allowed")),
        ("POST", "/items", {"json": {"count": 0}}, None),
        ("POST", "/items", {"content": b"{", "headers": {"content-type": "application/json"}}, None),
        ("POST", "/items", {"content": b"{}"}, None),
        ("GET", "/", {"headers": {"origin": "https://evil.example"}}, problem(403, "CORS origin not allowed")),
        ("GET", "/static/x", {}, problem(404, "Static asset not found")),
    ],
)
async def test_problem_format_holds_for_the_frameworks_own_errors(
    make_app: MakeApp, client: Connect, method: str, url: str, options: dict[str, Any], body: dict[str, Any] | None
) -> None:
    configs = {"ERROR_FORMAT": "problem", "CORS_ALLOW_ORIGINS": ["https://ok.example"]}
    response = await (await client(make_app(Api, **configs))).request(method, url, **options)
    assert response.headers["content-type"] == "application/problem+json"
    assert body is None or response.json() == body


async def test_problem_of_validation_has_details_and_errors(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(Api, ERROR_FORMAT="problem"))
    message = "Input should be greater than or equal to 1"
    assert (await http.post("/items", json={"count": 0})).json() == problem(
        422,
        "Validation failed.",
        details={"count": message},
        errors=[{"loc": ["body", "count"], "msg": message, "type": "greater_than_equal"}],
    )


async def test_problem_format_leaves_handlers_their_own(answer: Answer) -> None:
    response = await answer(OutOfStock("x"), handler_of(OutOfStock), ERROR_FORMAT="problem")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"


# What nobody handles


async def test_unhandled_error_in_production_is_500_and_logged_once_as_critical(
    answer: Answer, records: list[Any]
) -> None:
    response = await answer(ValueError("secret detail"))
    assert (response.status_code, response.json()) == (500, SERVER_ERROR)
    ((message, error),) = [
        (record["message"], record["exception"].value) for record in records if record["level"].name == "CRITICAL"
    ]
    assert (message, str(error)) == ("Unhandled exception in Api.show", "secret detail")


async def test_unhandled_error_without_endpoint_names_method_and_path(
    make_app: MakeApp, client: Connect, records: list[Any]
) -> None:
    class Broken(MiddlewareBase):
        async def middleware(self, req: Request) -> Response:
            raise ValueError("x")

    await (await client(make_app(MIDDLEWARE=[Broken], DEBUG=False))).get("/no%0Awhere")
    messages = [record["message"] for record in records if record["level"].name == "CRITICAL"]
    assert messages == [r"Unhandled exception in GET '/no\nwhere'"]


async def test_unhandled_error_keeps_nothing_of_the_failed_handler(answer: Answer) -> None:
    response = await answer(ValueError("x"))
    assert ("set-cookie" in response.headers, "x-a" in response.headers) == (False, False)


async def test_unhandled_error_in_production_shows_browsers_no_page(answer: Answer) -> None:
    response = await answer(ValueError("x"), headers={"accept": "text/html"})
    assert response.json() == SERVER_ERROR


async def test_unhandled_error_in_debug_is_raised(answer: Answer) -> None:
    with pytest.raises(ValueError, match="secret detail"):
        await answer(ValueError("secret detail"), DEBUG=True)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("text/html,*/*", "text/html; charset=utf-8"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
    ],
)
async def test_unhandled_error_in_debug_shows_a_page_to_browsers_only(
    make_app: MakeApp, accept: str, content_type: str
) -> None:
    application = make_app(type("Api", (Api,), {"error": ValueError("the detail")}))
    async with PateraTestClient(application, raise_app_exceptions=False) as http:
        response = await http.get("/", headers={"accept": accept})
    found = (response.status_code, response.headers["content-type"], "the detail" in response.text)
    assert found == (500, content_type, content_type.startswith("text/html"))


async def test_unhandled_error_of_asgi_middleware_in_debug_is_raised_after_the_answer(make_app: MakeApp) -> None:
    class Broken:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            raise ValueError("broken")

    http = PateraTestClient(make_app(MIDDLEWARE=[Broken]), raise_app_exceptions=False)
    assert (await http.get("/")).json() == SERVER_ERROR
    await http.close()
    with pytest.raises(ValueError, match="broken"):
        await PateraTestClient(make_app(MIDDLEWARE=[Broken])).get("/")


async def test_error_answers_have_the_request_id(answer: Answer) -> None:
    assert (await answer(ValueError("x"), headers={"x-request-id": "abc"})).headers["x-request-id"] == "abc"
