"""What every extension shares: its name in the configuration, its values, its state per application."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakKeyDictionary

from pydantic import BaseModel, ValidationError

from ._config_mistakes import annotation_text
from ._config_values import names_of
from ._context import find_application, running_applications, use_application
from ._imports import late, to_upper_snake
from .exceptions import BaseHttpException, ConfigurationError, Mistake, closest, public_message

if TYPE_CHECKING:
    from .application import Patera
    from .layer import Layer
    from .request import Request

__all__ = ["BaseExtension", "find_application"]


class BaseExtension(ABC):
    """Base of extensions: one instance per module, listed in `EXTENSIONS`, used by any number of applications.

    What belongs to one application is its state: `init_app()` returns it, and `state` finds it again.

    Example:
        class Clock(BaseExtension):
            configs_model = ClockConfigs

            def init_app(self, app: Patera) -> ClockState:
                return ClockState(self.configs["TIMEZONE"])

        clock = Clock()          # reads CLOCK = {"TIMEZONE": ...}, or CLOCK_TIMEZONE = ...

    Args:
        configs_name: Name of the config dict; by default the class name in upper snake case.
        variable_prefix: What stands before that name, and before flat keys.
    """

    #: Name of the config dict of this class and its subclasses, instead of the class name.
    default_configs_name: ClassVar[str | None] = None

    #: The model that the values have to fit; its fields are the known keys.
    configs_model: ClassVar[type[BaseModel] | None] = None

    # On the class too, for subclasses whose constructor does not call this one.
    _configs_name: str | None = None
    _variable_prefix: str = ""

    def __init__(self, *, configs_name: str | None = None, variable_prefix: str = "") -> None:
        self._configs_name = configs_name
        self._variable_prefix = variable_prefix

    @abstractmethod
    def init_app(self, app: Patera) -> Any:
        """Prepare the extension for one application, and return its state or None.

        `self.configs` has the values of that application here.

        Args:
            app: The application that is being created.
        """

    async def startup(self, app: Patera) -> None:  # noqa: B027 - not every extension connects to something
        """Connect; runs at the application's startup, in the order of `EXTENSIONS`."""

    async def shutdown(self, app: Patera) -> None:  # noqa: B027
        """Disconnect; runs at the application's shutdown, in the reverse order."""

    def mistakes(self, app: Patera) -> Sequence[Mistake]:
        """Return what is wrong with the application as a whole; asked once, when it is built.

        Controllers, models and all other extensions are known then, which `init_app()` may not see yet.

        Args:
            app: The application that lists the extension.
        """
        return ()

    def layers_for(self, app: Patera, declared: Sequence[Layer]) -> Sequence[Layer]:
        """Return layers for an endpoint beside those that its decorators declare; asked for each one at build.

        Static files and the pages of the framework are not asked about.

        Args:
            app: The application that lists the extension.
            declared: The layers of the endpoint.
        """
        return ()

    def translate_error(self, error: Exception, request: Request) -> BaseHttpException | None:
        """Return the HTTP answer to an exception that no handler answers, or None to leave it.

        Asked in the order of `EXTENSIONS`, for exceptions that are no HTTP answers by themselves; on a
        websocket the status becomes the close code.

        Args:
            error: What was raised.
            request: The request being answered.
        """
        return None

    def attach(self, app: Patera) -> None:
        """Read the values, call `init_app()` and store its state on the application, which calls this.

        Args:
            app: The application that lists the extension.

        Raises:
            ConfigurationError: The values do not fit, or `init_app()` refuses them.
        """
        self._attached[app] = self.validate_configs(self.read_configs(app.configs), self.configs_model)
        try:
            with use_application(app):
                app.extension_states[self] = self.init_app(app)
        except BaseException:
            del self._attached[app]
            raise

    @property
    def configs_name(self) -> str:
        """The name of the config dict, without the prefix."""
        return self._configs_name or self.default_configs_name or to_upper_snake(type(self).__name__)

    @property
    def variable_prefix(self) -> str:
        """What stands before the name of the config dict and before flat keys."""
        return self._variable_prefix

    @property
    def configs_key(self) -> str:
        """The key of the config dict, and of the extension in `app.extensions`."""
        return self.variable_prefix + self.configs_name

    @property
    def app(self) -> Patera:
        """The application that the running code belongs to.

        Raises:
            RuntimeError: That application does not list the extension, or it is not clear which one is meant.
        """
        current = find_application()
        if current is not None:
            return self._attached_or_refused(current)
        running = [app for app in running_applications if app in self._attached]
        candidates = running or list(self._attached)
        if len(candidates) == 1:
            return candidates[0]
        raise RuntimeError(self._unclear(candidates))

    @property
    def configs(self) -> dict[str, Any]:
        """The values of the extension in the current application."""
        return self._attached[self.app]

    @property
    def state(self) -> Any:
        """What `init_app()` returned for the current application."""
        return self.app.extension_states[self]

    @property
    def nice_name(self) -> str | None:
        """The value of `NICE_NAME`, for people to read."""
        name: str | None = self.configs.get("NICE_NAME")
        return name

    def read_configs(self, configs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the extension's values: the dict over flat keys such as `CACHE_DURATION`.

        Args:
            configs: All values of the application.

        Raises:
            ConfigurationError: The value of the config dict's key is no dict.
        """
        values = configs.get(self.configs_key)
        if values is not None and not isinstance(values, Mapping):
            found = f"a value of the type {type(values).__name__}"
            raise ConfigurationError(
                Mistake("PAT322", self.configs_key, found, "a dict", f"write {self.configs_key} = {{...}}")
            )
        start = f"{self.configs_key}_"
        keys = [key for key in configs if key.startswith(start)]
        flat = {key[len(start) :]: configs[key] for key in keys if key in self.claimed_keys(configs)}
        return {**flat, **(values or {})}

    def claimed_keys(self, configs: Mapping[str, Any]) -> set[str]:
        """Return the configuration keys that the extension reads.

        Args:
            configs: All values of the application.
        """
        start = f"{self.configs_key}_"
        if self.configs_model is None:
            flat = {key for key in configs if key.startswith(start)}
        else:
            flat = {start + name for name in _known_names(self.configs_model)}
        return {self.configs_key} | (flat - set(late("patera.config").BaseConfig.model_fields))

    def validate_configs(self, configs: Mapping[str, Any], model: type[BaseModel] | None) -> dict[str, Any]:
        """Return the values as the model has them, by field name; unchanged without a model.

        Args:
            configs: The values of this extension.
            model: The model, or None.

        Raises:
            ConfigurationError: Keys are unknown or missing, or values do not fit.
        """
        if model is None:
            return dict(configs)
        known = set(configs) if model.model_config.get("extra") == "allow" else _known_names(model)
        mistakes = [self._unknown_key(key, known) for key in configs if key not in known]
        try:
            values = {key: value for key, value in configs.items() if key in known}
            validated = model.model_validate(values, by_alias=True, by_name=True)
        except ValidationError as error:
            items = error.errors(include_url=False, include_input=False)
            mistakes += [self._misfit(dict(item), model) for item in items]
        if mistakes:
            raise ConfigurationError(*mistakes)
        return dict(validated)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.configs_key}>"

    @property
    def _attached(self) -> WeakKeyDictionary[Patera, dict[str, Any]]:
        """The living applications that list the extension, and its values in each."""
        attached: WeakKeyDictionary[Patera, dict[str, Any]] | None = self.__dict__.get("_patera_attached")
        if attached is None:
            attached = self.__dict__["_patera_attached"] = WeakKeyDictionary()
        return attached

    def _attached_or_refused(self, app: Patera) -> Patera:
        if app in self._attached:
            return app
        raise RuntimeError(
            f"{self!r} is used in the application {getattr(app, 'app_name', app)!r}, "
            "which does not list it in EXTENSIONS."
        )

    def _unclear(self, candidates: list[Patera]) -> str:
        if not candidates:
            return f"{self!r} belongs to no application yet: list it in EXTENSIONS and create the application."
        names = ", ".join(repr(app.app_name) for app in candidates)
        return (
            f"{self!r} belongs to several applications ({names}), and this code runs for none of them: "
            "use it in a request, a command, a job or a life cycle step."
        )

    def _unknown_key(self, key: str, known: set[str]) -> Mistake:
        return Mistake(
            "PAT320",
            f"{self.configs_key}[{key!r}]",
            f"{type(self).__name__} reads no such key",
            ", ".join(sorted(known)),
            f"correct or remove it.{closest(str(key).upper(), known)}",
        )

    def _misfit(self, item: Mapping[str, Any], model: type[BaseModel]) -> Mistake:
        key = ".".join(str(part) for part in item["loc"])
        where = f"{self.configs_key}[{key!r}]" if key else self.configs_key
        name = str(item["loc"][0]) if item["loc"] else ""
        fields = model.model_fields.items()
        types = [annotation_text(info.annotation) for key, info in fields if name in names_of(key, info)]
        accepted = types[0] if types else "values that fit together"
        if item["type"] == "missing":
            return Mistake("PAT321", where, "no value", accepted, f"add {key!r} to {self.configs_key}")
        return Mistake("PAT322", where, public_message(item), accepted, "correct the value")


def _known_names(model: type[BaseModel]) -> set[str]:
    """Return the names and aliases under which the fields of a model may be given."""
    return {name for key, info in model.model_fields.items() for name in names_of(key, info)}
