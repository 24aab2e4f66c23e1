"""Answers errors: pages for browsers, JSON for everybody else."""

from app.exceptions.custom_exceptions import EntityNotFound
from patera import Request, Response
from patera.exceptions import ExceptionHandler, NotFound, handles


class BlogExceptionHandler(ExceptionHandler):
    """Everything that is not named here is answered by the framework."""

    @handles(NotFound, EntityNotFound)
    async def not_found(self, req: Request, exc: NotFound | EntityNotFound) -> Response:
        """Answer 404 for unknown paths, users and posts, 405 for wrong methods."""
        req.res.status(exc.status_code).set_headers(exc.headers)
        if "text/html" in req.headers.get("accept", ""):
            return await req.res.html("error.html", {"message": exc.message})
        return req.res.json(exc.content())
