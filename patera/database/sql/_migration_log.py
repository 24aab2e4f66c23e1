"""What Alembic says while it works, as lines for the terminal: one for each revision and each change found."""

from __future__ import annotations

import logging
import logging.config
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import click

__all__ = ["Progress", "Report", "note", "without_log_configuration"]

Report = Callable[[str], Any]


def note(text: str) -> None:
    """Write a remark to the error output, so that it never stands within what a command was asked for."""
    click.echo(text, err=True)


class Progress(logging.Handler):
    """Reports the revisions that run, and remembers the last one.

    Args:
        report: Takes one line.
    """

    def __init__(self, report: Report) -> None:
        super().__init__(logging.INFO)
        self.report = report
        #: The step that is running, or that failed.
        self.step: Any = None
        self.steps = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Report what is worth a line."""
        if record.levelno >= logging.WARNING:
            note(record.getMessage())
        elif record.name.startswith("alembic.autogenerate"):
            self.report(record.getMessage())
        elif record.msg == "Running %s" and isinstance(record.args, tuple):
            self._begin(record.args[0])

    def _begin(self, step: Any) -> None:
        self.step, self.steps = step, self.steps + 1
        begin, end = (", ".join(revisions) or "base" for revisions in (step.from_revisions, step.to_revisions))
        what = "Stamp" if step.name == "stamp_revision" else step.name.capitalize()
        # Whoever reads the output may have gone; that is no reason to stop in the middle of a revision.
        with suppress(BrokenPipeError):
            self.report(f"{what} {begin} -> {end}{f': {step.doc}' if step.doc else ''}")

    @contextmanager
    def attached(self) -> Iterator[Progress]:
        """Listen to Alembic's loggers for a block, alone: sinks of the application would say it again."""
        logger = logging.getLogger("alembic")
        level, propagate = logger.level, logger.propagate
        logger.addHandler(self)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        try:
            yield self
        finally:
            logger.propagate = propagate
            logger.setLevel(level)
            logger.removeHandler(self)


@contextmanager
def without_log_configuration() -> Iterator[None]:
    """Keep an `env.py` from setting up the logging of the process: most call `fileConfig()`."""
    original = logging.config.fileConfig
    logging.config.fileConfig = lambda *args, **kwargs: None
    try:
        yield
    finally:
        logging.config.fileConfig = original
