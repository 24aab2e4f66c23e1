"""How long a plain request waits while many users log in at once: `python -m benchmarks.password_hashing`.

The limit is the time of one password hash: hashing runs in threads of its own, so the event loop and the threads
of `def` handlers stay free. The process ends with 1 where a request waited longer.
"""

import argparse
import asyncio
import os
import platform
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from patera import BaseConfig, Patera, Request, Response, app
from patera.auth import Authentication
from patera.controller import Controller, get, path, post
from patera.testing import PateraTestClient

PASSWORD = "correct horse battery staple"


class Auth(Authentication):
    """Knows one user."""

    stored = ""

    async def user_loader(self, req: Request) -> Any:
        return None


auth = Auth()


@path("/")
class Site(Controller):
    @post("/login")
    async def log_in(self, req: Request) -> Response:
        is_right = await auth.verify_password(PASSWORD, auth.stored)
        return req.res.json({"is_right": is_right})

    @get("/plain")
    async def plain(self, req: Request) -> Response:
        return req.res.text("plain")

    @get("/thread")
    def plain_in_thread(self, req: Request) -> Response:
        return req.res.text("plain")


class Config(BaseConfig):
    APP_NAME: str = "Password hashing"
    VERSION: str = "1.0"
    BASE_PATH: str = os.path.dirname(__file__)
    DEBUG: bool = False
    SECRET_KEY: str | None = "bT7xQ2vN9mK4wR8yH3dL6fP1gS5zA0cJ"
    EXTENSIONS: list[str] | None = [f"{__name__}:auth"]
    CONTROLLERS: list[str] | None = [f"{__name__}:Site"]


@app(__name__, configs=Config)
class Application(Patera):
    """Takes logins, and answers two requests that have nothing to do with them."""


@dataclass(frozen=True)
class Waits:
    """How long requests of one kind took, in milliseconds.

    Args:
        alone: While nobody logged in.
        during: While everybody did.
    """

    alone: list[float]
    during: list[float]

    @property
    def delay(self) -> float:
        """The longest delay: the slowest request of all, less what one takes alone."""
        return max(self.during) - statistics.median(self.alone)


async def milliseconds(work: Callable[[], Awaitable[Any]]) -> float:
    started = time.perf_counter()
    await work()
    return (time.perf_counter() - started) * 1000


async def measure(client: PateraTestClient, url: str, logins: int) -> tuple[Waits, float]:
    """Return the waits for one URL, and the seconds that all logins took."""

    async def ask() -> None:
        response = await client.get(url)
        assert response.text == "plain"

    async def log_in() -> None:
        response = await client.post("/login")
        assert response.json() == {"is_right": True}

    alone = [await milliseconds(ask) for _ in range(200)]
    started = time.perf_counter()
    working = asyncio.gather(*(log_in() for _ in range(logins)))
    during = []
    while not working.done():
        during.append(await milliseconds(ask))
        await asyncio.sleep(0.001)
    await working
    return Waits(alone, during), time.perf_counter() - started


async def run(logins: int) -> bool:
    """Measure and print; return whether every delay was shorter than a hash."""
    async with PateraTestClient(Application()) as client:
        auth.stored = await auth.acreate_password_hash(PASSWORD)
        hashes = [await milliseconds(lambda: auth.acheck_password_hash(PASSWORD, auth.stored)) for _ in range(5)]
        one = statistics.median(hashes)
        print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs; one hash: {one:.0f} ms")
        is_short = True
        for url, kind in (("/plain", "async def"), ("/thread", "def")):
            waits, seconds = await measure(client, url, logins)
            is_short = is_short and waits.delay < one
            print(
                f"{kind:9} handler during {logins} logins in {seconds:.1f} s: {len(waits.during)} requests, "
                f"median {statistics.median(waits.during):.1f} ms (alone {statistics.median(waits.alone):.1f} ms), "
                f"longest delay {waits.delay:.1f} ms = {waits.delay / one:.2f} hashes"
            )
    return is_short


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.password_hashing", description=__doc__)
    parser.add_argument("--logins", type=int, default=20, help="how many users log in at once (20)")
    is_short = asyncio.run(run(parser.parse_args().logins))
    print("ok" if is_short else "too long: a request waited longer than one hash takes")
    sys.exit(0 if is_short else 1)


if __name__ == "__main__":
    main()
