"""Extensions: their name in the configuration, their values, their state per application."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, cast

import pytest
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, PositiveInt, model_validator

from patera._context import current_request, running_applications, use_application
from patera.exceptions import ConfigurationError, Mistake
from patera.extension import BaseExtension

if TYPE_CHECKING:
    from patera.application import Patera


class App:
    """What an application gives to its extensions."""

    def __init__(self, name: str = "Test", **configs: Any) -> None:
        self.app_name = name
        self.configs = configs
        self.extension_states: dict[BaseExtension, Any] = {}


def application(name: str = "Test", **configs: Any) -> Patera:
    return cast("Patera", App(name, **configs))


class CacheConfigs(BaseModel):
    BACKEND: str = "memory"
    DURATION: PositiveInt = 300
    SESSION_NAME: str = Field("session", validation_alias=AliasChoices("SESSION_NAME", "DATABASE_SESSION_NAME"))
    NICE_NAME: str | None = None


class PlainConfigs(BaseModel):
    SIZE: int = 1


class Cache(BaseExtension):
    configs_model = CacheConfigs

    def init_app(self, app: Patera) -> Any:
        return SimpleNamespace(app_name=app.app_name, duration=self.configs["DURATION"])


class SqlDatabase(BaseExtension):
    def init_app(self, app: Patera) -> None:
        pass


def mistakes_of(extension: BaseExtension, **configs: Any) -> list[Mistake]:
    with pytest.raises(ConfigurationError) as caught:
        extension.attach(application(**configs))
    return list(caught.value.mistakes)


def configs_of(extension: BaseExtension, **configs: Any) -> dict[str, Any]:
    app = application(**configs)
    extension.attach(app)
    return extension.configs


class TestName:
    def test_configs_name_is_class_name_in_upper_snake(self) -> None:
        assert (SqlDatabase().configs_name, SqlDatabase().configs_key) == ("SQL_DATABASE", "SQL_DATABASE")

    def test_configs_name_of_constructor_wins(self) -> None:
        assert SqlDatabase(configs_name="MY_DATABASE").configs_key == "MY_DATABASE"

    def test_variable_prefix_stands_before_name(self) -> None:
        cache = Cache(variable_prefix="MY_CACHE_")
        assert (cache.configs_name, cache.variable_prefix, cache.configs_key) == (
            "CACHE",
            "MY_CACHE_",
            "MY_CACHE_CACHE",
        )

    def test_default_configs_name_of_class_is_inherited(self) -> None:
        class Authentication(SqlDatabase):
            default_configs_name: ClassVar[str | None] = "AUTHENTICATION"

        class Auth(Authentication):
            pass

        assert Auth().configs_name == "AUTHENTICATION"

    def test_constructor_that_does_not_call_the_base_leaves_defaults(self) -> None:
        class Own(SqlDatabase):
            def __init__(self) -> None:
                self.other = 1

        own = Own()
        own.attach(app := application(OWN={"A": 1}))
        assert (own.configs_key, own.app, own.configs) == ("OWN", app, {"A": 1})

    def test_repr_names_class_and_key(self) -> None:
        assert repr(Cache(variable_prefix="A_")) == "<Cache A_CACHE>"


class TestValues:
    def test_dict_wins_over_flat_keys(self) -> None:
        configs = configs_of(Cache(), CACHE={"DURATION": 1}, CACHE_DURATION=2, CACHE_BACKEND="redis")
        assert configs == {"DURATION": 1, "BACKEND": "redis", "SESSION_NAME": "session", "NICE_NAME": None}

    def test_prefix_separates_instances(self) -> None:
        app = application(CACHE_DURATION=1, A_CACHE_DURATION=2, B_CACHE={"DURATION": 3})
        caches = [Cache(), Cache(variable_prefix="A_"), Cache(variable_prefix="B_")]
        for cache in caches:
            cache.attach(app)
        assert [cache.configs["DURATION"] for cache in caches] == [1, 2, 3]

    def test_missing_values_are_defaults_of_model(self) -> None:
        assert configs_of(Cache())["DURATION"] == 300

    def test_none_instead_of_dict_is_no_dict(self) -> None:
        assert configs_of(Cache(), CACHE=None)["DURATION"] == 300

    def test_alias_gives_field_and_first_name_wins(self) -> None:
        alias = {"DATABASE_SESSION_NAME": "b"}
        assert configs_of(Cache(), CACHE=alias)["SESSION_NAME"] == "b"
        assert configs_of(Cache(), CACHE={**alias, "SESSION_NAME": "a"})["SESSION_NAME"] == "a"
        assert configs_of(Cache(), CACHE_DATABASE_SESSION_NAME="c")["SESSION_NAME"] == "c"

    def test_text_of_variable_takes_type_of_model(self) -> None:
        assert configs_of(Cache(), CACHE={"DURATION": "60"})["DURATION"] == 60

    def test_extension_without_model_takes_values_as_they_are(self) -> None:
        options = {"A": 1}
        configs = configs_of(SqlDatabase(), SQL_DATABASE={"OPTIONS": options}, SQL_DATABASE_ECHO=True)
        assert configs == {"OPTIONS": options, "ECHO": True}
        assert configs["OPTIONS"] is options

    def test_objects_are_kept_by_model(self) -> None:
        class Configs(BaseModel):
            model_config = ConfigDict(arbitrary_types_allowed=True)
            STORE: object
            NESTED: PlainConfigs

        class Stores(SqlDatabase):
            configs_model = Configs

        store, nested = object(), PlainConfigs()
        configs = configs_of(Stores(), STORES={"STORE": store, "NESTED": nested})
        assert configs["STORE"] is store
        assert configs["NESTED"] is nested

    def test_framework_keys_are_no_flat_keys(self) -> None:
        class Session(SqlDatabase):
            pass

        session = Session()
        assert configs_of(session, SESSION_BACKEND=None, SESSION_AGE=1) == {"AGE": 1}
        assert session.claimed_keys({"SESSION_BACKEND": None, "SESSION_AGE": 1}) == {"SESSION", "SESSION_AGE"}

    def test_claimed_keys_are_dict_and_flat_keys_of_model(self) -> None:
        assert Cache(variable_prefix="A_").claimed_keys({"A_CACHE_OTHER": 1}) == {
            "A_CACHE",
            "A_CACHE_BACKEND",
            "A_CACHE_DURATION",
            "A_CACHE_SESSION_NAME",
            "A_CACHE_DATABASE_SESSION_NAME",
            "A_CACHE_NICE_NAME",
        }

    def test_dict_of_other_instance_with_longer_name_is_no_flat_key(self) -> None:
        configs = configs_of(Cache(), CACHE={"DURATION": 1}, CACHE_TWO={"DURATION": 2})
        assert configs["DURATION"] == 1

    def test_nice_name_is_value_of_its_key(self) -> None:
        cache = Cache()
        cache.attach(app := application(CACHE={"NICE_NAME": "Pages"}))
        assert (cache.nice_name, cache.app) == ("Pages", app)
        with use_application(other := application()):
            cache.attach(other)
            assert cache.nice_name is None

    def test_own_reading_is_used(self) -> None:
        class Typo(Cache):
            def read_configs(self, configs: Any) -> dict[str, Any]:
                return super().read_configs({"TYPO": configs.get("TYPPO"), **configs})

        assert configs_of(Typo(), TYPPO={"DURATION": 7})["DURATION"] == 7


class TestMistakes:
    def test_unknown_key_names_closest_one(self) -> None:
        (mistake,) = mistakes_of(Cache(), CACHE={"DURATOIN": 1})
        assert (mistake.code, mistake.where) == ("PAT320", "CACHE['DURATOIN']")
        assert mistake.change == "correct or remove it. Did you mean 'DURATION'?"
        assert mistake.accepted == "BACKEND, DATABASE_SESSION_NAME, DURATION, NICE_NAME, SESSION_NAME"

    def test_lower_case_key_names_upper_case_one(self) -> None:
        (mistake,) = mistakes_of(Cache(), CACHE={"duration": 1})
        assert mistake.change.endswith("Did you mean 'DURATION'?")

    def test_every_mistake_is_named(self) -> None:
        class Configs(BaseModel):
            model_config = ConfigDict(extra="forbid")
            URI: str
            SIZE: int = 1

        class Store(SqlDatabase):
            configs_model = Configs

        found = mistakes_of(Store(), STORE={"SIZE": "big", "SIZ": 1, 3: 4})
        assert [(mistake.code, mistake.where) for mistake in found] == [
            ("PAT320", "STORE['SIZ']"),
            ("PAT320", "STORE[3]"),
            ("PAT321", "STORE['URI']"),
            ("PAT322", "STORE['SIZE']"),
        ]
        assert [mistake.accepted for mistake in found[2:]] == ["str", "int"]

    def test_value_is_not_repeated(self) -> None:
        (mistake,) = mistakes_of(Cache(), CACHE={"DURATION": "hunter2"})
        assert "hunter2" not in str(mistake)

    def test_mistake_of_whole_model_names_dict(self) -> None:
        class Configs(BaseModel):
            @model_validator(mode="after")
            def check(self) -> Configs:
                raise ValueError("USE_TLS and USE_SSL exclude each other")

        class Mail(SqlDatabase):
            configs_model = Configs

        (mistake,) = mistakes_of(Mail())
        assert (mistake.where, mistake.found) == ("MAIL", "Value error, USE_TLS and USE_SSL exclude each other")

    def test_unknown_key_of_model_that_allows_it_is_kept(self) -> None:
        class Configs(BaseModel):
            model_config = ConfigDict(extra="allow")

        class Open(SqlDatabase):
            configs_model = Configs

        assert configs_of(Open(), OPEN={"ANY": 1}) == {"ANY": 1}

    @pytest.mark.parametrize("value", ["redis://", ["a"], 3, True])
    def test_value_that_is_no_dict_is_refused(self, value: object) -> None:
        (mistake,) = mistakes_of(Cache(), CACHE=value)
        assert (mistake.code, mistake.where) == ("PAT322", "CACHE")
        assert mistake.found == f"a value of the type {type(value).__name__}"

    def test_extension_whose_init_fails_belongs_to_no_application(self) -> None:
        class Failing(BaseExtension):
            def init_app(self, app: Patera) -> None:
                raise ConnectionError

        failing, app = Failing(), application()
        with pytest.raises(ConnectionError):
            failing.attach(app)
        with pytest.raises(RuntimeError, match="belongs to no application yet"):
            _ = failing.app


@pytest.fixture
def running() -> Iterator[list[Patera]]:
    yield running_applications
    running_applications.clear()


class TestState:
    def test_state_is_what_init_app_returned(self) -> None:
        cache, app = Cache(), application(CACHE={"DURATION": 5})
        cache.attach(app)
        assert cache.state is app.extension_states[cache]
        assert cache.state.duration == 5

    def test_init_app_that_returns_nothing_has_state_none(self) -> None:
        database = SqlDatabase()
        database.attach(app := application())
        assert app.extension_states == {database: None}
        assert database.state is None

    def test_state_of_extension_without_application_is_error(self) -> None:
        with pytest.raises(RuntimeError, match=r"<Cache CACHE> belongs to no application yet: list it in EXTENSIONS"):
            _ = Cache().state

    def test_state_of_current_application_is_found(self) -> None:
        cache, apps = Cache(), [application("A"), application("B")]
        for app in apps:
            cache.attach(app)
        for app in apps:
            with use_application(app):
                assert cache.state.app_name == app.app_name

    def test_state_of_request_wins_over_current_application(self) -> None:
        cache, one, other = Cache(), application("A"), application("B")
        cache.attach(one)
        cache.attach(other)
        request = cast("Any", SimpleNamespace(scope={"app": other}))
        token = current_request.set(request)
        with use_application(one):
            assert cache.state.app_name == "B"
        current_request.reset(token)

    def test_state_of_only_running_application_is_found(self, running: list[Patera]) -> None:
        cache, apps = Cache(), [application("A"), application("B")]
        for app in apps:
            cache.attach(app)
        running.append(apps[1])
        assert cache.state.app_name == "B"

    def test_state_of_only_running_application_that_lists_it_is_found(self, running: list[Patera]) -> None:
        cache, apps = Cache(), [application("A"), application("B"), application("C")]
        cache.attach(apps[0])
        cache.attach(apps[1])
        running.extend(apps[1:])
        assert cache.app is apps[1]

    def test_state_of_several_candidates_is_error_that_names_them(self, running: list[Patera]) -> None:
        cache, apps = Cache(), [application("A"), application("B")]
        for app in apps:
            cache.attach(app)
        running.extend(apps)
        with pytest.raises(RuntimeError, match=r"belongs to several applications \('A', 'B'\)"):
            _ = cache.state

    def test_state_in_application_that_does_not_list_it_is_error(self) -> None:
        cache, listing, other = Cache(), application("A"), application("B")
        cache.attach(listing)
        with (
            use_application(other),
            pytest.raises(RuntimeError, match="used in the application 'B', which does not list it in EXTENSIONS"),
        ):
            _ = cache.state

    def test_application_that_is_gone_is_no_candidate(self) -> None:
        cache, kept = Cache(), application("A")
        cache.attach(kept)
        cache.attach(application("B"))
        gc.collect()
        assert cache.app is kept

    def test_extension_keeps_no_application_alive(self) -> None:
        cache = Cache()
        cache.attach(application())
        gc.collect()
        with pytest.raises(RuntimeError, match="belongs to no application yet"):
            _ = cache.app

    async def test_startup_and_shutdown_do_nothing_unless_overridden(self) -> None:
        database, app = SqlDatabase(), application()
        assert await database.startup(app) is None  # type: ignore[func-returns-value]
        assert await database.shutdown(app) is None  # type: ignore[func-returns-value]

    def test_extension_without_init_app_cannot_be_created(self) -> None:
        class Nothing(BaseExtension):
            pass

        with pytest.raises(TypeError, match="init_app"):
            Nothing()  # type: ignore[abstract]


class TestMistakesOfTheApplication:
    def test_mistakes_of_all_extensions_stop_the_build_together(self, make_app: Callable[..., Patera]) -> None:
        class Checking(SqlDatabase):
            def mistakes(self, app: Patera) -> Sequence[Mistake]:
                names = ", ".join(app.extensions)
                return [Mistake("X1", self.configs_key, f"beside {names}", "nothing", "remove it")]

        extensions = [Checking(configs_name="A"), Checking(configs_name="B"), SqlDatabase(configs_name="C")]
        app = make_app(EXTENSIONS=extensions)
        with pytest.raises(ConfigurationError) as caught:
            app.build()
        assert [(each.where, each.found) for each in caught.value.mistakes] == [
            ("A", "beside A, B, C"),
            ("B", "beside A, B, C"),
        ]

    def test_mistake_that_two_extensions_report_is_named_once(self, make_app: Callable[..., Patera]) -> None:
        class Checking(SqlDatabase):
            def mistakes(self, app: Patera) -> Sequence[Mistake]:
                return [Mistake("X1", "both", "a", "b", "c")]

        app = make_app(EXTENSIONS=[Checking(configs_name="A"), Checking(configs_name="B")])
        with pytest.raises(ConfigurationError, match="1 mistake"):
            app.build()
