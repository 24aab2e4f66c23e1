"""Loggers of uvicorn and SQLAlchemy join an application's sinks while it runs."""

import asyncio
import logging
import logging.config
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy
from uvicorn.config import LOGGING_CONFIG

from patera._context import use_application
from patera._log_interception import JOINED_LOGGERS
from tests.log_application import running, state_of, to_memory, unchanged_logging


@pytest.fixture(autouse=True)
def global_logging_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with unchanged_logging(monkeypatch):
        yield


@pytest.fixture
def uvicorn_logging() -> None:
    logging.config.dictConfig(LOGGING_CONFIG)


@pytest.mark.usefixtures("uvicorn_logging")
def test_joined_logger_keeps_level_name_message_and_place() -> None:
    app, lines = to_memory(FORMAT="{level} {extra[logger_name]} {name} {function} {message}")
    with running(app):
        logging.getLogger("uvicorn.error").warning("%s of {} %d", "one", 2)
    here = "test_joined_logger_keeps_level_name_message_and_place"
    assert lines == [f"WARNING uvicorn.error {__name__} {here} one of {{}} 2"]


def test_joined_logger_keeps_the_line_of_the_caller() -> None:
    app, lines = to_memory(FORMAT="{file} {line}")
    with running(app):
        logging.getLogger("uvicorn.error").error("here")
        app.logger.info("one line below")
    (joined, own) = (line.split() for line in lines)
    assert (joined[0], int(joined[1])) == (own[0], int(own[1]) - 1)


def test_joined_logger_honours_stacklevel() -> None:
    def report() -> None:
        logging.getLogger("uvicorn.error").error("here", stacklevel=2)

    app, lines = to_memory(FORMAT="{function}")
    with running(app):
        report()
    assert lines == ["test_joined_logger_honours_stacklevel"]


def test_joined_logger_record_made_elsewhere_is_written() -> None:
    app, lines = to_memory()
    with running(app):
        logging.getLogger("uvicorn.error").handle(logging.makeLogRecord({"msg": "queued", "levelno": 20}))
    assert lines == ["queued"]


def test_joined_logger_keeps_the_exception() -> None:
    app, lines = to_memory()
    with running(app):
        try:
            divmod(1, 0)
        except ZeroDivisionError:
            logging.getLogger("uvicorn.error").exception("failed")
    assert lines[0].startswith("failed\nTraceback")
    assert "ZeroDivisionError" in lines[0]


def test_joined_logger_names_a_cancellation_without_traceback() -> None:
    app, lines = to_memory()
    with running(app):
        error = asyncio.CancelledError("graceful shutdown exceeded")
        logging.getLogger("uvicorn.error").error("Exception in ASGI application\n", exc_info=error)
    assert lines == ["Exception in ASGI application: CancelledError('graceful shutdown exceeded')"]


def test_joined_logger_without_a_current_exception_writes_no_traceback() -> None:
    app, lines = to_memory()
    with running(app):
        logging.getLogger("uvicorn.error").error("failed", exc_info=True)  # noqa: LOG014 - the rule
    assert lines == ["failed"]


def test_joined_logger_level_unknown_to_loguru_is_a_number() -> None:
    app, lines = to_memory(FORMAT="{level.no} {message}")
    with running(app):
        logging.getLogger("uvicorn.error").log(35, "unusual")
    assert lines == ["35 unusual"]


def test_joined_logger_keeps_its_own_level() -> None:
    app, lines = to_memory()
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    with running(app):
        logging.getLogger("uvicorn.error").warning("low")
    assert lines == []


def test_joined_logger_message_that_does_not_fit_its_arguments_raises_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    app, lines = to_memory()
    with running(app):
        logging.getLogger("uvicorn.error").error("%d", "many")
    assert lines == []
    assert "Logging error" in capsys.readouterr().err


@pytest.mark.usefixtures("uvicorn_logging")
def test_joined_logger_line_is_not_written_to_the_console_too(capfd: pytest.CaptureFixture[str]) -> None:
    app, lines = to_memory()
    with running(app):
        logging.getLogger("uvicorn.error").info("started")
    assert lines == ["started"]
    assert "started" not in "".join(capfd.readouterr())


def test_joined_logger_handler_of_another_kind_still_works(tmp_path: Path) -> None:
    handler = logging.FileHandler(tmp_path / "access.log")
    logging.getLogger("uvicorn.access").addHandler(handler)
    app, lines = to_memory()
    with running(app):
        logging.getLogger("uvicorn.access").error("GET /")
    handler.close()
    assert lines == ["GET /"]
    assert (tmp_path / "access.log").read_text() == "GET /\n"


def test_access_line_with_control_characters_is_one_line() -> None:
    app, lines = to_memory()
    with running(app):
        logging.getLogger("uvicorn.access").error("GET %s", "/a\nINFO forged")
    assert lines == [r"GET /a\nINFO forged"]


@pytest.mark.usefixtures("uvicorn_logging")
def test_access_log_that_was_switched_off_stays_off() -> None:
    access = logging.getLogger("uvicorn.access")
    access.handlers, access.propagate = [], False  # What uvicorn does for --no-access-log.
    app, _ = to_memory()
    with running(app):
        assert not access.hasHandlers()


@pytest.mark.usefixtures("uvicorn_logging")
def test_stop_restores_joined_loggers() -> None:
    saved = {name: state_of(name) for name in JOINED_LOGGERS}
    app, _ = to_memory()
    with running(app):
        assert state_of("uvicorn") != saved["uvicorn"]
    assert {name: state_of(name) for name in JOINED_LOGGERS} == saved


@pytest.mark.usefixtures("uvicorn_logging")
def test_stop_keeps_a_handler_that_was_added_meanwhile() -> None:
    app, _ = to_memory()
    added = logging.NullHandler()
    before = list(logging.getLogger("uvicorn").handlers)
    with running(app):
        logging.getLogger("uvicorn").addHandler(added)
    assert logging.getLogger("uvicorn").handlers == [*before, added]


def test_stop_leaves_a_logger_that_was_configured_anew() -> None:
    app, _ = to_memory()
    with running(app):
        logging.config.dictConfig(LOGGING_CONFIG)
        configured = state_of("uvicorn")
    assert state_of("uvicorn") == configured


def test_joined_logger_line_of_nobody_is_written_once_by_the_oldest_application() -> None:
    (first, first_lines), (second, second_lines) = to_memory(), to_memory()
    with running(first), running(second):
        logging.getLogger("uvicorn.error").error("once")
    assert (first_lines, second_lines) == (["once"], [])


def test_joined_logger_line_of_a_request_is_written_by_its_application() -> None:
    (first, first_lines), (second, second_lines) = to_memory(), to_memory()
    with running(first), running(second), use_application(second):
        logging.getLogger("uvicorn.error").error("once")
    assert (first_lines, second_lines) == ([], ["once"])


def test_joined_logger_stays_joined_until_the_last_application_stops() -> None:
    (first, _), (second, lines) = to_memory(), to_memory()
    with running(second):
        with running(first):
            pass
        logging.getLogger("uvicorn.error").error("once")
    assert lines == ["once"]


def test_joined_logger_in_a_thread_of_its_own_is_written() -> None:
    app, lines = to_memory()
    with running(app):
        thread = threading.Thread(target=logging.getLogger("uvicorn.error").error, args=("apart",))
        thread.start()
        thread.join()
    assert lines == ["apart"]


@pytest.mark.parametrize("made_before", [True, False])
def test_sql_of_an_engine_with_echo_is_written_once(made_before: bool, capfd: pytest.CaptureFixture[str]) -> None:
    app, lines = to_memory()
    engine = sqlalchemy.create_engine("sqlite://", echo=True) if made_before else None
    with running(app):
        engine = engine or sqlalchemy.create_engine("sqlite://", echo=True)
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("select 7"))
    engine.dispose()
    assert lines.count("select 7") == 1
    assert "select 7" not in "".join(capfd.readouterr())
