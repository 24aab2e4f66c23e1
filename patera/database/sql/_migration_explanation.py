"""What the errors of Alembic, of drivers and of revision files mean to whoever ran the command."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from alembic.runtime.migration import RevisionStep
from alembic.script.revision import MultipleHeads, ResolutionError
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from patera.exceptions import ConfigurationError

from ._migration_errors import MigrationError, shown_path, summary

if TYPE_CHECKING:
    from ._migration_log import Progress
    from ._migration_setup import MigrationSetup

__all__ = ["explained_errors"]

#: Databases that roll changes of the schema back with their transaction.
TRANSACTIONAL = ("postgresql", "sqlite")


@contextmanager
def explained_errors(setup: MigrationSetup, progress: Progress, revision: str = "") -> Iterator[None]:
    """Turn what a block raises into a `MigrationError`; errors that nobody can explain pass unchanged.

    Args:
        setup: What the command works on.
        progress: Knows which revision is running.
        revision: The revision that the command was given.

    Raises:
        MigrationError: The block failed.
    """
    try:
        yield
    except (MigrationError, ConfigurationError):
        raise
    except Exception as error:
        message = _Explanation(setup, progress, revision, error).message
        if message is None:
            raise
        raise MigrationError(message) from error


@dataclass(frozen=True, slots=True)
class _Explanation:
    setup: MigrationSetup
    progress: Progress
    revision: str
    error: Exception

    @property
    def message(self) -> str | None:
        if isinstance(self.progress.step, RevisionStep):
            return self._failed_step(self.progress.step)
        if isinstance(self.error, CommandError):
            return self._refusal(self.error)
        if isinstance(self.error, DBAPIError) or (isinstance(self.error, OSError) and not self.error.filename):
            return f"{self.setup.database.describe(self.error)}, with {self.setup.database}"
        place = self._place_in_folder()
        if "env.py:" in place:
            return f"{summary(self.error)}, at {place}"
        return f"{place} cannot be used: {summary(self.error)}" if place else None

    def _failed_step(self, step: RevisionStep) -> str:
        path = shown_path(Path(step.revision.path))
        place = self._place_in_folder() or path
        begin = ", ".join(step.from_revisions) or "base"
        name = f"Revision {step.revision.revision}" if step.is_upgrade else f"The way back of {step.revision.revision}"
        return (
            f"{name} failed at {place}: {self.setup.database.describe(self.error)}. {self._state_after_failure(begin)}"
        )

    def _state_after_failure(self, begin: str) -> str:
        if self.setup.folder.is_foreign:
            return f"What was rolled back is up to its env.py; {self.setup.command('current')} shows where it ended"
        if self.setup.database.backend in TRANSACTIONAL:
            return f"Its changes were rolled back; the database is at {begin}"
        return (
            "This database cannot roll back changes of the schema: what the revision did up to there stays, while "
            f"the database still counts as {begin}; undo it by hand before the next attempt"
        )

    def _refusal(self, error: CommandError) -> str:
        cause = error.__cause__
        if isinstance(cause, MultipleHeads):
            return self._several_heads(cause)
        if isinstance(cause, ResolutionError):
            return self._unknown_revision(str(cause.argument))
        if "not up to date" in str(error):
            upgrade, migrate = self.setup.command("upgrade"), self.setup.command("migrate")
            return f"The database is not at the newest revision yet; run {upgrade}, then {migrate} again"
        if str(error).startswith("Relative revision"):
            current, history = self.setup.command("current"), self.setup.command("history")
            return (
                f"There is no revision {self.revision} from here; {current} shows where the database is, {history} all"
            )
        return next(iter(str(error).splitlines()), "Alembic refuses the command")

    def _several_heads(self, cause: MultipleHeads) -> str:
        heads = sorted(cause.heads)
        merge, upgrade = self.setup.command("merge"), self.setup.command("upgrade")
        return (
            f"{shown_path(self.setup.folder.path)} has {len(heads)} heads ({', '.join(heads)}), so it is not clear "
            f"which one is meant; join them with {merge}, or go to all of them with {upgrade} --revision heads"
        )

    def _unknown_revision(self, found: str) -> str:
        folder, history = shown_path(self.setup.folder.path), self.setup.command("history")
        if found in self.revision:
            return f"{folder} has no revision {found!r}; {history} lists what it has"
        stamp = self.setup.command("stamp")
        return (
            f"The database is at the revision {found!r}, which {folder} does not have; bring its file back, or write "
            f"down which revision the schema really has with {stamp} --purge --revision REV"
        )

    def _place_in_folder(self) -> str:
        """Where in the folder the error comes from, as `file:line`; empty for anywhere else."""
        if isinstance(self.error, SyntaxError) and self.error.filename:
            places = [(self.error.filename, self.error.lineno)]
        else:
            places = [(each.filename, each.lineno) for each in traceback.extract_tb(self.error.__traceback__)]
        own = [(Path(file), line) for file, line in places if Path(file).is_relative_to(self.setup.folder.path)]
        return f"{shown_path(own[-1][0])}:{own[-1][1]}" if own else ""
