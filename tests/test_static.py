import asyncio
import errno
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.responses import FileResponse

from patera import Patera, Request, Response
from patera._static import StaticFiles, resolve_folder, safe_join
from patera.exceptions import BaseHttpException, ExceptionHandler, NotFound, StaticAssetNotFound, handles
from patera.testing import PateraTestClient
from tests.server import run_server

MakeApp = Callable[..., Patera]
Connect = Callable[[Patera], Awaitable[PateraTestClient]]

TEXT = b"0123456789"
LARGE = os.urandom(1024) * 512


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of static files, with something to steal beside it."""
    static = tmp_path / "static"
    (static / "css").mkdir(parents=True)
    (static / ".well-known").mkdir()
    (static / ".git").mkdir()
    (static / "digits.txt").write_bytes(TEXT)
    (static / "css" / "site.css").write_text("body {}")
    (static / "my image.png").write_bytes(b"png")
    (static / ".well-known" / "security.txt").write_text("Contact: x")
    (static / ".env").write_text("SECRET=1")
    (static / ".git" / "config").write_text("secret")
    (static / "aux.txt").write_text("device")
    (static / "a\\b.txt").write_text("backslash")
    (tmp_path / "secret.txt").write_text("secret")
    (static / "out.txt").symlink_to(tmp_path / "secret.txt")
    (static / "in.txt").symlink_to(static / "digits.txt")
    (static / "circle.txt").symlink_to(static / "circle.txt")
    return static


@pytest.fixture
async def http(folder: Path, make_app: MakeApp, client: Connect) -> PateraTestClient:
    return await client(make_app())


async def test_file_requested_is_sent(http: PateraTestClient) -> None:
    assert (await http.get("/static/digits.txt")).content == TEXT


async def test_file_in_subfolder_is_sent_with_media_type(http: PateraTestClient) -> None:
    assert (await http.get("/static/css/site.css")).headers["content-type"] == "text/css; charset=utf-8"


async def test_file_with_space_in_name_is_sent(http: PateraTestClient) -> None:
    assert (await http.get("/static/my%20image.png")).headers["content-type"] == "image/png"


async def test_file_of_symlink_inside_folder_is_sent(http: PateraTestClient) -> None:
    assert (await http.get("/static/in.txt")).content == TEXT


async def test_file_in_well_known_is_sent(http: PateraTestClient) -> None:
    assert (await http.get("/static/.well-known/security.txt")).text == "Contact: x"


async def test_headers_of_file_allow_short_caching(http: PateraTestClient) -> None:
    headers = (await http.get("/static/digits.txt")).headers
    assert (headers["cache-control"], headers["accept-ranges"]) == ("public, max-age=300", "bytes")


async def test_url_for_names_the_file(http: PateraTestClient) -> None:
    assert http.app.url_for("Static.get", filename="css/my image.png") == "/static/css/my%20image.png"


async def test_url_for_alias_is_the_same(http: PateraTestClient) -> None:
    assert http.app.url_for("static", filename="x.png") == "/static/x.png"


HIDDEN = [
    "",
    "/",
    "missing.txt",
    "css",
    "css/",
    "digits.txt/",
    "digits.txt/more",
    "css//site.css",
    "..%2fsecret.txt",
    "%2e%2e/secret.txt",
    "css/..%2f..%2fsecret.txt",
    "css/%2e%2e/digits.txt",
    "..%5csecret.txt",
    "a%5cb.txt",
    "%00",
    "digits.txt%00.png",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "out.txt",
    "circle.txt",
    "a" * 5000,
    "a/" * 2000,
    ".env",
    ".git/config",
    "css/.hidden",
    ".well-known",
    ".well-known/.env",
    "aux.txt",
    "AUX",
    "css/NUL.txt",
    "com1",
    "lpt9.png",
    "con .txt",
    "aux:stream",
    "%ff",
]


@pytest.mark.parametrize("name", HIDDEN)
async def test_file_that_must_not_be_seen_is_404(http: PateraTestClient, name: str) -> None:
    response = await http.get(f"/static/{name}", follow_redirects=True)
    assert (response.status_code, response.json()["status"]) == (404, "error")


@pytest.mark.parametrize(
    "path", ["/static/../secret.txt", "/static/css/../../secret.txt", "//etc/passwd", "/static/css/./site.css"]
)
async def test_path_not_normalised_by_client_is_404(folder: Path, make_app: MakeApp, path: str) -> None:
    async with run_server(make_app()) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
    assert b" 404 " in answer.splitlines()[0]


async def test_file_missing_says_asset_not_found(http: PateraTestClient) -> None:
    response = await http.get("/static/missing.txt")
    assert response.json() == {"status": "error", "message": "Static asset not found"}


async def test_folder_missing_is_404(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app())
    assert (await http.get("/static/x.txt")).status_code == 404


async def test_file_unreadable_by_name_too_long_is_404_not_500(http: PateraTestClient) -> None:
    assert (await http.get(f"/static/{'ä' * 200}")).status_code == 404


class Handlers(ExceptionHandler):
    @handles(NotFound)
    async def missing(self, req: Request, exc: NotFound) -> Response:
        return req.res.text(type(exc).__name__).status(404)


async def test_handler_of_not_found_sees_missing_file(folder: Path, make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(EXCEPTION_HANDLERS=[Handlers]))
    assert (await http.get("/static/missing.txt")).text == "StaticAssetNotFound"


async def test_head_sends_headers_of_get_without_body(http: PateraTestClient) -> None:
    get, head = await http.get("/static/digits.txt"), await http.head("/static/digits.txt")
    kept = ("content-length", "content-type", "etag", "last-modified", "cache-control")
    assert (head.content, [head.headers[name] for name in kept]) == (b"", [get.headers[name] for name in kept])


async def test_post_is_405(http: PateraTestClient) -> None:
    assert (await http.post("/static/digits.txt")).status_code == 405


RANGES = [
    ("bytes=2-4", 206, b"234"),
    ("bytes=-3", 206, b"789"),
    ("bytes=7-", 206, b"789"),
    ("bytes=0-0", 206, b"0"),
    ("bytes=8-100", 206, b"89"),
    ("bytes=-100", 206, TEXT),
    ("bytes=" + ",".join(["0-0"] * 1000), 200, TEXT),
]


@pytest.mark.parametrize(("value", "status", "body"), RANGES)
async def test_range_understood_is_answered(http: PateraTestClient, value: str, status: int, body: bytes) -> None:
    response = await http.get("/static/digits.txt", headers={"range": value})
    assert (response.status_code, response.content) == (status, body)


async def test_range_sent_says_which_part_it_is(http: PateraTestClient) -> None:
    response = await http.get("/static/digits.txt", headers={"range": "bytes=2-4"})
    assert (response.headers["content-range"], response.headers["content-length"]) == ("bytes 2-4/10", "3")


async def test_ranges_apart_are_sent_in_parts(http: PateraTestClient) -> None:
    response = await http.get("/static/digits.txt", headers={"range": "bytes=0-1,8-9"})
    assert response.headers["content-type"].startswith("multipart/byteranges; boundary=")
    assert (b"\r\n01\r\n" in response.content, b"\r\n89\r\n" in response.content) == (True, True)
    assert int(response.headers["content-length"]) == len(response.content)


@pytest.mark.parametrize("value", ["bytes=9-5", "pages=1-2", "bytes", "bytes=", "bytes=x-y", "bytes=1" + "0" * 50_000])
async def test_range_malformed_is_400(http: PateraTestClient, value: str) -> None:
    response = await http.get("/static/digits.txt", headers={"range": value})
    assert (response.status_code, response.json()["message"]) == (400, "Malformed Range header")


async def test_range_beyond_end_is_416_with_size(http: PateraTestClient) -> None:
    response = await http.get("/static/digits.txt", headers={"range": "bytes=10-"})
    assert (response.status_code, response.headers["content-range"]) == (416, "bytes */10")
    assert response.json()["message"] == "Range not satisfiable"


async def test_range_of_other_version_sends_whole_file(http: PateraTestClient) -> None:
    response = await http.get("/static/digits.txt", headers={"range": "bytes=0-1", "if-range": '"other"'})
    assert (response.status_code, response.content) == (200, TEXT)


async def test_range_malformed_of_other_version_sends_whole_file(http: PateraTestClient) -> None:
    response = await http.get("/static/digits.txt", headers={"range": "pages=1", "if-range": '"other"'})
    assert response.status_code == 200


async def test_range_of_same_version_sends_part(http: PateraTestClient) -> None:
    etag = (await http.get("/static/digits.txt")).headers["etag"]
    response = await http.get("/static/digits.txt", headers={"range": "bytes=0-1", "if-range": etag})
    assert (response.status_code, response.content) == (206, b"01")


async def test_etag_known_is_304_without_body(http: PateraTestClient) -> None:
    etag = (await http.get("/static/digits.txt")).headers["etag"]
    response = await http.get("/static/digits.txt", headers={"if-none-match": etag})
    assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", etag)
    assert response.headers["cache-control"] == "public, max-age=300"


async def test_date_known_is_304(http: PateraTestClient) -> None:
    date = (await http.get("/static/digits.txt")).headers["last-modified"]
    assert (await http.get("/static/digits.txt", headers={"if-modified-since": date})).status_code == 304


async def test_etag_after_change_is_another(http: PateraTestClient, folder: Path) -> None:
    before = (await http.get("/static/digits.txt")).headers["etag"]
    (folder / "digits.txt").write_bytes(b"changed")
    assert (await http.get("/static/digits.txt", headers={"if-none-match": before})).content == b"changed"


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["range", "if-none-match", "if-modified-since", "if-range"]),
    value=st.one_of(
        st.text(st.characters(max_codepoint=126, min_codepoint=32)),
        st.from_regex(r"bytes=[0-9,\- ]{0,30}", fullmatch=True),
        st.from_regex(r"[A-Z][a-z]{2}, [0-9]{1,9} [A-Z][a-z]{2} [0-9]{1,9} [0-9:]{1,12} GMT", fullmatch=True),
    ),
)
async def test_condition_of_any_text_is_no_server_error(folder: Path, name: str, value: str) -> None:
    status = await _status_of(StaticFiles(directory=folder), {name: value})
    assert status in (200, 206, 304, 400, 416)


async def _status_of(files: StaticFiles, headers: dict[str, str]) -> int:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        await asyncio.Event().wait()

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "path": "/digits.txt", "headers": raw}
    try:
        await files(scope, receive, send)
    except BaseHttpException as error:
        return error.status_code
    return int(sent[0]["status"])


async def test_file_truncated_while_sent_breaks_off(folder: Path) -> None:
    (folder / "large.bin").write_bytes(LARGE)
    with pytest.raises(OSError, match="shorter while it was being sent"):
        await _send_while(folder / "large.bin", lambda file: os.truncate(file, 10))


class FailingDisk(StaticFiles):
    """A folder on a disk that cannot be read."""

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        raise OSError(errno.EIO, "Input/output error")


async def test_disk_failing_is_no_404(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="Input/output error"):
        await _status_of(FailingDisk(directory=tmp_path), {})


async def test_file_sent_by_server_itself_is_handed_over(folder: Path) -> None:
    sent = await _send_while(folder / "digits.txt", lambda _: None, extensions={"http.response.pathsend": {}})
    assert sent[1] == {"type": "http.response.pathsend", "path": str(folder / "digits.txt")}


async def test_file_grown_while_sent_keeps_announced_length(folder: Path) -> None:
    (folder / "large.bin").write_bytes(LARGE)
    sent = await _send_while(folder / "large.bin", lambda file: file.write_bytes(LARGE * 2))
    assert sum(len(message.get("body", b"")) for message in sent) == len(LARGE)


async def _send_while(file: Path, change: Callable[[Path], Any], **scope: Any) -> list[Any]:
    """Send a file and change it as soon as its headers are out."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            change(file)
        sent.append(message)

    async def receive() -> Any:
        await asyncio.Event().wait()

    scope = {"type": "http", "method": "GET", "path": f"/{file.name}", "headers": [], **scope}
    await StaticFiles(directory=file.parent)(scope, receive, send)
    return sent


@pytest.mark.parametrize("change", [lambda file: os.truncate(file, 10), os.unlink], ids=["truncated", "deleted"])
@pytest.mark.parametrize("http_protocol", ["httptools", "h11"])
async def test_file_changed_while_sent_over_socket_closes_connection(
    folder: Path, make_app: MakeApp, http_protocol: str, change: Callable[[Path], None]
) -> None:
    file = folder / "large.bin"
    file.write_bytes(LARGE * 40)
    async with run_server(make_app(), http=http_protocol) as server:
        received = await _download_slowly(server.port, lambda: change(file))
    assert 0 < received < len(LARGE) * 40 + 1000


async def _download_slowly(port: int, change: Callable[[], None]) -> int:
    """Return how many bytes came before the server closed, with a change after the first of them."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(connection, ("127.0.0.1", port))
        await loop.sock_sendall(connection, b"GET /static/large.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        received = len(await loop.sock_recv(connection, 4096))
        change()
        async with asyncio.timeout(30):
            while chunk := await loop.sock_recv(connection, 65536):
                received += len(chunk)
    return received


async def test_static_dir_absolute_below_root_is_served(tmp_path: Path, make_app: MakeApp, client: Connect) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "x.txt").write_text("absolute")
    http = await client(make_app(STATIC_DIR=str(tmp_path / "assets"), STATIC_URL="/files"))
    assert (await http.get("/files/x.txt")).text == "absolute"


async def test_static_files_mounted_serve_another_folder(tmp_path: Path, make_app: MakeApp, client: Connect) -> None:
    (tmp_path / "uploads").mkdir()
    (tmp_path / "uploads" / "x.txt").write_text("mounted")
    application = make_app()
    application.mount("/uploads", StaticFiles(directory=tmp_path / "uploads"))
    http = await client(application)
    assert (await http.get("/uploads/x.txt")).text == "mounted"


async def test_static_files_mounted_answer_missing_file_as_json(
    tmp_path: Path, make_app: MakeApp, client: Connect
) -> None:
    application = make_app()
    application.mount("/uploads", StaticFiles(directory=tmp_path / "uploads"))
    http = await client(application)
    assert (await http.get("/uploads/x.txt")).json()["message"] == "Static asset not found"


def test_safe_join_of_plain_parts_is_inside(tmp_path: Path) -> None:
    assert safe_join(tmp_path, "2024", "a b/c.txt") == os.path.realpath(tmp_path / "2024" / "a b" / "c.txt")


def test_safe_join_without_parts_is_base(tmp_path: Path) -> None:
    assert safe_join(tmp_path) == os.path.realpath(tmp_path)


@pytest.mark.parametrize("part", ["..", "../x", "/etc", "a/../b", "a//b", "", ".", "a\\b", "a\0b", "NUL", "con.txt"])
def test_safe_join_of_hostile_part_is_refused(tmp_path: Path, part: str) -> None:
    with pytest.raises(StaticAssetNotFound):
        safe_join(tmp_path, part)


def test_safe_join_through_link_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "link").symlink_to(tmp_path)
    with pytest.raises(StaticAssetNotFound):
        safe_join(tmp_path / "base", "link", "x")


@given(st.lists(st.text(max_size=20), max_size=4))
def test_safe_join_of_any_text_stays_inside(parts: list[str]) -> None:
    base = os.path.realpath("/srv/uploads")
    try:
        joined = safe_join(base, *parts)
    except StaticAssetNotFound:
        return
    assert joined == base or joined.startswith(base + os.sep)


def test_folder_with_leading_slash_is_below_root(tmp_path: Path) -> None:
    assert resolve_folder(tmp_path, "/static") == str(tmp_path / "static")


def test_folder_absolute_below_root_is_itself(tmp_path: Path) -> None:
    assert resolve_folder(tmp_path, str(tmp_path / "static")) == str(tmp_path / "static")


def test_folder_absolute_that_exists_is_itself(tmp_path: Path) -> None:
    assert resolve_folder(tmp_path / "app", str(tmp_path)) == str(tmp_path)


def test_folder_below_root_wins_over_absolute_one(tmp_path: Path) -> None:
    inside = tmp_path / str(tmp_path).lstrip("/")
    inside.mkdir(parents=True)
    assert resolve_folder(tmp_path, str(tmp_path)) == str(inside)


def test_starlette_still_has_what_range_checks_use() -> None:
    assert all(callable(getattr(FileResponse, name)) for name in ("_parse_range_header", "_should_use_range"))
