"""The command line: `python -m benchmarks inprocess [--rounds N] [--only NAME]`, and so on."""

import argparse
from collections.abc import Iterable

from benchmarks import gate, inprocess
from benchmarks.variants import ALL


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_inprocess(commands.add_parser("inprocess", help="CPU time per request, without a server or a network"))
    _add_gate(commands.add_parser("gate", help="fail when a request takes more calls or instructions than its budget"))
    arguments = vars(parser.parse_args())
    arguments.pop("run")(**arguments)


def _add_inprocess(command: argparse.ArgumentParser) -> None:
    command.add_argument("--rounds", type=int, default=15, help="rounds in which all frameworks take turns (15)")
    _add_choice(command, "--only", inprocess.NAMES)
    _add_choice(command, "--frameworks", [variant.name for variant in ALL])
    _add_save(command)
    command.set_defaults(run=inprocess.main)


def _add_gate(command: argparse.ArgumentParser) -> None:
    command.add_argument("--update", action="store_true", help="write the budget of this Python anew")
    command.add_argument(
        "--no-instructions", action="store_false", dest="instructions", help="count calls only, which takes a second"
    )
    command.set_defaults(run=gate.main)


def _add_choice(command: argparse.ArgumentParser, flag: str, names: Iterable[str]) -> None:
    listed = list(names)
    command.add_argument(flag, nargs="+", choices=listed, default=[], metavar="NAME", help=", ".join(listed))


def _add_save(command: argparse.ArgumentParser) -> None:
    command.add_argument("--save", action="store_true", help="write benchmarks/results/: Markdown and SVG")


main()
