"""Runs commands, and turns their end into an exit code.

| exit code | meaning |
|-----------|---------|
| 0 | the command returned, whatever it returned |
| 1 | it raised an error; one line names it, `--debug` shows the traceback |
| 2 | unknown command or wrong values |
| 3 | the application's configuration or declarations are wrong |
| 130 | interrupted with Ctrl-C |

A command chooses another one with `sys.exit()`.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from patera._context import use_application
from patera.concurrency import run_sync_or_async, wait_for_background_tasks
from patera.exceptions import ConfigurationError, closest

from . import Command
from ._commands import find_command
from ._parse import RunOptions, parse

if TYPE_CHECKING:
    from patera.application import Patera


def run_cli(
    app: Patera, command_name: str | None = None, args: Sequence[Any] = (), kwargs: Mapping[str, Any] = {}
) -> Any:
    """Run a command of an application and return its result.

    Args:
        app: The application.
        command_name: `"name"` or `"Controller:name"`; None reads the process's command line.
        args: Values by position, passed on as they are; only with a name.
        kwargs: Values by name, likewise.

    Raises:
        SystemExit: Without a name: the command failed, or the help was asked for.
        LookupError: There is no command of that name.
        RuntimeError: An event loop is running already.
    """
    _refuse_running_loop()
    if command_name is None:
        return run_words(app, sys.argv[1:], Path(sys.argv[0]).name)
    command = find_command(app.cli_commands, command_name)
    if command is None:
        raise LookupError(f"No command {command_name!r}.{closest(command_name, app.cli_commands)}")
    app.build()
    return _run(app, command, args, kwargs)


def run_words(app: Patera, words: Sequence[str], prog_name: str, options: RunOptions | None = None) -> Any:
    """Run the command that the words of a command line name, and return its result.

    Args:
        app: The application.
        words: `sys.argv` without the program.
        prog_name: How help and errors call the program.
        options: Options of the run that are known already.

    Raises:
        SystemExit: The command failed, or the help was asked for.
    """
    options = options or RunOptions()
    with exit_codes(options):
        invocation = parse(app.cli_commands, words, prog_name, options)
        app.build()
        return _run(app, invocation.command, (), invocation.values)


async def run_command_async(app: Patera, words: Sequence[str], prog_name: str = "cli") -> Any:
    """Do the same as `run_words` inside the running event loop, whose owner closes the connections.

    A plain function runs in a worker thread, so that it may still start a loop itself.

    Args:
        app: The application.
        words: `sys.argv` without the program.
        prog_name: How help and errors call the program.

    Raises:
        SystemExit: The command failed, or the help was asked for.
    """
    options = RunOptions()
    with exit_codes(options):
        invocation = parse(app.cli_commands, words, prog_name, options)
        app.build()
        with use_application(app):
            return await run_sync_or_async(invocation.command.method, **invocation.values)


@contextmanager
def exit_codes(options: RunOptions) -> Iterator[None]:
    """End the process with the exit code that fits the error of the block.

    Args:
        options: Whether to show a traceback; read after the error.

    Raises:
        SystemExit: The block failed.
    """
    try:
        yield
    except click.exceptions.Exit as exc:
        raise SystemExit(exc.exit_code) from None
    except click.ClickException as exc:
        exc.show()
        raise SystemExit(exc.exit_code) from None
    except click.Abort:
        click.echo("Aborted!", err=True)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception as exc:
        _report(exc, options)
        raise SystemExit(3 if isinstance(exc, ConfigurationError) else 1) from None


def _report(exc: Exception, options: RunOptions) -> None:
    if options.debug:
        click.echo("".join(traceback.format_exception(exc)), nl=False, err=True)
    elif isinstance(exc, ConfigurationError):
        click.echo(f"Error: {exc}", err=True)
    else:
        first_line = next(iter(str(exc).splitlines()), "")
        text = ": ".join(filter(None, [type(exc).__name__, first_line]))
        click.echo(f"Error: {text} (--debug shows the traceback)", err=True)


def _refuse_running_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(
        "run_cli() starts an event loop of its own, so it cannot be called while one is running; "
        "await the command's method instead, or client.cli() in a test"
    )


def _run(app: Patera, command: Command, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Call a command: a plain function outside of any loop, so that it may start one itself."""
    with use_application(app):
        try:
            result = command.method(*args, **kwargs)
        except BaseException:
            asyncio.run(app.aclose())
            raise
        return asyncio.run(_finish(app, result))


async def _finish(app: Patera, result: Any) -> Any:
    """Await a command and what it left to the background, then close what it has connected to."""
    seconds_for_background = 0.0
    try:
        value = await result if inspect.isawaitable(result) else result
        seconds_for_background = app.configs["BACKGROUND_TASKS_SHUTDOWN_TIMEOUT"]
        return value
    finally:
        await wait_for_background_tasks(app, seconds_for_background)
        await app.aclose()
