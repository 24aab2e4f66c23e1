"""Forged requests are refused: those of other sites, and those without a token of the session."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patera import Patera, Request, Response
from patera.controller import Controller, delete, get, path, post, put
from patera.csrf import CsrfError, csrf_exempt, csrf_input, csrf_protect, csrf_token
from patera.exceptions import AuthenticationException, ConfigurationError, ExceptionHandler, handles
from patera.layer import Call, Layer, Place
from patera.testing import PateraTestClient

MakeApp = Callable[..., Patera]
Connect = Callable[[Patera], Awaitable[PateraTestClient]]

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


class Login(Layer):
    """Finds the user in the way that a header names."""

    place = Place.LOGIN

    async def guard(self, call: Call) -> None:
        assert call.request is not None
        method = call.request.headers.get("x-method")
        if method is None:
            raise AuthenticationException
        call.request.scope["patera.auth_method"] = method


login = Login()


@path("/")
class Forms(Controller):
    @get("/token")
    async def token(self, req: Request) -> str:
        return csrf_token(req)

    @get("/token-in-thread")
    def token_in_thread(self, req: Request) -> str:
        return csrf_token()

    @get("/input")
    async def input(self, req: Request) -> str:
        return csrf_input(req)

    @post("/regenerate")
    async def regenerate(self, req: Request) -> str:
        req.session.regenerate()
        return csrf_token(req)

    @csrf_protect
    @get("/guarded")
    async def show(self, req: Request) -> str:
        return "shown"

    @csrf_protect
    @post("/guarded")
    async def save(self, req: Request) -> str:
        return "saved"

    @csrf_protect
    @put("/guarded")
    async def replace(self, req: Request) -> str:
        return "replaced"

    @csrf_protect
    @delete("/guarded")
    def remove(self, req: Request) -> str:
        return "removed"

    @post("/open")
    async def open(self, req: Request) -> str:
        return "open"

    @csrf_protect
    @post("/form")
    async def read_form(self, req: Request) -> dict[str, Any]:
        form = await req.form()
        files = await req.files()
        return {**form.fields, **{name: (await file.aread()).decode() for name, file in files.items()}}

    @csrf_protect
    @post("/form-in-thread")
    def read_form_in_thread(self, req: Request) -> dict[str, Any]:
        return dict(req.form)

    @csrf_protect
    @post("/stream")
    async def read_stream(self, req: Request) -> int:
        return sum([len(chunk) async for chunk in req.stream()])


@path("/protected")
@csrf_protect
class Protected(Controller):
    @post("/")
    async def save(self, req: Request) -> str:
        return "saved"

    @csrf_exempt
    @post("/hook")
    async def hook(self, req: Request) -> str:
        return "hooked"

    @post("/hook-below")
    @csrf_exempt
    async def hook_below(self, req: Request) -> str:
        return "hooked"


@path("/exempt")
@csrf_exempt
class Exempt(Controller):
    @csrf_protect
    @post("/")
    async def save(self, req: Request) -> str:
        return "saved"


@path("/users")
class Users(Controller):
    @csrf_protect
    @login
    @post("/")
    async def save(self, req: Request) -> str:
        return "saved"


@pytest.fixture
async def http(make_app: MakeApp, client: Connect) -> Any:
    return await client(make_app(Forms, Protected, Exempt, Users))


async def token_of(http: Any) -> str:
    return str((await http.get("/token")).text)


def reason_of(response: Any) -> str:
    body = response.json()
    assert (response.status_code, body["status"]) == (403, "error")
    return str(body["data"]["reason"])


class TestToken:
    @pytest.mark.parametrize(("method", "answer"), [("POST", "saved"), ("PUT", "replaced"), ("DELETE", "removed")])
    async def test_unsafe_request_needs_it(self, http: Any, method: str, answer: str) -> None:
        token = await token_of(http)
        assert reason_of(await http.request(method, "/guarded")) == "csrf_missing"
        assert (await http.request(method, "/guarded", headers={"X-CSRF-Token": token})).text == answer

    @pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
    async def test_safe_request_needs_none(self, http: Any, method: str) -> None:
        response = await http.request(method, "/guarded", headers={"origin": "http://evil.example"})
        assert response.status_code in (200, 204)

    async def test_endpoint_without_protection_needs_none(self, http: Any) -> None:
        assert (await http.post("/open")).text == "open"

    @pytest.mark.parametrize("name", ["X-CSRF-Token", "X-CSRFToken", "x-xsrf-token"])
    async def test_header_of_each_spelling_is_taken(self, http: Any, name: str) -> None:
        assert (await http.post("/guarded", headers={name: await token_of(http)})).text == "saved"

    async def test_each_page_has_another_text_and_all_are_valid(self, http: Any) -> None:
        tokens = [(await http.get(url)).text for url in ("/token", "/token", "/token-in-thread")]
        assert len({token[part] for token in tokens for part in (slice(43), slice(43, None))}) == 6
        for token in tokens:
            assert (await http.post("/guarded", headers={"X-CSRF-Token": token})).text == "saved"

    async def test_token_of_another_session_is_refused(self, http: Any) -> None:
        theirs = await token_of(http)
        http.client.cookies.clear()
        await token_of(http)
        assert reason_of(await http.post("/guarded", headers={"X-CSRF-Token": theirs})) == "csrf_invalid"

    async def test_token_without_its_session_is_refused(self, http: Any) -> None:
        token = await token_of(http)
        http.client.cookies.clear()
        assert reason_of(await http.post("/guarded", headers={"X-CSRF-Token": token})) == "csrf_invalid"

    async def test_token_of_before_the_login_is_refused(self, http: Any) -> None:
        before = await token_of(http)
        after = (await http.post("/regenerate")).text
        assert reason_of(await http.post("/guarded", headers={"X-CSRF-Token": before})) == "csrf_invalid"
        assert (await http.post("/guarded", headers={"X-CSRF-Token": after})).text == "saved"

    @pytest.mark.parametrize("storage", [{"SESSION_BACKEND": "memory"}, {"SESSION_COMPAT": "flask"}])
    async def test_token_is_bound_to_sessions_of_every_kind(
        self, make_app: MakeApp, client: Connect, storage: dict[str, Any]
    ) -> None:
        http = await client(make_app(Forms, **storage))
        assert (await http.post("/guarded", headers={"X-CSRF-Token": await token_of(http)})).text == "saved"
        assert reason_of(await http.post("/guarded")) == "csrf_missing"

    @pytest.mark.parametrize("token", ["", " ", "x", "A" * 86, "A" * 1_000, "=" * 86, "é" * 86, "A" * 85 + "="])
    async def test_anything_else_is_refused(self, http: Any, token: str) -> None:
        await token_of(http)
        response = await http.post("/guarded", headers={"X-CSRF-Token": token.encode("latin-1")})
        assert reason_of(response) in ("csrf_missing", "csrf_invalid")

    @settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(
        kind=st.sampled_from(["character", "bit", "insertion", "deletion"]),
        index=st.integers(0, 85) | st.sampled_from([0, 42, 43, 85]),
        step=st.integers(1, 63),
    )
    async def test_token_with_another_character_is_refused(self, http: Any, kind: str, index: int, step: int) -> None:
        token = await token_of(http)
        other = ALPHABET[(ALPHABET.index(token[index]) + step) % 64]
        flipped = chr(ord(token[index]) ^ 1 << step % 7)
        middle = {"character": other, "bit": flipped, "insertion": token[index] + other, "deletion": ""}[kind]
        changed = (token[:index] + middle + token[index + 1 :]).encode("latin-1")
        response = await http.post("/guarded", headers={"X-CSRF-Token": changed})
        assert reason_of(response) == "csrf_invalid"

    def test_token_outside_of_a_request_is_refused(self) -> None:
        with pytest.raises(RuntimeError, match="none is being answered here"):
            csrf_token()


class TestForm:
    async def test_field_is_taken_and_the_handler_reads_the_form(self, http: Any) -> None:
        token = await token_of(http)
        for url in ("/form", "/form-in-thread"):
            response = await http.post(url, data={"name": "Ada", "csrf_token": token})
            assert response.json() == {"name": "Ada", "csrf_token": token}

    async def test_field_of_a_form_with_files_is_taken(self, http: Any) -> None:
        token = await token_of(http)
        response = await http.post("/form", data={"csrf_token": token}, files={"file": ("a.txt", b"content")})
        assert response.json() == {"csrf_token": token, "file": "content"}

    async def test_form_without_the_field_is_refused(self, http: Any) -> None:
        await token_of(http)
        assert reason_of(await http.post("/form", data={"name": "Ada"})) == "csrf_missing"
        assert reason_of(await http.post("/form", data={"csrf_token": "wrong"})) == "csrf_invalid"

    async def test_file_in_the_place_of_the_field_is_refused(self, http: Any) -> None:
        token = await token_of(http)
        response = await http.post("/form", files={"csrf_token": ("t.txt", token.encode())})
        assert reason_of(response) == "csrf_missing"

    async def test_header_that_is_wrong_is_not_made_good_by_the_field(self, http: Any) -> None:
        token = await token_of(http)
        response = await http.post("/form", data={"csrf_token": token}, headers={"X-CSRF-Token": "wrong"})
        assert reason_of(response) == "csrf_invalid"

    @pytest.mark.parametrize("content_type", ["application/json", "text/plain", ""])
    async def test_field_of_a_body_that_is_no_form_is_not_looked_for(self, http: Any, content_type: str) -> None:
        token = await token_of(http)
        response = await http.post(
            "/guarded", content=f"csrf_token={token}", headers={"content-type": content_type} if content_type else {}
        )
        assert reason_of(response) == "csrf_missing"

    async def test_token_in_the_query_is_not_looked_for(self, http: Any) -> None:
        token = await token_of(http)
        assert reason_of(await http.post(f"/guarded?csrf_token={token}")) == "csrf_missing"

    async def test_body_is_not_read_where_the_header_is_there(self, http: Any) -> None:
        token = await token_of(http)
        form = {"content-type": "application/x-www-form-urlencoded"}
        response = await http.post("/stream", content=b"x" * 5000, headers={**form, "X-CSRF-Token": token})
        assert response.text == "5000"

    async def test_form_that_is_too_large_is_a_413(self, make_app: MakeApp, client: Connect) -> None:
        http = await client(make_app(Forms, MAX_CONTENT_LENGTH=100))
        token = await token_of(http)
        response = await http.post("/form", data={"csrf_token": token, "text": "x" * 200})
        assert response.status_code == 413

    async def test_field_is_written_as_html(self, http: Any) -> None:
        html = (await http.get("/input")).text
        start, _, end = html.partition('value="')
        assert start == '<input type="hidden" name="csrf_token" '
        token = end.removesuffix('">')
        assert (await http.post("/guarded", headers={"X-CSRF-Token": token})).text == "saved"

    async def test_template_has_field_and_token(self, make_app: MakeApp, client: Connect, tmp_path: Path) -> None:
        (tmp_path / "templates").mkdir()
        (tmp_path / "templates" / "form.html").write_text("<form>{{ csrf_input() }}</form>|{{ csrf_token() }}")

        @path("/pages")
        class Page(Controller):
            @get("/")
            async def show(self, req: Request) -> Response:
                return await req.res.html("form.html")

            @get("/thread")
            def show_in_thread(self, req: Request) -> Response:
                return req.res.html("form.html")

            @get("/string")
            async def show_string(self, req: Request) -> Response:
                return req.res.html_from_string("|{{ csrf_token() }}")

        http = await client(make_app(Forms, Page))
        for url in ("/pages", "/pages/thread", "/pages/string"):
            form, _, token = (await http.get(url)).text.partition("|")
            assert form == "" or form.startswith('<form><input type="hidden" name="csrf_token" value="')
            assert (await http.post("/guarded", headers={"X-CSRF-Token": token})).text == "saved"


class TestOrigin:
    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"sec-fetch-site": "same-origin"},
            {"sec-fetch-site": "none"},
            {"origin": "http://testserver"},
            {"origin": "HTTP://TESTSERVER"},
            # A proxy that ends TLS and that nobody told the application of.
            {"origin": "https://testserver", "sec-fetch-site": "same-origin"},
        ],
    )
    async def test_request_of_this_site_passes(self, http: Any, headers: dict[str, str]) -> None:
        headers = {**headers, "X-CSRF-Token": await token_of(http)}
        assert (await http.post("/guarded", headers=headers)).text == "saved"

    @pytest.mark.parametrize(
        "headers",
        [
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
            {"sec-fetch-site": "anything"},
            {"sec-fetch-site": "cross-site", "origin": "http://testserver"},
            {"origin": "null"},
            {"origin": ""},
            {"origin": "http://evil.example"},
            {"origin": "http://testserver.evil.example"},
            {"origin": "http://testserver:8080"},
            {"origin": "https://testserver"},
            {"origin": "http://user@testserver"},
        ],
    )
    async def test_request_of_another_site_is_refused_with_the_right_token(
        self, http: Any, headers: dict[str, str]
    ) -> None:
        headers = {**headers, "X-CSRF-Token": await token_of(http)}
        assert reason_of(await http.post("/guarded", headers=headers)) == "csrf_origin"

    async def test_request_with_two_origins_is_refused(self, http: Any) -> None:
        headers = [("origin", "http://testserver"), ("origin", "http://evil.example")]
        response = await http.post("/guarded", headers=[*headers, ("X-CSRF-Token", await token_of(http))])
        assert reason_of(response) == "csrf_origin"

    async def test_origin_counts_with_its_port_and_scheme(self, http: Any) -> None:
        await http.get("https://testserver/token")
        for url in ("https://testserver:8443", "https://testserver"):
            http.client.cookies.clear()
            token = (await http.get(f"{url}/token")).text
            response = await http.post(f"{url}/guarded", headers={"origin": url, "X-CSRF-Token": token})
            assert response.text == "saved"

    @pytest.mark.parametrize("site", [{}, {"sec-fetch-site": "same-site"}, {"sec-fetch-site": "cross-site"}])
    async def test_origin_that_is_trusted_passes(
        self, make_app: MakeApp, client: Connect, site: dict[str, str]
    ) -> None:
        trusted = ["https://Admin.example.org", "http://localhost:3000"]
        http = await client(make_app(Forms, CSRF_TRUSTED_ORIGINS=trusted, CORS_ENABLED=False))
        token = await token_of(http)
        for origin in ("https://admin.example.org", "http://localhost:3000"):
            headers = {**site, "origin": origin, "X-CSRF-Token": token}
            assert (await http.post("/guarded", headers=headers)).text == "saved"
        headers = {**site, "origin": "https://example.org", "X-CSRF-Token": token}
        assert reason_of(await http.post("/guarded", headers=headers)) == "csrf_origin"

    async def test_trusted_origin_needs_a_token_too(self, make_app: MakeApp, client: Connect) -> None:
        http = await client(make_app(Forms, CSRF_TRUSTED_ORIGINS=["https://admin.example.org"]))
        response = await http.post("/guarded", headers={"origin": "https://admin.example.org"})
        assert reason_of(response) == "csrf_missing"

    @pytest.mark.parametrize(
        "origin", ["admin.example.org", "https://a.example/", "https://*.example.org", "null", "*"]
    )
    def test_trusted_origin_that_is_none_stops_the_build(self, make_app: MakeApp, origin: str) -> None:
        with pytest.raises(ConfigurationError, match="PAT505 CSRF_TRUSTED_ORIGINS") as caught:
            make_app(Forms, CSRF_TRUSTED_ORIGINS=[origin]).build()
        assert len(caught.value.mistakes) == 1


class TestWhoIsChecked:
    @pytest.mark.parametrize("method", ["bearer", "api_key"])
    async def test_user_of_a_header_needs_no_token(self, http: Any, method: str) -> None:
        await token_of(http)
        response = await http.post("/users", headers={"x-method": method, "origin": "http://evil.example"})
        assert response.text == "saved"

    @pytest.mark.parametrize("method", ["session", "cookie", "custom", "anything"])
    async def test_user_of_a_cookie_needs_a_token(self, http: Any, method: str) -> None:
        token = await token_of(http)
        assert reason_of(await http.post("/users", headers={"x-method": method})) == "csrf_missing"
        response = await http.post("/users", headers={"x-method": method, "X-CSRF-Token": token})
        assert response.text == "saved"

    async def test_user_found_without_any_cookie_needs_no_token(self, http: Any) -> None:
        assert (await http.post("/users", headers={"x-method": "custom"})).text == "saved"

    @pytest.mark.parametrize("given", [{}, {"authorization": "Negotiate YII"}])
    async def test_user_found_without_any_cookie_is_held_to_the_origin(self, http: Any, given: dict[str, str]) -> None:
        for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}):
            response = await http.post("/users", headers={"x-method": "custom", **given, **headers})
            assert reason_of(response) == "csrf_origin"

    async def test_user_found_by_what_only_scripts_send_needs_no_origin(self, http: Any) -> None:
        headers = {"x-method": "custom", "authorization": "Bearer x", "origin": "http://spa.example"}
        assert (await http.post("/users", headers=headers)).text == "saved"

    async def test_basic_authentication_is_held_to_the_origin_alone(self, http: Any) -> None:
        assert (await http.post("/users", headers={"x-method": "basic"})).text == "saved"
        for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}):
            response = await http.post("/users", headers={"x-method": "basic", **headers})
            assert reason_of(response) == "csrf_origin"

    async def test_login_comes_first(self, http: Any) -> None:
        assert (await http.post("/users", headers={"origin": "http://evil.example"})).status_code == 401

    async def test_form_without_a_login_is_checked_without_cookies_too(self, http: Any) -> None:
        assert reason_of(await http.post("/guarded")) == "csrf_missing"

    async def test_class_protects_its_methods(self, http: Any) -> None:
        assert reason_of(await http.post("/protected")) == "csrf_missing"
        assert (await http.post("/protected", headers={"X-CSRF-Token": await token_of(http)})).text == "saved"

    @pytest.mark.parametrize("url", ["/protected/hook", "/protected/hook-below", "/exempt"])
    async def test_exempt_endpoint_takes_everything(self, http: Any, url: str) -> None:
        response = await http.post(url, headers={"origin": "http://evil.example"})
        assert response.status_code == 200

    async def test_protection_switched_off_takes_everything(self, make_app: MakeApp, client: Connect) -> None:
        app = make_app(Forms, CSRF_ENABLED=False, SECRET_KEY=None, DEBUG=False, CSRF_TRUSTED_ORIGINS=["*"])
        http = await client(app)
        assert (await http.post("/guarded", headers={"origin": "http://evil.example"})).text == "saved"


class TestOutsideOfRequests:
    async def test_decorated_method_that_is_called_without_a_request_runs(self) -> None:
        @csrf_exempt
        @csrf_protect
        async def helper() -> str:
            return "ran"

        assert await helper() == "ran"


class TestAnswer:
    async def test_answer_has_the_shape_of_all_errors(self, http: Any) -> None:
        assert (await http.post("/guarded")).json() == {
            "status": "error",
            "message": "The CSRF token is missing: send it in the header X-CSRF-Token or the form field csrf_token",
            "data": {"reason": "csrf_missing"},
        }

    async def test_exception_handler_answers_it(self, make_app: MakeApp, client: Connect) -> None:
        class Handlers(ExceptionHandler):
            @handles(CsrfError)
            async def forged(self, req: Request, exc: CsrfError) -> Response:
                return req.res.text(f"{exc.status_code} {exc.reason}").status(400)

        http = await client(make_app(Forms, EXCEPTION_HANDLERS=[Handlers]))
        response = await http.post("/guarded")
        assert (response.status_code, response.text) == (400, "403 csrf_missing")

    async def test_document_has_the_403_of_methods_that_change_something(
        self, make_app: MakeApp, client: Connect
    ) -> None:
        http = await client(make_app(Forms))
        operations = (await http.get("/openapi/specs.json")).json()["paths"]["/guarded"]
        assert {method: "403" in operations[method]["responses"] for method in operations} == {
            "get": False,
            "post": True,
            "put": True,
            "delete": True,
        }


class TestSecretKey:
    @pytest.mark.parametrize(("key", "code"), [(None, "PAT501"), ("short", "PAT502"), ("k" * 40, "PAT502")])
    def test_key_that_can_be_guessed_stops_the_build_in_production(
        self, make_app: MakeApp, key: str | None, code: str
    ) -> None:
        with pytest.raises(ConfigurationError, match=f"{code} Test: csrf_protect") as caught:
            make_app(Forms, Protected, SECRET_KEY=key, DEBUG=False).build()
        assert len(caught.value.mistakes) == 1
        make_app(Forms, Protected, SECRET_KEY=key, DEBUG=True).build()
