"""Pages of async handlers are what Jinja's own asynchronous environment makes of their templates."""

import datetime
import traceback
import types
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest
from anyio import to_thread

from patera import Patera

MakeApp = Callable[..., Patera]

#: The templates that others extend, include and import.
FILES = {
    "base.html": "<{% block head %}{{ load('head') }}{% endblock %}|{% block body %}base{% endblock %}>",
    "middle.html": "{% extends 'base.html' %}{% block body %}[{{ super() }}{{ load('m') }}]{% endblock %}",
    "part.html": "({{ name }} {{ load('part') }})",
    "macros.html": "{% macro show(x) %}<i>{{ x }}{% if caller is defined %}{{ caller() }}{% endif %}</i>{% endmacro %}"
    "{% set kept = 'k' %}",
    "asking.html": "{% macro ask(x) %}{{ load(x) }}{% endmacro %}",
}

SOURCES = {
    "text only": "plain",
    "nothing": "",
    "values": "{{ name }} {{ number + 1 }} {{ none }} {{ '<b>' }} {{ '<b>'|safe }} {{ name ~ number }}",
    "dict": "{{ box.name }} {{ box['items'] }} {{ box.items()|list }} {{ box.copy() }} {{ box.nothing is defined }}",
    "dict of another type": "{{ counts.missing }} {{ counts.copy() }}",
    "attributes": "{{ person.name }} {{ person.day.year }} {{ person['name'] }} {{ person.nothing is undefined }}",
    "function": "{{ load('a') }}{{ load('b').upper() }}{{ load(load('c')) }}",
    "awaitable": "{{ waiting() }}",
    "coroutine that is a generator": "{{ old_coroutine() }}",
    "generator": "{% for x in letters() %}{{ x }}{% endfor %}{{ letters()|join }}",
    "attribute that is awaited": "{{ person.later }} {{ person['later'] }} {{ person.later|upper }}",
    "method": "{{ person.ask('x') }}",
    "filter": "{{ name|slowly }} {{ [1, 2]|map('slowly')|list }} {{ name|slowly|upper }}",
    "test": "{{ 'yes' if name is long else 'no' }} {{ 'yes' if number is not long else 'no' }}",
    "iterable": "{% for x in count(3) %}{{ x }},{% else %}none{% endfor %}",
    "iterable of attribute": "{% for x in person.count %}{{ loop.index }}{{ x }}{{ loop.last }},{% endfor %}",
    "iterable that is empty": "{% for x in count(0) %}{{ x }}{% else %}none{% endfor %}",
    "iterable in filters": "{{ count(3)|list }} {{ count(3)|join('-') }} {{ count(3)|map('slowly')|list }}",
    "iterable in a condition": "{% for x in count(5) if x is odd %}{{ x }}{{ load('x') }}{% endfor %}",
    "loop": "{% for x in rows %}{{ loop.length }}{{ loop.cycle('a', 'b') }}{{ loop.nextitem is defined }}{% endfor %}",
    "loop in loop": "{% for x in rows %}{% for y in rows if y > x %}{{ x }}{{ y }} {% endfor %}{% endfor %}",
    "loop that recurses": "{% for x in tree recursive %}{{ x.name }}({{ loop(x.sub) if x.sub }}){% endfor %}",
    "generator that is read once": "{% for x in once %}{{ x }}{% endfor %}{{ load('end') }}",
    "conditions": "{% if load('') %}1{% elif load('x') %}2{% else %}3{% endif %}{{ 'a' if none else load('b') }}",
    "set": "{% set a = load('a') %}{% set b %}{{ a }}<{{ load('b') }}{% endset %}{{ a }}{{ b }}",
    "set in a loop": "{% set n = namespace(v=0) %}{% for x in rows %}{% set n.v = n.v + x %}{% endfor %}{{ n.v }}",
    "with": "{% with a = load('a'), b = 1 %}{{ a }}{{ b }}{% endwith %}",
    "filter block": "{% filter upper %}a{{ load('b') }}{% for x in rows %}c{{ x }}{% endfor %}{% endfilter %}",
    "autoescape": "{% autoescape false %}{{ '<' }}{{ load('<') }}{% endautoescape %}{{ load('<') }}",
    "macro": "{% macro m(x, y=load('y')) %}{{ x }}{{ y }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, z=4) }}",
    "macro with default": "{% macro m(x, y=load('y')) %}{{ x }}{{ y }}{% endmacro %}{{ m(1) }}{{ m(1, load(2)) }}",
    "macro of a file": "{% from 'macros.html' import show, kept %}{{ show(kept) }}{{ show(load('x')) }}",
    "macro that awaits": "{% import 'asking.html' as asking with context %}{{ asking.ask('x') }}",
    "call block": "{% from 'macros.html' import show %}{% call show('x') %}{{ load('y') }}{{ name }}{% endcall %}",
    "include": "{% include 'part.html' %}{% for x in rows %}{% include 'part.html' %}{% endfor %}",
    "include chosen at run time": "{% include [name, 'part.html'] %}{% include 'no' ignore missing %}",
    "include without context": "{% include 'macros.html' without context %}.",
    "parent": "{% extends 'base.html' %}ignored{{ load('ignored') }}{% block body %}own {{ load('x') }}{% endblock %}",
    "parent of parent": "{% extends 'middle.html' %}{% block body %}{{ super() }}{{ super.super() }}{% endblock %}",
    "parent chosen at run time": "{% if number %}{% extends 'base.html' %}{% endif %}x{{ load('y') }}",
    "blocks": "{% block a %}{{ load('a') }}{% endblock %}{{ self.a() }}{% set x = self.a() %}{{ x }}",
    "block in a loop": "{% for x in rows %}{% block a scoped %}{{ x }}{{ load('l') }}{% endblock %}{% endfor %}",
    "many branches": "{% if number == 0 %}0"
    + "".join(f"{{% elif number == {n} %}}{n}" for n in range(1, 999))
    + "{% endif %}",
    "undefined": "a{{ nothing }}",
    "undefined attribute": "a\n\n{{ box.nothing }}",
    "undefined attribute of a function's value": "{{ load('x').nothing }}",
    "undefined in a loop": "{% for x in nothing %}{% endfor %}",
    "call of what is none": "{{ name() }}",
    "iteration of what is none": "{% for x in number %}{% endfor %}",
    "include that is missing": "{{ load('x') }}{% include 'nothing.html' %}",
    "error of a function": "a\n{{ load('x') }}\n{{ fail() }}",
    "error in a parent": "{% extends 'base.html' %}{% block body %}\n\n{{ fail() }}{% endblock %}",
}


class Person:
    name = "Ada"
    day = datetime.date(2000, 1, 2)

    def __getitem__(self, key: str) -> Any:
        raise KeyError(key)

    @property
    def later(self) -> Awaitable[str]:
        return load("later")

    @property
    def count(self) -> AsyncIterator[int]:
        return count(2)

    async def ask(self, value: str) -> str:
        return f"{self.name}?{value}"


class Waiting:
    def __await__(self) -> Generator[Any, Any, str]:
        return (yield from load("waited").__await__())


async def load(value: str) -> str:
    return value


@types.coroutine
def old_coroutine() -> Generator[Any, Any, str]:
    return (yield from load("old").__await__())


def letters() -> Iterator[str]:
    yield from "abc"


async def count(to: int) -> AsyncIterator[int]:
    for number in range(to):
        yield number


async def slowly(value: Any) -> str:
    return f"~{value}"


async def is_long(value: Any) -> bool:
    return len(str(value)) > 3


async def fail() -> None:
    raise LookupError("no such thing")


def context() -> dict[str, Any]:
    return {
        "name": "<Ada>",
        "number": 3,
        "none": None,
        "rows": [1, 2, 3],
        "once": iter("abc"),
        "box": {"name": "box", "items": "shadowed"},
        "counts": defaultdict(int, a=1),
        "tree": [{"name": "a", "sub": [{"name": "b", "sub": []}]}, {"name": "c", "sub": []}],
        "person": Person(),
        "load": load,
        "count": count,
        "fail": fail,
        "waiting": Waiting,
        "old_coroutine": old_coroutine,
        "letters": letters,
    }


@pytest.fixture
def application(make_app: MakeApp, tmp_path: Path) -> Patera:
    folder = tmp_path / "templates"
    folder.mkdir()
    for name, source in FILES.items():
        (folder / name).write_text(source)
    application = make_app()
    application.jinja_environment.filters["slowly"] = slowly
    application.jinja_environment.tests["long"] = is_long
    return application


async def outcome(render: Awaitable[str]) -> tuple[str, ...]:
    """Return the text, or the error with the lines of templates that it came from."""
    try:
        return (await render,)
    except Exception as error:
        places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
        return (type(error).__name__, str(error), *(str(place) for place in places if place[0].endswith(".html")))


def plain_environment(application: Patera, *, enable_async: bool) -> jinja2.Environment:
    """Return an environment of Jinja's own class with the settings of the application's."""
    ours = application.jinja_environment
    plain = jinja2.Environment(loader=ours.loader, autoescape=True, undefined=ours.undefined, enable_async=enable_async)
    plain.filters, plain.tests = ours.filters, ours.tests
    return plain


@pytest.mark.parametrize("name", SOURCES)
async def test_page_is_what_jinja_makes_of_it(application: Patera, tmp_path: Path, name: str) -> None:
    (tmp_path / "templates" / "page.html").write_text(SOURCES[name])
    plain = plain_environment(application, enable_async=True).get_template("page.html")
    expected = await outcome(plain.render_async(context()))
    assert await outcome(application.templates.render("page.html", context())) == expected


@pytest.mark.parametrize(
    "name", ["values", "dict", "dict of another type", "attributes", "loop", "undefined attribute"]
)
async def test_page_of_sync_handler_is_what_jinja_makes_of_it(application: Patera, tmp_path: Path, name: str) -> None:
    (tmp_path / "templates" / "page.html").write_text(SOURCES[name])
    plain = plain_environment(application, enable_async=False).get_template("page.html")
    expected = await outcome(to_thread.run_sync(plain.render, context()))
    assert await outcome(to_thread.run_sync(application.templates.render_sync, "page.html", context())) == expected


async def test_error_in_page_is_found_at_its_line(application: Patera, tmp_path: Path) -> None:
    page = tmp_path / "templates" / "page.html"
    page.write_text("a\n{{ load('x') }}\n{{ fail() }}")
    expected = ("LookupError", "no such thing", str((str(page), 3)))
    assert await outcome(application.templates.render("page.html", context())) == expected


async def test_function_of_framework_replaced_by_async_one_is_awaited(application: Patera, tmp_path: Path) -> None:
    async def url_for(name: str) -> str:
        return f"/{name}"

    (tmp_path / "templates" / "page.html").write_text("{{ url_for('x') }}")
    application.add_global_context_method(lambda: {"url_for": url_for})
    assert await application.templates.render("page.html") == "/x"


async def test_filters_and_globals_set_after_first_page_hold(application: Patera, tmp_path: Path) -> None:
    await application.templates.render("macros.html")
    application.jinja_environment.filters["shout"] = str.upper
    application.jinja_environment.globals["motto"] = "go"
    (tmp_path / "templates" / "page.html").write_text("{{ motto|shout }}")
    assert await application.templates.render("page.html") == "GO"


async def test_template_of_environment_can_be_streamed(application: Patera, tmp_path: Path) -> None:
    (tmp_path / "templates" / "page.html").write_text("{% for x in count(3) %}{{ x }}{% endfor %}")
    template = application.jinja_environment.get_template("page.html")
    assert [piece async for piece in template.generate_async(context())] == ["0", "1", "2"]
