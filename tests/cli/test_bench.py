"""`patera bench`: which routes it measures, what their twin looks like, and what it says about the rest."""

import asyncio
import json
import runpy
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from patera._bench.clock import interval_of_median
from patera.cli._program import main

SHORT = ("--rounds", "6", "--requests", "2")

SHOP = Path(__file__).parents[1].joinpath("apps", "shop.py").read_text()


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "page.html").write_text("<h1>{{ title }}</h1>")
    yield tmp_path
    for name in ("shop", "timing"):
        sys.modules.pop(name, None)


def bench(*words: str) -> Result:
    return CliRunner().invoke(main, ["bench", "--app", "shop:Application", *SHORT, *words], prog_name="patera")


def replace_in_shop(shop: Path, text: str, replacement: str) -> None:
    """Change the project before it is imported."""
    source = (shop / "shop.py").read_text()
    assert text in source
    (shop / "shop.py").write_text(source.replace(text, replacement, 1))


def measured(*words: str) -> list[str]:
    """The routes that were measured, the JSON of the command read."""
    result = bench("--json", *words)
    assert result.exit_code == 0, result.output
    return [route["route"] for route in json.loads(result.stdout)["routes"]]


def reason(route: str, *words: str) -> str:
    """Why a route is left out."""
    result = bench("--json", route, *words)
    assert result.exit_code == 1
    assert "Error: no route could be measured" in result.stderr
    (left_out,) = json.loads(result.stdout[: result.stdout.rindex("}") + 1])["left_out"]
    return str(left_out["reason"])


def test_bench_route_is_a_row_with_its_interval() -> None:
    result = bench("Items.show")
    head, row, blank, *rest = result.stdout.splitlines()
    assert (result.exit_code, blank) == (0, "")
    assert head.split("  ")[0] == "route"
    assert "95 % interval" in head
    assert row.startswith("GET /items/1 ")
    assert row.count("%") == 3
    assert rest[-1] == "The twin is not kept; --output FILE keeps it."


def test_bench_without_output_leaves_nothing_in_the_temporary_folder(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    assert json.loads(bench("--json", "Items.show").stdout)["twin"] is None
    assert bench("Others.broken").exit_code == 1
    assert list(folder.iterdir()) == []


def test_bench_output_is_named_in_the_json(shop: Path) -> None:
    assert json.loads(bench("--json", "Items.show", "--output", "twin.py").stdout)["twin"] == "twin.py"


def test_bench_without_any_measured_route_says_why_and_ends_with_1() -> None:
    result = bench("Others.broken")
    assert result.exit_code == 1
    assert result.stdout.startswith("Left out: GET /others/broken: it answers 500")


def test_bench_progress_is_shown_beside_the_table() -> None:
    assert "1/1 GET /items/1: 6 rounds" in bench("Items.show").stderr


def test_bench_without_routes_measures_all_that_can_be_asked_with_get() -> None:
    assert measured() == [
        "GET /items/",
        "GET /items/1",
        "GET /items/x",
        "GET /items/dates",
        "GET /items/text/1/red",
        "GET /items/tuple/00000000-0000-0000-0000-000000000001",
        "GET /items/thread/1",
        "GET /items/year/2000",
        "GET /items/nothing",
        "GET /items/empty",
        "GET /items/page",
        "GET /items/csv",
        "GET /items/filtered",
        "GET /items/injected",
        "GET /hooked/",
    ]


@pytest.mark.parametrize(
    ("word", "route"),
    [
        ("/items/7", "GET /items/7"),
        ("/items/?page=2&tags=a&tags=b&order=down", "GET /items/?page=2&tags=a&tags=b&order=down"),
        ("Items.show", "GET /items/1"),
        ("/items/<int:item_id>", "GET /items/1"),
        ("/items/<name>", "GET /items/x"),
        ("/items/ö?tab=ü", "GET /items/ö?tab=ü"),
        ("/hooked/?closed", "GET /hooked/?closed"),
    ],
)
def test_bench_path_rule_or_endpoint_names_a_route(word: str, route: str) -> None:
    assert measured(word) == [route]


def test_bench_post_with_a_body_is_measured(shop: Path) -> None:
    (shop / "item.json").write_text('{"id": 3}')
    assert measured("--method", "post", "--body", "item.json", "/items/") == ["POST /items/"]
    assert measured("--method", "post", "--body", "item.json", "Items.note") == ["POST /items/notes"]


def test_bench_json_has_times_and_interval() -> None:
    (route,) = json.loads(bench("--json", "Items.show").stdout)["routes"]
    low, high = route["interval_percent"]
    assert route["endpoint"] == "Items.show"
    assert route["twin_us"] > 0
    assert route["patera_us"] > 0
    assert low <= route["overhead_percent"] <= high


def test_bench_output_is_a_plain_starlette_application(shop: Path) -> None:
    result = bench("Items.show", "--output", "twin.py")
    source = (shop / "twin.py").read_text()
    assert result.stdout.splitlines()[-1] == "The twin is twin.py"
    assert "uvicorn twin:app" in source
    assert "import patera" not in source
    assert (
        "async def items_show(request: Request) -> Response:\n"
        "    request.res = Answer()\n"
        '    result = await items.show(request, item_id=request.path_params["item_id"])\n'
        "    return respond(request, result, shape=ITEM)\n"
    ) in source
    assert 'Route("/items/{item_id:int}", items_show, methods=["GET"])' in source


def test_bench_output_runs_hooks_in_their_places(shop: Path) -> None:
    bench("Hooked.index", "--output", "twin.py")
    assert (
        "    result = await hooked.answer_early(request)\n"
        "    if result is None:\n"
        "        result = await run_in_threadpool(hooked.check, request)\n"
        "        if result is None:\n"
        "            result = await hooked.index(request)\n"
        "    response = respond(request, result, shape=DICT_STR_BOOL)\n"
        "    response = await hooked.mark(response) or response\n"
        "    return response\n"
    ) in (shop / "twin.py").read_text()


def test_bench_output_has_one_endpoint_for_two_requests_to_it(shop: Path) -> None:
    bench("/items/7", "/items/8", "/items/word", "--output", "twin.py")
    source = (shop / "twin.py").read_text()
    assert source.count("async def items_") == 2
    assert source.index('Route("/items/{item_id:int}"') < source.index('Route("/items/{name}"')


def test_bench_output_served_answers_by_itself(shop: Path) -> None:
    bench("Items.show", "Items.page", "--output", "twin.py")
    app = runpy.run_path(str(shop / "twin.py"))["app"]
    assert asyncio.run(body_of(app, "/items/8")) == b'{"id":8,"added":"2026-01-01"}'


async def body_of(app: Any, path: str) -> bytes:
    """The body that an application sends, its lifespan run around the request."""
    body = bytearray()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        body.extend(message.get("body", b""))

    async with app.router.lifespan_context(app):
        await app({"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}, receive, send)
    return bytes(body)


def test_bench_output_that_exists_is_not_overwritten(shop: Path) -> None:
    (shop / "twin.py").write_text("mine")
    result = bench("Items.show", "--output", "twin.py")
    assert result.exit_code == 2
    assert "twin.py exists" in result.output
    assert (shop / "twin.py").read_text() == "mine"


@pytest.mark.parametrize(
    ("route", "why"),
    [
        ("/items/7/", "its twin answers something else: status 307, not 200"),
        ("Others.since", "the default of day cannot be written as source"),
        ("Others.made", "shop.Nameless cannot be imported from its module"),
        ("Others.long", "no example fits its variables; name a path of /others/long/<string(length=70):word>"),
        ("Others.stream", "it streams"),
        ("Others.guarded", "Door stands around it: a layer that only Patera's pipeline runs"),
        (
            "Others.own",
            "its twin cannot do what it does: AttributeError: 'Request' object has no attribute 'request_id'",
        ),
        ("Others.broken", "it answers 500"),
        ("Others.gone", "it answers 404"),
        ("Others.counted", 'its twin answers something else: {"count":2}, not {"count":1}'),
    ],
)
def test_bench_route_that_no_twin_equals_is_left_out_with_the_reason(route: str, why: str) -> None:
    assert reason(route).startswith(why)


@pytest.mark.parametrize(
    ("route", "why"),
    [("Items.create", "it reads a body; give one with --body FILE"), ("Others.form", "name comes from a form")],
)
def test_bench_post_without_what_it_needs_is_left_out_with_the_reason(route: str, why: str) -> None:
    assert reason(route, "--method", "POST").startswith(why)


def test_bench_debug_application_names_the_error_of_its_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATERA_DEBUG", "true")
    assert reason("Others.broken") == "it fails with ValueError: oh"
    assert "set PATERA_DEBUG=false" in bench("Items.show").stderr


MIDDLEWARE = """
from patera import MiddlewareBase

class Timing(MiddlewareBase):
    async def middleware(self, req):
        res = await self.next(req)
        {change}
        return res
"""


@pytest.mark.parametrize("change", ["res.headers['x-time'] = '1'", "res.status_code = 203"])
def test_bench_middleware_stands_around_the_twin_too(shop: Path, change: str) -> None:
    (shop / "timing.py").write_text(MIDDLEWARE.format(change=change))
    replace_in_shop(shop, "    CONTROLLERS", '    MIDDLEWARE: list[str] = ["timing:Timing"]\n    CONTROLLERS')
    assert measured("Items.show") == ["GET /items/1"]


def test_bench_middleware_that_starlette_cannot_serve_leaves_the_route_out(shop: Path) -> None:
    (shop / "timing.py").write_text(MIDDLEWARE.format(change="res.set_header('x-time', '1')"))
    replace_in_shop(shop, "    CONTROLLERS", '    MIDDLEWARE: list[str] = ["timing:Timing"]\n    CONTROLLERS')
    assert "AttributeError: 'JSON' object has no attribute 'set_header'" in reason("Items.show")


def test_bench_asgi_middleware_is_part_of_the_twin_too(shop: Path) -> None:
    replace_in_shop(shop, "    CONTROLLERS", '    MIDDLEWARE: list[str] = [f"{__name__}:Shout"]\n    CONTROLLERS')
    shout = (
        "class Shout:\n"
        "    def __init__(self, app):\n"
        "        self.app = app\n"
        "    async def __call__(self, scope, receive, send):\n"
        "        async def loudly(message):\n"
        "            await send({**message, 'body': message.get('body', b'').upper()})\n"
        "        await self.app(scope, receive, loudly)\n\n"
    )
    replace_in_shop(shop, "class Config", f"{shout}class Config")
    assert measured("/items/text/word/red") == ["GET /items/text/word/red"]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("Items.shwo", "No endpoint of a controller answers GET Items.shwo. Did you mean 'Items.show'?"),
        ("/item", "No endpoint of a controller answers GET /item. Did you mean '/items/'?"),
        ("Items.create", "Items.create answers POST, not GET; add --method POST."),
    ],
)
def test_bench_unknown_route_ends_with_2_and_names_the_nearest(word: str, message: str) -> None:
    result = bench(word)
    assert result.exit_code == 2
    assert message in result.output


def test_bench_header_without_colon_ends_with_2() -> None:
    result = bench("--header", "theme", "Items.filtered")
    assert result.exit_code == 2
    assert "--header takes NAME:VALUE, got 'theme'." in result.output


def test_bench_header_reaches_the_route() -> None:
    assert measured("--header", "cookie: theme=light", "Items.filtered") == ["GET /items/filtered"]


def test_bench_too_few_rounds_for_an_interval_are_refused() -> None:
    assert bench("--rounds", "5").exit_code == 2


def test_bench_failing_startup_ends_with_1(shop: Path) -> None:
    replace_in_shop(
        shop,
        "class Application(Patera): ...",
        "class Application(Patera):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.add_on_startup_method(self.fail)\n"
        "    async def fail(self):\n"
        "        raise OSError('no disk')\n",
    )
    result = bench("Items.show")
    assert result.exit_code == 1
    assert "no disk" in result.output


@pytest.mark.parametrize(("count", "bounds"), [(6, (0, 5)), (10, (1, 8)), (20, (5, 14)), (30, (9, 20))])
def test_interval_of_median_has_the_ranks_of_the_binomial_table(count: int, bounds: tuple[int, int]) -> None:
    assert interval_of_median([float(number) for number in range(count)]) == bounds
