"""The layers behind the decorators: login, roles, permission, optional user."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from anyio import from_thread

from patera.csrf import csrf_protect_logins
from patera.exceptions import AuthenticationException, Mistake, UnauthorizedException
from patera.layer import Call, Layer, NextSync, Place

from ._credentials import Credentials
from ._guard_mistakes import ambiguous, missing, undecided, unlisted

if TYPE_CHECKING:
    from patera.application import Patera

    from ._authentication import Authentication

__all__ = ["LoginRequired", "OptionalUser", "PermissionRequired", "RoleRequired"]

T = TypeVar("T")


class _UserLayer(Layer):
    """A layer that asks an `Authentication`: the one it was given, or the only one of the application."""

    def __init__(self, auth: Authentication | None = None) -> None:
        self.auth = auth

    @property
    def key(self) -> Hashable:
        return type(self), self.auth

    def mistakes(self, app: Patera, where: str, location: str) -> Sequence[Mistake]:
        """Return what keeps the decorator from finding its `Authentication`."""
        known = authentications_of(app)
        if self.auth is not None:
            return () if self.auth in known else (unlisted(self.auth, where, location),)
        if not known:
            return (missing(where, location),)
        return (ambiguous(known, where, location),) if len(known) > 1 else ()

    def authentication(self, call: Call) -> Authentication:
        """Return the `Authentication` that decides about a call.

        Raises:
            AuthenticationException: There is none, because there is no application or no request.
        """
        if self.auth is not None:
            return self.auth
        known = authentications_of(call.app) if call.app is not None else []
        if len(known) != 1:
            raise AuthenticationException
        return known[0]


class _FindsUser(_UserLayer):
    """A layer that finds out who sends a request."""

    place = Place.LOGIN

    @overload
    def __call__(self, target: T) -> T: ...
    @overload
    def __call__(self, *, auth: Authentication | None = None) -> Self: ...
    def __call__(self, target: Any = None, *, auth: Authentication | None = None) -> Any:
        """Decorate a method or controller; or return the decorator for one of several `Authentication`s."""
        return super().__call__(target) if target is not None else type(self)(auth or self.auth)

    def security_for(self, app: Patera) -> Mapping[str, Mapping[str, Any]] | None:
        """Return the schemes that the `Authentication` takes, for the OpenAPI document."""
        known = [self.auth] if self.auth is not None else authentications_of(app)
        return known[0].security_schemes(app) if len(known) == 1 else None


class LoginRequired(_FindsUser):
    """Lets a request pass whose user is known, and answers 401 to any other."""

    name = "login_required"
    statuses: Mapping[int, str] = {401: "Login required"}

    def implied(self) -> Sequence[Layer]:
        """Return the protection against forged requests: browsers send logins along."""
        return (csrf_protect_logins,)

    async def guard(self, call: Call) -> Any:
        """Load the user; without one, refuse or lead to the login page."""
        auth = self.authentication(call)
        if call.request is None:
            raise AuthenticationException
        if await auth.user(call.request) is None:
            return auth.refuse(call.request)
        return None


class OptionalUser(_FindsUser):
    """Loads the user where there is one, and refuses nobody."""

    name = "optional_user"
    security_is_optional = True

    def implied(self) -> Sequence[Layer]:
        """Return the protection against forged requests of users."""
        return (_csrf_protect_users,)

    async def guard(self, call: Call) -> None:
        """Load the user."""
        if call.request is not None:
            await self.authentication(call).user(call.request)


class _CsrfProtectUsers(Layer):
    """Checks unsafe requests of users; nobody else has anything that a forged request could use."""

    place = Place.CSRF
    #: Behind `csrf_exempt` in the alphabet.
    name = "csrf_protect_users"

    async def guard(self, call: Call) -> None:
        if call.request is not None and call.request.user is not None:
            await csrf_protect_logins.guard(call)


_csrf_protect_users = _CsrfProtectUsers()


class _DemandsRight(_UserLayer):
    """A layer that lets some users pass; implies a login."""

    def implied(self) -> Sequence[Layer]:
        """Return the login."""
        return (LoginRequired(self.auth),)

    async def guard(self, call: Call) -> Any:
        """Refuse nobody as the login does, and check the user."""
        auth = self.authentication(call)
        if call.request is None:
            raise AuthenticationException
        user = await auth.user(call.request)
        if user is None:
            return auth.refuse(call.request)
        return await self.check(auth, user, call)

    @abstractmethod
    async def check(self, auth: Authentication, user: Any, call: Call) -> None:
        """Let a user pass.

        Raises:
            UnauthorizedException: The user may not.
        """


class RoleRequired(_DemandsRight):
    """Lets users pass that have one of some roles, or all of them; implies a login.

    Args:
        roles: The roles.
        require_all: Whether the user needs every one of them.
        auth: The `Authentication` that decides.
    """

    place = Place.ROLES
    statuses: Mapping[int, str] = {403: "Missing user role(s)"}

    def __init__(self, roles: Sequence[Any], *, require_all: bool = False, auth: Authentication | None = None) -> None:
        super().__init__(auth)
        self.roles = tuple(roles)
        self.require_all = require_all

    @property
    def key(self) -> Hashable:
        return type(self), self.auth, self.roles, self.require_all

    @property
    def name(self) -> str:
        joined = (" and " if self.require_all else " or ").join(str(role) for role in self.roles)
        return f"role_required({joined})"

    def mistakes(self, app: Patera, where: str, location: str) -> Sequence[Mistake]:
        """Return nothing: the login reports what is missing."""
        return ()

    async def check(self, auth: Authentication, user: Any, call: Call) -> None:
        """Ask `role_check()`."""
        if not await auth.has_roles(user, self.roles, require_all=self.require_all):
            raise UnauthorizedException(auth.configs["UNAUTHORIZED_ERROR_MESSAGE"], self.roles)


class PermissionRequired(_DemandsRight):
    """Lets users pass to whom `permission_check()` says yes; implies a login.

    Without `obj` it is a guard, and runs before the body is read; with it, behind the parameters.

    Args:
        permission: What the user wants to do, in the application's own words.
        obj: The name of the handler's parameter that it is done to.
        auth: The `Authentication` that decides.
    """

    statuses: Mapping[int, str] = {403: "Missing permission"}

    def __init__(self, permission: str, obj: str | None = None, *, auth: Authentication | None = None) -> None:
        super().__init__(auth)
        self.permission = permission
        self.obj = obj
        self.place = Place.ROLES if obj is None else Place.INJECT

    @property
    def key(self) -> Hashable:
        return type(self), self.auth, self.permission, self.obj

    @property
    def name(self) -> str:
        # In lower case, so that layers which are named as their classes inject before this one looks.
        return f"permission({self.permission}{f' of {self.obj}' if self.obj else ''})"

    def __call__(self, target: T) -> T:
        """Decorate a method; without `obj` also a controller.

        Raises:
            TypeError: The method has no parameter `obj`.
        """
        if self.obj is not None and not _has_parameter(target, self.obj):
            raise TypeError(
                f"permission({self.permission!r}, obj={self.obj!r}) is on {getattr(target, '__qualname__', target)}, "
                f"which has no parameter {self.obj!r}; name a parameter of the method that is decorated"
            )
        return super().__call__(target)

    def mistakes(self, app: Patera, where: str, location: str) -> Sequence[Mistake]:
        """Return that nothing decides about permissions; the login reports all else."""
        known = [self.auth] if self.auth is not None else authentications_of(app)
        return [undecided(auth, where, location) for auth in known if not auth.defines("permission_check")]

    async def check(self, auth: Authentication, user: Any, call: Call) -> None:
        """Ask `permission_check()`."""
        if not await auth.is_permitted(user, self.permission, self._object(call)):
            raise UnauthorizedException(auth.configs["PERMISSION_ERROR_MESSAGE"])

    def around_sync(self, call: Call, next: NextSync) -> Any:
        """Ask from the thread of a `def` method."""
        answer = from_thread.run(self.guard, call)
        return answer if answer is not None else next(call)

    def _object(self, call: Call) -> Any:
        if self.obj is None or self.obj in call.kwargs:
            return call.kwargs.get(self.obj) if self.obj is not None else None
        raise RuntimeError(
            f"{self.name} found no {self.obj!r} among {sorted(call.kwargs)}; "
            "what injects it has to come before in the alphabet, or pass it in the path"
        )


def authentications_of(app: Patera) -> list[Authentication]:
    """Return the `Authentication`s of an application, in the order in which they were listed."""
    found: list[Any] = [extension for extension in app.extensions.values() if isinstance(extension, Credentials)]
    return found


def _has_parameter(target: Any, name: str) -> bool:
    if isinstance(target, type) or not callable(target):
        return False
    parameters = inspect.signature(target).parameters
    return name in parameters or any(each.kind is each.VAR_KEYWORD for each in parameters.values())
