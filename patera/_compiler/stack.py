"""The top of the request path: `dispatch` picks the endpoint and returns its coroutine."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette._utils import get_route_path
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Match, Mount
from starlette.websockets import WebSocketClose

from patera._context import current_request
from patera._types import ASGIApp, Message, Receive, Scope, Send
from patera.exceptions import MethodNotAllowed, NotFound, PayloadTooLarge
from patera.response import Response

from .dispatch import Miss, RouteIndex
from .edge import CorsPolicy, apply_edge, edge_headers, refuse_socket, request_header, with_id
from .entry import Refused
from .exchange import Exchange, Runtime, compile_exchange, compile_make, foreign_response, refuse
from .proxies import TrustedProxies
from .routing import RuleRoute
from .security_headers import SecurityHeaders
from .shaping import AnyResponse
from .socket_exchange import STATUS_OFFSET

if TYPE_CHECKING:
    from patera.application import Patera
    from patera.request import Request


class Dispatcher:
    """Finds the endpoint of each request among the compiled routes.

    Args:
        app: The application.
        runtime: What all exchanges share.
        routes: All routes, sorted.
        policy: The application's CORS policy.
        security: The application's security headers.
        policies: The policy of each route, by the route's identity.
    """

    def __init__(
        self,
        app: Patera,
        runtime: Runtime,
        routes: Sequence[BaseRoute],
        policy: CorsPolicy | None,
        security: SecurityHeaders,
        policies: Mapping[int, CorsPolicy | None],
    ) -> None:
        self._app = app
        self._gate = runtime.gate
        self._policy = policy
        self._policies = policies
        #: Answers unknown paths and methods, where neither middleware nor a handler has to see them as exceptions.
        self._errors = runtime.errors if runtime.chain is None and not runtime.errors.handles(NotFound) else None
        self._set_routes(routes)
        make = compile_make(runtime, self._respond_otherwise, None, checks_origin=False)
        self._other = compile_exchange(runtime, Exchange(make, runtime.shape, policy, security, finds_policy=True))

    def _set_routes(self, routes: Sequence[BaseRoute]) -> None:
        self._routes = list(routes)
        self._mounted = self._app.mounted_applications()
        self.index = RouteIndex(routes)

    def dispatch(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Return the coroutine that serves the connection."""
        kind = scope["type"]
        if kind != "http":
            return self._dispatch_other(kind, scope, receive, send)
        path = get_route_path(scope) if scope.get("root_path") else scope["path"]
        index = self.index
        table = index.tables.get(scope["method"], index.mounts)
        literal = table.literal.get(path)
        found = (literal, {}) if literal is not None else index.search(path, table)
        if type(found) is tuple:
            route, values = found
            if type(route) is RuleRoute:
                scope["route"], scope["endpoint"] = route, route.endpoint
                outer = scope.get("path_params")
                scope["path_params"] = {**outer, **values} if outer else values
                return route.app(scope, receive, send)
            scope["patera.mount"] = route
            return self._other(scope, receive, send)
        if len(self._routes) != len(self._app.router.routes):
            self._set_routes(self._app.router.routes)
            return self.dispatch(scope, receive, send)
        # An application around this one may have left its own mount there.
        scope["patera.mount"], scope["patera.miss"] = None, found
        return self._other(scope, receive, send)

    def _dispatch_other(self, kind: str, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if kind == "websocket":
            return self._serve_socket(scope, receive, send)
        return self._app.router.lifespan(scope, receive, send)

    async def _serve_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._gate.enter(scope)
        except Refused as refusal:
            await _close(refusal.error.status_code)(scope, receive, send)
            return
        found = self.index.match_socket(get_route_path(scope))
        if found is None:
            run = _match_foreign(self.index.foreign, scope)
            await self._serve_foreign_socket(run or WebSocketClose(), scope, receive, send)
            return
        route, values = found
        if isinstance(route, Mount):
            await self._serve_foreign_socket(partial(_enter_mount, route), scope, receive, send)
            return
        scope["route"], scope["endpoint"] = route, route.endpoint
        scope["path_params"] = {**scope.get("path_params", {}), **values}
        await route.app(scope, receive, send)

    async def _serve_foreign_socket(self, run: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = refuse_socket(scope, self._policy)
        await (run if refusal is None else _close(refusal.status_code))(scope, receive, send)

    async def _respond_otherwise(self, request: Request) -> AnyResponse:
        """Answer what no controller does: mounts, foreign routes, OPTIONS, redirects, 405 and 404."""
        scope = request.scope
        scope["patera.cors"] = self._policy
        if scope["method"] == "OPTIONS" and self._is_preflight(scope):
            answer = self._answer_preflight(request)
            if answer is not None:
                return answer
        self._refuse_origin(scope)
        mount = scope["patera.mount"]
        if mount is not None:
            return foreign_response(self._limited(mount, scope))
        run = _match_foreign(self.index.foreign, scope)
        if run is not None:
            return foreign_response(run)
        return self._answer_miss(request, scope["patera.miss"])

    def _answer_miss(self, request: Request, miss: Miss) -> AnyResponse:
        if miss.redirect is not None:
            return _redirect(request, miss)
        if miss.allowed and request.scope["method"] == "OPTIONS":
            return _options_response(request, miss.allowed)
        error = _error_of(miss)
        if self._errors is None:
            raise error
        return self._errors.render(request.res, error)

    def _refuse_origin(self, scope: Scope) -> None:
        policy, method = self._policy, scope["method"]
        if policy is None or method == "OPTIONS" or (policy.is_open and policy.allows_method(method)):
            return
        refusal = policy.refuse(scope, method)
        if refusal is not None:
            raise refusal

    def _limited(self, mount: Mount, scope: Scope) -> ASGIApp:
        """Return a mounted application with the limit of bodies; another Patera application has its own."""
        limit = self._app.configs.get("MAX_CONTENT_LENGTH")

        async def run(scope: Scope, receive: Receive, send: Send) -> None:
            await _enter_mount(mount, scope, receive, send)

        if limit is None or mount._base_app in self._mounted:
            return run
        length = request_header(scope, b"content-length") or b""
        # Twenty digits are far beyond any limit, and thousands would be an error of `int`.
        if length.isdigit() and int(length[:20]) > limit:
            raise PayloadTooLarge(limit)
        return RequestBodyLimitMiddleware(run, limit)

    def _is_preflight(self, scope: Scope) -> bool:
        asks = request_header(scope, b"access-control-request-method") is not None
        return asks and request_header(scope, b"origin") is not None

    def _answer_preflight(self, request: Request) -> AnyResponse | None:
        """Answer as the policy of the route for the requested method says; without one it is plain OPTIONS."""
        scope = request.scope
        method = (request_header(scope, b"access-control-request-method") or b"").decode("latin-1").upper()
        found = self.index.match(get_route_path(scope), method)
        policy = self._policy
        if not isinstance(found, Miss):
            route = found[0]
            policy = self._policies.get(id(route), self._policy)
            scope["patera.cors"] = policy
        if policy is None:
            return None
        if isinstance(found, Miss) and _match_foreign(self.index.foreign, scope) is None:
            raise policy.refuse_origin(scope) or _error_of(found)
        refusal = policy.refuse(scope, method)
        if refusal is not None:
            raise refusal
        response = _options_response(request, self._allowed(scope))
        response.raw_headers.extend(policy.preflight_headers(scope))
        return response

    def _allowed(self, scope: Scope) -> frozenset[str]:
        found = self.index.match(get_route_path(scope), "OPTIONS")
        return found.allowed if isinstance(found, Miss) else frozenset()


def _close(status: int) -> ASGIApp:
    return WebSocketClose(STATUS_OFFSET + status)


def _redirect(request: Request, miss: Miss) -> Response[Any]:
    scope = request.scope
    location = miss.location(scope.get("root_path", ""), scope.get("query_string", b""))
    response: Response[Any] = request.res
    response.no_content().status(308)
    response._set_raw(b"location", location.encode("latin-1"))
    return response


def _error_of(miss: Miss) -> NotFound:
    return MethodNotAllowed([*miss.allowed, "OPTIONS"]) if miss.allowed else NotFound()


def _options_response(request: Request, allowed: frozenset[str]) -> Response[Any]:
    response: Response[Any] = request.res
    response.no_content()
    if allowed:
        response.set_header("allow", ", ".join(sorted({*allowed, "OPTIONS"})))
    return response


def _match_foreign(routes: Sequence[BaseRoute], scope: Scope) -> ASGIApp | None:
    """Find a route of Starlette's own kind, as its router does: a full match, else the first partial one."""
    partial: tuple[BaseRoute, Scope] | None = None
    for route in routes:
        match, child_scope = route.matches(scope)
        if match is Match.FULL:
            return _enter_route(route, child_scope)
        if match is Match.PARTIAL and partial is None:
            partial = route, child_scope
    return _enter_route(*partial) if partial is not None else None


def _enter_route(route: BaseRoute, child_scope: Scope) -> ASGIApp:
    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("router", scope["app"].router)
        scope["route"] = route
        scope.update(child_scope)
        await route.handle(scope, receive, send)

    return run


async def _enter_mount(mount: Mount, scope: Scope, receive: Receive, send: Send) -> None:
    _, child_scope = mount.matches(scope)
    await _enter_route(mount, child_scope)(scope, receive, send)


def compile_stack(
    app: Patera, runtime: Runtime, dispatcher: Dispatcher, policy: CorsPolicy | None, security: SecurityHeaders
) -> ASGIApp:
    """Return what stands below Starlette's `__call__`: proxies' headers > edge > foreign ASGI middleware, if any."""
    stack: Any = dispatcher.dispatch
    if app.user_middleware:
        for cls, args, kwargs in reversed(app.user_middleware):
            stack = cls(stack, *args, **kwargs)
        stack = _with_edge(runtime, stack, policy, security)
    proxies = app.configs.get("TRUSTED_PROXIES")
    return _behind_proxies(TrustedProxies(proxies), stack) if proxies else stack


def _behind_proxies(proxies: TrustedProxies, stack: ASGIApp) -> ASGIApp:
    def enter(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        proxies.apply(scope)
        return stack(scope, receive, send)

    return enter


def _with_edge(runtime: Runtime, stack: ASGIApp, policy: CorsPolicy | None, security: SecurityHeaders) -> ASGIApp:
    async def edge(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await stack(scope, receive, send)
            return
        try:
            request_id = runtime.gate.enter(scope)
        except Refused as refusal:
            if scope["type"] == "http":
                await refuse(runtime, scope, send, refusal, policy, security)
            else:
                await _close(refusal.error.status_code)(scope, receive, send)
            return
        if scope["type"] != "http" or request_id is None:
            await stack(scope, receive, send)
        else:
            await _serve_inside(runtime, stack, scope, receive, send, (policy, security, request_id))

    return edge


async def _serve_inside(
    runtime: Runtime,
    stack: ASGIApp,
    scope: Scope,
    receive: Receive,
    send: Send,
    outer: tuple[CorsPolicy | None, SecurityHeaders, bytes],
) -> None:
    """Run foreign middleware; every answer gets the edge's headers, and what it raises is an answer."""
    policy, security, request_id = outer
    is_started = False

    async def sending(message: Message) -> None:
        nonlocal is_started
        if message["type"] == "http.response.start":
            is_started = True
            chosen: SecurityHeaders = scope.get("patera.security", security)
            extra = with_id(edge_headers(scope, scope.get("patera.cors", policy), chosen), request_id)
            headers = [(name.lower(), value) for name, value in message.get("headers", ())]
            message = {**message, "headers": apply_edge(headers, extra, chosen.names)}
        await send(message)

    try:
        await stack(scope, receive, sending)
    except Exception as error:
        if is_started or isinstance(error, ClientDisconnect):
            raise
        await _answer_last(runtime, scope, receive, sending, error)


async def _answer_last(runtime: Runtime, scope: Scope, receive: Receive, send: Send, error: Exception) -> None:
    """Answer an error of foreign middleware, in the project's form."""
    request = runtime.request_class(scope, receive, send)
    token = current_request.set(request)
    try:
        response = await runtime.errors.answer(request, error)
        await response(scope, receive, send)
    finally:
        current_request.reset(token)
    if runtime.app.debug and "patera.unhandled" in scope:
        raise error
