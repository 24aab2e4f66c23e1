"""What a session is for, told to its connections by an execution option."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import Connection

__all__ = ["ACCESS_OPTION", "Access", "access_of", "is_autocommit"]

#: "write" takes SQLite's write lock when it begins, so that what it reads stays true until it writes;
#: "read" is refused every change by the database itself; None is a plain transaction.
Access = Literal["write", "read"] | None

ACCESS_OPTION = "patera_access"


def access_of(connection: Connection) -> Access:
    """Return what the connection's session is for."""
    access: Access = connection.get_execution_options().get(ACCESS_OPTION)
    return access


def is_autocommit(connection: Connection) -> bool:
    """Whether each statement of the connection stands for itself at the moment."""
    return connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
