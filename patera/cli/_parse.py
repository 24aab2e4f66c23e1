"""From the words of a command line to the command that they name, with its values."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from patera.exceptions import closest

from . import Command, CommandParameter
from ._commands import dashed, find_command

HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}

#: Characters of a command's help in the list of commands; the formatter breaks the line.
SHORT_HELP_LENGTH = 200

TRUE, FALSE = "true", "false"
BOOL_WORDS = frozenset({"1", "true", "t", "yes", "y", "on", "0", "false", "f", "no", "n", "off"})


@dataclass(slots=True)
class RunOptions:
    """What the command line says about the run itself, wherever it stands.

    Args:
        debug: Whether an error shows its traceback.
    """

    debug: bool = False


@dataclass(frozen=True, slots=True)
class Invocation:
    """A command and its values by parameter name; parameters that were not given are missing."""

    command: Command
    values: dict[str, Any]


def parse(commands: Mapping[str, Command], words: Sequence[str], prog_name: str, options: RunOptions) -> Invocation:
    """Read the words of a command line.

    Args:
        commands: The application's commands by name.
        words: `sys.argv` without the program.
        prog_name: How help and errors call the program.
        options: Receives the options of the run.

    Raises:
        click.UsageError: Unknown command or wrong values.
        SystemExit: The help was asked for and has been printed.
    """
    group = _CommandLine(commands)
    found = group.main(list(words), prog_name=prog_name, standalone_mode=False, obj=options)
    if isinstance(found, Invocation):
        return found
    raise SystemExit(found)


def debug_option() -> click.Option:
    """Make `--debug`, which notes itself in the `RunOptions` of the context."""
    return click.Option(
        ["--debug"], is_flag=True, expose_value=False, callback=_note_debug, help="Show the traceback of an error."
    )


def _note_debug(context: click.Context, option: click.Parameter, value: bool) -> None:
    context.ensure_object(RunOptions).debug |= value


class _CommandLine(click.Group):
    """All commands of one application."""

    def __init__(self, commands: Mapping[str, Command]) -> None:
        self.declared = commands
        self.methods = {each.name: _CommandOfMethod(each) for each in commands.values()}
        super().__init__(
            commands=dict(self.methods),
            params=[debug_option()],
            help="Commands of the application.",
            context_settings=HELP_OPTIONS,
        )

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        found = find_command(self.declared, name)
        if found is None:
            raise click.UsageError(f"No such command {name!r}.{closest(name, self.methods)}", ctx)
        return found.name, self.methods[found.name], args[1:]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each command with its arguments and the first sentence of its help."""
        rows = [
            (" ".join([name, *each.usage_pieces]), each.get_short_help_str(SHORT_HELP_LENGTH))
            for name, each in sorted(self.methods.items())
        ]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


class _CommandOfMethod(click.Command):
    """One command: every value may be given by position or by name."""

    def __init__(self, command: Command) -> None:
        own = [_Value(each) for each in command.parameters]
        run_options = [debug_option()] if "--debug" not in _by_option(command) else []
        super().__init__(
            command.name,
            params=[*own, *run_options],
            help=command.help,
            callback=lambda **values: Invocation(command, {k: v for k, v in values.items() if v is not None}),
            context_settings=HELP_OPTIONS,
        )
        self.command = command
        self.values = own

    @property
    def usage_pieces(self) -> list[str]:
        return [each.usage for each in self.values]

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return ["[OPTIONS]", *self.usage_pieces]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, name_values(self.command, args, ctx))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the values in the order of positions, then the options of the run."""
        if self.values:
            with formatter.section("Arguments, by position or by name"):
                formatter.write_dl([each.help_row for each in self.values])
        options = [each for each in self.get_params(ctx) if each not in self.values]
        with formatter.section("Options"):
            formatter.write_dl([row for each in options if (row := each.get_help_record(ctx)) is not None])


class _Value(click.Option):
    """One value of a command, which `name_values` always hands over as `--name=value`."""

    param_type_name = "argument"

    def __init__(self, parameter: CommandParameter) -> None:
        self.option = _option(parameter)
        self.word = self.option.removeprefix("--").upper()
        self.parameter = parameter
        super().__init__([parameter.name, self.option], type=parameter.type, required=parameter.required)

    @property
    def usage(self) -> str:
        word = self.option if self.parameter.type is bool else self.word
        return word if self.parameter.required else f"[{word}]"

    @property
    def help_row(self) -> tuple[str, str]:
        kind = f"/--no-{self.option[2:]}" if self.parameter.type is bool else f" {self.type.name.upper()}"
        return f"{self.word}, {self.option}{kind}", f"{self.parameter.description}{self._note}".strip()

    @property
    def _note(self) -> str:
        default = self.parameter.default
        if self.parameter.required:
            return "  [required]"
        return "" if default is None or default is False or default == "" else f"  [default: {default}]"

    def get_error_hint(self, ctx: click.Context | None) -> str:
        return f"'{self.word}' ('{self.option}')"


def name_values(command: Command, words: Iterable[str], context: click.Context | None = None) -> list[str]:
    """Return the words of a command with every value in the form `--name=value`.

    `["2", "--b", "-5"]` for the parameters `a` and `b` becomes `["--b=-5", "--a=2", "--"]`. Options
    that are not the command's own, and values too many, stay as they are.

    Args:
        command: The command.
        words: What stands behind it.
        context: For the usage in error messages.

    Raises:
        click.UsageError: A name stands without its value.
    """
    options = _by_option(command)
    named: list[str] = []
    positional: list[str] = []
    left = deque(words)
    while left:
        word = left.popleft()
        if word == "--":
            positional += left
            break
        if _is_value(word):
            positional.append(word)
        else:
            named.append(_take_value(word, left, options, context))
    given = {word.partition("=")[0] for word in named}
    free = [option for option in options if option not in given]
    filled = [f"{option}={value}" for option, value in zip(free, positional, strict=False)]
    return [*named, *filled, "--", *positional[len(free) :]]


def _option(parameter: CommandParameter) -> str:
    return "--" + dashed(parameter.name)


def _by_option(command: Command) -> dict[str, CommandParameter]:
    return {_option(each): each for each in command.parameters}


def _is_value(word: str) -> bool:
    """Whether a word is no option: `-5` and a sentence that begins with a dash are values."""
    name = word.partition("=")[0]
    return not name.startswith("-") or name == "-" or _is_number(word) or any(letter.isspace() for letter in name)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _take_value(
    word: str, left: deque[str], options: Mapping[str, CommandParameter], context: click.Context | None
) -> str:
    """Join an option with its value, which it may take from the words that are left."""
    name, has_value, value = word.partition("=")
    option = name.replace("_", "-")
    parameter = options.get(option)
    if parameter is None:
        return _negation(option, options) if not has_value else word
    if has_value:
        return f"{option}={value}"
    if parameter.type is bool:
        return f"{option}={left.popleft() if left and left[0].lower() in BOOL_WORDS else TRUE}"
    if not left or not _is_value(left[0]):
        hint = f"; write {option}=VALUE where it begins with a dash" if left else ""
        raise click.BadOptionUsage(option, f"Option {option!r} needs a value{hint}.", context)
    return f"{option}={left.popleft()}"


def _negation(option: str, options: Mapping[str, CommandParameter]) -> str:
    """Return `--loud=false` for `--no-loud`, anything else as it is."""
    positive = "--" + option.removeprefix("--no-")
    parameter = options.get(positive)
    is_flag = parameter is not None and parameter.type is bool
    return f"{positive}={FALSE}" if option.startswith("--no-") and is_flag else option
