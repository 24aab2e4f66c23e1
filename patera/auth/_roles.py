"""Comparing roles however they are written: text, enum members, rows with a name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any


def has_any_role(user: Any, roles: Iterable[Any]) -> bool:
    """Tell whether a user has one of some roles, by its `roles` or its `role`.

    A role is compared by its text or number: of an enum member that is the value, of any other object
    its `role` or `name`.

    Args:
        user: An object, or a dict such as the claims of a token.
        roles: The roles that suffice.
    """
    held = [_plain(role) for role in _roles_of(user)]
    return any(role is not None and role in held for role in map(_plain, roles))


def _roles_of(user: Any) -> Iterable[Any]:
    for name in ("roles", "role"):
        found = user.get(name) if isinstance(user, Mapping) else getattr(user, name, None)
        if found is not None:
            # A text is one role; its characters are none.
            is_one = isinstance(found, str | bytes | Enum) or not isinstance(found, Iterable)
            return [found] if is_one else found
    return ()


def _plain(role: Any) -> Any:
    """Return what a role is compared by; None for an object without one.

    Example:
        _plain(UserRoles.ADMIN) == _plain(Role(name="admin")) == "admin"
    """
    if isinstance(role, Enum):
        return _plain(role.value)
    if isinstance(role, str | int):
        return role
    for name in ("role", "name"):
        found = role.get(name) if isinstance(role, Mapping) else getattr(role, name, None)
        if found is not None and found is not role:
            return _plain(found)
    return None
