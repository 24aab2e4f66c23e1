"""What a query says with words: attribute names, sort orders, LIKE patterns and whole numbers."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, Uuid, false, inspect
from sqlalchemy.exc import ArgumentError, InvalidRequestError
from sqlalchemy.ext.hybrid import HybridExtensionType
from sqlalchemy.orm import Mapper

from patera.exceptions import BaseHttpException
from patera.http import HttpStatus

__all__ = [
    "LARGEST",
    "QueryError",
    "attribute_of",
    "equal_to",
    "escape_like",
    "key_names",
    "mapper_of",
    "order_of",
    "whole_number",
]

#: The largest number that databases take for LIMIT and OFFSET.
LARGEST = 2**63 - 1

_ORDER = re.compile(r"(?P<name>\w+)(?:\s+(?P<direction>asc|desc))?", re.IGNORECASE | re.ASCII)
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+")


class QueryError(BaseHttpException, ValueError):
    """A query names something that the model does not have, or a number that is none (400).

    The names usually came with the request; the answer repeats them and never lists the model's own.

    Example:
        User.query(session).order_by_strings("pasword DESC")   # 400: User has no column 'pasword'

    Args:
        message: What was found, for the client.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message, HttpStatus.BAD_REQUEST)


def escape_like(text: str, escape: str = "/") -> str:
    r"""Return `text` as a LIKE pattern that matches just this text: `%`, `_` and the escape character are escaped.

    Example:
        query.like(User.name, f"%{escape_like(text)}%", escape="/")
        escape_like("50%_off")   # 50/%/_off

    Args:
        text: What a user typed.
        escape: The character that `like()` and `ilike()` get as `escape`.

    Raises:
        ValueError: `escape` is not one character, or is a wildcard itself.
    """
    if len(escape) != 1 or escape in "%_":
        raise ValueError(
            f"escape_like(escape={escape!r}): one character is needed, neither % nor _; '/' is the default"
        )
    return re.sub(f"([%_{re.escape(escape)}])", lambda found: escape + found[1], text)


def mapper_of(entity: Any) -> Mapper[Any]:
    """Return the mapper of a model or of an alias of one.

    Raises:
        TypeError: It is neither.
    """
    if isinstance(entity, type) and "__mapper__" in entity.__dict__:
        # A model, as nearly always; inspect() asks further.
        return entity.__dict__["__mapper__"]  # type: ignore[no-any-return]
    inspected = inspect(entity, raiseerr=False)
    mapper = getattr(inspected, "mapper", None)
    is_class = isinstance(entity, type) or getattr(inspected, "is_aliased_class", False)
    if mapper is None or not is_class:
        raise TypeError(f"a query needs a mapped class, got {entity!r}; pass the model itself: AsyncQuery(User)")
    return mapper  # type: ignore[no-any-return]


def key_names(entity: Any) -> list[str]:
    """Return the names of the attributes that make the primary key, in its order."""
    mapper = mapper_of(entity)
    return [mapper.get_property_by_column(column).key for column in mapper.primary_key]


def attribute_of(entities: Iterable[Any], name: str) -> Any:
    """Return the mapped attribute `name` of the one entity that has it.

    Args:
        entities: The model of a query, and what was joined to it.
        name: The attribute's name, often from outside: whatever is not mapped is refused.

    Raises:
        QueryError: None of them has it.
        ValueError: Several of them have it.
    """
    entities = list(entities)
    owners = [entity for entity in entities if _is_filterable(entity, name)]
    if not owners:
        raise _unknown(entities, name)
    if len(owners) > 1:
        names = " and ".join(_name_of(owner) for owner in owners)
        raise ValueError(f"filter_by({name}=...): {names} have it; write where({_name_of(owners[0])}.{name} == ...)")
    return getattr(owners[0], name)


def equal_to(attribute: Any, value: Any) -> ColumnElement[bool]:
    """Return the condition that an attribute has a value; None means `IS NULL`.

    Ids that come out of a URL, a cookie or a token are text: PostgreSQL compares no number with a text, MariaDB
    takes any word for 0. So text is read as the number or UUID that the column holds; where it is none, no row
    has it.

    Args:
        attribute: What `attribute_of()` returned, or the column of a key.
        value: Anything.

    Raises:
        QueryError: The attribute is a relationship, and the value no row.
    """
    if isinstance(value, str):
        kind = getattr(attribute, "type", None)
        try:
            if isinstance(kind, Integer):
                value = int(value if _WHOLE_NUMBER.fullmatch(value) else "")
            elif isinstance(kind, Uuid) and kind.as_uuid:
                value = UUID(value)
        except ValueError:
            return false()
    try:
        condition: ColumnElement[bool] = attribute == value
    except (ArgumentError, InvalidRequestError) as error:
        raise QueryError(f"{attribute} cannot be compared with {value!r:.80}") from error
    return condition


def order_of(entity: Any, text: str, allowed: Collection[str] | None = None) -> ColumnElement[Any]:
    """Return what `"name"`, `"name ASC"` or `"name DESC"` sorts by.

    Args:
        entity: The model.
        text: The order, often from outside.
        allowed: The names that may be used; all columns of the model without it.

    Raises:
        QueryError: The text has another form, or names something that may not be used.
    """
    found = _ORDER.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise QueryError(f"Cannot sort by {text!r}: a column name is accepted, with ASC or DESC behind it")
    name = found["name"]
    if not _is_sortable(entity, name) or (allowed is not None and name not in allowed):
        raise _unknown([entity], name, allowed)
    column: ColumnElement[Any] = getattr(entity, name)
    return column.desc() if (found["direction"] or "asc").lower() == "desc" else column.asc()


def whole_number(value: Any, name: str) -> int:
    """Return `value` as an int of at most 64 bits; text of digits is understood, as it comes from a query string.

    Args:
        value: The number.
        name: What it is, for the message.

    Raises:
        QueryError: It is no whole number.
    """
    if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value.strip()):
        text = value.strip()
        # Python refuses to read thousands of digits; nineteen decide.
        value = int(text) if len(text) < 20 else (-LARGEST if text.startswith("-") else LARGEST)
    if not isinstance(value, int) or isinstance(value, bool):
        raise QueryError(f"{name} must be a whole number, got {value!r:.80}")
    return max(-LARGEST, min(int(value), LARGEST))


def _is_filterable(entity: Any, name: str) -> bool:
    found = mapper_of(entity).all_orm_descriptors.get(name)
    return found is not None and found.extension_type is not HybridExtensionType.HYBRID_METHOD


def _is_sortable(entity: Any, name: str) -> bool:
    mapper = mapper_of(entity)
    if name in mapper.synonyms:
        name = mapper.synonyms[name].name
    found = mapper.all_orm_descriptors.get(name)
    is_hybrid = found is not None and found.extension_type is HybridExtensionType.HYBRID_PROPERTY
    return is_hybrid or name in mapper.column_attrs


def _unknown(entities: list[Any], name: str, allowed: Collection[str] | None = None) -> QueryError:
    names = " or ".join(_name_of(entity) for entity in entities)
    listed = f"; accepted: {', '.join(sorted(allowed))}" if allowed is not None else ""
    error = QueryError(f"{names} has no column {name!r}{listed}"[:500])
    # For the log and the debug page only: a client has no business with the names of all columns.
    known = sorted({attribute.key for entity in entities for attribute in mapper_of(entity).attrs})
    error.add_note(f"mapped attributes: {', '.join(known)}")
    return error


def _name_of(entity: Any) -> str:
    return str(mapper_of(entity).class_.__name__)
