"""Quart as its documentation shows it: `jsonify`, `request.get_json()`, `after_request`, `render_template`."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from quart import Quart, Response, abort, g, jsonify, render_template, request

from benchmarks.apps import page
from benchmarks.apps.models import MANY_ROUTES, ROUTES, SCHEME, USER_ROW, USERS_BY_TOKEN, OrderIn, OrderOut, UserOut


async def plaintext() -> Response:
    return Response("Hello, World!", mimetype="text/plain")


async def greeting() -> Response:
    return jsonify({"message": "Hello, World!"})


async def user(user_id: int) -> Response:
    return jsonify({"id": user_id, "name": f"user {user_id}"})


async def model() -> Response:
    return jsonify(UserOut(**USER_ROW).model_dump(mode="json"))


async def create_order() -> Response:
    order = OrderIn(**await request.get_json())
    return jsonify(OrderOut.model_validate(order).model_dump(mode="json"))


def login_required(view: Callable[[], Any]) -> Callable[[], Any]:
    @wraps(view)
    async def decorated() -> Any:
        user = USERS_BY_TOKEN.get(request.headers.get("authorization", "").removeprefix(SCHEME))
        if user is None:
            abort(401)
        g.user = user
        return await view()

    return decorated


@login_required
async def me() -> Response:
    return jsonify(g.user)


def blocking() -> Response:
    return jsonify({"message": "Hello, World!"})


async def show_page() -> str:
    return await render_template(page.NAME, **page.CONTEXT)


def add_header(number: int) -> Callable[[Response], Any]:
    name, value = f"x-layer-{number}", str(number)

    async def after_request(response: Response) -> Response:
        response.headers[name] = value
        return response

    return after_request


def endpoints() -> Quart:
    app = Quart(__name__, template_folder=str(page.TEMPLATES), static_folder=None)
    app.add_url_rule("/plaintext", view_func=plaintext)
    app.add_url_rule("/json", view_func=greeting)
    app.add_url_rule("/users/<int:user_id>", view_func=user)
    app.add_url_rule("/model", view_func=model)
    app.add_url_rule("/orders", view_func=create_order, methods=["POST"])
    app.add_url_rule("/me", view_func=me)
    app.add_url_rule("/blocking", view_func=blocking)
    app.add_url_rule("/page", view_func=show_page)
    return app


def middleware() -> Quart:
    app = endpoints()
    for number in range(1, 6):
        app.after_request(add_header(number))
    return app


def routes(count: int) -> Quart:
    app = Quart(__name__, static_folder=None)
    for number in range(count):
        app.add_url_rule(f"/resource{number}/<int:resource_id>", f"resource{number}", resource(number))
    return app


def resource(number: int) -> Any:
    async def view(resource_id: int) -> Response:
        return jsonify({"id": resource_id, "number": number})

    return view


APPLICATIONS: dict[str, Callable[[], Any]] = {
    "endpoints": endpoints,
    "routes": lambda: routes(ROUTES),
    "many-routes": lambda: routes(MANY_ROUTES),
    "middleware": middleware,
}

LEFT_OUT = {"cors": "it needs a further package"}
