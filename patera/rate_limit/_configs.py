"""The values of `RATE_LIMIT`, and limits as text."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat

from patera._imports import require
from patera.exceptions import Mistake

if TYPE_CHECKING:
    from limits import RateLimitItem

ACCEPTED = "a number of requests per unit: '5/minute', '100 per 15 minutes', several separated by ';'"


class RateLimitConfigs(BaseModel):
    """`RATE_LIMIT`: where requests are counted, and what holds for all endpoints.

    Args:
        STORAGE_URI: `memory://` counts per process; `redis://`, `rediss://` and `redis+unix://` for all together.
        STRATEGY: `moving-window` looks back from each request; `fixed-window` counts from one full window to the
            next, which takes less memory and lets a client call twice as often around the turn.
        DEFAULT_LIMITS: Limits of endpoints without their own, each counted by itself.
        GLOBAL_LIMITS: Limits of all endpoints together, beside their own.
        FAIL_OPEN: Whether requests pass while the storage does not answer; otherwise they are a 503.
        TIMEOUT: Seconds that a request waits for the storage.
        RETRY_INTERVAL: Seconds until a storage that did not answer is asked again.
        HEADERS: Whether answers say how much of a limit is left.
        KEY_PREFIX: Stands before the keys in the storage; by default the name of the application.
        ENABLED: Whether anything is limited at all.
    """

    model_config = ConfigDict(extra="forbid")

    #: Holds a password, perhaps.
    STORAGE_URI: str = Field(default="memory://", repr=False)
    STRATEGY: Literal["moving-window", "fixed-window"] = "moving-window"
    DEFAULT_LIMITS: str | None = None
    GLOBAL_LIMITS: str | None = None
    FAIL_OPEN: bool = True
    TIMEOUT: PositiveFloat = 0.25
    RETRY_INTERVAL: PositiveFloat = 5
    HEADERS: bool = True
    KEY_PREFIX: str | None = None
    ENABLED: bool = True


@lru_cache(maxsize=1024)
def parse_limits(text: str) -> tuple[RateLimitItem, ...]:
    """Return the limits that a text names.

    Raises:
        ValueError: It names none, or one of nothing at all.
        MissingExtra: The package `limits` is not installed.
    """
    items: list[RateLimitItem] = require("limits", "ratelimit", "rate limits").parse_many(text)
    if any(item.amount < 1 for item in items):
        raise ValueError("a limit of no requests")
    # The shortest window first: what it refuses must not use up a longer one.
    return tuple(sorted(items, key=lambda item: item.get_expiry()))


def limit_mistake(text: Any, where: str, location: str = "") -> Mistake | None:
    """Return what is wrong with the text of a limit."""
    try:
        parse_limits(text)
    except (TypeError, ValueError):
        return Mistake("PAT545", where, f"{text!r}, which is no rate limit", ACCEPTED, "correct the limit", location)
    return None
