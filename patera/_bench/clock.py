"""Asks two applications in this process for the same, and compares the CPU time that they take."""

from __future__ import annotations

import gc
import itertools
import json
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from patera._types import ASGIApp, Message

from .routes import Selected

#: With fewer values no two of them enclose the median in 95 of 100 cases.
LEAST_ROUNDS = 6
CONFIDENCE = 0.95
WARM_UP = 50


@dataclass(frozen=True, slots=True)
class Answer:
    """What an application sent."""

    status: int
    media_type: str
    body: bytes

    @property
    def value(self) -> Any:
        """The body as it counts: JSON as its value, anything else as its bytes."""
        try:
            return json.loads(self.body) if self.media_type.endswith("json") else self.body
        except ValueError:
            return self.body

    @property
    def excerpt(self) -> str:
        """The beginning of the body, for messages."""
        text = self.body.decode(errors="replace")
        return text if len(text) <= 120 else f"{text[:120]}..."

    def difference(self, twin: Answer) -> str:
        """Say in what the twin's answer is another one; empty for the same."""
        if self.status != twin.status:
            return f"status {twin.status}, not {self.status}"
        if self.media_type != twin.media_type:
            return f"{twin.media_type or 'no content type'}, not {self.media_type or 'none'}"
        return f"{twin.excerpt}, not {self.excerpt}" if self.value != twin.value else ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The CPU time of one route in two applications, in microseconds of one request.

    Args:
        twin: Of the twin, one value a round.
        patera: Of Patera, in the same rounds.
    """

    twin: Sequence[float]
    patera: Sequence[float]

    @property
    def median_twin(self) -> float:
        """What one request takes in the twin."""
        return statistics.median(self.twin)

    @property
    def median_patera(self) -> float:
        """What it takes in Patera."""
        return statistics.median(self.patera)

    @property
    def overhead(self) -> float:
        """How much more Patera takes than its twin, the median of the rounds; below zero it is less."""
        return statistics.median(map(float.__sub__, self.patera, self.twin))

    @property
    def percent(self) -> float:
        """The same in percent of the twin's time."""
        return statistics.median(self._percents)

    @property
    def interval(self) -> tuple[float, float]:
        """What encloses the median of the percentages with a confidence of 95 %."""
        return interval_of_median(self._percents)

    @property
    def _percents(self) -> list[float]:
        return [100 * (patera / twin - 1) for twin, patera in zip(self.twin, self.patera, strict=True)]


def interval_of_median(values: Sequence[float]) -> tuple[float, float]:
    """Return the two values that enclose the median with a confidence of 95 % at least, however they are spread.

    How many of them lie below the median is a binomial number, so a busy moment of the machine cannot widen it much.

    Example:
        interval_of_median([1.0, 2.0, 3.0, 4.0, 5.0, 60.0]) == (1.0, 60.0)
    """
    ordered, count = sorted(values), len(values)
    tails = itertools.accumulate(2 * math.comb(count, rank) / 2**count for rank in range(count // 2))
    outside = max(1, sum(tail <= 1 - CONFIDENCE for tail in tails))
    return ordered[outside - 1], ordered[-outside]


async def ask(app: ASGIApp, selected: Selected, state: dict[str, Any]) -> Answer:
    """Send one request to an application and return its answer."""
    messages = await _exchange(app, selected.scope() | {"state": state.copy()}, selected.sent.body or b"")
    start = next(message for message in messages if message["type"] == "http.response.start")
    headers = {name.lower(): value for name, value in start["headers"]}
    media_type = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip()
    return Answer(start["status"], media_type, b"".join(message.get("body", b"") for message in messages))


async def compare(
    twin_and_patera: tuple[ASGIApp, ASGIApp],
    selected: Selected,
    state: dict[str, Any],
    rounds: int,
    requests: int,
    show: Callable[[int], None],
) -> Comparison:
    """Let two applications take turns, and return what each round took; who begins changes every time.

    Args:
        twin_and_patera: The applications.
        selected: The route.
        state: What the lifespan offers to requests.
        rounds: How often both have their turn.
        requests: Requests in one turn.
        show: Told the number of each round.
    """
    sides = [(app, list[float]()) for app in twin_and_patera]
    for app, _ in sides:
        await _spend(app, selected, state, WARM_UP)
    gc.collect()
    gc.freeze()
    try:
        for number in range(rounds):
            for app, times in sides:
                gc.collect()
                times.append(await _spend(app, selected, state, requests))
            sides.reverse()
            show(number + 1)
    finally:
        gc.unfreeze()
    twin, patera = (times for _, times in (sides if rounds % 2 == 0 else reversed(sides)))
    return Comparison(twin, patera)


async def _spend(app: ASGIApp, selected: Selected, state: dict[str, Any], count: int) -> float:
    """Return the CPU microseconds of one of `count` requests; all threads of the process are counted."""
    scope, body = selected.scope(), selected.sent.body or b""
    started = time.process_time_ns()
    for _ in range(count):
        await _exchange(app, {**scope, "state": state.copy()}, body)
    return (time.process_time_ns() - started) / count / 1_000


async def _exchange(app: ASGIApp, scope: dict[str, Any], body: bytes) -> list[Message]:
    received = iter(({"type": "http.request", "body": body, "more_body": False},))
    messages: list[Message] = []

    async def receive() -> Message:
        return next(received, {"type": "http.disconnect"})

    async def send(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, send)
    return messages
