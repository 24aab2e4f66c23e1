"""One cookie for two applications: what Flask wrote is read, and Flask reads what was written."""

import datetime
import uuid
from collections.abc import Callable
from typing import Any

import flask
import flask_login  # type: ignore[import-untyped]
import pytest
from flask.json.tag import TaggedJSONSerializer
from flask.sessions import SecureCookieSessionInterface
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from patera import Request
from patera.controller import Controller, get, path
from patera.sessions import flash, get_flashed_messages
from patera.sessions._flask_compat import FlaskCodec
from tests.conftest import SECRET_KEY
from tests.sessions.conftest import Forward
from tests.sessions.pages import Connect, MakeApp, Pages, cookie_of, sent

OLD_KEY = SECRET_KEY[::-1]
MOMENT = datetime.datetime(2024, 2, 29, 12, 30, 59, tzinfo=datetime.UTC)

#: One value of each kind that Flask's cookie can hold.
VALUES: dict[str, Any] = {
    "text": "é <b>",
    "numbers": [0, -1, 1.5, 10**30, True, False, None],
    "pair": (1, ("a", [2])),
    "raw": b"\x00\xff",
    "markup": Markup("<b>&amp;</b>"),
    "id": uuid.UUID(int=7),
    "moment": MOMENT,
    "dict": {"a": {"b": (1,)}},
    "looks like a tag": {" t": [1]},
    "looks like two": {" b": "x", " t": [1]},
    "tag of a tag": {" di": {" m": "x"}},
    "empty": [{}, [], ()],
}


class FlaskUser(flask_login.UserMixin):  # type: ignore[misc]
    id = "7"


def make_flask(**configs: Any) -> flask.Flask:
    """Return a Flask application with a login, that shares the secret key."""
    app = flask.Flask(__name__)
    app.config.update(SECRET_KEY=SECRET_KEY, **configs)
    manager = flask_login.LoginManager(app)
    manager.user_loader(lambda user_id: FlaskUser() if user_id == "7" else None)

    @app.get("/read")
    def read() -> str:
        return repr({key: flask.session[key] for key in sorted(flask.session)})

    @app.get("/set")
    def set_all() -> str:
        flask.session.update(VALUES)
        return "set"

    @app.get("/flash")
    def flash_two() -> str:
        flask.flash("saved", "success")
        flask.flash(Markup("<b>bold</b>"))
        return "flashed"

    @app.get("/flashed")
    def flashed() -> str:
        return repr(flask.get_flashed_messages(with_categories=True))

    @app.get("/login")
    def log_in() -> str:
        flask_login.login_user(FlaskUser())
        return "welcome"

    @app.get("/login-and-out")
    def log_in_and_out() -> str:
        flask_login.login_user(FlaskUser())
        flask.session["kept"] = True
        flask_login.logout_user()
        return "good bye"

    @app.get("/me")
    def me() -> str:
        return str(flask_login.current_user.get_id())

    return app


@path("/")
class Compatible(Controller):
    @get("/read-all")
    async def read_all(self, req: Request) -> str:
        return repr({key: req.session[key] for key in sorted(req.session)})

    @get("/set-all")
    async def set_all(self, req: Request) -> str:
        req.session.update(VALUES)
        return "set"

    @get("/add")
    async def add(self, req: Request) -> str:
        req.session["more"] = 1
        return "added"

    @get("/flash")
    async def flash_two(self, req: Request) -> str:
        flash("saved", "success")
        flash(Markup("<b>bold</b>"))
        return "flashed"

    @get("/flashed")
    async def flashed(self, req: Request) -> str:
        return repr(get_flashed_messages(with_categories=True))

    @get("/login")
    async def log_in(self, req: Request) -> str:
        req.session.regenerate()
        req.session["_user_id"] = "7"
        return "welcome"


class TestBothWays:
    @pytest.fixture
    async def http(self, make_app: MakeApp, client: Connect) -> Any:
        return await client(make_app(Compatible, Pages, SESSION_COMPAT="flask"))

    @pytest.fixture
    def flask_http(self) -> Any:
        return make_flask().test_client()

    async def test_values_of_flask_are_read(self, http: Any, flask_http: Any) -> None:
        cookie = cookie_of_flask(flask_http.get("/set"))
        assert (await http.get("/read-all", headers=sent(cookie))).text == repr(dict(sorted(VALUES.items())))

    async def test_flask_reads_the_values(self, http: Any, flask_http: Any) -> None:
        flask_http.set_cookie("session", cookie_of(await http.get("/set-all")))
        assert flask_http.get("/read").text == repr(dict(sorted(VALUES.items())))

    async def test_values_go_round(self, http: Any, flask_http: Any) -> None:
        cookie = cookie_of_flask(flask_http.get("/set"))
        cookie = cookie_of(await http.get("/add", headers=sent(cookie))) or ""
        flask_http.set_cookie("session", cookie)
        assert flask_http.get("/read").text == repr(dict(sorted({**VALUES, "more": 1}.items())))

    async def test_messages_of_flask_are_shown_once(self, http: Any, flask_http: Any) -> None:
        http.client.cookies.set("session", cookie_of_flask(flask_http.get("/flash")), domain="testserver.local")
        expected = repr([("success", "saved"), ("message", Markup("<b>bold</b>"))])
        assert [(await http.get("/flashed")).text for _ in range(2)] == [expected, "[]"]

    async def test_flask_shows_the_messages_once(self, http: Any, flask_http: Any) -> None:
        flask_http.set_cookie("session", cookie_of(await http.get("/flash")))
        expected = repr([("success", "saved"), ("message", Markup("<b>bold</b>"))])
        assert [flask_http.get("/flashed").text for _ in range(2)] == [expected, "[]"]

    async def test_login_of_flask_is_kept(self, http: Any, flask_http: Any) -> None:
        cookie = cookie_of_flask(flask_http.get("/login"))
        found = (await http.get("/read", headers=sent(cookie))).json()
        assert {key: found[key] for key in ("_user_id", "_fresh")} == {"_user_id": "7", "_fresh": True}
        assert len(found["_id"]) == 128
        changed = cookie_of(await http.post("/set", json={"cart": [1]}, headers=sent(cookie)))
        flask_http.set_cookie("session", changed)
        assert flask_http.get("/me").text == "7"

    async def test_login_here_is_one_for_flask(self, http: Any, flask_http: Any) -> None:
        flask_http.set_cookie("session", cookie_of(await http.get("/login")))
        assert flask_http.get("/me").text == "7"

    async def test_logout_of_one_is_one_for_the_other(self, http: Any, flask_http: Any) -> None:
        cookie = cookie_of_flask(flask_http.get("/login"))
        flask_http.set_cookie("session", cookie_of(await http.post("/pop/_user_id", headers=sent(cookie))))
        assert flask_http.get("/me").text == "None"
        after = cookie_of_flask(make_flask().test_client().get("/login-and-out"))
        assert "_user_id" not in (await http.get("/read", headers=sent(after))).json()

    @pytest.mark.parametrize(("protection", "user"), [("basic", "7"), (None, "7"), ("strong", "None")])
    async def test_login_here_is_none_for_flask_login_where_its_protection_is_strong(
        self, http: Any, protection: str | None, user: str
    ) -> None:
        """The documents say so: what Flask-Login knows a browser by is not written here."""
        flask_http = make_flask(SESSION_PROTECTION=protection).test_client()
        flask_http.set_cookie("session", cookie_of(await http.get("/login")) or "")
        assert flask_http.get("/me").text == user

    async def test_permanent_is_the_same_for_both(self, http: Any, flask_http: Any) -> None:
        flask_http.set_cookie("session", cookie_of(await http.post("/permanent/1")))
        assert flask_http.get("/read").text == repr({"_permanent": True, "x": 1})

    async def test_cookie_deleted_by_one_is_deleted_for_the_other(self, http: Any, flask_http: Any) -> None:
        cookie = cookie_of_flask(flask_http.get("/set"))
        response = await http.post("/clear", headers=sent(cookie))
        assert "Max-Age=0" in response.headers["set-cookie"]


class TestKeys:
    async def test_key_that_flask_used_before_still_verifies(self, make_app: MakeApp, client: Connect) -> None:
        http = await client(make_app(Pages, SESSION_COMPAT="flask", SECRET_KEY_FALLBACKS=[OLD_KEY]))
        old = make_flask()
        old.config["SECRET_KEY"] = OLD_KEY
        cookie = cookie_of_flask(old.test_client().get("/login"))
        assert (await http.get("/read", headers=sent(cookie))).json()["_user_id"] == "7"

    async def test_flask_takes_its_fallback_key_too(self, make_app: MakeApp, client: Connect) -> None:
        http = await client(make_app(Pages, SESSION_COMPAT="flask", SECRET_KEY=OLD_KEY))
        flask_http = make_flask(SECRET_KEY_FALLBACKS=[OLD_KEY]).test_client()
        flask_http.set_cookie("session", cookie_of(await http.post("/set", json={"x": 1})) or "")
        assert flask_http.get("/read").text == repr({"x": 1})

    async def test_cookie_of_another_flask_application_is_a_new_session(
        self, make_app: MakeApp, client: Connect
    ) -> None:
        http = await client(make_app(Pages, SESSION_COMPAT="flask"))
        other = make_flask()
        other.config["SECRET_KEY"] = OLD_KEY
        cookie = cookie_of_flask(other.test_client().get("/login"))
        assert (await http.get("/read", headers=sent(cookie))).json() == {}


class TestLifetime:
    async def test_lifetime_counts_from_the_last_write_as_in_flask(
        self, make_app: MakeApp, client: Connect, forward: Forward
    ) -> None:
        http = await client(make_app(Pages, SESSION_COMPAT="flask", PERMANENT_SESSION_LIFETIME=600))
        cookie = ""
        for number in range(3):
            forward(500)
            cookie = cookie_of(await http.post("/set", json={"n": number})) or ""
        assert (await http.get("/read", headers=sent(cookie))).json() == {"n": 2}
        forward(601)
        assert (await http.get("/read", headers=sent(cookie))).json() == {}

    async def test_permanent_session_lives_on_by_being_read(
        self, make_app: MakeApp, client: Connect, forward: Forward
    ) -> None:
        http = await client(make_app(Pages, SESSION_COMPAT="flask", PERMANENT_SESSION_LIFETIME=600))
        await http.post("/permanent/1")
        for _ in range(3):
            forward(500)
            assert (await http.get("/read")).json() == {"x": 1, "_permanent": True}

    async def test_flask_refuses_what_is_too_old_here(
        self, make_app: MakeApp, client: Connect, forward: Forward
    ) -> None:
        http = await client(make_app(Pages, SESSION_COMPAT="flask"))
        flask_http = make_flask(PERMANENT_SESSION_LIFETIME=600).test_client()
        flask_http.set_cookie("session", cookie_of(await http.post("/set", json={"x": 1})) or "")
        forward(601)
        assert flask_http.get("/read").text == "{}"


MOMENTS = st.datetimes(
    datetime.datetime(1970, 1, 2), datetime.datetime(2199, 1, 1), timezones=st.just(datetime.UTC)
).map(lambda moment: moment.replace(microsecond=0))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.binary()
    | st.uuids()
    | st.text().map(Markup)
    | MOMENTS
)
KEYS = st.text() | st.sampled_from([" di", " t", " b", " m", " u", " d", " t__", " di__"])
TAGGED: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(KEYS, inner), max_leaves=15
)


class TestTags:
    @given(value=TAGGED)
    def test_text_is_read_by_flask_and_the_reverse(self, value: Any) -> None:
        theirs, mine = TaggedJSONSerializer(), FlaskCodec()
        mine.check("k", value)
        pairs: list[tuple[Callable[[Any], str], Callable[[str], Any]]] = [
            (mine.dumps, theirs.loads),
            (theirs.dumps, mine.loads),
            (mine.dumps, mine.loads),
        ]
        assert [repr(loads(dumps(value))) for dumps, loads in pairs] == [repr(theirs.loads(theirs.dumps(value)))] * 3

    def test_moment_without_a_zone_is_one_of_utc(self) -> None:
        codec = FlaskCodec()
        naive = MOMENT.replace(tzinfo=None)
        assert codec.loads(codec.dumps([naive])) == [MOMENT] == TaggedJSONSerializer().loads(codec.dumps([naive]))

    @pytest.mark.parametrize("value", [{1, 2}, datetime.timedelta(1), datetime.date(2024, 1, 1), object(), {1: 2}])
    def test_value_that_would_come_back_as_another_is_refused(self, value: Any) -> None:
        with pytest.raises(TypeError, match=r"A session holds str, .* Markup, UUID"):
            FlaskCodec().check("k", value)

    def test_constants_are_those_of_the_installed_flask(self) -> None:
        interface = SecureCookieSessionInterface()
        assert (interface.salt, interface.key_derivation, interface.digest_method(b"").name) == (
            "cookie-session",
            "hmac",
            "sha1",
        )
        assert set(TaggedJSONSerializer().tags) == {" di", " t", " b", " m", " u", " d"}


def cookie_of_flask(response: Any) -> str:
    name, _, rest = response.headers["set-cookie"].partition("=")
    assert name == "session"
    return str(rest.partition(";")[0])
