"""`patera cli`: runs a command of the application."""

from __future__ import annotations

import click

from ._discovery import find_application_class
from ._parse import RunOptions, debug_option
from ._run import exit_codes, run_words


@click.command(
    context_settings={"help_option_names": ["-h", "--help"], "allow_interspersed_args": False},
    epilog="Without COMMAND the application's commands are listed.",
    params=[debug_option()],
)
@click.option(
    "--app", "import_string", metavar="MODULE:CLASS", help="The application, where it is not found by itself."
)
@click.argument("words", metavar="[COMMAND] [ARGS]...", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def cli(context: click.Context, import_string: str | None, words: tuple[str, ...]) -> None:
    """Run a command of the application."""
    options = context.ensure_object(RunOptions)
    options.debug |= "--debug" in words
    with exit_codes(options):
        application = find_application_class(import_string)()
        run_words(application, words, context.command_path, options)
