"""`Repository`: the everyday operations on the rows of one model, without SQL at the place of use."""

from __future__ import annotations

import builtins
from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Generic, TypeVar, get_args, get_origin

from sqlalchemy import ColumnExpressionArgument, inspect
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session

from . import _current
from ._conditions import QueryError, attribute_of, key_names, mapper_of
from ._pagination import MAX_PER_PAGE, Page
from ._query import AsyncQuery, OpenAsyncSession
from ._query_rows import database_of, demanded

__all__ = ["Repository"]

M = TypeVar("M")


class Repository(Generic[M]):
    """Reads and writes the rows of one model; for `async def` code.

    It uses the session that it is given, else the one that is open in the running task. Reading
    opens one for the moment where there is none; writing needs `@db.managed_session` or
    `@db.transactional` around it, and leaves the commit to them.

    Example:
        class Users(Repository[User]):
            writable = ("fullname", "email")

        users = Users()                                       # or Repository(User)
        ann = await users.create(fullname="Ann", email="ann@example.org")
        await users.update(ann.id, fullname="Anna")
        page = await users.paginate(2, 20, order_by="fullname", is_active=True)

    Args:
        model: The mapped class; a subclass of `Repository[User]` knows it.
        session: The open session, or None.

    Raises:
        TypeError: No model is known, or `session` is no `AsyncSession`.
    """

    #: The mapped class.
    model: type[M]
    #: The attributes that `create()` and `update()` may set; None for all of them. Name them where the
    #: values come with a request.
    writable: ClassVar[Collection[str] | None] = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if isinstance(cls.writable, str):
            raise TypeError(
                f"{cls.__name__}.writable is a list of names, got {cls.writable!r}; write ({cls.writable!r},)"
            )
        for base in getattr(cls, "__orig_bases__", ()):
            origin, arguments = get_origin(base), get_args(base)
            if isinstance(origin, type) and issubclass(origin, Repository) and isinstance(arguments[0], type):
                cls.model = arguments[0]

    def __init__(self, model: type[M] | None = None, *, session: OpenAsyncSession | None = None) -> None:
        if model is not None:
            self.model = model
        if not hasattr(self, "model"):
            raise TypeError(
                f"{type(self).__name__}() knows no model; write Repository(User) or class Users(Repository[User])"
            )
        mapper_of(self.model)
        if session is not None and not isinstance(session, AsyncSession | async_scoped_session):
            raise TypeError(f"{type(self).__name__}(session=...) takes an AsyncSession, got {type(session).__name__}")
        self.session = session

    def query(self) -> AsyncQuery[M]:
        """Start a query of the model."""
        return AsyncQuery(self.model, self.session)

    async def get(self, key: Any) -> M | None:
        """Return the row with a primary key or None.

        Args:
            key: The key; for a key of several columns a tuple in their order, or a dict.
        """
        return await self.query().get(key)

    async def get_or_404(self, key: Any, description: str | None = None) -> M:
        """Return the row with a primary key.

        Args:
            key: The key, as in `get()`.
            description: The message of the answer, instead of `User not found`.

        Raises:
            NotFound: There is none.
        """
        return await self.query().get_or_404(key, description)

    async def list(
        self,
        *conditions: ColumnExpressionArgument[bool],
        order_by: Any = None,
        limit: int | None = None,
        offset: int = 0,
        **values: Any,
    ) -> builtins.list[M]:
        """Return the rows for which all conditions hold.

        Example:
            await users.list(User.age >= 18, is_active=True, order_by="name DESC", limit=10)

        Args:
            *conditions: SQL expressions.
            order_by: A column, a text such as `"name DESC"`, or a list of them.
            limit: At most so many rows.
            offset: Rows to skip.
            **values: Names of attributes, and the values they must have.

        Raises:
            QueryError: The model has no such attribute; it answers 400.
        """
        query = self._matching(conditions, values, order_by)
        if limit is not None:
            query = query.limit(limit)
        return await (query.offset(offset) if offset else query).all()

    async def exists(self, *conditions: ColumnExpressionArgument[bool], **values: Any) -> bool:
        """Return whether there is such a row; arguments as in `list()`."""
        return await self._matching(conditions, values).exists()

    async def count(self, *conditions: ColumnExpressionArgument[bool], **values: Any) -> int:
        """Return the number of such rows; arguments as in `list()`."""
        return await self._matching(conditions, values).count()

    async def paginate(
        self,
        page: Any = 1,
        per_page: Any = 10,
        *conditions: ColumnExpressionArgument[bool],
        order_by: Any = None,
        max_per_page: int | None = MAX_PER_PAGE,
        **values: Any,
    ) -> Page[M]:
        """Return one page of such rows; see `AsyncQuery.paginate()` for the numbers, `list()` for the rest."""
        query = self._matching(conditions, values, order_by)
        return await query.paginate(page, per_page, max_per_page=max_per_page)

    async def create(self, values: Mapping[str, Any] | None = None, /, **more: Any) -> M:
        """Add a row and send it to the database, so that it has its key.

        Example:
            user = await users.create(data.model_dump(), is_active=True)

        Args:
            values: Attributes by name.
            **more: The same as keywords.

        Raises:
            QueryError: The model has no such attribute, or `writable` does not name it; it answers 400.
            RuntimeError: No session is open.
        """
        session = self._open_session("create")
        row = self.model(**self._checked({**(values or {}), **more}))
        session.add(row)
        return await _saved(session, row)

    async def update(self, row_or_key: Any, values: Mapping[str, Any] | None = None, /, **more: Any) -> M:
        """Change a row, send the change to the database and return the row.

        Args:
            row_or_key: The row or its primary key.
            values: Attributes by name; the primary key keeps its value.
            **more: The same as keywords.

        Raises:
            NotFound: There is no such row.
            QueryError: The model has no such attribute, or `writable` does not name it; it answers 400.
            RuntimeError: No session is open.
        """
        session = self._open_session("update")
        checked = self._checked({**(values or {}), **more})
        row = await self._in_session(row_or_key, session)
        for name, value in checked.items():
            if name in key_names(self.model) and getattr(row, name) != value:
                raise QueryError(f"{name!r} is the primary key of {self.model.__name__} and does not change")
            setattr(row, name, value)
        return await _saved(session, row)

    async def delete(self, row_or_key: Any) -> None:
        """Delete a row, and with it what its relationships cascade to.

        Args:
            row_or_key: The row or its primary key.

        Raises:
            NotFound: There is no such row.
            RuntimeError: No session is open.
        """
        session = self._open_session("delete")
        await session.delete(await self._in_session(row_or_key, session))
        await session.flush()

    def _matching(self, conditions: tuple[Any, ...], values: dict[str, Any], order_by: Any = None) -> AsyncQuery[M]:
        query = self.query().where(*conditions).filter_by(**values)
        if order_by is None:
            return query
        return query.order_by(*(order_by if isinstance(order_by, builtins.list | tuple) else [order_by]))

    def _checked(self, values: dict[str, Any]) -> dict[str, Any]:
        for name in values:
            attribute_of([self.model], name)
            if self.writable is not None and name not in self.writable:
                accepted = ", ".join(sorted(self.writable))
                raise QueryError(f"{name!r} of {self.model.__name__} cannot be set; accepted: {accepted}")
        return values

    async def _in_session(self, row_or_key: Any, session: OpenAsyncSession) -> M:
        if not isinstance(row_or_key, self.model):
            return await AsyncQuery(self.model, session).get_or_404(row_or_key)
        if row_or_key in session:
            return row_or_key
        key = inspect(row_or_key).identity
        if key is None:
            raise ValueError(f"{row_or_key!r} was never saved; add it with create()")
        return await AsyncQuery(self.model, session).get_or_404(key)

    def _open_session(self, method: str) -> OpenAsyncSession:
        if self.session is not None:
            return self.session
        return demanded(_current.current_session(database_of(self.model)), f"{type(self).__name__}.{method}()")


async def _saved(session: OpenAsyncSession, row: M) -> M:
    """Send a row, and read back what the database has computed; attributes cannot be read late without `await`."""
    await session.flush()
    late = inspect(row).expired_attributes
    if late:
        await session.refresh(row, sorted(late))
    return row
