"""The `patera` program: what it offers, and which application it finds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

import patera
from patera.cli._discovery import CANDIDATES, find_application_class
from patera.cli._program import main
from patera.exceptions import ConfigurationError

APPLICATION = """
import os
from patera import BaseConfig, Patera, app
from patera.cli import CLIController, command

class Config(BaseConfig):
    APP_NAME: str = "{name}"
    VERSION: str = "1.0"
    BASE_PATH: str = os.path.dirname(__file__)
    CLI_CONTROLLERS: list[str] = [__name__ + ":Commands"]

class Commands(CLIController):
    @command("name")
    async def name(self, suffix: str = "", times: int = 1) -> None:
        print((self.app.app_name + suffix) * times)

    @command("fail")
    def fail(self) -> None:
        raise ValueError("broken")

@app(__name__, configs=Config)
class Application(Patera):
    pass
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory; modules imported from it are forgotten."""
    monkeypatch.chdir(tmp_path)
    path, modules = sys.path[:], set(sys.modules)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.partition(".")[0] in {candidate.partition(".")[0] for candidate in (*CANDIDATES, "shop")}:
            del sys.modules[name]


def write(project: Path, *names: str) -> None:
    for name in names:
        file = project / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(APPLICATION.format(name=name))


def invoke(*words: str) -> Result:
    return CliRunner().invoke(main, list(words), prog_name="patera")


def test_program_help_lists_only_what_exists() -> None:
    result = invoke("--help")
    assert result.exit_code == 0
    listed = result.output.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in listed] == sorted(main.commands)


def test_program_version_is_the_packages() -> None:
    assert invoke("--version").output == f"patera {patera.__version__}\n"


def test_program_as_module_is_the_same_program() -> None:
    root = str(Path(patera.__file__).parents[1])
    command = [sys.executable, "-m", "patera.cli", "--version"]
    ended = subprocess.run(command, env={**os.environ, "PYTHONPATH": root}, capture_output=True, text=True, check=True)
    assert ended.stdout == f"patera {patera.__version__}\n"


def test_program_cli_runs_a_command_of_the_application(project: Path) -> None:
    write(project, "app/__init__.py")
    result = invoke("cli", "name", "!", "--times", "2")
    assert (result.exit_code, result.output) == (0, "app/__init__.py!app/__init__.py!\n")


def test_program_cli_number_below_zero_reaches_the_command(project: Path) -> None:
    write(project, "main.py")
    assert invoke("cli", "name", "x", "-1").output == "\n"


def test_program_cli_app_option_names_the_application(project: Path) -> None:
    write(project, "app.py", "shop.py")
    assert invoke("cli", "--app", "shop:Application", "name").output == "shop.py\n"


def test_program_cli_without_command_lists_the_applications(project: Path) -> None:
    write(project, "app.py")
    result = invoke("cli")
    assert result.exit_code == 2
    assert "name [SUFFIX] [TIMES]" in result.output


def test_program_cli_unknown_command_ends_with_2(project: Path) -> None:
    write(project, "app.py")
    result = invoke("cli", "nmae")
    assert result.exit_code == 2
    assert "Usage: patera cli" in result.output
    assert "Did you mean 'name'?" in result.output


@pytest.mark.parametrize("words", [["--debug", "fail"], ["fail", "--debug"]])
def test_program_cli_debug_shows_the_traceback(project: Path, words: list[str]) -> None:
    write(project, "app.py")
    result = invoke("cli", *words)
    assert result.exit_code == 1
    assert "Traceback" in result.output


def test_program_cli_error_is_one_line(project: Path) -> None:
    write(project, "app.py")
    result = invoke("cli", "fail")
    assert (result.exit_code, result.output) == (1, "Error: ValueError: broken (--debug shows the traceback)\n")


def test_program_cli_wrong_configuration_ends_with_3(project: Path) -> None:
    (project / "app.py").write_text(
        "from patera import BaseConfig, Patera, app\n"
        "class Config(BaseConfig): ...\n"
        "@app(__name__, configs=Config)\n"
        "class Application(Patera): ...\n"
    )
    result = invoke("cli", "name")
    assert result.exit_code == 3
    assert "APP_NAME" in result.output
    assert "Traceback" not in result.output


def test_program_cli_without_application_ends_with_2_and_says_where_it_looked() -> None:
    result = invoke("cli", "name")
    assert result.exit_code == 2
    assert "app, app.app, app.main" in result.output
    assert "--app module:Class" in result.output


@pytest.mark.parametrize(
    "file",
    [
        "app/__init__.py",
        "app/app.py",
        "app/main.py",
        "app/server.py",
        "app/run.py",
        "app/application.py",
        "app.py",
        "main.py",
        "server.py",
        "run.py",
        "application.py",
    ],
)
def test_discovery_every_usual_place_is_found(project: Path, file: str) -> None:
    write(project, file)
    assert find_application_class()().app_name == file


def test_discovery_asked_twice_finds_the_same_class(project: Path) -> None:
    write(project, "app.py")
    assert find_application_class() is find_application_class("app:Application")


def test_discovery_package_comes_before_modules(project: Path) -> None:
    write(project, "main.py", "app/main.py")
    assert find_application_class()().app_name == "app/main.py"


def test_discovery_module_without_application_is_passed_over(project: Path) -> None:
    (project / "app.py").write_text("from patera import Patera\n")
    write(project, "main.py")
    assert find_application_class()().app_name == "main.py"


def test_discovery_base_class_of_the_application_is_none(project: Path) -> None:
    (project / "app.py").write_text(
        "from patera import Patera\nclass Base(Patera): ...\nclass Application(Base): ...\n"
    )
    assert find_application_class().__name__ == "Application"


def test_discovery_two_applications_have_to_be_told_apart(project: Path) -> None:
    (project / "app.py").write_text("from patera import Patera\nclass A(Patera): ...\nclass B(Patera): ...\n")
    with pytest.raises(click.UsageError, match="Several applications found: app:A, app:B"):
        find_application_class()


def test_discovery_error_inside_the_module_is_raised(project: Path) -> None:
    (project / "app.py").write_text("1 / 0\n")
    with pytest.raises(ZeroDivisionError):
        find_application_class()


@pytest.mark.parametrize(
    ("import_string", "code"), [("shop", "PAT030"), ("shop:Application", "PAT031"), ("app:Config", "PAT034")]
)
def test_discovery_wrong_import_string_is_a_mistake(project: Path, import_string: str, code: str) -> None:
    write(project, "app.py")
    with pytest.raises(ConfigurationError) as caught:
        find_application_class(import_string)
    mistake: Any = caught.value.mistakes[0]
    assert mistake.code == code
    assert mistake.where.startswith("--app")
