import datetime
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import jinja2
import pytest
from anyio import to_thread
from jinja2.exceptions import SecurityError
from pydantic import BaseModel

from patera import Patera, Request, Response
from patera._templating import MissingTemplate
from patera.controller import Controller, get, path
from patera.exceptions import SetupFinishedError, html_abort
from patera.testing import PateraTestClient

MakeApp = Callable[..., Patera]
Connect = Callable[[Patera], Awaitable[PateraTestClient]]
Write = Callable[[str, str], None]

SCRIPT = "<script>alert(1)</script>"


class User(BaseModel):
    name: str
    born: datetime.date = datetime.date(2000, 1, 2)


@path("/pages")
class Pages(Controller):
    @get("/<path:name>")
    async def show(self, req: Request, name: str) -> Response:
        return await (req.response.html(name, {"name": req.query_params.get("name", "you")})).status(200)

    @get("/sync/<path:name>")
    def show_sync(self, req: Request, name: str) -> Response:
        return req.res.html(name, {"name": "thread"})

    @get("/string")
    async def string(self, req: Request) -> Response:
        return req.res.html_from_string("{{ request.path }} {{ name }}", {"name": SCRIPT})

    @get("/abort")
    async def abort(self, req: Request) -> Response:
        html_abort("gone.html", 410, {"name": "x"})


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a template below the application's `templates` folder."""

    def write(name: str, source: str) -> None:
        file = tmp_path / "templates" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)

    return write


@pytest.fixture
def application(make_app: MakeApp) -> Patera:
    return make_app(Pages)


async def test_html_of_documented_form_is_rendered(application: Patera, client: Connect, write: Write) -> None:
    write("a.html", "Hello {{ name }}")
    response = await (await client(application)).get("/pages/a.html?name=Ada")
    assert (response.text, response.headers["content-type"]) == ("Hello Ada", "text/html; charset=utf-8")


async def test_html_of_sync_handler_is_rendered(application: Patera, client: Connect, write: Write) -> None:
    write("a.html", "Hello {{ name }}")
    assert (await (await client(application)).get("/pages/sync/a.html")).text == "Hello thread"


async def test_html_from_string_is_escaped(application: Patera, client: Connect) -> None:
    response = await (await client(application)).get("/pages/string")
    assert response.text == "/pages/string &lt;script&gt;alert(1)&lt;/script&gt;"


async def test_html_abort_renders_template_with_status(application: Patera, client: Connect, write: Write) -> None:
    write("gone.html", "{{ name }} is gone")
    response = await (await client(application)).get("/pages/abort")
    assert (response.status_code, response.text) == (410, "x is gone")


async def test_template_in_subfolder_is_found(application: Patera, write: Write) -> None:
    write("users/show.html", "{% extends 'base.html' %}{% block body %}{{ name }}{% endblock %}")
    write("base.html", "<b>{% block body %}{% endblock %}</b>")
    assert await application.templates.render("users/show.html", {"name": "Ada"}) == "<b>Ada</b>"


async def test_template_context_always_has_documented_names(application: Patera, client: Connect, write: Write) -> None:
    write(
        "a.html",
        "{{ app.app_name }} {{ url_for('Pages.string') }} {{ request.method }} {{ attribute(app, 'version') }} "
        "{{ len('four') }}",
    )
    response = await (await client(application)).get("/pages/a.html")
    assert response.text == "Test /pages/string GET 1.0 4"


async def test_template_attribute_missing_gives_default(application: Patera) -> None:
    assert await application.templates.render_string("{{ attribute(app, 'nothing', 'none') }}") == "none"


async def test_template_value_in_attribute_is_escaped(application: Patera, write: Write) -> None:
    write("a.html", '<a title="{{ name }}">')
    assert await application.templates.render("a.html", {"name": '" onclick="x'}) == '<a title="&#34; onclick=&#34;x">'


@pytest.mark.parametrize("name", ["a.html", "a.htm", "a.xml", "a.jinja", "mail.html.j2", "A.HTML", "a.svg"])
async def test_template_named_as_markup_is_escaped(application: Patera, write: Write, name: str) -> None:
    write(name, "{{ name }}")
    assert await application.templates.render(name, {"name": "<b>"}) == "&lt;b&gt;"


async def test_template_named_as_text_is_not_escaped(application: Patera, write: Write) -> None:
    write("mail.txt", "{{ name }}")
    assert await application.templates.render("mail.txt", {"name": "a & b"}) == "a & b"


async def test_tojson_in_script_cannot_end_it(application: Patera, write: Write) -> None:
    write("a.html", "<script>let x = {{ name|tojson }}</script>")
    rendered = await application.templates.render("a.html", {"name": "</script>"})
    assert rendered == '<script>let x = "\\u003c/script\\u003e"</script>'


async def test_tojson_of_model_is_its_json(application: Patera) -> None:
    rendered = await application.templates.render_string("{{ user|tojson }}", {"user": User(name="<Ada>")})
    assert rendered == '{"born": "2000-01-02", "name": "\\u003cAda\\u003e"}'


async def test_name_undefined_under_strict_is_an_error(application: Patera) -> None:
    with pytest.raises(jinja2.UndefinedError, match="'nothing' is undefined"):
        await application.templates.render_string("{{ nothing }}")


async def test_name_undefined_without_strict_is_empty(make_app: MakeApp) -> None:
    templates = make_app(TEMPLATES_STRICT=False).templates
    assert await templates.render_string("[{{ nothing }}]") == "[]"


async def test_template_missing_names_folders_and_closest(application: Patera, write: Write, tmp_path: Path) -> None:
    write("users/show.html", "")
    with pytest.raises(MissingTemplate) as caught:
        await application.templates.render("user/show.html")
    folder = tmp_path / "templates"
    assert str(caught.value) == f"No template 'user/show.html' in {folder}. Did you mean 'users/show.html'?"


async def test_template_missing_is_jinjas_error(application: Patera) -> None:
    with pytest.raises(jinja2.TemplateNotFound):
        await application.templates.render("missing.html")


async def test_template_missing_in_include_names_the_included(application: Patera, write: Write) -> None:
    write("a.html", "{% include 'part.html' %}")
    with pytest.raises(MissingTemplate, match=r"No template 'part\.html'"):
        await application.templates.render("a.html")


async def test_template_missing_in_optional_include_is_left_out(application: Patera, write: Write) -> None:
    write("a.html", "a{% include 'part.html' ignore missing %}b")
    assert await application.templates.render("a.html") == "ab"


@pytest.mark.parametrize("name", ["../secret.html", "a/../../secret.html"])
async def test_template_outside_folder_is_missing(application: Patera, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.html").write_text("secret")
    with pytest.raises(MissingTemplate):
        await application.templates.render(name)


async def test_template_broken_names_file_and_line(application: Patera, write: Write) -> None:
    write("a.html", "fine\n{% if %}")
    with pytest.raises(jinja2.TemplateSyntaxError) as caught:
        await application.templates.render("a.html")
    assert (caught.value.name, caught.value.lineno) == ("a.html", 2)


async def test_template_broken_in_production_is_500_logged_with_name(
    make_app: MakeApp, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    write("a.html", "fine\n{% if %}")
    application = make_app(Pages, DEBUG=False)
    logged: list[str] = []
    sink = application.logger.add(logged.append, level="ERROR")
    async with PateraTestClient(application, raise_app_exceptions=False) as http:
        response = await http.get("/pages/a.html")
    application.logger.remove(sink)
    assert (response.status_code, response.json()["message"]) == (500, "Internal server error")
    assert "a.html" in "".join(logged)


async def test_template_missing_in_debug_shows_the_line(application: Patera) -> None:
    async with PateraTestClient(application, raise_app_exceptions=False) as http:
        response = await http.get("/pages/missing.html", headers={"accept": "text/html"})
    assert (response.status_code, "No template" in response.text, "missing.html" in response.text) == (500, True, True)


async def test_context_of_caller_wins_over_context_method(application: Patera) -> None:
    application.add_global_context_method(lambda: {"name": "method", "year": 2024})
    assert await application.templates.render_string("{{ name }} {{ year }}", {"name": "caller"}) == "caller 2024"


async def test_context_method_wins_over_framework(application: Patera) -> None:
    application.add_global_context_method(lambda: {"len": "mine"})
    assert await application.templates.render_string("{{ len }}") == "mine"


async def test_context_method_asynchronous_is_awaited(application: Patera) -> None:
    async def context() -> dict[str, Any]:
        return {"name": "async"}

    application.add_global_context_method(context)
    assert await application.templates.render_string("{{ name }}") == "async"


async def test_context_method_may_take_the_request(application: Patera, client: Connect, write: Write) -> None:
    def context(request: Request) -> dict[str, Any]:
        return {"where": request.path}

    application.add_global_context_method(context)
    write("a.html", "{{ where }}")
    assert (await (await client(application)).get("/pages/a.html")).text == "/pages/a.html"


async def test_context_method_is_called_for_each_template(application: Patera) -> None:
    numbers = iter(range(9))
    application.add_global_context_method(lambda: {"number": next(numbers)})
    rendered = [await application.templates.render_string("{{ number }}") for _ in range(2)]
    assert rendered == ["0", "1"]


async def test_context_method_without_dict_is_named(application: Patera) -> None:
    def menu() -> Any:
        return ["home"]

    application.add_global_context_method(menu)
    with pytest.raises(ValueError, match=r"menu must return a dict, it returned list"):
        await application.templates.render_string("")


async def test_context_method_asynchronous_serves_sync_handlers(
    application: Patera, client: Connect, write: Write
) -> None:
    async def context() -> dict[str, Any]:
        return {"menu": "from the loop"}

    application.add_global_context_method(context)
    write("a.html", "{{ menu }}")
    assert (await (await client(application)).get("/pages/sync/a.html")).text == "from the loop"


async def test_context_method_asynchronous_outside_worker_thread_is_explained(application: Patera) -> None:
    async def menu() -> dict[str, Any]:
        return {}

    application.add_global_context_method(menu)
    with pytest.raises(RuntimeError, match=r"menu is asynchronous, so this template cannot be rendered here"):
        application.templates.render_string_sync("")


async def test_context_method_asynchronous_that_fails_in_thread_raises_its_own_error(application: Patera) -> None:
    async def menu() -> dict[str, Any]:
        raise RuntimeError("no menu today")

    application.add_global_context_method(menu)
    with pytest.raises(RuntimeError, match="no menu today"):
        await to_thread.run_sync(application.templates.render_string_sync, "")


async def test_path_added_is_searched_behind_own(application: Patera, write: Write, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.html").write_text("extension's")
    (tmp_path / "more" / "b.html").write_text("extension's")
    application.add_template_path(str(tmp_path / "more"))
    write("a.html", "own")
    rendered = [await application.templates.render(name) for name in ("a.html", "b.html")]
    assert rendered == ["own", "extension's"]


async def test_path_added_after_first_template_is_refused(application: Patera) -> None:
    await application.templates.render_string("")
    with pytest.raises(MissingTemplate):
        await application.templates.render("a.html")
    with pytest.raises(SetupFinishedError, match="add_template_path"):
        application.templates.add_path("more")


async def test_templates_dir_absolute_is_taken_as_it_is(make_app: MakeApp, tmp_path: Path) -> None:
    (tmp_path / "views").mkdir()
    (tmp_path / "views" / "a.html").write_text("absolute")
    application = make_app(TEMPLATES_DIR=str(tmp_path / "views"))
    assert await application.templates.render("a.html") == "absolute"


def test_environment_lists_templates_of_all_folders(application: Patera, write: Write) -> None:
    write("users/show.html", "")
    assert application.jinja_environment.list_templates() == ["users/show.html"]


async def test_filter_set_on_environment_holds_for_strings_too(application: Patera) -> None:
    application.jinja_environment.filters["shout"] = str.upper
    application.jinja_environment.globals["motto"] = "go"
    assert await application.templates.render_string("{{ motto|shout }}") == "GO"


async def test_template_changed_with_auto_reload_is_new(application: Patera, write: Write) -> None:
    write("a.html", "before")
    await application.templates.render("a.html")
    write("a.html", "after, and longer")
    assert await application.templates.render("a.html") == "after, and longer"


async def test_template_changed_without_auto_reload_is_kept(make_app: MakeApp, write: Write) -> None:
    templates = make_app(AUTO_RELOAD=False).templates
    write("a.html", "before")
    await templates.render("a.html")
    write("a.html", "after, and longer")
    assert await templates.render("a.html") == "before"


async def test_template_async_function_is_awaited(application: Patera) -> None:
    async def load() -> str:
        return "loaded"

    assert await application.templates.render_string("{{ load() }}", {"load": load}) == "loaded"


async def test_render_sync_in_thread_is_the_same(application: Patera, write: Write) -> None:
    write("a.html", "{{ name }}")
    rendered = await to_thread.run_sync(application.templates.render_sync, "a.html", {"name": "<b>"})
    assert rendered == "&lt;b&gt;"


ESCAPES = [
    "{{ ''.__class__ }}",
    "{{ x['__class__'] }}",
    "{{ x|attr('__class__') }}",
    "{{ attribute(x, '__class__') }}",
    "{{ attribute(attribute(x, 'upper'), '__self__') }}",
    "{{ '{0.__class__}'.format(x) }}",
    "{{ '{0.__class__.__mro__}'|format(x) and '{0.__class__}'.format_map({'0': x}) }}",
    "{{ [x]|map(attribute='__class__')|list|first|string }}",
    "{{ url_for.__self__ }}",
    "{{ url_for.__globals__ }}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ app.configs.SECRET_KEY }}",
    "{{ app['configs'] }}",
    "{{ app.get_conf('SECRET_KEY') }}",
    "{{ attribute(app, 'configs') }}",
    "{{ app|attr('configs') }}",
    "{{ [app]|map(attribute='configs')|list }}",
    "{{ app.jinja_environment.from_string('x') }}",
    "{{ app.templates }}",
    "{{ app.app.configs }}",
    "{{ app.run_cli('x') }}",
    "{% set box = namespace(app=app) %}{{ box.app.configs }}",
    "{{ request.app.configs }}",
    "{{ request['app'].configs }}",
    "{{ request.get('app').configs }}",
    "{{ request.scope }}",
    "{{ request.receive }}",
    "{{ request.res.send_file('/etc/passwd') }}",
    "{{ dict(request) }}",
    "{{ request.items()|list }}",
    "{{ request|items|list }}",
    "{{ holder.environment.from_string('x') }}",
    "{{ user.parse_raw('x', proto='pickle', allow_pickle=true) }}",
    "{{ user.parse_file('/etc/passwd') }}",
    "{{ holder.module.Environment() }}",
    "{{ get().configs }}",
    "{{ box.app.configs }}",
]


@pytest.mark.parametrize("source", ESCAPES)
@pytest.mark.parametrize("form", ["async", "sync"])
async def test_string_that_leaves_the_sandbox_is_refused(application: Patera, source: str, form: str) -> None:
    scope = {"type": "http", "app": application, "method": "GET", "path": "/", "headers": [], "query_string": b""}
    context = {
        "x": "text",
        "user": User(name="Ada"),
        "box": {"app": application},
        "get": lambda: application,
        "holder": {"environment": application.jinja_environment, "module": jinja2},
    }
    request: Any = Request(scope, None, None)  # type: ignore[arg-type]
    with pytest.raises((SecurityError, TypeError)):
        await _render_string(application, form, source, context, request)


async def _render_string(application: Patera, form: str, *arguments: Any) -> str:
    if form == "async":
        return await application.templates.render_string(*arguments)
    return application.templates.render_string_sync(*arguments)


async def test_string_sees_public_part_of_app_and_request(application: Patera, client: Connect) -> None:
    scope = {"type": "http", "app": application, "method": "GET", "path": "/x", "headers": [], "query_string": b"a=1"}
    request: Any = Request(scope, None, None)  # type: ignore[arg-type]
    source = "{{ app.app_name }} {{ request.path }} {{ request.query_params.a }} {{ request.app.version }} {{ app }}"
    assert await application.templates.render_string(source, {}, request) == "Test /x 1 1.0 &lt;Application&gt;"


async def test_string_may_extend_a_file(application: Patera, write: Write) -> None:
    write("base.html", "<b>{% block body %}{% endblock %}</b>")
    source = "{% extends 'base.html' %}{% block body %}{{ name }}{% endblock %}"
    assert await application.templates.render_string(source, {"name": "Ada"}) == "<b>Ada</b>"


async def test_string_rendered_again_is_the_same(application: Patera) -> None:
    rendered = [await application.templates.render_string("{{ n }}", {"n": n}) for n in range(2)]
    assert rendered == ["0", "1"]
