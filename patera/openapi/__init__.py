"""The OpenAPI document of an application, and the controller that shows it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pydantic_core import to_json
from starlette.responses import Response

from patera.controller import Controller, get, path
from patera.exceptions import StaticAssetNotFound
from patera.http import MediaType
from patera.request import Request

from .document import build_document
from .page import CONTENT_SECURITY_POLICY, Asset, asset, docs_page, make_etag

if TYPE_CHECKING:
    from patera.application import Patera

__all__ = ["build_document", "describe_application", "open_api_controller"]


def describe_application(app: Patera) -> dict[str, Any]:
    """Return the OpenAPI document of an application, which is built if it is not yet.

    Args:
        app: The application.
    """
    return build_document(
        app.plan,
        title=app.app_name,
        version=app.version,
        description=app.configs.get("OPEN_API_DESCRIPTION") or "",
        error_format=app.configs.get("ERROR_FORMAT", "patera"),
    )


def open_api_controller(url: str) -> type[Controller]:
    """Return the controller `OpenAPIController`, which shows the document below `url`.

    Args:
        url: The value of `OPEN_API_URL`.
    """

    @path(url, open_api_spec=False)
    class OpenAPIController(Controller):
        """Serves the OpenAPI document and Swagger UI."""

        @get("/specs.json")
        async def specs(self, req: Request) -> Response:
            """Send the document."""
            root_path = req.scope.get("root_path", "")
            specs = _encode({**self._document, "servers": [{"url": quote(root_path)}]}) if root_path else self._specs
            return _send(req, specs, "no-cache")

        @get("/docs")
        async def docs(self, req: Request) -> Response:
            """Send the page, whose links also hold behind a proxy or mount that adds a prefix."""
            base = quote(req.scope.get("root_path", "") + req.path.rstrip("/").removesuffix("/docs"))
            page = docs_page(f"{self.app.app_name} {self.app.version}", f"{base}/specs.json", f"{base}/assets")
            return Response(
                page,
                media_type="text/html",
                headers={"content-security-policy": CONTENT_SECURITY_POLICY, "cache-control": "no-cache"},
            )

        @get("/assets/<name>")
        async def assets(self, req: Request, name: str) -> Response:
            """Send a file of the page."""
            try:
                found = asset(name)
            except KeyError as error:
                raise StaticAssetNotFound from error
            return _send(req, found, "public, max-age=300")

        @cached_property
        def _document(self) -> dict[str, Any]:
            return describe_application(self.app)

        @cached_property
        def _specs(self) -> Asset:
            return _encode(self._document)

    return OpenAPIController


def _encode(document: dict[str, Any]) -> Asset:
    content = to_json(document)
    return Asset(content, MediaType.APPLICATION_JSON, make_etag(content))


def _send(req: Request, found: Asset, cache_control: str) -> Response:
    headers = {"etag": found.etag, "cache-control": cache_control}
    known = [tag.strip().removeprefix("W/") for tag in req.headers.get("if-none-match", "").split(",")]
    if found.etag in known or known == ["*"]:
        return Response(status_code=304, headers=headers)
    return Response(found.content, media_type=found.media_type, headers=headers)
