"""What all controllers of the JSON API share."""

from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from app.exceptions.custom_exceptions import BlogIsReadOnly
from patera import Request, Response
from patera.controller import Controller, after_request, before_request

T = TypeVar("T")

READING = ("GET", "HEAD")


class ErrorBody(BaseModel):
    """The body of an error."""

    status: str
    message: str
    data: Any = None


class Page(BaseModel, Generic[T]):
    """One page of a longer list."""

    items: list[T]
    total: int
    page: int
    pages: int
    per_page: int
    has_next: bool
    has_prev: bool


class ApiController(Controller):
    """Base of the API's controllers; its hooks run for their endpoints."""

    @before_request
    async def refuse_changes(self, req: Request) -> None:
        """Answer 503 to whatever would change something while the blog is read-only."""
        if self.app.get_conf("READ_ONLY") and req.method not in READING:
            raise BlogIsReadOnly

    @after_request
    async def forbid_caching(self, res: Response) -> None:
        """Let no proxy keep what may change at any time; an endpoint may say otherwise."""
        res.headers.setdefault("cache-control", "no-store")
