"""The test client: requests, websockets, commands and life cycle in the test's own event loop."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote

from ._context import running_applications
from ._imports import require
from ._lifespan_session import LifespanSession
from ._types import ASGIApp, Receive, Scope, Send
from ._websocket_session import WebSocketClosed, WebSocketRejected, WebSocketSession
from .application import Patera
from .cli._run import run_command_async
from .exceptions import MissingConfiguration

if TYPE_CHECKING:
    import httpx

__all__ = [
    "CLIResult",
    "PateraTestClient",
    "PyJoltTestClient",
    "WebSocketClosed",
    "WebSocketRejected",
    "WebSocketSession",
]

WEBSOCKET_HEADERS = {
    "connection": "upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}

_CSRF_TOKEN = re.compile(r"""<(?:input|meta)\b[^>]*\bname=["']csrf[_-]token["'] (?:value|content)=["']([\w-]+)["']""")

_MISSING = object()


@dataclass(frozen=True, slots=True)
class CLIResult:
    """How a command ended.

    Args:
        exit_code: What the process would have ended with; 0 is success.
        output: What was written to standard output.
        errors: What was written to standard error.
        value: What the command returned.
    """

    exit_code: int
    output: str
    errors: str
    value: Any = None


class PateraTestClient:
    """Calls an application without a server; `async with` runs its startup and shutdown.

    Everything runs in the event loop of the test, so that connection pools and other objects bound
    to a loop can be shared with it. Cookies are kept between requests.

    Example:
        async with PateraTestClient(Application()) as client:
            response = await client.get("/api/v1/users")
            assert response.status_code == 200

    Without `async with` requests work as well, on an application that has not been started.

    Args:
        app: A Patera application, or any ASGI application.
        base_url: Scheme and host of the requests.
        raise_app_exceptions: Raise the errors of the application in the test; otherwise they are
            answers with status 500.
        lifespan: Whether `async with` runs startup and shutdown.
        follow_redirects: Whether redirects are followed.
        headers: Headers of every request.
        cookies: Cookies that the client has from the beginning.

    Raises:
        MissingExtra: httpx is not installed.
    """

    def __init__(
        self,
        app: Any,
        base_url: str = "http://testserver",
        *,
        raise_app_exceptions: bool = True,
        lifespan: bool = True,
        follow_redirects: bool = False,
        headers: Mapping[str, str] | None = None,
        cookies: Mapping[str, str] | None = None,
    ) -> None:
        http = require("httpx", "testing", "PateraTestClient")
        self.app = app
        self._raises = raise_app_exceptions
        self._runs_lifespan = lifespan
        self._lifespan = LifespanSession(app)
        transport = http.ASGITransport(_offer_state(app, self._lifespan.state), raise_app_exceptions)
        self.client: httpx.AsyncClient = http.AsyncClient(
            transport=transport,
            base_url=base_url,
            follow_redirects=follow_redirects,
            headers=headers,
            cookies=cookies,
        )

    async def __aenter__(self) -> Self:
        if self._runs_lifespan:
            await self._lifespan.startup()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the client and shut the application down; a second call does nothing.

        Raises:
            Exception: What the application's shutdown raised.
        """
        if self.client.is_closed:
            return
        await self.client.aclose()
        if self._lifespan.is_running:
            await self._lifespan.shutdown()
        elif isinstance(self.app, Patera) and self.app not in running_applications:
            await self.app.aclose()

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request and return the response, its body read.

        Example:
            response = await client.request("PURGE", "/cache", headers={"x-key": "1"})

        Args:
            method: The HTTP method.
            path: Path below the base URL, or a whole URL.
            **options: What `httpx.AsyncClient.request` takes: params, json, data, files, headers, ...
        """
        return await self.client.request(method, path, **options)

    async def get(self, path: str, **options: Any) -> httpx.Response:
        """Send a GET request; see `request`."""
        return await self.request("GET", path, **options)

    async def post(self, path: str, **options: Any) -> httpx.Response:
        """Send a POST request; see `request`."""
        return await self.request("POST", path, **options)

    async def put(self, path: str, **options: Any) -> httpx.Response:
        """Send a PUT request; see `request`."""
        return await self.request("PUT", path, **options)

    async def patch(self, path: str, **options: Any) -> httpx.Response:
        """Send a PATCH request; see `request`."""
        return await self.request("PATCH", path, **options)

    async def delete(self, path: str, **options: Any) -> httpx.Response:
        """Send a DELETE request; see `request`."""
        return await self.request("DELETE", path, **options)

    async def head(self, path: str, **options: Any) -> httpx.Response:
        """Send a HEAD request; see `request`."""
        return await self.request("HEAD", path, **options)

    async def options(self, path: str, **options: Any) -> httpx.Response:
        """Send an OPTIONS request; see `request`."""
        return await self.request("OPTIONS", path, **options)

    async def csrf_token(self, path: str) -> str:
        """Get a page and return the CSRF token of its form, or of its `<meta name="csrf-token">`.

        It belongs to the session of the client's cookies; after a login or logout another one is needed.

        Example:
            token = await client.csrf_token("/login")
            await client.post("/login", data={"csrf_token": token, "name": "ada", "password": "secret"})
            token = await client.csrf_token("/profile")
            await client.post("/profile", json={"name": "Ada"}, headers={"X-CSRF-Token": token})

        Args:
            path: Path of a page that shows `csrf_input()` or `csrf_token()`.

        Raises:
            LookupError: The page has none.
        """
        response = await self.get(path)
        found = _CSRF_TOKEN.search(response.text)
        if found is None:
            raise LookupError(
                f"GET {path} answered {response.status_code} without a CSRF token; put {{{{ csrf_input() }}}} into its "
                'form, or <meta name="csrf-token" content="{{ csrf_token() }}"> into its head'
            )
        return found[1]

    def websocket(
        self,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        subprotocols: Sequence[str] = (),
        timeout: float = 5.0,
    ) -> WebSocketSession:
        """Open a websocket, as an `async with` block; the client's cookies and headers are sent.

        Example:
            async with client.websocket("/echo", subprotocols=["chat"]) as ws:
                await ws.send_json({"text": "hello"})
                assert await ws.receive_json() == {"text": "hello"}

        Args:
            path: Path below the base URL, or a whole URL.
            headers: Headers of the handshake.
            params: Query parameters.
            subprotocols: Subprotocols that the client offers.
            timeout: Seconds to wait for the application wherever the test waits for it.

        Raises:
            WebSocketRejected: On entering: the application refused the websocket.
        """
        offered = {"sec-websocket-protocol": ", ".join(subprotocols)} if subprotocols else {}
        handshake = self.client.build_request(
            "GET", path, params=params, headers={**WEBSOCKET_HEADERS, **offered, **(headers or {})}
        )
        scope = _websocket_scope(handshake, subprotocols)
        app = _offer_state(self.app, self._lifespan.state)
        return WebSocketSession(app, scope, raise_app_exceptions=self._raises, timeout=timeout)

    async def cli(self, *words: Any, **named: Any) -> CLIResult:
        """Run a command of a Patera application in the test's event loop.

        What other tasks print meanwhile is part of the output.

        Example:
            result = await client.cli("greet", "Alice", loud=True)
            assert "ALICE" in result.output

        Args:
            *words: The words of the command line, without the program.
            **named: Values by name; True and False stand for `--name` and `--no-name`.
        """
        line = [str(word) for word in words] + [_option(name, value) for name, value in named.items()]
        with (
            contextlib.redirect_stdout(io.StringIO()) as output,
            contextlib.redirect_stderr(io.StringIO()) as errors,
        ):
            code, value = 0, None
            try:
                value = await run_command_async(self.app, line)
            except SystemExit as exc:
                code = _exit_code(exc, errors)
        return CLIResult(code, output.getvalue(), errors.getvalue(), value)

    @contextlib.contextmanager
    def override(
        self, extension: Any = _MISSING, replacement: Any = None, *, config: Mapping[str, Any] | None = None
    ) -> Iterator[None]:
        """Replace the state of an extension, or values of the configuration, inside a `with` block.

        Only what the application reads while it runs can be replaced: what the constructor or
        `build()` made of a configuration value stays as it is.

        Example:
            with client.override(mailer, FakeMailer()), client.override(config={"PAGE_SIZE": 2}):
                response = await client.post("/invitations")

        Args:
            extension: An extension of a Patera application.
            replacement: What is its state on this application instead.
            config: Values of `app.configs` by key.

        Raises:
            KeyError: The application has no such extension.
            MissingConfiguration: The application has no such configuration value.
        """
        with contextlib.ExitStack() as stack:
            for key in config or {}:
                if key not in self.app.configs:
                    raise MissingConfiguration(key, self.app.configs)
            stack.enter_context(_replaced(self.app.configs, config or {}))
            if extension is not _MISSING:
                stack.enter_context(_replaced(self.app.extension_states, {extension: replacement}))
            yield


PyJoltTestClient = PateraTestClient


def _offer_state(app: ASGIApp, state: dict[str, Any]) -> ASGIApp:
    """Give requests the state of the lifespan, as servers do."""

    async def app_with_state(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "state": state.copy()}, receive, send)

    return app_with_state


def _websocket_scope(handshake: httpx.Request, subprotocols: Sequence[str]) -> Scope:
    url = handshake.url
    raw_path = url.raw_path.partition(b"?")[0]
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "wss" if url.scheme in ("https", "wss") else "ws",
        "path": unquote(raw_path.decode("ascii")),
        "raw_path": raw_path,
        "root_path": "",
        "query_string": url.query,
        "headers": [(name.lower(), value) for name, value in handshake.headers.raw],
        "client": ("127.0.0.1", 123),
        "server": (url.host, url.port),
        "subprotocols": list(subprotocols),
        "extensions": {"websocket.http.response": {}},
    }


def _option(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no-{name}"
    return f"--{name}={value}"


def _exit_code(exit: SystemExit, errors: io.StringIO) -> int:
    """What Python makes of `sys.exit()`: nothing is 0, a message is written and means 1."""
    if exit.code is None or isinstance(exit.code, int):
        return exit.code or 0
    errors.write(f"{exit.code}\n")
    return 1


@contextlib.contextmanager
def _replaced(mapping: MutableMapping[Any, Any], values: Mapping[Any, Any]) -> Iterator[None]:
    before = {key: mapping[key] for key in values}
    mapping.update(values)
    try:
        yield
    finally:
        mapping.update(before)
