"""`Query`: the queries of one model for plain functions, method by method those of `AsyncQuery`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from sqlalchemy import ColumnExpressionArgument, Delete, Select, Update
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import Session, scoped_session

from . import _current
from ._builders import QueryBuilder
from ._pagination import MAX_PER_PAGE, Page, Window
from ._query_rows import database_of, demanded, first_of, found_or_404, one_of, one_or_none_of, only_of

__all__ = ["OpenSession", "Query"]

M = TypeVar("M")
T = TypeVar("T")

OpenSession = Session | scoped_session[Any]


class Query(QueryBuilder[M]):
    """A query of one model for plain functions; each method does what the one of `AsyncQuery` does.

    Example:
        @get("/<int:user_id>")
        @db.readonly_session
        def get_user(self, req: Request, user_id: int, session: Session) -> Response[UserData]:
            return req.res.json(User.query(session).get_or_404(user_id))

    Args:
        model: The mapped class.
        session: The open session, or None for the one that is open in this thread.
    """

    def __init__(self, model: type[M], session: OpenSession | None = None) -> None:
        super().__init__(model)
        self.session = session

    def all(self) -> list[M]:
        """Return all rows."""
        return self._rows(self.statement)

    def first(self) -> M | None:
        """Return the first row or None."""
        return first_of(self._rows(self._at_most(1)))

    def one(self) -> M:
        """Return the only row; none and several are errors of SQLAlchemy."""
        return one_of(self.model, self._rows(self._at_most(2)))

    def one_or_none(self) -> M | None:
        """Return the only row, None if there is none."""
        return one_or_none_of(self.model, self._rows(self._at_most(2)))

    def get(self, key: Any) -> M | None:
        """Return the row with a primary key or None."""
        return self._of_key(key).first()

    def first_or_404(self, description: str | None = None) -> M:
        """Return the first row, or raise `NotFound`."""
        return found_or_404(self.model, self.first(), description)

    def get_or_404(self, key: Any, description: str | None = None) -> M:
        """Return the row with a primary key, or raise `NotFound`."""
        return found_or_404(self.model, self.get(key), description)

    def one_or_404(self, description: str | None = None) -> M:
        """Return the only row, or raise `NotFound`."""
        return found_or_404(self.model, only_of(self._rows(self._at_most(2))), description)

    def exists(self) -> bool:
        """Return whether there is a row."""
        return bool(self._scalar(self._testing()))

    def count(self) -> int:
        """Return how many rows `all()` would give."""
        return int(self._scalar(self._counting()))

    def scalars(self, column: ColumnExpressionArgument[T]) -> list[T]:
        """Return the values of one column or expression."""
        statement = self._selecting(column)
        return list(self._run(lambda session: session.scalars(statement).all()))

    def paginate(
        self, page: Any = 1, per_page: Any = 10, *, max_per_page: int | None = MAX_PER_PAGE, error_out: bool = False
    ) -> Page[M]:
        """Return one page and the number of all rows."""
        window = Window.of(page, per_page, max_per_page)

        def read(session: OpenSession) -> tuple[int, list[M]]:
            total = int(session.scalar(self._counting()) or 0)
            statement = self._of_page(window)
            return total, [] if window.is_beyond(total) else _load_sync(session, statement, self._may_repeat)

        return window.filled(*self._run(read), error_out)

    def stream(self, batch: int = 500) -> Iterator[M]:
        """Yield all rows, holding no more than one batch of them in memory."""
        statement = self.statement.execution_options(yield_per=batch)
        with self._open_session("stream").scalars(statement) as result:
            yield from result

    def delete(self) -> int:
        """Delete the rows with one statement and return their number."""
        return self._change(self._deleting(), "delete")

    def update(self, values: Mapping[Any, Any] | None = None, /, **more: Any) -> int:
        """Change the rows with one statement and return their number."""
        return self._change(self._updating(values or {}, more), "update")

    def _rows(self, statement: Select[Any]) -> list[M]:
        return self._run(lambda session: _load_sync(session, statement, self._may_repeat))

    def _scalar(self, statement: Select[Any]) -> Any:
        return self._run(lambda session: session.scalar(statement))

    def _change(self, statement: Delete | Update, method: str) -> int:
        result: Any = self._open_session(method).execute(statement)
        return int(result.rowcount)

    def _run(self, work: Callable[[OpenSession], T]) -> T:
        if self.session is not None:
            return work(self.session)
        with _current.sync_session_for(database_of(self.model)) as session:
            return work(session)

    def _open_session(self, method: str) -> OpenSession:
        if self.session is not None:
            return self.session
        return demanded(
            _current.current_sync_session(database_of(self.model)), f"{self.model.__name__}.query().{method}()"
        )


def _load_sync(session: OpenSession, statement: Select[Any], may_repeat: bool) -> list[Any]:
    result = session.scalars(statement)
    if not may_repeat:
        return list(result.unique())
    try:
        return list(result)
    except InvalidRequestError:
        # See _query.py: unique() is demanded as the rows are read.
        return list(session.scalars(statement).unique())
