"""Flash messages: said in one request, shown once in a later one; and the session in templates."""

from pathlib import Path
from typing import Any

import pytest

from patera import Patera, Request, Response
from patera.controller import Controller, get, path, post, socket
from patera.sessions import flash, get_flashed_messages
from tests.sessions.pages import Connect, MakeApp


@path("/")
class Messages(Controller):
    @post("/say/<category>")
    async def say(self, req: Request, category: str) -> None:
        flash(await req.text(), category)

    @post("/say-in-thread")
    def say_in_thread(self, req: Request) -> None:
        flash("from a thread")

    @post("/say-and-show")
    async def say_and_show(self, req: Request) -> list[str]:
        flash("at once")
        return [*get_flashed_messages(), *get_flashed_messages()]

    @get("/plain")
    async def plain(self, req: Request) -> list[str]:
        return get_flashed_messages()

    @get("/with-categories")
    async def with_categories(self, req: Request) -> list[tuple[str, str]]:
        return get_flashed_messages(with_categories=True)

    @get("/errors")
    async def only_errors(self, req: Request) -> list[Any]:
        return [get_flashed_messages(category_filter=["error"]), get_flashed_messages()]

    @get("/page")
    async def page(self, req: Request) -> Response:
        return await req.res.html("page.html")

    @get("/page-in-thread")
    def page_in_thread(self, req: Request) -> Response:
        return req.res.html("page.html")

    @get("/text")
    async def text(self, req: Request) -> Response:
        return req.res.html_from_string("{{ session.user }} {{ get_flashed_messages() }}")

    @get("/own-session")
    async def own_session(self, req: Request) -> Response:
        return req.res.html_from_string("{{ session }}", {"session": "summer"})

    @post("/user")
    async def set_user(self, req: Request) -> None:
        req.session["user"] = await req.text()

    @socket("/socket")
    async def talk(self, req: Request) -> None:
        await req.accept()
        flash("too late")


@pytest.fixture
def app(make_app: MakeApp, tmp_path: Path) -> Patera:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "page.html").write_text(
        "{% for category, message in get_flashed_messages(with_categories=true) %}"
        "<p class='{{ category }}'>{{ message }}</p>"
        "{% endfor %}"
        "{{ session.user if 'user' in session else 'nobody' }} {{ session | length }}"
    )
    return make_app(Messages)


@pytest.fixture
async def http(app: Patera, client: Connect) -> Any:
    return await client(app)


async def test_message_is_shown_once(http: Any) -> None:
    await http.post("/say/message", content="one")
    await http.post("/say/error", content="two")
    assert [(await http.get("/plain")).json() for _ in range(2)] == [["one", "two"], []]


async def test_message_has_its_category(http: Any) -> None:
    await http.post("/say/error", content="two")
    await http.post("/say-in-thread")
    assert (await http.get("/with-categories")).json() == [["error", "two"], ["message", "from a thread"]]


async def test_messages_of_some_categories_are_shown_and_the_others_with_them_forgotten(http: Any) -> None:
    await http.post("/say/message", content="one")
    await http.post("/say/error", content="two")
    assert (await http.get("/errors")).json() == [["two"], ["one", "two"]]
    assert (await http.get("/plain")).json() == []


async def test_message_shown_in_the_same_request_is_shown_as_often_as_asked_for(http: Any) -> None:
    assert (await http.post("/say-and-show")).json() == ["at once", "at once"]
    assert (await http.get("/plain")).json() == []


async def test_showing_nothing_writes_nothing(http: Any) -> None:
    response = await http.get("/plain")
    assert "set-cookie" not in response.headers
    assert response.headers["vary"] == "Cookie"


async def test_template_shows_messages_escaped_and_the_session(http: Any) -> None:
    assert (await http.get("/page")).text == "nobody 0"
    for url in ("/page", "/page-in-thread"):
        await http.post("/user", content="Ada <3")
        await http.post("/say/error", content="<b>bold</b>")
        assert (await http.get(url)).text == "<p class='error'>&lt;b&gt;bold&lt;/b&gt;</p>Ada &lt;3 1"


async def test_template_string_sees_session_and_messages(http: Any) -> None:
    await http.post("/user", content="Ada")
    assert (await http.get("/text")).text == "Ada []"


async def test_variable_of_the_handler_wins(http: Any) -> None:
    response = await http.get("/own-session")
    assert response.text == "summer"
    assert "vary" not in response.headers


@pytest.mark.parametrize(
    "source", ["{{ session.user }}", "{{ get_flashed_messages() }}", "{{ csrf_token() }}", "{{ csrf_input() }}"]
)
async def test_template_without_request_says_that_it_needs_one(app: Patera, source: str) -> None:
    with pytest.raises(RuntimeError, match="in a template belongs to a request"):
        await app.templates.render_string(source)


async def test_template_without_request_that_uses_none_of_it_is_rendered(app: Patera) -> None:
    assert await app.templates.render_string("hello") == "hello"


def test_message_outside_of_a_request_is_refused() -> None:
    with pytest.raises(RuntimeError, match="none is being answered here"):
        flash("nobody")
    with pytest.raises(RuntimeError, match="none is being answered here"):
        get_flashed_messages()


async def test_message_from_a_websocket_is_refused(http: Any) -> None:
    with pytest.raises(RuntimeError, match="A websocket cannot change the session"):
        async with http.websocket("/socket") as ws:
            await ws.receive()


async def test_message_that_is_no_text_is_refused(app: Patera, make_app: MakeApp, client: Connect) -> None:
    @path("/")
    class Wrong(Controller):
        @get("/")
        async def say(self, req: Request) -> None:
            flash({1, 2})  # type: ignore[arg-type]

    http = await client(make_app(Wrong))
    with pytest.raises(TypeError, match=r"session\['_flashes'\]\[0\]\[1\] is a set"):
        await http.get("/")
