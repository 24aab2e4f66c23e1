"""What errors of a database mean to the client: a conflict, a wrong value, or try again later."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DataError, DBAPIError, MissingGreenlet
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError

from patera.exceptions import BaseHttpException
from patera.http import HttpStatus

__all__ = [
    "Busy",
    "Conflict",
    "DatabaseUnreachable",
    "UnacceptableValue",
    "Unavailable",
    "answer_to",
    "explain_late_reading",
    "mark_origin",
]

_ORIGIN_KEY = "_patera_database_origin"

_LATE_READING = (
    "A relationship or column that was not loaded with its row was read without await: load it with the query, "
    ".options(selectinload(...)), or await row.awaitable_attrs.name"
)


class DatabaseUnreachable(ConnectionError):
    """The database could not be reached at startup; the driver's error is the cause.

    Args:
        db_name: The name of the database in the application.
        location: Where it was expected, without user and password.
        reason: What the driver said.
    """

    def __init__(self, db_name: str, location: str, reason: str) -> None:
        super().__init__(f"the database {db_name!r} cannot be reached at {location}: {reason}")
        self.location = location


class Conflict(BaseHttpException):
    """The data contradicts what is stored: a unique value that exists, a row that others refer to (409)."""

    def __init__(self) -> None:
        super().__init__("The data conflicts with what is stored", HttpStatus.CONFLICT)


class UnacceptableValue(BaseHttpException):
    """A value that the database cannot hold: out of range, too long, or with a NUL character (400)."""

    def __init__(self) -> None:
        super().__init__("A value is out of range or cannot be stored", HttpStatus.BAD_REQUEST)


class Busy(BaseHttpException):
    """Others are at work on the same data, or the pool is empty; another attempt may succeed (503)."""

    def __init__(self) -> None:
        headers = {"retry-after": "1"}
        super().__init__("The database is busy, try again", HttpStatus.SERVICE_UNAVAILABLE, headers=headers)


class Unavailable(BaseHttpException):
    """The database cannot be reached, or ended the connection (503)."""

    def __init__(self) -> None:
        headers = {"retry-after": "5"}
        message = "The database is not available, try again later"
        super().__init__(message, HttpStatus.SERVICE_UNAVAILABLE, headers=headers)


Answer = type[Conflict] | type[UnacceptableValue] | type[Busy] | type[Unavailable]

# Appendix A of PostgreSQL's manual; a code of two characters stands for its class.
_BY_SQLSTATE: dict[str, Answer | None] = {
    "23505": Conflict,
    "23503": Conflict,
    "23001": Conflict,
    "23P01": Conflict,
    "23514": UnacceptableValue,
    "22": UnacceptableValue,
    "22012": None,  # a division by zero is a fault of the statement
    "40001": Busy,
    "40P01": Busy,
    "55P03": Busy,
    "57014": Busy,
    "08": Unavailable,
    "25P03": Unavailable,
    "53": Unavailable,
    "57P": Unavailable,
}
# The error references of MariaDB and MySQL; 2000 and above are the client's.
_BY_ERRNO: dict[int, Answer] = {
    **dict.fromkeys((1022, 1062, 1169, 1216, 1217, 1451, 1452, 1557, 1586, 1761, 1762), Conflict),
    **dict.fromkeys((1264, 1265, 1292, 1366, 1367, 1406, 1411, 1425, 1439, 1690, 3140, 3819, 4025), UnacceptableValue),
    **dict.fromkeys((1020, 1205, 1206, 1213, 1317, 1614, 1637, 1969, 3024, 3058, 3572), Busy),
    **dict.fromkeys((1040, 1041, 1053, 1077, 1079, 1152, 1158, 1159, 1160, 1161, 1203, 1226, 1927), Unavailable),
    **dict.fromkeys((2002, 2003, 2005, 2006, 2012, 2013, 2014, 2045, 2055, 3169, 4031), Unavailable),
}
# https://www.sqlite.org/rescode.html; extended codes first, then their lower byte.
_BY_SQLITE_CODE: dict[int, Answer] = {
    **dict.fromkeys((787, 1555, 2067, 2579), Conflict),
    **dict.fromkeys((275, 3091, 18, 20), UnacceptableValue),
    **dict.fromkeys((5, 262), Busy),
    14: Unavailable,
}


@dataclass(frozen=True, slots=True)
class _Origin:
    """Which database an error is of, and whether it happened while connecting."""

    database: object
    is_connecting: bool


def mark_origin(context: ExceptionContext, database: object) -> None:
    """Note on an error which database raised it; a listener of SQLAlchemy's `handle_error`.

    Args:
        context: What SQLAlchemy tells of the error.
        database: What `answer_to()` is asked about.
    """
    origin = _Origin(database, context.connection is None)
    for error in (context.original_exception, context.sqlalchemy_exception):
        if error is not None:
            setattr(error, _ORIGIN_KEY, origin)


def answer_to(error: BaseException, database: object) -> BaseHttpException | None:
    """Return the answer that an error of a database deserves, or None: then it is a fault of the application.

    Codes decide, never texts: SQLSTATE for PostgreSQL, error numbers for MariaDB and MySQL, result codes
    for SQLite. The message names no table, value or statement.

    Args:
        error: Any exception.
        database: The one that `mark_origin()` was given.
    """
    if isinstance(error, PoolTimeout):
        return Busy()
    if isinstance(error, StaleDataError):
        return Conflict()
    origin: _Origin | None = getattr(error, _ORIGIN_KEY, None)
    if origin is None or origin.database is not database:
        return None
    answer = _class_of(error, origin)
    return answer() if answer is not None else None


def explain_late_reading(error: BaseException) -> None:
    """Add to an error that speaks of greenlets what it nearly always comes from, and what to write instead.

    Args:
        error: Any exception.
    """
    is_late = isinstance(error, MissingGreenlet) or isinstance(getattr(error, "orig", None), MissingGreenlet)
    if is_late and _LATE_READING not in getattr(error, "__notes__", ()):
        error.add_note(_LATE_READING)


def _class_of(error: BaseException, origin: _Origin) -> Answer | None:
    if isinstance(error, DBAPIError):
        if origin.is_connecting or error.connection_invalidated:
            return Unavailable
        return _by_code(error)
    if isinstance(error, OverflowError | UnicodeEncodeError):
        return UnacceptableValue
    return Unavailable if isinstance(error, OSError) else None


def _by_code(error: DBAPIError) -> Answer | None:
    driver_error = error.orig
    code = getattr(driver_error, "sqlite_errorcode", None)
    if code is not None:
        return _BY_SQLITE_CODE.get(code) or _BY_SQLITE_CODE.get(code & 0xFF)
    number = driver_error.args[0] if driver_error is not None and driver_error.args else None
    if isinstance(number, int):
        return _BY_ERRNO.get(number)
    state = getattr(driver_error, "sqlstate", None) or getattr(driver_error, "pgcode", None)
    if state is None:
        # psycopg finds a NUL by itself, before there is a code of the server.
        return UnacceptableValue if isinstance(error, DataError) else None
    fitting = (state[:length] for length in (5, 3, 2))
    return next((_BY_SQLSTATE[part] for part in fitting if part in _BY_SQLSTATE), None)
