"""Which application and which request the running code belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from patera.application import Patera
    from patera.request import Request

#: The request being answered in this task, set by the endpoint around everything of a request.
current_request: ContextVar[Request | None] = ContextVar("patera.request", default=None)

#: The application of a life cycle step, job or command, where no request is being answered.
current_application: ContextVar[Patera | None] = ContextVar("patera.application", default=None)

#: Applications between the end of their startup and the end of their shutdown, oldest first.
running_applications: list[Patera] = []


def find_application() -> Patera | None:
    """The application this code runs for: request, then life cycle step, then the only running one."""
    request = current_request.get()
    if request is not None:
        serving: Patera | None = request.scope.get("app")
        return serving
    application = current_application.get()
    if application is None and len(running_applications) == 1:
        return running_applications[0]
    return application


@contextmanager
def use_application(application: Patera) -> Iterator[None]:
    """Run a block for `application`, so that extensions and background tasks find it."""
    token = current_application.set(application)
    try:
        yield
    finally:
        current_application.reset(token)
