"""Applications that migrate a shelf of books: what the tests of migrations share."""

from __future__ import annotations

import textwrap
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase

from patera import Patera
from patera.database.sql import SqlDatabase
from patera.database.sql.migrate import Migrate
from tests.databases import own_database

MakeApp = Callable[..., Patera]


def author_model(*columns: Column[Any], db_name: str = "db", table: str = "authors", books: bool = False) -> type:
    """Return a model `Author` with a base of its own, and with the columns added to its table.

    Args:
        *columns: Further columns.
        db_name: The database that it belongs to.
        table: The name of its table.
        books: Whether a second table refers to it.
    """
    base: Any = type("Base", (DeclarativeBase,), {"__db_name__": db_name, "metadata": MetaData()})
    Table(
        table,
        base.metadata,
        Column("id", Integer, primary_key=True),
        Column("name", String(40), nullable=False),
        *columns,
    )
    if books:
        target = ForeignKey(f"{table}.id", ondelete="CASCADE")
        Table("books", base.metadata, Column("id", Integer, primary_key=True), Column("author_id", Integer, target))
    model: type = type("Author", (base,), {"__table__": base.metadata.tables[table]})
    return model


@dataclass
class Shelf:
    """An application with migrations."""

    app: Patera
    db: SqlDatabase
    migrate: Migrate
    url: str
    #: What the last command reported.
    lines: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return Path(self.app.root_path) / "migrations"

    @property
    def files(self) -> list[str]:
        """The names of the revisions' files."""
        return sorted(file.name for file in (self.folder / "versions").glob("*.py"))

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def run(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of `Migrate`, and keep what it reports."""
        self.lines.clear()
        return getattr(self.migrate, name)(*args, report=self.lines.append, **kwargs)

    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Execute SQL on a connection of its own, commit, and return the rows."""
        engine = create_async_engine(self.url)
        try:
            async with engine.begin() as connection:
                result = await connection.execute(text(sql))
                return [tuple(row) for row in result] if result.returns_rows else []
        finally:
            await engine.dispose()

    async def tables(self) -> set[str]:
        """The names of all tables."""
        engine = create_async_engine(self.url)
        try:
            async with engine.connect() as connection:
                return set(await connection.run_sync(lambda each: each.dialect.get_table_names(each)))
        finally:
            await engine.dispose()

    def write_revision(self, name: str, down: str | None, upgrade: str, downgrade: str = "pass") -> Path:
        """Write the file of a revision by hand."""
        file = self.folder / "versions" / f"{name}.py"
        file.write_text(revision_text(name, down, upgrade, downgrade))
        return file


def revision_text(name: str, down: str | None, upgrade: str, downgrade: str = "pass") -> str:
    """Return the text of a revision's file."""
    lines = [
        f'"""the revision {name}"""',
        "import sqlalchemy as sa",
        "from alembic import op",
        f"revision = {name!r}",
        f"down_revision = {down!r}",
        "def upgrade():",
        textwrap.indent(textwrap.dedent(upgrade).strip(), "    "),
        "def downgrade():",
        textwrap.indent(textwrap.dedent(downgrade).strip(), "    "),
    ]
    return "\n".join(lines) + "\n"


def create_table(name: str) -> str:
    """Return a statement of a revision."""
    return f"op.create_table({name!r}, sa.Column('id', sa.Integer(), primary_key=True))"


def make_shelf(make_app: MakeApp, url: str, *models: Any, prefix: str = "", **configs: Any) -> Shelf:
    """Make an application with one database and its migrations; `Author` is its model unless others are given."""
    db = SqlDatabase()
    migrate = Migrate(db, prefix)
    values = {"DATABASE_URI": url, **configs}
    app = make_app(EXTENSIONS=[db, migrate], MODELS=[*(models or [author_model()])], SQL_DATABASE=values)
    return Shelf(app, db, migrate, url)


@asynccontextmanager
async def open_shelf(make_app: MakeApp, kind: str, folder: Path, *models: Any) -> AsyncIterator[Shelf]:
    """Make an application on a database of its own, with a migrations folder that has no revision yet."""
    async with own_database(kind, folder) as url:
        shelf = make_shelf(make_app, url, *models)
        shelf.run("init")
        yield shelf
