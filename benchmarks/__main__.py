"""The command line: `python -m benchmarks inprocess [--rounds N] [--only NAME]`, and so on."""

import argparse
from collections.abc import Iterable

from benchmarks import gate, inprocess, memory, scale, server, serving, startup
from benchmarks.servers import SERVERS
from benchmarks.variants import ALL


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_inprocess(commands.add_parser("inprocess", help="CPU time per request, without a server or a network"))
    _add_server(
        commands.add_parser("server", help="requests per second, CPU time and latency over uvicorn and granian")
    )
    _add_scale(commands.add_parser("scale", help="build, memory and requests with many routes; cold start; import"))
    _add_memory(commands.add_parser("memory", help="soak, open websockets and large uploads of a running server"))
    _add_gate(commands.add_parser("gate", help="fail when a request takes more calls or instructions than its budget"))
    arguments = vars(parser.parse_args())
    arguments.pop("run")(**arguments)


def _add_inprocess(command: argparse.ArgumentParser) -> None:
    command.add_argument("--rounds", type=int, default=15, help="rounds in which all frameworks take turns (15)")
    _add_choice(command, "--only", inprocess.NAMES)
    _add_choice(command, "--frameworks", [variant.name for variant in ALL])
    _add_save(command)
    command.set_defaults(run=inprocess.main)


def _add_server(command: argparse.ArgumentParser) -> None:
    command.add_argument("--rounds", type=int, default=7, help="rounds in which all frameworks take turns (7)")
    command.add_argument("--seconds", type=int, default=3, help="how long each turn lasts (3)")
    command.add_argument("--connections", type=int, default=64, help="connections that are kept busy (64)")
    _add_choice(command, "--only", server.NAMES)
    _add_choice(command, "--frameworks", [variant.name for variant in ALL])
    _add_choice(command, "--servers", SERVERS)
    command.add_argument("--original", metavar="PYTHON", help="an interpreter with the original package, for `users`")
    _add_save(command)
    command.set_defaults(run=server.main)


def _add_scale(command: argparse.ArgumentParser) -> None:
    sizes = " ".join(map(str, scale.SIZES))
    command.add_argument("--routes", type=int, nargs="+", default=scale.SIZES, metavar="COUNT", help=sizes)
    command.add_argument(
        "--controllers", type=int, default=startup.CONTROLLERS, help="controllers of the cold start (1000)"
    )
    command.add_argument("--rounds", type=int, default=5, help="rounds in which all frameworks take turns (5)")
    _add_choice(command, "--frameworks", scale.FRAMEWORKS)
    _add_choice(command, "--only", scale.PARTS)
    _add_save(command)
    command.set_defaults(run=scale.main)


def _add_memory(command: argparse.ArgumentParser) -> None:
    command.add_argument("--minutes", type=float, default=60, help="how long each server is soaked (60)")
    command.add_argument("--sockets", type=int, default=10_000, help="open websockets (10000)")
    command.add_argument("--uploads", type=int, default=50, help="uploads of each kind (50)")
    command.add_argument("--megabytes", type=int, default=100, help="size of an upload (100)")
    _add_choice(command, "--frameworks", serving.SERVED)
    _add_choice(command, "--only", memory.PARTS)
    _add_save(command)
    command.set_defaults(run=memory.main)


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
