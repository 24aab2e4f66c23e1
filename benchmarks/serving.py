"""The applications of `python -m benchmarks memory`, each behind uvicorn in a process of its own."""

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.servers import UVICORN, Served

#: Name -> import string of a function or class that returns the application.
SERVED = {
    "patera": "benchmarks.apps.patera_served:Application",
    "starlette": "benchmarks.apps.starlette_served:application",
}


@contextmanager
def serve(name: str) -> Iterator[Served]:
    """Start the server of an application, wait until it listens, and stop it whatever happens.

    Raises:
        SystemExit: Something is not installed, or the server does not start; the message says why.
    """
    if UVICORN.missing:
        raise SystemExit(f"to serve the applications: pip install {' '.join(UVICORN.missing)}")
    with Served(UVICORN, SERVED[name], environment={}) as server:
        server.wait()
        yield server
