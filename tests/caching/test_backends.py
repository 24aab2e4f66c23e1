"""Cache backends: what is set comes back until it expires; what is wrong says so."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import redis.asyncio

from patera import Patera
from patera.caching import BaseCacheBackend, MemoryCacheBackend, RedisCacheBackend
from patera.exceptions import ConfigurationError
from tests.redis_server import REDIS, closed_port, hung_server, own_prefix

MakeApp = Callable[..., Patera]

#: A database that nothing else uses, for what empties it.
OWN_DATABASE = 15


class PlainBackend(MemoryCacheBackend):
    """A backend that only has what it must have."""

    replace = BaseCacheBackend.replace


@pytest.fixture(params=["memory", "plain", "redis"])
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[BaseCacheBackend]:
    """Each kind of backend, connected and empty."""
    if request.param != "redis":
        yield MemoryCacheBackend() if request.param == "memory" else PlainBackend()
        return
    async with own_prefix() as prefix:
        redis_backend = RedisCacheBackend(REDIS, key_prefix=prefix)
        await redis_backend.connect()
        yield redis_backend
        await redis_backend.disconnect()


async def test_entry_set_comes_back(backend: BaseCacheBackend) -> None:
    entry = {"status": 200, "headers": [["a", "b"]], "body": b"\x00\xff", "nested": {"x": None}}
    await backend.set("key", entry, 60)
    assert await backend.get("key") == entry


async def test_entry_that_looks_like_packed_bytes_comes_back(backend: BaseCacheBackend) -> None:
    entry = {"value": {"body": "AP8="}, "bytes": {"body": "AP8="}}
    await backend.set("key", entry, 60)
    assert await backend.get("key") == entry


async def test_entry_unknown_is_none(backend: BaseCacheBackend) -> None:
    assert await backend.get("nothing") is None


async def test_entry_got_is_the_callers_own(backend: BaseCacheBackend) -> None:
    entry = {"list": [1]}
    await backend.set("key", entry, 60)
    entry["list"].append(2)
    (await backend.get("key") or {})["list"].append(3)
    assert await backend.get("key") == {"list": [1]}


async def test_entry_expired_is_none(backend: BaseCacheBackend) -> None:
    await backend.set("short", {"x": 1}, 0.05)
    await backend.set("long", {"x": 1}, 60)
    await asyncio.sleep(0.1)
    assert [await backend.get("short"), await backend.get("long")] == [None, {"x": 1}]


async def test_entry_set_for_no_time_is_removed(backend: BaseCacheBackend) -> None:
    await backend.set("key", {"x": 1}, 60)
    await backend.set("key", {"x": 2}, 0)
    assert await backend.get("key") is None


async def test_entry_deleted_is_none(backend: BaseCacheBackend) -> None:
    await backend.set("key", {"x": 1}, 60)
    await backend.delete("key")
    await backend.delete("key")
    assert await backend.get("key") is None


async def test_entry_there_is_replaced(backend: BaseCacheBackend) -> None:
    await backend.set("key", {"x": 1}, 60)
    assert await backend.replace("key", {"x": 2}, 60) is True
    assert await backend.get("key") == {"x": 2}


async def test_entry_not_there_is_not_replaced(backend: BaseCacheBackend) -> None:
    assert await backend.replace("key", {"x": 2}, 60) is False
    assert await backend.get("key") is None


async def test_clear_removes_all_entries(backend: BaseCacheBackend) -> None:
    for number in range(3):
        await backend.set(f"key{number}", {"x": 1}, 60)
    await backend.clear()
    assert [await backend.get(f"key{number}") for number in range(3)] == [None] * 3


class TestMemory:
    async def test_entry_lives_for_the_default_duration(self) -> None:
        backend = MemoryCacheBackend(default_duration=0.05)
        await backend.set("key", {"x": 1})
        await backend.set("long", {"x": 1}, 60)
        assert await backend.get("key") == {"x": 1}
        await asyncio.sleep(0.1)
        assert [await backend.get("key"), await backend.get("long")] == [None, {"x": 1}]

    async def test_entry_unused_longest_makes_room(self) -> None:
        backend = MemoryCacheBackend(max_size=2)
        await backend.set("a", {"x": 1}, 60)
        await backend.set("b", {"x": 2}, 60)
        await backend.get("a")
        await backend.set("c", {"x": 3}, 60)
        assert [await backend.get(key) for key in "abc"] == [{"x": 1}, None, {"x": 3}]

    async def test_entry_expired_makes_room_first(self) -> None:
        backend = MemoryCacheBackend(max_size=2)
        await backend.set("a", {"x": 1}, 60)
        await backend.set("b", {"x": 2}, 0.01)
        await asyncio.sleep(0.03)
        await backend.set("c", {"x": 3}, 60)
        assert [await backend.get(key) for key in "abc"] == [{"x": 1}, None, {"x": 3}]

    async def test_backend_that_stays_full_keeps_the_latest(self) -> None:
        backend = MemoryCacheBackend(max_size=2)
        for number in range(5):
            await backend.set(f"key{number}", {"n": number}, 60)
        assert [await backend.get(f"key{number}") for number in range(5)] == [None, None, None, {"n": 3}, {"n": 4}]

    async def test_entries_outlive_a_disconnection(self) -> None:
        backend = MemoryCacheBackend()
        await backend.connect()
        await backend.set("key", {"x": 1}, 60)
        await backend.disconnect()
        assert await backend.get("key") == {"x": 1}

    def test_size_of_nothing_is_refused(self) -> None:
        with pytest.raises(ValueError, match="max_size is 0"):
            MemoryCacheBackend(max_size=0)

    async def test_options_of_the_application_hold(self, make_app: MakeApp) -> None:
        app = make_app(CACHE={"MEMORY_MAXSIZE": 1}, CACHE_DURATION=0.05)
        backend = MemoryCacheBackend.configure_from_app(app)
        await backend.set("a", {"x": 1}, 60)
        await backend.set("b", {"x": 2})
        assert [await backend.get("a"), await backend.get("b")] == [None, {"x": 2}]
        await asyncio.sleep(0.1)
        assert await backend.get("b") is None


class TestRedis:
    async def test_clear_leaves_the_keys_of_others(self) -> None:
        async with own_prefix() as prefix:
            mine, other = (RedisCacheBackend(REDIS, key_prefix=f"{prefix}{name}") for name in ("a[1]*:", "b:"))
            similar = RedisCacheBackend(REDIS, key_prefix=f"{prefix}a1:")
            for backend in (mine, other, similar):
                for number in range(600 if backend is mine else 1):
                    await backend.set(f"key{number}", {"x": 1}, 60)
            await mine.clear()
            found = [await backend.get("key0") for backend in (mine, other, similar)]
            assert [*found, await mine.get("key599")] == [None, {"x": 1}, {"x": 1}, None]
            for backend in (mine, other, similar):
                await backend.disconnect()

    async def test_clear_of_a_backend_that_has_nothing_does_nothing(self) -> None:
        async with own_prefix() as prefix:
            mine, other = (RedisCacheBackend(REDIS, key_prefix=f"{prefix}{name}:") for name in "ab")
            await other.set("key", {"x": 1}, 60)
            await mine.clear()
            assert await other.get("key") == {"x": 1}
            for backend in (mine, other):
                await backend.disconnect()

    async def test_clear_without_a_prefix_empties_the_database(self) -> None:
        async with own_prefix():
            backend = RedisCacheBackend(f"{REDIS.rpartition('/')[0]}/{OWN_DATABASE}")
            await backend.set("key", {"x": 1}, 60)
            await backend.clear()
            assert await backend.get("key") is None
            await backend.disconnect()

    @pytest.mark.parametrize("text", [b"\x80\x04N.", b"[]", b'{"value": 1, "bytes": {}}', b"[" * 100_000, b"null"])
    async def test_entry_of_somebody_else_counts_as_none(self, text: bytes) -> None:
        async with own_prefix() as prefix:
            client = redis.asyncio.Redis.from_url(REDIS)
            await client.set(f"{prefix}key", text)
            await client.aclose()
            backend = RedisCacheBackend(REDIS, key_prefix=prefix)
            assert await backend.get("key") is None
            await backend.disconnect()

    async def test_entry_that_is_no_json_is_refused(self) -> None:
        async with own_prefix() as prefix:
            backend = RedisCacheBackend(REDIS, key_prefix=prefix)
            with pytest.raises(TypeError):
                await backend.set("key", {"x": object()}, 60)
            assert await backend.get("key") is None
            await backend.disconnect()

    async def test_backend_disconnected_connects_again(self) -> None:
        async with own_prefix() as prefix:
            backend = RedisCacheBackend(REDIS, key_prefix=prefix)
            await backend.set("key", {"x": 1}, 60)
            await backend.disconnect()
            await backend.disconnect()
            assert await backend.get("key") == {"x": 1}
            await backend.disconnect()

    def test_backend_works_in_one_event_loop_after_the_other(self) -> None:
        backend = RedisCacheBackend(REDIS, key_prefix="patera_test_loops:")

        async def use() -> Any:
            async with own_prefix():
                await backend.set("key", {"x": 1}, 1)
                found = await backend.get("key")
                await backend.disconnect()
                return found

        assert [asyncio.run(use()), asyncio.run(use())] == [{"x": 1}, {"x": 1}]

    async def test_server_that_is_down_is_an_error_of_redis(self) -> None:
        backend = RedisCacheBackend(f"redis://127.0.0.1:{closed_port()}/0")
        with pytest.raises(redis.RedisError):
            await backend.connect()
        with pytest.raises(redis.RedisError):
            await backend.get("key")
        await backend.disconnect()

    async def test_server_that_hangs_is_an_error_after_the_timeout(self) -> None:
        async with hung_server() as port:
            backend = RedisCacheBackend(f"redis://127.0.0.1:{port}/0", timeout=0.1)
            async with asyncio.timeout(3):
                with pytest.raises(redis.RedisError):
                    await backend.get("key")
            await backend.disconnect()

    async def test_options_of_the_application_hold(self, make_app: MakeApp) -> None:
        async with own_prefix() as prefix:
            app = make_app(SHOP_CACHE={"REDIS_URL": REDIS, "KEY_PREFIX": prefix}, SHOP_CACHE_DURATION=60)
            backend = RedisCacheBackend.configure_from_app(app, "SHOP_")
            await backend.set("key", {"x": 1})
            client = redis.asyncio.Redis.from_url(REDIS)
            assert 50 < await client.ttl(f"{prefix}key") <= 60
            await client.aclose()
            await backend.disconnect()

    def test_options_without_a_url_say_what_is_missing(self, make_app: MakeApp) -> None:
        with pytest.raises(ConfigurationError, match=r"PAT321 CACHE\['REDIS_URL'\]"):
            RedisCacheBackend.configure_from_app(make_app())

    @pytest.mark.parametrize("url", ["http://:hunter2@localhost", "redis://:hunter2@localhost:none/0", "localhost:1"])
    def test_url_that_is_none_is_refused_without_showing_it(self, make_app: MakeApp, url: str) -> None:
        with pytest.raises(ValueError, match="a URL") as caught:
            RedisCacheBackend(url)
        with pytest.raises(ConfigurationError, match=r"PAT322 CACHE\['REDIS_URL'\]") as mistake:
            RedisCacheBackend.configure_from_app(make_app(CACHE_REDIS_URL=url))
        assert "hunter2" not in f"{caught.value} {mistake.value}"

    def test_repr_does_not_show_the_password(self) -> None:
        assert "secret" not in repr(RedisCacheBackend("redis://:secret@localhost/0"))
