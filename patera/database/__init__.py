"""SQL and document databases; a name is imported when it is first used, as an application may need neither kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from patera._imports import late

if TYPE_CHECKING:
    from .sql import (
        AsyncQuery,
        AsyncSession,
        DeclarativeBaseModel,
        Repository,
        SqlDatabase,
        create_declarative_base,
        create_declerative_base,
    )

__all__ = [
    "AsyncQuery",
    "AsyncSession",
    "DeclarativeBaseModel",
    "Repository",
    "SqlDatabase",
    "create_declarative_base",
    "create_declerative_base",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(late("patera.database.sql"), name)
