"""Commands of an application: `CLIController`, `@command` and `@argument`, which only record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from patera.application import Patera

__all__ = ["CLIController", "Command", "CommandParameter", "argument", "command"]

F = TypeVar("F", bound=Callable[..., Any])

COMMAND_KEY = "_patera_command"
ARGUMENTS_KEY = "_patera_arguments"


class CLIController:
    """Base of classes whose methods are commands, listed in `CLI_CONTROLLERS`.

    Example:
        class TrialCommands(CLIController):
            @command("greet", help="Greet a user.")
            @argument("name", description="Who is greeted.")
            async def greet(self, name: str) -> None:
                print(f"Hello, {name}!")

    Args:
        app: The application; set by the framework.
    """

    def __init__(self, app: Patera) -> None:
        self.app = app


def command(command_name: str, help: str = "") -> Callable[[F], F]:
    """Make a method a command of the application.

    Example:
        @command("greet", help="Greet a user.")
        async def greet(self, name: str) -> None: ...

    Args:
        command_name: What is typed on the command line; `-` and `_` count as the same.
        help: What `--help` says; the method's docstring where empty.

    Raises:
        TypeError: The name is no string, as in `@command` without parentheses.
    """
    _require_name("command", command_name)

    def mark(method: F) -> F:
        setattr(method, COMMAND_KEY, Command(command_name, help, method))
        return method

    return mark


def argument(name: str, arg_type: type[Any] | None = None, description: str = "") -> Callable[[F], F]:
    """Describe a parameter of a command; number and order of these decorators do not matter.

    Example:
        @command("add")
        @argument("a", arg_type=int, description="Left operand.")
        @argument("b", arg_type=int, description="Right operand.")
        async def add(self, a: int, b: int) -> None: ...

    Args:
        name: The parameter's name.
        arg_type: `int`, `float`, `str` or `bool`; by default what the annotation says, else `str`.
        description: What `--help` says.

    Raises:
        TypeError: The name is no string, as in `@argument` without parentheses.
    """
    _require_name("argument", name)

    def mark(method: F) -> F:
        recorded: tuple[CommandParameter, ...] = getattr(method, ARGUMENTS_KEY, ())
        setattr(method, ARGUMENTS_KEY, (CommandParameter(name, arg_type, description=description), *recorded))
        return method

    return mark


@dataclass(frozen=True, slots=True)
class CommandParameter:
    """One value that a command takes, by position or as `--name value`.

    Args:
        name: The parameter's name in Python.
        type: `str`, `int`, `float` or `bool`; None only where `@argument` leaves it to the annotation.
        required: Whether the method has no default for it.
        default: The method's default, shown in the help.
        description: What `--help` says.
    """

    name: str
    type: type[Any] | None = str
    required: bool = True
    default: Any = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """One command of an application, read from a method or made by an extension.

    Example:
        Command("db-upgrade", "Upgrade the database.", self.upgrade, (CommandParameter("revision"),))

    Args:
        name: What is typed on the command line.
        help: What `--help` says; its first sentence stands in the list of commands.
        method: Called with the values by name; sync or async.
        parameters: Its values, in the order of positions.
        controller_name: Class of the controller, so that `"Controller:name"` finds it too.
    """

    name: str
    help: str
    method: Callable[..., Any]
    parameters: tuple[CommandParameter, ...] = ()
    controller_name: str = ""


def _require_name(decorator: str, name: object) -> None:
    if not isinstance(name, str):
        raise TypeError(f'@{decorator} takes a name, got {name!r}; write @{decorator}("name")')
