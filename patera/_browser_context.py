"""What templates know of the browser: its session, flash messages, CSRF tokens. Nothing is loaded before it is used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ._imports import late

if TYPE_CHECKING:
    from .request import Request


def browser_context(request: Request | None) -> dict[str, Any]:
    """Return the variables of every template that belong to the request.

    Args:
        request: The request being answered, None outside of one; using a variable is an error then.
    """
    return {
        "session": TemplateSession(request),
        "get_flashed_messages": partial(_call, "patera.sessions", "get_flashed_messages", request),
        "csrf_token": partial(_call, "patera.csrf", "csrf_token", request),
        "csrf_input": partial(_call, "patera.csrf", "csrf_input", request),
    }


class TemplateSession(Mapping[str, Any]):
    """`session` in templates: `req.session` to read, found when it is used.

    Args:
        request: The request being answered, if any.
    """

    __slots__ = ("_request",)

    def __init__(self, request: Request | None) -> None:
        self._request = request

    def __getitem__(self, key: str) -> Any:
        return self._session[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._session)

    def __len__(self) -> int:
        return len(self._session)

    @property
    def _session(self) -> Mapping[str, Any]:
        return _required("session", self._request).session


def _call(module: str, name: str, request: Request | None, /, *args: Any, **kwargs: Any) -> Any:
    return getattr(late(module), name)(*args, **kwargs, request=_required(f"{name}()", request))


def _required(name: str, request: Request | None) -> Request:
    if request is None:
        raise RuntimeError(f"{name} in a template belongs to a request, and this one is rendered for none")
    return request
