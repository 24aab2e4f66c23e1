"""Who gets in: every user, with every way to write the decorators, over every method and transport."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from patera import Patera, Request, Response
from patera._context import use_application
from patera.auth import login_required, role_required
from patera.controller import Controller, get, path, post, socket
from patera.testing import PateraTestClient, WebSocketRejected
from tests.auth.users import ADA, EVE, Connect, MakeApp, TokenAuth

Decorator = Callable[[Any], Any]

auth = TokenAuth()

INSTANCE: tuple[Decorator, Decorator] = (auth.login_required, auth.role_required("admin"))
MODULE: tuple[Decorator, Decorator] = (login_required, role_required("admin"))

SENDERS = {"nobody": None, "a user": EVE, "a user with the role": ADA}
#: What nobody, a user and a user with the role get.
EXPECTED = {
    "GET": (401, 403, 200),
    "HEAD": (401, 403, 200),
    "POST": (401, 403, 200),
    "PUT": (405, 405, 405),
    "OPTIONS": (204, 204, 204),
    "websocket": (4401, 4403, "open"),
}


def plain(method: Any) -> Any:
    return method


def controller_with(on_methods: Decorator, on_class: Decorator) -> type[Controller]:
    """A controller whose endpoints say "in", decorated."""

    @on_class
    @path("/door")
    class Door(Controller):
        @on_methods
        @get("/")
        async def show(self, req: Request) -> Response:
            return req.res.text("in")

        @post("/")
        @on_methods
        async def open(self, req: Request) -> Response:
            return req.res.text("in")

        @on_methods
        @socket("/ws")
        async def talk(self, req: Request) -> None:
            await req.accept()
            await req.send_text("in")

    return Door


def stacked(*decorators: Decorator) -> Decorator:
    """The decorators as they would be written, from top to bottom."""

    def decorate(target: Any) -> Any:
        for decorator in reversed(decorators):
            target = decorator(target)
        return target

    return decorate


def inherited(login: Decorator, role: Decorator) -> type[Controller]:
    return type("Child", (controller_with(plain, stacked(login, role)),), {})


def inherited_from_methods(login: Decorator, role: Decorator) -> type[Controller]:
    return type("Child", (controller_with(stacked(login, role), plain),), {})


def overridden(login: Decorator, role: Decorator) -> type[Controller]:
    class Child(controller_with(stacked(login, role), plain)):  # type: ignore[misc]
        async def show(self, req: Request) -> Response:
            return req.res.text("in")

        async def open(self, req: Request) -> Response:
            return req.res.text("in")

        async def talk(self, req: Request) -> None:
            await req.accept()
            await req.send_text("in")

    return Child


def sync_handlers(login: Decorator, role: Decorator) -> type[Controller]:
    class Child(controller_with(stacked(login, role), plain)):  # type: ignore[misc]
        def show(self, req: Request) -> Response:
            return req.res.text("in")

        def open(self, req: Request) -> Response:
            return req.res.text("in")

    return Child


WRITTEN: dict[str, Callable[[Decorator, Decorator], type[Controller]]] = {
    "login above role on methods": lambda login, role: controller_with(stacked(login, role), plain),
    "role above login on methods": lambda login, role: controller_with(stacked(role, login), plain),
    "login above role on the class": lambda login, role: controller_with(plain, stacked(login, role)),
    "role above login on the class": lambda login, role: controller_with(plain, stacked(role, login)),
    "role alone on methods": lambda login, role: controller_with(role, plain),
    "role alone on the class": lambda login, role: controller_with(plain, role),
    "login on the class, role on methods": lambda login, role: controller_with(role, login),
    "role on the class, login on methods": lambda login, role: controller_with(login, role),
    "inherited from the class": inherited,
    "inherited from its methods": inherited_from_methods,
    "overridden without decorators": overridden,
    "overridden by `def` methods": sync_handlers,
}


@pytest.mark.parametrize("is_mounted", [False, True], ids=["root", "mounted"])
@pytest.mark.parametrize("decorators", [INSTANCE, MODULE], ids=["instance", "module"])
@pytest.mark.parametrize("written", WRITTEN)
async def test_endpoint_lets_in_who_is_allowed(
    make_app: MakeApp, client: Connect, written: str, decorators: tuple[Decorator, Decorator], is_mounted: bool
) -> None:
    application = make_app(WRITTEN[written](*decorators), EXTENSIONS=[auth])
    http = await client(mounted(make_app, application) if is_mounted else application)
    prefix = "/inner" if is_mounted else ""
    tokens = {name: token_of(application, user) for name, user in SENDERS.items()}
    found = {
        method: tuple([await outcome(http, method, prefix, tokens[name]) for name in SENDERS]) for method in EXPECTED
    }
    assert found == EXPECTED


async def test_protected_mount_lets_in_who_is_allowed(make_app: MakeApp, client: Connect) -> None:
    application = make_app(EXTENSIONS=[auth])
    application.mount("/inner", auth.protected(say_in, "admin"))
    http = await client(application)
    tokens = {name: token_of(application, user) for name, user in SENDERS.items()}
    found = {
        method: tuple([await outcome(http, method, "/inner", tokens[name]) for name in SENDERS]) for method in EXPECTED
    }
    # What the methods of a foreign application do is its own business: no user, no method.
    assert found == EXPECTED | {"PUT": (401, 403, 200), "OPTIONS": (401, 403, 200)}


async def say_in(scope: Scope, receive: Receive, send: Send) -> None:
    """An ASGI application that says "in", whatever it is asked."""
    if scope["type"] == "websocket":
        websocket = WebSocket(scope, receive, send)
        await websocket.accept()
        await websocket.send_text("in")
        return
    await PlainTextResponse("in")(scope, receive, send)


def mounted(make_app: MakeApp, application: Patera) -> Patera:
    outer = make_app(EXTENSIONS=[auth])
    outer.mount("/inner", application)
    return outer


def token_of(application: Patera, user: Any) -> str | None:
    if user is None:
        return None
    with use_application(application):
        return auth.create_token_pair(user).access_token


async def outcome(http: PateraTestClient, method: str, prefix: str, token: str | None) -> int | str:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    if method == "websocket":
        try:
            async with http.websocket(f"{prefix}/door/ws", headers=headers) as ws:
                assert await ws.receive_text() == "in"
                return "open"
        except WebSocketRejected as refusal:
            return refusal.code
    response = await http.request(method, f"{prefix}/door", headers=headers)
    assert (response.text == "in") == (response.status_code == 200 and method != "HEAD")
    return response.status_code
