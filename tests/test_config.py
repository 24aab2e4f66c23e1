"""Config classes: what may be written in them, where values come from, what is refused."""

import os
import threading
from pathlib import Path
from types import new_class
from typing import Annotated, Any, Literal, NewType, TypeVar, cast

import pytest
from pydantic import AliasChoices, BaseModel, Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from patera.config import (
    BaseConfig,
    CacheConfig,
    SettingsConfigDict,
    SqlDatabaseConfig,
    masked,
    unknown_keys,
    unknown_variables,
)
from patera.exceptions import ConfigurationError, Mistake

T = TypeVar("T")


class Config(BaseConfig):
    APP_NAME: str = "Test app"
    VERSION: str = "1.0"
    BASE_PATH: str = "/srv/app"


class Opaque:
    """Like a scheduler: it can neither be copied nor compared."""

    def __init__(self) -> None:
        self.lock = threading.RLock()


def declared(**values: Any) -> type[Config]:
    """Make a config class with these bare names."""
    body = {"__module__": __name__, **values}
    return cast("type[Config]", new_class("Declared", (Config,), exec_body=lambda namespace: namespace.update(body)))


def mistakes_of(config: type[BaseConfig], **values: Any) -> list[Mistake]:
    with pytest.raises(ConfigurationError) as caught:
        config(**values)
    return list(caught.value.mistakes)


def only(mistakes: list[Mistake]) -> Mistake:
    (mistake,) = mistakes
    return mistake


class TestDeclaring:
    def test_config_without_values_of_its_own_has_documented_defaults(self) -> None:
        config = Config()
        assert (config.HOST, config.PORT, config.LIFESPAN, config.DEBUG) == ("localhost", 8080, "on", True)
        assert config.CORS_ALLOW_METHODS == ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
        assert config.MAX_CONTENT_LENGTH == 10 * 1024 * 1024
        assert config.CONTROLLERS is None

    def test_bare_name_of_framework_key_takes_its_type(self) -> None:
        config = declared(DEBUG="false", PORT="81")()
        assert (config.DEBUG, config.PORT) == (False, 81)

    def test_bare_name_of_framework_key_keeps_its_range(self) -> None:
        assert only(mistakes_of(declared(PORT=65536))).found == "Input should be less than or equal to 65535"

    def test_annotated_framework_key_keeps_its_range(self) -> None:
        class Annotated(Config):
            PORT: int = -1

        assert only(mistakes_of(Annotated)).found == "Input should be greater than or equal to 0"

    def test_annotated_framework_key_of_another_type_is_refused_unless_it_fits(self) -> None:
        class Fitting(Config):
            PORT: str = "80"  # type: ignore[assignment]

        class Other(Config):
            PORT: str = "http"  # type: ignore[assignment]

        assert Fitting().as_dict()["PORT"] == 80
        mistake = only(mistakes_of(Other))
        assert (mistake.code, mistake.accepted) == ("PAT021", "int")

    def test_bare_name_of_extension_becomes_field_with_its_value(self) -> None:
        class Bare(Config):
            SQL_DATABASE = {"DATABASE_URI": "sqlite+aiosqlite://"}

        assert Bare().as_dict()["SQL_DATABASE"] == {"DATABASE_URI": "sqlite+aiosqlite://"}
        assert Bare.bare_keys == ("SQL_DATABASE",)

    def test_bare_name_of_own_annotated_field_takes_its_type(self) -> None:
        class Own(Config):
            LIMIT: int = 3

        class Child(Own):
            LIMIT = "4"  # type: ignore[assignment]

        assert Child().as_dict()["LIMIT"] == 4
        assert Child.bare_keys == ()

    def test_bare_name_that_child_annotates_is_bare_no_longer(self) -> None:
        class Bare(Config):
            EXTRA = 1

        class Child(Bare):
            EXTRA: int = 2

        assert (Bare.bare_keys, Child.bare_keys) == (("EXTRA",), ())

    def test_bare_name_with_letters_beyond_ascii_becomes_field(self) -> None:
        class Bare(Config):
            GRÖSSE = 4

        assert Bare().as_dict()["GRÖSSE"] == 4

    def test_names_of_plain_base_class_become_fields(self) -> None:
        class Mixin:
            DEBUG = False
            CACHE = {"DURATION": 1}
            LIMIT: int = 3

        class Mixed(Mixin, Config):
            pass

        assert (Mixed().DEBUG, Mixed().as_dict()["CACHE"], Mixed().LIMIT) == (False, {"DURATION": 1}, 3)
        assert Mixed.bare_keys == ("CACHE",)

    def test_methods_class_variables_and_nested_classes_are_no_keys(self) -> None:
        class Plain(Config):
            class NESTED:
                pass

            def METHOD(self) -> int:  # noqa: N802
                return 1

            @property
            def PROPERTY(self) -> int:  # noqa: N802
                return 2

        assert Plain.bare_keys == ()
        assert (Plain().METHOD(), Plain().PROPERTY) == (1, 2)

    def test_class_body_uses_earlier_values(self) -> None:
        class Body(Config):
            BASE_PATH: str = "/srv"
            FILE_LOGGER = {"SINK": os.path.join(BASE_PATH, "logging", "file.log")}

        assert Body().as_dict()["FILE_LOGGER"] == {"SINK": "/srv/logging/file.log"}

    def test_class_attribute_is_default_of_class(self) -> None:
        class Child(Config):
            DEBUG = False

        assert (Child.DEBUG, Child.PORT, Config.DEBUG, Config.APP_NAME) == (False, 8080, True, "Test app")

    def test_class_attribute_that_is_changed_leaves_default_alone(self) -> None:
        Config.CORS_ALLOW_ORIGINS.append("https://other.example")
        assert Config.CORS_ALLOW_ORIGINS == ["*"]

    def test_class_attribute_without_value_is_attribute_error(self) -> None:
        assert not hasattr(BaseConfig, "APP_NAME")
        with pytest.raises(AttributeError, match="BaseConfig gives APP_NAME no value"):
            _ = BaseConfig.APP_NAME

    def test_none_for_framework_key_without_none_means_its_default(self) -> None:
        class Nothing(declared(CORS_ALLOW_ORIGINS=None, MAX_CONTENT_LENGTH=None)):  # type: ignore[misc]
            DEBUG: bool | None = None

        config = Nothing()
        assert (config.DEBUG, config.CORS_ALLOW_ORIGINS, config.MAX_CONTENT_LENGTH) == (True, ["*"], None)

    def test_import_strings_and_classes_fit_request_class(self) -> None:
        config = declared(REQUEST_CLASS=Opaque, RESPONSE_CLASS="app.web:Res")()
        assert config.REQUEST_CLASS is Opaque
        assert config.RESPONSE_CLASS == "app.web:Res"


class TestValues:
    def test_as_dict_has_every_key(self) -> None:
        values = Config(SQL_DATABASE={"A": 1}).as_dict()
        assert set(BaseConfig.model_fields) | {"SQL_DATABASE"} == set(values)

    def test_containers_are_not_shared_between_instances_and_dicts(self) -> None:
        class Shared(Config):
            CACHE = {"OPTIONS": {"A": [1]}}

        config = Shared()
        config.as_dict()["CACHE"]["OPTIONS"]["A"].append(2)
        config.CACHE["OPTIONS"]["A"].append(3)
        assert Shared().as_dict()["CACHE"] == {"OPTIONS": {"A": [1]}}

    def test_objects_and_classes_within_dicts_are_kept(self) -> None:
        store = Opaque()

        class Stores(Config):
            TASK_MANAGER = {"JOB_STORES": {"default": store}, "SCHEDULER": Opaque, "LIST": [store]}

        values = Stores().as_dict()["TASK_MANAGER"]
        assert values["JOB_STORES"]["default"] is values["LIST"][0] is store
        assert values["SCHEDULER"] is Opaque

    def test_default_factory_runs_for_each_instance(self) -> None:
        class Made(Config):
            OPTIONS: list[int] = Field(default_factory=lambda: [1])

        assert Made().OPTIONS is not Made().OPTIONS
        assert Made.OPTIONS == [1]

    def test_typed_dict_keeps_unknown_keys_for_its_extension(self) -> None:
        class Typed(Config):
            SQL_DATABASE: SqlDatabaseConfig = {"DATABASE_URI": "x", "DATABSE": "y"}  # type: ignore[typeddict-unknown-key]

        assert Typed().SQL_DATABASE == {"DATABASE_URI": "x", "DATABSE": "y"}

    def test_is_set_tells_own_values_from_framework_defaults(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Own(Config):
            DEBUG = True

        monkeypatch.setenv("PATERA_HOST", "0.0.0.0")
        config = Own(PORT=1)
        assert [config.is_set(key) for key in ("DEBUG", "HOST", "PORT", "LIFESPAN")] == [True, True, True, False]

    @pytest.mark.parametrize("value", [True, "true", "True", "1", 1])
    def test_value_to_bool_of_documented_values_is_true(self, value: object) -> None:
        assert BaseConfig.value_to_bool(value) is True

    @pytest.mark.parametrize("value", [False, None, "", "false", "0", "2", 0, 2, [], "yes"])
    def test_value_to_bool_of_anything_else_is_false(self, value: object) -> None:
        assert BaseConfig.value_to_bool(value) is False


class TestMistakes:
    def test_required_keys_without_value_are_named_together(self) -> None:
        class Empty(BaseConfig):
            pass

        found = mistakes_of(Empty)
        assert [(mistake.code, mistake.where.rpartition(".")[2]) for mistake in found] == [
            ("PAT020", "APP_NAME"),
            ("PAT020", "VERSION"),
            ("PAT020", "BASE_PATH"),
        ]
        assert found[2].change == (
            "write `BASE_PATH: str = os.path.dirname(__file__)` in the class, or set PATERA_BASE_PATH"
        )

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("PORT", "http"),
            ("PORT", 65536),
            ("DEBUG", "maybe"),
            ("LIFESPAN", "of"),
            ("ERROR_FORMAT", "rfc"),
            ("MAX_CONTENT_LENGTH", 0),
            ("REQUEST_TIMEOUT", 0),
            ("REQUEST_TIMEOUT", float("nan")),
            ("BACKGROUND_TASKS_SHUTDOWN_TIMEOUT", -1),
            ("IN_MEMORY_LOG_BUFFER_SIZE", -1),
            ("CORS_MAX_AGE", -2),
            ("CORS_ALLOW_ORIGINS", "*"),
            ("DEFAULT_LOGGER", "TRACE"),
            ("SECURITY_HEADERS", {"x": 1}),
            ("REQUEST_CLASS", 3),
        ],
    )
    def test_value_that_does_not_fit_is_refused(self, key: str, value: object) -> None:
        mistake = only(mistakes_of(declared(**{key: value})))
        assert (mistake.code, mistake.where.rpartition(".")[2]) == ("PAT021", key)

    def test_every_value_that_does_not_fit_is_named(self) -> None:
        found = mistakes_of(declared(PORT="http", LIFESPAN="of", MIDDLEWARE=[Opaque]))
        assert {mistake.where.rpartition(".")[2] for mistake in found} == {"PORT", "LIFESPAN", "MIDDLEWARE"}

    def test_mistake_names_line_of_key(self) -> None:
        class Wrong(Config):
            DEBUG = True
            PORT = "http"  # type: ignore[assignment]

        path, _, line = only(mistakes_of(Wrong)).location.rpartition(":")
        assert Path(path).read_text(encoding="utf-8").splitlines()[int(line) - 1].strip().startswith('PORT = "http"')

    def test_class_instead_of_import_string_names_the_form(self) -> None:
        mistake = only(mistakes_of(declared(CONTROLLERS=[Opaque])))
        assert mistake.found == "0: Input should be a valid string"
        assert mistake.change == "correct the value; it lists import strings such as 'package.module:Name'"

    def test_keyword_that_no_key_can_be_is_refused(self) -> None:
        mistake = only(mistakes_of(Config, port=1))
        assert (mistake.code, mistake.change[-21:]) == ("PAT022", " Did you mean 'PORT'?")

    def test_own_model_validator_failure_is_configuration_error(self) -> None:
        class Checked(Config):
            @model_validator(mode="after")
            def check(self) -> "Checked":
                raise ValueError("HOST and PORT do not fit")

        assert only(mistakes_of(Checked)).found == "Value error, HOST and PORT do not fit"

    def test_own_extra_forbid_refuses_undeclared_keyword(self) -> None:
        class Strict(Config):
            model_config = SettingsConfigDict(extra="forbid")

        assert only(mistakes_of(Strict, CACHE={})).found == "Extra inputs are not permitted"

    def test_mistake_below_key_of_own_model_names_its_path(self) -> None:
        class Limits(BaseModel):
            size: int

        class Own(Config):
            LIMITS: dict[str, Limits] = {"a": {"size": "x"}}  # type: ignore[dict-item]

        assert only(mistakes_of(Own)).found.startswith("a.size: Input should be a valid integer")

    def test_unknown_keys_are_bare_names_that_nobody_claims(self) -> None:
        class Bare(Config):
            CACHE = {"DURATION": 1}
            DEBGU = False
            OWN: int = 1

        mistake = only(unknown_keys(Bare, {"CACHE"}))
        assert (mistake.code, mistake.where) == ("PAT022", f"{__name__}.{Bare.__qualname__}.DEBGU")
        assert mistake.change == (
            "correct the name, or annotate a key of your own, `DEBGU: Any`. Did you mean 'DEBUG'?"
        )
        assert ":" in mistake.location

    def test_unknown_keys_hint_at_claimed_keys(self) -> None:
        class Bare(Config):
            SQL_DATABSE: Any
            CACHEE = {"DURATION": 1}

        assert only(unknown_keys(Bare, {"CACHE"})).change.endswith("Did you mean 'CACHE'?")

    def test_unknown_keys_of_instance_include_undeclared_keywords(self) -> None:
        config = Config(CACHE={}, CACHEE={})
        assert [mistake.where.rpartition(".")[2] for mistake in unknown_keys(config, {"CACHE"})] == ["CACHEE"]


class TestVariables:
    def test_keyword_wins_over_every_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATERA_PORT", "1")
        monkeypatch.setenv("PORT", "2")
        monkeypatch.setenv("PATERA_CACHE__DURATION", "3")
        config = Config(PORT=4, CACHE={"BACKEND": "memory"})
        assert (config.PORT, config.as_dict()["CACHE"]) == (4, {"BACKEND": "memory"})

    def test_prefixed_variable_wins_over_bare_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATERA_PORT", "1")
        monkeypatch.setenv("PORT", "2")
        config = Config()
        assert (config.PORT, config.bare_overrides) == (1, [])

    def test_bare_variable_wins_over_class_and_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PORT", "2")
        config = Config()
        assert (config.PORT, config.bare_overrides) == (2, ["PORT"])

    def test_bare_variable_that_changes_nothing_is_not_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PORT", "8080")
        monkeypatch.setenv("VERSION", "1.0")
        assert Config().bare_overrides == []

    def test_bare_variable_gives_required_key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class NoName(BaseConfig):
            VERSION: str = "1"
            BASE_PATH: str = "/"

        monkeypatch.setenv("APP_NAME", "From outside")
        config = NoName()
        assert (config.APP_NAME, config.bare_overrides) == ("From outside", ["APP_NAME"])

    def test_bare_variable_of_own_key_is_read_and_not_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Own(Config):
            LIMIT: int = 1
            FOLDER: Path | None = None

        monkeypatch.setenv("LIMIT", "2")
        monkeypatch.setenv("FOLDER", "/tmp")
        config = Own()
        assert (config.LIMIT, config.FOLDER, config.bare_overrides) == (2, Path("/tmp"), [])

    @pytest.mark.parametrize(
        ("annotation", "value"),
        [
            (NewType("Size", int), 2),
            (Annotated[int, Field(gt=0)] | None, 2),
            (Annotated[str, Field()] | int, "2"),
            (Literal["2"] | None, "2"),
            (SecretStr | None, SecretStr("2")),
        ],
    )
    def test_bare_variable_of_scalar_type_is_read(
        self, monkeypatch: pytest.MonkeyPatch, annotation: Any, value: object
    ) -> None:
        own = declared(__annotations__={"LIMIT": annotation}, LIMIT=None)
        monkeypatch.setenv("LIMIT", "2")
        assert own().as_dict()["LIMIT"] == value

    @pytest.mark.parametrize("annotation", [list[int] | None, dict[str, int] | str | None, type[int] | None, T | None])
    def test_bare_variable_of_other_type_is_not_read(self, monkeypatch: pytest.MonkeyPatch, annotation: Any) -> None:
        own = declared(__annotations__={"LIMIT": annotation}, LIMIT=None)
        monkeypatch.setenv("LIMIT", "2")
        config = own()
        assert config.as_dict()["LIMIT"] is None
        assert config.ignored_variables == [
            ("LIMIT", "LIMIT takes more than one value: only its prefixed variable is read")
        ]

    def test_bare_variable_that_does_not_fit_is_ignored_with_reason(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DEBUG", "*")
        monkeypatch.setenv("PORT", "tcp://10.0.0.1:80")
        config = Config()
        assert (config.DEBUG, config.PORT, config.bare_overrides) == (True, 8080, [])
        assert config.ignored_variables == [
            ("DEBUG", "it does not fit DEBUG: Input should be a valid boolean, unable to interpret input"),
            ("PORT", "it does not fit PORT: Input should be a valid integer, unable to parse string as an integer"),
        ]

    def test_bare_variable_that_own_validator_refuses_is_ignored(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Own(Config):
            @field_validator("HOST")
            @classmethod
            def check(cls, value: str, info: ValidationInfo) -> str:
                if value != "localhost":
                    raise ValueError(f"{info.field_name} must not be {value}")
                return value

        monkeypatch.setenv("HOST", "workstation")
        config = Own()
        assert config.HOST == "localhost"
        assert config.ignored_variables == [("HOST", "it does not fit HOST: a validator refused it")]

    def test_bare_variable_that_does_not_fit_leaves_value_of_file(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / ".env").write_text("PORT=81\n", encoding="utf-8")
        monkeypatch.setenv("PORT", "http")
        assert Config(_env_file=tmp_path / ".env").PORT == 81

    def test_bare_variable_of_list_or_dict_is_not_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Own(Config):
            SQL_DATABASE = {"DATABASE_URI": "x"}

        monkeypatch.setenv("CONTROLLERS", '["a:b"]')
        monkeypatch.setenv("SQL_DATABASE", '{"DATABASE_URI": "y"}')
        monkeypatch.setenv("SQL_DATABASE__DATABASE_URI", "y")
        config = Own()
        assert (config.CONTROLLERS, config.SQL_DATABASE) == (None, {"DATABASE_URI": "x"})
        assert [name for name, _ in config.ignored_variables] == ["CONTROLLERS", "SQL_DATABASE"]

    def test_bare_variable_of_flat_key_is_read_as_value_of_class(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Flat(Config):
            CACHE_DURATION = 300
            CACHE_RATIO = 0.5
            CACHE_ON = True
            CACHE_URL = None

        for key, text in {"DURATION": "60", "RATIO": "1", "ON": "no", "URL": "redis://"}.items():
            monkeypatch.setenv(f"CACHE_{key}", text)
        values = Flat().as_dict()
        assert [values[f"CACHE_{key}"] for key in ("DURATION", "RATIO", "ON", "URL")] == [60, 1.0, False, "redis://"]

    def test_bare_variable_of_flat_key_of_another_kind_is_ignored(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Flat(Config):
            CACHE_DURATION = 300

        monkeypatch.setenv("CACHE_DURATION", "long")
        config = Flat()
        assert config.as_dict()["CACHE_DURATION"] == 300
        assert config.ignored_variables == [
            ("CACHE_DURATION", "it does not fit CACHE_DURATION: that is a value of the type int")
        ]

    def test_lower_case_variable_is_not_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("debug", "false")
        assert Config().DEBUG is True

    def test_lower_case_own_key_takes_upper_case_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Own(Config):
            db_url: str = ""

        monkeypatch.setenv("DB_URL", "x")
        assert Own().db_url == "x"
        monkeypatch.setenv("PATERA_DB_URL", "y")
        assert (Own().db_url, unknown_variables(Own(), set())) == ("y", [])

    def test_case_insensitive_config_takes_any_case(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Loose(Config):
            model_config = SettingsConfigDict(case_sensitive=False, env_prefix="patera_")

        monkeypatch.setenv("patera_port", "81")
        monkeypatch.setenv("Patera_Cache__Duration", "3")
        config = Loose()
        assert (config.PORT, config.as_dict()["CACHE"]) == (81, {"DURATION": "3"})

    def test_prefixed_variable_that_does_not_fit_stops(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATERA_PORT", "abc")
        monkeypatch.setenv("PATERA_DEBUG", "")
        found = mistakes_of(Config)
        assert [(mistake.code, mistake.where) for mistake in found] == [
            ("PAT021", "PATERA_DEBUG"),
            ("PAT021", "PATERA_PORT"),
        ]
        assert found[1].change == "correct PATERA_PORT, or unset it"

    def test_prefixed_variable_of_list_is_json(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATERA_CORS_ALLOW_ORIGINS", ' ["https://a.example"]')
        assert Config().CORS_ALLOW_ORIGINS == ["https://a.example"]

    @pytest.mark.parametrize("text", ["https://a.example", '["https://a', "[" * 100_000, '{"a": 1}', "[1]"])
    def test_prefixed_variable_of_list_that_is_no_json_list_stops(
        self, monkeypatch: pytest.MonkeyPatch, text: str
    ) -> None:
        monkeypatch.setenv("PATERA_CORS_ALLOW_ORIGINS", text)
        assert only(mistakes_of(Config)).where == "PATERA_CORS_ALLOW_ORIGINS"

    def test_prefixed_variable_of_dict_replaces_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Own(Config):
            CACHE = {"DURATION": 1, "BACKEND": "memory"}

        monkeypatch.setenv("PATERA_CACHE", '{"DURATION": 2}')
        monkeypatch.setenv("PATERA_CACHE__KEY_PREFIX", "p")
        assert Own().as_dict()["CACHE"] == {"DURATION": 2, "KEY_PREFIX": "p"}

    @pytest.mark.parametrize("text", ["memory", "[1]", '{"a"'])
    def test_prefixed_variable_of_dict_that_is_no_json_object_stops(
        self, monkeypatch: pytest.MonkeyPatch, text: str
    ) -> None:
        class Own(Config):
            CACHE = {"DURATION": 1}

        monkeypatch.setenv("PATERA_CACHE", text)
        mistake = only(mistakes_of(Own))
        assert (mistake.where, mistake.accepted) == ("PATERA_CACHE", "a dict, written as JSON")

    def test_nested_variable_is_merged_into_dict_of_class(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Own(Config):
            SQL_DATABASE = {"DATABASE_URI": "x", "SHOW_SQL": False, "OPTIONS": {"A": 1, "B": 2}}

        monkeypatch.setenv("PATERA_SQL_DATABASE__SHOW_SQL", "1")
        monkeypatch.setenv("PATERA_SQL_DATABASE__OPTIONS__A", "3")
        assert Own().as_dict()["SQL_DATABASE"] == {
            "DATABASE_URI": "x",
            "SHOW_SQL": True,
            "OPTIONS": {"A": 3, "B": 2},
        }
        assert Own.SQL_DATABASE["SHOW_SQL"] is False

    def test_nested_variable_of_typed_dict_takes_its_types(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Own(Config):
            CACHE: CacheConfig = {"BACKEND": Opaque}

        monkeypatch.setenv("PATERA_CACHE__DURATION", "60")
        assert Own().as_dict()["CACHE"] == {"BACKEND": Opaque, "DURATION": 60}

    def test_nested_variable_of_model_takes_its_types(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Limits(BaseModel):
            size: int = 1
            names: list[str] = []

        class Own(Config):
            LIMITS: Limits = Limits(size=2)

        monkeypatch.setenv("PATERA_LIMITS__names", '["a"]')
        config = Own()
        assert config.LIMITS.model_dump() == {"size": 2, "names": ["a"]}

    def test_nested_variable_that_only_looks_like_json_stays_text(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Own(Config):
            EMAIL_CLIENT = {"PASSWORD": "", "PORT": 25}

        monkeypatch.setenv("PATERA_EMAIL_CLIENT__PASSWORD", "[1]")
        monkeypatch.setenv("PATERA_EMAIL_CLIENT__USERNAME", "12345")
        assert Own().as_dict()["EMAIL_CLIENT"] == {"PASSWORD": "[1]", "PORT": 25, "USERNAME": "12345"}

    def test_nested_variable_of_another_kind_than_in_class_stops(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Own(Config):
            SQL_DATABASE = {"SHOW_SQL": False, "LIST": [1]}

        monkeypatch.setenv("PATERA_SQL_DATABASE__SHOW_SQL", "*")
        monkeypatch.setenv("PATERA_SQL_DATABASE__LIST", "1")
        assert [(mistake.where, mistake.accepted) for mistake in mistakes_of(Own)] == [
            ("PATERA_SQL_DATABASE__LIST", "a list, written as JSON"),
            ("PATERA_SQL_DATABASE__SHOW_SQL", "a value of the type bool"),
        ]

    @pytest.mark.parametrize("name", ["PATERA_PORT__X", "PATERA_CONTROLLERS__0", "PATERA_CACHE__BACKEND__NAME"])
    def test_nested_variable_of_value_that_is_no_dict_stops(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        class Own(Config):
            CONTROLLERS = ["a:b"]
            CACHE = {"BACKEND": "memory"}

        monkeypatch.setenv(name, "1")
        mistake = only(mistakes_of(Own))
        assert (mistake.code, mistake.where) == ("PAT021", name)
        assert mistake.accepted == "one value as a whole, no entries below it"

    def test_nested_variables_that_exclude_each_other_stop(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATERA_CACHE__A", "1")
        monkeypatch.setenv("PATERA_CACHE__A__B", "1")
        assert only(mistakes_of(Config)).where == "PATERA_CACHE__A__B"

    def test_nested_variable_makes_dict_of_key_that_is_none_or_undeclared(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Own(Config):
            OPTIONS: dict[str, int] | None = None

        monkeypatch.setenv("PATERA_OPTIONS__A", "1")
        monkeypatch.setenv("PATERA_CACHE__BACKEND__NAME", "redis")
        values = Own().as_dict()
        assert (values["OPTIONS"], values["CACHE"]) == ({"A": 1}, {"BACKEND": {"NAME": "redis"}})

    @pytest.mark.parametrize("name", ["PATERA_CACHE__", "PATERA_CACHE____A", "PATERA_", "PATERA___A", "__A"])
    def test_variable_with_empty_part_changes_nothing(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        without = Config().as_dict()
        monkeypatch.setenv(name, "1")
        assert Config().as_dict() == without

    def test_prefixed_variable_of_undeclared_key_is_value_and_reported_unless_claimed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATERA_CACHE_DURATION", "60")
        monkeypatch.setenv("PATERA_DEBGU", "1")
        config = Config()
        assert config.as_dict()["CACHE_DURATION"] == "60"
        assert unknown_variables(config, {"CACHE_DURATION"}) == [
            ("PATERA_DEBGU", "there is no key 'DEBGU'. Did you mean 'DEBUG'?")
        ]
        assert unknown_keys(config, set()) == []

    def test_alias_is_variable_of_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Own(Config):
            DATABASE: str = Field("x", validation_alias=AliasChoices("DATABASE_URL", "DB_URL"))
            HOSTS: list[str] = Field([], alias="HOST_LIST")

        monkeypatch.setenv("DB_URL", "y")
        monkeypatch.setenv("HOST_LIST", '["a"]')
        config = Own()
        assert (config.DATABASE, config.HOSTS) == ("y", ["a"])

    def test_own_prefix_replaces_the_framework_prefix(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Own(Config):
            model_config = SettingsConfigDict(env_prefix="SHOP_")

        monkeypatch.setenv("SHOP_PORT", "81")
        monkeypatch.setenv("PATERA_PORT", "82")
        assert Own().PORT == 81

    def test_empty_prefix_makes_bare_variables_binding(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Own(Config):
            model_config = SettingsConfigDict(env_prefix="")

        monkeypatch.setenv("PORT", "http")
        assert only(mistakes_of(Own)).where == "PORT"

    def test_text_for_none_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Own(Config):
            model_config = SettingsConfigDict(env_parse_none_str="null")

        monkeypatch.setenv("PATERA_MAX_CONTENT_LENGTH", "null")
        assert Own().MAX_CONTENT_LENGTH is None

    def test_mistake_repeats_no_content_of_variables(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Own(Config):
            @field_validator("SECRET_KEY")
            @classmethod
            def check(cls, value: str) -> str:
                raise ValueError(f"{value} is too short")

        monkeypatch.setenv("PATERA_SECRET_KEY", "hunter2")
        monkeypatch.setenv("PATERA_PORT", "hunter3")
        monkeypatch.setenv("DEBUG", "hunter4")
        with pytest.raises(ConfigurationError) as caught:
            Own()
        assert "hunter" not in str(caught.value)
        assert caught.value.__cause__ is None
        assert "*** is too short" in str(caught.value)

    def test_variables_are_read_once_more_only_to_ignore_bare_ones(self, monkeypatch: pytest.MonkeyPatch) -> None:
        runs = []

        class Own(Config):
            @model_validator(mode="after")
            def count(self) -> "Own":
                runs.append(self.PORT)
                return self

        Own()
        assert runs == [8080]


class TestFiles:
    def env_file(self, tmp_path: Path, text: str) -> type[Config]:
        path = tmp_path / ".env"
        path.write_text(text, encoding="utf-8")

        class FromFile(Config):
            model_config = SettingsConfigDict(env_file=path)
            SQL_DATABASE = {"DATABASE_URI": "x", "SHOW_SQL": False}

        return FromFile

    def test_file_gives_bare_and_prefixed_names(self, tmp_path: Path) -> None:
        config = self.env_file(tmp_path, 'SECRET_KEY="from file"\nPATERA_PORT=81\nPORT=82\n')()
        assert (config.SECRET_KEY, config.PORT, config.bare_overrides) == ("from file", 81, [])

    def test_file_gives_lists_and_nested_values_by_bare_name(self, tmp_path: Path) -> None:
        config = self.env_file(tmp_path, 'CORS_ALLOW_ORIGINS=["a"]\nSQL_DATABASE__SHOW_SQL=true\n')()
        assert config.CORS_ALLOW_ORIGINS == ["a"]
        assert config.as_dict()["SQL_DATABASE"] == {"DATABASE_URI": "x", "SHOW_SQL": True}

    def test_environment_wins_over_file_value_by_value(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        kind = self.env_file(tmp_path, "PATERA_PORT=81\nHOST=a\nSQL_DATABASE__SHOW_SQL=1\nSQL_DATABASE__EXTRA=1\n")
        monkeypatch.setenv("PORT", "82")
        monkeypatch.setenv("PATERA_SQL_DATABASE__SHOW_SQL", "0")
        config = kind()
        assert (config.PORT, config.HOST, config.bare_overrides) == (82, "a", ["PORT"])
        assert config.as_dict()["SQL_DATABASE"] == {"DATABASE_URI": "x", "SHOW_SQL": False, "EXTRA": "1"}

    def test_value_of_file_that_does_not_fit_stops(self, tmp_path: Path) -> None:
        assert only(mistakes_of(self.env_file(tmp_path, "PORT=http\n"))).where == "PORT"

    def test_other_names_of_file_are_left_alone(self, tmp_path: Path) -> None:
        config = self.env_file(tmp_path, "COMPOSE_PROJECT_NAME=x\nEMPTY\n")()
        assert "COMPOSE_PROJECT_NAME" not in config.as_dict()

    def test_missing_file_is_no_mistake(self, tmp_path: Path) -> None:
        assert Config(_env_file=tmp_path / "none").PORT == 8080

    def test_file_that_is_no_text_is_configuration_error(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_bytes(b"A=\xff\xfe\n")
        mistake = only(mistakes_of(Config, _env_file=tmp_path / ".env"))
        assert (mistake.code, mistake.found) == ("PAT023", "a source of settings cannot be read (UnicodeDecodeError)")

    def test_source_of_own_is_put_between_variables_and_class(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Fixed(PydanticBaseSettingsSource):
            def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
                return None, field_name, False

            def __call__(self) -> dict[str, Any]:
                return {"PORT": 81, "HOST": "fixed", "CACHE": {"A": 1, "B": 2}}

        class Own(Config):
            CACHE = {"A": 0, "C": 3}

            @classmethod
            def settings_customise_sources(
                cls, settings_cls: type[BaseSettings], *args: Any, **kwargs: Any
            ) -> tuple[PydanticBaseSettingsSource, ...]:
                return *super().settings_customise_sources(settings_cls, *args, **kwargs), Fixed(settings_cls)

        monkeypatch.setenv("PATERA_PORT", "82")
        monkeypatch.setenv("PATERA_CACHE__B", "4")
        config = Own()
        assert (config.PORT, config.HOST) == (82, "fixed")
        assert config.as_dict()["CACHE"] == {"A": 1, "B": "4", "C": 3}


class TestMasking:
    def test_repr_shows_no_secret(self) -> None:
        config = Config(
            SECRET_KEY="hunter2",
            SQL_DATABASE={"DATABASE_URI": "postgresql://user:hunter2@host/db"},
            AI_INTERFACE={"API_KEY": "hunter2", "MODEL": "gpt"},
            STORES=[{"URL": "redis://:hunter2@host?password=hunter2"}],
        )
        text = f"{config!r} {config} {config.as_dict()}"
        assert "hunter2" not in text
        assert "postgresql://user:***@host/db" in text
        assert "'MODEL': 'gpt'" in text

    @pytest.mark.parametrize(
        ("key", "value", "shown"),
        [
            ("SECRET_KEY", "x", "***"),
            ("secret_key", b"x", "***"),
            ("PASSWORDS", ["x"], "***"),
            ("REDIS_PASSWORD", 1, "***"),
            ("SECRET_KEY", None, None),
            ("CORS_ALLOW_CREDENTIALS", True, True),
            ("URI", "amqp://u:p@ss/w@h", "amqp://u:***@h"),
            ("URI", "https://host/path", "https://host/path"),
            ("X", ({"TOKEN": 1}, "a"), ({"TOKEN": "***"}, "a")),
            ("X", {1: {"PASSWORD": "x"}}, {1: {"PASSWORD": "***"}}),
        ],
    )
    def test_masked_hides_secrets_only(self, key: str, value: object, shown: object) -> None:
        assert masked(key, value) == shown
