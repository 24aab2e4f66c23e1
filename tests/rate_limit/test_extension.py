"""`RateLimiter` and `RATE_LIMIT`: limits for all endpoints, and what is wrong with a configuration."""

from typing import Any

import pytest

from patera import BaseConfig, Patera, Request, Response, app
from patera.controller import Controller, get, path
from patera.exceptions import ConfigurationError
from patera.extension import BaseExtension
from patera.rate_limit import RateLimiter, rate_limit, rate_limit_exempt
from tests.rate_limit.endpoints import Connect, Limited, MakeApp, fields_of, statuses


def limited(make_app: MakeApp, *controllers: type, **values: Any) -> Patera:
    return make_app(*controllers, EXTENSIONS=[RateLimiter()], RATE_LIMIT=values, DEBUG=False)


@path("/free")
class Free(Controller):
    @get("/a")
    async def a(self, req: Request) -> Response:
        return req.res.text("a")

    @get("/b")
    async def b(self, req: Request) -> Response:
        return req.res.text("b")

    @get("/health")
    @rate_limit_exempt
    async def health(self, req: Request) -> Response:
        return req.res.text("up")


async def test_default_limits_hold_for_endpoints_without_their_own(make_app: MakeApp, client: Connect) -> None:
    http = await client(limited(make_app, Free, Limited, DEFAULT_LIMITS="1/minute"))
    found = [await statuses(http, url, 3) for url in ("/free/a", "/free/b", "/limited/two", "/free/health")]
    assert found == [[200, 429, 429], [200, 429, 429], [200, 200, 429], [200, 200, 200]]


async def test_global_limits_hold_for_all_endpoints_together(make_app: MakeApp, client: Connect) -> None:
    http = await client(limited(make_app, Free, Limited, GLOBAL_LIMITS="3/minute"))
    urls = ["/free/a", "/free/b", "/limited/two", "/free/a", "/limited/two", "/free/health", "/static/none"]
    assert [(await http.get(url)).status_code for url in urls] == [200, 200, 200, 429, 429, 200, 404]


async def test_headers_can_be_switched_off(make_app: MakeApp, client: Connect) -> None:
    http = await client(limited(make_app, Limited, HEADERS=False))
    answers = [await http.get("/limited/two") for _ in range(3)]
    assert [name for answer in answers for name in answer.headers if name.startswith("ratelimit")] == []
    assert "retry-after" in answers[2].headers


async def test_limits_can_be_switched_off(make_app: MakeApp, client: Connect) -> None:
    http = await client(limited(make_app, Limited, ENABLED=False))
    assert await statuses(http, "/limited/two", 4) == [200] * 4


@pytest.mark.parametrize("strategy", ["moving-window", "fixed-window"])
async def test_strategies_count_alike_within_a_window(make_app: MakeApp, client: Connect, strategy: str) -> None:
    http = await client(limited(make_app, Limited, STRATEGY=strategy))
    answers = [await http.get("/limited/two") for _ in range(3)]
    assert [(answer.status_code, fields_of(answer, "ratelimit")[0]["r"]) for answer in answers] == [
        (200, "1"),
        (200, "0"),
        (429, "0"),
    ]


async def test_applications_count_by_themselves(make_app: MakeApp, client: Connect) -> None:
    for _ in range(2):
        assert await statuses(await client(make_app(Limited)), "/limited/two", 3) == [200, 200, 429]


@pytest.mark.parametrize("limits", ["", "often", "5", "5/fortnight", "0/minute", "-1/minute", "5/minute and more", 5])
def test_limit_that_is_none_is_a_mistake(make_app: MakeApp, limits: Any) -> None:
    class Bad(Controller):
        @get("/")
        @rate_limit(limits)
        async def show(self, req: Request) -> Response:
            return req.res.text("x")

    with pytest.raises(ConfigurationError, match="PAT545") as caught:
        make_app(Bad).build()
    assert "test_extension.py" in str(caught.value)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"DEFAULT_LIMITS": "often"}, "PAT545"),
        ({"GLOBAL_LIMITS": "often"}, "PAT545"),
        ({"STORAGE_URI": "memcached://localhost"}, "PAT546"),
        ({"STORAGE_URI": "localhost:6379"}, "PAT546"),
        ({"STORAGE_URI": "redis://localhost:none/0"}, "PAT546"),
        ({"STORAGE_URI": "redis://localhost:99999/0"}, "PAT546"),
        ({"STRATEGY": "guess"}, "PAT322"),
        ({"STORAGE": "memory://"}, "PAT320"),
    ],
)
def test_configuration_that_does_not_fit_is_a_mistake(make_app: MakeApp, values: dict[str, Any], code: str) -> None:
    with pytest.raises(ConfigurationError, match=code):
        limited(make_app, **values)


def test_password_of_the_storage_is_in_no_representation_and_no_mistake(make_app: MakeApp) -> None:
    application = limited(make_app, STORAGE_URI="redis://:hunter2@localhost:6379/0")
    limiter = next(iter(application.extensions.values()))
    assert "hunter2" not in repr([application.extension_states[limiter].configs, limiter, application.configs])
    with pytest.raises(ConfigurationError) as caught:
        limited(make_app, STORAGE_URI="redis://:hunter2@localhost:none/0")
    assert "hunter2" not in str(caught.value)


def test_limits_are_read_from_flat_keys_and_other_names_too(make_app: MakeApp) -> None:
    make_app(EXTENSIONS=[RateLimiter()], RATE_LIMIT_DEFAULT_LIMITS="5/minute")
    make_app(EXTENSIONS=[RateLimiter(configs_name="LIMITS")], LIMITS={"DEFAULT_LIMITS": "5/minute"})


def test_configuration_without_the_extension_is_a_mistake(make_app: MakeApp) -> None:
    with pytest.raises(ConfigurationError, match="PAT022"):
        make_app_bare(make_app, {"DEFAULT_LIMITS": "5/minute"})


def make_app_bare(make_app: MakeApp, values: dict[str, Any]) -> Patera:
    """Make an application whose config names `RATE_LIMIT` without an annotation, as the documents do."""
    config = type("Config", (BaseConfig,), {"__module__": __name__, "RATE_LIMIT": values, **BASICS})
    application: Patera = app(__name__, configs=config)(type("Application", (Patera,), {}))()
    return application


BASICS: dict[str, Any] = {"APP_NAME": "Test", "VERSION": "1.0", "BASE_PATH": "."}


class Other(BaseExtension):
    """Stands before the limiter in `EXTENSIONS`."""

    def init_app(self, app: Patera) -> str:
        return "state"


async def test_counts_can_be_forgotten(make_app: MakeApp, client: Connect) -> None:
    limiter = RateLimiter()
    http = await client(make_app(Limited, EXTENSIONS=[Other(), limiter]))
    assert await statuses(http, "/limited/two", 3) == [200, 200, 429]
    await limiter.state.reset()
    assert await statuses(http, "/limited/two", 1) == [200]
