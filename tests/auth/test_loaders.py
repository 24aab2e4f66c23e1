"""The ready loaders: bearer tokens, Basic authentication, API keys; what they ask for, and what they refuse."""

import base64
import hashlib
from typing import Any

import pytest
from werkzeug.security import generate_password_hash

from patera import Request, Response
from patera._context import use_application
from patera.auth import (
    ApiKeyLoader,
    Authentication,
    BasicLoader,
    BearerLoader,
    PasswordHasher,
    SessionLoader,
    UserLoader,
)
from patera.controller import Controller, get, post
from patera.exceptions import ConfigurationError
from patera.testing import PateraTestClient
from tests.auth.users import ADA, QUICK, USERS, Connect, MakeApp, TokenAuth, User, attached
from tests.server import raw_request, run_server

KEYS = {hashlib.sha256(b"key-of-ada").hexdigest(): "ada"}


class EveryAuth(TokenAuth):
    """Takes everything, and notes whom it was asked for."""

    loaders = (SessionLoader(), BearerLoader(), BasicLoader(), ApiKeyLoader())

    def __init__(self) -> None:
        super().__init__()
        self.saved: dict[str, str] = {}
        self.users = {"ada": User(1, "ada", password_hash=QUICK.hash("päss:word"))}

    async def find_user(self, username: str) -> User | None:
        return self.users.get(username)

    async def save_password_hash(self, user: User, password_hash: str) -> None:
        self.saved[user.name] = user.password_hash = password_hash

    def load_api_key(self, key: str) -> User | None:
        return USERS.get(KEYS.get(hashlib.sha256(key.encode()).hexdigest(), ""))


class Whoami(Controller):
    """Says who the user is, and how that was found out."""

    @get("/")
    async def show(self, req: Request) -> Response:
        return req.res.json([req.user.name, req.scope["patera.auth_method"]])

    @post("/")
    async def change(self, req: Request) -> Response:
        return req.res.json([req.user.name, req.scope["patera.auth_method"]])


def whoami(auth: Any) -> type[Controller]:
    return type("Whoami", (Whoami,), {}) if auth is None else auth.login_required(type("Whoami", (Whoami,), {}))


@pytest.fixture
async def every(make_app: MakeApp, client: Connect) -> PateraTestClient:
    auth = EveryAuth()
    return await client(make_app(whoami(auth), EXTENSIONS=[auth], APP_NAME='Sho"p'))


def basic(text: str, encoding: str = "utf-8") -> dict[str, str]:
    return {"authorization": f"Basic {base64.b64encode(text.encode(encoding)).decode()}"}


def token_of(http: PateraTestClient, user: User = ADA) -> str:
    auth = http.app.extensions["AUTHENTICATION"]
    with use_application(http.app):
        token: str = auth.create_token_pair(user).access_token
    return token


async def test_each_loader_finds_its_user(every: PateraTestClient) -> None:
    token = token_of(every)
    sent = {
        "bearer": {"authorization": f"Bearer {token}"},
        "basic": basic("ada:päss:word"),
        "api_key": {"x-api-key": "key-of-ada"},
    }
    for method, headers in sent.items():
        assert (await every.get("/", headers=headers)).json() == ["ada", method]
    assert (await every.get("/", headers={"authorization": f"bEARER {token}"})).json() == ["ada", "bearer"]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer  ",
        "Bearer  {token}",
        "Bearer {token} ",
        "Bearer\t{token}",
        "Bearer {token},{token}",
        "Bearer {token} {token}",
        "Bearer={token}",
        "{token}",
        "Token {token}",
        "Bearer " + "x" * 30_000,
        "Bearer null",
        "Bearer é",
        "Basic {token}",
        "Basic",
        "Basic ",
        "Basic  YWRhOnDDpHNzOndvcmQ=",
        "Basic !!!!",
        "Basic YWRh",
        "Basic " + base64.b64encode(b"ada").decode(),
        "Basic " + base64.b64encode(b":").decode(),
        "Basic " + base64.b64encode(b"ada:").decode(),
        "Basic " + base64.b64encode(b"ada:wrong").decode(),
        "Basic " + base64.b64encode(b"ada:p\xe4ss:word").decode(),
        "Basic " + base64.b64encode(b"ada\0:x").decode(),
        "Basic " + base64.b64encode(b"eve:p\xc3\xa4ss:word").decode(),
        "Basic " + base64.b64encode(b"ada:" + b"x" * 5000).decode(),
        "Negotiate YWRh",
    ],
)
async def test_malformed_credentials_are_nobody(every: PateraTestClient, value: str) -> None:
    raw = value.format(token=token_of(every)).encode("latin-1")
    response = await every.get("/", headers=[(b"authorization", raw)])
    assert (response.status_code, response.json()["message"]) == (401, "Login required")


async def test_credentials_of_a_megabyte_never_get_in(make_app: MakeApp, client: Connect) -> None:
    auth = EveryAuth()
    http = await client(make_app(whoami(auth), EXTENSIONS=[auth], MAX_HEADER_SIZE=None))
    for scheme in ("Bearer", "Basic"):
        assert (await http.get("/", headers={"authorization": f"{scheme} {'x' * 1_000_000}"})).status_code == 401
    assert (await http.get("/", headers={"x-api-key": "x" * 1_000_000})).status_code == 401


@pytest.mark.parametrize("name", ["authorization", "x-api-key"])
async def test_credentials_given_twice_are_400(every: PateraTestClient, name: str) -> None:
    value = f"Bearer {token_of(every)}" if name == "authorization" else "key-of-ada"
    response = await every.get("/", headers=[(name, value), (name, value)])
    assert (response.status_code, response.json()["status"]) == (400, "error")
    assert "sent more than once" in response.json()["message"]


@pytest.mark.parametrize("key", ["", " ", "key-of-eve", "é", "x" * 2000])
async def test_unknown_api_key_is_nobody(every: PateraTestClient, key: str) -> None:
    response = await every.get("/", headers=[(b"x-api-key", key.encode("latin-1"))])
    assert response.status_code == 401


async def test_refusal_says_what_to_send(every: PateraTestClient) -> None:
    asked = (await every.get("/")).headers["www-authenticate"]
    assert asked == 'Bearer, Basic realm="Shop", charset="UTF-8"'
    asked = (await every.get("/", headers={"authorization": "Bearer x"})).headers["www-authenticate"]
    assert asked.startswith('Bearer error="invalid_token", Basic ')


async def test_refusal_of_an_own_loader_asks_for_nothing(make_app: MakeApp, client: Connect) -> None:
    class Own(TokenAuth):
        loaders = ()

        async def user_loader(self, req: Request) -> Any:
            return None

    auth = Own()
    http = await client(make_app(whoami(auth), EXTENSIONS=[auth]))
    assert "www-authenticate" not in (await http.get("/")).headers


async def test_realm_is_that_of_the_configuration(make_app: MakeApp, client: Connect) -> None:
    auth = EveryAuth()
    http = await client(make_app(whoami(auth), EXTENSIONS=[auth], AUTHENTICATION={"REALM": 'a"b\\c é'}))
    assert 'realm="abc "' in (await http.get("/")).headers["www-authenticate"]


async def test_first_loader_that_finds_a_user_wins(every: PateraTestClient) -> None:
    headers = {"authorization": f"Bearer {token_of(every, User(2, 'eve'))}", "x-api-key": "key-of-ada"}
    assert (await every.get("/", headers=headers)).json() == ["eve", "bearer"]
    assert (await every.get("/", headers={**headers, "authorization": "Bearer x"})).json() == ["ada", "api_key"]


async def test_refresh_token_is_no_way_in(every: PateraTestClient) -> None:
    with use_application(every.app):
        pair = every.app.extensions["AUTHENTICATION"].create_token_pair(ADA)
    assert (await every.get("/", headers={"authorization": f"Bearer {pair.refresh_token}"})).status_code == 401


async def test_revoked_token_is_no_way_in(make_app: MakeApp, client: Connect) -> None:
    class Revoking(TokenAuth):
        async def is_revoked(self, payload: dict[str, Any]) -> bool:
            return bool(payload["sub"] == "1")

    auth = Revoking()
    http = await client(make_app(whoami(auth), EXTENSIONS=[auth]))
    assert (await http.get("/", headers={"authorization": f"Bearer {token_of(http)}"})).status_code == 401
    eve = token_of(http, User(2, "eve"))
    assert (await http.get("/", headers={"authorization": f"Bearer {eve}"})).status_code == 200


async def test_token_of_a_user_that_is_gone_is_no_way_in(every: PateraTestClient) -> None:
    token = token_of(every, User(99, "gone"))
    assert (await every.get("/", headers={"authorization": f"Bearer {token}"})).status_code == 401


async def test_token_without_a_subject_is_no_way_in(every: PateraTestClient) -> None:
    with use_application(every.app):
        token = every.app.extensions["AUTHENTICATION"].create_jwt_token({"scope": "x"})
    assert (await every.get("/", headers={"authorization": f"Bearer {token}"})).status_code == 401


async def test_user_can_be_made_of_the_claims(make_app: MakeApp, client: Connect) -> None:
    class Claims(TokenAuth):
        def load_token_user(self, payload: dict[str, Any]) -> Any:
            return User(0, payload["name"], payload["roles"])

    auth = Claims()
    application = make_app(auth.role_required("admin")(whoami(None)), EXTENSIONS=[auth])
    http = await client(application)
    with use_application(application):
        tokens = [auth.create_jwt_token({"name": "x", "roles": roles}) for roles in (["admin"], [])]
    answers = [await http.get("/", headers={"authorization": f"Bearer {token}"}) for token in tokens]
    assert [answer.status_code for answer in answers] == [200, 403]


async def test_old_hash_is_replaced_at_login(make_app: MakeApp) -> None:
    auth = attached(make_app, EveryAuth())
    user = auth.users["ada"]
    user.password_hash = generate_password_hash("secret", "pbkdf2:sha256:1000")
    assert await auth.authenticate("ada", "wrong") is None
    assert auth.saved == {}
    assert await auth.authenticate("ada", "secret") is user
    assert PasswordHasher(QUICK).check("secret", auth.saved["ada"])
    assert await auth.authenticate("ada", "secret") is user


async def test_unknown_name_and_wrong_password_look_alike(every: PateraTestClient) -> None:
    unknown = await every.get("/", headers=basic("nobody:x"))
    wrong = await every.get("/", headers=basic("ada:x"))
    assert (unknown.status_code, unknown.content) == (wrong.status_code, wrong.content)
    drop = {"x-request-id", "date"}
    assert {k: v for k, v in unknown.headers.items() if k not in drop} == {
        k: v for k, v in wrong.headers.items() if k not in drop
    }


async def test_right_password_of_a_user_that_is_locked_out_is_wrong(make_app: MakeApp) -> None:
    auth = attached(make_app, EveryAuth())
    vars(auth.users["ada"])["is_active"] = False
    assert await auth.authenticate("ada", "secret") is None


async def test_name_that_no_database_takes_is_unknown(make_app: MakeApp) -> None:
    class Asking(TokenAuth):
        async def find_user(self, username: str) -> User | None:
            raise AssertionError(f"asked for {username!r}")

    auth = attached(make_app, Asking())
    assert await auth.authenticate("ada\0", "secret") is None


async def test_own_loader_stands_beside_the_ready_ones(make_app: MakeApp, client: Connect) -> None:
    class ProxyLoader(UserLoader):
        async def load(self, auth: Any, req: Request) -> Any:
            return USERS.get(req.headers.get("x-remote-user", ""))

    class Own(TokenAuth):
        loaders = (BearerLoader(), ProxyLoader())

    auth = Own()
    http = await client(make_app(whoami(auth), EXTENSIONS=[auth]))
    assert (await http.get("/", headers={"x-remote-user": "eve"})).json() == ["eve", "custom"]
    assert (await http.get("/")).headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("loader", "hook"),
    [(BearerLoader(), "load_user"), (SessionLoader(), "load_user"), (BasicLoader(), "find_user")],
)
def test_loader_whose_question_nobody_answers_is_a_mistake(make_app: MakeApp, loader: UserLoader, hook: str) -> None:
    auth = type("Auth", (Authentication,), {"loaders": (loader,)})()
    with pytest.raises(ConfigurationError, match=rf"PAT550(?s:.)*which asks {hook}\(\)"):
        make_app(EXTENSIONS=[auth])


def test_hook_that_is_not_there_says_so(make_app: MakeApp) -> None:
    auth = attached(make_app, TokenAuth())
    for hook in (auth.load_api_key, auth.find_user, Authentication().load_user):
        with pytest.raises(NotImplementedError, match=f"has no {hook.__name__}"):
            hook("x")


# What another site can make a browser do


async def test_token_needs_no_protection_against_forged_requests(every: PateraTestClient) -> None:
    headers = {"authorization": f"Bearer {token_of(every)}", "cookie": "a=b"}
    assert (await every.post("/", headers=headers)).status_code == 200
    assert (await every.post("/", headers={"x-api-key": "key-of-ada", "cookie": "a=b"})).status_code == 200


async def test_basic_authentication_of_another_site_is_refused(every: PateraTestClient) -> None:
    forged = {**basic("ada:päss:word"), "sec-fetch-site": "cross-site"}
    assert (await every.post("/", headers=forged)).status_code == 403
    assert (await every.post("/", headers=basic("ada:päss:word"))).status_code == 200


async def test_refused_upload_over_a_socket_is_answered_before_its_end(make_app: MakeApp) -> None:
    auth = EveryAuth()
    async with run_server(make_app(whoami(auth), EXTENSIONS=[auth])) as server:
        head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 10485760\r\n\r\n"
        answer = await raw_request(server.port, head + b"x" * 1000)
    assert answer.startswith(b"HTTP/1.1 401 ")
