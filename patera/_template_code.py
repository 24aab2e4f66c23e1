"""Jinja's environment for template files, with less to do at run time for the same text.

Jinja's asynchronous code awaits the value of every attribute, call, filter and test through a
coroutine, and hands every piece of the page through an asynchronous generator. Both cost more than
most templates' own work. Here the compiled code looks at a value first and awaits what can be
awaited, and collects the pieces of a page in a list:

    await auto_await(x)    becomes x, or `await x` where isawaitable(x); that is not even asked for most types
    yield x                becomes pieces.append(x), and the function ends with `yield concat(pieces)`

The code stays asynchronous, so a template that awaits something needs no other treatment. Code of a
shape that is not known here stays as Jinja wrote it.
"""

from __future__ import annotations

import ast
import datetime
from decimal import Decimal
from types import BuiltinMethodType, CodeType, FunctionType, MethodType, NoneType
from typing import Any
from uuid import UUID

from jinja2 import Environment, StrictUndefined, Undefined
from jinja2.runtime import AsyncLoopContext, LoopContext
from markupsafe import Markup

__all__ = ["PLAIN_TYPES", "TemplateEnvironment"]

#: Exact types of values that cannot be awaited; others are asked.
PLAIN_TYPES = frozenset(
    (
        *(bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset, range, NoneType),
        *(datetime.datetime, datetime.date, datetime.time, datetime.timedelta, Decimal, UUID, Markup),
        *(FunctionType, MethodType, BuiltinMethodType, Undefined, StrictUndefined, LoopContext, AsyncLoopContext),
    )
)

_IMPORTS = f"from inspect import isawaitable; from types import GeneratorType; from {__name__} import PLAIN_TYPES"
_AWAITED = """\
found if (kind := type(found := VALUE)) in PLAIN_TYPES
or not (hasattr(kind, "__await__") or kind is GeneratorType)
or not isawaitable(found) else await found"""
_COLLECTED = "pieces.append(VALUE)"

#: What `getattr` finds in a dict; any other name can only be one of its keys.
_ATTRIBUTES_OF_DICT = frozenset((*vars(dict), *vars(object)))


class TemplateEnvironment(Environment):
    """Jinja's environment, quicker with dicts; and quicker with asynchronous pages where `whole_pages` is set."""

    #: Whether templates are compiled to give their text in one piece, which is not how one streams them.
    whole_pages = False

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Look `obj.attribute` up: the attribute, else the item, else an undefined value."""
        # Where only the item can be meant, the failing look-up of the attribute costs ten times as much as the item.
        if type(obj) is not dict or attribute in _ATTRIBUTES_OF_DICT:
            try:
                return getattr(obj, attribute)
            except AttributeError:
                pass
        try:
            return obj[attribute]
        except (TypeError, LookupError, AttributeError):
            return self.undefined(obj=obj, name=attribute)

    def _compile(self, source: str, filename: str) -> CodeType:
        """Compile the Python code of a template; a hook of Jinja's."""
        if self.is_async and self.whole_pages:
            try:
                return compile(_quicker(source), filename, "exec")
            except RecursionError:
                # Hundreds of `elif` are nested too deeply for a visitor, but not for Python's compiler.
                pass
        return super()._compile(source, filename)


def _quicker(source: str) -> ast.Module:
    """Return Jinja's code of a template, rewritten as this module says; errors are found at the same lines."""
    module: ast.Module = _Awaits().visit(ast.parse(source))
    for function in module.body:
        # These are `root` and one for each block; functions within them yield to loops.
        if isinstance(function, ast.AsyncFunctionDef):
            body = [_Pieces().visit(statement) for statement in function.body]
            function.body = [*ast.parse("pieces = []").body, *body, *ast.parse("yield concat(pieces)").body]
    module.body[:0] = ast.parse(_IMPORTS).body
    return ast.fix_missing_locations(module)


class _Awaits(ast.NodeTransformer):
    """Awaits without a coroutine of Jinja's, and only what can be awaited."""

    def visit_Await(self, node: ast.Await) -> ast.expr:
        self.generic_visit(node)
        match node.value:
            case ast.Call(func=ast.Name(id="auto_await"), args=[value], keywords=[]):
                return _filled(_AWAITED, value, node)
        return node


class _Pieces(ast.NodeTransformer):
    """Collects what a function yields itself."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt:
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.stmt:
        return node

    def visit_Yield(self, node: ast.Yield) -> ast.expr:
        return _filled(_COLLECTED, node.value or ast.Constant(None), node)


class _Value(ast.NodeTransformer):
    """Puts an expression in the place of `VALUE`."""

    def __init__(self, value: ast.expr) -> None:
        self._value = value

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._value if node.id == "VALUE" else node


def _filled(code: str, value: ast.expr, place: ast.expr) -> ast.expr:
    """Return the expression `code` of `value`, to be found where `place` was."""
    expression = ast.parse(f"({code})", mode="eval").body
    for node in ast.walk(expression):
        ast.copy_location(node, place)
    filled: ast.expr = _Value(value).visit(expression)
    return filled
