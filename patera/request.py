"""What a client sent: `Request` for HTTP and websockets, and `UploadedFile`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette._utils import get_route_path
from starlette.datastructures import URL, State
from starlette.requests import ClientDisconnect, empty_receive, empty_send

from ._body import media_type_of
from ._context import current_request as request_being_answered
from ._cookies import parse_cookies
from ._headers import RequestHeaders
from ._imports import late
from ._json import check_json_numbers, parse_json
from ._sockets import SocketRequest, WebSocketDisconnect
from ._types import Receive, Scope, Send
from ._values import MissingValue, MultiValues, QueryParams
from .response import Response
from .uploads import UploadedFile

if TYPE_CHECKING:
    from .sessions import Session

__all__ = [
    "ClientDisconnect",
    "MissingValue",
    "MultiValues",
    "QueryParams",
    "Request",
    "UploadedFile",
    "WebSocketDisconnect",
    "check_json_numbers",
    "current_request",
    "media_type_of",
    "parse_json",
]

BeforeSend = Callable[["Request", Any], Any]

_QUALITY = re.compile(r";\s*q\s*=\s*([01](?:\.\d*)?)", re.IGNORECASE)


class Request(SocketRequest):
    """One HTTP request, or one websocket from handshake to close; it lives as long as its handler runs.

    A `starlette.requests.Request` with the same constructor, so a subclass for `REQUEST_CLASS`
    keeps `(scope, receive, send)`.

    Example:
        @get("/<int:user_id>")
        async def show(self, req: Request, user_id: int) -> Response:
            page = req.query_params.get("page", 1, type=int)
            return req.res.json({"id": user_id, "page": page})

    Args:
        scope: The ASGI scope, `http` or `websocket`.
        receive: The server's function that returns events.
        send: The server's function that takes events.
    """

    #: Made when `res` is first used; the build sets the application's own class.
    _response_class: type[Response[Any]] = Response

    # Starlette's initialisers set the same attributes, in two calls more, and refuse websockets. What every request
    # writes or asks for later is set here: attributes that come in one order make the fastest objects.
    def __init__(self, scope: Scope, receive: Receive = empty_receive, send: Send = empty_send) -> None:
        self.scope = scope
        self._receive = receive
        self._send = send
        self._stream_consumed = False
        self._is_disconnected = False
        self._form = None
        self._deferred = None
        self._request_headers: RequestHeaders | None = None
        self._user: Any = None
        #: What the route decided at build, and what the middleware chain ends in; the exchange sets them.
        self._exchange: Any = None
        self._body_limit = None
        self._respond: Any = None
        self._response: Response[Any] | None = None
        #: Whether the hooks behind the endpoint have begun; they never run twice.
        self._is_hooked = False
        #: What `before_send()` noted, and whether it has run.
        self._before_send: tuple[BeforeSend, ...] = ()
        self._is_answered = False

    @property
    def method(self) -> str:
        """The HTTP method in upper case; "SOCKET" for a websocket."""
        method: str = self.scope.get("method", "SOCKET")
        return method.upper()

    @property
    def path(self) -> str:
        """The decoded path that was routed: without the prefix the application is mounted at."""
        return get_route_path(self.scope) or "/"

    @property
    def headers(self) -> RequestHeaders:
        """The headers, case-insensitive."""
        headers = self._request_headers
        if headers is None:
            headers = self._request_headers = RequestHeaders(scope=self.scope)
        return headers

    @property
    def url(self) -> URL:
        """The whole URL, for links and logs. Authorise on the matched route, never on this."""
        if "_url" not in self.__dict__:
            # Some servers pass bytes outside ASCII through, which `URL` would fail to decode.
            query = quote(self.scope.get("query_string", b""), safe="/?:@!$&'()*+,;=-._~%[]{}|^`\"<>\\")
            self._url = URL(scope={**self.scope, "query_string": query.encode("ascii")})
        return self._url

    @property
    def host(self) -> str:
        """Host, and port unless it is the scheme's own, from the `Host` header or else the server's address."""
        return self.base_url.netloc

    @property
    def query_string(self) -> str:
        """What stands behind the `?`, not decoded; empty without one."""
        query: bytes = self.scope.get("query_string", b"")
        return query.decode("utf-8", "replace")

    @property
    def query_params(self) -> QueryParams:
        """The parameters of the query string; of a repeated one, the first value.

        Example:
            req.query_params.get("page", 1, type=int)

        Raises:
            MalformedRequest: There are more than 1000.
        """
        if "_query_params" not in self.__dict__:
            self._query_params = QueryParams(self.scope.get("query_string", b""))
        return self._query_params  # type: ignore[return-value]

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies that the client sent, of a repeated one the last."""
        if "_cookies" not in self.__dict__:
            self._cookies = {
                name: value
                for header in self.headers.getlist("cookie")
                for name, value in parse_cookies(header).items()
            }
        return self._cookies

    @property
    def route_parameters(self) -> dict[str, Any]:
        """The converted values of the path's variables."""
        parameters: dict[str, Any] = self.scope.setdefault("path_params", {})
        return parameters

    @route_parameters.setter
    def route_parameters(self, parameters: dict[str, Any]) -> None:
        self.scope["path_params"] = parameters

    @property
    def route_handler(self) -> Any:
        """The matched endpoint: a bound method of its controller, or None."""
        return self.scope.get("endpoint")

    @property
    def request_id(self) -> str:
        """The id of this request in logs and in the answer's header; empty outside an application."""
        identifier: bytes = self.scope.get("patera.request_id", b"")
        return identifier.decode("ascii")

    @property
    def user(self) -> Any:
        """The user that a login guard loaded, else None."""
        return self._user

    @user.setter
    def user(self, user: Any) -> None:
        self._user = user

    def set_user(self, user: Any) -> None:
        """Set `req.user`.

        Args:
            user: The user, of any type.
        """
        self._user = user

    def remove_user(self) -> None:
        """Set `req.user` to None."""
        self._user = None

    @property
    def state(self) -> Any:
        """Room for what middleware, guards and handler hand on: `req.state.x`, `req.state["x"]`, or all of it."""
        if "_state" not in self.__dict__:
            self._state = State(self.scope.setdefault("state", {}))
        return self._state

    @state.setter
    def state(self, state: Any) -> None:
        self._state = state

    @property
    def context(self) -> dict[str, Any]:
        """The content of `req.state` as a dict."""
        context: dict[str, Any] = self.state if isinstance(self.state, dict) else self.scope.setdefault("state", {})
        return context

    @property
    def res(self) -> Response[Any]:
        """The response to fill and return.

        Example:
            return req.res.json({"id": 1}).status(HttpStatus.CREATED)
        """
        response = self._response
        if response is None:
            response = self._response = self._response_class()
        return response

    @property
    def response(self) -> Response[Any]:
        """The same object as `res`."""
        return self.res

    def before_send(self, function: BeforeSend) -> None:
        """Call `function(request, response)` once, on the finished response, right before it is sent.

        It runs outside of middleware and exception handlers, so it sees the answers to errors too, of
        whatever kind: `response.headers` and `response.raw_headers` may be changed, the body may not. A
        coroutine function is awaited. What it raises is answered instead.

        Args:
            function: Called with this request and the response; noting the same one again changes nothing.

        Raises:
            RuntimeError: The response is being sent already.
        """
        if self._is_answered:
            raise RuntimeError("before_send() was called when the response was being sent already")
        if function not in self._before_send:
            self._before_send = (*self._before_send, function)

    async def run_before_send(self, response: Any) -> None:
        """Run what `before_send()` noted, where something else than the pipeline sends the response.

        Args:
            response: The response, with `raw_headers` to change.
        """
        for function in self._before_send:
            result = function(self, response)
            if result is not None:
                await result

    @property
    def is_answered(self) -> bool:
        """Whether the response is being sent, as in a stream, a background task or a deferred function."""
        return self._is_answered

    @property
    def session(self) -> Session:  # type: ignore[override]
        """The session of this browser, a mapping that is loaded when first used.

        Example:
            req.session["cart"] = [3, 5]
        """
        return late("patera.sessions").session_of(self)  # type: ignore[no-any-return]

    def fresh_response(self) -> Response[Any]:
        """Replace the response by a new one, without status, headers and cookies, and return it."""
        response = self._response = self._response_class()
        return response

    def set_send(self, send: Send) -> None:
        """Replace the function that events are sent with.

        Args:
            send: An ASGI send function.
        """
        self._send = send

    def url_for(self, endpoint: str, /, **values: Any) -> str:  # type: ignore[override]
        """Return the absolute URL of an endpoint; `app.url_for` returns the path alone.

        Example:
            req.url_for("UsersApi.show", user_id=1)     # "https://example.org/users/1"

        Args:
            endpoint: `Class.method`, or an alias.
            **values: The path's variables; others go to the query string.
        """
        # The path begins with the prefix that the base URL has too.
        path: str = self.app.url_for(endpoint, **values)
        return f"{self.base_url.scheme}://{self.base_url.netloc}{path}"

    def accepts(self, media_type: str) -> bool:
        """Whether the client's `Accept` header allows a media type; without the header it does.

        Example:
            if req.accepts("text/html"): ...

        Args:
            media_type: A media type without parameters.
        """
        header = ",".join(self.headers.getlist("accept"))
        if not header.strip():
            return True
        qualities = {_range_name(part): _quality(part) for part in header.split(",")}
        for pattern in (media_type.lower(), media_type.lower().partition("/")[0] + "/*", "*/*"):
            if pattern in qualities:
                return qualities[pattern] > 0
        return False


def current_request() -> Request | None:
    """Return the request that this task or worker thread answers, or None outside of one."""
    return request_being_answered.get()


def _range_name(part: str) -> str:
    return part.partition(";")[0].strip().lower()


def _quality(part: str) -> float:
    found = _QUALITY.search(part)
    return float(found[1]) if found else 1.0
