"""Loading the user: once per request, and never "nobody" because something failed."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from loguru import logger
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from patera import MiddlewareBase, Patera, Request, Response, abort
from patera.auth import (
    AnonymousUser,
    ApiKeyLoader,
    Authentication,
    AuthenticationException,
    UserLoader,
    login_required,
    optional_user,
)
from patera.controller import Controller, get, path, post, socket
from patera.exceptions import ConfigurationError, ExceptionHandler, handles
from patera.extension import BaseExtension
from patera.testing import PateraTestClient
from tests.auth.users import USERS, Connect, HeaderAuth, MakeApp, User, refusal_of

ADA = {"x-user": "ada"}


@pytest.fixture
def records() -> Iterator[list[Any]]:
    """All log records of the test."""
    found: list[Any] = []
    sink = logger.add(lambda message: found.append(message.record), level=0, format="{message}")
    yield found
    logger.remove(sink)


def auth_raising(error: Exception) -> Authentication:
    class Failing(Authentication):
        async def user_loader(self, req: Request) -> Any:
            raise error

    return Failing()


@login_required
class Api(Controller):
    @get("/")
    async def show(self, req: Request) -> Response:
        return req.res.text(req.user.name)

    @socket("/ws")
    async def talk(self, req: Request) -> None:
        await req.accept()


class Open(Controller):
    @optional_user
    @get("/open")
    async def show(self, req: Request) -> Response:
        return req.res.text("in")


# What a loader raises


@pytest.mark.parametrize("debug", [True, False])
async def test_loader_that_fails_is_503_and_logged_with_its_cause(
    make_app: MakeApp, client: Connect, records: list[Any], debug: bool
) -> None:
    broken = OSError("the database is gone")
    http = await client(make_app(Api, Open, EXTENSIONS=[auth_raising(broken)], DEBUG=debug))
    for url in ("/", "/open"):
        response = await http.get(url)
        assert response.status_code == 503
        assert response.json() == {
            "status": "error",
            "message": "The login could not be checked, try again later",
            "data": None,
        }
    errors = [record for record in records if record["level"].name == "ERROR"]
    assert [record["message"] for record in errors] == [
        "503 answers OSError in Api.show",
        "503 answers OSError in Open.show",
    ]
    assert [repr(record["exception"].value) for record in errors] == [repr(broken)] * 2


async def test_loader_that_fails_closes_a_websocket_with_4503(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(Api, EXTENSIONS=[auth_raising(OSError("gone"))]))
    assert await refusal_of(http, "/ws") == 4503


async def test_handler_of_the_application_sees_what_a_loader_raises_first(make_app: MakeApp, client: Connect) -> None:
    class Handlers(ExceptionHandler):
        @handles(OSError)
        async def gone(self, req: Request, exc: OSError) -> Any:
            return {"handled": str(exc)}, 418

    http = await client(make_app(Api, EXTENSIONS=[auth_raising(OSError("gone"))], EXCEPTION_HANDLERS=[Handlers]))
    response = await http.get("/")
    assert (response.status_code, response.json()) == (418, {"handled": "gone"})


async def test_error_of_a_handler_is_not_taken_for_one_of_the_loader(make_app: MakeApp, client: Connect) -> None:
    class Broken(Controller):
        @login_required
        @get("/")
        async def show(self, req: Request) -> Response:
            raise OSError("disk")

    http = await client(make_app(Broken, EXTENSIONS=[HeaderAuth()], DEBUG=False))
    assert (await http.get("/", headers=ADA)).status_code == 500


async def test_mistake_in_the_configuration_is_no_login_that_could_not_be_checked(
    make_app: MakeApp, client: Connect
) -> None:
    class CookieAuth(Authentication):
        async def user_loader(self, req: Request) -> Any:
            return self.decode_signed_cookie("x.y.z")

    http = await client(make_app(Api, EXTENSIONS=[CookieAuth()], SECRET_KEY=None, DEBUG=True))
    with pytest.raises(ConfigurationError, match="SECRET_KEY"):
        await http.get("/")


async def test_http_error_of_a_loader_is_answered_as_it_is(make_app: MakeApp, client: Connect) -> None:
    class Strict(Authentication):
        async def user_loader(self, req: Request) -> Any:
            abort("Too old a client", 426)

    http = await client(make_app(Api, EXTENSIONS=[Strict()]))
    response = await http.get("/")
    assert (response.status_code, response.json()["message"]) == (426, "Too old a client")


async def test_cookie_that_was_changed_is_nobody(make_app: MakeApp, client: Connect) -> None:
    class CookieAuth(Authentication):
        async def user_loader(self, req: Request) -> Any:
            cookie = req.cookies.get("auth_cookie")
            return USERS.get(self.decode_signed_cookie(cookie)) if cookie else None

    own = CookieAuth()

    class Login(Controller):
        @get("/login/<name>")
        async def login(self, req: Request, name: str) -> Response:
            return req.res.set_cookie("auth_cookie", own.create_signed_cookie_value(name)).text("ok")

    http = await client(make_app(Api, Login, EXTENSIONS=[own]))
    assert (await http.get("/")).status_code == 401
    value = (await http.get("/login/ada")).cookies["auth_cookie"]
    assert (await http.get("/")).text == "ada"
    for changed in (value[:-2], f"{value}x", f"x{value}", "x", "x" * 30_000, "ada", value.replace(".", "", 1)):
        http.client.cookies.set("auth_cookie", changed)
        assert (await http.get("/", headers={"cookie": f"auth_cookie={changed}"})).status_code == 401


# How often


async def test_user_is_loaded_once_per_request(make_app: MakeApp, client: Connect) -> None:
    counting = HeaderAuth()

    class Twice(Controller):
        @counting.role_required("admin")
        @counting.role_required("editor")
        @login_required
        @optional_user
        @get("/")
        async def show(self, req: Request) -> Response:
            again = await asyncio.gather(counting.user(req), counting.user(req))
            return req.res.json([req.user is each for each in again])

    http = await client(make_app(Twice, EXTENSIONS=[counting]))
    assert (await http.get("/", headers=ADA)).json() == [True, True]
    assert counting.loads == 1


async def test_user_is_set_on_another_request_object_of_the_same_request(make_app: MakeApp, client: Connect) -> None:
    own = HeaderAuth()

    class Twice(Controller):
        @own.login_required
        @get("/")
        async def show(self, req: Request) -> Response:
            other = Request(req.scope, req.receive)
            await own.user(other)
            return req.res.json([other.user.name, own.loads])

    http = await client(make_app(Twice, EXTENSIONS=[own]))
    assert (await http.get("/", headers=ADA)).json() == ["ada", 1]


async def test_user_asked_for_by_several_tasks_at_once_is_loaded_once(make_app: MakeApp, client: Connect) -> None:
    class Slow(HeaderAuth):
        async def user_loader(self, req: Request) -> Any:
            await asyncio.sleep(0.01)
            return await super().user_loader(req)

    slow = Slow()

    class Several(Controller):
        @get("/")
        async def show(self, req: Request) -> Response:
            users = await asyncio.gather(*(slow.user(req) for _ in range(5)))
            return req.res.json([user and user.name for user in users])

    http = await client(make_app(Several, EXTENSIONS=[slow]))
    assert (await http.get("/", headers=ADA)).json() == ["ada"] * 5
    assert (await http.get("/")).json() == [None] * 5
    assert slow.loads == 2


async def test_loader_may_be_a_def_method(make_app: MakeApp, client: Connect) -> None:
    class Sync(Authentication):
        def user_loader(self, req: Request) -> Any:
            return USERS.get(req.headers.get("x-user", ""))

    http = await client(make_app(Api, EXTENSIONS=[Sync()]))
    assert [(await http.get("/", headers=each)).status_code for each in ({}, ADA)] == [401, 200]


async def test_answer_to_a_user_is_kept_by_no_shared_cache_unless_it_says_so(
    make_app: MakeApp, client: Connect, tmp_path: Path
) -> None:
    (tmp_path / "report.txt").write_text("secret")

    class Files(Controller):
        @get("/report")
        @optional_user
        async def report(self, req: Request) -> Response:
            return req.res.send_file(tmp_path / "report.txt")

        @get("/price")
        @login_required
        async def price(self, req: Request) -> Response:
            return req.res.text("7").set_header("cache-control", "public, max-age=60")

    http = await client(make_app(Files, EXTENSIONS=[HeaderAuth()]))
    found = [await http.get("/report", headers=ADA), await http.get("/report"), await http.get("/price", headers=ADA)]
    assert [answer.headers.get("cache-control") for answer in found] == ["private", None, "public, max-age=60"]


@dataclass
class Flagged(User):
    is_authenticated: Any = True
    is_active: Any = True


@pytest.mark.parametrize(
    ("user", "status"),
    [
        (AnonymousUser(), 401),
        (Flagged(1, "ada", is_authenticated=False), 401),
        (Flagged(1, "ada", is_active=False), 401),
        (Flagged(1, "ada"), 200),
        # A new row, whose default the database fills in.
        (Flagged(1, "ada", is_active=None), 200),
    ],
)
async def test_user_that_says_it_is_nobody_or_locked_out_is_nobody(
    make_app: MakeApp, client: Connect, user: Any, status: int
) -> None:
    class Ported(Authentication):
        async def user_loader(self, req: Request) -> Any:
            return user

    http = await client(make_app(Api, EXTENSIONS=[Ported()]))
    assert (await http.get("/")).status_code == status


async def test_user_that_middleware_set_is_taken(make_app: MakeApp, client: Connect) -> None:
    class Gateway(MiddlewareBase):
        async def middleware(self, req: Request) -> Response:
            req.set_user(USERS["eve"])
            return await self.next(req)

    own = HeaderAuth()
    http = await client(make_app(Api, EXTENSIONS=[own], MIDDLEWARE=[Gateway]))
    assert (await http.get("/", headers=ADA)).text == "eve"
    assert own.loads == 0


async def test_user_that_middleware_set_is_that_of_templates(
    make_app: MakeApp, client: Connect, tmp_path: Path
) -> None:
    class Gateway(MiddlewareBase):
        async def middleware(self, req: Request) -> Response:
            req.set_user(USERS["eve"])
            return await self.next(req)

    write_page(tmp_path)
    http = await client(make_app(Page, EXTENSIONS=[HeaderAuth()], MIDDLEWARE=[Gateway]))
    assert (await http.get("/page", headers=ADA)).text == "Hello eve"


@pytest.mark.parametrize("loads_outside", [True, False])
async def test_mounted_application_loads_its_own_users(make_app: MakeApp, client: Connect, loads_outside: bool) -> None:
    class Members(Authentication):
        async def user_loader(self, req: Request) -> Any:
            return User(9, req.app.app_name) if "x-user" in req.headers else None

    own = Members()

    class Outside(MiddlewareBase):
        async def middleware(self, req: Request) -> Response:
            if loads_outside:
                await own.user(req)
            return await self.next(req)

    outer = make_app(EXTENSIONS=[own], MIDDLEWARE=[Outside], APP_NAME="outer")
    outer.mount("/inner", make_app(Api, EXTENSIONS=[own], APP_NAME="inner"))
    assert (await (await client(outer)).get("/inner/", headers=ADA)).text == "inner"


# Templates


class Page(Controller):
    @get("/page")
    async def show(self, req: Request) -> Response:
        return req.res.html("page.html")

    @get("/sync")
    def show_sync(self, req: Request) -> Response:
        return req.res.html("page.html")

    @login_required
    @get("/mine")
    async def show_mine(self, req: Request) -> Response:
        return req.res.html("page.html")


def write_page(folder: Path) -> None:
    text = "{% if current_user %}Hello {{ current_user.name }}{% else %}{{ current_user.is_authenticated }}{% endif %}"
    (folder / "templates").mkdir()
    (folder / "templates" / "page.html").write_text(text)


async def test_templates_know_the_current_user(make_app: MakeApp, client: Connect, tmp_path: Path) -> None:
    write_page(tmp_path)
    http = await client(make_app(Page, EXTENSIONS=[HeaderAuth()]))
    for url in ("/page", "/sync"):
        assert (await http.get(url)).text == "False"
    for url in ("/page", "/sync", "/mine"):
        assert (await http.get(url, headers=ADA)).text == "Hello ada"


async def test_page_of_an_error_is_shown_although_the_loader_fails(
    make_app: MakeApp, client: Connect, tmp_path: Path
) -> None:
    class Handlers(ExceptionHandler):
        @handles(OSError)
        async def gone(self, req: Request, exc: OSError) -> Response:
            return (await req.res.html("page.html")).status(503)

    write_page(tmp_path)
    failing = auth_raising(OSError("gone"))
    http = await client(make_app(Page, EXTENSIONS=[failing], EXCEPTION_HANDLERS=[Handlers]))
    response = await http.get("/mine")
    assert (response.status_code, response.text) == (503, "False")


def test_nobody_in_templates_is_false_and_has_no_id() -> None:
    nobody = AnonymousUser()
    assert (bool(nobody), nobody.id, nobody.is_authenticated, repr(nobody)) == (False, None, False, "<AnonymousUser>")


async def test_template_outside_of_requests_has_nobody(make_app: MakeApp, tmp_path: Path) -> None:
    write_page(tmp_path)
    application = make_app(Page, EXTENSIONS=[HeaderAuth()])
    assert await application.templates.render("page.html") == "False"
    assert application.templates.render_sync("page.html") == "False"


# Mounted applications without decorators


async def test_mounted_static_files_can_be_protected(make_app: MakeApp, client: Connect, tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "a.txt").write_text("figures")
    own = HeaderAuth()
    application = make_app(EXTENSIONS=[own])
    files = StaticFiles(directory=tmp_path / "reports")
    application.mount("/members", own.protected(files))
    application.mount("/admins", own.protected(files, "admin"))
    http = await client(application)
    sent: tuple[dict[str, str], ...] = ({}, {"x-user": "eve"}, ADA)
    for method in ("GET", "HEAD"):
        for prefix, expected in (("/members", [401, 200, 200]), ("/admins", [401, 403, 200])):
            found = [(await http.request(method, f"{prefix}/a.txt", headers=each)).status_code for each in sent]
            assert found == expected
    assert (await http.get("/admins/a.txt")).json()["message"] == "Login required"


async def test_browser_is_led_from_a_protected_mount_to_the_login_page(
    make_app: MakeApp, client: Connect, tmp_path: Path
) -> None:
    own = HeaderAuth()
    application = make_app(EXTENSIONS=[own], AUTHENTICATION={"LOGIN_URL": "/login"})
    application.mount("/reports", own.protected(StaticFiles(directory=tmp_path)))
    response = await (await client(application)).get("/reports/a.txt", headers={"accept": "text/html"})
    assert (response.status_code, response.headers["location"]) == (303, "/login?next=%2Freports%2Fa.txt")


async def test_mounted_websocket_can_be_protected(make_app: MakeApp, client: Connect) -> None:
    class Echo(Controller):
        @socket("/ws")
        async def talk(self, req: Request) -> None:
            await req.accept()
            await req.send_text("in")

    own = HeaderAuth()
    application = make_app(EXTENSIONS=[own])
    application.mount("/inner", own.protected(make_app(Echo)))
    http = await client(application)
    assert await refusal_of(http, "/inner/ws") == 4401


async def test_protected_application_starts_and_stops_with_the_one_around(make_app: MakeApp, client: Connect) -> None:
    class Part(BaseExtension):
        configs_name = "PART"

        def init_app(self, app: Patera) -> None: ...

        async def startup(self, app: Patera) -> None:
            app.state.is_started = True

        async def shutdown(self, app: Patera) -> None:
            app.state.is_started = False

    @path("/state")
    class State(Controller):
        @get("/")
        async def show(self, req: Request) -> Response:
            return req.res.json(getattr(self.app.state, "is_started", None))

    own, inner = HeaderAuth(), make_app(State, EXTENSIONS=[Part()])
    application = make_app(EXTENSIONS=[own])
    application.mount("/inner", own.protected(inner))
    async with PateraTestClient(application) as http:
        assert (await http.get("/inner/state", headers=ADA)).json() is True
    assert inner.state.is_started is False


async def test_loader_that_fails_at_a_protected_mount_is_503_and_logged_with_its_cause(
    make_app: MakeApp, client: Connect, records: list[Any]
) -> None:
    failing = auth_raising(OSError("no connection"))
    application = make_app(EXTENSIONS=[failing], DEBUG=False)
    application.mount("/inner", failing.protected(Starlette()))
    http = await client(application)
    assert (await http.get("/inner/")).status_code == 503
    assert await refusal_of(http, "/inner/ws") == 4503
    causes = [record["exception"].value for record in records if record["level"].name == "ERROR"]
    assert [str(cause) for cause in causes] == ["no connection", "no connection"]


async def test_handler_of_the_application_answers_what_a_loader_raises_at_a_protected_mount(
    make_app: MakeApp, client: Connect
) -> None:
    class Handlers(ExceptionHandler):
        @handles(OSError)
        async def gone(self, req: Request, exc: OSError) -> Response:
            return req.res.text("gone").status(502)

    failing = auth_raising(OSError("no connection"))
    application = make_app(EXTENSIONS=[failing], EXCEPTION_HANDLERS=[Handlers])
    application.mount("/inner", failing.protected(Starlette()))
    response = await (await client(application)).get("/inner/")
    assert (response.status_code, response.text) == (502, "gone")


async def test_error_of_a_role_check_at_a_protected_mount_is_not_taken_for_one_of_the_loader(
    make_app: MakeApp, client: Connect
) -> None:
    class Broken(HeaderAuth):
        async def role_check(self, user: Any, roles: list[Any]) -> bool:
            raise KeyError("role")

    own = Broken()
    application = make_app(EXTENSIONS=[own], DEBUG=False)
    application.mount("/inner", own.protected(Starlette(), "admin"))
    http = await client(application)
    assert (await http.get("/inner/", headers=ADA)).status_code == 500
    with pytest.raises(KeyError):
        async with http.websocket("/inner/ws", headers=ADA):
            pass


@pytest.mark.parametrize(("outer", "inner"), [(10, 100), (100, 10), (10, None)])
async def test_limits_of_bodies_of_a_protected_application_and_the_one_around_both_hold(
    make_app: MakeApp, client: Connect, outer: int, inner: int | None
) -> None:
    @path("/sizes")
    class Sizes(Controller):
        @post("/")
        async def count(self, req: Request) -> Response:
            return req.res.json(len(await req.body()))

    own = HeaderAuth()
    application = make_app(EXTENSIONS=[own], MAX_CONTENT_LENGTH=outer)
    application.mount("/inner", own.protected(make_app(Sizes, MAX_CONTENT_LENGTH=inner)))
    http = await client(application)
    found = [await http.post("/inner/sizes", content=b"x" * size, headers=ADA) for size in (10, 11)]
    assert [answer.status_code for answer in found] == [200, 413]


async def test_protected_application_below_another_framework_says_where_it_belongs(
    make_app: MakeApp, client: Connect
) -> None:
    own = HeaderAuth()
    application = make_app(EXTENSIONS=[own])
    application.mount("/deep", Starlette(routes=[Mount("/reports", app=own.protected(Starlette()))]))
    http = await client(application)
    with pytest.raises(RuntimeError, match="mount it on the Patera application itself"):
        await http.get("/deep/reports/", headers=ADA)


# As a middleware class, and what the class has to have


async def test_class_in_middleware_guards_like_an_extension(make_app: MakeApp, client: Connect) -> None:
    class AuthMiddleware(HeaderAuth):
        configs_name = "AUTH_MW"

    application = make_app(Api, MIDDLEWARE=[AuthMiddleware], AUTH_MW={"AUTHENTICATION_ERROR_MSG": "Who?"})
    http = await client(application)
    refused = await http.get("/")
    assert (refused.status_code, refused.json()["message"]) == (401, "Who?")
    assert (await http.get("/", headers=ADA)).text == "ada"
    assert await refusal_of(http, "/ws") == 4401
    assert list(application.extensions) == ["AUTH_MW"]


def creation_error(make_app: MakeApp, *extensions: Any, **values: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        make_app(EXTENSIONS=extensions, **values).build()
    return str(caught.value)


def test_class_that_defines_middleware_is_a_mistake(make_app: MakeApp) -> None:
    class AuthMiddleware(HeaderAuth):
        async def middleware(self, req: Request) -> Any: ...

    assert "PAT550" in creation_error(make_app, AuthMiddleware)


def test_class_that_knows_no_user_is_a_mistake(make_app: MakeApp) -> None:
    message = creation_error(make_app, Authentication())
    assert "PAT550" in message
    assert "neither user_loader() nor loaders" in message


def test_misspelt_key_is_a_mistake(make_app: MakeApp) -> None:
    message = creation_error(make_app, HeaderAuth(), AUTHENTICATION={"LOGIN_URI": "/login"})
    assert "PAT320" in message
    assert "Did you mean 'LOGIN_URL'?" in message


def test_sample_secret_key_outside_of_debug_is_a_mistake(make_app: MakeApp) -> None:
    message = creation_error(make_app, HeaderAuth(), DEBUG=False, SECRET_KEY="some-super-secret-key")
    assert "PAT502" in message
    assert "some-super-secret-key" not in message


class CookieLoader(UserLoader):
    """Looks the cookie up, which nothing signed."""

    async def load(self, auth: Authentication, req: Request) -> Any:
        return USERS.get(req.cookies.get("ticket", ""))


class Tickets(Authentication):
    loaders = (CookieLoader(),)


def test_users_that_have_to_show_csrf_tokens_need_a_secret_key(make_app: MakeApp) -> None:
    assert "PAT501" in creation_error(make_app, Tickets(), DEBUG=False, SECRET_KEY=None)


async def test_users_that_show_none_need_no_secret_key(make_app: MakeApp, client: Connect) -> None:
    application = make_app(Programs, EXTENSIONS=[Tickets()], DEBUG=False, SECRET_KEY=None, CSRF_ENABLED=False)
    assert (await (await client(application)).get("/programs", headers={"cookie": "ticket=eve"})).text == "eve"


async def test_users_that_nothing_signed_is_known_of_need_no_secret_key(make_app: MakeApp, client: Connect) -> None:
    class Keys(Authentication):
        loaders = (ApiKeyLoader(),)

        async def load_api_key(self, key: str) -> User | None:
            return USERS.get(key)

    http = await client(make_app(Programs, EXTENSIONS=[Keys()], DEBUG=False, SECRET_KEY=None))
    for method in ("GET", "POST"):
        assert (await http.request(method, "/programs", headers={"x-api-key": "eve"})).text == "eve"


def test_exceptions_are_those_of_patera_exceptions() -> None:
    assert AuthenticationException().status_code == 401


def test_application_is_the_one_of_the_extension(make_app: MakeApp) -> None:
    own = HeaderAuth()
    application: Patera = make_app(EXTENSIONS=[own])
    assert own.app is application


@path("/programs")
class Programs(Controller):
    """Is for programs alone."""

    @get("/")
    @post("/")
    @login_required
    async def show(self, req: Request) -> Response:
        return req.res.text(req.user.name)


@path("/unused")
class Unused(Controller):
    """No endpoint of it asks for a user."""
