"""The measurement of the reference document: `ab -k -c 200 -n 2000` on `/api/v1/users`, from SQLite, over uvicorn."""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

from benchmarks import bursts, database, factories
from benchmarks.bursts import Samples
from benchmarks.cases import JSON, Case, Target, parsed
from benchmarks.cores import Cores, cores
from benchmarks.load import Load, Tool, missing
from benchmarks.report import Report
from benchmarks.servers import UVICORN, Served

NAME = "users"
OWN, ORIGINAL = "Patera", "the original"
CASE = Case(
    NAME,
    NAME,
    database.PATH,
    Target(),
    [
        {"id": number + 1, "fullname": f"User {number}", "email": f"{number}@example.org"}
        for number in range(database.USERS)
    ],
    headers=JSON,
)
ARGUMENTS = ("-q", "-k", "-c", "200", "-n", "2000")

#: The application of the original package, which is copied away from this checkout: names as ours would be found here.
_ORIGINAL_APP = Path(__file__).parent / "apps" / "original_users.py"
_ORIGINAL_NEEDS = "pyjolt==0.111.12 sqlalchemy[asyncio] alembic aiosqlite uvicorn httptools uvloop"
_VERSION = "import importlib.metadata, pyjolt.database.sql, uvicorn, httptools, uvloop, aiosqlite;"
_VERSION += "print(importlib.metadata.version('pyjolt'))"


def measure(report: Report, rounds: int, original: str | None) -> list[str]:
    """Measure the users and report them; return what failed.

    Args:
        report: Where to.
        rounds: How often each server has its turn.
        original: An interpreter that has the original package; None leaves that out.
    """
    report.add("## The load of the reference document", "", *_method(), "")
    problem = missing("ab") or (f"`pip install {' '.join(UVICORN.missing)}`" if UVICORN.missing else "")
    if problem:
        report.add(f"Left out: {problem}.", "")
        return []
    used = cores()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        served = dict(_ours(folder, used))
        found = _original(report, folder, used, original)
        if found is not None:
            served[ORIGINAL] = found
        for running in served.values():
            stack.enter_context(running)
        for name, running in served.items():
            check(name, running)
        samples = measured(served, Tool("ab", used.client), rounds)
    bursts.add_table(report, samples, OWN)
    return bursts.failures(NAME, samples)


def _method() -> Iterator[str]:
    yield f"`ab {' '.join(ARGUMENTS)}` on `{database.PATH}`: {database.USERS} rows through SQLAlchemy from SQLite, each"
    yield "application on a file of its own, over uvicorn. `ab` speaks HTTP/1.0, for which uvicorn keeps no connection"
    yield "open: each request has one of its own. The document's figures, from its author's machine, are 1,084 requests"
    yield "a second, p50 177 ms, p99 534 ms."


def _ours(folder: Path, used: Cores) -> Iterator[tuple[str, Served]]:
    """The applications of `benchmarks.database`, not yet started."""
    for number, name in enumerate(database.VARIANTS):
        if name != "FastAPI" or find_spec("fastapi"):
            environment = {factories.VARIANT: name, factories.DATABASE: _filled(folder / f"users{number}.db")}
            yield name, Served(UVICORN, "benchmarks.factories:users", environment=environment, core=used.server)


def _original(report: Report, folder: Path, used: Cores, python: str | None) -> Served | None:
    """The application of the original package, where there is an interpreter with it; the report says which or why."""
    if python is None:
        report.add(
            "The original package is not measured: `--original PYTHON` names an interpreter that has",
            f"`{_ORIGINAL_NEEDS}`. That is the last release with the database in it; `patera 0.111.13`, the release of",
            "the document, installs, but the database extension published for it asks for a module that it lacks.",
            "",
        )
        return None
    # Not resolved: the link in a virtual environment is what finds its packages.
    python = os.path.abspath(shutil.which(python) or python)
    version, reason = _pyjolt_version(python, folder)
    if reason:
        report.add(f"The original package is not measured: {reason}. It needs `{_ORIGINAL_NEEDS}`.", "")
        return None
    report.add(f"`{ORIGINAL}` is pyjolt {version}, under which name the package appeared before.", "")
    shutil.copy(_ORIGINAL_APP, folder)
    environment = {factories.DATABASE: _filled(folder / "original.db")}
    application = f"{_ORIGINAL_APP.stem}:Application"
    return Served(UVICORN, application, environment=environment, core=used.server, python=python, folder=folder)


def _pyjolt_version(python: str, folder: Path) -> tuple[str, str]:
    """The version of the original package that an interpreter has, and otherwise what is wrong with it."""
    try:
        done = subprocess.run([python, "-c", _VERSION], cwd=folder, capture_output=True, text=True)
    except OSError as error:
        return "", error.strerror or str(error)
    if done.returncode:
        return "", done.stderr.strip().splitlines()[-1]
    return done.stdout.strip(), ""


def _filled(path: Path) -> str:
    """The address of a new database with the users in it."""
    url = f"sqlite+aiosqlite:///{path}"
    asyncio.run(database.fill(url))
    return url


def check(name: str, served: Served) -> None:
    """Wait until a server listens, and compare its users; headers are each framework's own affair.

    Raises:
        SystemExit: It does not start, or its answer is wrong.
    """
    served.wait()
    answer = served.answer(CASE)
    if answer.status != CASE.status or parsed(answer.body) != CASE.expected:
        raise SystemExit(f"{name} answers {answer.status} {answer.body!r}")


def measured(served: dict[str, Served], ab: Tool, rounds: int) -> dict[str, Samples]:
    def burst(running: Served) -> Load:
        return ab.run(*ARGUMENTS, running.url + database.PATH)

    return bursts.take_turns(NAME, served, burst, rounds)
