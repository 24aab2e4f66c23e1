"""Sends the requests of the cases to applications, without a server: ASGI, and WSGI for Flask."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from io import BytesIO
from typing import Any

from benchmarks.cases import Answer, Case
from benchmarks.clock import Sampler
from benchmarks.variants import Variant

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Exchange:
    """One request as a server sees it: the body to receive and the messages sent."""

    def __init__(self, body: bytes) -> None:
        self.body: bytes | None = body
        self.messages: list[Message] = []
        self.has_answer: asyncio.Future[None] | None = None

    async def receive(self) -> Message:
        body = self.body
        if body is None:
            # The client stays until it has its answer.
            if not (self.messages and is_last(self.messages[-1])):
                self.has_answer = asyncio.get_running_loop().create_future()
                await self.has_answer
            return {"type": "http.disconnect"}
        self.body = None
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: Message) -> None:
        self.messages.append(message)
        if self.has_answer is not None and is_last(message):
            self.has_answer.set_result(None)


def is_last(message: Message) -> bool:
    return message["type"] == "http.response.body" and not message.get("more_body", False)


async def ask(app: ASGIApp, case: Case) -> Answer:
    """Send the request of a case to an application and collect its answer."""
    exchange = Exchange(case.body)
    await app(case.scope(), exchange.receive, exchange.send)
    start, *rest = exchange.messages
    headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], headers, b"".join(message.get("body", b"") for message in rest))


def ask_wsgi(app: WSGIApp, case: Case) -> Answer:
    """Do the same for a WSGI application."""
    started: list[Any] = []
    body = b"".join(app(case.environ(), lambda *arguments: started.extend(arguments)))
    headers = {name.lower(): value for name, value in started[1]}
    return Answer(int(started[0].split()[0]), headers, body)


async def nothing(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """An application that does not answer: what is left is the cost of asking."""


class Lifespan:
    """Starts an application as a server does, and stops it again; one without a lifespan is as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._is_stopping = asyncio.Event()
        self._answered = asyncio.Event()
        self._messages = iter(({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}))

    async def start(self) -> None:
        self._running = asyncio.create_task(self._run())
        await self._answered.wait()

    async def stop(self) -> None:
        self._is_stopping.set()
        await self._running

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        try:
            await self._app(scope, self._receive, self._send)
        except Exception:  # As a server takes it: the application knows no lifespan.
            pass
        finally:
            self._answered.set()

    async def _receive(self) -> Message:
        if self._answered.is_set():
            await self._is_stopping.wait()
        return next(self._messages)

    async def _send(self, message: Message) -> None:
        if message["type"] == "lifespan.startup.failed":
            raise SystemExit(f"the application does not start: {message.get('message')}")
        self._answered.set()


class Bench:
    """An event loop in which applications are started and asked; a context manager that stops them again."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._lifespans: list[Lifespan] = []

    def __enter__(self) -> "Bench":
        return self

    def __exit__(self, *error: object) -> None:
        for lifespan in self._lifespans:
            self._runner.run(lifespan.stop())
        self._runner.close()

    def start(self, variant: Variant, application: str) -> Any:
        """Build an application of a variant and start it."""
        app = variant.build(application)
        if variant.interface == "asgi":
            lifespan = self._runner.run(_started(app))
            self._lifespans.append(lifespan)
        return app

    def answer(self, variant: Variant, app: Any, case: Case) -> Answer:
        """Send the request of a case to an application and collect its answer."""
        return ask_wsgi(app, case) if variant.interface == "wsgi" else self._runner.run(ask(app, case))

    def sampler(self, variant: Variant, app: Any, case: Case) -> Sampler:
        """The sampler of an application, once it has given the right answer.

        Raises:
            SystemExit: The answer is wrong, so there is nothing to measure.
        """
        problems = case.problems(self.answer(variant, app, case))
        if problems:
            raise SystemExit(f"{variant.name} answers {case.name} with {'; '.join(problems)}")
        if variant.interface == "wsgi":
            return lambda count: spend_wsgi(app, case, count)
        return lambda count: self._runner.run(spend(app, case, count))


async def _started(app: ASGIApp) -> Lifespan:
    lifespan = Lifespan(app)
    await lifespan.start()
    return lifespan


async def spend(app: ASGIApp, case: Case, count: int) -> float:
    """The CPU time of one of `count` requests in microseconds.

    As from a server, every request has a scope, a `receive` and a `send` of its own; the headers are parsed beforehand.
    """
    scope, body = case.scope(), case.body
    started = time.process_time_ns()
    for _ in range(count):
        exchange = Exchange(body)
        await app({**scope, "state": {}}, exchange.receive, exchange.send)
    return (time.process_time_ns() - started) / count / 1_000


def spend_wsgi(app: WSGIApp, case: Case, count: int) -> float:
    """The CPU time of one of `count` requests in microseconds, as a WSGI server makes them."""
    environ, body = case.environ(), case.body
    started = time.process_time_ns()
    for _ in range(count):
        answer = app({**environ, "wsgi.input": BytesIO(body)}, _start_response)
        b"".join(answer)
        if hasattr(answer, "close"):
            answer.close()
    return (time.process_time_ns() - started) / count / 1_000


def _start_response(status: str, headers: list[tuple[str, str]], error: Any = None) -> None:
    pass
