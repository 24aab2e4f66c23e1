"""One call of an Alembic command: with a configuration, a connection and a lock, outside of any event loop."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import io
import threading
from argparse import Namespace
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import ParamSpec, TypeVar

from alembic.config import Config
from sqlalchemy import Connection

from ._migration_environment import CONNECTION_KEY, METADATA_KEY, URL_KEY, WRITES_KEY
from ._migration_errors import shown_path
from ._migration_explanation import explained_errors
from ._migration_log import Progress, Report, note, without_log_configuration
from ._migration_setup import MigrationSetup

__all__ = ["AlembicRun", "outside_of_loops"]

P = ParamSpec("P")
T = TypeVar("T")

#: Alembic keeps the environment that is running in modules, which all threads share.
_ONE_AT_A_TIME = threading.RLock()


def outside_of_loops(function: Callable[P, T]) -> Callable[P, T]:
    """Run a function in a thread of its own where an event loop is running, so that it may start one."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return function(*args, **kwargs)
        bound = functools.partial(contextvars.copy_context().run, functools.partial(function, *args, **kwargs))
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(bound).result()

    return call


class AlembicRun:
    """What one command needs around Alembic's own function.

    Args:
        setup: What the command works on.
        report: Takes the output, one or more lines at once.
        revision: The revision that the command was given.
        connects: Whether the command needs the database.
        writes: Whether it changes it.
        quiet: Whether Alembic's own messages are left out.
        sql: Whether the output is SQL, which no line of progress may interrupt.
    """

    def __init__(
        self,
        setup: MigrationSetup,
        report: Report,
        revision: str = "",
        *,
        connects: bool = False,
        writes: bool = False,
        quiet: bool = False,
        sql: bool = False,
    ) -> None:
        self.setup, self.report, self.revision = setup, report, revision
        self.connects, self.writes, self.quiet = connects, writes, quiet
        self.progress = Progress(_drop if sql else report)
        self.text = io.StringIO()

    def __call__(self, call: Callable[[Config], T]) -> T:
        """Return what the function returns for the configuration.

        Raises:
            MigrationError: Anything went wrong.
        """
        setup = self.setup
        with _ONE_AT_A_TIME, self.progress.attached(), explained_errors(setup, self.progress, self.revision):
            setup.folder.require(setup.command("init"))
            with setup.folder.config() as config:
                self._equip(config)
                with setup.database.locked() if self.writes else nullcontext():
                    result = self._call(config, call)
        if self.text.getvalue():
            self.report(self.text.getvalue().rstrip())
        return result

    def _equip(self, config: Config) -> None:
        setup = self.setup
        config.stdout = config.output_buffer = self.text
        config.cmd_opts = Namespace(quiet=self.quiet)
        config.attributes[METADATA_KEY] = setup.metadata or None
        config.attributes[URL_KEY] = setup.database.url
        config.attributes[WRITES_KEY] = self.writes
        url = setup.foreign_url if setup.folder.is_foreign else setup.database.url
        config.set_main_option("sqlalchemy.url", url.render_as_string(hide_password=False).replace("%", "%%"))

    def _call(self, config: Config, call: Callable[[Config], T]) -> T:
        if self.setup.folder.is_foreign:
            with without_log_configuration():
                return call(config)
        # A template that needs the environment is configured with this option.
        if not (self.connects or str(config.get_alembic_option("revision_environment")).lower() == "true"):
            return call(config)

        def work(connection: Connection) -> T:
            config.attributes[CONNECTION_KEY] = connection
            return call(config)

        if self.setup.folder.is_replaced and self.setup.folder.env_text:
            file = shown_path(self.setup.folder.path / "env.py")
            note(f"{file} needs another framework; Patera runs its own instead (without the file this line is gone)")
        with self.setup.database.open(writes=self.writes) as run:
            return run(work)


def _drop(line: str) -> None:
    """Report nothing."""
