"""What all tables of the blog share."""

from datetime import UTC, datetime

from sqlalchemy import DateTime, Dialect
from sqlalchemy.types import TypeDecorator

from patera.database import DeclarativeBaseModel


class Base(DeclarativeBaseModel):
    """Base of the blog's models; they live in the database of `app.extensions.db`."""

    __abstract__ = True
    __db_name__ = "db"


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, in UTC; SQLite alone would forget the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


def now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)
