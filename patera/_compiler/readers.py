"""The functions that read a handler's parameters from a request; made at build, run per request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, NotRequired

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError
from typing_extensions import TypedDict

from patera._validation import has_too_many
from patera.exceptions import MalformedRequest, RequestValidationError, UnsupportedMediaType
from patera.http import MediaType
from patera.request import check_json_numbers, media_type_of

from .annotations import fields_of, is_file, is_model, is_scalar_list, members
from .plan import ParameterPlan

if TYPE_CHECKING:
    from patera.request import Request

Values = dict[str, Any]
Read = Callable[["Request", Values], None]
ReadBody = Callable[["Request", Values], Awaitable[Values]]
Bind = Callable[["Request"], Values]
BindBody = Callable[["Request"], Awaitable[Values]]

UTF8 = frozenset({None, "utf-8", "utf8", "us-ascii", "ascii"})


def compile_readers(
    plans: tuple[ParameterPlan, ...], converters: Mapping[str, Any], consumes: str | None, takes_all: bool
) -> tuple[Bind | None, BindBody | None]:
    """Return the function that reads all parameters: a plain one, or a coroutine where the body is read."""
    if not plans and not takes_all:
        return None, None
    direct = [plan for plan in plans if plan.source == "path" and _is_direct(plan, converters)]
    if len(direct) == len(plans):
        return _only_path(tuple([plan.name for plan in plans]), takes_all), None
    checked = [plan for plan in plans if plan.source in ("path", "query", "header", "cookie") and plan not in direct]
    scalars = [plan for plan in checked if not is_model(plan.annotation)]
    reads: list[Read] = []
    if direct or takes_all:
        reads.append(_read_path(tuple(plan.name for plan in direct), takes_all))
    if scalars:
        reads.append(_read_scalars(scalars))
    reads.extend(_read_model(plan) for plan in checked if is_model(plan.annotation))
    body = _body_reader([plan for plan in plans if plan.source in ("body", "form", "file")], consumes)
    if consumes == MediaType.NO_CONTENT:
        body = None
    bind = _fold(reads, [plan.name for plan in direct], takes_all)
    return (bind, None) if body is None else (None, _with_body(bind, body))


def _is_direct(plan: ParameterPlan, converters: Mapping[str, Any]) -> bool:
    given = getattr(converters.get(plan.name), "python_type", None)
    return plan.annotation is Any or plan.annotation is given


def _fold(reads: list[Read], direct: list[str], takes_all: bool) -> Bind | None:
    if not reads:
        return None
    if len(reads) == 1 and (direct or takes_all):
        return _only_path(tuple(direct), takes_all)

    def bind(request: Request) -> Values:
        values: Values = {}
        for read in reads:
            read(request, values)
        return values

    return bind


# Many endpoints take the same variables: `id`.
@lru_cache(maxsize=256)
def _only_path(names: tuple[str, ...], takes_all: bool) -> Bind:
    """Hand the route's own values over as they are; an application mounted below variables picks its own."""
    count = -1 if takes_all else len(names)

    def bind(request: Request) -> Values:
        values: Values = request.scope["path_params"]
        if len(values) == count:
            return values
        return dict(values) if takes_all else {name: values[name] for name in names}

    return bind


def _read_path(names: tuple[str, ...], takes_all: bool) -> Read:
    def read(request: Request, values: Values) -> None:
        found = request.scope["path_params"]
        if takes_all:
            values.update(found)
            return
        for name in names:
            values[name] = found[name]

    return read


def _read_scalars(plans: list[ParameterPlan]) -> Read:
    keys = _wire_names(plans)
    validate = _fields_validator(plans, keys)
    sources = {keys[plan.name]: plan.source for plan in plans}
    extractors = [(keys[plan.name], _extractor(plan)) for plan in plans]

    def read(request: Request, values: Values) -> None:
        raw = {}
        for key, extract in extractors:
            value = extract(request)
            if value is not None:
                raw[key] = value
        try:
            values.update(validate(raw))
        except ValidationError as error:
            raise RequestValidationError(located(error), sources) from error

    return read


def _wire_names(plans: list[ParameterPlan]) -> dict[str, str]:
    """Return what errors call each parameter: its name on the wire, unless two sources use the same."""
    aliases = [plan.alias for plan in plans]
    return {plan.name: plan.alias if aliases.count(plan.alias) == 1 else plan.name for plan in plans}


def _fields_validator(plans: list[ParameterPlan], keys: Mapping[str, str]) -> Callable[[Any], Values]:
    """Return a validator of all parameters at once, so that all their mistakes are reported."""
    fields = {plan.name: _field(plan, keys[plan.name]) for plan in plans}
    adapter: TypeAdapter[Any] = TypeAdapter(TypedDict("Parameters", fields))  # type: ignore[operator]
    validate: Callable[[Any], Values] = adapter.validator.validate_python
    return validate


def _field(plan: ParameterPlan, key: str) -> Any:
    annotation = plan.annotation if key == plan.name else Annotated[plan.annotation, Field(alias=key)]
    return annotation if plan.required else NotRequired[annotation]


def _extractor(plan: ParameterPlan) -> Callable[[Request], Any]:
    alias, many = plan.alias, is_scalar_list(plan.annotation)
    if plan.source == "path":
        return lambda request: request.scope["path_params"][alias]
    if plan.source == "cookie":
        return lambda request: request.cookies.get(alias)
    if plan.source == "header":
        if many:
            return lambda request: request.headers.getlist(alias) or None
        return lambda request: request.single_header(alias)
    if many:
        return lambda request: request.query_params.getlist(alias) or None
    return lambda request: request.query_params.get(alias)


def _read_model(plan: ParameterPlan) -> Read:
    validate = _validator(plan.annotation).validate_python
    lists = list_fields(plan.annotation)
    source, name = plan.source, plan.name

    def read(request: Request, values: Values) -> None:
        raw = _mapping(request, source, lists)
        if not raw and not plan.required:
            return
        try:
            values[name] = validate(raw)
        except ValidationError as error:
            located_error = located(error)
            raise RequestValidationError(located_error, _all_from(located_error, source)) from error

    return read


def _all_from(error: ValidationError, source: str) -> dict[str, str]:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return {str(item["loc"][0]): source for item in found}


def _mapping(request: Request, source: str, lists: frozenset[str]) -> dict[str, Any]:
    if source == "cookie":
        return dict(request.cookies)
    if source == "header":
        return {name.replace("-", "_"): value for name, value in request.headers.items()}
    query = request.query_params
    return {key: query.getlist(key) if key in lists else query[key] for key in query}


def list_fields(annotation: Any) -> frozenset[str]:
    """Return the names (and aliases) of a model's fields that take several values."""
    fields = fields_of(annotation).items()
    return frozenset(name for name, field in fields if is_scalar_list(field) or _is_file_list(field))


def _is_file_list(annotation: Any) -> bool:
    return is_file(annotation) and any(hasattr(member, "__args__") for member in members(annotation))


def _with_body(bind: Bind | None, read: ReadBody) -> BindBody:
    if bind is None:
        return lambda request: read(request, {})
    return lambda request: read(request, dict(bind(request)))


def _body_reader(plans: list[ParameterPlan], consumes: str | None) -> ReadBody | None:
    if not plans:
        return None
    form_types = (MediaType.APPLICATION_X_WWW_FORM_URLENCODED, MediaType.MULTIPART_FORM_DATA)
    if consumes in form_types or any(plan.source in ("form", "file") for plan in plans):
        return _read_form(plans, (consumes,) if consumes in form_types else form_types)
    if consumes is None or consumes in (MediaType.APPLICATION_JSON, MediaType.APPLICATION_PROBLEM_JSON):
        return _read_json(plans, consumes or MediaType.APPLICATION_JSON)
    return _read_raw(plans, consumes)


def _read_json(plans: list[ParameterPlan], expected: str) -> ReadBody:
    targets = [(plan.name, _validator(plan.annotation).validate_json, plan.required) for plan in plans]
    fast_type = expected.encode()

    async def read(request: Request, values: Values) -> Values:
        types = [value for name, value in request.scope["headers"] if name == b"content-type"]
        if types != [fast_type]:
            if not types and not await _has_body(request, targets):
                return values
            require_json(request, expected)
        body = await request.body()
        check_json_numbers(body)
        for name, validate, is_required in targets:
            if not body and not is_required:
                continue
            try:
                values[name] = validate(body)
            except ValidationError as error:
                raise_body_error(error)
            except (ValueError, RecursionError) as error:
                raise MalformedRequest("Malformed JSON") from error
        return values

    return read


async def _has_body(request: Request, targets: list[Any]) -> bool:
    """Tell whether a body must be there or is; one that is optional may be left out with its type."""
    return any(is_required for _, _, is_required in targets) or bool(await request.body())


def raise_body_error(error: ValidationError) -> NoReturn:
    """Raise 400 for JSON that cannot be parsed, 422 for JSON that does not fit."""
    if error.error_count() == 1:
        only = error.errors(include_url=False, include_input=False, include_context=False)[0]
        if only["type"] == "json_invalid" and not only["loc"]:
            raise MalformedRequest("Malformed JSON") from error
    raise RequestValidationError(located(error)) from error


def require_json(request: Request, expected: str) -> None:
    """Refuse a body that is not JSON in UTF-8.

    Raises:
        UnsupportedMediaType: It is something else, or nothing says what it is.
    """
    media_type, charset = media_type_of(request)
    is_json = media_type is not None and (
        media_type in (MediaType.APPLICATION_JSON, expected) or media_type.endswith("+json")
    )
    if not is_json:
        raise UnsupportedMediaType(expected, media_type)
    if charset not in UTF8:
        raise UnsupportedMediaType(f"{expected}; charset=utf-8", f"{media_type}; charset={charset}")


def _read_raw(plans: list[ParameterPlan], expected: str) -> ReadBody:
    targets = [(plan.name, plan.annotation is str) for plan in plans]

    async def read(request: Request, values: Values) -> Values:
        media_type, _ = media_type_of(request)
        if media_type != expected:
            raise UnsupportedMediaType(expected, media_type)
        for name, is_text in targets:
            values[name] = await request.text() if is_text else await request.body()
        return values

    return read


def _read_form(plans: list[ParameterPlan], expected: tuple[str | None, ...]) -> ReadBody:
    models = [plan for plan in plans if is_model(plan.annotation)]
    singles = [plan for plan in plans if plan not in models]
    read_models = [
        (plan.name, _validator(plan.annotation).validate_python, list_fields(plan.annotation)) for plan in models
    ]
    read_singles = _form_singles(singles) if singles else None

    async def read(request: Request, values: Values) -> Values:
        media_type, _ = media_type_of(request)
        if media_type not in expected:
            raise UnsupportedMediaType(" or ".join(str(each) for each in expected), media_type)
        form = await request.form_and_files()
        if read_singles is not None:
            read_singles(form, values)
        for name, validate, lists in read_models:
            raw = {key: form.getlist(key) if key in lists else form[key] for key in form}
            try:
                values[name] = validate(raw)
            except ValidationError as error:
                raise_body_error(error)
        return values

    return read


def _form_singles(plans: list[ParameterPlan]) -> Callable[[Any, Values], None]:
    keys = _wire_names(plans)
    validate = _fields_validator(plans, keys)
    sources = {keys[plan.name]: plan.source for plan in plans}
    wanted = [
        (keys[plan.name], plan.alias, is_scalar_list(plan.annotation) or _is_file_list(plan.annotation))
        for plan in plans
    ]

    def read(form: Any, values: Values) -> None:
        raw = {key: form.getlist(alias) if many else form[alias] for key, alias, many in wanted if alias in form}
        try:
            values.update(validate(raw))
        except ValidationError as error:
            raise RequestValidationError(located(error), sources) from error

    return read


def _validator(annotation: Any) -> Any:
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    return adapter.validator


def located(error: ValidationError) -> ValidationError:
    """Return the error with `("body",)` in place of empty locations, which documented handlers index."""
    if has_too_many(error):
        return error
    found = error.errors(include_url=False)
    if all(item["loc"] for item in found):
        return error
    lines: list[InitErrorDetails] = []
    for item in found:
        kind = _known_type(item)
        line: InitErrorDetails = {"type": kind, "loc": item["loc"] or ("body",), "input": item["input"]}
        if isinstance(kind, str) and "ctx" in item:
            line["ctx"] = item["ctx"]
        lines.append(line)
    return ValidationError.from_exception_data(error.title, lines)


def _known_type(item: Any) -> Any:
    """Return Pydantic's own error type, or the application's as a custom error with its message."""
    kind = item["type"]
    try:
        ValidationError.from_exception_data("probe", [{"type": kind, "input": None, "ctx": item.get("ctx", {})}])
    except (KeyError, TypeError, ValueError):
        return PydanticCustomError(kind, item["msg"].replace("{", "{{").replace("}", "}}"))
    return kind
