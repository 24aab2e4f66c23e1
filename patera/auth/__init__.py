"""Who sends a request, and what that user may do: logins, roles, permissions, tokens, passwords.

Example:
    class Auth(Authentication):
        loaders = (SessionLoader(), BearerLoader())

        async def load_user(self, user_id: str) -> User | None: ...

    auth = Auth()          # listed in EXTENSIONS

    @path("/account")
    @auth.login_required
    class Account(Controller): ...
"""

from patera.exceptions import AuthenticationException, AuthorizationException, UnauthorizedException

from ._authentication import Authentication
from ._configs import AuthConfigs
from ._cookies import InvalidSignature
from ._decorators import login_required, optional_user, permission, role_required
from ._guards import LoginRequired, OptionalUser, PermissionRequired, RoleRequired
from ._loaders import ApiKeyLoader, BasicLoader, BearerLoader, SessionLoader, UserLoader
from ._mounts import ProtectedApplication
from ._passwords import PasswordHasher
from ._tokens import TokenPair
from ._users import AnonymousUser
from ._utils import AuthUtils

__all__ = [
    "AnonymousUser",
    "ApiKeyLoader",
    "AuthConfigs",
    "AuthUtils",
    "Authentication",
    "AuthenticationException",
    "AuthorizationException",
    "BasicLoader",
    "BearerLoader",
    "InvalidSignature",
    "LoginRequired",
    "OptionalUser",
    "PasswordHasher",
    "PermissionRequired",
    "ProtectedApplication",
    "RoleRequired",
    "SessionLoader",
    "TokenPair",
    "UnauthorizedException",
    "UserLoader",
    "login_required",
    "optional_user",
    "permission",
    "role_required",
]
