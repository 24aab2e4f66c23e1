"""Sinks of an application: their configuration, what they accept, and what is left after the end."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from patera.exceptions import ConfigurationError, Mistake
from patera.logging import (
    DefaultLogger,
    FilterType,
    LoggerBase,
    LoggerConfig,
    LoggerConfigModel,
    LogLevel,
    OutputSink,
    config_name,
    load_loggers,
    start_logging,
)
from tests.log_application import Memory, make_app, running, to_memory, unchanged_logging


class FileLogger(LoggerBase):
    """The documented example."""


class OtherLogger(LoggerBase):
    """A second one."""


class JsonLogger(DefaultLogger):
    def get_format(self) -> str:
        return self.dict_to_format_string(self.app.configs["FIELDS"])


def json_app(fields: dict[str, Any]) -> tuple[Any, Memory]:
    lines = Memory()
    return make_app(JSON_LOGGER={"SINK": lines}, FIELDS=fields), lines


def mistakes_of(call: Callable[[], Any]) -> tuple[Mistake, ...]:
    with pytest.raises(ConfigurationError) as raised:
        call()
    return raised.value.mistakes


@pytest.fixture(autouse=True)
def global_logging_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with unchanged_logging(monkeypatch):
        yield


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("FileLogger", "FILE_LOGGER"),
        ("JSONLogger", "JSON_LOGGER"),
        ("S3Logger", "S3_LOGGER"),
        ("Audit", "AUDIT"),
        ("Slow_Query", "SLOW_QUERY"),
    ],
)
def test_config_name_of_class_is_upper_snake_case(name: str, key: str) -> None:
    assert config_name(type(name, (LoggerBase,), {})) == key


def test_log_level_members_are_their_names() -> None:
    assert [str(level) for level in LogLevel] == ["TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


def test_logger_without_config_has_the_documented_defaults() -> None:
    file_logger = FileLogger(make_app())
    assert {
        "SINK": file_logger.get_sink(),
        "LEVEL": file_logger.get_level(),
        "FORMAT": file_logger.get_format(),
        "FILTER": file_logger.get_filter(),
        "ENQUEUE": file_logger.get_enqueue(),
        "BACKTRACE": file_logger.get_backtrace(),
        "COLORIZE": file_logger.get_colorize(),
        "DELAY": file_logger.get_delay(),
        "ROTATION": file_logger.get_rotation(),
        "RETENTION": file_logger.get_retention(),
        "COMPRESSION": file_logger.get_compression(),
        "SERIALIZE": file_logger.get_serialize(),
        "ENCODING": file_logger.get_encoding(),
        "MODE": file_logger.get_mode(),
    } == {
        "SINK": sys.stderr,
        "LEVEL": "TRACE",
        "FORMAT": (
            "<green>{time:HH:mm:ss}</green> | <level>{level}</level> | {extra[logger_name]} | <level>{message}</level>"
        ),
        "FILTER": None,
        "ENQUEUE": False,
        "BACKTRACE": True,
        "COLORIZE": True,
        "DELAY": True,
        "ROTATION": "5 MB",
        "RETENTION": 5,
        "COMPRESSION": "zip",
        "SERIALIZE": False,
        "ENCODING": "utf-8",
        "MODE": "a",
    }


def test_logger_config_keys_are_those_of_the_model() -> None:
    assert LoggerConfig.__annotations__.keys() == LoggerConfigModel.model_fields.keys()


def test_logger_partial_config_keeps_the_other_defaults() -> None:
    file_logger = FileLogger(make_app(FILE_LOGGER={"LEVEL": LogLevel.ERROR}))
    assert (file_logger.get_level(), file_logger.get_mode()) == ("ERROR", "a")


def test_logger_config_value_that_is_not_set_gives_the_callers_default() -> None:
    file_logger = FileLogger(make_app(FILE_LOGGER={"LEVEL": "INFO"}))
    assert file_logger.get_conf_value("FORMAT", "{message}") == "{message}"


def test_logger_config_none_is_the_default() -> None:
    file_logger = FileLogger(make_app(FILE_LOGGER={"LEVEL": None, "FORMAT": None, "MODE": None}))
    assert (file_logger.get_level(), file_logger.get_mode()) == ("TRACE", "a")


def test_logger_config_none_switches_file_limits_off() -> None:
    off = FileLogger(make_app(FILE_LOGGER={"ROTATION": None, "RETENTION": None, "COMPRESSION": None}))
    assert (off.get_rotation(), off.get_retention(), off.get_compression()) == (None, None, None)


def test_logger_level_in_lower_case_is_accepted() -> None:
    assert FileLogger(make_app(FILE_LOGGER={"LEVEL": "warning"})).get_level() == "WARNING"


def test_logger_retention_of_files_is_a_number() -> None:
    assert FileLogger(make_app(FILE_LOGGER={"RETENTION": "3 files"})).get_retention() == 3


def test_logger_rotation_may_be_a_timedelta() -> None:
    every = timedelta(hours=1)
    assert FileLogger(make_app(FILE_LOGGER={"ROTATION": every})).get_rotation() == every


@pytest.mark.parametrize("debug", [True, False])
def test_logger_diagnose_follows_debug(debug: bool) -> None:
    app = make_app()
    app.debug = debug
    assert FileLogger(app).get_diagnose() is debug


def test_logger_diagnose_when_set_does_not_follow_debug() -> None:
    assert FileLogger(make_app(FILE_LOGGER={"DIAGNOSE": True})).get_diagnose() is True


def test_logger_colorize_under_no_color_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert FileLogger(make_app()).get_colorize() is False


def test_logger_colorize_when_serialised_is_off() -> None:
    assert FileLogger(make_app(FILE_LOGGER={"SERIALIZE": True})).get_colorize() is False


@pytest.mark.parametrize("name", ["STDERR", "stderr", "sys.err", "Console", "ERR"])
def test_logger_sink_names_of_stderr(name: str) -> None:
    assert FileLogger(make_app(FILE_LOGGER={"SINK": name})).get_sink() is sys.stderr


@pytest.mark.parametrize("name", ["STDOUT", "stdout", "sys.out", "Out"])
def test_logger_sink_names_of_stdout(name: str) -> None:
    assert FileLogger(make_app(FILE_LOGGER={"SINK": name})).get_sink() is sys.stdout


@pytest.mark.parametrize("name", ["NULL", "devnull", "None"])
def test_logger_sink_names_of_nothing_write_nothing(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    app = make_app(DEFAULT_LOGGER={"SINK": name})
    with running(app):
        app.logger.info("gone")
    assert "gone" not in "".join(capfd.readouterr())


def test_unknown_key_names_the_closest_one() -> None:
    (mistake,) = mistakes_of(lambda: FileLogger(make_app(FILE_LOGGER={"ROTATE": "5 MB"})))
    assert (mistake.code, mistake.where) == ("PAT040", "FILE_LOGGER['ROTATE']")
    assert mistake.change == "correct or remove the key. Did you mean 'ROTATION'?"


def test_unknown_key_in_lower_case_names_the_right_one() -> None:
    (mistake,) = mistakes_of(lambda: FileLogger(make_app(FILE_LOGGER={"level": "INFO"})))
    assert mistake.change.endswith("Did you mean 'LEVEL'?")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("SINK", 3),
        ("SINK", ""),
        ("LEVEL", "LOUD"),
        ("LEVEL", -1),
        ("FORMAT", "{time"),
        ("ENQUEUE", "perhaps"),
        ("ROTATION", "5 elephants"),
        ("ROTATION", []),
        ("RETENTION", "5 filing cabinets"),
        ("COMPRESSION", "rarest"),
        ("ENCODING", "utf-80"),
        ("MODE", "r"),
    ],
)
def test_value_that_does_not_fit_is_named_with_its_key(key: str, value: Any) -> None:
    (mistake,) = mistakes_of(lambda: FileLogger(make_app(FILE_LOGGER={key: value})))
    assert (mistake.code, mistake.where, mistake.found) == ("PAT041", f"FILE_LOGGER['{key}']", repr(value))


def test_value_that_does_not_fit_says_what_is_accepted() -> None:
    (mistake,) = mistakes_of(lambda: FileLogger(make_app(FILE_LOGGER={"MODE": "r"})))
    assert mistake.accepted == "'a' to append, 'w' to overwrite, or 'x' for a file that must not exist"


def test_config_that_is_no_dict_is_a_mistake() -> None:
    (mistake,) = mistakes_of(lambda: FileLogger(make_app(FILE_LOGGER="logs/app.log")))
    assert (mistake.code, mistake.where) == ("PAT042", "FILE_LOGGER")


def test_class_that_is_no_logger_is_a_mistake() -> None:
    wrong: Any = Memory
    (mistake,) = mistakes_of(lambda: load_loggers(make_app(), [wrong]))
    assert (mistake.code, mistake.where) == ("PAT044", "LOGGERS")


def test_mistakes_of_all_loggers_are_reported_together() -> None:
    app = make_app(FILE_LOGGER={"LEVEL": "LOUD", "MODES": "a"}, OTHER_LOGGER={"SINKS": "x"})
    found = mistakes_of(lambda: load_loggers(app, [FileLogger, OtherLogger]))
    assert sorted(mistake.where for mistake in found) == [
        "FILE_LOGGER['LEVEL']",
        "FILE_LOGGER['MODES']",
        "OTHER_LOGGER['SINKS']",
    ]


def test_logger_with_a_model_of_its_own_takes_more_keys() -> None:
    class AuditConfigModel(LoggerConfigModel):
        TENANT: str

    class AuditLogger(LoggerBase):
        configs_model = AuditConfigModel

    assert AuditLogger(make_app(AUDIT_LOGGER={"TENANT": "a"})).get_conf_value("TENANT") == "a"


def test_logger_with_a_model_of_its_own_needs_its_required_keys() -> None:
    class AuditConfigModel(LoggerConfigModel):
        TENANT: str

    class AuditLogger(LoggerBase):
        configs_model = AuditConfigModel

    (mistake,) = mistakes_of(lambda: AuditLogger(make_app()))
    assert (mistake.where, mistake.found) == ("AUDIT_LOGGER['TENANT']", "nothing")


def test_sink_that_cannot_be_opened_is_a_mistake_naming_the_class(tmp_path: Path) -> None:
    app = make_app(FILE_LOGGER={"SINK": tmp_path, "DELAY": False})
    (mistake,) = mistakes_of(lambda: start_logging(app, load_loggers(app, [FileLogger])))
    assert (mistake.code, mistake.where) == ("PAT043", f"{__name__}.FileLogger")


def test_method_that_returns_a_broken_format_is_a_mistake() -> None:
    class Broken(LoggerBase):
        def get_format(self) -> str:
            return "{message"

    app = make_app()
    (mistake,) = mistakes_of(lambda: start_logging(app, load_loggers(app, [Broken])))
    assert mistake.found == "a sink that cannot be added: the format cannot be parsed: '{message'"


def test_error_in_a_loggers_method_leaves_no_sink_behind() -> None:
    class Broken(LoggerBase):
        def get_level(self) -> str:
            raise LookupError("no level")

    app, _ = to_memory()
    sinks = repr(logger)
    mistakes_of(lambda: start_logging(app, load_loggers(app, [Broken])))
    assert repr(logger) == sinks


def test_load_loggers_begins_with_the_default_logger() -> None:
    loggers = load_loggers(make_app(), [FileLogger])
    assert [type(each) for each in loggers] == [DefaultLogger, FileLogger]


def test_load_loggers_subclass_takes_the_place_of_the_default_logger() -> None:
    class Console(DefaultLogger):
        pass

    assert [type(each) for each in load_loggers(make_app(), [FileLogger, Console])] == [FileLogger, Console]


def test_load_loggers_class_named_twice_counts_once() -> None:
    assert len(load_loggers(make_app(), [FileLogger, FileLogger])) == 2


def test_default_logger_writes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    app = make_app(DEFAULT_LOGGER={"COLORIZE": False})
    with running(app):
        app.logger.info("ready")
    assert capsys.readouterr().err.endswith(" | INFO | DefaultLogger | ready\n")


def test_logger_name_is_filled_in_by_each_sink() -> None:
    app, lines = to_memory(FORMAT="{extra[logger_name]}")
    app.configs["FILE_LOGGER"] = app.configs["DEFAULT_LOGGER"]
    with running(app, FileLogger):
        app.logger.info("")
    assert lines == ["DefaultLogger", "FileLogger"]


def test_logger_name_that_is_bound_stays() -> None:
    app, lines = to_memory(FORMAT="{extra[logger_name]}")
    with running(app):
        app.logger.bind(logger_name="billing").info("")
    assert lines == ["billing"]


def test_level_below_the_configured_one_is_not_written() -> None:
    app, lines = to_memory(LEVEL=LogLevel.WARNING)
    with running(app):
        app.logger.info("low")
        app.logger.warning("high")
    assert lines == ["high"]


def test_documented_snippet_with_an_unclosed_level_is_written_in_colour() -> None:
    app, lines = to_memory(FORMAT="<green>{level}</green> | <level>{message}<level>", COLORIZE=True)
    with running(app):
        app.logger.info("ready")
    assert lines == ["\x1b[32mINFO\x1b[0m | \x1b[1mready\x1b[0m"]


@pytest.mark.parametrize(
    "text",
    [
        "<red>{message}",
        "<red><bold>{message}</red>",
        "{message}</red>",
        "<red>{message}</>",
        "<red>{message}</blue></red>",
        r"\<red>{message}<red>",
    ],
)
def test_unbalanced_markup_is_balanced_without_a_warning(text: str) -> None:
    app, lines = to_memory(FORMAT=text)
    with running(app):
        app.logger.info("ready")
    assert [line.removeprefix("<red>") for line in lines] == ["ready"]


def test_unknown_colour_is_left_out_with_a_warning() -> None:
    app, lines = to_memory(FORMAT="<reddish>{message}</reddish>")
    with running(app):
        app.logger.info("ready")
    problem = "its colour markup cannot be parsed, so its lines have no colours: '<reddish>{message}</reddish>'"
    assert lines == [f"FORMAT of DEFAULT_LOGGER: {problem}", "ready"]


def test_field_that_looks_like_a_tag_is_kept_when_markup_is_repaired() -> None:
    app, lines = to_memory(FORMAT="{{<level>{message: <8}>{{<level>")
    with running(app):
        app.logger.info("a")
    assert lines == ["{a       >{"]


def test_documented_filter_passes_only_its_phrase() -> None:
    class Performance(FileLogger):
        def get_filter(self) -> FilterType:
            def _filter(record: dict[str, Any]) -> bool:
                return "PERFORMANCE" in record["message"]

            return _filter

    app, _ = to_memory(SINK="NULL")
    lines = Memory()
    app.configs["PERFORMANCE"] = {"SINK": lines, "FORMAT": "{extra[logger_name]} {message}", "COLORIZE": False}
    with running(app, Performance):
        app.logger.info("PERFORMANCE: 3 ms")
        app.logger.info("ready")
    assert lines == ["Performance PERFORMANCE: 3 ms"]


@pytest.mark.parametrize(
    ("chosen", "written"),
    [
        (None, ["debug", "error"]),
        (__name__, ["debug", "error"]),
        (__name__.rpartition(".")[0] or __name__, ["debug", "error"]),
        ("elsewhere", []),
        (__name__[:-1], []),
        ("", ["debug", "error"]),
        ({__name__: "ERROR"}, ["error"]),
        ({"": "ERROR"}, ["error"]),
        ({"": 40, __name__: 0}, ["debug", "error"]),
        ({__name__: False}, []),
        ({__name__: True, "": False}, ["debug", "error"]),
        ({"elsewhere": False}, ["debug", "error"]),
    ],
)
def test_filter_of_each_form_chooses_as_loguru_does(chosen: FilterType, written: list[str]) -> None:
    class Chosen(DefaultLogger):
        def get_filter(self) -> FilterType:
            return chosen

    app, lines = make_app(), Memory()
    app.configs["CHOSEN"] = {"SINK": lines, "FORMAT": "{message}", "COLORIZE": False}
    reference: list[str] = []
    sink = logger.add(lambda line: reference.append(line.rstrip("\n")), format="{message}", filter=chosen)
    with running(app, Chosen):
        app.logger.debug("debug")
        app.logger.error("error")
    logger.remove(sink)
    assert lines == reference == written


def test_serialised_record_has_no_object_of_the_application() -> None:
    app, lines = to_memory(SERIALIZE=True)
    with running(app):
        app.logger.info("ready")
    extra = json.loads(lines[0])["record"]["extra"]
    assert all(isinstance(value, str) for value in extra.values())


def test_json_format_is_valid_whatever_the_message_holds() -> None:
    app, lines = json_app({"text": "{message}", "level": "{level}", "at": {"line": "{line}"}, "version": 1})
    message = 'a "quoted" {line}\n<red>\\ ü </red>'
    with running(app, JsonLogger):
        app.logger.bind(number=1).info(message)
    written = json.loads(lines[0])
    assert written.pop("at")["line"].isdigit()
    assert written == {"text": message, "level": "INFO", "version": 1}


def test_json_format_has_the_traceback_as_a_member() -> None:
    app, lines = json_app({"text": "{message}"})
    with running(app, JsonLogger):
        try:
            divmod(1, 0)
        except ZeroDivisionError:
            app.logger.exception("failed")
    assert len(lines) == 1
    assert "ZeroDivisionError" in json.loads(lines[0])["exception"]


def test_json_format_as_text_is_a_format_of_loguru() -> None:
    text = FileLogger(make_app()).dict_to_format_string({"text": "{message}", "at": {"line": "{line}"}})
    assert text == '{{"text": "{message}", "at": {{"line": "{line}"}}}}'


def test_json_format_that_the_user_writes_is_written_as_it_is() -> None:
    app, lines = to_memory(FORMAT='{{"level": "{level}", "text": "{message}"}}')
    with running(app):
        app.logger.info("ready")
    assert json.loads(lines[0]) == {"level": "INFO", "text": "ready"}


def test_file_logger_makes_folders_for_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "today" / "app.log"
    app = make_app(DEFAULT_LOGGER={"SINK": "NULL"}, FILE_LOGGER={"SINK": path, "FORMAT": "{message}"})
    with running(app, FileLogger):
        assert not path.exists()
        app.logger.info("ready")
    assert path.read_text() == "ready\n"


def test_file_logger_options_have_their_effect(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    options = {"SINK": str(path), "FORMAT": "{message}", "ROTATION": 10, "RETENTION": "2 files", "ENCODING": "latin-1"}
    app = make_app(DEFAULT_LOGGER={"SINK": "NULL"}, FILE_LOGGER=options)
    with running(app, FileLogger):
        for _ in range(6):
            app.logger.info("ažurno š"[0] + "é" * 8)
    assert sorted(file.suffix for file in tmp_path.iterdir()) == [".log", ".zip", ".zip"]
    assert path.read_bytes() == b"a" + b"\xe9" * 8 + b"\n"


def test_file_options_are_ignored_for_a_stream() -> None:
    app, lines = to_memory(ROTATION="1 B", RETENTION=1, COMPRESSION="zip", MODE="w", DELAY=False, ENCODING="ascii")
    with running(app):
        app.logger.info("é")
    assert lines == ["é"]


def test_queued_lines_are_written_before_stop_returns(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    app = make_app(DEFAULT_LOGGER={"SINK": "NULL"}, FILE_LOGGER={"SINK": path, "FORMAT": "{message}", "ENQUEUE": True})
    with running(app, FileLogger):
        for number in range(100):
            app.logger.info(number)
    assert path.read_text().split() == [str(number) for number in range(100)]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Python cannot flush the file either.
def test_full_disk_does_not_disturb_the_caller(capsys: pytest.CaptureFixture[str]) -> None:
    app, lines = to_memory()
    app.configs["FILE_LOGGER"] = {"SINK": "/dev/full", "ROTATION": None, "RETENTION": None, "COMPRESSION": None}
    with running(app, FileLogger):
        app.logger.info("ready")
    assert lines[0] == "ready"
    assert "No space left on device" in capsys.readouterr().err


def test_sink_that_cannot_be_closed_is_reported_by_the_default_logger() -> None:
    class Stubborn:
        def write(self, message: str) -> None: ...

        def stop(self) -> None:
            raise OSError("No space left on device")

    class StubbornLogger(LoggerBase):
        def get_sink(self) -> OutputSink:
            stream: Any = Stubborn()
            return stream  # type: ignore[no-any-return]

    app, lines = to_memory()
    with running(app, StubbornLogger):
        pass
    assert lines == ["A log sink could not be closed: OSError('No space left on device')"]


def test_sink_that_raises_does_not_disturb_the_caller(capsys: pytest.CaptureFixture[str]) -> None:
    def full(message: str) -> None:
        raise OSError("No space left on device")

    app, lines = to_memory()
    app.configs["FILE_LOGGER"] = {"SINK": full}
    with running(app, FileLogger):
        app.logger.info("ready")
    assert lines == ["ready"]


def test_stop_leaves_sinks_of_the_program() -> None:
    lines = Memory()
    sink = logger.add(lines, format="{message}")
    app, _ = to_memory()
    with running(app):
        pass
    logger.info("after")
    logger.remove(sink)
    assert lines == ["after"]


def test_stop_twice_is_harmless() -> None:
    app, _ = to_memory()
    with running(app) as setup:
        setup.stop()


def test_stop_after_the_program_removed_a_sink_is_harmless() -> None:
    app, _ = to_memory()
    with running(app) as setup:
        logger.remove(setup.sink_ids[0])


def test_remove_existing_handlers_removes_the_applications_earlier_sinks() -> None:
    class Only(FileLogger):
        def remove_existing_handlers(self) -> bool:
            return True

    app, default_lines = to_memory()
    lines = Memory()
    app.configs["ONLY"] = {"SINK": lines, "FORMAT": "{message}", "COLORIZE": False}
    with running(app, Only):
        app.logger.info("ready")
    assert (default_lines, lines) == ([], ["ready"])


SCRIPT = """
import sys
from loguru import logger
before = repr(logger)
from patera.logging import InMemoryLogBuffer, bind_logger, load_loggers, start_logging
assert repr(logger) == before, "the import changed a sink"
class Application:
    configs = {"DEFAULT_LOGGER": {"FORMAT": "ours {message}"}}
    debug = False
    log_buffer = InMemoryLogBuffer()
app = Application()
app.logger = bind_logger(app)
HOST
setup = start_logging(app, load_loggers(app, []))
app.logger.info("ready")
setup.stop()
app.logger.info("after")
"""


@pytest.mark.parametrize(
    ("host", "autoinit", "written"),
    [
        ("", "true", ["ours ready"]),
        ("logger.remove()", "true", ["ours ready"]),
        ("logger.add(sys.stderr, format='host {message}')", "true", ["host ready", "ours ready", "host after"]),
        ("logger.add(sys.stderr, format='host {message}')", "false", ["host ready", "ours ready", "host after"]),
    ],
    ids=["untouched", "removed", "own sink too", "own sink only"],
)
def test_sink_of_loguru_itself_is_removed_only_when_untouched(host: str, autoinit: str, written: list[str]) -> None:
    script = SCRIPT.replace("HOST", host)
    environment = {**os.environ, "LOGURU_AUTOINIT": autoinit, "NO_COLOR": "1", "PYTHONPATH": ":".join(sys.path)}
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    assert result.stderr.splitlines() == written
