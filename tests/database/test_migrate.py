"""Migrations: the commands as methods, on real databases."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Boolean, Column, DateTime, Integer, String, TypeDecorator, func, true

from patera.cli._run import run_words
from patera.database.sql import SqlDatabase
from patera.database.sql.migrate import Migrate, MigrationError
from tests.database.shelf import MakeApp, Shelf, author_model, create_table, make_shelf, open_shelf
from tests.databases import own_database

COMMANDS = "check current downgrade heads history init merge migrate show stamp upgrade".split()


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
async def shelf(request: pytest.FixtureRequest, make_app: MakeApp, tmp_path: Path) -> AsyncIterator[Shelf]:
    async with open_shelf(make_app, request.param, tmp_path) as opened:
        yield opened


@pytest.fixture
def sqlite(make_app: MakeApp, tmp_path: Path) -> Shelf:
    opened = make_shelf(make_app, f"sqlite+aiosqlite:///{tmp_path / 'test.db'}")
    opened.run("init")
    return opened


# Commands of the application


def test_migrate_listed_adds_its_commands(sqlite: Shelf) -> None:
    assert sorted(sqlite.app.cli_commands) == [f"db-{name}" for name in COMMANDS]


def test_migrate_with_prefix_puts_it_directly_before_the_names(make_app: MakeApp) -> None:
    shelf = make_shelf(make_app, "sqlite+aiosqlite:///test.db", prefix="second_")
    assert next(command.name for command in shelf.app.cli_commands.values()) == "second_db-init"


def test_command_run_by_name_does_the_same_as_the_method(sqlite: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    sqlite.app.run_cli("db-migrate", message="add authors")
    sqlite.app.run_cli("db-upgrade")
    sqlite.app.run_cli("db-current")
    lines = capsys.readouterr().out.splitlines()
    revision = sqlite.files[0].partition("_")[0]
    assert lines[0] == "Detected added table 'authors'"
    assert lines[1].endswith(f"migrations/versions/{revision}_add_authors.py")
    assert lines[2:] == [f"Upgrade base -> {revision}: add authors", f"{revision} (head)"]


@pytest.mark.parametrize(
    "words",
    [
        "db-history --verbose --indicate-current",
        "db-current --verbose",
        "db-heads --verbose",
        "db-show --revision a1",
        "db-stamp --revision a1",
        "db-upgrade --revision b2",
        "db-downgrade --revision a1",
        "db-downgrade -1",
        "db-upgrade --sql",
        "db-stamp b2 --purge",
    ],
)
def test_documented_flags_are_taken(sqlite: Shelf, capsys: pytest.CaptureFixture[str], words: str) -> None:
    sqlite.write_revision("a1", None, create_table("one"), "op.drop_table('one')")
    sqlite.write_revision("b2", "a1", create_table("two"), "op.drop_table('two')")
    sqlite.run("upgrade", "b2" if "downgrade" in words else "a1")
    run_words(sqlite.app, words.split(), "cli.py")
    out, err = capsys.readouterr()
    assert (bool(out), err) == (True, "")


# The way from models to tables


async def test_upgrade_of_first_revision_creates_the_tables(shelf: Shelf) -> None:
    file = shelf.run("migrate", "authors")
    assert shelf.lines[0] == "Detected added table 'authors'"
    shelf.run("upgrade")
    assert shelf.lines == [f"Upgrade base -> {file.name.partition('_')[0]}: authors"]
    assert await shelf.tables() == {"authors", "alembic_version"}


async def test_upgrade_again_does_nothing_and_says_so(shelf: Shelf) -> None:
    shelf.run("migrate")
    shelf.run("upgrade")
    shelf.run("upgrade")
    assert shelf.lines == ["Nothing to do: the database is there already"]


async def test_upgrade_without_any_revision_says_so(shelf: Shelf) -> None:
    shelf.run("upgrade")
    assert shelf.lines == ["There is no revision yet; db-migrate writes one"]


async def test_migrate_without_changes_writes_no_file(shelf: Shelf) -> None:
    shelf.run("migrate")
    shelf.run("upgrade")
    assert shelf.run("migrate") is None
    assert (shelf.lines, len(shelf.files)) == (["No changes: the models and the database agree"], 1)


async def test_migrate_of_changed_model_keeps_the_rows(shelf: Shelf, make_app: MakeApp) -> None:
    shelf.run("migrate")
    shelf.run("upgrade")
    await shelf.rows("INSERT INTO authors (id, name) VALUES (1, 'Ada')")
    columns: list[Column[Any]] = [
        Column("is_alive", Boolean, server_default=true(), nullable=False),
        Column("since", DateTime, server_default=func.now()),
        Column("age", Integer),
    ]
    changed = make_shelf(make_app, shelf.url, author_model(*columns))
    changed.run("migrate", "more columns")
    changed.run("upgrade")
    assert await shelf.rows("SELECT name, age FROM authors WHERE is_alive = true") == [("Ada", None)]
    changed.run("check")
    assert changed.lines == ["No changes: the models and the database agree"]


async def test_migrate_of_changed_type_and_default_sees_both(shelf: Shelf, make_app: MakeApp) -> None:
    first = make_shelf(make_app, shelf.url, author_model(Column("mail", String(10)), Column("age", Integer)))
    first.run("migrate")
    first.run("upgrade")
    columns: list[Column[Any]] = [Column("mail", String(200)), Column("age", Integer, server_default="18")]
    second = make_shelf(make_app, shelf.url, author_model(*columns))
    file = second.run("migrate")
    text_of_file = file.read_text()
    assert "type_=sa.String(length=200)" in text_of_file
    assert "server_default=" in text_of_file
    assert ("batch_alter_table" in text_of_file) == shelf.url.startswith("sqlite")
    second.run("upgrade")
    await shelf.rows("INSERT INTO authors (id, name) VALUES (1, 'Ada')")
    assert await shelf.rows("SELECT age FROM authors") == [(18,)]


class Money(TypeDecorator[int]):
    """A column type of an application's own."""

    impl = Integer
    cache_ok = True


async def test_revision_with_a_type_of_the_application_imports_it(make_app: MakeApp, tmp_path: Path) -> None:
    async with open_shelf(make_app, "sqlite", tmp_path, author_model(Column("fee", Money))) as shelf:
        file = shelf.run("migrate")
        assert f"import {__name__}\n" in file.read_text()
        shelf.run("upgrade")
        assert "authors" in await shelf.tables()


async def test_batch_change_of_a_table_keeps_the_rows_that_refer_to_it(make_app: MakeApp, tmp_path: Path) -> None:
    async with open_shelf(make_app, "sqlite", tmp_path, author_model(books=True)) as shelf:
        shelf.run("migrate")
        shelf.run("upgrade")
        await shelf.rows("INSERT INTO authors (id, name) VALUES (1, 'Ada')")
        await shelf.rows("INSERT INTO books (id, author_id) VALUES (7, 1)")
        changed = make_shelf(make_app, shelf.url, author_model(Column("age", Integer), books=True))
        file = changed.run("migrate")
        file.write_text(
            file.read_text().replace("batch_alter_table('authors'", "batch_alter_table('authors', recreate='always'")
        )
        changed.run("upgrade")
        assert await shelf.rows("SELECT author_id, age FROM books JOIN authors ON author_id = authors.id") == [
            (1, None)
        ]


async def test_downgrade_goes_back_one_step_and_to_base(shelf: Shelf) -> None:
    shelf.write_revision("a1", None, create_table("one"), "op.drop_table('one')")
    shelf.write_revision("b2", "a1", create_table("two"), "op.drop_table('two')")
    shelf.write_revision("c3", "b2", create_table("three"), "op.drop_table('three')")
    shelf.run("upgrade")
    shelf.run("downgrade")
    assert shelf.lines == ["Downgrade c3 -> b2: the revision c3"]
    assert await shelf.tables() == {"one", "two", "alembic_version"}
    shelf.run("downgrade", "base")
    assert (len(shelf.lines), await shelf.tables()) == (2, {"alembic_version"})


async def test_upgrade_to_a_revision_stops_there(shelf: Shelf) -> None:
    shelf.write_revision("a1", None, create_table("one"))
    shelf.write_revision("b2", "a1", create_table("two"))
    shelf.run("upgrade", "a1")
    assert await shelf.tables() == {"one", "alembic_version"}
    shelf.run("upgrade", "+1")
    assert await shelf.tables() == {"one", "two", "alembic_version"}


async def test_upgrade_as_sql_prints_it_and_touches_nothing(shelf: Shelf) -> None:
    shelf.write_revision("a1", None, create_table("one"))
    shelf.run("upgrade", sql=True)
    assert "CREATE TABLE one" in shelf.output
    assert "INSERT INTO alembic_version" in shelf.output
    assert await shelf.tables() == set()


@pytest.mark.parametrize("second", [None, "postgresql+psycopg", "postgresql+psycopg_async"])
async def test_revision_on_postgresql_may_leave_its_transaction(
    make_app: MakeApp, tmp_path: Path, second: str | None
) -> None:
    async with own_database("postgres", tmp_path) as url:
        uri = second and f"{second}{url[url.index(':') :]}"
        shelf = make_shelf(make_app, url, ALEMBIC_DATABASE_URI_SYNC=uri)
        shelf.run("init")
        block = """
            with op.get_context().autocommit_block():
                op.create_index("by_id", "one", ["id"], postgresql_concurrently=True)
        """
        shelf.write_revision("a1", None, create_table("one"))
        shelf.write_revision("b2", "a1", block)
        shelf.write_revision("c3", "b2", create_table("two"))
        shelf.run("upgrade")
        assert len(shelf.lines) == 3
        assert await shelf.rows("SELECT indexname FROM pg_indexes WHERE indexname = 'by_id'") == [("by_id",)]


async def test_revision_on_sqlite_may_leave_its_transaction(sqlite: Shelf) -> None:
    sqlite.write_revision("a1", None, "with op.get_context().autocommit_block():\n    op.execute('VACUUM')")
    sqlite.write_revision("b2", "a1", create_table("two"))
    sqlite.run("upgrade")
    assert await sqlite.rows("SELECT version_num FROM alembic_version") == [("b2",)]


async def test_revisions_that_another_process_runs_meanwhile_on_sqlite_are_left_out(sqlite: Shelf) -> None:
    overtake = """
        import sqlite3
        own = op.get_bind().connection.dbapi_connection

        def overtake(statement):
            if statement.startswith("BEGIN"):
                own.set_trace_callback(None)
                other = sqlite3.connect(op.get_bind().engine.url.database)
                other.execute("CREATE TABLE two (id INTEGER)")
                other.execute("UPDATE alembic_version SET version_num = 'b2'")
                other.commit()
                other.close()

        own.set_trace_callback(overtake)
    """
    sqlite.write_revision("a1", None, overtake)
    sqlite.write_revision("b2", "a1", create_table("two"))
    sqlite.write_revision("c3", "b2", create_table("three"))
    sqlite.run("upgrade")
    assert [line.partition(":")[0] for line in sqlite.lines] == [
        "Upgrade base -> a1",
        "Upgrade a1 -> b2",
        "Upgrade b2 -> c3",
    ]
    assert await sqlite.tables() == {"two", "three", "alembic_version"}


# What is shown


async def test_current_and_history_show_where_the_database_is(shelf: Shelf) -> None:
    shelf.write_revision("a1", None, create_table("one"))
    shelf.write_revision("b2", "a1", create_table("two"))
    shelf.run("upgrade", "a1")
    shelf.run("current")
    assert shelf.lines == ["a1"]
    shelf.run("history", indicate_current=True)
    assert shelf.lines == ["a1 -> b2 (head), the revision b2\n<base> -> a1 (current), the revision a1"]


async def test_current_verbose_shows_the_database_without_password(make_app: MakeApp, tmp_path: Path) -> None:
    async with open_shelf(make_app, "postgres", tmp_path) as shelf:
        shelf.write_revision("a1", None, create_table("one"))
        shelf.run("upgrade")
        shelf.run("current", verbose=True)
        assert "Path: " in shelf.output
        assert "patera_test_" in shelf.output


def test_heads_and_show_need_no_database(make_app: MakeApp) -> None:
    shelf = make_shelf(make_app, "postgresql+asyncpg://nobody@127.0.0.1:1/nothing")
    shelf.run("init")
    shelf.write_revision("a1", None, create_table("one"))
    shelf.run("heads")
    assert shelf.lines == ["a1 (head)"]
    shelf.run("show")
    assert "Rev: a1 (head)" in shelf.output
    shelf.run("history", verbose=True)
    assert "Rev: a1 (head)" in shelf.output


def test_listing_without_revisions_says_so(sqlite: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("heads", "history", "show", "current"):
        sqlite.run(command)
        assert sqlite.lines == []
    assert capsys.readouterr().err.count("no ") == 4


async def test_stamp_notes_a_revision_and_runs_nothing(shelf: Shelf) -> None:
    shelf.write_revision("a1", None, create_table("one"))
    shelf.run("stamp")
    assert shelf.lines == ["Stamp base -> a1"]
    assert await shelf.tables() == {"alembic_version"}
    shelf.run("stamp", "base")
    assert await shelf.rows("SELECT * FROM alembic_version") == []


def test_output_by_default_is_printed(sqlite: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    sqlite.write_revision("a1", None, create_table("one"))
    sqlite.migrate.upgrade()
    assert capsys.readouterr() == ("Upgrade base -> a1: the revision a1\n", "")


def test_warning_of_alembic_is_a_remark(sqlite: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    warn = "import logging\nlogging.getLogger('alembic.ddl').warning('mind %s', 'the gap')"
    sqlite.write_revision("a1", None, warn)
    sqlite.run("upgrade")
    assert (capsys.readouterr().err, len(sqlite.lines)) == ("mind the gap\n", 1)


async def test_upgrade_leaves_logging_as_it_was(sqlite: Shelf, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("alembic")
    before = (logger.level, logger.propagate, list(logger.handlers), list(logging.root.handlers))
    sqlite.write_revision("a1", None, create_table("one"))
    with caplog.at_level(logging.INFO):
        sqlite.run("upgrade")
    assert (logger.level, logger.propagate, list(logger.handlers), list(logging.root.handlers)) == before
    assert [record for record in caplog.records if record.name.startswith("alembic")] == []


# Databases


async def test_upgrades_in_several_threads_at_once_work(shelf: Shelf) -> None:
    shelf.write_revision("a1", None, create_table("one"))
    shelf.write_revision("b2", "a1", create_table("two"))
    lines: list[str] = []
    await asyncio.gather(*(asyncio.to_thread(shelf.migrate.upgrade, report=lines.append) for _ in range(3)))
    assert (len(lines), sum(line.startswith("Upgrade") for line in lines)) == (4, 2)


async def test_upgrade_whose_output_is_not_read_goes_on(sqlite: Shelf) -> None:
    def report(line: str) -> None:
        raise BrokenPipeError

    sqlite.write_revision("a1", None, create_table("one"))
    sqlite.migrate.upgrade(report=report)
    assert "one" in await sqlite.tables()


async def test_upgrade_called_inside_and_outside_of_a_loop_works(sqlite: Shelf) -> None:
    sqlite.write_revision("a1", None, create_table("one"))
    sqlite.write_revision("b2", "a1", create_table("two"))
    sqlite.run("upgrade", "a1")
    await asyncio.to_thread(sqlite.run, "upgrade")
    assert await sqlite.tables() == {"one", "two", "alembic_version"}


async def test_database_in_memory_upgraded_first_serves_the_application(make_app: MakeApp) -> None:
    shelf = make_shelf(make_app, "sqlite+aiosqlite:///:memory:")
    shelf.run("init")
    shelf.run("migrate")
    shelf.run("upgrade")
    async with shelf.app.lifespan():
        await shelf.db.execute_raw("INSERT INTO authors (name) VALUES ('Ada')", as_transaction=True)
        shelf.run("current")
        assert len(await shelf.db.execute_raw("SELECT * FROM authors")) == 1
    assert "(head)" in shelf.output


@pytest.mark.parametrize(
    ("kind", "second", "driver"),
    [
        ("sqlite", None, "pysqlite"),
        ("sqlite", "sqlite+aiosqlite", "aiosqlite"),
        ("postgres", None, "asyncpg"),
        ("postgres", "postgresql", "psycopg"),
        ("postgres", "postgresql+psycopg2", "psycopg2" if find_spec("psycopg2") else "psycopg"),
        ("mariadb", None, "aiomysql"),
        ("mariadb", "mysql+pymysql", "pymysql"),
        ("mariadb", "mysql+asyncmy", "asyncmy"),
    ],
)
async def test_second_uri_decides_about_the_driver(
    make_app: MakeApp, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, second: str | None, driver: str
) -> None:
    async with own_database(kind, tmp_path) as url:
        uri = second and f"{second}{url[url.index(':') :]}"
        shelf = make_shelf(make_app, url, ALEMBIC_DATABASE_URI_SYNC=uri)
        shelf.run("init")
        shelf.write_revision("a1", None, f"{create_table('one')}\nprint(op.get_bind().dialect.driver)")
        shelf.run("upgrade")
        assert await shelf.tables() == {"one", "alembic_version"}
        assert capsys.readouterr() == (f"{driver}\n", "")


def test_synchronous_uri_of_another_database_is_used_and_named(
    make_app: MakeApp, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    second = f"sqlite:///{tmp_path / 'second.db'}"
    shelf = make_shelf(make_app, "sqlite+aiosqlite:///first.db", ALEMBIC_DATABASE_URI_SYNC=second)
    shelf.run("init")
    shelf.run("migrate")
    assert "another database than DATABASE_URI" in capsys.readouterr().err
    assert (tmp_path / "second.db").exists()


async def test_limits_and_autocommit_of_the_application_are_not_those_of_migrations(
    make_app: MakeApp, tmp_path: Path
) -> None:
    async with own_database("postgres", tmp_path) as url:
        options: dict[str, Any] = {"ENGINE_OPTIONS": {"isolation_level": "AUTOCOMMIT"}, "STATEMENT_TIMEOUT": 0.1}
        shelf = make_shelf(make_app, url, **options)
        shelf.run("init")
        shelf.write_revision("a1", None, "op.execute('SELECT pg_sleep(0.3)')")
        shelf.write_revision("b2", "a1", f"{create_table('one')}\nop.execute('SELECT 1 / 0')")
        with pytest.raises(MigrationError, match="division by zero"):
            shelf.run("upgrade")
        assert await shelf.tables() == {"alembic_version"}


def test_options_of_env_py_reach_alembic(make_app: MakeApp, tmp_path: Path) -> None:
    shelf = make_shelf(make_app, f"sqlite+aiosqlite:///{tmp_path / 'test.db'}", author_model(books=True))
    shelf.run("init")
    env = shelf.folder / "env.py"
    option = "run_migrations(context, include_object=lambda thing, name, *rest: name != 'books')"
    env.write_text(env.read_text().replace("run_migrations(context)", option))
    shelf.run("migrate")
    assert shelf.lines[0] == "Detected added table 'authors'"
    assert "books" not in shelf.output


async def test_two_databases_keep_their_tables_and_folders(make_app: MakeApp, tmp_path: Path) -> None:
    first, second = SqlDatabase(), SqlDatabase("second", "SECOND_DATABASE")
    migrations = [Migrate(first), Migrate(second, "second_")]
    uris = [f"sqlite+aiosqlite:///{tmp_path / name}.db" for name in ("first", "second")]
    app = make_app(
        EXTENSIONS=[first, second, *migrations],
        MODELS=[author_model(), author_model(db_name="second", table="readers")],
        SQL_DATABASE={"DATABASE_URI": uris[0]},
        SECOND_DATABASE={"DATABASE_URI": uris[1], "ALEMBIC_MIGRATION_DIR": "second_migrations"},
    )
    lines: list[str] = []
    for migrate in migrations:
        migrate.init(report=lambda line: None)
        migrate.migrate(report=lines.append)
        migrate.upgrade(report=lambda line: None)
    assert [line for line in lines if "Detected" in line] == [
        "Detected added table 'authors'",
        "Detected added table 'readers'",
    ]
    shelves = [Shelf(app, first, migrations[0], uris[0]), Shelf(app, second, migrations[1], uris[1])]
    assert [await each.tables() - {"alembic_version"} for each in shelves] == [{"authors"}, {"readers"}]
    files = [Path(line.removeprefix("Wrote ")) for line in lines if line.startswith("Wrote ")]
    assert [file.parent.parent.name for file in files] == ["migrations", "second_migrations"]


def test_bases_of_one_database_are_all_compared(make_app: MakeApp, tmp_path: Path) -> None:
    models = [author_model(), author_model(table="readers")]
    shelf = make_shelf(make_app, f"sqlite+aiosqlite:///{tmp_path / 'test.db'}", *models)
    shelf.run("init")
    shelf.run("migrate")
    assert shelf.lines[:2] == ["Detected added table 'authors'", "Detected added table 'readers'"]


def test_import_of_migrate_leaves_alembic_for_the_first_command() -> None:
    code = "import patera.database.sql.migrate, sys; print('alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


# Refusals


def test_migrate_of_something_else_is_refused() -> None:
    with pytest.raises(TypeError, match="takes the SqlDatabase"):
        Migrate("db")  # type: ignore[arg-type]


@pytest.mark.parametrize("command", ["migrate", "check"])
def test_migrate_without_models_says_what_to_add(make_app: MakeApp, tmp_path: Path, command: str) -> None:
    db = SqlDatabase()
    migrate = Migrate(db)
    uri = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    make_app(EXTENSIONS=[db, migrate], SQL_DATABASE={"DATABASE_URI": uri})
    with pytest.raises(MigrationError, match=r"MODELS is empty\. Add import strings such as 'app\.models:User'"):
        getattr(migrate, command)()


def test_check_of_changed_models_names_the_differences(sqlite: Shelf) -> None:
    with pytest.raises(MigrationError, match=r"differ in 1 place\(s\); db-migrate writes a revision"):
        sqlite.run("check")
    assert sqlite.lines == ["Detected added table 'authors'"]
