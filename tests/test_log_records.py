"""Records of an application: the request they belong to, who writes them, what memory keeps of them."""

import asyncio
import logging
from collections.abc import Callable, Iterator

import pytest
from loguru import logger

from patera import Patera, Request, Response, run_in_background, run_sync_or_async
from patera.controller import Controller, get, path
from patera.logging import InMemoryLogBuffer, LoggerBase, LogLevel, escape_control
from patera.testing import PateraTestClient
from tests.log_application import LoggedRequest, Memory, answering, running, to_memory, unchanged_logging


class FileLogger(LoggerBase):
    """The documented example."""


@pytest.fixture(autouse=True)
def global_logging_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with unchanged_logging(monkeypatch):
        yield


def test_request_id_without_request_is_a_dash() -> None:
    app, lines = to_memory(FORMAT="{extra[request_id]} {message}")
    with running(app):
        app.logger.info("ready")
    assert lines == ["- ready"]


def test_request_id_is_on_every_line_of_a_request() -> None:
    app, lines = to_memory(FORMAT="{extra[request_id]} {message}")
    with running(app), answering(LoggedRequest(app, "r1")):
        app.logger.info("one")
        logger.info("two")
        logging.getLogger("uvicorn.error").error("three")
    assert lines == ["r1 one", "r1 two", "r1 three"]


def test_request_id_of_a_request_without_one_is_a_dash() -> None:
    app, lines = to_memory(FORMAT="{extra[request_id]}")
    with running(app), answering(LoggedRequest(app)):
        app.logger.info("")
    assert lines == ["-"]


async def test_request_id_is_on_lines_of_a_thread() -> None:
    app, lines = to_memory(FORMAT="{extra[request_id]}")
    with running(app), answering(LoggedRequest(app, "r1")):
        await run_sync_or_async(app.logger.info, "")
    assert lines == ["r1"]


async def test_request_id_is_on_lines_of_a_background_task() -> None:
    async def work() -> None:
        app.logger.info("working")
        raise LookupError("no such row")

    app, lines = to_memory(FORMAT="{extra[request_id]} {message}")
    with running(app):
        with answering(LoggedRequest(app, "r1")):
            task = run_in_background(work)
        await asyncio.wait({task})
    assert lines[0] == "r1 working"
    assert lines[1].startswith("r1 Background task ")


def test_request_id_that_is_bound_stays() -> None:
    app, lines = to_memory(FORMAT="{extra[request_id]}")
    with running(app), answering(LoggedRequest(app, "r1")):
        app.logger.bind(request_id="job-7").info("")
    assert lines == ["job-7"]


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("/users/ž", "/users/ž"),
        ("/a\r\nINFO | forged", r"/a\r\nINFO | forged"),
        ("curl\x1b[31m", r"curl\x1b[31m"),
        ("a\tb\x00\x7f\x85", r"a\tb\x00\x7f\x85"),
        ("a\u2028b\u202ec", r"a\u2028b\u202ec"),
        ("\udc80", r"\udc80"),
    ],
)
def test_escape_control_spells_control_characters_out(text: str, escaped: str) -> None:
    assert escape_control(text) == escaped


def test_log_buffer_keeps_records_as_dicts() -> None:
    app, _ = to_memory()
    with running(app):
        app.logger.bind(logger_name="billing").error("failed")
    (record,) = app.log_buffer.get_all()
    assert record.pop("time").startswith("20")
    assert record.pop("line") > 0
    assert record == {
        "level": "ERROR",
        "message": "failed",
        "logger_name": "billing",
        "file": "test_log_records.py",
        "name": __name__,
        "function": "test_log_buffer_keeps_records_as_dicts",
    }


def test_log_buffer_lists_the_latest_records_oldest_first() -> None:
    app, _ = to_memory()
    with running(app):
        for number in range(5):
            app.logger.info(number)
    assert [record["message"] for record in app.log_buffer.get_last(2)] == ["3", "4"]


def test_log_buffer_none_of_the_records_is_an_empty_list() -> None:
    app, _ = to_memory()
    with running(app):
        app.logger.info("ready")
    assert app.log_buffer.get_last(0) == []


def test_log_buffer_severe_records_are_errors_and_worse() -> None:
    app, _ = to_memory()
    with running(app):
        for level in LogLevel:
            app.logger.log(level, "")
    assert [record["level"] for record in app.log_buffer.get_severe()] == ["ERROR", "CRITICAL"]
    assert [record["level"] for record in app.log_buffer.get_last_severe(1)] == ["CRITICAL"]


def test_log_buffer_forgets_the_oldest_beyond_its_size() -> None:
    app, _ = to_memory()
    app.log_buffer = InMemoryLogBuffer(maxlen=2)
    with running(app):
        for number in range(5):
            app.logger.info(number)
    assert [record["message"] for record in app.log_buffer.get_all()] == ["3", "4"]


def test_log_buffer_has_no_record_below_the_level_of_all_loggers() -> None:
    app, _ = to_memory(LEVEL="WARNING")
    app.configs["FILE_LOGGER"] = {"SINK": "NULL", "LEVEL": 40}
    with running(app, FileLogger):
        app.logger.info("low")
        app.logger.warning("high")
    assert [record["message"] for record in app.log_buffer.get_all()] == ["high"]


def test_record_of_another_application_is_not_written() -> None:
    (first, first_lines), (second, second_lines) = to_memory(), to_memory()
    with running(first), running(second):
        first.logger.info("one")
        second.logger.info("two")
    assert (first_lines, second_lines) == (["one"], ["two"])


def test_record_of_nobody_is_written_by_every_application() -> None:
    (first, first_lines), (second, second_lines) = to_memory(), to_memory()
    with running(first), running(second):
        logger.info("both")
    assert (first_lines, second_lines) == (["both"], ["both"])


def test_unbound_record_in_a_request_belongs_to_its_application() -> None:
    (first, first_lines), (second, second_lines) = to_memory(), to_memory()
    with running(first), running(second), answering(LoggedRequest(second)):
        logger.info("two")
    assert (first_lines, second_lines) == ([], ["two"])


def test_sink_of_the_program_sees_records_of_applications() -> None:
    app, _ = to_memory()
    lines = Memory()
    sink = logger.add(lines, format="{message}")
    with running(app):
        app.logger.info("ready")
    logger.remove(sink)
    assert lines == ["ready"]


@path("/items")
class Items(Controller):
    @get("/")
    async def listed(self, req: Request) -> Response:
        self.app.logger.info("on the loop")
        await run_sync_or_async(self.app.logger.info, "in a thread")
        run_in_background(self.app.logger.info, "in the background")
        return req.res.text("ok")


async def test_application_lines_of_a_request_carry_its_id(make_app: Callable[..., Patera]) -> None:
    lines = Memory()
    config = {"SINK": lines, "FORMAT": "{extra[request_id]} {message}", "COLORIZE": False}
    async with PateraTestClient(make_app(Items, DEFAULT_LOGGER=config)) as http:
        response = await http.get("/items")
    written = [line.split(" ", 1) for line in lines]
    own = [message for request_id, message in written if request_id == response.headers["x-request-id"]]
    assert own == ["on the loop", "in a thread", "in the background"]


async def test_application_loggers_are_configured_by_their_names(make_app: Callable[..., Patera]) -> None:
    lines = Memory()
    config = {"SINK": lines, "FORMAT": "{extra[logger_name]} {message}", "COLORIZE": False}
    app = make_app(LOGGERS=[FileLogger], FILE_LOGGER=config, DEFAULT_LOGGER={"SINK": "NULL"})
    async with app.lifespan():
        app.logger.info("ready")
    assert "FileLogger ready" in lines


async def test_application_removes_its_sinks_at_shutdown(make_app: Callable[..., Patera]) -> None:
    app = make_app(DEFAULT_LOGGER={"SINK": "NULL"})
    before = repr(logger)
    async with app.lifespan():
        assert repr(logger) != before
    assert repr(logger) == before
