"""Who writes posts."""

from enum import StrEnum

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class Role(StrEnum):
    """What a user may do: authors change their own posts, admins all."""

    AUTHOR = "author"
    ADMIN = "admin"


class User(Base):
    """Somebody who writes posts."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    fullname: Mapped[str] = mapped_column(String(100))
    email: Mapped[str] = mapped_column(String(200), unique=True)
    #: None for users without a password, who cannot log in.
    password_hash: Mapped[str | None] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(20), default=Role.AUTHOR, server_default="author")
    has_avatar: Mapped[bool] = mapped_column(default=False)


class Avatar(Base):
    """A user's picture, in a table of its own so that lists of users do not carry it."""

    __tablename__ = "avatars"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    picture: Mapped[bytes]
