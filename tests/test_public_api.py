"""What users may import: the documented names, complete `__all__` lists, and an import without side effects."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import patera

DOCUMENTED = {
    "patera": (
        "BaseConfig BaseExtension HttpMethod HttpStatus LogLevel MediaType MiddlewareBase Patera Request Response "
        "UploadedFile abort app app_path html_abort on_shutdown on_startup run_in_background run_sync_or_async"
    ),
    "patera.auth": (
        "AuthUtils Authentication AuthenticationException AuthorizationException UnauthorizedException login_required "
        "role_required"
    ),
    "patera.cli": "CLIController argument command",
    "patera.controller": (
        "Controller Descriptor after_request before_request consumes cors delete development get no_cors open_api_docs "
        "patch path post produces put socket DELETE GET PATCH POST PUT SOCKET"
    ),
    "patera.exception": "BaseHttpException CustomException NotFound",
    "patera.exceptions": (
        "AborterException AuthenticationException AuthorizationException BaseHttpException CustomException "
        "ExceptionHandler HtmlAborterException MethodNotAllowed NotFound StaticAssetNotFound UnauthorizedException "
        "abort handles html_abort"
    ),
    "patera.logging": "CompressionType FilterType LoggerBase LoggerConfig OutputSink RetentionType RotationType",
    "patera.middleware": "MiddlewareBase",
    "patera.request": "Request UploadedFile",
    "patera.response": "Response",
    "patera.testing": "PateraTestClient PyJoltTestClient",
}
OPTIONAL = ("aiosmtplib", "alembic", "httpx", "openai", "pymongo", "redis", "sqlalchemy", "starlette.testclient")
PUBLIC_MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(patera.__path__, "patera.")
    if "._" not in info.name and ".templates" not in info.name
)


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in DOCUMENTED.items() for name in names.split()]
)
def test_documented_name_imported_exists(module: str, name: str) -> None:
    assert hasattr(importlib.import_module(module), name)


@pytest.mark.parametrize("name", ["patera", *PUBLIC_MODULES])
def test_all_of_public_module_lists_its_public_names(name: str) -> None:
    module = importlib.import_module(name)
    missing = defined(Path(str(module.__file__))) - set(module.__all__)
    assert (missing, [name for name in module.__all__ if not hasattr(module, name)]) == (set(), [])


def test_exception_module_imported_has_the_same_classes() -> None:
    assert importlib.import_module("patera.exception").NotFound is importlib.import_module("patera.exceptions").NotFound
    assert importlib.import_module("patera").Exceptions is importlib.import_module("patera.exceptions")


def test_import_of_patera_loads_no_optional_package() -> None:
    loaded = run("import patera, sys; print(*sys.modules)").split()
    assert [name for name in OPTIONAL if name in loaded] == []


def test_import_of_patera_loads_nothing_that_only_an_application_needs() -> None:
    loaded = run("import patera, sys; print(*sys.modules)").split()
    assert {"loguru", "pydantic_settings", "patera._compiler.build"} & set(loaded) == set()


@pytest.mark.parametrize("name", ["LogLevel", "logging.LoggerBase", "layer.Layer", "concurrency.current_request_id"])
def test_what_is_loaded_late_is_an_attribute_of_patera(name: str) -> None:
    assert run(f"import patera; print(patera.{name}.__name__)") == name.rpartition(".")[2]


def test_import_of_patera_starts_no_thread() -> None:
    assert run("import patera, threading; print(threading.active_count())") == "1"


def test_import_of_patera_leaves_loguru_as_it_was() -> None:
    handlers = "print(*loguru.logger._core.handlers)"
    assert run(f"import patera, loguru; {handlers}") == run(f"import loguru; {handlers}")


def test_import_of_patera_leaves_standard_logging_as_it_was() -> None:
    root = "print(logging.root.handlers, logging.root.level, logging.root.filters)"
    assert run(f"import patera, logging; {root}") == run(f"import logging; {root}")


def test_import_of_patera_prints_nothing() -> None:
    assert run("import patera") == ""


def defined(file: Path) -> set[str]:
    """The public classes and functions that a file defines."""
    body = ast.parse(file.read_text()).body
    definitions = [node for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)]
    return {node.name for node in definitions if not node.name.startswith("_")}


def run(code: str) -> str:
    """What a fresh interpreter prints for `code`, its error output too."""
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL).stdout.strip()
