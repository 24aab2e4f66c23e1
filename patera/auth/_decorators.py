"""The decorators that find the application's `Authentication` themselves, on methods and classes, in any order."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from patera.controller import Controller

from ._guards import LoginRequired, OptionalUser, PermissionRequired, RoleRequired

if TYPE_CHECKING:
    from ._authentication import Authentication

__all__ = ["login_required", "optional_user", "permission", "role_required"]

F = TypeVar("F", bound=Callable[..., Any])

#: Requires a login, of the application's one `Authentication`; with or without call, on methods and controllers.
login_required = LoginRequired()

#: Loads the user where there is one.
optional_user = OptionalUser()


@overload
def role_required(target: F, /) -> F: ...
@overload
def role_required(*roles: Any, require_all: bool = False, auth: Authentication | None = None) -> RoleRequired: ...
def role_required(*roles: Any, require_all: bool = False, auth: Authentication | None = None) -> Any:
    """Require one of some roles, and a login; each use is a requirement of its own, and all must hold.

    Example:
        @role_required("admin", "editor")
        @get("/drafts")
        async def drafts(self, req: Request) -> Response: ...

    Args:
        *roles: The roles, of which one suffices. Without call, as `@role_required`, it is a login only.
        require_all: Whether the user needs all of them.
        auth: Which of several `Authentication`s decides.

    Raises:
        TypeError: There are no roles, or a role cannot be compared.
    """
    if len(roles) == 1 and _is_target(roles[0]):
        return LoginRequired(auth)(roles[0])
    if not roles:
        raise TypeError("role_required() has no roles, so nobody could pass; name some, or write @login_required")
    for role in roles:
        _check_role(role)
    return RoleRequired(roles, require_all=require_all, auth=auth)


def permission(name: str, obj: str | None = None, *, auth: Authentication | None = None) -> PermissionRequired:
    """Require what `permission_check()` of the `Authentication` decides, and a login.

    Example:
        @permission("post.edit", obj="post_id")
        @put("/<int:post_id>")
        async def edit(self, req: Request, post_id: int) -> Response: ...

    Args:
        name: What the user wants to do, in the application's own words.
        obj: The handler's parameter whose value is passed to `permission_check()`.
        auth: Which of several `Authentication`s decides.

    Raises:
        TypeError: The name is no text, as in `@permission` without call.
    """
    if not isinstance(name, str):
        raise TypeError(f"permission() takes the name of a permission, got {name!r}; write @permission('post.edit')")
    return PermissionRequired(name, obj, auth=auth)


def _is_target(value: Any) -> bool:
    return inspect.isroutine(value) or (isinstance(value, type) and issubclass(value, Controller))


def _check_role(role: Any) -> None:
    if isinstance(role, type) or not isinstance(role, Hashable):
        raise TypeError(
            f"role_required() takes roles, got {role!r}; pass them one by one, as in role_required('admin', 'editor')"
        )
