"""The command line: `python -m benchmarks inprocess [--rounds N] [--only NAME]`."""

import argparse

from benchmarks import inprocess


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("inprocess", help="CPU time per request, without a server or a network")
    command.add_argument("--rounds", type=int, default=15, help="rounds in which all frameworks take turns (15)")
    command.add_argument("--only", choices=inprocess.NAMES, metavar="NAME", help=", ".join(inprocess.NAMES))
    arguments = parser.parse_args()
    inprocess.main(arguments.rounds, arguments.only)


main()
