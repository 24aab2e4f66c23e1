"""The sandbox of template strings: they see applications and requests as views."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import getattr_static
from types import ModuleType
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, Template
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment
from jinja2.utils import LRUCache
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import HTTPConnection

if TYPE_CHECKING:
    from .application import Patera

__all__ = ["Sandbox"]

#: Template strings whose compiled form is kept.
KEPT_STRINGS = 64

#: What a template string may see of the application: nothing that changes it or holds a secret.
PUBLIC_APPLICATION = frozenset(("app", "app_name", "debug", "state", "url_for", "version"))

#: What it may not see of the request: the ASGI scope (also as the mapping that a request is) and the answer.
PRIVATE_REQUEST = frozenset(
    "before_send defer get items keys receive res response route_handler scope send values".split()
)

#: Deprecated methods of Pydantic models that read files or unpickle.
PRIVATE_MODEL = frozenset(("parse_file", "parse_raw"))


class Sandbox(SandboxedEnvironment):
    """The environment of template strings: whatever they reach, they see applications and requests as views."""

    def __init__(self, app: Patera, **options: Any) -> None:
        super().__init__(**options)
        self._app = app
        self._compiled: LRUCache = LRUCache(KEPT_STRINGS)

    def compile_string(self, source: str) -> Template:
        """Return the template for `source`, from the last ones if it is among them."""
        template: Template | None = self._compiled.get(source)
        if template is None:
            template = self._compiled[source] = self.from_string(source)
        return template

    def shielded(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Return the context as a template string may see it."""
        return {name: self.shield(value) for name, value in context.items()}

    def shield(self, value: Any) -> Any:
        """Return `value`, or the view of it that a template string may have.

        Raises:
            SecurityError: It would let the template leave the sandbox.
        """
        if isinstance(value, Starlette) or value is self._app:
            return _View(value, lambda name: name in PUBLIC_APPLICATION)
        if isinstance(value, HTTPConnection):
            return _View(value, lambda name: name not in PRIVATE_REQUEST)
        if isinstance(value, Environment | Template | ModuleType):
            raise SecurityError(f"A template string must not use a {type(value).__name__}")
        return value

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Look up `obj.attribute`."""
        return self.shield(super().getattr(obj, attribute))

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Look up `obj[argument]`."""
        return self.shield(super().getitem(self.shield(obj), argument))

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call `obj`."""
        return self.shield(super().call(context, obj, *args, **kwargs))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Refuse private names, and what reads files or unpickles in old Pydantic interfaces."""
        model = obj if isinstance(obj, type) else type(obj)
        if attr in PRIVATE_MODEL and issubclass(model, BaseModel):
            return False
        return super().is_safe_attribute(obj, attr, value)


class _View:
    """An object of which a template string sees the attributes that `shows` lets pass."""

    __slots__ = ("_shows", "_target")

    def __init__(self, target: Any, shows: Callable[[str], bool]) -> None:
        self._target = target
        self._shows = shows

    def __getattr__(self, name: str) -> Any:
        if self._shows(name) and not name.startswith("_"):
            return getattr(self._target, name)
        if getattr_static(self._target, name, None) is None:
            raise AttributeError(name)
        raise SecurityError(
            f"{name!r} of the {type(self._target).__name__} is not visible in a template string; "
            "pass what you need in the context, or use a template file"
        )

    def __repr__(self) -> str:
        return f"<{type(self._target).__name__}>"
