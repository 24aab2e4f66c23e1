"""SQL databases on SQLAlchemy: sessions, models, queries; migrations are in `patera.database.sql.migrate`."""

from __future__ import annotations

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from ._conditions import QueryError, escape_like
from ._database import SqlDatabase
from ._errors import DatabaseUnreachable
from ._guard import ReadonlyError
from ._models import DeclarativeBaseModel, create_declarative_base, create_declerative_base
from ._pagination import Page
from ._query import AsyncQuery, Query
from ._repository import Repository

__all__ = [
    "AsyncQuery",
    "AsyncSession",
    "DatabaseUnreachable",
    "DeclarativeBaseModel",
    "Page",
    "Query",
    "QueryError",
    "ReadonlyError",
    "Repository",
    "Select",
    "Session",
    "SqlDatabase",
    "create_declarative_base",
    "create_declerative_base",
    "escape_like",
    "select",
]
