"""Decorators may be written in any order: each pair, swapped, gives the same answers, events and plan."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from pydantic import BaseModel

from patera import Patera, Request
from patera._compiler.plan import EndpointPlan
from patera.controller import (
    Controller,
    Descriptor,
    consumes,
    cors,
    development,
    max_content_length,
    no_cors,
    open_api_docs,
    path,
    post,
    produces,
)
from patera.http import HttpStatus, MediaType
from patera.layer import Place
from patera.testing import PateraTestClient
from tests.recording_layers import Events, Guard, Memory, Role, Session, Tool, transparent

MakeApp = Callable[..., Patera]
Observed = tuple[Any, ...]

RECORDERS = ("verb", "consumes", "produces", "docs", "cors", "no_cors", "development", "limit")
GUARDS = ("address", "login", "role")
LAYERS = ("cache", "tool", "first", "second")
ALL = (*RECORDERS, *GUARDS, *LAYERS, "foreign")

#: What contradicts itself has no order to be free of.
PAIRS = [pair for pair in combinations(ALL, 2) if set(pair) != {"cors", "no_cors"}]
PAIRS_IN_THREADS = list(combinations(("login", *LAYERS, "foreign"), 2))


JSON = "application/json"
USER = {"x-user": "ada"}

REQUESTS: list[tuple[dict[str, str], str]] = [
    ({}, '{"name": "a"}'),
    (USER, '{"nme": "a"}'),
    ({**USER, "content-type": "text/plain"}, "name=a"),
    (USER, '{"name": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}'),
    ({**USER, "origin": "https://a.example"}, '{"name": "b"}'),
    ({**USER, "origin": "https://b.example"}, '{"name": "c"}'),
    (USER, '{"name": "d"}'),
]


class Item(BaseModel):
    name: str


def decorators(events: Events) -> dict[str, Any]:
    login = Guard(events)
    return {
        "verb": post("/"),
        "consumes": consumes(MediaType.APPLICATION_JSON),
        "produces": produces(MediaType.APPLICATION_PROBLEM_JSON, HttpStatus.CREATED),
        "docs": open_api_docs(Descriptor(HttpStatus.GONE, "gone")),
        "cors": cors(allow_origins=["https://a.example"], max_age=7),
        "no_cors": no_cors,
        "development": development,
        "limit": max_content_length(40),
        "address": Guard(events, "address", Place.RATE_LIMIT),
        "login": login,
        "role": Role(events, login),
        "cache": Memory(events),
        "tool": Tool(events),
        "first": Session(events, "first"),
        "second": Session(events, "second"),
        "foreign": transparent,
    }


def make_controller(order: Sequence[str], events: Events, *, is_async: bool = True) -> type[Controller]:
    """Return a controller with one endpoint, decorated from top to bottom as `order` says."""

    async def change(self: Any, req: Request, item: Item, first: Any = 0, second: Any = 0, tool: Any = 0) -> Item:
        events.append(f"change {item.name} {first} {second} {tool}")
        return {"name": item.name, "undeclared": 1}  # type: ignore[return-value]

    def change_sync(self: Any, req: Request, item: Item, first: Any = 0, second: Any = 0, tool: Any = 0) -> Item:
        events.append(f"change {item.name} {first} {second} {tool}")
        return {"name": item.name, "undeclared": 1}  # type: ignore[return-value]

    available = decorators(events)
    method: Any = change if is_async else change_sync
    for name in reversed(order):
        method = available[name](method)
    return path("/things")(type("Things", (Controller,), {"change": method}))


async def observe(application: Patera, events: Events) -> Observed:
    """Return everything that can be seen of the endpoint: answers, what the layers noted, and the plan."""
    plans = [_without_place(plan) for plan in application.plan.endpoints if not plan.is_builtin]
    answers = []
    async with PateraTestClient(application, lifespan=False) as client:
        for headers, body in REQUESTS:
            response = await client.post("/things", content=body, headers={"content-type": JSON, **headers})
            answers.append(_visible(response))
        preflight = {"origin": "https://a.example", "access-control-request-method": "POST"}
        answers.append(_visible(await client.options("/things", headers=preflight)))
    return answers, events, plans


def _visible(response: Any) -> tuple[int, list[tuple[str, str]], str]:
    headers = [(name, value) for name, value in response.headers.multi_items() if name != "x-request-id"]
    return response.status_code, headers, response.text


def _without_place(plan: EndpointPlan) -> EndpointPlan:
    return replace(plan, location="")


async def observe_order(make_app: MakeApp, order: Sequence[str], *, is_async: bool = True) -> list[Observed]:
    observed = []
    for debug in (True, False) if "development" in order else (False,):
        events: Events = []
        controller = make_controller(order, events, is_async=is_async)
        observed.append(await observe(make_app(controller, DEBUG=debug, OPEN_API=False), events))
    return observed


@pytest.mark.parametrize(("upper", "lower"), PAIRS)
async def test_pair_of_decorators_swapped_behaves_the_same(make_app: MakeApp, upper: str, lower: str) -> None:
    rest = [name for name in ("verb", "consumes") if name not in (upper, lower)]
    written = await observe_order(make_app, [upper, lower, *rest])
    swapped = await observe_order(make_app, [lower, upper, *rest])
    assert written == swapped


@pytest.mark.parametrize(("upper", "lower"), PAIRS_IN_THREADS)
async def test_pair_of_decorators_of_def_method_swapped_behaves_the_same(
    make_app: MakeApp, upper: str, lower: str
) -> None:
    written = await observe_order(make_app, ["verb", upper, lower, "consumes"], is_async=False)
    swapped = await observe_order(make_app, ["verb", lower, upper, "consumes"], is_async=False)
    assert written == swapped


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "names",
    [
        [name for name in ALL if name not in ("no_cors", "foreign")],
        [name for name in ALL if name not in ("no_cors", "tool", "second")],
    ],
    ids=["all layers", "foreign decorator and one session"],
)
async def test_whole_stack_shuffled_behaves_the_same(make_app: MakeApp, names: list[str], seed: int) -> None:
    shuffled = random.Random(seed).sample(names, len(names))
    assert await observe_order(make_app, names) == await observe_order(make_app, shuffled)


async def test_whole_stack_runs_in_the_fixed_order(make_app: MakeApp) -> None:
    events: Events = []
    order = ["first", "second", "tool", "cache", "role", "login", "address", "consumes", "verb"]
    async with PateraTestClient(make_app(make_controller(order, events))) as client:
        response = await client.post("/things", json={"name": "a"}, headers={"x-user": "ada"})
    assert (response.status_code, response.json()) == (200, {"name": "a"})
    assert events == [
        "address",
        "login",
        "role",
        "cache miss",
        "tool in",
        "first begins",
        "second begins",
        "change a 1 1 tool",
        "first flushes 1",
        "second flushes 1",
        "second commits",
        "first commits",
        "tool out",
    ]
