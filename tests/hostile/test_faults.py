"""Table R: faults of handlers, hooks, clients, files and services while an application runs."""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from patera import Patera, Request, Response
from patera._lifecycle import StartupError
from patera.controller import Controller, path
from patera.controller import get as get_verb
from tests.hostile.application import FailingToStart, FailingToStop, create, extensions, first
from tests.hostile.middleware import ForgingAsgi
from tests.hostile.recording import SECRET, events, tenant
from tests.hostile.wire import Answer, Wire, call, problems, send_octets
from tests.server import Server, run_server, start_process

MakeHostile = Callable[..., Patera]
ORIGIN = ("origin", "https://other.example")


def get(target: str, status: int = 200, *headers: tuple[str, str], **options: Any) -> Wire:
    return Wire(target, "GET", target, headers, status=status, **options)


async def stated(app: Patera, wire: Wire) -> Answer:
    """Return an answer that must be as stated."""
    answer = await call(app, wire)
    assert problems(wire, answer) == []
    return answer


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that another task does."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - handlers only note what happened
            await asyncio.sleep(0.01)


def levels(records: list[Any]) -> list[str]:
    return [record["level"].name for record in records if record["level"].no > 20]


GENERIC = {"status": "error", "message": "Internal server error"}


@pytest.mark.parametrize("target", ["/faults/raise", "/faults/raise-sync"])
async def test_handler_raising_is_a_generic_500_rolled_back_and_logged_once(
    shared: Patera, target: str, records: list[Any]
) -> None:
    """R1, S31."""
    answer = await stated(shared, get(target, 500))
    assert answer.json() == GENERIC
    assert answer.header("set-cookie") is None
    assert events[:2] == ["begin", "rollback"]
    assert levels(records) == ["CRITICAL"]
    assert "FaultsApi.fail" in records[0]["message"]


async def test_handler_raising_runs_what_was_deferred(shared: Patera) -> None:
    """R1."""
    await stated(shared, get("/faults/raise", 500))
    assert events == ["begin", "rollback", "deferred"]


async def test_faults_leave_no_task_and_no_file_behind(shared: Patera) -> None:
    """R1."""
    targets = ["raise", "raise-sync", "handled", "handler-fails", "mid-stream", "none", "file", "cycle"]
    wires = [get(f"/faults/{target}") for target in targets] + [upload(is_cut=True)]
    wires += [get(f"/faults/{target}", leaves_after=20) for target in ("endless", "endless-sse", "endless-sync")]
    await asyncio.gather(*(call(shared, wire) for wire in wires))
    before = len(os.listdir("/proc/self/fd"))
    for wire in wires * 3:
        await call(shared, wire)
    assert len(os.listdir("/proc/self/fd")) == before
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_error_with_a_handler_has_its_answer_alone_and_is_not_logged(shared: Patera, records: list[Any]) -> None:
    """R1."""
    answer = await stated(shared, get("/faults/handled", 409))
    assert (answer.json()["message"], answer.header("set-cookie")) == ("refused", None)
    assert (events, levels(records)) == (["begin", "rollback"], [])


async def test_stream_failing_after_its_start_aborts(shared: Patera) -> None:
    """R2: in process the server gets the exception, and no second response."""
    answer = await call(shared, get("/faults/mid-stream"))
    assert (answer.starts, answer.body, answer.is_complete) == (1, b"first\n", False)
    assert str(answer.error) == "the stream broke"
    assert events == ["begin", "commit", "mid-stream closed", "deferred"]


async def test_stream_failing_on_a_server_ends_incomplete_with_one_line(server: Server, records: list[Any]) -> None:
    """R2."""
    data = await send_octets(server.port, get("/faults/mid-stream").octets())
    assert data.count(b"HTTP/1.1 ") == 1
    assert data.endswith(b"first\n\r\n")
    assert levels(records) == ["ERROR"]


async def test_error_handler_raising_is_a_generic_500_with_both_logged(shared: Patera, records: list[Any]) -> None:
    """R3."""
    answer = await stated(shared, get("/faults/handler-fails", 500))
    assert answer.json() == GENERIC
    logged = [str(record["exception"].value) for record in records]
    assert logged == ["the first error", "the handler of errors failed"]


@pytest.mark.parametrize(
    ("place", "happened"),
    [
        ("way in", []),
        ("before", []),
        ("after", ["begin", "hooked ran", "commit"]),
        ("way out", ["begin", "hooked ran", "commit"]),
    ],
)
async def test_hook_or_middleware_raising_is_a_500_with_cors_and_request_id(
    make_hostile: MakeHostile, place: str, happened: list[str]
) -> None:
    """R4: what runs after the commit cannot undo it."""
    application = make_hostile(MIDDLEWARE=["tests.hostile.middleware:FailingMiddleware"])
    answer = await stated(application, get(f"/hooked/?in={place.replace(' ', '%20')}", 500, ORIGIN))
    assert answer.json() == GENERIC
    assert answer.header("access-control-allow-origin") == "*"
    assert events == happened


@pytest.mark.parametrize("place", ["in", "out"])
async def test_asgi_middleware_raising_is_a_500_with_cors_and_request_id(
    make_hostile: MakeHostile, place: str, records: list[Any]
) -> None:
    """R4."""
    application = make_hostile(MIDDLEWARE=["tests.hostile.middleware:FailingAsgi"])
    answer = await call(application, get("/paths/verbs", 500, ORIGIN, ("x-fail", place)))
    assert answer.starts == 1
    assert answer.header("access-control-allow-origin") == "*"
    assert len(answer.all("x-request-id")) == 1
    assert (answer.status, answer.error is None) == ((500, True) if place == "in" else (200, False))


async def test_client_leaving_during_upload_rolls_back_and_is_no_error(shared: Patera, records: list[Any]) -> None:
    """R6."""
    before = open_temporary_files()
    answer = await call(shared, upload(is_cut=True))
    assert (answer.error, answer.starts) == (None, 0)
    assert events == ["begin", "upload began", "upload ended with ClientDisconnect", "rollback"]
    assert [record["level"].name for record in records] == ["INFO"]
    assert open_temporary_files() == before


async def test_client_leaving_during_upload_to_a_server_rolls_back(server: Server, records: list[Any]) -> None:
    """R6."""
    before = open_temporary_files()
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(upload(is_cut=True, length=9_000_000).octets())
    await writer.drain()
    await until(lambda: "upload began" in events)
    writer.close()
    await until(lambda: "rollback" in events)
    assert events == ["begin", "upload began", "upload ended with ClientDisconnect", "rollback"]
    assert levels(records) == []
    await until(lambda: open_temporary_files() == before)


def upload(*, length: int = 9_000_000, **options: Any) -> Wire:
    """Return an upload of 2 MB, which is announced as larger."""
    start = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f.bin"\r\n\r\n'
    headers = (("content-type", "multipart/form-data; boundary=b"), ("content-length", str(length)))
    return Wire("R6", "POST", "/forms/upload", headers, start + bytes(2_000_000), **options)


def open_temporary_files() -> int:
    """Count the open files that have no name any more, as spooled uploads are."""
    links = []
    for number in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:
            continue
    return sum("(deleted)" in link for link in links)


@pytest.mark.parametrize(
    ("target", "name"),
    [("/faults/endless", "endless"), ("/faults/endless-sse", "sse"), ("/faults/endless-sync", "blocking")],
)
async def test_client_leaving_during_a_stream_closes_it_before_what_was_deferred(
    shared: Patera, target: str, name: str, records: list[Any]
) -> None:
    """R7."""
    answer = await call(shared, get(target, leaves_after=20))
    assert (answer.error, answer.is_complete) == (None, False)
    assert events == ["begin", "commit", f"{name} closed", "deferred"]
    assert levels(records) == []


@pytest.mark.parametrize("target", ["/faults/endless", "/faults/endless-sse", "/faults/endless-sync"])
async def test_client_leaving_a_server_during_a_stream_closes_it(
    server: Server, target: str, records: list[Any]
) -> None:
    """R7."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(get(target).octets())
    await reader.readuntil(b"tick")
    writer.close()
    await until(lambda: "deferred" in events)
    assert events[2].endswith(" closed")
    assert levels(records) == []


async def test_client_leaving_a_plain_handler_lets_it_end(shared: Patera) -> None:
    """R8."""
    await call(shared, get("/faults/plain?seconds=0.05", is_gone=True))
    assert events == ["begin", "plain began", "plain ended", "commit"]


async def test_client_leaving_a_handler_with_cancel_on_disconnect_cancels_it(
    shared: Patera, records: list[Any]
) -> None:
    """R8."""
    answer = await call(shared, get("/faults/cancellable?seconds=9", is_gone=True))
    assert events == ["begin", "cancellable began", "cancellable cancelled", "rollback"]
    assert (answer.starts, levels(records)) == (0, [])


@pytest.mark.parametrize(("name", "end"), [("plain", "ended"), ("cancellable", "cancelled")])
async def test_client_leaving_a_server_during_a_handler(server: Server, name: str, end: str) -> None:
    """R8."""
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(get(f"/faults/{name}?seconds=0.5").octets())
    await until(lambda: f"{name} began" in events)
    writer.close()
    await until(lambda: events[-1] in ("commit", "rollback"))
    assert events[2] == f"{name} {end}"


async def test_handler_over_its_time_is_cancelled_rolled_back_and_504(make_hostile: MakeHostile) -> None:
    """R9."""
    answer = await stated(make_hostile(REQUEST_TIMEOUT=0.05), get("/faults/hangs", 504, ORIGIN))
    assert answer.header("access-control-allow-origin") == "*"
    assert events == ["begin", "hangs cancelled", "rollback", "deferred"]


async def test_extension_failing_to_start_stops_the_started_ones_in_reverse(make_hostile: MakeHostile) -> None:
    """R14."""
    application = make_hostile(EXTENSIONS=extensions("first", "second", "broken", "last"))
    with pytest.raises(StartupError, match="the extension BROKEN failed: ConnectionError: no connection"):
        async with application.lifespan():
            pass
    assert events == ["FIRST started", "SECOND started", "SECOND stopped", "FIRST stopped"]


async def test_startup_hook_raising_stops_the_extensions_in_reverse(make_hostile: MakeHostile) -> None:
    """R14."""
    application = make_hostile(base=FailingToStart, EXTENSIONS=extensions("first", "second"))
    with pytest.raises(StartupError, match="load_catalogue failed: ConnectionError: no catalogue"):
        async with application.lifespan():
            pass
    assert events == ["FIRST started", "SECOND started", "SECOND stopped", "FIRST stopped"]


async def test_extension_failing_to_start_ends_the_server_with_3_and_its_name() -> None:
    """R14."""
    words = ("-m", "uvicorn", "tests.hostile.application:BrokenApplication", "--factory", "--port", "0")
    process = await start_process(words)
    output, _ = await process.communicate()
    assert (process.returncode, b"the extension BROKEN failed" in output) == (3, True)


async def test_shutdown_hook_raising_or_hanging_leaves_the_others_their_turn(
    make_hostile: MakeHostile, records: list[Any]
) -> None:
    """R15: each has its own time."""
    application = make_hostile(
        base=FailingToStop,
        BACKGROUND_TASKS_SHUTDOWN_TIMEOUT=0.05,
        EXTENSIONS=extensions("first", "reluctant", "hanging", "last"),
    )
    async with application.lifespan():
        events.clear()
    stopped = ["LAST stopped", "HANGING stopped", "RELUCTANT stopped", "FIRST stopped"]
    assert events == ["a_raises", "b_hangs", "c_ends", *stopped]
    failed = [record["message"] for record in records if record["level"].name == "ERROR"]
    assert [("a_raises" in text, "b_hangs" in text, "HANGING" in text, "RELUCTANT" in text) for text in failed] == [
        (True, False, False, False),
        (False, True, False, False),
        (False, False, True, False),
        (False, False, False, True),
    ]


@pytest.mark.parametrize("name", ["missing.html", "broken.html"])
@pytest.mark.parametrize("target", ["/output/template", "/output/abort"])
async def test_template_missing_or_broken_is_a_500_logged_with_its_name(
    shared: Patera, target: str, name: str, records: list[Any]
) -> None:
    """R36."""
    answer = await stated(shared, get(f"{target}?name={name}", 500))
    assert answer.json() == GENERIC
    error = records[0]["exception"].value
    assert name in (str(error.name) or str(error))


async def test_template_broken_shows_its_line_in_debug(make_hostile: MakeHostile) -> None:
    """R36."""
    wire = get("/output/template?name=broken.html", 500, ("accept", "text/html"))
    answer = await call(make_hostile(DEBUG=True), wire)
    assert answer.status == 500
    assert b"broken.html</span>,\n    line <i>2</i>" in answer.body


class FullDisk:
    """A sink that cannot write."""

    def write(self, message: str) -> None:
        raise OSError("No space left on device")


@pytest.mark.filterwarnings("ignore")
async def test_log_sink_failing_leaves_requests_unaffected(
    make_hostile: MakeHostile, capsys: pytest.CaptureFixture[str]
) -> None:
    """R37."""
    application = make_hostile(DEFAULT_LOGGER={"SINK": FullDisk()}, REQUEST_LOG=True)
    async with application.lifespan():
        await stated(application, get("/paths/verbs"))
        await stated(application, get("/faults/raise", 500))
    assert "No space left on device" in capsys.readouterr().err


async def test_handler_blocking_the_loop_is_named_in_debug(make_hostile: MakeHostile, records: list[Any]) -> None:
    """R39."""
    await call(make_hostile(DEBUG=True), get("/faults/blocks"))
    warnings = [record["message"] for record in records if record["level"].name == "WARNING"]
    assert [text.split(" for ")[0] for text in warnings] == ["FaultsApi.blocks blocked the event loop"]


@pytest.mark.parametrize("change", [lambda file: os.truncate(file, 10), os.unlink], ids=["truncated", "deleted"])
async def test_file_changing_while_it_is_sent_aborts(
    make_hostile: MakeHostile, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    """R41."""
    application, answer = make_hostile(), Answer()
    wire = get("/faults/file")

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            change(tmp_path / "large.bin")
        answer.add(message)

    with pytest.raises(OSError, match=r"shorter|No such file"):
        await asyncio.wait_for(application(wire.scope(), receive, send), 10)
    assert (answer.starts, answer.is_complete) == (1, False)


@pytest.mark.parametrize("parser", ["httptools", "h11"])
async def test_file_truncated_while_a_server_sends_it_closes_the_connection(
    make_hostile: MakeHostile, tmp_path: Path, parser: str
) -> None:
    """R41."""
    application, file = make_hostile(), tmp_path / "large.bin"
    file.write_bytes(bytes(50_000_000))
    async with run_server(application, http=parser) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(get("/faults/file").octets())
        received = len(await reader.read(1000))
        os.truncate(file, 10)
        with suppress(ConnectionError):
            while piece := await asyncio.wait_for(reader.read(65536), 10):
                received += len(piece)
        writer.close()
    assert 0 < received < 50_000_000


async def test_file_missing_before_it_is_sent_is_a_500(make_hostile: MakeHostile, tmp_path: Path) -> None:
    """R41."""
    application = make_hostile()
    os.unlink(tmp_path / "large.bin")
    assert (await stated(application, get("/faults/file", 500))).json() == GENERIC


async def test_two_applications_share_nothing(make_hostile: MakeHostile, tmp_path: Path) -> None:
    """R43."""
    one = create(tmp_path, EXTENSIONS=extensions("first"))
    other = make_hostile(EXTENSIONS=extensions("first"), APP_NAME="Other")

    @path("/extra")
    class ExtraApi(Controller):
        @get_verb("/")
        async def index(self, req: Request) -> Response:
            first.state.append(self.app.app_name)
            return req.res.json(first.state)

    one.register_controller(ExtraApi)
    await stated(other, get("/extra", 404))
    assert (await stated(one, get("/extra"))).json() == ["Hostile"]
    assert (one.extension_states[first], other.extension_states[first]) == (["Hostile"], [])


async def test_application_created_twice_answers_twice(make_hostile: MakeHostile) -> None:
    """R43."""
    application = make_hostile()
    again = type(application)()
    for each in (application, again):
        await stated(each, get("/paths/verbs"))
    assert again.plan.endpoints is not application.plan.endpoints


@pytest.mark.parametrize(
    ("name", "is_rolled_back"),
    [
        ("none", True),
        ("wrong-model", True),
        ("unserialisable", True),
        ("cycle", True),
        ("surrogate", True),
        ("half-typed", True),
        ("wrong-tuple", True),
    ],
)
async def test_body_that_does_not_fit_is_a_500_that_names_the_handler(
    shared: Patera, name: str, is_rolled_back: bool, records: list[Any]
) -> None:
    """R44: nothing is half sent."""
    answer = await stated(shared, get(f"/faults/{name}", 500))
    assert (answer.json(), answer.starts) == (GENERIC, 1)
    assert events == ["begin", "rollback"]
    assert levels(records) == ["CRITICAL"]
    assert f"FaultsApi.{name.replace('-', '_')}" in records[0]["message"]
    assert SECRET not in str(records[0]["exception"].value)


async def test_context_variable_reaches_handler_and_background_and_stays_apart(make_hostile: MakeHostile) -> None:
    """R45."""
    application = make_hostile(MIDDLEWARE=["tests.hostile.middleware:FailingMiddleware"])
    async with application.lifespan():
        one, other = await asyncio.gather(
            *(asyncio.create_task(stated(application, get(f"/faults/tenant/{name}"))) for name in ("one", "other"))
        )
    assert one.json() == {"given": "from the middleware", "kept": "one"}
    assert other.json() == {"given": "from the middleware", "kept": "other"}
    assert {"background of one", "background of other"} <= set(events)
    assert tenant.get() == "nobody"


async def test_client_gone_before_a_whole_answer_is_no_error(shared: Patera, records: list[Any]) -> None:
    """R8: servers of ASGI 2.4 say so with an OSError."""
    wire = get("/faults/plain?seconds=0")

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        raise OSError("the client is gone")

    await shared(wire.scope(), receive, send)
    assert events == ["begin", "plain began", "plain ended", "commit"]
    assert [record["level"].name for record in records] == ["INFO"]


async def test_mounted_application_cannot_double_headers_of_the_edge(make_hostile: MakeHostile) -> None:
    """S23: its names may even be in capitals."""
    application = make_hostile()
    application.mount("/foreign", ForgingAsgi(application))
    answer = await call(application, get("/foreign/", 200, ORIGIN))
    assert answer.all("access-control-allow-origin") == ["*"]
    assert len(answer.all("x-request-id")) == 1
