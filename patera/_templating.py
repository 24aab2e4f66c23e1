"""Templates: Jinja2 with one shared loader, rendered on the event loop or in a worker thread."""

from __future__ import annotations

import inspect
import json
import os
from collections import ChainMap
from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import anyio.from_thread
from jinja2 import Environment, StrictUndefined, Undefined, select_autoescape
from pydantic_core import to_jsonable_python

from ._browser_context import browser_context
from ._sandbox import Sandbox
from ._static import resolve_folder
from ._template_code import TemplateEnvironment
from ._template_files import LazyLoader, MissingTemplate
from .exceptions import SetupFinishedError

if TYPE_CHECKING:
    from .application import Patera
    from .request import Request

__all__ = ["MissingTemplate", "Templating"]

ESCAPED_NAMES = ("html", "htm", "xhtml", "xml", "svg", "jinja", "jinja2", "j2")

#: Returns values for every template; takes nothing, or the request (None outside of one).
ContextMethod = Callable[..., Any]


class Templating:
    """Renders an application's templates; one per application.

    Templates come from `TEMPLATES_DIR` and from the folders that `add_path` adds behind it. Values
    are escaped in files named as HTML or XML, and in all template strings. Strings are rendered in
    Jinja's sandbox, where the application and the request show a part of themselves only.

    Example:
        await templating.render("users/show.html", {"user": user}, request)

    Args:
        app: The application; its configuration is read at the first use.
    """

    def __init__(self, app: Patera) -> None:
        self._app = app
        self._added: list[str] = []
        self._takes_request: dict[ContextMethod, bool] = {}
        self._loader = LazyLoader(self._search_path)

    def add_path(self, path: str | os.PathLike[str]) -> None:
        """Search a further folder, after those that are known already.

        Args:
            path: Absolute, or relative to the application's root path.

        Raises:
            SetupFinishedError: A template was loaded already.
        """
        if self._loader.is_open:
            raise SetupFinishedError("add_template_path")
        folder = os.path.join(self._app.root_path, path)
        self._added.append(folder)

    @cached_property
    def environment(self) -> TemplateEnvironment:
        """The Jinja environment of template files; filters and globals set here hold for all templates."""
        environment = TemplateEnvironment(**self._options(), enable_async=True)
        environment.policies["json.dumps_function"] = _dumps
        return environment

    async def render(
        self, template_name: str, context: Mapping[str, Any] | None = None, request: Request | None = None
    ) -> str:
        """Render a template file.

        Args:
            template_name: Its path below one of the folders.
            context: Values for the template; they win over those of the application.
            request: The request being answered, if any.

        Raises:
            MissingTemplate: No folder has it; a `jinja2.TemplateNotFound`.
            jinja2.TemplateError: The template is wrong, or uses an undefined name under `TEMPLATES_STRICT`.
        """
        environment = self._page_environment
        template = environment.get_template(template_name)
        return await template.render_async(await self._context(environment, context, request))

    async def render_string(
        self, source: str, context: Mapping[str, Any] | None = None, request: Request | None = None
    ) -> str:
        """Render a template that is a string, in the sandbox.

        Never build the string from what a user sent: pass that in the context.

        Args:
            source: The template itself.
            context: Values for the template; they win over those of the application.
            request: The request being answered, if any.

        Raises:
            jinja2.TemplateError: The template is wrong, or `SecurityError`: it reaches for what it must not see.
        """
        sandbox = self._sandbox
        values = await self._context(sandbox, context, request)
        return await sandbox.compile_string(source).render_async(sandbox.shielded(values))

    def render_sync(
        self, template_name: str, context: Mapping[str, Any] | None = None, request: Request | None = None
    ) -> str:
        """Do the same as `render` in the worker thread of a `def` handler."""
        template = self._sync_environment.get_template(template_name)
        return template.render(self._context_sync(self._sync_environment, context, request))

    def render_string_sync(
        self, source: str, context: Mapping[str, Any] | None = None, request: Request | None = None
    ) -> str:
        """Do the same as `render_string` in the worker thread of a `def` handler."""
        sandbox = self._sync_sandbox
        values = self._context_sync(sandbox, context, request)
        return sandbox.compile_string(source).render(sandbox.shielded(values))

    @cached_property
    def _page_environment(self) -> Environment:
        """Return an environment apart, so that templates of the public one can still be streamed."""
        environment = self.environment.overlay()
        environment.whole_pages = True
        return environment

    @cached_property
    def _sync_environment(self) -> Environment:
        return self.environment.overlay(enable_async=False)

    @cached_property
    def _sandbox(self) -> Sandbox:
        return self._make_sandbox(enable_async=True)

    @cached_property
    def _sync_sandbox(self) -> Sandbox:
        return self._make_sandbox(enable_async=False)

    def _make_sandbox(self, *, enable_async: bool) -> Sandbox:
        sandbox = Sandbox(self._app, **self._options(), enable_async=enable_async)
        shared = self.environment
        sandbox.filters, sandbox.tests, sandbox.policies = shared.filters, shared.tests, shared.policies
        sandbox.globals = ChainMap({"range": sandbox.globals["range"]}, shared.globals)  # type: ignore[assignment]
        return sandbox

    def _options(self) -> dict[str, Any]:
        configs = self._app.configs
        auto_reload = configs.get("AUTO_RELOAD")
        return {
            "loader": self._loader,
            "autoescape": select_autoescape(ESCAPED_NAMES, default_for_string=True),
            "undefined": StrictUndefined if configs["TEMPLATES_STRICT"] else Undefined,
            "auto_reload": self._app.debug if auto_reload is None else auto_reload,
        }

    def _search_path(self) -> list[str]:
        own = resolve_folder(self._app.root_path, self._app.configs["TEMPLATES_DIR"])
        return list(dict.fromkeys((own, *self._added)))

    async def _context(
        self, environment: Environment, context: Mapping[str, Any] | None, request: Request | None
    ) -> dict[str, Any]:
        values = self._base_context(environment, request)
        for processor in self._app.global_context_methods:
            result = self._call(processor, request)
            values.update(_checked(processor, await result if inspect.isawaitable(result) else result))
        return {**values, **(context or {})}

    def _context_sync(
        self, environment: Environment, context: Mapping[str, Any] | None, request: Request | None
    ) -> dict[str, Any]:
        values = self._base_context(environment, request)
        for processor in self._app.global_context_methods:
            result = self._call(processor, request)
            values.update(_checked(processor, _wait(processor, result) if inspect.isawaitable(result) else result))
        return {**values, **(context or {})}

    def _base_context(self, environment: Environment, request: Request | None) -> dict[str, Any]:
        return {
            "app": self._app,
            "url_for": self._app.url_for,
            "request": request,
            "attribute": _attribute_lookup(environment),
            "len": len,
            **browser_context(request),
        }

    def _call(self, processor: ContextMethod, request: Request | None) -> Any:
        if processor not in self._takes_request:
            self._takes_request[processor] = _takes_argument(processor)
        return processor(request) if self._takes_request[processor] else processor()


def _takes_argument(processor: ContextMethod) -> bool:
    parameters = inspect.signature(processor).parameters.values()
    return any(
        parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        for parameter in parameters
    )


def _checked(processor: ContextMethod, values: Any) -> Mapping[str, Any]:
    if not isinstance(values, Mapping):
        raise ValueError(
            f"The context method {_name(processor)} must return a dict, it returned {type(values).__name__}"
        )
    return values


def _wait(processor: ContextMethod, result: Awaitable[Any]) -> Any:
    """Run an asynchronous context method on the event loop, for the worker thread that waits here."""

    async def finish() -> Any:
        return await result

    try:
        return anyio.from_thread.run(finish)
    except RuntimeError as error:
        if not inspect.iscoroutine(result) or inspect.getcoroutinestate(result) != inspect.CORO_CREATED:
            raise
        result.close()
        raise RuntimeError(
            f"The context method {_name(processor)} is asynchronous, so this template cannot be rendered here: "
            "outside of a handler, await render() or render_string()"
        ) from error


def _name(processor: ContextMethod) -> str:
    return f"{processor.__module__}.{getattr(processor, '__qualname__', type(processor).__qualname__)}"


def _attribute_lookup(environment: Environment) -> Callable[..., Any]:
    def attribute(obj: Any, name: str, *default: Any) -> Any:
        """Look an attribute up as `obj.name` in the template would, so that the sandbox holds here too."""
        found = environment.getattr(obj, name)
        return default[0] if default and isinstance(found, Undefined) else found

    return attribute


def _dumps(value: Any, **options: Any) -> str:
    """Serialise for the filter `tojson`, which then escapes what HTML could misread."""
    return json.dumps(value, default=to_jsonable_python, **options)
