"""`patera bench`: what Patera costs on the user's own routes, beside the same written in plain Starlette."""

from __future__ import annotations

import json
from pathlib import Path

import click

from patera._bench.clock import LEAST_ROUNDS
from patera._bench.report import as_json, as_text
from patera._bench.routes import Sent
from patera._bench.run import Effort, run

from ._discovery import find_application_class
from ._parse import HELP_OPTIONS, RunOptions, debug_option
from ._run import exit_codes

METHODS = click.Choice(["GET", "POST", "PUT", "PATCH", "DELETE"], case_sensitive=False)


@click.command(context_settings=HELP_OPTIONS, params=[debug_option()])
@click.option(
    "--app", "import_string", metavar="MODULE:CLASS", help="The application, where it is not found by itself."
)
@click.option("--method", type=METHODS, default="GET", show_default=True, help="The HTTP method of the requests.")
@click.option("--body", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A file with their body.")
@click.option("--header", "headers", multiple=True, metavar="NAME:VALUE", help="A header of theirs; may be repeated.")
@click.option(
    "--rounds",
    type=click.IntRange(min=LEAST_ROUNDS),
    default=30,
    show_default=True,
    help="How often both have their turn.",
)
@click.option("--requests", type=click.IntRange(min=1), default=500, show_default=True, help="Requests in one turn.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="The file to keep the twin in.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON instead of a table.")
@click.argument("routes", nargs=-1, metavar="[PATH|ENDPOINT]...")
@click.pass_context
def bench(
    context: click.Context,
    import_string: str | None,
    method: str,
    body: Path | None,
    headers: tuple[str, ...],
    rounds: int,
    requests: int,
    output: Path | None,
    is_json: bool,
    routes: tuple[str, ...],
) -> None:
    """Compare routes with plain Starlette endpoints that do the same.

    PATH is one to ask for, such as /users/7, or a rule, such as "/users/<int:id>"; ENDPOINT is a name, such as
    UsersApi.show. Without any of them all endpoints for the method are measured.
    """
    options = context.ensure_object(RunOptions)
    with exit_codes(options):
        sent = Sent(method, body.read_bytes() if body is not None else None, tuple(map(_header, headers)))
        application = find_application_class(import_string)
        outcome = run(application, routes, sent, Effort(rounds, requests), output)
        click.echo(json.dumps(as_json(outcome), indent=2) if is_json else "\n".join(as_text(outcome)))
        if not outcome.measured:
            raise click.ClickException("no route could be measured")


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise click.UsageError(f"--header takes NAME:VALUE, got {text!r}.")
    return name.strip().lower(), value.strip()
