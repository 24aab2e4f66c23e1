"""Which processor cores the servers and the client have to themselves."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cores:
    """The core of the servers, which take turns, and that of the client; None where there are no two."""

    server: int | None
    client: int | None

    def __str__(self) -> str:
        if self.server is None or self.client is None:
            return "This machine has one core: servers and client share it, which makes every figure worse."
        text = f"Servers are pinned to core {self.server}, the client to core {self.client}."
        if _siblings(self.server) == _siblings(self.client):
            text += " Both are threads of one physical core, and slow each other down."
        return text


def cores() -> Cores:
    """The cores to use: of two physical ones, if possible."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        return Cores(None, None)
    server = usable[-1]
    apart = (core for core in usable if _siblings(core) != _siblings(server))
    return Cores(server, next(apart, usable[0]))


@contextmanager
def pinned_to(core: int | None) -> Iterator[None]:
    """Keep this process, and those that it starts meanwhile, on one core; None leaves them as they are."""
    before = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _siblings(core: int) -> str:
    """The threads of the physical core that one belongs to."""
    path = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    return path.read_text().strip() if path.exists() else str(core)
