"""Flash messages: said in one request, shown in the next page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, overload

from patera.request import current_request

from ._extension import session_of

if TYPE_CHECKING:
    from patera.request import Request

#: Flask's key for what was not shown yet.
FLASHES_KEY = "_flashes"


def flash(message: str, category: str = "message", *, request: Request | None = None) -> None:
    """Keep a message for the next page that shows messages.

    Example:
        flash("Saved", "success")
        return req.res.redirect("Orders.list")

    Args:
        message: The text; templates escape it.
        category: What kind it is, such as "error".
        request: The request; by default the one being answered.

    Raises:
        RuntimeError: No request is being answered, or its response was sent.
    """
    session = session_of(_request(request))
    # A new list, so that the check of values sees it. Flask writes tuples.
    session[FLASHES_KEY] = [*session.get(FLASHES_KEY, ()), session.codec.pair((category, message))]


@overload
def get_flashed_messages(
    with_categories: Literal[False] = False, category_filter: Iterable[str] = (), *, request: Request | None = None
) -> list[str]: ...


@overload
def get_flashed_messages(
    with_categories: Literal[True], category_filter: Iterable[str] = (), *, request: Request | None = None
) -> list[tuple[str, str]]: ...


def get_flashed_messages(
    with_categories: bool = False, category_filter: Iterable[str] = (), *, request: Request | None = None
) -> list[Any]:
    """Return the messages that were not shown yet, and forget them; further calls in this request repeat them.

    Example:
        {% for category, message in get_flashed_messages(with_categories=true) %}
          <p class="{{ category }}">{{ message }}</p>
        {% endfor %}

    Args:
        with_categories: Return `(category, message)` pairs instead of messages.
        category_filter: Only messages of these categories.
        request: The request; by default the one being answered.

    Raises:
        RuntimeError: No request is being answered.
    """
    session = session_of(_request(request))
    if session.flashes is None:
        session.flashes = [(category, message) for category, message in session.pop(FLASHES_KEY, ())]
    wanted = frozenset(category_filter)
    found = [pair for pair in session.flashes if not wanted or pair[0] in wanted]
    return found if with_categories else [message for _, message in found]


def _request(request: Request | None) -> Request:
    found = request if request is not None else current_request()
    if found is None:
        raise RuntimeError("Messages belong to a request, and none is being answered here; pass request=")
    return found
