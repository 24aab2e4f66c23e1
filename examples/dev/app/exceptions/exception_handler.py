"""Answers errors: pages for browsers, JSON for everybody else."""

from patera import Request, Response
from patera.exceptions import BaseHttpException, ExceptionHandler, handles


class BlogExceptionHandler(ExceptionHandler):
    """Whatever is no answer by itself is answered by the framework."""

    @handles(BaseHttpException)
    async def show(self, req: Request, exc: BaseHttpException) -> Response:
        """Answer unknown paths, missing logins, requests without CSRF token, too many of them, and the like."""
        req.res.status(exc.status_code).set_headers(exc.headers)
        if "text/html" in req.headers.get("accept", ""):
            return await req.res.html("error.html", {"message": exc.message})
        return req.res.json(exc.content())
