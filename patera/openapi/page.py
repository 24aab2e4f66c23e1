"""The documentation page: Swagger UI from the package's own files, with nothing from another host."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path

__all__ = ["CONTENT_SECURITY_POLICY", "Asset", "asset", "docs_page", "make_etag"]

FOLDER = Path(__file__).parent / "assets"

MEDIA_TYPES = {
    "start.js": "text/javascript; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
}

#: What the page may load: scripts of this host alone. Swagger UI sets styles on elements and draws
#: its icons from data URLs.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{assets_url}/swagger-ui.css">
</head>
<body>
<div id="swagger-ui" data-specs-url="{specs_url}"></div>
<noscript>This page needs JavaScript; the document itself is at <a href="{specs_url}">{specs_url}</a>.</noscript>
<script src="{assets_url}/swagger-ui-bundle.js"></script>
<script src="{assets_url}/start.js"></script>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of the page.

    Args:
        content: Its bytes.
        media_type: Value of `content-type`.
        etag: Value of `etag`, with its quotes.
    """

    content: bytes
    media_type: str
    etag: str


@cache
def asset(name: str) -> Asset:
    """Return a file of the page.

    Raises:
        KeyError: The page has no file of that name.
    """
    media_type = MEDIA_TYPES[name]
    content = (FOLDER / name).read_bytes()
    return Asset(content, media_type, make_etag(content))


def make_etag(content: bytes) -> str:
    """Return a strong validator for `content` (RFC 9110, section 8.8.3)."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def docs_page(title: str, specs_url: str, assets_url: str) -> str:
    """Return the HTML of the page; whatever the arguments hold is shown as text.

    Args:
        title: Title of the page.
        specs_url: URL of the OpenAPI document.
        assets_url: URL of the folder with the page's files, without a slash at its end.
    """
    return PAGE.format(title=escape(title), specs_url=escape(specs_url), assets_url=escape(assets_url))
