"""Measures the selected routes: writes the twin, imports it, checks both answers, lets both take turns."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from patera._lifespan_session import LifespanSession
from patera.application import Patera

from .clock import Comparison, ask, compare
from .routes import LeftOut, Selected, Sent, refuse_unfair, select
from .twin import Twin

LONGEST_MESSAGE = 300


@dataclass(slots=True)
class Outcome:
    """What was measured, and why the rest was not.

    Args:
        twin: Where the twin is kept; None where nobody asked for it.
        measured: The routes with their times.
        left_out: The other ones with the reason.
    """

    twin: Path | None
    measured: list[tuple[Selected, Comparison]] = field(default_factory=list)
    left_out: list[tuple[Selected, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure.

    Args:
        rounds: Rounds in which both applications take turns.
        requests: Requests of each in one round.
    """

    rounds: int
    requests: int


def run(
    application: type[Patera], words: tuple[str, ...], sent: Sent, effort: Effort, output: Path | None = None
) -> Outcome:
    """Measure routes of an application beside their twin.

    Args:
        application: The application's class.
        words: Which routes, as `select` takes them.
        sent: The request's method, body and headers.
        effort: How long to measure.
        output: Where to keep the twin; None to remove it in the end.

    Raises:
        click.UsageError: A word means no route, or the output exists.
    """
    planned = application()
    twin = Twin(application, has_middleware=bool(planned.middleware_classes))
    outcome = Outcome(output)
    chosen = []
    for each in select(planned, words, sent):
        try:
            refuse_unfair(each)
            twin.add(each)
            chosen.append(each)
        except LeftOut as reason:
            outcome.left_out.append((each, str(reason)))
    with _place(output) as path:
        _write(twin, path)
        if chosen:
            asyncio.run(_measure(_imported(path), chosen, effort, outcome))
    return outcome


@contextmanager
def _place(output: Path | None) -> Iterator[Path]:
    """Yield where to write the twin: where it is to be kept, else in a folder that is removed."""
    if output is not None:
        yield output
        return
    with tempfile.TemporaryDirectory(prefix="patera-bench-") as folder:
        yield Path(folder, "bench_twin.py")


def _write(twin: Twin, path: Path) -> None:
    if path.exists():
        raise click.UsageError(f"{path} exists, and may have been changed; remove it, or name another file.")
    path.write_text(twin.source(path.stem))


def _imported(path: Path) -> ModuleType:
    spec = spec_from_file_location("patera_bench_twin", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def _measure(twin: ModuleType, chosen: list[Selected], effort: Effort, outcome: Outcome) -> None:
    """Start the application that the twin has made, so that both share its extensions, and measure route by route."""
    if twin.application.debug:
        click.echo("DEBUG is on: set PATERA_DEBUG=false to measure what runs in production.", err=True)
    lifespan = LifespanSession(twin.application)
    await lifespan.startup()
    try:
        for number, each in enumerate(chosen, 1):
            try:
                await _check(twin, each, lifespan.state)
            except LeftOut as reason:
                outcome.left_out.append((each, str(reason)))
                continue
            show = _Progress(f"{number}/{len(chosen)} {each.label}", effort.rounds)
            sides = twin.app, twin.application
            compared = await compare(sides, each, lifespan.state, effort.rounds, effort.requests, show)
            outcome.measured.append((each, compared))
    finally:
        await lifespan.shutdown()


async def _check(twin: ModuleType, selected: Selected, state: dict[str, Any]) -> None:
    """See to it that both give the same answer, and a good one.

    Raises:
        LeftOut: They do not.
    """
    try:
        expected = await ask(twin.application, selected, state)
    except Exception as error:
        raise LeftOut(f"it fails with {_named(error)}") from error
    if expected.status >= 500:
        raise LeftOut(f"it answers {expected.status}: {expected.excerpt}; the log says why")
    if expected.status >= 400:
        raise LeftOut(f"it answers {expected.status}: {expected.excerpt}; name a path that exists, or give --header")
    try:
        difference = expected.difference(await ask(twin.app, selected, state))
    except Exception as error:
        raise LeftOut(f"its twin cannot do what it does: {_named(error)}") from error
    if difference:
        raise LeftOut(f"its twin answers something else: {difference}")


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {textwrap.shorten(str(error), LONGEST_MESSAGE)}"


class _Progress:
    """Shows in one line of a terminal which round it is; in a log one line for each route."""

    def __init__(self, title: str, rounds: int) -> None:
        self._title = title
        self._rounds = rounds

    def __call__(self, number: int) -> None:
        is_last = number == self._rounds
        if sys.stderr.isatty():
            click.echo(f"\r\033[K{self._title}: round {number} of {self._rounds}", err=True, nl=is_last)
        elif is_last:
            click.echo(f"{self._title}: {number} rounds", err=True)
