"""The same bytes over real sockets: the table of requests, and what no HTTP client would send."""

from collections.abc import AsyncIterator, Callable

import pytest

from patera import Patera
from tests.hostile.test_requests import ROWS
from tests.hostile.wire import call_server, problems
from tests.server import Server, run_server

PROTOCOLS = ("httptools", "h11")

#: What the parser of a server refuses before the application sees it, with a 400 of its own.
REFUSED_BY_SERVER = {"httptools": {"A36 unknown", "A36 nowhere"}, "h11": set()}


@pytest.fixture(params=PROTOCOLS)
async def server(request: pytest.FixtureRequest, make_hostile: Callable[..., Patera]) -> AsyncIterator[Server]:
    """The application behind a real server, once for each of uvicorn's parsers."""
    async with run_server(make_hostile(), http=request.param) as running:
        running.output.append(request.param)
        yield running


async def test_table_of_requests_has_the_same_answers_over_a_socket(server: Server) -> None:
    refused = REFUSED_BY_SERVER[server.output[0]]
    found = {}
    for wire in ROWS:
        answer = await call_server(server.port, wire)
        wrong = problems(wire, answer) if wire.row not in refused else []
        if wrong:
            found[wire.row] = wrong
    assert found == {}
