"""What is wrong with a handler's parameters, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from patera.exceptions import Mistake
from patera.http import HttpMethod, MediaType

from .annotations import Unresolved
from .plan import ParameterPlan

FORM_TYPES = frozenset({MediaType.APPLICATION_X_WWW_FORM_URLENCODED, MediaType.MULTIPART_FORM_DATA})
JSON_TYPES = frozenset({MediaType.APPLICATION_JSON, MediaType.APPLICATION_PROBLEM_JSON})


@dataclass(slots=True)
class HandlerContext:
    """What decides the sources of a handler's parameters."""

    where: str
    location: str
    method: str
    rule: str
    converters: Mapping[str, Any]
    injected: frozenset[str]
    consumes: str | None


def nothing_fills(name: str, annotation: Any, context: HandlerContext, problem: str) -> Mistake:
    """Return the mistake of a parameter without a source."""
    shown = "no annotation" if annotation is Any else f"the annotation {annotation!r}"
    return Mistake(
        "PAT110",
        f"{context.where}({name})",
        f"a parameter with {shown} that nothing fills" + (f": {problem}" if problem else ""),
        "a variable of the route, a Pydantic model, a scalar or list of scalars (query string), "
        "a marker such as Annotated[str, Header()], or the name that a session decorator injects",
        f"name it in the rule {context.rule!r}, annotate it, give it a default, or add the decorator that injects it",
        context.location,
    )


def unresolved_annotation(name: str, annotation: Unresolved, context: HandlerContext) -> Mistake:
    """Return the mistake of an annotation that decides something and cannot be resolved."""
    return Mistake(
        "PAT111",
        f"{context.where}({name})",
        f"the annotation {annotation.text!r} cannot be resolved ({annotation.reason})",
        "an annotation that exists at run time, as it decides where the value is read from",
        "import the type outside of `if TYPE_CHECKING:`",
        context.location,
    )


def unused_variable(variable: str, context: HandlerContext) -> Mistake:
    """Return the mistake of a rule's variable that the handler does not take."""
    return Mistake(
        "PAT112",
        context.where,
        f"the rule {context.rule!r} has the variable {variable!r}, the handler no parameter of that name",
        "a parameter for each variable of the rule",
        f"add the parameter {variable!r}, or take the variable out of the rule",
        context.location,
    )


def unread_body(context: HandlerContext) -> Mistake:
    """Return the mistake of `@consumes` without a parameter that reads the body."""
    return Mistake(
        "PAT113",
        context.where,
        f"@consumes({context.consumes!r}) on {context.method} without a parameter that reads the body",
        "a parameter with a Pydantic model, or Annotated[..., Form()/File()/Body()]",
        "add the parameter, or remove @consumes",
        context.location,
    )


def unfit_body(plan: ParameterPlan, context: HandlerContext) -> Mistake:
    """Return the mistake of a parameter that a body of the consumed type cannot fill."""
    if context.method == HttpMethod.SOCKET:
        return _body_of_socket(plan, context)
    accepted = "str or bytes, which get the raw body"
    if context.consumes in JSON_TYPES:
        accepted = "a form, which has fields and files"
    elif context.consumes == MediaType.NO_CONTENT:
        accepted = "no parameter that needs a body, as the body is ignored"
    return Mistake(
        "PAT114",
        f"{context.where}({plan.name})",
        f"{plan.annotation!r} ({plan.source}) to be read from a body of the type {str(context.consumes)!r}",
        accepted,
        "consume JSON or a form, or change the parameter",
        context.location,
    )


def _body_of_socket(plan: ParameterPlan, context: HandlerContext) -> Mistake:
    return Mistake(
        "PAT114",
        f"{context.where}({plan.name})",
        f"{plan.annotation!r} ({plan.source}) to be read by a websocket, which has no body",
        "values of the path, the query string, headers and cookies",
        "take another source, or receive it as a message: await req.receive_json()",
        context.location,
    )


def positional_only(name: str, context: HandlerContext) -> Mistake:
    """Return the mistake of a parameter that cannot be given by its name."""
    return Mistake(
        "PAT117",
        f"{context.where}({name})",
        "a parameter in front of a `/`, which cannot be given by its name",
        "parameters that can be given by name, behind `self` and the request",
        "move the `/` in front of it, or remove the `/`",
        context.location,
    )


def marker_as_default(name: str, default: Any, context: HandlerContext) -> Mistake:
    """Return the mistake of a marker or a `Field()` that stands where the default belongs."""
    return Mistake(
        "PAT118",
        f"{context.where}({name})",
        f"{default!r} as the default, which would be handed over as the value",
        "markers and Field() within Annotated, as in page: Annotated[int, Query()] = 1",
        "move it into the annotation",
        context.location,
    )


def unfit_variable(plan: ParameterPlan, given: type, context: HandlerContext) -> Mistake:
    """Return the mistake of an annotation that no value of the rule's converter fits."""
    return Mistake(
        "PAT119",
        f"{context.where}({plan.name})",
        f"the annotation {plan.annotation!r}, while the rule {context.rule!r} gives a value of the type "
        f"{given.__name__}",
        "an annotation that takes the converter's values",
        f"annotate it with {given.__name__}, or use another converter in the rule",
        context.location,
    )
