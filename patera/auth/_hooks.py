"""Calling what a subclass of `Authentication` defines, `async def` or `def`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from patera.concurrency import run_sync_or_async


async def ask(hook: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a hook says; a `def` method runs in a worker thread, so that it may block."""
    if _is_async(getattr(hook, "__func__", hook)):
        return await hook(*arguments)
    return await run_sync_or_async(hook, *arguments)


@lru_cache(maxsize=1024)
def _is_async(function: Callable[..., Any]) -> bool:
    # Hooks are asked at every request, and finding this out takes longer than most of them.
    return inspect.iscoroutinefunction(function)
