"""The compiled plan: what `build()` decided, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from patera.controller import Descriptor
    from patera.http import MediaType

Source = Literal["path", "query", "header", "cookie", "form", "file", "body", "injected"]


@dataclass(frozen=True, slots=True)
class ParameterPlan:
    """Where one parameter of a handler comes from.

    `alias` is the name on the wire (`x-api-key` for a header); `annotation` is the resolved type.
    """

    name: str
    source: Source
    alias: str
    annotation: Any
    required: bool
    default: Any = None


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """One layer of an endpoint: a guard, a cache, a session."""

    name: str
    place: str
    key: str
    injects: tuple[str, ...] = ()
    statuses: tuple[tuple[int, str], ...] = ()
    security: Mapping[str, Mapping[str, Any]] | None = None
    security_is_optional: bool = False


@dataclass(frozen=True, slots=True)
class CorsPlan:
    """The CORS policy of one endpoint, global keys and `@cors` merged."""

    allow_origins: tuple[str, ...]
    allow_methods: tuple[str, ...]
    allow_headers: tuple[str, ...]
    expose_headers: tuple[str, ...]
    allow_credentials: bool
    max_age: int | None


@dataclass(slots=True)  # frozen ones take thrice as long to make, and there is one an endpoint
class EndpointPlan:
    """One route of one controller method.

    `response_type` is the `T` of `Response[T]` (or a plain return annotation that shapes);
    `has_response_type` tells None as a type from no declaration.
    """

    name: str
    controller: str
    where: str
    location: str
    rule: str
    method: str
    doc: str | None
    tags: tuple[str, ...]
    in_schema: bool
    parameters: tuple[ParameterPlan, ...]
    path_converters: Mapping[str, Any]
    consumes: MediaType | None
    produces: MediaType | None
    status: int
    has_response_type: bool
    response_type: Any
    descriptors: tuple[Descriptor, ...]
    layers: tuple[LayerPlan, ...]
    cors: CorsPlan | None
    is_async: bool
    before: tuple[str, ...]
    after: tuple[str, ...]
    is_builtin: bool = False
    security_headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_socket(self) -> bool:
        """Whether this is a websocket endpoint."""
        return self.method == "SOCKET"


@dataclass(frozen=True, slots=True)
class ApplicationPlan:
    """Everything that `build()` compiled, in the order of the routes."""

    application: str
    endpoints: tuple[EndpointPlan, ...]
    middleware: tuple[str, ...]
    asgi_middleware: tuple[str, ...]
    extensions: tuple[str, ...]
    exception_handlers: Mapping[str, str]
