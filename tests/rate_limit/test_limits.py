"""`@rate_limit`: how often, what is counted together, and what the answer says about it."""

import pytest

from patera import Request, Response
from patera.controller import Controller, get, path, socket
from patera.exceptions import ExceptionHandler, handles
from patera.openapi import describe_application
from patera.rate_limit import RateLimitExceeded, rate_limit
from patera.testing import WebSocketRejected
from tests.rate_limit.endpoints import Connect, Limited, MakeApp, fields_of, statuses


async def test_request_beyond_the_limit_is_429_with_retry_after(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(Limited))
    assert await statuses(http, "/limited/two", 2) == [200, 200]
    refused = await http.get("/limited/two")
    seconds = int(refused.headers["retry-after"])
    assert 1 <= seconds <= 60
    assert (refused.status_code, refused.json()) == (
        429,
        {"status": "error", "message": "Too many requests", "data": {"retry_after": seconds}},
    )


async def test_message_of_a_refusal_is_configurable(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(Limited))
    await http.get("/limited/plain")
    assert (await http.get("/limited/plain")).json()["message"] == "Slower, please"


async def test_answers_say_what_is_left(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(Limited))
    answers = [await http.get("/limited/two") for _ in range(3)]
    policies = [fields_of(answer, "ratelimit-policy") for answer in answers]
    assert policies == [[{"": "2-per-minute", "q": "2", "w": "60"}]] * 3
    left = [fields_of(answer, "ratelimit")[0] for answer in answers]
    assert [(each[""], each["r"]) for each in left] == [("2-per-minute", number) for number in ("1", "0", "0")]
    assert all(1 <= int(each["t"]) <= 60 for each in left)


async def test_answers_name_each_of_several_limits(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(Limited))
    answer = await http.get("/limited/windows")
    assert [(each[""], each["w"]) for each in fields_of(answer, "ratelimit-policy")] == [
        ("2-per-minute", "60"),
        ("10-per-hour", "3600"),
    ]
    stacked = await http.get("/limited/stacked")
    assert {each[""] for each in fields_of(stacked, "ratelimit")} == {"2-per-minute", "3-per-minute"}


@pytest.mark.parametrize("name", ["stream", "broken", "plain"])
async def test_every_kind_of_answer_says_what_is_left(make_app: MakeApp, client: Connect, name: str) -> None:
    http = await client(make_app(Limited, DEBUG=False))
    answers = [await http.get(f"/limited/{name}") for _ in range(2)]
    assert [fields_of(answer, "ratelimit")[0]["r"] for answer in answers] == ["0", "0"]
    assert answers[1].status_code == 429


async def test_endpoints_are_counted_by_themselves(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(Limited))
    assert await statuses(http, "/limited/two", 3) == [200, 200, 429]
    assert await statuses(http, "/limited/other", 3) == [200, 200, 429]


async def test_endpoints_of_one_scope_are_counted_together(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(Limited))
    urls = ["/limited/shared/a", "/limited/shared/b", "/limited/shared/a"]
    answers = [await http.get(url) for url in urls]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert fields_of(answers[0], "ratelimit")[0][""] == "reports"


async def test_verbs_of_one_method_are_counted_together_and_head_counts(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(Limited))
    found = [(await http.request(method, "/limited/verbs")).status_code for method in ("HEAD", "PUT", "OPTIONS", "GET")]
    assert found == [200, 200, 204, 429]


async def test_all_of_several_limits_hold(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(Limited))
    assert await statuses(http, "/limited/windows", 3) == [200, 200, 429]
    assert await statuses(http, "/limited/stacked", 3) == [200, 200, 429]


async def test_what_a_short_window_refuses_uses_up_no_longer_one(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(Limited))
    answers = [await http.get("/limited/windows") for _ in range(6)]
    assert fields_of(answers[1], "ratelimit")[1]["r"] == "8"
    assert [len(fields_of(answer, "ratelimit")) for answer in answers[2:]] == [1] * 4


# Classes, inheritance, sockets


@path("/class")
@rate_limit("2/minute")
class OfClass(Controller):
    @get("/a")
    async def a(self, req: Request) -> Response:
        return req.res.text("a")

    @get("/b")
    @rate_limit("1/minute")
    async def b(self, req: Request) -> Response:
        return req.res.text("b")

    @get("/same")
    @rate_limit("2/minute")
    async def same(self, req: Request) -> Response:
        return req.res.text("same")

    @socket("/ws")
    async def talk(self, req: Request) -> None:
        await req.accept()


@path("/child")
class Child(OfClass):
    """Inherits endpoints and limits."""


async def test_limit_of_a_class_counts_each_of_its_endpoints(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(OfClass))
    assert await statuses(http, "/class/a", 3) == [200, 200, 429]
    assert await statuses(http, "/class/b", 2) == [200, 429]


async def test_limits_of_class_and_method_both_hold(make_app: MakeApp, client: Connect) -> None:
    answer = await (await client(make_app(OfClass))).get("/class/same")
    assert [each[""] for each in fields_of(answer, "ratelimit")] == ["2-per-minute", "2-per-minute-2"]
    assert [each["r"] for each in fields_of(answer, "ratelimit")] == ["1", "1"]


async def test_inherited_endpoint_is_counted_by_itself(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(OfClass, Child))
    assert await statuses(http, "/class/a", 3) == [200, 200, 429]
    assert await statuses(http, "/child/a", 3) == [200, 200, 429]


async def test_websocket_beyond_the_limit_is_refused(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(OfClass))
    for _ in range(2):
        async with http.websocket("/class/ws"):
            pass
    with pytest.raises(WebSocketRejected) as caught:
        async with http.websocket("/class/ws"):
            pass
    assert caught.value.code == 4429


async def test_same_decorator_on_two_methods_counts_twice(make_app: MakeApp, client: Connect) -> None:
    once = rate_limit("1/minute")

    class Own(Controller):
        @get("/a")
        @once
        async def a(self, req: Request) -> Response:
            await self.help()
            return req.res.text("a")

        @get("/b")
        @once
        async def b(self, req: Request) -> Response:
            return req.res.text("b")

        @once
        async def help(self) -> None: ...

    http = await client(make_app(Own))
    assert [await statuses(http, url, 2) for url in ("/a", "/b")] == [[200, 429], [200, 429]]


async def test_limited_method_outside_of_requests_runs(make_app: MakeApp) -> None:
    @rate_limit("1/minute")
    async def helper() -> str:
        return "ran"

    assert [await helper() for _ in range(3)] == ["ran"] * 3


async def test_handler_of_the_application_answers_refusals_and_keeps_the_fields(
    make_app: MakeApp, client: Connect
) -> None:
    class Handlers(ExceptionHandler):
        @handles(RateLimitExceeded)
        async def refuse(self, req: Request, exc: RateLimitExceeded) -> Response:
            return req.res.text(f"wait {exc.retry_after}").status(429).set_headers(exc.headers)

    http = await client(make_app(Limited, EXCEPTION_HANDLERS=[Handlers]))
    await statuses(http, "/limited/two", 2)
    answer = await http.get("/limited/two")
    assert answer.text == f"wait {answer.headers['retry-after']}"
    assert fields_of(answer, "ratelimit")[0]["r"] == "0"


def test_document_shows_that_an_endpoint_may_refuse(make_app: MakeApp) -> None:
    document = describe_application(make_app(Limited))
    assert "429" in document["paths"]["/limited/two"]["get"]["responses"]
