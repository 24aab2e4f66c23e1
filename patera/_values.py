"""Mappings with repeated keys: the query string, form fields and files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar, overload
from urllib.parse import parse_qsl

from starlette.datastructures import ImmutableMultiDict
from starlette.datastructures import QueryParams as StarletteQueryParams

from .exceptions import MalformedRequest

__all__ = ["MissingValue", "MultiValues", "QueryParams"]

#: More parameters than this in a query string are an attack or a mistake.
MAX_QUERY_PARAMETERS = 1000

V = TypeVar("V")
T = TypeVar("T")
D = TypeVar("D")


class MissingValue(MalformedRequest, KeyError):
    """`req.form["x"]` or `req.query_params["x"]` without an `x`: a `KeyError` that answers 400 when unhandled.

    Args:
        key: The key that is missing.
    """

    def __init__(self, key: str) -> None:
        super().__init__(f"Missing value: {key}")
        self.key = key

    __str__ = Exception.__str__


class MultiValues(ImmutableMultiDict[str, V]):
    """A read-only mapping that may hold a key several times; the first value counts.

    Example:
        values["page"]                      # "3", the first value; MissingValue (400) without one
        values.get("page", 1, type=int)     # 3, or 1 when it is missing or no number
        values.getlist("tag")               # ["a", "b"]
        values.multi_items()                # [("page", "3"), ("tag", "a"), ("tag", "b")]

    Args:
        items: Pairs of key and value, in their order.
    """

    def __init__(self, items: Iterable[tuple[str, V]] = ()) -> None:
        self._list = list(items)
        self._dict = {}
        for key, value in self._list:
            self._dict.setdefault(key, value)

    def __getitem__(self, key: str) -> V:
        try:
            return self._dict[key]
        except KeyError:
            raise MissingValue(key) from None

    @overload
    def get(self, key: str) -> V | None: ...
    @overload
    def get(self, key: str, default: D) -> V | D: ...
    @overload
    def get(self, key: str, default: None = None, type: None = None) -> V | None: ...
    @overload
    def get(self, key: str, default: None = None, *, type: Callable[[V], T]) -> T | None: ...
    @overload
    def get(self, key: str, default: D, type: Callable[[V], T]) -> T | D: ...
    def get(self, key: str, default: Any = None, type: Callable[[V], Any] | None = None) -> Any:
        """Return the first value of `key`.

        Args:
            key: The key.
            default: Returned when the key is missing or `type` refuses its value.
            type: Called with the value; a `ValueError` or `TypeError` of it means "no value".
        """
        if key not in self._dict:
            return default
        value = self._dict[key]
        if type is None:
            return value
        try:
            return type(value)
        except (ValueError, TypeError):
            return default

    @overload
    def getlist(self, key: str) -> list[V]: ...
    @overload
    def getlist(self, key: str, type: Callable[[V], T]) -> list[T]: ...
    def getlist(self, key: str, type: Callable[[V], Any] | None = None) -> list[Any]:
        """Return all values of `key` in their order, without those that `type` refuses.

        Args:
            key: The key.
            type: Called with each value.
        """
        values = [value for name, value in self._list if name == key]
        return values if type is None else list(_converted(values, type))


def _converted(values: list[V], type: Callable[[V], T]) -> Iterable[T]:
    for value in values:
        try:
            yield type(value)
        except (ValueError, TypeError):
            continue


class QueryParams(MultiValues[str], StarletteQueryParams):
    """The parameters of a query string; a blank value is `""`.

    Example:
        req.query_params.get("page", 1, type=int)

    Args:
        query: What stands behind the `?`, or pairs of key and value.

    Raises:
        MalformedRequest: It has more than 1000 parameters.
    """

    def __init__(self, query: bytes | str | Iterable[tuple[str, str]] = b"") -> None:
        super().__init__(_parse_query(query) if isinstance(query, bytes | str) else query)


def _parse_query(query: bytes | str) -> list[tuple[str, str]]:
    text = query if isinstance(query, str) else query.decode("utf-8", "replace")
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_QUERY_PARAMETERS)
    except ValueError as exc:
        raise MalformedRequest(f"More than {MAX_QUERY_PARAMETERS} query parameters") from exc
