"""What a handler returned becomes bytes: coerce > render > flush > shape."""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError
from starlette.responses import Response as StarletteResponse

from patera._headers import content_type_header
from patera._json import dump_json
from patera._types import RawHeader
from patera.exceptions import ResponseValidationError
from patera.http import MediaType
from patera.response import HTML_TYPE, JSON_TYPE, Response

if TYPE_CHECKING:
    from patera.request import Request

Encode = Callable[[Any], bytes]

#: What a warning of Pydantic's serializer says beside field and type.
_SUBMITTED_VALUE = re.compile(r", input_value=.*(?=, input_type=)")
AnyResponse = StarletteResponse

#: Kinds of Pydantic's core schemas whose values are as declared once they are validated, and the schemas within.
_INNER: dict[str, tuple[str, ...]] = dict.fromkeys(
    "bool date datetime decimal enum float int literal none str time timedelta url uuid".split(), ()
) | {
    "default": ("schema",),
    "dict": ("keys_schema", "values_schema"),
    "frozenset": ("items_schema",),
    "list": ("items_schema",),
    "nullable": ("schema",),
    "set": ("items_schema",),
}


@dataclass(slots=True)  # frozen ones take thrice as long to make, and there is one an endpoint
class Shape:
    """How the responses of one endpoint or exception handler are finished.

    Args:
        name: `Class.method`, for messages.
        encode: Turns JSON data of a 2xx answer into bytes.
        has_type: Whether a body is promised by `Response[T]`.
        declared_type: Content type of `@produces`.
        status: Status where the handler sets none.
        is_empty: Whether `@produces(NO_CONTENT)` forbids a body.
        any_status: Whether type and `encode` hold for other statuses too, as in exception handlers.
        takes_none: Whether None is a body, as `T | None` declares it.
        takes_tuple: Whether a tuple is a body, as `tuple[T, ...]` declares it, and not body and status.
        warn: Tells once that the handler set another media type than it declares.
    """

    name: str
    encode: Encode
    has_type: bool = False
    declared_type: RawHeader | None = None
    status: int | None = None
    is_empty: bool = False
    any_status: bool = False
    takes_none: bool = False
    takes_tuple: bool = False
    warn: Callable[[str], None] | None = None

    #: Whether nothing but the encoder has to be applied.
    is_plain: bool = field(init=False)

    def __post_init__(self) -> None:
        self.is_plain = self.declared_type is None and self.status is None and not self.is_empty

    def coerce(self, request: Request, result: Any) -> AnyResponse:
        """Return the response for whatever a handler may return."""
        if isinstance(result, StarletteResponse):
            return result
        if result is None:
            return self._of_nothing(request)
        if isinstance(result, tuple) and not self.takes_tuple:
            return self._of_tuple(request, result)
        return _filled(request.res, result)

    async def finish(self, request: Request, result: Any, flushes: Sequence[Callable[[], Any]] = ()) -> AnyResponse:
        """Turn a result into a finished response: doing it again changes nothing."""
        response = self.coerce(request, result)
        if not isinstance(response, Response) or response._is_shaped:
            return self._checked(response)
        if response._template is not None:
            await response.render_template()
        for flush in flushes:
            flushed = flush()
            if inspect.isawaitable(flushed):
                await flushed
        return self.shape(response)

    def finish_sync(self, request: Request, result: Any, flushes: Sequence[Callable[[], Any]] = ()) -> AnyResponse:
        """Do what `finish` does, in the worker thread of a `def` handler."""
        response = self.coerce(request, result)
        if not isinstance(response, Response) or response._is_shaped:
            return self._checked(response)
        response.render_template_sync()
        for flush in flushes:
            flush()
        return self.shape(response)

    def shape(self, response: Response[Any]) -> Response[Any]:
        """Make the body of a response that is filled and rendered."""
        if not self.is_plain:
            self._apply_declared(response)
        status = response._status
        if status is None or 200 <= status < 300 or self.any_status:
            response.shape(self.encode, self.declared_type, self.name)
        else:
            response.shape(dump_json, None, self.name)
        return response

    def _checked(self, response: AnyResponse) -> AnyResponse:
        if isinstance(response, Response):
            if self.has_type and not response._is_filled and response.status_code in (200, 201):
                raise ResponseValidationError(self.name, "a response without a body was returned")
            if not self.is_plain:
                self._apply_declared(response)
        return response

    def _of_nothing(self, request: Request) -> Response[Any]:
        response: Response[Any] = request.res
        if response._is_filled:
            return response
        if self.takes_none:
            return response.json(None)
        if self.has_type:
            raise ResponseValidationError(self.name, "None was returned")
        if response._status is None and self.status is None:
            response._status = 204
        return response

    def _of_tuple(self, request: Request, result: tuple[Any, ...]) -> AnyResponse:
        if len(result) not in (2, 3):
            raise TypeError(f"{self.name} returned a tuple of {len(result)}; (body, status) and headers are understood")
        body, status, *rest = result
        if not isinstance(status, int):
            raise TypeError(f"{self.name} returned {status!r} as status; an int or HttpStatus stands there")
        response = self.coerce(request, body)
        response.status_code = int(status)
        for key, value in (rest[0] if rest else {}).items():
            response.headers[key] = value
        return response

    def _apply_declared(self, response: Response[Any]) -> None:
        if response._status is None and (self.status or self.is_empty):
            response._status = self.status or 204
        if self.is_empty and 200 <= response.status_code < 300:
            response.body = b""
            response._fill(b"", None)
            response.raw_headers[:] = [header for header in response.raw_headers if header[0] != b"content-type"]
            return
        if self.declared_type is not None and (self.any_status or 200 <= response.status_code < 300):
            self._settle_type(response, self.declared_type)

    def _settle_type(self, response: Response[Any], declared: RawHeader) -> None:
        shown = declared[1].decode("latin-1")
        overruled = _overruled(response, shown)
        if overruled is None:
            return
        if self.warn is not None:
            self.warn(overruled)
        if "content-type" in response.headers:
            response.headers["content-type"] = shown


def compile_shape(
    name: str,
    *,
    has_type: bool,
    response_type: Any,
    produces: str | None,
    status: int | None,
    warn: Callable[[str], None] | None = None,
    any_status: bool = False,
) -> Shape:
    """Compile how an endpoint's answers are finished."""
    is_empty = produces == MediaType.NO_CONTENT
    return Shape(
        name,
        compile_encoder(name, response_type) if has_type else dump_json,
        has_type=has_type and not is_empty,
        declared_type=None if produces is None or is_empty else content_type_header(produces),
        status=status,
        is_empty=is_empty,
        any_status=any_status,
        takes_none=has_type and not is_empty and type(None) in get_args(response_type),
        takes_tuple=has_type and get_origin(response_type) is tuple,
        warn=warn,
    )


def compile_encoder(name: str, response_type: Any) -> Encode:
    """Return a function that reads a value through `response_type` and serialises just its fields.

    Raises:
        pydantic.PydanticSchemaGenerationError: Pydantic knows no schema for the type.
    """
    adapter: TypeAdapter[Any] = TypeAdapter(response_type)
    validate = adapter.validator.validate_python
    serialize = adapter.serializer.to_json
    model = response_type if isinstance(response_type, type) and issubclass(response_type, BaseModel) else None
    # Pydantic takes longer to read "error" than to write a small model.
    warnings: Any = False if is_settled(adapter.core_schema) else "error"

    def encode(data: Any) -> bytes:
        try:
            if type(data) is model:
                return serialize(data, by_alias=True, warnings="error")
            data = validate(data, from_attributes=True, by_alias=True, by_name=True)
            return serialize(data, by_alias=True, warnings=warnings)
        except ValidationError as error:
            raise ResponseValidationError(name, _problem(error)) from error.__cause__
        except PydanticSerializationError as error:
            problem = _SUBMITTED_VALUE.sub("", str(error))
            raise ResponseValidationError(name, problem) from error.__cause__

    return encode


def is_settled(schema: Mapping[str, Any], *, is_outermost: bool = True) -> bool:
    """Tell whether everything that a schema has validated can be serialised by it without a doubt.

    Validation keeps instances of models within others as they are, whatever was done to them since they were made,
    and functions of the application may return anything. Defaults are trusted, as Pydantic does.
    """
    kind = schema["type"]
    if "serialization" in schema:
        return False
    if kind == "model":
        return is_outermost and not schema.get("custom_init") and is_settled(schema["schema"])
    if kind == "model-fields":
        fields = schema["fields"].values()
        is_plain = not schema.get("computed_fields")
        return is_plain and all(is_settled(each["schema"], is_outermost=False) for each in fields)
    inner = _INNER.get(kind)
    parts = [schema[key] for key in inner or () if key in schema]
    return inner is not None and all(is_settled(part, is_outermost=False) for part in parts)


def _problem(error: ValidationError) -> str:
    """Name fields and rules, never values: they may be secrets of the server, as is the error itself in a log."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, item['loc'])) or 'body'}: {item['msg']}" for item in found)


def _filled(response: Response[Any], value: Any) -> Response[Any]:
    if isinstance(value, str):
        return response.text(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return response.send_file(bytes(value))
    if isinstance(value, AsyncIterator | Generator):
        return response.stream_text(value)
    return response.json(value)


def _overruled(response: Response[Any], declared: str) -> str | None:
    """Return the media type that the handler set, if `@produces` declares another one."""
    explicit = response.headers.get("content-type")
    if explicit is not None:
        return explicit if explicit != declared and _base_type(explicit) != _base_type(declared) else None
    own = response._default_type
    is_other = own == (HTML_TYPE if _is_json(declared) else JSON_TYPE)
    return own[1].decode("latin-1") if own is not None and is_other else None


def _base_type(content_type: str) -> str:
    return content_type.split(";", 1)[0].strip().lower()


def _is_json(content_type: str) -> bool:
    return _base_type(content_type).endswith(("+json", "/json", "ndjson"))
