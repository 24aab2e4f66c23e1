"""What both kinds of query share: an immutable SELECT of one model, built step by step."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Self, TypeVar

from sqlalchemy import ColumnExpressionArgument, Select
from sqlalchemy.orm.interfaces import ORMOption

from ._conditions import QueryError, attribute_of, equal_to, escape_like, mapper_of, order_of, whole_number
from ._query_state import QueryState

__all__ = ["QueryBuilder"]

M = TypeVar("M")

#: The escape character of the patterns that the query itself makes.
_ESCAPE = "/"


class QueryBuilder(QueryState[M]):
    """A query that was not run yet; every method returns a new one, so a query can be kept and built upon.

    Example:
        active = User.query(session).filter_by(is_active=True)
        newest = active.order_by(User.created_at.desc()).limit(10)    # `active` is as it was

    Args:
        model: The mapped class whose rows are read.
    """

    def where(self, *conditions: ColumnExpressionArgument[bool]) -> Self:
        """Keep the rows for which all conditions hold.

        Example:
            User.query(session).where(User.age >= 18, User.name != "root")

        Args:
            *conditions: SQL expressions.
        """
        return self._with(self.statement.where(*conditions))

    def filter(self, *conditions: ColumnExpressionArgument[bool]) -> Self:
        """Do the same as `where()`."""
        return self.where(*conditions)

    def filter_by(self, **values: Any) -> Self:
        """Keep the rows whose attributes have these values; None means `IS NULL`.

        After a join the names of the joined models count too, as long as only one of them has the name.

        Example:
            User.query(session).filter_by(email="ann@example.org", is_active=True)

        Args:
            **values: Names of mapped attributes, and their values. Text, such as an id out of a cookie, is read
                as the number or UUID that the column holds; text that is none finds nothing.

        Raises:
            QueryError: No such attribute, or a relationship and no row; it answers 400, as names often come
                with the request.
            ValueError: Several joined models have the name.
        """
        return self.where(*(equal_to(attribute_of(self._entities, name), value) for name, value in values.items()))

    def join(self, other_model: Any, onclause: Any = None, *, isouter: bool = False, full: bool = False) -> Self:
        """Join another model; the result has one row per match, so a model may come back several times.

        `distinct()`, or a condition such as `User.posts.any(...)` instead of the join, gives each once.

        Example:
            User.query(session).join(Post).where(Post.is_public)
            User.query(session).join(User.posts)

        Args:
            other_model: A model, an alias or a relationship of this model.
            onclause: What to join on, where foreign keys do not say it.
            isouter: Keep rows without a match.
            full: Keep the unmatched rows of both sides.
        """
        statement = self.statement.join(other_model, onclause, isouter=isouter, full=full)
        joined = self._with(statement, "join")
        joined._entities = (*self._entities, *_entity_of(other_model))
        return joined

    def outerjoin(self, other_model: Any, onclause: Any = None, *, full: bool = False) -> Self:
        """Join another model and keep the rows without a match."""
        return self.join(other_model, onclause, isouter=True, full=full)

    def limit(self, num: int | None) -> Self:
        """Read at most `num` rows; None lifts the limit.

        Args:
            num: Rows, at least 0.

        Raises:
            QueryError: It is negative or no whole number.
        """
        limit = None if num is None else _not_negative(num, "limit")
        limited = self._with(self.statement.limit(limit), "limit")
        limited._limit = limit
        return limited

    def offset(self, num: int) -> Self:
        """Skip the first `num` rows; without `order_by()` it is up to the database which ones these are.

        Args:
            num: Rows, at least 0.

        Raises:
            QueryError: It is negative or no whole number.
        """
        offset = _not_negative(num, "offset")
        skipped = self._with(self.statement.offset(offset), "offset")
        skipped._offset = offset
        return skipped

    def order_by(self, *columns: Any) -> Self:
        """Sort by expressions, or by texts as `order_by_strings()` takes them; a further call sorts within the former.

        Example:
            User.query(session).order_by(User.name, User.created_at.desc())

        Args:
            *columns: SQL expressions; None drops the order.

        Raises:
            QueryError: A text names no column of the model.
        """
        orders = (order_of(self.model, item) if isinstance(item, str) else item for item in columns)
        return self._with(self.statement.order_by(*orders), "order_by")

    def order_by_strings(self, *orders: str, allowed: Collection[str] | None = None) -> Self:
        """Sort by texts such as a request sends; only columns of the model are accepted.

        Example:
            User.query(session).order_by_strings("name ASC", "id DESC")
            User.query(session).order_by_strings(req.query_params["sort"], allowed={"name", "created_at"})

        Args:
            *orders: A column name, with `ASC` or `DESC` behind it or nothing.
            allowed: The names that may be used: sorting by a secret column tells its values bit by bit.

        Raises:
            QueryError: A text names something else; it answers 400.
        """
        return self._with(
            self.statement.order_by(*(order_of(self.model, each, allowed) for each in orders)), "order_by"
        )

    def like(self, column: Any, pattern: str, escape: str | None = None) -> Self:
        """Keep the rows where a column matches a LIKE pattern: `%` is any text, `_` any one character.

        Text of users belongs into `contains()` or `startswith()`, or through `escape_like()`.

        Example:
            User.query(session).like(User.name, "Ann%")

        Args:
            column: A column of a model, or the name of one of this model.
            pattern: The pattern. Whether case counts is up to the database.
            escape: The character that makes a wildcard behind it an ordinary character.
        """
        return self.where(self._column(column).like(pattern, escape=escape))

    def ilike(self, column: Any, pattern: str, escape: str | None = None) -> Self:
        """Do the same as `like()`, where case never counts."""
        return self.where(self._column(column).ilike(pattern, escape=escape))

    def contains(self, column: Any, text: str, *, ignore_case: bool = False) -> Self:
        """Keep the rows where a column has `text` in it, taken literally.

        Example:
            User.query(session).contains(User.name, req.query_params["q"], ignore_case=True)

        Args:
            column: A column of a model, or the name of one of this model.
            text: What to look for; `%` and `_` are ordinary characters.
            ignore_case: Whether case does not count; else the database decides, as with `like()`.
        """
        return self._like_literally(column, f"%{escape_like(text, _ESCAPE)}%", ignore_case)

    def startswith(self, column: Any, text: str, *, ignore_case: bool = False) -> Self:
        """Keep the rows where a column begins with `text`, taken literally; arguments as in `contains()`."""
        return self._like_literally(column, f"{escape_like(text, _ESCAPE)}%", ignore_case)

    def endswith(self, column: Any, text: str, *, ignore_case: bool = False) -> Self:
        """Keep the rows where a column ends with `text`, taken literally; arguments as in `contains()`."""
        return self._like_literally(column, f"%{escape_like(text, _ESCAPE)}", ignore_case)

    def distinct(self) -> Self:
        """Drop repeated rows, such as those that a join makes."""
        return self._with(self.statement.distinct(), "distinct")

    def group_by(self, *columns: Any) -> Self:
        """Group the rows; with `having()`, or for `scalars()` of an aggregate."""
        return self._with(self.statement.group_by(*columns), "group_by")

    def having(self, *conditions: ColumnExpressionArgument[bool]) -> Self:
        """Keep the groups for which all conditions hold."""
        return self._with(self.statement.having(*conditions), "having")

    def options(self, *options: ORMOption) -> Self:
        """Add loader options.

        Example:
            User.query(session).options(selectinload(User.posts))

        Args:
            *options: Of SQLAlchemy, such as `selectinload()`, `joinedload()` or `defer()`.
        """
        return self._with(self.statement.options(*options), "options")

    def execution_options(self, **options: Any) -> Self:
        """Add execution options of SQLAlchemy, such as `populate_existing=True`."""
        return self._with(self.statement.execution_options(**options))

    def with_for_update(
        self, *, nowait: bool = False, read: bool = False, of: Any = None, skip_locked: bool = False
    ) -> Self:
        """Lock the rows until the transaction ends; SQLite locks the whole database anyway and ignores it.

        Example:
            account = await Account.query(session).filter_by(id=1).with_for_update().one()

        Args:
            nowait: Fail at once where another transaction holds a row.
            read: Let others read the rows with such a lock too.
            of: The model whose rows are locked, where several are joined.
            skip_locked: Leave out rows that another transaction holds.
        """
        locked = self.statement.with_for_update(nowait=nowait, read=read, of=of, skip_locked=skip_locked)
        return self._with(locked)

    def transform(self, change: Callable[[Select[Any]], Select[Any]]) -> Self:
        """Change the statement with anything else that SQLAlchemy has.

        Example:
            query.transform(lambda statement: statement.prefix_with("SQL_NO_CACHE", dialect="mysql"))

        Args:
            change: Takes the SELECT of the model and returns another one of the model; limit and offset
                are set on the query instead, where paging knows of them.
        """
        return self._with(change(self.statement), "transform")

    def _column(self, column: Any) -> Any:
        return attribute_of(self._entities, column) if isinstance(column, str) else column

    def _like_literally(self, column: Any, pattern: str, ignore_case: bool) -> Self:
        method = self.ilike if ignore_case else self.like
        return method(column, pattern, _ESCAPE)


def _not_negative(value: Any, name: str) -> int:
    number = whole_number(value, name)
    if number < 0:
        raise QueryError(f"{name} must be at least 0, got {value!r:.80}")
    return number


def _entity_of(target: Any) -> tuple[Any, ...]:
    """Return what a join adds to the names of `filter_by()`: nothing for a plain table or subquery."""
    related = getattr(getattr(target, "comparator", None), "entity", None)
    entity = target if related is None else related.entity
    try:
        mapper_of(entity)
    except TypeError:
        return ()
    return (entity,)
