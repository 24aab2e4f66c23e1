"""Running commands: direct calls, the process's command line, exit codes, what stays open."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from patera import BaseExtension, Patera, run_in_background
from patera._context import current_application
from patera.cli import CLIController, argument, command
from patera.cli._run import run_words
from patera.exceptions import ConfigurationError, Mistake

ROOT = Path(__file__).parents[2]

MakeApp = Callable[..., Patera]

DOCUMENTED_CONTROLLER = '''
from patera.cli import CLIController, command, argument

class TrialCommands(CLIController):
    """Commands for trying out."""

    @command("greet", help="Say hello to somebody.")
    @argument("name", arg_type=str, description="Whom to address.")
    async def greet(self, name: str):
        """Address somebody."""
        print(f"Good day, {name}.")

    @command("add", help="Total of two integers.")
    @argument("a", arg_type=int, description="Left operand.")
    @argument("b", arg_type=int, description="Right operand.")
    async def add(self, a: int, b: int):
        """Print a total."""
        print(f"{a} plus {b} makes {a + b}")
'''

FAILING_CONTROLLER = """
import asyncio
import sys

from patera.cli import CLIController, command

class FailingCLIController(CLIController):
    @command("connect")
    async def connect(self):
        raise ConnectionRefusedError("no database at 127.0.0.1:1\\nmore about it")

    @command("leave")
    def leave(self, code: int):
        sys.exit(code)

    @command("wait")
    async def wait(self):
        print("ready", flush=True)
        await asyncio.Event().wait()
"""

APPLICATION = """
import os
from patera import BaseConfig, Patera, app

class Config(BaseConfig):
    APP_NAME: str = "Test"
    VERSION: str = "1.0"
    BASE_PATH: str = os.path.dirname(__file__)
    CONTROLLERS: list[str] = [{controllers}]
    CLI_CONTROLLERS: list[str] = [
        "app.cli_controller:TrialCommands",
        "app.failing_controller:FailingCLIController",
    ]

@app(__name__, configs=Config)
class Application(Patera):
    pass
"""

BROKEN_CONTROLLER = """
from patera.controller import Controller, get

class Broken(Controller):
    @get("/<unknown:x>")
    async def show(self, req, x): ...
"""

SCRIPT = """
if __name__ == "__main__":
    from app import Application
    app = Application()
    app.run_cli()
    print("after")
"""


def write_project(folder: Path, *, controllers: str = "") -> None:
    (folder / "app").mkdir()
    (folder / "app" / "__init__.py").write_text(APPLICATION.format(controllers=controllers))
    (folder / "app" / "cli_controller.py").write_text(DOCUMENTED_CONTROLLER)
    (folder / "app" / "failing_controller.py").write_text(FAILING_CONTROLLER)
    (folder / "app" / "broken.py").write_text(BROKEN_CONTROLLER)
    (folder / "cli.py").write_text(SCRIPT)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    write_project(folder)
    return folder


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "cli.py", *words], cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


class Commands(CLIController):
    @command("add", help="Total of two integers.")
    @argument("a", arg_type=int)
    @argument("b", arg_type=int)
    async def add(self, a: int, b: int = 10) -> int:
        return a + b

    @command("double")
    def double(self, number: float) -> float:
        return 2 * number

    @command("loop")
    def start_a_loop(self) -> str:
        return asyncio.run(asyncio.sleep(0, "own loop"))

    @command("whose")
    async def whose(self) -> bool:
        return current_application.get() is self.app

    @command("whose-sync")
    def whose_sync(self) -> bool:
        return current_application.get() is self.app

    @command("fail")
    async def fail(self, text: str = "first line\nsecond line") -> None:
        raise ValueError(text)

    @command("misconfigured")
    async def misconfigured(self) -> None:
        raise ConfigurationError(Mistake("PAT320", "MAILER", "no value", "a value", "set it"))

    @command("refuse")
    def refuse(self) -> None:
        raise click.ClickException("not today")

    @command("abort")
    def abort(self) -> None:
        raise click.Abort

    @command("interrupt")
    def interrupt(self) -> None:
        raise KeyboardInterrupt

    @command("click-exit")
    def leave(self) -> None:
        raise click.exceptions.Exit(7)


@pytest.fixture
def application(make_app: MakeApp) -> Patera:
    return make_app(CLI_CONTROLLERS=[Commands])


# Direct calls


@pytest.mark.parametrize("name", ["add", "Commands:add"])
def test_run_cli_with_a_name_returns_the_result(application: Patera, name: str) -> None:
    assert application.run_cli(name, 2, b=5) == 7


def test_run_cli_plain_function_runs_without_a_loop(application: Patera) -> None:
    assert application.run_cli("double", number=2.5) == 5.0
    assert application.run_cli("loop") == "own loop"


@pytest.mark.parametrize("name", ["whose", "whose-sync"])
def test_run_cli_command_has_its_application_as_current_one(application: Patera, name: str) -> None:
    assert application.run_cli(name) is True


def test_run_cli_error_of_a_direct_call_is_raised(application: Patera) -> None:
    with pytest.raises(ValueError, match="broken"):
        application.run_cli("fail", "broken")


def test_run_cli_unknown_name_names_the_closest(application: Patera) -> None:
    with pytest.raises(LookupError, match=r"No command 'ad'\. Did you mean 'add'"):
        application.run_cli("ad")


async def test_run_cli_inside_a_running_loop_is_refused(application: Patera) -> None:
    with pytest.raises(RuntimeError, match="cannot be called while one is running"):
        application.run_cli("double", 1.0)


def test_run_cli_builds_the_application(application: Patera) -> None:
    application.run_cli("whose")
    assert application.plan.application


def test_run_cli_extension_is_closed_and_background_work_awaited(make_app: MakeApp) -> None:
    events: list[str] = []

    class Store(BaseExtension):
        def init_app(self, app: Patera) -> None: ...

        async def startup(self, app: Patera) -> None:
            events.append("startup")

        async def shutdown(self, app: Patera) -> None:
            events.append("shutdown")

    class Sending(CLIController):
        @command("send")
        async def send(self) -> None:
            run_in_background(self.deliver)

        async def deliver(self) -> None:
            await asyncio.sleep(0)
            events.append("delivered")

    make_app(EXTENSIONS=[Store()], CLI_CONTROLLERS=[Sending]).run_cli("send")
    assert events == ["delivered", "shutdown"]


def test_run_cli_failing_command_does_not_wait_for_background_work(make_app: MakeApp) -> None:
    class Sending(CLIController):
        @command("send")
        async def send(self) -> None:
            run_in_background(asyncio.Event().wait)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        make_app(CLI_CONTROLLERS=[Sending]).run_cli("send")


# Exit codes


@pytest.mark.parametrize(
    ("words", "code", "errors"),
    [
        (["fail"], 1, "Error: ValueError: first line (--debug shows the traceback)\n"),
        (["fail", ""], 1, "Error: ValueError (--debug shows the traceback)\n"),
        (["refuse"], 1, "Error: not today\n"),
        (["abort"], 1, "Aborted!\n"),
        (["interrupt"], 130, ""),
        (["click-exit"], 7, ""),
    ],
)
def test_run_words_failing_command_ends_with_its_exit_code(
    application: Patera, capsys: pytest.CaptureFixture[str], words: list[str], code: int, errors: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        run_words(application, words, "cli.py")
    assert (ended.value.code, capsys.readouterr().err) == (code, errors)


def test_run_words_configuration_error_is_shown_completely(
    application: Patera, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run_words(application, ["misconfigured"], "cli.py")
    assert ended.value.code == 3
    shown = capsys.readouterr().err
    assert shown.startswith("Error: 1 mistake in the application:\nPAT320 MAILER")
    assert "Traceback" not in shown


@pytest.mark.parametrize(("name", "code"), [("fail", 1), ("misconfigured", 3)])
@pytest.mark.parametrize("is_first", [True, False])
def test_run_words_debug_shows_the_traceback(
    application: Patera, capsys: pytest.CaptureFixture[str], name: str, code: int, is_first: bool
) -> None:
    with pytest.raises(SystemExit) as ended:
        run_words(application, ["--debug", name] if is_first else [name, "--debug"], "cli.py")
    assert ended.value.code == code
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_run_words_returns_what_the_command_returned(application: Patera) -> None:
    assert run_words(application, ["add", "-2"], "cli.py") == 8


# The documented script


def test_script_documented_commands_print_their_text(project: Path) -> None:
    assert run(project, "greet", "Alice").stdout == "Good day, Alice.\nafter\n"
    assert run(project, "add", "--a", "-2", "--b", "5").stdout == "-2 plus 5 makes 3\nafter\n"


def test_script_success_ends_with_0_and_no_errors(project: Path) -> None:
    ended = run(project, "add", "-2", "5")
    assert (ended.returncode, ended.stderr) == (0, "")


def test_script_help_lists_the_commands(project: Path) -> None:
    ended = run(project, "--help")
    assert ended.returncode == 0
    assert ended.stdout.startswith("Usage: cli.py [OPTIONS] COMMAND [ARGS]...")
    assert "greet NAME" in ended.stdout
    assert "after" not in ended.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["add", "2"], "Error: Missing argument 'B' ('--b')."),
        (["add", "2", "x"], "Error: Invalid value for 'B' ('--b'): 'x' is not a valid integer."),
        (["gret"], "Error: No such command 'gret'. Did you mean 'greet'?"),
    ],
)
def test_script_wrong_words_end_with_2_and_usage(project: Path, words: list[str], message: str) -> None:
    ended = run(project, *words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("Usage: cli.py")
    assert ended.stderr.splitlines()[-1] == message


def test_script_failing_command_ends_with_1_and_one_line(project: Path) -> None:
    ended = run(project, "connect")
    assert ended.returncode == 1
    assert ended.stderr == ("Error: ConnectionRefusedError: no database at 127.0.0.1:1 (--debug shows the traceback)\n")


def test_script_command_chooses_its_exit_code(project: Path) -> None:
    assert run(project, "leave", "9").returncode == 9


def test_script_build_mistake_ends_with_3_and_its_text(tmp_path: Path) -> None:
    write_project(tmp_path, controllers='"app.broken:Broken"')
    ended = run(tmp_path, "greet", "Alice")
    assert (ended.returncode, ended.stdout) == (3, "")
    assert "app.broken.Broken.show" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_script_build_mistake_does_not_hide_the_help(tmp_path: Path) -> None:
    write_project(tmp_path, controllers='"app.broken:Broken"')
    assert run(tmp_path, "--help").returncode == 0


@pytest.fixture
def heeds_ctrl_c() -> Iterator[None]:
    """Processes heed it also where the tests run in the background of a shell, which has them ignore it."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)


@pytest.mark.usefixtures("heeds_ctrl_c")
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_script_ctrl_c_ends_with_130_and_no_traceback(project: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "cli.py", "wait"],
        cwd=project,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        try:
            _, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, errors) == (130, "")


def test_application_mistaken_commands_stop_the_constructor(make_app: MakeApp) -> None:
    class Mistaken(CLIController):
        @command("greet")
        @argument("nmae")
        def greet(self, name: str) -> None: ...

    with pytest.raises(ConfigurationError, match="PAT052"):
        make_app(CLI_CONTROLLERS=[Mistaken])


def test_application_same_command_in_two_controllers_stops_the_constructor(make_app: MakeApp) -> None:
    class Other(CLIController):
        @command("add")
        def add(self) -> Any: ...

    with pytest.raises(ConfigurationError, match="PAT051"):
        make_app(CLI_CONTROLLERS=[Commands, Other])
