"""What `@command` and `@argument` declare, and what is wrong with declarations."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import pytest

from patera.cli import CLIController, Command, CommandParameter, argument, command
from patera.cli._commands import command_mistakes, commands_of, find_command, index_commands
from patera.layer import Layer, Place

if TYPE_CHECKING:
    from decimal import Decimal

APP: Any = object()


class Session(Layer):
    place = Place.SESSION

    def injects(self, app: Any) -> tuple[str, ...]:
        return ("session",)


def only_command(controller: type[CLIController], app: Any = None) -> Command:
    (found,) = commands_of(controller(APP), app)
    return found


def codes(controller: type, app: Any = None) -> list[str]:
    return [mistake.code for mistake in command_mistakes(controller, app)]


def passes_through(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def hides(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def test_command_documented_controller_is_read_completely() -> None:
    class TrialCommands(CLIController):
        @command("add", help="Total of two integers.")
        @argument("a", arg_type=int, description="Left operand.")
        @argument("b", arg_type=int, description="Right operand.")
        async def add(self, a: int, b: int) -> None: ...

    found = only_command(TrialCommands)
    assert (found.name, found.help, found.controller_name) == ("add", "Total of two integers.", "TrialCommands")
    assert found.parameters == (
        CommandParameter("a", int, True, None, "Left operand."),
        CommandParameter("b", int, True, None, "Right operand."),
    )


def test_argument_order_of_decorators_does_not_matter() -> None:
    class Controller(CLIController):
        @argument("b", arg_type=int)
        @command("add")
        @argument("a", arg_type=int)
        def add(self, a: int, b: int) -> None: ...

    assert [each.name for each in only_command(Controller).parameters] == ["a", "b"]


def test_argument_missing_type_comes_from_annotation() -> None:
    class Controller(CLIController):
        @command("run")
        @argument("ratio")
        def run(self, count: int, ratio: float, name: str, loud: bool) -> None: ...

    assert [each.type for each in only_command(Controller).parameters] == [int, float, str, bool]


def test_argument_optional_and_annotated_types_are_understood() -> None:
    class Controller(CLIController):
        @command("run")
        def run(self, count: int | None = None, ratio: Annotated[float, "share"] = 0.5) -> None: ...

    assert [each.type for each in only_command(Controller).parameters] == [int, float]


def test_argument_without_type_or_annotation_is_text() -> None:
    class Controller(CLIController):
        @command("run")
        @argument("name")
        def run(self, name) -> None: ...  # type: ignore[no-untyped-def]

    assert only_command(Controller).parameters[0].type is str


def test_argument_type_wins_over_annotation() -> None:
    class Controller(CLIController):
        @command("pay")
        @argument("amount", arg_type=str)
        def pay(self, amount: Decimal) -> None: ...

    assert only_command(Controller).parameters[0].type is str
    assert codes(Controller) == []


def test_argument_dashed_name_means_parameter_with_underscore() -> None:
    class Controller(CLIController):
        @command("greet")
        @argument("first-name", description="Called by it.")
        def greet(self, first_name: str) -> None: ...

    assert only_command(Controller).parameters[0].description == "Called by it."


def test_command_parameter_with_default_is_optional() -> None:
    class Controller(CLIController):
        @command("greet")
        def greet(self, name: str = "World") -> None: ...

    (parameter,) = only_command(Controller).parameters
    assert (parameter.required, parameter.default) == (False, "World")


def test_command_without_help_has_docstring() -> None:
    class Controller(CLIController):
        @command("greet")
        def greet(self) -> None:
            """Greet the world."""

    assert only_command(Controller).help == "Greet the world."


def test_command_method_is_bound_to_its_controller() -> None:
    class Controller(CLIController):
        @command("app")
        def find(self) -> Any:
            return self.app

    assert only_command(Controller).method() is APP


def test_command_inherited_method_is_a_command() -> None:
    class Base(CLIController):
        @command("greet")
        def greet(self) -> str:
            return "base"

    class Controller(Base):
        pass

    assert only_command(Controller).method() == "base"


def test_command_overridden_without_decorator_keeps_declaration() -> None:
    class Base(CLIController):
        @command("greet")
        @argument("name", description="Who.")
        def greet(self, name: str) -> str:
            return "base"

    class Controller(Base):
        def greet(self, name: str) -> str:
            return "override"

    found = only_command(Controller)
    assert (found.name, found.parameters[0].description, found.method("x")) == ("greet", "Who.", "override")


def test_command_static_method_has_no_self() -> None:
    class Controller(CLIController):
        @staticmethod
        @command("double")
        def double(number: int) -> int:
            return 2 * number

    found = only_command(Controller)
    assert [each.name for each in found.parameters] == ["number"]
    assert found.method(number=4) == 8


def test_command_foreign_decorator_keeps_parameters() -> None:
    class Controller(CLIController):
        @passes_through
        @command("greet")
        @passes_through
        def greet(self, name: str) -> None: ...

    assert [each.name for each in only_command(Controller).parameters] == ["name"]


@pytest.mark.parametrize("is_layer_above", [True, False])
def test_command_parameter_filled_by_layer_is_no_value(is_layer_above: bool) -> None:
    async def seed(self: Any, count: int, session: Any) -> None: ...

    layer = Session()
    method = layer(command("seed")(seed)) if is_layer_above else command("seed")(layer(seed))
    controller = type("Controller", (CLIController,), {"seed": method})

    assert [each.name for each in only_command(controller, APP).parameters] == ["count"]
    assert codes(controller, APP) == []


def test_commands_of_other_object_than_controller_are_found() -> None:
    class Extension:
        @command("sync")
        def sync(self) -> None: ...

    assert [each.name for each in commands_of(Extension())] == ["sync"]


def test_index_commands_same_name_twice_is_mistake_naming_both() -> None:
    class First(CLIController):
        @command("db-init")
        def init(self) -> None: ...

    class Second(CLIController):
        @command("db_init")
        def start(self) -> None: ...

    index, mistakes = index_commands([*commands_of(First(APP)), *commands_of(Second(APP))])

    assert list(index) == ["db-init"]
    assert [mistake.code for mistake in mistakes] == ["PAT051"]
    assert "Second.start" in mistakes[0].where
    assert "First.init" in mistakes[0].found


@pytest.mark.parametrize("name", ["db-init", "db_init", "Controller:db-init"])
def test_find_command_every_spelling_finds_it(name: str) -> None:
    commands = {"db-init": Command("db-init", "", print, controller_name="Controller")}
    found = find_command(commands, name)
    assert found is not None
    assert found.name == "db-init"


@pytest.mark.parametrize("name", ["init", "Other:db-init", ""])
def test_find_command_other_name_finds_nothing(name: str) -> None:
    assert find_command({"db-init": Command("db-init", "", print, controller_name="Controller")}, name) is None


def test_command_mistakes_right_declaration_has_none() -> None:
    class Controller(CLIController):
        @command("greet")
        @argument("name")
        async def greet(self, name: str, loud: bool = False) -> None: ...

    assert codes(Controller) == []


@pytest.mark.parametrize("name", ["", "two words", "--greet", "Ctl:greet"])
def test_command_mistakes_impossible_name_is_named(name: str) -> None:
    class Controller(CLIController):
        @command(name)
        def greet(self) -> None: ...

    (mistake,) = command_mistakes(Controller)
    assert mistake.code == "PAT050"
    assert repr(name) in mistake.found


def test_command_mistakes_argument_without_parameter_names_the_parameters() -> None:
    class Controller(CLIController):
        @command("greet")
        @argument("nmae")
        def greet(self, name: str) -> None: ...

    (mistake,) = command_mistakes(Controller)
    assert (mistake.code, mistake.found) == ("PAT052", "@argument('nmae') without such a parameter")
    assert mistake.accepted == "a parameter of the method: name"
    assert mistake.where.endswith("Controller.greet")
    assert mistake.location.startswith(__file__)


def test_command_mistakes_argument_twice_is_named() -> None:
    class Controller(CLIController):
        @command("greet")
        @argument("name")
        @argument("name")
        def greet(self, name: str) -> None: ...

    assert codes(Controller) == ["PAT052", "PAT052"]


@pytest.mark.parametrize("annotation", ["Decimal", "list[int]", "int | str", "Unknown"])
def test_command_mistakes_unusable_annotation_without_argument_type_is_named(annotation: str) -> None:
    def pay(self: Any, amount: Any) -> None: ...

    pay.__annotations__["amount"] = annotation
    controller = type("Controller", (CLIController,), {"pay": command("pay")(argument("amount")(pay))})

    (mistake,) = command_mistakes(controller)
    assert mistake.code == "PAT053"
    assert "amount" in mistake.found


def test_command_mistakes_parameter_without_any_type_is_named() -> None:
    class Controller(CLIController):
        @command("greet")
        def greet(self, name) -> None: ...  # type: ignore[no-untyped-def]

    assert codes(Controller) == ["PAT053"]


def test_command_mistakes_other_argument_type_is_named() -> None:
    class Controller(CLIController):
        @command("pay")
        @argument("amount", arg_type=list)
        def pay(self, amount: str) -> None: ...

    (mistake,) = command_mistakes(Controller)
    assert (mistake.code, mistake.found) == ("PAT054", "arg_type=list in @argument('amount')")


def test_command_mistakes_argument_without_command_is_named() -> None:
    class Controller(CLIController):
        @argument("name")
        def greet(self, name: str) -> None: ...

    assert codes(Controller) == ["PAT055"]


def test_command_mistakes_decorator_that_hides_command_is_named() -> None:
    class Controller(CLIController):
        @hides
        @command("greet")
        def greet(self) -> None: ...

    (mistake,) = command_mistakes(Controller)
    assert mistake.code == "PAT056"
    assert "functools.wraps" in mistake.change


def test_command_mistakes_function_with_unset_closure_is_no_hidden_command() -> None:
    class Controller(CLIController):
        def later(self) -> Any:
            return unset

    if Controller is None:
        unset = None

    assert codes(Controller) == []


def test_command_mistakes_many_values_are_named() -> None:
    class Controller(CLIController):
        @command("greet")
        def greet(self, first: str, /, *names: str, **more: str) -> None: ...

    assert codes(Controller) == ["PAT057", "PAT057", "PAT057"]


def test_command_mistakes_layer_on_class_is_named() -> None:
    @Session()
    class Controller(CLIController):
        @command("seed")
        def seed(self) -> None: ...

    (mistake,) = command_mistakes(Controller)
    assert (mistake.code, mistake.where.rpartition(".")[2]) == ("PAT058", "Controller")


def test_command_mistakes_of_a_layer_are_reported() -> None:
    from patera.exceptions import Mistake

    class Broken(Session):
        def mistakes(self, app: Any, where: str, location: str) -> list[Mistake]:
            return [Mistake("PAT300", where, "no database", "a database", "add one", location)]

    class Controller(CLIController):
        @command("seed")
        @Broken()
        async def seed(self, session: Any) -> None: ...

    (mistake,) = command_mistakes(Controller, APP)
    assert mistake.code == "PAT300"
    assert mistake.where.endswith("Controller.seed")


@pytest.mark.parametrize("decorator", [command, argument])
def test_decorator_without_parentheses_says_how_to_write_it(decorator: Any) -> None:
    with pytest.raises(TypeError, match=f'write @{decorator.__name__}\\("name"\\)'):
        decorator(print)
