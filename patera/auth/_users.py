"""Who sends a request: loaded once, and remembered with how it was found out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anyio import Event

from ._cookies import InvalidSignature
from ._hooks import ask

if TYPE_CHECKING:
    from patera.request import Request

    from ._authentication import Authentication

#: In the scope: the users that were loaded, by application and extension.
USERS_KEY = "patera.users"
#: In the scope: how the user was found out; "session", "cookie", "bearer", "basic", "api_key" or "custom".
METHOD_KEY = "patera.auth_method"
#: In the scope: the exception that a loader raised.
FAILURE_KEY = "patera.auth_failure"


class AnonymousUser:
    """Stands in templates for the user where nobody is logged in; it is false."""

    is_authenticated = False
    is_active = False
    is_anonymous = True
    id = None

    def get_id(self) -> None:
        """Return None, as nobody has an id."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "<AnonymousUser>"


def is_welcome(user: Any) -> bool:
    """Tell whether there is a user, and it does not say of itself that it is nobody, or was locked out.

    Both attributes are those of Flask-Login and Django; a user without them is welcome.

    Args:
        user: What a loader found, or None.
    """
    is_somebody = user is not None and getattr(user, "is_authenticated", True) is not False
    return is_somebody and getattr(user, "is_active", True) is not False


class _Slot:
    """The user of one request, who is loading it, and who waits for that."""

    __slots__ = ("is_loaded", "is_loading", "loaded", "user")

    def __init__(self) -> None:
        self.user: Any = None
        self.is_loaded = self.is_loading = False
        self.loaded: Event | None = None


async def user_of(auth: Authentication, request: Request) -> Any:
    """Return the user of a request, or None; whoever asks first loads it.

    A user that middleware of the application set is taken as it is.
    """
    if is_given(request):
        request.scope[METHOD_KEY] = "custom"
        return request.user
    slot = _slot_of(auth, request)
    while not slot.is_loaded:
        if slot.is_loading:
            slot.loaded = slot.loaded or Event()
            await slot.loaded.wait()
        else:
            await _fill(slot, auth, request)
    if request.user is None:
        # Loaded by another request object of the same scope, or waited for.
        request.user = slot.user
    return slot.user


async def _fill(slot: _Slot, auth: Authentication, request: Request) -> None:
    """Load the user; where that fails, the next one who waits tries again."""
    slot.is_loading = True
    try:
        slot.user = await _load(auth, request)
        slot.is_loaded = True
    finally:
        slot.is_loading = False
        if slot.loaded is not None:
            slot.loaded.set()
            slot.loaded = None
    # Nobody of one `Authentication` may be somebody of another.
    if slot.user is not None:
        request.user = slot.user
        if request.scope["type"] == "http" and not request.is_answered:
            request.before_send(_keep_private)


def _keep_private(request: Request, response: Any) -> None:
    """Let no shared cache keep what a user gets, unless the answer says otherwise (RFC 9111, section 5.2.2.7)."""
    response.headers.setdefault("cache-control", "private")


def set_user(auth: Authentication, request: Request, user: Any, method: str | None = None) -> None:
    """Note who the user of a request is from now on, as if it had been loaded.

    Args:
        auth: The extension that knows.
        request: The request.
        user: The user; None for nobody.
        method: How it was found out.
    """
    slot = _slot_of(auth, request)
    slot.user, slot.is_loaded = user, True
    request.user = user
    if method is not None:
        request.scope[METHOD_KEY] = method


def loaded_user(auth: Authentication, request: Request) -> tuple[bool, Any]:
    """Return whether it is known already who the user is, and the user."""
    if is_given(request):
        return True, request.user
    slot = _slot_of(auth, request)
    return slot.is_loaded, slot.user


def is_given(request: Request) -> bool:
    """Tell whether something else than an `Authentication` has set the user."""
    return request.user is not None and not any(slot.is_loaded for slot in _slots(request).values())


def _slot_of(auth: Authentication, request: Request) -> _Slot:
    slots = _slots(request)
    slot = slots.get(auth)
    if slot is None:
        slot = slots[auth] = _Slot()
    return slot


def _slots(request: Request) -> dict[Authentication, _Slot]:
    """Return the slots of the request's application: one mounted below another has its own users."""
    by_application: dict[Any, dict[Authentication, _Slot]] | None = request.scope.get(USERS_KEY)
    if by_application is None:
        by_application = request.scope[USERS_KEY] = {}
    app = request.scope.get("app")
    slots = by_application.get(app)
    if slots is None:
        slots = by_application[app] = {}
    return slots


async def _load(auth: Authentication, request: Request) -> Any:
    if request.user is None:
        # Another `Authentication` has found nobody, or it is of an application around this one.
        request.scope.pop(METHOD_KEY, None)
    try:
        user = await ask(auth.user_loader, request)
    except InvalidSignature:
        return None
    except Exception as error:
        request.scope[FAILURE_KEY] = error
        raise
    if not is_welcome(user):
        return None
    request.scope.setdefault(METHOD_KEY, "custom")
    return user
