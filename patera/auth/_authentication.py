"""`Authentication`: the extension that knows an application's users, and decides what they may do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, overload

from patera.csrf import TOKENLESS_METHODS
from patera.exceptions import AuthenticationException, BaseHttpException, ConfigurationError, Mistake
from patera.http import HttpStatus
from patera.secret_key import secret_key_mistakes

from ._decorators import permission as permission_layer
from ._decorators import role_required as role_layer
from ._guard_mistakes import shared_keys
from ._guards import LoginRequired, OptionalUser, PermissionRequired, RoleRequired, authentications_of
from ._hooks import ask
from ._loaders import UserLoader
from ._login import BrowserLogin
from ._mounts import ProtectedApplication
from ._roles import has_any_role
from ._users import FAILURE_KEY, METHOD_KEY, AnonymousUser, loaded_user, user_of

if TYPE_CHECKING:
    from patera._types import ASGIApp
    from patera.application import Patera
    from patera.request import Request

__all__ = ["Authentication"]

F = TypeVar("F", bound=Callable[..., Any])

#: What the OpenAPI document says of an own `user_loader`, which may look anywhere.
_OWN_SCHEME = {
    "cookieAuth": {
        "type": "apiKey",
        "in": "cookie",
        "name": "auth_cookie",
        "description": "What the application's user_loader reads; security_schemes() can say more.",
    }
}


class Authentication(BrowserLogin):
    """Knows the users of an application: subclass it, create one object, and list that in `EXTENSIONS`.

    Either `user_loader()` finds out who sends a request, or `loaders` name ready ways. Methods that are
    overridden may be `async def`, or `def`, which run in a worker thread.

    Example:
        class Auth(Authentication):
            async def user_loader(self, req: Request) -> User | None:
                cookie = req.cookies.get("auth_cookie")
                return await find_user(self.decode_signed_cookie(cookie)) if cookie else None

        auth = Auth()

        @get("/profile")
        @auth.login_required
        async def profile(self, req: Request) -> Response:
            return req.res.json({"name": req.user.name})

    Args:
        configs_name: Name of the config dict, `AUTHENTICATION` unless given.
        variable_prefix: What stands before that name, and before flat keys.
    """

    #: Ready ways to find out who sends a request; the first that finds a user wins.
    loaders: ClassVar[Sequence[UserLoader]] = ()

    async def user_loader(self, req: Request) -> Any:
        """Return the user that sends a request, or None; override it, or name `loaders`.

        It runs before the body is read, at most once per request. A BaseHttpException is answered as it
        is, `InvalidSignature` means nobody, and any other exception is 503 unless a handler answers it.

        Args:
            req: The request, or the websocket before it is accepted.
        """
        for loader in self.loaders:
            user = await loader.load(self, req)
            if user is not None:
                req.scope.setdefault(METHOD_KEY, loader.method)
                return user
        return None

    async def role_check(self, user: Any, roles: list[Any]) -> bool:
        """Tell whether a user has one of some roles; by default those in `user.roles` or `user.role`.

        Args:
            user: The user.
            roles: The roles of one `@role_required`.
        """
        return has_any_role(user, roles)

    async def permission_check(self, user: Any, permission: str, obj: Any) -> bool:
        """Tell whether a user may do something; override it to use `@permission`.

        Example:
            async def permission_check(self, user, permission, obj):
                return permission == "post.edit" and await is_author(user, post_id=obj)

        Args:
            user: The user.
            permission: The name in the decorator.
            obj: The value of the handler's parameter that the decorator names, None without one.
        """
        return False

    async def user(self, req: Request) -> Any:
        """Return the user of a request, loaded at most once, or None; then `req.user` is set, too.

        Example:
            user = await auth.user(req)

        Args:
            req: The request.
        """
        return await user_of(self, req)

    async def has_roles(self, user: Any, roles: Sequence[Any], *, require_all: bool = False) -> bool:
        """Tell what `role_check()` says of one of some roles, or of each of them.

        Args:
            user: The user.
            roles: The roles.
            require_all: Whether the user needs every one.
        """
        for wanted in [[role] for role in roles] if require_all else [list(roles)]:
            if not await ask(self.role_check, user, wanted):
                return False
        return True

    async def is_permitted(self, user: Any, permission: str, obj: Any = None) -> bool:
        """Tell what `permission_check()` says.

        Args:
            user: The user.
            permission: What the user wants to do.
            obj: What it is done to.
        """
        return bool(await ask(self.permission_check, user, permission, obj))

    @property
    def login_required(self) -> LoginRequired:
        """The decorator that requires a login, on methods and controllers."""
        return LoginRequired(self)

    @property
    def optional_user(self) -> OptionalUser:
        """The decorator that loads the user where there is one, and refuses nobody."""
        return OptionalUser(self)

    @overload
    def role_required(self, target: F, /) -> F: ...
    @overload
    def role_required(self, *roles: Any, require_all: bool = False) -> RoleRequired: ...
    def role_required(self, *roles: Any, require_all: bool = False) -> Any:
        """Return the decorator that requires one of some roles, and a login.

        Example:
            @auth.role_required(UserRoles.ADMIN, UserRoles.SUPERUSER)

        Args:
            *roles: The roles, of which one suffices. Without call it is a login only.
            require_all: Whether the user needs all of them.
        """
        return role_layer(*roles, require_all=require_all, auth=self)

    def permission(self, name: str, obj: str | None = None) -> PermissionRequired:
        """Return the decorator that requires what `permission_check()` decides, and a login.

        Example:
            @auth.permission("post.edit", obj="post_id")

        Args:
            name: What the user wants to do.
            obj: The handler's parameter that it is done to.
        """
        return permission_layer(name, obj, auth=self)

    def protected(self, app: ASGIApp, *roles: Any, require_all: bool = False) -> ProtectedApplication:
        """Return an ASGI application that lets users reach another one, to be mounted in its place.

        Example:
            application.mount("/reports", auth.protected(StaticFiles(directory="reports"), "admin"))

        Args:
            app: The application to protect.
            *roles: The roles, of which one suffices; without any, a login does.
            require_all: Whether the user needs all of them.
        """
        layer = RoleRequired(roles, require_all=require_all, auth=self) if roles else LoginRequired(self)
        return ProtectedApplication(app, layer, self)

    def refuse(self, req: Request) -> Any:
        """Return the way to `LOGIN_URL` for a browser that opens a page, and raise 401 for any other client.

        Args:
            req: A request of nobody.

        Raises:
            AuthenticationException: With the `WWW-Authenticate` of the loaders (RFC 9110, section 11.6.1).
        """
        target = self.login_target(req)
        if target is not None:
            return req.res.redirect(target, HttpStatus.SEE_OTHER)
        error = AuthenticationException(self.configs["AUTHENTICATION_ERROR_MESSAGE"])
        challenges = [loader.challenge(self, req) for loader in self.loaders]
        if any(challenges):
            error.headers["www-authenticate"] = ", ".join(each for each in challenges if each)
        raise error

    def security_schemes(self, app: Patera) -> Mapping[str, Mapping[str, Any]]:
        """Return the OpenAPI security schemes of which a request needs one, by their names.

        Args:
            app: The application whose document is made.
        """
        found = {name: scheme for loader in self.loaders for name, scheme in loader.security(self, app).items()}
        return found or _OWN_SCHEME

    def translate_error(self, error: Exception, request: Request) -> BaseHttpException | None:
        """Return 503 for what a loader raised, as the user is unknown; a mistake in the configuration stays one."""
        if request.scope.get(FAILURE_KEY) is not error or isinstance(error, ConfigurationError):
            return None
        return BaseHttpException("The login could not be checked, try again later", HttpStatus.SERVICE_UNAVAILABLE)

    def defines(self, *names: str) -> bool:
        """Tell whether the subclass overrides one of some methods.

        Args:
            *names: The names of the methods.
        """
        return any(getattr(type(self), name) is not getattr(Authentication, name) for name in names)

    def init_app(self, app: Patera) -> None:
        """Check what the subclass defines, and offer `current_user` to templates."""
        mistakes = self._missing_hooks()
        if mistakes:
            raise ConfigurationError(*mistakes)
        if authentications_of(app)[:1] in ([], [self]):
            app.add_global_context_method(self._template_context)

    def mistakes(self, app: Patera) -> Sequence[Mistake]:
        """Return what makes the SECRET_KEY unfit, if anything is signed with it, and keys shared with another one.

        A server ends with 3 then.
        """
        found = shared_keys(self, authentications_of(app))
        if self._needs_key(app):
            found += secret_key_mistakes(app.configs, f"EXTENSIONS: {type(self).__qualname__}")
        return found

    def _template_context(self, request: Request | None) -> Mapping[str, Any] | Awaitable[Mapping[str, Any]]:
        if request is None or request.scope.get(FAILURE_KEY) is not None:
            return {"current_user": AnonymousUser()}
        is_loaded, user = loaded_user(self, request)
        return {"current_user": user or AnonymousUser()} if is_loaded else self._loaded_context(request)

    async def _loaded_context(self, request: Request) -> Mapping[str, Any]:
        return {"current_user": await self.user(request) or AnonymousUser()}

    def _needs_key(self, app: Patera) -> bool:
        """Tell whether users are found by what is signed, or have to show CSRF tokens, which are."""
        has_tokens = app.configs["CSRF_ENABLED"]
        return self.defines("user_loader") or any(
            loader.is_signed or (has_tokens and loader.method not in TOKENLESS_METHODS) for loader in self.loaders
        )

    def _missing_hooks(self) -> list[Mistake]:
        where = f"{type(self).__module__}.{type(self).__qualname__}"
        if not self.loaders and not self.defines("user_loader"):
            return [_mistake(where, "neither user_loader() nor loaders, so it knows no user", "user_loader(self, req)")]
        found = [
            _mistake(where, f"{type(loader).__name__} in loaders, which asks {loader.hooks[0]}()", loader.hooks[0])
            for loader in self.loaders
            if loader.hooks and not self.defines(*loader.hooks)
        ]
        if hasattr(self, "middleware"):
            found.append(_mistake(where, "middleware(), which is not called", "a MiddlewareBase class for it"))
        return found


def _mistake(where: str, found: str, accepted: str) -> Mistake:
    return Mistake("PAT550", where, found, accepted, f"define {accepted} in the class")
