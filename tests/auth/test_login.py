"""Login and logout of browsers: the session, the remember cookie, the way to the login page and back."""

from pathlib import Path
from typing import Annotated, Any

import flask
import flask_login  # type: ignore[import-untyped]
import pytest
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse
from starlette.staticfiles import StaticFiles

from patera import Patera, Request, Response
from patera._context import use_application
from patera.auth import Authentication, BearerLoader, InvalidSignature, PasswordHasher, SessionLoader, optional_user
from patera.auth._cookies import sign_value
from patera.controller import Controller, get, path, post, socket
from patera.csrf import csrf_token
from patera.parameters import Form
from patera.sessions import flash, get_flashed_messages
from patera.testing import PateraTestClient
from tests.auth.users import ADA, EVE, QUICK, Connect, MakeApp, TokenAuth, User, refusal_of
from tests.conftest import SECRET_KEY

PAGE = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


class BrowserAuth(Authentication):
    """Logs browsers in, and counts how often it was asked for a user."""

    loaders = (SessionLoader(), BearerLoader())
    passwords = PasswordHasher(QUICK)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.users = {name: User(id, name, password_hash=QUICK.hash(name)) for id, name in ((1, "ada"), (2, "eve"))}
        self.asked: list[str] = []

    def find_user(self, username: str) -> User | None:
        return self.users.get(username)

    async def load_user(self, user_id: str) -> User | None:
        self.asked.append(user_id)
        return next((user for user in self.users.values() if str(user.id) == user_id), None)


def login_page(auth: BrowserAuth) -> type[Controller]:
    @path("/login")
    class Login(Controller):
        @post("/")
        async def log_in(
            self, req: Request, name: Annotated[str, Form()], remember: Annotated[bool, Form()] = False
        ) -> Response:
            user = await auth.authenticate(name, name)
            if user is None:
                return req.res.text("no").status(401)
            auth.login(req, user, remember=remember)
            return req.res.json({"user": req.user.name, "again": (await auth.user(req)).name})

        @post("/sync")
        def log_in_sync(self, req: Request, name: Annotated[str, Form()]) -> Response:
            auth.login(req, auth.find_user(name))
            return req.res.text("in")

        @get("/out")
        async def log_out(self, req: Request) -> Response:
            auth.logout(req)
            flash("Good bye")
            return req.res.json([req.user, await auth.user(req)])

        @get("/messages")
        async def messages(self, req: Request) -> Response:
            return req.res.json(get_flashed_messages())

    return Login


def own_page(auth: BrowserAuth) -> type[Controller]:
    @path("/me")
    @auth.login_required
    class Me(Controller):
        @get("/")
        async def show(self, req: Request) -> Response:
            found = {key: req.session.get(key) for key in ("cart", "_fresh")}
            return req.res.json({"user": req.user.name, "by": req.scope["patera.auth_method"], **found})

        @get("/token")
        async def token(self, req: Request) -> Response:
            return req.res.text(csrf_token(req))

        @post("/")
        async def change(self, req: Request) -> Response:
            return req.res.text("changed")

        @socket("/ws")
        async def talk(self, req: Request) -> None:
            await req.accept()
            await req.send_text(req.user.name)

    return Me


@path("/cart")
class Cart(Controller):
    """Needs no login."""

    @get("/")
    async def fill(self, req: Request) -> Response:
        req.session["cart"] = [3]
        return req.res.text("filled")


def site_of(auth: BrowserAuth) -> tuple[type[Controller], ...]:
    return login_page(auth), own_page(auth), Cart


@pytest.fixture
def auth() -> BrowserAuth:
    return BrowserAuth()


@pytest.fixture(params=[None, "memory"])
async def http(
    request: pytest.FixtureRequest, make_app: MakeApp, client: Connect, auth: BrowserAuth
) -> PateraTestClient:
    """A client of the site, with sessions in the cookie and on the server."""
    return await client(make_app(*site_of(auth), EXTENSIONS=[auth], SESSION_BACKEND=request.param))


async def me(http: PateraTestClient) -> Any:
    response = await http.get("/me")
    return response.json() if response.status_code == 200 else response.status_code


async def test_user_that_logged_in_is_known_until_the_logout(http: PateraTestClient) -> None:
    assert await me(http) == 401
    answer = await http.post("/login", data={"name": "ada"})
    assert answer.json() == {"user": "ada", "again": "ada"}
    assert await me(http) == {"user": "ada", "by": "session", "cart": None, "_fresh": True}
    assert (await http.get("/login/out")).json() == [None, None]
    assert await me(http) == 401
    assert (await http.get("/login/messages")).json() == ["Good bye"]


async def test_wrong_password_logs_nobody_in(http: PateraTestClient, auth: BrowserAuth) -> None:
    auth.users["ada"].password_hash = QUICK.hash("other")
    answers = [await http.post("/login", data={"name": name}) for name in ("ada", "nobody")]
    assert [(answer.status_code, answer.text) for answer in answers] == [(401, "no"), (401, "no")]
    assert await me(http) == 401


async def test_def_handler_can_log_in(http: PateraTestClient) -> None:
    await http.post("/login/sync", data={"name": "eve"})
    assert (await me(http))["user"] == "eve"


async def test_session_cookie_of_before_the_login_is_worth_nothing_after_it(http: PateraTestClient) -> None:
    await http.get("/cart")
    planted = http.client.cookies["session"]
    await http.post("/login", data={"name": "ada"})
    assert http.client.cookies["session"] != planted
    assert (await me(http))["cart"] == [3]
    http.client.cookies.clear()
    http.client.cookies.set("session", planted)
    assert await me(http) == 401


async def test_session_on_the_server_ends_with_the_logout(
    make_app: MakeApp, client: Connect, auth: BrowserAuth
) -> None:
    http = await client(make_app(*site_of(auth), EXTENSIONS=[auth], SESSION_BACKEND="memory"))
    await http.post("/login", data={"name": "ada"})
    stolen = http.client.cookies["session"]
    await http.get("/login/out")
    http.client.cookies.clear()
    http.client.cookies.set("session", stolen)
    assert await me(http) == 401


async def test_session_of_another_user_is_emptied_at_login(http: PateraTestClient) -> None:
    await http.post("/login", data={"name": "ada"})
    await http.get("/cart")
    await http.post("/login", data={"name": "ada"})
    assert (await me(http))["cart"] == [3]
    await http.post("/login", data={"name": "eve"})
    assert await me(http) == {"user": "eve", "by": "session", "cart": None, "_fresh": True}


async def test_user_that_is_gone_is_logged_in_no_more(http: PateraTestClient, auth: BrowserAuth) -> None:
    await http.post("/login", data={"name": "ada"})
    del auth.users["ada"]
    assert await me(http) == 401


async def test_websocket_knows_the_user_of_the_session(http: PateraTestClient) -> None:
    assert await refusal_of(http, "/me/ws") == 4401
    await http.post("/login", data={"name": "ada"})
    async with http.websocket("/me/ws") as ws:
        assert await ws.receive_text() == "ada"


async def test_form_of_a_logged_in_user_needs_a_token(http: PateraTestClient) -> None:
    await http.post("/login", data={"name": "ada"})
    refused = await http.post("/me")
    assert (refused.status_code, refused.json()["data"]) == (403, {"reason": "csrf_missing"})
    token = (await http.get("/me/token")).text
    assert (await http.post("/me", headers={"x-csrf-token": token})).text == "changed"
    await http.post("/login", data={"name": "ada"})
    assert (await http.post("/me", headers={"x-csrf-token": token})).status_code == 403


async def test_form_of_an_optional_user_needs_a_token_only_if_there_is_one(
    make_app: MakeApp, client: Connect, auth: BrowserAuth
) -> None:
    @path("/comment")
    @auth.optional_user
    class Comments(Controller):
        @post("/")
        async def comment(self, req: Request) -> Response:
            return req.res.text(req.user.name if req.user else "anonymous")

    http = await client(make_app(*site_of(auth), Comments, EXTENSIONS=[auth]))
    await http.get("/cart")
    assert (await http.post("/comment")).text == "anonymous"
    await http.post("/login", data={"name": "ada"})
    assert (await http.post("/comment")).status_code == 403
    token = (await http.get("/me/token")).text
    assert (await http.post("/comment", headers={"x-csrf-token": token})).text == "ada"


async def test_user_of_one_authentication_is_not_the_user_with_its_number_of_another(
    make_app: MakeApp, client: Connect, auth: BrowserAuth
) -> None:
    admins = BrowserAuth(configs_name="ADMINS")

    @path("/admin")
    @admins.login_required
    class Admin(Controller):
        @get("/")
        async def show(self, req: Request) -> Response:
            return req.res.text(req.user.name)

    @get("/join")
    async def join(self: Any, req: Request) -> Response:
        admins.login(req, admins.users["eve"], remember=True)
        return req.res.text("in")

    api = type("Join", (Controller,), {"join": join})
    application = make_app(*site_of(auth), Admin, api, EXTENSIONS=[auth, admins])
    http = await client(application)
    await http.post("/login", data={"name": "ada", "remember": "true"})
    with use_application(application):
        token = auth.create_token_pair(auth.users["ada"]).access_token
        cookie = auth.create_signed_cookie_value("1")
        with pytest.raises(InvalidSignature):
            admins.decode_signed_cookie(cookie)
    assert (await http.get("/admin")).status_code == 401
    assert (await http.get("/admin", headers={"authorization": f"Bearer {token}"})).status_code == 401
    http.client.cookies.set("remember_me.ADMINS", http.client.cookies["remember_me"])
    assert (await http.get("/admin")).status_code == 401
    del http.client.cookies["remember_me.ADMINS"]
    await http.get("/join")
    assert (await http.get("/admin")).text == "eve"
    assert (await me(http))["user"] == "ada"
    del http.client.cookies["session"]
    assert (await http.get("/admin")).text == "eve"


async def test_users_of_two_authentications_are_protected_as_the_first_one_is(
    make_app: MakeApp, client: Connect, auth: BrowserAuth
) -> None:
    class Services(TokenAuth):
        default_configs_name = "SERVICES"

    services = Services()

    @path("/both")
    class Both(Controller):
        @auth.login_required
        @optional_user(auth=services)
        @post("/browser")
        async def change(self, req: Request) -> Response:
            return req.res.text(req.user.name)

        @services.login_required
        @optional_user(auth=auth)
        @post("/service")
        async def change_by_token(self, req: Request) -> Response:
            return req.res.text(req.user.name)

    application = make_app(*site_of(auth), Both, EXTENSIONS=[auth, services])
    http = await client(application)
    with use_application(application):
        bearer = {"authorization": f"Bearer {services.create_token_pair(EVE).access_token}", "cookie": "a=b"}
    assert (await http.post("/both/service", headers=bearer)).text == "eve"
    await http.post("/login", data={"name": "ada"})
    assert (await http.post("/both/browser")).status_code == 403
    token = (await http.get("/me/token")).text
    assert (await http.post("/both/browser", headers={"x-csrf-token": token})).text == "ada"


async def test_form_for_a_protected_mount_is_checked_and_arrives_whole(
    make_app: MakeApp, client: Connect, auth: BrowserAuth
) -> None:
    async def echo(scope: Any, receive: Any, send: Any) -> None:
        request = StarletteRequest(scope, receive)
        await PlainTextResponse(await request.body())(scope, receive, send)

    application = make_app(*site_of(auth), EXTENSIONS=[auth])
    application.mount("/echo", auth.protected(echo))
    http = await client(application)
    await http.post("/login", data={"name": "ada"})
    token = (await http.get("/me/token")).text
    assert (await http.post("/echo/", data={"a": "1"})).status_code == 403
    # Methods that nobody knows may change something, too.
    assert [(await http.request(method, "/echo/")).status_code for method in ("PURGE", "SOCKET")] == [403, 403]
    assert (await http.post("/echo/", data={"a": "1", "csrf_token": token})).text == f"a=1&csrf_token={token}"
    assert (await http.post("/echo/", content=b"raw", headers={"x-csrf-token": token})).text == "raw"


async def test_answer_of_a_protected_mount_is_kept_for_nobody_else(
    make_app: MakeApp, client: Connect, auth: BrowserAuth, tmp_path: Path
) -> None:
    (tmp_path / "report.txt").write_text("secret")
    application = make_app(*site_of(auth), EXTENSIONS=[auth])
    application.mount("/files", auth.protected(StaticFiles(directory=tmp_path)))
    application.mount("/own", auth.protected(PlainTextResponse("own", headers={"cache-control": "no-store"})))
    http = await client(application)
    await http.post("/login", data={"name": "ada"})
    file, own = [await http.get(url) for url in ("/files/report.txt", "/own/")]
    assert (file.text, file.headers["vary"], file.headers["cache-control"]) == ("secret", "Cookie", "private")
    assert own.headers["cache-control"] == "no-store"


async def test_remembered_browser_gets_its_session_at_a_protected_mount(
    make_app: MakeApp, client: Connect, auth: BrowserAuth
) -> None:
    application = make_app(*site_of(auth), EXTENSIONS=[auth])
    application.mount("/own", auth.protected(PlainTextResponse("own")))
    http = await client(application)
    await http.post("/login", data={"name": "ada", "remember": "true"})
    http.client.cookies.delete("session")
    assert "session=" in (await http.get("/own/")).headers["set-cookie"]
    http.client.cookies.delete("remember_me")
    assert (await http.get("/own/")).text == "own"


async def test_user_without_an_id_cannot_log_in(make_app: MakeApp, client: Connect, auth: BrowserAuth) -> None:
    class Login(Controller):
        @get("/")
        async def log_in(self, req: Request) -> Response:
            auth.login(req, {"name": "ada"})
            return req.res.text("in")

    http = await client(make_app(Login, EXTENSIONS=[auth]))
    with pytest.raises(TypeError, match="dict has no id and no get_id"):
        await http.get("/")


# The remember cookie


async def test_remembered_browser_is_logged_in_again(http: PateraTestClient, auth: BrowserAuth) -> None:
    answer = await http.post("/login", data={"name": "ada", "remember": "true"})
    header = next(each for each in answer.headers.get_list("set-cookie") if each.startswith("remember_me="))
    assert {part.strip().lower() for part in header.split(";")[1:]} >= {
        "httponly",
        "max-age=2592000",
        "path=/",
        "samesite=lax",
    }
    del http.client.cookies["session"]
    assert (await me(http))["by"] == "cookie"
    assert (await me(http))["by"] == "session"
    assert (await me(http))["_fresh"] is False


@pytest.mark.parametrize("backend", [None, "memory"])
async def test_remembered_browser_reaches_a_protected_mount_and_a_stream(
    make_app: MakeApp, client: Connect, auth: BrowserAuth, backend: str | None
) -> None:
    class Late(Controller):
        @get("/late")
        async def late(self, req: Request) -> Response:
            async def parts() -> Any:
                yield (await auth.user(req)).name

            return req.res.stream(parts())

    application = make_app(*site_of(auth), Late, EXTENSIONS=[auth], SESSION_BACKEND=backend)
    application.mount("/inner", auth.protected(PlainTextResponse("inside")))
    http = await client(application)
    await http.post("/login", data={"name": "ada", "remember": "true"})
    del http.client.cookies["session"]
    assert (await http.get("/inner/x")).text == "inside"
    assert (await http.get("/late")).text == "ada"
    assert (await me(http))["user"] == "ada"


async def test_remembered_user_opens_a_websocket(http: PateraTestClient) -> None:
    await http.post("/login", data={"name": "ada", "remember": "true"})
    del http.client.cookies["session"]
    async with http.websocket("/me/ws") as ws:
        assert await ws.receive_text() == "ada"


async def test_user_that_is_locked_out_is_remembered_no_more(http: PateraTestClient, auth: BrowserAuth) -> None:
    await http.post("/login", data={"name": "ada", "remember": "true"})
    user = next(user for user in auth.users.values() if user.name == "ada")
    vars(user)["is_active"] = False
    assert (await http.get("/me")).status_code == 401
    http.client.cookies.delete("session")
    refused = await http.get("/me")
    assert (refused.status_code, refused.headers.get("set-cookie")) == (401, None)
    vars(user)["is_active"] = True
    assert (await http.get("/me")).status_code == 200


async def test_login_without_remember_sends_no_such_cookie(http: PateraTestClient) -> None:
    await http.post("/login", data={"name": "ada"})
    assert list(http.client.cookies) == ["session"]


async def test_remember_cookie_is_dropped_by_logout_and_by_another_login(http: PateraTestClient) -> None:
    await http.post("/login", data={"name": "ada", "remember": "true"})
    await http.post("/login", data={"name": "eve"})
    assert "remember_me" not in http.client.cookies
    await http.post("/login", data={"name": "ada", "remember": "true"})
    await http.get("/login/out")
    assert "remember_me" not in http.client.cookies
    assert await me(http) == 401


async def test_remember_cookie_ends_with_the_password(http: PateraTestClient, auth: BrowserAuth) -> None:
    await http.post("/login", data={"name": "ada", "remember": "true"})
    auth.users["ada"].password_hash = QUICK.hash("changed")
    del http.client.cookies["session"]
    assert await me(http) == 401


async def test_remember_cookie_that_was_changed_is_nobody(http: PateraTestClient, auth: BrowserAuth) -> None:
    await http.post("/login", data={"name": "ada", "remember": "true"})
    value = http.client.cookies["remember_me"]
    http.client.cookies.clear()
    for changed in (f"{value}x", value[:-1], "x", auth.create_signed_cookie_value("1")):
        assert (await http.get("/me", headers={"cookie": f"remember_me={changed}"})).status_code == 401
    assert (await http.get("/me", headers={"cookie": f"auth_cookie={value}; remember_me={value}"})).status_code == 200


async def test_remember_cookie_of_another_shape_is_nobody(http: PateraTestClient, auth: BrowserAuth) -> None:
    for ticket in ("1", ["1"], ["1", 2], {"1": ""}):
        value = sign_value(ticket, [SECRET_KEY], "remember")
        assert (await http.get("/me", headers={"cookie": f"remember_me={value}"})).status_code == 401


async def test_login_and_logout_in_one_request_leave_no_remember_cookie(
    make_app: MakeApp, client: Connect, auth: BrowserAuth
) -> None:
    class Kiosk(Controller):
        @get("/in-and-out")
        async def log_in_and_out(self, req: Request) -> Response:
            auth.login(req, ADA, remember=True)
            auth.logout(req)
            return req.res.text("out")

    http = await client(make_app(Kiosk, EXTENSIONS=[auth]))
    answer = await http.get("/in-and-out")
    (cookie,) = [each for each in answer.headers.get_list("set-cookie") if each.startswith("remember_me=")]
    assert "Max-Age=0" in cookie


async def test_cookies_over_https_are_secure(make_app: MakeApp, auth: BrowserAuth) -> None:
    async with PateraTestClient(make_app(*site_of(auth), EXTENSIONS=[auth]), "https://testserver") as http:
        answer = await http.post("/login", data={"name": "ada", "remember": "true"})
    cookies = answer.headers.get_list("set-cookie")
    assert [cookie.partition("=")[0] for cookie in cookies if "secure" in cookie.lower()] == ["session", "remember_me"]


# The login page


def pages_of(auth: BrowserAuth) -> type[Controller]:
    @auth.login_required
    class Pages(Controller):
        @get("/secret/<path:name>")
        async def show(self, req: Request, name: str) -> Response:
            return req.res.text(name)

        @post("/secret")
        async def change(self, req: Request) -> Response:
            return req.res.text("changed")

        @socket("/ws")
        async def talk(self, req: Request) -> None:
            await req.accept()

    return Pages


async def test_browser_is_led_to_the_login_page_and_back(make_app: MakeApp, client: Connect, auth: BrowserAuth) -> None:
    http = await client(make_app(pages_of(auth), EXTENSIONS=[auth], AUTHENTICATION={"LOGIN_URL": "/login"}))
    for method in ("GET", "HEAD"):
        response = await http.request(method, "/secret/a%20b/ä?x=1&y=%26", headers=PAGE)
        assert response.status_code == 303
        assert response.headers["location"] == "/login?next=%2Fsecret%2Fa%2520b%2F%25C3%25A4%3Fx%3D1%26y%3D%2526"


async def test_browser_is_led_back_to_no_page_that_could_be_read_as_another_site(
    make_app: MakeApp, client: Connect, auth: BrowserAuth
) -> None:
    http = await client(make_app(pages_of(auth), EXTENSIONS=[auth], AUTHENTICATION={"LOGIN_URL": "/login"}))
    response = await http.get("/secret/%5Cevil.example", headers=PAGE)
    assert (response.status_code, response.headers["location"]) == (303, "/login")


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html;q=0, */*", "", "text/plain"])
async def test_program_is_refused_where_a_browser_is_led_on(
    make_app: MakeApp, client: Connect, auth: BrowserAuth, accept: str
) -> None:
    http = await client(make_app(pages_of(auth), EXTENSIONS=[auth], AUTHENTICATION={"LOGIN_URL": "/login"}))
    response = await http.get("/secret/a", headers={"accept": accept})
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")


async def test_browser_that_sends_credentials_is_told_that_they_do_not_hold(
    make_app: MakeApp, client: Connect, auth: BrowserAuth
) -> None:
    http = await client(make_app(pages_of(auth), EXTENSIONS=[auth], AUTHENTICATION={"LOGIN_URL": "/login"}))
    response = await http.get("/secret/a", headers={**PAGE, "authorization": "Bearer x"})
    assert (response.status_code, response.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')


async def test_form_and_websocket_of_nobody_are_refused(make_app: MakeApp, client: Connect, auth: BrowserAuth) -> None:
    http = await client(make_app(pages_of(auth), EXTENSIONS=[auth], AUTHENTICATION={"LOGIN_URL": "/login"}))
    assert (await http.post("/secret", headers=PAGE)).status_code == 401
    assert await refusal_of(http, "/ws", PAGE) == 4401


async def test_browser_without_a_login_page_is_refused(make_app: MakeApp, client: Connect, auth: BrowserAuth) -> None:
    http = await client(make_app(pages_of(auth), EXTENSIONS=[auth]))
    assert (await http.get("/secret/a", headers=PAGE)).status_code == 401


async def test_login_page_may_be_an_endpoint_of_a_mounted_application(
    make_app: MakeApp, client: Connect, auth: BrowserAuth
) -> None:
    class Login(Controller):
        @get("/login")
        async def show(self, req: Request) -> Response:
            return req.res.redirect(auth.safe_next(req))

    inner: Patera = make_app(Login, pages_of(auth), EXTENSIONS=[auth], AUTHENTICATION={"LOGIN_URL": "Login.show"})
    outer = make_app()
    outer.mount("/inner", inner)
    http = await client(outer)
    response = await http.get("/inner/secret/a", headers=PAGE)
    assert response.headers["location"] == "/inner/login?next=%2Finner%2Fsecret%2Fa"
    back = await http.get(response.headers["location"])
    assert back.headers["location"] == "/inner/secret/a"


async def test_login_page_that_needs_a_login_is_refused_instead_of_leading_round_in_circles(
    make_app: MakeApp, client: Connect, auth: BrowserAuth
) -> None:
    http = await client(make_app(pages_of(auth), EXTENSIONS=[auth], AUTHENTICATION={"LOGIN_URL": "/secret/login"}))
    assert (await http.get("/secret/login", headers=PAGE)).status_code == 401


async def test_login_page_elsewhere_keeps_its_query(make_app: MakeApp, client: Connect, auth: BrowserAuth) -> None:
    url = "https://sso.example/login?service=shop"
    http = await client(make_app(pages_of(auth), EXTENSIONS=[auth], AUTHENTICATION={"LOGIN_URL": url}))
    assert (await http.get("/secret/a", headers=PAGE)).headers["location"] == f"{url}&next=%2Fsecret%2Fa"


@pytest.mark.parametrize(
    ("target", "goes_to"),
    [
        ("/orders?page=2", "/orders?page=2"),
        ("", "/home"),
        (None, "/home"),
        ("//evil.example", "/home"),
        ("/\\evil.example", "/home"),
        ("https://evil.example/", "/home"),
        ("http://testserver/", "/home"),
        ("javascript:alert(1)", "/home"),
        ("orders", "/home"),
        ("/%0d%0aset-cookie:x", "/home"),
        ("\t//evil.example", "/home"),
    ],
)
async def test_way_back_stays_on_this_site(
    make_app: MakeApp, client: Connect, auth: BrowserAuth, target: str | None, goes_to: str
) -> None:
    class Login(Controller):
        @get("/login")
        async def show(self, req: Request) -> Response:
            return req.res.redirect(auth.safe_next(req, default="/home"))

    http = await client(make_app(Login, EXTENSIONS=[auth]))
    response = await http.get("/login", params={"next": target} if target is not None else None)
    assert response.headers["location"] == goes_to


# Beside a Flask application


async def test_session_of_flask_login_stays_logged_in(make_app: MakeApp, client: Connect, auth: BrowserAuth) -> None:
    key = "Yx7cV1bN9mQ3wE5rT2yU8iO4pA6sD0fG"
    old = flask.Flask("old")
    old.secret_key = key
    manager = flask_login.LoginManager(old)

    class FlaskUser(flask_login.UserMixin):  # type: ignore[misc]
        def __init__(self, id: str) -> None:
            self.id = id

    @manager.user_loader  # type: ignore[untyped-decorator]
    def load(user_id: str) -> FlaskUser:
        return FlaskUser(user_id)

    @old.get("/login")
    def log_in() -> str:
        flask_login.login_user(FlaskUser("1"))
        return "in"

    @old.get("/me")
    def show() -> str:
        return str(flask_login.current_user.get_id())

    application = make_app(*site_of(auth), EXTENSIONS=[auth], SECRET_KEY=key, SESSION_COMPAT="flask")
    http, browser = await client(application), old.test_client()
    browser.get("/login")
    cookie = browser.get_cookie("session")
    assert cookie is not None
    http.client.cookies.set("session", cookie.value)
    assert (await me(http))["user"] == "ada"

    http.client.cookies.clear()
    await http.post("/login", data={"name": "eve"})
    other = old.test_client()
    other.set_cookie("session", http.client.cookies["session"])
    assert other.get("/me").text == "2"
