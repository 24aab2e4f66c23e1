"""What an operation answers: its success, the declared answers and those of the framework."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import responses as phrases
from typing import Literal

from patera._compiler.plan import ApplicationPlan, EndpointPlan
from patera.controller import Descriptor
from patera.http import MediaType
from patera.layer import Place

from ._paths import shape_of
from ._requests import BODY_SOURCES, WIRE_SOURCES, body_plans, is_validated
from ._schemas import Schema, Schemas, combine, reference

ErrorFormat = Literal["patera", "problem"]

#: Exceptions behind the framework's own answers: a handler for one of them answers something else.
EXCEPTIONS = {
    400: ("MalformedRequest",),
    401: ("AuthenticationException",),
    403: ("CorsOriginNotAllowed", "UnauthorizedException", "AuthorizationException", "CsrfError"),
    404: ("NotFound",),
    405: ("CorsMethodNotAllowed", "MethodNotAllowed", "NotFound"),
    413: ("PayloadTooLarge",),
    415: ("UnsupportedMediaType",),
    422: ("RequestValidationError", "ValidationError"),
}
CATCH_ALL = ("BaseHttpException", "Exception", "BaseException")

READING = frozenset(("GET", "HEAD"))

#: Statuses without a body (RFC 9110, sections 15.3.5, 15.3.6 and 15.4.5).
BODILESS = frozenset((204, 205, 304))

TEXT: Schema = {"type": "string"}

ERROR: Schema = {
    "type": "object",
    "description": "An error of the application or the framework.",
    "required": ["status", "message"],
    "properties": {
        "status": {"type": "string", "description": "A word for the kind of outcome.", "examples": ["error"]},
        "message": {"type": "string", "description": "What went wrong."},
        "data": {"description": "Further facts."},
    },
}

ERRORS: Schema = {
    "type": "array",
    "description": "Each mistake with its full location.",
    "items": {
        "type": "object",
        "required": ["loc", "msg", "type"],
        "properties": {
            "loc": {"type": "array", "items": {"type": ["string", "integer"]}},
            "msg": {"type": "string"},
            "type": {"type": "string"},
        },
    },
}

DETAILS: Schema = {
    "type": "object",
    "description": "The first mistake of each field.",
    "additionalProperties": {"type": "string"},
}

VALIDATION_ERROR: Schema = {
    "type": "object",
    "description": "The request was read, but its data does not fit.",
    "required": ["status", "message", "details", "errors"],
    "properties": {
        "status": {"type": "string", "examples": ["error"]},
        "message": {"type": "string"},
        "details": DETAILS,
        "errors": ERRORS,
    },
}

PROBLEM: Schema = {
    "type": "object",
    "description": "A problem as RFC 9457 describes it.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "data": {"description": "Further facts."},
    },
}

VALIDATION_PROBLEM: Schema = {
    **PROBLEM,
    "description": "The request was read, but its data does not fit; described as in RFC 9457.",
    "required": [*PROBLEM["required"], "details", "errors"],
    "properties": {**PROBLEM["properties"], "details": DETAILS, "errors": ERRORS},
}


@dataclass(slots=True)
class Answer:
    """One status of an operation: when it is given, and the schemas of its body by media type."""

    descriptions: list[str] = field(default_factory=list)
    contents: dict[str, list[Schema]] = field(default_factory=dict)

    def add(self, media_type: str, *schemas: Schema) -> None:
        """Note a media type of the body, and its schema where it has one."""
        self.contents.setdefault(media_type, []).extend(schemas)

    def as_object(self, status: int) -> Schema:
        """Return the response object."""
        description = "\n\n".join(self.descriptions) or phrases.get(status) or f"Status {status}"
        content = {
            media_type: {"schema": combine(schemas, "anyOf")} if schemas else {}
            for media_type, schemas in self.contents.items()
        }
        return {"description": description, "content": content} if content else {"description": description}


class Errors:
    """The framework's own answers in one document.

    Args:
        plan: The compiled application, whose exception handlers may answer instead.
        schemas: The schemas of the document; get the components of the errors.
        error_format: The value of `ERROR_FORMAT`.
    """

    def __init__(self, plan: ApplicationPlan, schemas: Schemas, error_format: ErrorFormat) -> None:
        self._siblings: defaultdict[str, list[EndpointPlan]] = defaultdict(list)
        for endpoint in plan.endpoints:
            self._siblings[shape_of(endpoint)].append(endpoint)
        self._handled = {name.rpartition(".")[2] for name in plan.exception_handlers}
        is_problem = error_format == "problem"
        self._media_type = str(MediaType.APPLICATION_PROBLEM_JSON if is_problem else MediaType.APPLICATION_JSON)
        any_error = schemas.add_component("Error", PROBLEM if is_problem else ERROR)
        invalid = schemas.add_component("ValidationErrorBody", VALIDATION_PROBLEM if is_problem else VALIDATION_ERROR)
        self._any_error, self._invalid = reference(any_error), reference(invalid)

    def answers(self, endpoint: EndpointPlan) -> Iterator[tuple[int, str]]:
        """Yield the statuses that the framework may answer with, the most specific description first."""
        for layer in endpoint.layers:
            # Forged requests are refused where they could change something.
            if layer.place != Place.CSRF.name or endpoint.method not in READING:
                yield from layer.statuses
        reads_body = bool(body_plans(endpoint))
        readable = [plan for plan in endpoint.parameters if reads_body or plan.source not in BODY_SOURCES]
        if reads_body or any(plan.source in WIRE_SOURCES for plan in readable):
            yield 400, "The request cannot be read"
        if endpoint.path_converters:
            yield 404, "Not found"
        if any(_takes_what_is_refused(other, endpoint) for other in self._siblings[shape_of(endpoint)]):
            yield 405, "The path belongs to another endpoint"
        if reads_body:
            yield 413, "The body is too large"
            yield 415, "The body has another media type"
        if any(is_validated(endpoint, plan) for plan in readable):
            yield 422, "The data does not fit"
        yield from _cors_answers(endpoint)

    def complete(self, answer: Answer, status: int, description: str) -> None:
        """Add the framework's answer; its body is left open where an exception handler writes it."""
        answer.descriptions = answer.descriptions or [description]
        if not self._handled.intersection((*EXCEPTIONS.get(status, ()), *CATCH_ALL)):
            answer.add(self._media_type, self._invalid if status == 422 else self._any_error)


def responses(endpoint: EndpointPlan, schemas: Schemas, errors: Errors) -> Schema:
    """Return the responses object of an operation."""
    answers: defaultdict[int, Answer] = defaultdict(Answer)
    _add_success(answers[endpoint.status], endpoint, schemas)
    for descriptor in endpoint.descriptors:
        _add_declared(answers[int(descriptor.status)], descriptor, schemas)
    completed: set[int] = set()
    for status, description in errors.answers(endpoint):
        if status not in completed:
            errors.complete(answers[status], status, description)
            completed.add(status)
    return {str(status): answers[status].as_object(status) for status in sorted(answers)}


def _add_success(answer: Answer, endpoint: EndpointPlan, schemas: Schemas) -> None:
    if endpoint.status in BODILESS or endpoint.produces == MediaType.NO_CONTENT:
        return
    if endpoint.has_response_type:
        for media_type in _typed_media(endpoint):
            answer.add(media_type, schemas.of(endpoint.response_type, "serialization"))
    elif endpoint.produces is not None:
        answer.add(str(endpoint.produces), *([TEXT] if endpoint.produces.startswith("text/") else []))


def _add_declared(answer: Answer, descriptor: Descriptor, schemas: Schemas) -> None:
    if descriptor.description is not None:
        answer.descriptions.append(descriptor.description)
    if descriptor.body is not None:
        answer.add(str(descriptor.media_type), schemas.of(descriptor.body, "serialization"))
    elif descriptor.media_type != MediaType.APPLICATION_JSON:
        answer.add(str(descriptor.media_type))


def _typed_media(endpoint: EndpointPlan) -> list[str]:
    if endpoint.produces is not None:
        return [str(endpoint.produces)]
    if endpoint.response_type is str:
        return [str(MediaType.TEXT_PLAIN), str(MediaType.APPLICATION_JSON)]
    if endpoint.response_type is bytes:
        return [str(MediaType.APPLICATION_OCTET_STREAM)]
    return [str(MediaType.APPLICATION_JSON)]


def _takes_what_is_refused(other: EndpointPlan, endpoint: EndpointPlan) -> bool:
    """Tell whether a value that this endpoint's rule refuses may fit the rule of another method."""
    pairs = zip(other.path_converters.values(), endpoint.path_converters.values(), strict=True)
    differ = any(type(one) is not type(two) or vars(one) != vars(two) for one, two in pairs)
    return differ and other.method != endpoint.method and not other.is_socket


def _cors_answers(endpoint: EndpointPlan) -> Iterator[tuple[int, str]]:
    cors = endpoint.cors
    if cors is not None and "*" not in cors.allow_origins:
        yield 403, "The origin is not allowed"
    if cors is not None and endpoint.method not in cors.allow_methods:
        yield 405, "The method is not allowed for other origins"
