"""The decorators: what each requires, how they add up, what is wrong with them at build."""

from enum import StrEnum
from types import SimpleNamespace
from typing import Any

import pytest

from patera import Patera, Request, Response
from patera.auth import (
    Authentication,
    AuthorizationException,
    UnauthorizedException,
    login_required,
    optional_user,
    permission,
    role_required,
)
from patera.controller import Controller, before_request, get, path, post, put, socket
from patera.exceptions import AuthenticationException, ConfigurationError, ExceptionHandler, handles
from patera.layer import Call, Layer, Next, Place
from tests.auth.users import USERS, Connect, HeaderAuth, MakeApp, User, attached, refusal_of
from tests.recording_layers import Memory, transparent
from tests.server import raw_request, run_server

auth = HeaderAuth()

ADA, EVE = {"x-user": "ada"}, {"x-user": "eve"}


class Roles(StrEnum):
    ADMIN = "admin"
    EDITOR = "editor"
    READER = "reader"


def controller_of(*methods: Any, **attributes: Any) -> type[Controller]:
    return type("Api", (Controller,), {**{each.__name__: each for each in methods}, **attributes})


def shown() -> Any:
    """A new endpoint that says who the user is."""

    @get("/")
    async def show(self: Any, req: Request) -> Response:
        return req.res.json({"user": getattr(req.user, "name", None)})

    return show


async def statuses(make_app: MakeApp, client: Connect, controller: type[Controller], **values: Any) -> list[int]:
    """What nobody, Eve and Ada get."""
    http = await client(make_app(controller, EXTENSIONS=[auth], **values))
    return [(await http.get("/", headers=headers)).status_code for headers in ({}, EVE, ADA)]


# How requirements add up


@pytest.mark.parametrize("decorate", [login_required, login_required(), auth.login_required, auth.login_required()])
async def test_login_with_and_without_call_lets_users_in(make_app: MakeApp, client: Connect, decorate: Any) -> None:
    assert await statuses(make_app, client, controller_of(decorate(shown()))) == [401, 200, 200]


@pytest.mark.parametrize("decorate", [role_required, auth.role_required])
async def test_roles_without_call_are_a_login(make_app: MakeApp, client: Connect, decorate: Any) -> None:
    assert await statuses(make_app, client, controller_of(decorate(shown()))) == [401, 200, 200]
    assert await statuses(make_app, client, decorate(controller_of(shown()))) == [401, 200, 200]


async def test_stacked_roles_must_all_hold(make_app: MakeApp, client: Connect) -> None:
    both = role_required("reader", "editor")(role_required("admin", "reader")(shown()))
    none = role_required("reader")(role_required("admin")(shown()))
    assert await statuses(make_app, client, controller_of(both)) == [401, 200, 200]
    assert await statuses(make_app, client, controller_of(none)) == [401, 403, 403]


async def test_roles_of_class_and_method_must_both_hold(make_app: MakeApp, client: Connect) -> None:
    api = role_required("reader")(controller_of(role_required("admin", "reader")(shown())))
    assert await statuses(make_app, client, api) == [401, 200, 403]


async def test_roles_of_base_class_and_class_must_both_hold(make_app: MakeApp, client: Connect) -> None:
    base = role_required("editor")(controller_of(shown()))
    child = role_required("reader")(type("Child", (base,), {}))
    assert await statuses(make_app, client, child) == [401, 403, 403]


async def test_decorating_a_child_leaves_its_parent_as_it_was(make_app: MakeApp, client: Connect) -> None:
    parent = login_required(path("/parent")(controller_of(shown())))
    child = role_required("admin")(path("/child")(type("Child", (parent,), {})))
    http = await client(make_app(parent, child, EXTENSIONS=[auth]))
    assert (await http.get("/parent", headers=EVE)).status_code == 200
    assert (await http.get("/child", headers=EVE)).status_code == 403


async def test_siblings_do_not_share_what_is_required_of_one(make_app: MakeApp, client: Connect) -> None:
    parent = controller_of(shown())
    open_child = path("/open")(type("Open", (parent,), {}))
    closed_child = login_required(path("/closed")(type("Closed", (parent,), {})))
    http = await client(make_app(open_child, closed_child, EXTENSIONS=[auth]))
    assert (await http.get("/open")).status_code == 200
    assert (await http.get("/closed")).status_code == 401


async def test_require_all_needs_every_role(make_app: MakeApp, client: Connect) -> None:
    every = auth.role_required("admin", "editor", require_all=True)(shown())
    more = auth.role_required("admin", "reader", require_all=True)(shown())
    assert await statuses(make_app, client, controller_of(every)) == [401, 403, 200]
    assert await statuses(make_app, client, controller_of(more)) == [401, 403, 403]


async def test_protected_websocket_is_refused_before_it_opens(make_app: MakeApp, client: Connect) -> None:
    @auth.login_required
    @auth.role_required("admin")
    @socket("/ws")
    async def talk(self: Any, req: Request) -> None:
        await req.accept()
        await req.send_text(req.user.name)

    http = await client(make_app(controller_of(talk), EXTENSIONS=[auth]))
    assert await refusal_of(http, "/ws") == 4401
    assert await refusal_of(http, "/ws", EVE) == 4403
    async with http.websocket("/ws", headers=ADA) as ws:
        assert await ws.receive_text() == "ada"


# Where they run


async def test_login_below_a_foreign_decorator_and_a_cache_guards_hits_too(make_app: MakeApp, client: Connect) -> None:
    method = Memory([])(transparent(auth.login_required(shown())))
    http = await client(make_app(controller_of(method), EXTENSIONS=[auth]))
    assert (await http.get("/", headers=ADA)).status_code == 200
    assert (await http.get("/")).status_code == 401


async def test_login_runs_before_hooks_of_the_class(make_app: MakeApp, client: Connect) -> None:
    seen: list[Any] = []

    @before_request
    async def note(self: Any, req: Request) -> None:
        seen.append(req.user)

    http = await client(make_app(login_required(controller_of(shown(), note)), EXTENSIONS=[auth]))
    assert (await http.get("/")).status_code == 401
    assert seen == []
    await http.get("/", headers=ADA)
    assert seen == [USERS["ada"]]


async def test_refused_upload_is_not_read(make_app: MakeApp) -> None:
    @login_required
    @post("/")
    async def upload(self: Any, req: Request) -> Response:
        return req.res.text(str(len(await req.body())))

    application = make_app(controller_of(upload), EXTENSIONS=[auth])
    events, sent = 0, []

    async def receive() -> dict[str, Any]:
        nonlocal events
        events += 1
        return {"type": "http.request", "body": b"x" * 65536, "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"testserver"), (b"content-length", b"%d" % (10 * 1024 * 1024 - 1))]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers, "query_string": b"", "root_path": ""}
    await application({**scope, "scheme": "http", "http_version": "1.1", "server": None}, receive, send)
    assert (sent[0]["status"], events) == (401, 0)


async def test_options_and_preflight_ask_nobody(make_app: MakeApp, client: Connect) -> None:
    counting = HeaderAuth()
    application = make_app(
        counting.login_required(controller_of(shown())),
        EXTENSIONS=[counting],
        CORS_ALLOW_ORIGINS=["https://a.example"],
    )
    http = await client(application)
    preflight = {"origin": "https://a.example", "access-control-request-method": "GET"}
    assert (await http.options("/")).status_code == 204
    assert (await http.options("/", headers=preflight)).headers["access-control-allow-origin"] == "https://a.example"
    assert counting.loads == 0


async def test_refusal_has_the_headers_of_the_cors_policy(make_app: MakeApp, client: Connect) -> None:
    api = login_required(controller_of(shown()))
    http = await client(make_app(api, EXTENSIONS=[auth], CORS_ALLOW_ORIGINS=["https://a.example"]))
    response = await http.get("/", headers={"origin": "https://a.example"})
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (401, "https://a.example")


async def test_decorated_method_that_is_no_endpoint_asks_for_the_user_of_the_request(
    make_app: MakeApp, client: Connect
) -> None:
    class Api(Controller):
        @get("/")
        async def show(self, req: Request) -> Response:
            return req.res.text(await self.secret())

        @role_required("admin")
        async def secret(self) -> str:
            return "found"

    http = await client(make_app(Api, EXTENSIONS=[auth]))
    assert [(await http.get("/", headers=each)).status_code for each in ({}, EVE, ADA)] == [401, 403, 200]


async def test_decorated_method_outside_of_requests_is_refused(make_app: MakeApp) -> None:
    own = attached(make_app, Policy())
    required: list[Layer] = [own.login_required, own.role_required("admin"), own.permission("x"), login_required]
    for decorate in required:

        @decorate
        async def secret() -> str:
            return "found"

        with pytest.raises(AuthenticationException):
            await secret()

    @own.optional_user
    async def anything() -> str:
        return "found"

    assert await anything() == "found"


# Answers


async def test_refusals_have_the_form_of_all_errors(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(controller_of(role_required("admin")(shown())), EXTENSIONS=[auth]))
    nobody, eve = await http.get("/"), await http.get("/", headers=EVE)
    assert (nobody.status_code, nobody.json()) == (401, {"status": "error", "message": "Login required", "data": None})
    assert (eve.status_code, eve.json()) == (403, {"status": "error", "message": "Missing user role(s)", "data": None})


@pytest.mark.parametrize(
    "configs",
    [
        {"AUTHENTICATION_ERROR_MESSAGE": "Who?", "UNAUTHORIZED_ERROR_MESSAGE": "No."},
        {"AUTHENTICATION_ERROR_MSG": "Who?", "AUTHORIZATION_ERROR_MSG": "No."},
    ],
)
async def test_messages_are_those_of_the_configuration(make_app: MakeApp, client: Connect, configs: Any) -> None:
    api = controller_of(role_required("admin")(shown()))
    http = await client(make_app(api, EXTENSIONS=[auth], AUTHENTICATION=configs))
    assert (await http.get("/")).json()["message"] == "Who?"
    assert (await http.get("/", headers=EVE)).json()["message"] == "No."


async def test_handlers_get_the_exceptions_with_the_roles(make_app: MakeApp, client: Connect) -> None:
    class Handlers(ExceptionHandler):
        @handles(AuthenticationException)
        async def nobody(self, req: Request, exc: AuthenticationException) -> Any:
            return {"handled": exc.message}, 401

        @handles(UnauthorizedException)
        async def not_allowed(self, req: Request, exc: UnauthorizedException) -> Any:
            return {"handled": exc.roles}, 403

    api = controller_of(role_required(Roles.ADMIN, "owner")(shown()))
    http = await client(make_app(api, EXTENSIONS=[auth], EXCEPTION_HANDLERS=[Handlers]))
    assert (await http.get("/")).json() == {"handled": "Login required"}
    assert (await http.get("/", headers=EVE)).json() == {"handled": ["admin", "owner"]}
    assert AuthorizationException is UnauthorizedException


# Roles


@pytest.mark.parametrize(
    "user",
    [
        SimpleNamespace(roles=["admin"]),
        SimpleNamespace(roles=[Roles.ADMIN]),
        SimpleNamespace(roles={"admin", "editor"}),
        SimpleNamespace(roles=[SimpleNamespace(role="admin")]),
        SimpleNamespace(roles=[SimpleNamespace(name="admin")]),
        SimpleNamespace(roles=[SimpleNamespace(role=Roles.ADMIN)]),
        SimpleNamespace(role="admin"),
        SimpleNamespace(roles=None, role=Roles.ADMIN),
        SimpleNamespace(role=SimpleNamespace(name="admin")),
        {"roles": ["admin"]},
        {"role": "admin"},
    ],
)
@pytest.mark.parametrize("wanted", ["admin", Roles.ADMIN])
async def test_default_check_knows_roles_however_they_are_kept(user: Any, wanted: Any) -> None:
    assert await auth.role_check(user, [wanted])


@pytest.mark.parametrize(
    "user",
    [
        SimpleNamespace(),
        SimpleNamespace(roles=[]),
        SimpleNamespace(roles="administrator"),
        SimpleNamespace(roles="xadmin"),
        SimpleNamespace(role=None),
        SimpleNamespace(roles=[None, SimpleNamespace()]),
        SimpleNamespace(roles=["ADMIN"]),
        {},
    ],
)
async def test_default_check_knows_no_role_that_is_not_there(user: Any) -> None:
    assert not await auth.role_check(user, ["admin", "a", SimpleNamespace()])


async def test_enum_members_are_compared_by_value(make_app: MakeApp, client: Connect) -> None:
    api = controller_of(auth.role_required(Roles.ADMIN)(shown()))
    assert await statuses(make_app, client, api) == [401, 403, 200]


@pytest.mark.parametrize("is_async", [True, False])
async def test_own_role_check_gets_user_and_roles(make_app: MakeApp, client: Connect, is_async: bool) -> None:
    asked: list[Any] = []

    class Sync(HeaderAuth):
        def role_check(self, user: Any, roles: list[Any]) -> Any:
            asked.append((user.name, roles))
            return None if user.name == "eve" else "yes"

    class Async(HeaderAuth):
        async def role_check(self, user: Any, roles: list[Any]) -> Any:
            return Sync.role_check(self, user, roles)  # type: ignore[arg-type]

    own = (Async if is_async else Sync)()
    http = await client(make_app(controller_of(own.role_required("x", "y")(shown())), EXTENSIONS=[own]))
    assert [(await http.get("/", headers=each)).status_code for each in (EVE, ADA)] == [403, 200]
    assert asked == [("eve", ["x", "y"]), ("ada", ["x", "y"])]


def test_roles_that_nobody_could_have_are_refused() -> None:
    with pytest.raises(TypeError, match=r"role_required\(\) has no roles"):
        role_required()
    with pytest.raises(TypeError, match="pass them one by one"):
        role_required(["admin", "editor"])
    with pytest.raises(TypeError, match="pass them one by one"):
        auth.role_required(Roles)


# Permissions


class Policy(HeaderAuth):
    """Lets users edit posts with their own number."""

    async def permission_check(self, user: User, permission: str, obj: Any) -> bool:
        return permission == "post.create" or (permission == "post.edit" and obj == user.id)


policy = Policy()


async def test_permission_asks_about_the_parameter_of_the_handler(make_app: MakeApp, client: Connect) -> None:
    @policy.permission("post.edit", obj="post_id")
    @put("/<int:post_id>")
    async def edit(self: Any, req: Request, post_id: int) -> Response:
        return req.res.json(post_id)

    http = await client(make_app(controller_of(edit), EXTENSIONS=[policy]))
    assert (await http.put("/1")).status_code == 401
    refused = await http.put("/1", headers=EVE)
    assert (refused.status_code, refused.json()["message"]) == (403, "Missing permission")
    assert (await http.put("/1", headers=ADA)).json() == 1


async def test_permission_on_a_def_handler_below_a_foreign_decorator_is_asked_for(
    make_app: MakeApp, client: Connect
) -> None:
    def edit(self: Any, req: Request, post_id: int) -> Response:
        return req.res.json(post_id)

    method = transparent(permission("post.edit", obj="post_id")(get("/<int:post_id>")(edit)))
    http = await client(make_app(controller_of(method), EXTENSIONS=[policy]))
    assert [(await http.get("/1", headers=each)).status_code for each in ({}, EVE, ADA)] == [401, 403, 200]


class LoadPost(Layer):
    """Injects a post."""

    place = Place.INJECT

    def __init__(self, name: str = "LoadPost") -> None:
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    def injects(self, app: Patera) -> tuple[str]:
        return ("post",)

    async def around(self, call: Call, next: Next) -> Any:
        call.kwargs["post"] = {"author": 1}
        return await next(call)


class AuthorPolicy(HeaderAuth):
    async def permission_check(self, user: User, permission: str, obj: Any) -> bool:
        return bool(obj["author"] == user.id)


async def test_permission_asks_about_what_a_layer_injects(make_app: MakeApp, client: Connect) -> None:
    own = AuthorPolicy()

    @own.permission("post.edit", obj="post")
    @LoadPost()
    @get("/")
    async def edit(self: Any, req: Request, post: Any) -> Response:
        return req.res.json(post)

    http = await client(make_app(controller_of(edit), EXTENSIONS=[own]))
    assert [(await http.get("/", headers=each)).status_code for each in ({}, EVE, ADA)] == [401, 403, 200]


async def test_permission_is_given_by_nobody_but_the_subclass() -> None:
    assert not await HeaderAuth().is_permitted(USERS["ada"], "post.edit")


async def test_permission_that_finds_no_object_lets_nobody_pass(make_app: MakeApp, client: Connect) -> None:
    own = AuthorPolicy()

    @own.permission("post.edit", obj="post")
    @LoadPost("zone")
    @get("/")
    async def edit(self: Any, req: Request, post: Any) -> Response:
        return req.res.json(post)

    http = await client(make_app(controller_of(edit), EXTENSIONS=[own]))
    with pytest.raises(RuntimeError, match=r"found no 'post' among \[\]; what injects it has to come before"):
        await http.get("/", headers=ADA)


async def test_permission_without_object_is_asked_for_before_the_body(make_app: MakeApp, client: Connect) -> None:
    @permission("post.remove")
    @post("/")
    async def remove(self: Any, req: Request, data: dict[str, int]) -> Response:
        return req.res.json(data)

    http = await client(make_app(controller_of(remove), EXTENSIONS=[policy]))
    response = await http.post("/", headers=EVE, content=b"{broken")
    assert (response.status_code, response.json()["message"]) == (403, "Missing permission")


async def test_permission_guards_websockets(make_app: MakeApp, client: Connect) -> None:
    @permission("post.edit", obj="post_id")
    @socket("/<int:post_id>")
    async def talk(self: Any, req: Request, post_id: int) -> None:
        await req.accept()
        await req.send_text("in")

    http = await client(make_app(controller_of(talk), EXTENSIONS=[policy]))
    assert await refusal_of(http, "/1") == 4401
    assert await refusal_of(http, "/1", EVE) == 4403
    async with http.websocket("/1", headers=ADA) as ws:
        assert await ws.receive_text() == "in"


def test_permission_for_a_parameter_that_is_not_there_is_refused() -> None:
    with pytest.raises(TypeError, match="has no parameter 'post'"):
        permission("post.edit", obj="post")(shown())
    with pytest.raises(TypeError, match="has no parameter 'post'"):
        permission("post.edit", obj="post")(controller_of())
    with pytest.raises(TypeError, match=r"write @permission\('post.edit'\)"):
        permission(shown())


# Optional users


@pytest.mark.parametrize("decorate", [optional_user, optional_user(), auth.optional_user])
async def test_optional_user_is_there_if_known(make_app: MakeApp, client: Connect, decorate: Any) -> None:
    http = await client(make_app(controller_of(decorate(shown())), EXTENSIONS=[auth]))
    assert (await http.get("/")).json() == {"user": None}
    assert (await http.get("/", headers=ADA)).json() == {"user": "ada"}


async def test_user_is_not_loaded_where_nothing_asks(make_app: MakeApp, client: Connect) -> None:
    counting = HeaderAuth()
    http = await client(make_app(controller_of(shown()), EXTENSIONS=[counting]))
    assert (await http.get("/", headers=ADA)).json() == {"user": None}
    assert counting.loads == 0


# Several Authentications, and none


class AdminAuth(Authentication):
    async def user_loader(self, req: Request) -> Any:
        return req.headers.get("x-admin")


async def test_each_of_two_authentications_knows_its_own_users(make_app: MakeApp, client: Connect) -> None:
    users, admins = HeaderAuth(), AdminAuth(configs_name="ADMIN_AUTH")
    api = users.login_required(controller_of(login_required(auth=admins)(shown())))
    http = await client(make_app(api, EXTENSIONS=[users, admins]))
    sent: tuple[dict[str, str], ...] = ({}, ADA, {"x-admin": "root"}, {**ADA, "x-admin": "root"})
    assert [(await http.get("/", headers=each)).status_code for each in sent] == [401, 401, 401, 200]


async def test_optional_user_of_one_authentication_leaves_that_of_another(make_app: MakeApp, client: Connect) -> None:
    users, admins = HeaderAuth(), AdminAuth(configs_name="ADMIN_AUTH")
    api = users.login_required(controller_of(optional_user(auth=admins)(shown())))
    http = await client(make_app(api, EXTENSIONS=[users, admins]))
    assert (await http.get("/", headers=ADA)).json() == {"user": "ada"}


def build_error(application: Patera) -> str:
    with pytest.raises(ConfigurationError) as caught:
        application.build()
    return str(caught.value)


@pytest.mark.parametrize("decorate", [login_required, role_required("admin"), permission("x"), optional_user])
def test_decorator_without_an_authentication_is_a_mistake(make_app: MakeApp, decorate: Any) -> None:
    message = build_error(make_app(controller_of(decorate(shown()))))
    assert "1 mistake" in message
    assert "PAT551" in message
    assert "list it in EXTENSIONS" in message


def test_module_level_decorator_with_two_authentications_is_a_mistake(make_app: MakeApp) -> None:
    extensions = [HeaderAuth(), AdminAuth(configs_name="ADMIN_AUTH")]
    message = build_error(make_app(role_required("admin")(controller_of(shown())), EXTENSIONS=extensions))
    assert "PAT552" in message
    assert "AUTHENTICATION, ADMIN_AUTH" in message
    assert "login_required(auth=...)" in message


@pytest.mark.parametrize(("audience", "is_mistake"), [(None, True), ("admins", False)])
def test_two_authentications_that_take_the_same_tokens_are_a_mistake(
    make_app: MakeApp, audience: str | None, is_mistake: bool
) -> None:
    values = {
        "AUTHENTICATION": {"JWT_SECRET_KEY": "k" * 32},
        "ADMIN_AUTH": {"JWT_SECRET_KEY": ["n" * 32, "k" * 32], "JWT_AUDIENCE": audience},
    }
    application = make_app(EXTENSIONS=[HeaderAuth(), AdminAuth(configs_name="ADMIN_AUTH")], **values)
    if is_mistake:
        message = build_error(application)
        assert "PAT555 ADMIN_AUTH['JWT_SECRET_KEY']" in message
        assert "k" * 32 not in message
    else:
        application.build()


def test_authentication_that_is_not_listed_is_a_mistake(make_app: MakeApp) -> None:
    other = HeaderAuth()
    message = build_error(make_app(controller_of(other.login_required(shown())), EXTENSIONS=[auth]))
    assert "PAT553" in message
    assert "<HeaderAuth AUTHENTICATION>" in message


def test_permission_that_nobody_decides_about_is_a_mistake(make_app: MakeApp) -> None:
    message = build_error(make_app(controller_of(permission("x")(shown())), EXTENSIONS=[auth]))
    assert "PAT554" in message
    assert "permission_check(self, user, permission, obj)" in message


# Over a network


async def test_refused_websocket_is_403_for_a_network_client(make_app: MakeApp) -> None:
    @auth.login_required
    @socket("/ws")
    async def talk(self: Any, req: Request) -> None:
        await req.accept()

    handshake = (
        b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    async with run_server(make_app(controller_of(talk), EXTENSIONS=[auth])) as server:
        assert (await raw_request(server.port, handshake)).startswith(b"HTTP/1.1 403 ")
