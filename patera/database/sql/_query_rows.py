"""What both kinds of query do without a database: how many rows were wanted, and which session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy.exc import MultipleResultsFound, NoResultFound

from patera.exceptions import NotFound

__all__ = ["database_of", "demanded", "first_of", "found_or_404", "one_of", "one_or_none_of", "only_of"]

M = TypeVar("M")
S = TypeVar("S")


def database_of(model: type[Any]) -> str:
    """Return the name of the database that a model belongs to.

    Raises:
        TypeError: It has none.
    """
    name = getattr(model, "__db_name__", None)
    if not isinstance(name, str):
        raise TypeError(
            f"{model.__name__} names no database, so its queries need a session: pass one, "
            'or derive the model from create_declarative_base("db")'
        )
    return name


def first_of(rows: Sequence[M]) -> M | None:
    """Return the first row, None without one."""
    return rows[0] if rows else None


def only_of(rows: Sequence[M]) -> M | None:
    """Return the only row, None if there is none or several."""
    return rows[0] if len(rows) == 1 else None


def one_of(model: type[M], rows: Sequence[M]) -> M:
    """Return the only row.

    Raises:
        NoResultFound: There is none.
        MultipleResultsFound: There are several.
    """
    row = one_or_none_of(model, rows)
    if row is None:
        raise NoResultFound(f"one(): no {model.__name__} matches; first() and one_or_none() return None instead")
    return row


def one_or_none_of(model: type[M], rows: Sequence[M]) -> M | None:
    """Return the only row, None if there is none.

    Raises:
        MultipleResultsFound: There are several.
    """
    if len(rows) > 1:
        raise MultipleResultsFound(
            f"several {model.__name__} rows match where one is wanted; first() takes any of them"
        )
    return first_of(rows)


def found_or_404(model: type[M], row: M | None, description: str | None) -> M:
    """Return the row.

    Raises:
        NotFound: There is none.
    """
    if row is None:
        raise NotFound(description or f"{model.__name__} not found")
    return row


def demanded(session: S | None, call: str) -> S:
    """Return the session that is open.

    Args:
        session: What was found.
        call: What needs it, for the message.

    Raises:
        RuntimeError: There is none.
    """
    if session is None:
        raise RuntimeError(
            f"{call} needs an open session, and there is none in this task or thread: put "
            "@db.managed_session or @db.transactional on the method, or pass the session along"
        )
    return session
