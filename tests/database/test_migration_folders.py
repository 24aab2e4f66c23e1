"""Migrations folders that something else has made: they are used as they are, and their history continues."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from patera.database.sql import SqlDatabase
from patera.database.sql.migrate import Migrate, MigrationError
from tests.database.shelf import MakeApp, Shelf, create_table, make_shelf, revision_text
from tests.databases import own_database

#: What such a folder has in common with those of Flask-Migrate: it asks Flask's application for everything.
FLASK_ENV = """
from logging.config import fileConfig
from alembic import context
from flask import current_app
fileConfig(context.config.config_file_name)
raise AssertionError("this environment must not run")
"""

FLASK_INI = """
[alembic]
file_template = V_%%(rev)s
[loggers]
keys = root
[handlers]
keys =
[formatters]
keys =
[logger_root]
level = CRITICAL
handlers =
"""

MODEL_MODULE = """
from sqlalchemy import Column, Integer, MetaData, Table
metadata = MetaData()
Table("authors", metadata, Column("id", Integer, primary_key=True))
"""


@pytest.fixture
def shelf(make_app: MakeApp, tmp_path: Path) -> Shelf:
    """An application without a folder."""
    return make_shelf(make_app, f"sqlite+aiosqlite:///{tmp_path / 'test.db'}")


def make_flask_folder(folder: Path, env: str = FLASK_ENV) -> None:
    (folder / "versions").mkdir(parents=True)
    (folder / "env.py").write_text(env)
    (folder / "alembic.ini").write_text(FLASK_INI)
    (folder / "script.py.mako").write_text(
        '"""${message}"""\n# the own template\n'
        "revision = ${repr(up_revision)}\ndown_revision = ${repr(down_revision)}\n"
        "from alembic import op\nimport sqlalchemy as sa\n"
        "def upgrade():\n    ${upgrades}\ndef downgrade():\n    ${downgrades}\n"
    )
    (folder / "versions" / "a1.py").write_text(revision_text("a1", None, create_table("one")))


def make_alembic_folder(
    folder: Path, template: str, *, metadata: str = "metadata", ini: str = "", around: str = "alembic.ini"
) -> None:
    """Let Alembic make a folder, with its `alembic.ini` beside it."""
    file = folder.parent / around
    toml = folder.parent / "pyproject.toml" if template.startswith("pyproject") else None
    command.init(Config(file, toml), str(folder), template=template)
    file.write_text(file.read_text().replace("[alembic]", f"[alembic]\n{ini}"))
    (folder / "shelf_models.py").write_text(MODEL_MODULE)
    env = folder / "env.py"
    env.write_text(
        env.read_text().replace(
            "target_metadata = None",
            f"import sys; sys.path.insert(0, {str(folder)!r}); import shelf_models\n"
            f"sys.path.pop(0); del sys.modules['shelf_models']\ntarget_metadata = shelf_models.{metadata}",
        )
    )
    (folder / "versions" / "a1.py").write_text(revision_text("a1", None, create_table("one")))


# Flask-Migrate


async def test_flask_folder_goes_on_without_its_env_py(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    make_flask_folder(shelf.folder)
    await shelf.rows("CREATE TABLE one (id INTEGER PRIMARY KEY)")
    await shelf.rows("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    await shelf.rows("INSERT INTO alembic_version VALUES ('a1')")
    root = (logging.root.level, list(logging.root.handlers))
    file = shelf.run("migrate", "authors")
    assert (file.parent, file.name[:2]) == (shelf.folder / "versions", "V_")
    assert "# the own template" in file.read_text()
    assert "down_revision = 'a1'" in file.read_text()
    shelf.run("upgrade")
    assert "authors" in await shelf.tables()
    assert (logging.root.level, list(logging.root.handlers)) == root
    assert capsys.readouterr().err.count("env.py needs another framework; Patera runs its own instead") == 2


def test_folder_without_env_py_works_silently(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    make_flask_folder(shelf.folder)
    (shelf.folder / "env.py").unlink()
    shelf.run("upgrade")
    assert shelf.lines == ["Upgrade base -> a1: the revision a1"]
    assert capsys.readouterr() == ("", "")


def test_folder_without_template_takes_that_of_patera(shelf: Shelf) -> None:
    make_flask_folder(shelf.folder)
    (shelf.folder / "script.py.mako").unlink()
    shelf.run("upgrade")
    assert "from collections.abc import Sequence" in shelf.run("migrate", "authors").read_text()


def test_flask_folder_for_several_databases_is_refused(shelf: Shelf) -> None:
    make_flask_folder(shelf.folder, f"{FLASK_ENV}\nbind_names = []\n")
    with pytest.raises(MigrationError, match="give each database a folder of its own with ALEMBIC_MIGRATION_DIR"):
        shelf.run("upgrade")


def test_flask_folder_with_revisions_elsewhere_finds_them(shelf: Shelf) -> None:
    make_flask_folder(shelf.folder)
    (shelf.folder / "versions").rename(shelf.folder / "elsewhere")
    ini = shelf.folder / "alembic.ini"
    option = "path_separator = newline\nversion_locations = %(here)s/elsewhere"
    ini.write_text(ini.read_text().replace("[alembic]", f"[alembic]\n{option}"))
    shelf.run("heads")
    assert shelf.lines == ["a1 (head)"]


def test_ini_that_cannot_be_read_is_named(shelf: Shelf) -> None:
    make_flask_folder(shelf.folder)
    (shelf.folder / "alembic.ini").write_text("file_template = x\n")
    with pytest.raises(MigrationError, match=r"alembic\.ini cannot be read: File contains no section headers"):
        shelf.run("upgrade")


# Alembic


@pytest.mark.parametrize("template", ["generic", "async", "pyproject"])
async def test_alembic_folder_runs_its_env_py(shelf: Shelf, template: str) -> None:
    make_alembic_folder(shelf.folder, template)
    root = (logging.root.level, list(logging.root.handlers))
    shelf.run("upgrade")
    assert shelf.lines == ["Upgrade base -> a1: the revision a1"]
    shelf.run("migrate", "authors")
    assert "Detected added table 'authors'" in shelf.lines
    shelf.run("upgrade")
    assert await shelf.tables() >= {"alembic_version", "authors"}
    assert (logging.root.level, list(logging.root.handlers)) == root


@pytest.mark.parametrize("template", ["generic", "async"])
@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
async def test_alembic_folder_on_a_server_gets_a_url_for_its_kind(
    make_app: MakeApp, tmp_path: Path, kind: str, template: str
) -> None:
    async with own_database(kind, tmp_path) as url:
        shelf = make_shelf(make_app, url)
        make_alembic_folder(shelf.folder, template)
        shelf.run("upgrade")
        shelf.run("current")
        assert shelf.lines == ["a1 (head)"]


def test_alembic_folder_brings_its_own_models(make_app: MakeApp, tmp_path: Path) -> None:
    db = SqlDatabase()
    migrate = Migrate(db)
    uri = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    shelf = Shelf(make_app(EXTENSIONS=[db, migrate], SQL_DATABASE={"DATABASE_URI": uri}), db, migrate, uri)
    make_alembic_folder(shelf.folder, "generic")
    shelf.run("upgrade")
    shelf.run("migrate")
    assert "Detected added table 'authors'" in shelf.lines


def test_template_that_needs_the_environment_has_it(shelf: Shelf) -> None:
    shelf.run("init")
    (shelf.folder / "alembic.ini").write_text("[alembic]\nrevision_environment = true\n")
    shelf.write_revision("a1", None, create_table("one"))
    shelf.run("history")
    assert shelf.lines == ["<base> -> a1 (head), the revision a1"]


def test_alembic_folder_with_options_in_an_ini_beside_it_has_them(shelf: Shelf) -> None:
    make_alembic_folder(shelf.folder, "generic", ini="file_template = W_%%(rev)s")
    shelf.run("upgrade")
    assert shelf.run("migrate", "authors").name.startswith("W_")


def test_folder_named_as_a_package_in_an_ini_has_its_options(make_app: MakeApp, tmp_path: Path) -> None:
    uri = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    shelf = make_shelf(make_app, uri, ALEMBIC_MIGRATION_DIR="library/data/revisions")
    shelf.run("init")
    (tmp_path / "alembic.ini").write_text(
        "[alembic]\nscript_location = library.data:revisions\nfile_template = P_%%(rev)s\n"
    )
    assert shelf.run("migrate", "authors").name.startswith("P_")


def test_ini_of_another_folder_is_not_taken(shelf: Shelf) -> None:
    make_alembic_folder(shelf.folder.parent / "others", "generic", ini="file_template = W_%%(rev)s")
    shelf.run("init")
    assert not shelf.run("migrate", "authors").name.startswith("W_")


def test_broken_files_around_a_folder_are_not_read(shelf: Shelf) -> None:
    for name in ("alembic.ini", "pyproject.toml"):
        (shelf.folder.parent / name).write_text("= = =\n")
    shelf.run("init")
    assert shelf.run("migrate", "authors").name.endswith("_authors.py")


def test_alembic_folder_without_metadata_says_so(shelf: Shelf) -> None:
    make_alembic_folder(shelf.folder, "generic", metadata="__doc__")
    shelf.run("upgrade")
    with pytest.raises(MigrationError, match="does not provide a MetaData object"):
        shelf.run("migrate")


def test_alembic_folder_whose_env_py_calls_file_config_always_leaves_logging_alone(shelf: Shelf) -> None:
    make_alembic_folder(shelf.folder, "generic")
    env = shelf.folder / "env.py"
    env.write_text(env.read_text().replace("if config.config_file_name is not None:", "if True:"))
    root = (logging.root.level, list(logging.root.handlers))
    shelf.run("upgrade")
    assert (logging.root.level, list(logging.root.handlers)) == root


def test_alembic_folder_failing_leaves_open_what_was_rolled_back(shelf: Shelf) -> None:
    make_alembic_folder(shelf.folder, "generic")
    shelf.write_revision("b2", "a1", "raise RuntimeError('enough')")
    with pytest.raises(MigrationError, match=r"RuntimeError: enough\. What was rolled back is up to its env\.py"):
        shelf.run("upgrade")


def test_alembic_folder_with_unreachable_server_names_it(make_app: MakeApp) -> None:
    shelf = make_shelf(make_app, "postgresql+asyncpg://ada:s3cret@127.0.0.1:1/library")
    make_alembic_folder(shelf.folder, "generic")
    with pytest.raises(MigrationError, match=r"127\.0\.0\.1:1/library") as caught:
        shelf.run("current")
    assert "s3cret" not in str(caught.value)


def test_own_env_py_run_by_alembic_itself_says_how_to_run_it(shelf: Shelf) -> None:
    shelf.run("init")
    config = Config()
    config.set_main_option("script_location", str(shelf.folder))
    with pytest.raises(MigrationError, match="use its db-\\* commands"):
        command.current(config)


# Places


def test_missing_folder_with_one_beside_the_package_names_that(make_app: MakeApp, tmp_path: Path) -> None:
    shelf = make_shelf(make_app, "sqlite+aiosqlite:///test.db")
    other = Path(shelf.app.root_path).parent / "migrations"
    (other / "versions").mkdir(parents=True)
    try:
        with pytest.raises(MigrationError, match=r"or set ALEMBIC_MIGRATION_DIR to '\.\./migrations', which exists"):
            shelf.run("upgrade")
    finally:
        (other / "versions").rmdir()
        other.rmdir()


@pytest.mark.parametrize("folder", ["db/revisions", "../outside 100%", "{root}/absolute"])
def test_folder_anywhere_is_used(make_app: MakeApp, tmp_path: Path, folder: str) -> None:
    configured = folder.format(root=tmp_path)
    shelf = make_shelf(make_app, f"sqlite+aiosqlite:///{tmp_path / 'test.db'}", ALEMBIC_MIGRATION_DIR=configured)
    path: Path = shelf.run("init")
    assert path == (tmp_path / configured).resolve()
    assert shelf.run("migrate", "authors").parent == path / "versions"
    shelf.run("upgrade")
    assert "authors" in shelf.lines[0]


def test_password_with_a_percent_sign_is_passed_on(make_app: MakeApp) -> None:
    shelf = make_shelf(make_app, "postgresql+asyncpg://ada:50%25@127.0.0.1:1/library")
    shelf.run("init")
    with pytest.raises(MigrationError, match="Cannot connect"):
        shelf.run("upgrade")
