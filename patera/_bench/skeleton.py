"""What every twin begins and ends with: plain Starlette, and what stands for `req.res` there."""

from __future__ import annotations

from string import Template

#: The names that every twin has, and those inside of its endpoints.
TAKEN = (
    "Answer HTMLResponse JSON JSONResponse PlainTextResponse Request Response Route Starlette TypeAdapter "
    "app application behind_middleware body cache json request respond response result run_in_threadpool templates "
    "to_jsonable_python"
).split()

MODULE = Template('''\
"""The plain Starlette twin of $application, written by `patera bench`: the same methods, called by hand.

Serve it with `uvicorn $name:app`, or change it and compare again.
"""

import json
from functools import cache

from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

$imports


class Answer:
    """What a method has as `req.res`: it notes what to send."""

    def __init__(self):
        self.kind, self.content, self.code, self.headers = Response, None, None, {}

    def __await__(self):
        return self
        yield

    def fill(self, kind, content):
        self.kind, self.content = kind, content
        return self

    def json(self, data):
        return self.fill(JSON, data)

    def text(self, text):
        return self.fill(PlainTextResponse, text)

    def html(self, template_path, context=None):
        return self.fill(HTMLResponse, templates().get_template(template_path).render(context or {}))

    def no_content(self):
        return self.fill(Response, None).status(204)

    def status(self, status_code):
        self.code = int(status_code)
        return self

    def set_header(self, key, value):
        self.headers[key] = value
        return self

    def set_headers(self, headers):
        self.headers.update(headers)
        return self


class JSON(JSONResponse):
    """Starlette's response, for models, dates and the like too."""

    def render(self, content):
        text = json.dumps(
            content, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=to_jsonable_python
        )
        return text.encode()


def respond(request, result, shape=None, status=200, media_type=None):
    """Send what a method returned, JSON data through the type that the method declares."""
    if isinstance(result, Response):
        return result
    answer = request.res
    if isinstance(result, tuple):
        result, answer.code = result[:2]
    if isinstance(result, str):
        answer.text(result)
    elif result is not None and result is not answer:
        answer.json(result)
    code, content = answer.code or (204 if answer.kind is Response else status), answer.content
    if shape is not None and answer.kind is JSON and code < 300:
        content = shape.validate_python(content, from_attributes=True, by_alias=True, by_name=True)
        content = shape.dump_python(content, mode="json", by_alias=True)
    return answer.kind(content, code, answer.headers, media_type)


@cache
def templates():
    return application.jinja_environment.overlay(enable_async=False)


def behind_middleware(endpoint):
    """Put the application's own middleware around an endpoint."""
    for cls in reversed(application.middleware_classes):
        endpoint = cls(application, endpoint)

    async def outermost(request):
        return await endpoint(request)

    return outermost


$constants


$endpoints


app = Starlette(
    routes=[
$routes
    ],
    middleware=application.user_middleware,
    lifespan=lambda app: application.lifespan(),
)
''')
