"""The documentation says what is so: code blocks run, tables and lists are complete, links lead somewhere."""

import re
from pathlib import Path

import pytest

from tests.documents import ROOT, MakeApp, PageRun, blocks_of, imported_from

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\[[^\]]+\]\((?!https?://)([^)#]*)(?:#([^)]*))?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
async def test_page_executed_does_what_it_says(page: Path, tmp_path: Path, make_app: MakeApp) -> None:
    with imported_from(tmp_path):
        await PageRun(page, tmp_path, make_app).run()
