"""From the marks of `@command` and `@argument` to commands: plain data, and the mistakes in it."""

from __future__ import annotations

import inspect
import types
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from patera._compiler.annotations import Namespace, members
from patera._compiler.methods import location_of
from patera._endpoint import CLASS_LAYERS_KEY
from patera._layers import layer_mark
from patera.exceptions import Mistake
from patera.layer import Layer

from . import ARGUMENTS_KEY, COMMAND_KEY, Command, CommandParameter

if TYPE_CHECKING:
    from patera.application import Patera

#: What a word of the command line can be turned into.
ARGUMENT_TYPES: tuple[Any, ...] = (str, int, float, bool)


def dashed(name: str) -> str:
    """Return a name as the command line spells it: `-` and `_` count as the same."""
    return name.strip("_").replace("_", "-")


def commands_of(controller: object, app: Patera | None = None) -> list[Command]:
    """Return the commands of an instance: a controller, or any object with `@command` methods.

    Args:
        controller: The instance.
        app: The application; its layers know which parameters they fill themselves.
    """
    cls = type(controller)
    return [
        replace(
            each.record,
            help=each.record.help or inspect.getdoc(each.function) or "",
            method=getattr(controller, each.attribute),
            parameters=tuple(_compile_parameter(each, parameter) for parameter in _own_parameters(each, app)),
            controller_name=cls.__name__,
        )
        for each in _declared(cls)
        if each.record is not None
    ]


def index_commands(commands: Iterable[Command]) -> tuple[dict[str, Command], list[Mistake]]:
    """Return the commands by name, and a mistake for each name that is taken already."""
    index: dict[str, Command] = {}
    mistakes = []
    for each in commands:
        first = index.setdefault(dashed(each.name), each)
        if first is not each:
            mistakes.append(_name_taken(first, each))
    return index, mistakes


def find_command(commands: Mapping[str, Command], name: str) -> Command | None:
    """Return the command that `"name"` or `"Controller:name"` means."""
    controller, _, bare = name.rpartition(":")
    found = commands.get(dashed(bare))
    return found if found is not None and controller in ("", found.controller_name) else None


def command_mistakes(cls: type, app: Patera | None = None) -> list[Mistake]:
    """Return what is wrong with the declarations of a class with `@command` methods.

    Args:
        cls: The class.
        app: The application; the layers on the methods are then checked too.
    """
    mistakes = [_layer_on_class(cls)] if getattr(cls, CLASS_LAYERS_KEY, ()) else []
    for each in _declared(cls):
        mistakes += _mistakes_of(each, app)
    return mistakes + [_hidden_command(cls, name, raw) for name, raw in vars(cls).items() if _is_hidden(raw)]


@dataclass(frozen=True, slots=True)
class _Declared:
    """An attribute of a class that bears a mark; `raw` may be a `staticmethod` or `classmethod`."""

    cls: type
    attribute: str
    raw: Any
    record: Command | None
    arguments: tuple[CommandParameter, ...]

    @property
    def function(self) -> Callable[..., Any]:
        return _function_of(self.raw)

    def mistake(self, code: str, found: str, accepted: str, change: str) -> Mistake:
        return _mistake(code, self.cls, self.attribute, self.raw, found, accepted, change)

    def argument_for(self, parameter: inspect.Parameter) -> CommandParameter | None:
        return next((each for each in self.arguments if dashed(each.name) == dashed(parameter.name)), None)


def _declared(cls: type) -> Iterator[_Declared]:
    """Find the marked attributes, parents first; an override keeps the marks that it does not repeat."""
    names = dict.fromkeys(name for base in reversed(cls.__mro__) for name in vars(base))
    for name in names:
        versions = [vars(base)[name] for base in cls.__mro__ if name in vars(base)]
        record = _first_mark(versions, COMMAND_KEY)
        arguments = _first_mark(versions, ARGUMENTS_KEY)
        if callable(getattr(cls, name, None)) and (record or arguments):
            yield _Declared(cls, name, versions[0], record, arguments or ())


def _first_mark(versions: list[Any], key: str) -> Any:
    """The nearest mark; above `@staticmethod` it is on that, below on the function."""
    marked = (place for raw in versions for place in (raw, _function_of(raw)))
    return next((vars(place)[key] for place in marked if key in getattr(place, "__dict__", ())), None)


def _function_of(raw: Any) -> Callable[..., Any]:
    function: Callable[..., Any] = getattr(raw, "__func__", raw)
    return function


def _own_parameters(declared: _Declared, app: Patera | None) -> list[inspect.Parameter]:
    """The parameters that the command line fills: without `self` and what layers inject."""
    parameters = list(inspect.signature(declared.function).parameters.values())
    if not isinstance(declared.raw, staticmethod):
        parameters = parameters[1:]
    injected = {name for layer in _layers(declared.function) for name in layer.injects(app)} if app else set()
    return [each for each in parameters if each.name not in injected]


def _layers(function: Any) -> Iterator[Layer]:
    while function is not None:
        mark = layer_mark(function)
        if mark is not None:
            yield mark.layer
        function = getattr(function, "__wrapped__", None)


def _compile_parameter(declared: _Declared, parameter: inspect.Parameter) -> CommandParameter:
    described = declared.argument_for(parameter)
    required = parameter.default is parameter.empty
    return CommandParameter(
        name=parameter.name,
        type=_type_of(declared, parameter) or str,
        required=required,
        default=None if required else parameter.default,
        description=described.description if described is not None else "",
    )


def _type_of(declared: _Declared, parameter: inspect.Parameter) -> Any:
    """The type that `@argument` or the annotation names; None where neither names a usable one."""
    described = declared.argument_for(parameter)
    if described is not None and described.type is not None:
        return described.type
    if parameter.annotation is parameter.empty:
        return str if described is not None else None
    namespace = Namespace(inspect.unwrap(declared.function), declared.cls)
    found = members(namespace.resolve(parameter.annotation))
    return found[0] if len(found) == 1 and found[0] in ARGUMENT_TYPES else None


def _mistakes_of(declared: _Declared, app: Patera | None) -> list[Mistake]:
    if declared.record is None:
        return [
            declared.mistake(
                "PAT055", "@argument without @command", "@command beside it", 'add @command("name") or remove @argument'
            )
        ]
    found = list(_name_mistakes(declared, declared.record.name)) + _layer_mistakes(declared, app)
    if found:
        return found
    parameters = _own_parameters(declared, app)
    return [*_argument_mistakes(declared, parameters), *_parameter_mistakes(declared, parameters)]


def _name_mistakes(declared: _Declared, name: str) -> Iterator[Mistake]:
    if not name or name.startswith("-") or any(letter.isspace() or letter == ":" for letter in name):
        yield declared.mistake(
            "PAT050",
            f"a command named {name!r}",
            "one word that does not begin with '-' and has no ':'",
            "rename the command",
        )


def _layer_mistakes(declared: _Declared, app: Patera | None) -> list[Mistake]:
    if app is None:
        return []
    where, location = _where(declared.cls, declared.attribute), location_of(_function_of(declared.raw))
    return [mistake for layer in _layers(declared.function) for mistake in layer.mistakes(app, where, location)]


def _argument_mistakes(declared: _Declared, parameters: list[inspect.Parameter]) -> Iterator[Mistake]:
    known = {dashed(each.name): each.name for each in parameters}
    times = Counter(dashed(each.name) for each in declared.arguments)
    for each in declared.arguments:
        shown = f"@argument({each.name!r})"
        if dashed(each.name) not in known:
            accepted = f"a parameter of the method: {', '.join(known.values()) or 'it has none'}"
            yield declared.mistake("PAT052", f"{shown} without such a parameter", accepted, "rename one, or remove it")
        elif times[dashed(each.name)] > 1:
            yield declared.mistake("PAT052", f"{shown} more than once", "one for each parameter", "remove the others")
        if each.type is not None and each.type not in ARGUMENT_TYPES:
            named = getattr(each.type, "__name__", repr(each.type))
            accepted = "int, float, str or bool"
            yield declared.mistake("PAT054", f"arg_type={named} in {shown}", accepted, "take str and convert it inside")


def _parameter_mistakes(declared: _Declared, parameters: list[inspect.Parameter]) -> Iterator[Mistake]:
    for each in parameters:
        if each.kind not in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY):
            accepted = "parameters that have one value and can be passed by name"
            yield declared.mistake("PAT057", f"the parameter {str(each)!r}", accepted, "name each value")
        elif _type_of(declared, each) is None:
            accepted = "an annotation int, float, str or bool, or @argument with such an arg_type"
            change = f"annotate it, or add @argument({each.name!r}, arg_type=...)"
            yield declared.mistake("PAT053", f"the parameter {str(each)!r}", accepted, change)


def _name_taken(first: Command, second: Command) -> Mistake:
    return Mistake(
        "PAT051",
        _qualified_name(second.method),
        f"the command {second.name!r}, which {_qualified_name(first.method)} is already",
        "names that differ in more than '-' and '_'",
        "rename one of the two",
        location_of(second.method),
    )


def _layer_on_class(cls: type) -> Mistake:
    layer = getattr(cls, CLASS_LAYERS_KEY)[0]
    return Mistake(
        "PAT058",
        f"{cls.__module__}.{cls.__qualname__}",
        f"{layer.name} on a class of commands, where it does not run",
        "layers on the methods",
        "move it to the methods that need it",
    )


def _is_hidden(raw: Any) -> bool:
    """Whether a decorator without `functools.wraps` stands above `@command` and hides it."""
    function = _function_of(raw)
    if COMMAND_KEY in getattr(function, "__dict__", ()):
        return False
    cells = getattr(function, "__closure__", None) or ()
    return any(COMMAND_KEY in getattr(_content(cell), "__dict__", ()) for cell in cells)


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _hidden_command(cls: type, attribute: str, raw: Any) -> Mistake:
    return _mistake(
        "PAT056",
        cls,
        attribute,
        raw,
        "a decorator above @command that hides the command",
        "decorators that use functools.wraps",
        "add functools.wraps to the decorator, or write @command above it",
    )


def _mistake(code: str, cls: type, attribute: str, raw: Any, found: str, accepted: str, change: str) -> Mistake:
    return Mistake(code, _where(cls, attribute), found, accepted, change, location_of(_function_of(raw)))


def _where(cls: type, attribute: str) -> str:
    return f"{cls.__module__}.{cls.__qualname__}.{attribute}"


def _qualified_name(method: Callable[..., Any]) -> str:
    return f"{method.__module__}.{getattr(method, '__qualname__', method)}"
