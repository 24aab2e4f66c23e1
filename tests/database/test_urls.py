"""`DATABASE_URI`: what is accepted, which driver serves which side, and what the mistakes say."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from patera import Patera
from patera.database.sql import SqlDatabase
from patera.database.sql._urls import async_url, location_of, named_memory, read_uri, sync_url
from patera.exceptions import ConfigurationError, MissingExtra, Mistake

MakeApp = Callable[..., Patera]

KEY = "SQL_DATABASE['DATABASE_URI']"


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make packages impossible to import, as if they were not installed."""

    def hide(*packages: str) -> None:
        for name in packages:
            monkeypatch.setitem(sys.modules, name, None)

    return hide


def asynchronous(uri: str) -> str:
    return async_url(read_uri(uri, KEY), KEY).render_as_string(hide_password=False)


def synchronous(uri: str) -> str:
    return sync_url(read_uri(uri, KEY), KEY).render_as_string(hide_password=False)


def mistake_of(make_app: MakeApp, **configs: Any) -> Mistake:
    with pytest.raises(ConfigurationError) as caught:
        make_app(EXTENSIONS=[SqlDatabase()], SQL_DATABASE=configs)
    (mistake,) = caught.value.mistakes
    return mistake


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("sqlite:///x.db", "sqlite+aiosqlite:///x.db"),
        ("sqlite+pysqlite:///x.db", "sqlite+aiosqlite:///x.db"),
        ("sqlite+aiosqlite:///x.db", "sqlite+aiosqlite:///x.db"),
        ("postgres://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("postgresql://u:p@h:1/d", "postgresql+asyncpg://u:p@h:1/d"),
        ("postgresql+psycopg2://h/d", "postgresql+asyncpg://h/d"),
        ("postgresql+psycopg://h/d", "postgresql+psycopg://h/d"),
        ("mysql://h/d", "mysql+aiomysql://h/d"),
        ("mysql+pymysql://h/d", "mysql+aiomysql://h/d"),
        ("mysql+asyncmy://h/d", "mysql+asyncmy://h/d"),
        ("mariadb+mariadbconnector://h/d", "mariadb+aiomysql://h/d"),
    ],
)
def test_uri_of_any_driver_is_served_by_an_async_one(given: str, used: str) -> None:
    assert asynchronous(given) == used


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("sqlite+aiosqlite:///x.db", "sqlite+pysqlite:///x.db"),
        ("postgresql+asyncpg://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        ("postgresql+psycopg://h/d", "postgresql+psycopg://h/d"),
        ("postgresql+psycopg_async://h/d", "postgresql+psycopg://h/d"),
        ("mysql+aiomysql://h/d", "mysql+pymysql://h/d"),
        ("mariadb+asyncmy://h/d", "mariadb+pymysql://h/d"),
    ],
)
def test_uri_of_async_driver_has_a_synchronous_one(given: str, used: str) -> None:
    assert synchronous(given) == used


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgres://h/d?sslmode=require&channel_binding=require", "postgresql+asyncpg://h/d?ssl=require"),
        ("postgresql+asyncpg://h/d?sslmode=require", "postgresql+asyncpg://h/d?ssl=require"),
        ("mysql+pymysql://h/d?charset=utf8mb4&read_timeout=5", "mysql+aiomysql://h/d?charset=utf8mb4"),
    ],
)
def test_parameters_of_uri_are_those_of_the_async_driver(given: str, used: str) -> None:
    assert asynchronous(given) == used


def test_parameters_of_uri_are_those_of_the_synchronous_driver() -> None:
    given = "postgresql+asyncpg://h/d?ssl=require&prepared_statement_cache_size=0&application_name=shop"
    assert synchronous(given) == "postgresql+psycopg://h/d?application_name=shop&sslmode=require"


def test_async_driver_is_the_one_that_is_installed(without: Callable[..., None]) -> None:
    without("asyncpg", "aiomysql")
    assert asynchronous("postgresql://h/d") == "postgresql+psycopg://h/d"
    assert asynchronous("mysql://h/d") == "mysql+asyncmy://h/d"


def test_async_driver_not_installed_names_the_extra(make_app: MakeApp, without: Callable[..., None]) -> None:
    without("asyncpg")
    mistake = mistake_of(make_app, DATABASE_URI="postgresql+asyncpg://h/d")
    assert (mistake.code, mistake.found) == ("PAT011", "the package 'asyncpg' is not installed")
    assert "pip install 'patera[postgres]'" in mistake.change


def test_no_async_driver_installed_names_the_extra(make_app: MakeApp, without: Callable[..., None]) -> None:
    without("aiomysql", "asyncmy")
    assert "pip install 'patera[mysql]'" in mistake_of(make_app, DATABASE_URI="mysql://h/d").change


async def test_synchronous_driver_not_installed_is_an_error_when_it_is_needed(
    make_app: MakeApp, without: Callable[..., None]
) -> None:
    without("psycopg", "psycopg2", "pg8000")
    db = SqlDatabase()
    application = make_app(EXTENSIONS=[db], SQL_DATABASE={"DATABASE_URI": "postgresql+asyncpg://h/d"})
    application.build()
    with pytest.raises(MissingExtra, match=r"'psycopg' is not installed[\s\S]*pip install 'patera\[postgres\]'"):
        db.create_sync_session()


def test_uri_missing_is_a_mistake_with_examples(make_app: MakeApp) -> None:
    for configs in ({}, {"DATABASE_URI": None}, {"DATABASE_URI": " "}):
        mistake = mistake_of(make_app, **configs)
        assert (mistake.code, mistake.where) == ("PAT401", KEY)
        assert "sqlite+aiosqlite:///./test.db" in mistake.accepted


def test_config_missing_altogether_is_the_same_mistake(make_app: MakeApp) -> None:
    with pytest.raises(ConfigurationError, match="PAT401 ARCHIVE\\['DATABASE_URI'\\]"):
        make_app(EXTENSIONS=[SqlDatabase("archive", "ARCHIVE")])


@pytest.mark.parametrize(
    "uri",
    [
        "nonsense",
        "postgresql://user:se/cret@host:port/name",
        "postgresql://user:s@se/cret@host:port/name",
        "mysql+aiomysql://user:s@cret@host/name",
        "://host",
    ],
)
def test_uri_malformed_is_a_mistake_that_does_not_repeat_it(make_app: MakeApp, uri: str) -> None:
    mistake = mistake_of(make_app, DATABASE_URI=uri)
    assert (mistake.code, mistake.found) == ("PAT402", "a text that is no database URL")
    assert "cret" not in str(mistake)
    assert uri not in str(mistake)


def test_sqlite_uri_with_two_slashes_is_a_mistake(make_app: MakeApp) -> None:
    mistake = mistake_of(make_app, DATABASE_URI="sqlite://test.db")
    assert (mistake.code, mistake.accepted[:17]) == ("PAT402", "sqlite:///name.db")


@pytest.mark.parametrize(
    ("uri", "hint"),
    [
        ("postgresql+asyncpgg://u:secret@h/d", "Did you mean 'postgresql+asyncpg'?"),
        ("postgre+asyncpg://u:secret@h/d", "Did you mean 'postgresql+asyncpg'?"),
        ("mssql+pyodbc://u:secret@h/d", "correct the part before '://'."),
    ],
)
def test_uri_of_unknown_driver_is_a_mistake_that_names_the_extras(make_app: MakeApp, uri: str, hint: str) -> None:
    mistake = mistake_of(make_app, DATABASE_URI=uri)
    assert mistake.code == "PAT403"
    assert "postgresql (extra 'postgres'), mysql (extra 'mysql')" in mistake.accepted
    assert hint in mistake.change
    assert "secret" not in str(mistake)


def test_driver_of_another_database_not_installed_is_a_mistake(make_app: MakeApp) -> None:
    mistake = mistake_of(make_app, DATABASE_URI="mssql+aioodbc://u:secret@h/d")
    assert (mistake.code, mistake.where) == ("PAT408", KEY)
    assert mistake.found == "the package 'aioodbc', which 'mssql+aioodbc' needs, is not installed"
    assert mistake.change == "pip install aioodbc"


def test_synchronous_uri_of_an_unknown_database_is_the_second_one() -> None:
    url = make_url("oracle+oracledb_async://h/d")
    assert sync_url(url, KEY, "oracle+oracledb://h/d").drivername == "oracle+oracledb"
    with pytest.raises(ConfigurationError, match=r"PAT404[\s\S]*ALEMBIC_DATABASE_URI_SYNC"):
        sync_url(url, KEY)


@pytest.mark.parametrize(
    "uri",
    ["sqlite://", "sqlite:///:memory:", "sqlite:///file::memory:?uri=true", "sqlite:///file:a?mode=memory&uri=true"],
)
def test_database_in_memory_has_a_name_that_connections_share(uri: str) -> None:
    url = named_memory(make_url(uri), "one")
    assert (url.database, dict(url.query)) == ("file:one", {"mode": "memory", "cache": "shared", "uri": "true"})


@pytest.mark.parametrize(
    "uri", ["sqlite:///x.db", "postgresql://h/d", "sqlite:///file:a?mode=memory&cache=shared&uri=true"]
)
def test_database_that_has_a_name_keeps_it(uri: str) -> None:
    assert named_memory(make_url(uri), "one") == make_url(uri)


def test_location_has_neither_user_nor_password(tmp_path: Path) -> None:
    assert location_of(make_url("postgresql://user:secret@db.example:5433/shop")) == "db.example:5433/shop"
    assert location_of(make_url("mysql://root@/shop")) == "localhost/shop"
    assert location_of(make_url("postgresql://user@/shop?host=/run/postgresql")) == "/run/postgresql/shop"
    assert location_of(make_url(f"sqlite:///{tmp_path}/x.db")) == f"{tmp_path}/x.db"
    assert location_of(named_memory(make_url("sqlite://"), "one")) == "memory"
