"""What a model is: a mapped class that knows its database and starts queries of itself."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Self, overload

from sqlalchemy import ColumnElement, inspect
from sqlalchemy.ext.asyncio import AsyncAttrs, AsyncSession, async_scoped_session
from sqlalchemy.orm import DeclarativeBase, Session, registry, scoped_session

from patera.extension import find_application

from . import _current
from ._bases import family_named, name_table, place
from ._conditions import key_names
from ._query import AsyncQuery, OpenAsyncSession
from ._sync_query import OpenSession, Query

__all__ = ["DeclarativeBaseModel", "create_declarative_base", "create_declerative_base"]

#: Spellings of options of `Meta` that are accepted for another one.
_META_SPELLINGS = {
    "create_validation_shema": "create_validation_schema",
    "update_validation_shema": "update_validation_schema",
}


class DeclarativeBaseModel(AsyncAttrs, DeclarativeBase):
    """Base of all models: a declarative class of SQLAlchemy that belongs to a database.

    A constructor with keywords, `mapped_column()`, relationships, mixins and inheritance are those of
    SQLAlchemy. A model without `__tablename__` has the table of its own name: `BlogPost` -> `blog_post`.

    Example:
        class Base(DeclarativeBaseModel):
            __abstract__ = True
            __db_name__ = "db"

        class User(Base):
            __tablename__ = "users"

            id: Mapped[int] = mapped_column(primary_key=True)
            fullname: Mapped[str] = mapped_column(String(80))
            posts: Mapped[list["Post"]] = relationship(back_populates="author")

        user = await User.query(session).filter_by(id=1).one()
        posts = await user.awaitable_attrs.posts       # a relationship that was not loaded yet

    A base with a `registry`, `metadata` or `type_annotation_map` of its own beside `__db_name__`
    shares its tables with no other base.
    """

    __abstract__ = True

    #: The name of the `SqlDatabase` that the tables are in.
    __db_name__: str

    def __init_subclass__(cls, **options: Any) -> None:
        name_table(cls)
        tables = place(cls)
        tables.mapped(cls)
        if "__mapper__" in vars(cls):
            # Its own from here on: the bases may begin a new set of tables.
            cls.registry, cls.metadata = tables, cls.metadata
        # Past the method of DeclarativeBase, which would map the class once more.
        super(DeclarativeBase, cls).__init_subclass__(**options)

    @overload
    @classmethod
    def query(cls, session: OpenAsyncSession | None = None) -> AsyncQuery[Self]: ...
    @overload
    @classmethod
    def query(cls, session: OpenSession) -> Query[Self]: ...
    @classmethod
    def query(cls, session: OpenAsyncSession | OpenSession | None = None) -> AsyncQuery[Self] | Query[Self]:
        """Start a query of this model.

        Without a session, the one that a decorator holds open in the running task is used, else one
        is opened for the moment. In a `def` handler that gives a `Query`, whose methods need no `await`.

        Example:
            user = await User.query(session).filter_by(email=email).first()
            number = await User.query().count()

        Args:
            session: An open session: an `AsyncSession` for `await`, a `Session` in plain functions.

        Raises:
            TypeError: Something else was passed as session.
        """
        if session is None:
            return Query(cls) if _is_in_plain_function(cls.db_name()) else AsyncQuery(cls)
        if isinstance(session, Session | scoped_session):
            return Query(cls, session)
        if isinstance(session, AsyncSession | async_scoped_session):
            return AsyncQuery(cls, session)
        raise TypeError(
            f"{cls.__name__}.query() takes an AsyncSession, a Session or nothing, got {type(session).__name__}; "
            "start conditions with .filter_by() or .where()"
        )

    @classmethod
    def db_name(cls) -> str:
        """Return the name of the database that the model belongs to."""
        return cls.__db_name__

    @classmethod
    def db_configs_name(cls) -> str:
        """Return the name of the config dict of that database in the current application.

        Raises:
            LookupError: The application has no such database.
        """
        return _current.database_named(cls.__db_name__).configs_name

    @classmethod
    def primary_keys(cls) -> list[ColumnElement[Any]]:
        """Return the columns of the primary key."""
        return list(inspect(cls).primary_key)

    @classmethod
    def primary_key_names(cls) -> list[str]:
        """Return the names of the attributes that make the primary key."""
        return key_names(cls)

    @classmethod
    def meta_options(cls) -> Mapping[str, Any]:
        """Return the options of the inner class `Meta` and those of its parents, the nearest first to count.

        Example:
            class User(Base):
                class Meta:
                    exclude_from_table = ["password"]

            User.meta_options()["exclude_from_table"]
        """
        found: dict[str, Any] = {}
        for parent in reversed(cls.__mro__):
            meta = vars(parent).get("Meta")
            for kind in reversed(meta.__mro__) if isinstance(meta, type) else ():
                found |= {_META_SPELLINGS.get(key, key): value for key, value in vars(kind).items() if key[0] != "_"}
        return found

    def __repr__(self) -> str:
        identity = inspect(self).identity
        return f"<{type(self).__name__} {'(not saved)' if identity is None else ', '.join(map(str, identity))}>"


def create_declarative_base(name: str = "db", *, shared: bool = True) -> type[DeclarativeBaseModel]:
    """Return the base class for the models of a database.

    All bases of one name are the same class, so that relationships and foreign keys reach over files.
    A test module has its own, and so has a module that was removed and imported again. Where another
    package or a function defines a table a second time, a new set of tables begins with it.

    Type checkers know no base class that is made by a call; there, derive a class from
    `DeclarativeBaseModel` with `__abstract__ = True` and `__db_name__ = "db"`, which is the same.

    Example:
        Base = create_declarative_base("db")

        class User(Base):
            __tablename__ = "users"

            id: Mapped[int] = mapped_column(primary_key=True)

    Args:
        name: The name of the `SqlDatabase`.
        shared: False for a base whose tables and class names nothing else sees.
    """
    module = sys._getframe(1).f_globals.get("__name__", "")
    own = {"__abstract__": True, "__db_name__": name, "__module__": module}
    if not shared:
        return type("Base", (DeclarativeBaseModel,), {**own, "registry": registry()})
    family = family_named(name, module)
    if family.base is None:
        family.base = type("Base", (DeclarativeBaseModel,), own)
    return family.base


create_declerative_base = create_declarative_base


def _is_in_plain_function(db_name: str) -> bool:
    """Whether nothing could await a result here: the thread of a `def` handler or command."""
    if _current.current_sync_session(db_name) is not None:
        return True
    return _current.running_task() is None and find_application() is not None
