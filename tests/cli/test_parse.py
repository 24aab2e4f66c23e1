"""Words of a command line: positions, names, flags, numbers below zero."""

from __future__ import annotations

from typing import Any

import click
import pytest

from patera.cli import Command, CommandParameter
from patera.cli._parse import RunOptions, name_values, parse

ADD = Command(
    "add", "Total of two integers.", print, (CommandParameter("a", int), CommandParameter("b", int)), "Numbers"
)
GREET = Command(
    "greet",
    "Greet somebody. The rest is for its own help.",
    print,
    (
        CommandParameter("first_name", description="Who is greeted."),
        CommandParameter("loud", bool, required=False, default=False),
        CommandParameter("times", int, required=False, default=3),
    ),
)
DEBUGGER = Command("trace", "", print, (CommandParameter("debug", bool, required=False, default=False),))
COMMANDS = {each.name: each for each in (ADD, GREET, DEBUGGER)}


def values(*words: str) -> dict[str, Any]:
    return parse(COMMANDS, words, "cli.py", RunOptions()).values


def error(*words: str) -> str:
    with pytest.raises(click.UsageError) as caught:
        parse(COMMANDS, words, "cli.py", RunOptions())
    return caught.value.format_message()


@pytest.mark.parametrize(
    "words",
    [
        ["2", "5"],
        ["--a", "2", "--b", "5"],
        ["--b", "5", "--a", "2"],
        ["--b=5", "2"],
        ["2", "--b", "5"],
        ["--b", "5", "--", "2"],
    ],
)
def test_parse_positions_and_names_mean_the_same(words: list[str]) -> None:
    assert values("add", *words) == {"a": 2, "b": 5}


@pytest.mark.parametrize("words", [["-2", "-5"], ["--a", "-2", "--b=-5"], ["--", "-2", "-5"]])
def test_parse_number_below_zero_is_a_value(words: list[str]) -> None:
    assert values("add", *words) == {"a": -2, "b": -5}


@pytest.mark.parametrize("option", ["--first-name", "--first_name"])
def test_parse_dash_and_underscore_are_the_same(option: str) -> None:
    assert values("greet", option, "Alice") == {"first_name": "Alice"}


@pytest.mark.parametrize("command", ["add", "Numbers:add"])
def test_parse_controller_may_stand_before_the_command(command: str) -> None:
    assert values(command, "1", "2") == {"a": 1, "b": 2}


@pytest.mark.parametrize("words", [["--loud"], ["--loud=yes"], ["--loud", "on"], ["TRUE"], ["--loud", "1"]])
def test_parse_flag_true_in_every_form(words: list[str]) -> None:
    assert values("greet", "--first-name=Al", *words)["loud"] is True


@pytest.mark.parametrize("words", [["--no-loud"], ["--loud=no"], ["--loud", "off"], ["n"], ["--loud", "0"]])
def test_parse_flag_false_in_every_form(words: list[str]) -> None:
    assert values("greet", "--first-name=Al", *words)["loud"] is False


def test_parse_flag_does_not_take_another_word() -> None:
    assert values("greet", "--loud", "Alice") == {"first_name": "Alice", "loud": True}


def test_parse_value_not_given_is_left_to_the_method() -> None:
    assert values("greet", "Alice") == {"first_name": "Alice"}


@pytest.mark.parametrize("text", ["", "two words", "-fix the bug", "ünïcode", "-", "a=b"])
def test_parse_text_stays_as_it_is(text: str) -> None:
    assert values("greet", text) == {"first_name": text}
    assert values("greet", "--first-name", text) == {"first_name": text}


def test_parse_text_like_an_option_needs_the_equals_sign() -> None:
    assert values("greet", "--first-name=--loud") == {"first_name": "--loud"}
    assert error("greet", "--first-name", "--loud") == (
        "Option '--first-name' needs a value; write --first-name=VALUE where it begins with a dash."
    )


def test_parse_name_without_value_is_an_error() -> None:
    assert error("add", "1", "--b") == "Option '--b' needs a value."


def test_parse_missing_value_is_an_error() -> None:
    assert error("add", "2") == "Missing argument 'B' ('--b')."


def test_parse_value_of_wrong_type_is_an_error() -> None:
    assert error("add", "2", "x") == "Invalid value for 'B' ('--b'): 'x' is not a valid integer."


@pytest.mark.parametrize("words", [["1", "2", "3"], ["1", "2", "-3"]])
def test_parse_value_too_many_is_an_error(words: list[str]) -> None:
    assert error("add", *words) == f"Got unexpected extra argument ({words[2]})"


def test_parse_unknown_option_names_the_closest() -> None:
    message = error("greet", "--first-nmae", "x")
    assert "No such option" in message
    assert "Did you mean" in message
    assert "--first-name" in message.partition("Did you mean")[2]


def test_parse_unknown_short_option_is_an_error() -> None:
    assert error("add", "-x", "1", "2").startswith("No such option")


def test_parse_unknown_command_names_the_closest() -> None:
    assert error("gret", "Alice") == "No such command 'gret'. Did you mean 'greet'?"


@pytest.mark.parametrize(
    "words", [["--debug", "add", "1", "2"], ["add", "1", "2", "--debug"], ["add", "--debug", "1", "2"]]
)
def test_parse_debug_stands_anywhere(words: list[str]) -> None:
    options = RunOptions()
    parse(COMMANDS, words, "cli.py", options)
    assert options.debug is True


def test_parse_debug_of_the_command_is_its_own() -> None:
    options = RunOptions()
    assert parse(COMMANDS, ["trace", "--debug"], "cli.py", options).values == {"debug": True}
    assert options.debug is False


def test_parse_help_lists_commands_with_arguments_and_first_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(COMMANDS, ["--help"], "cli.py", RunOptions())
    assert ended.value.code == 0
    listed = capsys.readouterr().out.partition("Commands:")[2]
    assert (
        listed.split()
        == ("add A B Total of two integers. greet FIRST-NAME [--loud] [TIMES] Greet somebody. trace [--debug]").split()
    )


def test_parse_help_of_command_describes_its_values(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(COMMANDS, ["greet", "--help"], "cli.py", RunOptions())
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "Usage: cli.py greet [OPTIONS] FIRST-NAME [--loud] [TIMES]" in lines
    assert "FIRST-NAME, --first-name TEXT Who is greeted. [required]" in lines
    assert "LOUD, --loud/--no-loud" in lines
    assert "TIMES, --times INTEGER [default: 3]" in lines


def test_parse_help_of_command_without_values_has_only_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse({"sync": Command("sync", "Synchronise.", print)}, ["sync", "--help"], "cli.py", RunOptions())
    shown = capsys.readouterr().out
    assert "Arguments" not in shown
    assert "--debug" in shown


def test_parse_help_of_application_without_commands_has_only_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse({}, ["--help"], "cli.py", RunOptions())
    assert "Commands:" not in capsys.readouterr().out


def test_parse_help_shows_a_default_of_zero(capsys: pytest.CaptureFixture[str]) -> None:
    wait = Command("wait", "", print, (CommandParameter("seconds", int, required=False, default=0),))
    with pytest.raises(SystemExit):
        parse({"wait": wait}, ["wait", "--help"], "cli.py", RunOptions())
    assert "[default: 0]" in capsys.readouterr().out


def test_parse_no_words_show_the_help_as_an_error() -> None:
    assert "Commands:" in error()


def test_name_values_gives_every_value_its_name() -> None:
    assert name_values(ADD, ["2", "--b", "-5"]) == ["--b=-5", "--a=2", "--"]
