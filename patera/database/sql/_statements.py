"""`SHOW_SQL`: each statement in the application's log, with the time it took."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, event

if TYPE_CHECKING:
    from loguru import Logger
    from sqlalchemy.engine import ExceptionContext

__all__ = ["log_statements"]

_STARTED = "patera_statement_started"


def log_statements(engine: Engine, logger: Logger, label: str) -> None:
    """Log the statements of an engine at INFO; their parameters only where errors may show them too.

    Parameters hold what users send, passwords among it. `ENGINE_OPTIONS = {"hide_parameters": False}`
    shows them.

    Args:
        engine: The engine, or the synchronous part of an async one.
        logger: The application's logger.
        label: The name of the database.
    """

    def before(connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        connection.info[_STARTED] = time.perf_counter()

    def after(connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        shown = "" if engine.hide_parameters or not parameters else f" {parameters!r}"
        logger.info("{}: {} ms: {}{}", label, _milliseconds(connection), _on_one_line(statement), shown)

    def failed(context: ExceptionContext) -> None:
        if context.connection is not None and context.statement is not None:
            taken, kind = _milliseconds(context.connection), type(context.original_exception).__name__
            logger.info("{}: {} ms: {} ({})", label, taken, _on_one_line(context.statement), kind)

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
    event.listen(engine, "handle_error", failed)
    event.listen(engine, "commit", lambda connection: logger.info("{}: COMMIT", label))
    event.listen(engine, "rollback", lambda connection: logger.info("{}: ROLLBACK", label))


def _milliseconds(connection: Connection) -> str:
    started = connection.info.pop(_STARTED, None)
    return "-" if started is None else f"{(time.perf_counter() - started) * 1000:.2f}"


def _on_one_line(statement: str) -> str:
    return " ".join(statement.split())
