"""`build(app)`: collect, compile, check, stack. Nothing is assigned to the application before all is well."""

from __future__ import annotations

import gc
import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.routing import BaseRoute

from patera._context import use_application
from patera._imports import late
from patera._json import dump_json
from patera._types import ASGIApp, Scope
from patera.exceptions import ConfigurationError, Mistake

from .annotations import Namespace
from .collect import collect_controller
from .edge import CorsPolicy
from .endpoints import CompiledEndpoint, EndpointCompiler
from .entry import gate_of
from .errors import ErrorTable, collect_handlers
from .exchange import Runtime
from .hosts import host_mistakes
from .instances import InstanceMaker
from .pipeline import Respond
from .plan import ApplicationPlan, CorsPlan
from .proxies import proxy_mistakes
from .returns import ReturnType, read_return
from .routing import UrlBuilder, sort_routes
from .rules import ParsedRule
from .security_headers import compile_security_headers, default_values, header_mistakes
from .shaping import Shape, compile_shape
from .stack import Dispatcher, compile_stack

if TYPE_CHECKING:
    from patera.application import Patera
    from patera.request import Request

#: The name of a variable; it does not tell two rules apart, its converter does.
_VARIABLE_NAME = re.compile(r"[A-Za-z_]\w*>")


@dataclass(frozen=True, slots=True)
class Compiled:
    """The result of a build.

    Args:
        routes: All routes in the order in which they match.
        plan: What was decided, as plain data.
        urls: Builds the URLs of endpoints.
        dispatcher: Picks the endpoint of a request.
        stack: The ASGI application below Starlette's `__call__`.
        warnings: What is not wrong, but worth a line in the log.
    """

    routes: list[BaseRoute]
    plan: ApplicationPlan
    urls: UrlBuilder
    dispatcher: Dispatcher
    stack: ASGIApp
    warnings: tuple[str, ...]


def build(app: Patera) -> Compiled:
    """Compile an application.

    Raises:
        ConfigurationError: With all mistakes of all declarations.
    """
    with use_application(app), _no_collections():
        maker = InstanceMaker()
        warnings: list[str] = []
        _refuse_edge(app)
        cors, default_cors = cors_of(app.configs)
        runtime = _runtime(app, maker, warnings)
        compiler = EndpointCompiler(app, runtime, cors, default_cors, maker)
        endpoints = _endpoints(app, compiler)
        mistakes = [*maker.mistakes, *compiler.mistakes, *_duplicates(endpoints), *_extension_mistakes(app)]
        if mistakes:
            # A method with two verbs would report each of its mistakes twice.
            raise ConfigurationError(*dict.fromkeys(mistakes)) from maker.cause
        warnings.extend([*compiler.warnings, *_equal_names(endpoints)])
        return _assemble(app, runtime, endpoints, compiler.policy_of(cors), tuple(warnings))


@contextmanager
def _no_collections() -> Iterator[None]:
    """Pause the garbage collector: it would walk again and again through what the build makes to stay."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _assemble(
    app: Patera,
    runtime: Runtime,
    endpoints: list[CompiledEndpoint],
    policy: CorsPolicy | None,
    warnings: tuple[str, ...],
) -> Compiled:
    routes = sort_routes([*(endpoint.route for endpoint in endpoints), *app.foreign_routes])
    own_policies = {id(endpoint.route): endpoint.policy for endpoint in endpoints if endpoint.policy is not policy}
    security = compile_security_headers(runtime.security)
    dispatcher = Dispatcher(app, runtime, routes, policy, security, own_policies)
    urls = UrlBuilder([endpoint.route for endpoint in endpoints], app.aliases)
    return Compiled(
        routes,
        _plan(app, runtime, endpoints),
        urls,
        dispatcher,
        compile_stack(app, runtime, dispatcher, policy, security),
        warnings,
    )


def _refuse_edge(app: Patera) -> None:
    """Refuse hosts, proxies and headers of the config that nothing can be made of.

    Raises:
        ConfigurationError: With all of them.
    """
    configs, where = app.configs, f"{type(app.config).__module__}.{type(app.config).__qualname__}"
    mistakes = [
        *host_mistakes(configs.get("ALLOWED_HOSTS"), f"{where}.ALLOWED_HOSTS"),
        *proxy_mistakes(configs.get("TRUSTED_PROXIES"), f"{where}.TRUSTED_PROXIES"),
        *header_mistakes(default_values(configs), f"{where}.SECURITY_HEADERS"),
    ]
    if mistakes:
        raise ConfigurationError(*mistakes)


def _runtime(app: Patera, maker: InstanceMaker, warnings: list[str]) -> Runtime:
    shape = Shape("middleware", dump_json)
    handlers = [maker.make(cls, app) for cls in app.exception_handler_classes]
    entries = collect_handlers(
        [handler for handler in handlers if handler is not None], _handler_shape(maker.mistakes), warnings.append
    )
    return Runtime(
        app=app,
        request_class=_request_class(app),
        response_class=app.response_class,
        errors=ErrorTable(app, entries, is_problem=app.configs.get("ERROR_FORMAT") == "problem"),
        shape=shape,
        chain=_compile_chain(app, maker),
        gate=gate_of(app.configs),
        security=default_values(app.configs),
        own_edge=not app.user_middleware,
        log_request=_request_log(app) if app.configs.get("REQUEST_LOG") else None,
        load_session=late("patera.sessions").load_session if app.configs.get("SESSION_BACKEND") else None,
    )


def _request_class(app: Patera) -> type[Request]:
    """Return the application's request class, told which class `req.res` has; nothing has to look for it later."""
    cls = app.request_class
    if cls._response_class is app.response_class:
        return cls
    return type(cls.__name__, (cls,), {"_response_class": app.response_class, "__module__": cls.__module__})


def _handler_shape(mistakes: list[Mistake]) -> Callable[[str, Any, type], Shape]:
    def make(label: str, function: Any, cls: type) -> Shape:
        innermost = inspect.unwrap(function)
        where = f"{cls.__module__}.{label}"
        returned = read_return(innermost, Namespace(innermost, cls), where, "")
        if isinstance(returned, Mistake):
            mistakes.append(returned)
            returned = ReturnType()
        record = getattr(function, "_patera_endpoint", None)
        return compile_shape(
            label,
            has_type=returned.is_declared,
            response_type=returned.type,
            produces=record.produces if record is not None else None,
            status=record.produces_status if record is not None else None,
            any_status=True,
        )

    return make


def _compile_chain(app: Patera, maker: InstanceMaker) -> Respond | None:
    """Nest the middleware, the first one outermost, around the endpoint that the request is for."""
    if not app.middleware_classes:
        return None
    step: Any = lambda request: request._respond(request)  # noqa: E731
    for cls in reversed(app.middleware_classes):
        instance = maker.make(cls, app, step)
        # Its bound method: calling the instance itself looks for it each time.
        step = instance.__call__ if instance is not None else step
    return step  # type: ignore[no-any-return]


def _request_log(app: Patera) -> Callable[[Scope, int], None]:
    def log(scope: Scope, status: int) -> None:
        # repr() spells out what could start another line of the log.
        app.logger.info("{} {!r} {}", scope["method"], scope["path"], status)

    return log


def _endpoints(app: Patera, compiler: EndpointCompiler) -> list[CompiledEndpoint]:
    found = []
    for cls, prefix, is_builtin in app.controller_classes():
        controller, mistakes = collect_controller(cls)
        compiler.mistakes.extend(mistakes)
        found.extend(compiler.compile(controller, prefix, is_builtin=is_builtin))
    return found


def _extension_mistakes(app: Patera) -> list[Mistake]:
    return [mistake for extension in app.extensions.values() for mistake in extension.mistakes(app)]


def _duplicates(endpoints: list[CompiledEndpoint]) -> list[Mistake]:
    """Report two endpoints of one method whose rules match the same paths and differ in nothing."""
    seen: dict[tuple[str, str], CompiledEndpoint] = {}
    mistakes = []
    for endpoint in endpoints:
        key = (endpoint.plan.method, _normalised(endpoint.route.parsed))
        first = seen.setdefault(key, endpoint)
        if first is not endpoint:
            mistakes.append(_duplicate(first, endpoint))
    return mistakes


def _normalised(rule: ParsedRule) -> str:
    """Return what two rules that match the same paths have in common: `/users/<int:>`."""
    text = rule.text
    if rule.converters:
        text = _VARIABLE_NAME.sub(">", text).replace("<string:>", "<>").replace("<default:>", "<>")
    return text if rule.strict_slashes else text.rstrip("/")


def _equal_names(endpoints: list[CompiledEndpoint]) -> list[str]:
    """Tell of names that two classes share: `url_for` knows no others."""
    methods = {endpoint.plan.where: endpoint.plan.name for endpoint in endpoints}
    counts = Counter(methods.values())
    classes: dict[str, list[str]] = {name: [] for name, count in counts.items() if count > 1}
    for where, name in methods.items():
        if name in classes:
            classes[name].append(where)
    return [
        f"{' and '.join(sorted(found))} are both called {name!r}; url_for() cannot tell them apart, rename a class"
        for name, found in classes.items()
    ]


def _duplicate(first: CompiledEndpoint, second: CompiledEndpoint) -> Mistake:
    return Mistake(
        "PAT202",
        second.plan.where,
        f"{second.plan.method} {second.plan.rule}, which {first.plan.where} ({first.plan.location}) answers already",
        "one endpoint for each method and path",
        "change the path of one of them, or remove it",
        second.plan.location,
    )


def cors_of(configs: dict[str, Any]) -> tuple[CorsPlan | None, CorsPlan]:
    """Return the application's policy (None where CORS is off) and the one that `@cors` starts from."""
    plan = CorsPlan(
        allow_origins=tuple(configs.get("CORS_ALLOW_ORIGINS") or ()),
        allow_methods=tuple(configs.get("CORS_ALLOW_METHODS") or ()),
        allow_headers=tuple(configs.get("CORS_ALLOW_HEADERS") or ()),
        expose_headers=tuple(configs.get("CORS_EXPOSE_HEADERS") or ()),
        allow_credentials=bool(configs.get("CORS_ALLOW_CREDENTIALS")),
        max_age=configs.get("CORS_MAX_AGE"),
    )
    return (plan if configs.get("CORS_ENABLED") else None), plan


def _plan(app: Patera, runtime: Runtime, endpoints: list[CompiledEndpoint]) -> ApplicationPlan:
    return ApplicationPlan(
        application=f"{type(app).__module__}.{type(app).__qualname__}",
        endpoints=tuple(endpoint.plan for endpoint in endpoints),
        middleware=tuple(f"{cls.__module__}.{cls.__qualname__}" for cls in app.middleware_classes),
        asgi_middleware=tuple(_name(item.cls) for item in app.user_middleware),
        extensions=tuple(app.extensions),
        exception_handlers={_name(kind): name for kind, name in runtime.errors.names().items()},
    )


def _name(factory: Any) -> str:
    return f"{factory.__module__}.{factory.__qualname__}"
