"""What goes wrong with migrations: what is said, and what the database is left with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from patera.database.sql import SqlDatabase
from patera.database.sql.migrate import Migrate, MigrationError
from patera.exceptions import ConfigurationError
from tests.database.shelf import MakeApp, Shelf, author_model, create_table, make_shelf, open_shelf
from tests.databases import own_database

FAILING = f"{create_table('two')}\nop.execute('INSERT INTO nowhere VALUES (1)')"


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
async def shelf(request: pytest.FixtureRequest, make_app: MakeApp, tmp_path: Path) -> AsyncIterator[Shelf]:
    async with open_shelf(make_app, request.param, tmp_path) as opened:
        yield opened


@pytest.fixture
def sqlite(make_app: MakeApp, tmp_path: Path) -> Shelf:
    opened = make_shelf(make_app, f"sqlite+aiosqlite:///{tmp_path / 'test.db'}")
    opened.run("init")
    return opened


def refused(shelf: Shelf, name: str, *args: str) -> str:
    """Return what a command is refused with, which is one line."""
    with pytest.raises(MigrationError) as caught:
        shelf.run(name, *args)
    message = str(caught.value)
    assert "\n" not in message
    return message


# The database cannot be reached


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+asyncpg://ada:s3cret@127.0.0.1:1/library",
        "postgresql+psycopg://ada:s3cret@127.0.0.1:1/library",
        "mysql+aiomysql://ada:s3cret@127.0.0.1:1/library",
    ],
)
@pytest.mark.parametrize("command", ["upgrade", "migrate", "current", "stamp"])
def test_unreachable_server_is_named_without_password(make_app: MakeApp, url: str, command: str) -> None:
    shelf = make_shelf(make_app, url)
    shelf.run("init")
    message = refused(shelf, command)
    assert message.startswith("Cannot connect to the database at 127.0.0.1:1/library: ")
    assert "s3cret" not in message


def test_unreachable_server_of_the_synchronous_uri_is_named(make_app: MakeApp) -> None:
    uri = "postgresql://ada:s3cret@127.0.0.1:1/library"
    shelf = make_shelf(make_app, "postgresql+asyncpg://postgres@127.0.0.1/library", ALEMBIC_DATABASE_URI_SYNC=uri)
    shelf.run("init")
    message = refused(shelf, "upgrade")
    assert message.startswith("Cannot connect to the database at 127.0.0.1:1/library: OperationalError")


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
async def test_database_that_does_not_exist_is_named(make_app: MakeApp, tmp_path: Path, kind: str) -> None:
    async with own_database(kind, tmp_path) as url:
        shelf = make_shelf(make_app, f"{url}_not")
        shelf.run("init")
        assert f"{url.rpartition('/')[2]}_not" in refused(shelf, "upgrade")


def test_file_that_cannot_be_opened_is_named(make_app: MakeApp, tmp_path: Path) -> None:
    shelf = make_shelf(make_app, f"sqlite+aiosqlite:///{tmp_path / 'missing' / 'test.db'}")
    shelf.run("init")
    assert str(tmp_path / "missing" / "test.db") in refused(shelf, "upgrade")


# The folder


@pytest.mark.parametrize("command", ["migrate", "upgrade", "downgrade", "history", "current", "heads", "show", "stamp"])
def test_missing_folder_names_the_command_that_makes_it(make_app: MakeApp, tmp_path: Path, command: str) -> None:
    shelf = make_shelf(make_app, f"sqlite+aiosqlite:///{tmp_path / 'test.db'}", prefix="my-")
    assert refused(shelf, command).endswith("migrations; run my-db-init")


def test_folder_of_something_else_is_refused(make_app: MakeApp, tmp_path: Path) -> None:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "README").write_text("nothing here")
    shelf = make_shelf(make_app, "sqlite+aiosqlite:///test.db")
    assert "migrations is no migrations folder" in refused(shelf, "upgrade")


def test_init_twice_is_refused(sqlite: Shelf) -> None:
    env = sqlite.folder / "env.py"
    env.write_text("changed")
    assert "exists and is not empty" in refused(sqlite, "init")
    assert env.read_text() == "changed"


def test_init_into_an_empty_folder_works(make_app: MakeApp, tmp_path: Path) -> None:
    (tmp_path / "migrations").mkdir()
    make_shelf(make_app, "sqlite+aiosqlite:///test.db").run("init")
    assert (tmp_path / "migrations" / "env.py").is_file()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("revision = 'b2'\ndown_revision = 'a1'\ndef upgrade(:\n", "SyntaxError"),
        ("import nowhere_to_be_found\n", "ModuleNotFoundError"),
    ],
)
def test_revision_file_that_cannot_be_loaded_is_named(sqlite: Shelf, content: str, reason: str) -> None:
    sqlite.write_revision("a1", None, create_table("one"))
    file = sqlite.write_revision("b2", "a1", "pass")
    file.write_text(content)
    line = content.count("\n")
    for command in ("upgrade", "history", "migrate"):
        assert f"b2.py:{line} cannot be used: {reason}" in refused(sqlite, command)


def test_env_py_that_fails_is_named(sqlite: Shelf) -> None:
    env = sqlite.folder / "env.py"
    env.write_text(f"{env.read_text()}\nraise LookupError('no such option')\n")
    sqlite.write_revision("a1", None, create_table("one"))
    assert refused(sqlite, "current").startswith("LookupError: no such option, at ")


def test_error_of_the_application_outside_of_the_folder_is_its_own(sqlite: Shelf) -> None:
    def report(line: str) -> None:
        raise KeyError("a fault of the caller")

    (sqlite.folder / "env.py").unlink()
    with pytest.raises(KeyError, match="a fault of the caller"):
        sqlite.migrate.migrate(report=report)


# Revisions


@pytest.mark.parametrize("shelf", ["sqlite", "postgres"], indirect=True)
async def test_failing_revision_leaves_what_came_before(shelf: Shelf) -> None:
    shelf.write_revision("a1", None, create_table("one"))
    file = shelf.write_revision("b2", "a1", FAILING)
    shelf.write_revision("c3", "b2", create_table("three"))
    message = refused(shelf, "upgrade")
    assert message.startswith(f"Revision b2 failed at {file}:8: ")
    assert message.endswith("Its changes were rolled back; the database is at a1")
    assert shelf.lines == ["Upgrade base -> a1: the revision a1", "Upgrade a1 -> b2: the revision b2"]
    assert await shelf.tables() == {"one", "alembic_version"}
    file.write_text(file.read_text().replace("op.execute", "str"))
    shelf.run("upgrade")
    assert await shelf.tables() == {"one", "two", "three", "alembic_version"}


async def test_failing_revision_rolls_its_rows_back(shelf: Shelf) -> None:
    shelf.write_revision("a1", None, create_table("one"))
    shelf.write_revision("b2", "a1", "op.execute('INSERT INTO one (id) VALUES (1)')\nraise RuntimeError('enough')")
    assert "RuntimeError: enough" in refused(shelf, "upgrade")
    assert await shelf.rows("SELECT * FROM one") == []
    assert await shelf.rows("SELECT version_num FROM alembic_version") == [("a1",)]


async def test_failing_revision_on_mariadb_says_what_stays(make_app: MakeApp, tmp_path: Path) -> None:
    async with open_shelf(make_app, "mariadb", tmp_path) as shelf:
        shelf.write_revision("a1", None, create_table("one"))
        shelf.write_revision("b2", "a1", FAILING)
        message = refused(shelf, "upgrade")
        assert "cannot roll back changes of the schema" in message
        assert "still counts as a1" in message
        assert await shelf.tables() == {"one", "two", "alembic_version"}


async def test_failing_way_back_is_rolled_back(sqlite: Shelf) -> None:
    sqlite.write_revision("a1", None, create_table("one"), "op.drop_table('one')\nraise RuntimeError('enough')")
    sqlite.run("upgrade")
    assert refused(sqlite, "downgrade").startswith("The way back of a1 failed")
    assert await sqlite.tables() == {"one", "alembic_version"}


async def test_revision_that_breaks_foreign_keys_is_rolled_back(make_app: MakeApp, tmp_path: Path) -> None:
    async with open_shelf(make_app, "sqlite", tmp_path, author_model(books=True)) as shelf:
        first = shelf.run("migrate").name.partition("_")[0]
        shelf.run("upgrade")
        await shelf.rows("INSERT INTO authors (id, name) VALUES (1, 'Ada')")
        await shelf.rows("INSERT INTO books (id, author_id) VALUES (7, 1)")
        shelf.write_revision("b2", first, "op.execute('DELETE FROM authors')")
        assert "rows are left whose foreign keys lead nowhere (1 of books to authors)" in refused(shelf, "upgrade")
        assert await shelf.rows("SELECT name FROM authors") == [("Ada",)]


async def test_foreign_keys_broken_before_do_not_stop_a_revision(make_app: MakeApp, tmp_path: Path) -> None:
    async with open_shelf(make_app, "sqlite", tmp_path, author_model(books=True)) as shelf:
        first = shelf.run("migrate").name.partition("_")[0]
        shelf.run("upgrade")
        await shelf.rows("INSERT INTO books (id, author_id) VALUES (7, 1)")
        shelf.write_revision("b2", first, create_table("more"))
        shelf.run("upgrade")
        assert "more" in await shelf.tables()


async def test_foreign_keys_that_cannot_be_checked_do_not_stop_a_revision(sqlite: Shelf) -> None:
    await sqlite.rows("CREATE TABLE parents (name TEXT)")
    await sqlite.rows("CREATE TABLE children (id INTEGER, parent TEXT REFERENCES parents (name))")
    await sqlite.rows("INSERT INTO parents VALUES ('Ada')")
    sqlite.write_revision("a1", None, "op.execute(\"INSERT INTO children VALUES (1, 'Ada')\")")
    sqlite.run("upgrade")
    assert await sqlite.rows("SELECT parent FROM children") == [("Ada",)]


def write_two_heads(shelf: Shelf) -> None:
    shelf.write_revision("a1", None, create_table("one"))
    shelf.write_revision("b2", "a1", create_table("two"))
    shelf.write_revision("c3", "a1", create_table("three"))


@pytest.mark.parametrize("command", ["upgrade", "stamp", "show"])
def test_two_heads_are_named_with_the_way_out(sqlite: Shelf, command: str) -> None:
    write_two_heads(sqlite)
    message = refused(sqlite, command)
    assert "has 2 heads (b2, c3)" in message
    assert "join them with db-merge, or go to all of them with db-upgrade --revision heads" in message


def test_two_heads_that_are_applied_stop_a_new_revision(sqlite: Shelf) -> None:
    write_two_heads(sqlite)
    sqlite.run("upgrade", "heads")
    assert "join them with db-merge" in refused(sqlite, "migrate")
    assert len(sqlite.files) == 3


async def test_two_heads_joined_are_one(shelf: Shelf) -> None:
    write_two_heads(shelf)
    file = shelf.run("merge", "both")
    assert shelf.lines == [f"Wrote {file}"]
    shelf.run("upgrade")
    assert await shelf.tables() == {"one", "two", "three", "alembic_version"}
    assert shelf.run("merge") is None
    assert shelf.lines == ["Nothing to join: there is one head at most"]


async def test_two_heads_upgraded_together_are_both_there(shelf: Shelf) -> None:
    write_two_heads(shelf)
    shelf.run("upgrade", "heads")
    assert await shelf.tables() == {"one", "two", "three", "alembic_version"}


@pytest.mark.parametrize("command", ["upgrade", "downgrade", "stamp", "show"])
def test_unknown_revision_asked_for_is_named(sqlite: Shelf, command: str) -> None:
    sqlite.write_revision("a1", None, create_table("one"))
    assert "has no revision 'nix'; db-history lists what it has" in refused(sqlite, command, "nix")


@pytest.mark.parametrize(("command", "revision"), [("downgrade", "-1"), ("upgrade", "+2")])
def test_step_beyond_the_last_revision_says_where_to_look(sqlite: Shelf, command: str, revision: str) -> None:
    sqlite.write_revision("a1", None, create_table("one"))
    assert refused(sqlite, command, revision) == (
        f"There is no revision {revision} from here; db-current shows where the database is, db-history all"
    )


@pytest.mark.parametrize("command", ["upgrade", "downgrade", "current", "migrate"])
async def test_database_at_a_revision_without_file_says_what_to_do(sqlite: Shelf, command: str) -> None:
    file = sqlite.write_revision("a1", None, create_table("one"))
    sqlite.run("upgrade")
    file.unlink()
    sqlite.write_revision("b2", None, create_table("two"))
    message = refused(sqlite, command)
    assert message.startswith("The database is at the revision 'a1', which ")
    assert "db-stamp --purge --revision REV" in message
    sqlite.run("stamp", "b2", purge=True)
    assert await sqlite.rows("SELECT version_num FROM alembic_version") == [("b2",)]


async def test_stamp_that_the_server_refuses_says_why(make_app: MakeApp, tmp_path: Path) -> None:
    async with open_shelf(make_app, "postgres", tmp_path) as shelf:
        shelf.write_revision("a1", None, create_table("one"))
        await shelf.rows("CREATE TABLE alembic_version (version_num VARCHAR(32) CHECK (version_num = ''))")
        assert "violates check constraint" in refused(shelf, "stamp")


async def test_stamp_purged_to_base_forgets_everything(sqlite: Shelf) -> None:
    file = sqlite.write_revision("a1", None, create_table("one"))
    sqlite.run("upgrade")
    file.unlink()
    sqlite.run("stamp", "base", purge=True)
    assert await sqlite.rows("SELECT version_num FROM alembic_version") == []


def test_migrate_behind_the_newest_revision_says_what_to_do(sqlite: Shelf) -> None:
    sqlite.write_revision("a1", None, create_table("one"))
    assert refused(sqlite, "migrate").endswith("run db-upgrade, then db-migrate again")


async def test_change_made_by_hand_is_found(sqlite: Shelf) -> None:
    sqlite.run("migrate")
    sqlite.run("upgrade")
    await sqlite.rows("ALTER TABLE authors ADD COLUMN age INTEGER")
    assert "differ in 1 place(s)" in refused(sqlite, "check")
    assert sqlite.lines == ["Detected removed column 'authors.age'"]


async def test_table_made_by_hand_is_named_by_the_failing_revision(sqlite: Shelf) -> None:
    sqlite.write_revision("a1", None, create_table("one"))
    await sqlite.rows("CREATE TABLE one (id INTEGER)")
    assert "OperationalError: table one already exists" in refused(sqlite, "upgrade")


def test_models_of_other_databases_are_named(make_app: MakeApp, tmp_path: Path) -> None:
    db, second = SqlDatabase(), SqlDatabase("second", "SECOND_DATABASE")
    migrate = Migrate(db)
    uri = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    configs = {"SQL_DATABASE": {"DATABASE_URI": uri}, "SECOND_DATABASE": {"DATABASE_URI": uri}}
    make_app(EXTENSIONS=[db, second, migrate], MODELS=[author_model(db_name="second")], **configs)
    with pytest.raises(MigrationError, match=r"MODELS names only models of other databases: Author \('second'\)"):
        migrate.migrate()


# Mistakes of the build


def two_databases(make_app: MakeApp, *prefixes: str, **second: str) -> None:
    db, other = SqlDatabase(), SqlDatabase("other", "OTHER_DATABASE")
    uri = "sqlite+aiosqlite:///test.db"
    make_app(
        EXTENSIONS=[db, other, Migrate(db, prefixes[0]), Migrate(other, prefixes[1])],
        SQL_DATABASE={"DATABASE_URI": uri},
        OTHER_DATABASE={"DATABASE_URI": uri, **second},
    )


def test_two_migrations_without_prefix_are_refused(make_app: MakeApp) -> None:
    with pytest.raises(ConfigurationError, match=r"PAT451[^$]*'db-init'[^$]*command_prefix=\"other-\""):
        two_databases(make_app, "", "", ALEMBIC_MIGRATION_DIR="others")


def test_two_migrations_in_one_folder_are_refused(make_app: MakeApp) -> None:
    with pytest.raises(ConfigurationError, match=r"PAT452[^$]*'migrations_other'"):
        two_databases(make_app, "", "other-")


@pytest.mark.parametrize("prefix", ["-x", "a b", "a:"])
def test_prefix_that_cannot_be_typed_is_refused(make_app: MakeApp, prefix: str) -> None:
    with pytest.raises(ConfigurationError, match="PAT450"):
        make_shelf(make_app, "sqlite+aiosqlite:///test.db", prefix=prefix)


def test_migrations_of_a_database_that_is_not_listed_are_refused(make_app: MakeApp) -> None:
    with pytest.raises(ConfigurationError, match="PAT453"):
        make_app(EXTENSIONS=[Migrate(SqlDatabase())]).build()


async def test_migrations_listed_before_their_database_work(make_app: MakeApp, tmp_path: Path) -> None:
    db = SqlDatabase()
    migrate = Migrate(db)
    uri = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    app = make_app(EXTENSIONS=[migrate, db], MODELS=[author_model()], SQL_DATABASE={"DATABASE_URI": uri})
    app.build()
    shelf = Shelf(app, db, migrate, uri)
    shelf.run("init")
    shelf.run("migrate")
    shelf.run("upgrade")
    assert "authors" in await shelf.tables()
