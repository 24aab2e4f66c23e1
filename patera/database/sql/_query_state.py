"""The state of a query that was not run yet, and the statements that running it sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, Self, TypeVar

from sqlalchemy import ColumnElement, Delete, Select, Update, delete, func, select, update

from ._conditions import attribute_of, equal_to, key_names, mapper_of
from ._pagination import Window

__all__ = ["QueryState"]

M = TypeVar("M")


class QueryState(Generic[M]):
    """One SELECT of one model; it never changes, and each step of building makes a copy.

    Args:
        model: The mapped class whose rows are read.
    """

    def __init__(self, model: type[M]) -> None:
        mapper_of(model)
        self.model = model
        #: The SELECT as SQLAlchemy has it.
        self.statement: Select[Any] = select(model)
        #: The model and what was joined to it: where `filter_by()` looks for names.
        self._entities: tuple[Any, ...] = (model,)
        self._limit: int | None = None
        self._offset = 0
        #: The methods called that `update()` and `delete()` cannot express.
        self._beyond_where: tuple[str, ...] = ()

    def __str__(self) -> str:
        return str(self.statement)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.model.__name__}>"

    def _with(self, statement: Select[Any], beyond_where: str | None = None) -> Self:
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        copy.statement = statement
        if beyond_where is not None:
            copy._beyond_where = (*self._beyond_where, beyond_where)
        return copy

    @property
    def _may_repeat(self) -> bool:
        """Whether the database may rightly give a row of the model twice, one for each match of a join."""
        return "join" in self._beyond_where or "transform" in self._beyond_where

    def _at_most(self, rows: int) -> Select[Any]:
        return self.statement.limit(rows if self._limit is None else min(rows, self._limit))

    def _counting(self) -> Select[Any]:
        return select(func.count()).select_from(self.statement.order_by(None).subquery())

    def _testing(self) -> Select[Any]:
        return select(self.statement.order_by(None).exists())

    def _selecting(self, column: Any) -> Select[Any]:
        return self.statement.with_only_columns(column, maintain_column_froms=True)

    def _of_key(self, key: Any) -> Self:
        values = _key_values(key, key_names(self.model), self.model)
        return self._with(self.statement.where(*(equal_to(getattr(self.model, name), values[name]) for name in values)))

    def _of_page(self, window: Window) -> Select[Any]:
        """The rows of one page; the primary key comes last in their order, or equal rows might be on two pages."""
        offset, limit = window.within(self._offset, self._limit)
        keys = (getattr(self.model, name) for name in key_names(self.model))
        return self.statement.order_by(*keys).offset(offset).limit(limit)

    def _deleting(self) -> Delete:
        conditions = self._conditions_alone("delete")
        return delete(self.model).where(*conditions).execution_options(**self.statement.get_execution_options())

    def _updating(self, values: Mapping[Any, Any], more: Mapping[str, Any]) -> Update:
        given = {**values, **more}
        if not given:
            raise ValueError("update() got no values; pass them as a dict or by name: update(is_active=False)")
        named = {attribute_of([self.model], key) if isinstance(key, str) else key: given[key] for key in given}
        conditions = self._conditions_alone("update")
        options = self.statement.get_execution_options()
        return update(self.model).where(*conditions).values(named).execution_options(**options)

    def _conditions_alone(self, method: str) -> tuple[ColumnElement[Any], ...]:
        refused = sorted({*self._beyond_where} - {"order_by"})
        if refused:
            raise ValueError(
                f"{method}() works on conditions alone, this query has {', '.join(refused)} too; "
                f"put them into a condition: .where({self.model.__name__}.id.in_(select(...))).{method}()"
            )
        condition = self.statement.whereclause
        return () if condition is None else (condition,)


def _key_values(key: Any, names: list[str], model: type[Any]) -> dict[str, Any]:
    if isinstance(key, dict) and set(key) == set(names):
        return dict(key)
    parts = key if isinstance(key, tuple | list) else (key,)
    if isinstance(key, dict) or len(parts) != len(names):
        form = f"a value of {names[0]!r}" if len(names) == 1 else f"a tuple of {', '.join(names)}, or a dict of them"
        raise ValueError(f"get({key!r}): the primary key of {model.__name__} is {form}")
    return dict(zip(names, parts, strict=True))
