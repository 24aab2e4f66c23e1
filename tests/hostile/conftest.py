"""The application of all tables, in production and with its files."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from patera import Patera
from tests.hostile.application import create, write_files
from tests.hostile.recording import events
from tests.server import Server, run_server


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Patera:
    """One application for all rows that need no configuration of their own; it is never started."""
    folder = tmp_path_factory.mktemp("hostile")
    write_files(folder)
    return create(folder)


@pytest.fixture
def make_hostile(tmp_path: Path) -> Callable[..., Patera]:
    """Make an application of one's own, with other configuration values."""
    write_files(tmp_path)

    def make(**values: Any) -> Patera:
        return create(tmp_path, **values)

    return make


@pytest.fixture(autouse=True)
def no_events() -> Iterator[None]:
    """Handlers of other tests have noted nothing."""
    events.clear()
    yield
    events.clear()


@pytest.fixture
def records() -> Iterator[list[Any]]:
    """All log records of the test, of every application."""
    found: list[Any] = []
    sink = logger.add(lambda message: found.append(message.record), level=0, format="{message}")
    yield found
    logger.remove(sink)


@pytest.fixture(params=["httptools", "h11"])
async def server(
    request: pytest.FixtureRequest, make_hostile: Callable[..., Patera], no_events: None
) -> AsyncIterator[Server]:
    """The application behind a real server, once for each of uvicorn's parsers; `output` names the parser."""
    async with run_server(make_hostile(), http=request.param) as running:
        running.output.append(request.param)
        yield running
