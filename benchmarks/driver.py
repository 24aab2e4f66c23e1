"""Sends the requests of the cases to ASGI applications, without a server."""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from benchmarks.cases import Answer, Case
from benchmarks.clock import Sampler

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class Exchange:
    """One request as a server sees it: the body to receive and the messages sent."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.messages: list[Message] = []

    async def receive(self) -> Message:
        return {"type": "http.request", "body": self.body, "more_body": False}

    async def send(self, message: Message) -> None:
        self.messages.append(message)


async def ask(app: ASGIApp, case: Case) -> Answer:
    """Send the request of a case to an application and collect its answer."""
    exchange = Exchange(case.body)
    await app(case.scope(), exchange.receive, exchange.send)
    start, *rest = exchange.messages
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], headers, b"".join(message.get("body", b"") for message in rest))


async def nothing(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """An application that does not answer: what is left is the cost of asking."""


def checked_sampler(runner: asyncio.Runner, name: str, app: ASGIApp, case: Case) -> Sampler:
    """The sampler of an application, once it has given the right answer.

    Raises:
        SystemExit: The answer is wrong, so there is nothing to measure.
    """
    problems = case.problems(runner.run(ask(app, case)))
    if problems:
        raise SystemExit(f"{name} answers {case.name} with {'; '.join(problems)}")
    return lambda count: runner.run(spend(app, case, count))


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
