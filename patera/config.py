"""The settings of an application: declared keys, where their values come from, what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    PrivateAttr,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from ._config_class import ConfigType, annotation_of
from ._config_dicts import (
    AdminConfig,
    AiConfig,
    AuthConfig,
    CacheConfig,
    EmailConfig,
    NoSqlDatabaseConfig,
    SqlDatabaseConfig,
    StateMachineConfig,
    TaskManagerConfig,
)
from ._config_mistakes import unknown_key, unreadable_source, validation_mistakes
from ._config_values import MISSING, copy_containers, default_of, merge, names_of
from ._config_variables import REPORT_KEY, VariableReport, VariableSource
from .exceptions import ConfigurationError, Mistake, closest, public_message

__all__ = [
    "AdminConfig",
    "AiConfig",
    "AuthConfig",
    "BaseConfig",
    "CacheConfig",
    "EmailConfig",
    "NoSqlDatabaseConfig",
    "SettingsConfigDict",
    "SqlDatabaseConfig",
    "StateMachineConfig",
    "TaskManagerConfig",
    "masked",
    "unknown_keys",
    "unknown_variables",
]

_SECRET_KEY = re.compile(r"SECRET|PASSWORD|PASSWD|TOKEN|API_KEY|PRIVATE_KEY", re.IGNORECASE)
_SECRET_IN_TEXT = re.compile(r"(?<=://)([^:/@\s]*):\S*@|((?:password|secret|token|api_key)=)[^&\s]+", re.IGNORECASE)


def _positive(value: int | timedelta) -> int | timedelta:
    if (value.total_seconds() if isinstance(value, timedelta) else value) <= 0:
        raise PydanticCustomError("lifetime", "Input should be greater than 0")
    return value


_Lifetime = Annotated[int | timedelta, AfterValidator(_positive)]
#: Flask's configuration has it with a capital.
_SameSite = Annotated[
    Literal["lax", "strict", "none"], BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)
]


class BaseConfig(BaseSettings, metaclass=ConfigType):
    """Base of an application's config class.

    A value comes from the first of these that has it: keyword arguments; environment variables
    with the prefix `PATERA_` (`PATERA_DEBUG=false`, `PATERA_SQL_DATABASE__SHOW_SQL=1`); bare
    variables (`PORT=80`, for scalar keys); the file of `env_file`; the class. Own keys are
    annotated; the config dicts of extensions and loggers need no annotation.

    Example:
        class Config(BaseConfig):
            APP_NAME: str = "Test app"
            VERSION: str = "1.0"
            BASE_PATH: str = os.path.dirname(__file__)
            DEBUG = False
            SQL_DATABASE = {"DATABASE_URI": "sqlite+aiosqlite:///./test.db"}

    Raises:
        ConfigurationError: On creation, with every value that is missing or does not fit.
    """

    model_config = SettingsConfigDict(
        env_prefix="PATERA_",
        env_nested_delimiter="__",
        case_sensitive=True,
        extra="allow",
        arbitrary_types_allowed=True,
        validate_by_name=True,
        validate_by_alias=True,
        loc_by_alias=False,
        hide_input_in_errors=True,
        protected_namespaces=(),
    )

    #: Names of the class body without annotation that no base class declares.
    bare_keys: ClassVar[tuple[str, ...]] = ()

    # The application. BASE_PATH is usually `os.path.dirname(__file__)` in the config's module.
    APP_NAME: str
    VERSION: str
    BASE_PATH: str
    DEBUG: bool = True
    SECRET_KEY: str | None = None
    SECRET_KEY_FALLBACKS: list[str] = []
    REQUEST_CLASS: type[Any] | str | None = None
    RESPONSE_CLASS: type[Any] | str | None = None

    # The server that `run.py` and the command line start.
    HOST: str = "localhost"
    PORT: Annotated[int, Field(ge=0, le=65535)] = 8080
    LIFESPAN: Literal["on", "off", "auto"] = "on"

    # What to load: import strings `"package.module:Name"`.
    CONTROLLERS: list[str] | None = None
    CLI_CONTROLLERS: list[str] | None = None
    EXTENSIONS: list[str] | None = None
    MODELS: list[str] | None = None
    EXCEPTION_HANDLERS: list[str] | None = None
    MIDDLEWARE: list[str] | None = None
    LOGGERS: list[str] | None = None

    # Routes, templates and static files; directories are relative to the application's root path.
    STRICT_SLASHES: bool = False
    TEMPLATES_DIR: str = "/templates"
    TEMPLATES_STRICT: bool = True
    AUTO_RELOAD: bool | None = None
    STATIC_DIR: str = "/static"
    STATIC_URL: str = "/static"
    STATIC_CONTROLLER_NAME: str = "static"

    # The OpenAPI document and its page.
    OPEN_API: bool = True
    OPEN_API_URL: str = "/openapi"
    OPEN_API_DESCRIPTION: str = "Simple API"
    OPEN_API_IN_PRODUCTION: bool = False

    # The CORS policy of all endpoints; CORS_MAX_AGE in seconds, None leaves the header out.
    CORS_ENABLED: bool = True
    CORS_ALLOW_ORIGINS: list[str] = ["*"]
    CORS_ALLOW_METHODS: list[str] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    CORS_ALLOW_HEADERS: list[str] = ["Authorization", "Content-Type"]
    CORS_EXPOSE_HEADERS: list[str] = []
    CORS_ALLOW_CREDENTIALS: bool = True
    CORS_MAX_AGE: Annotated[int, Field(ge=-1)] | None = None

    # Logging. DEFAULT_LOGGER holds only what differs from the logger's own defaults.
    DEFAULT_LOGGER: dict[str, Any] = {}
    IN_MEMORY_LOG_BUFFER_SIZE: NonNegativeInt = 1000
    REQUEST_LOG: bool = False

    # Limits: bytes of a body and of all headers (None for no limit), and seconds.
    MAX_CONTENT_LENGTH: PositiveInt | None = 10 * 1024 * 1024
    MAX_HEADER_SIZE: PositiveInt | None = 64 * 1024
    REQUEST_TIMEOUT: PositiveFloat | None = None
    BACKGROUND_TASKS_SHUTDOWN_TIMEOUT: NonNegativeFloat = 30

    # Protection. SECURITY_HEADERS: False for none, a dict changes single ones (None leaves one out).
    ALLOWED_HOSTS: list[str] | None = None
    TRUSTED_PROXIES: list[str] | None = None
    FORCE_HTTPS: bool = False
    SECURITY_HEADERS: bool | dict[str, str | None] = True

    # Sessions and CSRF; lifetimes are seconds or a `timedelta`.
    SESSION_BACKEND: type[Any] | str | None = None
    SESSION_KEY_PREFIX: str = "session:"
    SESSION_COMPAT: Literal["flask"] | None = None
    SESSION_COOKIE_NAME: str = "session"
    SESSION_COOKIE_DOMAIN: str | None = None
    SESSION_COOKIE_PATH: str = "/"
    SESSION_COOKIE_HTTPONLY: bool = True
    SESSION_COOKIE_SECURE: bool | None = None
    SESSION_COOKIE_SAMESITE: _SameSite | None = "lax"
    SESSION_COOKIE_PARTITIONED: bool = False
    PERMANENT_SESSION_LIFETIME: _Lifetime = 31 * 24 * 3600
    SESSION_IDLE_LIFETIME: _Lifetime | None = None
    SESSION_REFRESH_EACH_REQUEST: bool = True
    CSRF_ENABLED: bool = True
    CSRF_TRUSTED_ORIGINS: list[str] = []

    # Answers of the framework, and its numbers.
    ERROR_FORMAT: Literal["patera", "problem"] = "patera"
    METRICS: bool = False

    _variables: VariableReport = PrivateAttr(default_factory=VariableReport)

    def __init__(self, **values: Any) -> None:
        report = VariableReport(keywords=frozenset(values))
        mistakes = _misspelt_keywords(type(self), values) + self._load(values, report)
        if mistakes:
            raise ConfigurationError(*mistakes)
        self._variables = report

    def _load(self, values: dict[str, Any], report: VariableReport) -> list[Mistake]:
        """Validate; once more without the bare variables that do not fit, if there were any."""
        try:
            sources: dict[str, Any] = {REPORT_KEY: report, **values}
            super().__init__(**sources)
        except ValidationError as error:
            if report.ignore_failing(error):
                return self._load(values, report)
            return report.mistakes + list(validation_mistakes(type(self), error, report))
        except (OSError, ValueError) as error:
            return [unreadable_source(type(self), error)]
        return report.mistakes

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources, the first that has a key wins; override it to add one of your own."""
        variables = VariableSource(settings_cls, env_settings, dotenv_settings)
        return init_settings, variables, file_secret_settings

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, data: Any) -> Any:
        """Add the defaults of the class, with containers of their own, so that they are validated too."""
        data = dict(data)
        report: VariableReport = data.pop(REPORT_KEY, None) or VariableReport()
        for key, info in cls.model_fields.items():
            default = default_of(info)
            if key in report.partial and isinstance(data.get(key), dict):
                data[key] = merge(None if default is MISSING else default, data[key])
            elif default is not MISSING and names_of(key, info).isdisjoint(data):
                data[key] = default
            if data.get(key, MISSING) is None:
                data[key] = _instead_of_none(key)
        return data

    @field_validator("*", mode="after")
    @classmethod
    def _fits_framework(cls, value: Any, info: ValidationInfo) -> Any:
        """Hold a framework key to the framework's type, whatever annotation the class gives it."""
        key = str(info.field_name)
        declared, here = _framework_fields().get(key), cls.model_fields[key]
        if declared is None or (declared.annotation == here.annotation and declared.metadata == here.metadata):
            return value
        try:
            return _framework_type(key).validate_python(value)
        except ValidationError as error:
            first = dict(error.errors(include_url=False, include_input=False)[0])
            raise PydanticCustomError("framework_type", "{message}", {"message": public_message(first)}) from None

    @property
    def bare_overrides(self) -> list[str]:
        """Framework keys whose value a bare environment variable changed."""
        bare = self._variables.bare.items()
        return [key for key, other in bare if key in _framework_fields() and getattr(self, key) != other]

    @property
    def ignored_variables(self) -> list[tuple[str, str]]:
        """Bare variables that do not fit their key: name and reason."""
        return list(self._variables.ignored.items())

    def is_set(self, key: str) -> bool:
        """Whether anything but the framework's default decided about a key."""
        given = key in self._variables.keywords or key in self._variables.used
        return given or any(key in vars(base).get("__annotations__", {}) for base in _own_classes(type(self)))

    def as_dict(self) -> dict[str, Any]:
        """Return all values by key, with containers of their own; objects within them are kept."""
        values = {key: getattr(self, key) for key in type(self).model_fields} | (self.model_extra or {})
        return _Values({key: copy_containers(value) for key, value in values.items()})

    @staticmethod
    def value_to_bool(value: Any) -> bool:
        """Return True for `True`, `1`, `"1"` and `"true"` in any case, else False.

        Example:
            DEBUG: bool = BaseConfig.value_to_bool(os.environ.get("MY_DEBUG"))
        """
        return str(value).strip().lower() in ("true", "1")

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Yield what `repr()` shows: every value, secrets masked."""
        for key, value in super().__repr_args__():
            yield key, masked(key, value)


def unknown_keys(config: type[BaseConfig] | BaseConfig, claimed: Iterable[str]) -> list[Mistake]:
    """Return a mistake for each bare name that nobody reads.

    Example:
        unknown_keys(config, {"SQL_DATABASE", "FILE_LOGGER"})

    Args:
        config: The config class; an instance adds the keywords that it was created with.
        claimed: Keys that extensions and loggers read.
    """
    kind = config if isinstance(config, type) else type(config)
    declared, claimed = set(kind.model_fields) - set(kind.bare_keys), set(claimed)
    keys = list(kind.bare_keys)
    if not isinstance(config, type):
        keys += sorted(config._variables.keywords & set(config.model_extra or {}))
    return [unknown_key(kind, key, declared | claimed) for key in keys if key not in claimed]


def unknown_variables(config: BaseConfig, claimed: Iterable[str]) -> list[tuple[str, str]]:
    """Return the prefixed variables whose key nobody reads: name and reason.

    They are no mistakes: the environment may belong to other programs too.

    Args:
        config: The config.
        claimed: Keys that extensions and loggers read.
    """
    claimed = set(claimed)
    known = claimed | set(type(config).model_fields)
    undeclared = config._variables.undeclared.items()
    return [(name, f"there is no key {key!r}.{closest(key, known)}") for key, name in undeclared if key not in claimed]


def masked(key: str | None, value: Any) -> Any:
    """Return a value for people to read: secrets, and passwords within URIs, as `***`.

    Args:
        key: The key of the value, which tells whether it is a secret.
        value: The value; dicts and lists are searched.
    """
    if value is None or isinstance(value, bool):
        return value
    if key is not None and _SECRET_KEY.search(key):
        return "***"
    if isinstance(value, str):
        return _SECRET_IN_TEXT.sub(lambda match: f"{match[2]}***" if match[2] else f"{match[1]}:***@", value)
    if isinstance(value, Mapping):
        return {name: masked(str(name), item) for name, item in value.items()}
    if type(value) in (list, tuple, set, frozenset):
        return type(value)(masked(key, item) for item in value)
    return value


class _Values(dict[str, Any]):
    """Values by key, whose representation shows no secret."""

    def __repr__(self) -> str:
        return repr(masked(None, self))


def _own_classes(kind: type[BaseConfig]) -> list[type]:
    """Return the classes between the framework's and the given one."""
    return [base for base in kind.__mro__ if base is not BaseConfig and issubclass(base, BaseConfig)]


def _framework_fields() -> dict[str, FieldInfo]:
    return BaseConfig.model_fields


@cache
def _framework_type(key: str) -> TypeAdapter[Any]:
    return TypeAdapter(annotation_of(BaseConfig.model_fields[key]))


def _instead_of_none(key: str) -> Any:
    """Return the framework's default of a key that cannot be None."""
    info = _framework_fields().get(key)
    if info is None or info.is_required() or type(None) in get_args(info.annotation):
        return None
    return copy_containers(info.default)


def _misspelt_keywords(kind: type[BaseConfig], values: Iterable[str]) -> list[Mistake]:
    """Return a mistake for each keyword that no key can be; upper-case ones may belong to an extension."""
    known = {name for key, info in kind.model_fields.items() for name in names_of(key, info)}
    wrong = [name for name in values if name not in known and not name.isupper() and not name.startswith("_")]
    return [unknown_key(kind, name, known) for name in wrong]
