"""Which frameworks are measured: those of `benchmarks/apps/` that are installed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from benchmarks.cases import Case


@dataclass(frozen=True)
class Variant:
    """One framework, or one way of using it.

    Args:
        name: How tables call it.
        module: The file with its applications.
        package: What has to be installed: the package to import; None for none.
        distribution: Its name in the package index, where that differs.
    """

    name: str
    module: str
    package: str | None = None
    distribution: str = ""

    @property
    def is_installed(self) -> bool:
        return self.package is None or find_spec(self.package) is not None

    @property
    def interface(self) -> str:
        """What the server speaks with it: asgi or wsgi."""
        found: str = getattr(import_module(self.module), "INTERFACE", "asgi")
        return found

    @property
    def left_out(self) -> Mapping[str, str]:
        """The cases that it has nothing for, and why."""
        found: Mapping[str, str] = getattr(import_module(self.module), "LEFT_OUT", {})
        return found

    def has(self, case: Case) -> bool:
        return case.name not in self.left_out

    def build(self, application: str) -> Any:
        """Build one of its applications."""
        applications: Mapping[str, Callable[[], Any]] = import_module(self.module).APPLICATIONS
        return applications[application]()


ALL = (
    Variant("raw", "benchmarks.apps.raw"),
    Variant("starlette", "benchmarks.apps.starlette_documented", "starlette"),
    Variant("tuned", "benchmarks.apps.starlette_tuned", "starlette"),
    Variant("fastapi", "benchmarks.apps.fastapi_app", "fastapi"),
    Variant("litestar", "benchmarks.apps.litestar_app", "litestar"),
    Variant("blacksheep", "benchmarks.apps.blacksheep_app", "blacksheep"),
    Variant("falcon", "benchmarks.apps.falcon_app", "falcon"),
    Variant("quart", "benchmarks.apps.quart_app", "quart"),
    Variant("flask", "benchmarks.apps.flask_app", "flask"),
    Variant("bare", "benchmarks.apps.patera_bare", "patera"),
    Variant("patera", "benchmarks.apps.patera_app", "patera"),
)
#: The installed ones by name.
VARIANTS = {variant.name: variant for variant in ALL if variant.is_installed}
MISSING = tuple(variant.name for variant in ALL if not variant.is_installed)
#: Frameworks beside Starlette, which everything else is held against on its own.
PEERS = tuple(name for name in VARIANTS if name not in ("raw", "starlette", "tuned", "bare", "patera"))
