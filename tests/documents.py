"""Runs the pages of the documentation: every code block is executed, every command is checked.

| block | what happens |
|-------|--------------|
| `python`, first line `# name.py` | written to that file of the page's folder; tests run with pytest at the end |
| `python` | executed, one block after the other, in one module for the page |
| `jinja`, first line `{# name.html #}` | written to that file |
| `console` | `$ curl` asks an application of all classes so far, `$ python` runs; outputs are compared |
| `sh` | `make` targets and `patera` commands exist |
| `json`, `toml` | can be parsed |
| `text` | nothing |
"""

import argparse
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import tomllib
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

import patera
from patera import BaseConfig, BaseExtension, MiddlewareBase, Patera
from patera.cli import CLIController
from patera.cli._program import main
from patera.controller import Controller
from patera.exceptions import ExceptionHandler
from patera.logging import LoggerBase
from patera.testing import PateraTestClient

ROOT = Path(__file__).parent.parent
PACKAGE = Path(patera.__file__).parent

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"(?:# |\{# )([\w./-]+\.\w+)(?: #\})?")
MAKE_TARGET = re.compile(r"^([a-z]+):", re.MULTILINE)

#: Which key of the configuration names the classes (of extensions: the instances) of a kind.
KEYS = {
    MiddlewareBase: "MIDDLEWARE",
    ExceptionHandler: "EXCEPTION_HANDLERS",
    CLIController: "CLI_CONTROLLERS",
    LoggerBase: "LOGGERS",
}

#: Seconds after which a process is taken for one that never ends.
LONGEST_RUN = 300

MakeApp = Callable[..., Patera]


@dataclass(frozen=True)
class Block:
    """One fenced block; `line` is that of its first line in the page."""

    language: str
    text: str
    line: int

    @property
    def file_name(self) -> str | None:
        found = FILE_NAME.fullmatch(self.text.split("\n", 1)[0])
        return found[1] if found else None


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text()
    return [Block(found[1], found[2], text.count("\n", 0, found.start()) + 2) for found in FENCE.finditer(text)]


class PageRun:
    """One page being executed, in a folder of its own.

    Args:
        page: The Markdown file.
        folder: An empty folder, which is on `sys.path`.
        make_app: Makes an application of controllers and configuration values.
    """

    def __init__(self, page: Path, folder: Path, make_app: MakeApp) -> None:
        self._page = page
        self._folder = folder
        self._make_app = make_app
        self._module = types.ModuleType(f"page_{page.stem.replace('-', '_')}")
        self._module.__file__ = str(folder / "page.py")
        self._tests: list[str] = []

    async def run(self) -> None:
        """Execute the page from top to bottom.

        Raises:
            AssertionError: What a command shows is something else than the page says.
        """
        sys.modules[self._module.__name__] = self._module
        try:
            for block in blocks_of(self._page):
                await self._run_block(block)
            for name in self._tests:
                done = run_pytest(self._folder, name)
                assert done.returncode == 0, done.stdout
        finally:
            del sys.modules[self._module.__name__]

    async def _run_block(self, block: Block) -> None:
        place = f"{self._page.name}:{block.line}"
        if block.language == "console":
            await self._run_commands(place, block.text)
        elif block.file_name is not None:
            self._write(block, block.file_name)
        elif block.language == "python":
            source = "\n" * (block.line - 1) + block.text
            exec(compile(source, str(self._page), "exec", dont_inherit=True), vars(self._module))
        else:
            CHECKS[block.language](block.text)

    def _write(self, block: Block, name: str) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)
        if block.language != "python":
            return
        compile(block.text, name, "exec")
        if path.name.startswith("test_"):
            self._tests.append(name)

    async def _run_commands(self, place: str, text: str) -> None:
        async with PateraTestClient(self._application(), raise_app_exceptions=False) as client:
            for command, expected in _commands(text):
                shown = await self._ask(client, command)
                assert _is_shown(expected, shown), f"{place}: {shlex.join(command)}\n{shown}"

    async def _ask(self, client: PateraTestClient, command: list[str]) -> str:
        match command:
            case ["curl", *words]:
                return await curl(client, words, self._folder)
            case ["python", name, *words] if (self._folder / name).exists():
                return self._run_python([name, *words])
            case ["python", "cli.py", *words]:
                result = await client.cli(*words)
                return result.output + result.errors
        raise AssertionError(f"{command[0]} cannot be run here")

    def _run_python(self, arguments: list[str]) -> str:
        done = run_python(self._folder, *arguments)
        assert done.returncode == 0, f"{arguments}\n{done.stdout}{done.stderr}"
        return done.stdout

    def _application(self) -> Patera:
        """Return an application of all that the page has defined; else that of its file `app.py`."""
        names = vars(self._module)
        own = [value for value in names.values() if getattr(value, "__module__", None) == self._module.__name__]
        classes = [value for value in own if isinstance(value, type)]
        controllers = [cls for cls in classes if issubclass(cls, Controller)]
        if not controllers:
            application: Patera = __import__("app").Application()
            return application
        values: dict[str, Any] = {
            key: [cls for cls in classes if issubclass(cls, kind) and not _is_base(cls, classes)]
            for kind, key in KEYS.items()
        }
        values["EXTENSIONS"] = [value for value in names.values() if isinstance(value, BaseExtension)]
        values["MODELS"] = [cls for cls in classes if hasattr(cls, "__table__")]
        for config in (cls for cls in classes if issubclass(cls, BaseConfig)):
            values |= _own_values(config)
        return self._make_app(*(cls for cls in controllers if not _is_base(cls, classes)), **values)


def _is_base(cls: type, classes: list[type]) -> bool:
    return any(other is not cls and issubclass(other, cls) for other in classes)


def _own_values(config: type[BaseConfig]) -> dict[str, Any]:
    """Return what a config class sets; what it imports is replaced by the page's own classes."""
    imports = {*KEYS.values(), "EXTENSIONS", "CONTROLLERS", "MODELS", "BASE_PATH"}
    found = {key: value for key, value in vars(config).items() if key.isupper()}
    found |= {key: info.default for key, info in config.model_fields.items() if not info.is_required()}
    inherited = {key: info.default for key, info in BaseConfig.model_fields.items()}
    return {key: value for key, value in found.items() if key not in imports and inherited.get(key, ...) != value}


def _commands(text: str) -> Iterator[tuple[list[str], str]]:
    """Yield each command behind a `$` with the output below it."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = re.sub(r"\\\n\s*", " ", part).partition("\n")
        yield shlex.split(command), output.strip()


def _is_shown(expected: str, shown: str) -> bool:
    """Compare outputs: JSON by value, `...` at the end stands for any rest, headers need not be complete."""
    head, blank, body = expected.partition("\n\n") if expected.startswith("HTTP/") else ("", "", expected)
    if expected.startswith("HTTP/") and not blank:
        head, body = expected, "..."
    shown_head, _, shown_body = shown.partition("\n\n") if shown.startswith("HTTP/") else ("", "", shown)
    if not set(head.lower().splitlines()) <= set(shown_head.lower().splitlines()):
        return False
    if body.endswith("..."):
        return "".join(shown_body.split()).startswith("".join(body.removesuffix("...").split()))
    return bool(_parsed(body) == _parsed(shown_body))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text.strip()


async def curl(client: PateraTestClient, words: list[str], folder: Path) -> str:
    """Do what curl does with these arguments, and return what it prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("-i", "--include", action="store_true")
    parser.add_argument("-X", "--request")
    parser.add_argument("-H", "--header", action="append", default=[])
    parser.add_argument("-d", "--data", action="append", default=[])
    parser.add_argument("-F", "--form", action="append", default=[])
    parser.add_argument("--json")
    options = parser.parse_args(words)
    given = (header.split(": ", 1) for header in options.header)
    headers = {name.lower(): value for name, value in given}
    content: dict[str, Any] = {}
    if options.json is not None:
        content = {"content": options.json, "headers": {"content-type": "application/json", **headers}}
    elif options.data:
        form = {"content-type": "application/x-www-form-urlencoded"}
        content = {"content": "&".join(options.data), "headers": {**form, **headers}}
    elif options.form:
        content = _multipart(options.form, folder)
    method = options.request or ("POST" if content else "GET")
    path = "/" + options.url.removeprefix("http://").partition("/")[2]
    response = await client.request(method, path, **{"headers": headers, **content})
    return (_head(response) if options.include else "") + response.text


def _head(response: httpx.Response) -> str:
    headers = [f"{name}: {value}" for name, value in response.headers.items()]
    return "\n".join([f"HTTP/1.1 {response.status_code} {response.reason_phrase}", *headers]) + "\n\n"


def _multipart(parts: list[str], folder: Path) -> dict[str, Any]:
    fields = dict(part.split("=", 1) for part in parts)
    files = {name: value[1:] for name, value in fields.items() if value.startswith("@")}
    return {
        "data": {name: value for name, value in fields.items() if name not in files},
        "files": {name: (file, (folder / file).read_bytes()) for name, file in files.items()},
    }


def _check_shell(text: str) -> None:
    """See to it that `make` targets and `patera` commands exist."""
    targets = set(MAKE_TARGET.findall((ROOT / "Makefile").read_text()))
    for line in text.replace("\\\n", "").splitlines():
        words = [word for word in shlex.split(line, comments=True) if "=" not in word]
        if words[:1] == ["make"]:
            assert set(words[1:]) <= targets, line
        if words[:1] == ["patera"]:
            assert words[1] in main.commands, line
        assert "install patera" not in line, f"{line}: the index has another project of that name"


def _check_nothing(text: str) -> None:
    """Accept anything."""


#: What is done with the blocks that are not executed.
CHECKS: dict[str, Callable[[str], Any]] = {
    "sh": _check_shell,
    "json": json.loads,
    "toml": tomllib.loads,
    "text": _check_nothing,
}


def python_environment(**variables: str) -> dict[str, str]:
    """Return the environment of a process that finds the package, also where it is not installed."""
    return {**os.environ, "PYTHONPATH": str(PACKAGE.parent), "PYTHONDONTWRITEBYTECODE": "1", **variables}


def run_python(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `python ARGUMENTS` in a folder to its end, with some environment variables.

    Raises:
        AssertionError: It does not end; the message has its output, and at which lines it stands.
    """
    command = [sys.executable, "-X", "faulthandler", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=folder, env=python_environment(**variables), stdout=pipe, stderr=pipe, text=True
    ) as process:
        try:
            output, errors = process.communicate(timeout=LONGEST_RUN)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)
            output, errors = process.communicate()
            raise AssertionError(f"{command} did not end in {LONGEST_RUN} s:\n{output}{errors}") from None
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the tests of a folder, with the one plugin that they need and warnings as errors.

    Their temporary folders are their own: among those of other runs pytest would look for some to remove.
    """
    plugins = ["-p", "pytest_asyncio.plugin", "-p", "no:cacheprovider"]
    with tempfile.TemporaryDirectory() as temporary:
        options = ["-W", "error", *plugins, "--basetemp", temporary]
        return run_python(folder, "-m", "pytest", *options, *arguments, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")


@contextmanager
def imported_from(folder: Path) -> Iterator[None]:
    """Put a folder on `sys.path`, and forget at the end what was imported from it."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name, module in list(sys.modules.items()):
            origin = getattr(getattr(module, "__spec__", None), "origin", None)
            if origin is not None and Path(origin).is_relative_to(folder):
                del sys.modules[name]
