"""Where each parameter of a handler is read from: decided once, read per request."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import FunctionType
from typing import TYPE_CHECKING, Any

from pydantic.fields import FieldInfo
from typing_extensions import TypeIs

from patera.exceptions import Mistake
from patera.http import HttpMethod, MediaType
from patera.parameters import Body, Cookie, File, Form, Header, Parameter, Path, Query

from .annotations import (
    Namespace,
    Unresolved,
    is_body_like,
    is_file,
    is_model,
    is_scalar,
    is_scalar_list,
    members,
    split_annotated,
    without_marker,
)
from .converters import DEFAULT_CONVERTERS
from .parameter_mistakes import (
    FORM_TYPES,
    JSON_TYPES,
    HandlerContext,
    marker_as_default,
    nothing_fills,
    positional_only,
    unfit_body,
    unfit_variable,
    unread_body,
    unresolved_annotation,
    unused_variable,
)
from .plan import ParameterPlan, Source
from .readers import compile_readers

if TYPE_CHECKING:
    from patera.request import Request

#: Methods whose requests carry no body that means anything (RFC 9110, section 9.3).
WITHOUT_BODY = frozenset({"GET", "HEAD", "DELETE", "SOCKET"})

_BUILT_IN = frozenset(DEFAULT_CONVERTERS.values())

_MARKED: dict[type[Parameter], Source] = {
    Query: "query",
    Header: "header",
    Cookie: "cookie",
    Form: "form",
    File: "file",
    Body: "body",
    Path: "path",
}


@dataclass(slots=True)
class Binding:
    """How the keyword arguments of one handler are read.

    Both forms are None where there are none; `bind_body` is the one that reads the request's body.
    """

    parameters: tuple[ParameterPlan, ...]
    bind: Callable[[Request], dict[str, Any]] | None
    bind_body: Callable[[Request], Awaitable[dict[str, Any]]] | None
    mistakes: tuple[Mistake, ...] = ()


_WITHOUT_PARAMETERS = Binding((), None, None)


def compile_binding(function: Callable[..., Any], namespace: Namespace, context: HandlerContext) -> Binding:
    """Compile the parameters of a handler after `self` and the request."""
    parameters = _own_parameters(function)
    if not parameters and not context.converters and context.consumes is None:
        return _WITHOUT_PARAMETERS
    plans: list[ParameterPlan] = []
    mistakes: list[Mistake] = []
    takes_all = any(item.kind is inspect.Parameter.VAR_KEYWORD for item in parameters)
    for parameter in parameters:
        if parameter.kind in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL):
            continue
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            mistakes.append(positional_only(parameter.name, context))
            continue
        found = _plan(parameter, namespace.resolve(parameter.annotation), context)
        if isinstance(found, Mistake):
            mistakes.append(found)
        elif found is not None:
            plans.append(found)
    mistakes.extend(_unused_variables(plans, takes_all, parameters, context))
    mistakes.extend(_unread_body(plans, context))
    mistakes.extend(_unfit_variables(plans, context))
    if mistakes:
        return Binding(tuple(plans), None, None, tuple(mistakes))
    bind, bind_body = compile_readers(tuple(plans), context.converters, context.consumes, takes_all)
    return Binding(tuple(plans), bind, bind_body)


def _own_parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return the parameters without the two for `self` and the request, which `*args` may take too."""
    if _is_simple(function):
        return _named_parameters(function, since=2) if function.__code__.co_argcount > 2 else []
    parameters = list(inspect.signature(function).parameters.values())
    count = 0
    while count < 2 and parameters[count].kind is not inspect.Parameter.VAR_POSITIONAL:
        count += 1
    return parameters[count:]


def _is_simple(function: Callable[..., Any]) -> TypeIs[FunctionType]:
    """Tell whether a function takes nothing but parameters that may be given by position and by name."""
    if type(function) is not FunctionType or not vars(function).keys().isdisjoint(("__wrapped__", "__signature__")):
        return False
    code = function.__code__
    has_others = code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS)
    return code.co_argcount >= 2 and not (code.co_posonlyargcount or code.co_kwonlyargcount or has_others)


def _named_parameters(function: FunctionType, since: int) -> list[inspect.Parameter]:
    """Do what `inspect.signature` does, which takes five times as long because it knows all other callables too."""
    code, annotations, empty = function.__code__, function.__annotations__, inspect.Parameter.empty
    names = code.co_varnames[: code.co_argcount]
    defaults = dict(zip(reversed(names), reversed(function.__defaults__ or ()), strict=False))
    return [
        inspect.Parameter(
            name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=defaults.get(name, empty),
            annotation=annotations.get(name, empty),
        )
        for name in names[since:]
    ]


def _plan(parameter: inspect.Parameter, annotation: Any, context: HandlerContext) -> ParameterPlan | Mistake | None:
    name = parameter.name
    is_required = parameter.default is inspect.Parameter.empty
    default = None if is_required else parameter.default
    if name in context.injected:
        return ParameterPlan(name, "injected", name, Any, required=False)
    if isinstance(default, (Parameter, FieldInfo)):
        return marker_as_default(name, default, context)
    if isinstance(annotation, Unresolved):
        return _plan_unresolved(name, annotation, is_required, context)
    if annotation is inspect.Parameter.empty:
        annotation = Any
    source, alias, problem = _source(name, annotation, context)
    if source is None:
        return nothing_fills(name, annotation, context, problem) if is_required else None
    return ParameterPlan(name, source, alias, without_marker(annotation), is_required, default)


def _plan_unresolved(
    name: str, annotation: Unresolved, is_required: bool, context: HandlerContext
) -> ParameterPlan | Mistake | None:
    if name in context.converters:
        return ParameterPlan(name, "path", name, Any, required=True)
    if not is_required:
        return None
    return unresolved_annotation(name, annotation, context)


def _source(name: str, annotation: Any, context: HandlerContext) -> tuple[Source | None, str, str]:
    _, marker, metadata = split_annotated(annotation)
    alias = (marker.alias if marker is not None else None) or _field_alias(metadata)
    if marker is not None:
        source = _MARKED[type(marker)]
        if source == "path" and name not in context.converters:
            return None, name, f"the rule {context.rule!r} has no variable of that name"
        if source == "header":
            return source, (alias or name.replace("_", "-")).lower(), ""
        return source, name if source == "path" else alias or name, ""
    if name in context.converters:
        return "path", name, ""
    return _implicit_source(annotation, context), alias or name, ""


def _field_alias(metadata: tuple[Any, ...]) -> str | None:
    """Return the alias of a Pydantic `Field()` in the annotation."""
    fields = [item for item in metadata if isinstance(item, FieldInfo)]
    return next((field.alias for field in fields if field.alias), None)


def _implicit_source(annotation: Any, context: HandlerContext) -> Source | None:
    if is_file(annotation):
        return "file"
    if is_body_like(annotation):
        return _model_source(annotation, context)
    is_raw = context.consumes is not None and context.consumes not in (FORM_TYPES | JSON_TYPES)
    if is_raw and annotation in (str, bytes):
        return "body"
    if annotation is not Any and (is_scalar(annotation) or is_scalar_list(annotation)):
        return "query"
    return None


def _model_source(annotation: Any, context: HandlerContext) -> Source | None:
    if context.consumes in FORM_TYPES:
        return "form"
    if context.consumes is not None or context.method not in WITHOUT_BODY:
        return "body"
    return "query" if is_model(annotation) else None


def _unused_variables(
    plans: list[ParameterPlan], takes_all: bool, parameters: list[inspect.Parameter], context: HandlerContext
) -> list[Mistake]:
    taken = {plan.name for plan in plans} | {parameter.name for parameter in parameters}
    if takes_all:
        return []
    return [unused_variable(variable, context) for variable in context.converters if variable not in taken]


def _unread_body(plans: list[ParameterPlan], context: HandlerContext) -> list[Mistake]:
    reads = [plan for plan in plans if plan.source in ("body", "form", "file")]
    if context.method == HttpMethod.SOCKET:
        return [unfit_body(plan, context) for plan in reads]
    if context.consumes is None:
        return []
    if not reads and context.method not in WITHOUT_BODY and context.consumes != MediaType.NO_CONTENT:
        return [unread_body(context)]
    return [unfit_body(plan, context) for plan in reads if not _can_carry(context.consumes, plan)]


def _can_carry(consumes: str, plan: ParameterPlan) -> bool:
    """Tell whether a body of the media type can fill the parameter."""
    if consumes in FORM_TYPES:
        return True
    if consumes in JSON_TYPES:
        return plan.source == "body"
    if consumes == MediaType.NO_CONTENT:
        return not plan.required
    return plan.source == "body" and plan.annotation in (str, bytes)


def _unfit_variables(plans: list[ParameterPlan], context: HandlerContext) -> list[Mistake]:
    """Report annotations of path variables that no value of a built-in converter fits."""
    found = [(plan, context.converters[plan.name]) for plan in plans if plan.source == "path"]
    return [
        unfit_variable(plan, converter.python_type, context)
        for plan, converter in found
        if plan.annotation is not converter.python_type
        and type(converter) in _BUILT_IN
        and _is_unfit(plan.annotation, converter.python_type)
    ]


def _is_unfit(annotation: Any, given: type) -> bool:
    return all(
        is_body_like(member) or is_scalar_list(member) or (given is not str and member in (str, bytes))
        for member in members(annotation)
    )
