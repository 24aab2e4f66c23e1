"""Table S: attacks through what the application sends, and through what browsers and logs make of it."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from patera import Patera
from tests.hostile.recording import SECRET, events
from tests.hostile.wire import JSON, Answer, Wire, call, call_server, ids, problems
from tests.server import Server

MakeHostile = Callable[..., Patera]
SCRIPT = "<script>alert(1)</script>"
LINE = "x\r\nset-cookie: stolen=1"


def set_header(row: str, name: str, value: str, status: int = 500) -> Wire:
    return Wire(row, "POST", "/output/set-header", (JSON,), json.dumps([name, value]).encode(), status)


def set_cookie(row: str, status: int = 500, **arguments: Any) -> Wire:
    arguments = {"cookie_name": "a", **arguments}
    return Wire(row, "POST", "/output/set-cookie", (JSON,), json.dumps(arguments).encode(), status)


def get(row: str, target: str, status: int = 200, *headers: tuple[str, str], **query: str) -> Wire:
    pairs = "&".join(f"{name}={quote(value, safe='', errors='surrogatepass')}" for name, value in query.items())
    return Wire(row, "GET", f"{target}?{pairs}" if pairs else target, headers, status=status)


ROWS = [
    set_header("S1 CRLF", "x-a", LINE),
    set_header("S1 LF", "x-a", "x\nset-cookie: stolen=1"),
    set_header("S1 NUL", "x-a", "x\0y"),
    set_header("S1 control character", "x-a", "x\x1by"),
    set_header("S1 content type", "content-type", "text/html\r\n\r\n<p>"),
    set_header("S1 CRLF in the name", "x-a\r\nset-cookie", "stolen=1"),
    set_header("S1 colon in the name", "x:a", "b"),
    set_header("S1 blank in the name", "x a", "b"),
    set_header("S1 empty name", "", "b"),
    set_header("S1 blanks around the value", "x-a", " b\t", 200),
    set_header("S2", "x-a", "\u20ac"),
    set_header("S2 name", "x-\u00e9", "b"),
    set_header("S2 latin-1", "x-a", "\u00e9", 200),
    set_cookie("S3 value", 200, value=LINE),
    set_cookie("S3 attributes in the value", 200, value='a; Domain=evil.example, b="'),
    set_cookie("S3 name", cookie_name="a\r\nb"),
    set_cookie("S3 attribute in the name", cookie_name="a; Domain=evil.example"),
    set_cookie("S3 path", path="/; Domain=evil.example"),
    set_cookie("S3 CRLF in the path", path="/" + LINE),
    set_cookie("S3 domain", domain="a.example, evil.example"),
    set_cookie("S3 same site", same_site="lax; Domain=evil.example"),
    set_cookie("S3 expires", expires="x; Domain=evil.example"),
    set_cookie("S3 max age", max_age="1; Domain=evil.example"),
    set_cookie("S3 not latin-1", value="\u20ac"),
    get("S4", "/output/redirect", 303, to="/a" + LINE),
    get("S4 NUL", "/output/redirect", 303, to="/a\0"),
    get("S4 url_for", "/output/redirect-named", 303, word=LINE),
    *[
        get(f"S6 {name}", "/output/download", 200, name=name)
        for name in ('a"b.txt', "a\r\nset-cookie: stolen=1", "\u20ac.pdf", '"; filename="evil.exe', "a\\b", "")
    ],
]


@pytest.mark.parametrize("wire", ROWS, ids=ids(ROWS))
async def test_output_has_stated_answer_and_nothing_is_split(shared: Patera, wire: Wire) -> None:
    answer = await call(shared, wire)
    assert problems(wire, answer) == []
    assert [name for name, value in answer.headers if set(b"\r\n\0") & set(name + value)] == []


async def test_output_over_a_socket_is_the_same(server: Server) -> None:
    found = {}
    for wire in ROWS:
        answer = await call_server(server.port, wire)
        wrong = problems(wire, answer)
        wrong += [f"cookie {each}" for each in answer.all("set-cookie") if each.startswith("stolen")]
        if wrong:
            found[wire.row] = wrong
    assert found == {}


async def stated(app: Patera, wire: Wire) -> Answer:
    """Return an answer that must be as stated."""
    answer = await call(app, wire)
    assert problems(wire, answer) == []
    return answer


async def test_cookie_value_is_quoted(shared: Patera) -> None:
    """S3."""
    answer = await stated(shared, set_cookie("S3", 200, value="b\r\n;,"))
    assert answer.header("set-cookie") == r'a="b\015\012\073\054"; HttpOnly; Path=/; SameSite=lax'


async def test_redirect_is_percent_encoded(shared: Patera) -> None:
    """S4."""
    answer = await stated(shared, get("S4", "/output/redirect", 303, to="/a\r\nx: y"))
    assert answer.header("location") == "/a%0D%0Ax:%20y"


async def test_url_of_an_endpoint_is_percent_encoded(shared: Patera) -> None:
    """S4."""
    answer = await stated(shared, get("S4", "/output/redirect-named", 303, word="a\r\n/?#"))
    assert answer.header("location") == "/paths/word/a%0D%0A%2F%3F%23?tab=a%0D%0A/?%23"


UNSAFE = [
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https://evil.example/",
    "http:///evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "%09//evil.example",
    "/%09/evil.example",
    "/%5cevil.example",
    "\t//evil.example",
    " //evil.example",
    "/a\r\nx: y",
    "https://testserver@evil.example/",
    "https://user@testserver@evil.example/",
    "http://testserver:@evil.example/",
    "https://testserver\\@evil.example/",
    "http://testserver.evil.example/",
    "http://[::1",
    ".//evil.example",
    "evil.example",
    "",
]


@pytest.mark.parametrize("target", UNSAFE)
async def test_redirect_that_leaves_the_site_goes_to_the_default(shared: Patera, target: str) -> None:
    """S5."""
    answer = await stated(shared, get("S5", "/output/safe-redirect", 303, next=target))
    assert answer.header("location") == "/home"


@pytest.mark.parametrize("target", ["/ok?a=1#b", "http://testserver/ok", "/a/b%20c"])
async def test_redirect_that_stays_goes_there(shared: Patera, target: str) -> None:
    """S5."""
    answer = await stated(shared, get("S5", "/output/safe-redirect", 303, next=target))
    assert answer.header("location") == target


async def test_download_name_has_both_forms(shared: Patera) -> None:
    """S6."""
    answer = await stated(shared, get("S6", "/output/download", 200, name='\u20ac"\r\n.pdf'))
    expected = "attachment; filename=\"____.pdf\"; filename*=UTF-8''%E2%82%AC%22%0D%0A.pdf"
    assert answer.header("content-disposition") == expected


def origin(value: str, target: str = "/cors/global", method: str = "GET", status: int = 200) -> Wire:
    return Wire("S23", method, target, (("origin", value),), status=status)


def preflight(value: str, target: str, method: str = "GET", status: int = 204) -> Wire:
    headers = (("origin", value), ("access-control-request-method", method))
    return Wire("S25", "OPTIONS", target, headers, status=status)


@pytest.fixture
def restricted(make_hostile: MakeHostile) -> Patera:
    """One origin may ask, with cookies."""
    return make_hostile(CORS_ALLOW_ORIGINS=["https://ok.io"], CORS_ALLOW_METHODS=["GET", "POST"])


def cors_headers(answer: Answer) -> list[str]:
    return [name.decode() for name, _ in answer.headers if name.startswith(b"access-control-")]


FOREIGN = [
    "null",
    "https://ok.io.evil.io",
    "https://evil-ok.io",
    "http://ok.io",
    "https://ok.io:8443",
    "https://OK.io",
    "HTTPS://ok.io",
    "https://ok.io/",
    "https://sub.ok.io",
    "https://ok.io, https://evil.io",
    "",
    "*",
]


@pytest.mark.parametrize("value", FOREIGN)
async def test_origin_that_is_not_listed_is_refused(restricted: Patera, value: str) -> None:
    """S23."""
    answer = await stated(restricted, origin(value, status=403))
    assert (cors_headers(answer), answer.header("vary"), events) == ([], "Origin", [])


async def test_origin_that_is_listed_is_named(restricted: Patera) -> None:
    """S23."""
    answer = await stated(restricted, origin("https://ok.io"))
    assert answer.header("access-control-allow-origin") == "https://ok.io"
    assert (answer.header("access-control-allow-credentials"), answer.header("vary")) == ("true", "Origin")


@pytest.mark.parametrize("target", ["/cors/global", "/nowhere", "/faults/raise", "/static/x"])
async def test_answer_varies_by_origin_without_one_too(restricted: Patera, target: str) -> None:
    """S23."""
    assert (await call(restricted, get("S23", target))).header("vary") == "Origin"


async def test_foreign_middleware_cannot_double_headers_of_the_edge(make_hostile: MakeHostile) -> None:
    """S23: its names may even be in capitals."""
    application = make_hostile(MIDDLEWARE=["tests.hostile.middleware:ForgingAsgi"])
    answer = await call(application, origin("https://evil.io"))
    assert answer.all("access-control-allow-origin") == ["*"]
    assert len(answer.all("x-request-id")) == 1


@pytest.mark.parametrize("wire", [origin("https://evil.io"), preflight("https://evil.io", "/cors/global")])
async def test_wildcard_never_goes_with_credentials(make_hostile: MakeHostile, wire: Wire) -> None:
    """S24."""
    application = make_hostile(CORS_ALLOW_ORIGINS=["*"], CORS_ALLOW_CREDENTIALS=True)
    answer = await stated(application, wire)
    assert answer.header("access-control-allow-origin") == "*"
    assert answer.header("access-control-allow-credentials") is None


async def test_wildcard_with_credentials_is_warned_of_at_startup(make_hostile: MakeHostile, records: list[Any]) -> None:
    """S24."""
    application = make_hostile(CORS_ALLOW_ORIGINS=["*"], CORS_ALLOW_CREDENTIALS=True)
    async with application.lifespan():
        warned = [record["message"] for record in records if record["level"].name == "WARNING"]
    assert any("CORS_ALLOW_CREDENTIALS has no effect" in text for text in warned)


@pytest.mark.parametrize(
    ("wire", "allowed"),
    [
        (preflight("https://ok.io", "/cors/global"), "https://ok.io"),
        (preflight("https://evil.io", "/cors/global", status=403), None),
        (preflight("https://evil.io", "/nowhere", status=403), None),
        (preflight("https://ok.io", "/nowhere", status=404), "https://ok.io"),
        (preflight("https://ok.io", "/cors/global", "POST", 405), "https://ok.io"),
        (preflight("https://ok.io", "/cors/global", "DELETE", 405), "https://ok.io"),
        (preflight("https://ok.io", "/cors/own", status=403), None),
        (preflight("https://own.example", "/cors/own"), "https://own.example"),
        (preflight("https://ok.io", "/cors/none"), None),
        (preflight("https://evil.io", "/cors/none"), None),
        (preflight("https://ok.io", "/static/digits.txt"), "https://ok.io"),
    ],
    ids=lambda value: f"{value.target} {dict(value.headers)}" if isinstance(value, Wire) else "",
)
async def test_preflight_has_stated_answer_and_runs_no_handler(
    restricted: Patera, wire: Wire, allowed: str | None
) -> None:
    """S25."""
    answer = await stated(restricted, wire)
    assert (answer.header("access-control-allow-origin"), events) == (allowed, [])


async def test_preflight_without_cors_has_allow_and_no_cors_header(restricted: Patera) -> None:
    """S25."""
    answer = await stated(restricted, preflight("https://ok.io", "/cors/none"))
    assert (answer.header("allow"), cors_headers(answer)) == ("GET, HEAD, OPTIONS", [])


@pytest.mark.parametrize("target", ["/output/page", "/output/string"])
async def test_template_escapes_what_it_shows(shared: Patera, target: str) -> None:
    """S27."""
    answer = await stated(shared, get("S27", target, text="\"'></p>" + SCRIPT))
    assert SCRIPT.encode() not in answer.body
    assert b'title="&#34;' in answer.body or b"title='&#34;&#39;" in answer.body


async def test_template_escapes_within_a_script(shared: Patera) -> None:
    """S27."""
    answer = await stated(shared, get("S27", "/output/page", text="</script>'<!--"))
    assert b'var text = "\\u003c/script\\u003e\\u0027\\u003c!--";' in answer.body


SOURCES = [
    "{{ secret._private }}",
    "{{ secret['_private'] }}",
    "{{ attribute(secret, '_private') }}",
    "{{ secret|attr('_private') }}",
    "{{ '{0._private}'.format(secret) }}",
    "{{ [secret]|map(attribute='_private')|list }}",
    "{{ ''.__class__.__mro__ }}",
    "{{ ().__class__.__base__.__subclasses__() }}",
    "{{ url_for.__globals__ }}",
    "{{ url_for.__self__.configs }}",
    "{{ attribute.__globals__ }}",
    "{{ app.configs }}",
    "{{ app.get_conf('SECRET_KEY') }}",
    "{{ [app]|map(attribute='configs')|list }}",
    "{{ request.app.configs }}",
    "{{ request.scope['app'].config }}",
    "{{ request['app'].configs }}",
    "{{ app.jinja_environment }}",
    "{{ self.__init__.__globals__ }}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ lipsum.__globals__ }}",
    "{{ {'a': app}|tojson }}",
    "{% for number in range(10000000) %}{% endfor %}",
]


@pytest.mark.parametrize("source", SOURCES)
async def test_template_of_a_user_stays_in_the_sandbox(shared: Patera, source: str) -> None:
    """S28: documented as forbidden, and harmless all the same."""
    answer = await call(shared, get("S28", "/output/source", source=source))
    assert answer.status == 500 or answer.body == b"[Undefined]"
    assert SECRET.encode() not in answer.body
    assert b"kkkk" not in answer.body


async def test_template_of_a_user_may_calculate(shared: Patera) -> None:
    """S28."""
    assert (await stated(shared, get("S28", "/output/source", source="{{ 7*7 }}"))).body == b"49"


async def test_documentation_page_shows_scripts_as_text(make_hostile: MakeHostile) -> None:
    """S29."""
    values = {"APP_NAME": SCRIPT, "VERSION": SCRIPT, "OPEN_API_DESCRIPTION": "</script>" + SCRIPT}
    application = make_hostile(DEBUG=True, OPEN_API_URL="/open\"'&", **values)
    answer = await stated(application, get("S29", quote("/open\"'&/docs")))
    assert SCRIPT.encode() not in answer.body
    assert b"/open%22%27%26/specs.json" in answer.body
    assert "script-src 'self'" in (answer.header("content-security-policy") or "")


async def test_documentation_itself_is_no_html(make_hostile: MakeHostile) -> None:
    """S29."""
    answer = await stated(make_hostile(DEBUG=True, APP_NAME=SCRIPT), get("S29", "/openapi/specs.json"))
    assert answer.header("content-type") == "application/json"


async def test_debug_page_escapes_and_shows_no_values(make_hostile: MakeHostile) -> None:
    """S30."""
    wire = get("S30", "/output/debug", 500, ("accept", "text/html"), ("x-a", SCRIPT), text=SCRIPT)
    answer = await call(make_hostile(DEBUG=True), wire)
    assert b"RuntimeError: &lt;script&gt;" in answer.body
    assert SCRIPT.encode() not in answer.body
    assert SECRET.encode() not in answer.body


@pytest.mark.parametrize(
    "target", ["/faults/raise", "/faults/raise-sync", "/faults/wrong-model", "/output/template?name=x"]
)
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
@pytest.mark.parametrize("error_format", ["patera", "problem"])
async def test_error_in_production_tells_nothing(
    make_hostile: MakeHostile, target: str, accept: str, error_format: str
) -> None:
    """S31."""
    answer = await call(make_hostile(ERROR_FORMAT=error_format), get("S31", target, 500, ("accept", accept)))
    expected = {"status": "error", "message": "Internal server error"}
    problem = {"type": "about:blank", "title": "Internal Server Error", "status": 500, "detail": expected["message"]}
    assert answer.json() == (expected if error_format == "patera" else problem)


class Lines(list[str]):
    """A sink that keeps its lines."""

    def write(self, message: str) -> None:
        self.append(message)


FORGED = quote("/a\r\nINFO | forged\x1b[31m\u2028\x00")


async def test_log_line_of_a_request_cannot_be_split(make_hostile: MakeHostile) -> None:
    """S32."""
    lines = Lines()
    sink = {"SINK": lines, "FORMAT": "{message}", "COLORIZE": False}
    application = make_hostile(DEFAULT_LOGGER=sink, REQUEST_LOG=True)
    async with application.lifespan():
        await stated(application, get("S32", FORGED, 404, ("user-agent", "x\r\nforged\x1b[31m")))
    assert_unsplit(lines)


async def test_log_line_of_a_failing_middleware_cannot_be_split(make_hostile: MakeHostile, records: list[Any]) -> None:
    """S32."""
    application = make_hostile(MIDDLEWARE=["tests.hostile.middleware:FailingAsgi"])
    await call(application, get("S32", FORGED, 500, ("x-fail", "in")))
    assert_unsplit([record["message"] + "\n" for record in records])


def assert_unsplit(lines: list[str]) -> None:
    assert lines
    for line in lines:
        assert line.endswith("\n")
        assert line[:-1].isprintable(), line
