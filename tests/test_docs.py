"""The documentation says what is so: blocks run, tables are complete, links lead somewhere."""

import re
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import pytest
from pydantic_core import PydanticUndefined

from patera import BaseConfig, exceptions
from patera.exceptions import ConfigurationError, ExceptionHandler, Mistake
from patera.logging import LoggerConfigModel
from tests.documents import PACKAGE, ROOT, MakeApp, PageRun, blocks_of, imported_from

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
LINK = re.compile(r"\]\((?!https?://)([^)#]+)")
CODE = re.compile(r'"(PAT\d{3})"')


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
async def test_page_executed_does_what_it_says(page: Path, tmp_path: Path, make_app: MakeApp) -> None:
    with imported_from(tmp_path):
        await PageRun(page, tmp_path, make_app).run()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_link_of_page_leads_to_a_file(page: Path) -> None:
    targets = [page.parent / target for target in LINK.findall(page.read_text())]
    assert [target for target in targets if not target.exists()] == []


def test_readme_first_application_is_the_quickstart_example() -> None:
    first = next(block for block in blocks_of(ROOT / "README.md") if block.file_name == "app.py")
    assert first.text == (ROOT / "examples/quickstart/app.py").read_text()


def test_first_application_is_short() -> None:
    lines = (ROOT / "examples/quickstart/app.py").read_text().splitlines()
    assert len([line for line in lines if line.strip() and not line.startswith("#")]) < 30


def test_files_of_life_of_a_request_exist() -> None:
    named = re.findall(r"`(patera/[\w/.]+\.py)`", (DOCS / "life-of-a-request.md").read_text())
    assert [name for name in named if not (PACKAGE / name.removeprefix("patera/")).exists()] == []


def test_configuration_table_names_every_key_with_type_and_default() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (`.+?`) \| (.+?) \| ", (DOCS / "configuration.md").read_text(), re.MULTILINE)
    assert {key: (kind.strip("`").replace("\\|", "|"), default) for key, kind, default in rows} == {
        key: (type_text(info.annotation), default_text(info.default)) for key, info in BaseConfig.model_fields.items()
    }


def test_logger_table_names_every_key() -> None:
    section = (DOCS / "configuration.md").read_text().partition("## Loggers")[2]
    assert set(re.findall(r"^\| `([A-Z_]+)` \|", section, re.MULTILINE)) == set(LoggerConfigModel.model_fields)


def test_error_codes_of_source_and_page_are_the_same() -> None:
    used = {code for path in PACKAGE.rglob("*.py") for code in CODE.findall(path.read_text())}
    listed = re.findall(r"^\| (PAT\d{3}) \|", (DOCS / "errors.md").read_text(), re.MULTILINE)
    assert listed == sorted(used)


def test_error_page_names_every_exception_of_a_request() -> None:
    named = set(re.findall(r"\w+", next(block.text for block in blocks_of(DOCS / "errors.md"))))
    others = (ConfigurationError, ExceptionHandler, Mistake, exceptions.SetupFinishedError)
    classes = [getattr(exceptions, name) for name in exceptions.__all__ if name[0].isupper()]
    assert [cls.__name__ for cls in classes if not issubclass(cls, others) and cls.__name__ not in named] == []


def type_text(annotation: Any) -> str:
    """Return a type as the table writes it: constraints are in the text."""
    if get_origin(annotation) is Annotated:
        return type_text(get_args(annotation)[0])
    members = get_args(annotation)
    if get_origin(annotation) in (list, dict, type) or not members:
        return annotation.__name__ if isinstance(annotation, type) and not members else plain(annotation)
    if plain(annotation).startswith("Literal"):
        return plain(annotation).replace("'", '"')
    return " | ".join("None" if member is type(None) else type_text(member) for member in members)


def plain(annotation: Any) -> str:
    return str(annotation).replace("typing.", "")


def default_text(default: Any) -> str:
    if default is PydanticUndefined:
        return "required"
    return f"`{default!r}`".replace("'", '"')
