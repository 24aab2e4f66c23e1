"""`req.session`, wherever it is kept: loaded when used, written when changed."""

import asyncio
from typing import Any

import pytest

from patera import Request, Response
from patera.controller import Controller, get, path
from patera.exceptions import ConfigurationError
from patera.sessions import load_session, session_of
from tests.sessions.pages import Connect, Handlers, MakeApp, Pages, Visits, cookie_of, signals

Storage = dict[str, Any]


class TestAnywhere:
    async def test_values_come_back(self, make_app: MakeApp, client: Connect, storage: Storage) -> None:
        http = await client(make_app(Pages, **storage))
        values = {"n": 1, "f": 1.5, "t": "é\u2028", "none": None, "yes": True, "l": [{"d": [1]}], "d": {"a": {"b": []}}}
        await http.post("/set", json=values)
        assert (await http.get("/read")).json() == values

    async def test_values_come_back_in_thread(self, make_app: MakeApp, client: Connect, storage: Storage) -> None:
        http = await client(make_app(Pages, **storage))
        await http.post("/set", json={"x": 1})
        assert (await http.get("/thread")).json() == {"x": 1, "thread": True}
        assert (await http.get("/read")).json() == {"x": 1, "thread": True}

    async def test_clients_have_sessions_of_their_own(
        self, make_app: MakeApp, client: Connect, storage: Storage
    ) -> None:
        http = await client(make_app(Pages, **storage))
        await http.post("/set", json={"x": 1})
        http.client.cookies.clear()
        assert (await http.get("/read")).json() == {}

    async def test_request_that_does_not_use_it_says_nothing_of_it(
        self, make_app: MakeApp, client: Connect, storage: Storage
    ) -> None:
        http = await client(make_app(Pages, **storage))
        await http.post("/set", json={"x": 1})
        response = await http.get("/nothing")
        assert "set-cookie" not in response.headers
        assert "vary" not in response.headers

    async def test_request_that_reads_it_varies_and_sets_no_cookie(
        self, make_app: MakeApp, client: Connect, storage: Storage
    ) -> None:
        http = await client(make_app(Pages, **storage))
        for _ in range(2):
            response = await http.get("/read")
            assert response.headers.get_list("vary") == ["Cookie"]
            assert "set-cookie" not in response.headers
            await http.post("/set", json={"x": 1})

    async def test_change_within_a_list_is_written(self, make_app: MakeApp, client: Connect, storage: Storage) -> None:
        http = await client(make_app(Pages, **storage))
        await http.post("/set", json={"cart": [1]})
        await http.post("/append", json=2)
        assert (await http.get("/read")).json() == {"cart": [1, 2]}

    async def test_value_popped_is_gone(self, make_app: MakeApp, client: Connect, storage: Storage) -> None:
        http = await client(make_app(Pages, **storage))
        await http.post("/set", json={"x": 1, "y": 2})
        assert (await http.post("/pop/x")).json() == {"popped": 1}
        assert (await http.get("/read")).json() == {"y": 2}

    async def test_session_cleared_drops_the_cookie(self, make_app: MakeApp, client: Connect, storage: Storage) -> None:
        http = await client(make_app(Pages, **storage))
        await http.post("/set", json={"x": 1})
        response = await http.post("/clear")
        assert "Max-Age=0" in response.headers["set-cookie"]
        assert http.client.cookies.get("session") is None
        assert (await http.get("/read")).json() == {}

    async def test_error_answers_carry_the_change(self, make_app: MakeApp, client: Connect, storage: Storage) -> None:
        http = await client(make_app(Pages, **storage))
        assert (await http.post("/set-and-fail")).status_code == 404
        assert (await http.get("/read")).json() == {"kept": "yes"}

    async def test_exception_handlers_read_it(self, make_app: MakeApp, client: Connect, storage: Storage) -> None:
        http = await client(make_app(Pages, EXCEPTION_HANDLERS=[Handlers], **storage))
        await http.post("/set", json={"name": "Ada"})
        assert (await http.get("/unknown")).json() == {"nothing for": "Ada"}

    async def test_middleware_uses_it_for_every_path(
        self, make_app: MakeApp, client: Connect, storage: Storage
    ) -> None:
        app = make_app(Pages, MIDDLEWARE=[Visits], **storage)
        http = await client(app)
        for url in ("/unknown", "/static/unknown", "/nothing"):
            await http.get(url)
        assert (await http.get("/read")).json() == {"visits": 4}

    async def test_websocket_reads_it_and_cannot_change_it(
        self, make_app: MakeApp, client: Connect, storage: Storage
    ) -> None:
        http = await client(make_app(Pages, **storage))
        await http.post("/set", json={"x": 1})
        async with http.websocket("/socket") as ws:
            assert await ws.receive_json() == {"x": 1}
            assert "A websocket cannot change the session" in await ws.receive_text()
        assert (await http.get("/read")).json() == {"x": 1}

    async def test_stream_reads_it_and_cannot_change_it(
        self, make_app: MakeApp, client: Connect, storage: Storage
    ) -> None:
        http = await client(make_app(Pages, **storage))
        await http.post("/set", json={"x": 1})
        text = (await http.get("/stream")).text
        assert text.startswith("1 The session cannot change any more")
        assert (await http.get("/read")).json() == {"x": 1}

    async def test_deferred_function_that_changes_it_is_logged(
        self, make_app: MakeApp, client: Connect, storage: Storage
    ) -> None:
        app = make_app(Pages, **storage)
        http = await client(app)
        assert (await http.get("/deferred")).text == "sent"
        assert any("A deferred function failed" in entry["message"] for entry in app.log_buffer.get_all())

    async def test_two_requests_at_once_the_last_to_end_wins(
        self, make_app: MakeApp, client: Connect, storage: Storage
    ) -> None:
        http = await client(make_app(Pages, **storage))
        await http.post("/set", json={"x": 1})
        signals.update(waiting=asyncio.Event(), go=asyncio.Event())
        slow = asyncio.create_task(http.post("/wait"))
        await signals["waiting"].wait()
        await http.post("/set", json={"fast": True})
        signals["go"].set()
        await slow
        assert (await http.get("/read")).json() == {"x": 1, "slow": True}

    async def test_permanent_is_kept_and_undone(self, make_app: MakeApp, client: Connect, storage: Storage) -> None:
        http = await client(make_app(Pages, **storage))
        lasting = await http.post("/permanent/1")
        assert "Max-Age=2678400" in lasting.headers["set-cookie"]
        assert (await http.get("/state")).json()["permanent"] is True
        passing = await http.post("/permanent/0")
        assert cookie_of(passing) is not None
        assert "Max-Age" not in passing.headers["set-cookie"]

    async def test_regenerated_session_keeps_its_values(
        self, make_app: MakeApp, client: Connect, storage: Storage
    ) -> None:
        http = await client(make_app(Pages, **storage))
        await http.post("/set", json={"cart": [1]})
        await http.post("/login")
        assert (await http.get("/read")).json() == {"cart": [1], "user": 7}


class TestState:
    async def test_session_without_cookie_is_new(self, make_app: MakeApp, client: Connect) -> None:
        http = await client(make_app(Pages))
        assert (await http.get("/state")).json() == {
            "accessed": [False, True],
            "modified": False,
            "new": True,
            "length": 0,
            "permanent": False,
            "repr": "<Session: empty>",
        }

    async def test_session_with_cookie_is_not_new_and_shows_no_values(self, make_app: MakeApp, client: Connect) -> None:
        http = await client(make_app(Pages))
        await http.post("/set", json={"user": "secret"})
        assert (await http.get("/state")).json() == {
            "accessed": [False, True],
            "modified": False,
            "new": False,
            "length": 1,
            "permanent": False,
            "repr": "<Session: user>",
        }

    async def test_value_set_to_what_it_was_writes_nothing(self, make_app: MakeApp, client: Connect) -> None:
        http = await client(make_app(Pages))
        await http.post("/set", json={"cart": [1]})
        assert "set-cookie" not in (await http.post("/same")).headers

    async def test_modified_set_writes_in_any_case(self, make_app: MakeApp, client: Connect) -> None:
        http = await client(make_app(Pages))
        await http.post("/set", json={"cart": [1]})
        assert cookie_of(await http.post("/modified")) is not None

    async def test_session_emptied_before_it_existed_sends_nothing(self, make_app: MakeApp, client: Connect) -> None:
        http = await client(make_app(Pages))
        assert "set-cookie" not in (await http.post("/clear")).headers

    async def test_request_of_no_application_has_no_session(self) -> None:
        with pytest.raises(RuntimeError, match="belongs to a request of an application"):
            session_of(Request({"type": "http", "headers": []}, None, None))  # type: ignore[arg-type]

    async def test_response_that_used_it_is_marked_for_caches(self, make_app: MakeApp, client: Connect) -> None:
        @path("/")
        class Marked(Controller):
            @get("/")
            async def show(self, req: Request) -> list[bool]:
                before = "patera.session_used" in req.scope
                req.session.get("x")
                return [before, "patera.session_used" in req.scope]

        http = await client(make_app(Marked))
        assert (await http.get("/")).json() == [False, True]

    async def test_vary_of_the_handler_is_kept(self, make_app: MakeApp, client: Connect) -> None:
        @path("/")
        class Varying(Controller):
            @get("/<value>")
            async def show(self, req: Request, value: str) -> Response:
                req.session.get("x")
                return req.res.text("").set_header("vary", value)

        http = await client(make_app(Varying))
        varies = [(await http.get(f"/{value}")).headers.get_list("vary") for value in ("Accept", "cookie", "*")]
        assert varies == [["Accept", "Cookie"], ["cookie"], ["*"]]


class TestMounted:
    async def test_mounted_application_has_sessions_of_its_own(self, make_app: MakeApp, client: Connect) -> None:
        inner = make_app(
            Pages, SESSION_COOKIE_NAME="inner", SESSION_COOKIE_PATH="/inner", SECRET_KEY="another key " * 4
        )
        outer = make_app(Pages, MIDDLEWARE=[Visits])
        outer.mount("/inner", inner)
        http = await client(outer)
        response = await http.post("/inner/set", json={"x": 1})
        assert [header.partition("=")[0] for header in response.headers.get_list("set-cookie")] == ["inner", "session"]
        assert (await http.get("/inner/read")).json() == {"x": 1}
        assert (await http.get("/read")).json() == {"visits": 3}

    async def test_what_mounted_responses_vary_by_is_kept(self, make_app: MakeApp, client: Connect) -> None:
        @path("/")
        class Varying(Controller):
            @get("/")
            async def show(self, req: Request) -> Response:
                return req.res.text("").set_header("vary", "Accept-Language")

        outer = make_app(MIDDLEWARE=[Visits])
        outer.mount("/inner", make_app(Varying))
        response = await (await client(outer)).get("/inner/")
        assert response.headers.get_list("vary") == ["Accept-Language", "Cookie"]


class Odd(Controller):
    """Uses sessions as few handlers do."""

    @get("/has/<key>")
    async def has(self, req: Request, key: str) -> dict[str, Any]:
        return {"has": key in req.session}

    @get("/unmarked")
    async def unmark(self, req: Request) -> None:
        req.session["x"] = 2
        req.session.modified = False

    @get("/object")
    async def append_object(self, req: Request) -> None:
        req.session["cart"].append(object())

    @get("/regenerate")
    async def regenerate(self, req: Request) -> None:
        req.session.regenerate()

    @get("/size")
    async def size(self, req: Request) -> Response:
        return req.res.html_from_string("{{ session|length }} {{ session.x }} {{ session|list }}")

    @get("/by-hand")
    async def by_hand(self, req: Request) -> dict[str, Any]:
        scope = {key: value for key, value in req.scope.items() if not key.startswith("patera.")}
        other = Request(scope, req.receive, req._send)
        try:
            dict(other.session)
        except RuntimeError as error:
            return {"error": str(error)}
        await load_session(other)
        return dict(other.session)


class TestOddUse:
    async def test_keys_are_looked_for(self, make_app: MakeApp, client: Connect, storage: Storage) -> None:
        http = await client(make_app(Pages, Odd, **storage))
        await http.post("/set", json={"x": 1})
        assert [(await http.get(f"/has/{key}")).json()["has"] for key in ("x", "y")] == [True, False]

    async def test_change_is_written_though_it_is_called_none(
        self, make_app: MakeApp, client: Connect, storage: Storage
    ) -> None:
        http = await client(make_app(Pages, Odd, **storage))
        await http.get("/unmarked")
        assert (await http.get("/read")).json() == {"x": 2}

    async def test_object_put_into_a_list_is_refused_when_the_session_is_written(
        self, make_app: MakeApp, client: Connect, storage: Storage
    ) -> None:
        http = await client(make_app(Pages, Odd, **storage))
        await http.post("/set", json={"cart": [1]})
        with pytest.raises(TypeError, match=r"session\['cart'\]\[1\] is an object"):
            await http.get("/object")
        assert (await http.get("/read")).json() == {"cart": [1]}

    async def test_nothing_begun_anew_is_no_session(self, make_app: MakeApp, client: Connect, storage: Storage) -> None:
        http = await client(make_app(Pages, Odd, **storage))
        assert "set-cookie" not in (await http.get("/regenerate")).headers

    async def test_template_knows_size_and_keys(self, make_app: MakeApp, client: Connect, storage: Storage) -> None:
        http = await client(make_app(Pages, Odd, **storage))
        await http.post("/set", json={"x": 7, "y": 8})
        assert (await http.get("/size")).text == "2 7 [&#39;x&#39;, &#39;y&#39;]"

    async def test_request_made_by_hand_says_how_its_session_is_loaded(
        self, make_app: MakeApp, client: Connect
    ) -> None:
        http = await client(make_app(Pages, Odd, SESSION_BACKEND="memory"))
        await http.post("/set", json={"x": 1})
        assert "await load_session(req)" in (await http.get("/by-hand")).json()["error"]


class TestSecretKey:
    async def test_session_without_key_says_what_to_set(self, make_app: MakeApp, client: Connect) -> None:
        http = await client(make_app(Pages, SECRET_KEY=None))
        assert (await http.get("/nothing")).status_code == 200
        with pytest.raises(ConfigurationError, match=r"PAT501 Test.SECRET_KEY") as caught:
            await http.get("/read")
        assert "PATERA_SECRET_KEY" in str(caught.value)

    @pytest.mark.parametrize("storage", [{"SESSION_BACKEND": "memory"}, {"SESSION_COMPAT": "flask"}])
    def test_application_that_names_sessions_does_not_start_without_key(
        self, make_app: MakeApp, storage: Storage
    ) -> None:
        with pytest.raises(ConfigurationError, match="PAT501"):
            make_app(Pages, SECRET_KEY=None, **storage)
        with pytest.raises(ConfigurationError, match="PAT502"):
            make_app(Pages, SECRET_KEY="short", DEBUG=False, **storage)
