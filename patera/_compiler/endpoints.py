"""Compiles one controller's endpoints: plan, handler, pipeline and exchange of each route."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import FunctionType
from typing import TYPE_CHECKING, Any

from pydantic.errors import PydanticUserError

from patera._endpoint import VerbRecord
from patera._types import ASGIApp
from patera.controller import Controller
from patera.exceptions import Mistake
from patera.http import HttpMethod, HttpStatus, MediaType
from patera.layer import Layer, Place

from .annotations import Namespace
from .binding import Binding, compile_binding
from .collect import CollectedController, CollectedEndpoint
from .edge import CorsPolicy, merge_cors
from .exchange import Exchange, Runtime, compile_exchange, compile_make
from .instances import InstanceMaker
from .layering import LayeredMethod, collect_layers, layer_mistakes, layer_plan
from .parameter_mistakes import HandlerContext
from .pipeline import Handler, Hook, Parts, compile_respond, finishing
from .plan import CorsPlan, EndpointPlan
from .returns import ReturnType, read_return
from .routing import RuleRoute, RuleSocketRoute
from .rules import ParsedRule, RuleError, parse_rule
from .security_headers import SecurityHeaders, compile_security_headers, header_mistakes, merge_values
from .shaping import Shape, compile_shape
from .socket_exchange import compile_socket
from .watch import watch_blocking

if TYPE_CHECKING:
    from patera.application import Patera


@dataclass(slots=True)
class CompiledEndpoint:
    """One route with its plan."""

    route: RuleRoute | RuleSocketRoute
    plan: EndpointPlan
    policy: CorsPolicy | None


class EndpointCompiler:
    """Compiles the endpoints of all controllers of an application, collecting mistakes on the way.

    Args:
        app: The application.
        runtime: What all exchanges share.
        cors: The application's CORS policy, None where CORS is off.
        default_cors: The global keys, for `@cors` where CORS is off.
        maker: Makes the controllers.
    """

    def __init__(
        self, app: Patera, runtime: Runtime, cors: CorsPlan | None, default_cors: CorsPlan, maker: InstanceMaker
    ) -> None:
        self.app = app
        self.runtime = runtime
        self.cors = cors
        self.default_cors = default_cors
        self.maker = maker
        self.mistakes: list[Mistake] = []
        self.warnings: list[str] = []
        #: One policy for all endpoints whose CORS settings are equal.
        self.policies: dict[CorsPlan, CorsPolicy] = {}
        self._security = compile_security_headers(runtime.security)

    def compile(
        self, controller: CollectedController, prefix: str, *, is_builtin: bool = False
    ) -> list[CompiledEndpoint]:
        """Compile a controller: one route for each verb of each method."""
        if controller.record.development and not self.app.debug:
            return []
        instance = self.maker.make(controller.cls, self.app)
        if instance is None:
            return []
        compiled = []
        for endpoint in controller.endpoints:
            if endpoint.record.development and not self.app.debug:
                continue
            for verb in endpoint.record.verbs:
                found = self._compile_verb(_Subject(controller, endpoint, verb, instance, prefix, is_builtin))
                compiled.extend([found] if found is not None else [])
        return compiled

    def _compile_verb(self, subject: _Subject) -> CompiledEndpoint | None:
        rule = self._rule(subject)
        if rule is None:
            return None
        if subject.is_socket and not inspect.iscoroutinefunction(subject.endpoint.chain.innermost):
            self.mistakes.append(_plain_socket(subject))
            return None
        app = None if subject.is_builtin else self.app
        layers = collect_layers(subject.controller, subject.endpoint.chain, app)
        binding = self._binding(subject, rule, layers)
        shape, returned = self._shape(subject)
        if not self._check_layers(subject, layers) or binding.mistakes or shape is None:
            return None
        plan = self._plan(subject, rule, layers, binding, returned)
        if not self._check_headers(plan):
            return None
        policy = self.policy_of(plan.cors)
        if subject.is_socket:
            return CompiledEndpoint(self._socket_route(subject, rule, layers, binding, plan, policy), plan, policy)
        exchange = self._exchange(subject, layers, binding, shape, plan, policy)
        route = RuleRoute(
            rule,
            exchange,
            endpoint=subject.method,
            methods=[subject.verb.method],
            name=plan.name,
            include_in_schema=plan.in_schema,
        )
        return CompiledEndpoint(route, plan, policy)

    def policy_of(self, plan: CorsPlan | None) -> CorsPolicy | None:
        """Return the policy of a plan, the same object for equal ones; None where CORS is off."""
        if plan is None:
            return None
        found = self.policies.get(plan)
        return found if found is not None else self.policies.setdefault(plan, CorsPolicy(plan))

    def _check_headers(self, plan: EndpointPlan) -> bool:
        if plan.security_headers is self.runtime.security:
            return True
        mistakes = list(header_mistakes(plan.security_headers, plan.where, plan.location))
        self.mistakes.extend(mistakes)
        return not mistakes

    def _rule(self, subject: _Subject) -> ParsedRule | None:
        try:
            return parse_rule(
                subject.rule, self.app.converters, strict_slashes=bool(self.app.configs.get("STRICT_SLASHES"))
            )
        except RuleError as error:
            mistake = Mistake(
                "PAT201", subject.where, error.found, error.accepted, error.change, subject.endpoint.location
            )
            self.mistakes.append(mistake)
            return None

    def _binding(self, subject: _Subject, rule: ParsedRule, layers: Sequence[Layer]) -> Binding:
        all_layers = (*layers, *subject.endpoint.chain.fixed)
        context = HandlerContext(
            subject.where,
            subject.endpoint.location,
            subject.verb.method,
            rule.text,
            rule.converters,
            frozenset([name for layer in all_layers for name in layer.injects(self.app)]),
            subject.endpoint.record.consumes,
        )
        try:
            binding = compile_binding(subject.endpoint.chain.core, subject.namespace, context)
        except (PydanticUserError, TypeError) as error:
            binding = Binding((), None, None, (_unusable_type(subject, error),))
        self.mistakes.extend(binding.mistakes)
        return binding

    def _shape(self, subject: _Subject) -> tuple[Shape | None, ReturnType]:
        returned = read_return(
            subject.endpoint.chain.innermost, subject.namespace, subject.where, subject.endpoint.location
        )
        if isinstance(returned, Mistake):
            self.mistakes.append(returned)
            return None, ReturnType()
        record = subject.endpoint.record
        try:
            shape = compile_shape(
                subject.endpoint.label,
                has_type=returned.is_declared and not subject.is_socket,
                response_type=returned.type,
                produces=record.produces,
                status=record.produces_status,
                warn=self._type_warning(subject.endpoint.label, record.produces) if record.produces else None,
            )
        except (PydanticUserError, TypeError) as error:
            self.mistakes.append(_unusable_type(subject, error))
            return None, returned
        return shape, returned

    def _type_warning(self, label: str, declared: str) -> Callable[[str], None]:
        warned: set[str] = set()

        def warn(given: str) -> None:
            if not warned:
                warned.add(given)
                self.app.logger.warning(
                    "{} set the media type {} but produces {}; that is sent", label, given, declared
                )

        return warn

    def _check_layers(self, subject: _Subject, layers: Sequence[Layer]) -> bool:
        if subject.is_socket:
            self.warnings.extend(_socket_warnings(subject, (*layers, *subject.endpoint.chain.fixed)))
        if not layers and not subject.endpoint.chain.fixed:
            return True
        checked = LayeredMethod(
            subject.where, subject.endpoint.location, subject.endpoint.chain, layers, is_thread=subject.kind == "thread"
        )
        mistakes = list(layer_mistakes(self.app, checked))
        self.mistakes.extend(mistakes)
        return not mistakes

    def _plan(
        self, subject: _Subject, rule: ParsedRule, layers: Sequence[Layer], binding: Binding, returned: ReturnType
    ) -> EndpointPlan:
        record, controller = subject.endpoint.record, subject.controller
        tags = controller.record.tags if controller.record.tags is not None else (controller.cls.__name__,)
        handler = subject.endpoint.chain.innermost
        return EndpointPlan(
            name=subject.endpoint.label,
            controller=controller.cls.__name__,
            where=subject.where,
            location=subject.endpoint.location,
            rule=rule.text,
            method=sys.intern(str(subject.verb.method)),
            doc=_doc_of(handler, controller.cls),
            tags=tuple(dict.fromkeys((*subject.verb.tags, *tags))),
            in_schema=subject.verb.in_schema and controller.record.in_schema,
            parameters=binding.parameters,
            path_converters=rule.converters,
            consumes=_media_type(record.consumes),
            produces=_media_type(record.produces),
            status=_success_status(record.produces, record.produces_status, returned),
            has_response_type=returned.is_declared,
            response_type=returned.type,
            descriptors=record.descriptors,
            layers=tuple([layer_plan(layer, self.app) for layer in (*layers, *subject.endpoint.chain.fixed)]),
            cors=merge_cors(self.cors, self.default_cors, [*controller.cors, record.cors]),
            is_async=subject.kind != "thread",
            before=controller.before,
            after=controller.after,
            is_builtin=subject.is_builtin,
            security_headers=merge_values(self.runtime.security, [controller.record.security, record.security]),
        )

    def _exchange(
        self,
        subject: _Subject,
        layers: Sequence[Layer],
        binding: Binding,
        shape: Shape,
        plan: EndpointPlan,
        policy: CorsPolicy | None,
    ) -> ASGIApp:
        parts = Parts(
            self.app,
            self._handler(subject),
            binding,
            shape,
            tuple(layers),
            before=_hooks(subject.instance, subject.controller.before),
            after=_hooks(subject.instance, subject.controller.after),
            timeout=self.app.configs.get("REQUEST_TIMEOUT"),
            cancel_on_disconnect=subject.endpoint.record.cancel_on_disconnect,
        )
        checks_origin = policy is not None and policy.needs_check(plan.method)
        respond = compile_respond(parts)
        if parts.is_plain and self.runtime.chain is not None:
            respond = finishing(respond, shape)
        make = compile_make(self.runtime, respond, policy, checks_origin=checks_origin, is_builtin=subject.is_builtin)
        security, limit = self._security_of(plan), self._limit(subject)
        exchange = Exchange(make, shape, policy, security, limit=limit, after=parts.after, plan=plan)
        return compile_exchange(self.runtime, exchange)

    def _security_of(self, plan: EndpointPlan) -> SecurityHeaders:
        is_default = plan.security_headers is self.runtime.security
        return self._security if is_default else compile_security_headers(plan.security_headers)

    def _limit(self, subject: _Subject) -> int | None:
        record = subject.endpoint.record
        if record.unlimited_content or record.max_content_length is not None:
            return record.max_content_length
        limit: int | None = self.app.configs.get("MAX_CONTENT_LENGTH")
        return limit

    def _handler(self, subject: _Subject) -> Handler:
        chain = subject.endpoint.chain
        call = subject.method
        if self.app.debug and subject.kind == "async":
            call = watch_blocking(call, subject.endpoint.label, self.app)
        return Handler(call, subject.kind, chain.passing, frozenset(chain.settling))

    def _socket_route(
        self,
        subject: _Subject,
        rule: ParsedRule,
        layers: Sequence[Layer],
        binding: Binding,
        plan: EndpointPlan,
        policy: CorsPolicy | None,
    ) -> RuleSocketRoute:
        handler, limit = self._handler(subject), self._limit(subject)
        app = compile_socket(
            self.app,
            self.runtime.request_class,
            handler,
            binding.bind,
            layers,
            plan,
            policy,
            limit,
            self.runtime.load_session,
        )
        return RuleSocketRoute(rule, app, endpoint=subject.method, name=plan.name)


@dataclass(eq=False)
class _Subject:
    """What is being compiled: one verb of one method of one controller."""

    controller: CollectedController
    endpoint: CollectedEndpoint
    verb: VerbRecord
    instance: Controller
    prefix: str
    is_builtin: bool

    @property
    def where(self) -> str:
        return self.endpoint.where

    @property
    def is_socket(self) -> bool:
        return self.verb.method == HttpMethod.SOCKET

    @property
    def rule(self) -> str:
        return join_rule(self.prefix, self.controller.record.path or "", self.verb.path)

    @cached_property
    def namespace(self) -> Namespace:
        return Namespace(self.endpoint.chain.innermost, self.controller.cls)

    @cached_property
    def method(self) -> Any:
        core: Any = self.endpoint.chain.core
        return core.__get__(self.instance, type(self.instance)) if hasattr(core, "__get__") else core

    @cached_property
    def kind(self) -> str:
        core, innermost = self.endpoint.chain.core, self.endpoint.chain.innermost
        if _is_coroutine_function(core):
            return "async"
        if inspect.iscoroutinefunction(innermost) or inspect.isasyncgenfunction(innermost):
            return "direct"
        return "thread"


def join_rule(*parts: str) -> str:
    """Return the parts of a rule as one, with single slashes between them.

    Example:
        join_rule("/api", "/users/", "/<int:id>") == "/api/users/<int:id>"
    """
    joined = ""
    for part in parts:
        if part:
            joined = f"{joined.rstrip('/')}/{part.lstrip('/')}"
    return joined or "/"


def _doc_of(handler: Callable[..., Any], cls: type) -> str | None:
    """Return a method's docstring, or the one of the method that it overrides."""
    if not handler.__doc__ and not hasattr(super(cls, cls), handler.__name__):
        return None  # `inspect` would look for the method's class first.
    return inspect.getdoc(handler)


def _is_coroutine_function(function: Any) -> bool:
    """Do what `inspect` does, which looks for partial objects first."""
    is_plain = type(function) is FunctionType and function.__code__.co_flags & inspect.CO_COROUTINE
    return bool(is_plain) or inspect.iscoroutinefunction(function)


def _hooks(instance: Controller, names: Sequence[str]) -> tuple[Hook, ...]:
    if not names:
        return ()
    methods = [getattr(instance, name) for name in names]
    return tuple([Hook(method, inspect.iscoroutinefunction(method)) for method in methods])


def _socket_warnings(subject: _Subject, layers: Sequence[Layer]) -> Iterator[str]:
    for layer in layers:
        if layer.place == Place.SESSION:
            yield f"{subject.where}: {layer.name} stays open as long as the websocket does"
    if subject.controller.before:
        yield f"{subject.where}: @before_request does not run for websockets; a layer such as a login does"


def _media_type(value: str | None) -> MediaType | None:
    if value is None:
        return None
    return MediaType(value) if value in MediaType.__members__.values() else value  # type: ignore[return-value]


def _success_status(produces: str | None, status: int | None, returned: ReturnType) -> int:
    if status is not None:
        return status
    is_empty = produces == MediaType.NO_CONTENT or returned.is_nothing
    return int(HttpStatus.NO_CONTENT if is_empty else HttpStatus.OK)


def _plain_socket(subject: _Subject) -> Mistake:
    return Mistake(
        "PAT105",
        subject.where,
        "@socket on a method that is no coroutine",
        "an `async def` method without `yield`, which awaits what it receives and sends",
        "make the method `async def`",
        subject.endpoint.location,
    )


def _unusable_type(subject: _Subject, error: Exception) -> Mistake:
    return Mistake(
        "PAT116",
        subject.where,
        f"a type that Pydantic cannot use: {str(error).splitlines()[0]}",
        "types with a Pydantic schema",
        "use a Pydantic model, a dataclass or a standard type, or annotate with Any",
        subject.endpoint.location,
    )
