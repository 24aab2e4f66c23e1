"""The `patera` program: one subcommand for each job."""

from __future__ import annotations

import click

from patera import __version__

from ._bench import bench
from ._cli import cli


@click.group(
    help="Work on the Patera application of the current directory.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def main() -> None:
    """Run the program; the console script `patera` calls this."""


main.add_command(bench)
main.add_command(cli)
