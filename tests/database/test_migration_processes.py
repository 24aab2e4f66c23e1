"""Migrations from the command line, as processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.database.shelf import create_table, revision_text
from tests.databases import own_database

ROOT = Path(__file__).parents[2]

APPLICATION = """
import os
from patera import BaseConfig, Patera, app

class Config(BaseConfig):
    APP_NAME: str = "Library"
    VERSION: str = "1.0"
    BASE_PATH: str = os.path.dirname(__file__)
    EXTENSIONS: list[str] = ["app.extensions:db", "app.extensions:migrate", "app.extensions:archive",
                             "app.extensions:archive_migrate"]
    MODELS: list[str] = ["app.models:Author", "app.models:Reader"]
    SQL_DATABASE = {"DATABASE_URI": os.environ.get("URI", "sqlite+aiosqlite:///./test.db")}
    ARCHIVE_DATABASE = {"DATABASE_URI": "sqlite+aiosqlite:///./archive.db", "ALEMBIC_MIGRATION_DIR": "archive"}

@app(__name__, configs=Config)
class Application(Patera):
    pass
"""

EXTENSIONS = """
from patera.database.sql import SqlDatabase
from patera.database.sql.migrate import Migrate

db: SqlDatabase = SqlDatabase()
migrate: Migrate = Migrate(db)
archive = SqlDatabase(db_name="archive", configs_name="ARCHIVE_DATABASE")
archive_migrate = Migrate(archive, command_prefix="archive_")
"""

MODELS = """
from sqlalchemy import String
from sqlalchemy.orm import mapped_column, Mapped
from patera.database import create_declerative_base

Base = create_declerative_base("db")
ArchiveBase = create_declerative_base("archive")

class Author(Base):
    __tablename__: str = "authors"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(30))

class Reader(ArchiveBase):
    __tablename__: str = "readers"
    id: Mapped[int] = mapped_column(primary_key=True)
"""

SCRIPT = """
if __name__ == "__main__":
    from app import Application
    app = Application()
    app.run_cli()
"""

#: A revision that takes so long that another process meets it.
SLOW = "import time\nprint('working', flush=True)\ntime.sleep(0.4)\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "app").mkdir()
    files = {"__init__": APPLICATION, "extensions": EXTENSIONS, "models": MODELS}
    for name, content in files.items():
        (tmp_path / "app" / f"{name}.py").write_text(content)
    (tmp_path / "cli.py").write_text(SCRIPT)
    return tmp_path


def start(folder: Path, *words: str, uri: str | None = None) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error", **({"URI": uri} if uri else {})}
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=folder,
        env=environment,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run(folder: Path, *words: str, uri: str | None = None) -> tuple[int, str, str]:
    """Run a command of the project; return its exit code and what it printed, to output and error output."""
    process = start(folder, "cli.py", *words, uri=uri)
    out, err = process.communicate()
    return process.returncode, out, err


def tables(file: Path) -> set[str]:
    engine = create_engine(f"sqlite:///{file}")
    try:
        return set(inspect(engine).get_table_names())
    finally:
        engine.dispose()


def test_documented_commands_make_the_tables(project: Path) -> None:
    assert run(project, "db-init")[0] == 0
    code, out, err = run(project, "db-migrate", "--message", "Your migration message")
    assert (code, err) == (0, "")
    assert out.startswith("Detected added table 'authors'\nWrote app/migrations/versions/")
    code, out, err = run(project, "db-upgrade")
    assert (code, err) == (0, "")
    assert out.endswith(": Your migration message\n")
    assert tables(project / "test.db") == {"alembic_version", "authors"}


def test_prefixed_command_through_the_program_works_on_its_own_database(project: Path) -> None:
    for words in (["archive_db-init"], ["archive_db-migrate"], ["archive_db-upgrade", "--revision", "head"]):
        process = start(project, "-m", "patera.cli", "cli", *words)
        _, err = process.communicate()
        assert (process.returncode, err) == (0, "")
    assert tables(project / "archive.db") == {"alembic_version", "readers"}
    assert not (project / "app" / "migrations").exists()


def test_sql_alone_is_on_the_output(project: Path) -> None:
    write_revisions(project, create_table("one"))
    code, out, err = run(project, "db-upgrade", "--revision", "a1", "--sql")
    assert (code, err) == (0, "")
    assert out.lstrip().startswith("BEGIN;")
    assert out.rstrip().endswith("COMMIT;")


def test_unreachable_database_is_one_line_and_exit_code_1(project: Path) -> None:
    write_revisions(project, "pass")
    uri = "postgresql+asyncpg://ada:s3cret@127.0.0.1:1/library"
    code, out, err = run(project, "db-upgrade", uri=uri)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("Error: MigrationError: Cannot connect to the database at 127.0.0.1:1/library: ")
    code, out, err = run(project, "db-upgrade", "--debug", uri=uri)
    assert (code, out, "Traceback" in err, "s3cret" in err) == (1, "", True, False)


def test_failing_revision_is_one_line_and_exit_code_1(project: Path) -> None:
    write_revisions(project, "op.execute('SELECT * FROM nowhere')")
    code, out, err = run(project, "db-upgrade")
    assert (code, out) == (1, "Upgrade base -> a1: the revision a1\n")
    assert err.startswith(
        "Error: MigrationError: Revision a1 failed at app/migrations/versions/a1.py:7: OperationalError"
    )
    assert err.count("\n") == 1


@pytest.mark.parametrize("kind", ["sqlite", "postgres", "mariadb"])
async def test_two_processes_at_once_both_succeed(project: Path, kind: str) -> None:
    async with own_database(kind, project) as uri:
        write_revisions(project, SLOW + create_table("one"), SLOW + create_table("two"), SLOW + create_table("three"))
        processes = [start(project, "cli.py", "db-upgrade", uri=uri) for _ in range(2)]
        printed = [process.communicate() for process in processes]
        assert [process.returncode for process in processes] == [0, 0], printed
        if kind != "sqlite":
            # One of the two did everything, and the other waited, or came when all was done.
            assert sorted(out.count("Upgrade ") for out, _ in printed) == [0, 3]
        assert await applied(uri) == {"c3"}


def write_revisions(project: Path, *upgrades: str) -> None:
    """Write revisions `a1`, `b2`, ... into a new folder."""
    folder = project / "app" / "migrations"
    (folder / "versions").mkdir(parents=True)
    (folder / "env.py").write_text(
        "from alembic import context\nfrom patera.database.sql.migrate import run_migrations\nrun_migrations(context)\n"
    )
    down = None
    for name, upgrade in zip(("a1", "b2", "c3"), upgrades, strict=False):
        (folder / "versions" / f"{name}.py").write_text(revision_text(name, down, upgrade))
        down = name


async def applied(uri: str) -> set[str]:
    """Return the revisions that a database is at."""
    engine = create_async_engine(uri)
    try:
        async with engine.connect() as connection:
            return set(await connection.scalars(text("SELECT version_num FROM alembic_version")))
    finally:
        await engine.dispose()
