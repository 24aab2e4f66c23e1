"""`AsyncQuery`: the queries of one model for `async def` code. Its twin without `await` is `Query`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

from sqlalchemy import ColumnExpressionArgument, Delete, Select, Update
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session

from . import _current
from ._builders import QueryBuilder
from ._pagination import MAX_PER_PAGE, Page, Window
from ._query_rows import database_of, demanded, first_of, found_or_404, one_of, one_or_none_of, only_of
from ._sync_query import Query

__all__ = ["AsyncQuery", "OpenAsyncSession", "Query"]

M = TypeVar("M")
T = TypeVar("T")

OpenAsyncSession = AsyncSession | async_scoped_session[Any]


class AsyncQuery(QueryBuilder[M]):
    """A query of one model whose results are awaited; `Model.query(session)` makes one.

    Without a session it uses the one that is open in the running task, or opens one for the moment.
    An error of the database leaves the session to its owner: nothing is rolled back here.

    Example:
        adults = User.query(session).where(User.age >= 18)
        users = await adults.order_by(User.name).limit(10).all()
        number = await adults.count()

    Args:
        model: The mapped class.
        session: The open session, or None.
    """

    def __init__(self, model: type[M], session: OpenAsyncSession | None = None) -> None:
        super().__init__(model)
        self.session = session

    async def all(self) -> list[M]:
        """Return all rows."""
        return await self._rows(self.statement)

    async def first(self) -> M | None:
        """Return the first row or None; `LIMIT 1` is sent."""
        return first_of(await self._rows(self._at_most(1)))

    async def one(self) -> M:
        """Return the only row; no more than two are read.

        Raises:
            sqlalchemy.exc.NoResultFound: There is none.
            sqlalchemy.exc.MultipleResultsFound: There are several.
        """
        return one_of(self.model, await self._rows(self._at_most(2)))

    async def one_or_none(self) -> M | None:
        """Return the only row, None if there is none.

        Raises:
            sqlalchemy.exc.MultipleResultsFound: There are several.
        """
        return one_or_none_of(self.model, await self._rows(self._at_most(2)))

    async def get(self, key: Any) -> M | None:
        """Return the row with a primary key or None; the conditions of the query hold too.

        Example:
            await User.query(session).get(3)
            await Membership.query(session).get((user_id, group_id))

        Args:
            key: The key; for a key of several columns a tuple in their order, or a dict. Text is read as
                the number or UUID that the column holds; text that is none finds nothing.

        Raises:
            ValueError: The model's key has another number of columns.
        """
        return await self._of_key(key).first()

    async def first_or_404(self, description: str | None = None) -> M:
        """Return the first row.

        Args:
            description: The message of the answer, instead of `User not found`.

        Raises:
            NotFound: There is none.
        """
        return found_or_404(self.model, await self.first(), description)

    async def get_or_404(self, key: Any, description: str | None = None) -> M:
        """Return the row with a primary key as `get()` does.

        Raises:
            NotFound: There is none.
        """
        return found_or_404(self.model, await self.get(key), description)

    async def one_or_404(self, description: str | None = None) -> M:
        """Return the only row.

        Raises:
            NotFound: There is none, or there are several.
        """
        return found_or_404(self.model, only_of(await self._rows(self._at_most(2))), description)

    async def exists(self) -> bool:
        """Return whether there is a row."""
        return bool(await self._scalar(self._testing()))

    async def count(self) -> int:
        """Return how many rows `all()` would give; limit, joins and `distinct()` count as they stand."""
        return int(await self._scalar(self._counting()))

    async def scalars(self, column: ColumnExpressionArgument[T]) -> list[T]:
        """Return the values of one column or expression.

        Example:
            names: list[str] = await User.query(session).order_by(User.name).scalars(User.name)

        Args:
            column: What is selected instead of the model.
        """
        statement = self._selecting(column)
        return list(await self._run(lambda session: session.scalars(statement)))

    async def paginate(
        self, page: Any = 1, per_page: Any = 10, *, max_per_page: int | None = MAX_PER_PAGE, error_out: bool = False
    ) -> Page[M]:
        """Return one page and the number of all rows.

        Numbers may come from a request as they are: text of digits is understood, what is below 1
        counts as 1, and a page behind the last is empty. Behind the order of the query stands the
        primary key, so that no row is on two pages.

        Example:
            page = await User.query(session).order_by(User.name).paginate(page=2, per_page=20)

        Args:
            page: The number of the page, from 1.
            per_page: Rows on a page, from 1.
            max_per_page: More rows than this are never read; None for no bound.
            error_out: Whether a page behind the last is a 404.

        Raises:
            QueryError: A number is none; it answers 400.
            NotFound: With `error_out`, when the page is behind the last.
        """
        window = Window.of(page, per_page, max_per_page)

        async def read(session: OpenAsyncSession) -> tuple[int, list[M]]:
            total = int(await session.scalar(self._counting()) or 0)
            statement = self._of_page(window)
            return total, [] if window.is_beyond(total) else await _load(session, statement, self._may_repeat)

        return window.filled(*await self._run(read), error_out)

    async def stream(self, batch: int = 500) -> AsyncIterator[M]:
        """Yield all rows, holding no more than one batch of them in memory.

        Example:
            async for user in User.query(session).stream():
                ...

        Args:
            batch: Rows to fetch at once.

        Raises:
            RuntimeError: No session is open.
        """
        statement = self.statement.execution_options(yield_per=batch)
        result = await self._open_session("stream").stream_scalars(statement)
        try:
            async for row in result:
                yield row
        finally:
            await result.close()

    async def delete(self) -> int:
        """Delete the rows with one statement and return their number; cascades of relationships do not run.

        Example:
            await Token.query(session).where(Token.expires_at < now).delete()

        Raises:
            RuntimeError: No session is open.
            ValueError: The query has more than conditions, such as a limit.
        """
        return await self._change(self._deleting(), "delete")

    async def update(self, values: Mapping[Any, Any] | None = None, /, **more: Any) -> int:
        """Change the rows with one statement and return their number.

        Example:
            await User.query(session).filter_by(is_active=False).update({"name": "gone"})
            await Page.query(session).filter_by(id=1).update({Page.views: Page.views + 1})

        Args:
            values: Attributes or their names, and values or SQL expressions.
            **more: The same by name.

        Raises:
            QueryError: The model has no such attribute.
            RuntimeError: No session is open.
            ValueError: The query has more than conditions, such as a limit, or there are no values.
        """
        return await self._change(self._updating(values or {}, more), "update")

    async def _rows(self, statement: Select[Any]) -> list[M]:
        return await self._run(lambda session: _load(session, statement, self._may_repeat))

    async def _scalar(self, statement: Select[Any]) -> Any:
        return await self._run(lambda session: session.scalar(statement))

    async def _change(self, statement: Delete | Update, method: str) -> int:
        result: Any = await self._open_session(method).execute(statement)
        return int(result.rowcount)

    async def _run(self, work: Callable[[OpenAsyncSession], Awaitable[T]]) -> T:
        if self.session is not None:
            return await work(self.session)
        async with _current.session_for(database_of(self.model)) as session:
            return await work(session)

    def _open_session(self, method: str) -> OpenAsyncSession:
        if self.session is not None:
            return self.session
        return demanded(_current.current_session(database_of(self.model)), f"{self.model.__name__}.query().{method}()")


async def _load(session: OpenAsyncSession, statement: Select[Any], may_repeat: bool) -> list[Any]:
    result = await session.scalars(statement)
    if not may_repeat:
        return list(result.unique())
    try:
        return list(result)
    except InvalidRequestError:
        # Eagerly joined collections beside a join: SQLAlchemy demands unique() only as it reads the rows.
        return list((await session.scalars(statement)).unique())
