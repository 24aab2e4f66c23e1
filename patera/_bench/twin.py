"""Writes the plain Starlette twin of some routes: a module that a user can read, change and serve."""

from __future__ import annotations

import inspect
import json
import re
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin
from uuid import UUID

from patera._compiler.annotations import is_scalar_list
from patera.inspect import EndpointPlan, ParameterPlan

from .names import Names, snake
from .routes import LeftOut, Selected
from .skeleton import MODULE, TAKEN

if TYPE_CHECKING:
    from patera.application import Patera

#: Starlette's own converters by what they give to the endpoint.
CONVERTORS: dict[Any, str] = {int: ":int", float: ":float", UUID: ":uuid", str: ""}

JSON_TYPES = ("application/json", "application/problem+json")
LONGEST_LINE = 100


class Twin:
    """The twin of an application, endpoint by endpoint.

    Args:
        application: The application's class.
        has_middleware: Whether it has middleware of Patera's own kind.
    """

    def __init__(self, application: type[Patera], *, has_middleware: bool = False) -> None:
        self._has_middleware = has_middleware
        self._application = f"{application.__module__}:{application.__qualname__}"
        self._names = Names(TAKEN)
        self._constants = {"application": f"{self._names.of(application)}()"}
        self._endpoints: list[str] = []
        #: The lines of the routes by their place in the application's own order.
        self._routes: dict[int, str] = {}

    def add(self, selected: Selected) -> None:
        """Write the endpoint of a route, once for all requests to it.

        Raises:
            LeftOut: It has something that Starlette has no equal of.
        """
        if selected.position in self._routes:
            return
        plan, path = selected.plan, _starlette_path(selected)
        lines = ["request.res = Answer()", *self._before(selected), *self._return(selected)]
        function = self._names.free(snake(plan.name))
        self._endpoints.append("\n    ".join([f"async def {function}(request: Request) -> Response:", *lines]))
        endpoint = f"behind_middleware({function})" if self._has_middleware else function
        self._routes[selected.position] = f'        Route({json.dumps(path)}, {endpoint}, methods=["{plan.method}"]),'

    def source(self, name: str) -> str:
        """Return the module.

        Args:
            name: What it is called, for the line that says how to serve it.
        """
        return MODULE.substitute(
            application=self._application,
            name=name,
            imports="\n".join(self._names.import_lines()),
            constants="\n".join(f"{constant} = {value}" for constant, value in self._constants.items()),
            endpoints="\n\n\n".join(self._endpoints),
            routes="\n".join(line for _, line in sorted(self._routes.items())),
        )

    def _before(self, selected: Selected) -> list[str]:
        """Return the lines that make the result: a `@before_request` hook may do so in place of the method."""
        lines = [*self._body(selected.plan), *self._call(selected)]
        for hook in reversed(selected.plan.before):
            asked = f"result = await {self._hook(selected, hook, 'request')}"
            lines = [asked, "if result is None:", *(f"    {line}" for line in lines)]
        return lines

    def _call(self, selected: Selected) -> list[str]:
        plan = selected.plan
        method = f"{self._controller(selected)}.{plan.name.partition('.')[2]}"
        read = [each for each in plan.parameters if each.source != "injected"]
        arguments = ["request", *(f"{each.name}={self._value(each, plan)}" for each in read)]
        if not plan.is_async:
            method, arguments = "run_in_threadpool", [method, *arguments]
        line = f"result = await {method}({', '.join(arguments)})"
        if len(line) <= LONGEST_LINE:
            return [line]
        return [f"result = await {method}(", *(f"    {argument}," for argument in arguments), ")"]

    def _hook(self, selected: Selected, hook: str, subject: str) -> str:
        controller = self._controller(selected)
        is_async = inspect.iscoroutinefunction(getattr(_controller_of(selected), hook))
        return f"{controller}.{hook}({subject})" if is_async else f"run_in_threadpool({controller}.{hook}, {subject})"

    def _controller(self, selected: Selected) -> str:
        if inspect.isasyncgenfunction(inspect.unwrap(selected.route.endpoint)):
            raise LeftOut("it streams, and what a stream costs is not what the framework does")
        cls = type(_controller_of(selected))
        return self._constant(snake(cls.__name__), f"{self._names.of(cls)}(application)")

    def _body(self, plan: EndpointPlan) -> list[str]:
        if not any(each.source == "body" for each in plan.parameters):
            return []
        is_json = plan.consumes is None or plan.consumes in JSON_TYPES
        return [f"body = await request.{'json' if is_json else 'body'}()"]

    def _value(self, parameter: ParameterPlan, plan: EndpointPlan) -> str:
        """Return the expression that reads a parameter, as `int(request.query_params.get("page", 1))`."""
        annotation = parameter.annotation
        if parameter.source == "path":
            raw = f'request.path_params["{parameter.name}"]'
            given = getattr(plan.path_converters[parameter.name], "python_type", str)
            return raw if annotation in (given, Any) else self._read(annotation, raw)
        if parameter.source == "body":
            is_raw = annotation in (bytes, str) and plan.consumes not in (None, *JSON_TYPES)
            return f"body{'.decode()' * (annotation is str)}" if is_raw else self._read(annotation, "body")
        values = {"query": "query_params", "header": "headers", "cookie": "cookies"}[parameter.source]
        if hasattr(annotation, "model_fields"):
            return self._read(annotation, f"dict(request.{values})")
        return self._optional(parameter, f"request.{values}")

    def _optional(self, parameter: ParameterPlan, values: str) -> str:
        annotation, key = parameter.annotation, f'"{parameter.alias}"'
        default = None if parameter.required else self._literal(parameter)
        if is_scalar_list(annotation):
            or_default = "" if parameter.required else f" or {default}"
            return self._read(annotation, f"{values}.getlist({key}){or_default}")
        if parameter.required:
            return self._read(annotation, f"{values}[{key}]")
        if parameter.default is None:
            return self._read(annotation | None, f"{values}.get({key})")
        return self._read(annotation, f"{values}.get({key}, {default})")

    def _literal(self, parameter: ParameterPlan) -> str:
        default = parameter.default
        if isinstance(default, Enum):
            return f"{self._names.of(type(default))}.{default.name}"
        if type(default) not in (type(None), bool, int, float, str, list):
            raise LeftOut(f"the default of {parameter.name} cannot be written as source")
        return json.dumps(default) if isinstance(default, str) else repr(default)

    def _read(self, annotation: Any, raw: str) -> str:
        annotation = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
        if annotation is str:
            return raw
        if annotation in (int, float):
            return f"{annotation.__name__}({raw})"
        return f"{self._adapter(annotation)}.validate_python({raw})"

    def _adapter(self, annotation: Any) -> str:
        text = self._names.type(annotation)
        return self._constant(re.sub(r"\W+", "_", text).strip("_").upper(), f"TypeAdapter({text})")

    def _constant(self, name: str, value: str) -> str:
        """Return the constant of that value, a new one where there is none yet."""
        for known, other in self._constants.items():
            if other == value:
                return known
        name = self._names.free(name)
        self._constants[name] = value
        return name

    def _return(self, selected: Selected) -> list[str]:
        """Return the lines that make the response, and hand it to the `@after_request` hooks."""
        plan = selected.plan
        options = [f"shape={self._adapter(plan.response_type)}"] if plan.has_response_type else []
        options += [f"status={plan.status}"] if plan.status != 200 else []
        options += [f'media_type="{plan.produces!s}"'] if plan.produces is not None else []
        responds = f"respond({', '.join(['request', 'result', *options])})"
        if not plan.after:
            return [f"return {responds}"]
        hooks = [f"response = await {self._hook(selected, hook, 'response')} or response" for hook in plan.after]
        return [f"response = {responds}", *hooks, "return response"]


def _controller_of(selected: Selected) -> object:
    controller: object = getattr(selected.route.endpoint, "__self__", None)
    if controller is None:
        raise LeftOut("a decorator from elsewhere hides its controller")
    return controller


def _starlette_path(selected: Selected) -> str:
    """Return the rule as Starlette writes it: `/users/{user_id:int}`."""
    return selected.route.parsed.render(str, lambda variable: f"{{{variable.name}{_convertor(variable.converter)}}}")


def _convertor(converter: Any) -> str:
    if not converter.part_isolating:
        return ":path"
    if converter.python_type not in CONVERTORS:
        raise LeftOut(f"Starlette has no converter like {type(converter).__name__}")
    return CONVERTORS[converter.python_type]
