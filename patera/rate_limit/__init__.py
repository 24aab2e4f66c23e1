"""Rate limits: how often a client may call an endpoint.

Example:
    @path("/login")
    class Login(Controller):
        @post("/")
        @rate_limit("5/minute", key=by_address)
        async def log_in(self, req: Request) -> Response: ...

Without further set-up each process counts in its memory. The extension `RateLimiter` reads `RATE_LIMIT` and counts
in Redis, for all processes together.
"""

from ._configs import RateLimitConfigs
from ._extension import RateLimiter
from ._headers import RateLimitExceeded
from ._keys import by_address, by_user
from ._layer import RateLimit, RateLimitExempt, rate_limit, rate_limit_exempt

__all__ = [
    "RateLimit",
    "RateLimitConfigs",
    "RateLimitExceeded",
    "RateLimitExempt",
    "RateLimiter",
    "by_address",
    "by_user",
    "rate_limit",
    "rate_limit_exempt",
]
