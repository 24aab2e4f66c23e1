"""Fixtures for all tests: a clean environment, small applications, clients that close themselves."""

import asyncio
import functools
import itertools
import os
import sys
import sysconfig
import types
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from loguru import logger

from patera import BaseConfig, Patera, app
from patera._context import current_application, current_request, running_applications
from patera.testing import PateraTestClient
from tests.databases import drop_databases

IMPORT_STRING_KEYS = (
    "CONTROLLERS",
    "CLI_CONTROLLERS",
    "EXTENSIONS",
    "MODELS",
    "EXCEPTION_HANDLERS",
    "MIDDLEWARE",
    "LOGGERS",
)

#: What `make_app` signs with unless a test says otherwise; fit for production.
SECRET_KEY = "mJ2vQ8xT4bN7cK1wR9yH5dL3fP6gS0zA"

numbers = itertools.count(1)

# A busy machine fails no property; Hypothesis takes the same two settings where the variable CI is set.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_sessionfinish() -> None:
    """Leave no database behind on a server."""
    asyncio.run(drop_databases())


@pytest.fixture(autouse=True, scope="session")
def remembered_folders() -> Iterator[None]:
    """Python works out its own folders once: Loguru asks for 44 of them with every sink, 6 ms in each application."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sysconfig, "get_path", functools.cache(sysconfig.get_path))
        yield


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the machine changes the configuration of a test's application."""
    fields = set(BaseConfig.model_fields)
    for name in list(os.environ):
        if name.startswith("PATERA_") or name in fields:
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """A test leaves no running application, no current one and no log sink behind."""
    sinks = set(_sinks())
    yield
    leaked = {
        "running applications": running_applications[:],
        "current application": current_application.get(),
        "current request": current_request.get(),
        "log sinks": set(_sinks()) - sinks,
    }
    running_applications.clear()
    for sink in set(_sinks()) - sinks:
        logger.remove(sink)
    assert not any(leaked.values()), leaked


@pytest.fixture
def make_app(tmp_path: Path) -> Iterator[Callable[..., Patera]]:
    """Make an application of controllers and configuration values; its root path is `tmp_path`.

    The keys that take import strings take the objects themselves too.

    Example:
        application = make_app(UsersApi, MIDDLEWARE=[TimingMW], DEBUG=False)
    """
    modules: list[str] = []

    def make(*controllers: type, **values: Any) -> Patera:
        module = types.ModuleType(f"patera_test_app_{next(numbers)}")
        module.__file__ = str(tmp_path / "app.py")
        sys.modules[module.__name__] = module
        modules.append(module.__name__)
        defaults = {"APP_NAME": "Test", "VERSION": "1.0", "BASE_PATH": str(tmp_path), "SECRET_KEY": SECRET_KEY}
        values = {**defaults, **values, "CONTROLLERS": [*controllers, *values.get("CONTROLLERS", ())]}
        return _application(module, values)()

    yield make
    for name in modules:
        del sys.modules[name]


@pytest.fixture
async def client() -> AsyncIterator[Callable[[Patera], Awaitable[PateraTestClient]]]:
    """Connect clients to applications, whose lifespans run until the test ends.

    Example:
        http = await client(make_app(UsersApi))
        assert (await http.get("/users")).status_code == 200
    """
    async with AsyncExitStack() as stack:

        async def connect(application: Patera) -> PateraTestClient:
            return await stack.enter_async_context(PateraTestClient(application))

        yield connect


def _application(module: types.ModuleType, values: dict[str, Any]) -> type[Patera]:
    for key in IMPORT_STRING_KEYS:
        values[key] = [_import_string(module, value) for value in values.get(key) or ()]
    fields = {name: value for name, value in values.items() if name in BaseConfig.model_fields}
    annotations = {name: BaseConfig.model_fields[name].annotation for name in fields}
    annotations |= {name: Any for name in values if name not in fields}
    namespace = {"__module__": module.__name__, "__annotations__": annotations, **values}
    config = types.new_class("Config", (BaseConfig,), exec_body=lambda body: body.update(namespace))
    return app(module.__name__, configs=config)(type("Application", (Patera,), {"__module__": module.__name__}))


def _import_string(module: types.ModuleType, value: Any) -> str:
    if isinstance(value, str):
        return value
    name = f"object_{next(numbers)}"
    setattr(module, name, value)
    return f"{module.__name__}:{name}"


def _sinks() -> list[int]:
    handlers: dict[int, Any] = logger._core.handlers  # type: ignore[attr-defined]
    return list(handlers)
