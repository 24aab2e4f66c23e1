"""The template page: 64 KB of HTML from one Jinja2 template, a table of 241 rows."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape

TEMPLATES = Path(__file__).parent / "templates"
NAME = "page.html"
TITLE = "Orders of March"
ROWS: list[dict[str, Any]] = [
    {
        "number": f"2026-{number:05}",
        "customer": f"Customer <{number}> & Sons",
        "city": "London",
        "items": number % 7 + 1,
        "total": number * 12.5,
        "paid": number % 3 != 0,
    }
    for number in range(241)
]
CONTEXT: dict[str, Any] = {"title": TITLE, "rows": ROWS}

#: As frameworks without templates of their own use Jinja2.
template = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=select_autoescape()).get_template(NAME)
PAGE = template.render(CONTEXT).encode()
