"""`Patera`: a Starlette application that loads what its config names and compiles it once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount

from ._compiler.converters import DEFAULT_CONVERTERS, PATH_SAFE, Converter
from ._context import current_request, use_application
from ._hooks import SHUTDOWN_KEY, STARTUP_KEY, AddedHooks, refuse_hiding_methods
from ._imports import late
from ._loading import Parts, load_parts
from ._static import resolve_folder, static_controller
from ._types import ASGIApp, Receive, Scope, Send
from .cli import CLIController, Command
from .controller import Controller
from .exceptions import ConfigurationError, ExceptionHandler, MissingConfiguration, Mistake, SetupFinishedError
from .extension import BaseExtension
from .middleware import MiddlewareBase
from .request import Request
from .response import Response
from .secret_key import secret_key_mistakes

if TYPE_CHECKING:
    from jinja2 import Environment
    from loguru import Logger

    from ._compiler.build import Compiled
    from ._compiler.plan import ApplicationPlan
    from ._templating import Templating
    from .config import BaseConfig
    from .logging import InMemoryLogBuffer, LoggerBase

__all__ = ["Patera", "app", "app_path", "on_shutdown", "on_startup"]

A = TypeVar("A", bound="type[Patera]")
F = TypeVar("F", bound=Callable[..., Any])

_MISSING: Any = object()


def app(import_name: str, configs: type[BaseConfig]) -> Callable[[A], A]:
    """Give an application class its config.

    Example:
        @app(__name__, configs=Config)
        class Application(Patera): ...

    Args:
        import_name: `__name__` of the module; its folder is the application's root path.
        configs: The config class.
    """

    def declare(cls: A) -> A:
        cls._import_name = import_name
        cls._config_class = configs
        return cls

    return declare


def app_path(url_path: str | None = None) -> Callable[[A], A]:
    """Put a prefix before the path of every controller, the OpenAPI pages included; not before static files.

    Example:
        @app_path("/api")
        @app(__name__, configs=Config)
        class Application(Patera): ...

    Args:
        url_path: The prefix.
    """

    def declare(cls: A) -> A:
        cls._url_prefix = url_path or ""
        return cls

    return declare


def on_startup(method: F) -> F:
    """Run a method of the application's class at startup, when all extensions are usable.

    All marked methods run in alphabetical order.

    Example:
        @on_startup
        async def load_catalogue(self) -> None: ...
    """
    setattr(method, STARTUP_KEY, True)
    return method


def on_shutdown(method: F) -> F:
    """Run a method of the application's class at shutdown, while all extensions are still usable.

    All marked methods run in alphabetical order; each may take `BACKGROUND_TASKS_SHUTDOWN_TIMEOUT` seconds.

    Example:
        @on_shutdown
        async def say_goodbye(self) -> None: ...
    """
    setattr(method, SHUTDOWN_KEY, True)
    return method


class Patera(Starlette):
    """An application; one instance lives from its construction to the end of the process.

    The class is its own factory: `uvicorn app:Application --factory`.

    Example:
        @app(__name__, configs=Config)
        class Application(Patera): ...

    Args:
        cli_mode: Load only what commands need: models, extensions and CLI controllers.

    Raises:
        ConfigurationError: With everything that is wrong in the config and behind its import strings.
    """

    _import_name: str | None = None
    _config_class: type[BaseConfig] | None = None
    _url_prefix: str = ""

    def __init__(self, cli_mode: bool = False) -> None:
        refuse_hiding_methods(type(self), Patera)
        self.config = _config_of(type(self))
        self.configs: dict[str, Any] = self.config.as_dict()
        super().__init__(debug=bool(self.configs["DEBUG"]), lifespan=lambda app: self.lifespan())
        self.router.redirect_slashes = False
        self._declare()
        self.load(cli_mode=cli_mode)

    def _declare(self) -> None:
        self._compiled: Compiled | None = None
        self._build_error: Exception | None = None
        self._is_building = False
        self._controllers: list[tuple[type[Controller], bool]] = []
        self.hooks = AddedHooks()
        self.extensions: dict[str, BaseExtension] = {}
        self.extension_states: dict[BaseExtension, Any] = {}
        self.loggers: list[LoggerBase] = []
        logging = late("patera.logging")
        self.log_buffer: InMemoryLogBuffer = logging.InMemoryLogBuffer(self.configs["IN_MEMORY_LOG_BUFFER_SIZE"])
        self.logger: Logger = logging.bind_logger(self)
        self.cli_controllers: list[CLIController] = []
        self.cli_commands: dict[str, Command] = {}
        self.exception_handler_classes: list[type[ExceptionHandler]] = []
        self.middleware_classes: list[type[MiddlewareBase]] = []
        self.models: list[Any] = []
        self.aliases: dict[str, str] = {self.configs["STATIC_CONTROLLER_NAME"]: "Static.get"}
        self.converters: dict[str, type[Converter[Any]]] = dict(DEFAULT_CONVERTERS)
        self.global_context_methods: list[Callable[..., Any]] = []
        self.request_class: type[Request] = Request
        self.response_class: type[Response[Any]] = Response
        self.templates: Templating = late("patera._templating").Templating(self)

    def load(self, *, cli_mode: bool = False) -> None:
        """Load what the config names and initialise extensions; the constructor calls it.

        Raises:
            ConfigurationError: With all mistakes together.
        """
        parts, loaded = load_parts(self.config, application_module=type(self).__module__, cli_mode=cli_mode)
        mistakes = list(loaded.mistakes)
        cause: BaseException | None = loaded.cause
        self._take(parts)
        mistakes += self._init_extensions(parts)
        mistakes += self._load_loggers(parts)
        mistakes += self._load_commands(parts)
        # A string that failed to load may have been what claims a key.
        if not cli_mode and not loaded.mistakes:
            mistakes += late("patera.config").unknown_keys(self.config, self._claimed_keys(parts))
        if mistakes:
            raise ConfigurationError(*mistakes) from cause

    def _take(self, parts: Parts) -> None:
        self.models = parts.models
        self.request_class, self.response_class = parts.request_class, parts.response_class
        self.exception_handler_classes = parts.exception_handlers
        self.middleware_classes = parts.middleware
        self.user_middleware.extend(parts.asgi_middleware)
        self._controllers = [(cls, True) for cls in parts.controllers]

    def _init_extensions(self, parts: Parts) -> list[Mistake]:
        mistakes: list[Mistake] = []
        for extension in [*parts.extensions, *self._implied_extensions()]:
            self.extensions[extension.configs_key] = extension
            self.hooks.current = extension
            try:
                extension.attach(self)
            except ConfigurationError as error:
                mistakes.extend(error.mistakes)
            finally:
                self.hooks.current = None
        return mistakes

    def _implied_extensions(self) -> list[BaseExtension]:
        """Return the extensions that a key of the framework asks for, so that nobody lists them."""
        keeps_sessions = self.configs["SESSION_BACKEND"] is not None or self.configs["SESSION_COMPAT"] is not None
        return [late("patera.sessions").sessions] if keeps_sessions else []

    def _load_loggers(self, parts: Parts) -> list[Mistake]:
        try:
            self.loggers = late("patera.logging").load_loggers(self, parts.loggers)
        except ConfigurationError as error:
            return list(error.mistakes)
        return []

    def _load_commands(self, parts: Parts) -> list[Mistake]:
        reading = late("patera.cli._commands")
        mistakes: list[Mistake]
        mistakes = [mistake for cls in parts.cli_controllers for mistake in reading.command_mistakes(cls, self)]
        if mistakes:
            return mistakes
        self.cli_controllers = [cls(self) for cls in parts.cli_controllers]
        found = [command for controller in self.cli_controllers for command in reading.commands_of(controller, self)]
        commands, mistakes = reading.index_commands([*self.cli_commands.values(), *found])
        self.cli_commands = commands
        return mistakes

    def _claimed_keys(self, parts: Parts) -> set[str]:
        claimed = {late("patera.logging").config_name(cls) for cls in parts.loggers}
        for extension in [*parts.extensions, *self._implied_extensions()]:
            claimed |= extension.claimed_keys(self.configs)
        return claimed

    def log_configuration(self) -> None:
        """Log once what the environment changed or could not change; called at startup."""
        for key in self.config.bare_overrides:
            self.logger.warning("{} was set by the environment variable {}; PATERA_{} is unmistakable", key, key, key)
        for name, reason in self.config.ignored_variables:
            self.logger.warning("The environment variable {} is ignored: {}", name, reason)
        claimed = {key for extension in self.extensions.values() for key in extension.claimed_keys(self.configs)}
        claimed |= {late("patera.logging").config_name(type(logger)) for logger in self.loggers}
        for name, reason in late("patera.config").unknown_variables(self.config, claimed):
            self.logger.warning("The environment variable {} is ignored: {}", name, reason)
        self._warn_of_debug()
        self._warn_of_secret_key()
        self._warn_of_wildcard()
        for warning in self._compiled.warnings if self._compiled is not None else ():
            self.logger.warning("{}", warning)

    def _warn_of_debug(self) -> None:
        is_open = self.configs["HOST"] not in ("localhost", "127.0.0.1", "::1")
        if self.debug and is_open and not self.config.is_set("DEBUG"):
            self.logger.warning("DEBUG is on because nothing sets it, and HOST is {}; set it", self.configs["HOST"])

    def _warn_of_secret_key(self) -> None:
        if self.configs["SECRET_KEY"]:
            for mistake in secret_key_mistakes(self.configs, self.app_name):
                self.logger.warning("{}: sessions and whatever else is signed will fail", mistake.found)

    def _warn_of_wildcard(self) -> None:
        both = self.config.is_set("CORS_ALLOW_ORIGINS") and self.config.is_set("CORS_ALLOW_CREDENTIALS")
        if both and "*" in self.configs["CORS_ALLOW_ORIGINS"] and self.configs["CORS_ALLOW_CREDENTIALS"]:
            self.logger.warning("CORS_ALLOW_CREDENTIALS has no effect with the origin '*'; list the origins")

    @property
    def app(self) -> Patera:
        """The application itself, as controllers have it in `self.app`."""
        return self

    @property
    def app_name(self) -> str:
        """`APP_NAME` of the config."""
        name: str = self.configs["APP_NAME"]
        return name

    @property
    def version(self) -> str:
        """`VERSION` of the config."""
        version: str = self.configs["VERSION"]
        return version

    @property
    def root_path(self) -> str:
        """Folder of the module that `@app` names; the working directory where there is none."""
        file = getattr(sys.modules.get(self._import_name or ""), "__file__", None)
        return str(Path(file).resolve().parent) if file else os.getcwd()

    @property
    def static_files_path(self) -> str:
        """Folder that static files are served from."""
        return resolve_folder(self.root_path, self.configs["STATIC_DIR"])

    @property
    def jinja_environment(self) -> Environment:
        """The Jinja environment of all templates, to add filters and globals to."""
        return self.templates.environment

    @property
    def plan(self) -> ApplicationPlan:
        """What was compiled, as plain data; builds first."""
        return self._built().plan

    @property
    def routes(self) -> list[BaseRoute]:
        """The compiled routes, in the order in which they match; builds first."""
        self.build()
        return self.router.routes

    @property
    def foreign_routes(self) -> list[BaseRoute]:
        """Mounts and routes of Starlette's own kind that were added."""
        return list(self.router.routes)

    def mounted_applications(self) -> list[Patera]:
        """Return the Patera applications that are mounted below this one, also behind ASGI middleware."""
        mounts = [route for route in self.router.routes if isinstance(route, Mount)]
        found = [_behind_middleware(mount._base_app) for mount in mounts]
        return [each for each in found if isinstance(each, Patera)]

    def get_conf(self, config_name: str, default: Any = _MISSING) -> Any:
        """Return a configuration value.

        Args:
            config_name: The key.
            default: Returned where there is no such key; None counts as a default.

        Raises:
            MissingConfiguration: There is no such key, and no default was given.
        """
        if config_name in self.configs:
            return self.configs[config_name]
        if default is _MISSING:
            raise MissingConfiguration(config_name, self.configs)
        return default

    def url_for(self, endpoint: str, **values: Any) -> str:
        """Return the path of an endpoint, with the prefix below which the application is served.

        Example:
            app.url_for("UsersApi.show", user_id=3, tab="posts") == "/api/users/3?tab=posts"

        Args:
            endpoint: `Class.method`, or an alias such as `static`.
            **values: Values of the path's variables; others become the query string.

        Raises:
            ValueError: The endpoint is unknown, or a variable has no value or one that does not fit.
        """
        request = current_request.get()
        prefix = ""
        if request is not None and request.scope.get("app") is self:
            prefix = quote(request.scope.get("root_path", ""), safe=PATH_SAFE)
        return f"{prefix}{self._built().urls.build(endpoint, values)}"

    def has_endpoint(self, endpoint: str) -> bool:
        """Tell whether an endpoint, or an alias of one, exists."""
        return self._built().urls.has_endpoint(endpoint)

    def register_controller(self, *controllers: type[Controller], with_base_path: bool = True) -> None:
        """Add controllers beside those of `CONTROLLERS`.

        Args:
            *controllers: Controller classes.
            with_base_path: Whether the prefix of `@app_path` stands before their paths.
        """
        self._require_setup("register_controller")
        _require_classes("register_controller", controllers, Controller)
        self._controllers.extend((cls, with_base_path) for cls in controllers)

    def register_exception_handler(self, *handlers: type[ExceptionHandler]) -> None:
        """Add exception handler classes beside those of `EXCEPTION_HANDLERS`."""
        self._require_setup("register_exception_handler")
        _require_classes("register_exception_handler", handlers, ExceptionHandler)
        self.exception_handler_classes.extend(handlers)

    def register_converter(self, name: str, converter: type[Converter[Any]]) -> None:
        """Add a converter for path variables: `<name:variable>`.

        Args:
            name: What rules call it.
            converter: A subclass of `patera.routing.Converter`.
        """
        self._require_setup("register_converter")
        _require_classes("register_converter", (converter,), Converter)
        self.converters[name] = converter

    def register_alias(self, alias: str, endpoint: str) -> None:
        """Give an endpoint a second name for `url_for`."""
        self._require_setup("register_alias")
        self.aliases[alias] = endpoint

    def add_template_path(self, path: str | os.PathLike[str]) -> None:
        """Add a folder in which templates are looked up after `TEMPLATES_DIR`."""
        self.templates.add_path(path)

    def add_global_context_method(self, method: Callable[..., Any]) -> None:
        """Add a function, sync or async, whose dict every template gets; what a handler passes wins."""
        self.global_context_methods.append(method)

    def add_on_startup_method(self, function: Callable[[], Any]) -> None:
        """Run a function at startup, with the extension that adds it."""
        self.hooks.add_startup(function)

    def add_on_shutdown_method(self, function: Callable[[], Any]) -> None:
        """Run a function at shutdown, with the extension that adds it."""
        self.hooks.add_shutdown(function)

    def add_extension(self, extension: BaseExtension) -> None:
        """Register an extension; its `init_app` may call this, and need not."""
        self.extensions.setdefault(extension.configs_key, extension)

    def add_command(self, *commands: Command) -> None:
        """Add commands of an extension to the command line.

        Raises:
            ConfigurationError: A command of that name exists.
        """
        self._require_setup("add_command")
        merged = [*self.cli_commands.values(), *commands]
        self.cli_commands, mistakes = late("patera.cli._commands").index_commands(merged)
        if mistakes:
            raise ConfigurationError(*mistakes)

    def mount(self, path: str, app: ASGIApp, name: str | None = None) -> None:
        """Serve another ASGI application below a path."""
        self._require_setup("mount")
        self.router.routes.append(Mount(path, app=app, name=name))

    def add_middleware(self, middleware_class: Any, *args: Any, **kwargs: Any) -> None:
        """Put ASGI middleware outside of everything that was added before."""
        self._require_setup("add_middleware")
        super().add_middleware(middleware_class, *args, **kwargs)

    def controller_classes(self) -> list[tuple[type[Controller], str, bool]]:
        """Return all controllers with their prefix, and whether they are Patera's own."""
        found = [(cls, self._url_prefix if with_prefix else "", False) for cls, with_prefix in self._controllers]
        found.append((static_controller(self.configs["STATIC_URL"]), "", True))
        if self.configs["OPEN_API"] and (self.debug or self.configs["OPEN_API_IN_PRODUCTION"]):
            open_api_controller = late("patera.openapi").open_api_controller
            found.append((open_api_controller(self.configs["OPEN_API_URL"]), self._url_prefix, True))
        return found

    def build(self) -> None:
        """Compile everything, once; later calls do nothing.

        Raises:
            ConfigurationError: With all mistakes; the same one each time.
        """
        if self._compiled is not None:
            return
        if self._build_error is not None:
            raise self._build_error
        if self._is_building:
            raise RuntimeError("The application is being built: a controller's __init__ cannot use routes or url_for()")
        self._is_building = True
        try:
            compiled: Compiled = late("patera._compiler.build").build(self)
        except Exception as error:
            self._build_error = error
            raise
        finally:
            self._is_building = False
        self.router.routes[:] = compiled.routes
        self._compiled = compiled

    def build_middleware_stack(self) -> ASGIApp:
        """Return what Starlette's `__call__` runs; a failed build refuses startup and requests."""
        try:
            return self._built().stack
        except Exception as error:
            return _refuse(error)

    def lifespan(self) -> AbstractAsyncContextManager[None]:
        """Return a context manager around startup and shutdown.

        Example:
            async with app.lifespan():
                ...
        """
        lifecycle: AbstractAsyncContextManager[None] = late("patera._lifecycle").Lifecycle(self)
        return lifecycle

    async def aclose(self) -> None:
        """Close what extensions opened without a lifespan, as commands and `lifespan="off"` do."""
        with use_application(self):
            for extension in reversed(list(self.extensions.values())):
                await extension.shutdown(self)

    def run_cli(self, command_name: str | None = None, *args: Any, **kwargs: Any) -> Any:
        """Run a command: the one that `sys.argv` names, or the one named here.

        Example:
            app.run_cli("greet", "Ada")

        Args:
            command_name: `"command"` or `"Controller:command"`; None reads `sys.argv` and ends the
                process with 2 for bad arguments, 3 for a wrong configuration and 1 for other errors.
            *args: Values of the command's parameters.
            **kwargs: Values by name.

        Returns:
            What the command returned.
        """
        return late("patera.cli._run").run_cli(self, command_name, args, kwargs)

    def _built(self) -> Compiled:
        self.build()
        assert self._compiled is not None
        return self._compiled

    def _require_setup(self, call: str) -> None:
        if self._compiled is not None:
            raise SetupFinishedError(call)


def _require_classes(call: str, values: tuple[Any, ...], base: type) -> None:
    for value in values:
        if not (isinstance(value, type) and issubclass(value, base)):
            raise TypeError(f"{call}() takes subclasses of {base.__name__}, got {value!r}")


def _behind_middleware(app: Any) -> Any:
    """Return the application that ASGI middleware leads to; it keeps that as `app`, as Starlette's does."""
    while not isinstance(app, Patera) and callable(getattr(app, "app", None)):
        app = app.app
    return app


def _config_of(cls: type[Patera]) -> BaseConfig:
    configs = cls._config_class
    if not (isinstance(configs, type) and issubclass(configs, late("patera.config").BaseConfig)):
        found = "no @app decorator" if configs is None else f"configs={configs!r}"
        raise ConfigurationError(
            Mistake(
                "PAT001",
                f"{cls.__module__}.{cls.__qualname__}",
                found,
                "@app(__name__, configs=Config) with a subclass of patera.BaseConfig",
                "decorate the class with @app(__name__, configs=Config)",
            )
        )
    config: BaseConfig = configs()
    return config


def _refuse(error: Exception) -> ASGIApp:
    """Return an ASGI application that fails as loudly as the server lets it.

    Under `lifespan="auto"` a server takes a plain exception for "no lifespan" and serves on.
    """

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.failed", "message": str(error)})
        raise error

    return refuse
