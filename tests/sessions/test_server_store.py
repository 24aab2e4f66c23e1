"""Sessions kept on the server: the cookie is an id, what is ended is gone, and an outage logs nobody out."""

import asyncio
import sys
import types
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import redis.asyncio

from patera import Patera
from patera.caching import MemoryCacheBackend, RedisCacheBackend
from patera.exceptions import ConfigurationError
from patera.testing import PateraTestClient
from tests.conftest import SECRET_KEY
from tests.redis_server import REDIS, RedisGate, closed_port, hung_server, own_prefix
from tests.sessions.conftest import Forward
from tests.sessions.pages import Connect, MakeApp, Pages, Visits, cookie_of, sent, signals


class CountingBackend(MemoryCacheBackend):
    """Counts what it is asked for."""

    def __init__(self, name: str = "instance") -> None:
        super().__init__()
        self.name = name
        self.asked: list[str] = []

    @classmethod
    def configure_from_app(cls, app: Patera, variable_prefix: str = "") -> "CountingBackend":
        return cls(app.configs["CACHE"]["NAME"])

    async def connect(self) -> None:
        self.asked.append("connect")

    async def disconnect(self) -> None:
        self.asked.append("disconnect")

    async def get(self, key: str) -> dict[str, Any] | None:
        self.asked.append("get")
        return await super().get(key)

    async def set(self, key: str, value: dict[str, Any], duration: float | None = None) -> None:
        self.asked.append("set")
        await super().set(key, value, duration)


class BrokenBackend(CountingBackend):
    """Fails as nobody expects."""

    async def get(self, key: str) -> dict[str, Any] | None:
        raise ZeroDivisionError("secret of the store")

    async def set(self, key: str, value: dict[str, Any], duration: float | None = None) -> None:
        raise ZeroDivisionError("secret of the store")


@pytest.fixture
def backends() -> Iterator[Any]:
    """A module with backends, for import strings."""
    module: Any = types.ModuleType("session_backends")
    module.counting, module.broken, module.Counting = CountingBackend(), BrokenBackend(), CountingBackend
    sys.modules["session_backends"] = module
    yield module
    del sys.modules["session_backends"]


@pytest.fixture
async def prefix() -> AsyncIterator[str]:
    async with own_prefix() as own:
        yield own


@pytest.fixture
async def configs(prefix: str) -> dict[str, Any]:
    return {"SESSION_BACKEND": REDIS, "SESSION_KEY_PREFIX": prefix}


@pytest.fixture
async def entries(prefix: str) -> AsyncIterator[Any]:
    """Return the keys in Redis, without the prefix, and the seconds that each has left."""
    server = redis.asyncio.Redis.from_url(REDIS, decode_responses=True)

    async def found() -> dict[str, int]:
        keys = [key async for key in server.scan_iter(match=f"{prefix}*")]
        return {key.removeprefix(prefix): await server.ttl(key) for key in keys}

    yield found
    await server.aclose()


async def cookie_with(http: PateraTestClient, values: dict[str, Any]) -> str:
    cookie = cookie_of(await http.post("/set", json=values))
    assert cookie is not None
    return cookie


class TestIds:
    async def test_cookie_is_a_random_id_and_nothing_else(
        self, make_app: MakeApp, client: Connect, configs: dict[str, Any], entries: Any
    ) -> None:
        http = await client(make_app(Pages, **configs))
        cookies = []
        for _ in range(2):
            cookies.append((await cookie_with(http, {"user": "Ada"})).partition(".")[0])
            http.client.cookies.clear()
        assert [len(cookie) for cookie in cookies] == [43, 43]
        assert set(await entries()) == set(cookies)

    async def test_cookie_is_sent_once(self, make_app: MakeApp, client: Connect, configs: dict[str, Any]) -> None:
        http = await client(make_app(Pages, **configs))
        await cookie_with(http, {"x": 1})
        assert cookie_of(await http.post("/set", json={"y": 2})) is None

    async def test_id_changes_at_login(
        self, make_app: MakeApp, client: Connect, configs: dict[str, Any], entries: Any
    ) -> None:
        http = await client(make_app(Pages, **configs))
        before = await cookie_with(http, {"cart": [1]})
        after = cookie_of(await http.post("/login")) or ""
        assert set(await entries()) == {after.partition(".")[0]}
        http.client.cookies.clear()
        assert (await http.get("/read", headers=sent(before))).json() == {}
        assert (await http.get("/read", headers=sent(after))).json() == {"cart": [1], "user": 7}

    async def test_id_that_nobody_made_is_not_taken(
        self, make_app: MakeApp, client: Connect, configs: dict[str, Any], entries: Any
    ) -> None:
        http = await client(make_app(Pages, **configs))
        await http.post("/set", json={"x": 1}, headers=sent("A" * 43))
        assert "A" * 43 not in await entries()

    async def test_session_cleared_is_gone_for_whoever_kept_the_cookie(
        self, make_app: MakeApp, client: Connect, configs: dict[str, Any], entries: Any
    ) -> None:
        http = await client(make_app(Pages, **configs))
        kept = await cookie_with(http, {"user": 7})
        await http.post("/clear")
        assert await entries() == {}
        assert (await http.get("/read", headers=sent(kept))).json() == {}

    async def test_key_that_signed_before_still_verifies(
        self, make_app: MakeApp, client: Connect, configs: dict[str, Any]
    ) -> None:
        old = await cookie_with(await client(make_app(Pages, **configs)), {"user": 7})
        keys = {"SECRET_KEY": SECRET_KEY[::-1], "SECRET_KEY_FALLBACKS": [SECRET_KEY]}
        rotated = await client(make_app(Pages, **keys, **configs))
        assert (await rotated.get("/read", headers=sent(old))).json() == {"user": 7}
        dropped = await client(make_app(Pages, SECRET_KEY=SECRET_KEY[::-1], **configs))
        assert (await dropped.get("/read", headers=sent(old))).json() == {}


class TestSimultaneousRequests:
    @pytest.fixture
    async def slow(self, make_app: MakeApp, client: Connect, configs: dict[str, Any]) -> tuple[Any, Any, str]:
        """A client with a session, and a request of it that is held back."""
        http = await client(make_app(Pages, **configs))
        cookie = await cookie_with(http, {"x": 1})
        signals.update(waiting=asyncio.Event(), go=asyncio.Event())
        waiting = asyncio.create_task(http.post("/wait", headers=sent(cookie)))
        await signals["waiting"].wait()
        return http, waiting, cookie

    async def test_session_ended_meanwhile_is_not_revived(self, slow: Any, entries: Any) -> None:
        http, waiting, cookie = slow
        await http.post("/clear")
        signals["go"].set()
        response = await waiting
        assert (response.status_code, cookie_of(response)) == (204, None)
        assert await entries() == {}
        assert (await http.get("/read", headers=sent(cookie))).json() == {}

    async def test_change_meanwhile_is_not_lost_by_reading(
        self, make_app: MakeApp, client: Connect, configs: dict[str, Any], forward: Forward
    ) -> None:
        http = await client(make_app(Pages, SESSION_IDLE_LIFETIME=100, **configs))
        await cookie_with(http, {"x": 1})
        forward(50)
        signals.update(waiting=asyncio.Event(), go=asyncio.Event())
        reading = asyncio.create_task(http.get("/wait"))
        await signals["waiting"].wait()
        await http.post("/set", json={"y": 2})
        signals["go"].set()
        assert (await reading).json() == {"x": 1}
        forward(60)
        assert (await http.get("/read")).json() == {"x": 1, "y": 2}

    async def test_session_ended_meanwhile_is_not_revived_by_reading(
        self, make_app: MakeApp, client: Connect, configs: dict[str, Any], forward: Forward, entries: Any
    ) -> None:
        http = await client(make_app(Pages, SESSION_IDLE_LIFETIME=100, **configs))
        await cookie_with(http, {"x": 1})
        forward(50)
        signals.update(waiting=asyncio.Event(), go=asyncio.Event())
        reading = asyncio.create_task(http.get("/wait"))
        await signals["waiting"].wait()
        await http.post("/clear")
        signals["go"].set()
        assert (await reading).json() == {"x": 1}
        assert await entries() == {}

    async def test_login_meanwhile_is_not_lost(self, slow: Any) -> None:
        http, waiting, _ = slow
        await http.post("/login")
        signals["go"].set()
        await waiting
        assert (await http.get("/read")).json() == {"x": 1, "user": 7}


class TestLifetime:
    async def test_entry_is_kept_as_long_as_the_session(
        self, make_app: MakeApp, client: Connect, configs: dict[str, Any], entries: Any
    ) -> None:
        http = await client(make_app(Pages, PERMANENT_SESSION_LIFETIME=600, **configs))
        await cookie_with(http, {"x": 1})
        assert [590 < left <= 600 for left in (await entries()).values()] == [True]

    async def test_entry_is_kept_for_the_idle_time(
        self, make_app: MakeApp, client: Connect, configs: dict[str, Any], entries: Any, forward: Forward
    ) -> None:
        lifetimes = {"PERMANENT_SESSION_LIFETIME": 600, "SESSION_IDLE_LIFETIME": 100}
        http = await client(make_app(Pages, **lifetimes, **configs))
        await cookie_with(http, {"x": 1})
        assert [90 < left <= 100 for left in (await entries()).values()] == [True]
        for _ in range(6):
            forward(90)
            assert (await http.get("/read")).json() == {"x": 1}
        assert [0 < left <= 60 for left in (await entries()).values()] == [True]
        forward(61)
        assert (await http.get("/read")).json() == {}

    async def test_session_unused_ends(
        self, make_app: MakeApp, client: Connect, configs: dict[str, Any], forward: Forward
    ) -> None:
        http = await client(make_app(Pages, SESSION_IDLE_LIFETIME=100, **configs))
        await cookie_with(http, {"x": 1})
        forward(101)
        assert (await http.get("/read")).json() == {}

    async def test_renewal_of_the_idle_time_sends_no_cookie(
        self, make_app: MakeApp, client: Connect, configs: dict[str, Any], forward: Forward
    ) -> None:
        http = await client(make_app(Pages, SESSION_IDLE_LIFETIME=100, **configs))
        await cookie_with(http, {"x": 1})
        forward(50)
        assert "set-cookie" not in (await http.get("/read")).headers


class TestOutage:
    @pytest.fixture
    async def gate(self) -> AsyncIterator[RedisGate]:
        gate = RedisGate()
        await gate.open()
        yield gate
        await gate.close()

    async def test_outage_is_a_503_for_who_uses_the_session_and_logs_nobody_out(
        self, make_app: MakeApp, client: Connect, prefix: str, gate: RedisGate
    ) -> None:
        app = make_app(Pages, SESSION_BACKEND=gate.url, SESSION_KEY_PREFIX=prefix)
        http = await client(app)
        cookie = await cookie_with(http, {"user": 7})
        await gate.close()
        for method, url in (("GET", "/read"), ("POST", "/clear"), ("POST", "/login"), ("POST", "/permanent/1")):
            response = await http.request(method, url)
            assert (response.status_code, response.headers["retry-after"]) == (503, "5")
            assert response.json()["message"] == "The session store cannot be reached"
            assert "set-cookie" not in response.headers
        assert (await http.get("/nothing")).status_code == 200
        assert not any(cookie in str(entry) or cookie[:43] in str(entry) for entry in app.log_buffer.get_all())
        assert "RedisCacheBackend failed: ConnectionError" in app.log_buffer.get_severe()[-1]["message"]
        await gate.open()
        assert (await http.get("/read")).json() == {"user": 7}

    async def test_outage_while_a_change_is_written_is_a_503(
        self, make_app: MakeApp, client: Connect, prefix: str, gate: RedisGate
    ) -> None:
        http = await client(make_app(Pages, SESSION_BACKEND=gate.url, SESSION_KEY_PREFIX=prefix))
        await cookie_with(http, {"user": 7})
        signals.update(waiting=asyncio.Event(), go=asyncio.Event())
        waiting = asyncio.create_task(http.post("/wait"))
        await signals["waiting"].wait()
        await gate.close()
        signals["go"].set()
        assert (await waiting).status_code == 503
        await gate.open()
        assert (await http.get("/read")).json() == {"user": 7}

    async def test_visitor_without_cookie_reads_nothing_from_a_store_that_is_down(
        self, make_app: MakeApp, client: Connect
    ) -> None:
        http = await client(make_app(Pages, SESSION_BACKEND=f"redis://127.0.0.1:{closed_port()}/0"))
        assert (await http.get("/read")).json() == {}
        assert (await http.post("/set", json={"x": 1})).status_code == 503

    async def test_application_starts_while_the_store_is_down_and_says_so(
        self, make_app: MakeApp, client: Connect
    ) -> None:
        app = make_app(Pages, SESSION_BACKEND=f"redis://:hidden@127.0.0.1:{closed_port()}/0")
        await client(app)
        (entry,) = app.log_buffer.get_severe()
        assert entry["message"].startswith("The session store RedisCacheBackend cannot be reached: ConnectionError")
        assert "hidden" not in str(app.log_buffer.get_all())

    async def test_store_that_hangs_is_a_503(
        self, make_app: MakeApp, client: Connect, backends: Any, configs: dict[str, Any]
    ) -> None:
        cookie = await cookie_with(await client(make_app(Pages, **configs)), {"user": 7})
        async with hung_server() as port:
            backends.hung = RedisCacheBackend(f"redis://127.0.0.1:{port}/0", timeout=0.1)
            http = await client(make_app(Pages, SESSION_BACKEND="session_backends:hung"))
            assert (await http.get("/read", headers=sent(cookie))).status_code == 503
            assert (await http.get("/nothing", headers=sent(cookie))).status_code == 200
            await backends.hung.disconnect()

    async def test_store_that_fails_in_any_way_is_a_503(
        self, make_app: MakeApp, client: Connect, backends: Any, configs: dict[str, Any]
    ) -> None:
        cookie = await cookie_with(await client(make_app(Pages, **configs)), {"user": 7})
        http = await client(make_app(Pages, SESSION_BACKEND="session_backends:broken"))
        response = await http.get("/read", headers=sent(cookie))
        assert response.status_code == 503
        assert "secret" not in response.text

    async def test_websocket_that_reads_from_a_store_that_is_down_is_closed(
        self, make_app: MakeApp, client: Connect, backends: Any, configs: dict[str, Any]
    ) -> None:
        cookie = await cookie_with(await client(make_app(Pages, **configs)), {"user": 7})
        http = await client(make_app(Pages, SESSION_BACKEND="session_backends:broken"))
        async with http.websocket("/socket", headers=sent(cookie)) as ws:
            assert (await ws.receive())["code"] == 4503


class TestBackends:
    async def test_instance_behind_an_import_string_is_used_and_closed(self, make_app: MakeApp, backends: Any) -> None:
        async with PateraTestClient(make_app(Pages, SESSION_BACKEND="session_backends:counting")) as http:
            await cookie_with(http, {"x": 1})
            await http.get("/read")
        assert backends.counting.asked == ["connect", "set", "get", "disconnect"]

    @pytest.mark.parametrize("value", ["session_backends:Counting", CountingBackend])
    async def test_class_is_configured_by_the_application(
        self, make_app: MakeApp, client: Connect, backends: Any, value: Any
    ) -> None:
        http = await client(make_app(Pages, SESSION_BACKEND=value, CACHE={"NAME": "shop"}))
        await cookie_with(http, {"x": 1})
        assert (await http.get("/read")).json() == {"x": 1}

    async def test_request_without_session_or_for_static_files_asks_for_nothing(
        self, make_app: MakeApp, backends: Any
    ) -> None:
        app = make_app(Pages, SESSION_BACKEND="session_backends:counting")
        async with PateraTestClient(app, lifespan=False) as http:
            await http.get("/read")
            await http.get("/static/a.css")
            assert backends.counting.asked == []
            await cookie_with(http, {"x": 1})
            await http.get("/static/a.css")
            assert backends.counting.asked == ["set"]
            await http.get("/nothing")
            assert backends.counting.asked == ["set", "get"]
        assert backends.counting.asked[-1] == "disconnect"

    async def test_middleware_has_the_session_of_static_files_too(
        self, make_app: MakeApp, client: Connect, backends: Any
    ) -> None:
        app = make_app(Pages, MIDDLEWARE=[Visits], SESSION_BACKEND="session_backends:counting")
        http = await client(app)
        for _ in range(2):
            assert (await http.get("/static/a.css")).status_code == 404
        assert (await http.get("/read")).json() == {"visits": 3}

    async def test_entry_that_is_no_session_is_a_new_one(
        self, make_app: MakeApp, client: Connect, configs: dict[str, Any], prefix: str
    ) -> None:
        http = await client(make_app(Pages, **configs))
        cookie = await cookie_with(http, {"x": 1})
        backend = RedisCacheBackend(REDIS)
        await backend.set(prefix + cookie.partition(".")[0], {"data": "x"}, 60)
        await backend.disconnect()
        assert (await http.get("/read")).json() == {}

    async def test_memory_outside_of_debug_is_worth_a_warning(self, make_app: MakeApp, client: Connect) -> None:
        apps = [make_app(Pages, SESSION_BACKEND="memory", DEBUG=debug) for debug in (True, False)]
        for app in apps:
            await client(app)
        warned = [[entry for entry in app.log_buffer.get_all() if entry["level"] == "WARNING"] for app in apps]
        assert [len(entries) for entries in warned] == [0, 1]
        assert "SESSION_BACKEND is in memory" in warned[1][0]["message"]

    @pytest.mark.parametrize(
        ("configs", "message"),
        [
            ({"SESSION_BACKEND": "redis"}, "PAT030 SESSION_BACKEND: 'redis'"),
            ({"SESSION_BACKEND": "session_backends:nothing"}, "PAT032 SESSION_BACKEND"),
            ({"SESSION_BACKEND": "session_backends:SECRET"}, "PAT03"),
            ({"SESSION_BACKEND": "json:JSONDecoder"}, "PAT034 SESSION_BACKEND"),
            ({"SESSION_BACKEND": dict}, "PAT504 SESSION_BACKEND"),
            ({"SESSION_BACKEND": "memcached://localhost"}, "PAT504 SESSION_BACKEND"),
            ({"SESSION_BACKEND": "redis://localhost:none/0"}, "PAT504 SESSION_BACKEND"),
            ({"SESSION_BACKEND": RedisCacheBackend}, r"PAT321 CACHE\['REDIS_URL'\]"),
            ({"SESSION_BACKEND": "memory", "SESSION_COMPAT": "flask"}, "PAT503 SESSION_COMPAT"),
        ],
    )
    def test_backend_that_is_none_stops_the_application(
        self, make_app: MakeApp, backends: Any, configs: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(ConfigurationError, match=message):
            make_app(Pages, **configs)

    @pytest.mark.parametrize("url", ["memcached://:hunter2@localhost", "redis://:hunter2@localhost:none/0"])
    def test_password_of_a_backend_that_is_none_is_not_shown(self, make_app: MakeApp, url: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            make_app(Pages, SESSION_BACKEND=url)
        assert "hunter2" not in str(caught.value)
