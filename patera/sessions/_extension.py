"""What an application's sessions have in common: made at the first use, or at startup with a store on the server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from patera._imports import load_attribute
from patera.caching import BaseCacheBackend, MemoryCacheBackend, RedisCacheBackend
from patera.exceptions import ConfigurationError, Mistake
from patera.extension import BaseExtension
from patera.secret_key import secret_keys

from ._cookie_store import CookieStore
from ._exchange import SessionExchange, SessionState
from ._flask_compat import FlaskCookieStore
from ._server_store import ServerStore
from ._session import Session
from ._settings import CookieSettings, Lifetimes

if TYPE_CHECKING:
    from patera.application import Patera
    from patera.request import Request

#: Where the session of a request is found again, also by another request object of the same scope.
SCOPE_KEY = "patera.session"


class SessionStorage(BaseExtension):
    """Sessions as an extension that nobody lists: an application with `SESSION_BACKEND` has it by itself."""

    default_configs_name = "SESSION_STORAGE"

    def init_app(self, app: Patera) -> SessionState:
        """Return the sessions of an application.

        Raises:
            ConfigurationError: There is no fit SECRET_KEY, or the backend cannot be made.
        """
        lifetimes = Lifetimes.from_configs(app.configs)
        return SessionState(app, _make_store(app, lifetimes), CookieSettings.from_configs(app.configs), lifetimes)

    async def startup(self, app: Patera) -> None:
        """Connect the backend; where it is down, the application starts, and answers 503 where a session is used."""
        store = self.state_of(app).store
        if not isinstance(store, ServerStore):
            return
        if isinstance(store.backend, MemoryCacheBackend) and not app.debug:
            app.logger.warning("SESSION_BACKEND is in memory: sessions end with this process, and no other has them")
        try:
            await store.backend.connect()
        except Exception as error:
            name = type(store.backend).__name__
            app.logger.error("The session store {} cannot be reached: {}: {}", name, type(error).__name__, error)

    async def shutdown(self, app: Patera) -> None:
        """Disconnect the backend."""
        store = self.state_of(app).store
        if isinstance(store, ServerStore):
            await store.backend.disconnect()

    def claimed_keys(self, configs: Mapping[str, Any]) -> set[str]:
        """Return the configuration keys of a backend that is given as a class."""
        return {key for key in configs if key == "CACHE" or key.startswith("CACHE_")}

    def state_of(self, app: Patera) -> SessionState:
        """Return the sessions of an application, made at the first call.

        Args:
            app: The application.

        Raises:
            ConfigurationError: See `init_app()`.
        """
        if self not in app.extension_states:
            self.attach(app)
        state: SessionState = app.extension_states[self]
        return state


sessions = SessionStorage()


def session_of(request: Request) -> Session:
    """Return the session of a request; `req.session` is the same.

    Args:
        request: The request, or a websocket, where it can only be read.

    Raises:
        ConfigurationError: There is no SECRET_KEY to sign with.
        RuntimeError: The request belongs to no application.
    """
    return _exchange_of(request).session


async def load_session(request: Request) -> None:
    """Fetch the session of a request from a store on the server, if it is kept there.

    Endpoints, middleware and websockets find it fetched. To be called with requests that were made by hand.

    Args:
        request: The request.
    """
    # Most requests of programs have no cookie at all.
    if any(name == b"cookie" for name, _ in request.scope["headers"]):
        await _exchange_of(request).fetch()


def _exchange_of(request: Request) -> SessionExchange:
    scope = request.scope
    app: Any = scope.get("app")
    if not hasattr(app, "extension_states"):
        raise RuntimeError("A session belongs to a request of an application, and this one has none in its scope")
    exchange: SessionExchange | None = scope.get(SCOPE_KEY)
    if exchange is None or exchange.app is not app:
        exchange = scope[SCOPE_KEY] = SessionExchange(request, sessions.state_of(app))
    return exchange


def _make_store(app: Patera, lifetimes: Lifetimes) -> CookieStore | ServerStore:
    backend, is_flask = app.configs["SESSION_BACKEND"], app.configs["SESSION_COMPAT"] == "flask"
    if backend is None:
        return (FlaskCookieStore if is_flask else CookieStore)(secret_keys(app))
    if is_flask:
        raise ConfigurationError(
            Mistake(
                "PAT503",
                "SESSION_COMPAT",
                "both SESSION_COMPAT = 'flask' and SESSION_BACKEND",
                "one of them: Flask keeps its session in the cookie",
                "remove SESSION_BACKEND as long as a Flask application shares the session, SESSION_COMPAT afterwards",
            )
        )
    keys, prefix = secret_keys(app), app.configs["SESSION_KEY_PREFIX"]
    return ServerStore(_make_backend(app, backend), keys, prefix, lifetimes, app.logger.error)


def _make_backend(app: Patera, value: type[Any] | str) -> BaseCacheBackend:
    if value == "memory":
        return MemoryCacheBackend()
    if isinstance(value, str) and "://" in value:
        return _redis_at(value)
    found: Any = value
    if isinstance(value, str):
        module = type(app).__module__
        found = load_attribute(
            value, kind="SESSION_BACKEND", expected=BaseCacheBackend, form="either", application_module=module
        )
    if isinstance(found, BaseCacheBackend):
        return found
    if not issubclass(found, BaseCacheBackend):
        raise _no_backend(
            f"the class {found.__module__}.{found.__qualname__}", "derive the class from BaseCacheBackend"
        )
    backend: BaseCacheBackend = found.configure_from_app(app, "")
    return backend


def _redis_at(url: str) -> RedisCacheBackend:
    try:
        return RedisCacheBackend(url)
    except ValueError as error:
        raise _no_backend(str(error), 'write it as "redis://localhost:6379/0"') from None


def _no_backend(found: str, change: str) -> ConfigurationError:
    accepted = 'a subclass of patera.caching.BaseCacheBackend, an import string of one, "redis://..." or "memory"'
    return ConfigurationError(Mistake("PAT504", "SESSION_BACKEND", found, accepted, change))
