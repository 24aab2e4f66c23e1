"""The session cookie: signed, limited in time and size, and anything else is an anonymous visitor."""

import asyncio
import hashlib
import inspect
import time
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from itsdangerous import URLSafeSerializer, URLSafeTimedSerializer

from patera.sessions import SessionTooLarge
from patera.sessions._cookie_store import CookieStore
from patera.sessions._flask_compat import FlaskCookieStore
from patera.sessions._server_store import ServerStore
from patera.sessions._settings import Lifetimes, Record
from tests.conftest import SECRET_KEY
from tests.sessions.conftest import Forward
from tests.sessions.pages import Connect, MakeApp, Pages, cookie_of, sent

FOREVER = Lifetimes(10**9)
NEW_KEY = "Zq8Lr3Yx6Wn1Vt4Bm7Kc0Jf5Hd2Gs9Pa"

INCOMPRESSIBLE = "".join(hashlib.sha256(b"%d" % number).hexdigest() for number in range(150))

BASE64 = st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


class NoBackend:
    async def get(self, key: str) -> dict[str, Any]:
        return {"data": {"user": 7}, "created": int(time.time()), "seen": int(time.time())}

    async def set(self, key: str, value: dict[str, Any], duration: float | None = None) -> None:
        pass


async def signed() -> dict[str, tuple[CookieStore | ServerStore, str]]:
    """Return each store with a cookie of it."""
    backend: Any = NoBackend()
    stores: dict[str, CookieStore | ServerStore] = {
        "cookie": CookieStore([SECRET_KEY]),
        "flask": FlaskCookieStore([SECRET_KEY]),
        "id": ServerStore(backend, [SECRET_KEY], "", FOREVER, print),
    }
    now = int(time.time())
    return {kind: (store, await store.save(Record({"user": 7}, now, now)) or "") for kind, store in stores.items()}


SIGNED = asyncio.run(signed())


def sign(data: Any, key: str = SECRET_KEY, salt: str = "patera.session") -> str:
    """Return a session cookie as an application with a key signs it."""
    store = CookieStore([key])
    serializer = URLSafeTimedSerializer(
        key, salt=salt, signer_kwargs={"key_derivation": "hmac", "digest_method": store.digest}
    )
    return str(serializer.dumps(data))


async def cookie_with(http: Any, values: dict[str, Any]) -> str:
    cookie = cookie_of(await http.post("/set", json=values))
    assert cookie is not None
    return cookie


class TestForgery:
    async def test_cookie_signed_with_the_key_is_a_session(self, make_app: MakeApp, client: Connect) -> None:
        http = await client(make_app(Pages))
        cookie = sign({"c": int(time.time()), "d": {"user": 7}})
        assert (await http.get("/read", headers=sent(cookie))).json() == {"user": 7}

    @pytest.mark.parametrize(
        "forge",
        [
            lambda good: sign({"c": int(time.time()), "d": {"user": 7}}, key="k" * 40),
            lambda good: sign({"c": int(time.time()), "d": {"user": 7}}, salt="patera.other"),
            lambda good: sign({"c": int(time.time()), "d": {"user": 7}}, salt="cookie-session"),
            lambda good: sign([1, 2]),
            lambda good: sign({"c": "now", "d": {"user": 7}}),
            lambda good: sign({"c": int(time.time()), "d": [7]}),
            lambda good: URLSafeSerializer(SECRET_KEY, salt="patera.session").dumps({"c": 1, "d": {"user": 7}}),
            lambda good: good.rpartition(".")[0],
            lambda good: good.rpartition(".")[0] + ".",
            lambda good: good + "=",
            lambda good: good + "!",
            lambda good: good[::-1],
            lambda good: "." + good,
            lambda good: "." * 5000,
            lambda good: "A" * 10_000,
            lambda good: good + "A" * 10_000,
            lambda good: "eyJ1c2VyIjo3fQ",
            lambda good: '{"user": 7}',
            lambda good: "\xff\xfe",
            lambda good: '"unclosed',
            lambda good: "",
        ],
    )
    @pytest.mark.parametrize("storage", [{}, {"SESSION_COMPAT": "flask"}, {"SESSION_BACKEND": "memory"}])
    async def test_cookie_of_anybody_else_is_an_anonymous_visitor(
        self, make_app: MakeApp, client: Connect, storage: dict[str, Any], forge: Any
    ) -> None:
        http = await client(make_app(Pages, **storage))
        forged = forge(await cookie_with(http, {"user": 1})).encode("latin-1")
        http.client.cookies.clear()
        response = await http.get("/state", headers={"cookie": b"session=" + forged})
        assert response.status_code == 200
        assert (response.json()["new"], response.json()["length"]) == (True, 0)

    @pytest.mark.parametrize("kind", [CookieStore, FlaskCookieStore])
    def test_cookie_of_a_megabyte_is_no_session(self, kind: type[CookieStore]) -> None:
        store = kind([SECRET_KEY])
        assert [store.read("A" * 1_000_000), store.read(sign({"c": 1, "d": {}}) + "." * 1_000_000)] == [None, None]

    async def test_cookie_of_one_store_is_none_of_another(self, make_app: MakeApp, client: Connect) -> None:
        storages: list[dict[str, Any]] = [{}, {"SESSION_COMPAT": "flask"}, {"SESSION_BACKEND": "memory"}]
        clients = [await client(make_app(Pages, **storage)) for storage in storages]
        cookies = [await cookie_with(http, {"user": 1}) for http in clients]
        for mine, http in enumerate(clients):
            http.client.cookies.clear()
            for theirs, cookie in enumerate(cookies):
                length = (await http.get("/state", headers=sent(cookie))).json()["length"]
                assert (mine, theirs, length) == (mine, theirs, int(mine == theirs))

    @settings(max_examples=300)
    @given(data=st.data(), kind=st.sampled_from(["cookie", "flask", "id"]))
    async def test_cookie_with_another_character_is_no_session(self, data: st.DataObject, kind: str) -> None:
        store, cookie = SIGNED[kind]
        read = store.fetch if isinstance(store, ServerStore) else store.read
        changed = data.draw(other_texts(cookie))
        found = [read(text) for text in (cookie, changed)]
        records = [await each if inspect.isawaitable(each) else each for each in found]
        assert [record is not None for record in records] == [True, False]


@st.composite
def other_texts(draw: st.DrawFn, text: str) -> str:
    """Draw a text that differs from another in one bit, in one character, or by one more or less."""
    index = draw(st.integers(0, len(text) - 1) | st.just(len(text) - 1))
    kind = draw(st.sampled_from(["bit", "character", "insertion", "deletion"]))
    before, character, after = text[:index], text[index], text[index + 1 :]
    if kind == "bit":
        character = chr(ord(character) ^ 1 << draw(st.integers(0, 7)))
    elif kind == "character":
        character = draw((BASE64 | st.characters(max_codepoint=255)).filter(lambda other: other != character))
    elif kind == "insertion":
        character += draw(BASE64 | st.characters(max_codepoint=255))
    else:
        character = ""
    return before + character + after


class TestKeys:
    async def test_key_that_signed_before_still_verifies(self, make_app: MakeApp, client: Connect) -> None:
        for storage in ({}, {"SESSION_COMPAT": "flask"}):
            old = await cookie_with(await client(make_app(Pages, **storage)), {"user": 7})
            both = await client(make_app(Pages, SECRET_KEY=NEW_KEY, SECRET_KEY_FALLBACKS=[SECRET_KEY], **storage))
            assert (await both.get("/read", headers=sent(old))).json() == {"user": 7}

    async def test_key_of_now_signs(self, make_app: MakeApp, client: Connect) -> None:
        both = await client(make_app(Pages, SECRET_KEY=NEW_KEY, SECRET_KEY_FALLBACKS=[SECRET_KEY]))
        cookie = await cookie_with(both, {"user": 7})
        only_new = await client(make_app(Pages, SECRET_KEY=NEW_KEY))
        assert (await only_new.get("/read", headers=sent(cookie))).json() == {"user": 7}

    async def test_key_dropped_verifies_no_more(self, make_app: MakeApp, client: Connect) -> None:
        old = await cookie_with(await client(make_app(Pages)), {"user": 7})
        only_new = await client(make_app(Pages, SECRET_KEY=NEW_KEY))
        assert (await only_new.get("/read", headers=sent(old))).json() == {}


def attributes_of(response: httpx.Response) -> set[str]:
    return set(response.headers["set-cookie"].split("; ")[1:])


class TestAttributes:
    async def test_cookie_has_safe_attributes(self, make_app: MakeApp, client: Connect) -> None:
        http = await client(make_app(Pages))
        response = await http.post("/set", json={"x": 1})
        assert attributes_of(response) == {"HttpOnly", "Path=/", "SameSite=lax"}

    async def test_cookie_over_https_is_secure(self, make_app: MakeApp, client: Connect) -> None:
        http = await client(make_app(Pages))
        response = await http.post("https://testserver/set", json={"x": 1})
        assert attributes_of(response) == {"HttpOnly", "Path=/", "SameSite=lax", "Secure"}

    async def test_cookie_has_the_attributes_of_the_configuration(self, make_app: MakeApp, client: Connect) -> None:
        configs: dict[str, Any] = {
            "SESSION_COOKIE_NAME": "visit",
            "SESSION_COOKIE_DOMAIN": "testserver.local",
            "SESSION_COOKIE_PATH": "/shop",
            "SESSION_COOKIE_HTTPONLY": False,
            "SESSION_COOKIE_SECURE": True,
            "SESSION_COOKIE_SAMESITE": "None",
            "SESSION_COOKIE_PARTITIONED": True,
        }
        http = await client(make_app(Pages, **configs))
        response = await http.post("/set", json={"x": 1})
        assert response.headers["set-cookie"].startswith("visit=")
        assert attributes_of(response) == {
            "Domain=testserver.local",
            "Path=/shop",
            "Secure",
            "SameSite=none",
            "Partitioned",
        }

    async def test_cookie_is_dropped_with_the_attributes_it_was_set_with(
        self, make_app: MakeApp, client: Connect
    ) -> None:
        configs: dict[str, Any] = {"SESSION_COOKIE_PATH": "/set", "SESSION_COOKIE_SECURE": False}
        http = await client(make_app(Pages, **configs))
        cookie = await cookie_with(http, {"x": 1})
        dropped = attributes_of(await http.post("/clear", headers=sent(cookie)))
        assert {each for each in dropped if not each.startswith("expires")} == {
            "HttpOnly",
            "Max-Age=0",
            "Path=/set",
            "SameSite=lax",
        }

    @pytest.mark.parametrize("value", [0, -1, timedelta(0), timedelta(seconds=-1)])
    def test_lifetime_of_nothing_is_refused(self, make_app: MakeApp, value: Any) -> None:
        with pytest.raises(Exception, match="PERMANENT_SESSION_LIFETIME"):
            make_app(PERMANENT_SESSION_LIFETIME=value)


class TestSize:
    async def test_session_that_does_not_fit_is_an_error_that_says_what_to_do(
        self, make_app: MakeApp, client: Connect
    ) -> None:
        http = await client(make_app(Pages))
        kept = await cookie_with(http, {"x": 1})
        with pytest.raises(SessionTooLarge, match=r"SESSION_BACKEND = ") as caught:
            await http.post("/set", json={"big": INCOMPRESSIBLE})
        assert caught.value.size > 4093
        assert http.client.cookies.get("session") == kept

    async def test_session_that_does_not_fit_is_a_logged_500_without_debug(
        self, make_app: MakeApp, client: Connect
    ) -> None:
        app = make_app(Pages, DEBUG=False)
        http = await client(app)
        response = await http.post("/set", json={"big": INCOMPRESSIBLE})
        assert (response.status_code, response.json()["message"]) == (500, "Internal server error")
        assert "set-cookie" not in response.headers
        assert len(app.log_buffer.get_severe()) == 1

    async def test_session_that_compresses_fits(self, make_app: MakeApp, client: Connect) -> None:
        http = await client(make_app(Pages))
        await cookie_with(http, {"text": "x" * 20_000})
        assert len((await http.get("/read")).json()["text"]) == 20_000


class TestValues:
    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ((1, 2), r"session\['k'\] is a tuple.*store list\(value\)"),
            ({1, 2}, r"session\['k'\] is a set.*store sorted\(value\)"),
            ([{"a": [b"x"]}], r"session\['k'\]\[0\]\['a'\]\[0\] is a bytes.*base64"),
            ({"when": timedelta(1)}, r"session\['k'\]\['when'\] is a timedelta.*total_seconds"),
            (object(), r"session\['k'\] is an object\. A session holds str, int"),
            (float("nan"), r"session\['k'\] is nan, which JSON does not have"),
            ({"a": {1: 2}}, r"session\['k'\]\['a'\] is a dict with the key 1, an int"),
        ],
    )
    def test_value_that_is_no_json_is_refused_with_its_place(self, value: Any, message: str) -> None:
        with pytest.raises(TypeError, match=message):
            CookieStore.codec.check("k", value)

    def test_key_that_is_no_text_is_refused(self) -> None:
        with pytest.raises(TypeError, match=r"key 7 is an int, not a str; write session\['7'\]"):
            CookieStore.codec.check(7, 1)  # type: ignore[arg-type]

    def test_value_that_holds_itself_is_refused(self) -> None:
        endless: list[Any] = []
        endless.append(endless)
        with pytest.raises(ValueError, match="holds itself"):
            CookieStore.codec.check("k", endless)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=20,
        )
    )
    def test_value_accepted_comes_back_equal(self, value: Any) -> None:
        codec = CookieStore.codec
        codec.check("k", value)
        assert codec.loads(codec.dumps(value)) == value


class TestLifetime:
    async def test_session_ends_with_its_absolute_lifetime(
        self, make_app: MakeApp, client: Connect, forward: Forward
    ) -> None:
        http = await client(make_app(Pages, PERMANENT_SESSION_LIFETIME=timedelta(minutes=10)))
        await cookie_with(http, {"user": 7})
        forward(500)
        cookie = await cookie_with(http, {"cart": 1})
        assert (await http.get("/read", headers=sent(cookie))).json() == {"user": 7, "cart": 1}
        forward(101)
        assert (await http.get("/read", headers=sent(cookie))).json() == {}

    async def test_session_regenerated_lives_anew(self, make_app: MakeApp, client: Connect, forward: Forward) -> None:
        http = await client(make_app(Pages, PERMANENT_SESSION_LIFETIME=600))
        await cookie_with(http, {"cart": 1})
        forward(500)
        await http.post("/login")
        forward(500)
        assert (await http.get("/read")).json() == {"cart": 1, "user": 7}

    async def test_permanent_cookie_ends_with_the_session(
        self, make_app: MakeApp, client: Connect, forward: Forward
    ) -> None:
        http = await client(make_app(Pages, PERMANENT_SESSION_LIFETIME=600))
        assert "Max-Age=600" in (await http.post("/permanent/1")).headers["set-cookie"]
        forward(200)
        response = await http.post("/set", json={"y": 1})
        assert any(f"Max-Age={left}" in response.headers["set-cookie"] for left in (399, 400))

    async def test_session_unused_ends_with_its_idle_time(
        self, make_app: MakeApp, client: Connect, forward: Forward
    ) -> None:
        http = await client(make_app(Pages, SESSION_IDLE_LIFETIME=60))
        cookie = await cookie_with(http, {"user": 7})
        forward(61)
        assert (await http.get("/read", headers=sent(cookie))).json() == {}

    async def test_session_read_is_used(self, make_app: MakeApp, client: Connect, forward: Forward) -> None:
        http = await client(make_app(Pages, SESSION_IDLE_LIFETIME=60))
        await cookie_with(http, {"user": 7})
        for _ in range(5):
            forward(40)
            assert (await http.get("/read")).json() == {"user": 7}

    async def test_session_read_soon_again_is_not_written(
        self, make_app: MakeApp, client: Connect, forward: Forward
    ) -> None:
        http = await client(make_app(Pages, SESSION_IDLE_LIFETIME=60))
        await cookie_with(http, {"user": 7})
        forward(3)
        assert "set-cookie" not in (await http.get("/read")).headers
        forward(4)
        assert "set-cookie" in (await http.get("/read")).headers

    async def test_session_read_is_not_used_when_the_configuration_says_so(
        self, make_app: MakeApp, client: Connect, forward: Forward
    ) -> None:
        configs: dict[str, Any] = {"SESSION_IDLE_LIFETIME": 60, "SESSION_REFRESH_EACH_REQUEST": False}
        http = await client(make_app(Pages, **configs))
        await cookie_with(http, {"user": 7})
        forward(40)
        assert (await http.get("/read")).json() == {"user": 7}
        forward(40)
        assert (await http.get("/read")).json() == {}

    async def test_clock_of_another_server_that_is_ahead_does_no_harm(
        self, make_app: MakeApp, client: Connect, forward: Forward
    ) -> None:
        http = await client(make_app(Pages))
        forward(30)
        await cookie_with(http, {"user": 7})
        forward(-30)
        assert (await http.get("/read")).json() == {"user": 7}
