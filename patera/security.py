"""What handlers need against forged and misleading requests; most protection is on without them.

Example:
    target = req.query_params.get("next", "")
    if not is_safe_url(target, req):
        target = "/"
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .controller import security_headers
from .response import is_safe_redirect

if TYPE_CHECKING:
    from .request import Request

__all__ = ["is_safe_url", "security_headers"]


def is_safe_url(url: str | None, request: Request) -> bool:
    r"""Tell whether a URL that came with a request leads to this site, as `safe_redirect()` does.

    Safe are paths, and URLs whose scheme and host are those of the request; everything that some browser reads as
    another site is not, such as `//evil.example`, `/\evil.example`, `https:evil.example` or a tab in front.

    Args:
        url: The URL, such as the value of `next`.
        request: The request that it came with.
    """
    is_secure = request.scope.get("scheme") in ("https", "wss")
    return bool(url) and is_safe_redirect(str(url), request.headers.get("host"), is_secure=is_secure)
